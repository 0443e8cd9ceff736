"""Time and random ids. All other modules receive a `CloudClock`; none reads the system clock."""

import secrets
from datetime import datetime, timezone
from typing import Protocol


class CloudClock(Protocol):
    """Source of time and ids."""

    def now(self) -> datetime:
        """Return the current time in UTC."""

    def token(self, size: int = 16) -> str:
        """Return a new id of `2 * size` lower-case hex digits."""


class HostClock:
    """The time and the random numbers of the operating system."""

    def now(self) -> datetime:
        """Return the current time in UTC."""
        return datetime.now(timezone.utc)  # noqa: TID251 - the one place

    def token(self, size: int = 16) -> str:
        """Return a new id of `2 * size` lower-case hex digits."""
        return secrets.token_hex(size)
