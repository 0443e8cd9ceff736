"""Least privilege: the calls of the code, the policy, and the permissions that whole jobs use are the same."""

import inspect
import json
from collections.abc import Callable, Iterator, Sequence
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
from localyun.ram.actions import find_action
from localyun.ram.policies import AccessCheck, BadPolicy, Statement, evaluate, parse_policy
from localyun.server import Endpoints, LocalCloud
from tests.deploy.calls import CALLS, OTHER_CALLS, Call
from tests.deploy.flow import DEFAULT_BUCKET, DEMO, bucket_of, fail_a_copy, run_job, store_of, wait_for
from tests.deploy.projects import SPY, changed_project, environment_of_role
from tests.deploy.tools import ROOT
from tests.unit.usecases.harness import log_lines

ROLE = "role/clipstitch-functions"
PolicyStatement = dict[str, object]
CheckedJobs = tuple[Deployment, list[AccessCheck]]
Spy = tuple[Endpoints, dict[str, str]]


def allowed_by_template(deployment: Deployment, name: str = "functions") -> set[tuple[str, str]]:
    """Return the permissions of a role, as pairs of an action and a resource pattern."""
    [role] = [role for role in deployment.roles if role.arn.endswith(f"role/clipstitch-{name}")]
    return {(act, at) for each in role.statements() if each.allows for act in each.actions for at in each.resources}


def needed_by_calls(deployment: Deployment, calls: Sequence[Call] = CALLS) -> set[tuple[str, str]]:
    """Return the permissions in a table of calls."""
    outputs = deployment.outputs
    names = {
        "bucket": outputs["BucketName"],
        "project": outputs["ImmProjectName"],
        "events_topic": outputs["EventsTopicName"],
        "events_queue": outputs["EventsQueueName"],
        "dead_letters": outputs["DeadLetterQueueArn"].split("/")[2],
        "logs": outputs["LogProject"],
        "imm_role": "clipstitch-imm",
        "completion_topic": outputs["CompletionTopicName"],
        "output_prefix": "merged/",
        "prefix": "clipstitch",
    }
    return {(call.action, call.resource(deployment.account_id, names)) for call in calls}


def wrong_roles(deployment: Deployment) -> list[str]:
    """Return the roles whose policy does not allow exactly the permissions in the tables of calls."""
    tables = {"functions": CALLS, **OTHER_CALLS}
    found = {role.arn.partition("role/clipstitch-")[2] for role in deployment.roles}
    wrong = [
        name for name in tables if needed_by_calls(deployment, tables[name]) != allowed_by_template(deployment, name)
    ]
    return sorted([*wrong, *(found ^ set(tables))])


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


def test_every_policy_allows_exactly_the_permissions_in_the_table_of_calls() -> None:
    """Neither a missing nor an additional permission is accepted, in any role."""
    deployment = read(ROOT, {})

    assert needed_by_calls(deployment) == allowed_by_template(deployment)
    assert [] == wrong_roles(deployment)


_BUCKET = "acs:oss:*:${ALIYUN::TenantId}:${BucketName}"


@pytest.mark.parametrize(
    ("role", "old", "new"),
    [
        ("functions", f"{_BUCKET}/results/*", f"{_BUCKET}/*"),
        ("functions", f"{_BUCKET}/results/*", f"{_BUCKET}/result/*"),
        ("functions", f"{_BUCKET}/${{OutputPrefix}}*", f"{_BUCKET}/*"),
        ("functions", f"{_BUCKET}/${{OutputPrefix}}*", f"{_BUCKET}/outputs/*"),
        ("functions", f"{_BUCKET}/_clipstitch/open/*", f"{_BUCKET}/_clipstitch/*"),
        ("functions", f"{_BUCKET}/_clipstitch/tasks/*", f"{_BUCKET}/_clipstitch/jobs/*"),
        ("functions", "[oss:DeleteObject]", "[oss:DeleteObject, oss:PutObject]"),
        ("imm", "Action: [oss:GetObject]\n", "Action: [oss:GetObject, oss:PutObject]\n"),
        ("attach", ":project/${Prefix}'", ":project/*'"),
        ("oss-trigger", ":functions/${Prefix}-submit*", ":functions/*"),
        ("oss-trigger", ":functions/${Prefix}-submit*", ":functions/${Prefix}-sweep*"),
        ("mns-trigger", ":functions/${Prefix}-complete*", ":functions/${Prefix}-*"),
    ],
)
def test_a_policy_that_is_too_wide_or_too_narrow_is_found(tmp_path: Path, role: str, old: str, new: str) -> None:
    """Each narrowed right of each role, once with more and once with less."""
    assert [role] == wrong_roles(read(changed_project(tmp_path, {old: new}), {}))


