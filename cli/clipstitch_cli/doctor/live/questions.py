"""Open questions about the cloud: the assumption, and the answer that an observation gives. Pure."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from clipstitch.common.cloud_errors import is_transient
from clipstitch_cli.doctor.live.experiments import Observation, RejectedRequest, notification_in
from clipstitch_cli.doctor.live.tones import DetectedTone, equal
from clipstitch_cli.function_compute.dead_letters import parse_body

AS_ASSUMED, DIFFERENT, OPEN = "as assumed", "DIFFERENT", "not answered"


class Answer(NamedTuple):
    """What was found; `outcome` is AS_ASSUMED, DIFFERENT or OPEN."""

    outcome: str
    found: str


Evaluate = Callable[[Mapping[str, Observation]], Answer]


REPORT_IT = "nothing in the settings helps; report it with the report of this command"


class OpenQuestion(NamedTuple):
    """A question by its number in docs/doctor.md, the assumption, and how observations answer it.

    `change`: what to do if the answer is another one.
    """

    number: str
    text: str
    assumed: str
    evaluate: Evaluate
    change: str = REPORT_IT


def answered(as_assumed: bool, found: str) -> Answer:
    """Return an answer that confirms or contradicts the assumption."""
    return Answer(AS_ASSUMED if as_assumed else DIFFERENT, found)


def not_answered(reason: str) -> Answer:
    """Return an answer that leaves the question open."""
    return Answer(OPEN, reason)


def _tones(name: str, expected: Sequence[DetectedTone], seen: Mapping[str, Observation]) -> Answer:
    """Answer whether an experiment's output has the expected tones."""
    one = seen[name]
    if one.rejected:
        return answered(as_assumed=False, found=f"rejected: {one.rejected}")
    if one.tones:
        found = ", ".join(f"{tone.name} for {tone.milliseconds} ms" for tone in one.tones)
        return answered(equal(one.tones, expected), f"output is {found}")
    failed = notification_in(one.body)
    if failed and not failed.succeeded and not is_transient(failed.code, failed.message):
        return answered(as_assumed=False, found=f"accepted{_end(one)}")
    return not_answered(one.error or f"there was no output{_end(one)}")


def _rejection(name: str, expected: RejectedRequest, seen: Mapping[str, Observation]) -> Answer:
    """Answer whether an experiment was rejected as expected, with a message that contains the expected one."""
    one = seen[name]
    if one.rejected:
        as_assumed = expected[:2] == one.rejected[:2] and expected.message in one.rejected.message
        return answered(as_assumed, str(one.rejected))
    if one.error:
        return not_answered(one.error)
    return answered(as_assumed=False, found=f"accepted as task {one.task}{_end(one)}")


def _missing_segment(seen: Mapping[str, Observation]) -> Answer:
    one = seen["segment missing"]
    if one.rejected:
        return answered(as_assumed=False, found=f"rejected at once: {one.rejected}")
    if not one.body:
        return not_answered(one.error or "no message came")
    return answered("Failed" in _end(one), f"accepted{_end(one)}")


def _end(one: Observation) -> str:
    """Return how a task ended, by its notification."""
    notification = notification_in(one.body)
    if notification is None:
        return ", with a message that cannot be parsed" if one.body else ""
    failure = f", then Failed with {notification.code}: {notification.message}"
    return ", then Succeeded" if notification.succeeded else failure


def _failure_message(seen: Mapping[str, Observation]) -> Answer:
    notifications = [(one, notification_in(one.body)) for one in seen.values() if one.body]
    for one, notification in notifications:
        if notification is None:
            return answered(as_assumed=False, found=f"cannot be parsed: {one.body}")
    for one, notification in notifications:
        if notification and not notification.succeeded:
            complete = bool(notification.code and notification.message) and notification.task_id == one.task
            return answered(complete, one.body)
    return not_answered("no task failed")


def _plain_json(seen: Mapping[str, Observation]) -> Answer:
    body = next((one.body for one in seen.values() if one.body), None)
    if body is None:
        return not_answered("no message came")
    return answered(body.lstrip().startswith("{"), f"the message begins with {body[:24]}")


