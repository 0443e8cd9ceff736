"""Tend one job: do what its missing messages would have done, and put an end to it when its time is over.

It trusts no message, only objects and what the cloud says of its tasks. Called by the sweep and `clipstitch retry`.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from clipstitch.common.errors import ClipstitchError, CloudRefused, ObjectNotFound, WebhookNoResponse
from clipstitch.common.identifiers import ManifestRef, uploaded_at
from clipstitch.common.ports import TaskOutcome
from clipstitch.inbound.completion_notification import CompletionNotification
from clipstitch.jobs.decide import output_conflict
from clipstitch.jobs.job import (
    CLAIMED,
    DELIVERED,
    FAILED_TRANSIENTLY,
    SUCCEEDED,
    WAITING,
    Decision,
    Fact,
    Failure,
    Job,
    Result,
    sink_of,
)
from clipstitch.planning.plan import Step
from clipstitch.usecases.complete import record_failure
from clipstitch.usecases.context import Context
from clipstitch.usecases.execute import execute
from clipstitch.usecases.job_store import JobStore
from clipstitch.usecases.submit import submit

SEEN = "seen"  # stands for the task of a step whose object was found


class Round(NamedTuple):
    """How jobs are tended: `silent` are the sinks that gave no answer in this round, one wait for each is enough.

    `long` is told of a job before work that may outlast the function. `at_once`: somebody asks, so nothing rests.
    """

    silent: set[str]
    long: Callable[[str], None]
    at_once: bool = False


def retry(job_id: str, store: JobStore, cloud: Context) -> Job:
    """Do for one job now what sweeps do as time goes by: no patience, no rest; return how it is then."""
    recover(job_id, store, cloud, Round(set(), lambda _job: None, at_once=True))
    return store.load(job_id)


def recover(job_id: str, store: JobStore, cloud: Context, this: Round) -> None:
    """Do for one job what its missing messages would have done; trouble is raised, until the deadline has passed."""
    job = store.load(job_id)
    if job.closed:
        store.clear(job)
    elif not (this.at_once or job.pending or job.has(WAITING) or _patient(job, cloud)):
        return  # whoever started it is probably still at it
    elif _undecided(job) and _overdue(job, store, cloud, times=2) and not _is_out(job, cloud):
        _give_up(job, _too_late(cloud), store, cloud)  # whoever tried again died of it
    else:
        try:
            _go_on(job, store, cloud, this)
        except Exception as error:
            now = store.load(job_id)
            if not (_undecided(now) and _overdue(now, store, cloud, times=2 if _is_out(now, cloud) else 1)):
                raise
            _give_up(now, _reason(error), store, cloud)


def _go_on(job: Job, store: JobStore, cloud: Context, this: Round) -> None:
    """Bring a job as far as it can go now."""
    if _undecided(job) and (job.plan is None or job.decision is not None):
        this.long(job.id)
    if job.plan is None and job.decision is None:
        _submit_again(job, store, cloud)
    elif job.decision is None and _overdue(job, store, cloud):
        _give_up(job, _too_late(cloud), store, cloud)
    else:
        job, resting = _look_at_steps(job, store, cloud)
        due = frozenset(pending for pending in _untold(job) if this.at_once or _due_again(pending, job, store, cloud))
        asleep = this.silent | (frozenset() if this.at_once else resting)
        now = execute(job, store, cloud, "sweep", frozenset(asleep), due)
        this.silent.update(_silent(now, set(now.pending.values()) - set(job.pending.values()), store))


def _patient(job: Job, cloud: Context) -> bool:
    """Say whether whoever started a job has had the time to go on with it."""
    return _waited(uploaded_at(job.id), cloud.settings.grace_period_s, cloud)


def _undecided(job: Job) -> bool:
    """Say whether it is not settled yet how a job ends."""
    return job.decision is None or (job.decision.kind == "publish" and job.result is None)


def _is_out(job: Job, cloud: Context) -> bool:
    """Say whether a job's output is in its place, though that is not written down: it should not fail then."""
    if job.plan is None or job.decision is None:
        return False
    try:
        there = cloud.objects.describe(job.plan.output.ref)
    except (ObjectNotFound, CloudRefused):
        return False  # nothing is there, or nobody lets us look
    return output_conflict(job.plan, job.plan.output.ref, there).kind == "ours"


def _overdue(job: Job, store: JobStore, cloud: Context, times: int = 1) -> bool:
    """Say whether a job's time is over, so many times. The marker is looked at only where it can matter."""
    limit = cloud.settings.deadline_s * times
    return _waited(uploaded_at(job.id), limit, cloud) and _waited(deadline_start(job, store), limit, cloud)


def deadline_start(job: Job, store: JobStore) -> datetime:
    """Return from when an open job's deadline counts: since it is open, which for a lost upload is late.

    Where clips may still come, it counts from the end of that time.
    """
    opened = store.opened(job.id)
    if not job.has(WAITING):
        return opened
    return max(opened, _moment(store.document(job.id, Fact(WAITING))["until"]))


