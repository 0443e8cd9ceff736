"""The triggers: which events invoke a function, with which payload; and the delivery of records to destinations."""

import json
import os
import threading
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest

from localyun.clock import HostClock
from localyun.fc.destinations import deliver_record
from localyun.fc.service import FunctionService
from localyun.fc.trigger_payloads import message_payload, object_payload
from localyun.fc.triggers import Triggers, describe_error, matches
from localyun.fc.values import (
    FcSettings,
    FunctionConfig,
    InvocationResult,
    ObjectTrigger,
    TimerTrigger,
    TopicTrigger,
)
from localyun.oss.service import ObjectEvent, ObjectService
from localyun.ram.credentials import Keyring
from localyun.smq.service import MessageService
from localyun.smq.values import Subscription, TopicMessage

ACCOUNT, REGION = "123456789", "cn-hangzhou"
NOON = datetime(2022, 8, 13, 6, 45, 43, tzinfo=timezone.utc)
EVENT = ObjectEvent(
    "ObjectCreated:PutObject",
    "bkt",
    "manifests/a b+é中.json",
    "688A7BF4F233DC9C88A80BF985AB7329",
    122539,
    22539,
    NOON,
    "58F9FF2D3DF792092E120000",
    "140.205.0.0",
)
TRIGGER = ObjectTrigger("f", "t", "bkt", ("oss:ObjectCreated:PutObject",), "manifests/", ".json")
SUBSCRIPTION = Subscription("jobs", "sub", "acs:fc:r:1:functions/f", "BACKOFF_RETRY", "JSON", "", NOON, NOON)
# Appends each event to a file; fails once if the file `fail` exists; otherwise writes to the FIFO.
SPY = (
    "import os, pathlib\n"
    "def handler(event, context):\n"
    "    with open('../seen', 'ab') as file:\n        file.write(event + b'\\n')\n"
    "    if os.path.exists('../fail'):\n        os.unlink('../fail')\n        raise RuntimeError('later')\n"
    "    with open('../fifo', 'w') as fifo:\n        fifo.write('x')\n"
)


