"""The values of SMQ: queues, topics, subscriptions and messages, and the vendor's limits. Pure."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime, timezone
from types import MappingProxyType
from typing import Any, TypeVar

from localyun.errors import ServiceError

# SMQ developer reference, "CreateQueue" and "Limits", read 2026-11.
RANGES = {
    "delay_seconds": (0, 604_800),
    "maximum_message_size": (1024, 65_536),
    "message_retention_period": (60, 604_800),
    "visibility_timeout": (1, 43_200),
    "polling_wait_seconds": (0, 30),
    "max_receive_count": (1, 1000),
    "priority": (1, 16),
}
TOPIC_RETENTION_SECONDS = 86_400  # topics keep messages for a day, fixed ("Limits", 2026-11)
# The integer attributes of a queue, by the vendor's names in documents and templates.
QUEUE_ELEMENTS = {
    "DelaySeconds": "delay_seconds",
    "MaximumMessageSize": "maximum_message_size",
    "MessageRetentionPeriod": "message_retention_period",
    "VisibilityTimeout": "visibility_timeout",
    "PollingWaitSeconds": "polling_wait_seconds",
}
# The options of a subscription, likewise.
SUBSCRIPTION_ELEMENTS = {
    "NotifyStrategy": "strategy",
    "NotifyContentFormat": "content_format",
    "FilterTag": "filter_tag",
}
MAX_NAME = 120  # "Limits", 2026; older pages say 255 and 256
MAX_TAG = 16
MAX_BATCH = 16
STRATEGIES = ("BACKOFF_RETRY", "EXPONENTIAL_DECAY_RETRY")
FORMATS = ("XML", "JSON", "SIMPLIFIED", "STREAM")
NO_ATTRIBUTES: Mapping[str, str] = MappingProxyType({})

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class QueueAttributes:
    """The attributes of a queue, in seconds and bytes. A dead-letter queue "" means: none."""

    delay_seconds: int = 0
    maximum_message_size: int = 65_536
    message_retention_period: int = 345_600  # another page says 259200
    visibility_timeout: int = 30
    polling_wait_seconds: int = 0
    logging_enabled: bool = False
    dead_letter_queue: str = ""
    max_receive_count: int = 16


@dataclass(frozen=True)
class TopicAttributes:
    """The attributes of a topic."""

    maximum_message_size: int = 65_536
    logging_enabled: bool = False


@dataclass(frozen=True)
class QueueDescription:
    """A queue and the number of its messages: visible, received but not deleted, and delayed."""

    name: str
    attributes: QueueAttributes
    create_time: datetime
    last_modify_time: datetime
    active: int = 0
    inactive: int = 0
    delayed: int = 0


@dataclass(frozen=True)
class TopicDescription:
    """A topic and the number of its undelivered messages."""

    name: str
    attributes: TopicAttributes
    create_time: datetime
    last_modify_time: datetime
    message_count: int = 0
    message_retention_period: int = TOPIC_RETENTION_SECONDS


@dataclass(frozen=True)
class Subscription:
    """A subscription to a topic: endpoint, content format, retry strategy and filter."""

    topic: str
    name: str
    endpoint: str
    strategy: str
    content_format: str
    filter_tag: str
    create_time: datetime
    last_modify_time: datetime
    dead_letter_queue: str = ""


@dataclass(frozen=True)
class Property:
    """One typed property of a message: STRING, NUMBER, BOOLEAN or BINARY (Base64)."""

    name: str
    value: str
    type: str = "STRING"


@dataclass(frozen=True)
class Properties:
    """The properties of a message: those of its sender and those of the service."""

    user: tuple[Property, ...] = ()
    system: tuple[Property, ...] = ()

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Properties":
        """Return the properties that `dataclasses.asdict` returned the document of."""
        return cls(*(tuple(Property(**item) for item in document.get(kind, ())) for kind in ("user", "system")))


NO_PROPERTIES = Properties()


@dataclass(frozen=True)
class OutgoingMessage:
    """A message to send. A delay of None means: that of the queue."""

    body: str
    delay_seconds: int | None = None
    priority: int = 8
    properties: Properties = NO_PROPERTIES


@dataclass(frozen=True)
class Message:
    """A message in a queue. It has a receipt handle after its first reception, and while a delay hides it."""

    queue: str
    message_id: str
    body: str
    body_md5: str
    priority: int
    enqueue_time: datetime
    next_visible_time: datetime
    first_dequeue_time: datetime | None = None
    dequeue_count: int = 0
    receipt_handle: str = ""
    properties: Properties = NO_PROPERTIES


@dataclass(frozen=True)
class TopicMessage:
    """A message published to a topic. `attributes` are the vendor's MessageAttributes, by element name."""

    topic: str
    message_id: str
    body: str
    body_md5: str
    tag: str
    attributes: Mapping[str, str]
    publish_time: datetime
    properties: Properties = NO_PROPERTIES


