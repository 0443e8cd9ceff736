"""`clipstitch watch` over a cloud in memory."""

import json
from collections.abc import Callable
from datetime import timedelta

import pytest

from clipstitch.common.errors import CloudBusy
from clipstitch_cli import exit_codes
from clipstitch_cli.commands.watch import watch_jobs
from clipstitch_cli.errors import UsageError
from clipstitch_cli.options import parse_duration
from tests.unit.cli.test_context import RecordingCommand, make_command
from tests.unit.cli.test_main import ran
from tests.world import DOCUMENT, MANIFEST, OUTPUT, CallCounter, FaultAfter, World

Action = Callable[[], object]
TEN_SECONDS = timedelta(seconds=10)


class Turns:
    """A pause function that runs one action after each pause."""

    def __init__(self, world: World, *turns: Action) -> None:
        self._world, self._turns = world, iter(turns)

    def __call__(self, seconds: float) -> None:
        """Advance the clock and run the next action."""
        self._world.clock.advance(seconds)
        if turn := next(self._turns, None):
            turn()


def watched(world: World, *turns: Action, as_json: bool = True, names: bool = False) -> RecordingCommand:
    """Watch a world for ten seconds, during which the actions run."""
    command = make_command(json=as_json, clock=world.clock)
    assert exit_codes.OK == watch_jobs(world.context(), command, TEN_SECONDS, Turns(world, *turns), names=names)
    return command


def lines(command: RecordingCommand) -> list[tuple[str, str]]:
    """Return job and stage of every line."""
    written = [json.loads(line) for line in command.written.splitlines()]
    return [(each["job"], each["stage"]) for each in written]


def test_every_change_of_a_job_is_one_line() -> None:
    """No line without a change, and none after the job is closed."""
    world = World()
    command = watched(
        world, world.drop, world.submit, lambda: None, lambda: world.complete(world.run()), lambda: None, world.submit
    )

    job = world.submit()
    assert job
    assert [(job.id, "merging"), (job.id, "succeeded")] == lines(command)


def test_open_jobs_are_listed_at_once_and_closed_jobs_are_not() -> None:
    """The past is not part of the output."""
    world = World()
    world.drop()
    world.submit()
    world.complete(world.run())
    world.clock.advance(1)
    world.drop()
    running = world.submit()
    command = watched(world)

    assert running
    assert [(running.id, "merging")] == lines(command)


def test_a_job_that_begins_and_ends_between_two_requests_is_listed() -> None:
    """Short jobs are not missed."""
    world = World()
    command = watched(world, lambda: (world.drop(), world.submit(), world.complete(world.run())))

    assert ["succeeded"] == [stage for _, stage in lines(command)]


def test_an_old_open_job_is_watched_until_it_is_closed() -> None:
    """Wherever it is among newer ones, and although its marker is gone when its last change is seen."""
    world = World()
    world.drop()
    job, message = world.submit(), world.run()
    world.clock.advance(3 * 86400)
    command = watched(world, lambda: None, lambda: world.complete(message))

    assert [(job.id, "merging"), (job.id, "succeeded")] == lines(command)


def test_a_job_with_only_a_marker_is_watched() -> None:
    """A crash right after writing the marker leaves nothing else."""
    world = World()
    world.store.mark_open("20260102T030405Z-0123456789ab", MANIFEST)

    assert [("20260102T030405Z-0123456789ab", "waiting for submit")] == lines(watched(world))


def test_watching_costs_three_lists_per_poll() -> None:
    """However many jobs there are: the markers, the recent jobs, and those of the open ones that are older."""
    world, counter = World(), CallCounter()
    for number in range(5):
        world.clock.advance(1)
        world.drop({**DOCUMENT, "labels": {"number": str(number)}})
        world.submit()
    world.clock.advance(3600)
    watch_jobs(world.context(counter), make_command(json=True, clock=world.clock), TEN_SECONDS, world.clock.advance)

    assert 1 + 3 * 11 == counter.calls


def test_names_are_shown_on_request() -> None:
    """By their keys if they are in the configured bucket."""
    world = World()
    world.drop()
    world.submit()
    command = watched(world, as_json=False, names=True)
    (row,) = map(json.loads, watched(world, names=True).written.splitlines())

    assert "merging  manifests/ep1.json → episodes/ep1.mp3" in command.written
    assert (MANIFEST.uri, OUTPUT.uri) == (row["manifest"], row["output"])


def test_watching_continues_while_the_cloud_is_busy() -> None:
    """Changes of that time are shown afterwards."""
    world, fault = World(), FaultAfter(1_000)
    world.drop()
    command = make_command(clock=world.clock)
    turns = Turns(world, lambda: setattr(fault, "left", 0), world.submit, lambda: setattr(fault, "left", 1_000))
    code = watch_jobs(world.context(fault), command, TEN_SECONDS, turns)

    assert exit_codes.OK == code
    assert "trying again: " in command.errors
    assert "  merging\n" in command.written


def test_the_first_request_must_succeed() -> None:
    """Otherwise the command fails with the reason."""
    world = World()
    with pytest.raises(CloudBusy):
        watch_jobs(world.context(FaultAfter(0)), make_command(clock=world.clock), TEN_SECONDS, world.clock.advance)


@pytest.mark.parametrize("text", ["soon", "5", ""])
def test_an_invalid_duration_is_rejected(text: str) -> None:
    """A number without a unit is invalid, too."""
    with pytest.raises(UsageError, match=r"--for '.*' is not a duration; write 300ms, 90s"):
        parse_duration("--for", text)


def test_an_invalid_duration_is_rejected_before_any_request() -> None:
    """Even the environment is not read."""
    code, _, errors = ran("watch", "--for", "soon")

    assert exit_codes.USAGE == code
    assert "--for 'soon' is not a duration" in errors
