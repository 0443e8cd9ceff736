"""Least rights: what the code calls, what the policy allows, what a flow asks for - three times the same."""

import inspect
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fc2
import oss2
import pytest
from mns.account import Account
from mns.mns_exception import MNSServerException
from mns.queue import Message

from clipstitch.adapters.imm import ImmTaskLookup
from clipstitch.common import ports
from clipstitch.common.credentials import read_access_key
from clipstitch.common.ports import TaskOutcome
from localyun.deploy.declared import BadDeployment, Deployment
from localyun.deploy.project import read
from localyun.fc.values import FunctionConfig
from localyun.ram.policies import AccessCheck, BadPolicy, Statement, evaluate, parse_policy
from localyun.server import Endpoints, LocalCloud
from tests.deploy.calls import CALLS, NOT_LOCAL
from tests.deploy.flow import run_job
from tests.deploy.tools import ROOT

ROLE = "role/clipstitch-functions"
RULE = dict[str, object]


def allowed_by_template(deployment: Deployment) -> set[tuple[str, str]]:
    """Return what the functions' role may do, as pairs of an action and a resource pattern."""
    [role] = [role for role in deployment.roles if role.arn.endswith(ROLE)]
    return {(act, at) for each in role.statements() if each.allows for act in each.actions for at in each.resources}


def needed_by_code(deployment: Deployment) -> set[tuple[str, str]]:
    """Return what the table of calls needs."""
    outputs = deployment.outputs
    names = {
        "account": deployment.account_id,
        "bucket": outputs["BucketName"],
        "project": outputs["ImmProjectName"],
        "events_topic": outputs["EventsTopicName"],
        "events_queue": outputs["EventsQueueName"],
        "dead_letters": outputs["DeadLetterQueueArn"].split("/")[2],
        "logs": outputs["LogProject"],
    }
    return {(call.action, call.resource.format_map(names)) for call in CALLS}


def test_every_port_method_has_a_line_in_the_table() -> None:
    """A new method needs a right, or it would fail in the cloud only."""
    protocols = (ports.ObjectStore, ports.AudioService, ports.MessageSender)
    methods = {
        f"{protocol.__name__}.{name}"
        for protocol in protocols
        for name, member in inspect.getmembers(protocol, inspect.isfunction)
        if not name.startswith("_")
    }

    assert methods == {call.by for call in CALLS if "." in call.by}


def test_the_policy_allows_exactly_what_the_table_needs() -> None:
    """Nothing less, nothing more."""
    deployment = read(ROOT, {})

    assert needed_by_code(deployment) == allowed_by_template(deployment)


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Deployment, list[AccessCheck]]]:
    """Run whole jobs and one event that no retry can save; remember every right that was asked for."""
    questions: list[AccessCheck] = []
    cloud = LocalCloud(ROOT, time_scale=50, watch=questions.append)
    with cloud as endpoints:
        assert "succeeded" == run_job(endpoints)["data"]["state"]
        cloud.services.functions.invoke_async("clipstitch-submit", b"no event")
        ask_for_a_task(cloud, endpoints, tmp_path_factory.mktemp("asking"))
        assert receive(endpoints, "clipstitch-dead-letters")
        yield endpoints.deployment, questions


def ask_for_a_task(cloud: LocalCloud, endpoints: Endpoints, folder: Path) -> None:
    """Ask IMM for a task as the sweep does where a completion got lost, with a key of the functions' role."""
    (folder / "index.py").write_text(SPY)
    [role] = [role.arn for role in endpoints.deployment.roles if role.arn.endswith(ROLE)]
    cloud.services.functions.deploy(FunctionConfig("asking", "index.handler", (folder,), timeout=20, role=role))
    env = json.loads(cloud.services.functions.invoke("asking", b"").payload)
    [task, *_] = cloud.services.tasks.list(endpoints.deployment.outputs["ImmProjectName"])

    ended = ImmTaskLookup(env["IMM_ENDPOINT"], endpoints.deployment.outputs["ImmProjectName"], read_access_key(env))

    assert TaskOutcome(succeeded=True, code="", message="") == ended(task.task_id)._replace(code="", message="")
    assert ended("MediaConvert-00000000-0000-0000-0000-000000000000") is None


