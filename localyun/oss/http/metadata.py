"""The OSS actions on an object's ACL and tags. One function per action."""

from localyun.http import HttpResponse
from localyun.oss.http.objects import found_object, version_headers
from localyun.oss.http.request import OssRequest
from localyun.oss.http.xml import element, leaf, leaves, owner, parse, xml_response
from localyun.oss.service import StoredObject
from localyun.oss.tags import Tags, checked_tags, format_tags, parse_tags


def get_object_acl(request: OssRequest) -> HttpResponse:
    """Answer GetObjectACL; "default" means the bucket's."""
    found = found_object(request)
    grant = leaf("Grant", found.headers.get("x-oss-object-acl", "default"))
    document = (owner(), element("AccessControlList", grant))
    return xml_response("AccessControlPolicy", *document, **version_headers(found))


def put_object_acl(request: OssRequest) -> HttpResponse:
    """Answer PutObjectACL."""
    return _changed(request, 200, x_oss_object_acl=request.object_acl("default"))


def get_object_tagging(request: OssRequest) -> HttpResponse:
    """Answer GetObjectTagging."""
    found = found_object(request)
    tags = (element("Tag", leaves(Key=key, Value=value)) for key, value in _tags(found))
    return xml_response("Tagging", element("TagSet", *tags), **version_headers(found))


def put_object_tagging(request: OssRequest) -> HttpResponse:
    """Answer PutObjectTagging; the tags replace the existing ones."""
    nodes = parse(request.http.read(), "Tagging").findall("TagSet/Tag")
    tags = [(node.findtext("Key") or "", node.findtext("Value") or "") for node in nodes]
    return _changed(request, 200, x_oss_tagging=format_tags(checked_tags(tags)))


def delete_object_tagging(request: OssRequest) -> HttpResponse:
    """Answer DeleteObjectTagging."""
    return _changed(request, 204, x_oss_tagging=None)


def _tags(found: StoredObject) -> Tags:
    return parse_tags(found.headers.get("x-oss-tagging", ""))


def _changed(request: OssRequest, status: int, **changes: str | None) -> HttpResponse:
    """Change headers of the requested version."""
    changed = request.objects.set_headers(request.bucket, request.key, request.version_id, **changes)
    return HttpResponse(status, b"", version_headers(changed))
