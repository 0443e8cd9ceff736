"""The actions of Function Compute's API: one function each, from a request to a response. No signatures."""

import json
import re
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from localyun.errors import ServiceError
from localyun.fc.configuration import async_document, format_time, function_document, trigger_document
from localyun.fc.management import FunctionManager
from localyun.http import HttpRequest, HttpResponse

OLD, NEW = "2016-08-15", "2023-03-30"
MAX_PAGE = 100
Item = TypeVar("Item")


@dataclass(frozen=True)
class FcRequest:
    """A request: the call, the version of the API, the names of the function and of its part, and the request id."""

    call: HttpRequest
    version: str
    name: str
    part: str
    request_id: str

    @property
    def is_new(self) -> bool:
        """True for API 2023-03-30, whose triggers have their configuration as a JSON string."""
        return self.version == NEW

    def document(self) -> dict[str, Any]:
        """Return the JSON object in the body; raise `ServiceError` for anything else."""
        try:
            content = json.loads(self.call.read() or b"{}")
        except ValueError as error:
            raise ServiceError(400, "InvalidArgument", f"the body is not valid JSON: {error}") from error
        if not isinstance(content, dict):
            raise ServiceError(400, "InvalidArgument", "the body must be a JSON object")
        return content


Action = Callable[[FunctionManager, FcRequest], HttpResponse]


def json_response(document: Mapping[str, Any], status: int = 200) -> HttpResponse:
    """Return a JSON response."""
    return HttpResponse(status, json.dumps(document).encode(), {"Content-Type": "application/json"})


def invoke(manager: FunctionManager, request: FcRequest) -> HttpResponse:
    """InvokeFunction, synchronous or asynchronous."""
    functions, payload, headers = manager.functions, request.call.read(), request.call.headers
    if headers.get("x-fc-invocation-type", "Sync").lower() == "async":
        delay = _delay(headers.get("x-fc-async-delay", "0"))
        functions.invoke_async(request.name, payload, request_id=request.request_id, delay=delay)
        return HttpResponse(202)
    result = functions.invoke(request.name, payload, request_id=request.request_id)
    reply_headers = {
        "Content-Type": "application/octet-stream",
        "X-Fc-Invocation-Duration": str(result.duration_ms),
        "X-Fc-Instance-Id": result.instance_id,
        "X-Fc-Code-Checksum": functions.get(request.name).code_checksum,
    }
    if result.error_type:
        reply_headers |= {"X-Fc-Error-Type": result.error_type, "Content-Type": "application/json"}
    if headers.get("x-fc-log-type") == "Tail":
        reply_headers["X-Fc-Log-Result"] = b64encode(result.log_tail).decode()
    return HttpResponse(200, result.payload, reply_headers)


def create_function(manager: FunctionManager, request: FcRequest) -> HttpResponse:
    """CreateFunction."""
    config = manager.create(request.document())
    return json_response(function_document(config, manager.functions.settings))


def get_function(manager: FunctionManager, request: FcRequest) -> HttpResponse:
    """GetFunction."""
    return json_response(function_document(manager.functions.get(request.name), manager.functions.settings))


def update_function(manager: FunctionManager, request: FcRequest) -> HttpResponse:
    """UpdateFunction."""
    config = manager.update(request.name, request.document())
    return json_response(function_document(config, manager.functions.settings))


def delete_function(manager: FunctionManager, request: FcRequest) -> HttpResponse:
    """DeleteFunction."""
    manager.delete(request.name)
    return HttpResponse(204)


def list_functions(manager: FunctionManager, request: FcRequest) -> HttpResponse:
    """ListFunctions in order of their names, in pages."""
    prefix, settings = request.call.query.get("prefix", ""), manager.functions.settings
    configs = [config for config in manager.functions.list() if config.name.startswith(prefix)]
    page, token = _page(request, configs, lambda config: config.name)
    return json_response({"functions": [function_document(config, settings) for config in page], **token})


def create_trigger(manager: FunctionManager, request: FcRequest) -> HttpResponse:
    """CreateTrigger."""
    trigger = manager.create_trigger(request.name, request.document())
    return json_response(trigger_document(trigger, manager.functions.settings, as_string=request.is_new))


def get_trigger(manager: FunctionManager, request: FcRequest) -> HttpResponse:
    """GetTrigger."""
    manager.functions.get(request.name)
    trigger = manager.triggers.get(request.name, request.part)
    return json_response(trigger_document(trigger, manager.functions.settings, as_string=request.is_new))


def update_trigger(manager: FunctionManager, request: FcRequest) -> HttpResponse:
    """UpdateTrigger."""
    trigger = manager.update_trigger(request.name, request.part, request.document())
    return json_response(trigger_document(trigger, manager.functions.settings, as_string=request.is_new))


