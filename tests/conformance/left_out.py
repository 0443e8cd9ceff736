"""Reads left_out.tsv: the vendor's tests that are not run, and why."""

from collections.abc import Iterable, Mapping
from pathlib import Path

TABLE = Path(__file__).with_name("left_out.tsv")
# How a reason begins. A test of the first group says nothing about this project; one of the second fails or is slow.
OUT_OF_SCOPE = ("out of scope", "needs", "wrong on the real service too")
IN_SCOPE = ("not served here", "takes too long")
LeftOut = Mapping[str, str]  # reasons by test


def left_out(suite: str) -> LeftOut:
    """Return the reason for each test of a suite that is not run."""
    lines = TABLE.read_text("utf-8").splitlines()
    rows = [line.split("\t") for line in lines if line and not line.startswith("#")]
    return {test: reason for name, test, reason in rows if name == suite}


def faults(suite: str, tests: Iterable[str]) -> list[str]:
    """Return what is wrong with the rows of a suite, in words: unknown tests, and reasons of no known kind."""
    reasons = left_out(suite)
    unknown = [f"{test} does not exist" for test in sorted(set(reasons).difference(tests))]
    kinds = (*OUT_OF_SCOPE, *IN_SCOPE)
    return unknown + [
        f"{test}: {why!r} is of no kind" for test, why in reasons.items() if why.partition(":")[0] not in kinds
    ]


def in_scope(reasons: LeftOut, tests: Iterable[str]) -> list[str]:
    """Return the tests that say something about this project, whether they run or not."""
    return [test for test in tests if reasons.get(test, "").partition(":")[0] not in OUT_OF_SCOPE]
