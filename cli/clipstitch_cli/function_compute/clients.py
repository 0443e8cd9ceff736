"""Invokes deployed functions by name: a port, and an implementation for each API of Function Compute.

Knows both SDKs, and nothing of jobs. Invocations are synchronous, so that the caller receives the function's answer.
"""

import json
import logging
from collections.abc import Mapping
from typing import Any, Protocol

import fc2
from alibabacloud_fc20230330.client import Client
from alibabacloud_fc20230330.models import InvokeFunctionHeaders, InvokeFunctionRequest
from darabonba.runtime import RuntimeOptions

from clipstitch.common.credentials import AccessKey
from clipstitch.common.errors import ClipstitchError, CloudBusy, CloudRefused
from clipstitch_cli.openapi import client_config, openapi_error, openapi_errors

TIMEOUT_S = 310  # the longest time limit in s.yaml, and a margin
CONNECT_S = 10
_ERROR_HEADER = "x-fc-error-type"


class FunctionReturnedError(ClipstitchError):
    """A function ran, and ended with an error."""

    code = "FUNCTION_FAILED"
    remedy = "docs/errors.md explains the function's error by its type; the function's log has its traceback."


class FunctionNotFound(CloudRefused):
    """No function of that name is deployed."""

    code = "FUNCTION_MISSING"
    remedy = "Deploy with `s deploy`; or set CLIPSTITCH_PREFIX and FC_ENDPOINT to the values of the deployment."


class Invoker(Protocol):
    """Invokes functions."""

    def invoke(self, function: str, event: bytes) -> bytes:
        """Run a function and return its answer.

        Raises FunctionReturnedError, FunctionNotFound, AccessDenied, CloudRefused, CloudBusy.
        """


class Fc3Invoker:
    """Function Compute's API 3.0, which has no services."""

    def __init__(self, endpoint: str, key: AccessKey) -> None:
        self._client = Client(client_config(endpoint, key))
        timeouts = {"connect_timeout": CONNECT_S * 1000, "read_timeout": TIMEOUT_S * 1000}
        self._runtime = RuntimeOptions(autoretry=False, **timeouts)

    def invoke(self, function: str, event: bytes) -> bytes:
        """Run a function and return its answer."""
        request, headers = InvokeFunctionRequest(body=event), InvokeFunctionHeaders(x_fc_invocation_type="Sync")
        with openapi_errors(f"invoking {function}", FunctionNotFound):
            answer = self._client.invoke_function_with_options(function, request, headers, self._runtime)
            body: bytes = answer.body.read()
        if _ERROR_HEADER in map(str.lower, answer.headers):
            raise function_error(function, body)
        return body


class Fc2Invoker:
    """Function Compute's API 2.0, in which a function belongs to a service."""

    def __init__(self, endpoint: str, key: AccessKey, service: str) -> None:
        names = {"accessKeyID": key.id, "accessKeySecret": key.secret, "securityToken": key.token or ""}
        self._client = fc2.Client(endpoint=endpoint, Timeout=TIMEOUT_S, **names)
        self._service = service
        # The SDK logs every error with the request's headers, signature included, and configures a root logger without
        # handlers to write to stderr.
        logging.getLogger().addHandler(logging.NullHandler())

    def invoke(self, function: str, event: bytes) -> bytes:
        """Run a function and return its answer."""
        try:
            body: bytes = self._client.invoke_function(self._service, function, event).data
        except fc2.FcError as error:
            raise fc2_error(function, error) from error
        except OSError as error:
            raise CloudBusy(f"invoking {function}: {error}") from error
        return body


def fc2_error(function: str, error: Any) -> ClipstitchError:
    """Return what an error of the older SDK means; status 200 stands for a function that ended with an error."""
    if error.status_code == 200:
        return function_error(function, error.message.encode())
    message = str(_json_object(error.message.encode()).get("ErrorMessage", error.message))
    return openapi_error(f"invoking {function}", error.status_code, error.err_code, message, FunctionNotFound)


def function_error(function: str, body: bytes) -> FunctionReturnedError:
    """Return a function's error, with the type and message of its answer."""
    document, text = _json_object(body), body[:500].decode("utf-8", "replace")
    kind, message = document.get("errorType", "error"), document.get("errorMessage", text)
    return FunctionReturnedError(f"{function} failed: {kind}: {message}")


def _json_object(body: bytes) -> Mapping[str, Any]:
    """Return a JSON object; an empty one if the body is something else, as when a runtime was killed."""
    try:
        document = json.loads(body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