def delete_trigger(manager: FunctionManager, request: FcRequest) -> HttpResponse:
    """DeleteTrigger."""
    manager.delete_trigger(request.name, request.part)
    return HttpResponse(204)


def list_triggers(manager: FunctionManager, request: FcRequest) -> HttpResponse:
    """ListTriggers in order of their names, in pages."""
    manager.functions.get(request.name)
    settings, triggers = manager.functions.settings, sorted(manager.triggers.of(request.name), key=lambda t: t.name)
    page, token = _page(request, triggers, lambda trigger: trigger.name)
    documents = [trigger_document(trigger, settings, as_string=request.is_new) for trigger in page]
    return json_response({"triggers": documents, **token})


def put_async_config(manager: FunctionManager, request: FcRequest) -> HttpResponse:
    """PutAsyncInvokeConfig."""
    rules = manager.put_async(request.name, request.document())
    return json_response(async_document(request.name, rules, manager.functions.settings))


def get_async_config(manager: FunctionManager, request: FcRequest) -> HttpResponse:
    """GetAsyncInvokeConfig."""
    rules = manager.async_config(request.name)
    return json_response(async_document(request.name, rules, manager.functions.settings))


def delete_async_config(manager: FunctionManager, request: FcRequest) -> HttpResponse:
    """DeleteAsyncInvokeConfig."""
    manager.delete_async(request.name)
    return HttpResponse(204)


def get_temp_bucket_token(manager: FunctionManager, _request: FcRequest) -> HttpResponse:
    """GetTempBucketToken of API 2016-08-15: where to upload a code package, and an access key for it."""
    upload = manager.uploads.new()
    key = upload.credential
    credentials = {
        "AccessKeyId": key.access_key_id,
        "AccessKeySecret": key.access_key_secret,
        "SecurityToken": key.security_token,
        "Expiration": format_time(upload.expires),
    }
    return json_response({"credentials": credentials, "ossBucket": upload.bucket, "objectName": upload.key})


# Actions that API 2016-08-15 alone has, by method and path below the version.
OLD_ROUTES: Mapping[tuple[str, str], tuple[str, Action]] = {
    ("GET", "tempBucketToken"): ("fc:GetTempBucketToken", get_temp_bucket_token),
}
# By method and path below the version; `:name` is a function, `:part` a trigger. The permission, and the action.
ROUTES: Mapping[tuple[str, str], tuple[str, Action]] = {
    ("POST", "functions/:name/invocations"): ("fc:InvokeFunction", invoke),
    ("POST", "functions"): ("fc:CreateFunction", create_function),
    ("GET", "functions"): ("fc:ListFunctions", list_functions),
    ("GET", "functions/:name"): ("fc:GetFunction", get_function),
    ("PUT", "functions/:name"): ("fc:UpdateFunction", update_function),
    ("DELETE", "functions/:name"): ("fc:DeleteFunction", delete_function),
    ("POST", "functions/:name/triggers"): ("fc:CreateTrigger", create_trigger),
    ("GET", "functions/:name/triggers"): ("fc:ListTriggers", list_triggers),
    ("GET", "functions/:name/triggers/:part"): ("fc:GetTrigger", get_trigger),
    ("PUT", "functions/:name/triggers/:part"): ("fc:UpdateTrigger", update_trigger),
    ("DELETE", "functions/:name/triggers/:part"): ("fc:DeleteTrigger", delete_trigger),
    ("PUT", "functions/:name/async-invoke-config"): ("fc:PutFunctionAsyncInvokeConfig", put_async_config),
    ("GET", "functions/:name/async-invoke-config"): ("fc:GetFunctionAsyncInvokeConfig", get_async_config),
    ("DELETE", "functions/:name/async-invoke-config"): ("fc:DeleteFunctionAsyncInvokeConfig", delete_async_config),
}


def _page(
    request: FcRequest, items: Sequence[Item], name: Callable[[Item], str]
) -> tuple[Sequence[Item], dict[str, str]]:
    """Return a page of items in order of their names, and the token of the next page, which is its first name."""
    query = request.call.query
    limit, start = query.get("limit") or str(MAX_PAGE), query.get("nextToken") or ""
    if not limit.isdigit() or not 1 <= int(limit) <= MAX_PAGE:
        raise ServiceError(400, "InvalidArgument", f"limit is {limit!r}; give an integer from 1 to {MAX_PAGE}")
    rest = [item for item in items if name(item) >= start]
    page = rest[: int(limit)]
    return page, {"nextToken": name(rest[len(page)])} if len(page) < len(rest) else {}


def _delay(text: str) -> float:
    """Parse x-fc-async-delay: seconds below an hour (FC "Asynchronous invocations", 2026-04)."""
    if not re.fullmatch(r"\d+", text) or int(text) >= 3600:
        raise ServiceError(
            400, "InvalidArgument", f"x-fc-async-delay is {text!r}; give an integer of seconds below 3600"
        )
    return float(text)
