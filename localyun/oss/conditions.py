"""Which bytes, and whether at all: conditions and ranges of GET, HEAD and copy. Pure."""

import re
from collections.abc import Mapping
from datetime import datetime
from email.utils import format_datetime, parsedate_to_datetime

from localyun.errors import ServiceError
from localyun.oss.service import StoredObject


def check_conditions(found: StoredObject, headers: Mapping[str, str], prefix: str = "") -> None:
    """Refuse with 412 or 304 when an object is not, or is still, what the caller knows.

    `prefix` is "x-oss-copy-source-" for the conditions of a copy. As in HTTP, an ETag outranks a time.
    """
    given = {name.removeprefix(prefix): value for name, value in headers.items() if name.startswith(prefix)}
    if "if-match" in given:
        if not _matches(given["if-match"], found):
            raise _failed("If-Match")
    elif (since := _time(given.get("if-unmodified-since"))) and found.last_modified > since:
        raise _failed("If-Unmodified-Since")
    if "if-none-match" in given:
        if _matches(given["if-none-match"], found):
            raise ServiceError(304, "NotModified", "Not Modified", ETag=f'"{found.etag}"')
    elif (since := _time(given.get("if-modified-since"))) and found.last_modified <= since:
        raise ServiceError(304, "NotModified", "Not Modified", ETag=f'"{found.etag}"')


def byte_range(size: int, headers: Mapping[str, str]) -> tuple[int, int] | None:
    """Return first and last byte of the wanted range; None means the whole object.

    A range that is not wholly inside the object is ignored, unless `x-oss-range-behavior: standard` asks for what
    HTTP says. Source: "Use HTTP Range requests", page dated 2026-03-20.
    """
    wanted = headers.get("range")
    if wanted is None:
        return None
    standard = headers.get("x-oss-range-behavior", "") == "standard"
    first, last = _asked(wanted, size)
    if 0 <= first <= last < size:
        return first, last
    if standard and last >= size > first and first <= last:
        return max(first, 0), size - 1
    if standard and wanted.startswith("bytes=-") and 0 <= last < size:
        return 0, last
    if standard:
        text = f"The requested range cannot be satisfied: {wanted!r} of {size} bytes."
        raise ServiceError(416, "InvalidRange", text, **{"Content-Range": f"bytes */{size}"})
    return None


def http_date(when: datetime) -> str:
    """Return a time as HTTP writes it."""
    return format_datetime(when, usegmt=True)


def _asked(wanted: str, size: int) -> tuple[int, int]:
    """Return what a Range header asks for, however wild; (0, -1) when it says nothing."""
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", wanted.strip(), re.ASCII)
    if not match or not (match[1] or match[2]):
        return 0, -1
    if not match[1]:
        return (size - int(match[2]), size - 1) if int(match[2]) else (0, -1)
    return int(match[1]), int(match[2]) if match[2] else max(size - 1, int(match[1]))


def _matches(condition: str, found: StoredObject) -> bool:
    names = {name.strip().removeprefix("W/").strip('"') for name in condition.split(",")}
    return "*" in names or found.etag in names


def _time(text: str | None) -> datetime | None:
    """Read an HTTP date; one that cannot be read is no condition."""
    try:
        return parsedate_to_datetime(text) if text else None
    except ValueError:
        return None


def _failed(condition: str) -> ServiceError:
    text = "At least one of the pre-conditions you specified did not hold."
    return ServiceError(412, "PreconditionFailed", text, Condition=condition)
