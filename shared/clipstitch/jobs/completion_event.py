"""A finished job to its CloudEvent (1.0, JSON format).

Everything in the event comes from create-once documents, so that no event id ever has two contents.
"""

import json
from typing import Any
from urllib.parse import quote

from clipstitch.common.characters import escape_in_json
from clipstitch.common.clock import timestamp
from clipstitch.common.identifiers import ObjectRef, uploaded_at
from clipstitch.jobs.job import Decision, Job, Published
from clipstitch.planning.chapters import webvtt_ref
from clipstitch.planning.plan import PlacedClip, Plan

TYPE = "clipstitch.job."
# SMQ takes 64 KB a message, counted after Base64, which queue clients use by default: 48 KB before it, less some air.
MAX_MESSAGE_BYTES = 45_000
_BULKY = ("clips", "tasks", "issues", "warnings", "labels")
_SHORT = 500  # characters of each string of an error that does not fit; what else is in an event has at most 37 KB


def event_id(job: Job) -> str:
    """Return the id of the event, the same for every delivery."""
    return f"{job.id}.{job.state}"


def make_event(job: Job) -> dict[str, Any]:
    """Return the completion event of a job whose final state is recorded."""
    if job.decision is None or not job.final:
        raise AssertionError(f"job {job.id} is {job.state}; only a finished job has an event")
    manifest, plan = job.decision.manifest, _plan(job, job.decision)
    return {
        "specversion": "1.0",
        "id": event_id(job),
        "source": _uri(manifest.ref),
        "type": TYPE + job.state,
        "subject": _uri(plan.output.ref if plan else manifest.ref),
        "time": _finished(job, job.decision),
        "datacontenttype": "application/json",
        "data": _data(job, job.decision),
    }


def _uri(ref: ObjectRef) -> str:
    """Return a URI as attributes of CloudEvents have it: percent-encoded."""
    return f"oss://{ref.bucket}/{quote(ref.key)}"


def _plan(job: Job, decision: Decision) -> Plan | None:
    """Return the plan that the decision was taken on, if any."""
    return job.plan if decision.planned else None


def _finished(job: Job, decision: Decision) -> str:
    return job.result.at if job.result else decision.at


def _data(job: Job, decision: Decision) -> dict[str, Any]:
    error = decision.error or (job.result.error if job.result else None)
    data: dict[str, Any] = {
        "job": job.id,
        "state": job.state,
        "manifest": {"uri": decision.manifest.ref.uri, "etag": decision.manifest.etag},
        "tasks": list(decision.tasks),
        "attempts": len(decision.tasks),
        "timings": {
            "uploaded": timestamp(uploaded_at(job.id)),
            "decided": decision.at,
            "finished": _finished(job, decision),
        },
    }
    if plan := _plan(job, decision):
        data |= _planned(plan)
    if job.plan and job.result and job.result.output:
        made = job.result.output
        for clip, start in zip(data["clips"], _moved_starts(job.plan, made), strict=False):
            clip["starts_at_ms"] = start
        if made.webvtt:
            data["chapters"] = {"webvtt": webvtt_ref(job.plan).uri}
        data["warnings"] += [warning.as_json() for warning in job.result.warnings]
        data["output"] |= {"etag": made.etag, "size": made.size, "duration_ms": made.duration_ms}
    if error:
        data["error"] = error._asdict()
    if decision.issues:
        data["issues"] = [issue.as_json() for issue in decision.issues]
    return data


def _planned(plan: Plan) -> dict[str, Any]:
    target = plan.output
    return {
        "output": {
            "uri": target.ref.uri,
            "format": target.format,
            "sample_rate": target.sample_rate,
            "channels": target.channels,
        },
        "expected_duration_ms": round(plan.duration_s * 1000),
        "clips": [_clip(clip) for clip in plan.clips if clip.key],
        "labels": dict(plan.labels),
        "warnings": [warning.as_json() for warning in plan.warnings],
    }


def _moved_starts(plan: Plan, made: Published) -> list[int]:
    """Return the starts of the clips, without silences, if the output has them elsewhere than planned."""
    return [start for start, clip in zip(made.starts_ms, plan.clips, strict=False) if clip.key]


def _clip(clip: PlacedClip) -> dict[str, Any]:
    where = {"key": clip.key, "starts_at_ms": round(clip.starts_at_s * 1000)}
    return {**where, "title": clip.title} if clip.title else where


def encode(event: dict[str, Any]) -> str:
    """Return an event as JSON text, in the form in which it is sent: XML can carry it, whatever keys it has."""
    return escape_in_json(json.dumps(event, ensure_ascii=False, separators=(",", ":")))


def fit_to_message(event: dict[str, Any], result: ObjectRef) -> dict[str, Any]:
    """Return the event in the size of a message: long fields are left out; the event then names the result object."""
    data = dict(event["data"])
    for name in _BULKY:
        if name in data and not _fits({**event, "data": data}):
            data[name + "_count"] = len(data.pop(name))
            data["more_at"] = result.uri
    if "error" in data and not _fits({**event, "data": data}):
        data["error"] = {name: _shortened(text) for name, text in data["error"].items()}
        data["more_at"] = result.uri
    return {**event, "data": data}


def _fits(event: dict[str, Any]) -> bool:
    return len(encode(event).encode()) <= MAX_MESSAGE_BYTES


def _shortened(text: str) -> str:
    return text if len(text) <= _SHORT else text[:_SHORT] + "…"
