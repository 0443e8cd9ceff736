"""Options that several commands share, and durations on the command line."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, cast

import typer

from clipstitch.manifest.durations import parse_duration_ms
from clipstitch_cli.context import CommandContext
from clipstitch_cli.errors import UsageError

Json = Annotated[bool, typer.Option("--json", help="Write JSON instead of text.")]
Names = Annotated[bool, typer.Option("--names", help="Also read manifest and output: one request per job.")]
Project = Annotated[Path | None, typer.Option(help="Folder with s.yaml; default: the checkout of this command.")]


def command_of(ctx: typer.Context) -> CommandContext:
    """Return the context that `main` passed to the command-line library."""
    return cast("CommandContext", ctx.obj)


def parse_duration(option: str, value: str) -> timedelta:
    """Return the duration that an option's value names. Raises UsageError if it has no unit or is no duration.

    >>> parse_duration("--timeout", "1m30s")
    datetime.timedelta(seconds=90)
    """
    # `parse_duration_ms` reads a string without a unit as no duration: on the command line the unit is always needed.
    if (milliseconds := parse_duration_ms(value)) is None:
        raise UsageError(f"{option} {value!r} is not a duration; write 300ms, 90s, 1m30s or 1h")
    return timedelta(milliseconds=milliseconds)
