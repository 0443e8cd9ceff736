"""Calls of the vendor's OpenAPI, signed here: its SDKs would add 5 MB to the deployed functions.

OpenAPI, "Request syntax and signature method V3", 2026.
"""

import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Mapping
from http.client import HTTPException
from typing import NamedTuple
from urllib.error import HTTPError
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen  # noqa: TID251 - an adapter

from clipstitch.common.credentials import AccessKey

ALGORITHM = "ACS3-HMAC-SHA256"
TIMEOUT_S = 20


class ApiAction(NamedTuple):
    """An action of a service: its name, the version of the API, and the place to which it is sent."""

    name: str
    version: str
    method: str = "POST"
    path: str = "/"


class ApiClient:
    """Calls the actions of one service."""

    def __init__(self, endpoint: str, key: AccessKey) -> None:
        self._endpoint = (endpoint if "://" in endpoint else f"https://{endpoint}").rstrip("/")
        self._key = key

    def call(
        self,
        action: ApiAction,
        parameters: Mapping[str, str] | None = None,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> object:
        """Return the JSON of a response, None if it is empty.

        Raises HTTPError for an error of the service, otherwise OSError, ValueError or HTTPException.
        """
        query = urlencode(sorted((parameters or {}).items()), quote_via=quote)
        own = {"host": self._endpoint.partition("://")[2], **self._headers(action, body), **(headers or {})}
        signed = _signed(own, action, query, self._key)
        url = f"{self._endpoint}{action.path}?{query}" if query else f"{self._endpoint}{action.path}"
        request = Request(url, body, signed, method=action.method)  # noqa: S310 - the operator's endpoint
        with urlopen(request, timeout=TIMEOUT_S) as response:  # noqa: S310 - as above
            text = response.read()
        return json.loads(text) if text else None

    def _headers(self, action: ApiAction, body: bytes) -> dict[str, str]:
        """Return the headers of an action and of the caller."""
        token = {"x-acs-security-token": self._key.token} if self._key.token else {}
        return {
            "x-acs-action": action.name,
            "x-acs-content-sha256": hashlib.sha256(body).hexdigest(),
            "x-acs-date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "x-acs-signature-nonce": secrets.token_hex(16),
            "x-acs-version": action.version,
            **token,
        }


def code_and_message(error: HTTPError) -> tuple[str, str]:
    """Return the error code and the message of the service, or HTTP's if there are none."""
    try:
        answer = json.load(error)
    except (ValueError, OSError, HTTPException):  # not JSON, or cut short
        answer = None
    answer = answer if isinstance(answer, dict) else {}
    return str(answer.get("Code") or error.code), str(answer.get("Message") or error.reason)


def _signed(headers: Mapping[str, str], action: ApiAction, query: str, key: AccessKey) -> dict[str, str]:
    """Return the headers with the signature, which covers the host, the content type and all of the vendor's."""
    covered = sorted(name for name in headers if name.startswith("x-acs-") or name in {"host", "content-type"})
    names = ";".join(covered)
    lines = "".join(f"{name}:{headers[name]}\n" for name in covered)
    canonical = "\n".join((action.method, action.path, query, lines, names, headers["x-acs-content-sha256"]))
    text = f"{ALGORITHM}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = hmac.new(key.secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    authorization = f"{ALGORITHM} Credential={key.id},SignedHeaders={names},Signature={signature}"
    return {**headers, "authorization": authorization}
