"""What functions print: one file per function, bounded, appended by all its instances."""

import threading
from pathlib import Path

MAX_LOG_BYTES = 4 << 20  # ours: two files of this size at most are kept per function


class FunctionLog:
    """The log of one function. When the file is full it becomes `.1` and a new one begins."""

    def __init__(self, file: Path, limit: int = MAX_LOG_BYTES) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._file = file
        self._limit = limit
        self._lock = threading.Lock()
        self._out = file.open("ab", buffering=0)

    def write(self, line: bytes) -> None:
        """Append a line; after `close` it is dropped."""
        with self._lock:
            if self._out.closed:
                return
            if self._out.tell() >= self._limit:
                self._turn()
            self._out.write(line)

    def _turn(self) -> None:
        """Put the full file aside and begin a new one."""
        self._out.close()
        self._file.replace(self._file.with_suffix(".log.1"))
        self._out = self._file.open("ab", buffering=0)

    def read(self) -> str:
        """Return what is in the present file."""
        return self._file.read_text("utf-8", errors="replace")

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._out.close()
