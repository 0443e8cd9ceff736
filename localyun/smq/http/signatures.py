"""Who signed an MNS request? Checks versions 1 and 4 of the signature; knows nothing of queues and topics."""

import hashlib
import hmac
import re
from base64 import b64encode
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from urllib.parse import quote, unquote

from localyun.errors import ServiceError
from localyun.http import HttpRequest
from localyun.ram.credentials import Credential, Keyring

VERSION = "2015-06-06"
MAX_SKEW = timedelta(minutes=15)  # "Common parameters", read 2026-11
V4 = "MNS4-HMAC-SHA256"  # the vendor's Java SDK 2.0, MNSV4Signer.java, December 2025
V1_HEADER = re.compile(r"MNS ([^:\s]+):(\S+)")
V4_HEADER = re.compile(rf"{V4} Credential=([^/]+)/(\d{{8}})/([^/]+)/mns/aliyun_v4_request, ?Signature=([0-9a-f]+)")
CHECK = "Check the secret, and that nothing between you and here changes method, path, query or headers."


def authenticate(call: HttpRequest, keyring: Keyring, now: datetime, region: str) -> Credential:
    """Return the key that signed a request just now; refuses everything else with the vendor's codes."""
    _supported(call.headers)
    header = call.headers.get("authorization", "")
    if not header:
        raise ServiceError(400, "MissingAuthorizationHeader", "Authorization header is required. Sign the request.")
    time = _fresh(call.headers, now)
    if match := V1_HEADER.fullmatch(header):
        credential = _known(keyring, match[1], call.headers)
        texts = [text_v1(call, date) for date in _dates(call.headers)]
        signatures = {text: signature_v1(credential.access_key_secret, text) for text in texts}
        return _proved(credential, match[2], signatures)
    if match := V4_HEADER.fullmatch(header):
        credential = _known(keyring, match[1], call.headers)
        text = text_v4(call, time, region)
        signature = signature_v4(credential.access_key_secret, f"{time:%Y%m%d}", region, text)
        return _proved(credential, match[4], {text: signature})
    text = "The Authorization header format is invalid: write MNS KEYID:SIGNATURE (version 1) or version 4."
    raise ServiceError(400, "InvalidAuthorizationHeader", text)


def text_v1(call: HttpRequest, date: str) -> str:
    """Return what version 1 signs: method, three headers, the x-mns-* headers, path and query as sent."""
    headers = call.headers
    extra = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers) if name.startswith("x-mns-"))
    resource = call.raw_path + (f"?{call.raw_query}" if call.raw_query else "")
    fixed = (call.method, headers.get("content-md5", ""), headers.get("content-type", ""), date)
    return "\n".join(fixed) + "\n" + extra + resource


def signature_v1(secret: str, text: str) -> str:
    r"""Return the Base64 of HMAC-SHA1.

    >>> text = "GET\n\n\nThu, 09 Jul 2015 03:01:34 GMT\nx-mns-version:2015-06-06\n/MyQueue"
    >>> signature_v1("TestAccessSecret", text)
    'uwx3yeWoILzgmvesW0BQSgfM7b8='
    """
    return b64encode(hmac.digest(secret.encode(), text.encode(), "sha1")).decode()


def text_v4(call: HttpRequest, time: datetime, region: str) -> str:
    """Return what version 4 signs. Unlike its relatives it carries the canonical request itself, no hash."""
    names = sorted(
        name for name in call.headers if name.startswith("x-mns-") or name in ("content-type", "content-md5")
    )
    headers = "".join(f"{name}:{call.headers[name].strip()}\n" for name in names)
    request = "\n".join((call.method, _encoded(unquote(call.raw_path), "/"), _query_v4(call.raw_query), headers))
    return f"{V4}\n{time:%Y%m%dT%H%M%SZ}\n{time:%Y%m%d}/{region}/mns/aliyun_v4_request\n{request}\n"


