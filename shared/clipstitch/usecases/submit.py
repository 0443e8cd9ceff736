"""Start the job that an uploaded manifest asks for, once, however often the upload is reported."""

from collections.abc import Iterable

from clipstitch.common.errors import ClipstitchError, InvalidTriggerEvent
from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.logging import log_error, log_event, log_job
from clipstitch.jobs.job import Job
from clipstitch.usecases.context import Context
from clipstitch.usecases.execute import Run, execute
from clipstitch.usecases.plan_job import read_manifest


def submit_all(uploads: Iterable[ObjectRef], context: Context) -> list[Job]:
    """Submit every upload of an event and return the jobs; afterwards re-raise the first error."""
    jobs, errors = list[Job](), list[ClipstitchError]()
    for upload in uploads:
        try:
            job = submit(upload, context)
        except ClipstitchError as error:
            log_error("submit-failed", error, upload=upload.uri)
            errors.append(error)
        else:
            jobs += [job] if job else []
    if errors:
        raise errors[0]
    return jobs


def submit(ref: ObjectRef, context: Context) -> Job | None:
    """Plan and start the job of the manifest as it is now; return None if it does not exist or is not a manifest.

    The object determines the job, not the event: if the manifest was overwritten since, the newer job is started.
    Raises `InvalidTriggerEvent` for an object in another bucket, in which no sweep would recover the job.
    """
    if ref.bucket != context.settings.bucket:
        raise InvalidTriggerEvent(
            f"{ref.uri} is not in bucket {context.settings.bucket}, which CLIPSTITCH_BUCKET names"
        )
    if not ref.key.startswith(context.settings.manifest_prefix):
        log_event("not-a-manifest", upload=ref.uri)  # a trigger without a prefix also reports what the functions write
        return None
    if (upload := read_manifest(ref, context)) is None:
        log_event("manifest-gone", manifest=ref.uri)
        return None
    with log_job(upload.job_id):
        job = context.store.load(upload.job_id)
        if job.closed:
            context.store.delete_working_files(job)
            return job
        context.store.mark_open(job.id, upload.manifest.ref)
        return execute(job, context, Run(set(), upload=upload))
