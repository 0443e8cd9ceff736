"""Media tasks of IMM, also those that no job has started, through the vendor's client."""

from collections.abc import Iterator, Mapping
from typing import Any

from alibabacloud_imm20200930 import models as imm
from alibabacloud_imm20200930.client import Client as ImmClient
from alibabacloud_tea_openapi.client import Client as OpenApiClient
from alibabacloud_tea_openapi.models import Config, OpenApiRequest, Params
from darabonba.runtime import RuntimeOptions

from clipstitch.common.errors import ObjectNotFound
from clipstitch_cli.openapi import openapi_errors

TASK_TYPE = "MediaConvert"
# The client's own method drops what its model lacks, such as the field of the local cloud.
_GET_TASK = Params(
    action="GetTask",
    version="2020-09-30",
    protocol="HTTPS",
    pathname="/",
    method="POST",
    auth_type="AK",
    style="RPC",
    req_body_type="formData",
    body_type="json",
)


class TaskNotFound(ObjectNotFound):
    """No IMM project has a task of that id."""

    code = "NO_SUCH_TASK"
    remedy = "Use the TaskId of the submission; IMM keeps tasks for about seven days."


def find_task(task: str, config: Config) -> Mapping[str, Any]:
    """Return GetTask's answer about a task of any project. Raises `TaskNotFound`."""
    client = OpenApiClient(config)
    for project in _projects(config):
        query = {"ProjectName": project, "TaskType": TASK_TYPE, "TaskId": task, "RequestDefinition": "true"}
        try:
            with openapi_errors(f"looking for task {task} in project {project}"):
                answer = client.call_api(_GET_TASK, OpenApiRequest(query=query), RuntimeOptions())
        except ObjectNotFound:
            continue
        return dict(answer["body"])
    raise TaskNotFound(f"there is no task {task}")


def _projects(config: Config) -> Iterator[str]:
    """Yield the names of all projects, page by page."""
    client, token = ImmClient(config), None
    while True:
        with openapi_errors("listing the IMM projects"):
            page = client.list_projects(imm.ListProjectsRequest(next_token=token)).body
        yield from (project.project_name for project in page.projects or ())
        token = page.next_token
        if not token:
            return
