"""Findings of the doctor: values. A finding is one line, with the command that repairs it if there is one."""

from collections.abc import Callable, Iterable
from datetime import timedelta
from itertools import chain
from typing import NamedTuple, TypeVar

from clipstitch.common.errors import ClipstitchError, CloudBusy
from clipstitch_cli import exit_codes

OK, WARNING, BAD, SKIPPED = "ok", "warning", "bad", "skipped"
T = TypeVar("T")


class Finding(NamedTuple):
    """The result of one check: its name, a state, one line, and a remedy unless the state is OK."""

    name: str
    state: str
    message: str
    remedy: str = ""


def ok(name: str, message: str) -> Finding:
    """Return a finding without an error."""
    return Finding(name, OK, message)


def warning(name: str, message: str, remedy: str) -> Finding:
    """Return a finding for something that does not keep jobs from succeeding."""
    return Finding(name, WARNING, message, remedy)


def bad(name: str, message: str, remedy: str) -> Finding:
    """Return a finding for something that makes jobs fail, or hang, until it is repaired."""
    return Finding(name, BAD, message, remedy)


def skipped(name: str, reason: str, remedy: str = "") -> Finding:
    """Return a finding for a check that was not made."""
    return Finding(name, SKIPPED, f"not checked: {reason}", remedy)


def exit_code(findings: Iterable[Finding]) -> int:
    """Return ERROR if something is bad; a skipped check alone is no error."""
    return exit_codes.ERROR if any(found.state == BAD for found in findings) else exit_codes.OK


def result_of(inspect: Callable[[], T]) -> T | ClipstitchError:
    """Return the result of an inspection, or its error."""
    try:
        return inspect()
    except ClipstitchError as error:
        return error


def checked(name: str, inspect: Callable[[], T], check: Callable[[T], Iterable[Finding]]) -> Iterable[Finding]:
    """Return what a check says about the result of an inspection, or that there is no answer."""
    result = result_of(inspect)
    return [no_answer(name, result)] if isinstance(result, ClipstitchError) else check(result)


def all_or_ok(findings: Iterable[Iterable[Finding]], name: str, message: str) -> list[Finding]:
    """Return all findings; if there are none, one without an error."""
    return list(chain.from_iterable(findings)) or [ok(name, message)]


def no_answer(name: str, error: ClipstitchError) -> Finding:
    """Return a bad finding: the cloud did not answer, so that the state is unknown."""
    busy = isinstance(error, CloudBusy)
    remedy = "Check the endpoint and the network, then try again." if busy else error.remedy
    return bad(name, f"no answer: {error}", remedy)


def format_age(age: timedelta) -> str:
    """Return a duration in the unit that suits it.

    >>> format_age(timedelta(seconds=90)), format_age(timedelta(minutes=150)), format_age(timedelta(days=3, hours=5))
    ('90 s', '150 min', '77 h')
    """
    total = round(age.total_seconds())
    if total < 120:
        return f"{total} s"
    return f"{total // 60} min" if total < 3 * 3600 else f"{total // 3600} h"
