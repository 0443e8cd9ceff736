"""Checks the open jobs: how many, how old, and whether the deadline of one has passed. Pure."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from clipstitch_cli.doctor.deployment_facts import OpenJob
from clipstitch_cli.doctor.findings import Finding, bad, format_age, ok, warning

GRACE = timedelta(minutes=15)  # three sweeps
MAX_LISTED = 3


def open_jobs(jobs: Sequence[OpenJob], now: datetime) -> Iterator[Finding]:
    """Check the open jobs, which are listed oldest first."""
    stuck = [job for job in jobs if job.late and job.late > GRACE and not job.pending]
    pending = [job for job in jobs if job.pending]
    if stuck:
        listed = ", ".join(job.id for job in stuck[:MAX_LISTED]) + (", ..." if len(stuck) > MAX_LISTED else "")
        message = f"{_count(stuck)} past the deadline ({listed}): the sweep does not run, or cannot recover them"
        yield bad("open jobs", message, f"clipstitch show {stuck[0].id}")
    if pending:
        sinks = ", ".join(sorted({sink for job in pending for sink in job.pending}))
        message = f"{_count(pending)} finished, with deliveries pending to {sinks}"
        yield warning("open jobs", message, f"clipstitch show {pending[0].id}")
    if not (stuck or pending):
        oldest = f", the oldest {format_age(now - jobs[0].uploaded)} old" if jobs else ""
        yield ok("open jobs", f"{_count(jobs) if jobs else 'none is'} running{oldest}")


def _count(jobs: Sequence[OpenJob]) -> str:
    return "1 is" if len(jobs) == 1 else f"{len(jobs)} are"
