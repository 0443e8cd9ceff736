"""`clipstitch watch`: what becomes of jobs, as it happens."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from rich.text import Text

from clipstitch.common.clock import timestamp
from clipstitch.common.errors import CloudBusy, ObjectNotFound
from clipstitch.jobs.job import Job
from clipstitch.usecases.context import Context
from clipstitch.usecases.job_store import JobStore
from clipstitch_cli import exit_codes
from clipstitch_cli.commands.jobs import STYLES, manifest_of, output_of
from clipstitch_cli.connection import connect
from clipstitch_cli.context import CommandContext, visible
from clipstitch_cli.display.job_progress import stage
from clipstitch_cli.options import length_of

PAUSE_S = 1.0


class Looks(NamedTuple):
    """When watching is over, how to wait a moment between two looks, and who hears of one in vain."""

    over: Callable[[], bool]
    pause: Callable[[float], None]
    in_vain: Callable[[CloudBusy], None]


def watch(command: CommandContext, project: Path | None, *, how_long: str) -> int:
    """Watch until interrupted, or as long as was said."""
    limit = length_of("--for", how_long) if how_long else None
    return watch_in(connect(command, project), command, limit)


def watch_in(
    cloud: Context, command: CommandContext, limit_ms: int | None, pause: Callable[[float], None] = time.sleep
) -> int:
    """Write a line for every job that is open, and for everything that becomes of jobs from now on."""
    end = None if limit_ms is None else cloud.clock.now() + timedelta(milliseconds=limit_ms)
    if not command.json:
        command.err.print(Text("watching; Ctrl-C ends it", "dim"))
    looks = Looks(lambda: end is not None and cloud.clock.now() >= end, pause, partial(_tell_outage, command=command))
    for job in changes(cloud, looks):
        if command.json:
            command.hand_over(_as_json(job, cloud))
        else:
            command.say(_line(job, cloud))
    return exit_codes.OK


def changes(cloud: Context, looks: Looks) -> Iterator[Job]:
    """Yield every job now open, then each job whenever it gets on; jobs that were closed before are passed over.

    `CloudBusy` when the very first look is in vain; later ones are repeated.
    """
    store = cloud.store(cloud.settings.bucket)
    past = set(_of_today(store, cloud)) - set(store.open_jobs())
    stages: dict[str, str] = {}
    while True:
        for job_id in sorted({*_seen(store, cloud, looks), *stages} - past):
            job = _loaded(job_id, store)
            if job and stages.get(job_id) != stage(job):
                stages[job_id] = stage(job)
                yield job
                if job.closed:
                    past.add(job_id)
        stages = {job_id: known for job_id, known in stages.items() if job_id not in past}
        if looks.over():
            return
        looks.pause(PAUSE_S)


def _seen(store: JobStore, cloud: Context, looks: Looks) -> list[str]:
    """Name the jobs that can be seen; none while the cloud is busy: whoever watches wants to see it come back."""
    try:
        return [*store.open_jobs(), *_of_today(store, cloud)]
    except CloudBusy as error:
        looks.in_vain(error)
        return []


def _of_today(store: JobStore, cloud: Context) -> list[str]:
    """Name the jobs of today and yesterday; quick ones may come and go between two looks."""
    today = cloud.clock.now().date()
    return [job_id for day in (today - timedelta(days=1), today) for job_id in store.jobs_of(day.isoformat())]


def _loaded(job_id: str, store: JobStore) -> Job | None:
    """Look at a job; not now when the cloud is busy, or is just moving what we read."""
    try:
        return store.load(job_id)
    except (CloudBusy, ObjectNotFound):
        return None


def _as_json(job: Job, cloud: Context) -> dict[str, Any]:
    """Return a job as programs read it."""
    about = {"at": timestamp(cloud.clock.now()), "job": job.id, "state": job.state, "stage": stage(job)}
    return {**about, "closed": job.closed, "manifest": _manifest(job, cloud), "output": output_of(job)}


def _manifest(job: Job, cloud: Context) -> str:
    """Return a job's manifest; of one that has just come, nothing while the cloud is busy."""
    with suppress(CloudBusy):
        return manifest_of(job, cloud)
    return ""


def _tell_outage(error: CloudBusy, command: CommandContext) -> None:
    """Say that we saw nothing, to people: a program has the lines before and after."""
    if not command.json:
        command.err.print(Text(f"looking again: {visible(str(error))}", "dim"), soft_wrap=True)


def _line(job: Job, cloud: Context) -> Text:
    """Show a job to people."""
    home = f"oss://{cloud.settings.bucket}/"
    names = [visible(uri.removeprefix(home)) for uri in (_manifest(job, cloud), output_of(job)) if uri]
    at = cloud.clock.now().astimezone().strftime("%H:%M:%S")
    style = STYLES.get(job.state, "yellow")
    return Text.assemble((f"{at}  ", "dim"), (job.id, "bold"), "  ", (stage(job), style), "  ", " → ".join(names))
