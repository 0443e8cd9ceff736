"""What the sweep deletes below `work/` and `tasks/`: what no open job needs, once it is older than the deadline."""

import pytest

from clipstitch.common.ports import WebhookResponse
from tests.world import SETTINGS, WebhookWorld


@pytest.mark.parametrize("sweeps", [1, 3])
def test_the_working_files_of_an_open_job_stay_however_old_they_are(sweeps: int) -> None:
    """It waits for a receiver that is down for longer than the deadline; closing the job deletes them."""
    world = WebhookWorld(*[WebhookResponse(503)] * 6)
    world.finish()
    before = world.leftovers()
    world.clock.advance(SETTINGS.deadline_s)
    for _ in range(sweeps):
        world.sweep(60)

    assert 3 == len(before)
    assert before == world.leftovers()


def test_the_files_of_a_closed_job_are_deleted_when_they_are_older_than_the_deadline() -> None:
    """Until then, they may be those of a job that is being opened."""
    world = WebhookWorld()
    job = world.finish()
    assert [] == world.leftovers()
    world.run(world.audio.accepted[0])
    world.store.point_to_step("MediaConvert-late", job.id, 0)
    late = world.leftovers()
    world.sweep(SETTINGS.deadline_s - 60)

    assert 2 == len(late)
    assert late == world.leftovers()

    world.sweep(120)
    assert [] == world.leftovers()
