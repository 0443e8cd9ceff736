"""Measures and limits the memory of an instance, from Linux's /proc. Elsewhere nothing is measured or limited."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PROC = Path("/proc")
CHECK_SECONDS = 0.02
MB = 1 << 20


class MemoryWatch:
    """What a process and its children use during one request; see `memory_watch`."""

    def __init__(self, pid: int, limit_mb: int, kill: Callable[[], None]) -> None:
        self._pid, self._limit_mb, self._kill = pid, limit_mb, kill
        self._peak = 0
        self._started = time.monotonic()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="memory", daemon=True)

    @property
    def peak_mb(self) -> float:
        """The most that was resident, in MB."""
        return self._peak / MB

    @property
    def exceeded(self) -> bool:
        """True if that was more than the limit."""
        return 0 < self._limit_mb < self.peak_mb

    @property
    def usage(self) -> str:
        """Time and memory as the vendor's error messages have them (issue 5 of aliyun/fc-go-sdk, read 2026-11)."""
        duration_ms = round((time.monotonic() - self._started) * 1000)
        return f"duration: {duration_ms}ms, maxMemoryUsage: {self.peak_mb:.2f}MB"

    def start(self) -> None:
        """Start to watch."""
        with suppress(OSError):  # 5 resets the peak of the process
            (PROC / str(self._pid) / "clear_refs").write_text("5")
        self._thread.start()

    def stop(self) -> None:
        """Stop watching, and count what the process used between two checks."""
        self._ended.set()
        self._thread.join()
        self._peak = max(self._peak, _resident(self._pid), _highest(self._pid))

    def _watch(self) -> None:
        while not self._ended.wait(CHECK_SECONDS):
            self._peak = max(self._peak, _resident(self._pid))
            if self.exceeded:
                self._kill()
                return


@contextmanager
def memory_watch(pid: int, limit_mb: int, kill: Callable[[], None]) -> Iterator[MemoryWatch]:
    """Watch a process and its children while the block runs, and call `kill` once they have more than `limit_mb`.

    Counted is what is resident, as a container's limit counts it. A peak between two checks is noticed when the block
    ends. A limit of 0 means: none.
    """
    watch = MemoryWatch(pid, limit_mb, kill)
    watch.start()
    try:
        yield watch
    finally:
        watch.stop()


def _resident(pid: int) -> int:
    """Return the resident bytes of a process and its children; of those that have ended, 0."""
    children: list[str] = []
    for task in (PROC / str(pid) / "task").glob("*/children"):  # each thread has its own
        with suppress(OSError):
            children += task.read_text().split()
    return _status(pid, "VmRSS:") + sum(_resident(int(child)) for child in children)


def _highest(pid: int) -> int:
    """Return the most resident bytes that a process has had since its peak was reset."""
    return _status(pid, "VmHWM:")


def _status(pid: int, field: str) -> int:
    """Return a field of a process's status, which is in kB; 0 if the process has ended."""
    with suppress(OSError):
        for line in (PROC / str(pid) / "status").read_text().splitlines():
            if line.startswith(field):
                return int(line.split()[1]) * 1024
    return 0