@pytest.mark.parametrize("prefix", ["merged/", "*"])
def test_no_function_may_write_or_delete_a_manifest(prefix: str) -> None:
    """With any output prefix: a function that writes a manifest would start itself. With `*`, it may write the rest."""
    deployment = read(ROOT, {"CLIPSTITCH_OUTPUT_PREFIX": prefix})
    [statements] = [role.statements() for role in deployment.roles if role.arn.endswith(ROLE)]

    def may(action: str, key: str) -> bool:
        return evaluate(statements, action, f"acs:oss:oss-cn-hangzhou:{deployment.account_id}:clipstitch/{key}")

    assert not may("oss:PutObject", "manifests/loop.json")
    assert not may("oss:DeleteObject", "manifests/loop.json")
    assert may("oss:PutObject", "merged/a.mp3")
    assert (prefix == "*") == may("oss:PutObject", "other-team/index.html")
    assert not may("oss:DeleteObject", "_clipstitch/jobs/2026-01-02/x/planned.json")


@pytest.mark.parametrize(("key", "state"), [("other-team/index.html", "rejected"), ("merged/index.html", "succeeded")])
def test_a_manifest_may_replace_objects_below_the_output_prefix_only(key: str, state: str) -> None:
    """An author of manifests may replace no other object of the bucket."""
    with LocalCloud(ROOT, time_scale=50) as endpoints:
        bucket = bucket_of(endpoints)
        bucket.put_object(key, b"theirs")
        bucket.put_object("clips/a.wav", (DEMO / "pre2.wav").read_bytes())
        manifest = {"version": 1, "output": {"key": key, "format": "mp3", "overwrite": True}, "clips": ["clips/a.wav"]}
        bucket.put_object("manifests/evil.json", json.dumps(manifest))
        event = wait_for(bucket, "results/manifests/evil.json.json", 30)

        assert state == event["data"]["state"], event
        assert (state == "rejected") == (bucket.get_object(key).read() == b"theirs")
    if state == "rejected":
        assert ["OUTPUT_NOT_ALLOWED"] == [issue["code"] for issue in event["data"]["issues"]]


@pytest.mark.parametrize(("role", "function"), [("oss", "submit"), ("mns", "complete")])
def test_a_trigger_whose_role_may_not_invoke_its_function_starts_nothing(
    tmp_path: Path, role: str, function: str
) -> None:
    """The local cloud invokes with the role of the trigger."""
    folder = changed_project(tmp_path, {f"functions/${{Prefix}}-{function}*": "functions/${Prefix}-sweep*"})
    checks: list[AccessCheck] = []
    variables = {"CLIPSTITCH_GRACE_PERIOD_S": "3600"}  # the sweep must not help
    with (
        LocalCloud(folder, watch=checks.append, variables=variables) as endpoints,
        pytest.raises(AssertionError, match="no results/"),
    ):
        run_job(endpoints, timeout_s=3)

    denied = {(one.principal.rpartition("/")[2], one.action) for one in checks if not one.allowed}
    assert {(f"clipstitch-{role}-trigger", "fc:InvokeFunction")} == denied


@pytest.fixture(scope="module")
def checked_jobs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CheckedJobs]:
    """Run a whole job, a malformed event, a task lookup and a copy that fails. Yield the deployment and all checks."""
    checks: list[AccessCheck] = []
    cloud = LocalCloud(ROOT, time_scale=50, watch=checks.append)
    with cloud as endpoints:
        assert "succeeded" == run_job(endpoints)["data"]["state"]
        cloud.services.functions.invoke_async("clipstitch-submit", b"no event")
        env = environment_of_role(cloud, endpoints, tmp_path_factory.mktemp("role"), "clipstitch-functions")
        look_up_task(cloud, endpoints, env)
        fail_a_copy(endpoints, env, DEFAULT_BUCKET)
        assert not store_of(endpoints, env).is_versioned(DEFAULT_BUCKET)  # asked only if no answer has said it
        assert receive(endpoints, "clipstitch-dead-letters")
        yield endpoints.deployment, checks


