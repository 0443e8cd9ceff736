"""What every implementation of the `MessageSender` port promises."""

import pytest
from mns.account import Account

from clipstitch.adapters.memory import MemoryMessageSender
from clipstitch.common.credentials import read_access_key
from clipstitch.common.errors import SinkTargetNotFound
from clipstitch.usecases.context import Context
from tests.contract.account import Place

TEXT = '{"say": "<hello> & 你好 🎧"}'


def test_a_sent_text_arrives_as_it_was(cloud: Context, place: Place) -> None:
    """Whatever characters it has."""
    cloud.messages.send(place.queue, TEXT)

    assert TEXT == _received(cloud, place)


def test_a_published_text_is_taken(cloud: Context, place: Place) -> None:
    """A topic without subscribers is content."""
    cloud.messages.publish(place.topic, TEXT)


def test_an_unknown_topic_or_queue_is_named(cloud: Context) -> None:
    """The error says which, so that the operator can create it."""
    with pytest.raises(SinkTargetNotFound, match="nowhere"):
        cloud.messages.publish("nowhere", TEXT)
    with pytest.raises(SinkTargetNotFound, match="nowhere"):
        cloud.messages.send("nowhere", TEXT)


def _received(cloud: Context, place: Place) -> str:
    """Take one text out of the queue, as the vendor's own client does."""
    if isinstance(cloud.messages, MemoryMessageSender):
        return cloud.messages.said[-1][2]
    key = read_access_key(place.env)
    queue = Account(place.env["MNS_ENDPOINT"], key.id, key.secret, key.token or "").get_queue(place.queue)
    message = queue.receive_message_with_str_body(5)
    queue.delete_message(message.receipt_handle)
    return str(message.message_body)
