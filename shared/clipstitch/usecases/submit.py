"""Start the job that an uploaded manifest asks for, once, however often we are told of the upload."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from urllib.parse import unquote

from clipstitch.common.clock import timestamp
from clipstitch.common.errors import (
    AlreadyExists,
    ClipstitchError,
    CloudBusy,
    InvalidManifest,
    InvalidTriggerEvent,
    NotAudio,
    ObjectArchived,
    ObjectNotFound,
)
from clipstitch.common.identifiers import ManifestRef, ObjectRef, job_id_of, uploaded_at
from clipstitch.common.logging import log_event
from clipstitch.common.ports import ObjectContent, ObjectHeaders
from clipstitch.jobs.job import WAITING, Decision, Fact, Failure, Job
from clipstitch.manifest.documents import MAX_BYTES
from clipstitch.manifest.expand_globs import expand_globs
from clipstitch.manifest.model import Clip, Manifest
from clipstitch.manifest.parse import in_order, parse
from clipstitch.planning.plan import Plan, PlanningContext
from clipstitch.planning.planner import clip_issues, make_plan
from clipstitch.planning.silence_flac import silence_flac
from clipstitch.usecases.context import Context
from clipstitch.usecases.execute import execute
from clipstitch.usecases.job_store import JobStore

_MAY_COME = {"CLIP_NOT_FOUND", "GLOB_EMPTY"}  # issues that time may mend


def submit_all(uploads: Iterable[ObjectRef], cloud: Context) -> list[Job]:
    """Submit all uploads of one event; what the first of them in trouble raises comes when all have had their turn."""
    jobs, trouble = list[Job](), list[ClipstitchError]()
    for upload in uploads:
        try:
            job = submit(upload, cloud)
        except ClipstitchError as error:
            log_event("submit-trouble", upload=upload.uri, **error.as_json())
            trouble.append(error)
        else:
            jobs += [job] if job else []
    if trouble:
        raise trouble[0]
    return jobs


def submit(upload: ObjectRef, cloud: Context) -> Job | None:
    """Plan and start the job of the manifest as it is now; None when it has gone meanwhile.

    The object names the job, not the event: a manifest that was overwritten since is the newer job. `InvalidTriggerEvent` when
    it lies in a bucket in which no sweep would look after its job.
    """
    if upload.bucket != cloud.settings.bucket:
        raise InvalidTriggerEvent(
            f"{upload.uri} is not in {cloud.settings.bucket}, the bucket that CLIPSTITCH_BUCKET names"
        )
    if not upload.key.startswith(cloud.settings.manifest_prefix):
        log_event(
            "not-a-manifest", upload=upload.uri
        )  # a trigger that is too broad must not make us read our own results
        return None
    if (found := _read(upload, cloud)) is None:
        log_event("manifest-gone", manifest=upload.uri)
        return None
    upload, content = found
    manifest = ManifestRef(upload, content.about.etag)
    store = cloud.store(upload.bucket)
    job = store.load(job_id_of(manifest, content.about.last_modified))
    if job.closed:
        store.clear(job)
        return job
    store.open(job.id, upload)
    if job.plan is None and job.decision is None:
        job = _plan_or_judge(job, manifest, content, store, cloud)
    return execute(job, store, cloud)


def _read(upload: ObjectRef, cloud: Context) -> tuple[ObjectRef, ObjectContent] | None:
    """Read a manifest. By all samples, events name keys as they are; as nobody promises it, unquote once."""
    for key in dict.fromkeys((upload.key, unquote(upload.key))):
        ref = ObjectRef(upload.bucket, key)
        with suppress(ObjectNotFound):
            return ref, cloud.objects.read(ref, limit=MAX_BYTES + 1)
    return None


def _plan_or_judge(job: Job, manifest: ManifestRef, content: ObjectContent, store: JobStore, cloud: Context) -> Job:
    """Freeze a plan, or decide at once that there will be none, or wait for clips; what is written first counts."""
    wait = timedelta()
    try:
        parsed = _parse(manifest, content.body, cloud)
        wait = timedelta(milliseconds=parsed.wait_ms)
        plan = _plan(job.id, manifest, parsed, cloud)
        _make_silences(plan, cloud)
        return store.plan(job, plan)
    except InvalidManifest as bad:
        until = uploaded_at(job.id) + wait
        if wait and cloud.clock.now() < until and {issue.code for issue in bad.issues} <= _MAY_COME:
            missing = [issue.as_json() for issue in bad.issues]
            return store.add(
                job, Fact(WAITING), {"at": cloud.timestamp(), "until": timestamp(until), "missing": missing}
            )
        sinks = cloud.settings.sink_names
        decision = Decision("reject", manifest, cloud.timestamp(), sinks, issues=bad.issues, planned=False)
    except ClipstitchError as error:
        if error.retryable:
            raise
        reason = Failure(error.code, str(error), error.remedy)
        decision = Decision("fail", manifest, cloud.timestamp(), cloud.settings.sink_names, error=reason, planned=False)
    return store.judge(job, decision)


def plan_for(job_id: str, manifest: ManifestRef, body: bytes, cloud: Context) -> Plan:
    """Say what submitting a manifest would do; `InvalidManifest` with every issue. Writes nothing."""
    return _plan(job_id, manifest, _parse(manifest, body, cloud), cloud)


def _parse(manifest: ManifestRef, body: bytes, cloud: Context) -> Manifest:
    """Read a manifest."""
    with _every_mistake(manifest, cloud):
        return parse(body, manifest.ref, cloud.settings.limits)


def _plan(job_id: str, manifest: ManifestRef, parsed: Manifest, cloud: Context) -> Plan:
    """Look at a manifest's clips, and plan."""
    settings = cloud.settings
    bucket = manifest.ref.bucket
    with _every_mistake(manifest, cloud):
        resolved = expand_globs(parsed, lambda prefix: cloud.objects.list(bucket, prefix), settings.limits, bucket)
    refs = dict.fromkeys(ObjectRef(bucket, clip.key) for clip in resolved.manifest.clips if isinstance(clip, Clip))
    probes = cloud.audio.probe(list(refs))
    place = PlanningContext(job_id, manifest, settings.state_prefix, settings.completion_topic, settings.sink_names)
    return make_plan(resolved.manifest, probes, place, resolved.paths)


@contextmanager
def _every_mistake(manifest: ManifestRef, cloud: Context) -> Iterator[None]:
    """Look at the clips even where a manifest has other mistakes, so that its author hears of all at once."""
    try:
        yield
    except InvalidManifest as bad:
        clips = [(path, ObjectRef(manifest.ref.bucket, key)) for path, key in bad.clips]
        probes = cloud.audio.probe(list(dict.fromkeys(ref for _, ref in clips)))
        if busy := next((probe for probe in probes.values() if isinstance(probe, CloudBusy)), None):
            raise busy from bad  # what is wrong with that clip, we shall know next time
        poor = [
            (path, ref, probes[ref])
            for path, ref in clips
            if isinstance(probes[ref], ObjectArchived | ObjectNotFound | NotAudio)
        ]
        more = [issue for path, ref, probe in poor for issue in clip_issues(path, Clip(ref.key), probe)]
        raise InvalidManifest(in_order([*bad.issues, *more])) from bad


def _make_silences(plan: Plan, cloud: Context) -> None:
    """Make the silences that the steps need. One that is there is right: its name says all there is to it."""
    for quiet in plan.silences:
        with suppress(AlreadyExists):
            body = silence_flac(quiet.samples, quiet.sample_rate, quiet.channels)
            cloud.objects.write(quiet.ref, body, ObjectHeaders("audio/flac"), once=True)
