"""Mutants of the deployment files: each has one error, and names the validator that must report it."""

from typing import NamedTuple

from tests.deploy.validators import CLASSES, CROSS, LOCALYUN, PREVIEW, SCHEMA, SDK, TYPES, VERIFY


class Mutant(NamedTuple):
    """A file with one string replaced by another; `message` must be in the validator's complaints."""

    name: str
    file: str
    old: str
    new: str
    validator: str
    message: str


S, T = "s.yaml", "template.yml"
MUTANTS = (
    Mutant("an unclosed brace", S, "suffix: .json}}", "suffix: .json}", PREVIEW, "s.yaml"),
    Mutant("an undeclared variable", S, "${vars.prefix}-submit", "${vars.prefx}-submit", PREVIEW, "prefx"),
    Mutant("a tab as indentation", S, "    timeout: 60", "\ttimeout: 60", PREVIEW, "s.yaml"),
    Mutant("a missing template", S, "name: function", "name: functions", LOCALYUN, "no template"),
    Mutant("a time limit in words", S, "timeout: 60", "timeout: a minute", VERIFY, "timeout must be integer"),
    Mutant("an unsupported runtime", S, "python3.10", "python3.11", VERIFY, "runtime must be equal to one of"),
    Mutant("an unsupported disk size", S, "diskSize: 512", "diskSize: 1024", VERIFY, "diskSize must be equal"),
    Mutant("memory above the maximum", S, "memorySize: 512", "memorySize: 65536", VERIFY, "memorySize must be <="),
    Mutant("an unknown region", S, "region: ${vars.region}\n    r", "region: cn-hangzo\n    r", VERIFY, "region"),
    Mutant("XML as trigger format", S, "ContentFormat: JSON", "ContentFormat: XML", SCHEMA, "'XML' is not one of"),
    Mutant("an unknown OSS event", S, "ObjectCreated:CopyObject", "ObjectCreated:Copy", SCHEMA, "is not one of"),
    Mutant("a misspelled filter key", S, "suffix: .yml", "sufix: .yml", SCHEMA, "'sufix' was unexpected"),
    Mutant("a misspelled trigger key", S, "invocationRole:", "invokeRole:", SCHEMA, "'invokeRole' was unexpected"),
    Mutant("thirty retries", S, "RetryAttempts: 3", "RetryAttempts: 30", SCHEMA, "30 is greater than the maximum"),
    Mutant("no retry strategy", S, "  notifyStrategy: EXPONENTIAL_DECAY_RETRY\n", "\n", SCHEMA, "notifyStrategy"),
    Mutant("memory instead of memorySize", S, "memorySize: 512", "memory: 512", SDK, "memory is unknown"),
    Mutant("onFail instead of onFailure", S, "onFailure:", "onFail:", SDK, "destinationConfig.onFail is unknown"),
    Mutant("the handler's limit misplaced", S, "cpu: 0.35", "limits: {cpu: 0.35}", SDK, "limits is unknown"),
    Mutant("strategy instead of notifyStrategy", S, "notifyStrategy:", "strategy:", SDK, "triggerConfig.strategy"),
    Mutant("PascalCase in TriggerConfig", T, "notifyContentFormat:", "NotifyContentFormat:", SDK, "NotifyContent"),
    Mutant("an unknown ROS type", T, "ALIYUN::MNS::Queue", "ALIYUN::SMQ::Queue", CLASSES, "unknown type"),
    Mutant("a misspelled property", T, "MaximumMessageSize:", "MaxMessageSize:", CLASSES, "MaxMessageSize: unk"),
    Mutant("a misspelled nested property", T, "Status: Enabled", "State: Enabled", CLASSES, "State"),
    Mutant("retention above the maximum", T, "Period: 604800", "Period: 604800000", CLASSES, "messageRetentionPeriod"),
    Mutant("a string instead of a number", T, "VisibilityTimeout: 30", "VisibilityTimeout: half", CLASSES, "number"),
    Mutant("a missing required property", T, "      Handler: index.handler\n", "", CLASSES, "handler"),
    Mutant("retries above the maximum", T, "MaxAsyncRetryAttempts: 3", "MaxAsyncRetryAttempts: 9", CLASSES, "maxA"),
    Mutant("yes for true", T, "BlockPublicAccess: true", "BlockPublicAccess: 'yes'", CLASSES, "blockPublicAccess"),
    Mutant("an unknown attribute", T, "${EventsTopic.TopicName}", "${EventsTopic.Name}", CLASSES, "no attr"),
    Mutant("a reference to a missing resource", T, "GetAtt': [LogStore,", "GetAtt': [LogsStore,", CLASSES, "LogsStore"),
    Mutant("an unknown CMS comparison", T, "GreaterThanThreshold", "MoreThan", CLASSES, "comparisonOperator"),
    Mutant("an alarm for no contact", T, "      ContactGroups: [{Ref: AlarmContacts}]\n", "", CLASSES, "contactGroups"),
    Mutant("a pause in words", T, "CreateDuration: 15", "CreateDuration: short", CLASSES, "createDuration"),
    Mutant("a property of another type", T, "TTL: {Ref", "RetentionDays: {Ref", TYPES, "no property RetentionDays"),
    Mutant("an attribute of another type", T, "[ImmRole, RoleName]", "[ImmRole, Name]", TYPES, "no attribute Name"),
    Mutant("a variable as access", S, "access: default", "access: ${vars.prefix}", CROSS, "is not rendered"),
    Mutant("a misspelled output", S, "output.LogStore}", "output.Logstore}", CROSS, "the output Logstore"),
    Mutant("a misspelled parameter", S, "BucketName: $", "Bucket: $", CROSS, "the parameter Bucket"),
    Mutant("a missing handler", S, "index.handler", "index.handle", CROSS, "has no function handle"),
    Mutant("code that is not built", S, "./build/complete", "./build/completed", CROSS, "makes ./build/complete"),
    Mutant("an unknown setting", S, "CLIPSTITCH_SINKS:", "CLIPSTITCH_SINK:", CROSS, "called CLIPSTITCH_SINK"),
    Mutant("a sink of an unknown kind", S, "queue=queue:", "queue=mail:", CROSS, "write name=topic:NAME"),
    Mutant("a trigger prefix unlike the setting", S, "prefix: manifests/", "prefix: in/", CROSS, "prefix is in/"),
    Mutant("the two files differ", T, "MemorySize: 512", "MemorySize: 1024", CROSS, "memorySize is 512 in s.yaml"),
    Mutant("a trigger for every uploaded part", S, "d:PutObject", "d:*", CROSS, "fires for every part of an upload"),
    Mutant("triggers that overlap", S, "suffix: .yml", "suffix: .yaml", LOCALYUN, "would both match an event"),
    Mutant("an undeclared topic", S, "{resources.infra.output.CompletionTopicName}\n          inv",
           "{resources.infra.output.EventsQueueName}s\n          inv", LOCALYUN, "names the topic"),
    Mutant("a role of another service", T, "[fc.aliyuncs.com]", "[oss.aliyuncs.com]", LOCALYUN, "may not assume the"),
    Mutant("an action without its service", T, "[mns:SendMessage]", "[SendMessage]", LOCALYUN, "write service:Action"),
    Mutant("a default out of range", T, "Default: 7", "Default: 1", LOCALYUN, "is not between 2 and 365"),
)  # fmt: skip
