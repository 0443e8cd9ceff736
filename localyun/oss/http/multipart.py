"""The OSS actions of multipart uploads. One function per action."""

from localyun.errors import ServiceError
from localyun.http import FileRange, HttpResponse
from localyun.oss.http.conditions import byte_range
from localyun.oss.http.objects import copied_object, copied_version, encryption_headers, etag_headers, md5_header
from localyun.oss.http.request import OssRequest
from localyun.oss.http.upload_headers import ENCRYPTION_HEADERS
from localyun.oss.http.xml import element, iso, leaf, leaves, malformed, parse, xml_response
from localyun.oss.multipart import (
    MAX_PART_NUMBER,
    NO_UPLOAD_COPY_EC,
    NO_UPLOAD_EC,
    NO_UPLOAD_PART_EC,
    Upload,
    UploadPart,
)
from localyun.oss.values import SEQUENTIAL_MD5, common_prefix, invalid_argument

MAX_PAGE = 1000
# Of ListParts, as the vendor's Python SDKs read them, 2026-11.
CLIENT_ENCRYPTION = {
    "Key": "key",
    "Start": "start",
    "CekAlg": "cek-alg",
    "WrapAlg": "wrap-alg",
    "DataSize": "data-size",
    "PartSize": "part-size",
}


def initiate_upload(request: OssRequest) -> HttpResponse:
    """Answer InitiateMultipartUpload; with `sequential`, the object gets a Content-MD5 (Go SDK 3.0.2, read 2026-12)."""
    md5 = {SEQUENTIAL_MD5: ""} if "sequential" in request.query else {}
    options = request.write_options(request.stored_headers() | md5)
    upload = request.objects.uploads.begin(request.bucket, request.key, options)
    address = _address(request, UploadId=upload.upload_id)
    return xml_response("InitiateMultipartUploadResult", address, **encryption_headers(upload.headers))


def upload_part(request: OssRequest) -> HttpResponse:
    """Answer UploadPart, or with `x-oss-copy-source` UploadPartCopy."""
    if "x-oss-copy-source" in request.headers:
        return upload_part_copy(request)
    _check_no_encryption(request)
    request.check_md5()
    number, upload = _number(request), _upload(request, ec=NO_UPLOAD_PART_EC)
    part = request.objects.uploads.add(upload, number, request.http.body, origin=request.origin)
    return HttpResponse(200, b"", etag_headers(part) | md5_header(part.etag) | encryption_headers(upload.headers))


def upload_part_copy(request: OssRequest) -> HttpResponse:
    """Answer UploadPartCopy: the part is a range of another object."""
    source = copied_object(request, request.objects.read)
    header = request.headers.get("x-oss-copy-source-range")
    first, last = byte_range(source.size, {"range": header} if header else {}) or (0, source.size - 1)
    number, upload = _number(request), _upload(request, ec=NO_UPLOAD_COPY_EC)
    chunks = FileRange(source.file, first, last - first + 1).chunks()
    part = request.objects.uploads.add(upload, number, chunks, event="UploadPartCopy", origin=request.origin)
    content = leaves(LastModified=iso(part.last_modified), ETag=f'"{part.etag}"')
    return xml_response("CopyPartResult", content, **copied_version(source), ETag=f'"{part.etag}"')


def complete_upload(request: OssRequest) -> HttpResponse:
    """Answer CompleteMultipartUpload, with the listed parts, or with all if `x-oss-complete-all` is `yes`."""
    _check_no_encryption(request)
    upload = _upload(request)
    new = request.objects.uploads.complete(
        upload,
        _wanted_parts(request),
        acl=request.object_acl(""),
        forbid_overwrite=request.forbid_overwrite,
        origin=request.origin,
    )
    location = leaf("Location", f"http://{request.headers.get('host', '')}{request.http.raw_path}")
    address = _address(request, ETag=f'"{new.etag}"')
    return xml_response("CompleteMultipartUploadResult", location, address, **etag_headers(new))


def _check_no_encryption(request: OssRequest) -> None:
    """Raise InvalidArgument for an encryption, which only the beginning of an upload can have."""
    if given := [name for name in ENCRYPTION_HEADERS if name in request.headers]:
        text = "The upload has an encryption for all of its parts; a part cannot have another one."
        raise invalid_argument(given[0], request.headers[given[0]], text)


def abort_upload(request: OssRequest) -> HttpResponse:
    """Answer AbortMultipartUpload."""
    request.objects.uploads.abort(_upload(request), request.origin)
    return HttpResponse(204)


def list_parts(request: OssRequest) -> HttpResponse:
    """Answer ListParts."""
    upload = _upload(request)
    after = request.number("part-number-marker", 0, MAX_PART_NUMBER)
    limit = request.number("max-parts", MAX_PAGE, MAX_PAGE, least=1)
    parts = [part for part in request.objects.uploads.parts(upload) if part.number > after]
    page = parts[:limit]
    paging = _address(
        request,
        UploadId=upload.upload_id,
        StorageClass=upload.headers.get("x-oss-storage-class", "Standard"),
        PartNumberMarker=after,
        NextPartNumberMarker=page[-1].number if page else after,
        MaxParts=limit,
        IsTruncated=len(parts) > limit,
        **_client_encryption(upload),
    )
    return xml_response("ListPartsResult", paging, *map(_part, page))


