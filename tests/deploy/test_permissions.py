"""Least privilege: the calls of the code, the policy, and the permissions that whole jobs use are the same."""

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
PolicyStatement = dict[str, object]
CheckedJobs = tuple[Deployment, list[AccessCheck]]
Spy = tuple[Endpoints, dict[str, str]]


def allowed_by_template(deployment: Deployment) -> set[tuple[str, str]]:
    """Return the permissions of the functions' role, as pairs of an action and a resource pattern."""
    [role] = [role for role in deployment.roles if role.arn.endswith(ROLE)]
    return {(act, at) for each in role.statements() if each.allows for act in each.actions for at in each.resources}


def needed_by_calls(deployment: Deployment) -> set[tuple[str, str]]:
    """Return the permissions in the table of calls."""
    outputs = deployment.outputs
    names = {
        "account": deployment.account_id,
        "bucket": outputs["BucketName"],
        "project": outputs["ImmProjectName"],
        "events_topic": outputs["EventsTopicName"],
        "events_queue": outputs["EventsQueueName"],
        "dead_letters": outputs["DeadLetterQueueArn"].split("/")[2],
        "logs": outputs["LogProject"],
        "imm_role": "clipstitch-imm",
    }
    return {(call.action, call.resource.format_map(names)) for call in CALLS}


def test_every_port_method_is_in_the_table_of_calls() -> None:
    """A new method without a permission would fail only in the cloud."""
    protocols = (ports.ObjectStore, ports.AudioService, ports.MessageSender)
    methods = {
        f"{protocol.__name__}.{name}"
        for protocol in protocols
        for name, member in inspect.getmembers(protocol, inspect.isfunction)
        if not name.startswith("_")
    }

    assert methods == {call.by for call in CALLS if "." in call.by}


def test_the_policy_allows_exactly_the_permissions_in_the_table_of_calls() -> None:
    """Neither a missing nor an additional permission is accepted."""
    deployment = read(ROOT, {})

    assert needed_by_calls(deployment) == allowed_by_template(deployment)


@pytest.fixture(scope="module")
def checked_jobs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CheckedJobs]:
    """Run a whole job, a malformed event and a task lookup. Yield the deployment and all permission checks."""
    checks: list[AccessCheck] = []
    cloud = LocalCloud(ROOT, time_scale=50, watch=checks.append)
    with cloud as endpoints:
        assert "succeeded" == run_job(endpoints)["data"]["state"]
        cloud.services.functions.invoke_async("clipstitch-submit", b"no event")
        look_up_task(cloud, endpoints, tmp_path_factory.mktemp("lookup"))
        assert receive(endpoints, "clipstitch-dead-letters")
        yield endpoints.deployment, checks


def look_up_task(cloud: LocalCloud, endpoints: Endpoints, folder: Path) -> None:
    """Look up a task as the sweep does if a completion notification is lost, with a key of the functions' role."""
    (folder / "index.py").write_text(SPY)
    [role] = [role.arn for role in endpoints.deployment.roles if role.arn.endswith(ROLE)]
    cloud.services.functions.deploy(FunctionConfig("lookup", "index.handler", (folder,), timeout=20, role=role))
    env = json.loads(cloud.services.functions.invoke("lookup", b"").payload)
    [task, *_] = cloud.services.tasks.list(endpoints.deployment.outputs["ImmProjectName"])

    lookup = ImmTaskLookup(env["IMM_ENDPOINT"], endpoints.deployment.outputs["ImmProjectName"], read_access_key(env))

    outcome = lookup(task.task_id)
    assert isinstance(outcome, TaskOutcome)
    assert TaskOutcome(succeeded=True, code="", message="") == outcome._replace(code="", message="")
    assert lookup("MediaConvert-00000000-0000-0000-0000-000000000000") is None


def receive(endpoints: Endpoints, queue: str) -> dict[str, Any]:
    """Wait for a message in a queue and return its JSON content."""
    key = endpoints.credential
    client = Account(endpoints.mns, key.access_key_id, key.access_key_secret).get_queue(queue)
    client.set_encoding(False)
    return json.loads(client.receive_message_with_str_body(20).message_body)  # type: ignore[no-any-return]


