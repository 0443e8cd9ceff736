"""One OSS request: its bucket, key and credential. All actions use it; it knows none of them."""

import base64
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol
from urllib.parse import quote, unquote, unquote_to_bytes

from localyun.endpoint import Endpoint
from localyun.errors import ServiceError
from localyun.http import CHUNK_BYTES, HttpRequest
from localyun.oss.expiry import Expiry
from localyun.oss.http.upload_headers import OBJECT_ACLS, default_headers, retention_headers, stored_headers
from localyun.oss.http.xml import printable
from localyun.oss.service import ObjectService
from localyun.oss.values import DEFAULTS, AcceptedTask, Origin, WriteOptions, invalid_argument
from localyun.ram.credentials import Credential

# A host with one label before a known name addresses the bucket; every other host is path-style.
VIRTUAL_HOST = re.compile(r"([a-z0-9][a-z0-9-]+)\.(localhost|oss-[a-z0-9-]+\.aliyuncs\.com)(:\d+)?")
REGIONAL_HOST = re.compile(r"(?:[a-z0-9-]+\.)?oss-([a-z0-9-]+?)(?:-internal)?\.aliyuncs\.com(?::\d+)?")
ACCELERATED = ("accelerate", "accelerate-overseas")


class TaskSubmitter(Protocol):
    """The media task service."""

    def submit_process(
        self, bucket: str, key: str, process: str, check_target: Callable[[str, str], None]
    ) -> AcceptedTask:
        """Submit a process string for an object; `check_target` receives bucket and key of what it will write.

        Raises ServiceError, also that of `check_target`.
        """

    def attachment(self, bucket: str) -> str | None:
        """Return the IMM project of a bucket, or None."""

    def info(self, bucket: str, key: str) -> Mapping[str, object]:
        """Return the audio properties of an object. Raises ServiceError."""


@dataclass(eq=False)
class OssContext(Endpoint):
    """What actions use: the services, and the check `allow(credential, "oss:GetObject", bucket, key)`."""

    objects: ObjectService
    tasks: TaskSubmitter
    region: str
    expiry: Expiry = field(init=False)

    def __post_init__(self) -> None:
        """Begin to apply lifecycle rules."""
        self.expiry = Expiry(self.objects, self.clock)


