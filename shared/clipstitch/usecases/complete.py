"""Record how a task ended, and continue its job. Called for every completion notification: late, early or duplicate."""

from contextlib import suppress
from functools import partial
from typing import NamedTuple

from clipstitch.common.errors import ClipstitchError, FailureUnconfirmed, ObjectNotFound, OutputNotVisible
from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.logging import log_event, log_job
from clipstitch.common.ports import Probe, TaskRunning, call_together
from clipstitch.inbound.completion_notification import CompletionNotification
from clipstitch.jobs.job import ACCEPTED, Fact, Job
from clipstitch.planning.plan import Plan, Step
from clipstitch.usecases.check_merge import changed_clips
from clipstitch.usecases.context import Context
from clipstitch.usecases.execute import Run, execute
from clipstitch.usecases.job_store import step_of_target
from clipstitch.usecases.sink_monitor import SinkMonitor
from clipstitch.usecases.task_outcomes import record_failure, record_success, task_outcome


class _Ended(NamedTuple):
    """A step whose task has ended, its job, and the probe of its target, if there is one."""

    job: Job
    step: Step
    made: Probe | ClipstitchError | None


def complete(notification: CompletionNotification, context: Context) -> Job | None:
    """Record the outcome of a task and continue its job; return None if the task is unknown."""
    ended = _find(notification, context)
    if ended is None:
        log_event("not-ours", task=notification.task_id)
        return None
    job, step, _ = ended
    with log_job(job.id):
        if job.closed:
            # The task of a crashed submit has a pointer but no fact.
            context.store.delete_working_files(job, [(notification.task_id, step.number)])
            return job
        job, changed = _record_and_compare(notification, ended, context)
        if job.plan and len(job.plan.steps) > 1:
            # Of steps that end together, each must see the facts of the others, or none would start the step that
            # needs them all. Every run lists after it has written, so the run that lists last sees all facts.
            job = context.store.refresh(job)
        return execute(job, context, Run(SinkMonitor(), cause=step.number, changed=changed))


def _find(notification: CompletionNotification, context: Context) -> _Ended | None:
    """Return the job and the step of a notification: by the target that it names, otherwise by its task id.

    The key of the target names job and step, so a notification that arrives before the `accepted` fact finds its job.
    """
    for target in notification.targets:
        if place := step_of_target(target.key, context.settings.state_prefix):
            return _load(place, target, context, probe=notification.succeeded)
    place = context.store.step_of_task(notification.task_id) if notification.task_id else None
    return _load(place, None, context, probe=False) if place else None


def _load(place: tuple[str, int], target: ObjectRef | None, context: Context, *, probe: bool) -> _Ended | None:
    """Load the job and the step, and probe the target meanwhile; return None if the notification does not match."""
    refs = [target] if probe and target and target.bucket == context.settings.bucket else []
    load, probe_target = partial(context.store.load, place[0], planned=True), partial(context.audio.probe, refs)
    job, probes = call_together(context.workers, load, probe_target) if refs else (load(), {})
    step = next((step for step in job.plan.steps if step.number == place[1]), None) if job.plan else None
    if step is None or (target is not None and step.target != target):
        return None
    return _Ended(job, step, probes.get(step.target))


def _record_and_compare(
    notification: CompletionNotification, ended: _Ended, context: Context
) -> tuple[Job, frozenset[int] | None]:
    """Record the outcome; if it is the success of the last step, look meanwhile for clips that were replaced."""
    job, step, _ = ended
    record = partial(_record, notification, ended, context)
    if job.plan is None or step != job.plan.final or not notification.succeeded or job.decision is not None:
        return record(), None
    recorded, changed = call_together(context.workers, record, partial(_changed_clips, job.plan, context))
    return recorded, changed


def _changed_clips(plan: Plan, context: Context) -> frozenset[int] | None:
    """Return the clips that were replaced since the plan; None if that cannot be known now."""
    with suppress(ClipstitchError):
        return changed_clips(plan, context)
    return None


def _record(notification: CompletionNotification, ended: _Ended, context: Context) -> Job:
    """Record the outcome. A notification is no proof: success counts once the target exists."""
    job, step, made = ended
    task = notification.task_id
    if not notification.succeeded:
        failed = _confirm(notification, step, job, context) if job.decision is None else notification
        return record_failure(failed, step, job, context)
    if job.decision is not None:
        return job
    try:
        return record_success(task, step, job, context, made)
    except ObjectNotFound as error:
        raise OutputNotVisible(f"task {task} is reported done, but {step.target.uri} does not exist") from error


def _confirm(notification: CompletionNotification, step: Step, job: Job, context: Context) -> CompletionNotification:
    """Return the failure of a task that is recorded for this step, in the words of the cloud where it can be asked.

    A notification that arrives before the task is recorded is delivered again. A task that was never recorded, since
    submit crashed, cannot fail its step; the sweep starts the step again.
    """
    task = notification.task_id
    recorded = Fact(ACCEPTED, step.number, task) in job.facts
    if not recorded and context.store.step_of_task(task) != (job.id, step.number):
        raise FailureUnconfirmed(f"task {task} is reported failed, but is not recorded for {step.target.uri}")
    ended = task_outcome(task, context)
    if isinstance(ended, TaskRunning) or (ended and ended.succeeded):
        state = "is running" if isinstance(ended, TaskRunning) else "has succeeded"
        raise FailureUnconfirmed(f"task {task} is reported failed, but the cloud says that it {state}")
    return notification._replace(code=ended.code, message=ended.message) if ended else notification
