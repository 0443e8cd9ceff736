"""The rules of webhooks, after Standard Webhooks 1.0: configuration, and meaning of responses.

`usecases.deliver` applies them, `adapters.webhook_http` posts.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from urllib.parse import SplitResult, urlsplit

from clipstitch.common.errors import ClipstitchError, SinkSwitchedOff, WebhookBadResponse
from clipstitch.common.ports import Webhook, WebhookResponse

GONE = 410
MIN_SECRET_BYTES, MAX_SECRET_BYTES = 24, 64  # the same document, "Signature scheme": 192 to 512 bits
MAX_SECRETS = 2
_SECRET_PREFIX = "whsec_"  # noqa: S105 - the prefix of every secret
_TARGET = re.compile(r"[A-Z][A-Z0-9_]*")
_URL = re.compile(r"[!-~]{1,2000}")


def response_error(response: WebhookResponse, host: str) -> ClipstitchError | None:
    """Return the error that a response means; None for 2xx. A redirect is an error: the URL has to be corrected."""
    if 200 <= response.status < 300:
        return None
    if response.status == GONE:
        return SinkSwitchedOff(f"{host} answered 410 Gone")
    return WebhookBadResponse(f"{host} answered {response.status}")


def retry_after_s(text: str, now: datetime) -> float:
    """Return the seconds that `Retry-After` asks for (RFC 9110, 10.2.3: seconds, or a date); 0 if it is invalid.

    >>> retry_after_s("120", datetime(2026, 1, 2, tzinfo=timezone.utc))
    120.0
    >>> retry_after_s("Fri, 02 Jan 2026 00:01:00 GMT", datetime(2026, 1, 2, tzinfo=timezone.utc))
    60.0
    >>> retry_after_s("soon", datetime(2026, 1, 2, tzinfo=timezone.utc))
    0.0
    """
    if re.fullmatch(r"[0-9]{1,9}", text):
        return float(text)
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return 0.0
    return (until.replace(tzinfo=until.tzinfo or timezone.utc) - now).total_seconds()


def read_webhook(target: str, env: Mapping[str, str], errors: list[str], *, allow_private: bool) -> Webhook | None:
    """Return a webhook from its variables; None if its name is invalid.

    Appends to `errors`, which name the variables and never their values.
    """
    if not _TARGET.fullmatch(target):
        errors.append(f"CLIPSTITCH_SINKS has webhook:{target}; write capital letters, digits and _, as in PARTNER")
        return None
    url_name, secret_name = f"CLIPSTITCH_WEBHOOK_{target}_URL", f"CLIPSTITCH_WEBHOOK_{target}_SECRET"
    url, secrets = env.get(url_name, ""), tuple(env.get(secret_name, "").split())
    if problem := _url_problem(url, allow_private=allow_private):
        errors.append(f"{url_name} {problem}")
    if not secrets:
        errors.append(f"{secret_name} is not set")
    elif len(secrets) > MAX_SECRETS or not all(map(_good_secret, secrets)):
        sizes = f"{MIN_SECRET_BYTES} to {MAX_SECRET_BYTES}"
        errors.append(f"{secret_name} must be one or two secrets: {_SECRET_PREFIX} and {sizes} bytes in Base64")
    return Webhook(target, url, secrets)


def _url_problem(url: str, *, allow_private: bool) -> str:
    """Return what is wrong with the URL of a webhook; "" if nothing is."""
    if not url:
        return "is not set"
    parts = _split(url)
    if parts is None or not parts.hostname or parts.fragment:
        return "must be a URL of ASCII characters, without spaces and without a fragment"
    if "@" in parts.netloc:
        return "must not contain a user or password: the signature identifies the sender"
    if parts.scheme != "https" and not (parts.scheme == "http" and allow_private):
        return "must begin with https://; http:// is for private addresses, with CLIPSTITCH_WEBHOOK_ALLOW_PRIVATE=true"
    return ""


def _split(url: str) -> SplitResult | None:
    """Return the parts of a URL; None if it is not a URL."""
    if not _URL.fullmatch(url):
        return None
    try:
        parts = urlsplit(url)
        port = parts.port  # raises ValueError if it is out of range
    except ValueError:
        return None
    return None if port == 0 else parts


def _good_secret(secret: str) -> bool:
    """Return True if a secret is valid. The library would ignore invalid characters."""
    text = secret.removeprefix(_SECRET_PREFIX)
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return False
    return secret.startswith(_SECRET_PREFIX) and MIN_SECRET_BYTES <= len(key) <= MAX_SECRET_BYTES
