"""What a full disk means: how errors say so, how much space is free, and a reserve. Knows no services."""

import errno
import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile

# What a full disk raises. A thread of the local cloud survives it, and tries again after some seconds.
DISK_ERRORS = (OSError, sqlite3.Error)
RETRY_SECONDS = 1.0
DISK_FULL = "The disk of the local cloud is full: delete objects, or free space on the disk, and try again."
LOW_BYTES = 64 << 20  # below this, nothing is kept that could be deleted
# No space, a quota, or a limit on the size of files.
DISK_FULL_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FULL_TEXTS = ("disk is full", "disk I/O error", "No space left on device", "Disk quota exceeded", "File too large")
_PROBE = bytes(64 << 10)


def is_disk_full(error: BaseException) -> bool:
    """Return True if an error means that a disk is full."""
    return error.errno in DISK_FULL_ERRORS if isinstance(error, OSError) else says_disk_full(str(error))


def says_disk_full(text: str) -> bool:
    """Return True if a text, such as the log of a child process, says that a disk is full."""
    return any(part in text for part in _FULL_TEXTS)


def has_space(*folders: Path | None) -> bool:
    """Return True if 64 KB can be written to each folder; None is the folder of temporary files."""
    try:
        for folder in folders:
            with TemporaryFile(dir=folder, buffering=0) as file:
                file.write(_PROBE)
    except OSError as error:
        return not is_disk_full(error)
    return True


def free_bytes(folder: Path) -> int:
    """Return the bytes that are free on the disk of a folder."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


class Reserve:
    """A file that keeps some space, so that a delete, which writes, too, works on a full disk."""

    BYTES = 256 << 10

    def __init__(self, file: Path) -> None:
        self._file = file

    def keep(self) -> None:
        """Create the file unless it exists or there is little space."""
        with suppress(OSError):
            if not self._file.exists() and free_bytes(self._file.parent) > 4 * self.BYTES:
                with self._file.open("wb") as out:
                    os.posix_fallocate(out.fileno(), 0, self.BYTES)

    def release_if_full(self) -> bool:
        """Delete the file if the disk is full; return True if it is."""
        if free_bytes(self._file.parent) >= self.BYTES:
            return False
        with suppress(OSError):
            self._file.unlink(missing_ok=True)
        return True
