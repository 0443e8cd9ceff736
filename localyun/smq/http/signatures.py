"""Verifies versions 1 and 4 of the MNS signature. Knows no queues and topics."""

import hashlib
import re
from base64 import b64encode
from collections.abc import Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from urllib.parse import unquote

from localyun.errors import ServiceError
from localyun.http import HttpRequest
from localyun.ram.credentials import Credential, Keyring
from localyun.ram.signing import (
    check_equal,
    check_skew,
    check_token,
    find_credential,
    hmac_base64,
    hmac_v4,
    percent_encoded,
    query_string,
)

VERSION = "2015-06-06"
V4 = "MNS4-HMAC-SHA256"  # the vendor's Java SDK 2.0, MNSV4Signer.java, December 2025
V1_HEADER = re.compile(r"MNS ([^:\s]+):(\S+)")
V4_HEADER = re.compile(rf"{V4} Credential=([^/]+)/(\d{{8}})/([^/]+)/mns/aliyun_v4_request, ?Signature=([0-9a-f]+)")
CHECK = "Check the secret, and that nothing between you and here changes method, path, query or headers."


def authenticate(request: HttpRequest, keyring: Keyring, now: datetime, region: str) -> Credential:
    """Return the key that signed a request. Raises ServiceError if the signature is missing, wrong or expired."""
    headers = request.headers
    _check_version(headers)
    header = headers.get("authorization", "")
    if not header:
        raise ServiceError(400, "MissingAuthorizationHeader", "Authorization header is required. Sign the request.")
    time = _check_date(headers, now)
    if match := V1_HEADER.fullmatch(header):
        credential, given = _credential(keyring, match[1], headers), match[2]
        texts = [text_v1(request, date) for date in _dates(headers)]
        expected = [hmac_base64(credential.access_key_secret, text) for text in texts]
    elif match := V4_HEADER.fullmatch(header):
        credential, given = _credential(keyring, match[1], headers), match[4]
        texts = [text_v4(request, time, region)]
        expected = [hmac_v4(credential.access_key_secret, _scope(time, region), texts[0])]
    else:
        text = "The Authorization header format is invalid: write MNS KEYID:SIGNATURE (version 1) or version 4."
        raise ServiceError(400, "InvalidAuthorizationHeader", text)
    text = f"The signature we calculated does not match the signature you provided. {CHECK}"
    check_equal(given, expected, ServiceError(403, "SignatureDoesNotMatch", text, StringToSign=texts[0]))
    return credential


def text_v1(request: HttpRequest, date: str) -> str:
    """Return the string to sign of version 1: method, three headers, x-mns-* headers, raw path and query."""
    headers = request.headers
    extra = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers) if name.startswith("x-mns-"))
    resource = request.raw_path + (f"?{request.raw_query}" if request.raw_query else "")
    fixed = (request.method, headers.get("content-md5", ""), headers.get("content-type", ""), date)
    return "\n".join(fixed) + "\n" + extra + resource


def text_v4(request: HttpRequest, time: datetime, region: str) -> str:
    """Return the string to sign of version 4. Unlike that of OSS, it contains the canonical request itself, no hash."""
    headers = request.headers
    names = sorted(name for name in headers if name.startswith("x-mns-") or name in ("content-type", "content-md5"))
    signed = "".join(f"{name}:{headers[name].strip()}\n" for name in names)
    path = percent_encoded(unquote(request.raw_path), "/")
    canonical = "\n".join((request.method, path, _query_v4(request.raw_query), signed))
    return f"{V4}\n{time:%Y%m%dT%H%M%SZ}\n{_scope(time, region)}\n{canonical}\n"


def check_md5(request: HttpRequest) -> None:
    """Raise ServiceError if the body does not have the MD5 of the Content-MD5 header, in either format of clients."""
    if not (announced := request.headers.get("content-md5")):
        return
    digest = hashlib.md5(request.read(), usedforsecurity=False)
    # The vendor's Python SDK encodes the hex text, others the sixteen bytes.
    if announced not in (b64encode(digest.hexdigest().encode()).decode(), b64encode(digest.digest()).decode()):
        raise ServiceError(400, "InvalidDegist", "The Content-MD5 you specified is invalid: the body differs from it.")


def _scope(time: datetime, region: str) -> str:
    return f"{time:%Y%m%d}/{region}/mns/aliyun_v4_request"


def _check_version(headers: Mapping[str, str]) -> None:
    version = headers.get("x-mns-version")
    if not version:
        raise ServiceError(400, "MissingVersionHeader", f"x-mns-version header is required. Send {VERSION}.")
    if version != VERSION:
        raise ServiceError(400, "InvalidVersionHeader", f"The x-mns-version {version} is invalid. Send {VERSION}.")


def _dates(headers: Mapping[str, str]) -> list[str]:
    """Return the dates that the client may have signed; which of the two counts is not documented."""
    return [headers[name] for name in ("x-mns-date", "date") if name in headers]


def _check_date(headers: Mapping[str, str], now: datetime) -> datetime:
    """Return the time of signing."""
    if not (dates := _dates(headers)):
        raise ServiceError(400, "MissingDateHeader", "Date header is required. Send Date or x-mns-date.")
    try:
        time = parsedate_to_datetime(dates[0])
        time = time.replace(tzinfo=timezone.utc) if time.tzinfo is None else time.astimezone(timezone.utc)
    except (ValueError, OverflowError):
        text = f'The Date header format is invalid: "{dates[0]}". Send like "Thu, 09 Jul 2015 03:01:34 GMT".'
        raise ServiceError(400, "InvalidDateHeader", text) from None
    text = f"The http request you sent is expired: it says {dates[0]}, it is {now:%a, %d %b %Y %H:%M:%S} GMT."
    check_skew(time, now, ServiceError(400, "TimeExpired", text))
    return time


def _credential(keyring: Keyring, access_key_id: str, headers: Mapping[str, str]) -> Credential:
    text = f'The AccessKey Id you provided is not exist: "{access_key_id}".'
    credential = find_credential(keyring, access_key_id, ServiceError(403, "InvalidAccessKeyId", text))
    token = headers.get("security-token", "")
    text = "The security-token header does not belong to this key." if token else "This key needs security-token."
    check_token(credential, token, ServiceError(403, "AccessDenied", text))
    return credential


def _query_v4(raw_query: str) -> str:
    """Sort the parameters by lower-case name; an empty value loses its equals sign."""
    pairs = dict(pair.partition("=")[::2] for pair in raw_query.split("&") if pair)
    encoded = {
        percent_encoded(unquote(name).strip().lower()): percent_encoded(unquote(value).strip())
        for name, value in pairs.items()
    }
    return query_string(sorted(encoded.items()))
