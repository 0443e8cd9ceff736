"""Every door, and every way in that is tried at each of them. Tables and what fills them; `test_doors` walks over both.

A door is a way to prove who one is. What is asked through it would leave a trace: an object, a message, a project, a
line in a log. All names that matter are `mine`, so that a stolen request is turned into one for `their` by a word.
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
from tests.security.harness import Siege
from tests.security.signers import BOUNDARY, Scope, Sign, http_date
from tests.security.wire import NO_TEXT, Answer, Request

WINDOW = timedelta(minutes=15)
STRANGER = Credential("LTAIofAnotherAccount", "a-secret-of-another-account")
_MESSAGE = b'<Message xmlns="http://mns.aliyuncs.com/doc/v1/"><MessageBody>mine</MessageBody></Message>'
_INVOKE = {"x-acs-action": "InvokeFunction", "x-acs-version": "2023-03-30"}
_CREATE = {"x-acs-action": "CreateProject", "x-acs-version": "2020-09-30"}


class Door(NamedTuple):
    """A way to prove who one is: where, what is asked, how it is signed; `sealed`: the body is signed with it.

    `scoped`: the signature is for a day, a region and a service. `begins`: it is not good before its time.
    `extra`: what nobody may add to a signed request. `method`: another one, that would do something else.
    """

    place: str
    request: Request
    sign: Sign
    method: str
    extra: Callable[[Request], Request]
    sealed: bool = True
    scoped: bool = False
    begins: bool = True

    @property
    def is_form(self) -> bool:
        """Whether what is sent is a form."""
        return self.method == "PUT"


def _sealed(body: bytes, kind: str = "text/xml") -> dict[str, str]:
    return {"content-md5": b64encode(md5(body).digest()).decode(), "content-type": kind}


_PUT = Request("PUT", "/mine/mine", headers=_sealed(b"mine"), body=b"mine")
_LINK = Request("PUT", "/mine/mine", body=b"mine")
_SEND = Request(
    "POST", "/queues/mine/messages", headers={**_sealed(_MESSAGE), "x-mns-version": "2015-06-06"}, body=_MESSAGE
)
_PUBLIC = partial(Request.plus, x_oss_object_acl="public-read")


DOORS = {
    "OSS V1": Door("oss", _PUT, signers.oss_v1, "DELETE", _PUBLIC),
    "OSS V4": Door("oss", _PUT, signers.oss_v4, "DELETE", _PUBLIC, scoped=True),
    "OSS V1 URL": Door("oss", _LINK, signers.oss_url_v1, "DELETE", _PUBLIC, sealed=False, begins=False),
    "OSS V4 URL": Door("oss", _LINK, signers.oss_url_v4, "DELETE", _PUBLIC, sealed=False, scoped=True),
    "OSS V1 form": Door("oss", _LINK, signers.oss_form_v1, "PUT", Request.plus, False, False, False),
    "OSS V4 form": Door("oss", _LINK, signers.oss_form_v4, "PUT", Request.plus, False, True, False),
    "SMQ V1": Door("mns", _SEND, signers.smq_v1, "GET", partial(Request.plus, x_mns_tag="their")),
    "SMQ V4": Door("mns", _SEND, signers.smq_v4, "GET", partial(Request.plus, x_mns_tag="their"), scoped=True),
    "IMM ACS3": Door(
        "imm", Request("POST", "/", "ProjectName=mine", _CREATE), signers.acs3, "GET",
        partial(Request.asking, query="ServiceRole=their"),
    ),
    "IMM RPC": Door(
        "imm", Request("POST", "/", "Action=CreateProject&ProjectName=mine&Version=2020-09-30"), signers.rpc, "GET",
        partial(Request.asking, query="ServiceRole=their"), sealed=False,
    ),
    "FC 2.0": Door(
        "fc", Request("POST", "/2016-08-15/services/any/functions/mine/invocations", body=b"mine"), signers.fc_2016,
        "GET", partial(Request.plus, x_fc_invocation_type="Async"), sealed=False,
    ),
    "FC 3.0": Door(
        "fc", Request("POST", "/2023-03-30/functions/mine/invocations", "", _INVOKE, b"mine"), signers.acs3,
        "GET", partial(Request.plus, x_acs_their="their"),
    ),
}  # fmt: skip


BreakIn = Callable[["Attempt"], Request]


class Attempt(NamedTuple):
    """Somebody at a door. `tail` makes the name new of what is asked for, where a thing can be made only once."""

    siege: Siege
    door: Door
    tail: str = ""

    @property
    def request(self) -> Request:
        """What is asked for, unsigned."""
        request = self.door.request
        return request._replace(query=request.query.replace("ProjectName=mine", f"ProjectName=mine{self.tail}"))

    @property
    def unsigned(self) -> Request:
        """The request of somebody without a key: a form has no policy then."""
        return signers.form({"key": "mine"}, b"mine") if self.door.is_form else self.request

    def signed(self, key: Credential | None = None, at: float = 0, **scope: Scope) -> Request:
        """Sign what is asked for, by default as the account's owner, now; `at` is in seconds from now."""
        when = self.siege.clock.now() + timedelta(seconds=at)
        return self.door.sign(self.request, key or self.siege.root, when, self.siege.host(self.door.place), **scope)

    def send(self, request: Request) -> Answer:
        """Knock."""
        return self.siege.send(self.door.place, request)