def look_up_task(cloud: LocalCloud, endpoints: Endpoints, env: dict[str, str]) -> None:
    """Look up a task as the sweep does if a completion notification is lost, with a key of the functions' role."""
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
    assert {"functions", "imm", "oss-trigger", "mns-trigger"} == {
        one.principal.partition("role/clipstitch-")[2] for one in checks
    }


def test_jobs_use_all_permissions_of_the_policy(checked_jobs: CheckedJobs) -> None:
    """Every action on every resource of the policy that the local cloud checks was checked at least once."""
    deployment, checks = checked_jobs
    rules = {pair: Statement(True, (pair[0],), (pair[1],)) for pair in allowed_by_template(deployment)}
    own = [check for check in checks if check.principal.endswith(ROLE)]

    unused = {
        pair for pair, rule in rules.items() if not any(rule.covers(check.action, check.resource) for check in own)
    }
    assert {call.action for call in CALLS if not find_action(call.action).asked} == {action for action, _ in unused}


def test_a_missing_right_to_look_up_tasks_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Otherwise the sweep would never say that it cannot ask IMM."""
    folder = changed_project(tmp_path, {"imm:CreateMediaConvertTask, imm:GetTask]": "imm:CreateMediaConvertTask]"})
    cloud = LocalCloud(folder)
    with cloud as endpoints:
        env = environment_of_role(cloud, endpoints, folder, "clipstitch-functions")
        lookup = ImmTaskLookup(env["IMM_ENDPOINT"], "clipstitch", read_access_key(env))
        with caplog.at_level("INFO", "clipstitch"):
            assert lookup("MediaConvert-1") is None
    (line,) = log_lines(caplog)

    assert ("task-lookup-refused", "ERROR", "ACCESS_DENIED") == (line["event"], line["level"], line["code"])
    assert "NoPermission (403)" in line["message"]
    assert "imm:GetTask on IMM project clipstitch" == line["grant"]


@pytest.mark.parametrize(
    ("action", "missing"),
    [("imm:DetectMediaMeta, ", "imm:DetectMediaMeta"), ("oss:GetObject, oss:ProcessImm, ", "oss:GetObject")],
)
def test_a_missing_permission_is_reported_by_the_local_cloud(tmp_path: Path, action: str, missing: str) -> None:
    """The event of the upload becomes a dead-letter message that names the missing permission."""
    folder = changed_project(tmp_path, {f"Action: [{action}": "Action: ["})

    with LocalCloud(folder, time_scale=100) as endpoints:
        with pytest.raises(AssertionError, match="no results/"):
            run_job(endpoints, timeout_s=0.5)
        record = receive(endpoints, "clipstitch-dead-letters")

    assert "AccessDenied" == json.loads(record["responsePayload"])["errorType"]
    assert f"lacks {missing}" in record["responsePayload"]


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
              - {Effect: Allow, Action: 'oss:ListObjects', Resource: 'acs:oss:*:*:bkt', Condition: {
                  StringLike: {'oss:Prefix': 'in/*'}, IpAddress: {'acs:SourceIp': [127.0.0.0/8]}}}
              - {Effect: Deny, Action: '*', Resource: 'acs:oss:*:*:bkt/in/secret*'}
              - {Effect: Allow, Action: [mns:SendMessage], Resource: 'acs:mns:*:*:/queues/mine/messages'}
Outputs:
  Role: {Value: {'Fn::GetAtt': [R, Arn]}}
  BucketName: {Value: bkt}
"""


def test_oss_denies_what_the_policy_of_a_role_does_not_allow(spy: Spy) -> None:
    """403 AccessDenied; a Deny overrides an Allow; a condition limits one; the account's owner is always allowed."""
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
        lambda: list(oss2.ObjectIteratorV2(bucket, prefix="out/")),
    ]

    assert b"text" == bucket.get_object("in/a").read()
    assert ["in/a", "in/secret"] == [found.key for found in oss2.ObjectIteratorV2(bucket, prefix="in/")]
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


