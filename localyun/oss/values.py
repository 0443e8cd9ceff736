"""The values of the object store: what an object is, what happened to it, what is refused. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from localyun.errors import ServiceError

# OSS user guide, "Object naming conventions" and "Bucket naming conventions", read 2026-11.
MAX_KEY_BYTES = 1023
BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")


@dataclass(frozen=True)
class Bucket:
    """A bucket. `versioning` is "", "Enabled" or "Suspended"; `region` is "" where the cloud itself is."""

    name: str
    created: datetime
    acl: str = "private"
    versioning: str = ""
    region: str = ""


@dataclass(frozen=True)
class StoredObject:
    """An object as it was stored; the file never changes, a later put makes another one.

    `headers` has lower-case names and holds, besides user metadata and `cache-control` and its like, what
    OSS keeps beside an object: `x-oss-object-acl`, `x-oss-tagging`, `x-oss-storage-class`.
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


@dataclass(frozen=True)
class Origin:
    """Which request changes something, and from where."""

    request_id: str = ""
    source_ip: str = "127.0.0.1"


@dataclass(frozen=True)
class ObjectEvent:
    """Something happened to an object. `delta` is the new size less the old one."""

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
class Listing:
    """One page of a bucket. `next_after` continues it, and is "" on the last page."""

    objects: list[StoredObject] = field(default_factory=list)
    prefixes: list[str] = field(default_factory=list)
    next_after: str = ""


def check_bucket_name(name: str) -> None:
    """Refuse a name that no bucket can have."""
    if not BUCKET_NAME.fullmatch(name):
        text = "The specified bucket is not valid: 3 to 63 of a-z, 0-9 and -, with no - at either end."
        raise ServiceError(400, "InvalidBucketName", text, BucketName=name)


def check_key(key: str) -> None:
    """Refuse a key that no object can have."""
    try:
        size = len(key.encode("utf-8"))
    except UnicodeEncodeError:
        size = 0
    if not 1 <= size <= MAX_KEY_BYTES or key[0] in "/\\":
        text = f"The specified object is not valid: 1 to {MAX_KEY_BYTES} bytes of UTF-8, no / or \\ first."
        raise ServiceError(400, "InvalidObjectName", text, ObjectName=key)


def no_such_bucket(name: str) -> ServiceError:
    """Say that a bucket does not exist."""
    return ServiceError(
        404, "NoSuchBucket", "The specified bucket does not exist.", ec="0015-00000101", BucketName=name
    )


def no_such_key(key: str) -> ServiceError:
    """Say that an object does not exist."""
    return ServiceError(404, "NoSuchKey", "The specified key does not exist.", ec="0026-00000001", Key=key)


def already_exists(key: str, ec: str = "") -> ServiceError:
    """Say that a create-once write came second."""
    text = "The object you specified already exists and can not be overwritten."
    return ServiceError(409, "FileAlreadyExists", text, ec=ec, ObjectName=key)
