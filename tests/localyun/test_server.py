"""The whole local cloud over real HTTP with the vendor's own clients: upload, trigger, task, topic, function."""

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import fc2
import httpx
import oss2
import pytest
from alibabacloud_fc20230330 import models as fc_models
from alibabacloud_fc20230330.client import Client as FcClient
from alibabacloud_tea_openapi.models import Config
from alibabacloud_tea_util.models import RuntimeOptions
from mns.account import Account
from mns.mns_exception import MNSServerException

from localyun.data_dir import CannotStart
from localyun.deploy.declared import BadDeployment
from localyun.server import Endpoints, LocalCloud

TEMPLATE = """
ROSTemplateFormatVersion: '2015-09-01'
Metadata: {clipstitch: {attach: [{bucket: B, project: P}]}}
Resources:
  B: {Type: 'ALIYUN::OSS::Bucket', Properties: {BucketName: bkt}}
  P: {Type: 'ALIYUN::IMM::Project2', Properties: {ProjectName: prj}}
  T: {Type: 'ALIYUN::MNS::Topic', Properties: {TopicName: jobs}}
  Q: {Type: 'ALIYUN::MNS::Queue', Properties: {QueueName: events, VisibilityTimeout: VISIBILITY}}
  D: {Type: 'ALIYUN::MNS::Queue', Properties: {QueueName: dead}}
  R:
    Type: ALIYUN::RAM::Role
    Properties:
      RoleName: functions
      AssumeRolePolicyDocument:
        Statement: [{Effect: Allow, Action: sts:AssumeRole, Principal: {Service: [fc.aliyuncs.com]}}]
      Policies:
        - PolicyName: all
          PolicyDocument: {Statement: [{Effect: Allow, Action: ['oss:*', 'mns:*'], Resource: '*'}]}
Outputs:
  BucketName: {Value: bkt}
  EventsTopicName: {Value: {Ref: T}}
  EventsQueueName: {Value: {Ref: Q}}
  Dead: {Value: {'Fn::Sub': 'acs:mns:${ALIYUN::Region}:${ALIYUN::TenantId}:/queues/${D}/messages'}}
  Role: {Value: {'Fn::GetAtt': [R, Arn]}}
""".replace("VISIBILITY", "30")
SERVERLESS = """
edition: 3.0.0
name: x
resources:
  infra: {component: ros, props: {region: cn-hangzhou, name: x, template: ./template.yml}}
  up:
    component: fc3
    props:
      region: cn-hangzhou
      functionName: up
      runtime: python3.10
      handler: index.handler
      code: ./build/up
      timeout: 20
      role: ${resources.infra.output.Role}
      asyncInvokeConfig:
        maxAsyncRetryAttempts: 1
        destinationConfig: {onFailure: {destination: "${resources.infra.output.Dead}"}}
      triggers:
        - triggerName: json
          triggerType: oss
          sourceArn: acs:oss:cn-hangzhou:1234567890123456:bkt
          triggerConfig: {events: ['oss:ObjectCreated:PutObject'], filter: {key: {prefix: in/, suffix: .json}}}
  echo:
    component: fc3
    props: {region: cn-hangzhou, functionName: echo, runtime: python3.12, handler: index.handler, code: ./build/echo}
  topic:
    component: fc3
    props:
      region: cn-hangzhou
      functionName: topic
      runtime: python3.10
      handler: index.handler
      code: ./build/topic
      timeout: 20
      role: ${resources.infra.output.Role}
      triggers:
        - triggerName: jobs
          triggerType: mns_topic
          sourceArn: acs:mns:cn-hangzhou:1234567890123456:/topics/jobs
          triggerConfig: {notifyContentFormat: JSON, notifyStrategy: EXPONENTIAL_DECAY_RETRY}
"""
# Reads the upload with the role's key and publishes its text; "bad" raises an error.
UP = """
import json, os
import oss2
from common import mns

def handler(event, context):
    about = json.loads(event)["events"][0]["oss"]
    keys = context.credentials
    auth = oss2.StsAuth(keys.access_key_id, keys.access_key_secret, keys.security_token)
    bucket = oss2.Bucket(auth, os.environ["OSS_ENDPOINT"], about["bucket"]["name"])
    text = bucket.get_object(about["object"]["key"]).read().decode()
    if text == "bad":
        raise ValueError("a bad upload")
    from mns.topic import TopicMessage
    mns(context).get_topic("jobs").publish_message(TopicMessage(text))
"""
TOPIC = """
import json
from common import mns

def handler(event, context):
    from mns.queue import Message
    queue = mns(context).get_queue("events")
    queue.set_encoding(False)
    queue.send_message(Message("received " + json.loads(event)["Message"]))
"""
COMMON = """
import os
from mns.account import Account

def mns(context):
    keys = context.credentials
    return Account(
        os.environ["MNS_ENDPOINT"], keys.access_key_id, keys.access_key_secret, keys.security_token
    )
"""
ECHO = """
import os

def handler(event, context):
    print("working")
    if event == b"fail":
        raise RuntimeError("asked to fail")
    return event or os.environ["OSS_ENDPOINT"]
"""


