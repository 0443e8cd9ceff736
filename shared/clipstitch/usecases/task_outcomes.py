"""Record how tasks ended."""

from clipstitch.common.cloud_errors import is_transient, remedy_for
from clipstitch.common.errors import ClipstitchError, ObjectNotFound
from clipstitch.common.ports import Probe, TaskOutcome, TaskRunning
from clipstitch.common.render_task import is_render_task
from clipstitch.inbound.completion_notification import CompletionNotification
from clipstitch.jobs.job import FAILED, FAILED_TRANSIENTLY, FOUND, Fact, Job, success_fact
from clipstitch.planning.lengths import measured_length
from clipstitch.planning.plan import Step
from clipstitch.usecases.context import Context


def record_success(
    task_id: str, step: Step, job: Job, context: Context, made: Probe | ClipstitchError | None = None
) -> Job:
    """Record that a step succeeded, with the length of its target; raise `ObjectNotFound` if that does not exist.

    Probing answers both questions. If it is refused, the object alone proves the success, without a length; publishing
    probes the output again. `made` is the probe of the target, if it was made already.
    """
    made = made or context.audio.probe([step.target])[step.target]
    if isinstance(made, Probe):
        fact = success_fact(step.number, task_id, measured_length(made))
        return context.store.add(job, fact, {"length_s": made.duration_s, "etag": made.etag})
    if made.retryable or isinstance(made, ObjectNotFound):
        raise made
    context.objects.describe(step.target)
    return context.store.add(job, success_fact(step.number, task_id, None), {"not_measured": made.as_json()})


def record_failure(task: CompletionNotification, step: Step, job: Job, context: Context) -> Job:
    """Record that a task failed: transiently, a few times, so that the sweep starts the step again; else for good."""
    tries = sum(fact.kind == FAILED_TRANSIENTLY and fact.step == step.number for fact in job.facts)
    retry = is_transient(task.code, task.message) and tries < context.settings.max_retries
    fact = Fact(FAILED_TRANSIENTLY if retry else FAILED, step.number, task.task_id)
    remedy = remedy_for(task.code, task.message)
    failure = {"code": task.code or "TASK_FAILED", "message": task.message, "remedy": remedy}
    return context.store.add(job, fact, failure)


def look_up(step: Step, job: Job, context: Context) -> Job:
    """Record how the running tasks of a step ended, as far as it can be known.

    The target of the step proves success; otherwise the cloud is asked about the tasks. A task that is reported as
    succeeded but left no target counts as running, until the deadline.
    """
    try:
        return record_success(FOUND, step, job, context)
    except ObjectNotFound:
        for task in sorted(job.running(step.number)):
            ended = task_outcome(task, context)
            if isinstance(ended, TaskOutcome) and not ended.succeeded:
                failed = CompletionNotification(task, succeeded=False, code=ended.code, message=ended.message)
                job = record_failure(failed, step, job, context)
        return job


def task_outcome(task_id: str, context: Context) -> TaskOutcome | TaskRunning | None:
    """Return the result of a task, or that it is running; None if that cannot be known."""
    return context.renders.outcome(task_id) if is_render_task(task_id) else context.audio.task_outcome(task_id)
