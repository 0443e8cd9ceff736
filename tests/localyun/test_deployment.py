"""Reading s.yaml and template.yml: references, conditions, and errors with place and remedy."""

from datetime import datetime, timezone
from pathlib import Path

import pytest

from localyun.deploy.declared import (
    BadDeployment,
    DeclaredAttachment,
    DeclaredResource,
    DeclaredSubscription,
    Deployment,
)
from localyun.deploy.project import read
from localyun.deploy.ros_template import Stack, StackLocation
from localyun.fc.schedule import BadSchedule, Schedule
from localyun.fc.values import AsyncConfig, LifecycleHook, ObjectTrigger, TimerTrigger, TopicTrigger

ROOT = Path(__file__).parents[2]
TEMPLATE = """
ROSTemplateFormatVersion: '2015-09-01'
Metadata: {clipstitch: {attach: [{bucket: B, project: P}]}}
Parameters:
  Name: {Type: String, AllowedPattern: '^[a-z]+$'}
  Big: {Type: String, Default: 'false', AllowedValues: ['true', 'false']}
Conditions:
  IsBig: {'Fn::Equals': ['true', {Ref: Big}]}
  Small: {'Fn::Not': IsBig}
Resources:
  B: {Type: 'ALIYUN::OSS::Bucket', Properties: {BucketName: {Ref: Name}}}
  P: {Type: 'ALIYUN::IMM::Project2', Properties: {ProjectName: {'Fn::Join': ['-', [{Ref: Name}, imm]]}}}
  T: {Type: 'ALIYUN::MNS::Topic', Properties: {TopicName: {'Fn::Sub': '${Name}-t'}}}
  Q:
    Type: ALIYUN::MNS::Queue
    Properties: {QueueName: q, VisibilityTimeout: {'Fn::If': [IsBig, 60, 5]}}
  Extra: {Type: 'ALIYUN::MNS::Queue', Condition: IsBig, Properties: {QueueName: extra}}
  S:
    Type: ALIYUN::MNS::Subscription
    Properties:
      TopicName: {'Fn::GetAtt': [T, TopicName]}
      SubscriptionName: s
      Endpoint: {'Fn::Sub': 'acs:mns:${ALIYUN::Region}:${ALIYUN::TenantId}:queues/${Q}'}
Outputs:
  BucketName: {Value: {'Fn::GetAtt': [B, Name]}}
  TopicName: {Value: {Ref: T}}
  QueueArn: {Value: {'Fn::GetAtt': [Q, ARN.WithSlash]}}
  Stack: {Value: {Ref: 'ALIYUN::StackName'}}
"""
SERVERLESS = """
edition: 3.0.0
name: x
vars: {region: "${env('R', 'cn-x')}", name: demo}
template:
  base: {region: "${vars.region}", runtime: python3.10, handler: index.handler, environmentVariables: {A: '1', B: '2'}}
resources:
  infra:
    component: ros
    props: {region: "${vars.region}", name: stack, template: ./template.yml, parameters: {Name: "${vars.name}"}}
  one:
    component: fc3
    extend: {name: base}
    props:
      functionName: one
      code: ./build/one
      environmentVariables: {B: "${resources.infra.output.TopicName}/${this.props.functionName}", C: "${this.name}"}
      triggers:
        - triggerName: o
          triggerType: oss
          sourceArn: acs:oss:${vars.region}:1:${resources.infra.output.BucketName}
          triggerConfig: {events: ['oss:ObjectCreated:PutObject'], filter: {key: {prefix: in/, suffix: .json}}}
        - triggerName: t
          triggerType: timer
          triggerConfig: {cronExpression: '@every 5m', payload: p}
  two:
    component: fc3
    extend: {name: base}
    props:
      functionName: ${resources.one.props.functionName}-two
      code: ./code
      instanceLifecycleConfig: {initializer: {handler: index.init, timeout: 9}}
      asyncInvokeConfig:
        maxAsyncRetryAttempts: 1
        destinationConfig: {onFailure: {destination: "${resources.infra.output.QueueArn}/messages"}}
      triggers:
        - triggerName: m
          triggerType: mns_topic
          sourceArn: acs:mns:${vars.region}:1:/topics/${resources.infra.output.TopicName}
          triggerConfig: {notifyContentFormat: JSON}
"""


def read_with(tmp_path: Path, serverless: str = SERVERLESS, template: str = TEMPLATE, **env: str) -> Deployment:
    """Read a project of the two given files and empty code directories."""
    (tmp_path / "s.yaml").write_text(serverless)
    (tmp_path / "template.yml").write_text(template)
    for folder in ("functions/one", "shared", "code"):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    return read(tmp_path, env)


