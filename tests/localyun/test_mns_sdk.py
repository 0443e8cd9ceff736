"""Queues and topics through the vendor's Python SDK, over HTTP."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from mns.account import AccountMeta
from mns.message_property import MessagePropertyValue
from mns.mns_exception import MNSServerException
from mns.queue import Message, QueueMeta
from mns.subscription import SubscriptionMeta
from mns.topic import Base64TopicMessage, TopicMessage, TopicMeta

from localyun.http import asgi_app
from tests.localyun.mns_world import ARN, EndpointSlot, World, running, served

# The SDK deprecates the counters of a queue, and uses them itself.
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated function")


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[EndpointSlot, str]]:
    """Serve all tests of this module at one URL."""
    slot = EndpointSlot()
    with served(asgi_app(slot.answer)) as url:
        yield slot, url


@pytest.fixture
def w(tmp_path: Path, address: tuple[EndpointSlot, str]) -> Iterator[World]:
    """Run a new service with one queue, q."""
    with running(*address, tmp_path) as new:
        new.service.queues.create("q")
        yield new


@pytest.fixture
def q(w: World) -> Any:
    """Return the SDK's queue q, without Base64 encoding of bodies."""
    queue = w.account().get_queue("q")
    queue.set_encoding(False)
    return queue


def test_queue_can_be_created_again_only_with_equal_attributes(w: World) -> None:
    """Equal attributes are accepted, others are a conflict."""
    queue = w.account().get_queue("fresh")
    url = queue.create(QueueMeta(vis_timeout=60))

    assert url == f"{w.url}/queues/fresh"
    assert url == queue.create(QueueMeta(vis_timeout=60))
    with pytest.raises(MNSServerException) as conflict:
        queue.create(QueueMeta(vis_timeout=61))
    assert conflict.value.type == "QueueAlreadyExist"


def test_queue_attributes_are_read_changed_and_counted(w: World, q: Any) -> None:
    """The attributes are stored; messages are counted as visible, received or delayed."""
    q.set_attributes(QueueMeta(vis_timeout=7, delay_sec=0, polling_wait_sec=2, msg_ttl=600, logging_enabled=True))
    for body in ("seen", "held"):
        q.send_message(Message(body))
    q.send_message(Message("later", delay_seconds=60))
    q.receive_message()
    meta = q.get_attributes()

    assert (meta.visibility_timeout, meta.polling_wait_seconds, meta.message_retention_period) == (7, 2, 600)
    assert (meta.active_messages, meta.inactive_messages, meta.delay_messages) == (1, 1, 1)
    assert (meta.queue_name, meta.logging_enabled, meta.maximum_message_size) == ("q", True, 65536)


def test_queues_are_listed_by_prefix_in_pages(w: World) -> None:
    """Two pages of at most two names have all three names with the prefix, which is case-sensitive."""
    for name in ("list-a", "list-b", "list-c", "List-d", "other"):
        w.service.queues.create(name)
    first, marker = w.account().list_queue("list-", 2)
    second, end = w.account().list_queue("list-", 2, marker)

    assert [url.rpartition("/")[2] for url in first + second] == ["list-a", "list-b", "list-c"]
    assert end == ""


def test_deleting_a_queue_deletes_its_messages(w: World, q: Any) -> None:
    """A deleted queue does not exist; created again, it is empty."""
    q.send_message(Message("lost"))
    q.delete()
    with pytest.raises(MNSServerException) as missing:
        q.receive_message()
    w.service.queues.create("q")

    assert missing.value.type == "QueueNotExist"
    assert w.service.receive("q") == []


@pytest.mark.parametrize("body", ["plain", "<a>&amp;]]></a>", "夜行列車 🎧", "two\nlines\ttab  "])
def test_message_is_received_as_sent(q: Any, body: str) -> None:
    """Markup, all scripts, line ends and spaces survive the XML in both directions."""
    sent = q.send_message(Message(body))
    received = q.receive_message(1)

    assert received.message_body == body
    assert received.message_id == sent.message_id
    assert received.message_body_md5 == sent.message_body_md5
    assert received.dequeue_count == 1
    assert received.priority == 8
    assert received.enqueue_time <= received.first_dequeue_time < received.next_visible_time


def test_carriage_return_survives_towards_the_client(w: World, q: Any) -> None:
    """The SDK loses it when it sends; the local cloud does not."""
    w.service.send("q", "two\r\nlines")

    assert q.receive_message(1).message_body == "two\r\nlines"


