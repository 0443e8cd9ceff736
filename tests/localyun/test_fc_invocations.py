"""Invocations through the vendor's client: headers, refusals, and the destinations of asynchronous results."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from alibabacloud_fc20230330 import models
from alibabacloud_tea_util.models import RuntimeOptions

from tests.child_process import wait_until
from tests.localyun.fc_world import MANAGER_ARN, FcWorld, refused, running_fc_world

ARN = "acs:fc:cn-hangzhou:1234567890123456:functions/f"
QUEUE, TOPIC = "acs:mns:cn-hangzhou::/queues/events/messages", "acs:mns:cn-hangzhou::/topics/jobs/messages"
TOPIC_ONLY = f"{{Effect: Allow, Action: 'mns:PublishMessage', Resource: '{TOPIC.replace('::', ':*:')}'}}"
ECHO = "def handler(event, context):\n    print('seen', event)\n    return event"
# Fails as often as its event says.
FAILING = (
    "def handler(event, context):\n"
    "    if context.retry_count < int(event):\n        raise ValueError('not yet')\n"
    "    return 'done'"
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FcWorld]:
    """Run one local cloud for all tests; its role may publish to the topic, and not send to the queue."""
    with running_fc_world(tmp_path_factory.mktemp("cloud"), TOPIC_ONLY) as world:
        world.create("echo", ECHO)
        account = "acs:mns:cn-hangzhou:1234567890123456"
        options = {"content_format": "SIMPLIFIED", "endpoint": f"{account}:queues/events"}
        world.services.messages.topics.subscribe("jobs", "s", **options)
        yield world


def invoke(world: FcWorld, event: bytes = b"", qualifier: str | None = None, **headers: str) -> Any:
    """Invoke the function `echo` with headers, and return the whole response."""
    common = {name.replace("_", "-"): value for name, value in headers.items()}
    request = models.InvokeFunctionRequest(body=event, qualifier=qualifier)
    sent = models.InvokeFunctionHeaders(common_headers=common)
    return world.fc.invoke_function_with_options("echo", request, sent, RuntimeOptions())


def with_destinations(world: FcWorld, name: str, *, success: str = "", failure: str = "", **settings: int) -> None:
    """Create a function that fails as often as its event says, with destinations."""
    world.create(name, FAILING, role=MANAGER_ARN)
    targets = {
        side: models.Destination(destination=arn) for side, arn in (("on_success", success), ("on_failure", failure))
    }
    body = models.PutAsyncInvokeConfigInput(destination_config=models.DestinationConfig(**targets), **settings)
    world.fc.put_async_invoke_config(name, models.PutAsyncInvokeConfigRequest(body=body))


def test_a_response_has_the_headers_that_the_command_line_shows(world: FcWorld) -> None:
    """Duration, memory and the end of the log are those of this request."""
    headers = invoke(world, b"hello", x_fc_log_type="Tail").headers
    log = base64.b64decode(headers["x-fc-log-result"]).decode()

    assert 10 < float(headers["x-fc-max-memory-usage"]) < 512
    assert int(headers["x-fc-invocation-duration"]) >= 0
    assert headers["x-fc-request-id"] in log
    assert "seen b'hello'" in log
    assert headers["x-fc-instance-id"].startswith("c-")
    assert headers["x-fc-code-checksum"].isdigit()
    assert "x-fc-error-type" not in headers
    assert "x-fc-log-result" not in invoke(world, x_fc_log_type="None").headers


@pytest.mark.parametrize(
    ("headers", "qualifier", "error"),
    [
        ({"x_fc_invocation_type": "Later"}, None, (400, "InvalidArgument")),
        ({"x_fc_invocation_type": "DryRun"}, None, (400, "InvalidArgument")),
        ({"x_fc_log_type": "All"}, None, (400, "InvalidArgument")),
        *(
            ({"x_fc_invocation_type": "Async", "x_fc_async_task_id": task_id}, None, (400, "InvalidArgument"))
            for task_id in ("a/b", "1-a", "-a", "a.b", "a" * 129)
        ),
        ({}, "9", (404, "VersionNotFound")),
        ({}, "absent", (404, "AliasNotFound")),
        ({"x_fc_invocation_type": "Async"}, "absent", (404, "AliasNotFound")),
    ],
)
def test_an_invalid_invocation_is_refused(
    world: FcWorld, headers: dict[str, str], qualifier: str | None, error: tuple[int, str]
) -> None:
    """An unknown option is an error, not the default."""
    assert error == refused(lambda: invoke(world, b"", qualifier, **headers))


def test_results_are_published_to_a_topic(world: FcWorld) -> None:
    """The record of a success has the number of attempts; that of a failure comes after all retries."""
    with_destinations(world, "both", success=TOPIC, failure=TOPIC, max_async_retry_attempts=2)
    for event in (b"1", b"9"):
        world.invoke("both", event, kind="Async")
    records = {record["requestPayload"]: record for record in received(world, 2)}

    arn = "acs:fc:cn-hangzhou:1234567890123456:functions/both"
    assert {arn} == {record["requestContext"]["functionArn"] for record in records.values()}
    assert (2, "", "done") == outcome(records["1"])
    attempts, error, payload = outcome(records["9"])
    assert (3, "UnhandledInvocationError", "not yet") == (attempts, error, json.loads(payload)["errorMessage"])


def test_a_destination_needs_a_right_of_the_functions_role(world: FcWorld, caplog: pytest.LogCaptureFixture) -> None:
    """A record that the role may not send is dropped, and the log says which right is missing."""
    with_destinations(world, "denied", failure=QUEUE, max_async_retry_attempts=0)
    world.invoke("denied", b"9", kind="Async")
    wait_until(lambda: "the role of function denied may not deliver to" in caplog.text)

    assert [] == world.services.messages.receive("events")


@pytest.mark.parametrize("arn", ["acs:eventbridge:cn-hangzhou:1:eventbus/b", "acs:mns:cn-hangzhou:1:/bags/b", "events"])
def test_an_unsupported_destination_is_refused(world: FcWorld, arn: str) -> None:
    """No record would ever arrive there."""
    body = models.PutAsyncInvokeConfigInput(
        destination_config=models.DestinationConfig(on_failure=models.Destination(destination=arn))
    )
    request = models.PutAsyncInvokeConfigRequest(body=body)

    assert (400, "InvalidArgument") == refused(lambda: world.fc.put_async_invoke_config("echo", request))


def received(world: FcWorld, count: int) -> list[dict[str, Any]]:
    """Receive records from the queue that is subscribed to the topic."""
    found: list[dict[str, Any]] = []
    while len(found) < count:
        messages = world.services.messages.receive("events", 10)
        assert messages, f"received only {found}"
        for message in messages:
            world.services.messages.messages.delete("events", message.receipt_handle)
            found.append(json.loads(message.body))
    return found


def outcome(record: dict[str, Any]) -> tuple[int, str, str]:
    """Return the number of attempts, the error and the payload of a record."""
    context, response = record["requestContext"], record["responseContext"]
    return context["approximateInvokeCount"], response["functionError"], record["responsePayload"]
