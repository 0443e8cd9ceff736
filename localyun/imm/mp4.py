"""Reads from an MP4 or M4A file how long its audio is, and whether it is encrypted. Knows boxes, no codecs.

The last frame of encoded audio is padded. The sample table says how much of it counts, and the edit list how much is
skipped at the beginning; FFmpeg 7.0.2 applies the second and ignores the first, so a clip would end with up to 20 ms of
silence. Boxes: ISO/IEC 14496-12:2022, sections 4.2 and 8.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ENCRYPTED = (b"enca", b"drms", b"aavd")  # common encryption, FairPlay, Audible
MAX_INDEX_BYTES = 64 << 20
CONTAINERS = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts"}


class AudioLength(NamedTuple):
    """The length of an audio track in units of its time scale, which is units per second."""

    units: int
    time_scale: int

    def samples(self, rate: int) -> int:
        """Return the number of samples at a rate, rounded up."""
        return -(-self.units * rate // self.time_scale)


def audio_length(file: Path) -> AudioLength | None:
    """Return the length of the first audio track as its tables have it; None if the file has no such tables."""
    index = _index(file)
    if index is None:
        return None
    try:
        boxes = list(_boxes(index))
        movie_scale = next((_scale(body) for path, body in boxes if path[-1] == b"mvhd"), 0)
        for track in _tracks(boxes):
            if track[b"hdlr"][8:12] == b"soun":
                return _length(track, movie_scale)
    except (struct.error, KeyError, IndexError):
        return None  # damaged: whatever can be decoded counts
    return None


def is_encrypted(file: Path) -> bool:
    """Return True if the first audio track is encrypted, as by a shop that rents or sells it with DRM."""
    index = _index(file)
    try:
        tracks = _tracks(list(_boxes(index or b"")))
        audio = next((track for track in tracks if track[b"hdlr"][8:12] == b"soun"), {})
        return audio.get(b"stsd", b"")[12:16] in ENCRYPTED
    except (struct.error, KeyError):
        return False


def _index(file: Path) -> bytes | None:
    """Return the content of the `moov` box; None if the file does not begin like an MP4 file."""
    with file.open("rb") as source:
        position, end = 0, file.stat().st_size
        while position < end:
            source.seek(position)
            head = source.read(16)
            if len(head) < 8 or (position == 0 and head[4:8] not in (b"ftyp", b"moov", b"mdat", b"wide", b"free")):
                return None
            size, start = int.from_bytes(head[:4], "big"), 8
            if size == 1:
                size, start = int.from_bytes(head[8:16], "big"), 16
            size = size or end - position
            if head[4:8] == b"moov":
                source.seek(position + start)
                return source.read(size - start) if size <= MAX_INDEX_BYTES else None
            position += max(size, 8)
    return None


def _boxes(data: bytes, path: tuple[bytes, ...] = ()) -> Iterator[tuple[tuple[bytes, ...], bytes]]:
    """Yield every box in `data` with the names of the boxes around it and its own; containers with an empty body."""
    position = 0
    while position + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, position)
        if size < 8:
            return
        body, inner = data[position + 8 : position + size], (*path, name)
        if name in CONTAINERS:
            yield inner, b""
            yield from _boxes(body, inner)
        else:
            yield inner, body
        position += size


def _tracks(boxes: list[tuple[tuple[bytes, ...], bytes]]) -> Iterator[dict[bytes, bytes]]:
    """Yield the boxes of each track by name."""
    track: dict[bytes, bytes] = {}
    for path, body in boxes:
        if path[-1] == b"trak":
            if track:
                yield track
            track = {b"": b""}
        elif b"trak" in path:
            track.setdefault(path[-1], body)
    if track:
        yield track


def _length(track: dict[bytes, bytes], movie_scale: int) -> AudioLength | None:
    scale = _scale(track[b"mdhd"])
    entries = struct.iter_unpack(">II", track[b"stts"][8:])
    total = sum(count * duration for count, duration in entries)
    edits = list(_edits(track.get(b"elst", b"\0" * 8)))
    if not total or not scale or len(edits) > 1:
        return None
    for duration, media_time in edits:
        total -= max(media_time, 0)
        if duration and movie_scale:
            total = min(total, -(-(duration + 1) * scale // movie_scale))
    return AudioLength(total, scale) if total > 0 else None


def _scale(header: bytes) -> int:
    """Return the time scale of an `mvhd` or `mdhd` box."""
    return int(struct.unpack_from(">I", header, 20 if header[0] else 12)[0])


def _edits(body: bytes) -> Iterator[tuple[int, int]]:
    """Yield duration, in units of the movie, and media time of each edit, without the empty edits before the audio."""
    form = ">qqI" if body[0] else ">IiI"
    for duration, media_time, _ in struct.iter_unpack(form, body[8:]):
        if media_time >= 0:
            yield duration, media_time
