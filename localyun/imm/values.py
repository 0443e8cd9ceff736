"""The values of IMM: projects, attachments, tasks, ids, and the completion notification of a task. Pure."""

import json
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any
from uuid import UUID

from localyun.clock import CloudClock
from localyun.errors import ServiceError
from localyun.imm.errors import ImmError
from localyun.imm.task_spec import TaskSpec

TASK_TYPE = "MediaConvert"
DEFAULT_ROLE = "AliyunIMMDefaultRole"
RUNNING, SUCCEEDED, FAILED = "Running", "Succeeded", "Failed"
ALPHANUMERICS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Project:
    """An IMM project."""

    name: str
    created: datetime
    description: str = ""
    service_role: str = DEFAULT_ROLE


@dataclass(frozen=True)
class BucketAttachment:
    """The attachment of a bucket to a project, which the bucket's media tasks require."""

    bucket: str
    project: str
    created: datetime
    description: str = ""


@dataclass(frozen=True)
class MediaTask:
    """A media task.

    `ended`, `code` and `message` are set when it has finished; `notified` when its notification was published, or is
    lost; then `lost` has the reason.
    """

    task_id: str
    event_id: str
    request_id: str
    project: str
    spec: TaskSpec
    started: datetime
    status: str = RUNNING
    code: str = ""
    message: str = ""
    ended: datetime | None = None
    notified: bool = field(default=False, compare=False)
    lost: str = field(default="", compare=False)


def imm_refusal(error: ImmError, request_id: str) -> ServiceError:
    """Return an IMM error in the form in which OSS forwards it (OSS user guide, "Error response", read 2026-11)."""
    return ServiceError(400, "Imm Client", f"{error.code}, {error.message} {request_id}", ec="0056-00000001")


def new_request_id(clock: CloudClock) -> str:
    """Return a new request id in IMM's form: an upper-case UUID."""
    return str(UUID(hex=clock.token(16))).upper()


def new_task_id(clock: CloudClock) -> str:
    """Return a new task id: the task type and a lower-case UUID."""
    return f"{TASK_TYPE}-{UUID(hex=clock.token(16))}"


def new_event_id(clock: CloudClock) -> str:
    """Return a new event id: three hex digits, a hyphen, and 27 letters or digits, as in `181-1kZ…`."""
    number, suffix = int(clock.token(20), 16), ""
    for _ in range(24):
        number, digit = divmod(number, 62)
        suffix += ALPHANUMERICS[digit]
    return f"{clock.token(2)[:3].upper()}-1kZ{suffix}"


def rfc3339(time: datetime | None) -> str:
    """Return a time in IMM's form, in UTC with up to three decimals and no trailing zeros; "" for None.

    >>> rfc3339(datetime(2024, 8, 20, 7, 3, 7, 360000, timezone.utc))
    '2024-08-20T07:03:07.36Z'
    """
    if time is None:
        return ""
    milliseconds = time.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
    return milliseconds.rstrip("0").rstrip(".") + "Z"


def completion_notification(task: MediaTask, *, account_id: str, region: str) -> str:
    """Return the completion notification of a finished task, as JSON.

    Format: IMM, "Asynchronous notification message format", document 2743997, read 2026-11. `time` is a string and
    `content` is JSON in a string. The page has no example of a failed task; the local cloud sends the same object with
    `Code` and `Message` filled in.
    """
    ended = task.ended or task.started
    kind = f"imm:Task:{TASK_TYPE}"
    envelope = {
        "id": task.event_id,
        "source": "acs.imm",
        "type": kind,
        "subject": f"acs:imm:{region}:{account_id}:{task.project}/{kind}",
        "time": str(int(ended.timestamp() * 1000)),
        "content": _json(_content(task)),
    }
    return _json(envelope)


def _content(task: MediaTask) -> dict[str, Any]:
    target = {
        "URI": task.spec.target_uri,
        "Subtitle": {"Extract": {"URI": ""}},
        "Image": {"Sprites": None, "Snapshots": None, "Animations": None},
    }
    return {
        "ProjectName": task.project,
        "DatasetName": "",
        "RequestId": task.request_id,
        "StartTime": rfc3339(task.started),
        "EndTime": rfc3339(task.ended),
        "UserData": task.spec.user_data,
        "TaskType": TASK_TYPE,
        "TaskId": task.task_id,
        "Status": task.status,
        "Code": task.code,
        "Message": task.message,
        "EventSourceId": "",
        "Sources": [{"URI": source.uri, "SubtitleSources": None} for source in task.spec.sources],
        "Targets": [target],
    }


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
