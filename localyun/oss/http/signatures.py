"""Verifies OSS signatures V1, V2 and V4, in headers, URLs and form policies. Knows no objects.

Sources: API reference, "Include signatures in the Authorization header" and "... in a URL", V1 and V4; V2 as
the vendor's Python SDK 2.19.1 and Go SDK 3.0.2 sign; read 2026-11.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime

from localyun.errors import ServiceError
from localyun.oss.http.subresources import SIGNED
from localyun.oss.http.xml import iso
from localyun.ram import signing
from localyun.ram.credentials import Credential, Keyring
from localyun.ram.signing import MAX_SKEW, check_equal, hmac_base64, hmac_v4, percent_encoded, query_string

MAX_EXPIRES_SECONDS = 7 * 24 * 3600
V4 = "OSS4-HMAC-SHA256"
COMPACT_TIME = "%Y%m%dT%H%M%SZ"
_SECONDS = re.compile(r"[0-9]{1,12}")


@dataclass(frozen=True)
class SignedRequest:
    """The parts of a request that a signature covers. `resource` is `/bucket/key`, decoded."""

    method: str
    resource: str
    query: Mapping[str, str]
    headers: Mapping[str, str]


def authenticate(request: SignedRequest, keyring: Keyring, now: datetime, region: str) -> Credential | None:
    """Return the key that signed a request, or None if it is anonymous. Raises ServiceError if it is invalid.

    The resource of a bucket is `/bucket/`. A client that has the bucket in the path, which OSS itself does not serve,
    may sign the path that it sends, `/bucket` (OpenDAL 0.47 for Python, 2026-11).
    """
    try:
        return _authenticate(request, keyring, now, region)
    except ServiceError as error:
        bucket = request.resource.strip("/")
        if error.code != "SignatureDoesNotMatch" or request.resource != f"/{bucket}/" or "/" in bucket:
            raise
        with suppress(ServiceError):
            return _authenticate(replace(request, resource=f"/{bucket}"), keyring, now, region)
        raise


def _authenticate(request: SignedRequest, keyring: Keyring, now: datetime, region: str) -> Credential | None:
    authorization = request.headers.get("authorization", "")
    if authorization.startswith(V4):
        return _v4_header(request, authorization, keyring, now, region)
    if authorization.startswith("OSS2 "):
        return _v2_header(request, authorization, keyring, now)
    if authorization.startswith("OSS "):
        return _v1_header(request, authorization, keyring, now)
    if "x-oss-signature" in request.query:
        is_v2 = request.query.get("x-oss-signature-version") == "OSS2"
        return _v2_url(request, keyring, now) if is_v2 else _v4_url(request, keyring, now, region)
    if "Signature" in request.query and "OSSAccessKeyId" in request.query:
        return _v1_url(request, keyring, now)
    if authorization:
        raise _malformed(f"the authorization must begin with {V4}, OSS2 or OSS, not {authorization.split()[0]!r}")
    return None


def v1_text(request: SignedRequest, date: str) -> str:
    """Return the string to sign of V1; `date` is the Date header, or the expiry of a URL."""
    signed = sorted((name, value) for name, value in request.query.items() if name in SIGNED)
    resource = request.resource + ("?" if signed else "") + query_string(signed)
    names = (name for name in request.headers if name.startswith("x-oss-"))
    return _dated_text(request, date, _header_lines(request, names) + resource)


def v2_text(request: SignedRequest, date: str, additional_headers: str) -> str:
    """Return the string to sign of V2: that of V1 with additional headers and all parameters, percent-encoded."""
    additional, query = _additional(additional_headers), _encoded_query(request)
    names = (name for name in request.headers if name.startswith("x-oss-") or name in additional)
    lines = _header_lines(request, names)
    resource = percent_encoded(request.resource) + ("?" if query else "") + query
    return _dated_text(request, date, f"{lines}{';'.join(additional)}\n{resource}")


def find_credential(access_key_id: str, keyring: Keyring) -> Credential:
    """Return an issued access key. Raises InvalidAccessKeyId for any other."""
    text = "The OSS Access Key Id you provided does not exist in our records."
    error = ServiceError(403, "InvalidAccessKeyId", text, ec="0002-00000902", OSSAccessKeyId=access_key_id)
    return signing.find_credential(keyring, access_key_id, error)


def check_token(credential: Credential, token: str) -> None:
    """Raise InvalidSecurityToken if a role's key lacks its token, or another key has one."""
    text = "The security token you provided is invalid: send the token that was issued with the access key."
    signing.check_token(credential, token, ServiceError(403, "InvalidSecurityToken", text, ec="0002-00000006"))


