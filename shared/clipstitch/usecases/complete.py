"""Write down how a task ended, and bring its job on. Called for every notice, however late, doubled or early."""

from clipstitch.common.cloud_errors import is_transient, remedy_for
from clipstitch.common.errors import FailureUnconfirmed, ObjectNotFound, OutputNotVisible
from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.logging import log_event
from clipstitch.common.ports import TaskRunning
from clipstitch.inbound.completion_notification import CompletionNotification
from clipstitch.jobs.job import ACCEPTED, FAILED, FAILED_TRANSIENTLY, SUCCEEDED, Fact, Job
from clipstitch.planning.plan import Plan, Step
from clipstitch.usecases.context import Context
from clipstitch.usecases.execute import execute
from clipstitch.usecases.job_store import JobStore, job_of_step_target


def complete(notice: CompletionNotification, cloud: Context) -> Job | None:
    """Record a task's outcome and advance its job; None when the task is not one of ours."""
    found = _find(notice, cloud)
    if found is None:
        log_event("not-ours", task=notice.task_id)
        return None
    store, job, step = found
    if job.closed:
        store.clear(job.with_facts(_outcome(notice, step)))  # a task that submit died upon has a pointer, but no fact
        return job
    job = _record(notice, step, job, store, cloud)
    if job.plan and len(job.plan.steps) > 1:
        # Of siblings that end at the same time, each must see the other's fact, or nobody would start their parent:
        # everybody lists after writing, so whoever lists last sees all.
        job = store.refresh(job)
    return execute(job, store, cloud, cause=step.number)


def _find(notice: CompletionNotification, cloud: Context) -> tuple[JobStore, Job, Step] | None:
    """Match a notice by the target it names, and only otherwise by its task id.

    The target's key carries job and step, so a notice that overtakes our own `accepted` fact still finds its job.
    """
    store = cloud.store(cloud.settings.bucket)
    for target in notice.targets:
        if place := job_of_step_target(target.key, cloud.settings.state_prefix):
            return _load(place, target, store)
    place = store.follow(notice.task_id) if notice.task_id else None
    return _load(place, None, store) if place else None


def _load(place: tuple[str, int], target: ObjectRef | None, store: JobStore) -> tuple[JobStore, Job, Step] | None:
    """Load the job and the step; a notice that does not fit the plan is not ours, whatever it claims."""
    job = store.load(place[0])
    step = _step(job.plan, place[1]) if job.plan else None
    if step is None or (target is not None and step.target != target):
        return None
    return store, job, step


def _step(plan: Plan, number: int) -> Step | None:
    """Return a step of a plan by its number."""
    return next((step for step in plan.steps if step.number == number), None)


def _record(notice: CompletionNotification, step: Step, job: Job, store: JobStore, cloud: Context) -> Job:
    """Add the outcome to the facts. A notice is no proof: success is believed when the object is there."""
    heard = {"at": cloud.timestamp()}
    if not notice.succeeded:
        failed = _confirmed(notice, step, job, store, cloud) if job.decision is None else notice
        return record_failure(failed, step, job, store, cloud)
    if job.decision is not None:
        return job.with_facts(_outcome(notice, step))
    try:
        made = cloud.objects.describe(step.target)
    except ObjectNotFound as error:
        raise OutputNotVisible(f"task {notice.task_id} is reported done, but {step.target.uri} is not there") from error
    return store.add(job, _outcome(notice, step), {"size": made.size, **heard})


def _confirmed(
    notice: CompletionNotification, step: Step, job: Job, store: JobStore, cloud: Context
) -> CompletionNotification:
    """Believe a failure of a task that we noted for this step, in the cloud's own words where it can be asked.

    A notice that is faster than our note comes again. One of a task that nobody noted, since submit died upon it, is
    never believed, and need not be: the sweep starts the step again.
    """
    noted = Fact(ACCEPTED, step.number, notice.task_id) in job.facts
    if not noted and store.follow(notice.task_id) != (job.id, step.number):
        raise FailureUnconfirmed(f"task {notice.task_id} is reported failed, but is not noted for {step.target.uri}")
    ended = cloud.audio.task_outcome(notice.task_id)
    if isinstance(ended, TaskRunning) or (ended and ended.succeeded):
        how = "runs" if isinstance(ended, TaskRunning) else "has succeeded"
        raise FailureUnconfirmed(f"task {notice.task_id} is reported failed, but IMM says that it {how}")
    return notice._replace(code=ended.code, message=ended.message) if ended else notice


def record_failure(notice: CompletionNotification, step: Step, job: Job, store: JobStore, cloud: Context) -> Job:
    """Write down that a task failed: for good, or (a few times) for a reason that passes; the sweep starts it again."""
    remedy = remedy_for(notice.code, notice.message)
    failure = {"code": notice.code or "TASK_FAILED", "message": notice.message, "remedy": remedy}
    tries = sum(fact.kind == FAILED_TRANSIENTLY and fact.step == step.number for fact in job.facts)
    passes = is_transient(notice.code, notice.message) and tries < cloud.settings.max_retries
    fact = Fact(FAILED_TRANSIENTLY, step.number, notice.task_id) if passes else _outcome(notice, step)
    return store.add(job, fact, {**failure, "at": cloud.timestamp()})


def _outcome(notice: CompletionNotification, step: Step) -> Fact:
    """Say as a fact how the task ended."""
    return Fact(SUCCEEDED if notice.succeeded else FAILED, step.number, notice.task_id)
