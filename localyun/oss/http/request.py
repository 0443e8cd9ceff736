"""An OSS request, addressed and named: which bucket, which key, for whom. All actions read it; it knows none."""

import base64
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol
from urllib.parse import unquote, unquote_to_bytes

from localyun.clock import CloudClock
from localyun.errors import ServiceError
from localyun.http import CHUNK_BYTES, HttpRequest
from localyun.oss.service import ObjectService, Origin
from localyun.oss.tags import read_tags
from localyun.ram.credentials import Credential

Allow = Callable[[Credential, str, str, str], bool]
# A host with one label before a name that we know addresses the bucket; every other host is path-style.
VIRTUAL_HOST = re.compile(r"([a-z0-9][a-z0-9-]+)\.(localhost|oss-[a-z0-9-]+\.aliyuncs\.com)(:\d+)?")
KEPT_HEADERS = frozenset(("cache-control", "content-disposition", "content-encoding", "content-language", "expires"))
KEPT_OSS_HEADERS = frozenset(("x-oss-tagging", "x-oss-object-acl", "x-oss-storage-class"))


class Accepted(Protocol):
    """What a task service answers to a submission."""

    @property
    def event_id(self) -> str:
        """The id of the event that will tell of the end."""
        ...

    @property
    def request_id(self) -> str:
        """The task service's own request id."""
        ...

    @property
    def task_id(self) -> str:
        """The task."""
        ...


class Tasks(Protocol):
    """What the face needs of a media task service."""

    def submit_process(self, bucket: str, key: str, process: str) -> Accepted:
        """Accept a process string for an object, or refuse."""
        ...

    def info(self, bucket: str, key: str) -> Mapping[str, object]:
        """Describe the audio in an object, or refuse."""
        ...


@dataclass(frozen=True)
class Services:
    """What the actions work with."""

    objects: ObjectService
    tasks: Tasks
    clock: CloudClock
    region: str
    allow: Allow


@dataclass(frozen=True)
class Request:
    """One OSS request. `bucket` and `key` are decoded, and "" where the request names none."""

    call: HttpRequest
    bucket: str
    key: str
    request_id: str
    services: Services
    credential: Credential | None = None

    @cached_property
    def query(self) -> dict[str, str]:
        """The query parameters, decoded."""
        return self.call.query

    @property
    def method(self) -> str:
        """The HTTP verb."""
        return self.call.method

    @property
    def headers(self) -> Mapping[str, str]:
        """The request headers, by lower-case names."""
        return self.call.headers

    @property
    def objects(self) -> ObjectService:
        """The object store."""
        return self.services.objects

    @property
    def origin(self) -> Origin:
        """What events say about where a change came from."""
        return Origin(self.request_id, self.call.client)

    @property
    def once(self) -> bool:
        """Whether the request forbids to overwrite."""
        return self.headers.get("x-oss-forbid-overwrite", "").lower() == "true"

    @property
    def content_type(self) -> str:
        """The content type that an upload declares."""
        return self.headers.get("content-type", "") or "application/octet-stream"

    def kept_headers(self) -> dict[str, str]:
        """Return what an upload wants kept beside the object, or refuse its tags."""
        read_tags(self.headers.get("x-oss-tagging", ""))
        return {name: value for name, value in self.headers.items() if _is_kept(name)}

    def number(self, name: str, default: int, most: int, least: int = 0) -> int:
        """Return a numeric parameter, or refuse one that is out of bounds."""
        text = self.query.get(name) or str(default)
        if not text.isascii() or not text.isdecimal() or not least <= int(text) <= most:
            message = f"The {name} must be an integer between {least} and {most}, not {text!r}."
            raise ServiceError(400, "InvalidArgument", message, ArgumentName=name, ArgumentValue=text)
        return int(text)

    def require(self, action: str, bucket: str, key: str = "") -> None:
        """Refuse unless whoever calls may do `action`, such as "oss:GetObject", there."""
        credential = self.credential
        if credential is not None and not self.services.allow(credential, action, bucket, key):
            text = f"You have no right to access this object: {credential.principal} lacks {action} on {bucket}/{key}."
            raise ServiceError(403, "AccessDenied", text, ec="0003-00000001")

    def check_md5(self) -> None:
        """Refuse a body that is not the one its Content-MD5 was computed of."""
        if claimed := self.headers.get("content-md5"):
            digest = hashlib.md5(usedforsecurity=False)
            self.call.body.seek(0)
            while chunk := self.call.body.read(CHUNK_BYTES):
                digest.update(chunk)
            self.call.body.seek(0)
            if _base64(claimed) != digest.digest():
                text = "The Content-MD5 you specified is not that of the body: send the Base64 of its MD5."
                raise ServiceError(400, "InvalidDigest", text, **{"Content-MD5": claimed})


def locate(call: HttpRequest) -> tuple[str, str]:
    """Return the bucket and the key that a request addresses, by host or by path; the raw path is decoded once."""
    host = VIRTUAL_HOST.fullmatch(call.headers.get("host", ""))
    path = call.raw_path.removeprefix("/")
    if host and host[1] != "oss":
        return host[1], _decoded(path)
    bucket, _, key = path.partition("/")
    return unquote(bucket), _decoded(key)


def copy_source(header: str) -> tuple[str, str]:
    """Return bucket and key of an `x-oss-copy-source`, where a plus sign is a space.

    The Go client writes it so (aliyun-oss-go-sdk 3.0.2: bucket.go), and OSS does not find a key whose plus sign is
    sent as it stands (aliyun-oss-ruby-sdk, issue 98).
    """
    bucket, _, key = header.split("?versionId=", maxsplit=1)[0].removeprefix("/").partition("/")
    if not bucket or not key:
        text = f"The x-oss-copy-source must be /bucket/key, percent-encoded, not {header!r}."
        raise ServiceError(400, "InvalidArgument", text, ArgumentName="x-oss-copy-source", ArgumentValue=header)
    return unquote(bucket), _decoded(key.replace("+", " "))


def not_implemented(what: str) -> ServiceError:
    """Say that the local cloud lacks something that OSS has."""
    text = f"The local cloud does not implement {what}. Try it against OSS itself."
    return ServiceError(501, "NotImplemented", text)


def _decoded(quoted: str) -> str:
    try:
        return unquote_to_bytes(quoted).decode()
    except UnicodeDecodeError:
        text = f"The specified object is not valid: {quoted!r} is not percent-encoded UTF-8."
        raise ServiceError(400, "InvalidObjectName", text, ObjectName=quoted) from None


def _is_kept(name: str) -> bool:
    return name.startswith("x-oss-meta-") or name in KEPT_HEADERS or name in KEPT_OSS_HEADERS


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return b""
