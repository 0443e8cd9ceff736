"""Temporary topics, queues and subscriptions in SMQ. Each registers its removal before it is created."""

from collections.abc import Callable

from mns.account import Account
from mns.queue import QueueMeta
from mns.subscription import SubscriptionMeta
from mns.topic import TopicMeta

from clipstitch.adapters.smq import translated_errors
from clipstitch.common.errors import ClipstitchError
from clipstitch_cli.doctor.live.cleanup import CleanupStack
from clipstitch_cli.smq_queue import is_smq_error

RETENTION_S = 3600  # if the process is killed, the queue's messages are deleted after an hour
_NOT_FOUND = {"SubscriptionNotExist", "SubscriberNotExist", "QueueNotExist", "TopicNotExist"}


def create_queue(account: Account, name: str, cleanup: CleanupStack) -> None:
    """Create a queue whose messages expire after an hour."""
    queue = account.get_queue(name)
    _create(f"queue {name}", lambda: queue.create(QueueMeta(msg_ttl=RETENTION_S)), queue.delete, cleanup)


def create_topic(account: Account, name: str, cleanup: CleanupStack) -> None:
    """Create a topic."""
    topic = account.get_topic(name)
    _create(f"topic {name}", lambda: topic.create(TopicMeta()), topic.delete, cleanup)


def subscribe_queue(account: Account, topic: str, name: str, endpoint: str, cleanup: CleanupStack) -> None:
    """Subscribe a queue, by its ARN, to a topic; SIMPLIFIED delivers messages as they were published."""
    subscription = account.get_subscription(topic, name)
    wanted = SubscriptionMeta(endpoint, "BACKOFF_RETRY", "SIMPLIFIED")
    what = f"subscription {name} of topic {topic}"
    _create(what, lambda: subscription.subscribe(wanted), subscription.unsubscribe, cleanup)


def _create(what: str, create: Callable[[], object], remove: Callable[[], object], cleanup: CleanupStack) -> None:
    def remove_if_present() -> None:
        try:
            with translated_errors(f"removing {what}"):
                remove()
        except ClipstitchError as error:
            if not is_smq_error(error, _NOT_FOUND):
                raise

    cleanup.add(what, remove_if_present)
    with translated_errors(f"creating {what}"):
        create()
