"""Desks: what a command says, as text. `make_desk` makes those of the other tests."""

from io import StringIO
from typing import Any

from rich.console import Console
from rich.text import Text

from clipstitch.adapters.system_clock import SystemClock
from clipstitch_cli.context import CommandContext, console, visible
from tests.world import FakeClock

WIDE = {"COLUMNS": "240"}


class MadeDesk(CommandContext):
    """A desk whose consoles are texts."""

    __slots__ = ()

    @property
    def written(self) -> str:
        """What stdout has."""
        return _text(self.out.file)

    @property
    def said(self) -> str:
        """What stderr has."""
        return _text(self.err.file)


def _text(file: Any) -> str:
    return str(file.getvalue())


def make_desk(*, json: bool = False, clock: FakeClock | None = None) -> MadeDesk:
    """Make a desk with wide paper and, if one is given, a clock that only moves when told."""
    out, err = console(StringIO(), WIDE), console(StringIO(), WIDE)
    return MadeDesk(WIDE, out, err, clock or SystemClock(), json)


class Terminal(StringIO):
    """A text that says it is a terminal."""

    def isatty(self) -> bool:
        """Claim to be one."""
        return True


def painted(file: StringIO, **env: str) -> str:
    """Write a red word."""
    made: Console = console(file, {"TERM": "xterm-256color", **env})
    made.print(Text("word", "red"))
    return file.getvalue()


def test_colour_is_for_terminals_only():
    """A file, and a person who wants none, get none."""
    assert "\x1b[31m" in painted(Terminal())
    assert "word\n" == painted(StringIO())
    assert "\x1b[31m" not in painted(Terminal(), NO_COLOR="1")


def test_programs_get_one_line_of_ascii():
    """Whatever the locale of the terminal, and whatever the keys."""
    command = make_desk(json=True)
    command.hand_over({"key": "folge 1\n\u00fc\U0001f399.mp3"})

    assert command.written.isascii()
    assert 1 == command.written.count("\n")


def test_what_is_invisible_in_a_name_is_made_visible():
    """A trailing newline, or an escape sequence that would paint the terminal."""
    assert r"a\n" == visible("a\n")
    assert r"\x1b[31m" == visible("\x1b[31m")
    assert "\u7532 b" == visible("\u7532 b")
