"""The values of IMM: projects, attachments, tasks, their ids, and the notice about a finished task. Pure."""

import json
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from localyun.clock import CloudClock
from localyun.errors import ServiceError
from localyun.imm.errors import ImmError
from localyun.imm.work import Source, Work

TASK_TYPE = "MediaConvert"
RUNNING, SUCCEEDED, FAILED = "Running", "Succeeded", "Failed"
LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Accepted:
    """What a submission is answered with."""

    event_id: str
    request_id: str
    task_id: str


@dataclass(frozen=True)
class Project:
    """An IMM project."""

    name: str
    created: datetime
    description: str = ""
    service_role: str = "AliyunIMMDefaultRole"


@dataclass(frozen=True)
class Attachment:
    """A bucket's binding to a project, which its media tasks need."""

    bucket: str
    project: str
    created: datetime
    description: str = ""


@dataclass(frozen=True)
class Task:
    """A media task. `ended`, `code` and `message` are set once it is over; `told` once its notice went out."""

    task_id: str
    event_id: str
    request_id: str
    project: str
    work: Work
    started: datetime
    status: str = RUNNING
    code: str = ""
    message: str = ""
    ended: datetime | None = None
    told: bool = field(default=False, compare=False)


def imm_refusal(error: ImmError, request_id: str) -> ServiceError:
    """Spell an IMM mistake as OSS passes it on (OSS user guide, "Error response", read 2026-11)."""
    text = f"{error.code}, {error.text} {request_id}"
    return ServiceError(400, "Imm Client", text, ec="0056-00000001")


def new_request_id(clock: CloudClock) -> str:
    """Return a new request id as IMM writes it: an upper-case UUID."""
    return _dashed(clock.token(16)).upper()


def new_task_id(clock: CloudClock) -> str:
    """Return a new task id: the type and a lower-case UUID."""
    return f"{TASK_TYPE}-{_dashed(clock.token(16))}"


def new_event_id(clock: CloudClock) -> str:
    """Return a new event id: three hex digits, a dash, and 27 letters or digits, as in `181-1kZ…`."""
    number, letters = int(clock.token(20), 16), ""
    for _ in range(24):
        number, digit = divmod(number, 62)
        letters += LETTERS[digit]
    return f"{clock.token(2)[:3].upper()}-1kZ{letters}"


def rfc3339(time: datetime | None) -> str:
    """Write a time as IMM does, with as many decimals as it needs; "" for none.

    >>> rfc3339(datetime(2024, 8, 20, 7, 3, 7, 360000, timezone.utc))
    '2024-08-20T07:03:07.36Z'
    """
    if time is None:
        return ""
    seconds = time.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f".{time.microsecond // 1000:03d}".rstrip("0").rstrip(".")
    return f"{seconds}{fraction}Z"


def notice(task: Task, *, account_id: str, region: str) -> str:
    """Write the message about a finished task.

    Format: IMM, "Asynchronous notification message format", document 2743997, read 2026-11. `time` is a string and
    `content` is JSON in a string. There is no documented example of a failed one; it is the same object here,
    with `Code` and `Message` filled in.
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


def _content(task: Task) -> dict[str, Any]:
    """Write the inner object of a notice."""
    return {
        "ProjectName": task.project,
        "DatasetName": "",
        "RequestId": task.request_id,
        "StartTime": rfc3339(task.started),
        "EndTime": rfc3339(task.ended),
        "UserData": task.work.user_data,
        "TaskType": TASK_TYPE,
        "TaskId": task.task_id,
        "Status": task.status,
        "Code": task.code,
        "Message": task.message,
        "EventSourceId": "",
        "Sources": [_source(source) for source in task.work.sources],
        "Targets": [_target(task.work)],
    }


def _source(source: Source) -> dict[str, Any]:
    return {"URI": source.uri, "SubtitleSources": None}


def _target(work: Work) -> dict[str, Any]:
    return {
        "URI": work.target_uri,
        "Subtitle": {"Extract": {"URI": ""}},
        "Image": {"Sprites": None, "Snapshots": None, "Animations": None},
    }


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _dashed(token: str) -> str:
    """Write 32 hex digits as a UUID."""
    return "-".join((token[:8], token[8:12], token[12:16], token[16:20], token[20:32]))
