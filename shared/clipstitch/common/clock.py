"""The protocol of a clock, and timestamps. The packages that need the time take a clock as a parameter."""

from datetime import datetime, timezone
from typing import Protocol


class Clock(Protocol):
    """A source of the current time."""

    def now(self) -> datetime:
        """Return the current time in UTC."""


def timestamp(moment: datetime) -> str:
    """Return a moment as facts and events have it: RFC 3339, UTC, milliseconds.

    >>> timestamp(datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=timezone.utc))
    '2026-01-02T03:04:05.678Z'
    """
    return moment.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_timestamp(text: str) -> datetime:
    """Return the moment of a timestamp. Raises `ValueError` if it is none.

    >>> parse_timestamp("2026-01-02T03:04:05.678Z").isoformat()
    '2026-01-02T03:04:05.678000+00:00'
    """
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
