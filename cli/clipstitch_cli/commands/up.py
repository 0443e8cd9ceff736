"""`clipstitch up`: the local cloud, until somebody ends it."""

import os
import shlex
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.table import Table

from clipstitch.usecases.settings import read_settings
from clipstitch_cli import exit_codes
from clipstitch_cli.connection import project_folder
from clipstitch_cli.context import CommandContext
from clipstitch_cli.errors import LocalCloudTrouble

if TYPE_CHECKING:
    from localyun.deploy.declared import Deployment


class Mood(NamedTuple):
    """How the local cloud behaves: how much faster timers and retries are, whether and how badly things go wrong.

    `built`: it runs what build.py made instead of the sources.
    """

    hurry: float = 1.0
    built: bool = False
    weather: int | None = None
    severity: float = 1.0


STEADY = Mood()


def up(
    command: CommandContext,
    *,
    project: Path | None,
    data: Path | None,
    port: int,
    env_file: Path | None,
    mood: Mood = STEADY,
) -> int:
    """Serve until SIGTERM or SIGINT, and leave nothing behind but `data`."""
    folder = project_folder(project)
    with _until_signalled() as ended, ExitStack() as exits_of:
        exported = exits_of.enter_context(running(folder, data=data, port=port, env=command.env, mood=mood))
        _forecast(mood, command)
        if env_file:
            exits_of.enter_context(_kept(env_file, exported))
        _tell(exported, env_file, command)
        ended.wait()
    return exit_codes.OK


@contextmanager
def running(
    project: Path,
    *,
    data: Path | None = None,
    port: int = 0,
    env: Mapping[str, str] | None = None,
    mood: Mood = STEADY,
) -> Iterator[dict[str, str]]:
    """Run the local cloud of a project for a while; its environment is what clients need."""
    from localyun.deploy.declared import BadDeployment  # noqa: PLC0415 - only where it is needed
    from localyun.server import CannotStart, FaultProfile, LocalCloud  # noqa: PLC0415 - likewise

    forecast = None if mood.weather is None else FaultProfile(mood.weather, mood.severity)
    how: dict[str, Any] = {"time_scale": mood.hurry, "from_build": mood.built, "fault_profile": forecast}
    approve = partial(_refuse_loops, project / "s.yaml")
    cloud = LocalCloud(project, data=data, port=port, variables=env, approve=approve, **how)
    try:
        endpoints = cloud.start()
    except (BadDeployment, CannotStart, OSError) as error:
        raise LocalCloudTrouble(str(error)) from error
    try:
        yield endpoints.environment()
    finally:
        cloud.stop()


def _refuse_loops(file: Path, deployment: "Deployment") -> None:
    """Start nothing that would trigger itself: s.yaml's triggers against the settings that it gives its functions."""
    from clipstitch_cli.doctor.checks.triggers import too_broad  # noqa: PLC0415 - likewise
    from clipstitch_cli.doctor.deployment_facts import declared  # noqa: PLC0415 - only where it is needed

    functions = declared(deployment)
    ours = [read_settings(one.environment) for one in functions if "CLIPSTITCH_BUCKET" in one.environment]
    if lines := dict.fromkeys(line for settings in ours for _, line in too_broad(functions, settings)):
        raise LocalCloudTrouble(f"{file} would trigger itself: {'; '.join(lines)}")


@contextmanager
def _until_signalled() -> Iterator[threading.Event]:
    """Let SIGTERM and SIGINT set an event, from the first moment on; put the handlers back afterwards."""
    ended = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        ended.set()

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield ended
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def exports(env: Mapping[str, str]) -> str:
    """Write variables as a shell reads them."""
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in env.items())


@contextmanager
def _kept(file: Path, env: Mapping[str, str]) -> Iterator[None]:
    """Keep the variables in a file that only its owner can read, as long as they are true."""
    try:
        file.unlink(missing_ok=True)
        with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:  # noqa: PTH123
            out.write(exports(env))
    except OSError as error:
        raise LocalCloudTrouble(f"--env-file {file}: {error.strerror}") from error
    try:
        yield
    finally:
        with suppress(OSError):
            file.unlink()


def _forecast(mood: Mood, command: CommandContext) -> None:
    """Say in which weather we run, where no program reads: nobody shall wonder what goes wrong here, and why."""
    if mood.weather is not None:
        command.err.print(f"Bad weather on purpose, seed {mood.weather}, severity {mood.severity:g}.", soft_wrap=True)


def _tell(env: Mapping[str, str], env_file: Path | None, command: CommandContext) -> None:
    """Say that we are ready: one line for programs, a table and lines to copy for people."""
    if command.json:
        command.hand_over(env)
        return
    table = Table(
        title="The local cloud is up", box=None, padding=(0, 2, 0, 0), show_header=False, title_justify="left"
    )
    for name in ("OSS_ENDPOINT", "MNS_ENDPOINT", "IMM_ENDPOINT", "FC_ENDPOINT", "CLIPSTITCH_BUCKET"):
        table.add_row(name, env[name])
    command.out.print(table)
    how = f". {shlex.quote(str(env_file.resolve()))}" if env_file else "paste these lines"
    command.say(f"\nIn another terminal, {how}:\n", style="bold")
    command.say(exports(env))
    command.say("Then try `clipstitch put CLIP…`, `clipstitch plan M.json`, `clipstitch drop M.json --wait`,")
    command.say("`clipstitch jobs`, `clipstitch show JOB`. Ctrl-C ends the cloud.")
    command.out.file.flush()
