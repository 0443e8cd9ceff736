"""Retries of throttled calls, with exponential back-off and full jitter.

Only for calls that the cloud refused before it did anything.
"""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from clipstitch.common.errors import Throttled

DELAYS_S = (0.25, 0.5, 1.0, 2.0, 4.0)  # ours: less than 8 s of the 60 s that a function has; FC retries afterwards
T = TypeVar("T")


class Backoff:
    """Retries throttled calls. Each delay is a random part of its length ("full jitter").

    After one exhausted retry sequence, later calls fail fast: of a thousand clips that cannot be probed, one is enough
    to try the manifest again later, and a function has no time for the delays of all.
    """

    def __init__(
        self, sleep: Callable[[float], object] = time.sleep, chance: Callable[[], float] = random.random
    ) -> None:
        self._sleep = sleep
        self._chance = chance
        self._exhausted = False

    def __call__(self, call: Callable[[], T]) -> T:
        """Return the result of a call; raise `Throttled` if every attempt is throttled."""
        for delay_s in DELAYS_S:
            try:
                return call()
            except Throttled:
                if self._exhausted:
                    raise
                self._sleep(delay_s * self._chance())
        try:
            return call()
        except Throttled:
            self._exhausted = True
            raise