def test_no_role_has_a_policy_of_the_vendor() -> None:
    """Such a policy names no resource: AliyunFCInvocationAccess would let OSS and SMQ invoke every function."""
    assert [()] * 5 == [role.system_policies for role in read(ROOT, {}).roles]


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ({**ALLOW, "NotAction": "oss:*"}, "NotAction; Effect, Action, Resource and optionally Condition"),
        ({**ALLOW, "Effect": "allow"}, "'allow'; known: Allow, Deny"),
        ({**ALLOW, "Action": ["GetObject"]}, "write service:Action"),
        ({**ALLOW, "Action": []}, "a list of strings"),
        ({**ALLOW, "Resource": "b/in/*"}, "write acs:service:region:account:resource"),
        ({"Effect": "Allow", "Action": "*"}, "Effect, Action; Effect, Action, Resource"),
    ],
)
def test_an_unsupported_statement_is_an_error(statement: PolicyStatement, message: str) -> None:
    """Ignoring it would skip a permission check."""
    with pytest.raises(BadPolicy, match="Statement") as error:
        parse_policy({"Statement": [statement]})

    assert message in str(error.value)


PASS_ROLE = {"Effect": "Allow", "Action": "ram:PassRole", "Resource": "acs:ram::1:role/x"}
LIST = {"Effect": "Allow", "Action": ["oss:ListObjects"], "Resource": "acs:oss:*:*:b"}
BUCKET = "acs:oss:oss-cn-hangzhou:1:b"


@pytest.mark.parametrize(
    ("condition", "values", "allowed"),
    [
        ({"StringEquals": {"oss:Prefix": "in/"}}, {"oss:Prefix": "in/"}, True),
        ({"StringEquals": {"oss:Prefix": ["a/", "in/"]}}, {"oss:Prefix": "in/"}, True),
        ({"StringEquals": {"oss:Prefix": "in/"}}, {"oss:Prefix": "in/a"}, False),
        ({"StringEquals": {"oss:Prefix": "in/"}}, {}, False),
        ({"StringEqualsIgnoreCase": {"oss:Prefix": "IN/"}}, {"oss:Prefix": "in/"}, True),
        ({"StringNotEquals": {"oss:Prefix": ["in/", "out/"]}}, {"oss:Prefix": "out/"}, False),
        ({"StringNotEquals": {"oss:Prefix": "in/"}}, {}, True),
        ({"StringNotEqualsIgnoreCase": {"oss:Prefix": "IN/"}}, {"oss:Prefix": "in/"}, False),
        ({"StringLike": {"oss:Prefix": "in/*"}}, {"oss:Prefix": "in/a/b"}, True),
        ({"StringNotLike": {"oss:Prefix": "in/*"}}, {"oss:Prefix": "in/a"}, False),
        ({"StringLike": {"oss:Prefix": "in/*", "oss:Delimiter": "/"}}, {"oss:Prefix": "in/a"}, False),
        ({"Bool": {"acs:SecureTransport": True}}, {"acs:SecureTransport": "false"}, False),
        ({"Bool": {"acs:SecureTransport": "false"}}, {"acs:SecureTransport": "false"}, True),
        ({"IpAddress": {"acs:SourceIp": ["10.0.0.0/8", "127.0.0.1"]}}, {"acs:SourceIp": "127.0.0.1"}, True),
        ({"IpAddress": {"acs:SourceIp": "10.0.0.0/8"}}, {"acs:SourceIp": "127.0.0.1"}, False),
        ({"NotIpAddress": {"acs:SourceIp": "10.0.0.0/8"}}, {"acs:SourceIp": "127.0.0.1"}, True),
    ],
)
def test_a_statement_applies_if_all_its_conditions_hold(
    condition: dict[str, object], values: dict[str, str], allowed: bool
) -> None:
    """One of several values suffices, but none may match a negated operator."""
    statements = parse_policy({"Statement": [{**LIST, "Condition": condition}]})

    assert allowed == evaluate(statements, "oss:ListObjects", BUCKET, values)


