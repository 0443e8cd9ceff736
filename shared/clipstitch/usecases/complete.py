"""Write down how a task ended, and bring its job on. Called for every notice, however late, doubled or early."""

from clipstitch.common.cloud_errors import passing, remedy_for
from clipstitch.common.errors import Missing, NotYetThere, Unconfirmed
from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.logging import say
from clipstitch.common.ports import Running
from clipstitch.inbound.completion_notification import Notice
from clipstitch.jobs.job import ACCEPTED, FAILED, FALTERED, SUCCEEDED, Fact, Job
from clipstitch.planning.plan import Plan, Step
from clipstitch.usecases.context import Cloud
from clipstitch.usecases.execute import advance
from clipstitch.usecases.job_store import Ledger, job_of_target


def complete(notice: Notice, cloud: Cloud) -> Job | None:
    """Record a task's outcome and advance its job; None when the task is not one of ours."""
    found = _find(notice, cloud)
    if found is None:
        say("not-ours", task=notice.task_id)
        return None
    ledger, job, step = found
    if job.closed:
        ledger.clear(job.learns(_outcome(notice, step)))  # a task that submit died upon has a pointer, but no fact
        return job
    job = _record(notice, step, job, ledger, cloud)
    if job.plan and len(job.plan.steps) > 1:
        # Of siblings that end at the same time, each must see the other's fact, or nobody would start their parent:
        # everybody lists after writing, so whoever lists last sees all.
        job = ledger.refresh(job)
    return advance(job, ledger, cloud, cause=step.number)


def _find(notice: Notice, cloud: Cloud) -> tuple[Ledger, Job, Step] | None:
    """Match a notice by the target it names, and only otherwise by its task id.

    The target's key carries job and step, so a notice that overtakes our own `accepted` fact still finds its job.
    """
    ledger = cloud.ledger(cloud.settings.bucket)
    for target in notice.targets:
        if place := job_of_target(target.key, cloud.settings.state_prefix):
            return _load(place, target, ledger)
    place = ledger.follow(notice.task_id) if notice.task_id else None
    return _load(place, None, ledger) if place else None


def _load(place: tuple[str, int], target: ObjectRef | None, ledger: Ledger) -> tuple[Ledger, Job, Step] | None:
    """Load the job and the step; a notice that does not fit the plan is not ours, whatever it claims."""
    job = ledger.load(place[0])
    step = _step(job.plan, place[1]) if job.plan else None
    if step is None or (target is not None and step.target != target):
        return None
    return ledger, job, step


def _step(plan: Plan, number: int) -> Step | None:
    """Return a step of a plan by its number."""
    return next((step for step in plan.steps if step.number == number), None)


def _record(notice: Notice, step: Step, job: Job, ledger: Ledger, cloud: Cloud) -> Job:
    """Add the outcome to the facts. A notice is no proof: success is believed when the object is there."""
    heard = {"at": cloud.timestamp()}
    if not notice.succeeded:
        failed = _confirmed(notice, step, job, ledger, cloud) if job.verdict is None else notice
        return record_failure(failed, step, job, ledger, cloud)
    if job.verdict is not None:
        return job.learns(_outcome(notice, step))
    try:
        made = cloud.objects.describe(step.target)
    except Missing as error:
        raise NotYetThere(f"task {notice.task_id} is reported done, but {step.target.uri} is not there") from error
    return ledger.add(job, _outcome(notice, step), {"size": made.size, **heard})


def _confirmed(notice: Notice, step: Step, job: Job, ledger: Ledger, cloud: Cloud) -> Notice:
    """Believe a failure of a task that we noted for this step, in the cloud's own words where it can be asked.

    A notice that is faster than our note comes again. One of a task that nobody noted, since submit died upon it, is
    never believed, and need not be: the sweep starts the step again.
    """
    noted = Fact(ACCEPTED, step.number, notice.task_id) in job.facts
    if not noted and ledger.follow(notice.task_id) != (job.id, step.number):
        raise Unconfirmed(f"task {notice.task_id} is reported failed, but is not noted for {step.target.uri}")
    ended = cloud.audio.ended(notice.task_id)
    if isinstance(ended, Running) or (ended and ended.succeeded):
        how = "runs" if isinstance(ended, Running) else "has succeeded"
        raise Unconfirmed(f"task {notice.task_id} is reported failed, but IMM says that it {how}")
    return notice._replace(code=ended.code, message=ended.message) if ended else notice


def record_failure(notice: Notice, step: Step, job: Job, ledger: Ledger, cloud: Cloud) -> Job:
    """Write down that a task failed: for good, or (a few times) for a reason that passes; the sweep starts it again."""
    remedy = remedy_for(notice.code, notice.message)
    failure = {"code": notice.code or "TASK_FAILED", "message": notice.message, "remedy": remedy}
    tries = sum(fact.kind == FALTERED and fact.step == step.number for fact in job.facts)
    passes = passing(notice.code, notice.message) and tries < cloud.settings.max_retries
    fact = Fact(FALTERED, step.number, notice.task_id) if passes else _outcome(notice, step)
    return ledger.add(job, fact, {**failure, "at": cloud.timestamp()})


def _outcome(notice: Notice, step: Step) -> Fact:
    """Say as a fact how the task ended."""
    return Fact(SUCCEEDED if notice.succeeded else FAILED, step.number, notice.task_id)
