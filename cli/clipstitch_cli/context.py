"""What every command works with: the environment, two consoles, a clock. Nothing of it is global."""

import json
from collections.abc import Mapping
from typing import IO, Any, NamedTuple

from rich.console import Console
from rich.text import Text

from clipstitch.common.clock import Clock


class CommandContext(NamedTuple):
    """Where a command reads and writes. `json`: the reader is a program."""

    env: Mapping[str, str]
    out: Console
    err: Console
    clock: Clock
    json: bool = False

    def hand_over(self, value: Any) -> None:
        """Write one line of JSON for a program, at once; plain ASCII, whatever the locale."""
        self.out.file.write(json.dumps(value) + "\n")
        self.out.file.flush()

    def say(self, *parts: "str | Text", style: str = "") -> None:
        """Write a line for people; long lines wrap in the terminal and stay whole in a file."""
        self.out.print(*parts, style=style or None, soft_wrap=True)


def wide(command: CommandContext) -> Console:
    """Return a console for tables of one line a row: on a terminal as wide as it is, for `grep` without an end."""
    return command.out if command.out.is_terminal else console(command.out.file, {"COLUMNS": "10000", **command.env})


def console(file: IO[str], env: Mapping[str, str]) -> Console:
    """Make a console on which a key such as `[bold].mp3` stays what it is; NO_COLOR and COLUMNS are honoured."""
    return Console(file=file, markup=False, emoji=False, highlight=False, _environ=env)


def visible(name: str) -> str:
    r"""Return a name in which nothing is invisible, for people to read.

    >>> visible("pre1.mp3\n")
    'pre1.mp3\\n'
    """
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in name)
