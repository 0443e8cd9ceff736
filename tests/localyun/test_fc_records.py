"""The records of asynchronous invocations, from the vendor's client to a queue that is subscribed to a topic."""

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from alibabacloud_fc20230330 import models
from alibabacloud_tea_util.models import RuntimeOptions
from mns.account import Account
from mns.queue import Queue

from tests.child_process import wait_until
from tests.localyun.fc_world import MANAGER_ARN, FcWorld, running_fc_world

TOPIC = "acs:mns:cn-hangzhou::/topics/jobs/messages"
MAY_PUBLISH = "{Effect: Allow, Action: 'mns:PublishMessage', Resource: 'acs:mns:cn-hangzhou:*:/topics/jobs/messages'}"
ARN = "acs:fc:cn-hangzhou:1234567890123456:functions/"
# Ends as its event says.
ENDING = """
import os, time

def handler(event, context):
    verb, _, number = event.decode(errors="replace").partition(" ")
    if verb == "raise":
        raise ValueError("not today")
    if verb == "sleep":
        time.sleep(float(number))
    if verb == "fill":
        return bytearray(os.urandom(1 << 20) * int(number))
    if verb == "exit":
        os._exit(3)
    if verb == "answer":
        return "x" * int(number)
    return {"heard": verb}
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FcWorld]:
    """Run one local cloud, with a function whose results go to a topic, and a queue that is subscribed to it."""
    with running_fc_world(tmp_path_factory.mktemp("cloud"), MAY_PUBLISH) as world:
        options = {"content_format": "SIMPLIFIED", "endpoint": "acs:mns:cn-hangzhou:1234567890123456:queues/events"}
        world.services.messages.topics.subscribe("jobs", "s", **options)
        world.create("render", ENDING, role=MANAGER_ARN, timeout=2, memory_size=128)
        configure(world, max_async_retry_attempts=0)
        yield world


def configure(world: FcWorld, **settings: Any) -> None:
    """Send successes and failures to the topic."""
    target = models.Destination(destination=TOPIC)
    config = models.DestinationConfig(on_success=target, on_failure=target)
    body = models.PutAsyncInvokeConfigInput(async_task=True, destination_config=config, **settings)
    world.fc.put_async_invoke_config("render", models.PutAsyncInvokeConfigRequest(body=body))


def submit(world: FcWorld, event: bytes, task: str | None = None) -> str:
    """Start a task, and return its request id."""
    headers = models.InvokeFunctionHeaders(x_fc_invocation_type="Async", x_fc_async_task_id=task)
    request = models.InvokeFunctionRequest(body=event)
    response = world.fc.invoke_function_with_options("render", request, headers, RuntimeOptions())
    return str(response.headers["x-fc-request-id"])


def received(world: FcWorld) -> dict[str, Any]:
    """Receive a record with the vendor's client."""
    queue: Queue = Account(world.mns_url, world.key.access_key_id, world.key.access_key_secret).get_queue("events")
    queue.set_encoding(False)
    message = queue.receive_message(10)
    queue.delete_message(message.receipt_handle)
    return dict(json.loads(message.message_body))


def status(world: FcWorld, task: str) -> str:
    """Return the state of a task."""
    return str(world.fc.get_async_task("render", task, models.GetAsyncTaskRequest()).body.status)


def has_succeeded(world: FcWorld, task: str) -> bool:
    """Return True if a task has succeeded."""
    return status(world, task) == "Succeeded"


def test_the_record_of_a_success_has_the_fields_that_the_vendor_documents(world: FcWorld) -> None:
    """The payloads are texts: the request's as it was sent, the answer as the function returned it."""
    request_id = submit(world, b' {"a" :1}')
    record = received(world)

    assert record.pop("timestamp") > 1_700_000_000_000
    assert json.loads(record.pop("responsePayload")) == {"heard": ""}
    assert record == {
        "requestContext": {
            "requestId": request_id,
            "functionArn": f"{ARN}render",
            "condition": "",
            "approximateInvokeCount": 1,
        },
        "requestPayload": ' {"a" :1}',
        "responseContext": {"statusCode": 200, "functionError": ""},
    }


@pytest.mark.parametrize(
    ("event", "kind", "message"),
    [
        (b"raise", "ValueError", "not today"),
        (b"sleep 9", "FunctionTimeout", "Function timed out after 2 seconds"),
        (b"fill 400", "FunctionOOMError", "memorySize is 128 MB"),
        (b"exit", "ProcessExited", "Process exited unexpectedly"),
    ],
)
def test_the_record_of_a_failure_says_why(world: FcWorld, event: bytes, kind: str, message: str) -> None:
    """The condition is that of the function's error, and the answer is the error document."""
    request_id = submit(world, event)
    record = received(world)
    document = json.loads(record["responsePayload"])

    assert "UnhandledInvocationError" == record["requestContext"]["condition"]
    assert {"statusCode": 200, "functionError": "UnhandledInvocationError"} == record["responseContext"]
    assert (request_id, event.decode()) == (record["requestContext"]["requestId"], record["requestPayload"])
    assert kind == document["errorType"]
    assert message in document["errorMessage"]


@pytest.mark.parametrize(("event", "count"), [(b"sleep 1.9", 1), (b"never", 0)])
def test_the_record_of_a_stopped_task_has_a_condition_and_no_error(world: FcWorld, event: bytes, count: int) -> None:
    """The function did not fail. The count is that of its runs."""
    task = f"stopped-{count}"
    world.reserve("render", count)
    submit(world, event, task)
    wait_until(lambda: status(world, task) == ("Running" if count else "Dequeued"))
    world.fc.stop_async_task("render", task, models.StopAsyncTaskRequest())
    record = received(world)
    world.reserve("render", 9)
    wait_until(lambda: "Stopped" == status(world, task))

    assert ("AsyncTaskStopped", count) == (
        record["requestContext"]["condition"],
        record["requestContext"]["approximateInvokeCount"],
    )
    assert ({"statusCode": 200, "functionError": ""}, "") == (record["responseContext"], record["responsePayload"])


def test_a_record_that_is_too_long_for_the_topic_is_lost(world: FcWorld, caplog: pytest.LogCaptureFixture) -> None:
    """A message has at most 64 KB, with both payloads; the task has succeeded nevertheless."""
    submit(world, b"answer 60000", "short")
    record = received(world)
    submit(world, b"answer 66000", "long-answer")
    submit(world, b"x" * 66000, "long-request")
    for task in ("long-answer", "long-request"):
        wait_until(partial(has_succeeded, world, task))
    submit(world, b"next")

    assert 60000 == len(record["responsePayload"])
    assert "next" == received(world)["requestPayload"]
    assert 2 == caplog.text.count("could not be sent to")
