"""Conditions and ranges of GET, HEAD and copy. Pure."""

import re
from collections.abc import Mapping
from datetime import datetime
from email.utils import format_datetime, parsedate_to_datetime

from localyun.errors import ServiceError
from localyun.oss.values import StoredObject

_NO_BYTES = re.compile(r"bytes=-0+", re.ASCII)
_RANGE = re.compile(r"bytes=(\d*)-(\d*)", re.ASCII)


def check_conditions(found: StoredObject, headers: Mapping[str, str], prefix: str = "") -> None:
    """Raise ServiceError with status 412 or 304 if a condition fails.

    `prefix` is "x-oss-copy-source-" for the conditions of a copy. As in HTTP, an ETag has precedence over a time.
    """
    given = {name.removeprefix(prefix): value for name, value in headers.items() if name.startswith(prefix)}
    if "if-match" in given:
        if not _matches(given["if-match"], found):
            raise _failed("If-Match")
    elif (since := _time(given.get("if-unmodified-since"))) and found.last_modified > since:
        raise _failed("If-Unmodified-Since")
    if "if-none-match" in given:
        modified = not _matches(given["if-none-match"], found)
    else:
        since = _time(given.get("if-modified-since"))
        modified = not since or found.last_modified > since
    if not modified:
        raise ServiceError(304, "NotModified", "Not Modified", ETag=f'"{found.etag}"')


def byte_range(size: int, headers: Mapping[str, str]) -> tuple[int, int] | None:
    """Return first and last byte of the requested range, or None for the whole object.

    The last 0 bytes raise InvalidRange. Any other range that is not entirely inside the object is ignored, unless
    `x-oss-range-behavior: standard` requests the behaviour of HTTP; then InvalidRange is raised where HTTP demands it.
    Source: "Use HTTP Range requests", page dated 2026-03-20.
    """
    header = headers.get("range")
    if header is None:
        return None
    if _NO_BYTES.fullmatch(header.strip()):
        raise _unsatisfiable(header, size)
    standard = headers.get("x-oss-range-behavior", "") == "standard"
    first, last = _parse_range(header, size)
    if 0 <= first <= last < size:
        return first, last
    if not standard:
        return None
    if last >= size > first and first <= last:
        return max(first, 0), size - 1
    if header.startswith("bytes=-") and 0 <= last < size:
        return 0, last
    raise _unsatisfiable(header, size)


def _unsatisfiable(header: str, size: int) -> ServiceError:
    text = f"The requested range cannot be satisfied: {header!r} of {size} bytes."
    return ServiceError(416, "InvalidRange", text, **{"Content-Range": f"bytes */{size}"})


def http_date(when: datetime) -> str:
    """Return a time in the format of HTTP."""
    return format_datetime(when, usegmt=True)


def _parse_range(header: str, size: int) -> tuple[int, int]:
    """Return the range of a Range header, not limited to the size; (0, -1) for an invalid one."""
    match = _RANGE.fullmatch(header.strip())
    if not match or not (match[1] or match[2]):
        return 0, -1
    if not match[1]:
        return (size - int(match[2]), size - 1) if int(match[2]) else (0, -1)
    return int(match[1]), int(match[2]) if match[2] else max(size - 1, int(match[1]))


def _matches(condition: str, found: StoredObject) -> bool:
    names = {name.strip().removeprefix("W/").strip('"') for name in condition.split(",")}
    return "*" in names or found.etag in names


def _time(text: str | None) -> datetime | None:
    """Parse an HTTP date; an invalid one is ignored."""
    try:
        return parsedate_to_datetime(text) if text else None
    except ValueError:
        return None


def _failed(condition: str) -> ServiceError:
    text = "At least one of the pre-conditions you specified did not hold."
    return ServiceError(412, "PreconditionFailed", text, Condition=condition)
