"""One SMQ queue through the vendor's SDK, whose errors are raised as `ClipstitchError`; an empty queue is no error."""

import warnings
from collections.abc import Callable
from datetime import datetime, timezone
from functools import partial
from typing import Any, NamedTuple, TypeVar

from mns.account import Account
from mns.mns_exception import MNSServerException

from clipstitch.adapters.smq import translated_errors
from clipstitch.common.credentials import AccessKey
from clipstitch.common.errors import ClipstitchError

MAX_PEEKED = 16  # SMQ, "BatchPeekMessage", 2026: at most this many messages
MIN_HIDDEN_S = 1  # the shortest visibility timeout that SMQ accepts
T = TypeVar("T")


class QueueMessage(NamedTuple):
    """A received or peeked message. `handle` is "" if it was peeked."""

    id: str
    handle: str
    body: str
    enqueued_at: datetime


class SmqQueue:
    """A queue by name. `base64`: its messages are Base64-encoded, the default of the vendor's clients."""

    def __init__(self, account: Account, name: str, *, base64: bool = False) -> None:
        self.name = name
        self._queue = account.get_queue(name)
        self._queue.set_encoding(base64)

    def receive(self, wait_s: int) -> QueueMessage | None:
        """Receive a message, which hides it for the visibility timeout; None if none arrives within `wait_s`."""
        message = self._call("receiving from", partial(self._queue.receive_message, wait_s))
        return message and _message(message)

    def peek(self) -> list[QueueMessage]:
        """Return up to 16 visible messages without hiding them."""
        peek = partial(self._queue.batch_peek_message, MAX_PEEKED)
        return [_message(message) for message in self._call("peeking into", peek) or ()]

    def delete(self, handle: str) -> None:
        """Delete a received message."""
        with translated_errors(f"deleting from queue {self.name}"):
            self._queue.delete_message(handle)

    def release(self, handle: str) -> None:
        """Make a received message visible again after a second."""
        with translated_errors(f"releasing in queue {self.name}"):
            self._queue.change_message_visibility(handle, MIN_HIDDEN_S)

    def count(self) -> int:
        """Return the number of messages, hidden and delayed ones included. Raises SinkTargetNotFound."""
        # The SDK warns that SMQ may stop counting, even where the answer is only parsed.
        with translated_errors(f"reading the attributes of queue {self.name}"), warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            found = self._queue.get_attributes()
            return sum(max(0, int(n)) for n in (found.active_messages, found.inactive_messages, found.delay_messages))

    def _call(self, doing: str, call: Callable[[], T]) -> T | None:
        """Return the answer of a call; None if the queue is empty."""
        try:
            with translated_errors(f"{doing} queue {self.name}"):
                return call()
        except ClipstitchError as error:
            if is_smq_error(error, {"MessageNotExist"}):
                return None
            raise


def smq_account(endpoint: str, key: AccessKey) -> Account:
    """Return the SDK's client."""
    return Account(endpoint, key.id, key.secret, key.token or "")


def is_smq_error(error: ClipstitchError, types: set[str]) -> bool:
    """Return True if SMQ answered with one of these error types."""
    return isinstance(error.__cause__, MNSServerException) and error.__cause__.type in types


def _message(message: Any) -> QueueMessage:
    body = message.message_body
    text = body if isinstance(body, str) else body.decode("utf-8", "replace")
    enqueued_at = datetime.fromtimestamp(message.enqueue_time / 1000, timezone.utc)
    return QueueMessage(message.message_id, getattr(message, "receipt_handle", "") or "", text, enqueued_at)
