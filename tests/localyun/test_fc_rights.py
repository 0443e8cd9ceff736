"""The RAM action and resource that each management call asks; sources in `localyun.fc.http.routes`."""

import json
from pathlib import Path

from alibabacloud_fc20230330 import models
from alibabacloud_tea_openapi.models import OpenApiRequest, Params
from alibabacloud_tea_util.models import RuntimeOptions

from localyun.fc.http.routes import ROUTES
from localyun.ram.credentials import Credential
from localyun.ram.policies import AccessCheck
from tests.localyun.fc_world import MANAGER_ARN, FcWorld, fc_client, refused, running_fc_world

# Returns the access key of the function's role.
SPY = """
def handler(event, context):
    keys = context.credentials
    return {name: getattr(keys, name) for name in ("access_key_id", "access_key_secret", "security_token")}
"""
ARN = "acs:fc:cn-hangzhou:1234567890123456:"
# By method and path below the version: what is asked for function f, its part p, and the qualifier prod.
EXPECTED = {
    "POST functions/:name/invocations": ("fc:InvokeFunction", "functions/f/prod"),
    "POST functions": ("fc:CreateFunction", "functions/new"),
    "GET functions": ("fc:ListFunctions", "functions/*"),
    "GET functions/:name": ("fc:GetFunction", "*"),
    "PUT functions/:name": ("fc:UpdateFunction", "functions/f"),
    "DELETE functions/:name": ("fc:DeleteFunction", "functions/f"),
    "GET functions/:name/code": ("fc:GetFunctionCode", "functions/f/prod"),
    "POST functions/:name/triggers": ("fc:CreateTrigger", "functions/f/triggers/new"),
    "GET functions/:name/triggers": ("fc:ListTriggers", "*"),
    "GET functions/:name/triggers/:part": ("fc:GetTrigger", "functions/f/triggers/p"),
    "PUT functions/:name/triggers/:part": ("fc:UpdateTrigger", "functions/f/triggers/p"),
    "DELETE functions/:name/triggers/:part": ("fc:DeleteTrigger", "functions/f/triggers/p"),
    "PUT functions/:name/async-invoke-config": ("fc:PutFunctionAsyncInvokeConfig", "functions/f/prod"),
    "GET functions/:name/async-invoke-config": ("fc:GetFunctionAsyncInvokeConfig", "*"),
    "DELETE functions/:name/async-invoke-config": ("fc:DeleteFunctionAsyncInvokeConfig", "functions/f/prod"),
    "GET async-invoke-configs": ("fc:ListFunctionAsyncInvokeConfigs", "*"),
    "GET functions/:name/async-tasks": ("fc:ListAsyncTasks", "*"),
    "GET functions/:name/async-tasks/:part": ("fc:GetAsyncTask", "*"),
    "PUT functions/:name/async-tasks/:part/stop": ("fc:StopAsyncTask", "*"),
    "PUT functions/:name/concurrency": ("fc:PutConcurrencyConfig", "functions/f"),
    "GET functions/:name/concurrency": ("fc:GetConcurrencyConfig", "functions/f"),
    "DELETE functions/:name/concurrency": ("fc:DeleteConcurrencyConfig", "functions/f"),
    "GET concurrency-configs": ("fc:ListConcurrencyConfigs", "concurrency-configs/*"),
    "POST functions/:name/versions": ("fc:PublishFunctionVersion", "functions/f/versions"),
    "GET functions/:name/versions": ("fc:ListFunctionVersions", "functions/f/versions/*"),
    "DELETE functions/:name/versions/:part": ("fc:DeleteFunctionVersion", "functions/f/versions/p"),
    "POST functions/:name/aliases": ("fc:CreateAlias", "functions/f/aliases/new"),
    "GET functions/:name/aliases": ("fc:ListAliases", "functions/f/aliases/*"),
    "GET functions/:name/aliases/:part": ("fc:GetAlias", "functions/f/aliases/p"),
    "PUT functions/:name/aliases/:part": ("fc:UpdateAlias", "functions/f/aliases/p"),
    "DELETE functions/:name/aliases/:part": ("fc:DeleteAlias", "functions/f/aliases/p"),
    "GET functions/:name/vpc-bindings": ("fc:ListVpcBindings", "functions/f/vpc-bindings/*"),
    "GET functions/:name/provision-config": ("fc:GetProvisionConfig", "functions/f/prod"),
    "GET functions/:name/scaling-config": ("fc:GetScalingConfig", "functions/f/prod"),
    "GET provision-configs": ("fc:ListProvisionConfigs", "provision-configs/*"),
    "GET scaling-configs": ("fc:ListScalingConfigs", "scaling-configs/*"),
}


def role_key(world: FcWorld) -> Credential:
    """Return an access key of the role `manager`, as a function of that role has it."""
    world.create("spy", SPY, role=MANAGER_ARN)
    return Credential(**json.loads(world.invoke("spy")))


def call(url: str, key: Credential, method: str, path: str) -> None:
    """Call an action with the vendor's client; its answer does not matter here."""
    params = Params(
        action="X", version="2023-03-30", protocol="HTTP", pathname=path, method=method,
        auth_type="AK", style="ROA", req_body_type="json", body_type="json",
    )  # fmt: skip
    body = {"functionName": "new", "triggerName": "new", "aliasName": "new"} if method in ("POST", "PUT") else None
    refused(
        lambda: fc_client(url, key).call_api(
            params, OpenApiRequest(query={"qualifier": "prod"}, body=body), RuntimeOptions()
        )
    )


def test_each_call_asks_the_vendors_permission_on_the_vendors_resource(tmp_path: Path) -> None:
    """A role without permissions calls every route; each is refused after one check."""
    checks: list[AccessCheck] = []
    statement = "{Effect: Allow, Action: 'fc:Nothing', Resource: '*'}"
    asked = {}
    with running_fc_world(tmp_path, statement, watch=checks.append) as world:
        key = role_key(world)
        for method, template in ROUTES:
            checks.clear()
            path = "/2023-03-30/" + template.replace(":name", "f").replace(":part", "p")
            call(world.fc_url, key, method, path)
            [check] = checks
            asked[f"{method} {template}"] = check.action, check.resource.removeprefix(ARN)

    assert asked == EXPECTED


def test_a_policy_for_one_function_permits_nothing_of_another(tmp_path: Path) -> None:
    """Triggers and qualifiers of a function are resources of their own."""
    resources = ", ".join(f"'{ARN}functions/{name}'" for name in ("f", "f/triggers/in"))
    statement = f"{{Effect: Allow, Action: 'fc:*', Resource: [{resources}]}}"
    denied = (403, "AccessDenied")
    with running_fc_world(tmp_path, statement) as world:
        world.fc = fc_client(world.fc_url, role_key(world))
        world.create("f")
        world.trigger("f", "in")

        assert b"first" == world.invoke("f")
        assert denied == refused(lambda: world.create("g"))
        assert denied == refused(lambda: world.invoke("spy"))
        assert denied == refused(lambda: world.trigger("f", "other"))
        assert denied == refused(lambda: world.publish("f"))
        assert denied == refused(lambda: world.invoke("f", qualifier="prod"))
        assert denied == refused(lambda: world.fc.list_functions(models.ListFunctionsRequest()))
