"""Publishes messages and delivers them to subscribers. A delivery is on disk until its receiver has accepted it.

A delivery that a kill interrupts is still pending and is made again after the restart: at least once, as the vendor
promises. A published message wakes a worker immediately; only retries are scheduled.
"""

import json
import logging
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass

from localyun.clock import CloudClock
from localyun.disk import DISK_ERRORS, RETRY_SECONDS
from localyun.errors import ServiceError
from localyun.faults import NO_FAULTS, FaultInjector
from localyun.smq.store import idle_seconds, insert, to_json
from localyun.smq.topics import TOPIC, subscription_of
from localyun.smq.values import (
    MAX_TAG,
    NO_ATTRIBUTES,
    NO_PROPERTIES,
    TOPIC_RETENTION_SECONDS,
    Properties,
    Subscription,
    TopicMessage,
    check_body,
    from_ms,
    md5_of,
    to_ms,
)
from localyun.sqlite import Database

Deliverer = Callable[[Subscription, TopicMessage], None]

CLOSE_SECONDS = 8.0  # more than the 5 s that an HTTP endpoint may take
RETRIES = {"BACKOFF_RETRY": 3, "EXPONENTIAL_DECAY_RETRY": 176}
NEXT_DUE = "SELECT MIN(due) FROM deliveries WHERE due > ?"
MATCHING = "SELECT id FROM subscriptions WHERE topic = ? AND (filter_tag = '' OR filter_tag = ?)"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class QueuedDelivery:
    """A message that a subscription has not accepted yet, after `attempts` failed attempts."""

    id: int
    attempts: int
    subscription_id: int
    subscription: Subscription
    message: TopicMessage

    def __str__(self) -> str:
        where = f"{self.subscription.topic}/{self.subscription.name} → {self.subscription.endpoint}"
        return f"message {self.message.message_id} for {where}"


