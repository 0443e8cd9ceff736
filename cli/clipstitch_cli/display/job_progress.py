"""A job on its way: yields what is newly known until the job is closed, and shows it."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, NamedTuple

from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from clipstitch.common.errors import CloudBusy, ObjectNotFound
from clipstitch.common.identifiers import ObjectRef
from clipstitch.jobs.completion_event import event_id, make_event
from clipstitch.jobs.job import DELIVERED, RESULT_SINK, Job
from clipstitch.usecases.context import Context
from clipstitch_cli.context import CommandContext
from clipstitch_cli.display.process_text import seconds
from clipstitch_cli.errors import TimedOut

FIRST_PAUSE_S, LONGEST_PAUSE_S, SLOWER = 0.05, 1.0, 1.15
_STAGES = {"received": "waiting for submit", "waiting": "waiting for clips", "planned": "starting"}


class Patience(NamedTuple):
    """How long to wait in all, and how to wait a moment."""

    milliseconds: int
    pause: Callable[[float], None] = time.sleep


def follow(job_id: str, bucket: str, cloud: Context, patience: Patience) -> Iterator[Job]:
    """Yield a job now and whenever more is known of it, until it is through. `TimedOut` when that takes too long."""
    store = cloud.store(bucket)
    deadline = cloud.clock.now() + timedelta(milliseconds=patience.milliseconds)
    pause, known = FIRST_PAUSE_S, Job(job_id)
    yield known
    while not _through(known):
        job = _load(lambda: store.load(job_id)) or known
        if job.facts != known.facts:
            known, pause = job, FIRST_PAUSE_S
            yield known
        elif cloud.clock.now() >= deadline:
            raise TimedOut(f"job {job_id} is {known.state} after {seconds(patience.milliseconds)}: {stage(known)}")
        else:
            patience.pause(pause)
            pause = min(pause * SLOWER, LONGEST_PAUSE_S)


def _through(job: Job) -> bool:
    """Say whether there is nothing to wait for: a webhook that is down may be owed its event for days."""
    sinks = {*job.decision.sinks, RESULT_SINK} if job.decision else {""}
    return job.closed or sinks <= job.details(DELIVERED) | set(job.pending)


def _load(load: Callable[[], Job]) -> Job | None:
    """Look at the job; None when the cloud is busy, or is just moving what we read."""
    try:
        return load()
    except (CloudBusy, ObjectNotFound):
        return None


def watch(jobs: Iterator[Job], command: CommandContext) -> Job:
    """Show a job's way as a progress bar on a terminal's stderr; return the job as it ended."""
    bar = BarColumn(complete_style="cyan", finished_style="green")  # the library's own is red until the end
    columns = (SpinnerColumn(), TextColumn("{task.description}"), bar, TimeElapsedColumn())
    job = next(jobs)
    with Progress(*columns, console=command.err, disable=not command.err.is_terminal) as progress:
        task = progress.add_task(stage(job), total=expected_facts(job))
        for job in jobs:
            progress.update(task, description=stage(job), completed=len(job.facts), total=expected_facts(job))
    return job


def stage(job: Job) -> str:
    """Say how far a job is, for people."""
    if job.closed:
        return job.state
    if job.decision is not None:
        return "publishing" if job.state == "publishing" else f"{job.state}, telling"
    if job.state == "running" and job.plan:
        return f"merging {len(job.plan.clips)} clips"
    return _STAGES.get(job.state, job.state)


def expected_facts(job: Job) -> int:
    """Count the facts that a job has when all goes well: planned, two a step, verdict, result, told ones, closed."""
    steps = len(job.plan.steps) if job.plan else 1
    sinks = job.decision.sinks if job.decision else job.plan.sinks if job.plan else ("", "")
    wanted = 1 + 2 * steps + 2 + len(sinks) + 1 + 1
    return len(job.facts) if job.closed else max(wanted, len(job.facts) + 1)


def completion_event(job: Job, cloud: Context) -> dict[str, Any]:
    """Return a closed job's event from the result object; if that is a newer job's, or the cloud busy, from facts."""
    event = make_event(job)
    manifest = ObjectRef.parse(job.decision.manifest.ref.uri) if job.decision else None
    if manifest is None:
        return event
    ref = ObjectRef(manifest.bucket, f"{cloud.settings.result_prefix}{manifest.key}.json")
    try:
        kept: dict[str, Any] = json.loads(cloud.objects.read(ref).body)
    except (CloudBusy, ObjectNotFound, ValueError):
        return event
    return kept if kept.get("id") == event_id(job) else event
