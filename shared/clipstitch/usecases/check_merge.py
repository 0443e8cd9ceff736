"""Compare what was merged with what was planned: the clips by their ETags, the lengths step by step."""

import json
from collections.abc import Callable, Collection, Sequence
from functools import partial
from itertools import groupby, islice
from typing import NamedTuple

from clipstitch.common.errors import ClipstitchError, StateUnreadable
from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.ports import PAGE, find_object
from clipstitch.common.render_task import report_of
from clipstitch.jobs.job import Job
from clipstitch.planning.lengths import LengthReport, MeasuredLength, compare_lengths, measured_length
from clipstitch.planning.plan import Plan
from clipstitch.usecases.context import Context


class MeasuredOutput(NamedTuple):
    """The measured output: its length in seconds, its size in bytes (0: unknown), and how it compares with the plan.

    `compare` is called with the clips, by index, that were replaced since the plan.
    """

    seconds: float
    size: int
    compare: Callable[[Collection[int]], LengthReport]


def measure(job: Job, plan: Plan, context: Context) -> MeasuredOutput:
    """Measure the output of a job. Raises the error of a probe, or `ObjectNotFound` without the report of a render."""
    if plan.final.render:
        return _measure_render(plan, context)
    measured = _measured_lengths(job, plan, context)
    made = measured[plan.final.number]
    return MeasuredOutput(made.seconds, made.size, partial(compare_lengths, plan, measured))


def _measure_render(plan: Plan, context: Context) -> MeasuredOutput:
    """Read the report that the function `render` has stored beside its target."""
    from clipstitch.planning.render_lengths import compare_report  # noqa: PLC0415 - most jobs render nothing
    from clipstitch.planning.render_spec import RenderReport, spec_of  # noqa: PLC0415 - as above

    ref = report_of(plan.final.target)
    try:
        report = RenderReport.from_json(json.loads(context.objects.read(ref).body))
        report_s = report.samples / report.sample_rate
        if len(report.clips) != len(spec_of(plan.final).clips):
            raise ValueError(f"it is about {len(report.clips)} clips")  # noqa: TRY301 - like any other damage
    except (ValueError, TypeError, AttributeError, ArithmeticError) as error:
        raise StateUnreadable(f"{ref.uri} is no report of a render step: {error}") from error
    return MeasuredOutput(report_s, 0, partial(compare_report, plan, report))


def _measured_lengths(job: Job, plan: Plan, context: Context) -> dict[int, MeasuredLength]:
    """Return the length of what each step made, as far as it is known; that of the output is.

    It was recorded when the step ended, unless the probe failed then. Raises the error of the probe.
    """
    measured, final = job.measured, plan.final
    if final.number not in measured:
        probe = context.audio.probe([final.target])[final.target]
        if isinstance(probe, ClipstitchError):
            raise probe
        measured[final.number] = measured_length(probe)
    return measured


def changed_clips(plan: Plan, context: Context) -> frozenset[int]:
    """Return the clips, by index, whose object is not the one that was probed for the plan.

    A clip that does not exist any more is not reported: the task, which ended with success, must have read it.
    """
    bucket = plan.manifest.ref.bucket
    current = _current_etags(bucket, sorted({clip.key for clip in plan.clips if clip.etag}), context)
    return frozenset(
        index for index, clip in enumerate(plan.clips) if clip.etag and current.get(clip.key, clip.etag) != clip.etag
    )


def _current_etags(bucket: str, keys: Sequence[str], context: Context) -> dict[str, str]:
    """Return the ETags of the objects that exist. One listing replaces the requests for all clips of a folder."""
    folders = [list(group) for _, group in groupby(keys, key=lambda key: key.rpartition("/")[0])]
    listed = context.workers.map(lambda group: _listed_etags(bucket, group, context), folders)
    found = {key: etag for etags in listed for key, etag in etags.items()}
    rest = [key for key in keys if key not in found]
    described = context.workers.map(lambda key: find_object(context.objects, ObjectRef(bucket, key)), rest)
    return found | {key: about.etag for key, about in zip(rest, described, strict=True) if about}


def _listed_etags(bucket: str, keys: Sequence[str], context: Context) -> dict[str, str]:
    """Return the ETags that one request for the objects between the first and the last key shows."""
    if len(keys) < 2:
        return {}
    wanted, etags = set(keys), dict[str, str]()
    for listed in islice(context.objects.list(bucket, _common_prefix(keys[0], keys[-1])), PAGE):
        if listed.key in wanted:
            etags[listed.key] = listed.etag
        if listed.key >= keys[-1]:
            break
    return etags


def _common_prefix(first: str, last: str) -> str:
    """Return the characters with which both keys begin, and so all keys between them.

    >>> _common_prefix("chapters/01.mp3", "chapters/07.mp3")
    'chapters/0'
    """
    return first[: next((index for index, pair in enumerate(zip(first, last, strict=False)) if len({*pair}) > 1), None)]
