"""Errors of the command, and how any error is written to stderr: what is wrong and what to do, without a traceback."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from clipstitch.common.errors import ClipstitchError, CloudBusy, InvalidManifest, InvalidProcessString, Issue
from clipstitch_cli import exit_codes
from clipstitch_cli.context import CommandContext, visible


class FileNotReadable(ClipstitchError):
    """A file of this machine cannot be read."""

    code = "FILE_NOT_READABLE"
    remedy = "Check the path; relative paths start at the current directory."


class UsageError(ClipstitchError):
    """The command line is wrong."""

    code = "USAGE"
    remedy = "See `clipstitch --help`, or `clipstitch COMMAND --help`."


class WaitTimedOut(ClipstitchError):
    """The job was still running when the command stopped waiting."""

    code = "TIMEOUT"
    remedy = (
        "The job continues: check it with `clipstitch show JOB`, or wait longer with --timeout. If it makes no "
        "progress, see docs/operate.md; the local cloud's logs are in functions/logs of `up --data DIR`."
    )


class OutputNotWritten(ClipstitchError):
    """The command's own output cannot be written."""

    code = "NOT_WRITTEN"
    remedy = "Free some space, or write to another place."


class LocalCloudError(ClipstitchError):
    """The local cloud cannot start, or its project cannot be read."""

    code = "LOCAL_CLOUD"
    remedy = "Correct what the message names; s.yaml and template.yml define the local cloud."


_EXIT_CODES: tuple[tuple[type[ClipstitchError], int], ...] = (
    (InvalidManifest, exit_codes.REJECTED),
    (InvalidProcessString, exit_codes.REJECTED),
    (UsageError, exit_codes.USAGE),
    (WaitTimedOut, exit_codes.TIMEOUT),
)
# The error's own remedy is for functions, whose calls are repeated automatically.
_BUSY_REMEDY = "Is the cloud running, and are OSS_ENDPOINT and MNS_ENDPOINT right? Then try again."


def report(error: ClipstitchError, command: CommandContext) -> int:
    """Write an error to stderr and return its exit code."""
    remedy = _BUSY_REMEDY if isinstance(error, CloudBusy) else error.remedy
    issues = error.issues if isinstance(error, InvalidManifest) else ()
    if command.json:
        listed = {"issues": [issue.as_json() for issue in issues]} if issues else {}
        command.err.file.write(json.dumps({"error": {**error.as_json(), "remedy": remedy, **listed}}) + "\n")
    else:
        plural = "s" if len(issues) != 1 else ""
        message = f"the manifest has {len(issues)} error{plural}; nothing was submitted" if issues else str(error)
        command.write_note(("error: ", "bold red"), visible(message), (f" [{error.code}]", "dim"), style="")
        if issues:
            command.err.print(issues_table(issues))
        if remedy:
            command.write_note(("remedy: ", "bold"), remedy, style="")
    return next((code for kind, code in _EXIT_CODES if isinstance(error, kind)), exit_codes.ERROR)


def issues_table(issues: Sequence[Issue]) -> Table:
    """Return the issues of a manifest as a table: code, place, message, remedy."""
    table = Table("code", "place", "what is wrong", "what to do", show_lines=len(issues) > 1)
    for column in table.columns:
        column.overflow = "fold"
    for issue in issues:
        texts = (issue.path or "/", issue.message, issue.remedy)
        table.add_row(Text(issue.code, "red"), *map(visible, texts))
    return table


def issues_of(data: Mapping[str, Any]) -> list[Issue]:
    """Return the issues in the data of an event."""
    return [Issue.from_json(issue) for issue in data.get("issues", ())]