def receive(endpoints: Endpoints, queue: str) -> dict[str, Any]:
    """Wait for a message as the owner."""
    key = endpoints.credential
    found = Account(endpoints.mns, key.access_key_id, key.access_key_secret).get_queue(queue)
    found.set_encoding(False)
    return json.loads(found.receive_message_with_str_body(20).message_body)  # type: ignore[no-any-return]


def test_whatever_a_flow_asks_for_is_allowed(asked: tuple[Deployment, list[AccessCheck]]) -> None:
    """The functions' role, and the role that IMM takes."""
    _, questions = asked

    assert [] == [question for question in questions if not question.allowed]
    assert {"clipstitch-functions", "clipstitch-imm"} == {one.principal.rpartition("/")[2] for one in questions}


def test_whatever_the_policy_allows_a_flow_asks_for(asked: tuple[Deployment, list[AccessCheck]]) -> None:
    """Every action on every resource of the policy was needed at least once."""
    deployment, questions = asked
    rules = {pair: Statement(True, (pair[0],), (pair[1],)) for pair in allowed_by_template(deployment)}
    mine = [question for question in questions if question.principal.endswith(ROLE)]

    unused = {pair for pair, rule in rules.items() if not any(rule.covers(q.action, q.resource) for q in mine)}
    assert NOT_LOCAL == {action for action, _ in unused}


@pytest.mark.parametrize(
    ("action", "told"),
    [("imm:DetectMediaMeta, ", "imm:DetectMediaMeta"), ("oss:GetObject, oss:PutObject, ", "oss:GetObject")],
)
def test_a_right_that_is_missing_is_found_on_the_laptop(tmp_path: Path, action: str, told: str) -> None:
    """The upload's event ends among the dead letters, and its record says what is lacking."""
    for name in ("functions", "shared"):
        (tmp_path / name).symlink_to(ROOT / name)
    shutil.copy(ROOT / "s.yaml", tmp_path)
    text = (ROOT / "template.yml").read_text("utf-8")
    assert f"Action: [{action}" in text
    (tmp_path / "template.yml").write_text(text.replace(f"Action: [{action}", "Action: ["))

    with LocalCloud(tmp_path, time_scale=100) as endpoints:
        with pytest.raises(AssertionError, match="no results/"):
            run_job(endpoints, grace_period_s=0.5)
        record = receive(endpoints, "clipstitch-dead-letters")

    assert "AccessDenied" == json.loads(record["responsePayload"])["errorType"]
    assert f"lacks {told}" in record["responsePayload"]


SPY = "import json, os\ndef handler(event, context):\n    return json.dumps(dict(os.environ))\n"


@pytest.fixture(scope="module")
def spy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Endpoints, dict[str, str]]]:
    """Run a function that gives its key away; its role may read one prefix, send to one queue, and nothing else."""
    root = tmp_path_factory.mktemp("spy")
    (root / "functions" / "spy").mkdir(parents=True)
    (root / "functions" / "spy" / "index.py").write_text(SPY)
    (root / "s.yaml").write_text(SPY_SERVERLESS)
    (root / "template.yml").write_text(SPY_TEMPLATE)
    cloud = LocalCloud(root)
    with cloud as endpoints:
        yield endpoints, json.loads(cloud.services.functions.invoke("spy", b"").payload)