def test_base64_queue_decodes_what_it_encoded(w: World) -> None:
    """The SDK's default encoding works."""
    queue = w.account().get_queue("q")
    queue.send_message(Message("夜"))

    assert queue.receive_message_with_str_body(1).message_body == "夜"


def test_message_properties_are_received(q: Any) -> None:
    """User properties keep their name, type and value."""
    message = Message("x")
    message.add_user_property("n", MessagePropertyValue.create_number(7))
    message.add_user_property("b", MessagePropertyValue.create_binary(b"\x00\x01"))
    q.send_message(message)
    properties = q.receive_message(1).user_properties

    assert properties["n"].get_string_value_by_type() == "7"
    assert properties["b"].get_binary_value() == b"\x00\x01"


def test_batches_send_peek_receive_and_delete(q: Any) -> None:
    """A batch has up to 16 messages; peeking receives none; deleting leaves an empty queue."""
    sent = q.batch_send_message([Message(f"m{number}") for number in range(16)])
    peeked = q.batch_peek_message(16)
    received = q.batch_receive_message(16, 1)
    q.batch_delete_message([message.receipt_handle for message in received])

    assert len(sent) == len(peeked) == len(received) == 16
    assert [message.message_body for message in received] == [f"m{number}" for number in range(16)]
    assert q.get_attributes().inactive_messages == 0


def test_batch_deletion_reports_the_handles_that_failed(q: Any) -> None:
    """Messages with valid handles are deleted, and the error lists the other handles."""
    q.batch_send_message([Message("a"), Message("b")])
    one, two = (message.receipt_handle for message in q.batch_receive_message(2, 1))
    q.delete_message(two)
    with pytest.raises(MNSServerException) as failed:
        q.batch_delete_message([one, two, "nonsense"])

    assert [error["ReceiptHandle"] for error in failed.value.sub_errors] == [two, "nonsense"]
    assert [error["ErrorCode"] for error in failed.value.sub_errors] == ["MessageNotExist", "ReceiptHandleError"]
    assert q.get_attributes().inactive_messages == 0


def test_lower_priority_number_comes_first(q: Any) -> None:
    """Messages of equal priority are received in the order in which they were sent."""
    for body, priority in (("low", 16), ("first", 1), ("middle", 8), ("second", 1)):
        q.send_message(Message(body, priority=priority))

    assert [q.receive_message(0).message_body for _ in range(4)] == ["first", "second", "middle", "low"]


def test_delayed_message_is_invisible_until_due(w: World, q: Any) -> None:
    """The message is visible after its delay of 30 s."""
    q.send_message(Message("later", delay_seconds=30))
    with pytest.raises(MNSServerException) as empty:
        q.receive_message(0)
    w.clock.advance(31)

    assert empty.value.type == "MessageNotExist"
    assert q.receive_message(0).message_body == "later"


def test_sender_deletes_a_delayed_message_with_its_handle(w: World, q: Any) -> None:
    """The answer to a message without a delay has no handle; a message that has become visible has another one."""
    sent = [q.send_message(Message("x", delay_seconds=seconds)) for seconds in (0, 60, 60)]
    q.delete_message(sent[1].receipt_handle)
    w.clock.advance(61)
    with pytest.raises(MNSServerException) as late:
        q.delete_message(sent[2].receipt_handle)

    assert [bool(message.receipt_handle) for message in sent] == [False, True, True]
    assert {q.receive_message(0).message_id, q.receive_message(0).message_id} == {
        sent[0].message_id,
        sent[2].message_id,
    }
    assert late.value.type == "ReceiptHandleError"


def test_sender_makes_a_delayed_message_visible_earlier_with_its_handle(w: World, q: Any) -> None:
    """A delay of the queue counts as one of the message; the new handle replaces the first."""
    q.set_attributes(QueueMeta(delay_sec=600))
    sent = q.send_message(Message("x"))
    q.change_message_visibility(sent.receipt_handle, 1)
    w.clock.advance(1.1)

    assert q.receive_message(0).message_id == sent.message_id


def test_received_message_is_visible_again_after_its_timeout(w: World, q: Any) -> None:
    """The second reception has a new receipt handle and a higher count; the old handle is invalid."""
    q.send_message(Message("again"))
    first = q.receive_message(0)
    w.clock.advance(31)
    with pytest.raises(MNSServerException) as late:
        q.delete_message(first.receipt_handle)
    second = q.receive_message(0)
    with pytest.raises(MNSServerException) as stale:
        q.delete_message(first.receipt_handle)
    q.delete_message(second.receipt_handle)

    assert (late.value.type, stale.value.type) == ("ReceiptHandleError", "ReceiptHandleError")
    assert (second.message_id, second.dequeue_count) == (first.message_id, 2)
    assert second.first_dequeue_time == first.first_dequeue_time


