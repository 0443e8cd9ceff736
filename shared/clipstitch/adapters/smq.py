"""Topics and queues through `aliyun-mns-sdk`.

Messages to queues are Base64, which the vendor's queue clients decode by default; messages to topics are raw, since
subscribers receive them unchanged. The client of the SDK is not thread-safe; an instance belongs to one invocation.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from mns.account import Account
from mns.mns_exception import MNSClientNetworkException, MNSExceptionBase, MNSServerException
from mns.queue import Message
from mns.topic import TopicMessage

from clipstitch.common.credentials import AccessKey
from clipstitch.common.errors import (
    AccessDenied,
    ClipstitchError,
    ClockSkewed,
    CloudBusy,
    CloudRefused,
    SinkTargetNotFound,
    Throttled,
)

_DENIED = frozenset({"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidSecurityToken"})
_MISSING = frozenset({"TopicNotExist", "QueueNotExist"})
_BUSY = frozenset({"InternalError", "InternalServerError", "ServiceUnavailable"})


@contextmanager
def translated_errors(doing: str) -> Iterator[None]:
    """Raise every SDK error as a ClipstitchError that says what was being done."""
    try:
        yield
    except MNSExceptionBase as error:
        raise _translate(error, doing) from error
    except OSError as error:
        raise CloudBusy(f"{doing}: {error}") from error


def _translate(error: MNSExceptionBase, doing: str) -> ClipstitchError:
    text = f"{doing}: {error.type}: {error.message}"
    if error.type == "QpsLimitExceeded":
        return Throttled(text)
    if error.type == "TimeExpired":
        return ClockSkewed(text)
    if isinstance(error, MNSClientNetworkException) or error.type in _BUSY:
        return CloudBusy(text)
    if error.type in _MISSING:
        return SinkTargetNotFound(text)
    if error.type in _DENIED:
        return AccessDenied(text)
    # A response that the SDK cannot parse was not sent by SMQ.
    return CloudRefused(text) if isinstance(error, MNSServerException) else CloudBusy(text)


class SmqMessageSender:
    """The `MessageSender` port on SMQ."""

    def __init__(self, endpoint: str, key: AccessKey) -> None:
        self._account = Account(endpoint, key.id, key.secret, key.token or "")

    def publish(self, topic: str, text: str) -> None:
        """Publish a message to a topic; raise `SinkTargetNotFound` if there is none of that name."""
        with translated_errors(f"publishing to topic {topic}"):
            self._account.get_topic(topic).publish_message(TopicMessage(text))

    def send(self, queue: str, text: str) -> None:
        """Send a message to a queue; raise `SinkTargetNotFound` if there is none of that name."""
        with translated_errors(f"sending to queue {queue}"):
            self._account.get_queue(queue).send_message(Message(text))
