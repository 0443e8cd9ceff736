"""The waveform of merged audio in a terminal: block characters, one colour per clip, boundaries and names marked."""

from bisect import bisect_right
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from rich.text import Text

from clipstitch_cli.display.decoded_audio import Sound

BLOCKS = " ▁▂▃▄▅▆▇█"
COLOURS = ("cyan", "yellow", "green", "magenta", "bright_blue", "bright_red")
ROWS = 4
NARROWEST, WIDEST = 40, 120


class Region(NamedTuple):
    """A clip in the merged whole."""

    name: str
    starts_at_s: float
    length_s: float
    taken: str = "whole"

    @property
    def ends_at_s(self) -> float:
        """Where the next one begins."""
        return self.starts_at_s + self.length_s


def draw(sound: Sound, regions: list[Region], width: int, rows: int = ROWS) -> Text:
    """Draw the waveform with the names of the clips below it, and the seconds."""
    width = max(NARROWEST, min(width, WIDEST))
    columns = _columns(sound, regions, width)
    lines = [_row(columns, row, rows) for row in reversed(range(rows))]
    return Text("\n").join([*lines, *_names(regions, columns), _seconds(sound.duration_s, width)])


class _Column(NamedTuple):
    """One column: how loud (0 to 1, relative to the loudest), whose, and whether that clip begins here."""

    level: float
    region: int
    begins: bool

    @property
    def style(self) -> str:
        """The clip's colour."""
        return COLOURS[self.region % len(COLOURS)]


def _columns(sound: Sound, regions: list[Region], width: int) -> list[_Column]:
    """Measure and colour every column."""
    peaks = [max(-low, high) for low, high in sound.peaks(width)]
    loudest = max(peaks, default=0) or 1
    starts = [round(region.starts_at_s / (sound.duration_s or 1) * width) for region in regions]
    return [
        _Column(peak / loudest, max(0, bisect_right(starts, at) - 1), at in starts[1:]) for at, peak in enumerate(peaks)
    ]


def _row(columns: list[_Column], row: int, rows: int) -> Text:
    """Draw one row; row 0 is the lowest."""
    cells = [_cell(column, row, rows) for column in columns]
    runs = groupby(cells, key=itemgetter(1))
    return Text.assemble(*(("".join(char for char, _ in run), style) for style, run in runs))


def _cell(column: _Column, row: int, rows: int) -> tuple[str, str]:
    """Return one character and its style; the lowest row is never empty, so that silence is seen too."""
    if column.begins:
        return "│", "bold white"
    eighths = round(column.level * rows * 8) - row * 8
    return BLOCKS[max(1 if row == 0 else 0, min(eighths, 8))], column.style


def _names(regions: list[Region], columns: list[_Column]) -> list[Text]:
    """Write every clip's name at its beginning, on a second line where the first is taken."""
    lines = [Text(), Text()]
    starts = [0] + [at for at, column in enumerate(columns) if column.begins]
    for number, (region, at) in enumerate(zip(regions, starts, strict=False)):
        label = f"└{region.name} "
        line = next((line for line in lines if len(line) <= at), lines[-1])
        line.append(" " * (at - len(line)))
        line.append(label, COLOURS[number % len(COLOURS)])
    return [line for line in lines if line.plain]


def _seconds(duration_s: float, width: int) -> Text:
    """Write the time axis: a mark every five seconds, or more where it is long."""
    step = next(step for step in (1, 2, 5, 10, 30, 60, 300, 900, 3600, 36000) if duration_s / step <= width / 8)
    axis = ""
    for second in range(0, int(duration_s) + 1, step):
        at = round(second / (duration_s or 1) * width)
        axis = axis.ljust(at) + f"{second}s" if at + len(f"{second}s") <= width else axis
    return Text(axis, "dim")
