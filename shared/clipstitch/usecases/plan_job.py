"""Plan a job: parse its manifest, expand globs, probe the clips, and record a plan or a decision."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import Literal, NamedTuple
from urllib.parse import unquote

from clipstitch.common import errors
from clipstitch.common.clock import timestamp
from clipstitch.common.identifiers import ManifestRef, ObjectRef, job_id_of, uploaded_at
from clipstitch.common.logging import log_refusal
from clipstitch.common.ports import ObjectHeaders, Probe, find_object
from clipstitch.jobs.decide import output_conflict
from clipstitch.jobs.job import Decision, Failure, Job, waiting_fact
from clipstitch.manifest.documents import MAX_BYTES
from clipstitch.manifest.expand_globs import expand_globs
from clipstitch.manifest.model import Clip, Entry, Manifest
from clipstitch.manifest.object_keys import webvtt_key
from clipstitch.manifest.parse import in_order, parse
from clipstitch.planning.plan import Plan, PlanningContext, Publisher
from clipstitch.planning.planner import clip_issues, make_plan
from clipstitch.planning.silence_flac import silence_flac
from clipstitch.usecases.context import Context
from clipstitch.usecases.probe_clips import ProbedClips, probe_clips

_MAY_APPEAR = {"CLIP_NOT_FOUND", "GLOB_EMPTY"}  # issues that an upload of the clip resolves


class UploadedManifest(NamedTuple):
    """One version of a manifest, with its content (at most one byte more than is allowed)."""

    manifest: ManifestRef
    last_modified: datetime
    body: bytes

    @property
    def job_id(self) -> str:
        """The id of the job of this version."""
        return job_id_of(self.manifest, self.last_modified)


def read_manifest(ref: ObjectRef, context: Context) -> UploadedManifest | None:
    """Return a manifest as it is now; None if it does not exist.

    All samples of OSS send raw keys in events, but this is undocumented; the URL-decoded key is tried second.
    """
    for key in dict.fromkeys((ref.key, unquote(ref.key))):
        found = ObjectRef(ref.bucket, key)
        with suppress(errors.ObjectNotFound):
            content = context.objects.read(found, limit=MAX_BYTES + 1)
            return UploadedManifest(ManifestRef(found, content.about.etag), content.about.last_modified, content.body)
    return None


def plan_job(job: Job, upload: UploadedManifest, context: Context) -> Job:
    """Record the plan of a job, or a decision if there can be no plan, or that the job waits for clips.

    Raises retryable errors of the cloud.
    """
    wait = timedelta()
    try:
        parsed = _parse(upload.manifest, upload.body, context)
        wait = timedelta(milliseconds=parsed.wait_ms)
        if job.waiting_until and context.clock.now() < job.waiting_until and _is_waiting(job, parsed, context):
            return job
        plan = _plan(job.id, upload.manifest, parsed, context)
        _make_silences(plan, context)
        return context.store.record(job, plan)
    except errors.InvalidManifest as invalid:
        until = uploaded_at(job.id) + wait
        if wait and context.clock.now() < until and {issue.code for issue in invalid.issues} <= _MAY_APPEAR:
            missing = [issue.as_json() for issue in invalid.issues]
            return context.store.add(job, waiting_fact(until), {"until": timestamp(until), "missing": missing})
        decision = _decision("reject", upload, context)._replace(issues=invalid.issues)
    except errors.ClipstitchError as error:
        if error.retryable:
            raise
        decision = _decision("fail", upload, context)._replace(error=Failure(**error.as_json()))
    return context.store.record(job, decision)


def _is_waiting(job: Job, parsed: Manifest, context: Context) -> bool:
    """Return True if a clip that a waiting job misses is still missing. The other clips are not asked for again."""
    assert job.waiting_until is not None
    missing = context.store.document(job.id, waiting_fact(job.waiting_until)).get("missing", ())
    entries = {int(issue["path"].split("/")[2]) for issue in missing}
    awaited = [parsed.clips[index] for index in sorted(entries) if index < len(parsed.clips)]
    return any(context.workers.map(lambda entry: _is_missing(entry, parsed, context), awaited))


def _is_missing(entry: Entry, parsed: Manifest, context: Context) -> bool:
    """Return True if an entry of the clips names no object."""
    bucket = context.settings.bucket
    if isinstance(entry, Clip):
        return find_object(context.objects, ObjectRef(bucket, entry.key)) is None
    try:
        alone = parsed._replace(clips=(entry,), align=0)
        expand_globs(alone, lambda prefix: context.objects.list(bucket, prefix), context.settings.limits, bucket)
    except errors.InvalidManifest:
        return True
    return False


def _decision(kind: Literal["fail", "reject"], upload: UploadedManifest, context: Context) -> Decision:
    sinks, place = context.settings.sink_names, context.settings.result_ref(upload.manifest.ref)
    return Decision(kind, upload.manifest, context.timestamp(), sinks, planned=False, result_object=place)


def plan_for(job_id: str, manifest: ManifestRef, body: bytes, context: Context) -> Plan:
    """Return the plan that submitting a manifest would record; write nothing.

    Raises `InvalidManifest` with every issue.
    """
    return _plan(job_id, manifest, _parse(manifest, body, context), context)


def _parse(manifest: ManifestRef, body: bytes, context: Context) -> Manifest:
    with _all_issues(manifest, context):
        return parse(body, manifest.ref, context.settings.limits)


def _plan(job_id: str, manifest: ManifestRef, parsed: Manifest, context: Context) -> Plan:
    settings, bucket = context.settings, manifest.ref.bucket
    occupied = _output_issues(Publisher(job_id, manifest, parsed.output.overwrite), parsed, context)
    with _all_issues(manifest, context, occupied):
        expanded = expand_globs(parsed, lambda prefix: context.objects.list(bucket, prefix), settings.limits, bucket)
        names = dict.fromkeys(clip.key for clip in expanded.manifest.clips if isinstance(clip, Clip))
        probed = probe_clips(manifest, list(names), context)
        target = PlanningContext(
            job_id,
            manifest,
            settings.state_prefix,
            settings.completion_topic,
            settings.sink_names,
            settings.engine,
            settings.render_function is not None,
        )
        plan = make_plan(_with_keys(expanded.manifest, probed), probed.probes, target, expanded.paths)
        if occupied:
            raise errors.InvalidManifest(occupied)
        return plan


def _with_keys(parsed: Manifest, probed: ProbedClips) -> Manifest:
    """Return a manifest whose clips have the keys of the objects that they mean."""
    if not probed.renamed:
        return parsed
    renamed = probed.renamed
    clips = (c._replace(key=renamed.get(c.key, c.key)) if isinstance(c, Clip) else c for c in parsed.clips)
    return parsed._replace(clips=tuple(clips))


def _output_issues(publisher: Publisher, parsed: Manifest, context: Context) -> list[errors.Issue]:
    """Return an issue for each object that occupies the key of the output, or of the chapters, and may not be replaced.

    Raises `Superseded` if a newer job has published there. Nothing is spent by then; publishing looks again.
    """
    output, issues = parsed.output.ref, list[errors.Issue]()
    for key in (output.key, webvtt_key(output.key)) if parsed.chapters else (output.key,):
        ref = output._replace(key=key)
        conflict = output_conflict(publisher, ref, find_object(context.objects, ref))
        if isinstance(conflict, Failure) and conflict.code == errors.Superseded.code:
            raise errors.Superseded(conflict.message)
        if isinstance(conflict, Failure):
            issues.append(errors.Issue("/output/key", conflict.code, conflict.message, conflict.remedy))
    return issues


@contextmanager
def _all_issues(manifest: ManifestRef, context: Context, known: Sequence[errors.Issue] = ()) -> Iterator[None]:
    """Add the known issues to those of an invalid manifest, and probe its clips: its author sees all issues at once."""
    try:
        yield
    except errors.InvalidManifest as invalid:
        probed = probe_clips(manifest, list(dict.fromkeys(key for _, key in invalid.clips)), context)
        keys, probes = probed.renamed, probed.probes
        clips = [(path, ObjectRef(manifest.ref.bucket, keys.get(key, key))) for path, key in invalid.clips]
        if busy := next((probe for probe in probes.values() if isinstance(probe, errors.CloudBusy)), None):
            raise busy from invalid  # the issues of that clip are still unknown
        unusable = [
            (path, ref, probe)
            for path, ref in clips
            if isinstance(probe := probes[ref], errors.ObjectArchived | errors.ObjectNotFound | errors.NotAudio)
        ]
        _log_refusals(probes)
        more = [issue for path, ref, probe in unusable for issue in clip_issues(path, Clip(ref.key), probe)]
        raise errors.InvalidManifest(in_order([*invalid.issues, *known, *more])) from invalid


def _log_refusals(probes: Mapping[ObjectRef, Probe | errors.ClipstitchError]) -> None:
    """Log why clips of an invalid manifest could not be probed, once for each code: it is rejected without them."""
    refused = {
        probe.code: (ref, probe)
        for ref, probe in probes.items()
        if isinstance(probe, errors.CloudRefused) and not isinstance(probe, errors.ObjectArchived)
    }
    for ref, error in refused.values():
        right = f"oss:GetObject and oss:ProcessImm on {ref.bucket}/*, imm:DetectMediaMeta on its IMM project"
        log_refusal("clip-not-probed", error, right, clip=ref.uri)


def _make_silences(plan: Plan, context: Context) -> None:
    """Create the silence assets of the steps, unless they exist.

    The name of an asset determines its content; one with another content, or archived, is replaced.
    """
    for silence in plan.silences:
        body, existing = silence_flac(silence.samples, silence.sample_rate, silence.channels), None
        with suppress(errors.ObjectNotFound, errors.ObjectArchived):
            existing = context.objects.read(silence.ref, limit=len(body) + 1).body
        if existing != body:
            context.objects.write(silence.ref, body, ObjectHeaders("audio/flac"))
