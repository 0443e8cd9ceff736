"""Time, and whose turn it is. Knows threads, so that nobody else has to; refuses to know what the runs do.

Every run has a thread, and there is one baton: only its holder executes. A run that pauses looks at the agenda itself,
and hands the baton to whoever comes next; so the order depends on nothing but the agenda.
"""

import heapq
import threading
from collections.abc import Callable


class Run:
    """Something that executes in its own thread, whenever it has the baton."""

    def __init__(self, work: Callable[[], None]) -> None:
        self.work = work
        self.thread: _Thread | None = None

    def resume(self) -> None:
        """Take the baton; the thread that is handed it first begins the work."""
        if self.thread is None:
            self.thread = _IDLE.pop() if _IDLE else _Thread()
            self.thread.work = self.work
        self.thread.turn.release()


class _Thread(threading.Thread):
    """A thread that works for one run after the other; starting threads is slow."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.turn = threading.Lock()
        self.turn.acquire()
        self.work: Callable[[], None] = lambda: None
        self.start()

    def run(self) -> None:
        """Wait for the baton, work, and wait again."""
        while True:
            self.turn.acquire()
            self.work()


_IDLE: list[_Thread] = []


class Scheduler:
    """The agenda. `now` counts seconds from the beginning."""

    def __init__(self) -> None:
        self.now = 0.0
        self._until = 0.0
        self._agenda: list[tuple[float, int, Run | Callable[[], None]]] = []
        self._entries = 0
        self._main = threading.Lock()
        self._main.acquire()
        self._broken: BaseException | None = None

    def at(self, time: float, what: Run | Callable[[], None]) -> None:
        """Put something on the agenda: a run to resume, or an act of a moment."""
        self._entries += 1
        heapq.heappush(self._agenda, (max(time, self.now), self._entries, what))

    def spawn(self, work: Callable[[], None]) -> Run:
        """Begin a run, now."""

        def all_of_it() -> None:
            try:
                work()
            except BaseException as error:  # noqa: BLE001 - a mistake of the simulation, for the main thread
                self._broken = error
                self._agenda.clear()
            assert run.thread is not None
            _IDLE.append(run.thread)
            self._pass_on(None)

        run = Run(all_of_it)
        self.at(self.now, run)
        return run

    def pause(self, run: Run, seconds: float) -> None:
        """Let others have their turn until some time has passed."""
        self.at(self.now + seconds, run)
        if not self._pass_on(run):
            assert run.thread is not None
            run.thread.turn.acquire()

    def run_until(self, time: float) -> None:
        """Do all that is on the agenda up to a time. Called by the main thread."""
        self._until = time
        if not self._pass_on(None, main=True):
            self._main.acquire()
        if self._broken:
            raise self._broken
        self.now = max(self.now, time)

    def _pass_on(self, me: Run | None, *, main: bool = False) -> bool:
        """Give the baton to whoever comes next; True when it is mine again at once."""
        try:
            while self._agenda and self._agenda[0][0] <= self._until:
                self.now, _, what = heapq.heappop(self._agenda)
                if what is me:
                    return True
                if isinstance(what, Run):
                    what.resume()
                    return False
                what()
        except Exception as error:  # noqa: BLE001 - as above
            self._broken = error
            self._agenda.clear()
        if main:
            return True
        self._main.release()
        return False
