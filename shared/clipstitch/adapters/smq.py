"""Topics and queues through `aliyun-mns-sdk`. The only module that knows it; every error leaves it as one of ours.

A queue's texts travel in Base64, because that is what the vendor's queue clients decode by default; a topic's
travel as they are, because that is what subscribers get pushed. The SDK's client is not safe to share between
threads; one instance of ours belongs to one invocation.
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
def ours(doing: str) -> Iterator[None]:
    """Let no SDK error past; say what we were doing."""
    try:
        yield
    except MNSExceptionBase as error:
        raise _translate(error, doing) from error
    except OSError as error:
        raise CloudBusy(f"{doing}: {error}") from error


def _translate(error: MNSExceptionBase, doing: str) -> ClipstitchError:
    """Turn an SDK error into ours, by its type."""
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
    # What the SDK could not read was no answer of SMQ's; what SMQ refused in words stays refused.
    return CloudRefused(text) if isinstance(error, MNSServerException) else CloudBusy(text)


class SmqMessageSender:
    """The `MessageSender` port on SMQ."""

    def __init__(self, endpoint: str, key: AccessKey) -> None:
        self._account = Account(endpoint, key.id, key.secret, key.token or "")

    def publish(self, topic: str, text: str) -> None:
        """Tell everybody who subscribed to a topic; `SinkTargetNotFound`."""
        with ours(f"publishing to topic {topic}"):
            self._account.get_topic(topic).publish_message(TopicMessage(text))

    def send(self, queue: str, text: str) -> None:
        """Put a text into a queue; `SinkTargetNotFound`."""
        with ours(f"sending to queue {queue}"):
            self._account.get_queue(queue).send_message(Message(text))