SPY_SERVERLESS = """
edition: 3.0.0
resources:
  infra: {component: ros, props: {region: cn-hangzhou, template: ./template.yml}}
  spy:
    component: fc3
    props: {region: cn-hangzhou, functionName: spy, runtime: python3.12, handler: index.handler, code: ./build/spy,
            role: "${resources.infra.output.Role}"}
"""
SPY_TEMPLATE = """
ROSTemplateFormatVersion: '2015-09-01'
Resources:
  B: {Type: 'ALIYUN::OSS::Bucket', Properties: {BucketName: bkt}}
  Q: {Type: 'ALIYUN::MNS::Queue', Properties: {QueueName: mine}}
  O: {Type: 'ALIYUN::MNS::Queue', Properties: {QueueName: other}}
  R:
    Type: ALIYUN::RAM::Role
    Properties:
      RoleName: spy
      AssumeRolePolicyDocument:
        Statement: [{Effect: Allow, Action: sts:AssumeRole, Principal: {Service: [fc.aliyuncs.com]}}]
      Policies:
        - PolicyName: spy
          PolicyDocument:
            Version: '1'
            Statement:
              - {Effect: Allow, Action: 'oss:Get*', Resource: 'acs:oss:*:*:bkt/in/*'}
              - {Effect: Deny, Action: '*', Resource: 'acs:oss:*:*:bkt/in/secret*'}
              - {Effect: Allow, Action: [mns:SendMessage], Resource: 'acs:mns:*:*:/queues/mine/messages'}
Outputs:
  Role: {Value: {'Fn::GetAtt': [R, Arn]}}
  BucketName: {Value: bkt}
"""


def test_oss_refuses_a_role_what_its_policy_does_not_allow(spy: tuple[Endpoints, dict[str, str]]) -> None:
    """403 AccessDenied, as OSS says it; a Deny wins over an Allow; the owner may do everything."""
    endpoints, env = spy
    key = endpoints.credential
    owner = oss2.Bucket(oss2.Auth(key.access_key_id, key.access_key_secret), endpoints.oss, "bkt")
    for name in ("in/a", "in/secret", "out/a"):
        owner.put_object(name, b"text")
    keys = [env[f"ALIBABA_CLOUD_{name}"] for name in ("ACCESS_KEY_ID", "ACCESS_KEY_SECRET", "SECURITY_TOKEN")]
    bucket = oss2.Bucket(oss2.StsAuth(*keys), endpoints.oss, "bkt")
    attempts: list[Callable[[], object]] = [
        lambda: bucket.get_object("in/secret"),
        lambda: bucket.get_object("out/a"),
        lambda: bucket.put_object("in/b", b"text"),
        lambda: list(oss2.ObjectIteratorV2(bucket)),
    ]

    assert b"text" == bucket.get_object("in/a").read()
    for attempt in attempts:
        with pytest.raises(oss2.exceptions.AccessDenied) as refused:
            attempt()
        assert (403, "AccessDenied") == (refused.value.status, refused.value.code)


def test_smq_refuses_a_role_what_its_policy_does_not_allow(spy: tuple[Endpoints, dict[str, str]]) -> None:
    """It may send to its queue; not receive from it, nor send to another."""
    endpoints, env = spy
    keys = [env[f"ALIBABA_CLOUD_{name}"] for name in ("ACCESS_KEY_ID", "ACCESS_KEY_SECRET", "SECURITY_TOKEN")]
    account = Account(endpoints.mns, *keys)

    assert account.get_queue("mine").send_message(Message("text")).message_id
    for attempt in (lambda: account.get_queue("other").send_message(Message("text")), refuse_receive(account)):
        with pytest.raises(MNSServerException) as refused:
            attempt()
        assert "AccessDenied" == refused.value.type


def refuse_receive(account: Any) -> Callable[[], object]:
    """Return an attempt to receive."""
    return lambda: account.get_queue("mine").receive_message(1)


def test_function_compute_refuses_a_role_without_a_right(spy: tuple[Endpoints, dict[str, str]]) -> None:
    """A function may not call another unless its role says so."""
    endpoints, env = spy
    keys = [env[f"ALIBABA_CLOUD_{name}"] for name in ("ACCESS_KEY_ID", "ACCESS_KEY_SECRET", "SECURITY_TOKEN")]
    client = fc2.Client(endpoint=endpoints.fc, accessKeyID=keys[0], accessKeySecret=keys[1], securityToken=keys[2])

    with pytest.raises(fc2.FcError) as refused:
        client.invoke_function("any", "spy", b"")

    assert (403, "AccessDenied") == (refused.value.status_code, refused.value.err_code)


