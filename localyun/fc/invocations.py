"""Asynchronous invocations: kept until they are finished, run when they are due.

Knows nothing of what running means; `localyun.fc.service` passes that in. What was accepted survives
`kill -9`: after a restart every unfinished invocation is run again, so functions see an event at least once.
"""

import heapq
import itertools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass, field
from pathlib import Path

from localyun.clock import CloudClock
from localyun.sqlite import Database

SCHEMA = """
CREATE TABLE IF NOT EXISTS invocations (
  request_id TEXT PRIMARY KEY, function TEXT NOT NULL, payload BLOB NOT NULL,
  attempt INTEGER NOT NULL, due REAL NOT NULL, accepted REAL NOT NULL
);
"""


@dataclass(frozen=True)
class Invocation:
    """One event owed to a function. `attempt` counts from 0; `due` and `accepted` are seconds since 1970."""

    request_id: str
    function: str
    payload: bytes = field(repr=False)
    attempt: int
    due: float
    accepted: float


class InvocationStore:
    """The unfinished invocations, on disk."""

    def __init__(self, file: Path) -> None:
        self._database = Database(file, SCHEMA)

    def save(self, invocation: Invocation) -> None:
        """Remember an invocation, or how far it is by now."""
        with self._database.change() as db:
            db.execute("INSERT OR REPLACE INTO invocations VALUES (?, ?, ?, ?, ?, ?)", astuple(invocation))

    def remove(self, request_id: str) -> None:
        """Forget an invocation: it is finished."""
        with self._database.change() as db:
            db.execute("DELETE FROM invocations WHERE request_id = ?", (request_id,))

    def all(self) -> list[Invocation]:
        """Return what is unfinished, the oldest first."""
        rows = self._database.rows("SELECT * FROM invocations ORDER BY accepted, rowid")
        return [Invocation(*row) for row in rows]

    def close(self) -> None:
        """Close the file."""
        self._database.close()


class Dispatcher:
    """Runs each invocation when it is due, at most `width` at a time for each function."""

    def __init__(self, run: Callable[[Invocation], None], clock: CloudClock, width: int) -> None:
        self._run = run
        self._clock = clock
        self._width = width
        self._lanes: dict[str, ThreadPoolExecutor] = {}
        self._later: list[tuple[float, int, Invocation]] = []
        self._numbers = itertools.count()
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._wait, name="invocations", daemon=True)

    def start(self) -> None:
        """Begin to run what is due."""
        self._thread.start()

    def put(self, invocation: Invocation) -> None:
        """Run an invocation when its time comes; one that is due starts at once."""
        with self._changed:
            if invocation.due > self._now():
                heapq.heappush(self._later, (invocation.due, next(self._numbers), invocation))
                self._changed.notify()
            else:
                self._submit(invocation)

    def _now(self) -> float:
        """Seconds since 1970."""
        return self._clock.now().timestamp()

    def _submit(self, invocation: Invocation) -> None:
        """Hand an invocation to its function's lane."""
        if self._closed:
            return
        name = invocation.function
        if name not in self._lanes:
            self._lanes[name] = ThreadPoolExecutor(self._width, thread_name_prefix=f"invoke-{name}")
        self._lanes[name].submit(self._run, invocation)

    def _wait(self) -> None:
        """Move invocations to their lanes as they become due."""
        with self._changed:
            while not self._closed:
                while self._later and self._later[0][0] <= self._now():
                    self._submit(heapq.heappop(self._later)[2])
                self._changed.wait(max(0.0, self._later[0][0] - self._now()) if self._later else None)

    def stop(self) -> None:
        """Start nothing any more; what is unfinished stays in the store."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        for lane in self._lanes.values():
            lane.shutdown(wait=False, cancel_futures=True)

    def join(self) -> None:
        """Wait for what was running when `stop` was called."""
        for lane in self._lanes.values():
            lane.shutdown(wait=True)
        if self._thread.is_alive():
            self._thread.join()
