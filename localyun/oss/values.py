"""Values of the object service: buckets, objects, events, and the errors about them. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import AnyStr

from localyun.errors import ServiceError

# OSS user guide, "Object naming conventions" and "Bucket naming conventions", read 2026-11.
MAX_KEY_BYTES = 1023
BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")


@dataclass(frozen=True)
class OssBucket:
    """A bucket. `versioning` is "", "Enabled" or "Suspended"; `region` is "" if it is the region of the local cloud."""

    name: str
    created: datetime
    acl: str = "private"
    versioning: str = ""
    region: str = ""


@dataclass(frozen=True)
class StoredObject:
    """A stored object. Its file never changes: a later put creates another file.

    `headers` has lower-case names. Besides user metadata and headers such as `cache-control`, it contains the metadata
    of OSS: `x-oss-object-acl`, `x-oss-tagging`, `x-oss-storage-class`.
    """

    bucket: str
    key: str
    etag: str
    size: int
    last_modified: datetime
    content_type: str
    headers: Mapping[str, str]
    crc64: int
    kind: str
    file: Path
    version_id: str = ""

    @property
    def storage_class(self) -> str:
        """The storage class."""
        return self.headers.get("x-oss-storage-class", "Standard")


@dataclass(frozen=True)
class Origin:
    """The request that changes something, and its source address."""

    request_id: str = ""
    source_ip: str = "127.0.0.1"


INTERNAL = Origin()


@dataclass(frozen=True)
class WriteOptions:
    """Metadata and conditions of a write. With `forbid_overwrite`, an existing object raises FileAlreadyExists."""

    content_type: str = "application/octet-stream"
    headers: Mapping[str, str] = field(default_factory=dict)
    forbid_overwrite: bool = False
    origin: Origin = INTERNAL


DEFAULTS = WriteOptions()


@dataclass(frozen=True)
class ObjectEvent:
    """A change of an object. `delta` is the new size minus the old one, in bytes."""

    name: str
    bucket: str
    key: str
    etag: str
    size: int
    delta: int
    time: datetime
    request_id: str
    source_ip: str


@dataclass(frozen=True)
class AcceptedTask:
    """The ids of a media task, as its submission is answered: of its notification, of the request, and its own."""

    event_id: str
    request_id: str
    task_id: str


@dataclass(frozen=True)
class Listing:
    """One page of a bucket. `next_after` continues it; it is "" on the last page."""

    objects: list[StoredObject] = field(default_factory=list)
    prefixes: list[str] = field(default_factory=list)
    next_after: str = ""


def common_prefix(key: AnyStr, prefix: AnyStr, delimiter: AnyStr) -> AnyStr:
    """Return the common prefix that replaces a key in a listing, or an empty string if none does."""
    end = key.find(delimiter, len(prefix)) if delimiter else -1
    return key[: end + len(delimiter)] if end >= 0 else key[:0]


def check_bucket_name(name: str) -> None:
    """Raise InvalidBucketName."""
    if not BUCKET_NAME.fullmatch(name):
        text = "The specified bucket is not valid: 3 to 63 of a-z, 0-9 and -, with no - at either end."
        raise ServiceError(400, "InvalidBucketName", text, BucketName=name)


def check_key(key: str) -> None:
    """Raise InvalidObjectName."""
    try:
        size = len(key.encode("utf-8"))
    except UnicodeEncodeError:
        size = 0
    if not 1 <= size <= MAX_KEY_BYTES or key[0] in "/\\":
        text = f"The specified object is not valid: 1 to {MAX_KEY_BYTES} bytes of UTF-8, no / or \\ first."
        raise ServiceError(400, "InvalidObjectName", text, ObjectName=key)


def invalid_argument(name: str, value: str, text: str) -> ServiceError:
    """Return the error InvalidArgument about a parameter or header."""
    return ServiceError(400, "InvalidArgument", text, ArgumentName=name, ArgumentValue=value)


def no_such_bucket(name: str) -> ServiceError:
    """Return the error NoSuchBucket."""
    text = "The specified bucket does not exist."
    return ServiceError(404, "NoSuchBucket", text, ec="0015-00000101", BucketName=name)


def no_such_key(key: str) -> ServiceError:
    """Return the error NoSuchKey."""
    return ServiceError(404, "NoSuchKey", "The specified key does not exist.", ec="0026-00000001", Key=key)


def already_exists(key: str, ec: str = "") -> ServiceError:
    """Return the error FileAlreadyExists, of a write that forbids overwriting."""
    text = "The object you specified already exists and can not be overwritten."
    return ServiceError(409, "FileAlreadyExists", text, ec=ec, ObjectName=key)