def _untold(job: Job) -> list[Fact]:
    """Return the last attempts at sinks that have not been told since."""
    return [pending for sink, pending in job.pending.items() if sink not in job.details(DELIVERED)]


def _due_again(pending: Fact, job: Job, store: JobStore, cloud: Context) -> bool:
    """Say whether a sink that was told in vain may be told again."""
    return cloud.clock.now() >= _moment(store.document(job.id, pending)["next"])


def _silent(job: Job, attempts: Iterable[Fact], store: JobStore) -> Iterator[str]:
    """Name the sinks that gave no answer at these attempts; answers, even bad ones, take no time."""
    for attempt in attempts:
        if store.document(job.id, attempt)["error"]["code"] == WebhookNoResponse.code:
            yield sink_of(attempt)


def _moment(stamp: object) -> datetime:
    """Read a timestamp that a fact carries."""
    return datetime.fromisoformat(str(stamp).replace("Z", "+00:00"))


def _submit_again(job: Job, store: JobStore, cloud: Context) -> None:
    """Plan a job whose planning broke off, or that waits for clips; fail it when its manifest is not there any more."""
    manifest = store.manifest_of(job.id)
    now = submit(manifest, cloud)
    if now is None or now.id != job.id:
        message = f"{manifest.uri} is gone, or was overwritten, before it was planned"
        _give_up(job, Failure("MANIFEST_GONE", message, _UPLOAD_AGAIN), store, cloud)


def _give_up(job: Job, error: Failure, store: JobStore, cloud: Context) -> None:
    """Let a job fail, with a reason, and tell everybody."""
    if job.decision is not None:
        execute(store.settle(job, Result(cloud.timestamp(), error=error)), store, cloud)
        return
    manifest = job.plan.manifest if job.plan else ManifestRef(store.manifest_of(job.id), "")
    sinks = job.plan.sinks if job.plan else cloud.settings.sink_names
    decision = Decision("fail", manifest, cloud.timestamp(), sinks, error=error, planned=job.plan is not None)
    execute(store.judge(job, decision), store, cloud)


def _too_late(cloud: Context) -> Failure:
    """Say that a job's time is over."""
    hours = cloud.settings.deadline_s / 3600
    return Failure("DEADLINE_PASSED", f"not finished {hours:g} h after its manifest came", _UPLOAD_AGAIN)


def _reason(error: Exception) -> Failure:
    """Say what kept a job from ending in time."""
    if isinstance(error, ClipstitchError):
        return Failure(error.code, f"not finished in time: {error}", error.remedy)
    return Failure(ClipstitchError.code, f"not finished in time: {type(error).__name__}: {error}", _UPLOAD_AGAIN)


_UPLOAD_AGAIN = "Upload the manifest again; docs/operate.md says where to look for the cause."


def _look_at_steps(job: Job, store: JobStore, cloud: Context) -> tuple[Job, frozenset[int]]:
    """Find out how running tasks ended whose notices did not come, and which steps rest before their next attempt."""
    resting = set()
    for step in job.plan.steps if job.plan and job.decision is None else ():
        if step.number in job.steps(SUCCEEDED):
            continue
        if running := job.running(step.number):
            job = _look_at(step, sorted(running), job, store, cloud)
        if not _due(step, job, store, cloud):
            resting.add(step.number)
    return job, frozenset(resting)


def _look_at(step: Step, tasks: list[str], job: Job, store: JobStore, cloud: Context) -> Job:
    """Believe the object, or else what the cloud says of the tasks."""
    try:
        made = cloud.objects.describe(step.target)
    except ObjectNotFound:
        for task in tasks:
            job = _ask(task, step, job, store, cloud)
        return job
    return store.add(job, Fact(SUCCEEDED, step.number, SEEN), {"size": made.size, "at": cloud.timestamp()})


def _ask(task: str, step: Step, job: Job, store: JobStore, cloud: Context) -> Job:
    """Ask the cloud how a task ended; one that ended well without an object will be waited for until the deadline."""
    ended = cloud.audio.task_outcome(task)
    if not isinstance(ended, TaskOutcome) or ended.succeeded:
        return job
    failed = CompletionNotification(task, succeeded=False, code=ended.code, message=ended.message)
    return record_failure(failed, step, job, store, cloud)


def _due(step: Step, job: Job, store: JobStore, cloud: Context) -> bool:
    """Say whether a step may be started: nobody has just claimed it, and it has rested after it faltered.

    It rests for one patience, then two, four, and so on.
    """
    marks = sorted(
        fact for fact in job.facts if fact.kind in (FAILED_TRANSIENTLY, CLAIMED) and fact.step == step.number
    )
    if not marks:
        return True
    last = max(_moment(store.document(job.id, fact)["at"]) for fact in marks)
    tries = sum(fact.kind == FAILED_TRANSIENTLY for fact in marks)
    return _waited(last, cloud.settings.grace_period_s * 2 ** max(tries - 1, 0), cloud)


def _waited(since: datetime, seconds: float, cloud: Context) -> bool:
    """Say whether some time has passed."""
    return cloud.clock.now() - since >= timedelta(seconds=seconds)
