"""Archived objects: which may be read, and the times of a restore. Pure.

OSS restores within minutes to hours; here a restore takes RESTORE_SECONDS for every class and priority. Source: API
reference, RestoreObject and CleanRestoredObject, and pages "0016-00000701" to "0016-00000719", read 2026-11.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import format_datetime

from localyun.errors import ServiceError
from localyun.oss.values import RESTORE_END, RESTORE_START, StoredObject, invalid_argument

RESTORE_SECONDS = 5.0
MAX_DAYS = {"Archive": 7, "ColdArchive": 365, "DeepColdArchive": 365}
_TIERS = {"ColdArchive": ("Expedited", "Standard", "Bulk"), "DeepColdArchive": ("Expedited", "Standard")}
_DAYS_EC = {"Archive": "0016-00000708", "ColdArchive": "0016-00000704", "DeepColdArchive": "0016-00000704"}


@dataclass(frozen=True)
class RestoreJob:
    """What a restore requests: the days that the object stays readable, and the priority, "" for the default."""

    days: str = "1"
    tier: str = ""


def check_readable(found: StoredObject, now: datetime) -> None:
    """Raise InvalidObjectState for an archived object that is not restored."""
    if found.storage_class in MAX_DAYS and not is_restored(found, now):
        text = "The operation is not valid for the object's state"
        raise ServiceError(403, "InvalidObjectState", text, ec="0016-00000404", ObjectName=found.key)


def restore_state(found: StoredObject, now: datetime) -> str:
    """Return the header `x-oss-restore` of an object: "" for one that is neither restored nor being restored."""
    if _is_ongoing(found, now):
        return 'ongoing-request="true"'
    if is_restored(found, now):
        return f'ongoing-request="false", expiry-date="{format_datetime(_time(found, RESTORE_END), usegmt=True)}"'
    return ""


def checked_tier(found: StoredObject, job: RestoreJob) -> str:
    """Return the priority of a restore, "" for a class that has none. Raises ServiceError for an invalid job."""
    storage_class = found.storage_class
    if storage_class not in MAX_DAYS:
        text = "The operation is not supported for this resource: only archived objects are restored."
        raise ServiceError(400, "OperationNotSupported", text, ec="0016-00000702", ObjectName=found.key)
    if not job.days.isascii() or not job.days.isdecimal() or not 1 <= int(job.days) <= MAX_DAYS[storage_class]:
        text = f"The Days of {storage_class} must be an integer between 1 and {MAX_DAYS[storage_class]}."
        raise invalid_argument("Days", job.days, text, ec=_DAYS_EC[storage_class])
    if not (tiers := _TIERS.get(storage_class)):
        return ""
    if (tier := job.tier or "Standard") not in tiers:
        text = f"The Tier of {storage_class} must be one of {', '.join(tiers)}."
        raise invalid_argument("Tier", tier, text, ec="0016-00000703")
    return tier


def restored(found: StoredObject, job: RestoreJob, now: datetime) -> Mapping[str, str]:
    """Return the times of a restore that begins now, or whose end is moved. Raises RestoreAlreadyInProgress."""
    if _is_ongoing(found, now):
        text = "The restore operation is in progress."
        raise ServiceError(409, "RestoreAlreadyInProgress", text, ec="0016-00000701", ObjectName=found.key)
    ready = _time(found, RESTORE_START) if is_restored(found, now) else now + timedelta(seconds=RESTORE_SECONDS)
    end = max(ready, now) + timedelta(days=int(job.days))
    return {RESTORE_START: ready.isoformat(), RESTORE_END: end.isoformat()}


def check_cleanable(found: StoredObject, now: datetime) -> None:
    """Raise ArchiveRestoreNotFinished while an object is being restored."""
    checked_tier(found, RestoreJob())
    if _is_ongoing(found, now):
        text = "The archive file's restore is not finished."
        raise ServiceError(409, "ArchiveRestoreNotFinished", text, ec="0016-00000719")


def is_restored(found: StoredObject, now: datetime) -> bool:
    """Return True while an archived object can be read."""
    return RESTORE_START in found.headers and _time(found, RESTORE_START) <= now < _time(found, RESTORE_END)


def _is_ongoing(found: StoredObject, now: datetime) -> bool:
    return RESTORE_START in found.headers and now < _time(found, RESTORE_START)


def _time(found: StoredObject, name: str) -> datetime:
    return datetime.fromisoformat(found.headers[name])
