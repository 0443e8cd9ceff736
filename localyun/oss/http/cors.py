"""The CORS rules of a bucket: preflight requests of browsers, and the headers of responses to other origins.

Source: OSS API reference, "OptionObject" and "PutBucketCors", read 2026-11.
"""

from collections.abc import Iterator
from dataclasses import replace
from fnmatch import fnmatchcase
from xml.etree import ElementTree as ET

from localyun.errors import ServiceError
from localyun.http import HttpResponse
from localyun.oss.http.request import OssRequest
from localyun.oss.http.xml import parse


def preflight(request: OssRequest) -> HttpResponse:
    """Answer OptionObject, which is not signed. Raises AccessForbidden unless a rule allows the request."""
    request.objects.bucket(request.bucket)
    method = request.headers.get("access-control-request-method", "")
    wanted = [name.strip() for name in request.headers.get("access-control-request-headers", "").split(",")]
    names = [name for name in wanted if name]
    for rule in _rules(request):
        if _matches(rule, request, method) and all(_allowed(rule, "AllowedHeader", name) for name in names):
            headers = {"Access-Control-Allow-Headers": ", ".join(names)} if names else {}
            age = rule.findtext("MaxAgeSeconds")
            headers |= {"Access-Control-Max-Age": age} if age else {}
            return HttpResponse(200, b"", {**_headers(request, rule), **headers})
    text = "CORSResponse: This CORS request is not allowed: no rule allows its origin, method and headers."
    raise ServiceError(403, "AccessForbidden", text)


def with_cors(request: OssRequest, response: HttpResponse) -> HttpResponse:
    """Return the response to a request, with the headers that let a page of its origin read it."""
    if "origin" not in request.headers:
        return response
    for rule in _rules(request):
        if _matches(rule, request, request.http.method):
            exposed = ", ".join(_texts(rule, "ExposeHeader"))
            headers = {"Access-Control-Expose-Headers": exposed} if exposed else {}
            return replace(response, headers={**response.headers, **_headers(request, rule), **headers})
    return response


def _rules(request: OssRequest) -> Iterator[ET.Element]:
    if body := request.objects.configurations.get(request.bucket, "cors"):
        yield from parse(body, "CORSConfiguration").findall("CORSRule")


def _matches(rule: ET.Element, request: OssRequest, method: str) -> bool:
    return _allowed(rule, "AllowedOrigin", request.headers.get("origin", "")) and method in _texts(
        rule, "AllowedMethod"
    )


def _headers(request: OssRequest, rule: ET.Element) -> dict[str, str]:
    any_origin = "*" in _texts(rule, "AllowedOrigin")
    return {
        "Access-Control-Allow-Origin": "*" if any_origin else request.headers.get("origin", ""),
        "Access-Control-Allow-Methods": ", ".join(_texts(rule, "AllowedMethod")),
    }


def _allowed(rule: ET.Element, tag: str, value: str) -> bool:
    """Return True if one of a rule's patterns matches, in which `*` means any characters."""
    patterns = (pattern.replace("[", "[[]").replace("?", "[?]") for pattern in _texts(rule, tag))
    return any(fnmatchcase(value.lower(), pattern.lower()) for pattern in patterns)


def _texts(rule: ET.Element, tag: str) -> list[str]:
    return [(node.text or "").strip() for node in rule.findall(tag)]
