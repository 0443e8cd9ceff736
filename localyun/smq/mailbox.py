"""Messages in queues: send, receive, hold, delete. Durable; a receiver that waits is woken by the sender."""

import json
import math
import re
import sqlite3
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from localyun.clock import CloudClock
from localyun.errors import ServiceError
from localyun.smq.queues import attributes_of, queue_row
from localyun.smq.store import insert, packed
from localyun.smq.values import (
    MAX_BATCH,
    Message,
    Outgoing,
    Properties,
    Property,
    QueueAttributes,
    fitting,
    from_ms,
    in_range,
    md5_of,
    to_ms,
)
from localyun.sqlite import Database

# The Python SDK puts handles into the query unescaped: only digits, letters and hyphens (measured 2026-11).
HANDLE = re.compile(r"[0-9]{1,2}-([0-9a-f]{1,15})-[0-9a-f]{16}")
LOOK_AGAIN_SECONDS = 1.0  # while something is hidden: clocks may jump
DUE = "SELECT * FROM messages WHERE queue = ? AND visible <= ? AND expires > ? ORDER BY priority, id LIMIT ?"
TAKE = """UPDATE messages SET visible = ?, handle = ?, dequeue_count = dequeue_count + 1,
    first_dequeued = COALESCE(first_dequeued, ?) WHERE id = ?"""
BURY = """UPDATE messages SET queue = ?, message_id = ?, properties = ?, enqueued = ?, expires = ?, visible = ?,
    handle = '', first_dequeued = NULL, dequeue_count = 0 WHERE id = ?"""


