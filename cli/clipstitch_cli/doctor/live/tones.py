"""Tones by which clips are recognized in merged audio: each has its own frequency, measured by counting periods."""

import math
import wave
from array import array
from collections.abc import Sequence
from io import BytesIO
from itertools import groupby, pairwise
from typing import NamedTuple

RATE = 16_000
WINDOW_MS = 20
_MIN_LENGTH_MS = 60  # shorter stretches are boundaries between two clips


class Tone(NamedTuple):
    """A clip: its name, its frequency and its length."""

    name: str
    hertz: int
    milliseconds: int

    def wav(self, rate: int = RATE) -> bytes:
        """Return the tone as 16-bit mono WAV, at a sample rate in Hz."""
        count, turn = rate * self.milliseconds // 1000, 2 * math.pi * self.hertz / rate
        out = BytesIO()
        with wave.open(out, "wb") as file:
            file.setparams((1, 2, rate, 0, "NONE", ""))
            file.writeframes(array("h", (round(12000 * math.sin(turn * at)) for at in range(count))).tobytes())
        return out.getvalue()


class DetectedTone(NamedTuple):
    """A stretch of audio with the frequency of a tone."""

    name: str
    milliseconds: int


def detect(samples: Sequence[int], tones: Sequence[Tone]) -> tuple[DetectedTone, ...]:
    """Return the tones in samples at `RATE`, in order; their lengths are exact to about two windows of 20 ms."""
    step = RATE * WINDOW_MS // 1000
    names = [_name(samples[at : at + step], tones) for at in range(0, len(samples), step)]
    runs = [DetectedTone(name, WINDOW_MS * len(list(run))) for name, run in groupby(names)]
    long = [run for run in runs if run.milliseconds >= _MIN_LENGTH_MS]
    merged = ((name, list(group)) for name, group in groupby(long, key=lambda run: run.name))
    return tuple(DetectedTone(name, sum(run.milliseconds for run in group)) for name, group in merged)


def equal(one: Sequence[DetectedTone], other: Sequence[DetectedTone], tolerance_ms: int = 3 * WINDOW_MS) -> bool:
    """Return True if both have the same tones in the same order, with the same lengths to within the tolerance."""
    names = [tone.name for tone in one] == [tone.name for tone in other]
    return names and all(abs(a.milliseconds - b.milliseconds) <= tolerance_ms for a, b in zip(one, other, strict=True))


def _name(window: Sequence[int], tones: Sequence[Tone]) -> str:
    """Return the tone with the nearest frequency."""
    rising = sum(before < 0 <= after for before, after in pairwise(window))
    hertz = rising * RATE / max(len(window), 1)
    return min(tones, key=lambda tone: abs(tone.hertz - hertz)).name
