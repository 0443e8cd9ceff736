"""When an invocation stops delivering to a sink: after failures in a row, slow failures, or slow answers altogether."""

import pytest

from clipstitch.usecases.sink_monitor import MAX_FAILED_S, MAX_FAILURES, MAX_SLOW_S, SLOW_S, SinkMonitor


def monitor(*attempts: tuple[float, bool]) -> SinkMonitor:
    """Return a monitor that has seen these attempts to deliver to one sink: their seconds, and whether it accepted."""
    seen = SinkMonitor()
    for took_s, accepted in attempts:
        seen.record("partner", took_s, accepted=accepted)
    return seen


FAILED, ACCEPTED = (0.1, False), (0.1, True)


@pytest.mark.parametrize(
    ("attempts", "unresponsive"),
    [
        ([], False),
        ([FAILED] * (MAX_FAILURES - 1), False),
        ([FAILED] * MAX_FAILURES, True),
        ([FAILED, ACCEPTED] * 2 * MAX_FAILURES, False),
        ([FAILED] * (MAX_FAILURES - 1) + [ACCEPTED] + [FAILED] * (MAX_FAILURES - 1), False),
        ([*[FAILED] * (MAX_FAILURES - 1), ACCEPTED, *[FAILED] * MAX_FAILURES], True),
        ([(MAX_FAILED_S - 1, False)], False),
        ([(MAX_FAILED_S, False)], True),
        ([(MAX_FAILED_S / 2, False), ACCEPTED, (MAX_FAILED_S / 2, False)], True),
        ([(MAX_SLOW_S, True)], True),
        ([(SLOW_S / 2, True)] * int(4 * MAX_SLOW_S / SLOW_S), False),
    ],
)
def test_a_sink_is_unresponsive_if_it_fails_or_takes_too_long(
    attempts: list[tuple[float, bool]], unresponsive: bool
) -> None:
    """Fast answers never count, however many there are; a success ends a row of failures, but not their seconds."""
    assert unresponsive is ("partner" in monitor(*attempts).unresponsive)


def test_an_unresponsive_sink_says_nothing_about_another() -> None:
    """Each has its own counts."""
    seen = monitor(*[FAILED] * MAX_FAILURES)
    seen.record("other", 0.1, accepted=True)

    assert frozenset({"partner"}) == seen.unresponsive
