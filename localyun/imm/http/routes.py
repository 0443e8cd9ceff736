"""The IMM face: API 2020-09-30 in RPC style, as the vendor's clients call it. Media tasks only; no datasets.

Parameters come in the query (or in a form), the action in `x-acs-action` or `Action`; answers are JSON.
"""

import json
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from localyun.clock import CloudClock
from localyun.errors import ServiceError
from localyun.faults import NO_FAULTS, FaultInjector
from localyun.http import HttpRequest, HttpResponse
from localyun.imm.errors import invalid, not_found
from localyun.imm.http.request import ImmRequest, read_work
from localyun.imm.service import TaskService
from localyun.imm.values import TASK_TYPE, Project, Task, new_request_id, rfc3339
from localyun.imm.work import definition
from localyun.ram.credentials import Credential, Keyring
from localyun.ram.http.signatures import authenticate, is_acs3, parameters

log = logging.getLogger(__name__)
VERSION = "2020-09-30"
MAX_PAGE = 100
Allow = Callable[[Credential, str, str], bool]
SORT_KEYS: Mapping[str, Callable[[Task], Any]] = {
    "TaskId": lambda task: task.task_id,
    "StartTime": lambda task: (task.started, task.task_id),
    "EndTime": lambda task: (task.ended or task.started, task.task_id),
}


def everybody(credential: Credential, action: str, resource: str) -> bool:
    """Allow every action to every key."""
    del credential, action, resource
    return True


class ImmEndpoint:
    """Answers IMM requests from a `TaskService`.

    `allow(credential, "imm:GetTask", "acs:imm:<region>:<account>:project/<name>")` decides who may do what.
    """

    def __init__(
        self,
        tasks: TaskService,
        keyring: Keyring,
        clock: CloudClock,
        allow: Allow = everybody,
        faults: FaultInjector = NO_FAULTS,
    ) -> None:
        self._tasks, self._keyring, self._clock, self._allow = tasks, keyring, clock, allow
        self._faults = faults

    def answer(self, call: HttpRequest) -> HttpResponse:
        """Answer one request, a refused one with OpenAPI's error document."""
        request_id = new_request_id(self._clock)
        try:
            return _json(200, {"RequestId": request_id, **self._faults.run_request(lambda: self._act(call))})
        except ServiceError as refusal:
            return _refused(call, refusal, request_id)
        except Exception:
            log.exception("IMM %s?%s", call.raw_path, call.raw_query)
            fault = ServiceError(500, "InternalError", "A fault of the local cloud, see its log.")
            return _refused(call, fault, request_id)

    def _act(self, call: HttpRequest) -> Mapping[str, Any]:
        """Check who calls what, then do it."""
        credential = authenticate(call, self._keyring, self._clock.now())
        values = parameters(call)
        signed = call.headers if is_acs3(call) else {}
        action = signed.get("x-acs-action") or values.get("Action", "")
        version = signed.get("x-acs-version") or values.get("Version", "")
        if version != VERSION:
            raise ServiceError(
                400, "InvalidVersion", f"Specified parameter Version {version!r} is not valid: {VERSION}."
            )
        if action not in ACTIONS:
            legal = ", ".join(ACTIONS)
            raise ServiceError(404, "InvalidAction.NotFound", f"{action!r} is not known here; there are {legal}.")
        resource = f"acs:imm:{self._tasks.region}:{self._tasks.account_id}:project/{values.get('ProjectName', '*')}"
        if not self._allow(credential, f"imm:{action}", resource):
            text = f"{credential.principal} may not imm:{action} on {resource}; grant it in the role's policy."
            raise ServiceError(403, "NoPermission", text)
        return ACTIONS[action](self._tasks, ImmRequest(values))


def create_project(tasks: TaskService, request: ImmRequest) -> Mapping[str, Any]:
    """CreateProject: a second one of the same name is refused."""
    name = request.required("ProjectName")
    created = tasks.create_project(
        name, description=request.text("Description"), service_role=request.text("ServiceRole")
    )
    if not created:
        raise ServiceError(409, "ResourceAlreadyExists", f"The specified resource Project {name} already exists.")
    return {"Project": _project(tasks.project(name))}


def get_project(tasks: TaskService, request: ImmRequest) -> Mapping[str, Any]:
    """GetProject."""
    return {"Project": _project(tasks.project(request.required("ProjectName")))}


def list_projects(tasks: TaskService, request: ImmRequest) -> Mapping[str, Any]:
    """ListProjects by name, a page at a time; the token is the last name of the page before."""
    prefix, after = request.text("Prefix"), request.text("NextToken")
    found = [one for one in tasks.projects() if one.name.startswith(prefix) and one.name > after]
    page = found[: request.whole("MaxResults", MAX_PAGE, 1, MAX_PAGE)]
    more = page[-1].name if len(page) < len(found) else ""
    return {"NextToken": more, "Projects": [_project(one) for one in page]}


def attach_bucket(tasks: TaskService, request: ImmRequest) -> Mapping[str, Any]:
    """AttachOSSBucket."""
    bucket, project = request.required("OSSBucket"), request.required("ProjectName")
    tasks.attach(bucket, project, description=request.text("Description"))
    return {}


def detach_bucket(tasks: TaskService, request: ImmRequest) -> Mapping[str, Any]:
    """DetachOSSBucket."""
    tasks.detach(request.required("OSSBucket"))
    return {}


def get_attachment(tasks: TaskService, request: ImmRequest) -> Mapping[str, Any]:
    """GetOSSBucketAttachment."""
    found = tasks.attachment_details(request.required("OSSBucket"))
    time = rfc3339(found.created)
    return {
        "ProjectName": found.project,
        "Description": found.description,
        "CreateTime": time,
        "UpdateTime": time,
    }


