"""The log file of a function, to which all its instances append. Its size is limited."""

import threading
from contextlib import suppress
from pathlib import Path

MAX_LOG_BYTES = 4 << 20  # our choice: at most two files of this size per function


class FunctionLog:
    """The log of one function. A full file is renamed to `.1`, and a new one is started."""

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._file = file
        self._lock = threading.Lock()
        self._out = file.open("ab", buffering=0)

    def write(self, line: bytes) -> None:
        """Append a line; after `close`, or if the disk is full, it is dropped."""
        with self._lock, suppress(OSError):
            if self._out.closed:
                return
            if self._out.tell() >= MAX_LOG_BYTES:
                if self._file.exists():  # not if a full disk prevented the last line of this block
                    self._file.replace(self._file.with_suffix(".log.1"))
                fresh = self._file.open("ab", buffering=0)
                self._out.close()
                self._out = fresh
            self._out.write(line)

    def read(self) -> str:
        """Return the content of the current file."""
        return self._file.read_text("utf-8", errors="replace")

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._out.close()
