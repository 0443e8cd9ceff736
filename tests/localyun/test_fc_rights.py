"""The RAM action and resource that each management call asks; sources in `localyun.fc.http.routes`."""

import json
from collections.abc import Mapping
from pathlib import Path

from alibabacloud_fc20230330 import models
from alibabacloud_tea_openapi.models import OpenApiRequest, Params
from alibabacloud_tea_util.models import RuntimeOptions

from localyun.clock import HostClock
from localyun.fc.http.routes import ROUTES, FcEndpoint
from localyun.ram.credentials import Credential, Keyring
from tests.localyun.audio_world import served
from tests.localyun.fc_world import MANAGER_ARN, FcWorld, fc_client, refused, running_fc_world

# Returns the access key of the function's role.
SPY = """
def handler(event, context):
    keys = context.credentials
    return {name: getattr(keys, name) for name in ("access_key_id", "access_key_secret", "security_token")}
"""
# By method and path below the version: what is asked for function f, its part p, and the qualifier prod.
EXPECTED = {
    "POST functions/:name/invocations": ("fc:InvokeFunction", "f/prod"),
    "POST functions": ("fc:CreateFunction", "new"),
    "GET functions": ("fc:ListFunctions",),
    "GET functions/:name": ("fc:GetFunction", "f"),
    "PUT functions/:name": ("fc:UpdateFunction", "f"),
    "DELETE functions/:name": ("fc:DeleteFunction", "f"),
    "GET functions/:name/code": ("fc:GetFunctionCode", "f/prod"),
    "POST functions/:name/triggers": ("fc:CreateTrigger", "f", "new"),
    "GET functions/:name/triggers": ("fc:ListTriggers", "f"),
    "GET functions/:name/triggers/:part": ("fc:GetTrigger", "f", "p"),
    "PUT functions/:name/triggers/:part": ("fc:UpdateTrigger", "f", "p"),
    "DELETE functions/:name/triggers/:part": ("fc:DeleteTrigger", "f", "p"),
    "PUT functions/:name/async-invoke-config": ("fc:PutFunctionAsyncInvokeConfig", "f/prod"),
    "GET functions/:name/async-invoke-config": ("fc:GetFunctionAsyncInvokeConfig", "f/prod"),
    "DELETE functions/:name/async-invoke-config": ("fc:DeleteFunctionAsyncInvokeConfig", "f/prod"),
    "GET async-invoke-configs": ("fc:ListFunctionAsyncInvokeConfigs",),
    "PUT functions/:name/concurrency": ("fc:PutConcurrencyConfig", "f"),
    "GET functions/:name/concurrency": ("fc:GetConcurrencyConfig", "f"),
    "DELETE functions/:name/concurrency": ("fc:DeleteConcurrencyConfig", "f"),
    "GET concurrency-configs": ("fc:ListConcurrencyConfigs",),
    "POST functions/:name/versions": ("fc:PublishFunctionVersion", "f"),
    "GET functions/:name/versions": ("fc:ListFunctionVersions", "f"),
    "DELETE functions/:name/versions/:part": ("fc:DeleteFunctionVersion", "f", "p"),
    "POST functions/:name/aliases": ("fc:CreateAlias", "f", "new"),
    "GET functions/:name/aliases": ("fc:ListAliases", "f"),
    "GET functions/:name/aliases/:part": ("fc:GetAlias", "f", "p"),
    "PUT functions/:name/aliases/:part": ("fc:UpdateAlias", "f", "p"),
    "DELETE functions/:name/aliases/:part": ("fc:DeleteAlias", "f", "p"),
    "GET functions/:name/vpc-bindings": ("fc:ListVpcBindings", "f"),
    "GET functions/:name/provision-config": ("fc:GetProvisionConfig", "f/prod"),
    "GET functions/:name/scaling-config": ("fc:GetScalingConfig", "f/prod"),
    "GET provision-configs": ("fc:ListProvisionConfigs",),
    "GET scaling-configs": ("fc:ListScalingConfigs",),
}


def role_key(world: FcWorld) -> Credential:
    """Return an access key of the role `manager`, as a function of that role has it."""
    world.create("spy", SPY, role=MANAGER_ARN)
    return Credential(**json.loads(world.invoke("spy")))


def call(url: str, key: Credential, method: str, path: str) -> tuple[int, str]:
    """Call an action with the vendor's client, and return its error."""
    params = Params(
        action="X", version="2023-03-30", protocol="HTTP", pathname=path, method=method,
        auth_type="AK", style="ROA", req_body_type="json", body_type="json",
    )  # fmt: skip
    body = {"functionName": "new", "triggerName": "new", "aliasName": "new"} if method in ("POST", "PUT") else None
    return refused(
        lambda: fc_client(url, key).call_api(
            params, OpenApiRequest(query={"qualifier": "prod"}, body=body), RuntimeOptions()
        )
    )


def test_each_call_asks_the_vendors_permission_on_what_it_names(tmp_path: Path) -> None:
    """A key without permissions calls every route; each is refused after one check."""
    asked: list[tuple[str, ...]] = []

    def refuse(_credential: Credential, action: str, *names: str, conditions: Mapping[str, str]) -> bool:
        assert {"acs:SourceIp", "acs:SecureTransport"} == set(conditions)
        asked.append((action, *names))
        return False

    with running_fc_world(tmp_path) as world:
        endpoint = FcEndpoint(Keyring(world.key), HostClock(), world.services.manager, allow=refuse)
        with served(endpoint.answer) as address:
            for method, template in ROUTES:
                path = "/2023-03-30/" + template.replace(":name", "f").replace(":part", "p")
                assert (403, "AccessDenied") == call(address, world.key, method, path)

    assert EXPECTED == {f"{method} {template}": one for (method, template), one in zip(ROUTES, asked, strict=True)}


def test_a_role_needs_the_permission_of_each_call(tmp_path: Path) -> None:
    """A policy that lists two actions permits nothing else."""
    statement = "{Effect: Allow, Action: ['fc:CreateFunction', 'fc:InvokeFunction'], Resource: '*'}"
    denied = (403, "AccessDenied")
    with running_fc_world(tmp_path, statement) as world:
        world.fc = fc_client(world.fc_url, role_key(world))
        world.create("f")

        assert b"first" == world.invoke("f")
        assert denied == refused(lambda: world.trigger("f", "in"))
        assert denied == refused(lambda: world.publish("f"))
        assert denied == refused(lambda: world.fc.list_functions(models.ListFunctionsRequest()))
