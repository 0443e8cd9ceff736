"""An error as people, or programs, are told it: what is wrong, what to do. On stderr, never a traceback."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from clipstitch.common.errors import ClipstitchError, CloudBusy, InvalidManifest, InvalidProcessString, Issue
from clipstitch_cli import exit_codes
from clipstitch_cli.context import CommandContext, visible


class NoSuchFile(ClipstitchError):
    """A file of this machine cannot be read."""

    code = "FILE_NOT_READABLE"
    remedy = "Check the path; relative paths count from the current directory."


class Usage(ClipstitchError):
    """The command line is wrong."""

    code = "USAGE"
    remedy = "See `clipstitch --help`, or `clipstitch COMMAND --help`."


class TimedOut(ClipstitchError):
    """The job was still under way when we stopped waiting."""

    code = "TIMEOUT"
    remedy = (
        "The job goes on without us: look again with `clipstitch show JOB`, or wait longer with --timeout. If it does "
        "not move, docs/operate.md says what to do; the local cloud's logs are in functions/logs of `up --data DIR`."
    )


class NotWritten(ClipstitchError):
    """What a command has to say cannot be written."""

    code = "NOT_WRITTEN"
    remedy = "Make room, or write somewhere else."


class LocalCloudTrouble(ClipstitchError):
    """The local cloud cannot start, or cannot be read."""

    code = "LOCAL_CLOUD"
    remedy = "Correct what the message names; s.yaml and template.yml say what the local cloud is made of."


_CODES: tuple[tuple[type[ClipstitchError], int], ...] = (
    (InvalidManifest, exit_codes.REJECTED),
    (InvalidProcessString, exit_codes.REJECTED),
    (Usage, exit_codes.USAGE),
    (TimedOut, exit_codes.TIMEOUT),
)


# What the errors advise to functions, whose calls are repeated for them, is not what a person needs.
_NO_ANSWER = "Is the cloud up, and are OSS_ENDPOINT and MNS_ENDPOINT right? Then try again."


def _remedy(error: ClipstitchError) -> str:
    """Say what a person can do."""
    return _NO_ANSWER if isinstance(error, CloudBusy) else error.remedy


def report(error: ClipstitchError, command: CommandContext) -> int:
    """Tell an error and return the exit code that goes with it."""
    if command.json:
        command.err.file.write(json.dumps({"error": _document(error)}) + "\n")
    else:
        _tell(error, command)
    return next((code for kind, code in _CODES if isinstance(error, kind)), exit_codes.TROUBLE)


def _document(error: ClipstitchError) -> dict[str, object]:
    """Return an error as programs read it."""
    issues = [issue.as_json() for issue in error.issues] if isinstance(error, InvalidManifest) else None
    return {**error.as_json(), "remedy": _remedy(error), **({"issues": issues} if issues else {})}


def _tell(error: ClipstitchError, command: CommandContext) -> None:
    """Tell people what went wrong and what to do."""
    if isinstance(error, InvalidManifest):
        count = len(error.issues)
        _line(
            command, error.code, f"the manifest has {count} mistake{'s' if count != 1 else ''}; nothing was submitted"
        )
        command.err.print(issues_table(error.issues))
    else:
        _line(command, error.code, visible(str(error)))
    if remedy := _remedy(error):
        command.err.print(Text.assemble(("remedy: ", "bold"), remedy), soft_wrap=True)


def _line(command: CommandContext, code: str, message: str) -> None:
    """Write the one line that says what is wrong."""
    command.err.print(Text.assemble(("error: ", "bold red"), message, (f" [{code}]", "dim")), soft_wrap=True)


def issues_table(issues: Sequence[Issue]) -> Table:
    """Lay out the mistakes of a manifest: place, what is wrong, what to do."""
    table = Table("code", "place", "what is wrong", "what to do", show_lines=len(issues) > 1)
    for column in table.columns:
        column.overflow = "fold"
    for issue in issues:
        table.add_row(
            Text(issue.code, "red"), visible(issue.path) or "/", visible(issue.message), visible(issue.remedy)
        )
    return table


def issues_of(data: Mapping[str, Any]) -> list[Issue]:
    """Read the mistakes that an event, or a verdict, carries."""
    return [Issue.from_json(issue) for issue in data.get("issues", ())]
