"""Judges the open jobs: how many, how old, and whether one has outlived its deadline. Facts in, findings out."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from clipstitch.common.errors import ClipstitchError
from clipstitch_cli.doctor.deployment_facts import OpenJob
from clipstitch_cli.doctor.findings import Finding, age, bad, ok, unanswered, warning

GRACE = timedelta(minutes=15)  # three sweeps
MOST_NAMED = 3


def open_jobs(jobs: Sequence[OpenJob] | ClipstitchError, now: datetime) -> Iterator[Finding]:
    """Judge the open jobs, oldest first."""
    if isinstance(jobs, ClipstitchError):
        yield unanswered("open jobs", jobs)
        return
    stuck = [job for job in jobs if job.late and job.late > GRACE and not job.pending]
    owing = [job for job in jobs if job.pending]
    if stuck:
        line = f"{_count(stuck)} past the deadline ({_named(stuck)}), so the sweep does not run, or cannot help"
        yield bad("open jobs", line, f"clipstitch show {stuck[0].id}")
    if owing:
        line = (
            f"{_count(owing)} done but for telling {', '.join(sorted({sink for job in owing for sink in job.pending}))}"
        )
        yield warning("open jobs", line, f"clipstitch show {owing[0].id}")
    if not (stuck or owing):
        oldest = f", the oldest {age(now - jobs[0].uploaded)} old" if jobs else ""
        yield ok("open jobs", f"{_count(jobs) if jobs else 'none is'} under way{oldest}")


def _count(jobs: Sequence[OpenJob]) -> str:
    return "1 is" if len(jobs) == 1 else f"{len(jobs)} are"


def _named(jobs: Sequence[OpenJob]) -> str:
    """Name some of the jobs."""
    return ", ".join(job.id for job in jobs[:MOST_NAMED]) + (", ..." if len(jobs) > MOST_NAMED else "")
