"""`clipstitch up`: runs the local cloud until SIGINT or SIGTERM."""

import os
import shlex
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from clipstitch_cli import exit_codes
from clipstitch_cli.connection import project_folder
from clipstitch_cli.context import CommandContext
from clipstitch_cli.errors import LocalCloudError, UsageError
from clipstitch_cli.local_cloud import running_local_cloud
from clipstitch_cli.options import Json, Project, command_of

_TIME_SCALE = "Divide the delays of timers and retries by this; for the grace period set CLIPSTITCH_GRACE_PERIOD_S."
_FAULTS = (
    "Inject faults, with this seed: events and messages are lost, duplicated, delayed or reordered; calls are refused, "
    "or fail after they took effect; tasks fail transiently; function instances are killed. To test consumers: what "
    "may happen in the cloud happens here often. Counted in DIR/faults.json."
)

_EMPTY = "Declare nothing: start without s.yaml, and deploy into it with Serverless Devs (`s deploy`)."
_ROLE_DELAY = "For so many seconds after its creation, a role has no permissions yet, as may happen in the cloud."
_FAIL_RESOURCE = "Let the creation of this resource of a stack fail, such as `Attach`."
_FORBID = (
    "Refuse data calls at OSS_ENDPOINT, as for new accounts in mainland China; with `localhost` as its host, it is a "
    "custom domain of the bucket, which accepts them."
)


def up(  # noqa: PLR0913, PLR0917 - one parameter per option
    ctx: typer.Context,
    _json: Json = False,
    data: Annotated[Path | None, typer.Option(help="Keep state in this folder, DIR; default: a temporary one.")] = None,
    port: Annotated[int, typer.Option(help="First of six ports; 0: free ones.", min=0, max=65530)] = 0,
    env_file: Annotated[Path | None, typer.Option(help="Write export lines to this file while running.")] = None,
    source: Annotated[str, typer.Option("--from", help="Run the `sources`, or the `build` of build.py.")] = "sources",
    time_scale: Annotated[float, typer.Option(help=_TIME_SCALE, min=0.1)] = 1.0,
    faults: Annotated[int | None, typer.Option(help=_FAULTS)] = None,
    empty: Annotated[bool, typer.Option("--empty", help=_EMPTY)] = False,
    role_delay: Annotated[float, typer.Option(help=_ROLE_DELAY, min=0.0)] = 0.0,
    fail_resource: Annotated[str, typer.Option(help=_FAIL_RESOURCE)] = "",
    fault_rate: Annotated[float, typer.Option(help="Multiplies the probability of faults.", min=0.0, max=10.0)] = 1.0,
    forbid: Annotated[bool, typer.Option("--forbid-public-endpoint", help=_FORBID)] = False,
    project: Project = None,
) -> int:
    """Run the local cloud until Ctrl-C or SIGTERM; prints the variables that the other commands need."""
    if source not in ("sources", "build"):
        raise UsageError(f"--from {source!r}: write `build` or `sources`")
    if empty and (project or source == "build"):
        raise UsageError("--empty starts without a project: leave out --project and --from; `s deploy` reads s.yaml")
    profile = None if faults is None else (faults, fault_rate)
    options = {
        "data": data,
        "port": port,
        "time_scale": time_scale,
        "from_build": source == "build",
        "role_delay_s": role_delay,
        "fail_resource": fail_resource,
        "forbid_public_endpoint": forbid,
        "own_programs": not empty,
    }
    command, folder = command_of(ctx), None if empty else project_folder(project)
    with _stop_event() as stop, ExitStack() as exits:
        exported = exits.enter_context(running_local_cloud(folder, command.env, profile, **options))
        if faults is not None:
            command.write_note(f"Injecting faults, seed {faults}, fault rate {fault_rate:g}.", style="")
        if forbid:
            custom_domain = exported["OSS_ENDPOINT"].replace("127.0.0.1", "localhost")
            command.write_note(f"OSS_ENDPOINT refuses data calls; a custom domain is {custom_domain}.", style="")
        if env_file:
            exits.enter_context(_env_file(env_file, exported))
        command.write(lambda: exported, lambda: _write_ready(exported, env_file, command))
        stop.wait()
    return exit_codes.OK


@contextmanager
def _stop_event() -> Iterator[threading.Event]:
    """Yield an event that SIGTERM and SIGINT set; restore the signal handlers afterwards."""
    stop = threading.Event()
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def exports(env: Mapping[str, str]) -> str:
    """Return variables as export lines for a shell."""
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in env.items())


@contextmanager
def _env_file(file: Path, env: Mapping[str, str]) -> Iterator[None]:
    """Write the variables to a file that only its owner can read; remove it at the end. Raises LocalCloudError."""
    try:
        file.unlink(missing_ok=True)
        with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:  # noqa: PTH123
            out.write(exports(env))
    except OSError as error:
        raise LocalCloudError(f"--env-file {file}: {error.strerror}") from error
    try:
        yield
    finally:
        with suppress(OSError):
            file.unlink()


def _write_ready(env: Mapping[str, str], env_file: Path | None, command: CommandContext) -> None:
    """Write the variables: a table, and lines to copy."""
    table = Table(title="The local cloud is running", box=None, padding=(0, 2, 0, 0), show_header=False)
    table.title_justify = "left"
    for name in ("OSS_ENDPOINT", "MNS_ENDPOINT", "IMM_ENDPOINT", "FC_ENDPOINT", "ROS_ENDPOINT", "CLIPSTITCH_BUCKET"):
        if name in env:
            table.add_row(name, env[name])
    command.out.print(table)
    how = f". {shlex.quote(str(env_file.resolve()))}" if env_file else "paste these lines"
    command.write_line((f"\nIn another terminal, {how}:\n", "bold"))
    command.write_line(exports(env))
    if "FC_CLIENT_CUSTOM_ENDPOINT" in env:  # an empty cloud
        command.write_line("First deploy into it, in the project's folder: `s deploy -y` (Serverless Devs).")
    command.write_line("Then try `clipstitch put CLIP…`, `clipstitch plan M.json`, `clipstitch drop M.json --wait`,")
    command.write_line("`clipstitch jobs`, `clipstitch show JOB`. Ctrl-C stops the local cloud.")
    if "FC_CLIENT_CUSTOM_ENDPOINT" not in env:
        command.write_line("For your own programs: bucket `examplebucket`, topic and queue `AudioConvert`.")
    command.out.file.flush()
