"""Function Compute over HTTP: API 2016-08-15 (services; aliyun-fc2) and 2023-03-30 (OpenAPI clients).

In the older API every function appears under any service name, and only what invokes and reads is supported.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from localyun.endpoint import Endpoint
from localyun.errors import ServiceError
from localyun.fc.http import actions, settings, versions
from localyun.fc.http import signatures as fc_signatures
from localyun.fc.http.request import NEW, OLD, Action, FcRequest, json_response
from localyun.fc.management import FunctionManager
from localyun.fc.values import LATEST
from localyun.http import HttpRequest, HttpResponse
from localyun.ram.http import signatures as openapi_signatures

_OLD_PREFIX = re.compile(rf"/{OLD}/services/[^/.]+(?:\.(?P<qualifier>[^/]+))?/")
_SEGMENT = r"(?P<\1>[^/]+)"


@dataclass(frozen=True)
class Route:
    """An action, the RAM action that permits it, and its resource: FC 3.0 "RAM policies" (read 2026-11).

    `resource` may have {name}, the function; {part}, the other name in the path; {new}, the field `new_name` of the
    body; {qualified}, the function with a qualifier other than LATEST.
    """

    permission: str
    resource: str
    action: Action
    new_name: str = ""


_ALIASES, _CONCURRENCY, _TRIGGERS = "functions/:name/aliases", "functions/:name/concurrency", "functions/:name/triggers"
_ALIAS, _ASYNC, _TRIGGER = f"{_ALIASES}/:part", "functions/:name/async-invoke-config", f"{_TRIGGERS}/:part"
_ONE, _QUALIFIED = "functions/{name}", "functions/{qualified}"
_ONE_ALIAS, _ONE_TRIGGER = "functions/{name}/aliases/{part}", "functions/{name}/triggers/{part}"
_NEW_ALIAS, _NEW_TRIGGER = "functions/{name}/aliases/{new}", "functions/{name}/triggers/{new}"
# By method and path below the version; `:name` is a function, `:part` its trigger, alias or version.
ROUTES: Mapping[tuple[str, str], Route] = {
    ("POST", "functions/:name/invocations"): Route("InvokeFunction", _QUALIFIED, actions.invoke),
    ("POST", "functions"): Route("CreateFunction", "functions/{new}", actions.create_function, "functionName"),
    ("GET", "functions"): Route("ListFunctions", "functions/*", actions.list_functions),
    ("GET", "functions/:name"): Route("GetFunction", _ONE, actions.get_function),
    ("PUT", "functions/:name"): Route("UpdateFunction", _ONE, actions.update_function),
    ("DELETE", "functions/:name"): Route("DeleteFunction", _ONE, actions.delete_function),
    ("GET", "functions/:name/code"): Route("GetFunctionCode", _QUALIFIED, actions.get_function_code),
    ("POST", _TRIGGERS): Route("CreateTrigger", _NEW_TRIGGER, actions.create_trigger, "triggerName"),
    ("GET", _TRIGGERS): Route("ListTriggers", "functions/{name}/triggers/*", actions.list_triggers),
    ("GET", _TRIGGER): Route("GetTrigger", _ONE_TRIGGER, actions.get_trigger),
    ("PUT", _TRIGGER): Route("UpdateTrigger", _ONE_TRIGGER, actions.update_trigger),
    ("DELETE", _TRIGGER): Route("DeleteTrigger", _ONE_TRIGGER, actions.delete_trigger),
    ("PUT", _ASYNC): Route("PutFunctionAsyncInvokeConfig", _QUALIFIED, settings.put_async_config),
    ("GET", _ASYNC): Route("GetFunctionAsyncInvokeConfig", _QUALIFIED, settings.get_async_config),
    ("DELETE", _ASYNC): Route("DeleteFunctionAsyncInvokeConfig", _QUALIFIED, settings.delete_async_config),
    ("GET", "async-invoke-configs"): Route(
        "ListFunctionAsyncInvokeConfigs", "async-invoke-configs/*", settings.list_async_configs
    ),
    ("PUT", _CONCURRENCY): Route("PutConcurrencyConfig", _ONE, settings.put_concurrency),
    ("GET", _CONCURRENCY): Route("GetConcurrencyConfig", _ONE, settings.get_concurrency),
    ("DELETE", _CONCURRENCY): Route("DeleteConcurrencyConfig", _ONE, settings.delete_concurrency),
    ("GET", "concurrency-configs"): Route("ListConcurrencyConfigs", "concurrency-configs/*", settings.list_concurrency),
    ("POST", "functions/:name/versions"): Route(
        "PublishFunctionVersion", "functions/{name}/versions", versions.publish_version
    ),
    ("GET", "functions/:name/versions"): Route(
        "ListFunctionVersions", "functions/{name}/versions/*", versions.list_versions
    ),
    ("DELETE", "functions/:name/versions/:part"): Route(
        "DeleteFunctionVersion", "functions/{name}/versions/{part}", versions.delete_version
    ),
    ("POST", _ALIASES): Route("CreateAlias", _NEW_ALIAS, versions.create_alias, "aliasName"),
    ("GET", _ALIASES): Route("ListAliases", "functions/{name}/aliases/*", versions.list_aliases),
    ("GET", _ALIAS): Route("GetAlias", _ONE_ALIAS, versions.get_alias),
    ("PUT", _ALIAS): Route("UpdateAlias", _ONE_ALIAS, versions.update_alias),
    ("DELETE", _ALIAS): Route("DeleteAlias", _ONE_ALIAS, versions.delete_alias),
    ("GET", "functions/:name/vpc-bindings"): Route(
        "ListVpcBindings", "functions/{name}/vpc-bindings/*", settings.none_of("vpcIds")
    ),
    ("GET", "functions/:name/provision-config"): Route("GetProvisionConfig", _QUALIFIED, settings.get_provision),
    ("GET", "provision-configs"): Route(
        "ListProvisionConfigs", "provision-configs/*", settings.none_of("provisionConfigs")
    ),
    # Neither these actions nor GetTempBucketToken are on the vendor's page.
    ("GET", "functions/:name/scaling-config"): Route("GetScalingConfig", _QUALIFIED, settings.get_scaling),
    ("GET", "scaling-configs"): Route("ListScalingConfigs", "scaling-configs/*", settings.none_of("scalingConfigs")),
}
# What API 2016-08-15 alone has.
OLD_ROUTES: Mapping[tuple[str, str], Route] = {
    ("GET", "tempBucketToken"): Route("GetTempBucketToken", "*", actions.get_temp_bucket_token),
}
_PATTERNS: Mapping[tuple[str, str], re.Pattern[str]] = {
    (method, path): re.compile(re.sub(r":(\w+)", _SEGMENT, path) + "/?") for method, path in ROUTES
}


@dataclass(eq=False)
class FcEndpoint(Endpoint):
    """The HTTP endpoint of Function Compute.

    `allow(credential, "fc:InvokeFunction", "functions/NAME")` returns True if the key may call it.
    """

    manager: FunctionManager
    internal_error: ClassVar = ServiceError(
        500, "InternalServerError", "an internal error of the local cloud; see its log"
    )

    def new_request_id(self) -> str:
        """Return a new request id in the form of Function Compute."""
        return self.manager.functions.request_id()

    def complete(self, response: HttpResponse, request_id: str, _seconds: float) -> HttpResponse:
        """Add the request id."""
        return replace(response, headers={**response.headers, "X-Fc-Request-Id": request_id})

    def dispatch(self, call: HttpRequest, request_id: str) -> HttpResponse:
        """Authenticate and authorize a request, then execute its action."""
        version = OLD if call.raw_path.startswith(f"/{OLD}/") else NEW
        authenticate = fc_signatures.authenticate if version == OLD else openapi_signatures.authenticate_acs3
        credential = authenticate(call, self.keyring, self.clock.now())
        route, names = _route(call)
        name, part, qualifier = (names.get(key) or "" for key in ("name", "part", "qualifier"))
        request = FcRequest(call, version, name, part, request_id, qualifier)
        permission, resource = f"fc:{route.permission}", _resource(route, request)
        if not self.allow(credential, permission, resource):
            message = f"{credential.principal} may not {permission} on {resource}; grant it in the role's policy"
            raise ServiceError(403, "AccessDenied", message)
        return route.action(self.manager, request)

    def error_response(self, call: HttpRequest, error: ServiceError, request_id: str) -> HttpResponse:
        """Return the error document of the request's API version."""
        if call.raw_path.startswith(f"/{OLD}/"):
            document = {"ErrorCode": error.code, "ErrorMessage": error.message}
        else:
            document = {"Code": error.code, "Message": error.message, "RequestId": request_id}
        return json_response(document, error.status)


