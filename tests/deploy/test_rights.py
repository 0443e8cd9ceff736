"""Every right is written on the resource that the vendor documents; anything else has no effect in the cloud."""

import re
from pathlib import Path

import pytest

import localyun.fc.http.routes
import localyun.imm.http.routes
import localyun.oss.http.routes
import localyun.ros.http.routes
import localyun.smq.http.routes
from localyun.deploy.project import read
from localyun.ram.actions import ACTIONS, ALL_RESOURCE, EVERY_ACTION, UNVERIFIED, UnknownAction, find_action
from localyun.ram.credentials import Credential
from localyun.ram.policies import Authorizer, Statement, parse_policy
from tests.deploy.projects import changed_project
from tests.deploy.rights import ACCOUNT, PAGES, documented_statements, fits, ineffective, policies_of
from tests.deploy.tools import ROOT

OBJECTS, BUCKET = "acs:oss:*:*:acme/*", "acs:oss:*:*:acme"


def statement(action: str | list[str], resource: str | list[str]) -> Statement:
    """Return a statement that allows actions on resources."""
    [parsed] = parse_policy({"Statement": [{"Effect": "Allow", "Action": action, "Resource": resource}]})
    return parsed


def test_every_statement_of_every_role_is_effective() -> None:
    """In template.yml."""
    deployment = read(ROOT, {})
    statements = [(role.arn, one) for role in deployment.roles for one in role.statements()]

    assert [] == [(arn, why) for arn, one in statements for why in ineffective(one, deployment.account_id)]
    assert {"imm", "functions", "attach", "oss-trigger", "mns-trigger"} == {
        arn.partition("role/clipstitch-")[2] for arn, _ in statements
    }


def test_every_statement_of_every_documented_policy_is_effective() -> None:
    """A reader copies them."""
    assert [] == [(page, why) for page, one in documented_statements() for why in ineffective(one)]
    assert {"deploy.md", "doctor.md"} == {page for page, _ in documented_statements()}


def test_every_action_that_the_documentation_names_exists() -> None:
    """FC checks some actions under another name than that of the API."""
    services = {name.partition(":")[0] for name in ACTIONS} - {EVERY_ACTION}
    names = rf"`((?:{'|'.join(sorted(services))}):[A-Z]\w+)`"
    named = {(page.name, name) for page in PAGES for name in re.findall(names, page.read_text("utf-8"))}

    assert [] == [(page, name) for page, name in sorted(named) if name not in ACTIONS and ":ObjectCreated" not in name]
    assert named


