"""The search for uploads whose event was lost: it finds those that have no job, all of them, and no others."""

from contextlib import suppress

import pytest

from clipstitch.common.errors import CloudBusy
from clipstitch.common.identifiers import ObjectRef
from clipstitch.usecases.sweep import sweep
from tests.unit.usecases.harness import TimeLimitExceeded, drop_other, failing
from tests.world import SETTINGS, FaultAfter, World

GRACE_PERIOD_S = SETTINGS.grace_period_s


def closed(world: World, name: str) -> ObjectRef:
    """Upload a manifest and complete its job."""
    ref = drop_other(world, name)
    world.submit(ref=ref)
    world.complete(world.run())
    return ref


@pytest.mark.parametrize("hours", [0, 1, 12, 21, 23])
def test_no_job_of_the_search_window_is_found_again(hours: int) -> None:
    """Jobs of yesterday and of today, open and closed, each beside an upload whose event was lost."""
    world = World()
    for number in range(6):
        closed(world, f"closed-{number}")
        world.submit(ref=drop_other(world, f"open-{number}"))
        world.clock.advance(hours * 3600 / 6)
    lost = drop_other(world, "lost")
    world.clock.advance(GRACE_PERIOD_S)
    report = world.sweep()

    assert [lost] == [world.store.manifest_of(job) for job in report.found]

    assert () == world.sweep(300).found


def test_a_lost_upload_of_yesterday_is_found_beside_jobs_of_today() -> None:
    """The search window reaches over midnight."""
    world = World()
    world.clock.time = world.clock.time.replace(hour=23)
    lost = drop_other(world, "lost")
    world.clock.advance(2 * 3600)
    closed(world, "today")
    world.clock.advance(GRACE_PERIOD_S)

    assert [lost] == [world.store.manifest_of(job) for job in world.sweep().found]


def test_an_open_job_without_facts_is_recovered_once_and_not_found_as_well() -> None:
    """Submit crashed after it had opened the job; now its clips cannot be probed."""
    world = World()
    world.drop()
    calls = 0
    while not world.state_keys("open/"):
        calls += 1
        with suppress(CloudBusy):
            world.submit(FaultAfter(calls))
    assert [] == world.state_keys("jobs/")
    probed: list[object] = []

    def probe(refs: object) -> bool:
        probed.append(refs)
        return True

    busy = failing(world.audio, "probe", CloudBusy("busy"), probe)
    world.clock.advance(GRACE_PERIOD_S)
    report = sweep(world.context()._replace(audio=busy))

    assert () == report.found
    assert 1 == len(report.failed)

    assert 1 == len(probed)


def sweep_while_deadly(world: World, deadly: ObjectRef, rounds: int) -> set[ObjectRef]:
    """Sweep while reading one manifest kills the function; return the manifests that have a job then."""
    objects = failing(world.objects, "read", TimeLimitExceeded(), lambda ref, *_: ref == deadly)
    for _ in range(rounds):
        with suppress(TimeLimitExceeded):
            sweep(world.context()._replace(objects=objects))
        world.clock.advance(300)
    return {world.store.manifest_of(job) for job in world.store.open_jobs()}


@pytest.mark.parametrize("first", [0, 1, 63])
def test_a_manifest_that_ends_every_sweep_does_not_hide_the_lost_uploads_far_behind_it(first: int) -> None:
    """The sweep is killed while it reads the manifest, before there is a job; the next one goes on behind its batch."""
    world = World()
    lost = [drop_other(world, f"{number:03d}") for number in range(150)]
    world.clock.advance(GRACE_PERIOD_S)

    assert set(lost[64:]) <= sweep_while_deadly(world, lost[first], 6)


@pytest.mark.parametrize("first", [0, 1, 2])
def test_a_manifest_that_ends_every_sweep_does_not_hide_the_lost_uploads_beside_it(first: int) -> None:
    """They have nothing to do with it."""
    world = World()
    lost = [drop_other(world, f"{number:03d}") for number in range(4)]
    world.clock.advance(GRACE_PERIOD_S)

    assert {*lost[:first], *lost[first + 1 :]} <= sweep_while_deadly(world, lost[first], 12)


def test_uploads_during_the_grace_period_are_found_by_a_later_sweep() -> None:
    """Those before it do not move the search past them."""
    world = World()
    early = [drop_other(world, name) for name in ("x", "y", "z")]
    world.clock.advance(GRACE_PERIOD_S - 1)
    late = drop_other(world, "y2")
    world.clock.advance(1)
    found = [job for _ in range(6) for job in world.sweep(60).found]

    assert {*early, late} == {world.store.manifest_of(job) for job in found}
    assert 4 == len(found)


def test_an_upload_on_which_a_sweep_died_is_found_by_a_later_sweep() -> None:
    """The search has passed it, and considers it again, since it has no job."""
    world = World()
    upload = drop_other(world, "x")
    world.clock.advance(3600)
    objects = failing(world.objects, "write", TimeLimitExceeded(), lambda ref, *_: "/open/" in ref.key)
    with pytest.raises(TimeLimitExceeded):
        sweep(world.context()._replace(objects=objects))

    assert {} == world.store.open_jobs()

    assert [upload] == [world.store.manifest_of(job) for _ in range(3) for job in world.sweep(300).found]