def test_changing_visibility_returns_a_new_handle_and_a_later_time(w: World, q: Any) -> None:
    """The message is hidden for the new time; only the new handle deletes it."""
    q.send_message(Message("long work"))
    held = q.receive_message(0)
    changed = q.change_message_visibility(held.receipt_handle, 120)
    w.clock.advance(60)
    with pytest.raises(MNSServerException) as stale:
        q.delete_message(held.receipt_handle)
    q.delete_message(changed.receipt_handle)

    assert int(changed.next_visible_time) > held.next_visible_time
    assert stale.value.type == "ReceiptHandleError"


def test_message_older_than_its_retention_period_is_deleted(w: World) -> None:
    """A queue with a retention period of a minute is empty after a minute."""
    w.service.queues.create("short", message_retention_period=60)
    w.service.send("short", "old")
    w.clock.advance(61)

    assert w.account().get_queue("short").get_attributes().active_messages == 0
    assert w.service.receive("short") == []


def test_message_received_too_often_goes_to_the_dead_letter_queue(w: World) -> None:
    """After three receptions, the message is in the other queue, and its properties name its origin."""
    w.service.queues.create("dead")
    w.service.queues.create("work", dead_letter_queue="dead", max_receive_count=3, visibility_timeout=1)
    sent = w.service.send("work", "poison")
    counts = []
    for _ in range(3):
        counts.append(w.service.receive("work")[0].dequeue_count)
        w.clock.advance(2)
    left = w.service.receive("work")
    queue = w.account().get_queue("dead")
    queue.set_encoding(False)
    dead = queue.receive_message(0)
    origin = dead.system_properties["DLQOriginMessageId"].get_string_value_by_type()

    assert (counts, left) == ([1, 2, 3], [])
    assert (dead.message_body, dead.dequeue_count, origin) == ("poison", 1, sent.message_id)


def test_long_poll_is_woken_by_a_message(w: World, q: Any) -> None:
    """A receiver that waits up to 10 s receives a message within a second of its arrival."""
    threading.Timer(0.2, lambda: w.service.send("q", "wake")).start()
    start = time.monotonic()
    received = q.receive_message(10)

    assert received.message_body == "wake"
    assert 0.1 < time.monotonic() - start < 1.0


def test_long_poll_ends_when_a_delay_ends(w: World, q: Any) -> None:
    """A message whose delay has passed ends the wait."""
    q.send_message(Message("soon", delay_seconds=1))

    assert q.receive_message(5).message_body == "soon"


def test_long_poll_without_a_message_times_out(q: Any) -> None:
    """A wait of one second ends after one second with MessageNotExist."""
    start = time.monotonic()
    with pytest.raises(MNSServerException) as empty:
        q.receive_message(1)

    assert empty.value.type == "MessageNotExist"
    assert 0.9 < time.monotonic() - start < 2.0


def test_closing_the_service_wakes_waiting_receivers(w: World, q: Any) -> None:
    """A long poll does not delay the stop of the local cloud."""
    threading.Timer(0.2, w.service.messages.close).start()
    start = time.monotonic()
    with pytest.raises(MNSServerException):
        q.receive_message(20)

    assert time.monotonic() - start < 2.0


def test_body_larger_than_64_kb_is_rejected(q: Any) -> None:
    """The limit is in bytes; a body of exactly the limit is accepted."""
    q.send_message(Message("x" * 65536))
    with pytest.raises(MNSServerException) as refused:
        q.send_message(Message("夜" * 21846))

    assert refused.value.type == "InvalidArgument"
    assert "65538 > 65536" in refused.value.message


@pytest.mark.parametrize(("name", "code"), [("-first", "InvalidQueueName"), ("a" * 121, "QueueNameLengthError")])
def test_invalid_queue_name_is_rejected(w: World, name: str, code: str) -> None:
    """Names must follow the vendor's rules."""
    with pytest.raises(MNSServerException) as refused:
        w.account().get_queue(name).create(QueueMeta())

    assert refused.value.type == code


