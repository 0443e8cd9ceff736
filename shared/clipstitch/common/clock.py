"""Time comes in through the door. Nothing else in the package reads the system's clock."""

from datetime import datetime, timezone
from typing import Protocol


class Clock(Protocol):
    """What time is it?"""

    def now(self) -> datetime:
        """Return the time now, in UTC."""
        ...


def timestamp(moment: datetime) -> str:
    """Write a moment as facts and events do: RFC 3339, UTC, milliseconds.

    >>> timestamp(datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=timezone.utc))
    '2026-01-02T03:04:05.678Z'
    """
    return moment.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
