"""The OSS actions on one object's bytes: get, head, put, copy, append, delete. One function per action."""

from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import replace

from localyun.errors import ServiceError
from localyun.http import FileRange, HttpResponse
from localyun.oss.archive import restore_state
from localyun.oss.http.conditions import byte_range, check_conditions, http_date
from localyun.oss.http.request import OssRequest, copy_source, not_implemented
from localyun.oss.http.upload_headers import ENCRYPTION_HEADERS, OSS_HEADERS
from localyun.oss.http.xml import iso, leaves, xml_response
from localyun.oss.multipart import UploadPart
from localyun.oss.object_worm import HEADERS as WORM_HEADERS
from localyun.oss.service import StoredObject
from localyun.oss.values import INTERNAL_HEADERS, SEQUENTIAL_MD5, invalid_argument

GZIP_LEAST_BYTES = 1024
GZIPPED_TYPES = (
    *("text/cache-manifest", "text/xml", "text/plain", "text/css", "text/json", "application/json"),
    *("application/javascript", "application/x-javascript", "application/rss+xml"),
)
MD5_DIGITS = 32
CLIENT_ENCRYPTION = "x-oss-meta-client-side-encryption-"
MAX_POSITION = 5 * 1024**3
IN_MEMORY_BYTES = 1 << 16  # a small object is sent in one write, together with its headers


def get_object(request: OssRequest) -> HttpResponse:
    """Answer GetObject, of a whole object or a range of it."""
    found = request.objects.read(request.bucket, request.key, request.version_id)
    check_conditions(found, request.headers)
    headers = {**object_headers(found), **_restore_of(request, found), **_md5_of(found), **_overrides(request)}
    part = byte_range(found.size, request.headers)
    if part is None and _is_gzipped(found, request):
        return HttpResponse(200, FileRange(found.file, 0, found.size, gzipped=True), _gzipped(headers))
    if part is None:
        return HttpResponse(200, _content(found, 0, found.size), headers)
    first, last = part
    headers["Content-Range"] = f"bytes {first}-{last}/{found.size}"
    return HttpResponse(206, _content(found, first, last - first + 1), headers)


def head_object(request: OssRequest) -> HttpResponse:
    """Answer HeadObject: the headers of GetObject."""
    found = request.objects.look(request.bucket, request.key, request.version_id)
    check_conditions(found, request.headers)
    headers = {**object_headers(found), **_restore_of(request, found), **_md5_of(found)}
    return HttpResponse(200, b"", {**headers, "Content-Length": str(found.size)})


def get_object_meta(request: OssRequest) -> HttpResponse:
    """Answer GetObjectMeta: size, ETag, time and checksum only."""
    found = request.objects.look(request.bucket, request.key, request.version_id)
    time = {"Last-Modified": http_date(found.last_modified), "Content-Length": str(found.size)}
    return HttpResponse(200, b"", {**etag_headers(found), **time})


def put_object(request: OssRequest) -> HttpResponse:
    """Answer PutObject, or with `x-oss-copy-source` CopyObject."""
    if given := [name for name in request.headers if name.startswith("if-")]:  # the Go SDK 3.0.2 tests it
        raise not_implemented(f"the header {given[0]!r} with PUT; OSS does not either")
    if "x-oss-copy-source" in request.headers:
        return copy_object(request)
    request.check_md5()
    new = request.objects.put(request.bucket, request.key, request.http.body, request.write_options())
    return HttpResponse(200, b"", etag_headers(new) | md5_header(new.etag))


def copy_object(request: OssRequest) -> HttpResponse:
    """Answer CopyObject: with the source's metadata, or the request's if the directive is REPLACE."""
    source = copied_object(request, request.objects.read_unfollowed)
    replaced = _directive(request, "x-oss-metadata-directive") == "REPLACE"
    options = request.write_options(_copied_headers(request, source, replaced=replaced))
    if not replaced or "content-type" not in request.headers:
        options = replace(options, content_type=source.content_type)
    new = request.objects.copy(source, request.bucket, request.key, options)
    content = leaves(ETag=f'"{new.etag}"', LastModified=iso(new.last_modified))
    return xml_response("CopyObjectResult", content, **copied_version(source), **etag_headers(new))


def append_object(request: OssRequest) -> HttpResponse:
    """Answer AppendObject; only the first request of an object sets its metadata, each may set its ACL."""
    request.check_md5()
    position = request.number("position", 0, MAX_POSITION)
    acl = {"x-oss-object-acl": value} if (value := request.object_acl("")) else {}
    options = request.write_options(acl if position else None)
    new = request.objects.append(request.bucket, request.key, request.http.body, position, options)
    return HttpResponse(200, b"", {**etag_headers(new), "x-oss-next-append-position": str(new.size)})


def seal_object(_request: OssRequest) -> HttpResponse:
    """Answer SealAppendObject as regions without it do (integration tests of the vendor's Go SDK 2, read 2026-12)."""
    text = "SealAppendable is not supported."
    raise ServiceError(400, "OperationNotSupported", text, ec="0016-00000513")


def delete_object(request: OssRequest) -> HttpResponse:
    """Answer DeleteObject: 204 whether the object exists or not."""
    done = request.objects.delete(
        request.bucket,
        request.key,
        request.version_id,
        origin=request.origin,
        bypass_governance=request.bypasses_governance(request.key),
    )
    marker = {"x-oss-delete-marker": "true"} if done.is_delete_marker else {}
    shown = done.version_id and request.objects.bucket(request.bucket).versioning
    return HttpResponse(204, b"", marker | ({"x-oss-version-id": done.version_id} if shown else {}))


def found_object(request: OssRequest) -> StoredObject:
    """Return the requested version of the object of a request."""
    return request.objects.head(request.bucket, request.key, request.version_id)


