"""Outputs are complete, unchanged, and published only where that is allowed."""

import json
from collections.abc import Iterator
from itertools import pairwise

from clipstitch.common.identifiers import ObjectRef
from tests.simulation.faults import REFUSED
from tests.simulation.invariants.history import History, job_meta
from tests.simulation.invariants.replacements import check_replacement, replaced_by_older_job
from tests.simulation.object_store import Change
from tests.simulation.setups import BUCKET


def check_outputs(history: History) -> Iterator[str]:
    """Check that outputs have the clips of plan and manifest, and that exactly the succeeded jobs published one."""
    keys = sorted({expected.output_key for expected in history.world.scenario.expectations.values()})
    for ref in (ObjectRef(BUCKET, key) for key in keys):
        written = history.written_to(ref)
        for change in written:
            if change.actor > 0:
                yield from _check_clips(history, change)
                yield from _check_allowed(history, change)
        for before, after in pairwise(written):
            yield from check_replacement(history, before, after)
        yield from replaced_by_older_job(history, ref, "output of a newer job")
        yield from _check_owners(history, ref, {job_meta(change) for change in written} - {""})


def _check_clips(history: History, change: Change) -> Iterator[str]:
    """Compare an output with its plan, and the plan with the manifest."""
    job, body = job_meta(change), change.body or b""
    clips = json.loads(body[body.find(b'{"duration_s"') :])["names"]  # chapters may precede the audio
    planned = [clip["key"] for clip in history.document(job, "planned").get("clips", ())]
    expected = history.expectation(job)
    if clips != planned:
        yield f"{change.ref.key} of {job} is {clips}, planned {planned}"
    if expected and expected.clips is not None and list(expected.clips) != clips:
        yield f"{change.ref.key} of {job} is {clips}, expected {expected.clips}"


def _check_allowed(history: History, change: Change) -> Iterator[str]:
    """Check that a run publishes nothing if it began after the operator disallowed the outputs."""
    setup = history.world.setup
    if setup.narrows_outputs and history.world.runs[change.actor].started_at > setup.changed_at:
        yield f"{change.ref.key} was published although the operator had disallowed it"


def _check_owners(history: History, ref: ObjectRef, owners: set[str]) -> Iterator[str]:
    """Compare the jobs that published an output with those that succeeded."""
    refusals = {"SUPERSEDED", "OUTPUT_EXISTS", "CLIP_CHANGED", "LENGTH_DIFFERS"}
    if history.world.setup.narrows_outputs:
        refusals.add("OUTPUT_NOT_ALLOWED")
    for job in sorted(owners):
        if history.states.get(job) == "succeeded":
            continue
        if history.world.faults[REFUSED] or history.reason(job) in refusals:
            history.windows["one run published, another recorded that it may not"] += 1
        else:
            yield f"{job} is {history.states.get(job)}, but published {ref.key}"
    for job in history.jobs:
        target = history.document(job, "planned").get("output", {}).get("ref", {})
        if history.states[job] == "succeeded" and target.get("key") == ref.key and job not in owners:
            yield f"{job} succeeded without publishing {ref.key}"
