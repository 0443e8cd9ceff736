"""Sweeps leave new jobs alone."""

from collections.abc import Iterator
from datetime import timedelta

from clipstitch.common.identifiers import uploaded_at
from tests.simulation.invariants.history import History, job_of
from tests.simulation.object_store import Change
from tests.simulation.setups import STATE


def check_grace_period(history: History) -> Iterator[str]:
    """Check that no sweep records a fact of a new job, except of one that waits for clips or retries a delivery."""
    waiting: set[str] = set()
    for change in history.written:
        if not change.ref.key.startswith(f"{STATE}jobs/"):
            continue
        job, fact = job_of(change.ref), change.ref.key.rpartition("/")[2]
        if job not in waiting and _is_early(history, change, job):
            yield f"{history.world.runs[change.actor].name} recorded {fact} of {job} within its grace period"
        if fact.startswith(("waiting.", "pending.")):
            waiting.add(job)


def _is_early(history: History, change: Change, job: str) -> bool:
    """Return True if a sweep changed a job within its grace period, by the clock of the sweep."""
    world, uploaded = history.world, uploaded_at(job)
    run = world.runs[change.actor]
    # A sweep that submits a lost upload submits the version that it reads, which may be newer than the one it found.
    uploaded_meanwhile = uploaded > world.datetime_at(run.started_at) - timedelta(seconds=1)
    age = run.clock_at(change.time) - uploaded
    return run.kind == "sweep" and not uploaded_meanwhile and age < timedelta(seconds=world.settings.grace_period_s)