def _refield(request: Request) -> Request:
    """Put another key into a form, beside the policy that was signed for the first."""
    return request._replace(body=request.body.replace(b'name="key"\r\n\r\nmine', b'name="key"\r\n\r\ntheir'))


def stolen(request: Request) -> Request:
    """Turn a signed request into one for something else, without a new signature."""
    if BOUNDARY in request.headers.get("content-type", ""):
        return _refield(request)
    path = request.path.replace("mine", "their", 1)
    return request._replace(path=path, query=request.query.replace("ProjectName=mine", "ProjectName=their"))


def _signature(request: Request, change: Callable[[str], str]) -> Request:
    """Change the signature of a request, wherever it stands."""
    if header := request.headers.get("authorization"):
        mark = "Signature=" if "Signature=" in header else ":"
        before, _, given = header.rpartition(mark)
        return request.plus(authorization=f"{before}{mark}{change(given)}")
    if found := re.search("(?:x-oss-s|S)ignature=([^&]*)", request.query):
        changed = quote(change(found[1]).encode("utf-8", "surrogateescape"), safe="%")
        return request._replace(query=request.query[: found.start(1)] + changed + request.query[found.end(1) :])
    field = re.search(rb'name="(?:x-oss-s|S)ignature"\r\n\r\n([^\r]*)', request.body)
    assert field
    changed_bytes = change(field[1].decode()).encode("utf-8", "surrogateescape")
    return request._replace(body=request.body[: field.start(1)] + changed_bytes + request.body[field.end(1) :])


def _another_letter(given: str) -> str:
    return ("b" if given.startswith("a") else "a") + given[1:]


def _with_token(a: Attempt, key: Credential, token: str) -> Request:
    return a.signed(Credential(key.access_key_id, key.access_key_secret, token))


def _secret(a: Attempt, secret: str) -> Request:
    return a.signed(Credential(a.siege.root.access_key_id, secret))


def _scope(a: Attempt, **other: str) -> Request:
    service = "mns" if a.door.place == "mns" else "oss"
    return a.signed(scope=Scope(**{"service": service, **other}))


def _another_scheme(a: Attempt) -> Request:
    return a.request.plus(authorization="Basic bWluZTptaW5l", date=http_date(a.siege.clock.now()))


def _as_role_elsewhere(a: Attempt) -> Request:
    door = a.door._replace(request=stolen(a.door.request))
    return a._replace(door=door).signed(a.siege.role)


LATE = WINDOW.total_seconds() + 60

BREAK_INS: dict[str, BreakIn] = {
    "no signature": lambda a: a.unsigned,
    "another scheme": _another_scheme,
    "a wrong secret": lambda a: _secret(a, "wrong"),
    "an empty secret": lambda a: _secret(a, ""),
    "the secret of another key": lambda a: _secret(a, a.siege.role.access_key_secret),
    "a key that nobody has": lambda a: a.signed(Credential("LTAInobody", "")),
    "a key of another account": lambda a: a.signed(STRANGER),
    "a role's key without its token": lambda a: _with_token(a, a.siege.role, ""),
    "a role's key with another token": lambda a: _with_token(a, a.siege.role, "another-token"),
    "the owner's key with a role's token": lambda a: _with_token(a, a.siege.root, a.siege.role.security_token),
    "a role outside its policy": _as_role_elsewhere,
    "signed too long ago": lambda a: a.signed(at=-LATE),
    "signed for later": lambda a: a.signed(at=LATE),
    "a signed request, for something else": lambda a: stolen(a.signed()),
    "a signed request, by another method": lambda a: a.signed()._replace(method=a.door.method),
    "a signed request, with another body": lambda a: a.signed()._replace(body=b"evil"),
    "a signed request, with something added": lambda a: a.door.extra(a.signed()),
    "a signature cut short": lambda a: _signature(a.signed(), lambda given: given[:8]),
    "a signature with another letter": lambda a: _signature(a.signed(), _another_letter),
    "an empty signature": lambda a: _signature(a.signed(), lambda given: ""),
    "a signature that is no text": lambda a: _signature(a.signed(), lambda given: NO_TEXT),
    "a scope of another day": lambda a: _scope(a, day="20200101"),
    "a scope of another region": lambda a: _scope(a, region="cn-beijing"),
    "a scope of another service": lambda a: _scope(a, service="sls"),
}

