"""The next actions of a job: facts, time and policy in, actions out. Total and deterministic.

`execute` performs the actions. Each one records the fact that makes `decide` stop asking for it.
"""

from datetime import datetime, timedelta
from typing import Literal, NamedTuple
from urllib.parse import quote

from clipstitch.common.errors import StateUnreadable, Superseded
from clipstitch.common.identifiers import ManifestRef, ObjectRef, is_newer, uploaded_at
from clipstitch.common.ports import ObjectInfo
from clipstitch.jobs.delivery_policy import is_given_up
from clipstitch.jobs.job import (
    ACCEPTED,
    CLAIMED,
    DECISION,
    FAILED,
    FAILED_TRANSIENTLY,
    PLANNED,
    SUCCEEDED,
    WAITING,
    Fact,
    Failure,
    Job,
)
from clipstitch.planning.plan import Plan, Publisher, Step

JOB_META, MANIFEST_META, DURATION_META = "clipstitch-job", "clipstitch-manifest", "clipstitch-duration-ms"
_UPLOAD_AGAIN = "Upload the manifest again; docs/operate.md says where to look for the cause."
_PLAN_DAMAGED = Failure(StateUnreadable.code, "planned.json of this job is damaged", StateUnreadable.remedy)


# `kind` makes actions of different classes unequal: named tuples compare as tuples.
class MakePlan(NamedTuple):
    """Read the manifest, and record a plan or a decision."""

    kind: Literal["make-plan"] = "make-plan"


class LookUp(NamedTuple):
    """Find out how the running tasks of a step ended."""

    step: Step
    kind: Literal["look-up"] = "look-up"


class Start(NamedTuple):
    """Start a task for a step. `claim_for`: first claim the start for this step, whose task has just ended."""

    step: Step
    claim_for: int | None = None
    kind: Literal["start"] = "start"


class RecordDecision(NamedTuple):
    """Record the decision to publish or, if a step failed for good, to fail."""

    failed: Step | None = None
    kind: Literal["record-decision"] = "record-decision"


class Fail(NamedTuple):
    """Record that the job failed for a reason that is not that of a step."""

    error: Failure
    kind: Literal["fail"] = "fail"


class Publish(NamedTuple):
    """Copy the output to the key of the manifest, and record the result."""

    kind: Literal["publish"] = "publish"


class Deliver(NamedTuple):
    """Deliver the event to one sink."""

    sink: str
    kind: Literal["deliver"] = "deliver"


class Abandon(NamedTuple):
    """Record that a sink did not get the event in three days, without another attempt: it does not respond."""

    sink: str
    kind: Literal["abandon"] = "abandon"


class Close(NamedTuple):
    """Record that the job is closed, and delete its working files."""

    kind: Literal["close"] = "close"


Action = MakePlan | LookUp | Start | RecordDecision | Fail | Publish | Deliver | Abandon | Close

# Why a job is looked at: its manifest was uploaded, the task of a step (by number) ended, or it may need recovery.
Cause = int | Literal["upload", "recovery"]


class Policy(NamedTuple):
    """The limits by which a job is brought on.

    `grace_period_s`: how long recovery leaves a new job alone, and the first back-off, both in seconds. `deadline_s`:
    after how many seconds an open job fails. `immediate`: an operator asks, so neither grace period nor back-off
    applies.
    """

    grace_period_s: float = 120
    deadline_s: float = 6 * 3600
    immediate: bool = False


class Observed(NamedTuple):
    """What this run has learned and done, which no fact records.

    `done`: actions of this run, none of which is repeated. `unresponsive`: sinks that fail or are slow, to which this
    run delivers nothing more. `published`: the output exists although no result is recorded. `error`: why the previous
    attempt of this run was cut short.
    """

    done: frozenset[Action] = frozenset()
    unresponsive: frozenset[str] = frozenset()
    published: bool = False
    error: Failure | None = None