def check_signature(credential: Credential, given: str, text: str, scope: str = "", digest: str = "sha1") -> None:
    """Raise SignatureDoesNotMatch, with the string to sign, if a signature is wrong; V1 and V2 have no scope."""
    secret = credential.access_key_secret
    expected = hmac_v4(secret, scope, text) if scope else hmac_base64(secret, text, digest)
    message = (
        "The request signature we calculated does not match the signature you provided. "
        "Check your key and signing method."
    )
    details = {"OSSAccessKeyId": credential.access_key_id, "SignatureProvided": given, "StringToSign": text}
    check_equal(given, (expected,), ServiceError(403, "SignatureDoesNotMatch", message, ec="0002-00000040", **details))


def check_scope(scope: str, when: str, region: str, *, in_url: bool = False) -> None:
    """Raise InvalidArgument if a V4 scope is for another day, region or product."""
    parts = scope.split("/")
    if len(parts) != 4 or parts[3] != "aliyun_v4_request" or parts[0] != when[:8]:
        raise _malformed(f"the scope must be {when[:8]}/{region}/oss/aliyun_v4_request, not {scope!r}")
    # Codes as users report them: alibabacloud-oss-go-sdk-v2 issue 29 and -python-sdk-v2 issue 74; the text for a
    # URL as the vendor's Python SDK 2.19.1 tests it.
    if parts[1] != region:
        header_text = "Invalid signing region in Authorization header."
        text = "The signing region in credential is invalid." if in_url else header_text
        ec = "" if in_url else "0002-00000226"
        raise ServiceError(400, "InvalidArgument", text, ec=ec, RegionProvided=parts[1], RegionExpected=region)
    if parts[2] != "oss":
        text = f"Invalid signing product in Authorization header: {parts[2]!r}, expected 'oss'."
        raise ServiceError(400, "InvalidArgument", text, ec="0002-00000227")


def check_expiry(expired: bool) -> None:
    """Raise AccessDenied if a signed URL or policy has expired."""
    if expired:
        raise ServiceError(403, "AccessDenied", "Request has expired.")


def _v1_header(request: SignedRequest, authorization: str, keyring: Keyring, now: datetime) -> Credential:
    access_key_id, _, given = authorization[4:].partition(":")
    credential = find_credential(access_key_id, keyring)
    check_signature(credential, given, v1_text(request, _dated(request, now)))
    _check_header_token(request, credential)
    return credential


def _v2_header(request: SignedRequest, authorization: str, keyring: Keyring, now: datetime) -> Credential:
    fields = dict(re.findall(r"(\w+):([^,\s]+)", authorization))
    credential = find_credential(fields.get("AccessKeyId", ""), keyring)
    text = v2_text(request, _dated(request, now), fields.get("AdditionalHeaders", ""))
    check_signature(credential, fields.get("Signature", ""), text, digest="sha256")
    _check_header_token(request, credential)
    return credential


def _dated(request: SignedRequest, now: datetime) -> str:
    """Return the date that V1 and V2 sign. Raises ServiceError if it is not near now."""
    date = request.headers.get("x-oss-date", "") or request.headers.get("date", "")
    _check_date(_http_time(date), now)
    return date


def _check_header_token(request: SignedRequest, credential: Credential) -> None:
    headers = request.headers
    # The vendor's Python SDK 2 sends V1 tokens as `security-token`; its documents say `x-oss-security-token`.
    check_token(credential, headers.get("x-oss-security-token", "") or headers.get("security-token", ""))


def _v1_url(request: SignedRequest, keyring: Keyring, now: datetime) -> Credential:
    query = request.query
    credential = find_credential(query["OSSAccessKeyId"], keyring)
    check_signature(credential, query["Signature"], v1_text(request, _expiry(request, "Expires", now)))
    check_token(credential, query.get("security-token", ""))
    return credential


def _v2_url(request: SignedRequest, keyring: Keyring, now: datetime) -> Credential:
    query = request.query
    credential = find_credential(query.get("x-oss-access-key-id", ""), keyring)
    expires, additional = _expiry(request, "x-oss-expires", now), query.get("x-oss-additional-headers", "")
    check_signature(credential, query["x-oss-signature"], v2_text(request, expires, additional), digest="sha256")
    check_token(credential, query.get("security-token", ""))
    return credential


def _expiry(request: SignedRequest, name: str, now: datetime) -> str:
    """Return the parameter with which a URL of V1 or V2 expires. Raises ServiceError if it has expired."""
    expires = request.query.get(name, "")
    if not _SECONDS.fullmatch(expires):
        raise _malformed(f"a signed URL needs `{name}`, in seconds since 1970")
    check_expiry(now.timestamp() > int(expires))
    return expires


