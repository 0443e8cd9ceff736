"""Sweeps of hundreds of open jobs during all outages; `python -m tests.simulation.scale` measures thousands."""

from collections.abc import Iterator
from functools import partial

import pytest

from tests.simulation.scale.costs import Costs, Outages
from tests.simulation.scale.measure import measure
from tests.simulation.scale.scenarios import SCENARIOS, ScaleScenario
from tests.simulation.scale.virtual_time import Lanes, LimitReached, VirtualClock
from tests.simulation.scale.world import KILLED, ScaleWorld

JOBS = 150  # with calls of a second: as long as 5,000; its batches are coarser than those of 10,000


@pytest.mark.parametrize("scenario", [pytest.param(scenario, id=scenario.name) for scenario in SCENARIOS])
def test_a_lost_notification_is_soon_recovered_whatever_the_other_jobs_do(scenario: ScaleScenario) -> None:
    """By the third sweep, even if all jobs before it have to be finished. No sweep is killed, no audio is lost."""
    report = measure(scenario, JOBS, Costs.in_small())

    assert [] == report.failures


def test_a_function_is_killed_at_its_time_limit() -> None:
    """What it would have done afterwards is not done."""
    world = ScaleWorld(Outages(), Costs.in_small())
    manifest = world.drop("new")
    run = world.run(5.5, lambda: world.submit(manifest))

    assert KILLED == run.failure
    assert 5.5 == pytest.approx(run.seconds)
    assert [] == world.audio.accepted


def test_a_job_of_one_step_takes_eight_round_trips_in_each_function() -> None:
    """Nine requests in submit and thirteen in complete, topic and queue included; some of them go out together."""
    world = ScaleWorld(Outages(), Costs())
    manifest = world.drop("one")
    submitted = world.run(60, partial(world.submit, manifest))
    completed = world.run(60, partial(world.complete, world.audio.run(world.new_tasks()[0])))

    assert [9, 13] == [sum(run.requests.values()) for run in (submitted, completed)]
    assert [8, 8] == [pytest.approx(run.seconds / Costs().call_s) for run in (submitted, completed)]


def test_a_listing_costs_a_request_for_every_page_that_is_read() -> None:
    """A listing that is left early costs less; one without names costs one request."""
    world = ScaleWorld(Outages(), Costs())
    for number in range(2001):
        world.put(f"many/{number:04d}", b"")

    def requests(prefix: str, names: int) -> int:
        listed = partial(_read, world.context().objects.list("acme", prefix), names)
        return world.run(60, listed).requests["list"]

    assert [1, 1, 2, 3] == [requests("many/", names) for names in (1, 1000, 1001, 2001)]

    assert 1 == requests("none/", 1)


def _read(names: Iterator[object], count: int) -> None:
    for _ in range(count):
        next(names, None)


def test_calls_on_lanes_overlap() -> None:
    """Eight lanes take as long as one call for each; the ninth call starts when the first lane is free."""
    clock = VirtualClock()
    lanes = Lanes(clock)

    def call(number: int) -> int:
        clock.spend(1 + number / 10)
        return number

    assert list(range(9)) == lanes.map(call, range(9))

    assert 1.0 + 1.8 == pytest.approx(clock.seconds)


def test_every_lane_ends_at_the_limit_of_the_function() -> None:
    """Calls on other lanes that would end before the limit are made."""
    clock, made = VirtualClock(), []

    def call(seconds: float) -> None:
        clock.spend(seconds)
        made.append(seconds)

    with pytest.raises(LimitReached), clock.limit(10):
        Lanes(clock, lanes=2).map(call, [11, 4, 5, 6])

    assert [4, 5] == made

    assert 10 == clock.seconds
