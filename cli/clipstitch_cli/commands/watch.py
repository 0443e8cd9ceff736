"""`clipstitch watch`: writes a line for every open job, and for every change of a job."""

import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Any

import typer

from clipstitch.common.clock import timestamp
from clipstitch.common.errors import CloudBusy
from clipstitch.jobs.job import Job
from clipstitch.usecases.context import Context
from clipstitch.usecases.job_store import JobStore
from clipstitch_cli import exit_codes
from clipstitch_cli.connection import connect
from clipstitch_cli.context import CommandContext, visible
from clipstitch_cli.display.job_progress import Pause, load_if_available
from clipstitch_cli.display.job_text import stage, state_text
from clipstitch_cli.options import Json, Project, command_of, parse_duration
from clipstitch_cli.stored_jobs import manifest_uri, output_uri

PAUSE_S = 1.0


def watch(
    ctx: typer.Context,
    _json: Json = False,
    how_long: Annotated[str, typer.Option("--for", help="How long, e.g. 90s or 1h; default: until Ctrl-C.")] = "",
    project: Project = None,
) -> int:
    """Watch jobs: write a line for each open job, and for each change."""
    command = command_of(ctx)
    limit = parse_duration("--for", how_long) if how_long else None
    return watch_jobs(connect(command, project), command, limit)


def watch_jobs(context: Context, command: CommandContext, limit: timedelta | None, pause: Pause = time.sleep) -> int:
    """Write a line for every open job, then for every change, until the limit is over."""
    end = None if limit is None else context.clock.now() + limit
    if not command.json:
        command.write_note("watching; press Ctrl-C to stop")
    for job in _changes(context, command, end, pause):
        command.write(partial(_as_json, job, context), partial(_write_job, job, context, command))
    return exit_codes.OK


def _changes(context: Context, command: CommandContext, end: datetime | None, pause: Pause) -> Iterator[Job]:
    """Yield every open job, then each job after every change; jobs that were closed before are ignored.

    Raises CloudBusy if the first request fails; later requests are repeated.
    """
    store = context.store
    closed = set(_recent_jobs(store, context)) - set(store.open_jobs())
    stages: dict[str, str] = {}
    while True:
        for job_id in sorted({*_listed_jobs(store, context, command), *stages} - closed):
            job = load_if_available(job_id, store)
            if job and stages.get(job_id) != stage(job):
                stages[job_id] = stage(job)
                yield job
                if job.closed:
                    closed.add(job_id)
                    del stages[job_id]
        if end is not None and context.clock.now() >= end:
            return
        pause(PAUSE_S)


def _listed_jobs(store: JobStore, context: Context, command: CommandContext) -> list[str]:
    """Return the open and the recent jobs; none while the cloud is busy, so that watching continues."""
    try:
        return [*store.open_jobs(), *_recent_jobs(store, context)]
    except CloudBusy as error:
        if not command.json:
            command.write_note(f"trying again: {visible(str(error))}")
        return []


def _recent_jobs(store: JobStore, context: Context) -> list[str]:
    """Return the jobs of yesterday and today: a short job may begin and end between two requests."""
    today = context.clock.now().date()
    return [job_id for day in (today - timedelta(days=1), today) for job_id in store.jobs_of_day(day.isoformat())]


def _as_json(job: Job, context: Context) -> dict[str, Any]:
    known = {"at": timestamp(context.clock.now()), "job": job.id, "state": job.state, "stage": stage(job)}
    return {**known, "closed": job.closed, "manifest": _manifest(job, context), "output": output_uri(job)}


def _manifest(job: Job, context: Context) -> str:
    with suppress(CloudBusy):
        return manifest_uri(job, context)
    return ""


def _write_job(job: Job, context: Context, command: CommandContext) -> None:
    bucket_uri = f"oss://{context.settings.bucket}/"
    names = [visible(uri.removeprefix(bucket_uri)) for uri in (_manifest(job, context), output_uri(job)) if uri]
    at = context.clock.now().astimezone().strftime("%H:%M:%S")
    state = state_text(job.state, text=stage(job))
    command.write_line((f"{at}  ", "dim"), (job.id, "bold"), "  ", state, "  ", " → ".join(names))
