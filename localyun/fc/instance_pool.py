"""The reusable instances of one version of a function, and its log. Knows limits and concurrency, no requests."""

import itertools
import threading
from collections.abc import Callable
from dataclasses import replace

from localyun.fc.instances import Instance, InstanceSpec
from localyun.fc.logs import FunctionLog
from localyun.fc.values import FunctionConfig


class InstancePool:
    """The instances of one version: idle ones are reused, new ones start while fewer than `limit` are busy."""

    def __init__(self, config: FunctionConfig, spec: InstanceSpec, log: FunctionLog, limit: int) -> None:
        self.config, self.log = config, log
        self._spec, self._limit = spec, limit
        self._numbers = itertools.count(1)
        self._idle: list[Instance] = []
        self._busy: set[Instance] = set()
        self._closed = False
        self._changed = threading.Condition()

    def warm(self) -> None:
        """Ensure that there is an idle instance."""
        with self._changed:
            if not self._idle and not self._closed:
                self._idle.append(self._new())

    def acquire(self) -> Instance | None:
        """Return an instance for one request; wait while all are busy. None if the pool is closed or retired."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._idle or len(self._busy) < self._limit)
            if self._closed:
                return None
            self._idle = [instance for instance in self._idle if instance.usable()]
            instance = self._idle.pop() if self._idle else self._new()
            self._busy.add(instance)
            return instance

    def _new(self) -> Instance:
        """Start an instance; its id is that of the pool and a number."""
        instance_id = f"{self._spec.environment.get('FC_INSTANCE_ID', 'c')}-{next(self._numbers):012x}"
        variables = {**self._spec.environment, "FC_INSTANCE_ID": instance_id}
        return Instance(replace(self._spec, environment=variables), self.log)

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

    def retire(self, new_request_id: Callable[[], str]) -> None:
        """Accept no more requests, and end the idle instances; busy ones end after their request."""
        with self._changed:
            self._closed = True
            idle, self._idle = self._idle, []
            self._changed.notify_all()
        self._end(idle, new_request_id)

    def close(self, new_request_id: Callable[[], str]) -> None:
        """End all instances, each idle one after its preStop hook."""
        self.retire(new_request_id)
        with self._changed:
            busy = list(self._busy)
        for instance in busy:
            instance.end()

    def _end(self, idle: list[Instance], new_request_id: Callable[[], str]) -> None:
        if hook := self.config.pre_stop:
            for instance in idle:
                instance.pre_stop(new_request_id(), hook.timeout)
        for instance in idle:
            instance.end()
