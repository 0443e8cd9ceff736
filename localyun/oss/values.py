"""Values of the object service: buckets, objects, events, and the errors about them. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import AnyStr

from localyun.errors import ServiceError

# OSS user guide, "Object naming conventions" and "Bucket naming conventions", read 2026-11.
MAX_KEY_BYTES = 1023
NULL_VERSION = "null"  # of an object that was stored without versioning, or while it was suspended
VERSION_ID = re.compile(r"null|[0-9a-f]{32}|CAE[\w-]{61}", re.ASCII)  # ids of hex digits are from older local clouds
DELETE_MARKER = "DeleteMarker"
SYMLINK = "Symlink"
# Headers that are stored with an object, and never shown as they are.
SYMLINK_TARGET = "x-oss-symlink-target"
RESTORE_START, RESTORE_END = "x-oss-restore-start", "x-oss-restore-end"
SEQUENTIAL_MD5 = "x-oss-sequential-md5"  # of an object whose parts were uploaded one after the other
INTERNAL_HEADERS = frozenset((SYMLINK_TARGET, RESTORE_START, RESTORE_END, SEQUENTIAL_MD5))
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
    """A version of an object. Its file never changes: a later put creates another file.

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
    def version(self) -> str:
        """The version id in a bucket with versioning; "null" if it was stored without."""
        return self.version_id or NULL_VERSION

    @property
    def is_delete_marker(self) -> bool:
        """Whether this version only says that the object was deleted; its file is empty."""
        return self.kind == DELETE_MARKER

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
class Deletion:
    """What a delete did: the version it removed or the delete marker it added, "" without versioning."""

    version_id: str = ""
    is_delete_marker: bool = False


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


@dataclass(frozen=True)
class ListedVersion:
    """A version, and whether it is the newest of its object."""

    stored: StoredObject
    is_latest: bool


@dataclass(frozen=True)
class VersionListing:
    """One page of the versions in a bucket. `next_key` and `next_version` continue it; "" on the last page."""

    versions: list[ListedVersion] = field(default_factory=list)
    prefixes: list[str] = field(default_factory=list)
    next_key: str = ""
    next_version: str = ""


def seen_through(link: StoredObject, target: StoredObject) -> StoredObject:
    """Return what a reader of a symbolic link gets: the target's contents, with the link's metadata.

    OSS API reference, GetObject, read 2026-11: length, ETag and MD5 are the target's, the time is the later one.
    """
    if link == target:
        return link
    return replace(
        link,
        etag=target.etag,
        size=target.size,
        crc64=target.crc64,
        file=target.file,
        last_modified=max(link.last_modified, target.last_modified),
    )


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


def check_version(bucket: OssBucket, version_id: str) -> None:
    """Raise InvalidArgument unless a version id has the form of one; only buckets with versioning have any but null.

    Pages "0012-00000201" and "0012-00000301", read 2026-11.
    """
    if not VERSION_ID.fullmatch(version_id):
        raise invalid_argument("versionId", version_id, "The version id is not valid.", ec="0012-00000201")
    if not bucket.versioning and version_id != NULL_VERSION:
        text = "The bucket has no versioning, so that its objects have no version ids."
        raise invalid_argument("versionId", version_id, text, ec="0012-00000301")


def invalid_argument(name: str, value: str, text: str, ec: str = "") -> ServiceError:
    """Return the error InvalidArgument about a parameter or header."""
    return ServiceError(400, "InvalidArgument", text, ec=ec, ArgumentName=name, ArgumentValue=value)


def no_such_bucket(name: str) -> ServiceError:
    """Return the error NoSuchBucket."""
    text = "The specified bucket does not exist."
    return ServiceError(404, "NoSuchBucket", text, ec="0015-00000101", BucketName=name)


def no_such_key(key: str, marker: StoredObject | None = None) -> ServiceError:
    """Return the error NoSuchKey, with the delete marker of a deleted object."""
    text = "The specified key does not exist."
    return ServiceError(404, "NoSuchKey", text, ec="0026-00000001", Key=key, **marker_headers(marker))


def marker_headers(marker: StoredObject | None) -> dict[str, str]:
    """Return the headers of an answer about a delete marker."""
    return {"x-oss-delete-marker": "true", "x-oss-version-id": marker.version} if marker else {}


def no_such_version(key: str, version_id: str) -> ServiceError:
    """Return the error NoSuchVersion."""
    text = "The specified version does not exist."
    return ServiceError(404, "NoSuchVersion", text, ec="0026-00000001", Key=key, VersionId=version_id)


def already_exists(key: str, ec: str = "") -> ServiceError:
    """Return the error FileAlreadyExists, of a write that forbids overwriting."""
    text = "The object you specified already exists and can not be overwritten."
    return ServiceError(409, "FileAlreadyExists", text, ec=ec, ObjectName=key)
