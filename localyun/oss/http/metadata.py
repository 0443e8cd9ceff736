"""The OSS actions on an object's ACL and tags. One function per action."""

from localyun.http import HttpResponse
from localyun.oss.http.objects import found_object
from localyun.oss.http.request import OssRequest
from localyun.oss.http.xml import element, leaf, leaves, owner, parse, xml_response
from localyun.oss.tags import checked_tags, format_tags, parse_tags


def get_object_acl(request: OssRequest) -> HttpResponse:
    """Answer GetObjectACL; "default" means the bucket's."""
    acl = found_object(request).headers.get("x-oss-object-acl", "default")
    return xml_response("AccessControlPolicy", owner(), element("AccessControlList", leaf("Grant", acl)))


def put_object_acl(request: OssRequest) -> HttpResponse:
    """Answer PutObjectACL."""
    acl = request.object_acl("default")
    request.objects.set_headers(request.bucket, request.key, x_oss_object_acl=acl)
    return HttpResponse(200)


def get_object_tagging(request: OssRequest) -> HttpResponse:
    """Answer GetObjectTagging."""
    tags = parse_tags(found_object(request).headers.get("x-oss-tagging", ""))
    found = (element("Tag", leaves(Key=key, Value=value)) for key, value in tags)
    return xml_response("Tagging", element("TagSet", *found))


def put_object_tagging(request: OssRequest) -> HttpResponse:
    """Answer PutObjectTagging; the tags replace the existing ones."""
    nodes = parse(request.http.read(), "Tagging").findall("TagSet/Tag")
    tags = [(node.findtext("Key") or "", node.findtext("Value") or "") for node in nodes]
    request.objects.set_headers(request.bucket, request.key, x_oss_tagging=format_tags(checked_tags(tags)))
    return HttpResponse(200)


def delete_object_tagging(request: OssRequest) -> HttpResponse:
    """Answer DeleteObjectTagging."""
    request.objects.set_headers(request.bucket, request.key, x_oss_tagging=None)
    return HttpResponse(204)
