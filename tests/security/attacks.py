"""The entry points, the attacks on each of them, and the errors that the attacks must get.

An entry point is a service with a signature method. Its request has an effect: an object, a message, a project or a log
line. All resource names are `mine`, so that `retargeted` turns a request into one for `their` by replacing a word.
"""

import re
from base64 import b64encode
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from hashlib import md5
from typing import NamedTuple
from urllib.parse import quote

from localyun.ram.credentials import Credential
from tests.security import signers
from tests.security.harness import Harness
from tests.security.signers import BOUNDARY, Scope, Sign, http_date
from tests.security.wire import NOT_UTF8, Request, Response

WINDOW = timedelta(minutes=15)
OTHER_ACCOUNT = Credential("LTAIofAnotherAccount", "a-secret-of-another-account")
_MESSAGE = b'<Message xmlns="http://mns.aliyuncs.com/doc/v1/"><MessageBody>mine</MessageBody></Message>'
_INVOKE = {"x-acs-action": "InvokeFunction", "x-acs-version": "2023-03-30"}
_CREATE = {"x-acs-action": "CreateProject", "x-acs-version": "2020-09-30"}


class EntryPoint(NamedTuple):
    """A service, an unsigned request, and the method that signs it.

    `other_method`: an HTTP method with another effect. `add`: adds to a signed request what must be signed.
    `signs_body`: the signature covers the body. `has_scope`: the signature is for a day, a region and a service.
    `has_start`: the signature is not valid before its time.
    """

    service: str
    request: Request
    sign: Sign
    other_method: str
    add: Callable[[Request], Request]
    signs_body: bool = True
    has_scope: bool = False
    has_start: bool = True

    @property
    def is_form(self) -> bool:
        """Return True if the signed request is a form."""
        return self.other_method == "PUT"


def _body_headers(body: bytes) -> dict[str, str]:
    return {"content-md5": b64encode(md5(body).digest()).decode(), "content-type": "text/xml"}


_PUT = Request("PUT", "/mine/mine", headers=_body_headers(b"mine"), body=b"mine")
_LINK = Request("PUT", "/mine/mine", body=b"mine")
_SEND = Request(
    "POST", "/queues/mine/messages", headers={**_body_headers(_MESSAGE), "x-mns-version": "2015-06-06"}, body=_MESSAGE
)
_PUBLIC = partial(Request.with_headers, x_oss_object_acl="public-read")
_TAG = partial(Request.with_headers, x_mns_tag="their")

ENTRY_POINTS = {
    "OSS V1": EntryPoint("oss", _PUT, signers.oss_v1, "DELETE", _PUBLIC),
    "OSS V4": EntryPoint("oss", _PUT, signers.oss_v4, "DELETE", _PUBLIC, has_scope=True),
    "OSS V1 URL": EntryPoint("oss", _LINK, signers.oss_url_v1, "DELETE", _PUBLIC, signs_body=False, has_start=False),
    "OSS V4 URL": EntryPoint("oss", _LINK, signers.oss_url_v4, "DELETE", _PUBLIC, signs_body=False, has_scope=True),
    "OSS V1 form": EntryPoint("oss", _LINK, signers.oss_form_v1, "PUT", Request.with_headers, False, False, False),
    "OSS V4 form": EntryPoint("oss", _LINK, signers.oss_form_v4, "PUT", Request.with_headers, False, True, False),
    "SMQ V1": EntryPoint("mns", _SEND, signers.smq_v1, "GET", _TAG),
    "SMQ V4": EntryPoint("mns", _SEND, signers.smq_v4, "GET", _TAG, has_scope=True),
    "IMM ACS3": EntryPoint(
        "imm", Request("POST", "/", "ProjectName=mine", _CREATE), signers.acs3, "GET",
        partial(Request.with_query, query="ServiceRole=their"),
    ),
    "IMM RPC": EntryPoint(
        "imm", Request("POST", "/", "Action=CreateProject&ProjectName=mine&Version=2020-09-30"), signers.rpc, "GET",
        partial(Request.with_query, query="ServiceRole=their"), signs_body=False,
    ),
    "FC 2.0": EntryPoint(
        "fc", Request("POST", "/2016-08-15/services/any/functions/mine/invocations", body=b"mine"), signers.fc_2016,
        "GET", partial(Request.with_headers, x_fc_invocation_type="Async"), signs_body=False,
    ),
    "FC 3.0": EntryPoint(
        "fc", Request("POST", "/2023-03-30/functions/mine/invocations", "", _INVOKE, b"mine"), signers.acs3,
        "GET", partial(Request.with_headers, x_acs_their="their"),
    ),
}  # fmt: skip


BuildAttack = Callable[["Attempt"], Request]


