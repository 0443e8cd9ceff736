"""The OSS actions that list objects or versions, or delete a list of them."""

import base64
from xml.etree import ElementTree as ET

from localyun.http import HttpResponse
from localyun.oss.archive import restore_state
from localyun.oss.http.request import OssRequest
from localyun.oss.http.xml import element, iso, leaf, leaves, malformed, owner, parse, xml_response
from localyun.oss.service import Listing, StoredObject
from localyun.oss.values import ListedVersion, VersionListing, check_version, invalid_argument
from localyun.oss.versions import VersionQuery

DEFAULT_PAGE = 100
MAX_PAGE = 1000
MAX_DELETED = 1000
MAX_TEXT_BYTES = 1024


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


def list_object_versions(request: OssRequest) -> HttpResponse:
    """Answer ListObjectVersions (GetBucketVersions)."""
    key, version = _text(request, "key-marker"), _text(request, "version-id-marker")
    limit, encoded = _limit(request), request.encoded
    if version and not key:
        raise invalid_argument("version-id-marker", version, "A version-id-marker needs a key-marker.")
    prefix, delimiter = _text(request, "prefix"), _text(request, "delimiter")
    page = request.objects.versions(VersionQuery(request.bucket, prefix, delimiter, key, version, limit))
    paging = leaves(
        KeyMarker=encoded(key),
        VersionIdMarker=version,
        IsTruncated=bool(page.next_key),
        NextKeyMarker=encoded(page.next_key) or None,
        NextVersionIdMarker=page.next_version if page.next_key else None,
    )
    entries = [_version(request, listed) for listed in page.versions]
    return xml_response("ListVersionsResult", _head(request, limit), paging, *entries, *_prefixes(request, page))


def delete_objects(request: OssRequest) -> HttpResponse:
    """Answer DeleteMultipleObjects; the response lists the keys, or is empty in quiet mode."""
    request.check_md5()
    body = parse(request.http.read(), "Delete")
    wanted = [(node.findtext("Key") or "", _version_id(node)) for node in body.findall("Object")]
    if not 1 <= len(wanted) <= MAX_DELETED or not all(key for key, _ in wanted):
        raise malformed("Delete", f"it must name 1 to {MAX_DELETED} objects, each with a Key")
    bucket = request.objects.bucket(request.bucket)
    for key, version_id in wanted:
        request.require("oss:DeleteObjectVersion" if version_id else "oss:DeleteObject", request.bucket, key)
        if version_id:
            check_version(bucket, version_id)
    deleted = [element("Deleted", _deleted(request, key, version_id)) for key, version_id in dict.fromkeys(wanted)]
    if (body.findtext("Quiet") or "").strip().lower() == "true":
        return HttpResponse(200)
    return xml_response("DeleteResult", leaves(EncodingType=request.encoding), *deleted)


def _version_id(node: ET.Element) -> str:
    """Return the version of an object to delete. Raises InvalidArgument for an empty one (page "0016-00000612")."""
    version_id = node.find("VersionId")
    if version_id is not None and not version_id.text:
        raise invalid_argument("VersionId", "", "The VersionId is empty.", ec="0016-00000612")
    return "" if version_id is None else version_id.text or ""


def _deleted(request: OssRequest, key: str, version_id: str) -> str:
    """Delete an object or a version; return the elements that say what was done."""
    bypass = request.bypasses_governance(key)
    done = request.objects.delete(
        request.bucket, key, version_id, event="DeleteObjects", origin=request.origin, bypass_governance=bypass
    )
    marked = done.is_delete_marker
    marker = leaves(DeleteMarker=marked or None, DeleteMarkerVersionId=done.version_id if marked else None)
    return leaves(Key=request.encoded(key), VersionId=version_id or None) + marker


def _limit(request: OssRequest) -> int:
    return request.number("max-keys", DEFAULT_PAGE, MAX_PAGE, least=1)


def _text(request: OssRequest, name: str) -> str:
    """Return a parameter that is a key or a part of one. Raises InvalidArgument if it is too long."""
    text = request.query.get(name, "")
    if len(text.encode()) > MAX_TEXT_BYTES:
        raise invalid_argument(name, text, f"The {name} must have at most {MAX_TEXT_BYTES} bytes.")
    return text


def _page(request: OssRequest, after: str, limit: int) -> Listing:
    prefix, delimiter = _text(request, "prefix"), _text(request, "delimiter")
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
    return objects + _prefixes(request, page)


def _prefixes(request: OssRequest, page: Listing | VersionListing) -> list[str]:
    return [element("CommonPrefixes", leaf("Prefix", request.encoded(prefix))) for prefix in page.prefixes]


def _version(request: OssRequest, listed: ListedVersion) -> str:
    """Return the element of a version or a delete marker."""
    found = listed.stored
    head = leaves(VersionId=found.version, IsLatest=listed.is_latest)
    if found.is_delete_marker:
        key = leaves(Key=request.encoded(found.key), LastModified=iso(found.last_modified))
        return element("DeleteMarker", key, head, owner())
    return element("Version", _properties(request, found), head, owner())


def _properties(request: OssRequest, found: StoredObject) -> str:
    return leaves(
        Key=request.encoded(found.key),
        LastModified=iso(found.last_modified),
        ETag=f'"{found.etag}"',
        Type=found.kind,
        Size=found.size,
        StorageClass=found.storage_class,
        RestoreInfo=restore_state(found, request.context.clock.now()) or None,
    )


def _token(after: str) -> str:
    return base64.urlsafe_b64encode(after.encode()).decode().rstrip("=")


def _from_token(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
    except ValueError:
        text = "The continuation-token is not one that this service issued: pass NextContinuationToken unchanged."
        raise invalid_argument("continuation-token", token, text) from None
