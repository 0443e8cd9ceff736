"""The waveform of merged audio in a terminal: block characters, one colour per clip, boundaries and names marked."""

from bisect import bisect_right
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from rich.text import Text

from clipstitch_cli.display.decoded_audio import ClipSpan, DecodedAudio

BLOCKS = " ▁▂▃▄▅▆▇█"
COLOURS = ("cyan", "yellow", "green", "magenta", "bright_blue", "bright_red")
ROWS = 4
MIN_WIDTH, MAX_WIDTH = 40, 120


def draw(audio: DecodedAudio, spans: list[ClipSpan], width: int, rows: int = ROWS) -> Text:
    """Return the waveform with the names of the clips and a time axis below it; `width` in characters."""
    width = max(MIN_WIDTH, min(width, MAX_WIDTH))
    columns = _columns(audio, spans, width)
    lines = [_row(columns, row, rows) for row in reversed(range(rows))]
    return Text("\n").join([*lines, *_names(spans, columns), _axis(audio, width)])


class _Column(NamedTuple):
    """One column: its level (0 to 1, relative to the loudest), its clip, and whether that clip begins here."""

    level: float
    clip: int
    begins: bool

    @property
    def style(self) -> str:
        return COLOURS[self.clip % len(COLOURS)]


def _columns(audio: DecodedAudio, spans: list[ClipSpan], width: int) -> list[_Column]:
    levels = [max(-low, high) for low, high in audio.normalized_peaks(width)]
    starts = [round(span.starts_at_s / (audio.duration_s or 1) * width) for span in spans]
    return [_Column(level, max(0, bisect_right(starts, at) - 1), at in starts[1:]) for at, level in enumerate(levels)]


def _row(columns: list[_Column], row: int, rows: int) -> Text:
    """Return one row; row 0 is the lowest."""
    cells = [_cell(column, row, rows) for column in columns]
    runs = groupby(cells, key=itemgetter(1))
    return Text.assemble(*(("".join(char for char, _ in run), style) for style, run in runs))


def _cell(column: _Column, row: int, rows: int) -> tuple[str, str]:
    """Return one character and its style; the lowest row is never empty, so that silence is visible."""
    if column.begins:
        return "│", "bold white"
    eighths = round(column.level * rows * 8) - row * 8
    return BLOCKS[max(1 if row == 0 else 0, min(eighths, 8))], column.style


def _names(spans: list[ClipSpan], columns: list[_Column]) -> list[Text]:
    """Return the names of the clips, each at its beginning, on a second line where the first is occupied."""
    lines = [Text(), Text()]
    starts = [0] + [at for at, column in enumerate(columns) if column.begins]
    for number, (span, at) in enumerate(zip(spans, starts, strict=False)):
        line = next((line for line in lines if len(line) <= at), lines[-1])
        line.append(" " * (at - len(line)))
        line.append(f"└{span.name} ", COLOURS[number % len(COLOURS)])
    return [line for line in lines if line.plain]


def _axis(audio: DecodedAudio, width: int) -> Text:
    axis = ""
    for second in audio.axis_seconds(width / 8):
        at = round(second / (audio.duration_s or 1) * width)
        axis = axis.ljust(at) + f"{second}s" if at + len(f"{second}s") <= width else axis
    return Text(axis, "dim")
