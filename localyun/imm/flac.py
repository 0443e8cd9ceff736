"""Finds FLAC streams that were written one after the other into one file, as `cat` joins them. Knows no codecs.

FFmpeg takes the second header for frames of the first stream: it loses the seam, and keeps the wrong sample rate. The
marker and the STREAMINFO block, of 34 bytes, that begin each stream: RFC 9639, section 8.
"""

import mmap
from pathlib import Path
from typing import NamedTuple

HEAD = b"fLaC\0\0\0\x22"
LAST_BLOCK_HEAD = b"fLaC\x80\0\0\x22"  # no other block follows


class ByteRange(NamedTuple):
    """The bytes of a file from `start` to before `end`."""

    start: int
    end: int


def flac_streams(file: Path) -> list[ByteRange]:
    """Return the ranges of the FLAC streams in a file that has more than one; otherwise an empty list."""
    size = file.stat().st_size
    if not size:
        return []
    with file.open("rb") as source, mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if data[:4] != HEAD[:4]:
            return []
        starts = sorted(start for head in (HEAD, LAST_BLOCK_HEAD) for start in _found(data, head))
    ends = [*starts[1:], size]
    return [ByteRange(*pair) for pair in zip(starts, ends, strict=True)] if len(starts) > 1 else []


def _found(data: mmap.mmap, head: bytes) -> list[int]:
    """Return all positions of some bytes."""
    found, position = [], data.find(head)
    while position >= 0:
        found.append(position)
        position = data.find(head, position + 1)
    return found
