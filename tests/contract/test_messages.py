"""What every implementation of the `Messages` port promises."""

from typing import Any

import pytest
from mns.account import Account
from mns.queue import QueueMeta

from clipstitch.adapters.memory import MemoryMessages
from clipstitch.cloud import Cloud
from clipstitch.errors import NoSuchTarget

QUEUE = "contract"
TEXT = '{"say": "<hello> & 你好 🎧"}'


def test_a_sent_text_arrives_as_it_was(cloud: Cloud, request: pytest.FixtureRequest) -> None:
    """Whatever characters it has."""
    queue = _queue(cloud, request)
    cloud.messages.send(QUEUE, TEXT)

    assert TEXT == _received(cloud, queue)


def test_a_published_text_is_taken(cloud: Cloud) -> None:
    """A topic without subscribers is content."""
    cloud.messages.publish("clipstitch-events", TEXT)


def test_an_unknown_topic_or_queue_is_named(cloud: Cloud) -> None:
    """The error says which, so that the operator can create it."""
    with pytest.raises(NoSuchTarget, match="nowhere"):
        cloud.messages.publish("nowhere", TEXT)
    with pytest.raises(NoSuchTarget, match="nowhere"):
        cloud.messages.send("nowhere", TEXT)


def _queue(cloud: Cloud, request: pytest.FixtureRequest) -> Any:
    """Make a queue that nobody else uses, where queues have to be made."""
    if isinstance(cloud.messages, MemoryMessages):
        return None
    env = request.getfixturevalue("cloud_environment")
    account = Account(env["MNS_ENDPOINT"], env["OSS_ACCESS_KEY_ID"], env["OSS_ACCESS_KEY_SECRET"])
    queue = account.get_queue(QUEUE)
    queue.create(QueueMeta())
    return queue


def _received(cloud: Cloud, queue: Any) -> str:
    """Take one text out of the queue, as the vendor's own client does."""
    if isinstance(cloud.messages, MemoryMessages):
        return cloud.messages.said[-1][2]
    message = queue.receive_message_with_str_body(5)
    queue.delete_message(message.receipt_handle)
    return str(message.message_body)
