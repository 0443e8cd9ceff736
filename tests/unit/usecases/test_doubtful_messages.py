"""Events of several uploads, instances that live on, and notifications that name the task of another step."""

import pytest

from clipstitch.adapters.memory import format_notification, tone
from clipstitch.common.errors import FailureUnconfirmed, InvalidTriggerEvent, StateBucketVersioned
from clipstitch.common.identifiers import ObjectRef
from clipstitch.jobs.job import ACCEPTED, FAILED, Fact
from clipstitch.usecases.submit import submit, submit_all
from tests.unit.usecases.harness import drop_other, plan_of
from tests.world import BUCKET, OUTPUT, World

ELSEWHERE = ObjectRef("elsewhere", "manifests/a.json")


@pytest.mark.parametrize("position", [0, 1, 2, 3])
def test_every_upload_of_an_event_is_submitted_whichever_of_them_fails(position: int) -> None:
    """Afterwards the error is raised, so that the event is delivered again."""
    world = World()
    uploads = [drop_other(world, name) for name in "xyz"]
    event = [*uploads[:position], ELSEWHERE, *uploads[position:]]

    with pytest.raises(InvalidTriggerEvent):
        submit_all(event, world.context())

    assert set(uploads) == {world.store.manifest_of(job) for job in world.store.open_jobs()}
    assert 3 == len(world.audio.accepted)


def test_an_instance_refuses_a_versioned_state_bucket_at_every_call() -> None:
    """What it remembers between calls is only that a bucket has no versioning."""
    world = World(versioned=(BUCKET,))
    context, manifest = world.context(), world.drop()

    for _ in range(3):
        with pytest.raises(StateBucketVersioned, match=BUCKET):
            submit(manifest, context)

    assert [] == world.state_keys("jobs/")
    assert [] == world.audio.accepted


def test_the_failure_of_a_task_fails_no_step_but_its_own() -> None:
    """A notification names a failed task of the same job, and the target of another step."""
    world = World()
    for number in range(33):
        world.put(f"c{number}.mp3", tone(2.0, name=f"c{number}"))
    clips = [f"c{number}.mp3" for number in range(33)]
    world.drop({"version": 1, "output": {"key": OUTPUT.key}, "clips": clips})
    job = world.submit()
    first, second = world.audio.accepted[:2]
    world.audio.fail(first, "InvalidArgument", "")
    world.run(second)
    target = next(
        step.target for step in plan_of(job).steps if Fact(ACCEPTED, step.number, second.id) in world.load(job).facts
    )

    with pytest.raises(FailureUnconfirmed, match=first.id):
        world.complete(format_notification(first.id, "Failed", target, code="InvalidArgument"))

    assert set() == world.load(job).steps(FAILED)