@dataclass(frozen=True)
class Page:
    """Names in order, and the marker of the next page; "" on the last page."""

    names: tuple[str, ...]
    next_marker: str = ""


def with_origin(properties: Properties, source_arn: str, message_id: str) -> Properties:
    """Return the properties of a dead-letter message, with the two system properties that the vendor's SDK knows."""
    origin = (Property("DLQSourceArn", source_arn), Property("DLQOriginMessageId", message_id))
    return replace(properties, system=(*properties.system, *origin))


Attributes = TypeVar("Attributes", QueueAttributes, TopicAttributes)


def with_changes(attributes: Attributes, changes: Mapping[str, Any]) -> Attributes:
    """Return changed attributes; raise `ServiceError` for unknown names and for values out of range."""
    known = {item.name for item in fields(attributes)}
    if unknown := sorted(set(changes) - known):
        raise ServiceError(
            400, "InvalidArgument", f"Unknown attribute {unknown[0]}; known attributes: {sorted(known)}."
        )
    for name, value in changes.items():
        check_range(name, value)
    return replace(attributes, **changes)


def check_range(name: str, value: object) -> None:
    """Raise `ServiceError` for a value outside the vendor's limits; a name without limits has any value."""
    if name not in RANGES:
        return
    low, high = RANGES[name]
    if not isinstance(value, int) or not low <= value <= high:
        text = f"The value of {name.title().replace('_', '')} must be between {low} and {high}, not {value}."
        raise ServiceError(400, "InvalidArgument", text)


def check_name(kind: str, name: str) -> None:
    """Raise `ServiceError` for a name that the vendor does not allow for a Queue, Topic or Subscription."""
    if not 1 <= len(name) <= MAX_NAME:
        text = f"The {kind.lower()} name has {len(name)} characters; use 1 to {MAX_NAME}."
        raise ServiceError(400, f"{kind}NameLengthError", text)
    if not _NAME.fullmatch(name):
        text = f"The {kind.lower()} name {name!r} is invalid: use letters, digits, - and _, a letter or digit first."
        raise ServiceError(400, f"Invalid{kind}Name", text)


def check_body(body: str, limit: int) -> None:
    """Raise `ServiceError` for a message body that is empty, longer than `limit` bytes, or not legal in XML."""
    if not body:
        raise ServiceError(400, "InvalidArgument", "The message body is empty; MessageBody must not be empty.")
    if (size := len(body.encode())) > limit:
        text = f"The length of message should not be larger than MaximumMessageSize: {size} > {limit} bytes."
        raise ServiceError(400, "InvalidArgument", text)
    if bad := _NOT_XML.search(body):
        text = f"The message body has U+{ord(bad[0]):04X} at {bad.start()}, which is not legal in XML; use Base64."
        raise ServiceError(400, "InvalidArgument", text)


def md5_of(body: str) -> str:
    """Return the MD5 of a body in the vendor's form: upper-case hex."""
    return hashlib.md5(body.encode(), usedforsecurity=False).hexdigest().upper()


def to_ms(time: datetime) -> int:
    """Return an aware time in milliseconds since 1970.

    >>> to_ms(datetime(1970, 1, 1, 0, 0, 1, 500000, tzinfo=timezone.utc))
    1500
    """
    return round(time.timestamp() * 1000)


def from_ms(milliseconds: int) -> datetime:
    """Return the UTC time of a number of milliseconds since 1970."""
    return datetime.fromtimestamp(milliseconds / 1000, timezone.utc)