def test_a_deny_with_a_condition_denies_only_where_it_holds() -> None:
    """A Deny is not stronger than its condition."""
    deny = {**LIST, "Effect": "Deny", "Condition": {"StringLike": {"oss:Prefix": "secret/*"}}}
    statements = parse_policy({"Statement": [LIST, deny]})

    assert evaluate(statements, "oss:ListObjects", BUCKET, {"oss:Prefix": "in/"})
    assert not evaluate(statements, "oss:ListObjects", BUCKET, {"oss:Prefix": "secret/a"})


def test_a_role_may_be_passed_to_one_service_only() -> None:
    """The condition of the vendor's own policy AliyunIMMFullAccess."""
    condition = {"StringEquals": {"acs:Service": "imm.aliyuncs.com"}}
    statements = parse_policy({"Statement": [{**PASS_ROLE, "Condition": condition}]})

    assert evaluate(statements, "ram:PassRole", "acs:ram::1:role/x", {"acs:Service": "imm.aliyuncs.com"})
    assert not evaluate(statements, "ram:PassRole", "acs:ram::1:role/x", {"acs:Service": "fc.aliyuncs.com"})
    assert not evaluate(statements, "ram:PassRole", "acs:ram::1:role/x")


@pytest.mark.parametrize(
    ("statement", "condition", "message"),
    [
        (LIST, {"StringEquals": {"acs:Service": "x"}}, "'acs:Service'; keys of oss:ListObjects known here"),
        ({**LIST, "Action": ["oss:ListObjects", "oss:GetObject"]}, {"Bool": {"oss:Prefix": "x"}}, "oss:GetObject"),
        ({**LIST, "Action": "ecs:Run*"}, {"StringEquals": {"ecs:tag": "x"}}, "'ecs:tag'; keys of ecs:Run* known here"),
        (LIST, {"StringMatches": {"oss:Prefix": "x"}}, "operator 'StringMatches'; known here: StringEquals"),
        (LIST, {"IpAddress": {"acs:SourceIp": "ten"}}, "Condition.IpAddress.acs:SourceIp: 'ten'"),
        (LIST, {"StringEquals": {"oss:Prefix": []}}, "a list of strings"),
        (LIST, {"StringEquals": "oss:Prefix"}, "write operators with keys and values"),
        (LIST, ["StringEquals"], "write operators with keys and values"),
    ],
)
def test_an_unknown_condition_is_an_error(statement: PolicyStatement, condition: object, message: str) -> None:
    """Ignoring it would allow what the cloud denies, or the reverse. Nothing starts with such a role."""
    with pytest.raises(BadPolicy, match="Condition") as error:
        parse_policy({"Statement": [{**statement, "Condition": condition}]})

    assert message in str(error.value)


def test_a_wildcard_action_has_the_keys_of_the_actions_that_it_means() -> None:
    """`oss:*` includes ListObjects."""
    condition = {"StringLike": {"oss:Prefix": "in/*"}}
    statements = parse_policy({"Statement": [{**LIST, "Action": "oss:*", "Condition": condition}]})

    assert evaluate(statements, "oss:ListObjects", BUCKET, {"oss:Prefix": "in/a"})


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Service: [fc.aliyuncs.com]", "Service: [oss.aliyuncs.com]", "fc.aliyuncs.com may not assume"),
        ("Service: [imm.aliyuncs.com]", "Service: [fc.aliyuncs.com]", "imm.aliyuncs.com may not assume"),
        ("Service: [oss.aliyuncs.com]", "Service: [mns.aliyuncs.com]", "oss.aliyuncs.com may not assume"),
        ("Action: [oss:DeleteObject]", "Action: [DeleteObject]", "clipstitch-functions: Statement[5].Action"),
        (
            "Action: [oss:DeleteObject]",
            "Condition: {StringEquals: {'acs:Service': x}}\n                Action: [oss:DeleteObject]",
            "clipstitch-functions: Statement[5].Condition has 'acs:Service'; keys of oss:DeleteObject known here",
        ),
    ],
)
def test_an_unusable_role_stops_the_local_cloud(tmp_path: Path, old: str, new: str, message: str) -> None:
    """The error names the role, the service that assumes it, and the known values."""
    folder = changed_project(tmp_path, {old: new})

    with pytest.raises(BadDeployment) as error:
        read(folder, {})

    assert message in str(error.value)