def _v4_header(request: SignedRequest, authorization: str, keyring: Keyring, now: datetime, region: str) -> Credential:
    fields = dict(re.findall(r"(\w+)=([^,\s]+)", authorization))
    access_key_id, _, scope = fields.get("Credential", "").partition("/")
    credential = find_credential(access_key_id, keyring)
    # A client that sends no x-oss-date signs its Date header unchanged (aliyun-oss-go-sdk 3.0.2: oss/auth.go).
    compact, http = request.headers.get("x-oss-date", ""), request.headers.get("date", "")
    signed, when = (_compact_time(compact), compact) if compact else (_http_time(http), http)
    check_scope(scope, _check_date(signed, now).strftime(COMPACT_TIME), region)
    text = _v4_text(request, when, scope, fields.get("AdditionalHeaders", ""))
    check_signature(credential, fields.get("Signature", ""), text, scope)
    check_token(credential, request.headers.get("x-oss-security-token", ""))
    return credential


def _v4_url(request: SignedRequest, keyring: Keyring, now: datetime, region: str) -> Credential:
    query = request.query
    access_key_id, _, scope = query.get("x-oss-credential", "").partition("/")
    credential = find_credential(access_key_id, keyring)
    when, seconds = query.get("x-oss-date", ""), query.get("x-oss-expires", "")
    signed = _compact_time(when)
    if signed is None or not _SECONDS.fullmatch(seconds) or not 1 <= int(seconds) <= MAX_EXPIRES_SECONDS:
        raise _malformed(f"a signed URL needs `x-oss-date` and `x-oss-expires`, 1 to {MAX_EXPIRES_SECONDS} seconds")
    check_scope(scope, when, region, in_url=True)
    check_expiry(not signed - MAX_SKEW <= now <= signed + timedelta(seconds=int(seconds)))
    text = _v4_text(request, when, scope, query.get("x-oss-additional-headers", ""))
    check_signature(credential, query["x-oss-signature"], text, scope)
    check_token(credential, query.get("x-oss-security-token", ""))
    return credential


def _v4_text(request: SignedRequest, when: str, scope: str, additional_headers: str) -> str:
    """Return the string to sign of V4; `additional_headers` are names joined by semicolons.

    Raises InvalidArgument if one of them was not sent (integration tests of the vendor's Go SDK 2, read 2026-12).
    """
    headers = request.headers
    additional = _additional(additional_headers)
    if missing := set(additional).difference(headers):
        raise _malformed(f"the signed header {min(missing)!r} was not sent")
    canonical = (
        request.method,
        percent_encoded(request.resource, "/"),
        _encoded_query(request),
        _header_lines(request, (name for name in headers if _is_signed(name) or name in additional)),
        ";".join(additional),
        headers.get("x-oss-content-sha256", "UNSIGNED-PAYLOAD"),
    )
    digest = hashlib.sha256("\n".join(canonical).encode()).hexdigest()
    return f"{V4}\n{when}\n{scope}\n{digest}"


def _dated_text(request: SignedRequest, date: str, rest: str) -> str:
    headers = request.headers
    return "\n".join((request.method, headers.get("content-md5", ""), headers.get("content-type", ""), date, rest))


def _header_lines(request: SignedRequest, names: Iterable[str]) -> str:
    return "".join(f"{name}:{request.headers[name]}\n" for name in sorted(names))


def _additional(names: str) -> list[str]:
    """Return names of headers that are joined by semicolons, sorted."""
    return sorted(name.lower() for name in names.split(";") if name)


def _encoded_query(request: SignedRequest) -> str:
    """Return all parameters but the signature itself, percent-encoded and sorted."""
    query = sorted((percent_encoded(name), percent_encoded(value)) for name, value in request.query.items())
    return query_string(pair for pair in query if pair[0] != "x-oss-signature")


def _check_date(signed: datetime | None, now: datetime) -> datetime:
    """Return the time of signing in UTC."""
    if signed is None:
        text = "OSS authentication requires a valid Date: send Date or x-oss-date."
        raise ServiceError(403, "AccessDenied", text, ec="0003-00000001")
    details = {
        "MaxAllowedSkewMilliseconds": str(int(MAX_SKEW.total_seconds()) * 1000),
        "RequestTime": iso(signed),
        "ServerTime": iso(now),
    }
    text = "The difference between the request time and the current time is too large."
    signing.check_skew(signed, now, ServiceError(403, "RequestTimeTooSkewed", text, ec="0002-00000504", **details))
    return signed.astimezone(timezone.utc)


def _compact_time(text: str) -> datetime | None:
    """Parse the time format of V4."""
    try:
        return datetime.strptime(text, COMPACT_TIME).replace(tzinfo=timezone.utc)
    except ValueError:
        return None


def _http_time(text: str) -> datetime | None:
    """Parse an HTTP date, or the compact time, which OSS accepts in V1 as well."""
    try:
        found = parsedate_to_datetime(text)
    except ValueError:
        return _compact_time(text)
    return found if found.tzinfo else found.replace(tzinfo=timezone.utc)


def _is_signed(name: str) -> bool:
    return name.startswith("x-oss-") or name in {"content-type", "content-md5"}


def _malformed(what: str) -> ServiceError:
    return ServiceError(400, "InvalidArgument", f"Authorization is invalid: {what}.")
