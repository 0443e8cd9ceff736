"""Publish the output: copy it to the key of the manifest, whole or not at all."""

from contextlib import suppress

from clipstitch.common.audio_formats import FORMATS
from clipstitch.common.errors import AlreadyExists, ClipstitchError, Issue, ObjectNotFound
from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.ports import HeadReplacement, ObjectHeaders, ObjectInfo
from clipstitch.jobs import decide
from clipstitch.jobs.job import Failure, Published, Result
from clipstitch.planning.chapters import ID3_HEADER_BYTES, chapters_of, id3_size, id3_tag, webvtt, webvtt_ref
from clipstitch.planning.plan import JobWarning, Plan
from clipstitch.usecases.context import Context

MAX_ATTEMPTS = 3
# OSS, "PutSymlink", 2026: a symbolic link exists whether or not its target does.
_UNREADABLE = "exists when it is written, but not when it is read, as a symbolic link without its target does"
_UNREADABLE_REMEDY = "Delete the object, or choose another output key; then upload the manifest again."


def publish(plan: Plan, context: Context, *, overdue: bool = False) -> Result:
    """Publish the output of a plan. Return a non-retryable error as the result; raise a retryable one.

    Once the output is published the job succeeds: if its chapters cannot be written, the result has a warning. If that
    might still change, the error is raised, unless the job is `overdue`.
    """
    try:
        published = _publish(plan, context)
    except ClipstitchError as error:
        if error.retryable:
            raise
        published = Failure(**error.as_json())
    if isinstance(published, Failure):
        return Result(context.timestamp(), error=published)
    if not plan.output.chapters:
        return Result(context.timestamp(), published)
    problem = _write_chapters(plan, context, overdue=overdue)
    warnings = (JobWarning("CHAPTERS_NOT_WRITTEN", problem),) if problem else ()
    return Result(context.timestamp(), published._replace(webvtt=not problem), warnings=warnings)


def _publish(plan: Plan, context: Context) -> Published | Failure:
    """Copy the output unless there is a conflict. A free key is taken create-once, without a look at it before.

    The operator may have changed the limits since the manifest was parsed.
    """
    ref = plan.output.ref
    violation = _violation(plan, context)
    look = bool(violation) or plan.output.overwrite
    for _ in range(MAX_ATTEMPTS):
        existing, look = describe(ref, context) if look else None, True
        conflict = decide.output_conflict(plan.publisher, ref, existing)
        if isinstance(conflict, Failure):
            return conflict
        if conflict == "own" and existing:
            return Published(existing.etag, existing.size, int(existing.meta.get(decide.DURATION_META, "0")))
        if violation:
            return Failure(violation.code, f"{ref.uri}: {violation.message}", violation.remedy)
        with suppress(AlreadyExists):  # another run or job was faster, or the key was not free: see whose object it is
            return _copy(plan, context, once=conflict == "free")
    return Failure("OUTPUT_EXISTS", f"{ref.uri} {_UNREADABLE}", _UNREADABLE_REMEDY)


def _violation(plan: Plan, context: Context) -> Issue | None:
    """Return why the operator does not allow the output, or the chapters beside it; None if both are allowed."""
    ref, limits = plan.output.ref, context.settings.limits
    keys = [ref.key, webvtt_ref(plan).key] if plan.output.chapters else [ref.key]
    found = (limits.against_bucket(ref.bucket, plan.manifest.ref.bucket), *map(limits.against_key, keys))
    return next((issue for issue in found if issue), None)


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
    return {decide.JOB_META: plan.job_id, decide.MANIFEST_META: decide.manifest_label(plan.manifest)}


def _id3_head(plan: Plan, context: Context) -> HeadReplacement:
    """Return the ID3 tag that replaces the one of the encoder, of which only the first bytes are read."""
    head = context.objects.read(plan.final.target, limit=ID3_HEADER_BYTES).body
    title = plan.output.ref.key.rpartition("/")[2].rpartition(".")[0] or plan.output.ref.key
    return HeadReplacement(id3_tag(title, chapters_of(plan)), id3_size(head))


def _write_chapters(plan: Plan, context: Context, *, overdue: bool) -> str:
    """Write the chapters beside the published output; return why that is not possible, "" if they are written."""
    try:
        return _write_webvtt(plan, context)
    except ClipstitchError as error:
        if error.retryable and not overdue:
            raise
        return str(error)


def _write_webvtt(plan: Plan, context: Context) -> str:
    """Write the WebVTT file, create-once like the output; return why the object there is kept, "" if it is written."""
    ref, body = webvtt_ref(plan), webvtt(chapters_of(plan)).encode()
    headers = ObjectHeaders("text/vtt; charset=utf-8", _origin(plan))
    for _ in range(MAX_ATTEMPTS):
        with suppress(AlreadyExists):
            context.objects.write(ref, body, headers, once=True)
            return ""
        if existing := describe(ref, context):
            conflict = decide.output_conflict(plan.publisher, ref, existing)
            if isinstance(conflict, Failure):
                return conflict.message
            context.objects.write(ref, body, headers)
            return ""
    return f"{ref.uri} {_UNREADABLE}"
