"""Facts about a job and what they amount to. Pure; the ledger keeps them, `decide` draws conclusions.

A fact is an object whose key says nearly everything, so that one listing is a job's whole state.
"""

import re
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple
from urllib.parse import quote, unquote

from clipstitch.common.errors import Issue
from clipstitch.common.identifiers import ManifestRef, ObjectRef
from clipstitch.common.serialization import to_json_value
from clipstitch.planning.plan import Plan

PLANNED, WAITING, CLAIMED, ACCEPTED = "planned", "waiting", "claimed", "accepted"
SUCCEEDED, FAILED, FAILED_TRANSIENTLY = "succeeded", "failed", "failed-transiently"
DECISION, RESULT, DELIVERED, CLOSED = "decision", "result", "delivered", "closed"
PENDING = "pending"  # a delivery that failed and will be retried
RESULT_SINK = "result"  # the result object; every event goes there
_OF_A_STEP = (CLAIMED, ACCEPTED, SUCCEEDED, FAILED, FAILED_TRANSIENTLY)
_FACT_NAME = re.compile(r"(?:step-([0-9]{3,9})\.)?([a-z-]+)(?:\.([^./]+))?\.json")

_TASK = (ACCEPTED, FAILED_TRANSIENTLY)

# Strongest first; it needs no transitions, because facts are never withdrawn.
PROGRESS = (
    CLOSED,
    DELIVERED,
    PENDING,
    RESULT,
    DECISION,
    SUCCEEDED,
    FAILED,
    FAILED_TRANSIENTLY,
    ACCEPTED,
    CLAIMED,
    PLANNED,
    WAITING,
)


class Fact(NamedTuple):
    """Something that became true. `detail`: a step's task, the sink that was told, or `sink~attempt` of an owed one."""

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
    def named(cls, name: str) -> "Fact | None":
        """Read a fact's name; None when it is no fact of ours."""
        if (parts := _FACT_NAME.fullmatch(name)) is None:
            return None
        step, kind, detail = parts.groups()
        if kind not in PROGRESS or (step is not None) != (kind in _OF_A_STEP):
            return None
        return cls(kind, None if step is None else int(step), unquote(detail or ""))


def sink_of(pending: Fact) -> str:
    """Return whom an attempt was to tell.

    >>> sink_of(Fact(OWED, detail="partner~2")), attempt_of(Fact(OWED, detail="partner~2"))
    ('partner', 2)
    """
    return pending.detail.rpartition("~")[0]


def attempt_of(pending: Fact) -> int:
    """Return which attempt it was, counted from 1."""
    number = pending.detail.rpartition("~")[2]
    return int(number) if number.isdecimal() else 0


class Failure(NamedTuple):
    """Why something did not work, in words for people."""

    code: str
    message: str
    remedy: str = ""


class Decision(NamedTuple):
    """The one decision about a job: publish, fail or reject. `at` is a timestamp, `tasks` the steps' task ids.

    `planned`: taken on a plan. Another run may freeze a plan beside a verdict without one; the event must not change.
    """

    kind: Literal["publish", "fail", "reject"]
    manifest: ManifestRef
    at: str
    sinks: tuple[str, ...]
    error: Failure | None = None
    issues: tuple[Issue, ...] = ()
    tasks: tuple[str, ...] = ()
    planned: bool = True

    def as_json(self) -> dict[str, Any]:
        """Return the verdict as plain values."""
        return to_json_value(self)  # type: ignore[no-any-return] # a named tuple becomes a mapping

    @classmethod
    def from_json(cls, decision: Mapping[str, Any]) -> "Decision":
        """Read back what `as_json` wrote."""
        return cls(
            kind=decision["kind"],
            manifest=ManifestRef(ObjectRef(**decision["manifest"]["ref"]), decision["manifest"]["etag"]),
            at=decision["at"],
            sinks=tuple(decision["sinks"]),
            error=Failure(**decision["error"]) if decision["error"] else None,
            issues=tuple(Issue.from_json(issue) for issue in decision["issues"]),
            tasks=tuple(decision["tasks"]),
            planned=decision["planned"],
        )


class Published(NamedTuple):
    """The output as the user can see it; `duration_ms` as measured on it."""

    etag: str
    size: int
    duration_ms: int


class Result(NamedTuple):
    """What became of a verdict to publish: the output, or why it could not be published."""

    at: str
    output: Published | None = None
    error: Failure | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the result as plain values."""
        return to_json_value(self)  # type: ignore[no-any-return] # a named tuple becomes a mapping

    @classmethod
    def from_json(cls, result: Mapping[str, Any]) -> "Result":
        """Read back what `as_json` wrote."""
        return cls(
            at=result["at"],
            output=Published(**result["output"]) if result["output"] else None,
            error=Failure(**result["error"]) if result["error"] else None,
        )


class Job(NamedTuple):
    """A job as its facts have it. The three create-once documents are here when they exist."""

    id: str
    facts: frozenset[Fact] = frozenset()
    plan: Plan | None = None
    decision: Decision | None = None
    result: Result | None = None

    def has(self, kind: str, step: int | None = None) -> bool:
        """Say whether there is a fact of that kind, about that step if one is named."""
        return any(fact.kind == kind and (step is None or fact.step == step) for fact in self.facts)

    def details(self, kind: str) -> frozenset[str]:
        """Return the tasks, or sinks, of all facts of that kind."""
        return frozenset(fact.detail for fact in self.facts if fact.kind == kind)

    def steps(self, kind: str) -> frozenset[int]:
        """Return the steps that have a fact of that kind."""
        return frozenset(fact.step for fact in self.facts if fact.kind == kind and fact.step is not None)

    def running(self, step: int) -> frozenset[str]:
        """Return the tasks of a step that were accepted and have not been heard to falter."""
        tasks = {
            kind: {fact.detail for fact in self.facts if fact.kind == kind and fact.step == step} for kind in _TASK
        }
        return frozenset(tasks[ACCEPTED] - tasks[FAILED_TRANSIENTLY])

    @property
    def pending(self) -> dict[str, Fact]:
        """The last attempt at each sink that was tried in vain; told by now or not."""
        pending = (fact for fact in self.facts if fact.kind == PENDING)
        return {sink_of(fact): fact for fact in sorted(pending, key=attempt_of)}

    def with_facts(self, *facts: Fact) -> "Job":
        """Return the job with more facts."""
        return self._replace(facts=self.facts | set(facts))

    @property
    def closed(self) -> bool:
        """Whether nothing is left to do."""
        return self.has(CLOSED)

    @property
    def state(self) -> str:
        """The final state (succeeded, failed, rejected) once decided, before that how far it got."""
        if self.decision is None:
            before = "waiting" if self.has(WAITING) else "received"
            return "running" if self.has(ACCEPTED) else "planned" if self.plan else before
        if self.decision.kind == "publish":
            return "publishing" if self.result is None else "succeeded" if self.result.output else "failed"
        return {"fail": "failed", "reject": "rejected"}[self.decision.kind]
