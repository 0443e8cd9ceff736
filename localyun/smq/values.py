"""What queues and topics are made of, and the vendor's limits. Stores nothing; everything about messages uses it."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
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
    """What a queue's owner may choose. A dead-letter queue named "" means: none."""

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
    """What a topic's owner may choose."""

    maximum_message_size: int = 65_536
    logging_enabled: bool = False


@dataclass(frozen=True)
class Queue:
    """A queue and how many messages it holds: visible, held by a consumer, and delayed."""

    name: str
    attributes: QueueAttributes
    create_time: datetime
    last_modify_time: datetime
    active: int = 0
    inactive: int = 0
    delayed: int = 0


@dataclass(frozen=True)
class Topic:
    """A topic and how many published messages somebody still has to receive."""

    name: str
    attributes: TopicAttributes
    create_time: datetime
    last_modify_time: datetime
    message_count: int = 0


@dataclass(frozen=True)
class Subscription:
    """Who wants to hear of a topic's messages, where, in which format, and how persistently we try."""

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
    """The properties of a message: its sender's and the service's."""

    user: tuple[Property, ...] = ()
    system: tuple[Property, ...] = ()

    def document(self) -> dict[str, Any]:
        """Return them as JSON can hold them."""
        return asdict(self)

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "Properties":
        """Read what `document` returned."""
        return cls(*(tuple(Property(**item) for item in document.get(kind, ())) for kind in ("user", "system")))


NO_PROPERTIES = Properties()


@dataclass(frozen=True)
class Outgoing:
    """A message on its way into a queue. Without a delay of its own it takes the queue's."""

    body: str
    delay_seconds: int | None = None
    priority: int = 8
    properties: Properties = NO_PROPERTIES


@dataclass(frozen=True)
class Message:
    """A message in a queue. It has a receipt handle while, and only while, a consumer holds it."""

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
class Published:
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
    """Some names in order, and the marker to ask for more with; "" at the end."""

    names: tuple[str, ...]
    next_marker: str = ""


Attributes = TypeVar("Attributes", QueueAttributes, TopicAttributes)


def changed(attributes: Attributes, changes: Mapping[str, Any]) -> Attributes:
    """Return the attributes with some changed; refuses unknown names and values out of range."""
    known = {item.name for item in fields(attributes)}
    if unknown := sorted(set(changes) - known):
        raise ServiceError(400, "InvalidArgument", f"Unknown attribute {unknown[0]}; known are {sorted(known)}.")
    for name, value in changes.items():
        in_range(name, value)
    return replace(attributes, **changes)


def in_range(name: str, value: object) -> None:
    """Refuse a number outside the vendor's limits; other names and values pass."""
    if name not in RANGES:
        return
    low, high = RANGES[name]
    if not isinstance(value, int) or not low <= value <= high:
        text = f"The value of {name.title().replace('_', '')} must be between {low} and {high}, not {value}."
        raise ServiceError(400, "InvalidArgument", text)


def named(kind: str, name: str) -> str:
    """Return the name of a new Queue, Topic or Subscription; refuses what the vendor does not allow."""
    if not 1 <= len(name) <= MAX_NAME:
        text = f"The {kind.lower()} name has {len(name)} characters; use 1 to {MAX_NAME}."
        raise ServiceError(400, f"{kind}NameLengthError", text)
    if not _NAME.fullmatch(name):
        text = f"The {kind.lower()} name {name!r} is invalid: use letters, digits, - and _, not first."
        raise ServiceError(400, f"Invalid{kind}Name", text)
    return name


def fitting(body: str, limit: int) -> str:
    """Return a message body that the vendor would take: not empty, not too long, legal in XML."""
    if not body:
        raise ServiceError(400, "InvalidArgument", "The message body is empty; MessageBody must hold some text.")
    if (size := len(body.encode())) > limit:
        text = f"The length of message should not be larger than MaximumMessageSize: {size} > {limit} bytes."
        raise ServiceError(400, "InvalidArgument", text)
    if bad := _NOT_XML.search(body):
        text = f"The message body holds U+{ord(bad[0]):04X} at {bad.start()}, which XML cannot carry; use Base64."
        raise ServiceError(400, "InvalidArgument", text)
    return body


def md5_of(body: str) -> str:
    """Return the MD5 that the vendor reports for a body: upper-case hex."""
    return hashlib.md5(body.encode(), usedforsecurity=False).hexdigest().upper()


def to_ms(time: datetime) -> int:
    """Return the milliseconds since 1970 of an aware time.

    >>> to_ms(datetime(1970, 1, 1, 0, 0, 1, 500000, tzinfo=timezone.utc))
    1500
    """
    return round(time.timestamp() * 1000)


def from_ms(milliseconds: int) -> datetime:
    """Return the time that many milliseconds after the start of 1970, in UTC."""
    return datetime.fromtimestamp(milliseconds / 1000, timezone.utc)