class Mailbox:
    """The messages in all queues."""

    def __init__(self, database: Database, clock: CloudClock, arn: str) -> None:
        self._database, self._clock, self._arn = database, clock, arn
        self._arrived = threading.Condition()
        self._closed = False

    def send(self, queue: str, *messages: Outgoing) -> list[Message]:
        """Store up to 16 messages, all or none, and wake those who wait for them."""
        _batch(messages)
        with self._database.change() as db:
            attributes = attributes_of(queue_row(db, queue))
            for message in messages:
                _check(message, attributes)
            sent = [self._store(db, queue, message, attributes) for message in messages]
        self.wake()
        return sent

    def put(self, queue: str, message: Outgoing) -> Message:
        """Store a message of the service's own, whose wrapping may exceed the queue's size limit."""
        with self._database.change() as db:
            sent = self._store(db, queue, message, attributes_of(queue_row(db, queue)))
        self.wake()
        return sent

    def receive(self, queue: str, wait_seconds: float | None = None, count: int = 1) -> list[Message]:
        """Take up to `count` messages, lowest priority number first; waits for the first, returns [] in vain."""
        limit = self._patience(queue, wait_seconds)
        deadline = time.monotonic() + limit
        with self._arrived:
            while not (taken := self._take(queue, count, now := to_ms(self._clock.now()))):
                left = deadline - time.monotonic()
                if left <= 0 or self._closed:
                    break
                self._arrived.wait(min(left, self._idle_seconds(queue, now)))
        return taken

    def peek(self, queue: str, count: int = 1) -> list[Message]:
        """Look at up to `count` messages without taking them."""
        now = to_ms(self._clock.now())
        with self._database.change() as db:
            queue_row(db, queue)
            return [_message(row) for row in db.execute(DUE, (queue, now, now, count)).fetchall()]

    def delete(self, queue: str, handle: str) -> None:
        """Remove a message that the holder of `handle` is done with."""
        with self._database.change() as db:
            db.execute("DELETE FROM messages WHERE id = ?", (self._held(db, queue, handle)["id"],))

    def change_visibility(self, queue: str, handle: str, seconds: int) -> Message:
        """Hold a message for `seconds` from now, under a new handle; the old one is void."""
        in_range("visibility_timeout", seconds)
        visible = to_ms(self._clock.now()) + seconds * 1000
        with self._database.change() as db:
            row = self._held(db, queue, handle)
            new = self._new_handle(row)
            db.execute("UPDATE messages SET visible = ?, handle = ? WHERE id = ?", (visible, new, row["id"]))
        self.wake()
        return replace(_message(row), receipt_handle=new, next_visible_time=from_ms(visible))

    def wake(self) -> None:
        """Let everybody who waits look again."""
        with self._arrived:
            self._arrived.notify_all()

    def close(self) -> None:
        """Send everybody who waits home; from now on nobody waits."""
        self._closed = True
        self.wake()

    def _store(self, db: sqlite3.Connection, queue: str, message: Outgoing, attributes: QueueAttributes) -> Message:
        now = to_ms(self._clock.now())
        delay = attributes.delay_seconds if message.delay_seconds is None else message.delay_seconds
        columns = {
            "queue": queue,
            "message_id": self._clock.token(16).upper(),
            "body": message.body,
            "md5": md5_of(message.body),
            "priority": message.priority,
            "properties": packed(message.properties.document()),
            "enqueued": now,
            "expires": now + attributes.message_retention_period * 1000,
            "visible": now + delay * 1000,
        }
        number = insert(db, "messages", **columns)
        return _message(db.execute("SELECT * FROM messages WHERE id = ?", (number,)).fetchone())

    def _patience(self, queue: str, wait_seconds: float | None) -> float:
        """Return how long a receiver waits: as asked, or as the queue says."""
        if wait_seconds is not None:
            return wait_seconds
        with self._database.change() as db:
            return attributes_of(queue_row(db, queue)).polling_wait_seconds

    def _take(self, queue: str, count: int, now: int) -> list[Message]:
        with self._database.change() as db:
            attributes = attributes_of(queue_row(db, queue))
            db.execute("DELETE FROM messages WHERE queue = ? AND expires <= ?", (queue, now))
            self._bury_worn(db, queue, attributes, now)
            rows = db.execute(DUE, (queue, now, now, count)).fetchall()
            visible = now + attributes.visibility_timeout * 1000
            return [self._hand_out(db, row, now, visible) for row in rows]

    def _hand_out(self, db: sqlite3.Connection, row: sqlite3.Row, now: int, visible: int) -> Message:
        db.execute(TAKE, (visible, self._new_handle(row), now, row["id"]))
        return _message(db.execute("SELECT * FROM messages WHERE id = ?", (row["id"],)).fetchone())

    def _new_handle(self, row: sqlite3.Row) -> str:
        return f"{row['priority']}-{row['id']:x}-{self._clock.token(8)}"

    def _held(self, db: sqlite3.Connection, queue: str, handle: str) -> sqlite3.Row:
        """Return the row of a message whose holder's handle is good; refuses otherwise."""
        queue_row(db, queue)
        if not (shape := HANDLE.fullmatch(handle)):
            raise ServiceError(400, "ReceiptHandleError", f'The receipt handle you provided is not valid: "{handle}".')
        sql = "SELECT * FROM messages WHERE id = ? AND queue = ?"
        row: sqlite3.Row | None = db.execute(sql, (int(shape[1], 16), queue)).fetchone()
        if row is None:
            raise ServiceError(404, "MessageNotExist", "Message not exist: it was deleted or has expired.")
        if row["handle"] != handle or row["visible"] <= to_ms(self._clock.now()):
            text = "The receipt handle you provided has expired: receive the message again for a new one."
            raise ServiceError(400, "ReceiptHandleError", text)
        return row

    def _idle_seconds(self, queue: str, now: int) -> float:
        """Return when to look for a message that time alone makes visible; for ever when there is none."""
        sql = "SELECT MIN(visible) AS next FROM messages WHERE queue = ? AND visible > ?"
        due = self._database.rows(sql, queue, now)[0]["next"]
        return math.inf if due is None else min(LOOK_AGAIN_SECONDS, (due - now) / 1000)

    def _bury_worn(self, db: sqlite3.Connection, queue: str, attributes: QueueAttributes, now: int) -> None:
        """Move messages that were received too often to the dead-letter queue, if that exists."""
        grave = db.execute("SELECT * FROM queues WHERE name = ?", (attributes.dead_letter_queue,)).fetchone()
        if grave is None:
            return
        sql = "SELECT * FROM messages WHERE queue = ? AND visible <= ? AND dequeue_count >= ?"
        for row in db.execute(sql, (queue, now, attributes.max_receive_count)).fetchall():
            expires = now + attributes_of(grave).message_retention_period * 1000
            story = _obituary(_message(row).properties, f"{self._arn}:/queues/{queue}", row["message_id"])
            token = self._clock.token(16).upper()
            db.execute(BURY, (grave["name"], token, packed(story.document()), now, expires, now, row["id"]))


def _obituary(properties: Properties, source: str, message_id: str) -> Properties:
    """Add the system properties that the vendor's SDK knows for dead letters."""
    story = (Property("DLQSourceArn", source), Property("DLQOriginMessageId", message_id))
    return replace(properties, system=(*properties.system, *story))


def _batch(messages: Sequence[Outgoing]) -> None:
    if not 1 <= len(messages) <= MAX_BATCH:
        raise ServiceError(400, "InvalidArgument", f"A batch has 1 to {MAX_BATCH} messages, not {len(messages)}.")


def _check(message: Outgoing, attributes: QueueAttributes) -> None:
    fitting(message.body, attributes.maximum_message_size)
    in_range("priority", message.priority)
    if message.delay_seconds is not None:
        in_range("delay_seconds", message.delay_seconds)


def _time(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else from_ms(milliseconds)


def _message(row: sqlite3.Row) -> Message:
    return Message(
        queue=row["queue"],
        message_id=row["message_id"],
        body=row["body"],
        body_md5=row["md5"],
        priority=row["priority"],
        enqueue_time=from_ms(row["enqueued"]),
        next_visible_time=from_ms(row["visible"]),
        first_dequeue_time=_time(row["first_dequeued"]),
        dequeue_count=row["dequeue_count"],
        receipt_handle=row["handle"],
        properties=Properties.of(json.loads(row["properties"])),
    )
