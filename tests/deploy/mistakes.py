"""Mistakes that somebody could make in the deployment files, each with the validator that must catch it."""

from typing import NamedTuple

from tests.deploy.validators import CLASSES, CROSS, LOCALYUN, PREVIEW, SCHEMA, SDK, TYPES, VERIFY


class Mistake(NamedTuple):
    """One text put in the place of another; `told` must be in what the validator says."""

    what: str
    file: str
    old: str
    new: str
    validator: str
    told: str


S, T = "s.yaml", "template.yml"
MISTAKES = (
    Mistake("a brace is not closed", S, "suffix: .json}}", "suffix: .json}", PREVIEW, "s.yaml"),
    Mistake("a variable that is not declared", S, "${vars.prefix}-submit", "${vars.prefx}-submit", PREVIEW, "prefx"),
    Mistake("a tab as indentation", S, "    timeout: 60", "\ttimeout: 60", PREVIEW, "s.yaml"),
    Mistake("a template that is not there", S, "name: function", "name: functions", LOCALYUN, "no template"),
    Mistake("a time limit in words", S, "timeout: 60", "timeout: a minute", VERIFY, "timeout must be integer"),
    Mistake("a runtime that FC lacks", S, "python3.10", "python3.11", VERIFY, "runtime must be equal to one of"),
    Mistake("a disk size that FC lacks", S, "diskSize: 512", "diskSize: 1024", VERIFY, "diskSize must be equal"),
    Mistake("memory beyond the most", S, "memorySize: 512", "memorySize: 65536", VERIFY, "memorySize must be <="),
    Mistake("a region that FC lacks", S, "region: ${vars.region}\n    r", "region: cn-hangzo\n    r", VERIFY, "region"),
    Mistake("XML from an SMQ trigger", S, "ContentFormat: JSON", "ContentFormat: XML", SCHEMA, "'XML' is not one of"),
    Mistake("an event that OSS lacks", S, "ObjectCreated:CopyObject", "ObjectCreated:Copy", SCHEMA, "is not one of"),
    Mistake("a misspelled filter key", S, "suffix: .yml", "sufix: .yml", SCHEMA, "'sufix' was unexpected"),
    Mistake("a misspelled trigger key", S, "invocationRole:", "invokeRole:", SCHEMA, "'invokeRole' was unexpected"),
    Mistake("thirty retries", S, "RetryAttempts: 3", "RetryAttempts: 30", SCHEMA, "30 is greater than the maximum"),
    Mistake("no retry strategy", S, "  notifyStrategy: EXPONENTIAL_DECAY_RETRY\n", "\n", SCHEMA, "notifyStrategy"),
    Mistake("memory instead of memorySize", S, "memorySize: 512", "memory: 512", SDK, "memory is unknown"),
    Mistake("onFail instead of onFailure", S, "onFailure:", "onFail:", SDK, "destinationConfig.onFail is unknown"),
    Mistake("the handler's limit misplaced", S, "cpu: 0.35", "limits: {cpu: 0.35}", SDK, "limits is unknown"),
    Mistake("strategy instead of notifyStrategy", S, "notifyStrategy:", "strategy:", SDK, "triggerConfig.strategy"),
    Mistake("PascalCase in TriggerConfig", T, "notifyContentFormat:", "NotifyContentFormat:", SDK, "NotifyContent"),
    Mistake("a type that ROS lacks", T, "ALIYUN::MNS::Queue", "ALIYUN::SMQ::Queue", CLASSES, "unknown type"),
    Mistake("a misspelled property", T, "MaximumMessageSize:", "MaxMessageSize:", CLASSES, "MaxMessageSize: unk"),
    Mistake("a misspelled nested property", T, "Status: Enabled", "State: Enabled", CLASSES, "State"),
    Mistake("retention beyond the most", T, "Period: 604800", "Period: 604800000", CLASSES, "messageRetentionPeriod"),
    Mistake("text where a number belongs", T, "VisibilityTimeout: 30", "VisibilityTimeout: half", CLASSES, "number"),
    Mistake("a required property is missing", T, "      Handler: index.handler\n", "", CLASSES, "handler"),
    Mistake("more retries than FC makes", T, "MaxAsyncRetryAttempts: 3", "MaxAsyncRetryAttempts: 9", CLASSES, "maxA"),
    Mistake("yes for true", T, "BlockPublicAccess: true", "BlockPublicAccess: 'yes'", CLASSES, "blockPublicAccess"),
    Mistake("an attribute that nothing has", T, "${EventsTopic.TopicName}", "${EventsTopic.Name}", CLASSES, "no attr"),
    Mistake("a resource that is not there", T, "GetAtt': [LogStore,", "GetAtt': [LogsStore,", CLASSES, "LogsStore"),
    Mistake("a comparison that CMS lacks", T, "GreaterThanThreshold", "MoreThan", CLASSES, "comparisonOperator"),
    Mistake("an alarm for nobody", T, "      ContactGroups: [{Ref: AlarmContacts}]\n", "", CLASSES, "contactGroups"),
    Mistake("a property of another type", T, "TTL: {Ref", "RetentionDays: {Ref", TYPES, "no property RetentionDays"),
    Mistake("an attribute of another type", T, "[ImmRole, RoleName]", "[ImmRole, Name]", TYPES, "no attribute Name"),
    Mistake("an output that is misspelled", S, "output.LogStore}", "output.Logstore}", CROSS, "the output Logstore"),
    Mistake("a parameter that is misspelled", S, "BucketName: $", "Bucket: $", CROSS, "the parameter Bucket"),
    Mistake("a handler that is not there", S, "index.handler", "index.handle", CROSS, "has no function handle"),
    Mistake("code that nobody builds", S, "./build/complete", "./build/completed", CROSS, "makes ./build/complete"),
    Mistake("a setting that nobody reads", S, "CLIPSTITCH_SINKS:", "CLIPSTITCH_SINK:", CROSS, "called CLIPSTITCH_SINK"),
    Mistake("a sink of an unknown kind", S, "queue=queue:", "queue=mail:", CROSS, "write name=topic:NAME"),
    Mistake("another prefix than the settings'", S, "prefix: manifests/", "prefix: in/", CROSS, "prefix is in/"),
    Mistake("the two files differ", T, "MemorySize: 512", "MemorySize: 1024", CROSS, "memorySize is 512 in s.yaml"),
    Mistake("a trigger for every part", S, "d:PutObject", "d:*", CROSS, "fires for every part of an upload"),
    Mistake("triggers that overlap", S, "suffix: .yml", "suffix: .yaml", LOCALYUN, "would both match an event"),
    Mistake("a topic that nobody declares", S, "{resources.infra.output.CompletionTopicName}\n          inv",
            "{resources.infra.output.EventsQueueName}s\n          inv", LOCALYUN, "names the topic"),
    Mistake("a role that lets nobody in", T, "[fc.aliyuncs.com]", "[oss.aliyuncs.com]", LOCALYUN, "fc.aliyuncs.com may not assume"),
    Mistake("a right without its service", T, "[mns:SendMessage]", "[SendMessage]", LOCALYUN, "write service:Action"),
    Mistake("a default that is out of range", T, "Default: 7", "Default: 1", LOCALYUN, "is not between 2 and 365"),
)  # fmt: skip
