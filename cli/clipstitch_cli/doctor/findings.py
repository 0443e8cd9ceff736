"""What a doctor finds: values. A finding is one line, and where there is one, the command that repairs it."""

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import NamedTuple, TypeVar

from clipstitch.common.errors import ClipstitchError, CloudBusy
from clipstitch_cli import exit_codes

OK, WARNING, BAD, SKIPPED = "ok", "warning", "bad", "skipped"
T = TypeVar("T")


class Finding(NamedTuple):
    """How one thing stands: the check's name, a state, one line, and a remedy unless all is well."""

    name: str
    state: str
    line: str
    remedy: str = ""


def ok(name: str, line: str) -> Finding:
    """Say that all is well."""
    return Finding(name, OK, line)


def warning(name: str, line: str, remedy: str) -> Finding:
    """Say that jobs succeed, but that something wants a look."""
    return Finding(name, WARNING, line, remedy)


def bad(name: str, line: str, remedy: str) -> Finding:
    """Say that jobs fail, or stick, until this is repaired."""
    return Finding(name, BAD, line, remedy)


def skipped(name: str, why: str, remedy: str = "") -> Finding:
    """Say that a thing was not looked at."""
    return Finding(name, SKIPPED, f"not looked at, because {why}", remedy)


def exit_code(findings: Iterable[Finding]) -> int:
    """Return `TROUBLE` when something is bad; what was not looked at is no trouble by itself."""
    return exit_codes.TROUBLE if any(found.state == BAD for found in findings) else exit_codes.OK


def asked(question: Callable[[], T]) -> T | ClipstitchError:
    """Return an answer, or why there is none."""
    try:
        return question()
    except ClipstitchError as error:
        return error


def unanswered(name: str, error: ClipstitchError) -> Finding:
    """Say that the cloud gave no answer: then nobody knows how the thing stands, which is bad."""
    remedy = (
        "Is the endpoint right, and the network up? Then try again." if isinstance(error, CloudBusy) else error.remedy
    )
    return bad(name, f"no answer: {error}", remedy)


def age(since: timedelta) -> str:
    """Write a length of time as a person would say it.

    >>> age(timedelta(seconds=90)), age(timedelta(minutes=150)), age(timedelta(days=3, hours=5))
    ('90 s', '150 min', '77 h')
    """
    total = round(since.total_seconds())
    if total < 120:
        return f"{total} s"
    return f"{total // 60} min" if total < 3 * 3600 else f"{total // 3600} h"
