"""Verifies signatures of Function Compute's API 2016-08-15: `Authorization: FC <key id>:<signature>`.

Source: aliyun-fc2 2.5.2, auth.py; FC 2.0 "Request signatures" (read 2026-11). The body is not signed.
"""

from datetime import datetime
from email.utils import parsedate_to_datetime

from localyun.errors import ServiceError
from localyun.http import HttpRequest
from localyun.ram.credentials import Credential, Keyring
from localyun.ram.signing import check_equal, check_skew, check_token, find_credential, hmac_base64


def authenticate(request: HttpRequest, keyring: Keyring, now: datetime) -> Credential:
    """Return the key that signed a request. Raises ServiceError if the signature is missing, wrong or expired."""
    scheme, _, proof = request.headers.get("authorization", "").partition(" ")
    key_id, colon, signature = proof.strip().partition(":")
    if scheme != "FC" or not colon:
        text = "required HTTP header Authorization was not specified as FC id:sig"
        raise ServiceError(400, "MissingRequiredHeader", text)
    _check_date(request.headers.get("date", ""), now)
    text = f"access key {key_id} is not known here"
    credential = find_credential(keyring, key_id, ServiceError(403, "InvalidAccessKeyID", text))
    text = "x-fc-security-token does not belong to the access key"
    token = request.headers.get("x-fc-security-token", "")
    check_token(credential, token, ServiceError(403, "InvalidSecurityToken", text))
    text = string_to_sign(request)
    message = f"the signature does not match; the string to sign is {text!r}"
    expected = hmac_base64(credential.access_key_secret, text, "sha256")
    check_equal(signature, (expected,), ServiceError(403, "SignatureNotMatch", message))
    return credential


def string_to_sign(request: HttpRequest) -> str:
    """Return the string to sign: verb, MD5, type, date, x-fc-* headers, decoded path."""
    headers = request.headers
    names = sorted(name for name in headers if name.startswith("x-fc-"))
    lines = [request.method, *(headers.get(name, "") for name in ("content-md5", "content-type", "date"))]
    return "\n".join([*lines, *(f"{name}:{headers[name]}" for name in names), request.path])


def _check_date(text: str, now: datetime) -> None:
    try:
        signed = parsedate_to_datetime(text)
        skew = abs(signed - now)
    except (ValueError, TypeError) as error:
        message = "required HTTP header Date was not specified, or is no GMT date such as RFC 1123 has"
        raise ServiceError(400, "MissingRequiredHeader", message) from error
    message = f"Date is {skew} off; set the clock, 15 minutes are allowed"
    check_skew(signed, now, ServiceError(403, "RequestTimeTooSkewed", message))
