"""Time and ids. Everything else in the local cloud is handed these; nothing else reads the system's."""

import secrets
from datetime import datetime, timezone
from typing import Protocol


class Clock(Protocol):
    """What time is it, and what shall the next thing be called?"""

    def now(self) -> datetime:
        """Return the time now, in UTC."""
        ...

    def token(self, size: int = 16) -> str:
        """Return a new name of `2 * size` lower-case hex digits."""
        ...


class SystemClock:
    """The machine's own clock and randomness."""

    def now(self) -> datetime:
        """Return the time now, in UTC."""
        return datetime.now(timezone.utc)  # noqa: TID251 - the one place

    def token(self, size: int = 16) -> str:
        """Return a new name of `2 * size` lower-case hex digits."""
        return secrets.token_hex(size)
