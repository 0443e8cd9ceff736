"""The OSS actions that list objects or delete a list of objects: ListObjects, ListObjectsV2, DeleteMultipleObjects."""

import base64

from localyun.http import HttpResponse
from localyun.oss.http.request import OssRequest
from localyun.oss.http.xml import element, iso, leaf, malformed, owner, parse, xml_response
from localyun.oss.service import Listing, StoredObject
from localyun.oss.values import invalid_argument

DEFAULT_PAGE = 100
MAX_PAGE = 1000
MAX_DELETED = 1000


def list_objects(request: OssRequest) -> HttpResponse:
    """Answer GetBucket (ListObjects), or with `list-type=2` ListObjectsV2."""
    if request.query.get("list-type") == "2":
        return list_objects_v2(request)
    encoder, marker = request.key_encoder, request.query.get("marker", "")
    limit = _limit(request)
    page = _page(request, marker, limit)
    return xml_response(
        "ListBucketResult",
        *_head(request, limit),
        encoder("Marker", marker),
        leaf("IsTruncated", bool(page.next_after)),
        encoder("NextMarker", page.next_after) if page.next_after else "",
        *_entries(request, page, with_owner=True),
    )


def list_objects_v2(request: OssRequest) -> HttpResponse:
    """Answer ListObjectsV2."""
    query, encoder = request.query, request.key_encoder
    limit = _limit(request)
    token, start = query.get("continuation-token", ""), query.get("start-after", "")
    page = _page(request, _from_token(token) if token else start, limit)
    return xml_response(
        "ListBucketResult",
        *_head(request, limit),
        encoder("StartAfter", start) if start else "",
        leaf("ContinuationToken", token) if token else "",
        leaf("IsTruncated", bool(page.next_after)),
        leaf("NextContinuationToken", _token(page.next_after)) if page.next_after else "",
        leaf("KeyCount", len(page.objects) + len(page.prefixes)),
        *_entries(request, page, with_owner=query.get("fetch-owner") == "true"),
    )


def delete_objects(request: OssRequest) -> HttpResponse:
    """Answer DeleteMultipleObjects; the response lists the keys, or is empty in quiet mode."""
    request.check_md5()
    body = parse(request.http.read(), "Delete")
    keys = [node.findtext("Key") or "" for node in body.findall("Object")]
    if not 1 <= len(keys) <= MAX_DELETED or "" in keys:
        raise malformed("Delete", f"it must name 1 to {MAX_DELETED} objects, each with a Key")
    for key in keys:
        request.require("oss:DeleteObject", request.bucket, key)
    delete, origin = request.objects.delete, request.origin
    versions = {key: delete(request.bucket, key, event="DeleteObjects", origin=origin) for key in keys}
    if (body.findtext("Quiet") or "").strip().lower() == "true":
        return HttpResponse(200)
    encoder = request.key_encoder
    deleted = [element("Deleted", encoder("Key", key), _marker(version)) for key, version in versions.items()]
    return xml_response("DeleteResult", encoder.mark, *deleted)


def _marker(version: str) -> str:
    return leaf("DeleteMarker", value=True) + leaf("DeleteMarkerVersionId", version) if version else ""


def _limit(request: OssRequest) -> int:
    return request.number("max-keys", DEFAULT_PAGE, MAX_PAGE, least=1)


def _page(request: OssRequest, after: str, limit: int) -> Listing:
    prefix, delimiter = request.query.get("prefix", ""), request.query.get("delimiter", "")
    return request.objects.page(request.bucket, prefix=prefix, delimiter=delimiter, after=after, limit=limit)


def _head(request: OssRequest, limit: int) -> tuple[str, ...]:
    """Return the first elements of both listings."""
    query, key = request.query, request.key_encoder
    filters = (key("Prefix", query.get("prefix", "")), key("Delimiter", query.get("delimiter", "")))
    return (leaf("Name", request.bucket), *filters, leaf("MaxKeys", limit), key.mark)


def _entries(request: OssRequest, page: Listing, *, with_owner: bool) -> list[str]:
    """Return the elements of the objects, then of the common prefixes."""
    key, owned = request.key_encoder, owner() if with_owner else ""
    objects = [element("Contents", key("Key", found.key), *_properties(found), owned) for found in page.objects]
    return objects + [element("CommonPrefixes", key("Prefix", prefix)) for prefix in page.prefixes]


def _properties(found: StoredObject) -> tuple[str, ...]:
    return (
        leaf("LastModified", iso(found.last_modified)),
        leaf("ETag", f'"{found.etag}"'),
        leaf("Type", found.kind),
        leaf("Size", found.size),
        leaf("StorageClass", found.headers.get("x-oss-storage-class", "Standard")),
    )


def _token(after: str) -> str:
    return base64.urlsafe_b64encode(after.encode()).decode().rstrip("=")


def _from_token(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
    except ValueError:
        text = "The continuation-token is not one that this service issued: pass NextContinuationToken unchanged."
        raise invalid_argument("continuation-token", token, text) from None