def copied_object(request: OssRequest, find: Callable[[str, str, str], StoredObject]) -> StoredObject:
    """Find and return the object that `x-oss-copy-source` names. Raises ServiceError if a condition fails."""
    bucket, key, version_id = copy_source(request.headers["x-oss-copy-source"])
    request.require("oss:GetObjectVersion" if version_id else "oss:GetObject", bucket, key)
    source = find(bucket, key, version_id)
    check_conditions(source, request.headers, prefix="x-oss-copy-source-")
    return source


def copied_version(source: StoredObject) -> dict[str, str]:
    """Return the header with the version that was copied, if there is one."""
    return {"x-oss-copy-source-version-id": source.version_id} if source.version_id else {}


def etag_headers(stored: StoredObject | UploadPart) -> dict[str, str]:
    """Return the headers with ETag, CRC-64, the encryption, and in a versioned bucket the version."""
    headers = {"ETag": f'"{stored.etag}"', "x-oss-hash-crc64ecma": str(stored.crc64)}
    if isinstance(stored, StoredObject):
        headers |= encryption_headers(stored.headers) | version_headers(stored)
    return headers


def version_headers(stored: StoredObject) -> dict[str, str]:
    """Return the header with the version, if there is one."""
    return {"x-oss-version-id": stored.version_id} if stored.version_id else {}


def encryption_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return those headers that name the encryption."""
    return {name: headers[name] for name in ENCRYPTION_HEADERS if name in headers}


def md5_header(etag: str) -> dict[str, str]:
    """Return the header Content-MD5 for an ETag that is an MD5."""
    return {"Content-MD5": b64encode(bytes.fromhex(etag)).decode()} if len(etag) == MD5_DIGITS else {}


def object_headers(found: StoredObject) -> dict[str, str]:
    """Return the headers of GET and HEAD, and of `audio/info`."""
    headers = {
        "Content-Type": found.content_type,
        "Last-Modified": http_date(found.last_modified),
        "Accept-Ranges": "bytes",
        "x-oss-object-type": found.kind,
        "x-oss-storage-class": found.storage_class,
        **etag_headers(found),
        **{name: value for name, value in found.headers.items() if name not in OSS_HEADERS | INTERNAL_HEADERS},
    }
    if tags := found.headers.get("x-oss-tagging"):
        headers["x-oss-tagging-count"] = str(len(tags.split("&")))
    if found.kind == "Appendable":
        headers["x-oss-next-append-position"] = str(found.size)
    return headers


def _restore_of(request: OssRequest, found: StoredObject) -> dict[str, str]:
    """Return the header about the restore of an archived object."""
    state = restore_state(found, request.context.clock.now())
    return {"x-oss-restore": state} if state else {}


def _md5_of(found: StoredObject) -> dict[str, str]:
    """Return the header Content-MD5 of an object; one that was appended to, or made of unordered parts, has none."""
    return md5_header(found.etag if found.kind == "Normal" else found.headers.get(SEQUENTIAL_MD5, ""))


def _is_gzipped(found: StoredObject, request: OssRequest) -> bool:
    """Return True if the client accepts gzip, and OSS compresses objects of this size and type.

    Source: OSS API reference, GetObject, read 2026-11.
    """
    accepted = {name.strip().lower() for name in request.headers.get("accept-encoding", "").split(",")}
    content_type = found.content_type.partition(";")[0].strip().lower()
    compressible = found.size >= GZIP_LEAST_BYTES and content_type in GZIPPED_TYPES
    return "gzip" in accepted and compressible and "content-encoding" not in found.headers


def _gzipped(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of a compressed response: without the checksums of the object, and without ranges."""
    dropped = ("ETag", "Content-MD5", "Accept-Ranges")
    return {name: value for name, value in headers.items() if name not in dropped} | {"Content-Encoding": "gzip"}


def _content(found: StoredObject, start: int, length: int) -> bytes | FileRange:
    """Return a range of an object, as bytes if it is small."""
    part = FileRange(found.file, start, length)
    return b"".join(part.chunks()) if length <= IN_MEMORY_BYTES else part


def _overrides(request: OssRequest) -> dict[str, str]:
    """Return the headers that `response-…` parameters set."""
    names = ("Content-Type", "content-language", "expires", "cache-control", "content-disposition", "content-encoding")
    values = {name: request.query.get(f"response-{name.lower()}") for name in names}
    return {name: value for name, value in values.items() if value}


def _copied_headers(request: OssRequest, source: StoredObject, *, replaced: bool) -> Mapping[str, str]:
    """Return the metadata of a copy; tags have their own directive, ACL, class and encryption are never copied.

    How the client encrypted the contents is always kept, as the vendor's tests have it (Python SDK 2.0, TestCopier).
    """
    own = request.stored_headers()
    kept = {name: value for name, value in source.headers.items() if name.startswith(CLIENT_ENCRYPTION)}
    own_only = OSS_HEADERS.union(ENCRYPTION_HEADERS, INTERNAL_HEADERS, WORM_HEADERS)
    given = kept | own if replaced else source.headers
    headers = {name: value for name, value in given.items() if name not in own_only}
    headers |= {name: own[name] for name in own_only - {"x-oss-tagging"} if name in own}
    tags = own if _directive(request, "x-oss-tagging-directive") == "REPLACE" else source.headers
    return headers | ({"x-oss-tagging": tags["x-oss-tagging"]} if tags.get("x-oss-tagging") else {})


def _directive(request: OssRequest, name: str) -> str:
    """Return COPY or REPLACE. Raises InvalidArgument."""
    value = request.headers.get(name, "COPY").upper()
    if value not in {"COPY", "REPLACE"}:
        raise invalid_argument(name, value, f"The {name} must be COPY or REPLACE, not {value!r}.")
    return value