def test_all_permissions_that_a_job_uses_are_allowed(checked_jobs: CheckedJobs) -> None:
    """The permissions are those of the functions' role and of the role that IMM assumes."""
    _, checks = checked_jobs

    assert [] == [check for check in checks if not check.allowed]
    assert {"clipstitch-functions", "clipstitch-imm"} == {one.principal.rpartition("/")[2] for one in checks}


def test_jobs_use_all_permissions_of_the_policy(checked_jobs: CheckedJobs) -> None:
    """Every action on every resource of the policy was checked at least once."""
    deployment, checks = checked_jobs
    rules = {pair: Statement(True, (pair[0],), (pair[1],)) for pair in allowed_by_template(deployment)}
    own = [check for check in checks if check.principal.endswith(ROLE)]

    unused = {
        pair for pair, rule in rules.items() if not any(rule.covers(check.action, check.resource) for check in own)
    }
    assert NOT_LOCAL == {action for action, _ in unused}


@pytest.mark.parametrize(
    ("action", "missing"),
    [("imm:DetectMediaMeta, ", "imm:DetectMediaMeta"), ("oss:GetObject, oss:PutObject, ", "oss:GetObject")],
)
def test_a_missing_permission_is_reported_by_the_local_cloud(tmp_path: Path, action: str, missing: str) -> None:
    """The event of the upload becomes a dead-letter message that names the missing permission."""
    for name in ("functions", "shared"):
        (tmp_path / name).symlink_to(ROOT / name)
    shutil.copy(ROOT / "s.yaml", tmp_path)
    text = (ROOT / "template.yml").read_text("utf-8")
    assert f"Action: [{action}" in text
    (tmp_path / "template.yml").write_text(text.replace(f"Action: [{action}", "Action: ["))

    with LocalCloud(tmp_path, time_scale=100) as endpoints:
        with pytest.raises(AssertionError, match="no results/"):
            run_job(endpoints, timeout_s=0.5)
        record = receive(endpoints, "clipstitch-dead-letters")

    assert "AccessDenied" == json.loads(record["responsePayload"])["errorType"]
    assert f"lacks {missing}" in record["responsePayload"]


SPY = "import json, os\ndef handler(event, context):\n    return json.dumps(dict(os.environ))\n"


@pytest.fixture(scope="module")
def spy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Spy]:
    """Run a function that returns its environment. Its role may read one prefix and send to one queue."""
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


def test_oss_denies_what_the_policy_of_a_role_does_not_allow(spy: Spy) -> None:
    """The error is 403 AccessDenied; a Deny overrides an Allow; the account's owner is always allowed."""
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
        with pytest.raises(oss2.exceptions.AccessDenied) as denied:
            attempt()
        assert (403, "AccessDenied") == (denied.value.status, denied.value.code)


def test_smq_denies_what_the_policy_of_a_role_does_not_allow(spy: Spy) -> None:
    """The role may send to its queue, but not receive from it and not send to another."""
    endpoints, env = spy
    keys = [env[f"ALIBABA_CLOUD_{name}"] for name in ("ACCESS_KEY_ID", "ACCESS_KEY_SECRET", "SECURITY_TOKEN")]
    account = Account(endpoints.mns, *keys)

    assert account.get_queue("mine").send_message(Message("text")).message_id
    attempts: list[Callable[[], object]] = [
        lambda: account.get_queue("other").send_message(Message("text")),
        lambda: account.get_queue("mine").receive_message(1),
    ]
    for attempt in attempts:
        with pytest.raises(MNSServerException) as denied:
            attempt()
        assert "AccessDenied" == denied.value.type


def test_function_compute_denies_an_invocation_without_permission(spy: Spy) -> None:
    """A function may not invoke a function unless its role allows it."""
    endpoints, env = spy
    keys = [env[f"ALIBABA_CLOUD_{name}"] for name in ("ACCESS_KEY_ID", "ACCESS_KEY_SECRET", "SECURITY_TOKEN")]
    client = fc2.Client(endpoint=endpoints.fc, accessKeyID=keys[0], accessKeySecret=keys[1], securityToken=keys[2])

    with pytest.raises(fc2.FcError) as denied:
        client.invoke_function("any", "spy", b"")

    assert (403, "AccessDenied") == (denied.value.status_code, denied.value.err_code)


