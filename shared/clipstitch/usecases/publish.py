"""Publish the output: copy it to the key of the manifest, whole or not at all."""

from contextlib import suppress

from clipstitch.common.audio_formats import FORMATS
from clipstitch.common.errors import AlreadyExists, ClipstitchError, ObjectNotFound
from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.ports import HeadReplacement, ObjectHeaders, ObjectInfo
from clipstitch.jobs import decide
from clipstitch.jobs.job import Failure, Published, Result
from clipstitch.planning.chapters import ID3_HEADER_BYTES, chapters_of, id3_size, id3_tag, webvtt, webvtt_ref
from clipstitch.planning.plan import Plan
from clipstitch.usecases.context import Context


def publish(plan: Plan, context: Context) -> Result:
    """Publish the output of a plan. Return a non-retryable error as the result; raise a retryable one."""
    try:
        published = _publish(plan, context)
    except ClipstitchError as error:
        if error.retryable:
            raise
        published = Failure(**error.as_json())
    if isinstance(published, Failure):
        return Result(context.timestamp(), error=published)
    return Result(context.timestamp(), output=published)


def _publish(plan: Plan, context: Context) -> Published | Failure:
    """Copy the output unless there is a conflict, then write the chapters beside it.

    The operator may have changed the limits since the manifest was parsed.
    """
    ref, limits = plan.output.ref, context.settings.limits
    existing = describe(ref, context)
    conflict = decide.output_conflict(plan, ref, existing)
    violation = limits.against_bucket(ref.bucket, plan.manifest.ref.bucket) or limits.against_key(ref.key)
    if violation and conflict != "own":
        return Failure(violation.code, f"{ref.uri}: {violation.message}", violation.remedy)
    for found in (conflict, _sidecar_conflict(plan, context)):
        if isinstance(found, Failure):
            return found
    if conflict == "own" and existing:
        published = Published(existing.etag, existing.size, int(existing.meta.get(decide.DURATION_META, "0")))
    else:
        try:
            published = _copy(plan, context, once=conflict == "free")
        except AlreadyExists:
            return _publish(plan, context)  # another run or job was faster: look again at whose object it is
    _write_chapters(plan, context)
    return published


def _sidecar_conflict(plan: Plan, context: Context) -> decide.OutputConflict:
    """Return whether the chapters may be written beside the output."""
    if not plan.output.chapters:
        return "free"
    ref = webvtt_ref(plan)
    return decide.output_conflict(plan, ref, describe(ref, context))


def describe(ref: ObjectRef, context: Context) -> ObjectInfo | None:
    """Return the metadata of an object; None if it does not exist."""
    with suppress(ObjectNotFound):
        return context.objects.describe(ref)
    return None


def _copy(plan: Plan, context: Context, *, once: bool) -> Published:
    """Measure the output and copy it, with metadata by which a run after a crash recognises the copy."""
    source = plan.final.target
    probe = context.audio.probe([source])[source]
    if isinstance(probe, ClipstitchError):
        raise probe
    duration_ms = round(probe.duration_s * 1000)
    meta = {**_origin(plan), decide.DURATION_META: str(duration_ms)}
    headers = ObjectHeaders(FORMATS[plan.output.format].content_type, meta)
    head = _id3_head(plan, context) if plan.output.chapters and plan.output.format == "mp3" else None
    copied = context.objects.copy(source, plan.output.ref, headers, once=once, front=head)
    return Published(copied.etag, copied.size, duration_ms)


def _origin(plan: Plan) -> dict[str, str]:
    """Return the metadata that names the job and the manifest of an object."""
    return {decide.JOB_META: plan.job_id, decide.MANIFEST_META: decide.manifest_label(plan)}


def _id3_head(plan: Plan, context: Context) -> HeadReplacement:
    """Return the ID3 tag that replaces the one of the encoder, of which only the first bytes are read."""
    head = context.objects.read(plan.final.target, limit=ID3_HEADER_BYTES).body
    title = plan.output.ref.key.rpartition("/")[2].rpartition(".")[0] or plan.output.ref.key
    return HeadReplacement(id3_tag(title, chapters_of(plan)), id3_size(head))


def _write_chapters(plan: Plan, context: Context) -> None:
    """Write the chapters beside the output; the same job always writes the same."""
    if plan.output.chapters:
        headers = ObjectHeaders("text/vtt; charset=utf-8", _origin(plan))
        context.objects.write(webvtt_ref(plan), webvtt(chapters_of(plan)).encode(), headers)
