"""Publish the output: copy it to the key of the manifest, whole or not at all."""

from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from clipstitch.common.audio_formats import FORMATS
from clipstitch.common.errors import AlreadyExists, ClipstitchError, Issue
from clipstitch.common.ports import HeadReplacement, ObjectHeaders, find_object
from clipstitch.jobs import decide
from clipstitch.jobs.job import Failure, Job, Published, Result
from clipstitch.planning.chapters import (
    ID3_HEADER_BYTES,
    Chapter,
    chapters_of,
    id3_size,
    id3_tag,
    planned_starts,
    webvtt,
    webvtt_ref,
)
from clipstitch.planning.lengths import ALARMS, LengthReport
from clipstitch.planning.plan import JobWarning, Plan
from clipstitch.usecases.check_merge import changed_clips, measure
from clipstitch.usecases.context import Context

MAX_ATTEMPTS = 3
# OSS, "PutSymlink", 2026: a symbolic link exists whether or not its target does.
_UNREADABLE = "exists when it is written, but not when it is read, as a symbolic link without its target does"
_STRICT_REMEDY = "Check the clip, and upload the manifest again; without `strict`, this is a warning."
_UNREADABLE_REMEDY = "Delete the object, or choose another output key; then upload the manifest again."


class _Merged(NamedTuple):
    """What was merged: its chapters, the measured length in ms, and the comparison with the plan.

    `failure`: why it could not be measured. `size` is that of the output in bytes; 0 if it is unknown.
    """

    chapters: tuple[Chapter, ...]
    duration_ms: int
    report: LengthReport
    failure: Failure | None = None
    size: int = 0


def publish(job: Job, context: Context, *, overdue: bool = False, changed: frozenset[int] | None = None) -> Result:
    """Publish the output of a job. Return a non-retryable error as the result; raise a retryable one.

    Once the output is published the job succeeds: if its chapters cannot be written, the result has a warning. If that
    might still change, the error is raised, unless the job is `overdue`. The same is true of the comparison with the
    plan, but a `strict` job does not publish without it. `changed` are the clips that were replaced, if that is known.
    """
    assert job.plan is not None, f"job {job.id} has no plan"
    try:
        merged = _compare(job, job.plan, context, overdue=overdue, changed=changed)
        published = _publish(job.plan, merged, context)
    except ClipstitchError as error:
        if error.retryable:
            raise
        published = Failure(**error.as_json())
    if isinstance(published, Failure):
        return Result(context.timestamp(), error=published)
    warnings = merged.report.warnings
    if job.plan.output.chapters:
        problem = _write_chapters(job.plan, merged.chapters, context, overdue=overdue)
        warnings = (*warnings, JobWarning("CHAPTERS_NOT_WRITTEN", problem)) if problem else warnings
        published = published._replace(webvtt=not problem)
    if merged.report.starts_ms != planned_starts(job.plan):
        published = published._replace(starts_ms=merged.report.starts_ms)
    return Result(context.timestamp(), published, warnings=warnings)


def _compare(job: Job, plan: Plan, context: Context, *, overdue: bool, changed: frozenset[int] | None) -> _Merged:
    """Compare what was merged with the plan. An error of the comparison is a warning if it will not go away."""
    try:
        made = measure(job, plan, context)
    except ClipstitchError as error:
        if error.retryable and not overdue:
            raise
        report = LengthReport((), planned_starts(plan), round(plan.duration_s * 1000))
        return _Merged(tuple(chapters_of(plan)), report.length_ms, report, Failure(**error.as_json()))
    unknown = list[JobWarning]()
    try:
        changed = changed_clips(plan, context) if changed is None else changed
    except ClipstitchError as error:
        if error.retryable and not overdue:
            raise
        unknown.append(JobWarning("CLIPS_NOT_COMPARED", f"whether clips were replaced is not known: {error}"))
    report = made.compare(changed or set())
    report = report._replace(warnings=(*report.warnings, *unknown))
    chapters = tuple(chapters_of(plan, report.starts_ms, report.length_ms))
    return _Merged(chapters, round(made.seconds * 1000), report, size=made.size)


