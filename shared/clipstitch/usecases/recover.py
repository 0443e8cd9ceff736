"""Recover one job: do what lost messages and crashed functions left undone, and fail it after its deadline.

Recovery trusts no message, only objects and what the cloud says about its tasks. The sweep and `clipstitch retry` use
it.
"""

from contextlib import suppress
from datetime import datetime

from clipstitch.common.errors import CloudRefused, NewerState, ObjectNotFound, error_json
from clipstitch.common.logging import log_error, log_job, log_refusal
from clipstitch.common.ports import find_object
from clipstitch.jobs.decide import Observed, decide, is_overdue, output_conflict
from clipstitch.jobs.job import Failure, Job
from clipstitch.usecases.context import Context
from clipstitch.usecases.execute import Run, execute
from clipstitch.usecases.sink_monitor import SinkMonitor


def retry(job_id: str, context: Context) -> Job:
    """Recover a job now, without grace period and back-off; return it as it is then."""
    opened_at = None
    with suppress(ObjectNotFound):  # a closed job
        opened_at = context.store.opened_at(job_id)
    recover(job_id, opened_at, context, Run(SinkMonitor(), immediate=True))
    return context.store.load(job_id)


def recover(job_id: str, opened_at: datetime | None, context: Context, run: Run) -> Job:
    """Recover a job that was opened at that time, and return it. Raises every error, until the deadline has passed."""
    with log_job(job_id):
        job = context.store.load(job_id)._replace(opened_at=opened_at)
        if job.closed:
            context.store.delete_working_files(job)
            return job
        run = run._replace(cause="recovery")
        try:
            return execute(job, context, run._replace(observed=_observe(job, context)))
        except NewerState:
            raise  # a later version ends this job
        except Exception as error:
            job = context.store.load(job_id)._replace(opened_at=opened_at)
            observed = _observe(job, context)._replace(error=Failure(**error_json(error)))
            policy = context.policy._replace(immediate=run.immediate)
            if not decide(job, context.clock.now(), policy, "recovery", observed):
                raise
            log_error("job-failed", error)
            return execute(job, context, run._replace(observed=observed))


def _observe(job: Job, context: Context) -> Observed:
    """Look for the output of an overdue job that was to be published: such a job should not fail."""
    if (
        job.plan is None
        or job.decision is None
        or job.final
        or not is_overdue(job, context.clock.now(), context.policy)
    ):
        return Observed()
    ref = job.plan.output.ref
    try:
        existing = find_object(context.objects, ref)
    except CloudRefused as error:
        log_refusal("output-not-checked", error, f"oss:GetObject on {ref.bucket}/*", output=ref.uri)
        return Observed()
    return Observed(published=output_conflict(job.plan.publisher, ref, existing) == "own")
