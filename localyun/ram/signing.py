"""What the signature schemes of all services share. Knows no HTTP.

Each check raises the error that it receives: error codes and messages belong to the services.
"""

import hmac
from base64 import b64encode
from collections.abc import Iterable
from datetime import datetime, timedelta
from urllib.parse import quote

from localyun.errors import ServiceError
from localyun.ram.credentials import Credential, Keyring

# OSS "Include signatures in the Authorization header", SMQ "Common parameters", FC 2.0 "Error handling"; read 2026-11.
MAX_SKEW = timedelta(minutes=15)


def hmac_base64(secret: str, text: str, digest: str = "sha1") -> str:
    r"""Return the Base64 of the HMAC of a text.

    >>> text = "GET\n\n\nThu, 09 Jul 2015 03:01:34 GMT\nx-mns-version:2015-06-06\n/MyQueue"
    >>> hmac_base64("TestAccessSecret", text)
    'uwx3yeWoILzgmvesW0BQSgfM7b8='
    """
    return b64encode(hmac.digest(secret.encode(), text.encode(), digest)).decode()


def hmac_v4(secret: str, scope: str, text: str) -> str:
    """Return the hex HMAC-SHA256 of a text; the key is derived from the secret and each part of the scope."""
    key = f"aliyun_v4{secret}".encode()
    for part in (*scope.split("/"), text):
        key = hmac.digest(key, part.encode(), "sha256")
    return key.hex()


def percent_encoded(text: str, safe: str = "") -> str:
    """Percent-encode all but the unreserved characters of RFC 3986."""
    return quote(text, safe=f"{safe}-_.~")


def query_string(pairs: Iterable[tuple[str, str]]) -> str:
    """Join encoded parameters; an empty value has no equals sign."""
    return "&".join(f"{name}={value}" if value else name for name, value in pairs)


def find_credential(keyring: Keyring, access_key_id: str, error: ServiceError) -> Credential:
    """Return an issued access key. Raises `error` for any other."""
    if found := keyring.find(access_key_id):
        return found
    raise error


def check_token(credential: Credential, token: str, error: ServiceError) -> None:
    """Raise `error` if a role's key lacks its session token, or another key has one."""
    check_equal(token, (credential.security_token,), error)


def check_skew(signed: datetime, now: datetime, error: ServiceError) -> None:
    """Raise `error` if a request was signed more than 15 minutes before or after now."""
    if abs(now - signed) > MAX_SKEW:
        raise error


def check_equal(given: str, expected: Iterable[str], error: ServiceError) -> None:
    """Raise `error` if a signature or token is none of the expected ones. The comparison takes constant time."""
    if not any(hmac.compare_digest(given.encode(), one.encode()) for one in expected):
        raise error
