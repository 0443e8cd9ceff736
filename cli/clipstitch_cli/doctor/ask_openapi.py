"""What a doctor asks Function Compute and IMM, through the vendor's clients; every error leaves as one of ours."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from alibabacloud_fc20230330 import models as fc  # type: ignore[import-untyped]
from alibabacloud_fc20230330.client import Client as FcClient  # type: ignore[import-untyped]
from alibabacloud_imm20200930 import models as imm  # type: ignore[import-untyped]
from alibabacloud_imm20200930.client import Client as ImmClient  # type: ignore[import-untyped]
from alibabacloud_tea_openapi.models import Config  # type: ignore[import-untyped]
from Tea.exceptions import TeaException, UnretryableException  # type: ignore[import-untyped]

from clipstitch.common.credentials import AccessKey
from clipstitch.common.errors import AccessDenied, ClipstitchError, CloudBusy, CloudRefused, ObjectNotFound
from clipstitch_cli.doctor.deployment_facts import Function, read_function

TIMEOUT_MS = 20_000
TASK_TYPE = "MediaConvert"


class Service(NamedTuple):
    """An OpenAPI service: its address, its region, and our key."""

    endpoint: str
    region: str
    key: AccessKey

    @property
    def config(self) -> Config:
        """The configuration of its client."""
        parts = urlsplit(self.endpoint if "://" in self.endpoint else f"https://{self.endpoint}")
        return Config(
            access_key_id=self.key.id,
            access_key_secret=self.key.secret,
            security_token=self.key.token,
            endpoint=parts.netloc,
            protocol=parts.scheme,
            region_id=self.region,
            connect_timeout=TIMEOUT_MS,
            read_timeout=TIMEOUT_MS,
        )


def project_of(bucket: str, service: Service) -> str | None:
    """Call IMM's GetOSSBucketAttachment; that of a bucket that is not attached is not found."""
    try:
        with _ours(f"asking IMM for the attachment of {bucket}"):
            request = imm.GetOSSBucketAttachmentRequest(ossbucket=bucket)
            return str(ImmClient(service.config).get_ossbucket_attachment(request).body.project_name)
    except ObjectNotFound:
        return None


def task_definition(task: str, project: str, service: Service) -> dict[str, Any]:
    """Call IMM's GetTask for what a task was asked to do: the CreateMediaConvertTask that a process string became."""
    with _ours(f"asking IMM what task {task} was asked for"):
        answer = ImmClient(service.config).get_task(imm.GetTaskRequest(project, True, task, TASK_TYPE)).body
    return dict(json.loads(answer.task_request_definition or "{}"))


def function(name: str, service: Service) -> Function | None:
    """Call FC's GetFunction, GetAsyncInvokeConfig and ListTriggers."""
    client = FcClient(service.config)
    with _ours(f"asking Function Compute about {name}"):
        found = _document(lambda: client.get_function(name, fc.GetFunctionRequest()))
        if found is None:
            return None
        rules = _document(lambda: client.get_async_invoke_config(name, fc.GetAsyncInvokeConfigRequest()))
        triggers = [trigger.to_map() for trigger in _all_triggers(client, name)]
    return read_function(found, rules or {}, triggers)


def _document(call: Callable[[], Any]) -> Mapping[str, Any] | None:
    """Return an answer as the API's document; None when there is no such thing."""
    try:
        return call().body.to_map()  # type: ignore[no-any-return] # the vendor's models have no types
    except TeaException as error:
        if getattr(error, "status_code", 0) == 404:
            return None
        raise


def _all_triggers(client: FcClient, name: str) -> Iterator[Any]:
    """Yield a function's triggers, page by page."""
    token = None
    while True:
        page = client.list_triggers(name, fc.ListTriggersRequest(limit=100, next_token=token)).body
        yield from page.triggers or ()
        token = page.next_token
        if not token:
            return


@contextmanager
def _ours(doing: str) -> Iterator[None]:
    """Let no error of an OpenAPI client past; say what we were doing."""
    try:
        yield
    except TeaException as error:
        raise _translate(error, doing) from error
    except (UnretryableException, OSError) as error:
        raise CloudBusy(f"{doing}: {error}") from error


def _translate(error: TeaException, doing: str) -> ClipstitchError:
    """Turn an OpenAPI refusal into one of ours."""
    status, text = getattr(error, "status_code", 0) or 0, f"{doing}: {error.code}: {error.message}"
    if status == 404 or "NotFound" in str(error.code):
        return ObjectNotFound(text)
    if status >= 500 or status == 429 or not status:
        return CloudBusy(text)
    return AccessDenied(text) if status in (401, 403) else CloudRefused(text)
