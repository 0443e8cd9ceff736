"""`clipstitch jobs`: which jobs are open, and what a day's jobs came to."""

import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

from rich.table import Table
from rich.text import Text

from clipstitch.common.errors import ObjectNotFound
from clipstitch.common.identifiers import ObjectRef
from clipstitch.jobs.job import DELIVERED, Job
from clipstitch.usecases.context import Context
from clipstitch.usecases.job_store import OPEN
from clipstitch_cli import exit_codes
from clipstitch_cli.connection import connect
from clipstitch_cli.context import CommandContext, visible, wide
from clipstitch_cli.errors import Usage

STYLES = {"succeeded": "green", "failed": "red", "rejected": "red"}


class Row(NamedTuple):
    """One job in the list. `open`: there is work left, if only telling."""

    job: str
    state: str
    open: bool
    manifest: str
    output: str | None


def jobs(command: CommandContext, *, day: str, only_open: bool, project: Path | None) -> int:
    """List the open jobs, and unless only those are wanted, the jobs of a day."""
    days = [] if only_open else _days(day, command)
    return jobs_in(connect(command, project), days, command)


def jobs_in(cloud: Context, days: list[str], command: CommandContext) -> int:
    """List the open jobs of a cloud, and the jobs of some days."""
    rows = list(_rows(cloud, days))
    if command.json:
        command.hand_over([row._asdict() for row in rows])
    elif rows:
        wide(command).print(_table(rows, f"oss://{cloud.settings.bucket}/"))
    else:
        command.say(f"no jobs{': none open, none of ' + ' and '.join(days) if days else ' are open'}")
    return exit_codes.OK


def _days(day: str, command: CommandContext) -> list[str]:
    """Return the day that was asked for, else yesterday and today, as the ledger groups them: in UTC."""
    if not day:
        today = command.clock.now().date()
        return [(today - timedelta(days=1)).isoformat(), today.isoformat()]
    try:
        return [date.fromisoformat(day).isoformat()]
    except ValueError as error:
        raise Usage(f"--day {day!r} is not a day; write YYYY-MM-DD") from error


def _rows(cloud: Context, days: list[str]) -> Iterator[Row]:
    """Read the jobs, oldest first."""
    store = cloud.store(cloud.settings.bucket)
    still_open = set(store.open_jobs())
    named = {job_id for day in days for job_id in store.jobs_of(day)}
    for job_id in sorted(named | still_open):
        job = store.load(job_id)
        yield Row(job_id, job.state, job_id in still_open, manifest_of(job, cloud), output_of(job))


def manifest_of(job: Job, cloud: Context) -> str:
    """Return a job's manifest; of one that is only marked as open, the marker knows it."""
    known = job.plan or job.decision
    if known:
        return known.manifest.ref.uri
    settings = cloud.settings
    marker = ObjectRef(settings.state_bucket or settings.bucket, f"{settings.state_prefix}{OPEN}{job.id}")
    try:
        return str(json.loads(cloud.objects.read(marker).body).get("manifest", ""))
    except (ObjectNotFound, ValueError):
        return ""


def output_of(job: Job) -> str | None:
    """Return where the output goes, or went."""
    return job.plan.output.ref.uri if job.plan else None


def owed_to(job: Job) -> list[str]:
    """Name the sinks that were told in vain, and will be told again."""
    return sorted(set(job.pending) - job.details(DELIVERED))


def _table(rows: list[Row], home: str) -> Table:
    """Lay out the jobs; objects of the usual bucket by their keys alone."""
    table = Table("job", "state", "manifest", "output", box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.columns[0].no_wrap = True
    for column in table.columns[2:]:
        column.overflow = "fold"
    for row in rows:
        state = Text(row.state + (" (open)" if row.open else ""), STYLES.get(row.state, "yellow"))
        names = (visible(uri.removeprefix(home)) for uri in (row.manifest, row.output or "-"))
        table.add_row(row.job, state, *names)
    return table
