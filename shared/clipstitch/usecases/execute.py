"""Perform the actions that `decide` returns, until the job waits or is closed. The only module that acts on a job.

Every action may be interrupted at any point and repeated: it either left nothing, or recorded the fact that ends it.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from clipstitch.common.errors import ClipstitchError, StateUnreadable
from clipstitch.common.exhaustive import assert_never
from clipstitch.common.identifiers import ManifestRef, ObjectRef
from clipstitch.common.logging import log_event
from clipstitch.common.render_task import RenderTask
from clipstitch.jobs import decide
from clipstitch.jobs.job import ACCEPTED, FAILED, FAILED_TRANSIENTLY, REFUSED, Decision, Fact, Failure, Job, Result
from clipstitch.planning.plan import Plan, Step
from clipstitch.usecases.context import Context
from clipstitch.usecases.publish import publish
from clipstitch.usecases.sink_monitor import SinkMonitor
from clipstitch.usecases.task_outcomes import look_up

if TYPE_CHECKING:
    from clipstitch.usecases.plan_job import UploadedManifest


class Run(NamedTuple):
    """One run on a job: why it is made and what is known before. `upload` is the manifest, if it was read already.

    `changed` are the clips, by index, that were replaced since the plan, if that was looked for already.
    `sinks` knows how the sinks respond in this invocation. `immediate`: an operator asks.
    """

    sinks: SinkMonitor
    cause: decide.Cause = "upload"
    upload: "UploadedManifest | None" = None
    changed: frozenset[int] | None = None
    observed: decide.Observed = decide.Observed()
    immediate: bool = False


def execute(job: Job, context: Context, run: Run) -> Job:
    """Perform the actions of a job until there is none left, and return the job.

    Raises retryable errors of the cloud.
    """
    policy = context.policy._replace(immediate=run.immediate)
    seen = run.observed._replace(unresponsive=run.sinks.unresponsive)
    while actions := decide.decide(job, context.clock.now(), policy, run.cause, seen):
        together = [action for action in actions if action.kind == actions[0].kind]
        for action in together:
            log_event("action", job=job.id, action=action.kind)
        job = _perform_together(together, job, context, run)
        seen = seen._replace(done=seen.done.union(together), unresponsive=run.sinks.unresponsive)
    return job


def _perform_together(actions: Sequence[decide.Action], job: Job, context: Context, run: Run) -> Job:
    """Perform actions of one kind, several at once, and return the job with all that they recorded."""
    if isinstance(actions[0], decide.Deliver):
        from clipstitch.usecases.deliver import deliver  # noqa: PLC0415 - no part of most cold starts of submit

        sinks = [action.sink for action in actions if isinstance(action, decide.Deliver)]
        return deliver(sinks, job, context, run.sinks)
    if len(actions) == 1:
        return _perform(actions[0], job, context, run)
    jobs = context.workers.map(lambda action: _perform(action, job, context, run), actions)
    return job.with_facts(*(each.facts for each in jobs))


def _perform(action: decide.Action, job: Job, context: Context, run: Run) -> Job:  # noqa: PLR0911, RET503 - one return for each action, and assert_never
    """Perform one action and return the job with what it recorded."""
    match action:
        case decide.MakePlan():
            return _make_plan(job, context, run.upload)
        case decide.LookUp(step):
            return look_up(step, job, context)
        case decide.Start(step, claim_for):
            claimed = claim_for is None or context.store.claim(job, step.number, claim_for)
            return _start(step, job, context) if claimed else job
        case decide.RecordDecision(failed):
            return context.store.record(job, _decision(failed, job, context))
        case decide.Fail(error):
            return _fail(job, error, context)
        case decide.Publish():
            overdue = decide.is_overdue(job, context.clock.now(), context.policy)
            return context.store.record(job, publish(job, context, overdue=overdue, changed=run.changed))
        case decide.Deliver():
            return _perform_together([action], job, context, run)
        case decide.Abandon(sink):
            from clipstitch.usecases.deliver import abandon  # noqa: PLC0415 - as above

            return abandon(sink, job, context)
        case decide.Close():
            log_event("job-closed", job=job.id, state=job.state)
            return context.store.close(job)
        case _:
            assert_never(action)


def _plan_of(job: Job) -> Plan:
    assert job.plan is not None, f"job {job.id} has no plan"
    return job.plan


def _make_plan(job: Job, context: Context, upload: "UploadedManifest | None") -> Job:
    """Plan the job; fail it if its version of the manifest does not exist any more, or can never be read."""
    from clipstitch.usecases.plan_job import plan_job, read_manifest  # noqa: PLC0415 - complete plans nothing

    if upload is None:
        ref = context.store.manifest_of(job.id)
        try:
            upload = read_manifest(ref, context)
        except ClipstitchError as error:
            if error.retryable:
                raise
            return _fail(job, Failure(**error.as_json()), context)
        if upload is None or upload.job_id != job.id:
            return _fail(job, decide.manifest_gone(ref.uri), context)
    return plan_job(job, upload, context)


def _start(step: Step, job: Job, context: Context) -> Job:
    """Start a task for a step. Record a non-retryable error as a step failure."""
    try:
        task = _start_render(step, job, context) if step.render else context.audio.start(step.main, step.process)
    except ClipstitchError as error:
        if error.retryable:
            raise
        return context.store.add(job, Fact(FAILED, step.number, REFUSED), error.as_json())
    context.store.point_to_step(task, job.id, step.number)
    return context.store.add(job, Fact(ACCEPTED, step.number, task))


def _start_render(step: Step, job: Job, context: Context) -> str:
    """Start the next attempt of a render step, and return its id. Runs that start it at the same time start it once."""
    failed = sum(fact.kind == FAILED_TRANSIENTLY and fact.step == step.number for fact in job.facts)
    task = RenderTask(job.id, step.number, failed + 1, step.target)
    context.renders.start(task)
    return task.id


def _decision(failed: Step | None, job: Job, context: Context) -> Decision:
    """Return the decision to publish, or to fail for the first reason of the failed step."""
    plan = _plan_of(job)
    place = context.settings.result_ref(plan.manifest.ref)
    at, sinks = context.timestamp(), plan.sinks
    decision = Decision("publish", plan.manifest, at, sinks, tasks=job.tasks, result_object=place)
    if failed is None:
        return decision
    reason = min(fact for fact in job.facts if fact.kind == FAILED and fact.step == failed.number)
    error = context.store.failure(job, reason)
    named = error._replace(message=f"{_clips_of(failed, plan)}: {error.message}")
    return decision._replace(kind="fail", error=named)


def _clips_of(step: Step, plan: Plan) -> str:
    """Name the clips of a step, of which the message of the cloud may name one."""
    keys = [clip.key for clip in plan.clips[step.clips[0] : step.clips[1] + 1] if clip.key]
    if len(keys) < 2:
        return f"clip `{keys[0]}`" if keys else "a silence"
    return f"{len(keys)} clips, `{keys[0]}` to `{keys[-1]}`"


def _fail(job: Job, error: Failure, context: Context) -> Job:
    """Record that the job failed: as the result if it was to be published, else as the decision."""
    if job.decision is not None:
        return context.store.record(job, Result(context.timestamp(), error=error))
    manifest = job.plan.manifest if job.plan else ManifestRef(_manifest_of(job, context), "")
    sinks = job.plan.sinks if job.plan else context.settings.sink_names
    decision = Decision("fail", manifest, context.timestamp(), sinks, error=error, planned=job.plan is not None)
    place = context.settings.result_ref(manifest.ref)
    return context.store.record(job, decision._replace(tasks=job.tasks, result_object=place))


def _manifest_of(job: Job, context: Context) -> ObjectRef:
    """Return the manifest of a job without a plan; the marker in its place, if that is damaged and does not name it."""
    try:
        return context.store.manifest_of(job.id)
    except StateUnreadable:
        return context.store.marker(job.id)
