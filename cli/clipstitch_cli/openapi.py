"""What the vendor's OpenAPI clients for FC and IMM have in common: configuration, and errors as `ClipstitchError`."""

from collections.abc import Iterator
from contextlib import contextmanager

from alibabacloud_tea_openapi.models import Config
from Tea.exceptions import TeaException

from clipstitch.common.credentials import AccessKey
from clipstitch.common.errors import AccessDenied, ClipstitchError, CloudBusy, CloudRefused, ObjectNotFound

TIMEOUT_S = 20
# FC's API of 2023 answers a wrong key with status 400.
_KEY_ERRORS = ("Signature", "AccessKey", "SecurityToken")


def client_config(endpoint: str, key: AccessKey, region: str = "") -> Config:
    """Return a client's configuration; an endpoint without a scheme is reached by HTTPS."""
    scheme, _, host = endpoint.rpartition("://")
    return Config(
        access_key_id=key.id,
        access_key_secret=key.secret,
        security_token=key.token,
        endpoint=host,
        protocol=scheme or "https",
        region_id=region or None,
        connect_timeout=TIMEOUT_S * 1000,
        read_timeout=TIMEOUT_S * 1000,
    )


@contextmanager
def openapi_errors(doing: str, not_found: type[ClipstitchError] = ObjectNotFound) -> Iterator[None]:
    """Raise errors of an OpenAPI client as `ClipstitchError`; `doing` begins the message."""
    try:
        yield
    except TeaException as error:
        data = getattr(error, "data", None) or {}  # empty if there was no answer
        status, code = data.get("statusCode") or getattr(error, "status_code", None), data.get("Code") or error.code
        raise openapi_error(doing, status, code, data.get("Message") or str(error), not_found) from error
    except OSError as error:
        raise CloudBusy(f"{doing}: {error}") from error


def openapi_error(
    doing: str, status: int | None, code: str | None, message: str, not_found: type[ClipstitchError] = ObjectNotFound
) -> ClipstitchError:
    """Return the error that an answer means; a status of None means no answer."""
    text = f"{doing}: {code}: {message}" if code else f"{doing}: {message}"
    if not status or status == 429 or status >= 500:
        return CloudBusy(text)
    # First, since a code of OpenAPI is InvalidAccessKeyId.NotFound, with status 404.
    if status in (401, 403) or any(word in (code or "") for word in _KEY_ERRORS):
        return AccessDenied(text)
    return not_found(text) if status == 404 or "NotFound" in (code or "") else CloudRefused(text)
