"""Runs asynchronous invocations when they are due. `localyun.fc.service` provides what running means."""

import sched
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from localyun.clock import CloudClock
from localyun.fc.values import AsyncInvocation


class Dispatcher:
    """Runs each invocation when it is due, at most `width` at a time per function."""

    def __init__(self, run: Callable[[AsyncInvocation], None], clock: CloudClock, width: int) -> None:
        self._run, self._clock, self._width = run, clock, width
        self._executors: dict[str, ThreadPoolExecutor] = {}
        self._scheduled = sched.scheduler(self._now)
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._schedule, name="invocations", daemon=True)

    def start(self) -> None:
        """Start to run scheduled invocations."""
        self._thread.start()

    def put(self, invocation: AsyncInvocation) -> None:
        """Run an invocation when it is due, which may be immediately."""
        with self._changed:
            if invocation.due > self._now():
                self._scheduled.enterabs(invocation.due, 0, self._submit, (invocation,))
                self._changed.notify()
            else:
                self._submit(invocation)

    def _now(self) -> float:
        return self._clock.now().timestamp()

    def _submit(self, invocation: AsyncInvocation) -> None:
        if self._closed:
            return
        name = invocation.function
        if name not in self._executors:
            self._executors[name] = ThreadPoolExecutor(self._width, thread_name_prefix=f"invoke-{name}")
        self._executors[name].submit(self._run, invocation)

    def _schedule(self) -> None:
        with self._changed:
            while not self._closed:
                self._changed.wait(self._scheduled.run(blocking=False))

    def stop(self) -> None:
        """Start no more invocations; unfinished ones stay in the store."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        for executor in self._executors.values():
            executor.shutdown(wait=False, cancel_futures=True)

    def join(self) -> None:
        """Wait for the invocations that were running when `stop` was called."""
        for executor in self._executors.values():
            executor.shutdown(wait=True)
