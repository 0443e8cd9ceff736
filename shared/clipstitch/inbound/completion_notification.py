"""The cloud's message about a task, in every shape it is known to come in. The only reader of that JSON.

Shapes: the envelope with `content` as a text or an object, CloudEvents `data`, the bare content of before October 2024;
each as it is or in Base64; each bare (FC's STREAM), in FC's JSON wrapping, or in STREAM with attributes.
Sources: IMM, "Asynchronous notification format"; Function Compute, "SMQ topic trigger"; wire formats as of 2026-11.
"""

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from clipstitch.common.errors import InvalidNotification
from clipstitch.common.identifiers import ObjectRef

MEDIA_TASK = "MediaConvert"
_WRAPPINGS = ("Message", "body", "content", "data")
MAX_REASON_CHARACTERS = 2000  # ours: the reason travels on in an event, which must fit into a message itself
_DEPTH = 6  # wrapping, Base64, envelope, content: no known shape nests deeper


class CompletionNotification(NamedTuple):
    """How a task ended. `targets` may be empty: a failed task need not name what it would have made."""

    task_id: str
    succeeded: bool
    code: str = ""
    message: str = ""
    targets: tuple[ObjectRef, ...] = ()


def parse_notification(event: bytes) -> CompletionNotification | None:
    """Read a completion message; None when it is about another kind of task, `InvalidNotification` when it is not one at all."""
    content = _content(event)
    if content.get("TaskType", MEDIA_TASK) != MEDIA_TASK:
        return None
    status, task_id = content.get("Status"), content.get("TaskId")
    if status not in ("Succeeded", "Failed") or not isinstance(task_id, str) or not task_id:
        raise InvalidNotification(f"has no final Status with a TaskId: {event[:300]!r}")
    if not _storable(content):
        raise InvalidNotification(f"has half a surrogate pair, which is no text: {event[:300]!r}")
    return CompletionNotification(
        task_id=task_id,
        succeeded=status == "Succeeded",
        code=str(content.get("Code") or "")[:MAX_REASON_CHARACTERS],
        message=str(content.get("Message") or "")[:MAX_REASON_CHARACTERS],
        targets=tuple(_targets(content)),
    )


def _content(event: bytes) -> Mapping[str, Any]:
    """Unwrap until the document that speaks of a task is found."""
    value: object = event
    for _ in range(_DEPTH):
        if isinstance(value, bytes | str):
            value = _decoded(value, event)
        if not isinstance(value, dict):
            break
        wrapped = "SubscriptionName" in value and "Message" in value  # FC's JSON; attributes stand beside, of any name
        if not wrapped and ("TaskId" in value or "TaskType" in value):
            return value
        value = next((value[name] for name in _WRAPPINGS if name in value), None)
    raise InvalidNotification(f"is in no known shape: {event[:300]!r}")


def _decoded(text: bytes | str, event: bytes) -> object:
    """Read JSON, or else JSON in Base64."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return json.loads(base64.b64decode(text, validate=True))
    except (ValueError, RecursionError) as error:
        raise InvalidNotification(f"is neither JSON nor JSON in Base64, perhaps cut off: {event[:300]!r}") from error


def _storable(content: Mapping[str, Any]) -> bool:
    """Say whether all texts can be written down again."""
    try:
        json.dumps(content, ensure_ascii=False).encode()
    except (UnicodeEncodeError, RecursionError):
        return False
    return True


def _targets(content: Mapping[str, Any]) -> Iterator[ObjectRef]:
    """Name what the task made or would have made; unreadable entries are passed over."""
    targets = content.get("Targets")
    for target in targets if isinstance(targets, list) else []:
        uri = target.get("URI") if isinstance(target, dict) else None
        try:
            yield ObjectRef.parse(str(uri or ""))
        except ValueError:
            continue
