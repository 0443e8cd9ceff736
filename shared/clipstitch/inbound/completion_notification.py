"""Parse the completion notification of a task, in every known format.

Formats: the envelope with `content` as a string or an object, CloudEvents `data`, the bare content of before October
2024; each plain or in Base64; each bare (FC's STREAM), in FC's JSON wrapper, or in STREAM with attributes.
A render task is reported by the record of its asynchronous invocation instead, wrapped in the same ways.
Sources: IMM, "Asynchronous notification format"; Function Compute, "SMQ topic trigger"; wire formats as of 2026-11.
"""

import base64
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from clipstitch.common.errors import InvalidNotification
from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.render_task import RenderTask

MEDIA_TASK = "MediaConvert"
_WRAPPERS = ("Message", "body", "content", "data")
MAX_REASON_CHARACTERS = 2000  # own limit: the reason becomes part of an event, which must fit into a message
_RECORD = {"requestContext", "requestPayload"}  # the record of an asynchronous invocation has both
_OWN_ERROR = re.compile(r"([A-Z][A-Z_]+): (.*)", re.DOTALL)
_DEPTH = 6  # wrapper, Base64, envelope, content: no known format nests deeper


class CompletionNotification(NamedTuple):
    """The result of a task. `targets` may be empty: the notification of a failed task need not name its output."""

    task_id: str
    succeeded: bool
    code: str = ""
    message: str = ""
    targets: tuple[ObjectRef, ...] = ()


def parse_notification(event: bytes) -> CompletionNotification | None:
    """Return a completion notification; None if it is about another type of task.

    Raises `InvalidNotification` if it has no known format.
    """
    content = _content(event)
    if _RECORD <= content.keys():
        return _of_render(content, event)
    if content.get("TaskType", MEDIA_TASK) != MEDIA_TASK:
        return None
    status, task_id = content.get("Status"), content.get("TaskId")
    if status not in ("Succeeded", "Failed") or not isinstance(task_id, str) or not task_id:
        raise InvalidNotification(f"has no final Status with a TaskId: {event[:300]!r}")
    if not _is_unicode(content):
        raise InvalidNotification(f"contains an unpaired surrogate: {event[:300]!r}")
    return CompletionNotification(
        task_id=task_id,
        succeeded=status == "Succeeded",
        code=str(content.get("Code") or "")[:MAX_REASON_CHARACTERS],
        message=str(content.get("Message") or "")[:MAX_REASON_CHARACTERS],
        targets=tuple(_targets(content)),
    )


def _of_render(record: Mapping[str, Any], event: bytes) -> CompletionNotification | None:
    """Return the notification of a render task from the record that Function Compute sends to a destination.

    None if the record is about another function. Function Compute, "Result callback of asynchronous invocations", 2026.
    """
    try:
        task = RenderTask.parse(str(record["requestPayload"]))
    except ValueError:
        return None
    response = record.get("responseContext")
    failed = isinstance(response, dict) and bool(response.get("functionError"))
    context = record["requestContext"]
    condition = str(context.get("condition") or "") if isinstance(context, dict) else ""
    succeeded = not failed and condition in ("", "Success")
    if not _is_unicode(record):
        raise InvalidNotification(f"contains an unpaired surrogate: {event[:300]!r}")
    code, message = ("", "") if succeeded else _error(record.get("responsePayload"), condition)
    return CompletionNotification(task.id, succeeded, code, message, (task.target,))


def _error(payload: object, condition: str) -> tuple[str, str]:
    """Return code and message of a failed invocation: those that the function gave, or else why it was ended."""
    try:
        document = json.loads(str(payload))
    except (ValueError, RecursionError):
        document = None
    document = document if isinstance(document, dict) else {}
    message = str(document.get("errorMessage") or payload or condition)
    own = _OWN_ERROR.fullmatch(message)  # functions/render raises its errors in this form
    code = own[1] if own else str(document.get("errorType") or condition or "RENDER_FAILED")
    return code[:MAX_REASON_CHARACTERS], (own[2] if own else message)[:MAX_REASON_CHARACTERS]


def _content(event: bytes) -> Mapping[str, Any]:
    """Unwrap the document about the task."""
    value: object = event
    for _ in range(_DEPTH):
        if isinstance(value, bytes | str):
            value = _decode(value, event)
        if not isinstance(value, dict):
            break
        # FC's JSON has message attributes of any name, too.
        wrapped = "SubscriptionName" in value and "Message" in value
        if not wrapped and ("TaskId" in value or "TaskType" in value or _RECORD <= value.keys()):
            return value
        value = next((value[name] for name in _WRAPPERS if name in value), None)
    raise InvalidNotification(f"has no known format: {event[:300]!r}")


def _decode(text: bytes | str, event: bytes) -> object:
    with suppress(ValueError, RecursionError):
        return json.loads(text)
    try:
        return json.loads(base64.b64decode(text, validate=True))
    except (ValueError, RecursionError) as error:
        raise InvalidNotification(f"is neither JSON nor JSON in Base64, perhaps cut off: {event[:300]!r}") from error


def _is_unicode(content: Mapping[str, Any]) -> bool:
    try:
        json.dumps(content, ensure_ascii=False).encode()
    except (UnicodeEncodeError, RecursionError):
        return False
    return True


def _targets(content: Mapping[str, Any]) -> Iterator[ObjectRef]:
    """Yield the output objects; entries that are not valid are skipped."""
    targets = content.get("Targets")
    for target in targets if isinstance(targets, list) else []:
        uri = target.get("URI") if isinstance(target, dict) else None
        try:
            yield ObjectRef.parse(str(uri or ""))
        except ValueError:
            continue
