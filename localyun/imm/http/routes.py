"""IMM over HTTP: API 2020-09-30 in RPC style, as the vendor's clients call it. Media tasks only; no datasets.

Parameters are in the query or in a form, the action is in `x-acs-action` or `Action`; answers are JSON.
"""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from localyun.errors import ServiceError
from localyun.imm.errors import invalid, not_found
from localyun.imm.http.fields import COMMON
from localyun.imm.http.request import ImmRequest, parse_task_spec, parse_uri
from localyun.imm.service import TaskService
from localyun.imm.task_spec import request_definition
from localyun.imm.values import TASK_TYPE, MediaTask, Project, new_request_id, rfc3339
from localyun.openapi import OpenApiEndpoint

VERSION = "2020-09-30"
MAX_PAGE = 100
SORT_KEYS: Mapping[str, Callable[[MediaTask], Any]] = {
    "TaskId": lambda task: task.task_id,
    "StartTime": lambda task: (task.started, task.task_id),
    "EndTime": lambda task: (task.ended or task.started, task.task_id),
}


def create_project(tasks: TaskService, request: ImmRequest) -> Mapping[str, Any]:
    """CreateProject; 409 if a project of that name exists."""
    name = request.required("ProjectName")
    description, role = request.get("Description"), request.get("ServiceRole")
    if not tasks.create_project(name, description=description, service_role=role):
        raise ServiceError(409, "ResourceAlreadyExists", f"The specified resource Project {name} already exists.")
    return {"Project": _project(tasks.project(name))}


def get_project(tasks: TaskService, request: ImmRequest) -> Mapping[str, Any]:
    """GetProject."""
    return {"Project": _project(tasks.project(request.required("ProjectName")))}


def update_project(tasks: TaskService, request: ImmRequest) -> Mapping[str, Any]:
    """UpdateProject: description and service role; what limits or describes datasets is refused."""
    name, known = request.required("ProjectName"), {*COMMON, "Description", "ServiceRole"}
    if unknown := sorted(name for name, value in request.values.items() if value and name not in known):
        raise invalid(unknown[0], "is not supported here; supported: Description, ServiceRole.")
    tasks.update_project(name, description=request.get("Description"), service_role=request.get("ServiceRole"))
    return {"Project": _project(tasks.project(name))}


def delete_project(tasks: TaskService, request: ImmRequest) -> Mapping[str, Any]:
    """DeleteProject; refused while a bucket is attached."""
    tasks.delete_project(request.required("ProjectName"))
    return {}


def list_projects(tasks: TaskService, request: ImmRequest) -> Mapping[str, Any]:
    """ListProjects in order of their names, in pages; the token is the last name of the previous page."""
    prefix, after = request.get("Prefix"), request.get("NextToken")
    found = [project for project in tasks.projects() if project.name.startswith(prefix) and project.name > after]
    page = found[: request.integer("MaxResults", MAX_PAGE, 1, MAX_PAGE)]
    token = page[-1].name if len(page) < len(found) else ""
    return {"NextToken": token, "Projects": [_project(project) for project in page]}


def attach_bucket(tasks: TaskService, request: ImmRequest) -> Mapping[str, Any]:
    """AttachOSSBucket."""
    bucket, project = request.required("OSSBucket"), request.required("ProjectName")
    tasks.attach(bucket, project, description=request.get("Description"))
    return {}


def detach_bucket(tasks: TaskService, request: ImmRequest) -> Mapping[str, Any]:
    """DetachOSSBucket."""
    tasks.detach(request.required("OSSBucket"))
    return {}


def get_attachment(tasks: TaskService, request: ImmRequest) -> Mapping[str, Any]:
    """GetOSSBucketAttachment."""
    found = tasks.attachment_details(request.required("OSSBucket"))
    time = rfc3339(found.created)
    return {"ProjectName": found.project, "Description": found.description, "CreateTime": time, "UpdateTime": time}


def create_media_convert_task(tasks: TaskService, request: ImmRequest) -> Mapping[str, Any]:
    """CreateMediaConvertTask for one audio file."""
    project = request.required("ProjectName")
    for name in ("Sources", "Targets"):
        request.required(name)
    accepted = tasks.submit(parse_task_spec(request), project)
    return {"EventId": accepted.event_id, "TaskId": accepted.task_id, "RequestId": accepted.request_id}


def detect_media_meta(tasks: TaskService, request: ImmRequest) -> Mapping[str, Any]:
    """DetectMediaMeta of an audio object, in the fields of the API that audio has."""
    project, (bucket, key) = request.required("ProjectName"), parse_uri(request.required("SourceURI"), "SourceURI")
    if request.nested("CredentialConfig", dict):
        raise invalid("CredentialConfig", "is not supported here; the project's service role reads the object.")
    measured = tasks.media_meta(project, bucket, key)
    return {name: value for name, value in measured.items() if name not in ("Format", "Streams")}


def get_task(tasks: TaskService, request: ImmRequest) -> Mapping[str, Any]:
    """GetTask of a project; `RequestDefinition` adds the request that the task executes."""
    project, kind = request.required("ProjectName"), request.required("TaskType")
    task = tasks.get(request.required("TaskId"))
    if kind != TASK_TYPE or task.project != project:
        raise not_found(f"Task {task.task_id}")
    return {**_task(task, request), "ProjectName": project, "EventId": task.event_id}


