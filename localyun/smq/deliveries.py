"""Publishing, and delivering what was published. What is owed is on disk until the receiver has it.

A delivery cut short by a kill is owed still, and made again after the restart: at least once, as the vendor
promises. Fresh messages wake a worker at once; only retries wait.
"""

import json
import logging
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from localyun.clock import CloudClock
from localyun.errors import ServiceError
from localyun.faults import NO_FAULTS, FaultInjector
from localyun.smq.store import insert, packed
from localyun.smq.topics import subscription_of, topic_attributes, topic_row
from localyun.smq.values import (
    MAX_TAG,
    NO_ATTRIBUTES,
    NO_PROPERTIES,
    Properties,
    Published,
    Subscription,
    fitting,
    from_ms,
    md5_of,
    to_ms,
)
from localyun.sqlite import Database

Deliverer = Callable[[Subscription, Published], None]

RETENTION_MS = 86_400_000  # topics keep a message for one day ("Limits", 2026-11)
LOOK_AGAIN_SECONDS = 1.0  # while a retry is due later: clocks may jump
CLOSE_SECONDS = 8.0  # more than the 5 s an HTTP endpoint may take
RETRIES = {"BACKOFF_RETRY": 3, "EXPONENTIAL_DECAY_RETRY": 176}
MATCHING = "SELECT id FROM subscriptions WHERE topic = ? AND (filter_tag = '' OR filter_tag = ?)"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Delivery:
    """One message owed to one subscription, after so many attempts in vain."""

    id: int
    attempts: int
    subscription_id: int
    subscription: Subscription
    published: Published


