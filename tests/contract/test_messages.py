"""The contract of the `MessageSender` port."""

import pytest
from mns.account import Account

from clipstitch.adapters.memory import MemoryMessageSender
from clipstitch.common.credentials import read_access_key
from clipstitch.common.errors import SinkTargetNotFound
from clipstitch.usecases.context import Context
from tests.contract.account import Resources

TEXT = '{"say": "<hello> & 你好 🎧"}'


def test_a_message_sent_to_a_queue_arrives_unchanged(cloud: Context, resources: Resources) -> None:
    """Characters outside ASCII and XML special characters survive."""
    cloud.messages.send(resources.queue, TEXT)

    assert TEXT == _receive(cloud, resources)


def test_a_topic_without_subscribers_accepts_a_message(cloud: Context, resources: Resources) -> None:
    """Publishing raises no error if there is no subscriber."""
    cloud.messages.publish(resources.topic, TEXT)


def test_an_unknown_topic_or_queue_raises_an_error_with_its_name(cloud: Context) -> None:
    """The name tells the operator what to create."""
    with pytest.raises(SinkTargetNotFound, match="nowhere"):
        cloud.messages.publish("nowhere", TEXT)
    with pytest.raises(SinkTargetNotFound, match="nowhere"):
        cloud.messages.send("nowhere", TEXT)


def _receive(cloud: Context, resources: Resources) -> str:
    """Receive and delete one message of the queue with the vendor's client."""
    if isinstance(cloud.messages, MemoryMessageSender):
        return cloud.messages.said[-1][2]
    key = read_access_key(resources.env)
    account = Account(resources.env["MNS_ENDPOINT"], key.id, key.secret, key.token or "")
    queue = account.get_queue(resources.queue)
    message = queue.receive_message_with_str_body(5)
    queue.delete_message(message.receipt_handle)
    return str(message.message_body)
