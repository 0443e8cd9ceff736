"""The OSS actions that list and that delete by list: ListObjects V1 and V2, DeleteMultipleObjects."""

import base64

from localyun.errors import ServiceError
from localyun.http import HttpResponse
from localyun.oss.http.request import Request
from localyun.oss.http.xml import element, encoder, iso, leaf, malformed, owner, parse, xml_reply
from localyun.oss.service import Listing, StoredObject

DEFAULT_PAGE = 100
MAX_PAGE = 1000
MAX_DELETED = 1000


def list_objects(request: Request) -> HttpResponse:
    """Answer GetBucket (ListObjects), or with `list-type=2` its second version."""
    if request.query.get("list-type") == "2":
        return list_objects_v2(request)
    query, coded = request.query, encoder(request.query.get("encoding-type", ""))
    limit = request.number("max-keys", DEFAULT_PAGE, MAX_PAGE, least=1)
    page = _page(request, query.get("marker", ""), limit)
    return xml_reply(
        "ListBucketResult",
        *_head(request, limit),
        coded("Marker", query.get("marker", "")),
        leaf("IsTruncated", bool(page.next_after)),
        coded("NextMarker", page.next_after) if page.next_after else "",
        *_entries(request, page, owned=True),
    )


def list_objects_v2(request: Request) -> HttpResponse:
    """Answer ListObjectsV2."""
    query, coded = request.query, encoder(request.query.get("encoding-type", ""))
    limit = request.number("max-keys", DEFAULT_PAGE, MAX_PAGE, least=1)
    token, start = query.get("continuation-token", ""), query.get("start-after", "")
    page = _page(request, _from_token(token) if token else start, limit)
    return xml_reply(
        "ListBucketResult",
        *_head(request, limit),
        coded("StartAfter", start) if start else "",
        leaf("ContinuationToken", token) if token else "",
        leaf("IsTruncated", bool(page.next_after)),
        leaf("NextContinuationToken", _token(page.next_after)) if page.next_after else "",
        leaf("KeyCount", len(page.objects) + len(page.prefixes)),
        *_entries(request, page, owned=query.get("fetch-owner") == "true"),
    )


def delete_objects(request: Request) -> HttpResponse:
    """Answer DeleteMultipleObjects: every key is deleted; quietly, or with the list of them."""
    request.check_md5()
    body = parse(request.call.read(), "Delete")
    keys = [node.findtext("Key") or "" for node in body.findall("Object")]
    if not 1 <= len(keys) <= MAX_DELETED or "" in keys:
        raise malformed("Delete", f"it must name 1 to {MAX_DELETED} objects, each with a Key")
    for key in keys:
        request.require("oss:DeleteObject", request.bucket, key)
    delete, origin = request.objects.delete, request.origin
    versions = {key: delete(request.bucket, key, event="DeleteObjects", origin=origin) for key in keys}
    if (body.findtext("Quiet") or "").strip().lower() == "true":
        return HttpResponse(200)
    coded = encoder(request.query.get("encoding-type", ""))
    deleted = [element("Deleted", coded("Key", key), _marker(version)) for key, version in versions.items()]
    return xml_reply("DeleteResult", coded.mark, *deleted)


def _marker(version: str) -> str:
    return leaf("DeleteMarker", value=True) + leaf("DeleteMarkerVersionId", version) if version else ""


def _page(request: Request, after: str, limit: int) -> Listing:
    query = request.query
    return request.objects.page(
        request.bucket,
        prefix=query.get("prefix", ""),
        delimiter=query.get("delimiter", ""),
        after=after,
        limit=limit,
    )


def _head(request: Request, limit: int) -> tuple[str, ...]:
    """Write what every listing begins with."""
    query, coded = request.query, encoder(request.query.get("encoding-type", ""))
    named = (coded("Prefix", query.get("prefix", "")), coded("Delimiter", query.get("delimiter", "")))
    return (leaf("Name", request.bucket), *named, leaf("MaxKeys", limit), coded.mark)


def _entries(request: Request, page: Listing, *, owned: bool) -> list[str]:
    """Write the objects, then the common prefixes."""
    coded = encoder(request.query.get("encoding-type", ""))
    objects = [
        element("Contents", coded("Key", one.key), *_about(one), owner() if owned else "") for one in page.objects
    ]
    return objects + [element("CommonPrefixes", coded("Prefix", prefix)) for prefix in page.prefixes]


def _about(one: StoredObject) -> tuple[str, ...]:
    return (
        leaf("LastModified", iso(one.last_modified)),
        leaf("ETag", f'"{one.etag}"'),
        leaf("Type", one.kind),
        leaf("Size", one.size),
        leaf("StorageClass", one.headers.get("x-oss-storage-class", "Standard")),
    )


def _token(after: str) -> str:
    return base64.urlsafe_b64encode(after.encode()).decode().rstrip("=")


def _from_token(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
    except ValueError:
        text = "The continuation-token is not one that this service issued: pass NextContinuationToken unchanged."
        raise ServiceError(
            400, "InvalidArgument", text, ArgumentName="continuation-token", ArgumentValue=token
        ) from None
