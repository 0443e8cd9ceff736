"""Bytes on disk, each under a name that is an id and never a key. Knows files and checksums, no objects."""

import fcntl
import hashlib
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import crcmod

from localyun.clock import CloudClock

CHUNK_BYTES = 1 << 18
# A reader may open the file of an object that was replaced a moment ago (a download, a running join).
GRACE_SECONDS = 900.0
# CRC-64/XZ, as OSS computes it; page "Check data integrity by using CRC-64", read 2026-11.
CRC64_POLYNOMIAL = 0x142F0E1EBA9EA3693
Source = BinaryIO | Path | bytes | Iterator[bytes]


@dataclass(frozen=True)
class Blob:
    """A finished file that never changes again, and its checksums."""

    file: Path
    size: int
    md5: bytes
    crc64: int


class BlobFolder:
    """A folder of immutable files. Safe to use from many threads."""

    def __init__(self, root: Path, clock: CloudClock) -> None:
        self._root = root
        self._incoming = root / "incoming"
        self._clock = clock
        self._garbage: deque[tuple[float, Path]] = deque()
        self._garbage_lock = threading.Lock()
        self._incoming.mkdir(parents=True, exist_ok=True)
        self._guard = (root / "in-use").open("wb")

    def save(self, chunks: Iterable[bytes]) -> Blob:
        """Write the chunks to a new file; it has its final name only when whole."""
        self._empty_garbage()
        name = self._clock.token(16)
        unfinished, final = self._incoming / name, self.path(name)
        try:
            size, md5, crc64 = _copy(chunks, unfinished)
            final.parent.mkdir(exist_ok=True)
            unfinished.replace(final)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise
        return Blob(final, size, md5, crc64)

    def path(self, name: str) -> Path:
        """Return where the file of that name lies."""
        return self._root / name[:2] / name

    def discard(self, file: Path) -> None:
        """Remove a file some time later, when whoever reads it has surely opened it."""
        with self._garbage_lock:
            self._garbage.append((time.monotonic(), file))

    def sweep(self, keep: Callable[[], Collection[str]]) -> None:
        """Remove what a killed process left behind, every file not in `keep()`; not while others are here."""
        if self._alone():
            known = keep()
            for file in [*self._incoming.iterdir(), *self._root.glob("??/*")]:
                if file.name not in known:
                    file.unlink()
        fcntl.flock(self._guard, fcntl.LOCK_SH)

    def close(self) -> None:
        """Let go of the folder."""
        self._guard.close()

    def _alone(self) -> bool:
        try:
            fcntl.flock(self._guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _empty_garbage(self) -> None:
        with self._garbage_lock:
            while self._garbage and self._garbage[0][0] < time.monotonic() - GRACE_SECONDS:
                self._garbage.popleft()[1].unlink(missing_ok=True)


def chunks_of(source: Source) -> Iterator[bytes]:
    """Yield the bytes of a file, a stream from where it stands, a value, or pieces as they come."""
    if isinstance(source, bytes):
        yield source
    elif isinstance(source, Path):
        with source.open("rb") as stream:
            yield from chunks_of(stream)
    elif read := getattr(source, "read", None):
        while chunk := read(CHUNK_BYTES):
            yield chunk
    else:
        yield from source


def _copy(chunks: Iterable[bytes], target: Path) -> tuple[int, bytes, int]:
    """Write chunks to a file; return size, MD5 and CRC-64 of what was written."""
    size, md5 = 0, hashlib.md5(usedforsecurity=False)
    crc = crcmod.Crc(CRC64_POLYNOMIAL, initCrc=0, rev=True, xorOut=0xFFFFFFFFFFFFFFFF)
    with target.open("wb") as out:
        for chunk in chunks:
            out.write(chunk)
            size += len(chunk)
            md5.update(chunk)
            crc.update(chunk)
    return size, md5.digest(), int(crc.crcValue)
