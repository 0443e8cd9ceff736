"""The machine's own clock: the only place that reads it."""

from datetime import datetime, timezone


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """Return the time now, in UTC."""
        return datetime.now(timezone.utc)  # noqa: TID251 - the one place
