"""Function Compute over HTTP: API 2016-08-15 (services; aliyun-fc2) and 2023-03-30 (OpenAPI clients).

In the older API every function appears under any service name. Only s.yaml determines what is deployed, so requests
that create, change or delete are rejected.
"""

import json
import re
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from localyun.endpoint import Endpoint
from localyun.errors import ServiceError
from localyun.fc.http import signatures as fc_signatures
from localyun.fc.http.documents import async_document, function_document, trigger_document
from localyun.fc.service import FunctionService
from localyun.fc.values import Trigger
from localyun.http import HttpRequest, HttpResponse
from localyun.ram.http import signatures as openapi_signatures

OLD, NEW = "2016-08-15", "2023-03-30"


@dataclass(frozen=True)
class FcRequest:
    """A request: the call, the version of the API, the name of the function, and the request id."""

    call: HttpRequest
    version: str
    name: str
    request_id: str


@dataclass(eq=False)
class FcEndpoint(Endpoint):
    """The HTTP endpoint of a `FunctionService`.

    `allow(credential, "fc:InvokeFunction", name)` returns True if the key may call it.
    """

    functions: FunctionService
    triggers: Sequence[Trigger] = ()
    internal_error: ClassVar = ServiceError(
        500, "InternalServerError", "an internal error of the local cloud; see its log"
    )

    def new_request_id(self) -> str:
        """Return a new request id in the form of Function Compute."""
        return self.functions.request_id()

    def complete(self, response: HttpResponse, request_id: str, _seconds: float) -> HttpResponse:
        """Add the request id."""
        return replace(response, headers={**response.headers, "X-Fc-Request-Id": request_id})

    def dispatch(self, call: HttpRequest, request_id: str) -> HttpResponse:
        """Authenticate and authorize a request, then execute its action."""
        version = OLD if call.raw_path.startswith(f"/{OLD}/") else NEW
        authenticate = fc_signatures.authenticate if version == OLD else openapi_signatures.authenticate_acs3
        credential = authenticate(call, self.keyring, self.clock.now())
        resource, name = _parse_path(call)
        if (call.method, resource) not in ROUTES:
            raise _unsupported(call)
        action, answer = ROUTES[call.method, resource]
        if not self.permits(call, credential, action, name):
            message = f"{credential.principal} may not {action} on {name or 'functions'}; grant it in the role's policy"
            raise ServiceError(403, "AccessDenied", message)
        return answer(self, FcRequest(call, version, name, request_id))

    def error_response(self, call: HttpRequest, error: ServiceError, request_id: str) -> HttpResponse:
        """Return the error document of the request's API version."""
        if call.raw_path.startswith(f"/{OLD}/"):
            document = {"ErrorCode": error.code, "ErrorMessage": error.message}
        else:
            document = {"Code": error.code, "Message": error.message, "RequestId": request_id}
        return _json(document, error.status)

    def invoke(self, request: FcRequest) -> HttpResponse:
        """InvokeFunction, synchronous or asynchronous."""
        payload, headers = request.call.read(), request.call.headers
        if headers.get("x-fc-invocation-type", "Sync").lower() == "async":
            delay = _delay(headers.get("x-fc-async-delay", "0"))
            self.functions.invoke_async(request.name, payload, request_id=request.request_id, delay=delay)
            return HttpResponse(202)
        result = self.functions.invoke(request.name, payload, request_id=request.request_id)
        reply_headers = {
            "Content-Type": "application/octet-stream",
            "X-Fc-Invocation-Duration": str(result.duration_ms),
        }
        if result.error_type:
            reply_headers |= {"X-Fc-Error-Type": result.error_type, "Content-Type": "application/json"}
        if headers.get("x-fc-log-type") == "Tail":
            reply_headers["X-Fc-Log-Result"] = b64encode(result.log_tail).decode()
        return HttpResponse(200, result.payload, reply_headers)

    def get_function(self, request: FcRequest) -> HttpResponse:
        """GetFunction."""
        return _json(function_document(self.functions.get(request.name)))

    def list_functions(self, request: FcRequest) -> HttpResponse:
        """ListFunctions, all on one page."""
        prefix = request.call.query.get("prefix", "")
        configs = [config for config in self.functions.list() if config.name.startswith(prefix)]
        return _json({"functions": [function_document(config) for config in configs]})

    def list_triggers(self, request: FcRequest) -> HttpResponse:
        """ListTriggers, all on one page."""
        self.functions.get(request.name)
        settings, new = self.functions.settings, request.version == NEW
        triggers = [trigger for trigger in self.triggers if trigger.function == request.name]
        return _json({"triggers": [trigger_document(trigger, settings, as_string=new) for trigger in triggers]})

    def get_async_config(self, request: FcRequest) -> HttpResponse:
        """GetAsyncInvokeConfig."""
        return _json(async_document(self.functions.get(request.name), self.functions.settings))


# By method and kind of resource: the permission, and the action.
ROUTES: Mapping[tuple[str, str], tuple[str, Callable[[FcEndpoint, FcRequest], HttpResponse]]] = {
    ("POST", "invocations"): ("fc:InvokeFunction", FcEndpoint.invoke),
    ("GET", "function"): ("fc:GetFunction", FcEndpoint.get_function),
    ("GET", "functions"): ("fc:ListFunctions", FcEndpoint.list_functions),
    ("GET", "triggers"): ("fc:ListTriggers", FcEndpoint.list_triggers),
    ("GET", "async-invoke-config"): ("fc:GetFunctionAsyncInvokeConfig", FcEndpoint.get_async_config),
}
_PATH = re.compile(rf"/(?:{OLD}/services/[^/]+|{NEW})/functions(?:/(?P<name>[^/]+)(?:/(?P<part>[\w-]+))?)?/?", re.ASCII)


def _parse_path(call: HttpRequest) -> tuple[str, str]:
    """Return the kind of resource that a path addresses, and the name of the function."""
    if not (match := _PATH.fullmatch(call.path)):
        raise _unsupported(call)
    name = match["name"] or ""
    return (match["part"] or "function" if name else "functions"), name.partition(".")[0]


def _delay(text: str) -> float:
    """Parse x-fc-async-delay: seconds below an hour (FC "Asynchronous invocations", 2026-04)."""
    if not re.fullmatch(r"\d+", text) or int(text) >= 3600:
        raise ServiceError(
            400, "InvalidArgument", f"x-fc-async-delay is {text!r}; give an integer of seconds below 3600"
        )
    return float(text)


def _unsupported(call: HttpRequest) -> ServiceError:
    message = (
        f"the local Function Compute does not support {call.method} {call.path}: it invokes, gets and lists "
        "functions and lists triggers; to create or change them, edit s.yaml and start again"
    )
    return ServiceError(501, "NotImplemented", message)


def _json(document: Mapping[str, Any], status: int = 200) -> HttpResponse:
    return HttpResponse(status, json.dumps(document).encode(), {"Content-Type": "application/json"})
