"""Verifies signatures of OpenAPI requests: ACS3-HMAC-SHA256 in the headers, or the older RPC signature in the query.

Knows no service; IMM and Function Compute use it. Both schemes follow the vendor's own clients
(alibabacloud-tea-openapi 0.4, aliyun-python-sdk-core 2.16; 2026-11).
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import datetime, timezone
from urllib.parse import parse_qsl

from localyun.errors import ServiceError
from localyun.http import HttpRequest
from localyun.ram.credentials import Credential, Keyring
from localyun.ram.signing import check_equal, check_skew, check_token, find_credential, hmac_base64, percent_encoded

ACS3 = "ACS3-HMAC-SHA256"
HEADER = re.compile(rf"{ACS3} Credential=([^,\s]+), ?SignedHeaders=([^,\s]+), ?Signature=([0-9a-f]+)")
FORM = "application/x-www-form-urlencoded"


def authenticate(request: HttpRequest, keyring: Keyring, now: datetime) -> Credential:
    """Return the key that signed a request, in either scheme. Raises ServiceError with OpenAPI's codes."""
    if "Signature" in parameters(request) and not is_acs3(request):
        return _authenticate_rpc(request, keyring, now)
    return authenticate_acs3(request, keyring, now)


def authenticate_acs3(request: HttpRequest, keyring: Keyring, now: datetime) -> Credential:
    """Return the key that signed a request of a service whose resources are paths, which RPC signatures do not cover.

    Raises ServiceError with OpenAPI's codes.
    """
    headers = request.headers
    if not is_acs3(request):
        text = f"Authorization is mandatory for this action: sign with {ACS3}."
        raise ServiceError(400, "MissingAuthorization", text)
    match = HEADER.fullmatch(headers["authorization"])
    if match is None:
        text = f"The Authorization header is invalid: write {ACS3} Credential=ID,SignedHeaders=a;b,Signature=HEX."
        raise ServiceError(400, "IncompleteSignature", text)
    _check_time(headers.get("x-acs-date", ""), "x-acs-date", now)
    signed = match[2].split(";")
    needed = {name for name in headers if name.startswith("x-acs-")} | {"host"}
    if missing := sorted(needed - set(signed)):
        raise ServiceError(400, "IncompleteSignature", f"SignedHeaders lacks {', '.join(missing)}; sign them too.")
    payload = hashlib.sha256(request.read()).hexdigest()
    if headers.get("x-acs-content-sha256", payload) != payload:
        raise ServiceError(400, "ContentSha256Mismatch", "x-acs-content-sha256 is not the SHA-256 of the body sent.")
    credential = _credential(keyring, match[1], headers.get("x-acs-security-token", ""))
    text = _acs3_text(request, signed, payload)
    _check_signature(match[3], acs3_signature(credential.access_key_secret, text), text)
    return credential


def is_acs3(request: HttpRequest) -> bool:
    """Return True if a request is signed in its headers, which then all count; otherwise only its parameters do."""
    return bool(request.headers.get("authorization"))


def parameters(request: HttpRequest) -> dict[str, str]:
    """Return the parameters of query and form body together."""
    values = request.query
    if request.headers.get("content-type", "").startswith(FORM):
        values |= dict(parse_qsl(request.read().decode("utf-8", "replace"), keep_blank_values=True))
    return values


def acs3_signature(secret: str, text: str) -> str:
    """Return the hexadecimal HMAC-SHA256."""
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def rpc_text(method: str, values: Mapping[str, str]) -> str:
    """Return the string to sign of RPC: method, an encoded slash, and the encoded parameters except `Signature`."""
    rest = {name: value for name, value in values.items() if name != "Signature"}
    return f"{method}&%2F&{percent_encoded(canonical_query(rest))}"


def rpc_signature(secret: str, text: str) -> str:
    """Return the Base64 of HMAC-SHA1 under the secret and an ampersand."""
    return hmac_base64(f"{secret}&", text)


def canonical_query(values: Mapping[str, str]) -> str:
    """Return the parameters sorted and percent-encoded.

    >>> canonical_query({"b": "x y/*", "a": ""})
    'a=&b=x%20y%2F%2A'
    """
    return "&".join(f"{percent_encoded(name)}={percent_encoded(values[name])}" for name in sorted(values))


def _acs3_text(request: HttpRequest, signed: list[str], payload: str) -> str:
    """Return the string to sign of ACS3: the algorithm and the hash of the canonical request."""
    headers = "".join(f"{name}:{request.headers.get(name, '').strip()}\n" for name in signed)
    query, path = canonical_query(request.query), request.raw_path or "/"
    canonical = "\n".join((request.method, path, query, headers, ";".join(signed), payload))
    return f"{ACS3}\n{hashlib.sha256(canonical.encode()).hexdigest()}"


def _authenticate_rpc(request: HttpRequest, keyring: Keyring, now: datetime) -> Credential:
    values = parameters(request)
    _check_time(values.get("Timestamp", ""), "Timestamp", now)
    if values.get("SignatureMethod", "HMAC-SHA1") != "HMAC-SHA1":
        raise ServiceError(400, "InvalidParameter.SignatureMethod", "SignatureMethod must be HMAC-SHA1.")
    credential = _credential(keyring, values.get("AccessKeyId", ""), values.get("SecurityToken", ""))
    text = rpc_text(request.method, values)
    _check_signature(values["Signature"], rpc_signature(credential.access_key_secret, text), text)
    return credential


def _check_time(text: str, name: str, now: datetime) -> None:
    try:
        time = datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
    except ValueError:
        message = f"{name} is {text!r}; write the time as 2026-11-23T01:02:03Z."
        raise ServiceError(400, "InvalidTimeStamp.Format", message) from None
    message = f"{name} is {text}, more than 15 minutes off {now:%Y-%m-%dT%H:%M:%SZ}; set the clock and sign anew."
    check_skew(time, now, ServiceError(400, "InvalidTimeStamp.Expired", message))


def _credential(keyring: Keyring, access_key_id: str, token: str) -> Credential:
    text = f"Specified access key is not found: {access_key_id!r}. Use one that this cloud issued."
    credential = find_credential(keyring, access_key_id, ServiceError(404, "InvalidAccessKeyId.NotFound", text))
    text = "The security token does not belong to the access key. Send the token that was issued with it."
    check_token(credential, token, ServiceError(400, "InvalidSecurityToken.MismatchWithAccessKey", text))
    return credential


def _check_signature(given: str, expected: str, text: str) -> None:
    message = f"Specified signature is not matched with our calculation. server string to sign is:{text}"
    check_equal(given, (expected,), ServiceError(400, "SignatureDoesNotMatch", message))