ALLOW = {"Effect": "Allow", "Action": ["oss:Get*"], "Resource": "acs:oss:*:1:b/in/*"}
DENY = {"Effect": "Deny", "Action": "oss:GetObject", "Resource": ["acs:oss:*:1:b/in/??.secret"]}


@pytest.mark.parametrize(
    ("action", "resource", "may"),
    [
        ("oss:GetObject", "acs:oss:oss-cn-hangzhou:1:b/in/deep/a.json", True),
        ("oss:GetObject", "acs:oss:oss-cn-hangzhou:1:b/in/ab.secret", False),
        ("oss:GetObject", "acs:oss:oss-cn-hangzhou:1:b/in/abc.secret", True),
        ("oss:GetObjectAcl", "acs:oss:oss-cn-hangzhou:1:b/in/ab.secret", True),
        ("oss:PutObject", "acs:oss:oss-cn-hangzhou:1:b/in/a.json", False),
        ("oss:GetObject", "acs:oss:oss-cn-hangzhou:2:b/in/a.json", False),
        ("oss:GetObject", "acs:oss:oss-cn-hangzhou:1:b/out/in/a.json", False),
        ("mns:GetObject", "acs:oss:oss-cn-hangzhou:1:b/in/a.json", False),
    ],
)
def test_statements_allow_what_one_allows_and_none_denies(action: str, resource: str, may: bool) -> None:
    """A star stands for any characters, slashes too; a question mark for one; everything else for itself."""
    statements = parse_policy({"Version": "1", "Statement": [ALLOW, DENY]})

    assert may == evaluate(statements, action, resource)


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ({**ALLOW, "Condition": {}}, "Condition; exactly Effect, Action, Resource"),
        ({**ALLOW, "Effect": "allow"}, "'allow'; known: Allow, Deny"),
        ({**ALLOW, "Action": ["GetObject"]}, "write service:Action"),
        ({**ALLOW, "Action": []}, "a list of strings"),
        ({**ALLOW, "Resource": "b/in/*"}, "write acs:service:region:account:resource"),
        ({"Effect": "Allow", "Action": "*"}, "Effect, Action; exactly"),
    ],
)
def test_a_statement_that_cannot_be_evaluated_is_an_error(statement: RULE, told: str) -> None:
    """Rather than a right that nobody checked."""
    with pytest.raises(BadPolicy, match="Statement") as wrong:
        parse_policy({"Statement": [statement]})

    assert told in str(wrong.value)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("Service: [fc.aliyuncs.com]", "Service: [oss.aliyuncs.com]", "fc.aliyuncs.com may not assume"),
        ("Service: [imm.aliyuncs.com]", "Service: [fc.aliyuncs.com]", "imm.aliyuncs.com may not assume"),
        ("System: [AliyunFCInvocationAccess]", "System: [AliyunFcInvoke]", "'AliyunFcInvoke' is unknown here; known"),
        ("Action: [oss:DeleteObject]", "Action: [DeleteObject]", "clipstitch-functions: Statement[2].Action"),
    ],
)
def test_a_role_that_nobody_could_take_stops_the_local_cloud(tmp_path: Path, old: str, new: str, told: str) -> None:
    """With the name of the role, of who takes it, and what is known."""
    text = (ROOT / "template.yml").read_text("utf-8")
    (tmp_path / "functions").symlink_to(ROOT / "functions")
    shutil.copy(ROOT / "s.yaml", tmp_path)
    (tmp_path / "template.yml").write_text(text.replace(old, new))
    assert old in text

    with pytest.raises(BadDeployment) as wrong:
        read(tmp_path, {})

    assert told in str(wrong.value)
