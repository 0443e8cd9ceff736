"""Decoded audio: its exact length, and its level over time. Uses the FFmpeg of the local cloud."""

import subprocess
import sys
from array import array
from pathlib import Path
from typing import NamedTuple

from clipstitch.common.errors import ClipstitchError

FULL_SCALE = 32768
_AXIS_STEPS_S = (1, 2, 5, 10, 30, 60, 300, 900, 3600, 36000)


class AudioNotDecodable(ClipstitchError):
    """FFmpeg finds no audio in a file."""

    code = "UNDECODABLE"
    remedy = "Play the file with another program; if that works, this is a bug."


class DecodedAudio(NamedTuple):
    """Decoded audio, mixed down to one channel: 16-bit samples at `sample_rate` Hz."""

    samples: "array[int]"
    sample_rate: int

    @property
    def duration_s(self) -> float:
        """The length, counted in samples."""
        return len(self.samples) / self.sample_rate

    def peaks(self, count: int) -> list[tuple[float, float]]:
        """Return the lowest and the highest value, -1 to 1, in each of `count` equal parts."""
        edges = [len(self.samples) * part // count for part in range(count + 1)]
        parts = (self.samples[edges[part] : max(edges[part + 1], edges[part] + 1)] for part in range(count))
        return [(min(part, default=0) / FULL_SCALE, max(part, default=0) / FULL_SCALE) for part in parts]

    def normalized_peaks(self, count: int) -> list[tuple[float, float]]:
        """Return the peaks relative to the loudest of them."""
        peaks = self.peaks(count)
        loudest = max((max(-low, high) for low, high in peaks), default=0) or 1
        return [(low / loudest, high / loudest) for low, high in peaks]

    def axis_seconds(self, max_marks: float) -> range:
        """Return the seconds to mark on a time axis, at round intervals, at most about `max_marks` of them."""
        step = next(step for step in _AXIS_STEPS_S if self.duration_s / step <= max_marks)
        return range(0, int(self.duration_s) + 1, step)


class ClipSpan(NamedTuple):
    """A clip in the merged audio. `trim`: which part of the clip it is, in words."""

    name: str
    starts_at_s: float
    length_s: float
    trim: str = "whole"

    @property
    def ends_at_s(self) -> float:
        """Where the next clip begins."""
        return self.starts_at_s + self.length_s


def decode(file: Path, sample_rate: int) -> DecodedAudio:
    """Return a decoded file, at a sample rate in Hz. Raises AudioNotDecodable."""
    import imageio_ffmpeg  # noqa: PLC0415 - only `demo` and `doctor --live` decode

    output = ("-f", "s16le", "-ac", "1", "-ar", str(sample_rate), "-")
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-i", str(file), *output]
    done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - no arguments from outside
    if done.returncode:
        message = done.stderr.decode("utf-8", "replace").strip()[-300:]
        raise AudioNotDecodable(f"{file} cannot be decoded: {message}")
    samples = array("h", done.stdout)
    if sys.byteorder == "big":
        samples.byteswap()
    return DecodedAudio(samples, sample_rate)
