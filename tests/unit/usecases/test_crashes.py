"""Fail the functions before and after every port call, call them again, and check the result."""

import json
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipstitch.common.errors import CloudBusy, FailureUnconfirmed
from clipstitch.common.identifiers import ObjectRef
from clipstitch.jobs.job import Job
from tests.unit.usecases.harness import REJECTED_DOCUMENT, faults, output_names, submitted, uploaded
from tests.world import BUCKET, OUTPUT, SETTINGS, CallInterceptor, FaultAfter, World

PROFILE = settings(database=None, deadline=None, max_examples=150)
FAULTS = st.tuples(st.integers(0, 40), st.booleans())


def finish(world: World, *, newest_first: bool = False) -> Job:
    """Submit again, run all tasks, deliver all notifications, and submit once more."""
    world.clock.advance(1)
    world.submit()
    tasks = world.audio.accepted[::-1] if newest_first else list(world.audio.accepted)
    for message in [world.run(task) for task in tasks]:
        world.clock.advance(1)
        world.complete(message)
    return world.submit()


def assert_finished(world: World, job: Job, state: str = "succeeded") -> None:
    """Assert one final state, one event with one content for every sink, one output, and no leftovers.

    A delivery that failed is made by the next sweep; what an unrecorded task has left is deleted after the deadline.
    """
    assert state == job.state
    assert job.closed or job.pending
    world.sweep(SETTINGS.grace_period_s)
    texts = {text for _, _, text in world.sent}

    assert world.load(job).closed
    assert 1 == len(texts)
    assert f"{job.id}.{state}" == json.loads(texts.pop())["id"] == world.result()["id"]
    assert {"topic", "queue"} == {kind for kind, _, _ in world.sent}
    assert (state == "succeeded") == (OUTPUT in world.objects.stored)
    world.sweep(SETTINGS.deadline_s)
    assert [] == world.leftovers()


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize(("calls", "before"), faults(lambda fault: uploaded().submit(fault)))
def test_submit_fails_at_any_call_and_is_retried(calls: int, before: bool, newest_first: bool) -> None:
    """At most one extra task is started; whichever notification arrives first, there is one output and no leftover."""
    world = uploaded()
    with pytest.raises(CloudBusy):
        world.submit(FaultAfter(calls, before=before))
    job = finish(world, newest_first=newest_first)

    assert_finished(world, job)
    assert ["a", "b"] == output_names(world)


def completed(fault: CallInterceptor) -> None:
    """Deliver the notification of a successful task."""
    world = submitted()
    world.complete(world.run(), fault)


@pytest.mark.parametrize(("calls", "before"), faults(completed))
def test_complete_fails_at_any_call_and_is_retried(calls: int, before: bool) -> None:
    """The notification is delivered again; an output that was published before the fault stays unchanged."""
    world = submitted()
    message = world.run()
    with suppress(CloudBusy):
        world.complete(message, FaultAfter(calls, before=before))
    published = world.objects.stored.get(OUTPUT)
    world.clock.advance(1)
    job = world.complete(message)

    assert_finished(world, job)
    assert (published or world.objects.read(OUTPUT)) == world.objects.read(OUTPUT)


@pytest.mark.parametrize(("calls", "before"), faults(lambda fault: uploaded(REJECTED_DOCUMENT).submit(fault)))
def test_a_rejection_fails_at_any_call_and_is_retried(calls: int, before: bool) -> None:
    """No task is started, and every sink receives the same event."""
    world = uploaded(REJECTED_DOCUMENT)
    with suppress(CloudBusy):
        world.submit(FaultAfter(calls, before=before))
    world.clock.advance(1)

    assert_finished(world, world.submit(), "rejected")


def failed_task() -> tuple[World, bytes]:
    """Return a world in which the task failed, and its notification."""
    world = submitted()
    world.objects.delete([ObjectRef(BUCKET, "b.wav")])
    return world, world.run()


def completed_failure(fault: CallInterceptor) -> None:
    """Deliver the notification of a failed task."""
    world, message = failed_task()
    world.complete(message, fault)


@pytest.mark.parametrize(("calls", "before"), faults(completed_failure))
def test_a_failure_fails_at_any_call_and_is_retried(calls: int, before: bool) -> None:
    """The event has the error of the recorded decision, in one content."""
    world, message = failed_task()
    with suppress(CloudBusy):
        world.complete(message, FaultAfter(calls, before=before))
    world.clock.advance(1)

    assert_finished(world, world.complete(message), "failed")


@pytest.mark.parametrize(("calls", "before"), faults(lambda fault: uploaded().submit(fault)))
def test_submit_fails_at_any_call_and_only_the_notification_arrives(calls: int, before: bool) -> None:
    """The key of the step target names the job, so the notification of an unrecorded task finishes it."""
    world = uploaded()
    with pytest.raises(CloudBusy):
        world.submit(FaultAfter(calls, before=before))
    if not world.audio.accepted or not world.objects.stored:
        return
    job = world.complete(world.run(world.audio.accepted[0]))

    assert_finished(world, job)


@given(st.lists(FAULTS, min_size=2, max_size=2), st.lists(FAULTS, min_size=2, max_size=2), st.booleans(), st.booleans())
@PROFILE
def test_two_faults_in_each_function_change_nothing(
    in_submit: list[tuple[int, bool]], in_complete: list[tuple[int, bool]], newest_first: bool, lost_clip: bool
) -> None:
    """At any two calls; if a clip is deleted meanwhile, the job fails once instead of succeeding once."""
    world = uploaded()
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
        with suppress(FailureUnconfirmed):  # the failure of an unrecorded task; that of the recorded task counts
            world.complete(message)

    assert_finished(world, world.submit(), "failed" if lost_clip else "succeeded")


@given(st.lists(FAULTS, min_size=2, max_size=2))
@PROFILE
def test_two_faults_in_a_rejection_change_nothing(points: list[tuple[int, bool]]) -> None:
    """At any two calls."""
    world = uploaded(REJECTED_DOCUMENT)
    for calls, before in points:
        with suppress(CloudBusy):
            world.submit(FaultAfter(calls, before=before))

    assert_finished(world, world.submit(), "rejected")


def test_a_duplicate_notification_leaves_the_output_unchanged() -> None:
    """The published object keeps its ETag and its time."""
    world = submitted()
    message = world.run()
    world.complete(message)
    first = world.objects.describe(OUTPUT)
    world.clock.advance(3600)
    world.complete(message)

    assert first == world.objects.describe(OUTPUT)