class World:
    """Objects, messages and one function that records its events."""

    def __init__(self, root: Path) -> None:
        clock = HostClock()
        self.objects = ObjectService(root / "objects", clock)
        self.messages = MessageService(root / "messages", clock, account_id=ACCOUNT, region=REGION, time_scale=200)
        settings = FcSettings(ACCOUNT, REGION, time_scale=200)
        self.functions = FunctionService(root / "functions", clock, Keyring(), settings, lambda arn, record: None)
        self.code = root / "f"
        self.code.mkdir()
        (self.code / "index.py").write_text(SPY)
        self._fifo = self.code.parent / "fifo"
        os.mkfifo(self._fifo)
        self.functions.deploy(FunctionConfig("f", "index.handler", (self.code,), timeout=10))
        self.triggers = Triggers(self.functions, self.objects, self.messages, clock)

    def events(self) -> list[bytes]:
        """Wait until the function has succeeded once, and return all its events until then."""
        done: list[str] = []
        thread = threading.Thread(target=lambda: done.append(self._fifo.read_text()), daemon=True)
        thread.start()
        thread.join(10)
        assert done, self.functions.logs("f")
        return (self.code.parent / "seen").read_bytes().splitlines()

    def close(self) -> None:
        """Close all services."""
        self.triggers.close()
        self.functions.close()
        self.messages.close()
        self.objects.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Run the services in a temporary directory."""
    world = World(tmp_path)
    yield world
    world.close()


def test_an_object_event_has_the_vendors_format_with_the_raw_key() -> None:
    """Names and order are those of FC's page; the event's name has no `oss:` prefix."""
    rule = json.loads(object_payload(TRIGGER, EVENT, REGION, ACCOUNT))["events"][0]["oss"]["ruleId"]

    expected = (
        '{"events":[{"eventName":"ObjectCreated:PutObject","eventSource":"acs:oss",'
        '"eventTime":"2022-08-13T06:45:43.000Z","eventVersion":"1.0","oss":{"bucket":{'
        '"arn":"acs:oss:cn-hangzhou:123456789:bkt","name":"bkt","ownerIdentity":"123456789"},'
        '"object":{"deltaSize":22539,"eTag":"688A7BF4F233DC9C88A80BF985AB7329",'
        '"key":"manifests/a b+é中.json","size":122539},"ossSchemaVersion":"1.0","ruleId":"RULE"},'
        '"region":"cn-hangzhou","requestParameters":{"sourceIPAddress":"140.205.0.0"},'
        '"responseElements":{"requestId":"58F9FF2D3DF792092E120000"},"userIdentity":{"principalId":"123456789"}}]}'
    )
    assert expected.replace("RULE", rule) == object_payload(TRIGGER, EVENT, REGION, ACCOUNT).decode()
    assert len(rule) == 40


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, True),
        ({"key": "manifests/a.yaml"}, False),
        ({"key": "other/a.json"}, False),
        ({"bucket": "another"}, False),
        ({"name": "ObjectCreated:UploadPart"}, False),
    ],
)
def test_only_matching_objects_trigger(changes: dict[str, str], expected: bool) -> None:
    """Bucket, event, prefix and suffix must all match."""
    event = ObjectEvent(**{**EVENT.__dict__, **changes})

    assert expected == matches(TRIGGER, event)


def test_a_wildcard_event_matches_every_event_of_its_group() -> None:
    """The behaviour is documented: it includes the event of every uploaded part."""
    trigger = ObjectTrigger("f", "t", "bkt", ("oss:ObjectCreated:*",))

    assert matches(trigger, ObjectEvent(**{**EVENT.__dict__, "name": "ObjectCreated:UploadPart"}))
    assert not matches(trigger, ObjectEvent(**{**EVENT.__dict__, "name": "ObjectRemoved:DeleteObject"}))


@pytest.mark.parametrize(
    ("form", "attributes", "expected"),
    [
        ("STREAM", {}, "hello"),
        ("STREAM", {"Extend": '{"key":"value"}'}, '{"body":"hello","attrs":{"Extend":"{\\"key\\":\\"value\\"}"}}'),
        (
            "JSON",
            {},
            (
                '{"TopicOwner":"1","Message":"hello","Subscriber":"1","PublishTime":1660373143000,'
                '"SubscriptionName":"sub","MessageMD5":"BA4B","TopicName":"jobs","MessageId":"2F5B"}'
            ),
        ),
        (
            "JSON",
            {"Extend": '{"key":"value"}'},
            (
                '{"TopicOwner":"1","Message":"hello","Subscriber":"1","PublishTime":1660373143000,'
                '"SubscriptionName":"sub","MessageMD5":"BA4B","TopicName":"jobs","MessageId":"2F5B","key":"value"}'
            ),
        ),
    ],
)
def test_a_message_has_the_format_of_the_trigger(form: str, attributes: dict[str, str], expected: str) -> None:
    """The payloads are the four event templates of the fc3 component; PublishTime is a number."""
    subscription = Subscription(**{**SUBSCRIPTION.__dict__, "content_format": form})
    published = TopicMessage("jobs", "2F5B", "hello", "BA4B", "", attributes, NOON)

    assert expected == message_payload(subscription, published, "1").decode()


def test_an_uploaded_object_invokes_its_function(world: World) -> None:
    """The function receives one event for the matching object."""
    world.functions.start()
    world.objects.create_bucket("bkt")
    world.triggers.put(TRIGGER)

    world.objects.put("bkt", "elsewhere/a.json", b"x")
    stored = world.objects.put("bkt", "manifests/a.json", b"{}")
    [event] = world.events()

    stored_object = json.loads(event)["events"][0]["oss"]["object"]
    assert {"deltaSize": 2, "eTag": stored.etag, "key": "manifests/a.json", "size": 2} == stored_object


def test_a_message_is_delivered_again_if_its_function_fails(world: World) -> None:
    """An error of the function makes SMQ retry."""
    world.messages.topics.create("jobs")
    world.triggers.put(TopicTrigger("f", "t", "jobs", "JSON"))
    (world.code.parent / "fail").touch()
    world.messages.start()

    published = world.messages.publish("jobs", "hello")
    first, second = world.events()

    assert first == second
    assert ("hello", published.message_id) == (json.loads(first)["Message"], json.loads(first)["MessageId"])


def test_a_changed_trigger_replaces_its_subscription(world: World) -> None:
    """A trigger is identified by its function and its name."""
    world.messages.topics.create("jobs")
    world.triggers.put(TopicTrigger("f", "t", "jobs", "JSON"))

    world.triggers.put(TopicTrigger("f", "t", "jobs", "STREAM"))

    assert world.messages.topics.subscription("jobs", "f-t").content_format == "STREAM"


def test_a_removed_trigger_is_no_longer_subscribed(world: World) -> None:
    """Other subscriptions of the topic remain."""
    world.messages.topics.create("jobs")
    world.messages.topics.subscribe("jobs", "mine", endpoint="http://127.0.0.1:1/")
    world.triggers.put(TopicTrigger("f", "t", "jobs", "JSON"))

    world.triggers.remove("f", "t")

    assert world.messages.topics.subscriptions("jobs").names == ("mine",)


def test_a_trigger_of_an_earlier_run_is_no_longer_subscribed(world: World) -> None:
    """It is not in s.yaml any more, so the start removes its subscription."""
    world.messages.topics.create("jobs")
    world.triggers.put(TopicTrigger("f", "t", "jobs", "JSON"))
    later = Triggers(world.functions, world.objects, world.messages, HostClock())

    later.start()

    assert world.messages.topics.subscriptions("jobs").names == ()


def test_a_trigger_that_is_put_or_removed_while_the_cloud_runs_counts_at_once(world: World) -> None:
    """A removed object trigger and a stopped timer invoke nothing any more."""
    world.functions.start()
    world.triggers.start()
    world.objects.create_bucket("bkt")
    world.triggers.put(TRIGGER)
    world.triggers.remove("f", "t")
    world.objects.put("bkt", "manifests/a.json", b"{}")

    world.triggers.put(TimerTrigger("f", "sweep", "@every 1m", "p"))

    assert {"sweep"} == {json.loads(event)["triggerName"] for event in world.events()}


def test_a_timer_event_has_time_name_and_payload(world: World) -> None:
    """An interval of a minute is divided by the time scale of 200."""
    world.triggers.put(TimerTrigger("f", "sweep", "@every 1m", "p"))
    world.functions.start()
    world.triggers.start()

    event, *_ = world.events()

    payload = json.loads(event)
    assert (payload["triggerName"], payload["payload"]) == ("sweep", "p")
    assert datetime.strptime(payload["triggerTime"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc) > NOON


def test_a_disabled_timer_never_starts(world: World) -> None:
    """Its configuration has `enable: false`."""
    world.triggers.put(TimerTrigger("f", "sweep", "@every 1s", "", enabled=False))

    world.triggers.start()
    world.triggers.close()

    assert not (world.code.parent / "seen").exists()


@pytest.mark.parametrize("account", ["", ACCOUNT])
def test_records_of_invocations_are_delivered_to_queues_and_topics(world: World, account: str) -> None:
    """The ARN may omit the account, because official pages write both forms."""
    world.messages.queues.create("dead")
    world.messages.topics.create("records")

    deliver_record(world.messages, f"acs:mns:{REGION}:{account}:/queues/dead/messages", '{"a":1}')
    deliver_record(world.messages, f"acs:mns:{REGION}:{account}:/topics/records/messages", '{"a":1}')

    assert [message.body for message in world.messages.receive("dead", 0)] == ['{"a":1}']


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b'{"errorType": "CloudBusy", "errorMessage": "later", "stackTrace": [["File x"]]}', "CloudBusy: later"),
        (b"killed", "UnhandledInvocationError: killed"),
        (b"[]", "UnhandledInvocationError: []"),
    ],
)
def test_an_error_is_described_without_its_trace(payload: bytes, expected: str) -> None:
    """The log of the function has the trace; the log of the local cloud needs the reason only."""
    assert expected == describe_error(InvocationResult("id", payload, "UnhandledInvocationError"))