@pytest.mark.parametrize(
    ("action", "resource", "why"),
    [
        (
            "imm:GetOSSBucketAttachment",
            "acs:imm:*:*:project/*",
            "has no effect on acs:imm:*:*:project/*; its resource is *",
        ),
        ("imm:GetOSSBucketAttachment", "acs:imm:*:*:*", "its resource is *"),
        ("imm:GetTask", "acs:imm:*:*:projects/p", "imm:GetTask has no effect"),
        ("oss:ListObjects", OBJECTS, "oss:ListObjects has no effect on acs:oss:*:*:acme/*"),
        ("oss:GetObject", BUCKET, "oss:GetObject has no effect on acs:oss:*:*:acme;"),
        ("oss:ListBuckets", BUCKET, "its resource is acs:oss:{region}:{account}:*"),
        ("oss:GetObject", "acs:mns:*:*:acme/*", "oss:GetObject has no effect"),
        ("oss:GetObject", "acs:oss:*:9999:acme/*", "oss:GetObject has no effect"),
        (
            "mns:SendMessage",
            "acs:mns:*:*:/queues/q",
            "its resource is acs:mns:{region}:{account}:/queues/{queue}/messages",
        ),
        ("mns:SendMessage", "acs:mns:*:*:/topics/q/messages", "mns:SendMessage has no effect"),
        ("mns:SendMessage", "acs:mns:*:*:queues/q/messages", "mns:SendMessage has no effect"),
        ("mns:CreateQueue", "acs:mns:*:*:/queues/q/messages", "mns:CreateQueue has no effect"),
        ("fc:ListTriggers", "acs:fc:*:*:functions/f", "fc:ListTriggers has no effect"),
        ("fc:GetFunction", "acs:fc:*:*:functions/f", "fc:GetFunction has no effect"),
        ("fc:GetAsyncInvokeConfig", "*", "fc:GetAsyncInvokeConfig is not in"),
        ("log:PostLogStoreLogs", "acs:log:*:*:project/p", "log:PostLogStoreLogs has no effect"),
        ("ram:PassRole", "acs:ram::*:user/u", "ram:PassRole has no effect"),
        (["oss:GetObject", "oss:ListObjects"], OBJECTS, "oss:ListObjects has no effect"),
        ("oss:GetObject", [OBJECTS, BUCKET], "acs:oss:*:*:acme is the resource of none of oss:GetObject"),
    ],
)
def test_an_ineffective_statement_is_found(action: str | list[str], resource: str | list[str], why: str) -> None:
    """One of each kind: the wrong level, service, type, account, path or name."""
    found = list(ineffective(statement(action, resource)))

    assert [why] == [why for text in found if why in text], found


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("imm:GetOSSBucketAttachment", "*"),
        ("oss:GetObject", "acs:oss:*:*:acme/in/*.wav"),
        ("oss:GetObject", "acs:oss:oss-cn-hangzhou:1234567890123456:acme/?"),
        ("oss:GetObject", "*"),
        (["oss:GetObject", "oss:ListObjects"], [OBJECTS, BUCKET]),
        (["oss:GetObject", "oss:ListObjects"], "acs:oss:*:*:acme*"),
        ("oss:ListBuckets", "acs:oss:*:*:*"),
        ("oss:*", [OBJECTS, BUCKET]),
        ("mns:SendMessage", "acs:mns:*:*:/queues/acme-*"),
        ("mns:*", "acs:mns:*:*:/queues/q/messages"),
        ("ram:PassRole", "acs:ram::1234567890123456:role/clipstitch-imm"),
        ("ram:PassRole", "acs:ram:*:*:role/aliyunimmdefaultrole"),
        ("fc:InvokeFunction", "*"),
    ],
)
def test_an_effective_statement_is_accepted(action: str | list[str], resource: str | list[str]) -> None:
    """Wildcards may cover several types of resources."""
    assert [] == list(ineffective(statement(action, resource)))


def test_a_role_may_be_passed_with_the_condition_of_the_vendor() -> None:
    """Both roles that may need it have the right for IMM only; the local cloud never asks for it."""
    deployment = read(ROOT, {})
    statements = [one for role in deployment.roles for one in role.statements() if "ram:PassRole" in one.actions]

    assert 2 == len(statements)
    assert [] == [why for one in statements for why in ineffective(one, deployment.account_id)]
    [resource] = statements[0].resources
    assert statements[0].covers("ram:PassRole", resource, {"acs:Service": "imm.aliyuncs.com"})
    assert not statements[0].covers("ram:PassRole", resource, {"acs:Service": "fc.aliyuncs.com"})


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (
            "                Resource: ['*']",
            "                Resource: {'Fn::Sub': 'acs:imm:*:${ALIYUN::TenantId}:project/*'}",
        ),
        (
            "Action: [oss:GetBucketVersioning, oss:ListObjects]",
            "Action: [oss:GetBucketVersioning, oss:ListObjects, oss:GetObject]",
        ),
        ("Action: [oss:GetObject]\n", "Action: [oss:ListObjects]\n"),
        (
            "acs:mns:*:${ALIYUN::TenantId}:/topics/${CompletionTopic",
            "acs:mns:*:${ALIYUN::TenantId}:topics/${CompletionTopic",
        ),
        ("acs:imm:*:${ALIYUN::TenantId}:project/${ImmProject", "acs:imm:*:${ALIYUN::TenantId}:projects/${ImmProject"),
        ("/logstore/functions'}", "/logstores/functions'}"),
        ("Action: [imm:AttachOSSBucket]", "Action: [imm:AttachBucket]"),
    ],
)
def test_an_ineffective_statement_in_the_template_is_found(tmp_path: Path, old: str, new: str) -> None:
    """Each is one that Resource Orchestration Service and RAM accept."""
    deployment = read(changed_project(tmp_path, {old: new}), {})

    assert [why for role in deployment.roles for one in role.statements() for why in ineffective(one)]


