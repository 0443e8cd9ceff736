"""Detects values that refer to themselves, for all files with references."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from localyun.deploy.declared import BadDeployment


@contextmanager
def resolving(what: str, outer: list[str], error: Callable[[str], BadDeployment]) -> Iterator[None]:
    """Resolve a value while the `outer` ones are being resolved; raise `error(message)` if it is one of them."""
    if what in outer:
        raise error(f"circular reference: {' -> '.join([*outer, what])}")
    outer.append(what)
    try:
        yield
    finally:
        outer.pop()
