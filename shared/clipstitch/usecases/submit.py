"""Start the job that an uploaded manifest asks for, once, however often the upload is reported."""

from collections.abc import Iterable
from datetime import timedelta

from clipstitch.common.errors import InvalidTriggerEvent
from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.logging import log_error, log_event, log_job
from clipstitch.jobs.job import Job
from clipstitch.usecases.context import Context
from clipstitch.usecases.execute import Run, execute
from clipstitch.usecases.plan_job import UploadedManifest, read_manifest
from clipstitch.usecases.sink_monitor import SinkMonitor


def submit_all(refs: Iterable[ObjectRef], context: Context) -> list[Job]:
    """Submit every upload of an event and return the jobs; afterwards re-raise the first error."""
    jobs, errors = list[Job](), list[Exception]()
    for ref in refs:
        upload = None
        try:
            if upload := _read(ref, context):
                jobs.append(_start(upload, context))
        except Exception as error:  # noqa: BLE001 - one upload must not stop the others; the first error is re-raised
            log_error("submit-failed", error, upload=ref.uri, **({"job": upload.job_id} if upload else {}))
            errors.append(error)
    if errors:
        raise errors[0]
    return jobs


def submit(ref: ObjectRef, context: Context) -> Job | None:
    """Plan and start the job of the manifest as it is now; return None if it does not exist or is not a manifest (yet).

    The object determines the job, not the event: if the manifest was overwritten since, the newer job is started.
    A new object without content is left to the sweep, which rejects it if it stays empty for the grace period.
    Raises `InvalidTriggerEvent` for an object in another bucket, in which no sweep would recover the job.
    """
    upload = _read(ref, context)
    return _start(upload, context) if upload else None


def _read(ref: ObjectRef, context: Context) -> UploadedManifest | None:
    if ref.bucket != context.settings.bucket:
        raise InvalidTriggerEvent(
            f"{ref.uri} is not in bucket {context.settings.bucket}, which CLIPSTITCH_BUCKET names"
        )
    if not ref.key.startswith(context.settings.manifest_prefix):
        log_event("not-a-manifest", upload=ref.uri)  # a trigger without a prefix also reports what the functions write
        return None
    upload = read_manifest(ref, context)
    if upload is None:
        log_event("manifest-gone", manifest=ref.uri)
    elif not upload.body and _is_new(upload, context):
        # File systems on top of OSS (ossfs and others) create an empty object first, and then write the content.
        log_event("manifest-empty", manifest=ref.uri)
        return None
    return upload


def _is_new(upload: UploadedManifest, context: Context) -> bool:
    return context.clock.now() - upload.last_modified < timedelta(seconds=context.settings.grace_period_s)


def _start(upload: UploadedManifest, context: Context) -> Job:
    """Open the job and bring it on. A job that was just opened has no facts, or is a closed one: its plan tells."""
    with log_job(upload.job_id):
        opened = context.store.mark_open(upload.job_id, upload.manifest.ref)
        job = Job(upload.job_id) if opened else context.store.load(upload.job_id)
        if not job.closed:
            job = execute(job, context, Run(SinkMonitor(), upload=upload))
        if job.closed:
            context.store.delete_working_files(job)
        return job