class Attempt(NamedTuple):
    """An attempt at an entry point; `suffix` makes the names of resources unique that can be created only once."""

    harness: Harness
    entry_point: EntryPoint
    suffix: str = ""

    @property
    def request(self) -> Request:
        """Return the unsigned request."""
        request = self.entry_point.request
        return request._replace(query=request.query.replace("ProjectName=mine", f"ProjectName=mine{self.suffix}"))

    @property
    def unsigned(self) -> Request:
        """Return the request of a client without a key: a form has no policy then."""
        return signers.form({"key": "mine"}, b"mine") if self.entry_point.is_form else self.request

    def signed(self, key: Credential | None = None, at: float = 0, **scope: Scope) -> Request:
        """Return the request, signed `at` seconds from now; the default key is that of the account's owner."""
        when = self.harness.clock.now() + timedelta(seconds=at)
        host = self.harness.host(self.entry_point.service)
        return self.entry_point.sign(self.request, key or self.harness.owner, when, host, **scope)

    def send(self, request: Request) -> Response:
        """Send a request to the service of the entry point."""
        return self.harness.send(self.entry_point.service, request)


def retargeted(request: Request) -> Request:
    """Return a signed request for another resource, with the old signature."""
    if BOUNDARY in request.headers.get("content-type", ""):
        return request._replace(body=request.body.replace(b'name="key"\r\n\r\nmine', b'name="key"\r\n\r\ntheir'))
    path = request.path.replace("mine", "their", 1)
    return request._replace(path=path, query=request.query.replace("ProjectName=mine", "ProjectName=their"))


def _with_signature(request: Request, change: Callable[[str], str]) -> Request:
    """Return a request with a changed signature, which is in a header, in the query or in a form field."""
    if header := request.headers.get("authorization"):
        mark = "Signature=" if "Signature=" in header else ":"
        before, _, signature = header.rpartition(mark)
        return request.with_headers(authorization=f"{before}{mark}{change(signature)}")
    if found := re.search("(?:x-oss-s|S)ignature=([^&]*)", request.query):
        changed = quote(change(found[1]).encode("utf-8", "surrogateescape"), safe="%")
        return request._replace(query=request.query[: found.start(1)] + changed + request.query[found.end(1) :])
    field = re.search(rb'name="(?:x-oss-s|S)ignature"\r\n\r\n([^\r]*)', request.body)
    assert field
    changed_bytes = change(field[1].decode()).encode("utf-8", "surrogateescape")
    return request._replace(body=request.body[: field.start(1)] + changed_bytes + request.body[field.end(1) :])


def _change_first_character(signature: str) -> str:
    return ("b" if signature.startswith("a") else "a") + signature[1:]


def _with_token(a: Attempt, key: Credential, token: str) -> Request:
    return a.signed(Credential(key.access_key_id, key.access_key_secret, token))


def _with_secret(a: Attempt, secret: str) -> Request:
    return a.signed(Credential(a.harness.owner.access_key_id, secret))


def _with_scope(a: Attempt, **other: str) -> Request:
    service = "mns" if a.entry_point.service == "mns" else "oss"
    return a.signed(scope=Scope(**{"service": service, **other}))


def _with_basic_authorization(a: Attempt) -> Request:
    return a.request.with_headers(authorization="Basic bWluZTptaW5l", date=http_date(a.harness.clock.now()))


def _as_role_elsewhere(a: Attempt) -> Request:
    entry_point = a.entry_point._replace(request=retargeted(a.entry_point.request))
    return a._replace(entry_point=entry_point).signed(a.harness.role)


LATE = WINDOW.total_seconds() + 60

ATTACKS: dict[str, BuildAttack] = {
    "no signature": lambda a: a.unsigned,
    "another authorization scheme": _with_basic_authorization,
    "a wrong secret": lambda a: _with_secret(a, "wrong"),
    "an empty secret": lambda a: _with_secret(a, ""),
    "the secret of another key": lambda a: _with_secret(a, a.harness.role.access_key_secret),
    "an unknown key": lambda a: a.signed(Credential("LTAInobody", "")),
    "a key of another account": lambda a: a.signed(OTHER_ACCOUNT),
    "a role's key without its token": lambda a: _with_token(a, a.harness.role, ""),
    "a role's key with another token": lambda a: _with_token(a, a.harness.role, "another-token"),
    "the owner's key with a role's token": lambda a: _with_token(a, a.harness.owner, a.harness.role.security_token),
    "a role outside its policy": _as_role_elsewhere,
    "an expired signature": lambda a: a.signed(at=-LATE),
    "a signature from the future": lambda a: a.signed(at=LATE),
    "a signed request, for another resource": lambda a: retargeted(a.signed()),
    "a signed request, with another method": lambda a: a.signed()._replace(method=a.entry_point.other_method),
    "a signed request, with another body": lambda a: a.signed()._replace(body=b"evil"),
    "a signed request, with an addition": lambda a: a.entry_point.add(a.signed()),
    "a truncated signature": lambda a: _with_signature(a.signed(), lambda signature: signature[:8]),
    "a signature with one changed character": lambda a: _with_signature(a.signed(), _change_first_character),
    "an empty signature": lambda a: _with_signature(a.signed(), lambda _: ""),
    "a signature that is not UTF-8": lambda a: _with_signature(a.signed(), lambda _: NOT_UTF8),
    "a scope of another day": lambda a: _with_scope(a, day="20200101"),
    "a scope of another region": lambda a: _with_scope(a, region="cn-beijing"),
    "a scope of another service": lambda a: _with_scope(a, service="sls"),
}


