"""Facts about a job and the state that they add up to.

A fact is an object whose key carries what `decide` needs to know, so that one listing is the whole state of a job.
"""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Literal, NamedTuple
from urllib.parse import quote, unquote

from clipstitch.common.errors import Issue
from clipstitch.common.identifiers import ManifestRef, ObjectRef
from clipstitch.common.serialization import from_json_value, to_json_value
from clipstitch.planning.lengths import MeasuredLength
from clipstitch.planning.plan import JobWarning, Plan

PLANNED, WAITING, CLAIMED, ACCEPTED = "planned", "waiting", "claimed", "accepted"
SUCCEEDED, FAILED, FAILED_TRANSIENTLY = "succeeded", "failed", "failed-transiently"
DECISION, RESULT, DELIVERED, CLOSED = "decision", "result", "delivered", "closed"
PENDING = "pending"  # a delivery that failed and will be retried
RESULT_SINK = "result"  # the result object; every event is delivered to it
# The states by the facts alone, latest first, of a job that is neither closed nor known to be decided.
_STATES = {
    **dict.fromkeys((DELIVERED, PENDING, RESULT), "delivering"),
    DECISION: "decided",
    ACCEPTED: "running",
    PLANNED: "planned",
    WAITING: "waiting",
}
FOUND = "found"  # in place of the task id of a step whose target exists
REFUSED = "refused"  # in place of the task id of a step that the cloud refused to start
_TASK_KINDS = (ACCEPTED, SUCCEEDED, FAILED, FAILED_TRANSIENTLY)
_STEP_KINDS = (CLAIMED, ACCEPTED, SUCCEEDED, FAILED, FAILED_TRANSIENTLY)
_FACT_NAME = re.compile(r"(?:step-([0-9]{3,9})\.)?([a-z-]+)(?:\.([^./]+))?\.json")
_LENGTH = re.compile(r"[^~]*~([0-9]{1,15})(e?)~([0-9]{1,15})")
_STAMP = "%Y%m%dT%H%M%S%z"

# Latest first: `clipstitch show` names the state of a job by the first kind that it has.
PROGRESS = (
    *(CLOSED, DELIVERED, PENDING, RESULT, DECISION, SUCCEEDED, FAILED, FAILED_TRANSIENTLY, ACCEPTED, CLAIMED),
    *(PLANNED, WAITING),
)


class Fact(NamedTuple):
    """Something that became true about a job; it is never withdrawn.

    `detail` is the task id for facts about a task, for SUCCEEDED `task~length~size` if the target was measured,
    the sink for DELIVERED, `sink~attempt~due` for PENDING, the time until which the job waits for WAITING, and the
    final state for CLOSED.
    """

    kind: str
    step: int | None = None
    detail: str = ""

    @property
    def name(self) -> str:
        """The last part of the fact's key.

        >>> Fact("accepted", 0, "MediaConvert-1").name
        'step-000.accepted.MediaConvert-1.json'
        """
        detail = "." + quote(self.detail, safe="").replace(".", "%2E") if self.detail else ""
        return (f"step-{self.step:03d}." if self.step is not None else "") + f"{self.kind}{detail}.json"

    @classmethod
    def parse(cls, name: str) -> "Fact | None":
        """Return the fact of a name; None if the name is not that of a fact."""
        if (parts := _FACT_NAME.fullmatch(name)) is None:
            return None
        step, kind, detail = parts.groups()
        if kind not in PROGRESS or (step is not None) != (kind in _STEP_KINDS):
            return None
        fact = cls(kind, None if step is None else int(step), unquote(detail or ""))
        try:
            if kind == PENDING:
                PendingDelivery.parse(fact)
            if kind == WAITING:
                _moment(fact.detail)
        except ValueError:
            return None
        return fact

    @property
    def task(self) -> str:
        """The task that a fact about a step names; "" if it names none."""
        return self.detail.partition("~")[0] if self.kind in _STEP_KINDS else ""

    @staticmethod
    def may_be_newer(name: str) -> bool:
        """Return True if a name has the form of a fact, but a kind that only a later version can have."""
        parts = _FACT_NAME.fullmatch(name)
        return parts is not None and parts[2] not in PROGRESS