def _same_id(seen: Mapping[str, Observation]) -> Answer:
    one = next((one for one in seen.values() if one.body and one.event), None)
    if one is None:
        return not_answered("no message came")
    message = parse_body(one.body)
    has_id = isinstance(message, dict) and "id" in message
    found = str(message["id"]) if has_id else "without an id that can be parsed"
    return answered(found == one.event, f"submission {one.event}, message {found}")


def _levels(seen: Mapping[str, Observation]) -> Answer:
    """Answer whether mixing channels leaves clips as loud as docs/local-cloud.md says."""
    outputs = {name: seen[f"{name} levels"].tones for name in ("mono", "stereo")}
    for name, tones in outputs.items():
        if len(tones) != len(LEVELS[name]):
            one = seen[f"{name} levels"]
            return not_answered(one.error or f"there was no {name} output with all clips{_end(one)}")
    found = {name: [round(tone.level / tones[0].level, 2) for tone in tones] for name, tones in outputs.items()}
    as_assumed = all(
        abs(level - expected) <= LEVEL_TOLERANCE
        for name, levels in found.items()
        for level, expected in zip(levels, LEVELS[name], strict=True)
    )
    same, left = found["mono"][1:]
    first = f"in a mono output a stereo clip has {same} of a mono clip's level, one that is silent on the right {left}"
    return answered(as_assumed, f"{first}; in a stereo output a stereo clip has {found['stereo'][1]}")


# Levels relative to a mono clip, which is the first of each output.
LEVELS = {"mono": (1.0, 1.0, 0.5), "stereo": (1.0, 1.0)}
LEVEL_TOLERANCE = 0.05
a, b, c = DetectedTone("a", 500), DetectedTone("b", 700), DetectedTone("c", 1000)
QUESTIONS = (
    OpenQuestion(
        "1", "Is the object that a request is posted to a source?", "yes", partial(_tones, "pair", (a, b)),
        "after AccessDenied: in template.yml add oss:GetBucketInfo and oss:ListObjects on the bucket to ImmRole, then "
        "`s deploy -y`; otherwise report it",
    ),
    OpenQuestion(
        "2", "In which order are several /pre joined?", "in the order of the request",
        partial(_tones, "order", (a, b, c)),
    ),
    OpenQuestion(
        "3", "What do the action's own ss and t trim?", "the merged audio; the planner never sends them",
        partial(_tones, "whole", (DetectedTone("a", 200), b)),
    ),
    OpenQuestion(
        "4", "Is t a duration, or the end of a clip?", "a duration",
        partial(_tones, "cut", (a, DetectedTone("c", 500))),
    ),
    OpenQuestion(
        "5", "What happens with a 12th object?", "the request is rejected: 400 Imm Client, InvalidArgument",
        partial(_rejection, "twelve", RejectedRequest(400, "Imm Client", "InvalidArgument")),
    ),
    OpenQuestion(
        "6", "Which HTTP status has Imm Client, for a bucket without a project?", "400",
        partial(_rejection, "unbound", RejectedRequest(400, "Imm Client", "Attachment is not found")),
    ),
    OpenQuestion("7", "When is a missing /sur detected?", "later: the task fails", _missing_segment),
    OpenQuestion(
        "7b", "When is it detected that the posted object is missing?", "at once: 404 NoSuchKey",
        partial(_rejection, "main missing", RejectedRequest(404, "NoSuchKey", "")),
    ),
    OpenQuestion(
        "8", "What is in the message of a failed task?", "the usual fields, with Status Failed, Code and Message",
        _failure_message,
    ),
    OpenQuestion("9", "Is a message JSON, or JSON in Base64?", "JSON", _plain_json),
    OpenQuestion("10", "Is a message's id the EventId of the submission?", "yes", _same_id),
    OpenQuestion(
        "11", "May the posted object be a segment, too?", "yes", partial(_tones, "twice", (DetectedTone("a", 1000),))
    ),
    OpenQuestion(
        "11b", "How loud are clips whose channels are mixed?",
        "a mono clip is as loud as a stereo clip with the same in both channels; one that is silent on the right is "
        "half as loud in mono",
        _levels,
        "nothing in the settings helps: make clips mono, or stereo, before they are merged; report it with the report "
        "of this command",
    ),
)  # fmt: skip
