"""Compare what was merged with what was planned: the clips by their ETags, the lengths step by step."""

from collections.abc import Sequence
from itertools import groupby, islice

from clipstitch.common.errors import ClipstitchError
from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.ports import PAGE, find_object
from clipstitch.jobs.job import Job
from clipstitch.planning.lengths import MeasuredLength, measured_length
from clipstitch.planning.plan import Plan
from clipstitch.usecases.context import Context


def measured_lengths(job: Job, plan: Plan, context: Context) -> dict[int, MeasuredLength]:
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