class PendingDelivery(NamedTuple):
    """A delivery that failed: the number of attempts so far, and when the next one is due."""

    sink: str
    attempt: int
    due: datetime

    @property
    def fact(self) -> Fact:
        """The fact that records it.

        >>> from datetime import timezone
        >>> PendingDelivery("partner", 2, datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)).fact.detail
        'partner~2~20260102T030405Z'
        """
        return Fact(PENDING, detail=f"{self.sink}~{self.attempt}~{_stamp(self.due)}")

    @classmethod
    def parse(cls, fact: Fact) -> "PendingDelivery":
        """Return the delivery that a PENDING fact records; ValueError if the fact is malformed."""
        sink, attempt, due = fact.detail.rsplit("~", 2)
        return cls(sink, int(attempt), _moment(due))


def success_fact(step: int, task_id: str, length: MeasuredLength | None) -> Fact:
    """Return the fact that a task of a step succeeded, with length and size of what it made, in microseconds and bytes.

    An estimated length ends in `e`. As parts of the name they are in the listing of the job.

    >>> success_fact(0, "MediaConvert-1", MeasuredLength(2.5, size=40123)).name
    'step-000.succeeded.MediaConvert-1~2500000~40123.json'
    """
    if length is None:
        return Fact(SUCCEEDED, step, task_id)
    measured = f"{round(length.seconds * 1e6)}{'e' if length.estimated else ''}"
    return Fact(SUCCEEDED, step, f"{task_id}~{measured}~{length.size}")


def waiting_fact(until: datetime) -> Fact:
    """Return the fact that a job waits for clips until a moment."""
    return Fact(WAITING, detail=_stamp(until))


def _stamp(moment: datetime) -> str:
    """Return a moment to the second, rounded up, so that nothing is due too early."""
    up = moment + timedelta(microseconds=-moment.microsecond % 1_000_000)
    return up.strftime(_STAMP).replace("+0000", "Z")


def _moment(stamp: str) -> datetime:
    return datetime.strptime(stamp.replace("Z", "+0000"), _STAMP)  # noqa: DTZ007 - the format has %z


def _length(fact: Fact) -> MeasuredLength | None:
    """Return the length that a success recorded; None if it was not measured."""
    parts = _LENGTH.fullmatch(fact.detail)
    return MeasuredLength(int(parts[1]) / 1e6, parts[2] == "e", int(parts[3])) if parts else None


class Failure(NamedTuple):
    """Why a step, a job or a delivery failed."""

    code: str
    message: str
    remedy: str = ""


class Decision(NamedTuple):
    """The one decision about a job: publish, fail or reject. `at` is a timestamp, `tasks` are the ids of its tasks.

    `planned` is False if there was no plan. Another run may record a plan afterwards; the event must not change then.
    `result_object` is where the result object is, whatever the settings say later; None in older documents.
    """

    kind: Literal["publish", "fail", "reject"]
    manifest: ManifestRef
    at: str
    sinks: tuple[str, ...]
    error: Failure | None = None
    issues: tuple[Issue, ...] = ()
    tasks: tuple[str, ...] = ()
    planned: bool = True
    result_object: ObjectRef | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the decision as a JSON value."""
        return to_json_value(self)  # type: ignore[no-any-return] # a named tuple becomes a dict

    @classmethod
    def from_json(cls, decision: Mapping[str, Any]) -> "Decision":
        """Return what `as_json` was called on."""
        return from_json_value(cls, decision)  # type: ignore[no-any-return] # a decision


class Published(NamedTuple):
    """The published output; `duration_ms` is measured, not planned. `webvtt`: the chapters are beside it.

    `starts_ms` are the starts of all clips, silences included, if they are not where they were planned.
    """

    etag: str
    size: int
    duration_ms: int
    webvtt: bool = False
    starts_ms: tuple[int, ...] = ()


class Result(NamedTuple):
    """The result of publishing: the output and what its author should know, or why it could not be published."""

    at: str
    output: Published | None = None
    error: Failure | None = None
    warnings: tuple[JobWarning, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the result as a JSON value."""
        return to_json_value(self)  # type: ignore[no-any-return] # a named tuple becomes a dict

    @classmethod
    def from_json(cls, result: Mapping[str, Any]) -> "Result":
        """Return what `as_json` was called on."""
        return from_json_value(cls, result)  # type: ignore[no-any-return] # a result


