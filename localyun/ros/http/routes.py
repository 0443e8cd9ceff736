"""ROS over HTTP: API 2019-09-10 in RPC style, the actions of the deployment tools.

Parameters are in the query or in a form, the action is in `x-acs-action` or `Action`; answers are JSON.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import count, takewhile
from typing import Any, ClassVar
from uuid import UUID

from localyun.errors import ServiceError
from localyun.http import HttpRequest, HttpResponse
from localyun.openapi import OpenApiEndpoint, openapi_response
from localyun.ros.custom_resources import ANSWERS_PATH
from localyun.ros.service import StackService
from localyun.ros.values import ResourceRecord, StackEvent, StackRecord

VERSION = "2019-09-10"
MAX_PAGE = 50


@dataclass(frozen=True)
class RosRequest:
    """The parameters of a request by their wire names."""

    values: Mapping[str, str]

    def required(self, name: str) -> str:
        """Return a parameter; raise `ServiceError` if it is missing or empty."""
        if value := self.values.get(name, ""):
            return value
        raise ServiceError(400, "MissingParameter", f"{name} is mandatory for this action.")

    def get(self, name: str) -> str:
        """Return a parameter, or "" if it is not given."""
        return self.values.get(name, "")

    def is_true(self, name: str) -> bool:
        """Return True if a parameter is `true`."""
        return self.get(name).lower() == "true"

    def repeated(self, name: str) -> list[str]:
        """Return the values of `Name.1`, `Name.2` and so on."""
        keys = takewhile(self.values.__contains__, (f"{name}.{number}" for number in count(1)))
        return [self.values[key] for key in keys]

    def stack_parameters(self) -> dict[str, str]:
        """Return the parameters of a stack: `Parameters.N.ParameterKey` and `Parameters.N.ParameterValue`."""
        keys = (f"Parameters.{number}." for number in count(1))
        found = takewhile(lambda key: f"{key}ParameterKey" in self.values, keys)
        return {self.values[f"{key}ParameterKey"]: self.get(f"{key}ParameterValue") for key in found}

    def template(self) -> str:
        """Return the template of a stack. Raises ServiceError if there is none in the request."""
        if self.get("TemplateURL") or self.get("TemplateId"):
            text = "The local cloud takes templates in TemplateBody only."
            raise ServiceError(400, "InvalidParameter", text)
        return self.required("TemplateBody")

    def page(self) -> tuple[int, int]:
        """Return the number of the page, from 1, and its size. Raises ServiceError."""
        number, size = self.get("PageNumber") or "1", self.get("PageSize") or "10"
        if not number.isdigit() or not size.isdigit() or int(number) < 1 or not 1 <= int(size) <= MAX_PAGE:
            text = f"PageNumber is {number!r}, PageSize {size!r}; from 1, and from 1 to {MAX_PAGE}."
            raise ServiceError(400, "InvalidParameter", text)
        return int(number), int(size)


def create_stack(stacks: StackService, request: RosRequest) -> Mapping[str, Any]:
    """CreateStack."""
    can_roll_back = not request.is_true("DisableRollback")
    name, template, parameters = request.required("StackName"), request.template(), request.stack_parameters()
    return {"StackId": stacks.create(name, template, parameters, can_roll_back=can_roll_back)}


def update_stack(stacks: StackService, request: RosRequest) -> Mapping[str, Any]:
    """UpdateStack; with DryRun it only checks."""
    stack_id, dry_run = request.required("StackId"), request.is_true("DryRun")
    stacks.update(stack_id, request.template(), request.stack_parameters(), dry_run=dry_run)
    return {"StackId": stack_id}


def delete_stack(stacks: StackService, request: RosRequest) -> Mapping[str, Any]:
    """DeleteStack."""
    stacks.delete(request.required("StackId"), retain_all=request.is_true("RetainAllResources"))
    return {}


def get_stack(stacks: StackService, request: RosRequest) -> Mapping[str, Any]:
    """GetStack."""
    stack = stacks.get(request.required("StackId"))
    outputs = [{"OutputKey": key, "OutputValue": value} for key, value in stack.outputs.items()]
    given = [{"ParameterKey": key, "ParameterValue": value} for key, value in stack.parameters.items()]
    return {**_summary(stack, stacks), "Outputs": outputs, "Parameters": given}


def list_stacks(stacks: StackService, request: RosRequest) -> Mapping[str, Any]:
    """ListStacks by names and statuses, newest first."""
    found = stacks.list(request.repeated("StackName"), request.repeated("Status"))
    if stack_id := request.get("StackId"):
        found = [stack for stack in found if stack.stack_id == stack_id]
    return _page(request, "Stacks", [_summary(stack, stacks) for stack in found])


def list_stack_events(stacks: StackService, request: RosRequest) -> Mapping[str, Any]:
    """ListStackEvents, newest first."""
    stack = stacks.get(request.required("StackId"))
    events = [
        {
            "EventId": event.event_id,
            **_resource(stack, event),
            "StatusReason": event.reason,
            "CreateTime": _time(event.time),
        }
        for event in reversed(stack.events)
    ]
    return _page(request, "Events", events)


def list_stack_resources(stacks: StackService, request: RosRequest) -> Mapping[str, Any]:
    """ListStackResources."""
    stack = stacks.get(request.required("StackId"))
    resources = [{**_resource(stack, resource), "StatusReason": ""} for resource in stack.resources]
    return {"Resources": resources}


ACTIONS: Mapping[str, Callable[[StackService, RosRequest], Mapping[str, Any]]] = {
    "CreateStack": create_stack,
    "UpdateStack": update_stack,
    "DeleteStack": delete_stack,
    "GetStack": get_stack,
    "ListStacks": list_stacks,
    "ListStackEvents": list_stack_events,
    "ListStackResources": list_stack_resources,
}


@dataclass(eq=False)
class RosEndpoint(OpenApiEndpoint):
    """The HTTP endpoint of a `StackService`.

    `allow(credential, "ros:GetStack", stack_id)` returns True if the key may call it.
    """

    stacks: StackService
    product: ClassVar = "ros"
    version: ClassVar = VERSION
    actions: ClassVar = ACTIONS
    resource_name: ClassVar = "StackId"

    def new_request_id(self) -> str:
        """Return a new request id in OpenAPI's form."""
        return str(UUID(hex=self.clock.token(16))).upper()

    def location(self) -> tuple[str, str]:
        """Return the account and the region."""
        return self.stacks.location.account_id, self.stacks.location.region

    def dispatch(self, call: HttpRequest, request_id: str) -> HttpResponse:
        """Execute an action, or accept the answer of a custom resource, which has no key."""
        if call.path.startswith(ANSWERS_PATH):
            return self._answer(call)
        return super().dispatch(call, request_id)

    def execute(self, action: str, values: Mapping[str, str]) -> Mapping[str, Any]:
        """Execute an action with its parameters and return the answer. Raises ServiceError."""
        return ACTIONS[action](self.stacks, RosRequest(values))

    def _answer(self, call: HttpRequest) -> HttpResponse:
        try:
            content = json.loads(call.read())
        except ValueError:
            raise ServiceError(400, "InvalidParameter", "The body is not valid JSON.") from None
        if not isinstance(content, dict) or not self.stacks.answer(call.path.removeprefix(ANSWERS_PATH), content):
            raise ServiceError(404, "ResourceNotFound", "No stack waits for this answer.")
        return openapi_response(200, {})


def _summary(stack: StackRecord, stacks: StackService) -> dict[str, Any]:
    return {
        "StackId": stack.stack_id,
        "StackName": stack.name,
        "RegionId": stacks.location.region,
        "Status": stack.status,
        "StatusReason": stack.reason,
        "CreateTime": _time(stack.created),
        "UpdateTime": _time(stack.updated),
        "TimeoutInMinutes": 60,
    }


def _resource(stack: StackRecord, record: ResourceRecord | StackEvent) -> dict[str, Any]:
    """Return what a resource and an event have in common."""
    return {
        "StackId": stack.stack_id,
        "StackName": stack.name,
        "LogicalResourceId": record.logical_id,
        "PhysicalResourceId": record.physical_id,
        "ResourceType": record.type,
        "Status": record.status,
    }


def _page(request: RosRequest, name: str, items: list[dict[str, Any]]) -> dict[str, Any]:
    """Return one page of a list."""
    number, size = request.page()
    page = items[(number - 1) * size : number * size]
    return {"TotalCount": len(items), "PageNumber": number, "PageSize": size, name: page}


def _time(time: datetime | None) -> str:
    """Return a time as ROS writes it: UTC without a zone; "" for None."""
    return time.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S") if time else ""
