"""The `clipstitch` command: arguments in, exit code out."""

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Annotated, TextIO, cast

import typer

from clipstitch import __version__
from clipstitch.adapters.system_clock import SystemClock
from clipstitch.common.clock import Clock
from clipstitch.common.errors import ClipstitchError
from clipstitch_cli import exit_codes
from clipstitch_cli.commands.demo import demo
from clipstitch_cli.commands.doctor import doctor
from clipstitch_cli.commands.drop import drop
from clipstitch_cli.commands.explain import explain
from clipstitch_cli.commands.jobs import jobs
from clipstitch_cli.commands.plan import plan
from clipstitch_cli.commands.put import put
from clipstitch_cli.commands.retry import retry
from clipstitch_cli.commands.schema import schema
from clipstitch_cli.commands.show import show
from clipstitch_cli.commands.up import up
from clipstitch_cli.commands.watch import watch
from clipstitch_cli.context import CommandContext, console
from clipstitch_cli.errors import OutputNotWritten, UsageError, report
from clipstitch_cli.options import command_of

# The library's base class of all errors in a command line: BadParameter < UsageError < ClickException.
_CommandLineError = cast("type[Exception]", typer.BadParameter.__mro__[2])

app = typer.Typer(
    help="Drop a manifest into a bucket; get merged audio and a completion event.",
    epilog="Start with `clipstitch demo`. Exit codes: 0 done, 1 the job failed, 2 rejected (manifest or process "
    "string), 3 error (settings, rights, network), 4 timeout, 64 wrong command line, 130 interrupted.",
    rich_markup_mode="rich",
    add_completion=False,
    pretty_exceptions_enable=False,
)
for _command in (demo, up, plan, put, drop, jobs, show, watch, retry, doctor, explain, schema):
    app.command()(_command)


def run() -> int:
    """Run the command with the process's arguments, environment and streams; the entry point of pyproject.toml."""
    out, err = (stream or Path(os.devnull).open("w") for stream in (sys.stdout, sys.stderr))  # noqa: SIM115 # `>&-`
    for stream in (out, err):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr] # a terminal may lack a character
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that SIGTERM cleans up, too
    return main(sys.argv[1:], os.environ, out, err)


def main(
    argv: Sequence[str], env: Mapping[str, str], stdout: TextIO, stderr: TextIO, clock: Clock | None = None
) -> int:
    """Run one command and return its exit code, one of `clipstitch_cli.exit_codes`."""
    command = CommandContext(
        env, console(stdout, env), console(stderr, env), clock or SystemClock(), json="--json" in argv
    )
    program = typer.main.get_command(app)
    try:
        _check_unicode(argv)
        with redirect_stdout(stdout), redirect_stderr(stderr):
            return int(program.main(list(argv), prog_name="clipstitch", standalone_mode=False, obj=command) or 0)
    except ClipstitchError as error:
        return report(error, command)
    except _CommandLineError as error:
        return report(UsageError(error.format_message()), command)  # type: ignore[attr-defined] # all of them have it
    except UnicodeEncodeError as error:  # a variable of the environment that is not UTF-8
        return report(UsageError(f"{error.object!r} is not valid Unicode"), command)
    except typer.Abort:
        return exit_codes.INTERRUPTED
    except OSError as error:  # files are read and written where their errors have names; this is the command's output
        return report(OutputNotWritten(str(error)), command)


def _check_unicode(argv: Sequence[str]) -> None:
    """Raise UsageError for an argument, such as a file name, that is not UTF-8: object keys and JSON are."""
    for argument in argv:
        try:
            argument.encode()
        except UnicodeEncodeError:
            raise UsageError(f"{argument!r} is not valid UTF-8; rename the file") from None


@app.callback(invoke_without_command=True)
def _root(
    ctx: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    if version:
        command_of(ctx).write_line(f"clipstitch {__version__}")
        raise typer.Exit
    if ctx.invoked_subcommand is None:
        command_of(ctx).out.file.write(ctx.get_help())
        raise typer.Exit