def write_project(root: Path) -> Path:
    """Write a small project: s.yaml, template.yml, three functions, one shared module."""
    (root / "s.yaml").write_text(SERVERLESS)
    (root / "template.yml").write_text(TEMPLATE)
    for name, source in {"up": UP, "topic": TOPIC, "echo": ECHO}.items():
        (root / "functions" / name).mkdir(parents=True)
        (root / "functions" / name / "index.py").write_text(source)
    (root / "shared").mkdir()
    (root / "shared" / "common.py").write_text(COMMON)
    return root


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoints]:
    """Run one local cloud for the tests that change nothing permanently."""
    with LocalCloud(write_project(tmp_path_factory.mktemp("project")), time_scale=100) as endpoints:
        yield endpoints


def bucket_of(endpoints: Endpoints) -> oss2.Bucket:
    """Return a client of the bucket with the root key."""
    key = endpoints.credential
    return oss2.Bucket(oss2.Auth(key.access_key_id, key.access_key_secret), endpoints.oss, "bkt")


def receive(endpoints: Endpoints, queue: str, wait: int = 15) -> str:
    """Receive one message with the root key and delete it."""
    key = endpoints.credential
    found = Account(endpoints.mns, key.access_key_id, key.access_key_secret).get_queue(queue)
    found.set_encoding(False)
    message = found.receive_message_with_str_body(wait)
    found.delete_message(message.receipt_handle)
    return str(message.message_body)


def fc2_client(endpoints: Endpoints) -> fc2.Client:
    """Return a client of the older API."""
    key = endpoints.credential
    return fc2.Client(endpoint=endpoints.fc, accessKeyID=key.access_key_id, accessKeySecret=key.access_key_secret)


def fc3_client(endpoints: Endpoints) -> FcClient:
    """Return a client of the newer API."""
    key = endpoints.credential
    config = Config(
        access_key_id=key.access_key_id,
        access_key_secret=key.access_key_secret,
        endpoint=endpoints.fc.removeprefix("http://"),
        protocol="http",
    )
    return FcClient(config)


def test_an_upload_invokes_two_functions_through_a_topic(cloud: Endpoints) -> None:
    """The functions use real SDKs with their roles' keys; the second sends to a queue."""
    bucket_of(cloud).put_object("in/a.json", "hello")

    assert receive(cloud, "events") == "received hello"


def test_a_failed_event_is_sent_to_the_failure_destination(cloud: Endpoints) -> None:
    """After all retries, with request and error."""
    bucket_of(cloud).put_object("in/bad.json", "bad")

    record = json.loads(receive(cloud, "dead"))
    assert record["requestContext"]["approximateInvokeCount"] == 2
    assert json.loads(record["responsePayload"])["errorMessage"] == "a bad upload"
    assert json.loads(record["requestPayload"])["events"][0]["oss"]["object"]["key"] == "in/bad.json"


