"""The OSS actions on custom domain names of a bucket: their tokens, and binding them.

A domain can be bound after its owner has published the token in DNS; here none ever has, so no bucket has a domain.
What `clipstitch up --forbid-public-endpoint` binds is in `custom_domains`.

Source: API reference, CreateCnameToken and GetCnameToken, and the EC of PutCname in the tests of the vendor's Go SDK 2,
read 2026-12.
"""

from datetime import timedelta
from email.utils import parsedate_to_datetime

from localyun.errors import ServiceError
from localyun.http import HttpResponse
from localyun.oss.http.conditions import http_date
from localyun.oss.http.request import OssRequest
from localyun.oss.http.xml import OWNER, document, leaves, malformed, parse, xml_response
from localyun.oss.values import invalid_argument

KIND, TOKEN, CONFIGURATION = "cname", "CnameToken", "BucketCnameConfiguration"
LIFETIME = timedelta(hours=72)
CHANGES = {"token": "oss:CreateCnameToken", "add": "oss:PutCname", "delete": "oss:DeleteCname"}


def change_cname(request: OssRequest) -> HttpResponse:
    """Answer CreateCnameToken, PutCname or DeleteCname, whichever `comp` names. Raises ServiceError."""
    component = request.query.get("comp", "")
    if component not in CHANGES:
        raise invalid_argument("comp", component, f"The comp must be one of {', '.join(CHANGES)}.")
    request.require(CHANGES[component], request.bucket)
    domain = parse(request.http.read(), CONFIGURATION).findtext("Cname/Domain")
    if not domain:
        raise malformed(CONFIGURATION, "it names no Domain")
    if component == "add":
        text = f"The ownership of {domain} is not verified: publish its token in DNS."
        raise ServiceError(403, "NeedVerifyDomainOwnership", text, ec="0018-00000115", Bucket=request.bucket)
    return _created_token(request, domain) if component == "token" else HttpResponse(200)


def get_cname(request: OssRequest) -> HttpResponse:
    """Answer GetCnameToken, or ListCname, which lists none. Raises CnameTokenNotFound."""
    if request.query.get("comp") != "token":
        request.require("oss:ListCname", request.bucket)
        return xml_response("ListCnameResult", leaves(Bucket=request.bucket, Owner=OWNER))
    request.require("oss:GetCnameToken", request.bucket)
    domain = request.query[KIND]
    if token := _valid_token(request, domain):
        return _answer(token)
    details = {"Bucket": request.bucket, "Cname": domain}
    raise ServiceError(404, "CnameTokenNotFound", "Cname token not found.", ec="0018-00000301", **details)


def _created_token(request: OssRequest, domain: str) -> HttpResponse:
    """Return the token of a domain, a new one unless it has a valid one."""
    clock = request.context.clock
    values = {"Bucket": request.bucket, "Cname": domain, "Token": clock.token(16)}
    new = document(TOKEN, leaves(**values, ExpireTime=http_date(clock.now() + LIFETIME)))
    token = _valid_token(request, domain) or new
    request.objects.configurations.put(request.bucket, KIND, token, domain)
    return _answer(token)


def _valid_token(request: OssRequest, domain: str) -> bytes | None:
    token = request.objects.configurations.get(request.bucket, KIND, domain)
    expires = parse(token, TOKEN).findtext("ExpireTime") if token else None
    return token if expires and parsedate_to_datetime(expires) > request.context.clock.now() else None


def _answer(token: bytes) -> HttpResponse:
    return HttpResponse(200, token, {"Content-Type": "application/xml"})
