"""The OSS actions of multipart uploads. One function per action."""

from localyun.http import FileRange, HttpResponse
from localyun.oss.conditions import byte_range, check_conditions
from localyun.oss.http.request import Request, copy_source
from localyun.oss.http.xml import element, encoder, iso, leaf, malformed, parse, xml_reply
from localyun.oss.multipart import MAX_PART_NUMBER, Part, Upload

MAX_PAGE = 1000


def initiate_upload(request: Request) -> HttpResponse:
    """Answer InitiateMultipartUpload."""
    upload = request.objects.uploads.begin(
        request.bucket,
        request.key,
        content_type=request.content_type,
        headers=request.kept_headers(),
        once=request.once,
        origin=request.origin,
    )
    return xml_reply("InitiateMultipartUploadResult", *_named(request), leaf("UploadId", upload.upload_id))


def upload_part(request: Request) -> HttpResponse:
    """Answer UploadPart; an `x-oss-copy-source` makes it UploadPartCopy."""
    if "x-oss-copy-source" in request.headers:
        return upload_part_copy(request)
    request.check_md5()
    number = request.number("partNumber", 0, MAX_PART_NUMBER, least=1)
    part = request.objects.uploads.add(_upload(request), number, request.call.body, origin=request.origin)
    return HttpResponse(200, b"", {"ETag": f'"{part.etag}"', "x-oss-hash-crc64ecma": str(part.crc64)})


def upload_part_copy(request: Request) -> HttpResponse:
    """Answer UploadPartCopy: a part that is a range of another object."""
    bucket, key = copy_source(request.headers["x-oss-copy-source"])
    request.require("oss:GetObject", bucket, key)
    source = request.objects.head(bucket, key)
    check_conditions(source, request.headers, prefix="x-oss-copy-source-")
    wanted = request.headers.get("x-oss-copy-source-range")
    first, last = byte_range(source.size, {"range": wanted} if wanted else {}) or (0, source.size - 1)
    number = request.number("partNumber", 0, MAX_PART_NUMBER, least=1)
    chunks = FileRange(source.file, first, last - first + 1).chunks()
    upload = _upload(request)
    part = request.objects.uploads.add(upload, number, chunks, event="UploadPartCopy", origin=request.origin)
    about = (leaf("LastModified", iso(part.last_modified)), leaf("ETag", f'"{part.etag}"'))
    return xml_reply("CopyPartResult", *about, ETag=f'"{part.etag}"')


def complete_upload(request: Request) -> HttpResponse:
    """Answer CompleteMultipartUpload, of the listed parts, or of all with `x-oss-complete-all: yes`."""
    upload = _upload(request)
    everything = request.headers.get("x-oss-complete-all", "") == "yes"
    wanted = None if everything else _wanted(request.call.read())
    new = request.objects.uploads.complete(upload, wanted, once=request.once, origin=request.origin)
    location = leaf("Location", f"http://{request.headers.get('host', '')}/{request.bucket}/")
    more = {"x_oss_hash_crc64ecma": str(new.crc64), "ETag": f'"{new.etag}"', "x_oss_version_id": new.version_id}
    named = (location, *_named(request), leaf("ETag", f'"{new.etag}"'))
    return xml_reply("CompleteMultipartUploadResult", *named, **more)


def abort_upload(request: Request) -> HttpResponse:
    """Answer AbortMultipartUpload."""
    request.objects.uploads.abort(_upload(request), request.origin)
    return HttpResponse(204)


def list_parts(request: Request) -> HttpResponse:
    """Answer ListParts."""
    upload = _upload(request)
    after = request.number("part-number-marker", 0, MAX_PART_NUMBER)
    limit = request.number("max-parts", MAX_PAGE, MAX_PAGE, least=1)
    parts = [part for part in request.objects.uploads.parts(upload) if part.number > after]
    shown = parts[:limit]
    return xml_reply(
        "ListPartsResult",
        *_named(request),
        leaf("UploadId", upload.upload_id),
        leaf("StorageClass", upload.headers.get("x-oss-storage-class", "Standard")),
        leaf("PartNumberMarker", after),
        leaf("NextPartNumberMarker", shown[-1].number if shown else after),
        leaf("MaxParts", limit),
        leaf("IsTruncated", len(parts) > limit),
        *(_part(part) for part in shown),
    )


