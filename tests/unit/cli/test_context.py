"""The context of a command. Other tests use `make_command`."""

from io import StringIO
from typing import Any

from rich.console import Console
from rich.text import Text

from clipstitch.adapters.system_clock import SystemClock
from clipstitch_cli.context import CommandContext, console, visible
from tests.world import FakeClock

WIDE = {"COLUMNS": "240"}


class RecordingCommand(CommandContext):
    """A command context whose consoles write to memory."""

    __slots__ = ()

    @property
    def written(self) -> str:
        """Everything written to stdout."""
        return _text(self.out.file)

    @property
    def errors(self) -> str:
        """Everything written to stderr."""
        return _text(self.err.file)


def _text(file: Any) -> str:
    return str(file.getvalue())


def make_command(*, json: bool = False, clock: FakeClock | None = None) -> RecordingCommand:
    """Return a context with wide consoles and, if one is given, a fake clock."""
    out, err = console(StringIO(), WIDE), console(StringIO(), WIDE)
    return RecordingCommand(WIDE, out, err, clock or SystemClock(), json)


class Terminal(StringIO):
    """A stream that claims to be a terminal."""

    def isatty(self) -> bool:
        """Return True."""
        return True


def printed(file: StringIO, **env: str) -> str:
    """Print a red word and return the output."""
    made: Console = console(file, {"TERM": "xterm-256color", **env})
    made.print(Text("word", "red"))
    return file.getvalue()


def test_colour_is_for_terminals_only() -> None:
    """A file gets no colour, and NO_COLOR switches it off."""
    assert "\x1b[31m" in printed(Terminal())
    assert "word\n" == printed(StringIO())
    assert "\x1b[31m" not in printed(Terminal(), NO_COLOR="1")


def test_json_is_one_line_of_ascii() -> None:
    """Independent of the locale and of the keys."""
    command = make_command(json=True)
    command.write_json({"key": "folge 1\n\u00fc\U0001f399.mp3"})

    assert command.written.isascii()
    assert 1 == command.written.count("\n")


def test_non_printable_characters_are_escaped() -> None:
    """For example a trailing newline, or an escape sequence."""
    assert r"a\n" == visible("a\n")
    assert r"\x1b[31m" == visible("\x1b[31m")
    assert "\u7532 b" == visible("\u7532 b")
