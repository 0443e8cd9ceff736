"""The weather of a local cloud: what goes wrong on purpose, drawn from a seed, and counted.

Knows kinds of misfortune and their chances, no service; each service asks one question at the seam where the real
cloud may fail, and in fine weather gets the answer that changes nothing.

The seed decides by number: whether the 7th delivery of an event is dropped is the same in every run of a seed. Which
event is the 7th is decided by threads and processes, so two runs of one seed are alike, never the same.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from random import Random
from typing import NamedTuple, TypeVar

from localyun.errors import Refusal
from localyun.imm.errors import ImmError

Done = TypeVar("Done")

# How often what goes wrong at severity 1. A job of one step makes some thirty calls, so that most jobs meet something.
CHANCES: Mapping[str, float] = {
    "event dropped": 0.10,
    "event doubled": 0.20,
    "event delayed": 0.20,
    "message dropped": 0.10,
    "message doubled": 0.20,
    "message delayed": 0.20,
    "call refused": 0.02,
    "call failed after it happened": 0.01,
    "call cut off after it happened": 0.01,
    "call slow": 0.03,
    "task faltered": 0.10,
    "task slow": 0.10,
    "task ran twice": 0.10,
    "instance killed": 0.10,
}
DELAY_SECONDS = 3.0  # of events and messages, at most; whatever comes in the meantime overtakes them
SLOW_CALL_SECONDS = 0.5
SLOW_TASK_SECONDS = 1.5
KILL_WITHIN_SECONDS = 0.3  # of the beginning of an invocation; one that was faster survives
# Both codes are understood by status: of a 503 the vendor's pages on errors (OSS, SMQ, IMM; 2026-11) give no code.
LATER = "Bad weather, made on purpose: try again."
# Words of the vendor's (wire facts, 2026-11: the texts of IMM's codes for what passes are not documented).
FALTERS = (("InternalError", "The task failed inside; submit it again."), ("Throttling.User", "Request was denied."))


class Forecast(NamedTuple):
    """Which weather there shall be: its seed, by what its chances are multiplied, and how great they are."""

    seed: int
    severity: float = 1.0
    chances: Mapping[str, float] = CHANCES


class Weather:
    """Fine weather: nothing goes wrong."""

    @property
    def counts(self) -> dict[str, int]:
        """What went wrong so far, by kind."""
        return {}

    def copies(self, what: str) -> tuple[float, ...]:
        """Say how many copies of an event or message arrive, each after how many seconds; none when it gets lost."""
        del what
        return (0.0,)

    def call(self, act: Callable[[], Done]) -> Done:
        """Answer a request."""
        return act()

    def task(self, run: Callable[[], Done]) -> Done:
        """Carry a task out."""
        return run()

    def runs_twice(self) -> bool:
        """Say whether a task that is over is run once more."""
        return False

    @contextmanager
    def instance(self, kill: Callable[[], None]) -> Iterator[None]:
        """Let a function instance work."""
        del kill
        yield


FINE = Weather()


class BadWeather(Weather):
    """Weather in which happens what a forecast gives a chance; `noted` is handed the counts after each misfortune.

    It goes on counting from `counts`.
    """

    def __init__(
        self,
        forecast: Forecast,
        counts: Mapping[str, int] | None = None,
        noted: Callable[[Mapping[str, int]], None] = lambda _counts: None,
    ) -> None:
        self._chances = {kind: min(1.0, chance * forecast.severity) for kind, chance in forecast.chances.items()}
        self._fates = {kind: Random(f"{forecast.seed} {kind}") for kind in CHANCES}  # noqa: S311 - no secret
        self._counts = Counter(counts or {})
        self._noted = noted
        self._lock = threading.Lock()

    @property
    def counts(self) -> dict[str, int]:
        """What went wrong so far, by kind."""
        with self._lock:
            return dict(sorted(self._counts.items()))

    def copies(self, what: str) -> tuple[float, ...]:
        """Lose an event or message, or bring it twice, or late, or both."""
        if self._strikes(f"{what} dropped") is not None:
            return ()
        late, twin = self._strikes(f"{what} delayed"), self._strikes(f"{what} doubled")
        first = 0.0 if late is None else late * DELAY_SECONDS
        return (first,) if twin is None else (first, twin * DELAY_SECONDS)

    def call(self, act: Callable[[], Done]) -> Done:
        """Refuse a request, or let it happen and say that it failed, or say nothing; or take a while."""
        if (share := self._strikes("call slow")) is not None:
            time.sleep(share * SLOW_CALL_SECONDS)
        if self._strikes("call refused") is not None:
            raise Refusal(503, "ServiceUnavailable", LATER)
        done = act()
        if self._strikes("call failed after it happened") is not None:
            raise Refusal(500, "InternalError", LATER)
        if self._strikes("call cut off after it happened") is not None:
            raise Refusal(0, "NoAnswer", LATER)
        return done

    def task(self, run: Callable[[], Done]) -> Done:
        """Let a task take a while, or fail in passing."""
        if (share := self._strikes("task slow")) is not None:
            time.sleep(share * SLOW_TASK_SECONDS)
        if (share := self._strikes("task faltered")) is not None:
            raise ImmError(*FALTERS[int(share * len(FALTERS))])
        return run()

    def runs_twice(self) -> bool:
        """Have a task run by two, as happens where work is handed out at least once."""
        return self._strikes("task ran twice") is not None

    @contextmanager
    def instance(self, kill: Callable[[], None]) -> Iterator[None]:
        """Kill an instance soon after it began, if it still works then."""
        if (share := self._draw("instance killed")) is None:
            yield
            return
        death = threading.Timer(share * KILL_WITHIN_SECONDS, self._kill, (kill,))
        death.daemon = True
        death.start()
        try:
            yield
        finally:
            death.cancel()
            death.join()  # a blow that falls now still falls on this request, and not on the instance's next

    def _kill(self, kill: Callable[[], None]) -> None:
        self._count("instance killed")
        kill()

    def _strikes(self, kind: str) -> float | None:
        """Draw, and count what strikes."""
        if (share := self._draw(kind)) is not None:
            self._count(kind)
        return share

    def _draw(self, kind: str) -> float | None:
        """Return None when nothing happens this time, else a number from 0 to 1 that says how much."""
        with self._lock:
            strikes, share = self._fates[kind].random() < self._chances.get(kind, 0.0), self._fates[kind].random()
        return share if strikes else None

    def _count(self, kind: str) -> None:
        with self._lock:
            self._counts[kind] += 1
            self._noted(self._counts)
