"""Kinds of jobs with which a world begins. Each is made by the real functions, while calls are free.

A population returns the manifests of those of its jobs whose audio is ready: none of them may fail.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial

from clipstitch.adapters.memory import tone
from clipstitch.common.errors import ClipstitchError
from clipstitch.common.identifiers import ObjectRef
from clipstitch.jobs.job import PLANNED, Fact
from tests.simulation.scale.world import ScaleWorld

HOUR_S = 3600
ARCHIVED = "archived"
EVENTS, QUEUE = "events", "queue"  # the sinks of all worlds
Population = Callable[[ScaleWorld, int], list[ObjectRef]]


def running(world: ScaleWorld, count: int) -> list[ObjectRef]:
    """Make jobs whose tasks are running."""
    for name in _names(world, "running", count, oldest_s=HOUR_S):
        world.submit(world.drop(name))
    return []


def delivering_to(sink: str) -> Population:
    """Return the population of jobs that are published, and have to be delivered to one sink."""
    return partial(_delivering, sink)


def _delivering(sink: str, world: ScaleWorld, count: int) -> list[ObjectRef]:
    manifests = []
    for name in _names(world, f"to-{sink}", count, oldest_s=10 * HOUR_S):
        manifests.append(world.drop(name, notify=[sink]))
        _finish(world, manifests[-1])
    return manifests


def notification_lost(world: ScaleWorld, count: int) -> list[ObjectRef]:
    """Make jobs whose task has succeeded, but whose notification was lost."""
    manifests = []
    for name in _names(world, "unnoticed", count, oldest_s=3 * HOUR_S):
        manifests.append(world.drop(name))
        world.submit(manifests[-1])
        world.audio.run(world.audio.accepted[-1])
    return manifests


def waiting_for_clips(world: ScaleWorld, count: int) -> list[ObjectRef]:
    """Make jobs that wait for one of twenty clips, which never comes."""
    clips = [f"clips/{number}.mp3" for number in range(19)]
    for clip in clips:
        world.put(clip, tone(2.0, name=clip))
    for name in _names(world, "waiting", count, oldest_s=5 * HOUR_S):
        world.submit(world.drop(name, clips=[*clips, f"clips/of-{name}.mp3"], wait_for_clips="24h"))
    return []


def with_damaged_plan(world: ScaleWorld, count: int) -> list[ObjectRef]:
    """Make jobs whose plan was cut short."""
    for name in _names(world, "damaged", count, oldest_s=5 * HOUR_S):
        manifest = world.drop(name)
        world.submit(manifest)
        plan = world.context().store.fact_ref(world.job_id(manifest), Fact(PLANNED))
        world.put(plan.key, world.objects.read(plan).body[:100])
    return []


def with_archived_manifest(world: ScaleWorld, count: int) -> list[ObjectRef]:
    """Upload manifests that cannot be read (see `Outages.archived_prefix`)."""
    for name in _names(world, ARCHIVED, count, oldest_s=5 * HOUR_S):
        with suppress(ClipstitchError):
            world.submit(world.drop(name))
    return []


def closed(world: ScaleWorld, count: int) -> list[ObjectRef]:
    """Make jobs that are closed, and within the search window."""
    manifests = []
    for name in _names(world, "done", count, oldest_s=20 * HOUR_S):
        manifests.append(world.drop(name))
        _finish(world, manifests[-1])
    return manifests


def with_orphans(world: ScaleWorld, count: int) -> list[ObjectRef]:
    """Make closed jobs, and what a second task of each left behind after the end."""
    for name in _names(world, "closed", count, oldest_s=12 * HOUR_S, youngest_s=7 * HOUR_S):
        manifest = world.drop(name)
        _finish(world, manifest)
        task, job_id = world.audio.accepted[-1], world.job_id(manifest)
        world.audio.run(task)
        world.context().store.point_to_step(f"{task.id}-second", job_id, 0)
    return []


def lost_uploads(world: ScaleWorld, count: int) -> list[ObjectRef]:
    """Upload manifests whose event was lost."""
    return [world.drop(name) for name in _names(world, "lost", count, oldest_s=20 * HOUR_S)]


def overdue(world: ScaleWorld, count: int) -> list[ObjectRef]:
    """Make jobs that are older than the deadline, half of them with audio that is ready."""
    ready = []
    for number, name in enumerate(_names(world, "overdue", count, oldest_s=9 * HOUR_S, youngest_s=7 * HOUR_S)):
        manifest = world.drop(name)
        world.submit(manifest)
        if number % 2:
            world.audio.run(world.audio.accepted[-1])
            ready.append(manifest)
    return ready


def _names(world: ScaleWorld, kind: str, count: int, *, oldest_s: float, youngest_s: float = 600) -> Iterator[str]:
    """Yield a name for each job, while the clock is at the time of its upload; afterwards it is at the start again."""
    for number in range(count):
        world.clock.seconds = -oldest_s + (oldest_s - youngest_s) * number / count
        yield f"{kind}-{number:05d}"
    world.clock.seconds = 0.0


def _finish(world: ScaleWorld, manifest: ObjectRef) -> None:
    """Submit and complete a job; its deliveries may fail."""
    world.submit(manifest)
    message = world.audio.run(world.audio.accepted[-1])
    with suppress(ClipstitchError):
        world.complete(message)
