"""Open questions of the wire: what we assume, and what an experiment says to it. Seen values in, answers out; pure."""

import base64
import json
from collections.abc import Callable, Mapping
from typing import NamedTuple

from clipstitch.common.cloud_errors import is_transient
from clipstitch.common.errors import InvalidNotification
from clipstitch.inbound.completion_notification import CompletionNotification, parse_notification
from clipstitch_cli.doctor.live.experiments import Seen
from clipstitch_cli.doctor.live.tones import Heard, same

AS_ASSUMED, DIFFERENT, OPEN = "as assumed", "DIFFERENT", "not settled"


class Answer(NamedTuple):
    """What was found, and whether it is what we assume."""

    decision: str
    found: str


class Question(NamedTuple):
    """A question by its number in the list of open ones, what we assume, and how what is seen answers it."""

    number: str
    text: str
    assumed: str
    judge: Callable[[Mapping[str, Seen]], Answer]


def settled(assumed: bool, found: str) -> Answer:
    """Answer a question."""
    return Answer(AS_ASSUMED if assumed else DIFFERENT, found)


def unsettled(why: str) -> Answer:
    """Leave a question open."""
    return Answer(OPEN, why)


def _heard(name: str, *expected: Heard) -> Callable[[Mapping[str, Seen]], Answer]:
    """Expect to hear some clips."""

    def judge(seen: Mapping[str, Seen]) -> Answer:
        """Compare what is heard."""
        one = seen[name]
        if one.refused:
            return settled(assumed=False, found=f"refused: {one.refused}")
        if not one.heard:
            return _unheard(one)
        return settled(same(one.heard, expected), f"heard {_words(one.heard)}")

    return judge


def _unheard(one: Seen) -> Answer:
    """Say why there was nothing to hear: a task that failed for good is an answer, too."""
    failed = _notice(one)
    if failed and not failed.succeeded and not is_transient(failed.code, failed.message):
        return settled(assumed=False, found=f"accepted{_end(one)}")
    return unsettled(one.trouble or f"there was nothing to hear{_end(one)}")


def _words(heard: tuple[Heard, ...]) -> str:
    """Say what was heard."""
    return ", ".join(f"{stretch.name} for {stretch.milliseconds} ms" for stretch in heard)


def _refused(name: str, status: int, code: str, words: str = "") -> Callable[[Mapping[str, Seen]], Answer]:
    """Expect a refusal at once."""

    def judge(seen: Mapping[str, Seen]) -> Answer:
        """Compare the refusal."""
        one = seen[name]
        if one.refused:
            expected = (status, code) == one.refused[:2] and words in one.refused.message
            return settled(expected, str(one.refused))
        if one.trouble:
            return unsettled(one.trouble)
        return settled(assumed=False, found=f"accepted as task {one.task}{_end(one)}")

    return judge


def _fails_later(seen: Mapping[str, Seen]) -> Answer:
    """Expect a missing segment to be noticed by the task."""
    one = seen["segment missing"]
    if one.refused:
        return settled(assumed=False, found=f"refused at once: {one.refused}")
    if not one.body:
        return unsettled(one.trouble or "no message came")
    return settled("Failed" in _end(one), f"accepted{_end(one)}")


def _end(one: Seen) -> str:
    """Say how a task ended, by its message."""
    notice = _notice(one)
    if notice is None:
        return ", with a message that we cannot read" if one.body else ""
    return ", then Succeeded" if notice.succeeded else f", then Failed with {notice.code}: {notice.message}"


def _notice(one: Seen) -> CompletionNotification | None:
    """Read a message; None when there is none, or none that we can read."""
    try:
        return parse_notification(one.body.encode()) if one.body else None
    except InvalidNotification:
        return None


def _failure(seen: Mapping[str, Seen]) -> Answer:
    """Expect a failed task's message to be like any other, with code and message."""
    if unread := next((one for one in seen.values() if one.body and _notice(one) is None), None):
        return settled(assumed=False, found=f"we cannot read {unread.body}")
    for one in seen.values():
        if (notice := _notice(one)) and not notice.succeeded:
            return settled(bool(notice.code and notice.message) and notice.task_id == one.task, one.body)
    return unsettled("no task failed")


def _raw(seen: Mapping[str, Seen]) -> Answer:
    """Expect messages to be JSON as it is."""
    body = _some_body(seen)
    if body is None:
        return unsettled("no message came")
    return settled(body.lstrip().startswith("{"), f"the message begins with {body[:24]}")


def _same_id(seen: Mapping[str, Seen]) -> Answer:
    """Expect the envelope to carry the id that the submission was answered with."""
    one = next((one for one in seen.values() if one.body and one.event), None)
    if one is None:
        return unsettled("no message came")
    found = _envelope_id(one.body)
    return settled(found == one.event, f"submission {one.event}, message {found}")


def _envelope_id(body: str) -> str:
    """Read the id of a message, if it is JSON, or Base64 of it."""
    for decode in (str.encode, base64.b64decode):
        try:
            return str(json.loads(decode(body))["id"])
        except (ValueError, LookupError, TypeError):
            continue
    return "without an id that we can read"


def _some_body(seen: Mapping[str, Seen]) -> str | None:
    """Return the first message."""
    return next((one.body for one in seen.values() if one.body), None)


a, b, c = Heard("a", 500), Heard("b", 700), Heard("c", 1000)
QUESTIONS = (
    Question("1", "Is the object that a request is posted to a source itself?", "yes", _heard("pair", a, b)),
    Question("2", "In which order are several /pre?", "as they stand in the request", _heard("order", a, b, c)),
    Question(
        "3", "What do the action's own ss and t trim?", "the merged whole; the planner never sends them",
        _heard("whole", Heard("a", 200), b),
    ),
    Question("4", "Is t a duration, or where a clip ends?", "a duration", _heard("cut", a, Heard("c", 500))),
    Question(
        "5", "What becomes of a 12th object?", "the request is refused: 400 Imm Client, InvalidArgument",
        _refused("twelve", 400, "Imm Client", "InvalidArgument"),
    ),
    Question(
        "6", "Which HTTP status has Imm Client, for a bucket without a project?", "400",
        _refused("unbound", 400, "Imm Client", "Attachment is not found"),
    ),
    Question("7", "When is a missing /sur noticed?", "later: the task fails", _fails_later),
    Question(
        "7b", "When is it noticed that the posted object is missing?", "at once: 404 NoSuchKey",
        _refused("main missing", 404, "NoSuchKey"),
    ),
    Question(
        "8", "What does the message of a failed task look like?", "as any other, with Status Failed, Code and Message",
        _failure,
    ),
    Question("9", "Is a message JSON, or Base64 of it?", "JSON as it is", _raw),
    Question("10", "Is a message's id the EventId of the submission?", "yes", _same_id),
    Question("11", "May one object be posted to, and be a segment too?", "yes", _heard("twice", Heard("a", 1000))),
)  # fmt: skip