def test_the_products_files_declare_what_it_needs() -> None:
    """The files that deploy to the cloud also declare the local cloud."""
    deployment = read(ROOT, {})

    assert deployment.buckets == ("clipstitch",)
    assert {"clipstitch-completions", "clipstitch-events"} == {topic.name for topic in deployment.topics}
    assert {"clipstitch-events", "clipstitch-dead-letters"} == {queue.name for queue in deployment.queues}
    assert (DeclaredAttachment("clipstitch", "clipstitch"),) == deployment.attachments
    names = [function.name for function in deployment.functions]
    assert ["clipstitch-submit", "clipstitch-complete", "clipstitch-sweep"] == names


def test_the_products_functions_have_bucket_topics_and_sinks_in_their_environment() -> None:
    """The environment has exactly the variables that the product's settings read, with space-separated sinks."""
    environment = read(ROOT, {}).functions[0].environment

    assert environment == {
        "OSS_REGION": "cn-hangzhou",
        "OSS_ENDPOINT": "https://oss-cn-hangzhou-internal.aliyuncs.com",
        "MNS_ENDPOINT": "https://1234567890123456.mns.cn-hangzhou-internal.aliyuncs.com",
        "IMM_ENDPOINT": "https://imm.cn-hangzhou.aliyuncs.com",
        "CLIPSTITCH_IMM_PROJECT": "clipstitch",
        "CLIPSTITCH_BUCKET": "clipstitch",
        "CLIPSTITCH_OUTPUT_BUCKETS": "clipstitch",
        "CLIPSTITCH_OUTPUT_PREFIXES": "merged/",
        "CLIPSTITCH_STRICT": "false",
        "CLIPSTITCH_COMPLETION_TOPIC": "clipstitch-completions",
        "CLIPSTITCH_SINKS": "events=topic:clipstitch-events queue=queue:clipstitch-events",
        "CLIPSTITCH_GRACE_PERIOD_S": "120",
        "CLIPSTITCH_MAX_RETRIES": "3",
        "CLIPSTITCH_DEADLINE_S": "21600",
        "CLIPSTITCH_SEARCH_WINDOW_S": "86400",
    }


def test_the_products_functions_have_the_grace_period_of_the_environment() -> None:
    """The same variables configure functions in the cloud and in the local cloud."""
    functions = read(ROOT, {"CLIPSTITCH_GRACE_PERIOD_S": "7"}).functions

    assert {"7"} == {function.environment["CLIPSTITCH_GRACE_PERIOD_S"] for function in functions}


def test_the_products_triggers_match_manifests_and_no_output() -> None:
    """There is one trigger per suffix under manifests/, and no wildcard event, which would match uploaded parts."""
    triggers = [trigger for trigger in read(ROOT, {}).triggers if isinstance(trigger, ObjectTrigger)]

    assert {".json", ".yaml", ".yml", ".ffconcat", ".m3u", ".m3u8"} == {trigger.suffix for trigger in triggers}
    assert {"manifests/"} == {trigger.prefix for trigger in triggers}
    assert not [event for trigger in triggers for event in trigger.events if event.endswith("*")]


def test_environment_variables_rename_all_resources() -> None:
    """The environment overrides account, region, bucket and prefix."""
    variables = {
        "ALIBABA_CLOUD_ACCOUNT_ID": "42",
        "OSS_REGION": "eu-central-1",
        "CLIPSTITCH_BUCKET": "bucket",
        "CLIPSTITCH_PREFIX": "stage",
    }
    deployment = read(ROOT, variables)

    assert (deployment.account_id, deployment.region, deployment.buckets) == ("42", "eu-central-1", ("bucket",))
    assert deployment.functions[0].role == "acs:ram::42:role/stage-functions"
    assert deployment.functions[0].name == "stage-submit"


def test_template_functions_are_resolved(tmp_path: Path) -> None:
    """The template uses Ref, GetAtt, Sub, Join, If, Equals, Not, conditions and pseudo parameters."""
    found = read_with(tmp_path)

    assert (found.buckets, found.projects) == (("demo",), ("demo-imm",))
    assert (DeclaredResource("demo-t"),) == found.topics
    assert (DeclaredResource("q", {"visibility_timeout": 5}),) == found.queues
    assert (DeclaredSubscription("demo-t", "s", "acs:mns:cn-x:1234567890123456:queues/q"),) == found.subscriptions
    assert found.outputs["Stack"] == "stack"


def test_a_true_condition_adds_its_resources(tmp_path: Path) -> None:
    """The deployment has the other branch of Fn::If, and the conditional queue."""
    parameters = SERVERLESS.replace('{Name: "${vars.name}"}', "{Name: demo, Big: 'true'}")

    found = read_with(tmp_path, parameters)

    assert (DeclaredResource("q", {"visibility_timeout": 60}), DeclaredResource("extra")) == found.queues


