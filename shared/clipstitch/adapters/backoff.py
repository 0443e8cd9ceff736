"""Backing off from a cloud that is asked too often: rests that grow and differ, so that callers do not return together.

Only for calls that were refused before anything happened. Called by the adapters.
"""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from clipstitch.common.errors import Throttled

RESTS_S = (0.25, 0.5, 1.0, 2.0, 4.0)  # ours: under eight seconds of the sixty that a function has; then FC's retries
T = TypeVar("T")


class Backoff:
    """Repeats throttled calls. Each rest is a random part of its length ("full jitter").

    Once that was in vain, nobody rests any more: of a thousand clips that cannot be looked at, one is enough to try
    the manifest again later, and a function has no time for the rests of all.
    """

    def __init__(
        self, sleep: Callable[[float], object] = time.sleep, chance: Callable[[], float] = random.random
    ) -> None:
        self._sleep = sleep
        self._chance = chance
        self._in_vain = False

    def __call__(self, call: Callable[[], T]) -> T:
        """Return what a call answers in the end; `Throttled` when it was so to the last."""
        for rest in RESTS_S:
            try:
                return call()
            except Throttled:
                if self._in_vain:
                    raise
                self._sleep(rest * self._chance())
        try:
            return call()
        except Throttled:
            self._in_vain = True
            raise
