"""OSS signatures V1 and V4, in headers and in URLs: recomputed and compared. Knows no objects; the face calls it.

Sources: API reference, "Include signatures in the Authorization header" and "... in a URL", V1 and V4, read
2026-11.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from urllib.parse import quote

from localyun.errors import ServiceError
from localyun.oss.http.subresources import SIGNED
from localyun.ram.credentials import Credential, Keyring

MAX_SKEW = timedelta(minutes=15)
MAX_EXPIRES_SECONDS = 7 * 24 * 3600
V4 = "OSS4-HMAC-SHA256"
ISO = "%Y%m%dT%H%M%SZ"
_SECONDS = re.compile(r"[0-9]{1,12}")


@dataclass(frozen=True)
class Signed:
    """What a signature covers: the request as the client meant it. `resource` is `/bucket/key`, decoded."""

    method: str
    resource: str
    query: Mapping[str, str]
    headers: Mapping[str, str]


def authenticate(request: Signed, keyring: Keyring, now: datetime, region: str) -> Credential | None:
    """Return whose request it is, None for an anonymous one; refuse every signature that does not hold."""
    authorization = request.headers.get("authorization", "")
    if authorization.startswith(V4):
        return _v4_header(request, authorization, keyring, now, region)
    if authorization.startswith("OSS "):
        return _v1_header(request, authorization, keyring, now)
    if "x-oss-signature" in request.query:
        return _v4_url(request, keyring, now, region)
    if "Signature" in request.query and "OSSAccessKeyId" in request.query:
        return _v1_url(request, keyring, now)
    if authorization:
        raise _malformed(f"the authorization must begin with {V4} or OSS, not {authorization.split()[0]!r}")
    return None


def v1_text(request: Signed, date: str) -> str:
    """Return the text that a V1 signature signs; `date` is the Date header, or a URL's expiry."""
    headers = request.headers
    oss = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers) if name.startswith("x-oss-"))
    signed = sorted((name, value) for name, value in request.query.items() if name in SIGNED)
    resource = request.resource + ("?" if signed else "") + _query(signed)
    about = (headers.get("content-md5", ""), headers.get("content-type", ""), date)
    return "\n".join((request.method, *about, oss + resource))


def v1_signature(secret: str, text: str) -> str:
    """Return the Base64 of the HMAC-SHA1 of a text."""
    return base64.b64encode(hmac.digest(secret.encode(), text.encode(), "sha1")).decode()


def v4_text(request: Signed, when: str, scope: str, additional: tuple[str, ...] = ()) -> str:
    """Return the text that a V4 signature signs."""
    headers = request.headers
    names = [name for name in sorted(headers) if _is_signed(name) or name in additional]
    query = sorted((_quote(name), _quote(value)) for name, value in request.query.items())
    canonical = (
        request.method,
        quote(request.resource, safe="/-_.~"),
        _query([pair for pair in query if pair[0] != "x-oss-signature"]),
        "".join(f"{name}:{headers[name]}\n" for name in names),
        ";".join(additional),
        headers.get("x-oss-content-sha256", "UNSIGNED-PAYLOAD"),
    )
    digest = hashlib.sha256("\n".join(canonical).encode()).hexdigest()
    return f"{V4}\n{when}\n{scope}\n{digest}"


def v4_signature(secret: str, scope: str, text: str) -> str:
    """Return the hex HMAC-SHA256 of a text, under the key that a scope derives from a secret."""
    key = ("aliyun_v4" + secret).encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, text.encode(), "sha256").hex()


def check_token(credential: Credential, token: str) -> None:
    """Refuse a role's key without its token, and a token beside any other key."""
    if not hmac.compare_digest(credential.security_token.encode(), token.encode()):
        text = "The security token you provided is invalid: send the token that was issued with the access key."
        raise ServiceError(403, "InvalidSecurityToken", text, ec="0002-00000006")


def credential_of(access_key_id: str, keyring: Keyring) -> Credential:
    """Return a key by its id, or refuse with InvalidAccessKeyId."""
    if found := keyring.find(access_key_id):
        return found
    text = "The OSS Access Key Id you provided does not exist in our records."
    raise ServiceError(403, "InvalidAccessKeyId", text, ec="0002-00000902", OSSAccessKeyId=access_key_id)


def check_signature(credential: Credential, given: str, text: str, sign: Callable[[str, str], str]) -> None:
    """Refuse a signature that is not ours, and show the text that we signed."""
    if not hmac.compare_digest(sign(credential.access_key_secret, text).encode(), given.encode()):
        message = (
            "The request signature we calculated does not match the signature you provided. "
            "Check your key and signing method."
        )
        raise ServiceError(
            403,
            "SignatureDoesNotMatch",
            message,
            ec="0002-00000040",
            OSSAccessKeyId=credential.access_key_id,
            SignatureProvided=given,
            StringToSign=text,
        )


def check_scope(scope: str, when: str, region: str, *, in_url: bool = False) -> None:
    """Refuse a V4 scope for another day, region or product."""
    parts = scope.split("/")
    if len(parts) != 4 or parts[3] != "aliyun_v4_request" or parts[0] != when[:8]:
        raise _malformed(f"the scope must be {when[:8]}/{region}/oss/aliyun_v4_request, not {scope!r}")
    # Codes as users report them: alibabacloud-oss-go-sdk-v2 issue 29 and -python-sdk-v2 issue 74; the text for a
    # URL as the vendor's Python SDK 2.19.1 tests it.
    if parts[1] != region:
        text = (
            "The signing region in credential is invalid."
            if in_url
            else "Invalid signing region in Authorization header."
        )
        ec = "" if in_url else "0002-00000226"
        raise ServiceError(400, "InvalidArgument", text, ec=ec, RegionProvided=parts[1], RegionExpected=region)
    if parts[2] != "oss":
        text = f"Invalid signing product in Authorization header: {parts[2]!r}, expected 'oss'."
        raise ServiceError(400, "InvalidArgument", text, ec="0002-00000227")