ALLOW = {"Effect": "Allow", "Action": ["oss:Get*"], "Resource": "acs:oss:*:1:b/in/*"}
PASS_TO_IMM = {"StringEquals": {"acs:Service": "imm.aliyuncs.com"}}
DENY = {"Effect": "Deny", "Action": "oss:GetObject", "Resource": ["acs:oss:*:1:b/in/??.secret"]}


@pytest.mark.parametrize(
    ("action", "resource", "allowed"),
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
def test_an_action_is_allowed_if_one_statement_allows_it_and_none_denies_it(
    action: str, resource: str, allowed: bool
) -> None:
    """A star matches any characters including slashes, a question mark exactly one."""
    statements = parse_policy({"Version": "1", "Statement": [ALLOW, DENY]})

    assert allowed == evaluate(statements, action, resource)


@pytest.mark.parametrize(("service", "allowed"), [("imm.aliyuncs.com", True), ("fc.aliyuncs.com", False), ("", False)])
def test_a_condition_on_the_service_is_evaluated(service: str, allowed: bool) -> None:
    """The functions may pass IMM's role to IMM only; a call that passes no role does not meet the condition."""
    deployment = read(ROOT, {})
    [functions] = [role for role in deployment.roles if role.arn.endswith(ROLE)]
    role = f"acs:ram::{deployment.account_id}:role/clipstitch-imm"

    assert allowed == evaluate(functions.statements(), "ram:PassRole", role, service)
    assert not evaluate(functions.statements(), "ram:PassRole", role.replace("imm", "functions"), service)


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ({**ALLOW, "Condition": {}}, "Condition is {}; only StringEquals on acs:Service"),
        ({**ALLOW, "Condition": {"StringLike": {"acs:Service": "imm.*"}}}, "only StringEquals on acs:Service"),
        ({**ALLOW, "Condition": {"StringEquals": {"acs:SourceIp": "::1"}}}, "only StringEquals on acs:Service"),
        ({**ALLOW, "Condition": {**PASS_TO_IMM, "Bool": {}}}, "only StringEquals on acs:Service"),
        ({**ALLOW, "Condition": {"StringEquals": {"acs:Service": 1}}}, "must be a string or a list of strings"),
        ({**ALLOW, "Effect": "allow"}, "'allow'; known: Allow, Deny"),
        ({**ALLOW, "Action": ["GetObject"]}, "write service:Action"),
        ({**ALLOW, "Action": []}, "a list of strings"),
        ({**ALLOW, "Resource": "b/in/*"}, "write acs:service:region:account:resource"),
        ({"Effect": "Allow", "Action": "*"}, "Effect, Action; exactly"),
    ],
)
def test_an_unsupported_statement_is_an_error(statement: PolicyStatement, message: str) -> None:
    """Ignoring it would skip a permission check."""
    with pytest.raises(BadPolicy, match="Statement") as error:
        parse_policy({"Statement": [statement]})

    assert message in str(error.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Service: [fc.aliyuncs.com]", "Service: [oss.aliyuncs.com]", "fc.aliyuncs.com may not assume"),
        ("Service: [imm.aliyuncs.com]", "Service: [fc.aliyuncs.com]", "imm.aliyuncs.com may not assume"),
        ("System: [AliyunFCInvocationAccess]", "System: [AliyunFcInvoke]", "'AliyunFcInvoke' is unknown here; known"),
        ("Action: [oss:DeleteObject]", "Action: [DeleteObject]", "clipstitch-functions: Statement[2].Action"),
    ],
)
def test_an_unusable_role_stops_the_local_cloud(tmp_path: Path, old: str, new: str, message: str) -> None:
    """The error names the role, the service that assumes it, and the known values."""
    text = (ROOT / "template.yml").read_text("utf-8")
    (tmp_path / "functions").symlink_to(ROOT / "functions")
    shutil.copy(ROOT / "s.yaml", tmp_path)
    (tmp_path / "template.yml").write_text(text.replace(old, new))
    assert old in text

    with pytest.raises(BadDeployment) as error:
        read(tmp_path, {})

    assert message in str(error.value)