def list_uploads(request: Request) -> HttpResponse:
    """Answer ListMultipartUploads."""
    query, coded = request.query, encoder(request.query.get("encoding-type", ""))
    limit = request.number("max-uploads", MAX_PAGE, MAX_PAGE, least=1)
    found = _uploads_after(request, query.get("key-marker", ""), query.get("upload-id-marker", ""))
    shown, more = list(found.items())[:limit], len(found) > limit
    (key, upload_id) = shown[-1][0] if more else ("", "")
    return xml_reply(
        "ListMultipartUploadsResult",
        leaf("Bucket", request.bucket),
        coded.mark,
        coded("KeyMarker", query.get("key-marker", "")),
        leaf("UploadIdMarker", query.get("upload-id-marker", "")),
        coded("NextKeyMarker", key),
        leaf("NextUploadIdMarker", upload_id),
        coded("Delimiter", query.get("delimiter", "")),
        coded("Prefix", query.get("prefix", "")),
        leaf("MaxUploads", limit),
        leaf("IsTruncated", more),
        *(element("Upload", coded("Key", one.key), *_about(one)) for _, one in shown if one),
        *(element("CommonPrefixes", coded("Prefix", name)) for (name, _), one in shown if not one),
    )


def _upload(request: Request) -> Upload:
    return request.objects.uploads.get(request.bucket, request.key, request.query["uploadId"])


def _named(request: Request) -> tuple[str, ...]:
    """Write bucket and key, encoded as the request wants."""
    coded = encoder(request.query.get("encoding-type", ""))
    return coded.mark, leaf("Bucket", request.bucket), coded("Key", request.key)


def _wanted(body: bytes) -> list[tuple[int, str]]:
    """Read the list of parts that shall become the object."""
    found = []
    for node in parse(body, "CompleteMultipartUpload").findall("Part"):
        number, etag = (node.findtext("PartNumber") or "").strip(), (node.findtext("ETag") or "").strip()
        if not number.isdecimal() or not etag:
            raise malformed("CompleteMultipartUpload", "a Part lacks a PartNumber or an ETag")
        found.append((int(number), etag))
    return found


def _part(part: Part) -> str:
    about = (leaf("ETag", f'"{part.etag}"'), leaf("HashCrc64ecma", part.crc64), leaf("Size", part.size))
    return element("Part", leaf("PartNumber", part.number), leaf("LastModified", iso(part.last_modified)), *about)


def _uploads_after(request: Request, key: str, upload_id: str) -> dict[tuple[str, str], Upload | None]:
    """Return the wanted uploads after a marker, by key and id; a common prefix stands for its uploads as None.

    A marker without an id is beyond all uploads of its key.
    """
    prefix, delimiter = request.query.get("prefix", ""), request.query.get("delimiter", "")
    marker = (key.encode(), upload_id or "~") if key else (b"", "")
    found: dict[tuple[str, str], Upload | None] = {}
    for one in request.objects.uploads.unfinished(request.bucket):
        if not one.key.startswith(prefix):
            continue
        end = one.key.find(delimiter, len(prefix)) if delimiter else -1
        entry = (one.key, one.upload_id) if end < 0 else (one.key[: end + len(delimiter)], "")
        if (entry[0].encode(), entry[1]) > marker:
            found[entry] = one if end < 0 else None
    return found


def _about(upload: Upload) -> tuple[str, ...]:
    return leaf("UploadId", upload.upload_id), leaf("Initiated", iso(upload.initiated))
