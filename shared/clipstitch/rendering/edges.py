"""The edges of a raw clip: silence, fades and crossfades, on samples.

A raw clip is a file of 32-bit floating-point samples, its channels interleaved; a frame is one sample of each channel.
"""

from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

BLOCK_FRAMES = 4096
SAMPLE_BYTES = 4


def read_frames(file: BinaryIO, first: int, count: int, channels: int) -> "array[float]":
    """Return `count` frames from the frame `first` on; fewer only at the end of the file."""
    samples = array("f")
    file.seek(first * channels * SAMPLE_BYTES)
    samples.frombytes(file.read(max(count, 0) * channels * SAMPLE_BYTES))
    return samples


def audible(path: Path, frames: range, channels: int, threshold: float) -> range:
    """Return the frames from the first to the last with a sample of at least `threshold`; an empty range if none has.

    Only frames within `frames` count.
    """
    with path.open("rb") as file:
        starts = range(frames.start, frames.stop, BLOCK_FRAMES)
        first = _first_loud(file, starts, frames, channels, threshold)
        if first is None:
            return range(frames.start, frames.start)
        last = next(_loud(file, reversed(starts), frames, channels, threshold))
    return range(first[0], last[1] + 1)


def _first_loud(
    file: BinaryIO, starts: range, frames: range, channels: int, threshold: float
) -> tuple[int, int] | None:
    return next(_loud(file, iter(starts), frames, channels, threshold), None)


def _loud(
    file: BinaryIO, starts: Iterator[int], frames: range, channels: int, threshold: float
) -> Iterator[tuple[int, int]]:
    """Yield the first and the last loud frame of each block that has one."""
    for start in starts:
        block = read_frames(file, start, min(BLOCK_FRAMES, frames.stop - start), channels)
        if max(block) < threshold and min(block) > -threshold:
            continue
        loud = [index for index, sample in enumerate(block) if abs(sample) >= threshold]
        yield start + loud[0] // channels, start + loud[-1] // channels


def keep_edges(found: range, within: range, keep: int) -> range:
    """Return a range that is `keep` frames longer at either end, but not beyond `within`.

    >>> keep_edges(range(100, 200), range(0, 210), 20)
    range(80, 210)
    """
    return range(max(found.start - keep, within.start), min(found.stop + keep, within.stop))


def fade_in(samples: "array[float]", frames: int, channels: int) -> None:
    """Raise the first `frames` frames from silence, linearly. The first one is not quite silent."""
    for frame in range(frames):
        gain = (frame + 0.5) / frames
        for index in range(frame * channels, (frame + 1) * channels):
            samples[index] *= gain


def fade_out(samples: "array[float]", frames: int, channels: int) -> None:
    """Lower the last `frames` frames to silence, linearly."""
    end = len(samples) // channels
    for frame in range(frames):
        gain = (frame + 0.5) / frames
        at = end - 1 - frame
        for index in range(at * channels, (at + 1) * channels):
            samples[index] *= gain


def crossfade(before: "array[float]", after: "array[float]", channels: int) -> "array[float]":
    """Return the mix of two equally long pieces, from the one to the other, linearly.

    >>> list(crossfade(array("f", [1, 1]), array("f", [0, 0]), 1))
    [0.75, 0.25]
    """
    frames = len(before) // channels
    mixed = array("f", before)
    for frame in range(frames):
        gain = (frame + 0.5) / frames
        for index in range(frame * channels, (frame + 1) * channels):
            mixed[index] = before[index] * (1 - gain) + after[index] * gain
    return mixed
