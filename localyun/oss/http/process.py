"""The OSS actions that hand an object to media processing. One function per action; the work is the task service's."""

import json

from localyun.errors import ServiceError
from localyun.http import HttpResponse
from localyun.oss.http.request import Request, not_implemented

PARAMETER = "x-oss-async-process"
# OSS, "Permissions" (2026-03-20): both of OSS's, and the right to the IMM operation behind the process.
_RIGHTS = ("oss:GetObject", "oss:ProcessImm")


def async_process(request: Request) -> HttpResponse:
    """Answer AsyncProcessObject: 200 with the ids of an accepted task; the body is plain text, not a form."""
    name, _, process = request.call.read().decode("utf-8", "replace").strip().partition("=")
    if name != PARAMETER or not process:
        text = f"no {PARAMETER} parameter found: the body must be {PARAMETER}=<process>."
        raise ServiceError(400, "InvalidRequest", text)
    for right in (*_RIGHTS, "imm:CreateMediaConvertTask"):
        request.require(right, request.bucket, request.key)
    request.objects.head(request.bucket, request.key)
    accepted = request.services.tasks.submit_process(request.bucket, request.key, process)
    ids = {"EventId": accepted.event_id, "RequestId": accepted.request_id, "TaskId": accepted.task_id}
    return _json(ids)


def process(request: Request) -> HttpResponse:
    """Answer GetObject with `x-oss-process`; of all the operations, `audio/info` is there."""
    operation = request.query["x-oss-process"]
    if operation != "audio/info":
        raise not_implemented(f"x-oss-process={operation}; audio/info is there")
    for right in (*_RIGHTS, "imm:DetectMediaMeta"):
        request.require(right, request.bucket, request.key)
    request.objects.head(request.bucket, request.key)
    return _json(request.services.tasks.info(request.bucket, request.key))


def _json(value: object) -> HttpResponse:
    return HttpResponse(200, json.dumps(value, default=dict).encode(), {"Content-Type": "application/json"})
