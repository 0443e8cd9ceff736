"""Turns a parsed process string, or a specification from the API, into a resolved specification. Pure.

Resolved means: clips in order, target names expanded and checked. The task service calls it.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from localyun.errors import ServiceError
from localyun.imm.errors import invalid
from localyun.imm.process_string import ParsedProcess, ProcessClip
from localyun.imm.target_template import expand, tag_variables, variables, with_extension
from localyun.imm.task_spec import TaskSource, TaskSpec
from localyun.oss.tags import parse_tags
from localyun.oss.values import StoredObject, check_key


def resolve_process(
    process: ParsedProcess, posted: StoredObject, *, created: datetime, has_bucket: Callable[[str], bool]
) -> TaskSpec:
    """Return the specification of a process string for a posted object.

    The posted object is itself a source, after all `pre` clips and before all `sur` clips; variables of the target take
    their values from it and from its tags. Raises `ImmError` for a
    target that is not valid.
    """
    format_name = process.encoding.format
    names = variables(posted.bucket, posted.key, format_name, uploaded=posted.last_modified, created=created)
    names |= tag_variables(parse_tags(posted.headers.get("x-oss-tagging", "")))
    bucket = expand(process.target_bucket, names) or posted.bucket
    if not has_bucket(bucket):
        raise invalid("target", f"bucket {bucket} does not exist in this region; create it or name another.")
    clips = (*process.before, ProcessClip(posted.key), *process.after)
    return TaskSpec(
        sources=tuple(TaskSource(posted.bucket, clip.key, clip.start_ms, clip.duration_ms) for clip in clips),
        encoding=process.encoding,
        bucket=bucket,
        key=_target_key(process.target_key, names, format_name),
        align=process.align,
        start_ms=process.start_ms,
        duration_ms=process.duration_ms,
        topic=process.topic,
    )


def resolve_target(spec: TaskSpec, *, uploaded: datetime, created: datetime) -> TaskSpec:
    """Return a specification from the API with its target expanded; variables take their values from the first source.

    Raises `ImmError` for a target that is not valid.
    """
    first, format_name = spec.sources[0], spec.encoding.format
    names = variables(first.bucket, first.key, format_name, uploaded=uploaded, created=created)
    names |= tag_variables(spec.tags.items())
    return replace(spec, bucket=expand(spec.bucket, names), key=_target_key(spec.key, names, format_name))


def _target_key(template: str, names: dict[str, str], extension: str) -> str:
    """Expand and check the target's key; an empty `{dirname}` leaves no leading slash."""
    key = expand(template, names)
    key = with_extension(key if template.startswith("/") else key.lstrip("/"), extension)
    try:
        check_key(key)
    except ServiceError as error:
        raise invalid("target", error.message) from error
    return key
