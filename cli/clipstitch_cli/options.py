"""Lengths of time on the command line. All is text there, so each needs its unit: nobody could know which was meant."""

from clipstitch.manifest.durations import parse_duration_ms
from clipstitch_cli.errors import Usage


def length_of(option: str, text: str) -> int:
    """Read an option's length of time in milliseconds; `Usage` when it is none.

    >>> length_of("--timeout", "1m30s")
    90000
    """
    if (length := parse_duration_ms(text)) is None:
        raise Usage(f"{option} {text!r} is not a length of time; write 300ms, 90s, 1m30s or 1h")
    return length
