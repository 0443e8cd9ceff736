"""The OSS actions on one object's bytes: get, head, put, copy, append, delete. One function per action."""

from collections.abc import Mapping

from localyun.errors import ServiceError
from localyun.http import FileRange, HttpResponse
from localyun.oss.conditions import byte_range, check_conditions, http_date
from localyun.oss.http.request import Request, copy_source
from localyun.oss.http.xml import iso, leaf, xml_reply
from localyun.oss.service import StoredObject

HIDDEN = frozenset(("x-oss-tagging", "x-oss-object-acl", "x-oss-storage-class"))
MAX_POSITION = 5 * 1024**3
AT_ONCE_BYTES = 1 << 16  # a small object leaves in one write, together with its headers


def get_object(request: Request) -> HttpResponse:
    """Answer GetObject: all of an object, or a range of it."""
    found = found_object(request)
    check_conditions(found, request.headers)
    headers = {**object_headers(found), **_overrides(request)}
    part = byte_range(found.size, request.headers)
    if part is None:
        return HttpResponse(200, _content(found, 0, found.size), headers)
    first, last = part
    headers["Content-Range"] = f"bytes {first}-{last}/{found.size}"
    return HttpResponse(206, _content(found, first, last - first + 1), headers)


def head_object(request: Request) -> HttpResponse:
    """Answer HeadObject: what GetObject would say, without the bytes."""
    found = found_object(request)
    check_conditions(found, request.headers)
    return HttpResponse(200, b"", {**object_headers(found), "Content-Length": str(found.size)})


def get_object_meta(request: Request) -> HttpResponse:
    """Answer GetObjectMeta: size, ETag and time only."""
    found = found_object(request)
    brief = {name: object_headers(found)[name] for name in ("ETag", "Last-Modified", "x-oss-hash-crc64ecma")}
    return HttpResponse(200, b"", {**brief, **version_header(found), "Content-Length": str(found.size)})


def put_object(request: Request) -> HttpResponse:
    """Answer PutObject; an `x-oss-copy-source` makes it CopyObject."""
    if "x-oss-copy-source" in request.headers:
        return copy_object(request)
    request.check_md5()
    new = request.objects.put(
        request.bucket,
        request.key,
        request.call.body,
        content_type=request.content_type,
        headers=request.kept_headers(),
        once=request.once,
        request_id=request.request_id,
        source_ip=request.call.client,
    )
    return HttpResponse(200, b"", stored_headers(new))


def copy_object(request: Request) -> HttpResponse:
    """Answer CopyObject: the source's metadata, or the request's with the directive REPLACE."""
    bucket, key = copy_source(request.headers["x-oss-copy-source"])
    request.require("oss:GetObject", bucket, key)
    source = request.objects.head(bucket, key)
    check_conditions(source, request.headers, prefix="x-oss-copy-source-")
    replaced = _directive(request, "x-oss-metadata-directive") == "REPLACE"
    new = request.objects.copy(
        source,
        request.bucket,
        request.key,
        content_type=request.content_type if replaced else source.content_type,
        headers=_copied_headers(request, source, replaced=replaced),
        once=request.once,
        origin=request.origin,
    )
    more = {"ETag": f'"{new.etag}"', "x_oss_hash_crc64ecma": str(new.crc64), "x_oss_version_id": new.version_id}
    return xml_reply(
        "CopyObjectResult", leaf("ETag", f'"{new.etag}"'), leaf("LastModified", iso(new.last_modified)), **more
    )


def append_object(request: Request) -> HttpResponse:
    """Answer AppendObject: more bytes at the end of an appendable object; only the first may bring metadata."""
    request.check_md5()
    position = request.number("position", 0, MAX_POSITION)
    new = request.objects.append(
        request.bucket,
        request.key,
        request.call.body,
        position,
        content_type=request.content_type,
        headers={} if position else request.kept_headers(),
        once=request.once,
        origin=request.origin,
    )
    return HttpResponse(200, b"", {**stored_headers(new), "x-oss-next-append-position": str(new.size)})


