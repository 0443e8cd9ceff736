"""Function Compute over HTTP: API 2016-08-15 (services; aliyun-fc2) and 2023-03-30 (OpenAPI clients).

In the older API every function appears under any service name, and only what invokes and reads is supported.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from localyun.endpoint import Endpoint
from localyun.errors import ServiceError
from localyun.fc.http import actions, settings, tasks, versions
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
    """An action, the RAM action that permits it, and the field of the body that names what it creates.

    `is_qualified`: the resource has the version or alias of the function.
    """

    permission: str
    action: Action
    new_name: str = ""
    is_qualified: bool = False


_ALIASES, _CONCURRENCY, _TRIGGERS = "functions/:name/aliases", "functions/:name/concurrency", "functions/:name/triggers"
_ALIAS, _ASYNC, _TRIGGER = f"{_ALIASES}/:part", "functions/:name/async-invoke-config", f"{_TRIGGERS}/:part"
_TASKS = "functions/:name/async-tasks"
# By method and path below the version; `:name` is a function, `:part` its trigger, alias, version or task.
ROUTES: Mapping[tuple[str, str], Route] = {
    ("POST", "functions/:name/invocations"): Route("InvokeFunction", actions.invoke, is_qualified=True),
    ("POST", "functions"): Route("CreateFunction", actions.create_function, "functionName"),
    ("GET", "functions"): Route("ListFunctions", actions.list_functions),
    ("GET", "functions/:name"): Route("GetFunction", actions.get_function),
    ("PUT", "functions/:name"): Route("UpdateFunction", actions.update_function),
    ("DELETE", "functions/:name"): Route("DeleteFunction", actions.delete_function),
    ("GET", "functions/:name/code"): Route("GetFunctionCode", actions.get_function_code, is_qualified=True),
    ("POST", _TRIGGERS): Route("CreateTrigger", actions.create_trigger, "triggerName"),
    ("GET", _TRIGGERS): Route("ListTriggers", actions.list_triggers),
    ("GET", _TRIGGER): Route("GetTrigger", actions.get_trigger),
    ("PUT", _TRIGGER): Route("UpdateTrigger", actions.update_trigger),
    ("DELETE", _TRIGGER): Route("DeleteTrigger", actions.delete_trigger),
    ("PUT", _ASYNC): Route("PutFunctionAsyncInvokeConfig", settings.put_async_config, is_qualified=True),
    ("GET", _ASYNC): Route("GetFunctionAsyncInvokeConfig", settings.get_async_config, is_qualified=True),
    ("DELETE", _ASYNC): Route("DeleteFunctionAsyncInvokeConfig", settings.delete_async_config, is_qualified=True),
    ("GET", "async-invoke-configs"): Route("ListFunctionAsyncInvokeConfigs", settings.list_async_configs),
    ("GET", _TASKS): Route("ListAsyncTasks", tasks.list_tasks),
    ("GET", f"{_TASKS}/:part"): Route("GetAsyncTask", tasks.get_task),
    ("PUT", f"{_TASKS}/:part/stop"): Route("StopAsyncTask", tasks.stop_task),
    ("PUT", _CONCURRENCY): Route("PutConcurrencyConfig", settings.put_concurrency),
    ("GET", _CONCURRENCY): Route("GetConcurrencyConfig", settings.get_concurrency),
    ("DELETE", _CONCURRENCY): Route("DeleteConcurrencyConfig", settings.delete_concurrency),
    ("GET", "concurrency-configs"): Route("ListConcurrencyConfigs", settings.list_concurrency),
    ("POST", "functions/:name/versions"): Route("PublishFunctionVersion", versions.publish_version),
    ("GET", "functions/:name/versions"): Route("ListFunctionVersions", versions.list_versions),
    ("DELETE", "functions/:name/versions/:part"): Route("DeleteFunctionVersion", versions.delete_version),
    ("POST", _ALIASES): Route("CreateAlias", versions.create_alias, "aliasName"),
    ("GET", _ALIASES): Route("ListAliases", versions.list_aliases),
    ("GET", _ALIAS): Route("GetAlias", versions.get_alias),
    ("PUT", _ALIAS): Route("UpdateAlias", versions.update_alias),
    ("DELETE", _ALIAS): Route("DeleteAlias", versions.delete_alias),
    ("GET", "functions/:name/vpc-bindings"): Route("ListVpcBindings", settings.none_of("vpcIds")),
    ("GET", "functions/:name/provision-config"): Route("GetProvisionConfig", settings.get_provision, is_qualified=True),
    ("GET", "provision-configs"): Route("ListProvisionConfigs", settings.none_of("provisionConfigs")),
    # Neither these actions nor GetTempBucketToken are on the vendor's page.
    ("GET", "functions/:name/scaling-config"): Route("GetScalingConfig", settings.get_scaling, is_qualified=True),
    ("GET", "scaling-configs"): Route("ListScalingConfigs", settings.none_of("scalingConfigs")),
}
# What API 2016-08-15 alone has.
OLD_ROUTES: Mapping[tuple[str, str], Route] = {
    ("GET", "tempBucketToken"): Route("GetTempBucketToken", actions.get_temp_bucket_token),
}
_PATTERNS: Mapping[tuple[str, str], re.Pattern[str]] = {
    (method, path): re.compile(re.sub(r":(\w+)", _SEGMENT, path) + "/?") for method, path in ROUTES
}


@dataclass(eq=False)
class FcEndpoint(Endpoint):
    """The HTTP endpoint of Function Compute.

    `allow(credential, "fc:InvokeFunction", NAME)` returns True if the key may call it.
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
        permission = f"fc:{route.permission}"
        if not self.permits(call, credential, permission, *_names(route, request)):
            message = f"{credential.principal} may not {permission} on {name or 'functions'}; grant it in the policy"
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


def _names(route: Route, request: FcRequest) -> Iterator[str]:
    """Yield the names in the resource of a request: the function with its qualifier; its trigger, alias or version."""
    if request.name:
        qualified = route.is_qualified and request.qualifier != LATEST
        yield f"{request.name}/{request.qualifier}" if qualified else request.name
    if name := str(request.document().get(route.new_name) or "") if route.new_name else request.part:
        yield name