def test_the_environment_has_exactly_the_documented_variables(cloud: Endpoints) -> None:
    """`clipstitch up` prints them; bucket, topic and queue are outputs of the template."""
    environment = cloud.environment()

    assert " ".join(environment) == (
        "OSS_ACCESS_KEY_ID OSS_ACCESS_KEY_SECRET OSS_SESSION_TOKEN OSS_REGION OSS_ENDPOINT MNS_ENDPOINT IMM_ENDPOINT "
        "FC_ENDPOINT ROS_ENDPOINT CLIPSTITCH_BUCKET CLIPSTITCH_EVENTS_TOPIC CLIPSTITCH_EVENTS_QUEUE "
        "ALIBABA_CLOUD_ACCOUNT_ID"
    )
    named = [name for name in environment if name.startswith("CLIPSTITCH_")]
    assert [environment[name] for name in named] == ["bkt", "jobs", "events"]


def test_the_older_client_receives_results_logs_and_errors(cloud: Endpoints) -> None:
    """aliyun-fc2: any service name, 4 KB of log on request, FcError for a failed function."""
    client = fc2_client(cloud)

    result = client.invoke_function("any", "echo", b"ping", headers={"x-fc-log-type": "Tail"})

    assert result.data == b"ping"
    assert b"working\n" in base64.b64decode(result.headers["X-Fc-Log-Result"])
    with pytest.raises(fc2.FcError) as error:
        client.invoke_function("any", "echo", b"fail")
    assert "asked to fail" in str(error.value)


def test_the_older_client_lists_and_describes_functions(cloud: Endpoints) -> None:
    """Functions and triggers are those of s.yaml."""
    client = fc2_client(cloud)

    functions = client.list_functions("any").data["functions"]
    triggers = client.list_triggers("any", "up").data["triggers"]

    assert [function["functionName"] for function in functions] == ["echo", "topic", "up"]
    assert client.get_function("any", "up").data["handler"] == "index.handler"
    assert triggers[0]["triggerConfig"]["filter"]["key"] == {"prefix": "in/", "suffix": ".json"}


def test_the_older_client_reports_a_wrong_secret_and_a_missing_function(cloud: Endpoints) -> None:
    """The errors are SignatureNotMatch and FunctionNotFound."""
    wrong = fc2.Client(endpoint=cloud.fc, accessKeyID=cloud.credential.access_key_id, accessKeySecret="wrong")

    with pytest.raises(fc2.FcError) as error:
        wrong.invoke_function("any", "echo", b"")
    with pytest.raises(fc2.FcError) as missing:
        fc2_client(cloud).invoke_function("any", "missing", b"")

    assert (error.value.status_code, error.value.err_code) == (403, "SignatureNotMatch")
    assert (missing.value.status_code, missing.value.err_code) == (404, "FunctionNotFound")


def test_the_newer_client_invokes_synchronously_and_asynchronously(cloud: Endpoints) -> None:
    """alibabacloud-fc20230330 signs with ACS3; an asynchronous invocation returns 202."""
    client, runtime = fc3_client(cloud), RuntimeOptions()
    request = fc_models.InvokeFunctionRequest(body=b"ping")

    result = client.invoke_function_with_options("echo", request, fc_models.InvokeFunctionHeaders(), runtime)
    asynchronous = fc_models.InvokeFunctionHeaders(x_fc_invocation_type="Async")
    accepted = client.invoke_function_with_options("echo", request, asynchronous, runtime)

    assert (result.status_code, result.body.read()) == (200, b"ping")
    assert accepted.status_code == 202


def test_the_delay_of_an_event_is_less_than_an_hour(cloud: Endpoints) -> None:
    """The error about a longer x-fc-async-delay contains the limit."""
    headers = {"x-fc-invocation-type": "Async", "x-fc-async-delay": "3600"}

    with pytest.raises(fc2.FcError, match="below 3600"):
        fc2_client(cloud).invoke_function("any", "echo", b"", headers=headers)


