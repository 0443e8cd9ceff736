"""SMQ/MNS without HTTP: queues, topics, and the deliveries between them, connected. The other services call it."""

from collections.abc import Mapping
from pathlib import Path

from localyun.clock import CloudClock
from localyun.errors import ServiceError
from localyun.faults import NO_FAULTS, FaultInjector
from localyun.smq.deliveries import Deliverer, Deliveries
from localyun.smq.message_formats import document
from localyun.smq.messages import QueueMessages
from localyun.smq.queues import Queues
from localyun.smq.store import open_tables
from localyun.smq.topics import QUEUE_ENDPOINT, Topics
from localyun.smq.values import (
    NO_ATTRIBUTES,
    NO_PROPERTIES,
    Message,
    OutgoingMessage,
    Properties,
    Subscription,
    TopicMessage,
    with_origin,
)


class MessageService:
    """The queues and topics of one account in one region, stored in `root`; a `kill -9` loses nothing.

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
        self._arn = f"acs:mns:{region}:{account_id}"
        self._database = open_tables(root)
        self.queues = Queues(self._database, clock)
        self.messages = QueueMessages(self._database, clock, self._arn)
        self.topics = Topics(self._database, clock, account_id, region)
        self._deliveries = Deliveries(self._database, clock, self._send_dead_letter, time_scale, faults=faults)
        self._deliveries.deliver_to("acs:mns:", self._send_to_queue)

    def deliver_to(self, prefix: str, deliverer: Deliverer) -> None:
        """Register a deliverer for endpoints with a prefix; the longest prefix wins. It raises to request a retry."""
        self._deliveries.deliver_to(prefix, deliverer)

    def start(self) -> None:
        """Start to deliver, beginning with the pending deliveries of an earlier process."""
        self._deliveries.start()

    def stop(self) -> None:
        """Start no further delivery. Call it before the deliverers stop: their errors then cost no attempt."""
        self._deliveries.stop()

    def close(self) -> None:
        """Wake waiting receivers, stop delivering, close the file. Pending deliveries stay pending."""
        self.messages.close()
        self._deliveries.close()
        self._database.close()

    def publish(
        self,
        topic: str,
        body: str,
        *,
        tag: str = "",
        attributes: Mapping[str, str] = NO_ATTRIBUTES,
        properties: Properties = NO_PROPERTIES,
    ) -> TopicMessage:
        """Publish a message to every subscription that its tag matches; the deliveries are durable on return.

        Raises `ServiceError` if the topic does not exist or the message is not valid.
        """
        return self._deliveries.publish(topic, body, tag=tag, attributes=attributes, properties=properties)

    def send(self, queue: str, body: str, *, delay_seconds: int | None = None, priority: int = 8) -> Message:
        """Send one message to a queue and return it; raise `ServiceError` if it is not valid."""
        return self.messages.send(queue, OutgoingMessage(body, delay_seconds, priority))[0]

    def receive(self, queue: str, wait_seconds: float | None = 0, count: int = 1) -> list[Message]:
        """Receive up to `count` messages; wait at most `wait_seconds` for the first."""
        return self.messages.receive(queue, wait_seconds, count)

    def _send_to_queue(self, subscription: Subscription, message: TopicMessage) -> None:
        body = document(subscription, message, self.account_id)
        outgoing = OutgoingMessage(body, properties=message.properties)
        self.messages.send_unchecked(queue_of(subscription.endpoint), outgoing)

    def _send_dead_letter(self, subscription: Subscription, message: TopicMessage) -> None:
        properties = with_origin(message.properties, f"{self._arn}:/topics/{message.topic}", message.message_id)
        outgoing = OutgoingMessage(message.body, properties=properties)
        self.messages.send_unchecked(subscription.dead_letter_queue, outgoing)


def queue_of(arn: str) -> str:
    """Return the name of the queue in an endpoint or a destination; raise `ServiceError` if it names none.

    >>> queue_of("acs:mns:cn-hangzhou:1:queues/events"), queue_of("acs:mns:cn-hangzhou:1:/queues/dead/messages")
    ('events', 'dead')
    """
    if parts := QUEUE_ENDPOINT.fullmatch(arn):
        return parts[3]
    raise ServiceError(400, "InvalidEndpoint", f'"{arn}" names no queue; write acs:mns:REGION:ACCOUNT:queues/QUEUE.')
