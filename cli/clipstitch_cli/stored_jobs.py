"""Jobs in the configured bucket: find them by id, upload their manifests, and name what they leave."""

from typing import NamedTuple

from clipstitch.common.errors import CloudBusy, NewerState, ObjectNotFound, StateUnreadable
from clipstitch.common.identifiers import ManifestRef, ObjectRef, job_id_of
from clipstitch.common.ports import ObjectHeaders
from clipstitch.jobs.job import DECISION, DELIVERED, PLANNED, Decision, Job
from clipstitch.planning.plan import WORK, Plan
from clipstitch.usecases.context import Context
from clipstitch_cli.errors import UsageError

MAX_LISTED = 5  # jobs that an ambiguous id prefix lists


class JobNotFound(ObjectNotFound):
    """No job has that id."""

    code = "NO_SUCH_JOB"
    remedy = "`clipstitch jobs` lists the jobs; a prefix of an id is enough if only one job has it."


class JobNames(NamedTuple):
    """The URIs of a job's manifest and planned output; "" and None if they are not known."""

    manifest: str
    output: str | None = None


def job_names(job: Job, context: Context) -> JobNames:
    """Return the names of a listed job from one document: its plan, otherwise its decision, otherwise its marker.

    A document that cannot be read leaves them unknown.
    """
    try:
        if job.has(PLANNED):
            plan = context.store.value(Plan, job.id)
            return JobNames(plan.manifest.ref.uri, plan.output.ref.uri)
        if job.has(DECISION):
            return JobNames(context.store.value(Decision, job.id).manifest.ref.uri)
        return JobNames(context.store.manifest_of(job.id).uri)
    except (CloudBusy, NewerState, ObjectNotFound, StateUnreadable):
        return JobNames("")


def objects_of(job_id: str, manifest: ObjectRef, context: Context) -> list[ObjectRef]:
    """Return every object that a job may leave, except its manifest and output: marker, facts, work, result."""
    prefix = f"{context.settings.state_prefix}{WORK}{job_id}/"
    work = [ObjectRef(manifest.bucket, found.key) for found in context.objects.list(manifest.bucket, prefix)]
    return [*context.store.objects_of(job_id), *work, context.settings.result_ref(manifest)]


def manifest_uri(job: Job, context: Context) -> str:
    """Return a job's manifest; if only the marker of the job exists, the one that the marker names."""
    if known := job.plan or job.decision:
        return known.manifest.ref.uri
    try:
        return context.store.manifest_of(job.id).uri
    except (ObjectNotFound, ValueError):
        return ""


def pending_sinks(job: Job) -> list[str]:
    """Return the sinks whose delivery failed and will be retried."""
    return [] if job.closed else sorted(set(job.pending) - job.details(DELIVERED))


def upload_manifest(ref: ObjectRef, body: bytes, context: Context) -> str:
    """Upload a manifest and return the id of its job."""
    content_type = "application/json" if ref.key.endswith(".json") else "application/yaml"
    context.objects.write(ref, body, ObjectHeaders(content_type))
    return uploaded_job_id(ref, context)


def uploaded_job_id(manifest: ObjectRef, context: Context) -> str:
    """Return the id of an uploaded manifest's job. Raises ObjectNotFound."""
    info = context.objects.describe(manifest)
    return job_id_of(ManifestRef(manifest, info.etag), info.last_modified)


def find_job_id(prefix: str, context: Context) -> str:
    """Return the id of the only job whose id has a prefix. Raises JobNotFound, and UsageError if there are several."""
    if not prefix:  # for example a script's empty variable
        raise UsageError("the job id is empty; name a job")
    found = context.store.find(prefix)
    if not found:
        raise JobNotFound(f"no job's id begins with {prefix!r}")
    if len(found) > 1:
        listed = ", ".join(found[:MAX_LISTED]) + (", ..." if len(found) > MAX_LISTED else "")
        raise UsageError(f"{len(found)} jobs begin with {prefix!r}: {listed}")
    return found[0]
