"""Tones by which clips are recognized in merged audio: each has its own frequency, measured by counting periods."""

import math
import wave
from array import array
from collections.abc import Sequence
from io import BytesIO
from itertools import groupby, pairwise
from statistics import median
from typing import NamedTuple

RATE = 16_000
WINDOW_MS = 20
PEAK = 12_000
_MIN_LENGTH_MS = 60  # shorter stretches are boundaries between two clips


class Tone(NamedTuple):
    """A clip: its name, its frequency and its length, and how loud each of its channels is."""

    name: str
    hertz: int
    milliseconds: int
    gains: tuple[float, ...] = (1.0,)

    def wav(self, rate: int = RATE) -> bytes:
        """Return the tone as 16-bit WAV, at a sample rate in Hz."""
        count, turn = rate * self.milliseconds // 1000, 2 * math.pi * self.hertz / rate
        tone = (PEAK * math.sin(turn * at) for at in range(count))
        out = BytesIO()
        with wave.open(out, "wb") as file:
            file.setparams((len(self.gains), 2, rate, 0, "NONE", ""))
            file.writeframes(array("h", (round(gain * value) for value in tone for gain in self.gains)).tobytes())
        return out.getvalue()


class DetectedTone(NamedTuple):
    """A stretch of audio with the frequency of a tone. `level`: its loudest sample relative to that of a tone."""

    name: str
    milliseconds: int
    level: float = 1.0


def detect(samples: Sequence[int], tones: Sequence[Tone]) -> tuple[DetectedTone, ...]:
    """Return the tones in samples at `RATE`, in order; their lengths are exact to about two windows of 20 ms."""
    step = RATE * WINDOW_MS // 1000
    windows = [samples[at : at + step] for at in range(0, len(samples), step)]
    found = [DetectedTone(_name(window, tones), WINDOW_MS, max(window) / PEAK) for window in windows]
    runs = _merged(found)
    return tuple(_merged([run for run in runs if run.milliseconds >= _MIN_LENGTH_MS]))


def _merged(tones: Sequence[DetectedTone]) -> list[DetectedTone]:
    """Make one of neighbours with the same name; its level is the median, since a boundary may add a click."""
    groups = ((name, list(group)) for name, group in groupby(tones, key=lambda tone: tone.name))
    return [
        DetectedTone(name, sum(tone.milliseconds for tone in group), median(tone.level for tone in group))
        for name, group in groups
    ]


def equal(one: Sequence[DetectedTone], other: Sequence[DetectedTone], tolerance_ms: int = 3 * WINDOW_MS) -> bool:
    """Return True if both have the same tones in the same order, with the same lengths to within the tolerance."""
    names = [tone.name for tone in one] == [tone.name for tone in other]
    return names and all(abs(a.milliseconds - b.milliseconds) <= tolerance_ms for a, b in zip(one, other, strict=True))


def _name(window: Sequence[int], tones: Sequence[Tone]) -> str:
    """Return the tone with the nearest frequency."""
    rising = sum(before < 0 <= after for before, after in pairwise(window))
    hertz = rising * RATE / max(len(window), 1)
    return min(tones, key=lambda tone: abs(tone.hertz - hertz)).name