def create_media_convert_task(tasks: TaskService, request: ImmRequest) -> Mapping[str, Any]:
    """CreateMediaConvertTask, as far as it makes one audio file."""
    project = request.required("ProjectName")
    for name in ("Sources", "Targets"):
        request.required(name)
    accepted = tasks.submit(read_work(request), project)
    ids = {"EventId": accepted.event_id, "TaskId": accepted.task_id}
    return {**ids, "RequestId": accepted.request_id}


def get_task(tasks: TaskService, request: ImmRequest) -> Mapping[str, Any]:
    """GetTask of a project; `RequestDefinition` adds what the task was asked to do."""
    project, kind = request.required("ProjectName"), request.required("TaskType")
    task = tasks.get(request.required("TaskId"))
    if kind != TASK_TYPE or task.project != project:
        raise not_found(f"Task {task.task_id}")
    more = {"ProjectName": project, "EventId": task.event_id}
    return {**_task(task, with_definition=request.flag("RequestDefinition")), **more}


def list_tasks(tasks: TaskService, request: ImmRequest) -> Mapping[str, Any]:
    """ListTasks by status and times, sorted, a page at a time; the token is the last task id of the page before."""
    project, size = request.required("ProjectName"), request.whole("MaxResults", MAX_PAGE, 1, MAX_PAGE)
    tasks.project(project)
    types = request.nested("TaskTypes", list)
    found = tasks.list(project, request.text("Status")) if not types or TASK_TYPE in types else []
    found = [task for task in found if _within(request, task)]
    sort, order = request.text("Sort") or "TaskId", request.text("Order") or "asc"
    if sort not in SORT_KEYS or order not in ("asc", "desc"):
        raise invalid("Sort", f"{sort!r} {order!r}: sort by {', '.join(SORT_KEYS)}, order asc or desc.")
    found.sort(key=SORT_KEYS[sort], reverse=order == "desc")
    start = _start(found, request.text("NextToken"))
    page = found[start : start + size]
    more = page[-1].task_id if start + size < len(found) else ""
    tasks_spelled = [_task(task, with_definition=request.flag("RequestDefinition")) for task in page]
    return {"ProjectName": project, "MaxResults": size, "NextToken": more, "Tasks": tasks_spelled}


ACTIONS: Mapping[str, Callable[[TaskService, ImmRequest], Mapping[str, Any]]] = {
    "CreateProject": create_project,
    "GetProject": get_project,
    "ListProjects": list_projects,
    "AttachOSSBucket": attach_bucket,
    "DetachOSSBucket": detach_bucket,
    "GetOSSBucketAttachment": get_attachment,
    "CreateMediaConvertTask": create_media_convert_task,
    "GetTask": get_task,
    "ListTasks": list_tasks,
}


def _start(found: list[Task], token: str) -> int:
    """Return where the page after a token begins."""
    if not token:
        return 0
    ids = [task.task_id for task in found]
    if token not in ids:
        raise invalid("NextToken", f"{token!r} is not of this list; begin again without it.")
    return ids.index(token) + 1


def _within(request: ImmRequest, task: Task) -> bool:
    """Tell whether a task began and ended in the ranges asked for."""
    pairs = (("StartTimeRange", task.started), ("EndTimeRange", task.ended))
    return all(_in_range(request.nested(name, dict), time, name) for name, time in pairs)


def _in_range(limits: Mapping[str, str], time: datetime | None, name: str) -> bool:
    """Tell whether a time lies in a range of RFC 3339 times, either end open."""
    start, end = (_moment(limits.get(side) or "", name) for side in ("Start", "End"))
    if time is None:
        return start is None and end is None
    return (start is None or start <= time) and (end is None or time <= end)


def _moment(text: str, name: str) -> datetime | None:
    """Read an RFC 3339 time, with or without decimals; None for none."""
    for form in ("%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S.%f%z") if text else ():
        with suppress(ValueError):
            return datetime.strptime(text, form)  # noqa: DTZ007 - both forms hold %z
    if text:
        raise invalid(name, f"{text!r} is not a time like 2026-11-23T01:02:03Z.")
    return None


def _task(task: Task, *, with_definition: bool) -> dict[str, Any]:
    """Spell a task."""
    values: dict[str, Any] = {
        "TaskId": task.task_id,
        "TaskType": TASK_TYPE,
        "Status": task.status,
        "Code": task.code,
        "Message": task.message,
        "StartTime": rfc3339(task.started),
        "EndTime": rfc3339(task.ended),
        "UserData": task.work.user_data,
        "Tags": dict(task.work.tags),
    }
    if with_definition:
        values["TaskRequestDefinition"] = json.dumps(definition(task.work, task.project), ensure_ascii=False)
    return values


def _project(project: Project) -> dict[str, Any]:
    """Spell a project."""
    time = rfc3339(project.created)
    return {
        "ProjectName": project.name,
        "Description": project.description,
        "ServiceRole": project.service_role,
        "CreateTime": time,
        "UpdateTime": time,
    }


def _json(status: int, values: Mapping[str, Any]) -> HttpResponse:
    body = json.dumps(values, ensure_ascii=False).encode()
    return HttpResponse(status, body, {"Content-Type": "application/json;charset=utf-8"})


def _refused(call: HttpRequest, refusal: ServiceError, request_id: str) -> HttpResponse:
    """Spell a refusal as OpenAPI does."""
    host = call.headers.get("host", "127.0.0.1")
    recommend = f"https://api.aliyun.com/troubleshoot?q={refusal.code}&product=imm"
    values = {"Code": refusal.code, "Message": refusal.message, "RequestId": request_id, "HostId": host}
    return _json(refusal.status, {**values, "Recommend": recommend})
