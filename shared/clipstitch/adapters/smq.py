"""Topics and queues through `aliyun-mns-sdk`.

Messages to queues are Base64, which the vendor's queue clients decode by default; messages to topics are raw, since
subscribers receive them unchanged. The client of the SDK is not thread-safe: every thread has its own.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import local

from mns.account import Account
from mns.mns_exception import MNSExceptionBase, MNSServerException
from mns.queue import Message
from mns.topic import TopicMessage

from clipstitch.common import errors
from clipstitch.common.cloud_errors import classify
from clipstitch.common.credentials import AccessKey

# Errors whose codes only SMQ has. It shares the others with OSS, or their words say that the cloud is busy.
_MEANINGS: dict[str, type[errors.ClipstitchError]] = {
    "TimeExpired": errors.ClockSkewed,
    **dict.fromkeys(("TopicNotExist", "QueueNotExist"), errors.SinkTargetNotFound),
}


@contextmanager
def translated_errors(doing: str) -> Iterator[None]:
    """Raise every SDK error as a ClipstitchError that says what was being done."""
    try:
        yield
    except MNSExceptionBase as error:
        raise _translate(error, doing) from error
    except OSError as error:
        raise errors.CloudBusy(f"{doing}: {error}") from error


def _translate(error: MNSExceptionBase, doing: str) -> errors.ClipstitchError:
    # A response that the SDK cannot parse was not sent by SMQ.
    known = classify(400, error.type, error.message) if isinstance(error, MNSServerException) else errors.CloudBusy
    return _MEANINGS.get(error.type, known)(f"{doing}: {error.type}: {error.message}")


class SmqMessageSender:
    """The `MessageSender` port on SMQ."""

    def __init__(self, endpoint: str, key: AccessKey) -> None:
        self._endpoint = endpoint
        self._key = key
        self._of_thread = local()

    @property
    def _account(self) -> Account:
        """The client of this thread."""
        if not hasattr(self._of_thread, "account"):
            key = self._key
            self._of_thread.account = Account(self._endpoint, key.id, key.secret, key.token or "")
        return self._of_thread.account

    def publish(self, topic: str, text: str) -> None:
        """Publish a message to a topic; raise `SinkTargetNotFound` if there is none of that name."""
        with translated_errors(f"publishing to topic {topic}"):
            self._account.get_topic(topic).publish_message(TopicMessage(text))

    def send(self, queue: str, text: str) -> None:
        """Send a message to a queue; raise `SinkTargetNotFound` if there is none of that name."""
        with translated_errors(f"sending to queue {queue}"):
            self._account.get_queue(queue).send_message(Message(text))
