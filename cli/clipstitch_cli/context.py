"""What every command works with: the environment, two consoles, a clock. No global state."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import IO, Any, NamedTuple

from rich.console import Console
from rich.text import Text

from clipstitch.common.clock import Clock


class CommandContext(NamedTuple):
    """Environment, consoles and clock of one command. `json`: the output is for a program."""

    env: Mapping[str, str]
    out: Console
    err: Console
    clock: Clock
    json: bool = False

    def write_json(self, value: Any) -> None:
        """Write one line of JSON to stdout and flush it; ASCII only, independent of the locale."""
        self.out.file.write(json.dumps(value) + "\n")
        self.out.file.flush()

    def write(self, document: Callable[[], Any], write_text: Callable[[], object]) -> None:
        """Write a document as JSON if the output is for a program, otherwise the text for people."""
        if self.json:
            self.write_json(document())
        else:
            write_text()

    def write_line(self, *parts: "str | Text | tuple[str, str]") -> None:
        """Write a line to stdout. A part is a string, a Text, or a string with its style; long lines are not cut."""
        self.out.print(Text.assemble(*parts), soft_wrap=True)

    def write_lines(self, lines: Iterable[Text]) -> None:
        """Write many lines to stdout, as `write_line` does; without styles, which cost most of the time, in a file."""
        if self.out.is_terminal:
            self.out.print(Text("\n").join(lines), soft_wrap=True)
        else:
            self.out.file.write("".join(f"{line.plain}\n" for line in lines))

    def write_note(self, *parts: "str | Text | tuple[str, str]", style: str = "dim") -> None:
        """Write a line to stderr: progress and hints."""
        self.err.print(Text.assemble(*parts, style=style), soft_wrap=True)

    def table_console(self) -> Console:
        """Return a console that writes one line per table row: as wide as the terminal, unlimited in a file."""
        return self.out if self.out.is_terminal else console(self.out.file, {"COLUMNS": "10000", **self.env})


def console(file: IO[str], env: Mapping[str, str]) -> Console:
    """Return a console without markup, which keeps a key such as `[bold].mp3`; NO_COLOR and COLUMNS apply."""
    return Console(file=file, markup=False, emoji=False, highlight=False, _environ=env)


def visible(name: str) -> str:
    r"""Return a name with non-printable characters escaped.

    >>> visible("pre1.mp3\n")
    'pre1.mp3\\n'
    """
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in name)
