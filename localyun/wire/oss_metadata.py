"""The OSS actions on what lies beside an object: its ACL and its tags. One function per action."""

from urllib.parse import parse_qsl, quote, urlencode

from localyun.core.errors import Refusal
from localyun.wire.http import Reply
from localyun.wire.oss_objects import found_object
from localyun.wire.oss_request import Request
from localyun.wire.oss_xml import element, leaf, malformed, owner, parse, xml_reply

OBJECT_ACLS = ("default", "private", "public-read", "public-read-write")
MAX_TAGS = 10  # OSS API reference, PutObjectTagging, read 2026-11


def get_object_acl(request: Request) -> Reply:
    """Answer GetObjectACL; "default" means the bucket's."""
    acl = found_object(request).headers.get("x-oss-object-acl", "default")
    return xml_reply("AccessControlPolicy", owner(), element("AccessControlList", leaf("Grant", acl)))


def put_object_acl(request: Request) -> Reply:
    """Answer PutObjectACL."""
    acl = request.headers.get("x-oss-object-acl", "default")
    if acl not in OBJECT_ACLS:
        text = f"The object ACL must be one of {', '.join(OBJECT_ACLS)}, not {acl!r}."
        raise Refusal(400, "InvalidArgument", text, ArgumentName="x-oss-object-acl", ArgumentValue=acl)
    request.objects.set_headers(request.bucket, request.key, x_oss_object_acl=acl)
    return Reply(200)


def get_object_tagging(request: Request) -> Reply:
    """Answer GetObjectTagging."""
    tags = parse_qsl(found_object(request).headers.get("x-oss-tagging", ""), keep_blank_values=True)
    found = (element("Tag", leaf("Key", key), leaf("Value", value)) for key, value in tags)
    return xml_reply("Tagging", element("TagSet", *found))


def put_object_tagging(request: Request) -> Reply:
    """Answer PutObjectTagging; the tags replace those that are there."""
    nodes = parse(request.call.read(), "Tagging").findall("TagSet/Tag")
    tags = [(node.findtext("Key") or "", node.findtext("Value") or "") for node in nodes]
    if len(tags) > MAX_TAGS or any(not key for key, _ in tags) or len(dict(tags)) < len(tags):
        raise malformed("Tagging", f"it must hold at most {MAX_TAGS} tags, each with a Key of its own")
    request.objects.set_headers(request.bucket, request.key, x_oss_tagging=urlencode(tags, quote_via=quote))
    return Reply(200)


def delete_object_tagging(request: Request) -> Reply:
    """Answer DeleteObjectTagging."""
    request.objects.set_headers(request.bucket, request.key, x_oss_tagging=None)
    return Reply(204)