def signature_v4(secret: str, day: str, region: str, text: str) -> str:
    """Return the hex of HMAC-SHA256 with the key of that day and region."""
    key = f"aliyun_v4{secret}".encode()
    for part in (day, region, "mns", "aliyun_v4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, text.encode(), "sha256").hex()


def intact(call: HttpRequest) -> None:
    """Refuse a body that does not have the announced MD5, in either of the two spellings clients use."""
    if not (announced := call.headers.get("content-md5")):
        return
    digest = hashlib.md5(call.read(), usedforsecurity=False)
    # The vendor's Python SDK encodes the hex text, others the sixteen bytes.
    if announced not in (b64encode(digest.hexdigest().encode()).decode(), b64encode(digest.digest()).decode()):
        raise ServiceError(400, "InvalidDegist", "The Content-MD5 you specified is invalid: the body differs from it.")


def _supported(headers: Mapping[str, str]) -> None:
    version = headers.get("x-mns-version")
    if not version:
        raise ServiceError(400, "MissingVersionHeader", f"x-mns-version header is required. Send {VERSION}.")
    if version != VERSION:
        raise ServiceError(400, "InvalidVersionHeader", f"The x-mns-version {version} is invalid. Send {VERSION}.")


def _dates(headers: Mapping[str, str]) -> list[str]:
    """Return the dates the client may have signed; which of the two counts is not documented."""
    return [headers[name] for name in ("x-mns-date", "date") if name in headers]


def _fresh(headers: Mapping[str, str], now: datetime) -> datetime:
    """Return the time of signing; refuses one that is missing, unreadable, or off by over 15 minutes."""
    if not (dates := _dates(headers)):
        raise ServiceError(400, "MissingDateHeader", "Date header is required. Send Date or x-mns-date.")
    try:
        time = parsedate_to_datetime(dates[0])
        time = time.replace(tzinfo=timezone.utc) if time.tzinfo is None else time.astimezone(timezone.utc)
    except (ValueError, OverflowError):
        text = f'The Date header format is invalid: "{dates[0]}". Send like "Thu, 09 Jul 2015 03:01:34 GMT".'
        raise ServiceError(400, "InvalidDateHeader", text) from None
    if abs(now - time) > MAX_SKEW:
        text = f"The http request you sent is expired: it says {dates[0]}, it is {now:%a, %d %b %Y %H:%M:%S} GMT."
        raise ServiceError(400, "TimeExpired", text)
    return time


def _known(keyring: Keyring, access_key_id: str, headers: Mapping[str, str]) -> Credential:
    credential = keyring.find(access_key_id)
    if credential is None:
        text = f'The AccessKey Id you provided is not exist: "{access_key_id}".'
        raise ServiceError(403, "InvalidAccessKeyId", text)
    token = headers.get("security-token", "")
    if not hmac.compare_digest(token.encode(), credential.security_token.encode()):
        text = "The security-token header does not belong to this key." if token else "This key needs security-token."
        raise ServiceError(403, "AccessDenied", text)
    return credential


def _proved(credential: Credential, given: str, signatures: Mapping[str, str]) -> Credential:
    """Return the credential if the signature is one of the right ones, by the text that each signs."""
    if not any(hmac.compare_digest(given.encode(), right.encode()) for right in signatures.values()):
        text = f"The signature we calculated does not match the signature you provided. {CHECK}"
        raise ServiceError(403, "SignatureDoesNotMatch", text, StringToSign=next(iter(signatures)))
    return credential


def _encoded(text: str, safe: str = "") -> str:
    return quote(text, safe=f"{safe}-_.~")


def _query_v4(raw_query: str) -> str:
    """Sort the parameters by lower-case name; an empty value loses its equals sign."""
    pairs = dict(pair.partition("=")[::2] for pair in raw_query.split("&") if pair)
    coded = {_encoded(unquote(k).strip().lower()): _encoded(unquote(v).strip()) for k, v in pairs.items()}
    return "&".join(f"{name}={value}" if value else name for name, value in sorted(coded.items()))
