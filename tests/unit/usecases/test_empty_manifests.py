"""Manifests that are created empty and written a moment later, as file systems on top of OSS do."""

import json

import pytest

from tests.world import DOCUMENT, MANIFEST, World

CONTENT = json.dumps(DOCUMENT).encode()


def created() -> World:
    """Return a world in which an empty manifest was created, and its event delivered."""
    world = World()
    world.put(MANIFEST.key, b"")
    assert world.deliver_upload() is None
    return world


@pytest.mark.parametrize("seconds", [0.1, 3, 119])
def test_a_manifest_that_is_written_after_it_was_created_has_one_job(seconds: float) -> None:
    """The empty version is not rejected, however often and late its event is delivered."""
    world = created()
    world.clock.advance(seconds)
    world.put(MANIFEST.key, CONTENT)
    world.submit()
    job = world.complete(world.run())
    for _ in range(3):
        world.deliver_upload()
        world.sweep(300)

    assert ["clipstitch.job.succeeded"] * 2 == [event["type"] for event in world.events()]
    assert [job.id] == list(world.store.jobs_of_day("2026-01-02"))
    assert [] == world.leftovers()


def test_a_manifest_that_stays_empty_is_rejected_once() -> None:
    """By the first sweep after the grace period; later deliveries of its event change nothing."""
    world = created()
    world.sweep(60)
    assert [] == world.events()

    report = world.sweep(61)
    world.deliver_upload()
    world.sweep(300)

    assert 1 == len(report.found)
    assert ["clipstitch.job.rejected"] * 2 == [event["type"] for event in world.events()]
    assert ["MANIFEST_SYNTAX"] == [issue["code"] for issue in world.result()["data"]["issues"]]
    assert [] == world.leftovers()


def test_a_manifest_that_is_written_after_it_was_rejected_has_a_second_job() -> None:
    """It is another version, as after any correction."""
    world = created()
    world.sweep(121)
    world.put(MANIFEST.key, CONTENT)
    world.submit()
    world.complete(world.run())

    types = [event["type"] for event in world.events()]
    assert ["clipstitch.job.rejected"] * 2 + ["clipstitch.job.succeeded"] * 2 == types


def test_a_late_event_of_an_empty_manifest_is_answered_at_once() -> None:
    """After the grace period nothing has to be waited for."""
    world = World()
    world.put(MANIFEST.key, b"")
    world.clock.advance(120)

    assert "rejected" == world.submit().state