def _v1_header(request: Signed, authorization: str, keyring: Keyring, now: datetime) -> Credential:
    access_key_id, _, given = authorization[4:].partition(":")
    credential = credential_of(access_key_id, keyring)
    date = request.headers.get("x-oss-date", "") or request.headers.get("date", "")
    _check_skew(_http_time(date), now)
    check_signature(credential, given, v1_text(request, date), v1_signature)
    # The vendor's Python SDK 2 sends V1 tokens as `security-token`; its documents say `x-oss-security-token`.
    token = request.headers.get("x-oss-security-token", "") or request.headers.get("security-token", "")
    check_token(credential, token)
    return credential


def _v1_url(request: Signed, keyring: Keyring, now: datetime) -> Credential:
    query = request.query
    credential = credential_of(query["OSSAccessKeyId"], keyring)
    expires = query.get("Expires", "")
    if not _SECONDS.fullmatch(expires):
        raise _malformed("a signed URL needs `Expires`, in seconds since 1970")
    check_expiry(now.timestamp() > int(expires))
    check_signature(credential, query["Signature"], v1_text(request, expires), v1_signature)
    check_token(credential, query.get("security-token", ""))
    return credential


def _v4_header(request: Signed, authorization: str, keyring: Keyring, now: datetime, region: str) -> Credential:
    fields = dict(re.findall(r"(\w+)=([^,\s]+)", authorization))
    access_key_id, _, scope = fields.get("Credential", "").partition("/")
    credential = credential_of(access_key_id, keyring)
    # A client that sends no x-oss-date signs its Date header, as it stands (aliyun-oss-go-sdk 3.0.2: oss/auth.go).
    iso, http = request.headers.get("x-oss-date", ""), request.headers.get("date", "")
    signed, when = (iso_time(iso), iso) if iso else (_http_time(http), http)
    check_scope(scope, _check_skew(signed, now).strftime(ISO), region)
    text = v4_text(request, when, scope, _names(fields.get("AdditionalHeaders", "")))
    check_signature(credential, fields.get("Signature", ""), text, lambda key, t: v4_signature(key, scope, t))
    check_token(credential, request.headers.get("x-oss-security-token", ""))
    return credential


def _v4_url(request: Signed, keyring: Keyring, now: datetime, region: str) -> Credential:
    query = request.query
    access_key_id, _, scope = query.get("x-oss-credential", "").partition("/")
    credential = credential_of(access_key_id, keyring)
    when, seconds = query.get("x-oss-date", ""), query.get("x-oss-expires", "")
    begins = iso_time(when)
    if begins is None or not _SECONDS.fullmatch(seconds) or not 1 <= int(seconds) <= MAX_EXPIRES_SECONDS:
        raise _malformed(f"a signed URL needs `x-oss-date` and `x-oss-expires`, 1 to {MAX_EXPIRES_SECONDS} seconds")
    check_scope(scope, when, region, in_url=True)
    check_expiry(not begins - MAX_SKEW <= now <= begins + timedelta(seconds=int(seconds)))
    text = v4_text(request, when, scope, _names(query.get("x-oss-additional-headers", "")))
    check_signature(credential, query["x-oss-signature"], text, lambda key, t: v4_signature(key, scope, t))
    check_token(credential, query.get("x-oss-security-token", ""))
    return credential


def check_expiry(expired: bool) -> None:
    """Refuse what was signed for a time that is over."""
    if expired:
        raise ServiceError(403, "AccessDenied", "Request has expired.")


def _check_skew(signed: datetime | None, now: datetime) -> datetime:
    """Return when a header was signed; refuse no date, and one more than a quarter of an hour from now."""
    if signed is None:
        text = "OSS authentication requires a valid Date: send Date or x-oss-date."
        raise ServiceError(403, "AccessDenied", text, ec="0003-00000001")
    if abs(now - signed) > MAX_SKEW:
        raise ServiceError(
            403,
            "RequestTimeTooSkewed",
            "The difference between the request time and the current time is too large.",
            ec="0002-00000504",
            MaxAllowedSkewMilliseconds=str(int(MAX_SKEW.total_seconds()) * 1000),
            RequestTime=_iso8601(signed),
            ServerTime=_iso8601(now),
        )
    return signed.astimezone(timezone.utc)


def iso_time(text: str) -> datetime | None:
    """Read the compact time of V4; None when it is not one."""
    try:
        return datetime.strptime(text, ISO).replace(tzinfo=timezone.utc)
    except ValueError:
        return None


def _http_time(text: str) -> datetime | None:
    """Read an HTTP date, or the compact time, which OSS takes in V1 as well; None when it is neither."""
    try:
        found = parsedate_to_datetime(text)
    except ValueError:
        return iso_time(text)
    return found if found.tzinfo else found.replace(tzinfo=timezone.utc)


def _iso8601(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _is_signed(name: str) -> bool:
    return name.startswith("x-oss-") or name in {"content-type", "content-md5"}


def _names(joined: str) -> tuple[str, ...]:
    """Split `AdditionalHeaders`."""
    return tuple(sorted(name.lower() for name in joined.split(";") if name))


def _quote(text: str) -> str:
    return quote(text, safe="-_.~")


def _query(pairs: list[tuple[str, str]]) -> str:
    return "&".join(f"{name}={value}" if value else name for name, value in pairs)


def _malformed(what: str) -> ServiceError:
    return ServiceError(400, "InvalidArgument", f"Authorization is invalid: {what}.")