@dataclass(frozen=True)
class OssRequest:
    """One OSS request. `bucket` and `key` are decoded, and "" if the request names none."""

    http: HttpRequest
    bucket: str
    key: str
    request_id: str
    context: OssContext
    credential: Credential | None = None

    @cached_property
    def query(self) -> dict[str, str]:
        """The query parameters, decoded."""
        return self.http.query

    @property
    def headers(self) -> Mapping[str, str]:
        """The request headers, by lower-case names."""
        return self.http.headers

    @property
    def objects(self) -> ObjectService:
        """The object service."""
        return self.context.objects

    @property
    def region(self) -> str:
        """The region whose endpoint received the request; that of the local cloud, unless the host names another."""
        host = REGIONAL_HOST.fullmatch(self.headers.get("host", ""))
        return host[1] if host and host[1] not in ACCELERATED else self.context.region

    @property
    def origin(self) -> Origin:
        """The origin of the events of this request."""
        return Origin(self.request_id, self.http.client)

    @property
    def version_id(self) -> str:
        """The requested version, or "". Raises InvalidArgument for an empty one."""
        version_id = self.query.get("versionId")
        if version_id is not None and not version_id:
            raise invalid_argument("versionId", "", "The version id is empty.", ec="0012-00000201")
        return version_id or ""

    @property
    def forbid_overwrite(self) -> bool:
        """Whether the request must not overwrite an object."""
        return self.headers.get("x-oss-forbid-overwrite", "").lower() == "true"

    @property
    def encoding(self) -> str | None:
        """The encoding of keys in the response: "url" or None. Raises InvalidArgument."""
        encoding = self.query.get("encoding-type", "")
        if encoding not in {"", "url"}:
            raise invalid_argument("encoding-type", encoding, f"The encoding-type must be url, not {encoding!r}.")
        return encoding or None

    def encoded(self, key: str) -> str:
        """Return a key in the encoding of the response."""
        return quote(key, safe="") if self.encoding else printable(key)

    def write_options(self, headers: Mapping[str, str] | None = None) -> WriteOptions:
        """Return the options of an upload, with its own headers unless others are given. Raises ServiceError."""
        headers = self.stored_headers() if headers is None else headers
        content_type = self.headers.get("content-type") or DEFAULTS.content_type
        return WriteOptions(content_type, headers, self.forbid_overwrite, self.origin)

    def stored_headers(self) -> dict[str, str]:
        """Return the headers of an upload that are stored with the object. Raises ServiceError for an invalid one."""
        return {
            **default_headers(self.objects.configurations, self.bucket, self.headers),
            **retention_headers(self.objects.configurations, self.bucket, self.headers, self.context.clock.now()),
            **stored_headers(self.headers),
        }

    def number(self, name: str, default: int, most: int, least: int = 0) -> int:
        """Return a numeric parameter. Raises InvalidArgument if it is out of bounds."""
        text = self.query.get(name) or str(default)
        if not text.isascii() or not text.isdecimal() or not least <= int(text) <= most:
            message = f"The {name} must be an integer between {least} and {most}, not {text!r}."
            raise invalid_argument(name, text, message)
        return int(text)

    def one_of(self, header: str, values: tuple[str, ...], default: str, what: str) -> str:
        """Return a header that has one of some values, or the default. Raises InvalidArgument."""
        value = self.headers.get(header, default)
        if value not in values:
            text = f"The {what} must be one of {', '.join(filter(None, values))}, not {value!r}."
            raise invalid_argument(header, value, text)
        return value

    def object_acl(self, default: str) -> str:
        """Return the ACL of an object that the request sets, or the default. Raises InvalidArgument."""
        return self.one_of("x-oss-object-acl", (*OBJECT_ACLS, default), default, "object ACL")

    def require(self, action: str, *names: str) -> None:
        """Raise AccessDenied unless the credential has a permission, such as "oss:GetObject" on a bucket and a key."""
        credential = self.credential
        values = {"oss:Prefix": self.query.get("prefix", ""), "oss:Delimiter": self.query.get("delimiter", "")}
        if credential is not None and not self.context.permits(self.http, credential, action, *names, values=values):
            text = (
                f"You have no right to access this object: {credential.principal} lacks {action} on {'/'.join(names)}."
            )
            raise ServiceError(403, "AccessDenied", text, ec="0003-00000001")

    def bypasses_governance(self, key: str) -> bool:
        """Return True if the request overrides retention of the mode GOVERNANCE. Raises AccessDenied."""
        if self.headers.get("x-oss-bypass-governance-retention", "").lower() != "true":
            return False
        self.require("oss:BypassGovernanceRetention", self.bucket, key)
        return True

    def check_md5(self) -> None:
        """Raise InvalidDigest if the body does not have the MD5 of its Content-MD5 header."""
        if claimed := self.headers.get("content-md5"):
            digest = hashlib.md5(usedforsecurity=False)
            self.http.body.seek(0)
            while chunk := self.http.body.read(CHUNK_BYTES):
                digest.update(chunk)
            self.http.body.seek(0)
            if base64.b64encode(digest.digest()).decode() != claimed:
                text = "The Content-MD5 you specified is not that of the body: send the Base64 of its MD5."
                raise ServiceError(400, "InvalidDigest", text, **{"Content-MD5": claimed})


def locate(request: HttpRequest) -> tuple[str, str]:
    """Return the bucket and the key of a request, from host or path; the raw path is decoded once."""
    host = VIRTUAL_HOST.fullmatch(request.headers.get("host", ""))
    if host and host[1] != "oss":
        return host[1], path_of(request)
    bucket, _, key = request.raw_path.removeprefix("/").partition("/")
    return unquote(bucket), _decoded(key)


def path_of(request: HttpRequest) -> str:
    """Return the path of a request without its first slash, decoded once. Raises InvalidObjectName."""
    return _decoded(request.raw_path.removeprefix("/"))


def copy_source(header: str) -> tuple[str, str, str]:
    """Return bucket, key and version of an `x-oss-copy-source`, where a plus sign is a space. Raises InvalidArgument.

    The Go client encodes it this way (aliyun-oss-go-sdk 3.0.2: bucket.go), and OSS does not find a key whose plus sign
    is sent unencoded (aliyun-oss-ruby-sdk, issue 98).
    """
    path, has_version, version_id = header.partition("?versionId=")
    bucket, _, key = path.removeprefix("/").partition("/")
    if not bucket or not key:
        text = f"The x-oss-copy-source must be /bucket/key, percent-encoded, not {header!r}."
        raise invalid_argument("x-oss-copy-source", header, text)
    if has_version and not version_id:
        raise invalid_argument("x-oss-copy-source", header, "The version id is empty.", ec="0012-00000201")
    return unquote(bucket), _decoded(key.replace("+", " ")), unquote(version_id)


def not_implemented(what: str) -> ServiceError:
    """Return the error about a feature of OSS that the local cloud lacks."""
    return ServiceError(501, "NotImplemented", f"The local cloud does not implement {what}. Try it against OSS itself.")


def _decoded(quoted: str) -> str:
    try:
        return unquote_to_bytes(quoted).decode()
    except UnicodeDecodeError:
        text = f"The specified object is not valid: {quoted!r} is not percent-encoded UTF-8."
        raise ServiceError(400, "InvalidObjectName", text, ObjectName=quoted) from None