class Deliveries:
    """The pending deliveries, and the threads that make them."""

    def __init__(
        self,
        database: Database,
        clock: CloudClock,
        send_dead_letter: Deliverer,
        time_scale: float = 1.0,
        workers: int = 8,
        faults: FaultInjector = NO_FAULTS,
    ) -> None:
        self._database, self._clock, self._time_scale = database, clock, time_scale
        self._send_dead_letter, self._faults = send_dead_letter, faults
        self._changed = threading.Condition()
        self._deliverers: dict[str, Deliverer] = {}
        self._busy: dict[int, int] = {}  # delivery → subscription, while a worker makes it
        self._threads = [
            threading.Thread(target=self._work, name=f"deliveries-{number}", daemon=True) for number in range(workers)
        ]
        self._stopped = self._closed = False

    def deliver_to(self, prefix: str, deliverer: Deliverer) -> None:
        """Register a deliverer for endpoints with a prefix; the longest prefix wins."""
        self._deliverers[prefix] = deliverer

    def publish(
        self,
        topic: str,
        body: str,
        *,
        tag: str = "",
        attributes: Mapping[str, str] = NO_ATTRIBUTES,
        properties: Properties = NO_PROPERTIES,
    ) -> TopicMessage:
        """Publish a message to every subscription that its tag matches; the deliveries are durable on return."""
        if len(tag) > MAX_TAG:
            raise ServiceError(400, "InvalidArgument", f'MessageTag "{tag}" is longer than {MAX_TAG} characters.')
        identity = (topic, self._clock.token(16).upper(), body, md5_of(body), tag)
        message = TopicMessage(*identity, attributes, from_ms(to_ms(self._clock.now())), properties)
        with self._database.change() as db:
            check_body(body, TOPIC.attributes(TOPIC.row(db, topic)).maximum_message_size)
            count = _schedule(db, message, self._faults)
        self._wake(count)
        return message

    def start(self) -> None:
        """Start to deliver, beginning with the pending deliveries of an earlier process."""
        self._delete_expired()
        for thread in self._threads:
            thread.start()

    def _wake(self, workers: int) -> None:
        with self._changed:
            self._changed.notify(workers)

    def stop(self) -> None:
        """Start no further attempt; an attempt that fails from now on does not count."""
        self._stopped = True
        self._wake(len(self._threads))

    def close(self) -> None:
        """Stop delivering, and wait a limited time for running attempts. Pending deliveries stay pending."""
        self.stop()
        deadline = time.monotonic() + CLOSE_SECONDS
        for thread in self._threads:
            if thread.is_alive():
                thread.join(max(0.0, deadline - time.monotonic()))
        with self._changed:
            self._closed = True

    def _work(self) -> None:
        while not self._stopped:
            try:
                self._make_deliveries()
            except DISK_ERRORS as error:
                log.warning("deliveries wait: %s", error)
                with self._changed:
                    self._changed.wait(RETRY_SECONDS)

    def _make_deliveries(self) -> None:
        """Make deliveries until the service stops. One whose result cannot be recorded is made again."""
        while delivery := self._next():
            error: Exception | None = None
            try:
                self._deliverer(delivery.subscription.endpoint)(delivery.subscription, delivery.message)
            except Exception as failure:  # noqa: BLE001 - any error of an endpoint leads to a retry
                error = failure
            with self._changed:
                try:
                    self._record(delivery, error)
                finally:
                    self._busy.pop(delivery.id)
                    self._changed.notify()

    def _next(self) -> QueuedDelivery | None:
        """Wait for a delivery that is due and reserve it; None when stopped."""
        with self._changed:
            while not self._stopped:
                now = to_ms(self._clock.now())  # the same time for both queries: a delivery must be due or scheduled
                if delivery := self._due(now):
                    self._busy[delivery.id] = delivery.subscription_id
                    return delivery
                self._changed.wait(idle_seconds(self._database, now, NEXT_DUE, now))
        return None

    def _due(self, now: int) -> QueuedDelivery | None:
        """Return the delivery that has been due longest; skip subscriptions that occupy more than half the workers."""
        counts = Counter(self._busy.values())
        full = [number for number, count in counts.items() if count > len(self._threads) // 2]
        sql = f"""SELECT * FROM deliveries WHERE due <= ? AND id NOT IN ({_numbers(self._busy)})
            AND subscription NOT IN ({_numbers(full)}) ORDER BY due, id LIMIT 1"""  # noqa: S608 - integers
        with self._database.change() as db:
            row = db.execute(sql, (now,)).fetchone()
            return _delivery(db, row) if row else None

    def _deliverer(self, endpoint: str) -> Deliverer:
        prefixes = [prefix for prefix in self._deliverers if endpoint.startswith(prefix)]
        if not prefixes:
            raise LookupError(f"no deliverer for {endpoint}; known prefixes: {sorted(self._deliverers)}")
        return self._deliverers[max(prefixes, key=len)]

    def _record(self, delivery: QueuedDelivery, error: Exception | None) -> None:
        """Record the result of an attempt: delivered, scheduled for a retry, or given up."""
        if self._closed or (error and self._stopped):  # an error while stopping says nothing about the endpoint
            return
        attempts, strategy = delivery.attempts + 1, delivery.subscription.strategy
        if error and attempts <= RETRIES[strategy]:
            seconds = self._retry_delay(strategy, attempts)
            log.warning("%s: attempt %d failed, next in %.3f s: %s", delivery, attempts, seconds, error)
            due = to_ms(self._clock.now()) + round(seconds * 1000)
            with self._database.change() as db:
                db.execute("UPDATE deliveries SET attempts = ?, due = ? WHERE id = ?", (attempts, due, delivery.id))
            return
        if error:
            self._give_up(delivery, error)
        self._delete(delivery)

    def _give_up(self, delivery: QueuedDelivery, error: Exception) -> None:
        log.error("%s: given up after %d attempts: %s", delivery, delivery.attempts + 1, error)
        if delivery.subscription.dead_letter_queue:
            try:
                self._send_dead_letter(delivery.subscription, delivery.message)
            except ServiceError as rejection:
                log.warning("%s: the dead-letter message is lost: %s", delivery, rejection)

    def _delete(self, delivery: QueuedDelivery) -> None:
        message_id = delivery.message.message_id
        message = """DELETE FROM published WHERE message_id = ?
            AND NOT EXISTS (SELECT 1 FROM deliveries WHERE message_id = ?)"""
        with self._database.change() as db:
            db.execute("DELETE FROM deliveries WHERE id = ?", (delivery.id,))
            db.execute(message, (message_id, message_id))

    def _retry_delay(self, strategy: str, attempt: int) -> float:
        """Return the seconds before the next attempt ("NotifyStrategy", 2026-11), divided by `time_scale`."""
        if strategy == "EXPONENTIAL_DECAY_RETRY":
            return min(512.0, 2.0 ** (attempt - 1)) / self._time_scale
        fraction = int(self._clock.token(2), 16) / 0xFFFF
        return (10 + 10 * fraction) / self._time_scale

    def _delete_expired(self) -> None:
        """Delete the messages that are older than topics keep them, and their deliveries."""
        oldest = to_ms(self._clock.now()) - TOPIC_RETENTION_SECONDS * 1000
        deliveries = "DELETE FROM deliveries WHERE message_id IN (SELECT message_id FROM published WHERE time < ?)"
        with self._database.change() as db:
            db.execute(deliveries, (oldest,))
            db.execute("DELETE FROM published WHERE time < ?", (oldest,))


def _schedule(db: sqlite3.Connection, message: TopicMessage, faults: FaultInjector) -> int:
    """Store a message and its deliveries; return their number. Without deliveries, the message is not stored."""
    matching = db.execute(MATCHING, (message.topic, message.tag)).fetchall()
    deliveries = [(row["id"], delay) for row in matching for delay in faults.delivery_delays("message")]
    if not deliveries:
        return 0
    now = to_ms(message.publish_time)
    columns = {"message_id": message.message_id, "topic": message.topic, "body": message.body, "tag": message.tag}
    documents = {"attributes": to_json(dict(message.attributes)), "properties": to_json(asdict(message.properties))}
    insert(db, "published", md5=message.body_md5, time=now, **columns, **documents)
    for subscription, delay in deliveries:
        due = now + round(delay * 1000)
        insert(db, "deliveries", message_id=message.message_id, subscription=subscription, due=due)
    return len(deliveries)


def _delivery(db: sqlite3.Connection, row: sqlite3.Row) -> QueuedDelivery:
    subscription = db.execute("SELECT * FROM subscriptions WHERE id = ?", (row["subscription"],)).fetchone()
    message = db.execute("SELECT * FROM published WHERE message_id = ?", (row["message_id"],)).fetchone()
    values = (subscription_of(subscription), _topic_message(message))
    return QueuedDelivery(row["id"], row["attempts"], row["subscription"], *values)


def _topic_message(row: sqlite3.Row) -> TopicMessage:
    identity = (row["topic"], row["message_id"], row["body"], row["md5"], row["tag"])
    properties = Properties.from_json(json.loads(row["properties"]))
    return TopicMessage(*identity, json.loads(row["attributes"]), from_ms(row["time"]), properties)


def _numbers(ids: Iterable[int]) -> str:
    return ",".join(str(int(number)) for number in ids)
