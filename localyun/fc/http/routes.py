"""The HTTP face of Function Compute: API 2016-08-15 (services; aliyun-fc2) and 2023-03-30 (OpenAPI clients).

One function per action. In the older API every function appears under any service name. Both describe what is
deployed; what is deployed is decided by s.yaml and nothing else, so the calls that create are refused, with that
remedy.
"""

import json
import logging
import re
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from localyun.clock import CloudClock
from localyun.deploy.declared import Trigger
from localyun.errors import ServiceError
from localyun.faults import NO_FAULTS, FaultInjector
from localyun.fc.http import signatures as fc_signatures
from localyun.fc.http.documents import async_document, function_document, trigger_document
from localyun.fc.service import FunctionService
from localyun.http import HttpRequest, HttpResponse
from localyun.ram.credentials import Credential, Keyring
from localyun.ram.http import signatures as openapi_signatures

Allow = Callable[[Credential, str, str], bool]
OLD, NEW = "2016-08-15", "2023-03-30"
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FcRequest:
    """One request: the call, which version of the API, which function it names, and the id of this request."""

    call: HttpRequest
    version: str
    name: str
    request_id: str


def allow_all(credential: Credential, action: str, resource: str) -> bool:
    """Allow every key every action."""
    del credential, action, resource
    return True


class FcEndpoint:
    """Function Compute over HTTP. `allow(credential, "fc:InvokeFunction", name)` may refuse."""

    def __init__(
        self,
        functions: FunctionService,
        keyring: Keyring,
        clock: CloudClock,
        triggers: Sequence[Trigger] = (),
        allow: Allow = allow_all,
        faults: FaultInjector = NO_FAULTS,
    ) -> None:
        self._faults = faults
        self._functions = functions
        self._keyring = keyring
        self._clock = clock
        self._triggers = triggers
        self._allow = allow
        self._routes: Mapping[tuple[str, str], tuple[str, Callable[[FcRequest], HttpResponse]]] = {
            ("POST", "invocations"): ("fc:InvokeFunction", self.invoke),
            ("GET", "function"): ("fc:GetFunction", self.get_function),
            ("GET", "functions"): ("fc:ListFunctions", self.list_functions),
            ("GET", "triggers"): ("fc:ListTriggers", self.list_triggers),
            ("GET", "async-invoke-config"): ("fc:GetAsyncInvokeConfig", self.get_async_config),
        }

    def answer(self, call: HttpRequest) -> HttpResponse:
        """Answer one HTTP request."""
        request_id = self._functions.request_id()
        try:
            reply = self._faults.run_request(lambda: self._act(call, request_id))
        except ServiceError as refusal:
            reply = refused(refusal, call, request_id)
        except Exception:
            logger.exception("FC %s %s", call.method, call.raw_path)
            fault = ServiceError(500, "InternalServerError", "a fault of the local cloud; its log has the details")
            reply = refused(fault, call, request_id)
        return replace(reply, headers={**reply.headers, "X-Fc-Request-Id": request_id})

    def _act(self, call: HttpRequest, request_id: str) -> HttpResponse:
        """Find out who asks for what, and do it."""
        version = OLD if call.raw_path.startswith(f"/{OLD}/") else NEW
        authenticate = fc_signatures.authenticate if version == OLD else openapi_signatures.authenticate_acs3
        credential = authenticate(call, self._keyring, self._clock.now())
        what, name = _place(call)
        if (call.method, what) not in self._routes:
            raise _unsupported(call)
        action, answer = self._routes[call.method, what]
        if not self._allow(credential, action, name):
            message = f"{credential.principal} may not {action} on {name or 'functions'}; grant it in the role's policy"
            raise ServiceError(403, "AccessDenied", message)
        return answer(FcRequest(call, version, name, request_id))

    def invoke(self, request: FcRequest) -> HttpResponse:
        """InvokeFunction, synchronous or asynchronous."""
        payload, headers = request.call.read(), request.call.headers
        if headers.get("x-fc-invocation-type", "Sync").lower() == "async":
            delay = _delay(headers.get("x-fc-async-delay", "0"))
            self._functions.invoke_async(request.name, payload, request_id=request.request_id, delay=delay)
            return HttpResponse(202)
        result = self._functions.invoke(request.name, payload, request_id=request.request_id)
        told = {"Content-Type": "application/octet-stream", "X-Fc-Invocation-Duration": str(result.duration_ms)}
        if result.error_type:
            told |= {"X-Fc-Error-Type": result.error_type, "Content-Type": "application/json"}
        if headers.get("x-fc-log-type") == "Tail":
            told["X-Fc-Log-Result"] = b64encode(result.log_tail).decode()
        return HttpResponse(200, result.payload, told)

    def get_function(self, request: FcRequest) -> HttpResponse:
        """GetFunction."""
        return _json(function_document(self._functions.get(request.name)))

    def list_functions(self, request: FcRequest) -> HttpResponse:
        """ListFunctions, all on one page."""
        prefix = request.call.query.get("prefix", "")
        configs = [config for config in self._functions.list() if config.name.startswith(prefix)]
        return _json({"functions": [function_document(config) for config in configs]})

    def list_triggers(self, request: FcRequest) -> HttpResponse:
        """ListTriggers, all on one page."""
        self._functions.get(request.name)
        mine = [trigger for trigger in self._triggers if trigger.function == request.name]
        as_text, site = request.version == NEW, self._functions.site
        return _json({"triggers": [trigger_document(trigger, site, as_text=as_text) for trigger in mine]})

    def get_async_config(self, request: FcRequest) -> HttpResponse:
        """GetAsyncInvokeConfig."""
        return _json(async_document(self._functions.get(request.name), self._functions.site))


_PLACE = re.compile(
    rf"/(?:{OLD}/services/[^/]+|{NEW})/functions(?:/(?P<name>[^/]+)(?:/(?P<part>[\w-]+))?)?/?", re.ASCII
)


def _place(call: HttpRequest) -> tuple[str, str]:
    """Return what a path addresses, and the function that it names."""
    if not (match := _PLACE.fullmatch(call.path)):
        raise _unsupported(call)
    name = match["name"] or ""
    return (match["part"] or "function" if name else "functions"), name.partition(".")[0]


def _delay(text: str) -> float:
    """Read x-fc-async-delay: seconds below an hour (FC "Asynchronous invocations", 2026-04)."""
    if not re.fullmatch(r"\d+", text) or int(text) >= 3600:
        raise ServiceError(400, "InvalidArgument", f"x-fc-async-delay is {text!r}; give whole seconds, fewer than 3600")
    return float(text)


def _unsupported(call: HttpRequest) -> ServiceError:
    """Say what this face cannot do."""
    message = (
        f"{call.method} {call.path} is not something the local Function Compute does: it invokes, gets and lists "
        "functions and lists triggers; to create or change them, edit s.yaml and start again"
    )
    return ServiceError(501, "NotImplemented", message)


def refused(refusal: ServiceError, call: HttpRequest, request_id: str) -> HttpResponse:
    """Write an error as the API version of the request spells it."""
    if call.raw_path.startswith(f"/{OLD}/"):
        document = {"ErrorCode": refusal.code, "ErrorMessage": refusal.message}
    else:
        document = {"Code": refusal.code, "Message": refusal.message, "RequestId": request_id}
    reply = _json(document)
    return replace(reply, status=refusal.status)


def _json(document: Mapping[str, Any]) -> HttpResponse:
    """Answer with a JSON document."""
    return HttpResponse(200, json.dumps(document).encode(), {"Content-Type": "application/json"})
