"""Follows a job until every sink had its first delivery attempt, and shows a progress bar."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from clipstitch.common.errors import CloudBusy, ObjectNotFound
from clipstitch.jobs.completion_event import event_id, make_event
from clipstitch.jobs.job import DELIVERED, RESULT_SINK, Job
from clipstitch.usecases.context import Context
from clipstitch.usecases.job_store import JobStore
from clipstitch_cli.context import CommandContext
from clipstitch_cli.display.job_text import stage
from clipstitch_cli.display.process_text import format_ms
from clipstitch_cli.errors import WaitTimedOut

Pause = Callable[[float], None]
MIN_PAUSE_S, MAX_PAUSE_S, PAUSE_FACTOR = 0.05, 1.0, 1.15


def follow(job_id: str, context: Context, timeout: timedelta, pause: Pause = time.sleep) -> Iterator[Job]:
    """Yield a job at once and after every change, until every sink had a delivery attempt. Raises WaitTimedOut."""
    store, deadline = context.store, context.clock.now() + timeout
    pause_s, known = MIN_PAUSE_S, Job(job_id)
    yield known
    while not _is_finished(known):
        job = _refreshed(known, store)
        if job.facts != known.facts:
            known, pause_s = job, MIN_PAUSE_S
            yield known
        elif context.clock.now() >= deadline:
            waited = format_ms(timeout / timedelta(milliseconds=1))
            raise WaitTimedOut(f"job {job_id} is {known.state} after {waited}: {stage(known)}")
        else:
            pause(pause_s)
            pause_s = min(pause_s * PAUSE_FACTOR, MAX_PAUSE_S)


def _is_finished(job: Job) -> bool:
    """Return True if waiting longer is pointless: deliveries to a webhook that is down may be pending for days."""
    sinks = {*job.decision.sinks, RESULT_SINK} if job.decision else {""}
    return job.closed or sinks <= job.details(DELIVERED) | set(job.pending)


def _refreshed(job: Job, store: JobStore) -> Job:
    """Return a job as it is now; unchanged if the cloud is busy, or removes an object while it is read."""
    try:
        return store.refresh(job)
    except (CloudBusy, ObjectNotFound):
        return job


def show_progress(jobs: Iterator[Job], command: CommandContext) -> Job:
    """Show the states of a job as a progress bar if stderr is a terminal; return the last state."""
    bar = BarColumn(complete_style="cyan", finished_style="green")  # the library's default is red until the end
    columns = (SpinnerColumn(), TextColumn("{task.description}"), bar, TimeElapsedColumn())
    job = next(jobs)
    with Progress(*columns, console=command.err, disable=not command.err.is_terminal) as progress:
        task = progress.add_task(stage(job), total=_expected_facts(job))
        for job in jobs:
            progress.update(task, description=stage(job), completed=len(job.facts), total=_expected_facts(job))
    return job


def _expected_facts(job: Job) -> int:
    """Return how many facts an undisturbed job has: planned, two per step, decision, result, deliveries, closed."""
    steps = len(job.plan.steps) if job.plan else 1
    sinks = job.decision.sinks if job.decision else job.plan.sinks if job.plan else ("", "")
    expected = 1 + 2 * steps + 2 + len(sinks) + 1 + 1
    return len(job.facts) if job.closed else max(expected, len(job.facts) + 1)


def completion_event(job: Job, context: Context) -> dict[str, Any]:
    """Return the event of a finished job: from the result object, or from the facts if that is not available."""
    event = make_event(job)
    assert job.decision  # only a decided job has an event
    try:
        body = context.objects.read(context.settings.result_of(job.decision)).body
        stored: dict[str, Any] = json.loads(body)
    except (CloudBusy, ObjectNotFound, ValueError):
        return event
    return stored if stored.get("id") == event_id(job) else event  # a newer job may have overwritten the result
