"""Virtual seconds: calls spend them, a function may not spend more than its limit, and lanes spend them together."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from math import inf
from typing import TypeVar

from clipstitch.adapters.threads import MAX_CONCURRENT

START = datetime(2026, 1, 2, 12, 0, tzinfo=timezone.utc)
A = TypeVar("A")
T = TypeVar("T")


class LimitReached(BaseException):
    """Ends a function as Function Compute does at its time limit: no handler of exceptions sees it."""


class VirtualClock:
    """A clock that calls advance. `seconds` counts from `START`; `ends_at` is when the running function is killed."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.ends_at = inf

    def now(self) -> datetime:
        """Return the time."""
        return START + timedelta(seconds=self.seconds)

    def spend(self, seconds: float) -> None:
        """Advance the clock; raise `LimitReached` at the end of the function, if that is earlier."""
        self.seconds = min(self.seconds + seconds, self.ends_at)
        if self.seconds >= self.ends_at:
            raise LimitReached

    @contextmanager
    def limit(self, seconds: float) -> Iterator[None]:
        """Kill what runs inside the block after that time."""
        self.ends_at = self.seconds + seconds
        try:
            yield
        finally:
            self.ends_at = inf


class Lanes:
    """The `Workers` port: calls run on lanes, each of which has the time of its own calls.

    The calls really run one after another, each from the time on at which a lane is free for it; afterwards it is as
    late as on the last lane. At the limit of the function every lane ends.
    """

    def __init__(self, clock: VirtualClock, lanes: int = MAX_CONCURRENT) -> None:
        self._clock = clock
        self._lanes = lanes

    def map(self, call: Callable[[A], T], arguments: Iterable[A]) -> list[T]:
        """Call a function with each argument, as `Workers.map` does."""
        free, results, errors, killed = [self._clock.seconds] * self._lanes, list[T](), list[Exception](), False
        for argument in arguments:
            lane = free.index(min(free))
            if free[lane] >= self._clock.ends_at:
                break
            self._clock.seconds = free[lane]
            try:
                results.append(call(argument))
            except Exception as error:  # noqa: BLE001 - the other calls are made; the first error is raised
                errors.append(error)
            except LimitReached:
                killed = True
            free[lane] = self._clock.seconds
        self._clock.seconds = max(free)
        if killed:
            raise LimitReached
        if errors:
            raise errors[0]
        return results