def test_concurrent_senders_and_receivers_lose_and_duplicate_no_message(w: World) -> None:
    """Eight clients send 50 messages each; four clients receive every message exactly once."""

    def send(sender: int) -> None:
        queue = w.account().get_queue("q")
        for number in range(50):
            queue.send_message(Message(f"{sender}/{number}"))

    def drain(_: int) -> list[str]:
        queue = w.account().get_queue("q")
        found: list[str] = []
        while True:
            try:
                messages = queue.batch_receive_message_with_str_body(16, 1)
            except MNSServerException:
                return found
            queue.batch_delete_message([message.receipt_handle for message in messages])
            found += [message.message_body for message in messages]

    with ThreadPoolExecutor(12) as pool:
        receivers = [pool.submit(drain, number) for number in range(4)]
        list(pool.map(send, range(8)))
        found = [body for receiver in receivers for body in receiver.result()]

    assert sorted(found) == sorted(f"{sender}/{number}" for sender in range(8) for number in range(50))


def test_account_attributes_are_read_and_changed(w: World) -> None:
    """The log bucket is stored; an order of the service has a number."""
    account = w.account()
    first = account.get_attributes().logging_bucket
    account.set_attributes(AccountMeta("logs"))

    assert (first, account.get_attributes().logging_bucket) == ("", "logs")
    assert account.open_service().oder_id


def test_topic_attributes_are_read_changed_and_listed(w: World) -> None:
    """The SDK parses all fields that it requires."""
    topic = w.account().get_topic("t")
    topic.create(TopicMeta(10240))
    topic.set_attributes(TopicMeta(20480, True))
    meta = topic.get_attributes()
    urls, marker = w.account().list_topic("t")

    assert (meta.topic_name, meta.maximum_message_size, meta.logging_enabled) == ("t", 20480, True)
    assert (meta.message_count, meta.message_retention_period) == (0, 86400)
    assert (urls, marker) == ([f"{w.url}/topics/t"], "")


def test_deleted_topic_does_not_exist(w: World) -> None:
    """Publishing to it is rejected with the vendor's message."""
    topic = w.account().get_topic("t")
    topic.create(TopicMeta())
    topic.delete()
    with pytest.raises(MNSServerException) as missing:
        topic.publish_message(TopicMessage("x"))

    assert missing.value.type == "TopicNotExist"
    assert missing.value.message.startswith("The topic you provided does not exist")


def test_subscription_is_created_read_changed_listed_and_removed(w: World) -> None:
    """All operations succeed; a different subscription of the same name is a conflict."""
    w.service.topics.create("t")
    subscription = w.account().get_subscription("t", "s")
    url = subscription.subscribe(SubscriptionMeta(f"{ARN}:queues/q", "BACKOFF_RETRY", "JSON", "audio"))
    subscription.set_attributes(SubscriptionMeta(notify_strategy="EXPONENTIAL_DECAY_RETRY"))
    meta = subscription.get_attributes()
    listed = w.account().get_topic("t").list_subscription()[0]
    with pytest.raises(MNSServerException) as conflict:
        subscription.subscribe(SubscriptionMeta(f"{ARN}:queues/other"))
    subscription.unsubscribe()

    assert (meta.endpoint, meta.filter_tag) == (f"{ARN}:queues/q", "audio")
    assert (meta.notify_strategy, meta.notify_content_format) == ("EXPONENTIAL_DECAY_RETRY", "JSON")
    assert (meta.topic_name, meta.subscription_name, meta.topic_owner) == ("t", "s", "1234567890")
    assert listed == [url] == [f"{w.url}/topics/t/subscriptions/s"]
    assert conflict.value.type == "SubscriptionAlreadyExist"
    assert w.account().get_topic("t").list_subscription()[0] == []


@pytest.mark.parametrize("endpoint", ["mail:directmail:a@b", "acs:mns:cn-beijing:1234567890:queues/q", "nonsense"])
def test_unsupported_endpoint_is_rejected(w: World, endpoint: str) -> None:
    """The local cloud accepts no endpoint that it cannot deliver to."""
    w.service.topics.create("t")
    with pytest.raises(MNSServerException) as refused:
        w.account().get_subscription("t", "s").subscribe(SubscriptionMeta(endpoint))

    assert refused.value.type == "InvalidEndpoint"


def test_published_message_reaches_a_subscribed_queue(w: World, q: Any) -> None:
    """SIMPLIFIED delivers the body alone, raw or in Base64 as published."""
    w.service.topics.create("t")
    w.service.topics.subscribe("t", "s", endpoint=f"{ARN}:queues/q", content_format="SIMPLIFIED")
    topic = w.account().get_topic("t")
    topic.publish_message(TopicMessage('{"a": "<夜>"}', "tag"))
    raw = q.receive_message(5)
    topic.publish_message(Base64TopicMessage("夜"))
    q.set_encoding(True)

    assert raw.message_body == '{"a": "<夜>"}'
    assert q.receive_message_with_str_body(5).message_body == "夜"
