"""The OSS actions on symbolic links. One function per action."""

from urllib.parse import quote, unquote

from localyun.errors import ServiceError
from localyun.http import HttpResponse
from localyun.oss.http.conditions import http_date
from localyun.oss.http.objects import etag_headers, found_object
from localyun.oss.http.request import OssRequest
from localyun.oss.values import SYMLINK, SYMLINK_TARGET, invalid_argument


def put_symlink(request: OssRequest) -> HttpResponse:
    """Answer PutSymlink; the key of the target is percent-encoded."""
    if not (target := unquote(request.headers.get(SYMLINK_TARGET, ""))):
        text = f"{SYMLINK_TARGET} must be the percent-encoded key of another object."
        raise invalid_argument(SYMLINK_TARGET, target, text)
    new = request.objects.link(request.bucket, request.key, target, request.write_options())
    return HttpResponse(200, b"", etag_headers(new))


def get_symlink(request: OssRequest) -> HttpResponse:
    """Answer GetSymlink. Raises NotSymlink for any other object (page "0043-00000101", read 2026-11)."""
    found = found_object(request)
    if found.kind != SYMLINK:
        raise ServiceError(400, "NotSymlink", "The object is not symlink.", ec="0043-00000101", ObjectName=found.key)
    time, target = http_date(found.last_modified), quote(found.headers[SYMLINK_TARGET], safe="")
    return HttpResponse(200, b"", {**etag_headers(found), "Last-Modified": time, SYMLINK_TARGET: target})