def decide(
    job: Job, now: datetime, policy: Policy, cause: Cause = "upload", observed: Observed | None = None
) -> tuple[Action, ...]:
    """Return the next actions in order; none if the job waits for the cloud, is backing off, or is closed.

    An upload starts the steps that need no other step, the end of a step starts only the steps that need it, so that no
    two causes start the same step. Recovery starts every ready step that has no running task and is not backing off.
    Failed deliveries are retried by recovery only, when they are due.
    """
    seen = observed or Observed()
    if job.closed or (cause == "recovery" and _in_grace_period(job, now, policy)):
        return ()
    if ending := _ending(job, now, policy, cause, seen):
        return ending
    if seen.error and not job.final:
        return ()
    if job.decision is None:
        actions = _work(job, job.plan, now, policy, cause) if job.plan else (MakePlan(),)
        started = {done.step.number for done in seen.done if isinstance(done, Start)}
        return tuple(
            action
            for action in actions
            if action not in seen.done and not (isinstance(action, LookUp) and action.step.number in started)
        )
    if not job.final:
        return (Publish(),)
    return _deliver(job, now, policy, cause, seen)


def _in_grace_period(job: Job, now: datetime, policy: Policy) -> bool:
    """Return True while the invocation that the upload triggered may still be running."""
    if policy.immediate or job.pending or job.has(WAITING):
        return False
    return now - uploaded_at(job.id) < timedelta(seconds=policy.grace_period_s)


def _ending(job: Job, now: datetime, policy: Policy, cause: Cause, seen: Observed) -> tuple[Action, ...]:
    """Return the actions that end a job which cannot go on: its plan is damaged, or it is over its deadline."""
    if job.plan is None and job.has(PLANNED) and not job.final:
        return (Fail(_PLAN_DAMAGED),)
    return _overdue(job, now, policy, seen) if cause == "recovery" and is_overdue(job, now, policy) else ()


def deadline_start(job: Job) -> datetime:
    """Return when the deadline starts to count.

    When the job was opened, or when its time to wait for clips ends; once it is decided to publish, at the decision:
    what was merged in time, or found late, has the whole deadline to be published.
    """
    opened = job.opened_at or uploaded_at(job.id)
    return max(opened, job.waiting_until or opened, job.facts.get(Fact(DECISION), opened))


def is_overdue(job: Job, now: datetime, policy: Policy, times: int = 1) -> bool:
    """Return True if an open job is older than its deadline, or than a multiple of it."""
    return now - deadline_start(job) >= timedelta(seconds=policy.deadline_s * times)


def _overdue(job: Job, now: datetime, policy: Policy, seen: Observed) -> tuple[Action, ...]:
    """Return the actions of a job that is over its deadline; none if it may go on as usual.

    After one deadline a job without a decision fails, unless its audio turns out to be ready, and so does one whose
    attempt just failed, for that error. After two, it fails before another attempt, since previous attempts may have
    crashed. A job whose output is published never fails: what remains is to record that.
    """
    if job.final:
        return ()
    twice = is_overdue(job, now, policy, times=2)
    if seen.error:
        error = seen.error._replace(message=f"not finished in time: {seen.error.message}")
        return () if seen.published else (Fail(error),)
    passed = Failure(
        "DEADLINE_PASSED", f"not finished {policy.deadline_s / 3600:g} h after its manifest was uploaded", _UPLOAD_AGAIN
    )
    if job.plan is not None and job.decision is None:
        last = [
            action
            for action in _work(job, job.plan, now, policy, "recovery")
            if isinstance(action, LookUp | RecordDecision) and action not in seen.done
        ]
        return tuple(last) or (Fail(passed),)
    return (Fail(passed),) if twice and not seen.published else ()


def manifest_gone(uri: str) -> Failure:
    """Return why a job fails whose manifest was deleted or overwritten before it was planned."""
    return Failure("MANIFEST_GONE", f"{uri} was deleted or overwritten before it was planned", _UPLOAD_AGAIN)


def _work(job: Job, plan: Plan, now: datetime, policy: Policy, cause: Cause) -> tuple[Action, ...]:
    """Start ready steps; record the decision once the last step succeeded or a step failed. Success comes first."""
    succeeded, failed = job.steps(SUCCEEDED), job.steps(FAILED)
    if plan.final.number in succeeded:
        return (RecordDecision(),)
    open_steps = [step for step in plan.steps if step.number not in succeeded]
    look_ups = [LookUp(step) for step in open_steps if cause == "recovery" and job.running(step.number)]
    ready = [
        step for step in open_steps if _may_start(job, step, now, policy, cause) and succeeded.issuperset(step.needs)
    ]
    claim_for = cause if isinstance(cause, int) else None
    if failed_steps := [step for step in open_steps if step.number in failed]:
        return (*look_ups, RecordDecision(failed_steps[0]))
    return (*look_ups, *(Start(step, claim_for) for step in ready))


