"""The OSS actions that submit an object to media processing. The task service does the work."""

import json
from dataclasses import replace

from localyun.errors import ServiceError
from localyun.http import HttpResponse
from localyun.oss.http import select
from localyun.oss.http.objects import object_headers
from localyun.oss.http.request import OssRequest, not_implemented
from localyun.oss.service import StoredObject

PARAMETER, SAVING = "x-oss-async-process", "x-oss-process"
# OSS, "Permissions" (2026-03-20): both of OSS, and the permission of the IMM operation that the process needs. A
# process that saves its output (sys/saveas) also needs oss:PutObject.
_PERMISSIONS = ("oss:GetObject", "oss:ProcessImm")


def async_process(request: OssRequest) -> HttpResponse:
    """Answer AsyncProcessObject: 200 with the ids of the submitted task; the request body is plain text, not a form."""
    process = _posted(request, PARAMETER)
    _check_object(request, "imm:CreateMediaConvertTask")

    def check_target(bucket: str, key: str) -> None:
        request.require("oss:PutObject", bucket, key)

    task = request.context.tasks.submit_process(request.bucket, request.key, process, check_target)
    return _json({"EventId": task.event_id, "RequestId": task.request_id, "TaskId": task.task_id})


def process_and_save(request: OssRequest) -> HttpResponse:
    """Answer SelectObject and CreateSelectObjectMeta; or ProcessObject, of which no process is implemented."""
    if answer := select.ACTIONS.get(request.query[SAVING]):
        return answer(request)
    raise not_implemented(f"{SAVING}={_posted(request, SAVING)}")


def process(request: OssRequest) -> HttpResponse:
    """Answer GetObject with `x-oss-process`; only `audio/info` is implemented."""
    operation = request.query[SAVING]
    if operation != "audio/info":
        raise not_implemented(f"x-oss-process={operation}; only audio/info")
    found = _check_object(request, "imm:DetectMediaMeta")
    response = _json(request.context.tasks.info(request.bucket, request.key))
    # "Extract audio information" (2026-03-20): the headers of the sample response are those of the object.
    return replace(response, headers={**object_headers(found), **response.headers})


def _posted(request: OssRequest, parameter: str) -> str:
    """Return the process string of a body, which is plain text. Raises InvalidRequest."""
    name, _, process = request.http.read().decode("utf-8", "replace").strip().partition("=")
    if name == parameter and process:
        return process
    elsewhere = _found_elsewhere(request, parameter)
    text = f"no {parameter} parameter found: the body must be {parameter}=<process>{elsewhere}."
    raise ServiceError(400, "InvalidRequest", text)


def _found_elsewhere(request: OssRequest, parameter: str) -> str:
    """Return where a process string is instead of in the body; the vendor's pages call the parameter a header."""
    places = {"a header": request.headers, "the query": request.query}
    found = [place for place, values in places.items() if values.get(parameter)]
    return f"; the process string is in {' and in '.join(found)}" if found else ""


def _check_object(request: OssRequest, imm_permission: str) -> StoredObject:
    for permission in _PERMISSIONS:
        request.require(permission, request.bucket, request.key)
    if project := request.context.tasks.attachment(request.bucket):  # without a project, the submission fails anyway
        request.require(imm_permission, project)
    return request.objects.read(request.bucket, request.key)


def _json(value: object) -> HttpResponse:
    return HttpResponse(200, json.dumps(value, default=dict).encode(), {"Content-Type": "application/json"})
