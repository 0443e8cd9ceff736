"""Fault injection: errors, delays, losses and repetitions, drawn from a seed, and counted.

Each service calls a method of a `FaultInjector` at the point where the real cloud may fail; `NO_FAULTS` injects none.

Each kind of fault has its own sequence of random numbers, which depends on the seed only: whether the 7th delivery of
an event is dropped is the same in every run of a seed. Threads and processes determine which event is the 7th, so two
runs of one seed are similar but not identical.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from random import Random
from typing import NamedTuple, TypeVar

from localyun.errors import ServiceError

T = TypeVar("T")

# Probability of each kind at fault rate 1. A job of one step makes about thirty requests: most jobs meet a fault.
PROBABILITIES: Mapping[str, float] = {
    "event dropped": 0.10,
    "event duplicated": 0.20,
    "event delayed": 0.20,
    "message dropped": 0.10,
    "message duplicated": 0.20,
    "message delayed": 0.20,
    "request rejected": 0.02,
    "request failed after processing": 0.01,
    "connection cut after processing": 0.01,
    "request delayed": 0.03,
    "task failed": 0.10,
    "task delayed": 0.10,
    "task repeated": 0.10,
    "instance killed": 0.10,
}
MAX_DELIVERY_DELAY_SECONDS = 3.0  # later events and messages overtake a delayed one
MAX_REQUEST_DELAY_SECONDS = 0.5
MAX_TASK_DELAY_SECONDS = 1.5
MAX_KILL_DELAY_SECONDS = 0.3  # after the start of an invocation; a faster one survives
# SDKs interpret both statuses without a code: the vendor's error pages (OSS, SMQ, IMM; 2026-11) list none for a 503.
INJECTED = "Injected fault: try again."


class FaultProfile(NamedTuple):
    """The seed of the faults, the factor that multiplies all probabilities, and the probabilities."""

    seed: int
    fault_rate: float = 1.0
    probabilities: Mapping[str, float] = PROBABILITIES


class FaultInjector:
    """Injects the faults of a profile; without one, injects none. Safe to use from many threads.

    Counting continues from `counts`; `on_count` receives the counts after each fault.
    """

    def __init__(
        self,
        profile: FaultProfile | None = None,
        counts: Mapping[str, int] | None = None,
        on_count: Callable[[Mapping[str, int]], None] = lambda _counts: None,
    ) -> None:
        seed, rate, given = (profile.seed, profile.fault_rate, profile.probabilities) if profile else (0, 0.0, {})
        self._probabilities = {kind: probability * rate for kind, probability in given.items()}
        self._random = {kind: Random(f"{seed} {kind}") for kind in given}  # noqa: S311 - no secret
        self._counts = Counter(counts or {})
        self._on_count = on_count
        self._lock = threading.Lock()

    @property
    def counts(self) -> dict[str, int]:
        """The number of faults so far, by kind."""
        with self._lock:
            return dict(sorted(self._counts.items()))

    def delivery_delays(self, what: str) -> tuple[float, ...]:
        """Return the delay in seconds of each copy of an event or message to deliver; empty if it is dropped."""
        if self._inject(f"{what} dropped") is not None:
            return ()
        delay, copy_delay = self._inject(f"{what} delayed"), self._inject(f"{what} duplicated")
        shares = (delay or 0.0,) if copy_delay is None else (delay or 0.0, copy_delay)
        return tuple(share * MAX_DELIVERY_DELAY_SECONDS for share in shares)

    def run_request(self, handle: Callable[[], T]) -> T:
        """Return what `handle` returns. Raises ServiceError instead of calling it, or after calling it."""
        self._sleep("request delayed", MAX_REQUEST_DELAY_SECONDS)
        if self._inject("request rejected") is not None:
            raise ServiceError(503, "ServiceUnavailable", INJECTED)
        result = handle()
        if self._inject("request failed after processing") is not None:
            raise ServiceError(500, "InternalError", INJECTED)
        if self._inject("connection cut after processing") is not None:
            raise ServiceError(0, "NoAnswer", INJECTED)
        return result

    def run_task(self, run: Callable[[], T], errors: Sequence[Exception]) -> T:
        """Return what `run` returns. Raises one of `errors` instead of calling it."""
        self._sleep("task delayed", MAX_TASK_DELAY_SECONDS)
        if (share := self._inject("task failed")) is not None:
            raise errors[int(share * len(errors))]
        return run()

    def runs_task_twice(self) -> bool:
        """Return True if a finished task runs again, as it may where work is handed out at least once."""
        return self._inject("task repeated") is not None

    @contextmanager
    def random_kill(self, kill: Callable[[], None]) -> Iterator[None]:
        """Call `kill` soon after the block begins, if the block is still running then."""
        if (share := self._draw("instance killed")) is None:
            yield
            return
        timer = threading.Timer(share * MAX_KILL_DELAY_SECONDS, self._kill, (kill,))
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()  # a kill that has begun must not hit the instance's next request

    def _kill(self, kill: Callable[[], None]) -> None:
        self._count("instance killed")
        kill()

    def _sleep(self, kind: str, max_seconds: float) -> None:
        if (share := self._inject(kind)) is not None:
            time.sleep(share * max_seconds)

    def _inject(self, kind: str) -> float | None:
        """Draw, and count a fault."""
        if (share := self._draw(kind)) is not None:
            self._count(kind)
        return share

    def _draw(self, kind: str) -> float | None:
        """Return the extent of a fault, from 0 to 1, or None if there is none this time."""
        if kind not in self._probabilities:
            return None
        with self._lock:
            occurs, share = self._random[kind].random() < self._probabilities[kind], self._random[kind].random()
        return share if occurs else None

    def _count(self, kind: str) -> None:
        with self._lock:
            self._counts[kind] += 1
            self._on_count(self._counts)


NO_FAULTS = FaultInjector()
