"""The event queue of the simulation and the thread that runs next; it does not know what the threads do.

Every function run has a thread, and exactly one thread executes at a time. A thread that pauses takes the next entry of
the event queue and passes control to it, so the order of execution depends on the event queue only.
"""

import heapq
import threading
from collections.abc import Callable, Iterable
from functools import partial


class CooperativeThread:
    """Work that executes in a thread of its own, only while it has control."""

    def __init__(self, work: Callable[[], None]) -> None:
        self.work = work
        self.worker: _Worker | None = None

    def resume(self) -> None:
        """Pass control to this thread; the first call starts the work."""
        if self.worker is None:
            self.worker = _IDLE_WORKERS.pop() if _IDLE_WORKERS else _Worker()
            self.worker.work = self.work
        self.worker.control.release()


class _Worker(threading.Thread):
    """A pooled operating system thread, because starting one is slow."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.control = threading.Lock()
        self.control.acquire()
        self.work: Callable[[], None] = lambda: None
        self.start()

    def run(self) -> None:
        while True:
            self.control.acquire()
            self.work()


_IDLE_WORKERS: list[_Worker] = []


class Scheduler:
    """The event queue. `now` is the simulated time in seconds since the start, `current` the thread that executes."""

    def __init__(self) -> None:
        self.now = 0.0
        self._end = 0.0
        self._queue: list[tuple[float, int, CooperativeThread | Callable[[], None]]] = []
        self._entries = 0
        self._main = threading.Lock()
        self._main.acquire()
        self._error: BaseException | None = None
        self.current: CooperativeThread | None = None

    def at(self, time: float, entry: CooperativeThread | Callable[[], None]) -> None:
        """Schedule a thread to resume, or a callback, at a time in seconds; not before `now`."""
        self._entries += 1
        heapq.heappush(self._queue, (max(time, self.now), self._entries, entry))

    def spawn(self, work: Callable[[], None]) -> CooperativeThread:
        """Start a thread at the current time and return it."""

        def run() -> None:
            try:
                work()
            except BaseException as error:  # noqa: BLE001 - a bug of the simulation; re-raised in the main thread
                self._stop(error)
            assert thread.worker is not None
            _IDLE_WORKERS.append(thread.worker)
            self._pass_control(None)

        thread = CooperativeThread(run)
        self.at(self.now, thread)
        return thread

    def pause(self, seconds: float) -> None:
        """Pause the calling thread for a simulated time."""
        assert self.current is not None
        self.at(self.now + seconds, self.current)
        self._suspend()

    def run_together(self, works: Iterable[Callable[[], None]]) -> None:
        """Execute works at the same time, each in a thread of its own; return when all have ended."""
        parent, running = self.current, 0

        def run(work: Callable[[], None]) -> None:
            nonlocal running
            work()
            running -= 1
            if not running:
                assert parent is not None
                self.at(self.now, parent)

        for work in works:
            running += 1
            self.spawn(partial(run, work))
        if running:
            self._suspend()

    def _suspend(self) -> None:
        """Suspend the calling thread until the queue resumes it."""
        thread = self.current
        assert thread is not None
        if not self._pass_control(thread):
            assert thread.worker is not None
            thread.worker.control.acquire()

    def run_until(self, time: float) -> None:
        """Execute all entries up to a time in seconds. Raises what a thread raised. Only the main thread calls it."""
        self._end = time
        if not self._pass_control(None, main=True):
            self._main.acquire()
        if self._error:
            raise self._error
        self.now = max(self.now, time)

    def _pass_control(self, caller: CooperativeThread | None, *, main: bool = False) -> bool:
        """Execute callbacks until a thread is next, and resume it; return True if the caller itself is next."""
        try:
            while self._queue and self._queue[0][0] <= self._end:
                self.now, _, entry = heapq.heappop(self._queue)
                if isinstance(entry, CooperativeThread):
                    self.current = entry
                if entry is caller:
                    return True
                if isinstance(entry, CooperativeThread):
                    entry.resume()
                    return False
                entry()
        except Exception as error:  # noqa: BLE001 - as above
            self._stop(error)
        if main:
            return True
        self._main.release()
        return False

    def _stop(self, error: BaseException) -> None:
        self._error = error
        self._queue.clear()
