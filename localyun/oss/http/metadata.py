"""The OSS actions on what lies beside an object: its ACL and its tags. One function per action."""

from localyun.errors import ServiceError
from localyun.http import HttpResponse
from localyun.oss.http.objects import found_object
from localyun.oss.http.request import Request
from localyun.oss.http.xml import element, leaf, owner, parse, xml_reply
from localyun.oss.tags import checked_tags, read_tags, write_tags

OBJECT_ACLS = ("default", "private", "public-read", "public-read-write")


def get_object_acl(request: Request) -> HttpResponse:
    """Answer GetObjectACL; "default" means the bucket's."""
    acl = found_object(request).headers.get("x-oss-object-acl", "default")
    return xml_reply("AccessControlPolicy", owner(), element("AccessControlList", leaf("Grant", acl)))


def put_object_acl(request: Request) -> HttpResponse:
    """Answer PutObjectACL."""
    acl = request.headers.get("x-oss-object-acl", "default")
    if acl not in OBJECT_ACLS:
        text = f"The object ACL must be one of {', '.join(OBJECT_ACLS)}, not {acl!r}."
        raise ServiceError(400, "InvalidArgument", text, ArgumentName="x-oss-object-acl", ArgumentValue=acl)
    request.objects.set_headers(request.bucket, request.key, x_oss_object_acl=acl)
    return HttpResponse(200)


def get_object_tagging(request: Request) -> HttpResponse:
    """Answer GetObjectTagging."""
    tags = read_tags(found_object(request).headers.get("x-oss-tagging", ""))
    found = (element("Tag", leaf("Key", key), leaf("Value", value)) for key, value in tags)
    return xml_reply("Tagging", element("TagSet", *found))


def put_object_tagging(request: Request) -> HttpResponse:
    """Answer PutObjectTagging; the tags replace those that are there."""
    nodes = parse(request.call.read(), "Tagging").findall("TagSet/Tag")
    tags = [(node.findtext("Key") or "", node.findtext("Value") or "") for node in nodes]
    request.objects.set_headers(request.bucket, request.key, x_oss_tagging=write_tags(checked_tags(tags)))
    return HttpResponse(200)


def delete_object_tagging(request: Request) -> HttpResponse:
    """Answer DeleteObjectTagging."""
    request.objects.set_headers(request.bucket, request.key, x_oss_tagging=None)
    return HttpResponse(204)
