"""What services with OpenAPI in RPC style have in common: IMM and ROS.

Parameters are in the query or in a form, the action is in `x-acs-action` or `Action`; answers are JSON.
"""

import json
from abc import abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from localyun.endpoint import Endpoint
from localyun.errors import ServiceError
from localyun.http import HttpRequest, HttpResponse
from localyun.ram.actions import find_action
from localyun.ram.http.signatures import authenticate, is_acs3, parameters


@dataclass(eq=False)
class OpenApiEndpoint(Endpoint):
    """The HTTP endpoint of one version of a service's API."""

    product: ClassVar[str]
    version: ClassVar[str]
    actions: ClassVar[Collection[str]]
    resource_name: ClassVar[str]  # the parameter that names the resource of a permission

    @abstractmethod
    def execute(self, action: str, values: Mapping[str, str]) -> Mapping[str, Any]:
        """Execute an action with its parameters and return the answer. Raises ServiceError."""

    @abstractmethod
    def location(self) -> tuple[str, str]:
        """Return the account and the region."""

    def dispatch(self, call: HttpRequest, request_id: str) -> HttpResponse:
        """Authenticate and authorize a request, then execute its action."""
        credential = authenticate(call, self.keyring, self.clock.now())
        values = parameters(call)
        signed = call.headers if is_acs3(call) else {}
        action = signed.get("x-acs-action") or values.get("Action", "")
        version = signed.get("x-acs-version") or values.get("Version", "")
        if version != self.version:
            message = f"Specified parameter Version {version!r} is not valid: {self.version}."
            raise ServiceError(400, "InvalidVersion", message)
        if action not in self.actions:
            message = f"{action!r} is not supported here; supported actions: {', '.join(self.actions)}."
            raise ServiceError(404, "InvalidAction.NotFound", message)
        permission, name = f"{self.product}:{action}", values.get(self.resource_name, "")
        if not self.permits(call, credential, permission, name):
            resource = find_action(permission).arn(*self.location(), [name])
            message = f"{credential.principal} may not {permission} on {resource}; grant it in the role's policy."
            raise ServiceError(403, "NoPermission", message)
        return openapi_response(200, {"RequestId": request_id, **self.execute(action, values)})

    def error_response(self, call: HttpRequest, error: ServiceError, request_id: str) -> HttpResponse:
        """Return OpenAPI's error document."""
        host = call.headers.get("host", "127.0.0.1")
        recommend = f"https://api.aliyun.com/troubleshoot?q={error.code}&product={self.product}"
        ids = {"RequestId": request_id, "HostId": host, "Recommend": recommend}
        return openapi_response(error.status, {"Code": error.code, "Message": error.message, **ids})


def openapi_response(status: int, values: Mapping[str, Any]) -> HttpResponse:
    """Return a JSON answer."""
    body = json.dumps(values, ensure_ascii=False).encode()
    return HttpResponse(status, body, {"Content-Type": "application/json;charset=utf-8"})
