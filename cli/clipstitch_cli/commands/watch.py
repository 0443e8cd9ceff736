"""`clipstitch watch`: writes a line for every open job, and for every change of a job."""

import time
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Annotated, Any

import typer

from clipstitch.common.clock import timestamp
from clipstitch.common.errors import CloudBusy
from clipstitch.common.identifiers import upload_stamp
from clipstitch.jobs.job import Job
from clipstitch.usecases.context import Context
from clipstitch_cli import exit_codes
from clipstitch_cli.connection import connect
from clipstitch_cli.context import CommandContext, visible
from clipstitch_cli.display.job_progress import Pause
from clipstitch_cli.display.job_text import names_text, stage, state_text
from clipstitch_cli.options import Json, Names, Project, command_of, parse_duration
from clipstitch_cli.stored_jobs import JobNames, job_names

PAUSE_S = 1.0
# A job may begin and end between two requests; such a job is found by the time of its upload, if it is that recent.
RECENT = timedelta(minutes=15)


def watch(
    ctx: typer.Context,
    _json: Json = False,
    how_long: Annotated[str, typer.Option("--for", help="How long, e.g. 90s or 1h; default: until Ctrl-C.")] = "",
    names: Names = False,
    project: Project = None,
) -> int:
    """Watch jobs: write a line for each open job, and for each change."""
    command = command_of(ctx)
    limit = parse_duration("--for", how_long) if how_long else None
    return watch_jobs(connect(command, project), command, limit, names=names)


def watch_jobs(
    context: Context,
    command: CommandContext,
    limit: timedelta | None,
    pause: Pause = time.sleep,
    *,
    names: bool = False,
) -> int:
    """Write a line for every open job, then for every change, until the limit is over.

    With `names`, one more request per line.
    """
    end = None if limit is None else context.clock.now() + limit
    if not command.json:
        command.write_note("watching; press Ctrl-C to stop")
    for job in _changes(context, command, end, pause):
        known = job_names(job, context) if names else None
        if command.json:
            command.write_json(_as_json(job, known, context.clock.now()))
        else:
            _write_job(job, known, context, command)
    return exit_codes.OK


def _changes(context: Context, command: CommandContext, end: datetime | None, pause: Pause) -> Iterator[Job]:
    """Yield every open job, then each job after every change; jobs that were closed before are ignored.

    Raises CloudBusy if the first request fails; later requests are repeated.
    """
    closed = {job.id for job in _recent_jobs(context) if job.closed}
    stages: dict[str, str] = {}
    while True:
        for job in _listed_jobs(stages, context, command):
            if job.id not in closed and stages.get(job.id) != stage(job):
                stages[job.id] = stage(job)
                yield job
                if job.closed:
                    closed.add(job.id)
                    del stages[job.id]
        if end is not None and context.clock.now() >= end:
            return
        pause(PAUSE_S)


def _listed_jobs(watched: Iterable[str], context: Context, command: CommandContext) -> list[Job]:
    """Return the watched, the open and the recent jobs; none while the cloud is busy, so that watching continues."""
    store = context.store
    try:
        found = {job_id: Job(job_id) for job_id in store.open_jobs()}
        found |= {job.id: job for job in _recent_jobs(context)}
        older = {*watched, *found} - {job_id for job_id, job in found.items() if job.facts}
        found |= {job.id: job for job in store.listed(older)}
    except CloudBusy as error:
        if not command.json:
            command.write_note(f"trying again: {visible(str(error))}")
        return []
    return [found[job_id] for job_id in sorted(found)]


def _recent_jobs(context: Context) -> Iterator[Job]:
    """Yield the jobs whose manifests were uploaded recently."""
    now = context.clock.now()
    for day in sorted({(now - RECENT).date(), now.date()}):
        yield from context.store.listed_of_day(day.isoformat(), upload_stamp(now - RECENT))


def _as_json(job: Job, names: JobNames | None, now: datetime) -> dict[str, Any]:
    known = {"at": timestamp(now), "job": job.id, "state": job.state, "stage": stage(job), "closed": job.closed}
    return {**known, **(names._asdict() if names else {})}


def _write_job(job: Job, names: JobNames | None, context: Context, command: CommandContext) -> None:
    at = context.clock.now().astimezone().strftime("%H:%M:%S")
    tail = f"  {names_text(names, f'oss://{context.settings.bucket}/')}" if names else ""
    command.write_line((f"{at}  ", "dim"), (job.id, "bold"), "  ", state_text(job.state, text=stage(job)), tail)
