"""Verifies signatures of Function Compute's API 2016-08-15: `Authorization: FC <key id>:<signature>`.

Source: aliyun-fc2 2.5.2, auth.py; FC 2.0 "Request signatures" (read 2026-11). The body is not signed.
"""

import base64
import hashlib
import hmac
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

from localyun.errors import ServiceError
from localyun.http import HttpRequest
from localyun.ram.credentials import Credential, Keyring

MAX_SKEW = timedelta(minutes=15)  # FC 2.0 "Error handling": a date further off makes the signature invalid


def authenticate(call: HttpRequest, keyring: Keyring, now: datetime) -> Credential:
    """Return whose request this is; refuses one that is unsigned, wrongly signed or too old."""
    scheme, _, proof = call.headers.get("authorization", "").partition(" ")
    key_id, colon, signature = proof.strip().partition(":")
    if scheme != "FC" or not colon:
        raise ServiceError(
            400, "MissingRequiredHeader", "required HTTP header Authorization was not specified as FC id:sig"
        )
    _check_date(call.headers.get("date", ""), now)
    credential = keyring.find(key_id)
    if credential is None:
        raise ServiceError(403, "InvalidAccessKeyID", f"access key {key_id} is not known here")
    token = call.headers.get("x-fc-security-token", "")
    if not hmac.compare_digest(credential.security_token.encode(), token.encode()):
        raise ServiceError(403, "InvalidSecurityToken", "x-fc-security-token does not belong to the access key")
    if not hmac.compare_digest(sign(call, credential.access_key_secret).encode(), signature.encode()):
        message = f"the signature does not match; the string to sign is {string_to_sign(call)!r}"
        raise ServiceError(403, "SignatureNotMatch", message)
    return credential


def sign(call: HttpRequest, secret: str) -> str:
    """Compute the signature of a request."""
    digest = hmac.new(secret.encode(), string_to_sign(call).encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def string_to_sign(call: HttpRequest) -> str:
    """Spell a request as it is signed: verb, MD5, type, date, x-fc-* headers, unescaped path."""
    names = sorted(name for name in call.headers if name.startswith("x-fc-"))
    lines = [call.method, *(call.headers.get(name, "") for name in ("content-md5", "content-type", "date"))]
    return "\n".join([*lines, *(f"{name}:{call.headers[name]}" for name in names), call.path])


def _check_date(text: str, now: datetime) -> None:
    """Refuse a date that is missing, unreadable or too far off."""
    try:
        skew = abs(parsedate_to_datetime(text) - now)
    except (ValueError, TypeError) as error:
        message = "required HTTP header Date was not specified, or is no GMT date such as RFC 1123 has"
        raise ServiceError(400, "MissingRequiredHeader", message) from error
    if skew > MAX_SKEW:
        raise ServiceError(403, "RequestTimeTooSkewed", f"Date is {skew} off; set the clock, 15 minutes are allowed")