def test_the_newer_client_lists_and_describes_functions(cloud: Endpoints) -> None:
    """Names, role, triggers with their configuration as a string, asynchronous configuration."""
    client = fc3_client(cloud)

    functions = client.list_functions(fc_models.ListFunctionsRequest(prefix="t")).body.functions
    [trigger] = client.list_triggers("topic", fc_models.ListTriggersRequest()).body.triggers
    config = client.get_async_invoke_config("up", fc_models.GetAsyncInvokeConfigRequest()).body

    assert [function.function_name for function in functions] == ["topic"]
    assert (
        client.get_function("up", fc_models.GetFunctionRequest()).body.role
        == "acs:ram::1234567890123456:role/functions"
    )
    assert json.loads(trigger.trigger_config)["notifyContentFormat"] == "JSON"
    assert (
        config.max_async_retry_attempts,
        config.destination_config.on_failure.destination.partition("queues/")[2],
    ) == (1, "dead/messages")


def test_an_unsupported_action_has_a_remedy(cloud: Endpoints) -> None:
    """The older API only invokes and reads; the current one also creates, changes and deletes."""
    with pytest.raises(fc2.FcError) as error:
        fc2_client(cloud).delete_function("any", "echo")

    assert (error.value.status_code, error.value.err_code) == (501, "NotImplemented")
    assert "supported: POST /2023-03-30/functions/:name/invocations" in str(error.value)


def test_start_is_fast_and_stop_closes_all_ports(tmp_path: Path) -> None:
    """The start takes less than five seconds; after the stop, connections are refused."""
    cloud = LocalCloud(write_project(tmp_path))
    started = time.monotonic()
    endpoints = cloud.start()
    taken = time.monotonic() - started

    cloud.stop()

    assert taken < 5
    with pytest.raises(httpx.ConnectError):
        httpx.get(endpoints.oss)
    with pytest.raises(CannotStart, match="not running"):
        _ = cloud.services


def test_a_long_poll_does_not_delay_the_stop(tmp_path: Path) -> None:
    """A receiver waits up to 30 seconds for a message; the stop wakes it."""
    cloud = LocalCloud(write_project(tmp_path))
    endpoints = cloud.start()
    script = (
        "import sys\nfrom mns.account import Account\n"
        "queue = Account(*sys.argv[1:4]).get_queue('events')\nprint('waiting', flush=True)\nqueue.receive_message(30)\n"
    )
    key = endpoints.credential
    command = [sys.executable, "-c", script, endpoints.mns, key.access_key_id, key.access_key_secret]
    poller = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert poller.stdout is not None
    poller.stdout.readline()
    time.sleep(0.2)

    started = time.monotonic()
    cloud.stop()
    taken = time.monotonic() - started

    poller.kill()
    poller.wait()
    poller.stdout.close()
    assert taken < 4


def test_a_second_cloud_cannot_use_the_same_directory(tmp_path: Path) -> None:
    """The directory is locked until the first one stops."""
    project, data = write_project(tmp_path), tmp_path / "data"
    with LocalCloud(project, data=data), pytest.raises(CannotStart, match="another local cloud"):
        LocalCloud(project, data=data).start()

    with LocalCloud(project, data=data) as endpoints:
        assert endpoints.oss


def test_a_port_in_use_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    """The message names all four ports."""
    project = write_project(tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]

        with pytest.raises(CannotStart, match=f"{port}.*choose another port, or 0"):
            LocalCloud(project, port=port - 3).start()


def test_a_fixed_port_is_the_first_of_four(tmp_path: Path) -> None:
    """OSS, MNS, IMM, FC; the ports can be bound again immediately."""
    project, port = write_project(tmp_path), _free_range()

    for _ in range(2):
        with LocalCloud(project, port=port) as endpoints:
            urls = [endpoints.oss, endpoints.mns, endpoints.imm, endpoints.fc]

        assert [f"http://127.0.0.1:{port + offset}" for offset in range(4)] == urls


def _free_range() -> int:
    """Return the first of four consecutive free ports."""
    for port in range(21000, 30000, 4):
        try:
            for offset in range(4):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port + offset))
        except OSError:
            continue
        return port
    raise AssertionError("no four consecutive free ports")


