"""Versions of objects that must not be deleted or overwritten: by their retention, or by a legal hold.

The retention of whole buckets is in `retention`. Facts: the vendor's tests (Python SDK 2.0) and its models, read
2026-12; the codes of errors are unverified, except FileImmutable.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone

from localyun.errors import ServiceError
from localyun.oss.values import StoredObject, invalid_argument

# Of objects, shown in responses.
MODE, UNTIL, HOLD = (f"x-oss-object-worm-{name}" for name in ("mode", "retain-until-date", "legal-hold"))
HEADERS = frozenset((MODE, UNTIL, HOLD))
GOVERNANCE, COMPLIANCE = "GOVERNANCE", "COMPLIANCE"
MODES, HOLDS = (GOVERNANCE, COMPLIANCE), ("ON", "OFF")
OBJECT_WORM = "objectWorm"  # the configuration of a bucket


def check_destroyable(found: StoredObject, now: datetime, *, bypass_governance: bool = False) -> None:
    """Raise FileImmutable if a version of an object must not be deleted or overwritten."""
    headers = found.headers
    is_retained = MODE in headers and now < _time(headers[UNTIL])
    if is_retained and bypass_governance and headers[MODE] == GOVERNANCE:
        is_retained = False
    if is_retained or headers.get(HOLD) == "ON":
        raise ServiceError(409, "FileImmutable", "The object you specified is immutable.", Key=found.key)


def check_retention(found: Mapping[str, str], mode: str, until: str, now: datetime, *, bypass: bool) -> None:
    """Raise a ServiceError if an object cannot have a retention, or must not lose the one that it has."""
    if mode not in MODES:
        raise invalid_argument("Mode", mode, f"The Mode must be one of {', '.join(MODES)}.")
    if _time(until) <= now:
        raise invalid_argument("RetainUntilDate", until, "The RetainUntilDate must be in the future.")
    if MODE not in found or _time(found[UNTIL]) <= now:
        return
    is_weaker = _time(until) < _time(found[UNTIL]) or (found[MODE] == COMPLIANCE and mode != COMPLIANCE)
    if is_weaker and (found[MODE] == COMPLIANCE or not bypass):
        text = f"The retention of the object, {found[MODE]} until {found[UNTIL]}, cannot be weakened."
        raise ServiceError(403, "AccessDenied", text)


def default_retention(mode: str, days: int, now: datetime) -> dict[str, str]:
    """Return the headers of a new object in a bucket with a default."""
    return {MODE: mode, UNTIL: _text(now + timedelta(days=days))}


def _text(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _time(text: str) -> datetime:
    """Parse a time in UTC. Raises InvalidArgument."""
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)
    except ValueError:
        raise invalid_argument("Date", text, "The time must be like 2026-12-01T00:00:00.000Z.") from None
