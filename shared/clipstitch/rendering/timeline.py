"""Joins raw clips to one raw file, exact to the sample. Knows frames, no milliseconds and no FFmpeg."""

import os
from array import array
from pathlib import Path
from typing import BinaryIO, NamedTuple

from clipstitch.rendering.edges import SAMPLE_BYTES, crossfade, fade_in, fade_out, read_frames

COPY_FRAMES = 1 << 16


class Piece(NamedTuple):
    """What is used of a raw clip: its file, its frames, and the fades at its edges in frames."""

    file: Path
    frames: range
    fade_in: int = 0
    fade_out: int = 0


class Timeline:
    """A raw file that grows piece by piece.

    With `overlap`, neighbouring pieces overlap by that many frames, so the end of the last one is held back.
    """

    def __init__(self, file: BinaryIO, channels: int, overlap: int = 0) -> None:
        self._file = file
        self._channels = channels
        self._overlap = overlap
        self._held: array[float] = array("f")
        self._fade = 0  # of what is held back, unless another piece overlaps it
        self._written = 0

    def append_silence(self, frames: int) -> int:
        """Append silence, which overlaps nothing, and return its first frame. The file has a hole there."""
        self._release()
        start = self._written
        self._file.seek(frames * self._channels * SAMPLE_BYTES, os.SEEK_CUR)
        self._written += frames
        return start

    def append(self, piece: Piece) -> tuple[int, int]:
        """Append a piece; return its first frame, and how many frames of the piece before it overlaps.

        At most half of either piece overlaps, and at most half of it fades at either end.
        """
        half = len(piece.frames) // 2
        overlap, held = min(len(self._held) // self._channels, half), min(self._overlap, half)
        start = self._written + len(self._held) // self._channels - overlap
        head = overlap or min(piece.fade_in, half)
        tail = held or min(piece.fade_out, half)
        with piece.file.open("rb") as source:
            first = read_frames(source, piece.frames.start, head, self._channels)
            if overlap:
                first = self._overlapped(first)
            else:
                fade_in(first, head, self._channels)
                self._release()
            self._write(first)
            for at in range(piece.frames.start + head, piece.frames.stop - tail, COPY_FRAMES):
                self._write(read_frames(source, at, min(COPY_FRAMES, piece.frames.stop - tail - at), self._channels))
            self._held = read_frames(source, piece.frames.stop - tail, tail, self._channels)
        self._fade = min(piece.fade_out, tail)
        if not held:
            self._release()
        return start, overlap

    def finish(self) -> int:
        """Write what is held back, and return the number of frames."""
        self._release()
        self._file.truncate(self._written * self._channels * SAMPLE_BYTES)
        self._file.flush()
        return self._written

    def _overlapped(self, first: "array[float]") -> "array[float]":
        """Write what is held back and not overlapped; return its mix with the first frames of a piece."""
        keep = len(self._held) - len(first)
        self._write(self._held[:keep])
        mixed = crossfade(self._held[keep:], first, self._channels)
        self._held = array("f")
        return mixed

    def _release(self) -> None:
        fade_out(self._held, self._fade, self._channels)
        self._write(self._held)
        self._held, self._fade = array("f"), 0

    def _write(self, samples: "array[float]") -> None:
        self._file.write(samples.tobytes())
        self._written += len(samples) // self._channels
