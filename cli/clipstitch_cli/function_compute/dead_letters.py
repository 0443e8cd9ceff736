"""Dead-letter messages in an SMQ queue: each holds the event that a function failed on.

Shape of a message: FC, "Result callback" (2026-04); its `requestPayload` is the event. Whether the messages are
Base64-encoded is not documented, so both forms are parsed.
"""

import base64
import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple, Protocol

from clipstitch.common.errors import ClipstitchError, InvalidTriggerEvent
from clipstitch.inbound.completion_notification import parse_notification
from clipstitch.inbound.oss_trigger import parse_oss_trigger
from clipstitch.jobs.job import Job
from clipstitch.usecases.complete import complete
from clipstitch.usecases.context import Context
from clipstitch.usecases.submit import submit
from clipstitch_cli.function_compute.retry_remotely import DeployedFunctions
from clipstitch_cli.smq_queue import QueueMessage

WAIT_S = 1  # long polling, so that an empty answer means an empty queue
_FUNCTION = re.compile(r"functions/([^/.]+)")


class InvalidDeadLetter(ClipstitchError):
    """A dead-letter message holds no event of clipstitch."""

    code = "BAD_LETTER"
    remedy = "Read the message in SMQ's console; delete it there if it does not belong to clipstitch."


class RetryCrashed(ClipstitchError):
    """Handling a dead-letter message raised an unexpected exception."""

    code = "RETRY_CRASHED"
    remedy = "This is a bug: please report it with the event of the message, which stays in the queue."


class DeadLetterQueue(Protocol):
    """A queue of dead-letter messages: `SmqQueue`, or a fake."""

    def receive(self, wait_s: int) -> QueueMessage | None:
        """Receive a message, which hides it for the visibility timeout; None if there is none."""

    def delete(self, handle: str) -> None:
        """Delete a message."""

    def release(self, handle: str) -> None:
        """Make a message visible again soon."""


class RetriedMessage(NamedTuple):
    """What became of a message: the jobs of its event, or why it stays in the queue."""

    id: str
    jobs: tuple[Job, ...] = ()
    error: ClipstitchError | None = None


Handler = Callable[[str], Iterable[Job]]  # handles the body of a message and returns the jobs of its event


def retry_all(queue: DeadLetterQueue, handle: Handler) -> Iterator[RetriedMessage]:
    """Handle every message and then delete it. A message whose handling fails stays in the queue."""
    failed: dict[str, QueueMessage] = {}
    repeated = 0
    try:
        while repeated <= len(failed) and (message := queue.receive(WAIT_S)):
            if message.id in failed:  # visible again before all messages were handled
                failed[message.id], repeated = message, repeated + 1
                continue
            retried = _retry(message, queue, handle)
            if retried.error:
                failed[message.id] = message
            yield retried
    finally:
        for message in failed.values():
            with suppress(ClipstitchError):  # it becomes visible anyway, only later
                queue.release(message.handle)


def _retry(message: QueueMessage, queue: DeadLetterQueue, handle: Handler) -> RetriedMessage:
    try:
        jobs = tuple(handle(message.body))
        queue.delete(message.handle)
    except ClipstitchError as error:
        return RetriedMessage(message.id, error=error)
    except Exception as error:  # noqa: BLE001 - an event that crashes the function must not stop the other messages
        return RetriedMessage(message.id, error=RetryCrashed(f"{type(error).__name__}: {error}"))
    return RetriedMessage(message.id, jobs)


def run_here(context: Context) -> Handler:
    """Return a handler that does in this process what the functions do."""

    def handle(body: str) -> Iterator[Job]:
        event = event_in(body)
        payload = json.dumps(event).encode()
        if _is_timer(event):
            return
        try:
            uploads = parse_oss_trigger(payload)
        except InvalidTriggerEvent:
            notification = parse_notification(payload)
            found = [complete(notification, context) if notification else None]
        else:
            found = [submit(upload, context) for upload in uploads]
        yield from filter(None, found)

    return handle


def run_remotely(deployed: DeployedFunctions) -> Handler:
    """Return a handler that invokes the function that failed."""

    def handle(body: str) -> Iterable[Job]:
        event = event_in(body)
        return () if _is_timer(event) else deployed.invoke(function_in(body), json.dumps(event).encode())

    return handle


def _is_timer(event: dict[str, Any]) -> bool:
    """Return True for a timer's event. It is not handled again: the next one has already come."""
    return "triggerTime" in event


def event_in(body: str) -> dict[str, Any]:
    """Return the event that a function failed on. Raises InvalidDeadLetter."""
    record = parse_body(body)
    if not isinstance(record, dict):
        raise InvalidDeadLetter(f"not the record of an invocation: {body[:200]!r}")
    event = record.get("requestPayload", record)  # a dead-letter message of SMQ itself is the event
    parsed = parse_body(event) if isinstance(event, str) else event
    if not isinstance(parsed, dict):
        raise InvalidDeadLetter(f"the event of the invocation is no JSON object: {body[:200]!r}")
    return parsed


def function_in(body: str) -> str:
    """Return the function that failed (FC, "Result callback", 2026-04). Raises InvalidDeadLetter if it is not named.

    >>> function_in('{"requestContext": {"functionArn": "acs:fc:cn-hangzhou:1:services/s.LATEST/functions/f"}}')
    'f'
    """
    record = parse_body(body)
    context = record.get("requestContext") if isinstance(record, dict) else None
    arn = context.get("functionArn") if isinstance(context, dict) else None
    if not (name := _FUNCTION.search(str(arn))):
        raise InvalidDeadLetter(f"names no function, retry it without --invoke: {body[:200]!r}")
    return name[1]


def parse_body(text: str) -> Any:
    """Parse JSON, or JSON in Base64; None if it is neither."""
    for decode in (str.encode, partial(base64.b64decode, validate=True)):
        try:
            return json.loads(decode(text))
        except (ValueError, RecursionError):
            continue
    return None
