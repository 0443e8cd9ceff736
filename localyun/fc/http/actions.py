"""The actions on functions and triggers: one function each, from a request to a response. No signatures."""

import re
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

from localyun.errors import ServiceError
from localyun.fc.answers import format_time, function_document, trigger_document
from localyun.fc.http.request import FcRequest, json_response
from localyun.fc.management import FunctionManager
from localyun.http import HttpResponse

# FC 3.0, InvokeFunction, as alibabacloud-fc20230330 4.8.3 has it (read 2026-12).
TASK_ID = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,127}")
# As the vendor answers, in recorded responses of 2020 to 2023.
EXPOSED = (
    "Date,x-fc-request-id,x-fc-error-type,x-fc-code-checksum,x-fc-invocation-duration,"
    "x-fc-max-memory-usage,x-fc-log-result,x-fc-invocation-code-version,x-fc-instance-id"
)


def invoke(manager: FunctionManager, request: FcRequest) -> HttpResponse:
    """InvokeFunction, synchronous or asynchronous."""
    functions, payload, headers = manager.functions, request.call.read(), request.call.headers
    options: dict[str, Any] = {"qualifier": request.qualifier, "request_id": request.request_id}
    kind, log = (
        _choice(headers, "x-fc-invocation-type", "Sync", "Async"),
        _choice(headers, "x-fc-log-type", "None", "Tail"),
    )
    if kind == "Async":
        task_id = _task_id(headers)
        delay = _delay(headers.get("x-fc-async-delay", "0"))
        accepted = functions.invocations.accept(request.name, payload, delay=delay, task_id=task_id, **options)
        return HttpResponse(202, headers={"X-Fc-Async-Task-Id": accepted.task_id} if accepted.task_id else {})
    result = functions.invoke(request.name, payload, **options)
    reply_headers = {
        "Content-Type": "application/octet-stream",
        "Access-Control-Expose-Headers": EXPOSED,
        "X-Fc-Invocation-Duration": str(result.duration_ms),
        "X-Fc-Max-Memory-Usage": f"{result.memory_mb:.2f}",
        "X-Fc-Invocation-Service-Version": result.version,
        "X-Fc-Instance-Id": result.instance_id,
        "X-Fc-Code-Checksum": result.code_checksum,
    }
    if result.error_type:
        reply_headers |= {"X-Fc-Error-Type": result.error_type, "Content-Type": "application/json"}
    if log == "Tail":
        reply_headers["X-Fc-Log-Result"] = b64encode(result.log_tail).decode()
    return HttpResponse(200, result.payload, reply_headers)


def create_function(manager: FunctionManager, request: FcRequest) -> HttpResponse:
    """CreateFunction."""
    config = manager.create(request.document())
    return json_response(function_document(config, manager.functions.settings))


def get_function(manager: FunctionManager, request: FcRequest) -> HttpResponse:
    """GetFunction."""
    config = manager.functions.get(request.name, request.qualifier)
    return json_response(function_document(config, manager.functions.settings))


def get_function_code(manager: FunctionManager, request: FcRequest) -> HttpResponse:
    """GetFunctionCode."""
    url = manager.code_url(request.name, request.qualifier)
    checksum = manager.functions.get(request.name, request.qualifier).code_checksum
    return json_response({"url": url, "checksum": checksum})


def update_function(manager: FunctionManager, request: FcRequest) -> HttpResponse:
    """UpdateFunction."""
    config = manager.update(request.name, request.document())
    return json_response(function_document(config, manager.functions.settings))


def delete_function(manager: FunctionManager, request: FcRequest) -> HttpResponse:
    """DeleteFunction."""
    manager.delete(request.name)
    return HttpResponse(204)


def list_functions(manager: FunctionManager, request: FcRequest) -> HttpResponse:
    """ListFunctions."""
    settings = manager.functions.settings
    configs = manager.functions.list()
    return request.page("functions", ((config.name, function_document(config, settings)) for config in configs))


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
    """ListTriggers."""
    manager.functions.get(request.name)
    settings, triggers = manager.functions.settings, sorted(manager.triggers.of(request.name), key=lambda t: t.name)
    return request.page(
        "triggers",
        ((trigger.name, trigger_document(trigger, settings, as_string=request.is_new)) for trigger in triggers),
    )


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


def _choice(headers: Mapping[str, str], name: str, *known: str) -> str:
    """Return the value of a header in the vendor's capitals, by default the first known one; refuse others."""
    given = headers.get(name) or known[0]
    if given.lower() not in (found := {value.lower(): value for value in known}):
        raise ServiceError(400, "InvalidArgument", f"{name} is {given!r}; give {' or '.join(known)}")
    return found[given.lower()]


def _task_id(headers: Mapping[str, str]) -> str:
    """Return the id that the caller gives an asynchronous task; "" if it gives none."""
    task_id = headers.get("x-fc-async-task-id") or headers.get("x-fc-stateful-async-invocation-id") or ""
    if task_id and not TASK_ID.fullmatch(task_id):
        text = f"x-fc-async-task-id is {task_id!r}; give at most 128 letters, digits, _ and -, a letter or _ first"
        raise ServiceError(400, "InvalidArgument", text)
    return task_id


def _delay(text: str) -> float:
    """Parse x-fc-async-delay: seconds below an hour (FC "Asynchronous invocations", 2026-04)."""
    if not re.fullmatch(r"\d+", text) or int(text) >= 3600:
        raise ServiceError(
            400, "InvalidArgument", f"x-fc-async-delay is {text!r}; give an integer of seconds below 3600"
        )
    return float(text)
