"""Turns a process string for a posted object into work: fills in names, order and target. Pure; tasks call it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from localyun.errors import ServiceError
from localyun.imm.errors import invalid
from localyun.imm.process_string import Clip, Process
from localyun.imm.target_names import expand, variables, with_extension
from localyun.imm.work import Source, Work
from localyun.oss.values import StoredObject, check_key


def order(plan: Process, posted: StoredObject, *, created: datetime, has_bucket: Callable[[str], bool]) -> Work:
    """Say what a process string asks for; the posted object is itself a source, after all `pre`, before all `sur`."""
    form = plan.encoding.format
    names = variables(posted.bucket, posted.key, form, uploaded=posted.last_modified, created=created)
    bucket = expand(plan.target_bucket, names) or posted.bucket
    if not has_bucket(bucket):
        raise invalid("target", f"bucket {bucket} does not exist in this region; create it or name another.")
    clips = (*plan.before, Clip(posted.key), *plan.after)
    return Work(
        sources=tuple(Source(posted.bucket, one.key, one.start_ms, one.duration_ms) for one in clips),
        encoding=plan.encoding,
        bucket=bucket,
        key=_target_key(plan.target_key, names, form),
        align=plan.align,
        start_ms=plan.start_ms,
        duration_ms=plan.duration_ms,
        topic=plan.topic,
    )


def _target_key(template: str, names: dict[str, str], extension: str) -> str:
    """Expand the target's key; an empty `{dirname}` leaves no slash at its beginning."""
    key = expand(template, names)
    key = with_extension(key if template.startswith("/") else key.lstrip("/"), extension)
    try:
        check_key(key)
    except ServiceError as refusal:
        raise invalid("target", refusal.message) from refusal
    return key


def name_target(work: Work, *, uploaded: datetime, created: datetime) -> Work:
    """Expand the variables in the target of work that came through IMM; the first source lends the names."""
    first, form = work.sources[0], work.encoding.format
    names = variables(first.bucket, first.key, form, uploaded=uploaded, created=created)
    names |= {f"tags.{name}": value for name, value in work.tags.items()}
    return replace(work, bucket=expand(work.bucket, names), key=_target_key(work.key, names, form))