_ONLY: dict[str, Callable[[Door], bool]] = {
    "another scheme": lambda door: not door.is_form,  # headers do not count beside a form,
    "a signed request, with something added": lambda door: not door.is_form,  # and fields need no condition
    "signed for later": lambda door: door.begins,
    "a signed request, with another body": lambda door: door.sealed,
    "a scope of another day": lambda door: door.scoped,
    "a scope of another region": lambda door: door.scoped,
    "a scope of another service": lambda door: door.scoped,
}
WAYS = [
    (door, name) for door in DOORS for name in BREAK_INS if _ONLY.get(name, lambda _: True)(DOORS[door])
]  # fmt: skip

# What each is told, by service: the vendor's status and code. `OpenAPI` is IMM in both styles, and FC 3.0.
_SERVICES = ("OSS", "SMQ", "OpenAPI", "FC 2.0")
_SIGNATURE = "403 SignatureDoesNotMatch"  # of OSS and of SMQ
_WRONG = (_SIGNATURE, _SIGNATURE, "400 SignatureDoesNotMatch", "403 SignatureNotMatch")
_TOKEN = (
    "403 InvalidSecurityToken", "403 AccessDenied", "400 InvalidSecurityToken.MismatchWithAccessKey",
    "403 InvalidSecurityToken",
)  # fmt: skip
_TIME = ("403 RequestTimeTooSkewed", "400 TimeExpired", "400 InvalidTimeStamp.Expired", "403 RequestTimeTooSkewed")
_UNKNOWN = (
    "403 InvalidAccessKeyId", "403 InvalidAccessKeyId", "404 InvalidAccessKeyId.NotFound", "403 InvalidAccessKeyID",
)  # fmt: skip
_SCOPE = ("400 InvalidArgument", _SIGNATURE)
DELIVERED = {
    "no signature": (
        "403 AccessDenied", "400 MissingAuthorizationHeader", "400 MissingAuthorization", "400 MissingRequiredHeader",
    ),
    "another scheme": (
        "400 InvalidArgument", "400 InvalidAuthorizationHeader", "400 IncompleteSignature", "400 MissingRequiredHeader",
    ),
    "a key that nobody has": _UNKNOWN,
    "a key of another account": _UNKNOWN,
    "a role's key without its token": _TOKEN,
    "a role's key with another token": _TOKEN,
    "the owner's key with a role's token": _TOKEN,
    "a role outside its policy": ("403 AccessDenied", "403 AccessDenied", "403 NoPermission", "403 AccessDenied"),
    "signed too long ago": _TIME,
    "signed for later": _TIME,
    "a signed request, with another body": ("400 InvalidDigest", "400 InvalidDegist", "400 ContentSha256Mismatch"),
    "an empty signature": (
        _SIGNATURE, "400 InvalidAuthorizationHeader", "400 IncompleteSignature", "403 SignatureNotMatch",
    ),
    "a scope of another day": _SCOPE,
    "a scope of another region": _SCOPE,
    "a scope of another service": ("400 InvalidArgument", "400 InvalidAuthorizationHeader"),
}  # fmt: skip
# Where a door has words of its own.
TOLD_AT = {
    ("OSS V1 URL", "signed too long ago"): "403 AccessDenied",  # the vendor's "Request has expired."
    ("OSS V4 URL", "signed too long ago"): "403 AccessDenied",
    ("OSS V4 URL", "signed for later"): "403 AccessDenied",
    ("OSS V1 form", "signed too long ago"): "403 AccessDenied",
    ("OSS V4 form", "signed too long ago"): "403 AccessDenied",
    # A form is bound to its object by the conditions of its policy; without a form there is no signature at all.
    **{
        (form, name): "403 AccessDenied"
        for form in ("OSS V1 form", "OSS V4 form")
        for name in ("a signed request, for something else", "a signed request, by another method")
    },
    ("SMQ V4", "a signature that is no text"): "400 InvalidAuthorizationHeader",
    ("IMM ACS3", "a signature that is no text"): "400 IncompleteSignature",
    ("IMM RPC", "an empty signature"): "400 SignatureDoesNotMatch",
    ("FC 3.0", "a signature that is no text"): "400 IncompleteSignature",
    ("FC 3.0", "a signed request, with something added"): "400 IncompleteSignature",
    ("FC 3.0", "a role outside its policy"): "403 AccessDenied",
}  # fmt: skip


def told(door: str, break_in: str) -> tuple[int, str]:
    """Return the status and the code with which a break-in at a door is refused."""
    service = next((name for name in _SERVICES if door.startswith(name)), "OpenAPI")
    row = DELIVERED.get(break_in, _WRONG)
    status, _, code = TOLD_AT.get((door, break_in), row[_SERVICES.index(service)]).partition(" ")
    return int(status), code
