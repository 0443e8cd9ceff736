"""Who signed an OpenAPI request? Checks ACS3-HMAC-SHA256 headers and the older RPC signature in the query.

Knows nothing of any service: IMM's face uses it, and whatever else speaks OpenAPI may. Both were read off the
vendor's own clients (alibabacloud-tea-openapi 0.4, aliyun-python-sdk-core 2.16; 2026-11).
"""

import hashlib
import hmac
import re
from base64 import b64encode
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from urllib.parse import parse_qsl, quote

from localyun.errors import ServiceError
from localyun.http import HttpRequest
from localyun.ram.credentials import Credential, Keyring

ACS3 = "ACS3-HMAC-SHA256"
HEADER = re.compile(rf"{ACS3} Credential=([^,\s]+), ?SignedHeaders=([^,\s]+), ?Signature=([0-9a-f]+)")
MAX_SKEW = timedelta(minutes=15)
FORM = "application/x-www-form-urlencoded"


def authenticate(call: HttpRequest, keyring: Keyring, now: datetime) -> Credential:
    """Return the key that signed a request just now; refuses everything else with OpenAPI's codes."""
    if "Signature" in parameters(call) and not is_acs3(call):
        return _by_query(call, keyring, now)
    return authenticate_acs3(call, keyring, now)


def authenticate_acs3(call: HttpRequest, keyring: Keyring, now: datetime) -> Credential:
    """Do so for a service whose resources are paths, which the RPC signature does not cover."""
    if not is_acs3(call):
        raise ServiceError(
            400, "MissingAuthorization", f"Authorization is mandatory for this action: sign with {ACS3}."
        )
    return _by_header(call, call.headers["authorization"], keyring, now)


def is_acs3(call: HttpRequest) -> bool:
    """Tell whether a request is signed in its headers, all of which count then; else only its parameters do."""
    return bool(call.headers.get("authorization"))


def parameters(call: HttpRequest) -> dict[str, str]:
    """Return the parameters of query and form body together."""
    values = call.query
    if call.headers.get("content-type", "").startswith(FORM):
        values |= dict(parse_qsl(call.read().decode("utf-8", "replace"), keep_blank_values=True))
    return values


def acs3_text(call: HttpRequest, signed: list[str], payload: str) -> str:
    """Return what ACS3 signs: the canonical request, hashed, after the algorithm's name."""
    headers = "".join(f"{name}:{call.headers.get(name, '').strip()}\n" for name in signed)
    query = canonical_query(call.query)
    request = "\n".join((call.method, call.raw_path or "/", query, headers, ";".join(signed), payload))
    return f"{ACS3}\n{hashlib.sha256(request.encode()).hexdigest()}"


def acs3_signature(secret: str, text: str) -> str:
    """Return the hexadecimal HMAC-SHA256."""
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def rpc_text(method: str, values: Mapping[str, str]) -> str:
    """Return what the RPC signature signs: method, an escaped slash, and the escaped parameters but `Signature`."""
    rest = {name: value for name, value in values.items() if name != "Signature"}
    return f"{method}&%2F&{_escape(canonical_query(rest))}"


def rpc_signature(secret: str, text: str) -> str:
    """Return the Base64 of HMAC-SHA1 under the secret and an ampersand."""
    return b64encode(hmac.new(f"{secret}&".encode(), text.encode(), hashlib.sha1).digest()).decode()


def canonical_query(values: Mapping[str, str]) -> str:
    """Spell parameters sorted and escaped.

    >>> canonical_query({"b": "x y/*", "a": ""})
    'a=&b=x%20y%2F%2A'
    """
    return "&".join(f"{_escape(name)}={_escape(values[name])}" for name in sorted(values))


def _by_header(call: HttpRequest, header: str, keyring: Keyring, now: datetime) -> Credential:
    """Check an ACS3 signature."""
    match = HEADER.fullmatch(header)
    if match is None:
        text = f"The Authorization header cannot be read: write {ACS3} Credential=ID,SignedHeaders=a;b,Signature=HEX."
        raise ServiceError(400, "IncompleteSignature", text)
    _fresh(call.headers.get("x-acs-date", ""), "x-acs-date", now)
    signed = match[2].split(";")
    needed = {name for name in call.headers if name.startswith("x-acs-")} | {"host"}
    if missing := sorted(needed - set(signed)):
        raise ServiceError(400, "IncompleteSignature", f"SignedHeaders lacks {', '.join(missing)}; sign them too.")
    payload = hashlib.sha256(call.read()).hexdigest()
    if call.headers.get("x-acs-content-sha256", payload) != payload:
        raise ServiceError(400, "ContentSha256Mismatch", "x-acs-content-sha256 is not the SHA-256 of the body sent.")
    credential = _known(keyring, match[1], call.headers.get("x-acs-security-token", ""))
    text = acs3_text(call, signed, payload)
    return _proved(credential, match[3], acs3_signature(credential.access_key_secret, text), text)


def _by_query(call: HttpRequest, keyring: Keyring, now: datetime) -> Credential:
    """Check an RPC signature."""
    values = parameters(call)
    _fresh(values.get("Timestamp", ""), "Timestamp", now)
    if values.get("SignatureMethod", "HMAC-SHA1") != "HMAC-SHA1":
        raise ServiceError(400, "InvalidParameter.SignatureMethod", "SignatureMethod must be HMAC-SHA1.")
    credential = _known(keyring, values.get("AccessKeyId", ""), values.get("SecurityToken", ""))
    text = rpc_text(call.method, values)
    return _proved(credential, values["Signature"], rpc_signature(credential.access_key_secret, text), text)


def _fresh(text: str, name: str, now: datetime) -> None:
    """Refuse a request that was not signed just now."""
    try:
        time = datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
    except ValueError:
        form = f"{name} is {text!r}; write the time as 2026-11-23T01:02:03Z."
        raise ServiceError(400, "InvalidTimeStamp.Format", form) from None
    if abs(now - time) > MAX_SKEW:
        late = f"{name} is {text}, more than 15 minutes off {now:%Y-%m-%dT%H:%M:%SZ}; set the clock and sign anew."
        raise ServiceError(400, "InvalidTimeStamp.Expired", late)


def _known(keyring: Keyring, access_key_id: str, token: str) -> Credential:
    """Return an issued key; a role's key needs its token."""
    credential = keyring.find(access_key_id)
    if credential is None:
        text = f"Specified access key is not found: {access_key_id!r}. Use one that this cloud issued."
        raise ServiceError(404, "InvalidAccessKeyId.NotFound", text)
    if not hmac.compare_digest(credential.security_token.encode(), token.encode()):
        text = "The security token does not belong to the access key. Send the token that was issued with it."
        raise ServiceError(400, "InvalidSecurityToken.MismatchWithAccessKey", text)
    return credential


def _proved(credential: Credential, given: str, right: str, text: str) -> Credential:
    """Return the key if the signature is its own."""
    if not hmac.compare_digest(given.encode(), right.encode()):
        why = f"Specified signature is not matched with our calculation. server string to sign is:{text}"
        raise ServiceError(400, "SignatureDoesNotMatch", why)
    return credential


def _escape(text: str) -> str:
    """Escape all but unreserved characters (RFC 3986)."""
    return quote(text, safe="-_.~")
