"""The OSS actions on the image styles of a bucket. They are stored and returned; no image is processed.

Rules and texts: the vendor's tests (Python, both SDKs), read 2026-12.
"""

import re

from localyun.errors import ServiceError
from localyun.http import HttpResponse
from localyun.oss.http.request import OssRequest
from localyun.oss.http.xml import document, element, iso, leaf, leaves, parse, xml_response
from localyun.oss.values import invalid_argument

STYLE = "style"
NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")


def put_style(request: OssRequest) -> HttpResponse:
    """Answer PutStyle. Raises InvalidArgument."""
    name = _name(request)
    if not NAME.fullmatch(name):
        raise invalid_argument("styleName", name, "The styleName must be 1 to 64 letters, digits, and . _ -")
    content = parse(request.http.read(), "Style").findtext("Content") or ""
    if not content:
        raise invalid_argument("Content", "", "Style content is invalid.")
    now = iso(request.context.clock.now())
    old = request.objects.configurations.get(request.bucket, STYLE, name)
    created = (parse(old, "Style").findtext("CreateTime") if old else None) or now
    category = request.query.get("category") or None
    stored = leaves(Name=name, Content=content, CreateTime=created, LastModifyTime=now, Category=category)
    request.objects.configurations.put(request.bucket, STYLE, document("Style", stored), name)
    return HttpResponse(200)


def get_style(request: OssRequest) -> HttpResponse:
    """Answer GetStyle, or without a name ListStyle. Raises NoSuchStyle."""
    found = request.objects.configurations.all(request.bucket, STYLE)
    if not (name := _name(request)):
        request.require("oss:ListStyle", request.bucket)
        texts = ({node.tag: node.text or "" for node in parse(style, "Style")} for style in found.values())
        return xml_response("StyleList", *(element("Style", *(leaf(*part) for part in one.items())) for one in texts))
    if name not in found:
        raise ServiceError(404, "NoSuchStyle", "The style does not exist.", StyleName=name)
    return HttpResponse(200, found[name], {"Content-Type": "application/xml"})


def delete_style(request: OssRequest) -> HttpResponse:
    """Answer DeleteStyle."""
    request.objects.configurations.delete(request.bucket, STYLE, _name(request))
    return HttpResponse(204)


def _name(request: OssRequest) -> str:
    return request.query.get("styleName", "")