class Deliveries:
    """The messages that subscribers are owed, and the threads that deliver them."""

    def __init__(
        self,
        database: Database,
        clock: CloudClock,
        time_scale: float = 1.0,
        workers: int = 8,
        faults: FaultInjector = NO_FAULTS,
    ) -> None:
        self._database, self._clock, self._time_scale = database, clock, time_scale
        self._faults = faults
        self._owed = threading.Condition()
        self._deliverers: dict[str, Deliverer] = {}
        self._bury: Deliverer | None = None
        self._busy: dict[int, int] = {}  # delivery → subscription, while a worker has it
        self._workers = workers
        self._threads: list[threading.Thread] = []
        self._closed = self._left_behind = False

    def deliver_to(self, prefix: str, deliverer: Deliverer) -> None:
        """Hand messages for endpoints with that prefix to `deliverer`; the longest prefix wins."""
        self._deliverers[prefix] = deliverer

    def bury_with(self, deliverer: Deliverer) -> None:
        """Hand messages whose retries are used up, of subscriptions with a dead-letter queue, to `deliverer`."""
        self._bury = deliverer

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
        if len(tag) > MAX_TAG:
            raise ServiceError(400, "InvalidArgument", f'MessageTag "{tag}" is longer than {MAX_TAG} characters.')
        identity = (topic, self._clock.token(16).upper(), body, md5_of(body), tag)
        message = Published(*identity, attributes, from_ms(to_ms(self._clock.now())), properties)
        with self._database.change() as db:
            fitting(body, topic_attributes(topic_row(db, topic)).maximum_message_size)
            count = _promise(db, message, self._faults)
        self._wake(count)
        return message

    def start(self) -> None:
        """Begin to deliver, first of all what an earlier run left undone."""
        self._forget_expired()
        for number in range(self._workers):
            thread = threading.Thread(target=self._work, name=f"deliveries-{number}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _wake(self, workers: int) -> None:
        with self._owed:
            self._owed.notify(workers)

    def stop(self) -> None:
        """Begin no further attempt, and hold no failure of one under way against anybody."""
        self._closed = True
        self._wake(self._workers)

    def close(self) -> None:
        """Stop delivering; what is not done stays owed. Waits for attempts under way, within limits."""
        self.stop()
        deadline = time.monotonic() + CLOSE_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        with self._owed:
            self._left_behind = True

    def _work(self) -> None:
        while delivery := self._next():
            error: Exception | None = None
            try:
                self._deliverer(delivery.subscription.endpoint)(delivery.subscription, delivery.published)
            except Exception as problem:  # noqa: BLE001 - whatever an endpoint does wrong, we try again
                error = problem
            with self._owed:
                self._settle(delivery, error)
                self._busy.pop(delivery.id)
                self._owed.notify()

    def _next(self) -> Delivery | None:
        """Wait for a delivery that is due and reserve it; None when closing."""
        with self._owed:
            while not self._closed:
                now = to_ms(self._clock.now())  # one time for both looks: nothing may fall between them
                if delivery := self._due(now):
                    self._busy[delivery.id] = delivery.subscription_id
                    return delivery
                self._owed.wait(self._idle_seconds(now))
        return None

    def _due(self, now: int) -> Delivery | None:
        """Return the delivery that has waited longest, sparing subscriptions that keep many workers busy."""
        counts = Counter(self._busy.values())
        full = [number for number, count in counts.items() if count > self._workers // 2]
        sql = f"""SELECT * FROM deliveries WHERE due <= ? AND id NOT IN ({_numbers(self._busy)})
            AND subscription NOT IN ({_numbers(full)}) ORDER BY due, id LIMIT 1"""  # noqa: S608 - integers
        with self._database.change() as db:
            row = db.execute(sql, (now,)).fetchone()
            return _delivery(db, row) if row else None

    def _idle_seconds(self, now: int) -> float | None:
        """Return when to look for a retry that is due; None when no retry is waiting for its time."""
        due = self._database.rows("SELECT MIN(due) AS next FROM deliveries WHERE due > ?", now)[0]["next"]
        return None if due is None else min(LOOK_AGAIN_SECONDS, (due - now) / 1000)

    def _deliverer(self, endpoint: str) -> Deliverer:
        prefixes = [prefix for prefix in self._deliverers if endpoint.startswith(prefix)]
        if not prefixes:
            raise LookupError(f"nobody delivers to {endpoint}; prefixes known: {sorted(self._deliverers)}")
        return self._deliverers[max(prefixes, key=len)]

    def _settle(self, delivery: Delivery, error: Exception | None) -> None:
        """Write down how an attempt ended: delivered, to be tried again, or given up."""
        if self._left_behind or (error and self._closed):  # a failure while closing proves nothing
            return None
        if error is None:
            return self._done(delivery)
        attempts = delivery.attempts + 1
        if attempts > RETRIES[delivery.subscription.strategy]:
            return self._give_up(delivery, error)
        seconds = self._pause(delivery.subscription.strategy, attempts)
        log.warning("%s: attempt %d failed, next in %.3f s: %s", _name(delivery), attempts, seconds, error)
        due = to_ms(self._clock.now()) + round(seconds * 1000)
        with self._database.change() as db:
            db.execute("UPDATE deliveries SET attempts = ?, due = ? WHERE id = ?", (attempts, due, delivery.id))
        return None

    def _done(self, delivery: Delivery) -> None:
        message_id = delivery.published.message_id
        forget = """DELETE FROM published WHERE message_id = ?
            AND NOT EXISTS (SELECT 1 FROM deliveries WHERE message_id = ?)"""
        with self._database.change() as db:
            db.execute("DELETE FROM deliveries WHERE id = ?", (delivery.id,))
            db.execute(forget, (message_id, message_id))

    def _give_up(self, delivery: Delivery, error: Exception) -> None:
        log.error("%s: given up after %d attempts: %s", _name(delivery), delivery.attempts + 1, error)
        if delivery.subscription.dead_letter_queue and self._bury:
            try:
                self._bury(delivery.subscription, delivery.published)
            except ServiceError as refusal:
                log.warning("%s: no dead letter either: %s", _name(delivery), refusal)
        self._done(delivery)

    def _pause(self, strategy: str, attempt: int) -> float:
        """Return the seconds before the next attempt ("NotifyStrategy", 2026-11), divided by time_scale."""
        if strategy == "EXPONENTIAL_DECAY_RETRY":
            return min(512.0, 2.0 ** (attempt - 1)) / self._time_scale
        fraction = int(self._clock.token(2), 16) / 0xFFFF
        return (10 + 10 * fraction) / self._time_scale

    def _forget_expired(self) -> None:
        """Drop what has been owed for longer than topics keep messages."""
        oldest = to_ms(self._clock.now()) - RETENTION_MS
        late = "DELETE FROM deliveries WHERE message_id IN (SELECT message_id FROM published WHERE time < ?)"
        with self._database.change() as db:
            db.execute(late, (oldest,))
            db.execute("DELETE FROM published WHERE time < ?", (oldest,))


def _promise(db: sqlite3.Connection, message: Published, faults: FaultInjector) -> int:
    """Write down a message and to whom it is owed, and when; nothing, when nobody gets it. Return how often it is."""
    wanted = db.execute(MATCHING, (message.topic, message.tag)).fetchall()
    owed = [(row["id"], delay) for row in wanted for delay in faults.delivery_delays("message")]
    if not owed:
        return 0
    now = to_ms(message.publish_time)
    columns = {"message_id": message.message_id, "topic": message.topic, "body": message.body, "tag": message.tag}
    documents = {"attributes": packed(dict(message.attributes)), "properties": packed(message.properties.document())}
    insert(db, "published", md5=message.body_md5, time=now, **columns, **documents)
    for subscription, delay in owed:
        due = now + round(delay * 1000)
        insert(db, "deliveries", message_id=message.message_id, subscription=subscription, due=due)
    return len(owed)


def _delivery(db: sqlite3.Connection, row: sqlite3.Row) -> Delivery:
    wanted = db.execute("SELECT * FROM subscriptions WHERE id = ?", (row["subscription"],)).fetchone()
    message = db.execute("SELECT * FROM published WHERE message_id = ?", (row["message_id"],)).fetchone()
    pair = (subscription_of(wanted), _published(message))
    return Delivery(row["id"], row["attempts"], row["subscription"], *pair)


def _published(row: sqlite3.Row) -> Published:
    identity = (row["topic"], row["message_id"], row["body"], row["md5"], row["tag"])
    extras = (json.loads(row["attributes"]), from_ms(row["time"]), Properties.of(json.loads(row["properties"])))
    return Published(*identity, *extras)


def _numbers(ids: Mapping[int, int] | list[int]) -> str:
    return ",".join(str(int(number)) for number in ids)


def _name(delivery: Delivery) -> str:
    where = f"{delivery.subscription.topic}/{delivery.subscription.name} → {delivery.subscription.endpoint}"
    return f"message {delivery.published.message_id} for {where}"
