"""`clipstitch watch` over a cloud in memory: what becomes of jobs, as it happens."""

import json

import pytest

from clipstitch.common.errors import CloudBusy
from clipstitch_cli import exit_codes
from clipstitch_cli.commands.watch import watch, watch_in
from clipstitch_cli.errors import Usage
from clipstitch_cli.options import length_of
from tests.unit.cli.test_context import MadeDesk, make_desk
from tests.world import FaultAfter, World


class Turns:
    """Lets something happen in the world whenever the command pauses."""

    def __init__(self, world: World, *turns: object) -> None:
        self._world, self._turns = world, iter(turns)

    def __call__(self, seconds: float) -> None:
        """Let time pass."""
        self._world.clock.advance(seconds)
        if turn := next(self._turns, None):
            turn()  # type: ignore[operator]


def watched(world: World, *turns: object, as_json: bool = True) -> MadeDesk:
    """Watch a world for ten seconds in which these things happen."""
    command = make_desk(json=as_json, clock=world.clock)
    assert exit_codes.OK == watch_in(world.context(), command, 10_000, Turns(world, *turns))
    return command


def lines(command: MadeDesk) -> list[tuple[str, str]]:
    """Return what was told of which job."""
    told = [json.loads(line) for line in command.written.splitlines()]
    return [(each["job"], each["stage"]) for each in told]


def test_a_job_is_told_of_whenever_it_gets_on():
    """Not more often, and not after its end."""
    world = World()
    command = watched(
        world, world.drop, world.submit, lambda: None, lambda: world.complete(world.run()), lambda: None, world.submit
    )

    job = world.submit()
    assert [(job.id, "merging 2 clips"), (job.id, "succeeded")] == lines(command)


def test_open_jobs_are_told_of_at_once_and_closed_ones_not_at_all():
    """Whoever begins to watch wants to know what is going on, not history."""
    world = World()
    world.drop()
    world.submit()
    world.complete(world.run())
    world.clock.advance(1)
    world.drop()
    running = world.submit()

    assert [(running.id, "merging 2 clips")] == lines(watched(world))


def test_a_job_that_comes_and_goes_between_two_looks_is_told_of():
    """Quick jobs are jobs."""
    world = World()
    command = watched(world, lambda: (world.drop(), world.submit(), world.complete(world.run())))

    assert ["succeeded"] == [told for _, told in lines(command)]


def test_people_see_manifest_and_output():
    """By their keys, where they lie in the usual bucket."""
    world = World()
    world.drop()
    world.submit()
    command = watched(world, as_json=False)

    assert "merging 2 clips  manifests/ep1.json → episodes/ep1.mp3" in command.written


def test_watching_goes_on_when_the_cloud_is_busy_for_a_while():
    """Whoever watches sees it come back, and what happened meanwhile."""
    world, fault = World(), FaultAfter(1_000)
    world.drop()
    command = make_desk(clock=world.clock)
    turns = Turns(world, lambda: setattr(fault, "left", 0), world.submit, lambda: setattr(fault, "left", 1_000))
    code = watch_in(world.context(fault), command, 10_000, turns)

    assert exit_codes.OK == code
    assert "looking again: the fuse blew" in command.said
    assert "merging 2 clips  manifests/ep1.json" in command.written


def test_a_cloud_that_never_answers_is_not_watched():
    """Nobody shall wait for what is not there: the first look fails, and says why."""
    world = World()
    with pytest.raises(CloudBusy):
        watch_in(world.context(FaultAfter(0)), make_desk(clock=world.clock), 10_000, world.clock.advance)


@pytest.mark.parametrize("text", ["soon", "5", ""])
def test_a_length_of_time_that_is_none_is_refused(text: str):
    """Nor is a number without a unit one: whoever writes 5 hardly means milliseconds."""
    with pytest.raises(Usage, match=r"--for '.*' is not a length of time; write 300ms, 90s"):
        length_of("--for", text)


def test_a_wrong_length_of_time_is_refused_before_anybody_is_asked():
    """Not even the environment is looked at."""
    with pytest.raises(Usage, match="--for"):
        watch(make_desk(), None, how_long="soon")
