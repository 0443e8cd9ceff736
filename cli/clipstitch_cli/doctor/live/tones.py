"""Tones that tell which clip is heard, and for how long: each has a pitch of its own, and its periods are counted."""

import math
import wave
from array import array
from collections.abc import Sequence
from io import BytesIO
from itertools import groupby, pairwise
from typing import NamedTuple

RATE = 16_000
WINDOW_MS = 20
_SHORTEST_MS = 60  # what is shorter is a boundary between two clips, not a clip


class Tone(NamedTuple):
    """A clip: its name, pitch and length."""

    name: str
    hertz: int
    milliseconds: int

    def wav(self) -> bytes:
        """Make it, as 16-bit mono WAV."""
        count, turn = RATE * self.milliseconds // 1000, 2 * math.pi * self.hertz / RATE
        out = BytesIO()
        with wave.open(out, "wb") as file:
            file.setparams((1, 2, RATE, 0, "NONE", ""))
            file.writeframes(array("h", (round(12000 * math.sin(turn * at)) for at in range(count))).tobytes())
        return out.getvalue()


class Heard(NamedTuple):
    """A stretch of one pitch."""

    name: str
    milliseconds: int


def listen(samples: Sequence[int], tones: Sequence[Tone]) -> tuple[Heard, ...]:
    """Say which tones are heard one after the other; lengths are right to about two windows."""
    step = RATE * WINDOW_MS // 1000
    names = [_name(samples[at : at + step], tones) for at in range(0, len(samples), step)]
    runs = [Heard(name, WINDOW_MS * len(list(run))) for name, run in groupby(names)]
    return _joined([run for run in runs if run.milliseconds >= _SHORTEST_MS])


def same(one: Sequence[Heard], other: Sequence[Heard], tolerance_ms: int = 3 * WINDOW_MS) -> bool:
    """Say whether the same clips are heard for the same time, to within a few windows."""
    names = [stretch.name for stretch in one] == [stretch.name for stretch in other]
    return names and all(abs(a.milliseconds - b.milliseconds) <= tolerance_ms for a, b in zip(one, other, strict=True))


def _name(window: Sequence[int], tones: Sequence[Tone]) -> str:
    """Name the tone whose pitch is nearest."""
    rising = sum(before < 0 <= after for before, after in pairwise(window))
    hertz = rising * RATE / max(len(window), 1)
    return min(tones, key=lambda tone: abs(tone.hertz - hertz)).name


def _joined(runs: Sequence[Heard]) -> tuple[Heard, ...]:
    """Join neighbours of one pitch, where a boundary was left out between them."""
    groups = (list(group) for _, group in groupby(runs, key=lambda run: run.name))
    return tuple(Heard(group[0].name, sum(run.milliseconds for run in group)) for group in groups)
