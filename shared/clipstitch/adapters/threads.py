"""The `Workers` port with threads. They are started when they are needed: most invocations need few."""

from collections.abc import Callable, Iterable
from contextvars import copy_context
from threading import Thread
from typing import TypeVar

MAX_CONCURRENT = 8  # ours: as many connections as the pool of `OssBuckets` keeps
A = TypeVar("A")
T = TypeVar("T")


class ThreadWorkers:
    """Makes up to `MAX_CONCURRENT` calls at once, each with the log context of the caller."""

    def map(self, call: Callable[[A], T], arguments: Iterable[A]) -> list[T]:
        """Call a function with each argument, as `Workers.map` does.

        Not with `concurrent.futures`, whose import would be a tenth of a cold start.
        """
        listed = list(arguments)
        results, errors = dict[int, T](), dict[int, BaseException]()
        numbers = iter(range(len(listed)))  # shared: every thread takes the next one

        def work() -> None:
            for number in numbers:
                try:
                    results[number] = call(listed[number])
                except BaseException as error:  # noqa: BLE001 - raised again by the caller
                    errors[number] = error

        threads = [Thread(target=copy_context().run, args=(work,)) for _ in range(min(len(listed), MAX_CONCURRENT) - 1)]
        for thread in threads:
            thread.start()
        work()
        for thread in threads:
            thread.join()
        if errors:
            raise errors[min(errors)]
        return [results[number] for number in range(len(listed))]
