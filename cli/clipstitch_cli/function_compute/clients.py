"""Deployed functions, called by their names: a port, and an implementation for each API of Function Compute.

Knows both SDKs, and nothing of jobs. Calls are synchronous, so that whoever calls sees what comes of it.
"""

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

import fc2
from alibabacloud_fc20230330.client import Client  # type: ignore[import-untyped]
from alibabacloud_fc20230330.models import InvokeFunctionHeaders, InvokeFunctionRequest  # type: ignore[import-untyped]
from alibabacloud_tea_openapi.models import Config  # type: ignore[import-untyped]
from darabonba.runtime import RuntimeOptions  # type: ignore[import-untyped]
from Tea.exceptions import TeaException  # type: ignore[import-untyped]

from clipstitch.common.credentials import AccessKey
from clipstitch.common.errors import AccessDenied, ClipstitchError, CloudBusy, CloudRefused

WAIT_S = 310  # the longest time limit in s.yaml, and some air
CONNECT_S = 10
_DENIED = ("Signature", "AccessKey", "SecurityToken")  # the API of 2023 has these with status 400
_ERROR_TYPE = "x-fc-error-type"


class FunctionFailed(ClipstitchError):
    """A function ran, and ended with an error."""

    code = "FUNCTION_FAILED"
    remedy = (
        "The error is the function's own: docs/errors.md explains it by its type, the function's log has its trace."
    )


class NoSuchFunction(CloudRefused):
    """Nothing of that name is deployed."""

    code = "FUNCTION_MISSING"
    remedy = "Deploy with `s deploy`; or set CLIPSTITCH_PREFIX and FC_ENDPOINT as they were when that was done."


class Invoker(Protocol):
    """Somewhere that runs functions."""

    def invoke(self, function: str, event: bytes) -> bytes:
        """Run a function now and return its answer; `FunctionFailed`, `NoSuchFunction`, `AccessDenied`, `CloudBusy`."""
        ...


class Fc3:
    """Function Compute's API 3.0, in which functions stand alone."""

    def __init__(self, endpoint: str, key: AccessKey) -> None:
        scheme, _, host = endpoint.rpartition("://")
        secrets = {"access_key_id": key.id, "access_key_secret": key.secret, "security_token": key.token}
        self._client = Client(Config(endpoint=host, protocol=scheme or "https", **secrets))
        waits = {"connect_timeout": CONNECT_S * 1000, "read_timeout": WAIT_S * 1000}
        self._runtime = RuntimeOptions(autoretry=False, **waits)

    def invoke(self, function: str, event: bytes) -> bytes:
        """Run a function now and return its answer."""
        request, now = InvokeFunctionRequest(body=event), InvokeFunctionHeaders(x_fc_invocation_type="Sync")
        with _ours(function):
            answer = self._client.invoke_function_with_options(function, request, now, self._runtime)
            body: bytes = answer.body.read()
        if _ERROR_TYPE in map(str.lower, answer.headers):
            raise _failed(function, body)
        return body


class Fc2:
    """Function Compute's API 2.0, in which a function belongs to a service."""

    def __init__(self, endpoint: str, key: AccessKey, service: str) -> None:
        names = {"accessKeyID": key.id, "accessKeySecret": key.secret, "securityToken": key.token or ""}
        self._client = fc2.Client(endpoint=endpoint, Timeout=WAIT_S, **names)
        self._service = service
        # The SDK logs every error with the request's headers, signature included, and on a root logger that has no
        # handler it sets one up that writes to stderr.
        logging.getLogger().addHandler(logging.NullHandler())

    def invoke(self, function: str, event: bytes) -> bytes:
        """Run a function now and return its answer."""
        try:
            with _ours(function):
                body: bytes = self._client.invoke_function(self._service, function, event).data
        except _Ended as ended:
            raise _failed(function, str(ended).encode()) from ended
        return body


class _Ended(Exception):
    """What the older SDK raises when a function ran and failed: an error with status 200."""


@contextmanager
def _ours(function: str) -> Iterator[None]:
    """Let no SDK error past."""
    try:
        yield
    except fc2.FcError as error:
        if error.status_code == 200:
            raise _Ended(error.message) from error
        raise _refused(function, error.status_code, error.err_code, _spoken(error.message)) from error
    except TeaException as error:
        told = getattr(error, "data", None) or {}  # nothing when nobody answered
        raise _refused(function, told.get("statusCode"), told.get("Code"), told.get("Message") or str(error)) from error
    except OSError as error:
        raise CloudBusy(f"invoking {function}: {error}") from error


def _refused(function: str, status: int | None, code: str | None, message: str) -> ClipstitchError:
    """Say what kept a function from being run; without a status nobody answered."""
    text = f"invoking {function}: {code}: {message}" if code else f"invoking {function}: {message}"
    if status is None or status == 429 or status >= 500:
        return CloudBusy(text)
    if status == 404:
        return NoSuchFunction(text)
    denied = status in (401, 403) or any(word in (code or "") for word in _DENIED)
    return AccessDenied(text) if denied else CloudRefused(text)


def _failed(function: str, body: bytes) -> FunctionFailed:
    """Tell a function's error by its type and message."""
    document, text = _json(body), body[:500].decode("utf-8", "replace")
    return FunctionFailed(
        f"{function} failed: {document.get('errorType', 'error')}: {document.get('errorMessage', text)}"
    )


def _spoken(message: str) -> str:
    """Return what an error of the older SDK says to people."""
    return str(_json(message.encode()).get("ErrorMessage", message))


def _json(text: bytes) -> Mapping[str, Any]:
    """Read a JSON object; an empty one when there is none."""
    try:
        document = json.loads(text)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
