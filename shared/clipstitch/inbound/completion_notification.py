"""Parse the completion notification of a task, in every known format.

Formats: the envelope with `content` as a string or an object, CloudEvents `data`, the bare content of before October
2024; each plain or in Base64; each bare (FC's STREAM), in FC's JSON wrapper, or in STREAM with attributes.
Sources: IMM, "Asynchronous notification format"; Function Compute, "SMQ topic trigger"; wire formats as of 2026-11.
"""

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from clipstitch.common.errors import InvalidNotification
from clipstitch.common.identifiers import ObjectRef

MEDIA_TASK = "MediaConvert"
_WRAPPERS = ("Message", "body", "content", "data")
MAX_REASON_CHARACTERS = 2000  # own limit: the reason becomes part of an event, which must fit into a message
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
        if not wrapped and ("TaskId" in value or "TaskType" in value):
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
