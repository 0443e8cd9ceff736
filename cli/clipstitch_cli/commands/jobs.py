"""`clipstitch jobs`: lists open jobs, and the jobs of a day."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from functools import partial
from typing import Annotated, Any, NamedTuple

import typer
from rich.text import Text

from clipstitch.common.clock import Clock, timestamp
from clipstitch.common.identifiers import uploaded_at
from clipstitch.jobs.job import Job
from clipstitch.usecases.context import Context
from clipstitch_cli import exit_codes
from clipstitch_cli.connection import connect
from clipstitch_cli.context import CommandContext
from clipstitch_cli.display.job_text import names_text, state_text
from clipstitch_cli.doctor.findings import format_age
from clipstitch_cli.errors import UsageError
from clipstitch_cli.options import Json, Names, Project, command_of
from clipstitch_cli.stored_jobs import JobNames, job_names

READERS = 16  # concurrent reads of documents


class JobRow(NamedTuple):
    """One job in the list. `open`: something is left to do, if only deliveries. `names` are None unless asked for."""

    job: Job
    open: bool
    names: JobNames | None = None


def jobs(
    ctx: typer.Context,
    _json: Json = False,
    day: Annotated[str, typer.Option(help="Jobs of this day, YYYY-MM-DD; default: today and yesterday (UTC).")] = "",
    only_open: Annotated[bool, typer.Option("--open", help="Only open jobs.")] = False,
    names: Names = False,
    project: Project = None,
) -> int:
    """List jobs: the open ones, and those of a day."""
    command = command_of(ctx)
    days = [] if only_open else _days(day, command.clock)
    return list_jobs(connect(command, project), days, command, names=names)


def list_jobs(context: Context, days: list[str], command: CommandContext, *, names: bool = False) -> int:
    """List the open jobs, and the jobs of some days (YYYY-MM-DD): one request per thousand facts.

    With `names`, one more request per job.
    """
    rows = _rows(context, days)
    if names:
        with ThreadPoolExecutor(READERS) as pool:
            known = pool.map(partial(job_names, context=context), (row.job for row in rows))
            rows = [row._replace(names=found) for row, found in zip(rows, known, strict=True)]
    if command.json:
        command.write_json([_as_json(row) for row in rows])
    elif rows:
        bucket_uri, now = f"oss://{context.settings.bucket}/", context.clock.now()
        command.write_lines(_lines(rows, bucket_uri, now))
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


def _rows(context: Context, days: list[str]) -> list[JobRow]:
    """Return the jobs, oldest first."""
    store = context.store
    still_open = set(store.open_jobs())
    found = {job.id: job for day in days for job in store.listed_of_day(day)}
    found |= {job.id: job for job in store.listed(still_open - set(found))}
    found |= {job_id: Job(job_id) for job_id in still_open - set(found)}
    return [JobRow(found[job_id], job_id in still_open) for job_id in sorted(found)]


def _as_json(row: JobRow) -> dict[str, Any]:
    """Return a row as JSON; a job without facts last changed when its manifest was uploaded."""
    job, uploaded = row.job, uploaded_at(row.job.id)
    times = {"uploaded_at": timestamp(uploaded), "changed_at": timestamp(max(job.facts.values(), default=uploaded))}
    names = row.names._asdict() if row.names else {}
    return {"job": job.id, "state": job.state, "open": row.open, **times, **names}


def _lines(rows: list[JobRow], bucket_uri: str, now: datetime) -> Iterator[Text]:
    """Yield one line for each job below a header; objects of the configured bucket by their keys."""
    texts = [(state_text(row.job.state, is_open=row.open), format_age(now - uploaded_at(row.job.id))) for row in rows]
    width = max(len(state) for state, _ in texts)
    names = "      manifest → output" if rows[0].names else ""
    yield Text(f"{'job':<{len(rows[0].job.id)}}  {'state':<{width}}  age{names}", "dim")
    for row, (state, age) in zip(rows, texts, strict=True):
        tail = f"{age:<7}  {names_text(row.names, bucket_uri)}" if row.names else age
        yield Text.assemble(row.job.id, "  ", state, " " * (width - len(state) + 2), tail)
