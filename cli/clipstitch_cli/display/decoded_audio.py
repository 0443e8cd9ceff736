"""Decoded audio: how long a file really is, and how loud at every moment. Uses the FFmpeg that the local cloud uses."""

import subprocess
import sys
from array import array
from pathlib import Path
from typing import NamedTuple

from clipstitch.common.errors import ClipstitchError

FULL_SCALE = 32768


class Undecodable(ClipstitchError):
    """FFmpeg finds no audio in a file."""

    code = "UNDECODABLE"
    remedy = "Play the file with another program; if that works, this is a bug."


class Sound(NamedTuple):
    """Decoded audio, mixed down to one channel: 16-bit samples at `sample_rate` Hz."""

    samples: "array[int]"
    sample_rate: int

    @property
    def duration_s(self) -> float:
        """The length, counted in samples."""
        return len(self.samples) / self.sample_rate

    def peaks(self, count: int) -> list[tuple[float, float]]:
        """Return lowest and highest value, -1 to 1, in each of `count` equal parts."""
        edges = [len(self.samples) * part // count for part in range(count + 1)]
        parts = (self.samples[edges[part] : max(edges[part + 1], edges[part] + 1)] for part in range(count))
        return [(min(part, default=0) / FULL_SCALE, max(part, default=0) / FULL_SCALE) for part in parts]


def decode(file: Path, sample_rate: int) -> Sound:
    """Decode a file that has this sample rate; `Undecodable` when FFmpeg cannot."""
    import imageio_ffmpeg  # noqa: PLC0415 - only the demo decodes

    wanted = ("-f", "s16le", "-ac", "1", "-ar", str(sample_rate), "-")
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-i", str(file), *wanted]
    done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - our own arguments
    if done.returncode:
        raise Undecodable(f"{file} cannot be decoded: {done.stderr.decode('utf-8', 'replace').strip()[-300:]}")
    samples = array("h", done.stdout)
    if sys.byteorder == "big":
        samples.byteswap()
    return Sound(samples, sample_rate)
