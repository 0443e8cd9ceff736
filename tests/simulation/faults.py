"""Fault injection: the seed and the fault profile decide which calls fail and which messages are lost or late."""

from collections import Counter
from random import Random
from typing import Final, Literal

from clipstitch.common.errors import (
    AccessDenied,
    BucketNotBound,
    ClipstitchError,
    CloudBusy,
    CloudRefused,
    SinkTargetNotFound,
    Throttled,
)
from tests.simulation.scenario import FAULT_FREE, FAULTY, SINGLE_CRASH, FaultProfile

# Names of faults that the invariants refer to.
REFUSED = "non-retryable error (CloudRefused, BucketNotBound, SinkTargetNotFound)"
TIMED_OUT = "function timed out"
_CRASHED = "function crashed"

CRASH_BEFORE: Final = "crash before the call"
CRASH_AFTER: Final = "crash after the call"
RESPONSE_LOST: Final = "response lost"
# The fault of one call: one of the above, or the error that is raised instead of performing the call.
CallFault = Literal["crash before the call", "crash after the call", "response lost"] | type[ClipstitchError]

_CRASHES: tuple[CallFault, ...] = (CRASH_BEFORE, CRASH_AFTER)
_BUSY: tuple[CallFault, ...] = (CloudBusy, RESPONSE_LOST)
_THROTTLED_METHODS = ("start", "publish", "send")
_REFUSALS: dict[str, tuple[CallFault, ...]] = {
    "start": (CloudRefused, BucketNotBound),
    "publish": (SinkTargetNotFound, CloudRefused),
    "send": (SinkTargetNotFound,),
}


class FaultInjector:
    """Draws faults while `active`, which ends with the fault phase. `counts` are the injected faults by name."""

    def __init__(self, rng: Random, profile: FaultProfile) -> None:
        self._rng = rng
        self._profile = profile
        self._calls = 0
        self.active = True
        self.counts: Counter[str] = Counter()

    def happens(self, probability: float, fault: str = "") -> bool:
        """Return True with a probability. A named fault is counted, and does not happen after the fault phase."""
        happens = self._rng.random() < probability and (self.active or not fault)
        if happens and fault:
            self.counts[fault] += 1
        return happens

    def latency(self) -> float:
        """Return how long a call takes, in seconds."""
        if self.active and self._rng.random() < self._profile.slow_call:
            return self._rng.uniform(1, 8 if self._profile.kind == FAULT_FREE else 25)
        return self._rng.uniform(0.005, 0.2)

    def draw_call_fault(self, method: str) -> CallFault | None:
        """Return the fault of the next call of a port; None if there is none."""
        self._calls += 1
        if self._profile.kind == SINGLE_CRASH and self._calls == self._profile.crash_at_call:
            self.counts[_CRASHED] += 1
            return self._rng.choice(_CRASHES)
        return self._draw_any_fault(method) if self.active and self._profile.kind == FAULTY else None

    def _draw_any_fault(self, method: str) -> CallFault | None:
        profile, choice = self._profile, self._rng.choice
        if self.happens(profile.crash, _CRASHED):
            return choice(_CRASHES)
        if method == "post":
            return None  # the behaviour of the receiver decides
        if self.happens(profile.busy, "CloudBusy"):
            return choice((*_BUSY, Throttled) if method in _THROTTLED_METHODS else _BUSY)
        if self.happens(profile.access_denied, "AccessDenied"):
            return AccessDenied
        if self.happens(profile.refused, REFUSED):
            return choice(_REFUSALS.get(method, (CloudRefused,)))
        return None