def list_tasks(tasks: TaskService, request: ImmRequest) -> Mapping[str, Any]:
    """ListTasks by status, times and tags, sorted, in pages; the token is the last task id of the previous page."""
    project, size = request.required("ProjectName"), request.integer("MaxResults", MAX_PAGE, 1, MAX_PAGE)
    tasks.project(project)
    types = request.nested("TaskTypes", list)
    found = tasks.list(project, request.get("Status")) if not types or TASK_TYPE in types else []
    tags = _selected_tags(request.get("TagSelector"))
    found = [task for task in found if _in_ranges(request, task) and tags.items() <= task.spec.tags.items()]
    sort, order = request.get("Sort") or "TaskId", request.get("Order") or "asc"
    if sort not in SORT_KEYS or order not in ("asc", "desc"):
        raise invalid("Sort", f"{sort!r} {order!r}: sort by {', '.join(SORT_KEYS)} in the order asc or desc.")
    found.sort(key=SORT_KEYS[sort], reverse=order == "desc")
    start = _page_start(found, request.get("NextToken"))
    page = found[start : start + size]
    token = page[-1].task_id if start + size < len(found) else ""
    described = [_task(task, request) for task in page]
    return {"ProjectName": project, "MaxResults": size, "NextToken": token, "Tasks": described}


ACTIONS: Mapping[str, Callable[[TaskService, ImmRequest], Mapping[str, Any]]] = {
    "CreateProject": create_project,
    "GetProject": get_project,
    "UpdateProject": update_project,
    "DeleteProject": delete_project,
    "ListProjects": list_projects,
    "AttachOSSBucket": attach_bucket,
    "DetachOSSBucket": detach_bucket,
    "GetOSSBucketAttachment": get_attachment,
    "CreateMediaConvertTask": create_media_convert_task,
    "DetectMediaMeta": detect_media_meta,
    "GetTask": get_task,
    "ListTasks": list_tasks,
}


@dataclass(eq=False)
class ImmEndpoint(OpenApiEndpoint):
    """The HTTP endpoint of a `TaskService`.

    `allow(credential, "imm:GetTask", project)` returns True if the key may call it.
    """

    tasks: TaskService
    product: ClassVar = "imm"
    version: ClassVar = VERSION
    actions: ClassVar = ACTIONS
    resource_name: ClassVar = "ProjectName"

    def new_request_id(self) -> str:
        """Return a new request id in IMM's form."""
        return new_request_id(self.clock)

    def location(self) -> tuple[str, str]:
        """Return the account and the region."""
        return self.tasks.account_id, self.tasks.region

    def execute(self, action: str, values: Mapping[str, str]) -> Mapping[str, Any]:
        """Execute an action with its parameters and return the answer. Raises ServiceError."""
        return ACTIONS[action](self.tasks, ImmRequest(values))


def _page_start(found: list[MediaTask], token: str) -> int:
    """Return the index of the first task after a token."""
    if not token:
        return 0
    ids = [task.task_id for task in found]
    if token not in ids:
        raise invalid("NextToken", f"{token!r} is not a token of this list; start again without it.")
    return ids.index(token) + 1


def _selected_tags(selector: str) -> dict[str, str]:
    """Return the tags that tasks must have, written `name=value`, several with commas."""
    pairs = [pair.partition("=") for pair in selector.split(",") if pair]
    if bad := [name for name, equals, _ in pairs if not (name and equals)]:
        raise invalid("TagSelector", f"{bad[0]!r} is not a tag; write name=value.")
    return {name.strip(): value.strip() for name, _, value in pairs}


def _in_ranges(request: ImmRequest, task: MediaTask) -> bool:
    """Return True if a task started and ended in the requested ranges."""
    pairs = (("StartTimeRange", task.started), ("EndTimeRange", task.ended))
    return all(_in_range(request.nested(name, dict), time, name) for name, time in pairs)


def _in_range(limits: Mapping[str, str], time: datetime | None, name: str) -> bool:
    """Return True if a time is in a range of RFC 3339 times, whose ends are optional."""
    start, end = (_parse_time(limits.get(side) or "", name) for side in ("Start", "End"))
    if time is None:
        return start is None and end is None
    return (start is None or start <= time) and (end is None or time <= end)


def _parse_time(text: str, name: str) -> datetime | None:
    """Parse an RFC 3339 time, with or without decimals; None for an empty string."""
    for form in ("%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S.%f%z") if text else ():
        with suppress(ValueError):
            return datetime.strptime(text, form)  # noqa: DTZ007 - both formats contain %z
    if text:
        raise invalid(name, f"{text!r} is not a time like 2026-11-23T01:02:03Z.")
    return None


def _task(task: MediaTask, request: ImmRequest) -> dict[str, Any]:
    values: dict[str, Any] = {
        "TaskId": task.task_id,
        "TaskType": TASK_TYPE,
        "Status": task.status,
        "Code": task.code,
        "Message": task.message,
        "StartTime": rfc3339(task.started),
        "EndTime": rfc3339(task.ended),
        "UserData": task.spec.user_data,
        "Tags": dict(task.spec.tags),
        **({"LostNotification": task.lost} if task.lost else {}),  # the vendor's answer has no such field
    }
    if request.get("RequestDefinition").lower() == "true":
        definition = request_definition(task.spec, task.project)
        values["TaskRequestDefinition"] = json.dumps(definition, ensure_ascii=False)
    return values


def _project(project: Project) -> dict[str, Any]:
    time = rfc3339(project.created)
    return {
        "ProjectName": project.name,
        "Description": project.description,
        "ServiceRole": project.service_role,
        "CreateTime": time,
        "UpdateTime": time,
    }
