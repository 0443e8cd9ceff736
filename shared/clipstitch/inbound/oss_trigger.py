"""Parse the event of an OSS trigger, which Function Compute passes to `submit`.

Source: Function Compute, "Formats of event for different triggers", page of April 2026.
"""

import json
from typing import Any

from clipstitch.common.errors import InvalidTriggerEvent
from clipstitch.common.identifiers import ObjectRef


def parse_oss_trigger(event: bytes) -> list[ObjectRef]:
    """Return the uploaded objects in order. Raises `InvalidTriggerEvent` if this is not the event of an OSS trigger."""
    try:
        return [_uploaded(record) for record in _records(json.loads(event))]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise InvalidTriggerEvent(f"not an OSS trigger's event ({reason}): {event[:200]!r}") from error


def _records(event: Any) -> list[Any]:
    records = event["events"]
    if not isinstance(records, list):
        raise TypeError("events must be a list")
    return records


def _uploaded(record: Any) -> ObjectRef:
    # The key is not URL-decoded: the vendor's samples do not decode it either.
    bucket, key = record["oss"]["bucket"]["name"], record["oss"]["object"]["key"]
    if not (isinstance(bucket, str) and isinstance(key, str) and bucket and key):
        raise TypeError("bucket name and object key must be non-empty strings")
    ref = ObjectRef(bucket, key)
    ref.uri.encode()  # raises UnicodeEncodeError, a ValueError, for an unpaired surrogate
    return ref
