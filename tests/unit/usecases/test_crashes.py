"""Break the flow before and after every single port call, run it again, and see that the world is right."""

import json
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipstitch.common.errors import CloudBusy, FailureUnconfirmed
from clipstitch.common.identifiers import ObjectRef
from clipstitch.jobs.job import Job
from tests.world import BUCKET, DOCUMENT, OUTPUT, FaultAfter, World

QUIET = settings(database=None, deadline=None, max_examples=150)
ENOUGH = 60  # more calls than any run makes; asserted below
POINTS = st.tuples(st.integers(0, 40), st.booleans())
REJECTED = {"version": 1, "output": {"key": "a.mp3"}, "clips": []}


def dropped(document: object = DOCUMENT) -> World:
    """Return a world into which a manifest was dropped."""
    world = World()
    world.drop(document)
    return world


def calls_of(run: Callable[[FaultAfter], object]) -> int:
    """Count the port calls of a run."""
    fault = FaultAfter(ENOUGH)
    run(fault)
    assert 0 < fault.left < ENOUGH
    return ENOUGH - fault.left


def every_call(run: Callable[[FaultAfter], object]) -> list:
    """List all places at which a run can break: before and after each of its calls."""
    places = [(calls, before) for calls in range(calls_of(run)) for before in (True, False)]
    return [pytest.param(n, before, id=f"{'before' if before else 'after'} call {n + 1}") for n, before in places]


def submitted() -> World:
    """Return a world in which a job runs."""
    world = dropped()
    world.submit()
    return world


def finish(world: World, *, newest_first: bool = False) -> Job:
    """Submit again, let all tasks end, deliver all notices, and submit once more."""
    world.clock.advance(1)
    world.submit()
    tasks = world.audio.accepted[::-1] if newest_first else list(world.audio.accepted)
    for message in [world.run(task) for task in tasks]:
        world.clock.advance(1)
        world.complete(message)
    job = world.submit()
    assert job is not None
    return job


def assert_right(world: World, job: Job, state: str = "succeeded") -> None:
    """One final state, one event id with one content for each sink, one output, nothing left over."""
    texts = {text for _, _, text in world.messages.said}

    assert state == job.state
    assert job.closed
    assert 1 == len(texts)
    assert f"{job.id}.{state}" == json.loads(texts.pop())["id"] == world.result()["id"]
    assert {"topic", "queue"} == {kind for kind, _, _ in world.messages.said}
    assert (state == "succeeded") == (OUTPUT in world.objects.stored)
    assert [] == [key for part in ("open/", "tasks/", "work/") for key in world.state_keys(part)]


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize(("calls", "before"), every_call(lambda fault: dropped().submit(fault)))
def test_a_crash_anywhere_in_submit_then_a_retry_ends_in_one_output(calls: int, before: bool, newest_first: bool):
    """At most a second task was started; whichever notice comes first, one decides, and nothing is left."""
    world = dropped()
    with pytest.raises(CloudBusy):
        world.submit(FaultAfter(calls, before=before))
    job = finish(world, newest_first=newest_first)

    assert_right(world, job)
    assert ["a", "b"] == json.loads(world.objects.read(OUTPUT).body)["names"]


@pytest.mark.parametrize(("calls", "before"), every_call(lambda fault: (w := submitted()).complete(w.run(), fault)))
def test_a_crash_anywhere_in_complete_then_a_retry_ends_in_one_output(calls: int, before: bool):
    """The notice is delivered again, and everything done is found done."""
    world = submitted()
    message = world.run()
    with pytest.raises(CloudBusy):
        world.complete(message, FaultAfter(calls, before=before))
    published = world.objects.stored.get(OUTPUT)
    world.clock.advance(1)
    job = world.complete(message)

    assert_right(world, job)
    assert (published or world.objects.read(OUTPUT)) == world.objects.read(OUTPUT)


