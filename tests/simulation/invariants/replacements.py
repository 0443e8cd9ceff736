"""Which job may replace the object of another.

OSS cannot replace an object on condition that it has not changed, so a job looks at the object first. Another job may
write it in between: such a race is a known window, not a violation.
"""

from collections.abc import Iterator

from clipstitch.common.identifiers import ObjectRef, is_newer
from tests.simulation.invariants.history import MANIFEST_META, History, job_meta
from tests.simulation.object_store import Change
from tests.simulation.scenario import USER_OBJECT
from tests.simulation.world import fact_ref


def replaced_by_older_job(history: History, ref: ObjectRef, window: str) -> Iterator[str]:
    """Yield writes of an older job over an object of a newer one that it had seen; count those it had not seen."""
    changes = [change for change in history.changes if change.ref == ref]
    for number, change in enumerate(changes):
        job = job_meta(change)
        seen = [job_meta(earlier) for earlier in changes[:number] if earlier.time <= change.observed_at]
        if change.actor <= 0 or change.body is None or number == 0:
            continue
        if seen and is_newer(seen[-1], than=job):
            yield f"{ref.key} of {seen[-1]} was replaced by the older {job}"
        elif is_newer(job_meta(changes[number - 1]), than=job):
            history.windows[window] += 1


def check_replacement(history: History, before: Change, after: Change) -> Iterator[str]:
    """Check that a job replaces an object of another manifest, or of a user, only with `overwrite: true`."""
    old, new = job_meta(before), job_meta(after)
    if after.actor <= 0:
        return
    if old == new:
        yield from _check_duplicate(history, before, after)
        return
    same_manifest = before.meta.get(MANIFEST_META) == after.meta.get(MANIFEST_META)
    if same_manifest or history.document(new, "planned").get("output", {}).get("overwrite"):
        return
    seen_before = 0 <= after.observed_at < before.time and after.replaced_meta is not None
    if seen_before and _saw_own_manifest(history, after):
        history.windows["another manifest's output"] += 1
    else:
        owner = "an object of a user" if before.body == USER_OBJECT else old
        yield f"{after.ref.key}: {new} replaced {owner} without `overwrite`"


def _check_duplicate(history: History, before: Change, after: Change) -> Iterator[str]:
    """Check that a job publishes the same again, and not in a run that began after its result was recorded."""
    job = job_meta(after)
    if before.body != after.body:
        yield f"{after.ref.key}: a duplicate of {job} changed the output"
    recorded = history.written_to(fact_ref(history.world, job, "result"))
    if recorded and recorded[0].time < history.world.runs[after.actor].started_at:
        yield f"{after.ref.key}: {job} published again after its result was recorded"


def _saw_own_manifest(history: History, change: Change) -> bool:
    """Return True if the object that a run saw before it wrote was made from the same manifest."""
    seen = [earlier for earlier in history.written_to(change.ref) if earlier.time <= change.observed_at]
    return bool(seen) and seen[-1].meta.get(MANIFEST_META) == change.meta.get(MANIFEST_META)
