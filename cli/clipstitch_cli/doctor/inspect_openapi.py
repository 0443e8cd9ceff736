"""Inspects Function Compute, IMM and ROS through the vendor's clients."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from alibabacloud_fc20230330 import models as fc
from alibabacloud_fc20230330.client import Client as FcClient
from alibabacloud_imm20200930 import models as imm
from alibabacloud_imm20200930.client import Client as ImmClient
from alibabacloud_tea_openapi.client import Client as OpenApiClient
from alibabacloud_tea_openapi.models import Config, OpenApiRequest, Params
from darabonba.runtime import RuntimeOptions
from Tea.exceptions import TeaException

from clipstitch.common.errors import ObjectNotFound
from clipstitch_cli.doctor.deployment_facts import FunctionFacts, StackFacts, parse_function
from clipstitch_cli.openapi import openapi_errors

TASK_TYPE = "MediaConvert"


def imm_project(bucket: str, config: Config) -> str | None:
    """Call IMM's GetOSSBucketAttachment; return None for a bucket that is not attached."""
    try:
        with openapi_errors(f"reading the IMM attachment of {bucket}"):
            request = imm.GetOSSBucketAttachmentRequest(ossbucket=bucket)
            return str(ImmClient(config).get_ossbucket_attachment(request).body.project_name)
    except ObjectNotFound:
        return None


def task_definition(task: str, project: str, config: Config) -> dict[str, Any]:
    """Call IMM's GetTask; return the CreateMediaConvertTask request that OSS made of a process string."""
    with openapi_errors(f"reading the definition of task {task}"):
        answer = ImmClient(config).get_task(imm.GetTaskRequest(project, True, task, TASK_TYPE)).body
    return dict(json.loads(answer.task_request_definition or "{}"))


# ROS's API, as its own client calls it (alibabacloud-ros20190910 3.7); that client would be 2 MB for one call.
_LIST_STACKS = Params(
    action="ListStacks",
    version="2019-09-10",
    protocol="HTTPS",
    pathname="/",
    method="POST",
    auth_type="AK",
    style="RPC",
    req_body_type="formData",
    body_type="json",
)


def stack(name: str, region: str, config: Config) -> StackFacts | None:
    """Call ROS's ListStacks; return None if no stack has exactly this name, or it was deleted."""
    request = OpenApiRequest(query={"RegionId": region, "StackName.1": name, "PageSize": "50"})
    with openapi_errors(f"looking for stack {name}"):
        answer = OpenApiClient(config).call_api(_LIST_STACKS, request, RuntimeOptions())
    found = [StackFacts(one["StackName"], one["Status"], one.get("StatusReason") or "") for one in _stacks(answer)]
    return next((one for one in found if one.name == name and one.status != "DELETE_COMPLETE"), None)


def _stacks(answer: Mapping[str, Any]) -> Sequence[Mapping[str, str]]:
    return answer["body"].get("Stacks") or ()


def function(name: str, config: Config) -> FunctionFacts | None:
    """Call FC's GetFunction, GetAsyncInvokeConfig and ListTriggers; return None if the function does not exist."""
    client = FcClient(config)
    with openapi_errors(f"reading function {name}"):
        found = _document(lambda: client.get_function(name, fc.GetFunctionRequest()))
        if found is None:
            return None
        async_config = _document(lambda: client.get_async_invoke_config(name, fc.GetAsyncInvokeConfigRequest()))
        return parse_function(found, async_config or {}, [trigger.to_map() for trigger in _triggers(client, name)])


def _document(call: Callable[[], Any]) -> Mapping[str, Any] | None:
    """Return the document of an answer; None if the resource does not exist."""
    try:
        return call().body.to_map()  # type: ignore[no-any-return] # the vendor's models have no types
    except TeaException as error:
        if getattr(error, "status_code", 0) == 404:
            return None
        raise


def _triggers(client: FcClient, name: str) -> Iterator[Any]:
    """Yield a function's triggers, page by page."""
    token = None
    while True:
        page = client.list_triggers(name, fc.ListTriggersRequest(limit=100, next_token=token)).body
        yield from page.triggers or ()
        token = page.next_token
        if not token:
            return
