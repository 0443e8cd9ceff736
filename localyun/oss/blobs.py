"""Immutable files, each named by an id and never by a key. Knows files and checksums, no objects."""

import fcntl
import hashlib
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import crcmod

from localyun.clock import CloudClock
from localyun.disk import LOW_BYTES, free_bytes

CHUNK_BYTES = 1 << 18
# A reader (a download, a running join) may still open the file of an object that was just replaced.
DELETE_DELAY_SECONDS = 10.0
# CRC-64/XZ, as OSS computes it; page "Check data integrity by using CRC-64", read 2026-11.
CRC64_POLYNOMIAL = 0x142F0E1EBA9EA3693
Source = BinaryIO | Path | bytes | Iterator[bytes]


@dataclass(frozen=True)
class Blob:
    """A complete file and its checksums."""

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
        self._discarded: deque[tuple[float, Path]] = deque()
        self._discarded_lock = threading.Lock()
        self._timer: threading.Timer | None = None
        self._incoming.mkdir(parents=True, exist_ok=True)
        self._in_use = (root / "in-use").open("wb")

    def save(self, source: Source) -> Blob:
        """Return a new file with the bytes of a source; the file gets its final name when it is complete."""
        name = self._clock.token(16)
        incomplete, final = self._incoming / name, self.path(name)
        try:
            size, md5, crc64 = _copy(chunks_of(source), incomplete)
            final.parent.mkdir(exist_ok=True)
            incomplete.replace(final)
        except BaseException:
            incomplete.unlink(missing_ok=True)
            raise
        return Blob(final, size, md5, crc64)

    def path(self, name: str) -> Path:
        """Return the path of the file with a name."""
        return self._root / name[:2] / name

    def discard(self, *files: Path) -> None:
        """Delete files later, after all readers have opened them; immediately if the disk is almost full."""
        with self._discarded_lock:
            self._discarded.extend((time.monotonic(), file) for file in files)
        self._delete_discarded()

    def delete_unknown(self, known: Callable[[], Collection[str]]) -> None:
        """Delete what a killed process left: every file whose name is not known. Skipped if another process is here."""
        with suppress(BlockingIOError):
            fcntl.flock(self._in_use, fcntl.LOCK_EX | fcntl.LOCK_NB)
            names = known()
            for file in [*self._incoming.iterdir(), *self._root.glob("??/*")]:
                if file.name not in names:
                    file.unlink()
        fcntl.flock(self._in_use, fcntl.LOCK_SH)

    def close(self) -> None:
        """Release the lock of the folder. The next process deletes what is still discarded."""
        with self._discarded_lock:
            self._discarded.clear()
            if self._timer:
                self._timer.cancel()
        self._in_use.close()

    def _delete_discarded(self) -> None:
        """Delete what was discarded long enough ago, and set a timer for the rest."""
        delay = DELETE_DELAY_SECONDS if free_bytes(self._root) > LOW_BYTES else 0.0
        with self._discarded_lock:
            while self._discarded and self._discarded[0][0] <= time.monotonic() - delay:
                self._discarded.popleft()[1].unlink(missing_ok=True)
            if self._discarded and not (self._timer and self._timer.is_alive()):
                self._timer = threading.Timer(DELETE_DELAY_SECONDS, self._delete_discarded)
                self._timer.daemon = True
                self._timer.start()


def chunks_of(source: Source) -> Iterator[bytes]:
    """Yield the bytes of a file, a stream from its current position, a bytes object, or an iterator."""
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
    """Write chunks to a file; return their size, MD5 and CRC-64."""
    size, md5 = 0, hashlib.md5(usedforsecurity=False)
    crc = new_crc64()
    with target.open("wb") as out:
        for chunk in chunks:
            size += out.write(chunk)
            md5.update(chunk)
            crc.update(chunk)
    return size, md5.digest(), int(crc.crcValue)


def new_crc64(first: bytes = b"") -> crcmod.Crc:
    """Return a CRC-64 as OSS computes it, of the first bytes; `update` adds more."""
    crc = crcmod.Crc(CRC64_POLYNOMIAL, initCrc=0, rev=True, xorOut=0xFFFFFFFFFFFFFFFF)
    crc.update(first)
    return crc
