"""How the sinks respond during one invocation: a sink that fails or is slow must not take the time of other jobs."""

from collections import Counter

MAX_FAILURES = 5  # in a row
MAX_FAILED_S = 20.0  # of failed attempts altogether
MAX_SLOW_S, SLOW_S = 60.0, 1.0  # of all attempts altogether, if they take that long on average


class SinkMonitor:
    """Counts the attempts to deliver to each sink, and their seconds.

    `unresponsive` are the sinks to which this invocation delivers nothing more. Several threads may record attempts: a
    count that is lost between two of them delays the decision by one attempt.
    """

    def __init__(self) -> None:
        self._failures_in_row = Counter[str]()
        self._attempts = Counter[str]()
        self._failed_s: dict[str, float] = {}
        self._total_s: dict[str, float] = {}

    @property
    def unresponsive(self) -> frozenset[str]:
        """The sinks that failed several times in a row, took long to fail, or are slow altogether."""
        return frozenset(sink for sink in tuple(self._attempts) if self._is_unresponsive(sink))

    def record(self, sink: str, took_s: float, *, accepted: bool) -> None:
        """Record an attempt, its duration in seconds, and whether the sink accepted the event."""
        self._attempts[sink] += 1
        self._total_s[sink] = self._total_s.get(sink, 0.0) + took_s
        self._failures_in_row[sink] = 0 if accepted else self._failures_in_row[sink] + 1
        if not accepted:
            self._failed_s[sink] = self._failed_s.get(sink, 0.0) + took_s

    def _is_unresponsive(self, sink: str) -> bool:
        total_s = self._total_s.get(sink, 0.0)
        is_slow = total_s >= MAX_SLOW_S and total_s >= SLOW_S * self._attempts[sink]
        fails = self._failures_in_row[sink] >= MAX_FAILURES or self._failed_s.get(sink, 0.0) >= MAX_FAILED_S
        return is_slow or fails
