"""What the HTTP endpoints of all services share: each answers every request, a rejected one with an error document."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass
from time import monotonic
from typing import ClassVar

from localyun.clock import CloudClock
from localyun.disk import DISK_ERRORS, DISK_FULL, is_disk_full
from localyun.errors import ServiceError
from localyun.faults import NO_FAULTS, FaultInjector
from localyun.http import HttpRequest, HttpResponse
from localyun.ram.conditions import NO_VALUES
from localyun.ram.credentials import Credential, Keyring

log = logging.getLogger(__name__)


@dataclass(eq=False)
class Endpoint(ABC):
    """The HTTP endpoint of a service.

    `allow(credential, action, *names, conditions=...)` returns True if a key may call an action on the resource with
    these names, such as a bucket and a key; `conditions` are the values of the condition keys.
    """

    keyring: Keyring
    clock: CloudClock
    _: KW_ONLY
    allow: Callable[..., bool] = lambda *_, **__: True
    faults: FaultInjector = NO_FAULTS
    internal_error: ClassVar = ServiceError(500, "InternalError", "An internal error of the local cloud; see its log.")

    def answer(self, call: HttpRequest) -> HttpResponse:
        """Return the response to a request; an error becomes the vendor's error document."""
        begun, request_id = monotonic(), self.new_request_id()
        try:
            response = self._run(call, request_id)
        except ServiceError as error:
            response = self.error_response(call, error, request_id)
        except Exception:
            log.exception(
                "%s %s: %s %s?%s", type(self).__name__, request_id, call.method, call.raw_path, call.raw_query
            )
            response = self.error_response(call, self.internal_error, request_id)
        return self.complete(response, request_id, monotonic() - begun)

    def leaves_body(self, _call: HttpRequest) -> bool:
        """Return True if a request is answered without its body, which need not arrive then."""
        return False

    def _run(self, call: HttpRequest, request_id: str) -> HttpResponse:
        """Return the response to a request. Raises ServiceError, also for a full disk."""
        try:
            return self.faults.run_request(lambda: self.dispatch(call, request_id))
        except DISK_ERRORS as error:
            if not is_disk_full(error):
                raise
            log.warning("%s %s: %s %s: %s", type(self).__name__, request_id, call.method, call.raw_path, error)
            raise ServiceError(self.internal_error.status, self.internal_error.code, DISK_FULL) from error

    def permits(
        self, call: HttpRequest, credential: Credential, action: str, *names: str, values: Mapping[str, str] = NO_VALUES
    ) -> bool:
        """Return True if a key may call an action; `values` are the action's own condition keys in this request.

        The local cloud is reached without TLS, so `acs:SecureTransport` is false.
        """
        common = {"acs:SourceIp": call.client, "acs:SecureTransport": "false"}
        return self.allow(credential, action, *names, conditions={**common, **values})

    def new_request_id(self) -> str:
        """Return a new request id in the form of the service."""
        return self.clock.token(12).upper()

    @abstractmethod
    def dispatch(self, call: HttpRequest, request_id: str) -> HttpResponse:
        """Authenticate and authorize a request, then execute its action. Raises ServiceError."""

    @abstractmethod
    def error_response(self, call: HttpRequest, error: ServiceError, request_id: str) -> HttpResponse:
        """Return the vendor's error document."""

    def complete(self, response: HttpResponse, _request_id: str, _seconds: float) -> HttpResponse:
        """Return a response with the headers that all responses of the service have."""
        return response