def test_an_invalid_project_does_not_start(tmp_path: Path) -> None:
    """The data directory is not locked afterwards."""
    project, data = write_project(tmp_path), tmp_path / "data"
    (project / "s.yaml").write_text(SERVERLESS.replace("component: ros", "component: rso"))

    with pytest.raises(BadDeployment, match="rso"):
        LocalCloud(project, data=data).start()
    (project / "s.yaml").write_text(SERVERLESS)

    with LocalCloud(project, data=data) as endpoints:
        assert endpoints.fc


def test_a_restart_applies_changed_declarations(tmp_path: Path) -> None:
    """The data directory is the same; visibility timeout and retry strategy are new."""
    project, data = write_project(tmp_path), tmp_path / "data"
    with LocalCloud(project, data=data):
        pass
    (project / "template.yml").write_text(TEMPLATE.replace("VisibilityTimeout: 30", "VisibilityTimeout: 45"))
    (project / "s.yaml").write_text(SERVERLESS.replace("EXPONENTIAL_DECAY_RETRY", "BACKOFF_RETRY"))
    cloud = LocalCloud(project, data=data)
    cloud.start()

    visibility = cloud.services.messages.queues.get("events").attributes.visibility_timeout
    strategy = cloud.services.messages.topics.subscription("jobs", "topic-jobs").strategy
    cloud.stop()

    assert (visibility, strategy) == (45, "BACKOFF_RETRY")


SERVE = """
import sys, threading
from pathlib import Path
from localyun.server import LocalCloud
import json

endpoints = LocalCloud(Path(sys.argv[1]), data=Path(sys.argv[2]), time_scale=100).start()
print(json.dumps(endpoints.environment()), flush=True)
threading.Event().wait()
"""


def serve(project: Path, data: Path) -> tuple["subprocess.Popen[bytes]", dict[str, str]]:
    """Run a local cloud in another process, which can be killed."""
    process = subprocess.Popen([sys.executable, "-c", SERVE, str(project), str(data)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    return process, json.loads(process.stdout.readline())


def test_a_restart_after_a_kill_finishes_accepted_events(tmp_path: Path) -> None:
    """Kill -9 while the function processes an upload: the message is still sent, the access key is still valid."""
    project, data = write_project(tmp_path), tmp_path / "data"
    slow = "import time, pathlib\n(pathlib.Path(__file__).parents[2] / 'started').touch()\ntime.sleep(30)\n"
    index = project / "functions" / "up" / "index.py"
    index.write_text(UP.replace("    about", f"    exec({slow!r})\n    about"))
    first, environment = serve(project, data)
    bucket = _bucket(environment)
    bucket.put_object("in/a.json", "survivor")
    while not (project / "started").exists():
        time.sleep(0.01)

    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    index.write_text(UP)
    second, again = serve(project, data)
    received = _receive(again, "events")
    stored = _bucket({**environment, "OSS_ENDPOINT": again["OSS_ENDPOINT"]}).get_object("in/a.json").read()
    second.terminate()
    second.wait()

    assert received == "received survivor"
    assert stored == b"survivor"
    assert (data / "credentials.json").stat().st_mode & 0o777 == 0o600
    for process in (first, second):
        assert process.stdout is not None
        process.stdout.close()


def _bucket(environment: dict[str, str]) -> oss2.Bucket:
    """Return a client of the bucket in an environment."""
    auth = oss2.Auth(environment["OSS_ACCESS_KEY_ID"], environment["OSS_ACCESS_KEY_SECRET"])
    return oss2.Bucket(auth, environment["OSS_ENDPOINT"], environment["CLIPSTITCH_BUCKET"])


def _receive(environment: dict[str, str], queue: str) -> str:
    """Receive one message in an environment, or an error."""
    key = environment["OSS_ACCESS_KEY_ID"], environment["OSS_ACCESS_KEY_SECRET"]
    found = Account(environment["MNS_ENDPOINT"], *key).get_queue(queue)
    found.set_encoding(False)
    try:
        return str(found.receive_message_with_str_body(15).message_body)
    except MNSServerException as error:
        return f"no message: {error}"
