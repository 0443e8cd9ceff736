"""Workers keep the order of the arguments, make every call, and raise the first error when all calls have ended."""

import threading

import pytest

from clipstitch.adapters.threads import MAX_CONCURRENT, ThreadWorkers
from clipstitch.common.logging import _JOB, log_job
from clipstitch.common.ports import SequentialWorkers, Workers

WORKERS = [ThreadWorkers(), SequentialWorkers()]


@pytest.mark.parametrize("workers", WORKERS)
def test_results_are_in_the_order_of_the_arguments(workers: Workers) -> None:
    """However many there are."""
    for count in (0, 1, 2, 3 * MAX_CONCURRENT):
        assert [2 * n for n in range(count)] == workers.map(lambda n: 2 * n, range(count))


@pytest.mark.parametrize("workers", WORKERS)
def test_an_error_does_not_stop_the_other_calls(workers: Workers) -> None:
    """The first error, in the order of the arguments, is raised at the end."""
    called = []

    def call(number: int) -> None:
        called.append(number)
        if number % 3 == 1:
            raise ValueError(number)

    with pytest.raises(ValueError, match=r"^1$"):
        workers.map(call, range(20))
    assert set(range(20)) == set(called)


def test_threads_make_several_calls_at_once() -> None:
    """All of them wait for each other, which would never end if one was made after the other."""
    together = threading.Barrier(MAX_CONCURRENT, timeout=20)

    assert MAX_CONCURRENT == len(ThreadWorkers().map(lambda _: together.wait(), range(MAX_CONCURRENT)))


def test_threads_log_for_the_job_of_the_caller() -> None:
    """A log line of a concurrent call would otherwise not say which job it concerns."""
    with log_job("the-job"):
        assert ["the-job"] * 3 == ThreadWorkers().map(lambda _: _JOB.get(), range(3))
