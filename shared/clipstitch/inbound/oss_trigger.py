"""What Function Compute hands to `submit`: an OSS event. The only reader of that JSON.

Source: Function Compute, "Formats of event for different triggers", page of April 2026.
"""

import json
from collections.abc import Mapping
from typing import Any

from clipstitch.common.errors import InvalidTriggerEvent
from clipstitch.common.identifiers import ObjectRef


def parse_oss_trigger(event: bytes) -> list[ObjectRef]:
    """Name the objects that an OSS trigger reports, in order; `InvalidTriggerEvent` when it is no such event."""
    try:
        return [_uploaded(record) for record in _records(json.loads(event))]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise InvalidTriggerEvent(
            f"not an OSS trigger's event ({type(error).__name__}: {error}): {event[:200]!r}"
        ) from error


def _records(event: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return what an event reports."""
    records = event["events"]
    if not isinstance(records, list):
        raise TypeError("events must be a list")
    return records


def _uploaded(record: Mapping[str, Any]) -> ObjectRef:
    """Name one object. The key is taken as it stands: the vendor's own samples do not unquote it."""
    bucket, key = record["oss"]["bucket"]["name"], record["oss"]["object"]["key"]
    if not (isinstance(bucket, str) and isinstance(key, str) and bucket and key):
        raise TypeError("bucket name and object key must be texts")
    ref = ObjectRef(bucket, key)
    ref.uri.encode()  # half a surrogate pair names no object
    return ref
