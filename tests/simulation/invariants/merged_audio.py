"""What a succeeded job merged is what it had planned, or its event has a warning; other events have none."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from clipstitch.common.identifiers import ObjectRef
from tests.simulation.invariants.history import History, job_meta
from tests.simulation.object_store import IMM, Change
from tests.simulation.setups import BUCKET, STATE

_TOLERANCE_S = 0.002  # milliseconds are rounded
_ALARMS = frozenset({"LENGTH_DIFFERS", "CLIP_CHANGED"})
_NOT_COMPARED = "CLIPS_NOT_COMPARED"  # the listing was refused


def check_merged_audio(history: History) -> Iterator[str]:
    """Check lengths and ETags of every succeeded job against its plan, and that no warning is a false alarm."""
    for job, state in history.states.items():
        plan, result = history.document(job, "planned"), history.document(job, "result")
        published = _publication(history, job, plan) if state == "succeeded" else None
        if published is not None and result.get("output"):
            alarms = {warning["code"] for warning in result["warnings"]} & _ALARMS
            if plan["strict"] and "LENGTH_DIFFERS" in alarms:
                yield f"{job} is strict, but succeeded with {sorted(alarms)}"
            yield from _check_alarms(history, job, plan, alarms)
            yield from _check_lengths(job, plan, result["output"], published, alarms)
            if _NOT_COMPARED in {warning["code"] for warning in result["warnings"]}:
                history.windows["clips that could not be compared, as the event says"] += 1
            else:
                yield from _check_clips(history, job, plan, published, alarms)
            yield from _check_starts(history, job, plan, result["output"])


def _publication(history: History, job: str, plan: Mapping[str, Any]) -> Change | None:
    """Return the first write of the output of a job."""
    ref = ObjectRef(**plan["output"]["ref"]) if plan else ObjectRef("", "")
    return next((change for change in history.written_to(ref) if job_meta(change) == job), None)


def _check_alarms(history: History, job: str, plan: Mapping[str, Any], alarms: set[str]) -> Iterator[str]:
    keys = {clip["key"] for clip in plan["clips"]}
    if alarms and keys.isdisjoint(history.world.scenario.altered):
        yield f"{job} has the false alarms {sorted(alarms)}"


def _check_lengths(
    job: str, plan: Mapping[str, Any], output: Mapping[str, Any], published: Change, alarms: set[str]
) -> Iterator[str]:
    """Check that another length than planned is reported, that the event has the real one, and that chapters fit."""
    body = published.body or b""
    real_s = json.loads(body[body.find(b'{"duration_s"') :])["duration_s"]
    if not alarms and abs(real_s - plan["duration_s"]) > _TOLERANCE_S:
        yield f"{job} has {real_s} s, planned {plan['duration_s']} s, without a warning"
    if not alarms and abs(real_s * 1000 - output["duration_ms"]) > 1:
        yield f"{job} has {real_s} s, its event says {output['duration_ms']} ms"
    if any(start > output["duration_ms"] for start in output["starts_ms"]):
        yield f"{job} has clips after the end of its output: {output['starts_ms']} of {output['duration_ms']} ms"


def _check_clips(
    history: History, job: str, plan: Mapping[str, Any], published: Change, alarms: set[str]
) -> Iterator[str]:
    """Check that a clip that was replaced before the last task of the job ended is reported.

    A duplicate task may end, and merge a clip that was just replaced, between the comparison and the copy.
    """
    compared_after = history.world.runs[published.actor].started_at
    prefix = f"{STATE}work/{job}/"
    ends = [
        change.time
        for change in history.written
        if change.actor == IMM and change.ref.key.startswith(prefix) and change.time < published.time
    ]
    for clip in plan["clips"] if "CLIP_CHANGED" not in alarms else ():
        if clip["etag"] and _etag_at(history, clip["key"], max(ends)) != clip["etag"]:
            if _etag_at(history, clip["key"], compared_after) == clip["etag"]:
                history.windows["a clip that a duplicate task merged while its job published"] += 1
            else:
                yield f"{clip['key']} was replaced before {job} merged it, without a warning"


def _check_starts(history: History, job: str, plan: Mapping[str, Any], output: Mapping[str, Any]) -> Iterator[str]:
    """Check that the clips after the only altered clip of a job move by what it is longer or shorter."""
    altered = [n for n, clip in enumerate(plan["clips"]) if clip["key"] in history.world.scenario.altered]
    if len(altered) != 1 or len(plan["steps"]) > 1 or output["duration_ms"] == round(plan["duration_s"] * 1000):
        return
    if b"decodable_s" in history.world.scenario.altered[plan["clips"][altered[0]]["key"]]:
        return  # which clip is merged in part is not known
    moved_ms = output["duration_ms"] - round(plan["duration_s"] * 1000)
    planned = [round(clip["starts_at_s"] * 1000) for clip in plan["clips"]]
    expected = [start + moved_ms * (number > altered[0]) for number, start in enumerate(planned)]
    starts = output["starts_ms"] or planned
    if any(abs(one - other) > 1 for one, other in zip(starts, expected, strict=True)):
        yield f"{job} has clips at {starts}, expected at {expected}"


def _etag_at(history: History, key: str, time: float) -> str:
    """Return the ETag that an object had at a time; "" if it did not exist."""
    versions = [change for change in history.written_to(ObjectRef(BUCKET, key)) if change.time <= time]
    return history.etag_of(versions[-1]) if versions else ""