def test_a_shape_of_the_table_is_matched_character_by_character() -> None:
    """A name has no slash, but a key may have one, and a colon."""
    queue = find_action("mns:SendMessage").resource

    assert fits("acs:mns:*:*:/queues/?/messages", queue)
    assert not fits("acs:mns:*:*:/queues//messages", queue)
    assert not fits("acs:mns:*:*:/queues/a/b/messages", queue)
    assert fits("acs:oss:*:*:b/a:b/c", find_action("oss:GetObject").resource)


# The table


def asked_actions() -> set[str]:
    """Return the actions that the endpoints check, by their routes, and those that services check themselves."""
    routes = localyun.oss.http.routes
    oss = {action for action, _ in routes.ROUTES.values() if action} | set(routes.VERSION_ACTIONS.values())
    oss |= {"oss:ProcessImm"}
    # What an action checks itself, besides the permission of its route.
    sources = (ROOT / "localyun" / "oss" / "http").glob("*.py")
    texts = (file.read_text("utf-8") for file in sources)
    oss |= {name for text in texts for name in re.findall(r'"(oss:[A-Z]\w+)"', text)} - {"oss:Prefix", "oss:Delimiter"}
    imm = {f"imm:{action}" for action in localyun.imm.http.routes.ACTIONS} | {"imm:DetectMediaMeta"}
    smq = {f"mns:{route.action}" for route in localyun.smq.http.routes.ROUTES}
    fc = (*localyun.fc.http.routes.ROUTES.values(), *localyun.fc.http.routes.OLD_ROUTES.values())
    ros = {f"ros:{action}" for action in localyun.ros.http.routes.ACTIONS}
    return oss | imm | smq | ros | {f"fc:{route.permission}" for route in fc}


def test_the_table_has_every_action_that_the_local_cloud_checks() -> None:
    """An action without a resource could be checked on an invented one only."""
    assert {name for name, action in ACTIONS.items() if action.asked} == asked_actions()


def test_an_action_that_the_table_lacks_is_an_error() -> None:
    """For the owner of the account, too, so that any test of an endpoint finds it."""
    with pytest.raises(UnknownAction, match=r"oss:Invented is not in localyun/ram/actions\.tsv"):
        Authorizer(lambda _role: (), ACCOUNT, "cn-hangzhou").allow(Credential("id", "secret"), "oss:Invented", "acme")


def test_every_row_of_the_table_has_a_resource_of_its_service_and_a_page() -> None:
    """With a date, or the reason why there is none."""
    dates = r"\d{4}-\d\d|read 2026|undated|scenario|2026$"
    for name, action in ACTIONS.items():
        service = name.partition(":")[0]
        region = "" if service == "ram" else "{region}"  # RAM has none
        shape = f"acs:{service}:{region}:{{account}}:"
        assert action.resource == ALL_RESOURCE or action.resource.startswith(shape), name
        assert action.source.startswith(UNVERIFIED) or re.search(dates, action.source), name
        assert action.used_by


def test_the_owners_of_rights_are_those_of_the_table() -> None:
    """Roles in template.yml, and the policies in docs/."""
    roles = {role.arn.rpartition("-")[2]: role for role in read(ROOT, {}).roles}
    command, *_ = policies_of(ROOT / "docs" / "deploy.md")
    doctor, live = policies_of(ROOT / "docs" / "doctor.md")

    for user, statements in (
        ("functions", roles["functions"].statements()),
        ("imm", roles["imm"].statements()),
        ("attach", roles["attach"].statements()),
        ("command", parse_policy(command)),
        ("doctor", parse_policy(doctor)),
        ("live", parse_policy(live)),
    ):
        granted = {action for one in statements for action in one.actions}
        assert users(user) - INVOKED == granted - {"ram:PassRole"}, user


INVOKED = {"fc:InvokeFunction", "ram:PassRole"}  # by Resource Orchestration Service; checked by none


def users(user: str) -> set[str]:
    """Return the actions that someone needs, by the table."""
    return {name for name, action in ACTIONS.items() if user in action.used_by}
