"""SMQ/MNS without HTTP: queues, topics, and deliveries between them. What the other services are given.

`queues`, `mailbox` and `topics` have everything; the methods here are what the rest of the local cloud needs.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from localyun.clock import CloudClock
from localyun.errors import ServiceError
from localyun.faults import NO_FAULTS, FaultInjector
from localyun.smq.deliveries import Deliverer, Deliveries
from localyun.smq.mailbox import Mailbox
from localyun.smq.message_formats import document
from localyun.smq.queues import Queues
from localyun.smq.store import open_tables
from localyun.smq.topics import QUEUE_ENDPOINT, Topics
from localyun.smq.values import (
    NO_ATTRIBUTES,
    NO_PROPERTIES,
    Message,
    Outgoing,
    Properties,
    Property,
    Published,
    Subscription,
)

__all__ = ["Deliverer", "Message", "MessageService", "Published", "Subscription", "queue_of"]


class MessageService:
    """The queues and topics of one account in one region, kept below `root` and safe against kill -9.

    Register deliverers before `start`; only queue endpoints are built in. Retry delays are divided by `time_scale`.
    """

    def __init__(
        self,
        root: Path,
        clock: CloudClock,
        *,
        account_id: str,
        region: str,
        time_scale: float = 1.0,
        faults: FaultInjector = NO_FAULTS,
    ) -> None:
        self.account_id, self.region = account_id, region
        self._database = open_tables(root)
        self.queues = Queues(self._database, clock)
        self.mailbox = Mailbox(self._database, clock, f"acs:mns:{region}:{account_id}")
        self.topics = Topics(self._database, clock, account_id, region)
        self._deliveries = Deliveries(self._database, clock, time_scale, faults=faults)
        self._deliveries.deliver_to("acs:mns:", self._to_queue)
        self._deliveries.bury_with(self._to_dead_letters)

    def deliver_to(self, prefix: str, deliverer: Deliverer) -> None:
        """Hand messages for endpoints with that prefix to `deliverer`; it raises to be tried again."""
        self._deliveries.deliver_to(prefix, deliverer)

    def start(self) -> None:
        """Begin to deliver, first of all what an earlier run left undone."""
        self._deliveries.start()

    def stop(self) -> None:
        """Begin no further delivery. Call it before the deliverers end: their failures then cost no attempt."""
        self._deliveries.stop()

    def close(self) -> None:
        """Send waiting receivers home, stop delivering, close the file. What is owed stays owed."""
        self.mailbox.close()
        self._deliveries.close()
        self._database.close()

    def create_queue(self, name: str, **attributes: Any) -> bool:
        """Make a queue with the attributes of `QueueAttributes`; True when it is new."""
        return self.queues.create(name, **attributes)

    def create_topic(self, name: str, **attributes: Any) -> bool:
        """Make a topic with the attributes of `TopicAttributes`; True when it is new."""
        return self.topics.create(name, **attributes)

    def subscribe(self, topic: str, name: str, *, endpoint: str, **options: str) -> bool:
        """Subscribe an endpoint; options are strategy, content_format, filter_tag and dead_letter_queue."""
        return self.topics.subscribe(topic, name, endpoint=endpoint, **options)

    def publish(
        self,
        topic: str,
        body: str,
        *,
        tag: str = "",
        attributes: Mapping[str, str] = NO_ATTRIBUTES,
        properties: Properties = NO_PROPERTIES,
    ) -> Published:
        """Promise a message to every subscription that its tag matches; on return the promise is durable."""
        return self._deliveries.publish(topic, body, tag=tag, attributes=attributes, properties=properties)

    def send(
        self,
        queue: str,
        body: str,
        *,
        delay_seconds: int | None = None,
        priority: int = 8,
        properties: Properties = NO_PROPERTIES,
    ) -> Message:
        """Put one message into a queue."""
        return self.mailbox.send(queue, Outgoing(body, delay_seconds, priority, properties))[0]

    def receive(self, queue: str, wait_seconds: float | None = 0, count: int = 1) -> list[Message]:
        """Take up to `count` messages; waits at most `wait_seconds` for the first."""
        return self.mailbox.receive(queue, wait_seconds, count)

    def delete(self, queue: str, receipt_handle: str) -> None:
        """Remove a message that was received."""
        self.mailbox.delete(queue, receipt_handle)

    def change_visibility(self, queue: str, receipt_handle: str, seconds: int) -> Message:
        """Hold a message for `seconds` from now, under a new receipt handle."""
        return self.mailbox.change_visibility(queue, receipt_handle, seconds)

    def _to_queue(self, subscription: Subscription, published: Published) -> None:
        body = document(subscription, published, self.account_id)
        outgoing = Outgoing(body, properties=published.properties)
        self.mailbox.put(queue_of(subscription.endpoint), outgoing)

    def _to_dead_letters(self, subscription: Subscription, published: Published) -> None:
        source = f"acs:mns:{self.region}:{self.account_id}:/topics/{published.topic}"
        story = (Property("DLQSourceArn", source), Property("DLQOriginMessageId", published.message_id))
        properties = replace(published.properties, system=(*published.properties.system, *story))
        self.mailbox.put(subscription.dead_letter_queue, Outgoing(published.body, properties=properties))


def queue_of(arn: str) -> str:
    """Return the queue that an endpoint or destination names.

    >>> queue_of("acs:mns:cn-hangzhou:1:queues/events"), queue_of("acs:mns:cn-hangzhou:1:/queues/dead/messages")
    ('events', 'dead')
    """
    if parts := QUEUE_ENDPOINT.fullmatch(arn):
        return parts[3]
    raise ServiceError(400, "InvalidEndpoint", f'"{arn}" names no queue; write acs:mns:REGION:ACCOUNT:queues/QUEUE.')