def test_references_extension_and_defaults_of_s_yaml_are_resolved(tmp_path: Path) -> None:
    """References to env, vars, this, props and outputs are resolved; own values override those of the base."""
    one, two = read_with(tmp_path, R="cn-y").functions

    assert one.environment == {"A": "1", "B": "demo-t/one", "C": "one"}
    assert ("one-two", LifecycleHook("index.init", 9)) == (two.name, two.initializer)
    on_failure = "acs:mns:cn-y:1234567890123456:/queues/q/messages"
    assert AsyncConfig(1, 86400, "", on_failure) == two.asynchronous


def test_triggers_are_parsed(tmp_path: Path) -> None:
    """Object, timer and topic triggers have the vendor's defaults."""
    assert (
        ObjectTrigger("one", "o", "demo", ("oss:ObjectCreated:PutObject",), "in/", ".json"),
        TimerTrigger("one", "t", "@every 5m", "p"),
        TopicTrigger("one-two", "m", "demo-t", "JSON"),
    ) == read_with(tmp_path).triggers


def test_code_is_taken_from_the_sources_unless_the_build_is_requested(tmp_path: Path) -> None:
    """Without a build, the code is functions/NAME and shared; other directories are unchanged."""
    one, two = read_with(tmp_path).functions

    assert (tmp_path / "functions" / "one", tmp_path / "shared") == one.code
    assert (tmp_path / "code",) == two.code
    (tmp_path / "build" / "one").mkdir(parents=True)
    assert (tmp_path / "build" / "one",) == read(tmp_path, {}, from_build=True).functions[0].code


def test_a_missing_build_is_an_error_with_the_remedy(tmp_path: Path) -> None:
    """The error names the command that builds."""
    read_with(tmp_path)

    with pytest.raises(BadDeployment, match=r"build/one; run python3 build\.py"):
        read(tmp_path, {}, from_build=True)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("${vars.region}", "${vars.regoin}", r"vars\.regoin does not exist.*region, name"),
        ("${this.name}", "${config('AccountID')}", r"config\('AccountID'\).*known forms:.*env\('NAME'"),
        ("output.TopicName", "output.TopicNam", "no 'TopicNam' in Outputs; known: BucketName, TopicName"),
        ("output.TopicName", "output.${x}", "unknown here"),
        ("name: demo", 'name: "${vars.name}"', "circular reference"),
        ("env('R', 'cn-x')", "env('R')", "environment variable R is needed"),
        ("extend: {name: base}", "extend: {name: bass}", "no template 'bass'; known: base"),
        ("component: ros", "component: oos", "component 'oos' is unknown; known: ros, fc3"),
        ("triggerType: timer", "triggerType: cdn", "trigger type 'cdn' is unknown here; known: oss, mns_topic, timer"),
        ("{cronExpression:", "{cron:", "cron is unknown; known: cronExpression"),
        ("'@every 5m'", "'5 minutes'", "six fields"),
        ("ObjectCreated:PutObject", "ObjectCreated:Put", "ObjectCreated:Put is unknown"),
        ("suffix: .json", "sufix: .json", "both keys"),
        ("notifyContentFormat: JSON", "notifyContentFormat: XML", "known: STREAM, JSON"),
        ("1:${resources.infra.output.BucketName}", "1:other", "bucket 'other', which no template declares"),
        ("functionName: one", "functionName: one\n      memory: 1", "memory is unknown; known: cpu"),
        ("python3.10", "nodejs20", "runtime nodejs20 cannot run here"),
        ("./build/one", "./build/three", "no directory functions/three"),
        ("{Name: ", "{Nmae: ", "Nmae is not declared; known: Name, Big"),
        ("name: demo", "name: DEMO", "'DEMO' does not match"),
        ("edition: 3.0.0", "edition: [", "not valid YAML"),
    ],
)
def test_an_error_in_s_yaml_lists_what_is_known(tmp_path: Path, old: str, new: str, message: str) -> None:
    """Every error has its place and the remedy."""
    assert old in SERVERLESS
    with pytest.raises(BadDeployment, match=f"(?s){message}"):
        read_with(tmp_path, SERVERLESS.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("ALIYUN::MNS::Topic'", "ALIYUN::MNS::Topci'", "type ALIYUN::MNS::Topci is unknown here; known:"),
        ("'Fn::Join'", "'Fn::Jion'", "Fn::Jion is unknown here; known: Ref"),
        ("[T, TopicName]", "[T, Name]", "T.Name: there is no such attribute; known: TopicName"),
        ("{Ref: T}", "{Ref: U}", "'U' is neither a parameter nor a resource"),
        ("'${Name}-t'", "'${T}-t'", "circular reference"),
        ("Condition: IsBig", "Condition: IsHuge", "no 'IsHuge' in Conditions; known: IsBig, Small"),
        ("VisibilityTimeout:", "VisibiltyTimeout:", "VisibiltyTimeout is unknown here"),
        ("bucket: B", "bucket: P", "P is not of type ALIYUN::OSS::Bucket"),
        ("QueueName: q", "QueueNmae: q", "'QueueName' is missing"),
    ],
)
def test_an_error_in_the_template_lists_what_is_known(tmp_path: Path, old: str, new: str, message: str) -> None:
    """Every error has its place and the remedy."""
    assert old in TEMPLATE
    with pytest.raises(BadDeployment, match=message):
        read_with(tmp_path, template=TEMPLATE.replace(old, new))


