"""The vendor's OpenAPI client, calling the local ROS over HTTPS."""

import time
from typing import Any

import pytest
from alibabacloud_tea_openapi.client import Client as OpenApiClient
from alibabacloud_tea_openapi.models import Config, OpenApiRequest, Params
from alibabacloud_tea_util.models import RuntimeOptions
from Tea.exceptions import TeaException

from localyun.server import Endpoints


class Ros:
    """The vendor's client."""

    def __init__(self, endpoints: Endpoints) -> None:
        key = endpoints.credential
        host = endpoints.ros_tls.removeprefix("https://")
        self._client = OpenApiClient(Config(key.access_key_id, key.access_key_secret, endpoint=host))
        self._options = RuntimeOptions(ca=str(endpoints.certificate))

    def call(self, action: str, template: str = "", **query: str) -> dict[str, Any]:
        """Call an action and return its answer; parameters of a stack are written as `Parameters_1_ParameterKey`."""
        style = {"method": "POST", "auth_type": "AK", "style": "RPC", "req_body_type": "formData", "body_type": "json"}
        params = Params(action=action, version="2019-09-10", protocol="HTTPS", pathname="/", **style)
        named = {name.replace("_", "."): value for name, value in query.items()}
        body = {"TemplateBody": template} if template else None
        request = OpenApiRequest(query={"RegionId": "cn-hangzhou", **named}, body=body)
        return dict(self._client.call_api(params, request, self._options)["body"])

    def create(self, template: str, name: str = "demo", **query: str) -> dict[str, Any]:
        """Create a stack, and return it when nothing is in progress any more."""
        return self.wait(self.call("CreateStack", template, StackName=name, **query)["StackId"])

    def wait(self, stack_id: str) -> dict[str, Any]:
        """Return a stack when nothing is in progress any more."""
        deadline = time.monotonic() + 30
        while (stack := self.call("GetStack", StackId=stack_id))["Status"].endswith("_IN_PROGRESS"):
            assert time.monotonic() < deadline, stack
            time.sleep(0.1)
        return stack

    def error(self, action: str, template: str = "", **query: str) -> tuple[int, str, str]:
        """Return the status, the code and the message of a refused call."""
        with pytest.raises(TeaException) as refused:
            self.call(action, template, **query)
        data = refused.value.data
        return data["statusCode"], data["Code"], data["Message"]


def stack_parameters(**values: str) -> dict[str, str]:
    """Return the parameters of a stack as `Ros.create` takes them."""
    pairs = list(enumerate(values.items(), 1))
    keys = {f"Parameters_{number}_ParameterKey": name for number, (name, _) in pairs}
    return keys | {f"Parameters_{number}_ParameterValue": value for number, (_, value) in pairs}
