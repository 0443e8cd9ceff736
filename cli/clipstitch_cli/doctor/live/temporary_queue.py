"""A throw-away queue that listens to the completion topic: IMM's role may publish nowhere else."""

from collections.abc import Callable, Iterator
from datetime import timedelta

from mns.account import Account
from mns.mns_exception import MNSServerException
from mns.queue import QueueMeta
from mns.subscription import SubscriptionMeta

from clipstitch.adapters.smq import ours
from clipstitch.common.clock import Clock
from clipstitch.common.credentials import AccessKey
from clipstitch.common.errors import ClipstitchError, InvalidNotification
from clipstitch.inbound.completion_notification import parse_notification
from clipstitch.usecases.settings import Settings
from clipstitch_cli.doctor.live.cleanup import Undo

POLL_S = 2
RETENTION_S = 3600  # should we die, the queue's messages do not outlive the hour
_GONE = frozenset({"SubscriptionNotExist", "SubscriberNotExist", "QueueNotExist", "TopicNotExist"})


class Ear:
    """Hears the completion topic from now on. `deaf` says why it does not, if it does not."""

    def __init__(self, name: str, account_id: str, settings: Settings, key: AccessKey) -> None:
        self.name, self.deaf = name, ""
        self._topic = settings.completion_topic
        self._account = Account(settings.mns_endpoint, key.id, key.secret, key.token or "")
        self._endpoint = f"acs:mns:{settings.oss_region}:{account_id}:queues/{name}"

    def open(self, undo: Undo) -> None:
        """Make the queue, and subscribe it. SIMPLIFIED hands a message over as it was published."""
        queue = self._account.get_queue(self.name)
        subscription = self._account.get_subscription(self._topic, self.name)
        wanted = SubscriptionMeta(self._endpoint, "BACKOFF_RETRY", "SIMPLIFIED")
        try:
            undo.later(f"queue {self.name}", lambda: _removed(queue.delete))
            with ours(f"creating queue {self.name}"):
                queue.create(QueueMeta(msg_ttl=RETENTION_S))
            undo.later(f"subscription {self.name} of topic {self._topic}", lambda: _removed(subscription.unsubscribe))
            with ours(f"subscribing to topic {self._topic}"):
                subscription.subscribe(wanted)
        except ClipstitchError as error:
            self.deaf = str(error)

    def hear(self, tasks: set[str], wait: timedelta, clock: Clock) -> dict[str, str]:
        """Wait until each of these tasks has said its end, or time is up; return what was said, as it was said."""
        said: dict[str, str] = {}
        deadline = clock.now() + wait
        while not self.deaf and len(said) < len(tasks) and clock.now() < deadline:
            for body in self._received():
                if (task := task_of(body)) in tasks:
                    said[task] = body
        return said

    def _received(self) -> Iterator[str]:
        """Take one message out of the queue; it may be about somebody else's task."""
        queue = self._account.get_queue(self.name)
        queue.set_encoding(False)
        try:
            with ours(f"listening to queue {self.name}"):
                message = queue.receive_message_with_str_body(POLL_S)
                queue.delete_message(message.receipt_handle)
        except ClipstitchError as error:
            if not _is(error, {"MessageNotExist"}):
                self.deaf = str(error)
            return
        yield message.message_body


def _removed(remove: Callable[[], object]) -> None:
    """Remove something; what is not there need not be."""
    try:
        with ours("removing"):
            remove()
    except ClipstitchError as error:
        if not _is(error, _GONE):
            raise


def _is(error: ClipstitchError, types: "set[str] | frozenset[str]") -> bool:
    """Say whether SMQ has answered so."""
    return isinstance(error.__cause__, MNSServerException) and error.__cause__.type in types


def task_of(body: str) -> str:
    """Return the task that a message is about; "" when we cannot read it."""
    try:
        notice = parse_notification(body.encode())
    except InvalidNotification:
        return ""
    return notice.task_id if notice else ""