def _may_start(job: Job, step: Step, now: datetime, policy: Policy, cause: Cause) -> bool:
    if cause == "recovery":
        return not job.running(step.number) and (policy.immediate or not _backs_off(job, step, now, policy))
    return not job.has(ACCEPTED, step.number) and (cause in step.needs if step.needs else cause == "upload")


def _backs_off(job: Job, step: Step, now: datetime, policy: Policy) -> bool:
    """Return True if a step was just claimed, or failed transiently: for one grace period, then two, four and so on."""
    facts = [fact for fact in job.facts if fact.step == step.number]
    tries = sum(fact.kind == FAILED_TRANSIENTLY for fact in facts)
    last = max((job.facts[fact] for fact in facts if fact.kind in (FAILED_TRANSIENTLY, CLAIMED)), default=None)
    return last is not None and now - last < timedelta(seconds=policy.grace_period_s * 2 ** max(tries - 1, 0))


def _deliver(job: Job, now: datetime, policy: Policy, cause: Cause, seen: Observed) -> tuple[Action, ...]:
    """Deliver to every sink that is not waiting for its next attempt; close the job once all are delivered."""
    pending, undelivered = job.pending, job.undelivered
    due = {
        sink for sink, delivery in pending.items() if cause == "recovery" and (policy.immediate or now >= delivery.due)
    }
    waiting = {sink for sink in pending if sink not in due}
    may_be_tried = [sink for sink in undelivered if Deliver(sink) not in seen.done and sink not in waiting]
    given_up = [sink for sink in may_be_tried if sink in seen.unresponsive and is_given_up(now, job.finished_at or now)]
    ready = [sink for sink in may_be_tried if sink not in seen.unresponsive]
    close = [Close()] if len(ready) + len(given_up) == len(undelivered) else []
    return (*map(Deliver, ready), *map(Abandon, given_up), *close)


def deliveries_due(job: Job, now: datetime) -> datetime | None:
    """Return when recovery next has something to do for a job; None if that is now, or time does not decide it.

    A job that waits for nothing but the retries of failed deliveries can be left alone until the first of them.
    """
    pending, undelivered = job.pending, job.undelivered
    if not job.final or not undelivered or any(sink not in pending for sink in undelivered):
        return None
    due = min(pending[sink].due for sink in undelivered)
    return due if due > now else None


# Whether the output may be published under its key: the key is free, the object there is the job's own, or that of an
# older job of the manifest (or may be overwritten), or the reason why not.
OutputConflict = Literal["free", "own", "replaceable"] | Failure


def output_conflict(publisher: Publisher, ref: ObjectRef, existing: ObjectInfo | None) -> OutputConflict:
    """Return whether an output, or an object beside it, may be published as `ref`, which `existing` occupies.

    The object of another manifest is kept unless `overwrite` is true; that of a newer job is always kept.
    """
    if existing is None:
        return "free"
    owner, manifest = existing.meta.get(JOB_META, ""), existing.meta.get(MANIFEST_META, "")
    if owner == publisher.job_id:
        return "own"
    may_replace = publisher.overwrite or manifest == manifest_label(publisher.manifest)
    if may_replace and is_newer(owner, than=publisher.job_id):
        message = f"{ref.uri} was made by the newer job {owner}"
        return Failure(**Superseded(message).as_json())
    if may_replace:
        return "replaceable"
    remedy = "Choose another output key, delete the object, or set `overwrite: true`."
    return Failure("OUTPUT_EXISTS", f"{ref.uri} exists and was not made from this manifest", remedy)


def manifest_label(manifest: ManifestRef) -> str:
    """Return the URI of a manifest as object metadata can carry it: ASCII, without spaces."""
    return quote(manifest.ref.uri, safe="/:")
