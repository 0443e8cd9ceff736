"""The OSS actions that list objects or delete a list of objects: ListObjects, ListObjectsV2, DeleteMultipleObjects."""

import base64

from localyun.http import HttpResponse
from localyun.oss.http.request import OssRequest
from localyun.oss.http.xml import element, iso, leaf, leaves, malformed, owner, parse, xml_response
from localyun.oss.service import Listing, StoredObject
from localyun.oss.values import invalid_argument

DEFAULT_PAGE = 100
MAX_PAGE = 1000
MAX_DELETED = 1000


def list_objects(request: OssRequest) -> HttpResponse:
    """Answer GetBucket (ListObjects), or with `list-type=2` ListObjectsV2."""
    if request.query.get("list-type") == "2":
        return list_objects_v2(request)
    encoded, marker, limit = request.encoded, request.query.get("marker", ""), _limit(request)
    page = _page(request, marker, limit)
    next_marker = encoded(page.next_after) or None
    paging = leaves(Marker=encoded(marker), IsTruncated=bool(next_marker), NextMarker=next_marker)
    return xml_response("ListBucketResult", _head(request, limit), paging, *_entries(request, page, with_owner=True))


def list_objects_v2(request: OssRequest) -> HttpResponse:
    """Answer ListObjectsV2."""
    query, limit = request.query, _limit(request)
    token, start = query.get("continuation-token"), query.get("start-after", "")
    page = _page(request, _from_token(token) if token else start, limit)
    paging = leaves(
        StartAfter=request.encoded(start) or None,
        ContinuationToken=token or None,
        IsTruncated=bool(page.next_after),
        NextContinuationToken=_token(page.next_after) if page.next_after else None,
        KeyCount=len(page.objects) + len(page.prefixes),
    )
    entries = _entries(request, page, with_owner=query.get("fetch-owner") == "true")
    return xml_response("ListBucketResult", _head(request, limit), paging, *entries)


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
    deleted = [element("Deleted", _deleted(request, key, version)) for key, version in versions.items()]
    return xml_response("DeleteResult", leaves(EncodingType=request.encoding), *deleted)


def _deleted(request: OssRequest, key: str, version: str) -> str:
    return leaves(Key=request.encoded(key), DeleteMarker=bool(version) or None, DeleteMarkerVersionId=version or None)


def _limit(request: OssRequest) -> int:
    return request.number("max-keys", DEFAULT_PAGE, MAX_PAGE, least=1)


def _page(request: OssRequest, after: str, limit: int) -> Listing:
    prefix, delimiter = request.query.get("prefix", ""), request.query.get("delimiter", "")
    return request.objects.page(request.bucket, prefix=prefix, delimiter=delimiter, after=after, limit=limit)


def _head(request: OssRequest, limit: int) -> str:
    """Return the first elements of both listings."""
    query, encoded = request.query, request.encoded
    prefix, delimiter = encoded(query.get("prefix", "")), encoded(query.get("delimiter", ""))
    return leaves(Name=request.bucket, Prefix=prefix, Delimiter=delimiter, MaxKeys=limit, EncodingType=request.encoding)


def _entries(request: OssRequest, page: Listing, *, with_owner: bool) -> list[str]:
    """Return the elements of the objects, then of the common prefixes."""
    owned = owner() if with_owner else ""
    objects = [element("Contents", _properties(request, found), owned) for found in page.objects]
    return objects + [element("CommonPrefixes", leaf("Prefix", request.encoded(prefix))) for prefix in page.prefixes]


def _properties(request: OssRequest, found: StoredObject) -> str:
    return leaves(
        Key=request.encoded(found.key),
        LastModified=iso(found.last_modified),
        ETag=f'"{found.etag}"',
        Type=found.kind,
        Size=found.size,
        StorageClass=found.storage_class,
    )


def _token(after: str) -> str:
    return base64.urlsafe_b64encode(after.encode()).decode().rstrip("=")


def _from_token(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
    except ValueError:
        text = "The continuation-token is not one that this service issued: pass NextContinuationToken unchanged."
        raise invalid_argument("continuation-token", token, text) from None
