"""`clipstitch jobs`: lists open jobs, and the jobs of a day."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Annotated, NamedTuple

import typer
from rich.table import Table

from clipstitch.common.clock import Clock
from clipstitch.usecases.context import Context
from clipstitch_cli import exit_codes
from clipstitch_cli.connection import connect
from clipstitch_cli.context import CommandContext, visible
from clipstitch_cli.display.job_text import state_text
from clipstitch_cli.errors import UsageError
from clipstitch_cli.options import Json, Project, command_of
from clipstitch_cli.stored_jobs import manifest_uri, output_uri


class JobRow(NamedTuple):
    """One job in the list. `open`: something is left to do, if only deliveries."""

    job: str
    state: str
    open: bool
    manifest: str
    output: str | None


def jobs(
    ctx: typer.Context,
    _json: Json = False,
    day: Annotated[str, typer.Option(help="Jobs of this day, YYYY-MM-DD; default: today and yesterday (UTC).")] = "",
    only_open: Annotated[bool, typer.Option("--open", help="Only open jobs.")] = False,
    project: Project = None,
) -> int:
    """List jobs: the open ones, and those of a day."""
    command = command_of(ctx)
    days = [] if only_open else _days(day, command.clock)
    return list_jobs(connect(command, project), days, command)


def list_jobs(context: Context, days: list[str], command: CommandContext) -> int:
    """List the open jobs, and the jobs of some days (YYYY-MM-DD)."""
    rows = list(_rows(context, days))
    if command.json:
        command.write_json([row._asdict() for row in rows])
    elif rows:
        command.table_console().print(_table(rows, f"oss://{context.settings.bucket}/"))
    else:
        command.write_line(f"no jobs{': none open, none of ' + ' and '.join(days) if days else ' are open'}")
    return exit_codes.OK


def _days(day: str, clock: Clock) -> list[str]:
    """Return the given day, or yesterday and today in UTC, in which the job store groups jobs."""
    if not day:
        today = clock.now().date()
        return [(today - timedelta(days=1)).isoformat(), today.isoformat()]
    try:
        return [date.fromisoformat(day).isoformat()]
    except ValueError as error:
        raise UsageError(f"--day {day!r} is not a day; write YYYY-MM-DD") from error


def _rows(context: Context, days: list[str]) -> Iterator[JobRow]:
    """Yield the jobs, oldest first."""
    store = context.store
    still_open = set(store.open_jobs())
    for job_id in sorted({job_id for day in days for job_id in store.jobs_of_day(day)} | still_open):
        job = store.load(job_id)
        yield JobRow(job_id, job.state, job_id in still_open, manifest_uri(job, context), output_uri(job))


def _table(rows: list[JobRow], bucket_uri: str) -> Table:
    """Return the jobs as a table; objects of the configured bucket by their keys."""
    table = Table("job", "state", "manifest", "output", box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.columns[0].no_wrap = True
    for column in table.columns[2:]:
        column.overflow = "fold"
    for row in rows:
        names = (visible(uri.removeprefix(bucket_uri)) for uri in (row.manifest, row.output or "-"))
        table.add_row(row.job, state_text(row.state, is_open=row.open), *names)
    return table