def list_uploads(request: OssRequest) -> HttpResponse:
    """Answer ListMultipartUploads."""
    query, encoding, encoded = request.query, request.encoding, request.encoded
    limit = request.number("max-uploads", MAX_PAGE, MAX_PAGE, least=1)
    key_marker, id_marker = query.get("key-marker", ""), query.get("upload-id-marker", "")
    found = _uploads_after(request, key_marker, id_marker)
    page, truncated = list(found.items())[:limit], len(found) > limit
    (next_key, next_id) = page[-1][0] if page else ("", "")
    paging = leaves(
        Bucket=request.bucket,
        EncodingType=encoding,
        KeyMarker=encoded(key_marker),
        UploadIdMarker=id_marker,
        NextKeyMarker=encoded(next_key),
        NextUploadIdMarker=next_id,
        Delimiter=encoded(query.get("delimiter", "")),
        Prefix=encoded(query.get("prefix", "")),
        MaxUploads=limit,
        IsTruncated=truncated,
    )
    uploads = (element("Upload", _properties(request, upload)) for _, upload in page if upload)
    prefixes = (
        element("CommonPrefixes", leaf("Prefix", encoded(prefix))) for (prefix, _), upload in page if not upload
    )
    return xml_response("ListMultipartUploadsResult", paging, *uploads, *prefixes)


def _upload(request: OssRequest, ec: str = NO_UPLOAD_EC) -> Upload:
    return request.objects.uploads.get(request.bucket, request.key, request.query["uploadId"], ec=ec)


def _wanted_parts(request: OssRequest) -> list[tuple[int, str]] | None:
    """Return the listed parts, or None if `x-oss-complete-all` requests all."""
    body, all_parts = request.http.read(), request.headers.get("x-oss-complete-all")
    if all_parts is None:
        return _part_list(body)
    if all_parts.lower() != "yes":
        raise invalid_argument("x-oss-complete-all", all_parts, "The x-oss-complete-all must be yes, or be left out.")
    if body:  # the text as the tests of the vendor's Go SDK 2 have it, read 2026-11
        text = "Should not speficy both complete all header and http body."
        raise ServiceError(400, "InvalidArgument", text, ec="0042-00000216")
    return None


def _number(request: OssRequest) -> int:
    return request.number("partNumber", 0, MAX_PART_NUMBER, least=1)


def _address(request: OssRequest, **values: object) -> str:
    """Return the elements of bucket and key, and further ones."""
    key = request.encoded(request.key)
    return leaves(EncodingType=request.encoding, Bucket=request.bucket, Key=key, **values)


def _part_list(body: bytes) -> list[tuple[int, str]]:
    """Return the numbers and ETags of the parts of a request."""
    found = []
    for node in parse(body, "CompleteMultipartUpload").findall("Part"):
        number, etag = (node.findtext("PartNumber") or "").strip(), (node.findtext("ETag") or "").strip()
        if not number.isdecimal() or not etag:
            raise malformed("CompleteMultipartUpload", "a Part lacks a PartNumber or an ETag")
        found.append((int(number), etag))
    return found


def _client_encryption(upload: Upload) -> dict[str, str]:
    """Return the elements of what clients that encrypt have stored as metadata; they read it when they resume."""
    metas = {tag: f"x-oss-meta-client-side-encryption-{name}" for tag, name in CLIENT_ENCRYPTION.items()}
    return {f"ClientEncryption{tag}": upload.headers[meta] for tag, meta in metas.items() if meta in upload.headers}


def _part(part: UploadPart) -> str:
    content = leaves(
        PartNumber=part.number,
        LastModified=iso(part.last_modified),
        ETag=f'"{part.etag}"',
        HashCrc64ecma=part.crc64,
        Size=part.size,
    )
    return element("Part", content)


def _uploads_after(request: OssRequest, key: str, upload_id: str) -> dict[tuple[str, str], Upload | None]:
    """Return the matching uploads after a marker, by key and id; a common prefix has the id "" and the value None.

    A marker without an id follows all uploads of its key.
    """
    prefix, delimiter = request.query.get("prefix", ""), request.query.get("delimiter", "")
    marker = (key.encode(), upload_id or "~") if key else (b"", "")
    found: dict[tuple[str, str], Upload | None] = {}
    for upload in request.objects.uploads.unfinished(request.bucket):
        if not upload.key.startswith(prefix):
            continue
        group = common_prefix(upload.key, prefix, delimiter)
        entry = (group, "") if group else (upload.key, upload.upload_id)
        if (entry[0].encode(), entry[1]) > marker:
            found[entry] = None if group else upload
    return found


def _properties(request: OssRequest, upload: Upload) -> str:
    return leaves(Key=request.encoded(upload.key), UploadId=upload.upload_id, Initiated=iso(upload.initiated))