def _route(call: HttpRequest) -> tuple[Route, Mapping[str, str | None]]:
    """Return the route of a request, and the names in its path."""
    if found := OLD_ROUTES.get((call.method, call.path.removeprefix(f"/{OLD}/"))):
        return found, {}
    service = _OLD_PREFIX.match(call.path)
    path = call.path[service.end() :] if service else call.path.removeprefix(f"/{NEW}/")
    for (method, template), pattern in _PATTERNS.items():
        reads = method == "GET" or template.endswith("invocations")
        if method == call.method and (reads or not service) and (match := pattern.fullmatch(path)):
            return ROUTES[method, template], {**match.groupdict(), **(service.groupdict() if service else {})}
    supported = ", ".join(f"{method} /{NEW}/{template}" for method, template in ROUTES)
    message = f"the local Function Compute does not support {call.method} {call.path}; supported: {supported}"
    raise ServiceError(501, "NotImplemented", message)


def _resource(route: Route, request: FcRequest) -> str:
    """Return the resource of a request, as policies name it after region and account."""
    new = str(request.document().get(route.new_name) or "*") if route.new_name else ""
    qualified = request.name if request.qualifier == LATEST else f"{request.name}/{request.qualifier}"
    return route.resource.format(name=request.name, part=request.part, new=new, qualified=qualified)
