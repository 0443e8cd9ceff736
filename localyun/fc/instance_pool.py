"""The reusable instances of one function. Knows limits and concurrency, no requests."""

import threading
from collections.abc import Callable

from localyun.errors import ServiceError
from localyun.fc.instances import Instance


class InstancePool:
    """The instances of one function: idle ones are reused, new ones start while fewer than `limit` are busy."""

    def __init__(self, start: Callable[[], Instance], limit: int) -> None:
        self._start = start
        self._limit = limit
        self._idle: list[Instance] = []
        self._busy: set[Instance] = set()
        self._closed = False
        self._changed = threading.Condition()

    def warm(self) -> None:
        """Ensure that there is an idle instance."""
        with self._changed:
            if not self._idle and not self._closed:
                self._idle.append(self._start())

    def acquire(self) -> Instance:
        """Return an instance for one request; wait while all are busy. Raises `ServiceError` if the pool is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._idle or len(self._busy) < self._limit)
            if self._closed:
                raise ServiceError(503, "ServiceUnavailable", "The local Function Compute is shutting down.")
            self._idle = [instance for instance in self._idle if instance.usable()]
            instance = self._idle.pop() if self._idle else self._start()
            self._busy.add(instance)
            return instance

    def release(self, instance: Instance) -> None:
        """Return an acquired instance; one that is no longer usable is ended."""
        with self._changed:
            self._busy.discard(instance)
            keep = not self._closed and instance.usable()
            if keep:
                self._idle.append(instance)
            self._changed.notify()
        if not keep:
            instance.end()

    def close(self, pre_stop: Callable[[Instance], None] | None = None) -> None:
        """End all instances, after calling `pre_stop` with each idle one."""
        with self._changed:
            self._closed = True
            idle, busy, self._idle = self._idle, list(self._busy), []
            self._changed.notify_all()
        for instance in idle:
            if pre_stop:
                pre_stop(instance)
        for instance in [*idle, *busy]:
            instance.end()