def _objection(plan: Plan, merged: _Merged, context: Context) -> Failure | None:
    """Return why the output may not be published, whatever is under its key.

    The operator may have changed the limits since the manifest was parsed.
    """
    if merged.failure:
        return merged.failure
    if violation := _violation(plan, context):
        return Failure(violation.code, f"{plan.output.ref.uri}: {violation.message}", violation.remedy)
    alarms = [warning for warning in merged.report.warnings if plan.strict and warning.code in ALARMS]
    return Failure(alarms[0].code, alarms[0].message, _STRICT_REMEDY) if alarms else None


def _publish(plan: Plan, merged: _Merged, context: Context) -> Published | Failure:
    """Copy the output unless there is a conflict. A free key is taken create-once, without a look at it before."""
    ref = plan.output.ref
    objection = _objection(plan, merged, context)
    look = objection is not None or plan.output.overwrite
    for _ in range(MAX_ATTEMPTS):
        existing, look = find_object(context.objects, ref) if look else None, True
        conflict = decide.output_conflict(plan.publisher, ref, existing)
        if isinstance(conflict, Failure):
            return conflict
        if conflict == "own" and existing:
            return Published(existing.etag, existing.size, int(existing.meta.get(decide.DURATION_META, "0")))
        if objection:
            return objection
        with suppress(AlreadyExists):  # another run or job was faster, or the key was not free: see whose object it is
            return _copy(plan, merged, context, once=conflict == "free")
    return Failure("OUTPUT_EXISTS", f"{ref.uri} {_UNREADABLE}", _UNREADABLE_REMEDY)


def _violation(plan: Plan, context: Context) -> Issue | None:
    """Return why the operator does not allow the output, or the chapters beside it; None if both are allowed."""
    ref, limits = plan.output.ref, context.settings.limits
    keys = [ref.key, webvtt_ref(plan).key] if plan.output.chapters else [ref.key]
    found = (limits.against_bucket(ref.bucket, plan.manifest.ref.bucket), *map(limits.against_key, keys))
    return next((issue for issue in found if issue), None)


def _copy(plan: Plan, merged: _Merged, context: Context, *, once: bool) -> Published:
    """Copy the output, with metadata by which a run after a crash recognises the copy."""
    source = plan.final.target
    meta = {**_origin(plan), decide.DURATION_META: str(merged.duration_ms)}
    headers = ObjectHeaders(FORMATS[plan.output.format].content_type, meta)
    head = _id3_head(plan, merged, context) if plan.output.chapters and plan.output.format == "mp3" else None
    copied = context.objects.copy(source, plan.output.ref, headers, once=once, front=head, size=merged.size)
    return Published(copied.etag, copied.size, merged.duration_ms)


def _origin(plan: Plan) -> dict[str, str]:
    """Return the metadata that names the job and the manifest of an object."""
    return {decide.JOB_META: plan.job_id, decide.MANIFEST_META: decide.manifest_label(plan.manifest)}


def _id3_head(plan: Plan, merged: _Merged, context: Context) -> HeadReplacement:
    """Return the ID3 tag that replaces the one of the encoder, of which only the first bytes are read."""
    head = context.objects.read(plan.final.target, limit=ID3_HEADER_BYTES)
    title = plan.output.ref.key.rpartition("/")[2].rpartition(".")[0] or plan.output.ref.key
    return HeadReplacement(id3_tag(title, merged.chapters), id3_size(head.body), head.about.etag)


def _write_chapters(plan: Plan, chapters: Sequence[Chapter], context: Context, *, overdue: bool) -> str:
    """Write the chapters beside the published output; return why that is not possible, "" if they are written."""
    try:
        return _write_webvtt(plan, chapters, context)
    except ClipstitchError as error:
        if error.retryable and not overdue:
            raise
        return str(error)


def _write_webvtt(plan: Plan, chapters: Sequence[Chapter], context: Context) -> str:
    """Write the WebVTT file, create-once like the output; return why the object there is kept, "" if it is written."""
    ref, body = webvtt_ref(plan), webvtt(chapters).encode()
    headers = ObjectHeaders("text/vtt; charset=utf-8", _origin(plan))
    for _ in range(MAX_ATTEMPTS):
        with suppress(AlreadyExists):
            context.objects.write(ref, body, headers, once=True)
            return ""
        if existing := find_object(context.objects, ref):
            conflict = decide.output_conflict(plan.publisher, ref, existing)
            if isinstance(conflict, Failure):
                return conflict.message
            context.objects.write(ref, body, headers)
            return ""
    return f"{ref.uri} {_UNREADABLE}"
