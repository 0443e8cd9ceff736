"""The `Workers` port with threads. They are started when they are needed: most invocations need none."""

from collections.abc import Callable, Iterable
from contextvars import copy_context
from typing import TypeVar

MAX_CONCURRENT = 8  # ours: as many connections as the pool of `OssBuckets` keeps
A = TypeVar("A")
T = TypeVar("T")


class ThreadWorkers:
    """Makes up to `MAX_CONCURRENT` calls at once, each with the log context of the caller."""

    def map(self, call: Callable[[A], T], arguments: Iterable[A]) -> list[T]:
        """Call a function with each argument, as `Workers.map` does."""
        listed = list(arguments)
        if len(listed) < 2:
            return [call(argument) for argument in listed]
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - see the module's docstring

        with ThreadPoolExecutor(min(len(listed), MAX_CONCURRENT)) as pool:
            futures = [pool.submit(copy_context().run, call, argument) for argument in listed]
        return [future.result() for future in futures]
