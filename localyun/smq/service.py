"""SMQ/MNS without HTTP: queues, topics, and the deliveries between them, connected. The other services call it."""

from pathlib import Path

from localyun.clock import CloudClock
from localyun.faults import NO_FAULTS, FaultInjector
from localyun.smq.account import AccountSettings
from localyun.smq.deliveries import Deliveries
from localyun.smq.message_formats import document
from localyun.smq.messages import QueueMessages
from localyun.smq.queues import QUEUE, Queues
from localyun.smq.store import open_tables
from localyun.smq.topics import Topics
from localyun.smq.values import (
    Message,
    OutgoingMessage,
    Subscription,
    TopicMessage,
    with_origin,
)


class MessageService:
    """The queues and topics of one account in one region, stored in `root`; a `kill -9` loses nothing.

    `publish`, `deliver_to`, `start` and `stop` are those of `Deliveries`. Register deliverers before `start`: only
    queue endpoints are built in. Call `stop` before they stop: their errors then cost no attempt. `time_scale` divides
    retry delays.
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
        self.order_id = f"{account_id}0001"  # that of the order that opened the service
        self._arn = f"acs:mns:{region}:{account_id}"
        self._database = open_tables(root)
        self.account = AccountSettings(self._database)
        self.queues = Queues(QUEUE, self._database, clock)
        self.messages = QueueMessages(self._database, clock, self._arn)
        self.topics = Topics(self._database, clock, account_id, region)
        self._deliveries = Deliveries(self._database, clock, self._send_dead_letter, time_scale, faults=faults)
        self.start, self.stop = self._deliveries.start, self._deliveries.stop
        self.publish, self.deliver_to = self._deliveries.publish, self._deliveries.deliver_to
        self.deliver_to("acs:mns:", self._send_to_queue)

    def close(self) -> None:
        """Wake waiting receivers, stop delivering, close the file. Pending deliveries stay pending."""
        self.messages.close()
        self._deliveries.close()
        self._database.close()

    def send(self, queue: str, body: str, *, delay_seconds: int | None = None, priority: int = 8) -> Message:
        """Send one message to a queue and return it; raise `ServiceError` if it is not valid."""
        return self.messages.send(queue, OutgoingMessage(body, delay_seconds, priority))[0]

    def receive(self, queue: str, wait_seconds: float | None = 0, count: int = 1) -> list[Message]:
        """Receive up to `count` messages; wait at most `wait_seconds` for the first."""
        return self.messages.receive(queue, wait_seconds, count)

    def _send_to_queue(self, subscription: Subscription, message: TopicMessage) -> None:
        body = document(subscription, message, self.account_id)
        queue = subscription.endpoint.removesuffix("/messages").rpartition("/")[2]
        self.messages.send(queue, OutgoingMessage(body, properties=message.properties), check=False)

    def _send_dead_letter(self, subscription: Subscription, message: TopicMessage) -> None:
        properties = with_origin(message.properties, f"{self._arn}:/topics/{message.topic}", message.message_id)
        outgoing = OutgoingMessage(message.body, properties=properties)
        self.messages.send(subscription.dead_letter_queue, outgoing, check=False)