class Job(NamedTuple):
    """A job as its facts describe it.

    `facts` maps every fact to the time at which it was recorded, `opened_at` is when the job was opened (None if
    unknown). Plan, decision and result are None until they are recorded, and in a job of a list: there only the names
    of the facts are known.
    """

    id: str
    facts: Mapping[Fact, datetime] = MappingProxyType({})
    plan: Plan | None = None
    decision: Decision | None = None
    result: Result | None = None
    opened_at: datetime | None = None

    def has(self, kind: str, step: int | None = None) -> bool:
        """Return True if there is a fact of that kind, about that step if one is given."""
        return any(fact.kind == kind and (step is None or fact.step == step) for fact in self.facts)

    def details(self, kind: str) -> frozenset[str]:
        """Return the details of all facts of a kind."""
        return frozenset(fact.detail for fact in self.facts if fact.kind == kind)

    def steps(self, kind: str) -> frozenset[int]:
        """Return the numbers of the steps that have a fact of that kind."""
        return frozenset(fact.step for fact in self.facts if fact.kind == kind and fact.step is not None)

    @property
    def tasks(self) -> tuple[str, ...]:
        """The ids of all tasks, in order: also of those that ended before they were recorded as accepted."""
        named = {fact.task for fact in self.facts if fact.kind in _TASK_KINDS}
        return tuple(sorted(named - {FOUND, REFUSED}))

    def running(self, step: int) -> frozenset[str]:
        """Return the tasks of a step that were accepted and have not failed transiently."""
        of_step = [fact for fact in self.facts if fact.step == step]
        accepted = {fact.detail for fact in of_step if fact.kind == ACCEPTED}
        return frozenset(accepted - {fact.detail for fact in of_step if fact.kind == FAILED_TRANSIENTLY})

    @property
    def measured(self) -> dict[int, MeasuredLength]:
        """The measured length of what each step made, as far as it is known; of two tasks, that of the later one."""
        found = sorted((at, fact) for fact, at in self.facts.items() if fact.kind == SUCCEEDED)
        lengths = ((fact.step, _length(fact)) for _, fact in found)
        return {step: length for step, length in lengths if length and step is not None}

    @property
    def pending(self) -> dict[str, PendingDelivery]:
        """The last failed delivery to each sink that had one, whether or not a later one succeeded."""
        found = (PendingDelivery.parse(fact) for fact in self.facts if fact.kind == PENDING)
        return {delivery.sink: delivery for delivery in sorted(found, key=lambda each: (each.attempt, each.due))}

    @property
    def undelivered(self) -> list[str]:
        """The sinks, in order, that have not received the event of a decided job."""
        delivered = self.details(DELIVERED)
        return [sink for sink in (*self.decision.sinks, RESULT_SINK) if sink not in delivered] if self.decision else []

    @property
    def waiting_until(self) -> datetime | None:
        """The time until which the job waits for its clips; None if it does not wait."""
        return max(map(_moment, self.details(WAITING)), default=None)

    def with_fact(self, fact: Fact, at: datetime) -> "Job":
        """Return the job with one more fact, recorded at that time."""
        return self.with_facts({fact: at})

    def with_facts(self, *more: Mapping[Fact, datetime]) -> "Job":
        """Return the job with more facts, each with the time at which it was recorded."""
        return self._replace(facts={fact: at for facts in (self.facts, *more) for fact, at in facts.items()})

    @property
    def closed(self) -> bool:
        """Whether nothing is left to do."""
        return self.has(CLOSED)

    @property
    def final(self) -> bool:
        """Whether the final state is recorded: no later event can change it."""
        return self.decision is not None and (self.decision.kind != "publish" or self.result is not None)

    @property
    def finished_at(self) -> datetime | None:
        """When the final state was recorded; None before."""
        return self.facts.get(Fact(RESULT), self.facts.get(Fact(DECISION))) if self.final else None

    @property
    def state(self) -> str:
        """The final state (succeeded, failed, rejected) once it is decided, before that how far the job is.

        A job whose documents were not read has its final state from the name of the CLOSED fact; until there is one,
        it is at most decided or delivering.
        """
        if self.decision is None:
            kinds = {fact.kind for fact in self.facts}
            by_names = next((state for kind, state in _STATES.items() if kind in kinds), "received")
            return min(self.details(CLOSED), default="") or by_names
        if self.decision.kind == "publish":
            return "publishing" if self.result is None else "succeeded" if self.result.output else "failed"
        return {"fail": "failed", "reject": "rejected"}[self.decision.kind]
