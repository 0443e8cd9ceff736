"""A deployed function: its versions, aliases, asynchronous settings and reserved concurrency. Knows no requests."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from localyun.errors import ServiceError
from localyun.fc.instance_pool import InstancePool
from localyun.fc.logs import FunctionLog
from localyun.fc.values import LATEST, AsyncConfig, FunctionAlias, FunctionConfig


class DeployedFunction:
    """One function. `choose()` returns a random number from 0 to 1, with which an alias chooses a version.

    `asynchronous` is by qualifier, `aliases` by name.
    """

    def __init__(self, name: str, log: FunctionLog, choose: Callable[[], float]) -> None:
        self.name, self.log = name, log
        self.aliases: dict[str, FunctionAlias] = {}
        self.asynchronous: dict[str, AsyncConfig] = {}
        self._choose = choose
        self._pools: dict[str, InstancePool] = {}
        self._reserved: int | None = None
        self._running = 0
        self._end: ServiceError | None = None
        self._changed = threading.Condition()

    @property
    def reserved(self) -> int | None:
        """The reserved concurrency, or None; all versions share it."""
        return self._reserved

    def put(self, pool: InstancePool) -> InstancePool | None:
        """Add the pool of a version, and return the pool that it replaces."""
        with self._changed:
            old = self._pools.get(pool.config.version)
            self._pools[pool.config.version] = pool
        return old

    def take(self, version: str) -> InstancePool:
        """Remove a version and return its pool; raise `ServiceError` if it does not exist."""
        with self._changed:
            self._version(version)
            return self._pools.pop(version)

    def end(self, error: ServiceError) -> list[InstancePool]:
        """Return the pools of all versions; requests that wait for a slot, and later ones, raise an error."""
        with self._changed:
            self._end = error
            self._changed.notify_all()
        return self.pools()

    def pools(self) -> list[InstancePool]:
        """Return the pools of all versions."""
        with self._changed:
            return list(self._pools.values())

    def versions(self) -> list[FunctionConfig]:
        """Return the published versions, oldest first."""
        published = [pool.config for pool in self.pools() if pool.config.version != LATEST]
        return sorted(published, key=lambda config: int(config.version))

    def pool(self, qualifier: str) -> InstancePool:
        """Return the pool of a version, or of the version that an alias chooses. Raises `ServiceError`."""
        with self._changed:
            self._check_end()
            alias = self.aliases.get(qualifier)
            return self._version(self._chosen(alias) if alias else qualifier)

    def config(self, qualifier: str = LATEST) -> FunctionConfig:
        """Return the configuration of a version, or of the version of an alias. Raises `ServiceError`."""
        with self._changed:
            alias = self.aliases.get(qualifier)
            return self._version(alias.version if alias else qualifier).config

    def reserve(self, concurrency: int | None) -> None:
        """Set the reserved concurrency; None removes it."""
        with self._changed:
            self._reserved = concurrency
            self._changed.notify_all()

    @contextmanager
    def slot(self, *, wait: bool) -> Iterator[None]:
        """Count a request against the reserved concurrency while the block runs.

        If all is in use, wait, or raise `ServiceError` (429 ResourceThrottled).
        """
        with self._changed:
            if not wait and not self._has_slot():
                text = f"function '{self.name}' has a reserved concurrency of {self._reserved}, all of it in use"
                raise ServiceError(429, "ResourceThrottled", text)
            self._changed.wait_for(lambda: self._end or self._has_slot())
            self._check_end()
            self._running += 1
        try:
            yield
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify()

    def _has_slot(self) -> bool:
        return self._reserved is None or self._running < self._reserved

    def _chosen(self, alias: FunctionAlias) -> str:
        """Return the version that one invocation of an alias runs: another one with the probability of its weight."""
        number = self._choose()
        for version, weight in alias.weights.items():
            if number < weight:
                return version
            number -= weight
        return alias.version

    def _version(self, version: str) -> InstancePool:
        if found := self._pools.get(version):
            return found
        kind = "version" if version.isdigit() else "alias"
        text = (
            f"{kind} '{version}' of function '{self.name}' does not exist; known: {_known(self._pools, self.aliases)}"
        )
        raise ServiceError(404, f"{kind.title()}NotFound", text)

    def _check_end(self) -> None:
        if self._end:
            raise self._end


def _known(pools: Mapping[str, InstancePool], aliases: Mapping[str, FunctionAlias]) -> str:
    return ", ".join(sorted([*pools, *aliases]))
