"""The retention policy of a bucket (WORM): for some days, no object is changed or deleted. Knows no HTTP.

Source: user guide, "Bucket-level retention policy", and the tests of the vendor's Go SDKs, read 2026-12.
"""

import json
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta

from localyun.errors import ServiceError
from localyun.oss.values import StoredObject

NAME = "worm"  # of its configuration
LEAST_DAYS, MOST_DAYS = 1, 25_550
TIME_TO_LOCK = timedelta(hours=24)
IN_PROGRESS, LOCKED, EXPIRED = "InProgress", "Locked", "Expired"


@dataclass(frozen=True)
class Retention:
    """A policy. It protects objects at once, and is void unless it is locked within a day."""

    worm_id: str
    days: int
    created: str
    is_locked: bool = False

    def state(self, now: datetime) -> str:
        """Return the state that OSS shows."""
        if self.is_locked:
            return LOCKED
        return IN_PROGRESS if now < datetime.fromisoformat(self.created) + TIME_TO_LOCK else EXPIRED

    def extended(self, days: int) -> "Retention":
        """Return a locked policy with a longer period. Raises InvalidWORMConfiguration or InvalidArgument."""
        if not self.is_locked:  # the vendor's tests, Python 2.19.1
            raise ServiceError(400, "InvalidWORMConfiguration", "Only a locked policy can be extended.")
        if days <= self.days:
            text = f"A policy can be extended only beyond its {self.days} days."
            raise ServiceError(400, "InvalidArgument", text, ArgumentName="RetentionPeriodInDays")
        return replace(self, days=days)

    def document(self) -> bytes:
        """Return the stored form."""
        return json.dumps(asdict(self)).encode()


def parse_retention(document: bytes | None) -> Retention | None:
    """Return a stored policy, if there is one."""
    return Retention(**json.loads(document)) if document else None


def check_mutable(document: bytes | None, found: StoredObject | None, now: datetime) -> None:
    """Raise FileImmutable for an object that the policy of its bucket protects."""
    retention = parse_retention(document)
    if retention is None or found is None or found.is_delete_marker or retention.state(now) == EXPIRED:
        return
    if now < found.last_modified + timedelta(days=retention.days):
        text = f"The object is immutable for {retention.days} days: its bucket has a retention policy."
        raise ServiceError(409, "FileImmutable", text, Key=found.key)
