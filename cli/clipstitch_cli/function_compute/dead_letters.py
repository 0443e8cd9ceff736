"""What Function Compute has given up on: letters in an SMQ queue, each with the event that a function failed on.

Shape of a letter: FC, "Result callback" (2026-04); its `requestPayload` is the event. Nobody says whether the queue's
texts are in Base64, so both are read.
"""

import base64
import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple, Protocol

from mns.account import Account
from mns.mns_exception import MNSServerException

from clipstitch.adapters.smq import ours
from clipstitch.common.credentials import AccessKey
from clipstitch.common.errors import ClipstitchError, InvalidTriggerEvent
from clipstitch.inbound.completion_notification import parse_notification
from clipstitch.inbound.oss_trigger import parse_oss_trigger
from clipstitch.jobs.job import Job
from clipstitch.usecases.complete import complete
from clipstitch.usecases.context import Context
from clipstitch.usecases.submit import submit
from clipstitch_cli.function_compute.retry_remotely import Deployed

WAIT_S = 1  # long polling, so that an empty answer means an empty queue
PEEKED = 16  # the most that SMQ shows at once
SOON_S = 1  # the least that SMQ can hide a letter for
_FUNCTION = re.compile(r"functions/([^/.]+)")


class BadLetter(ClipstitchError):
    """A letter holds no event of ours."""

    code = "BAD_LETTER"
    remedy = "Look at the letter in SMQ's console; delete it there when it is nothing of ours."


class Letter(NamedTuple):
    """A letter as it was received; the handle is good until the queue shows it again."""

    id: str
    handle: str
    body: str


class Letters(Protocol):
    """A queue of dead letters."""

    def receive(self) -> Letter | None:
        """Take a letter out of sight for a while; None when there is none."""
        ...

    def delete(self, letter: Letter) -> None:
        """Remove a letter for good."""
        ...

    def release(self, letter: Letter) -> None:
        """Let a letter be seen again soon."""
        ...


class SmqLetters:
    """Dead letters in SMQ."""

    def __init__(self, endpoint: str, key: AccessKey, queue: str) -> None:
        self._name = queue
        self._queue = Account(endpoint, key.id, key.secret, key.token or "").get_queue(queue)
        self._queue.set_encoding(False)

    def receive(self) -> Letter | None:
        """Take a letter out of sight for the queue's visibility timeout."""
        with ours(f"receiving from queue {self._name}"):
            try:
                message = self._queue.receive_message(WAIT_S)
            except MNSServerException as error:
                if error.type == "MessageNotExist":
                    return None
                raise
        return Letter(message.message_id, message.receipt_handle, _as_text(message.message_body))

    def peek(self) -> list[Letter]:
        """Look at letters that can be seen, without hiding any; they have no handle."""
        with ours(f"peeking into queue {self._name}"):
            try:
                found = self._queue.batch_peek_message(PEEKED)
            except MNSServerException as error:
                if error.type == "MessageNotExist":
                    return []
                raise
        return [Letter(message.message_id, "", _as_text(message.message_body)) for message in found]

    def delete(self, letter: Letter) -> None:
        """Remove a letter for good."""
        with ours(f"deleting from queue {self._name}"):
            self._queue.delete_message(letter.handle)

    def release(self, letter: Letter) -> None:
        """Let a letter be seen again soon."""
        with ours(f"releasing in queue {self._name}"):
            self._queue.change_message_visibility(letter.handle, SOON_S)


def _as_text(body: str | bytes) -> str:
    """Return a body as text, whatever the SDK makes of it."""
    return body if isinstance(body, str) else body.decode("utf-8", "replace")


class Answered(NamedTuple):
    """What became of a letter: the jobs that it was about, or why it stays in the queue."""

    letter: str
    jobs: tuple[Job, ...] = ()
    error: ClipstitchError | None = None


Work = Callable[[str], Iterable[Job]]  # does what a letter's body asks for, and says which jobs that was about


def answer_all(letters: Letters, work: Work) -> Iterator[Answered]:
    """Do for every letter what the function failed to do; only then delete it. What fails again stays in the queue."""
    kept: dict[str, Letter] = {}
    again = 0
    try:
        while again <= len(kept) and (letter := letters.receive()):
            if letter.id in kept:  # shown again before we were through
                kept[letter.id], again = letter, again + 1
                continue
            answered = _answer(letter, letters, work)
            if answered.error:
                kept[letter.id] = letter
            yield answered
    finally:
        for letter in kept.values():
            with suppress(ClipstitchError):  # it will be seen again anyway, only later
                letters.release(letter)


def _answer(letter: Letter, letters: Letters, work: Work) -> Answered:
    """Do what the function failed to do, then delete the letter."""
    try:
        jobs = tuple(work(letter.body))
        letters.delete(letter)
    except ClipstitchError as error:
        return Answered(letter.id, error=error)
    except Exception as error:  # noqa: BLE001 - what killed the function must not keep the other letters waiting
        return Answered(letter.id, error=ClipstitchError(f"{type(error).__name__}: {error}"))
    return Answered(letter.id, jobs)


def here(cloud: Context) -> Work:
    """Do the work in this process."""
    return lambda body: _jobs(event_in(body), cloud)


def there(deployed: Deployed) -> Work:
    """Have the work done by the very functions that failed to do it."""

    def work(body: str) -> Iterable[Job]:
        event = event_in(body)
        return () if _of_timer(event) else deployed.answered(function_in(body), json.dumps(event).encode())

    return work


def _jobs(event: dict[str, Any], cloud: Context) -> Iterator[Job]:
    """Do what the function does that gets such an event."""
    if _of_timer(event):
        return
    payload = json.dumps(event).encode()
    try:
        refs = parse_oss_trigger(payload)
    except InvalidTriggerEvent:
        notice = parse_notification(payload)
        found = [complete(notice, cloud) if notice else None]
    else:
        found = [submit(ref, cloud) for ref in refs]
    yield from (job for job in found if job)


def _of_timer(event: dict[str, Any]) -> bool:
    """Say whether an event is the timer's, which needs no doing again: the next one has come by itself."""
    return "triggerTime" in event


def event_in(body: str) -> dict[str, Any]:
    """Return the event that a function failed on; `BadLetter` when there is none."""
    record = _json(body)
    if not isinstance(record, dict):
        raise BadLetter(f"not the record of an invocation: {body[:200]!r}")
    event = record.get("requestPayload", record)  # a letter of SMQ's own holds the message itself
    known = _json(event) if isinstance(event, str) else event
    if not isinstance(known, dict):
        raise BadLetter(f"the invocation's event is not one of ours: {body[:200]!r}")
    return known


def function_in(body: str) -> str:
    """Name the function whose event a letter holds (FC, "Result callback", 2026-04); `BadLetter` when it does not say.

    >>> function_in('{"requestContext": {"functionArn": "acs:fc:cn-hangzhou:1:services/s.LATEST/functions/f"}}')
    'f'
    """
    record = _json(body)
    context = record.get("requestContext") if isinstance(record, dict) else None
    arn = context.get("functionArn") if isinstance(context, dict) else None
    if not (name := _FUNCTION.search(str(arn))):
        raise BadLetter(f"does not say which function it is for, retry it without --invoke: {body[:200]!r}")
    return name[1]


def _json(text: str) -> Any:
    """Read JSON, or JSON in Base64; None when it is neither."""
    for decode in (str.encode, _base64):
        try:
            return json.loads(decode(text))
        except (ValueError, RecursionError):
            continue
    return None


def _base64(text: str) -> bytes:
    """Decode strictly."""
    return base64.b64decode(text, validate=True)