def test_triggers_that_match_the_same_event_are_rejected(tmp_path: Path) -> None:
    """OSS rejects triggers with a common event and overlapping prefixes and suffixes."""
    timer = "        - triggerName: t\n          triggerType: timer\n"
    config = "          triggerConfig: {cronExpression: '@every 5m', payload: p}\n"
    start = SERVERLESS.index("        - triggerName: o")
    second = SERVERLESS[start : SERVERLESS.index(timer)].replace("triggerName: o", "triggerName: o2")

    with pytest.raises(BadDeployment, match="o and o2 would both match"):
        read_with(tmp_path, SERVERLESS.replace(timer + config, second.replace("in/", "in/deep/")))


def test_a_project_without_files_is_an_error_with_a_hint(tmp_path: Path) -> None:
    """The likely cause is the wrong directory."""
    with pytest.raises(BadDeployment, match="is this the project's directory"):
        read(tmp_path, {})


def test_and_and_or_take_lists_of_conditions() -> None:
    """Fn::And and Fn::Or evaluate lists of conditions."""
    template = {
        "Conditions": {"Yes": {"Fn::Equals": [1, "1"]}, "No": {"Fn::Not": "Yes"}},
        "Outputs": {
            "And": {"Value": {"Fn::If": [{"Fn::And": ["Yes", "No"]}, "a", "b"]}},
            "Or": {"Value": {"Fn::If": [{"Fn::Or": ["Yes", "No"]}, "a", "b"]}},
        },
    }

    assert Stack(template, {}, StackLocation("1", "r", "s")).outputs() == {"And": "b", "Or": "a"}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [("Yes", "b"), (["Yes"], "b"), ({"Fn::Equals": [1, 2]}, "a"), ([{"Fn::Equals": [1, 2]}], "a")],
)
def test_not_takes_one_condition(condition: object, expected: str) -> None:
    """The condition may be a list of one, as ROS's own classes write it."""
    template = {
        "Conditions": {"Yes": {"Fn::Equals": [1, "1"]}, "Not": {"Fn::Not": condition}},
        "Outputs": {"Not": {"Value": {"Fn::If": ["Not", "a", "b"]}}},
    }

    assert Stack(template, {}, StackLocation("1", "r", "s")).outputs() == {"Not": expected}


@pytest.mark.parametrize("conditions", [[], ["Yes", "Yes"]])
def test_not_rejects_another_number_of_conditions(conditions: list[str]) -> None:
    """A list is not true because it is not empty."""
    template = {"Conditions": {"Yes": {"Fn::Equals": [1, 1]}, "Not": {"Fn::Not": conditions}}}
    outputs = {"Outputs": {"Not": {"Value": {"Fn::If": ["Not", "a", "b"]}}}}

    with pytest.raises(BadDeployment, match=f"Fn::Not has {len(conditions)} conditions"):
        Stack({**template, **outputs}, {}, StackLocation("1", "r", "s")).outputs()


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("@every 90s", "2026-02-27T23:59:58"),
        ("0 */5 * * * *", "2026-02-28T00:00:00"),
        ("0 0 8 * * ?", "2026-02-28T08:00:00"),
        ("0 30 1 1,15 * *", "2026-03-01T01:30:00"),
        ("0 0 0 29 FEB *", "2028-02-29T00:00:00"),
        ("0 0 12 * * MON-FRI", "2026-03-02T12:00:00"),
        ("0 0 12 * * 7", "2026-03-01T12:00:00"),
        ("10/20 * * * * *", "2026-02-27T23:58:30"),
    ],
)
def test_a_schedule_returns_its_next_time(expression: str, expected: str) -> None:
    """Expressions have intervals, steps, lists, ranges and names, and cross the end of months."""
    moment = datetime(2026, 2, 27, 23, 58, 28, tzinfo=timezone.utc)

    assert expected == Schedule.parse(expression).after(moment).strftime("%Y-%m-%dT%H:%M:%S")


@pytest.mark.parametrize("expression", ["", "@every", "@every 5", "* * * * *", "0 0 25 * * *", "0 0 x * * *"])
def test_an_invalid_schedule_is_rejected(expression: str) -> None:
    """Five fields are the format of Unix, not the vendor's."""
    with pytest.raises(BadSchedule):
        Schedule.parse(expression)