def delete_object(request: Request) -> HttpResponse:
    """Answer DeleteObject: 204 whether it was there or not."""
    version = request.objects.delete(request.bucket, request.key, origin=request.origin)
    marker = {"x-oss-delete-marker": "true", "x-oss-version-id": version} if version else {}
    return HttpResponse(204, b"", marker)


def found_object(request: Request) -> StoredObject:
    """Return the object that a request addresses, in the version that it wants; only the newest is kept."""
    found = request.objects.head(request.bucket, request.key)
    wanted = request.query.get("versionId")
    if wanted and wanted != (found.version_id or "null"):
        text = f"The specified version does not exist: only the newest, {found.version_id or 'null'}, is kept here."
        raise ServiceError(404, "NoSuchVersion", text, Key=found.key, VersionId=wanted)
    return found


def object_headers(found: StoredObject) -> dict[str, str]:
    """Return what GET and HEAD say about an object."""
    headers = {
        "Content-Type": found.content_type,
        "ETag": f'"{found.etag}"',
        "Last-Modified": http_date(found.last_modified),
        "Accept-Ranges": "bytes",
        "x-oss-object-type": found.kind,
        "x-oss-hash-crc64ecma": str(found.crc64),
        "x-oss-storage-class": found.headers.get("x-oss-storage-class", "Standard"),
        **version_header(found),
        **{name: value for name, value in found.headers.items() if name not in HIDDEN},
    }
    if tags := found.headers.get("x-oss-tagging"):
        headers["x-oss-tagging-count"] = str(len(tags.split("&")))
    if found.kind == "Appendable":
        headers["x-oss-next-append-position"] = str(found.size)
    return headers


def stored_headers(new: StoredObject) -> dict[str, str]:
    """Return what an upload answers."""
    return {"ETag": f'"{new.etag}"', "x-oss-hash-crc64ecma": str(new.crc64), **version_header(new)}


def version_header(found: StoredObject) -> Mapping[str, str]:
    """Return the version header that objects of versioned buckets have."""
    return {"x-oss-version-id": found.version_id} if found.version_id else {}


def _content(found: StoredObject, start: int, length: int) -> bytes | FileRange:
    """Return a range of an object, as bytes if it is small."""
    part = FileRange(found.file, start, length)
    return b"".join(part.chunks()) if length <= AT_ONCE_BYTES else part


def _overrides(request: Request) -> dict[str, str]:
    """Return the headers that `response-…` parameters set."""
    names = ("content-type", "content-language", "expires", "cache-control", "content-disposition", "content-encoding")
    wanted = {name: request.query.get(f"response-{name}") for name in names}
    return {("Content-Type" if name == "content-type" else name): value for name, value in wanted.items() if value}


def _copied_headers(request: Request, source: StoredObject, *, replaced: bool) -> dict[str, str]:
    """Return the metadata of a copy; tags have a directive of their own, an ACL is never copied."""
    own = request.kept_headers()
    headers = dict(own if replaced else source.headers)
    for name in HIDDEN:
        headers.pop(name, None)
    headers |= {name: own[name] for name in ("x-oss-object-acl", "x-oss-storage-class") if name in own}
    tags = own if _directive(request, "x-oss-tagging-directive") == "REPLACE" else source.headers
    return headers | ({"x-oss-tagging": tags["x-oss-tagging"]} if tags.get("x-oss-tagging") else {})


def _directive(request: Request, name: str) -> str:
    """Return COPY or REPLACE, or refuse anything else."""
    value = request.headers.get(name, "COPY").upper()
    if value not in {"COPY", "REPLACE"}:
        text = f"The {name} must be COPY or REPLACE, not {value!r}."
        raise ServiceError(400, "InvalidArgument", text, ArgumentName=name, ArgumentValue=value)
    return value