def _applies(attack: str, entry_point: EntryPoint) -> bool:
    """Return True if an attack is possible at an entry point."""
    match attack:
        case "another authorization scheme" | "a signed request, with an addition":
            return not entry_point.is_form  # a form's signature does not cover headers, and fields need no condition
        case "a signature from the future":
            return entry_point.has_start
        case "a signed request, with another body":
            return entry_point.signs_body
    return entry_point.has_scope or not attack.startswith("a scope of")


ATTACK_CASES = [
    (name, attack) for name, entry_point in ENTRY_POINTS.items() for attack in ATTACKS if _applies(attack, entry_point)
]

# The vendor's status and error code for each attack, by service. `OpenAPI` is IMM in both styles, and FC 3.0.
_SERVICES = ("OSS", "SMQ", "OpenAPI", "FC 2.0")
_SIGNATURE = "403 SignatureDoesNotMatch"  # the same for OSS and SMQ
_WRONG_SIGNATURE = (_SIGNATURE, _SIGNATURE, "400 SignatureDoesNotMatch", "403 SignatureNotMatch")
_TOKEN = (
    "403 InvalidSecurityToken", "403 AccessDenied", "400 InvalidSecurityToken.MismatchWithAccessKey",
    "403 InvalidSecurityToken",
)  # fmt: skip
_TIME = ("403 RequestTimeTooSkewed", "400 TimeExpired", "400 InvalidTimeStamp.Expired", "403 RequestTimeTooSkewed")
_UNKNOWN = (
    "403 InvalidAccessKeyId", "403 InvalidAccessKeyId", "404 InvalidAccessKeyId.NotFound", "403 InvalidAccessKeyID",
)  # fmt: skip
_SCOPE = ("400 InvalidArgument", _SIGNATURE)
EXPECTED_ERRORS = {
    "no signature": (
        "403 AccessDenied", "400 MissingAuthorizationHeader", "400 MissingAuthorization", "400 MissingRequiredHeader",
    ),
    "another authorization scheme": (
        "400 InvalidArgument", "400 InvalidAuthorizationHeader", "400 IncompleteSignature", "400 MissingRequiredHeader",
    ),
    "an unknown key": _UNKNOWN,
    "a key of another account": _UNKNOWN,
    "a role's key without its token": _TOKEN,
    "a role's key with another token": _TOKEN,
    "the owner's key with a role's token": _TOKEN,
    "a role outside its policy": ("403 AccessDenied", "403 AccessDenied", "403 NoPermission", "403 AccessDenied"),
    "an expired signature": _TIME,
    "a signature from the future": _TIME,
    "a signed request, with another body": ("400 InvalidDigest", "400 InvalidDegist", "400 ContentSha256Mismatch"),
    "an empty signature": (
        _SIGNATURE, "400 InvalidAuthorizationHeader", "400 IncompleteSignature", "403 SignatureNotMatch",
    ),
    "a scope of another day": _SCOPE,
    "a scope of another region": _SCOPE,
    "a scope of another service": ("400 InvalidArgument", "400 InvalidAuthorizationHeader"),
}  # fmt: skip
# Exceptions of single entry points.
EXPECTED_ERRORS_AT = {
    ("OSS V1 URL", "an expired signature"): "403 AccessDenied",  # the vendor's "Request has expired."
    ("OSS V4 URL", "an expired signature"): "403 AccessDenied",
    ("OSS V4 URL", "a signature from the future"): "403 AccessDenied",
    ("OSS V1 form", "an expired signature"): "403 AccessDenied",
    ("OSS V4 form", "an expired signature"): "403 AccessDenied",
    # The conditions of a form's policy name its object; a request that is no form has no signature.
    **{
        (form, name): "403 AccessDenied"
        for form in ("OSS V1 form", "OSS V4 form")
        for name in ("a signed request, for another resource", "a signed request, with another method")
    },
    ("SMQ V4", "a signature that is not UTF-8"): "400 InvalidAuthorizationHeader",
    ("IMM ACS3", "a signature that is not UTF-8"): "400 IncompleteSignature",
    ("IMM RPC", "an empty signature"): "400 SignatureDoesNotMatch",
    ("FC 3.0", "a signature that is not UTF-8"): "400 IncompleteSignature",
    ("FC 3.0", "a signed request, with an addition"): "400 IncompleteSignature",
    ("FC 3.0", "a role outside its policy"): "403 AccessDenied",
}  # fmt: skip


def expected_error(name: str, attack: str) -> tuple[int, str]:
    """Return the status and the error code of the response to an attack on an entry point."""
    service = next((service for service in _SERVICES if name.startswith(service)), "OpenAPI")
    row = EXPECTED_ERRORS.get(attack, _WRONG_SIGNATURE)
    status, _, code = EXPECTED_ERRORS_AT.get((name, attack), row[_SERVICES.index(service)]).partition(" ")
    return int(status), code
