"""Detects values that refer to themselves, for all files with references."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from localyun.deploy.declared import BadDeployment


class CycleGuard:
    """The values that are being resolved."""

    def __init__(self) -> None:
        self._resolving: list[str] = []

    @contextmanager
    def resolving(self, what: str, error: Callable[[str], BadDeployment]) -> Iterator[None]:
        """Resolve a value; raise `error(message)` if its definition contains itself."""
        if what in self._resolving:
            raise error(f"circular reference: {' -> '.join([*self._resolving, what])}")
        self._resolving.append(what)
        try:
            yield
        finally:
            self._resolving.pop()