@pytest.mark.parametrize(("calls", "before"), every_call(lambda fault: dropped(REJECTED).submit(fault)))
def test_a_crash_anywhere_in_a_rejection_then_a_retry_tells_one_event(calls: int, before: bool):
    """Nothing is planned, and everybody hears of it."""
    world = dropped(REJECTED)
    with pytest.raises(CloudBusy):
        world.submit(FaultAfter(calls, before=before))
    world.clock.advance(1)

    assert_right(world, world.submit(), "rejected")


def failing() -> tuple[World, bytes]:
    """Return a world in which the task failed, and its notice."""
    world = submitted()
    world.objects.delete([ObjectRef(BUCKET, "b.wav")])
    return world, world.run()


def run_of_a_failure(fault: FaultAfter) -> None:
    """Deliver the notice of a failed task."""
    world, message = failing()
    world.complete(message, fault)


@pytest.mark.parametrize(("calls", "before"), every_call(run_of_a_failure))
def test_a_crash_anywhere_in_a_failure_then_a_retry_tells_one_event(calls: int, before: bool):
    """The reason that was judged is the reason that is told."""
    world, message = failing()
    with pytest.raises(CloudBusy):
        world.complete(message, FaultAfter(calls, before=before))
    world.clock.advance(1)

    assert_right(world, world.complete(message), "failed")


@pytest.mark.parametrize(("calls", "before"), every_call(lambda fault: dropped().submit(fault)))
def test_after_a_crash_in_submit_the_first_tasks_notice_alone_is_enough(calls: int, before: bool):
    """The step's target names the job, so even a task that we never noted brings it to its end."""
    world = dropped()
    with pytest.raises(CloudBusy):
        world.submit(FaultAfter(calls, before=before))
    if not world.audio.accepted or not world.objects.stored:
        return
    job = world.complete(world.run(world.audio.accepted[0]))

    assert_right(world, job)


@given(st.lists(POINTS, min_size=2, max_size=2), st.lists(POINTS, min_size=2, max_size=2), st.booleans(), st.booleans())
@QUIET
def test_two_crashes_in_each_function_end_like_none(
    in_submit: list[tuple[int, bool]], in_complete: list[tuple[int, bool]], newest_first: bool, lost_clip: bool
):
    """Wherever they are; and if a clip is lost meanwhile, the job fails once instead."""
    world = dropped()
    for calls, before in in_submit:
        with suppress(CloudBusy):
            world.submit(FaultAfter(calls, before=before))
    world.submit()
    if lost_clip:
        world.objects.delete([ObjectRef(BUCKET, "b.wav")])
    tasks = world.audio.accepted[::-1] if newest_first else list(world.audio.accepted)
    messages = [world.run(task) for task in tasks]
    for message in messages:
        for calls, before in in_complete:
            world.clock.advance(1)
            with suppress(CloudBusy, FailureUnconfirmed):
                world.complete(message, FaultAfter(calls, before=before))
    for message in messages:
        with suppress(FailureUnconfirmed):  # of a task that submit died upon; the other's counts
            world.complete(message)

    assert_right(world, world.submit(), "failed" if lost_clip else "succeeded")


@given(st.lists(POINTS, min_size=2, max_size=2))
@QUIET
def test_two_crashes_in_a_rejection_end_like_none(points: list[tuple[int, bool]]):
    """Wherever they are."""
    world = dropped(REJECTED)
    for calls, before in points:
        with suppress(CloudBusy):
            world.submit(FaultAfter(calls, before=before))

    assert_right(world, world.submit(), "rejected")


def test_the_output_keeps_its_time_when_the_notice_comes_again():
    """The published object is the one that was seen first: same ETag, same moment."""
    world = submitted()
    message = world.run()
    world.complete(message)
    first = world.objects.describe(OUTPUT)
    world.clock.advance(3600)
    world.complete(message)

    assert first == world.objects.describe(OUTPUT)
