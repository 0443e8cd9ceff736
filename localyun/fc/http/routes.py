"""Function Compute over HTTP: API 2016-08-15 (services; aliyun-fc2) and 2023-03-30 (OpenAPI clients).

In the older API every function appears under any service name, and only what invokes and reads is supported.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from localyun.endpoint import Endpoint
from localyun.errors import ServiceError
from localyun.fc.http import signatures as fc_signatures
from localyun.fc.http.actions import NEW, OLD, OLD_ROUTES, ROUTES, Action, FcRequest, json_response
from localyun.fc.management import FunctionManager
from localyun.http import HttpRequest, HttpResponse
from localyun.ram.http import signatures as openapi_signatures

_OLD_PREFIX = re.compile(rf"/{OLD}/services/[^/]+/")
_SEGMENT = r"(?P<\1>[^/]+)"
_PATTERNS: Mapping[tuple[str, str], re.Pattern[str]] = {
    (method, path): re.compile(re.sub(r":(\w+)", _SEGMENT, path) + "/?") for method, path in ROUTES
}


@dataclass(eq=False)
class FcEndpoint(Endpoint):
    """The HTTP endpoint of Function Compute.

    `allow(credential, "fc:InvokeFunction", name)` returns True if the key may call it.
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
        permission, action, names = _route(call)
        name = names.get("name", "").partition(".")[0]
        if not self.permits(call, credential, permission, name):
            message = (
                f"{credential.principal} may not {permission} on {name or 'functions'}; grant it in the role's policy"
            )
            raise ServiceError(403, "AccessDenied", message)
        return action(self.manager, FcRequest(call, version, name, names.get("part", ""), request_id))

    def error_response(self, call: HttpRequest, error: ServiceError, request_id: str) -> HttpResponse:
        """Return the error document of the request's API version."""
        if call.raw_path.startswith(f"/{OLD}/"):
            document = {"ErrorCode": error.code, "ErrorMessage": error.message}
        else:
            document = {"Code": error.code, "Message": error.message, "RequestId": request_id}
        return json_response(document, error.status)


def _route(call: HttpRequest) -> tuple[str, Action, Mapping[str, str]]:
    """Return the permission and the action of a request, and the names in its path."""
    if found := OLD_ROUTES.get((call.method, call.path.removeprefix(f"/{OLD}/"))):
        return *found, {}
    is_old = bool(_OLD_PREFIX.match(call.path))
    path = _OLD_PREFIX.sub("", call.path) if is_old else call.path.removeprefix(f"/{NEW}/")
    for (method, template), pattern in _PATTERNS.items():
        reads = method == "GET" or template.endswith("invocations")
        if method == call.method and (reads or not is_old) and (match := pattern.fullmatch(path)):
            permission, action = ROUTES[method, template]
            return permission, action, match.groupdict()
    supported = ", ".join(f"{method} /{NEW}/{template}" for method, template in ROUTES)
    message = f"the local Function Compute does not support {call.method} {call.path}; supported: {supported}"
    raise ServiceError(501, "NotImplemented", message)
