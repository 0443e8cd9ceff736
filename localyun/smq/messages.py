"""Messages in queues: send, receive, hide, delete. Durable; a sent message wakes the receivers that wait for it."""

import json
import re
import sqlite3
import threading
import time
from dataclasses import asdict, replace

from localyun.clock import CloudClock
from localyun.errors import ServiceError
from localyun.smq.queues import QUEUE
from localyun.smq.store import idle_seconds, insert, to_json
from localyun.smq.values import (
    MAX_BATCH,
    Message,
    OutgoingMessage,
    Properties,
    QueueAttributes,
    check_body,
    check_range,
    from_ms,
    md5_of,
    to_ms,
    with_origin,
)
from localyun.sqlite import Database

# The Python SDK puts receipt handles into the query unescaped: only digits, letters and hyphens (measured 2026-11).
HANDLE = re.compile(r"[0-9]{1,2}-([0-9a-f]{1,15})-[0-9a-f]{16}")
NEXT_VISIBLE = "SELECT MIN(visible) FROM messages WHERE queue = ? AND visible > ?"
DUE = "SELECT * FROM messages WHERE queue = ? AND visible <= ? AND expires > ? ORDER BY priority, id LIMIT ?"
RECEIVE = """UPDATE messages SET visible = ?, handle = ?, dequeue_count = dequeue_count + 1,
    first_dequeued = COALESCE(first_dequeued, ?) WHERE id = ?"""
MOVE = """UPDATE messages SET queue = ?, message_id = ?, properties = ?, enqueued = ?, expires = ?, visible = ?,
    handle = '', first_dequeued = NULL, dequeue_count = 0 WHERE id = ?"""


class QueueMessages:
    """The messages in all queues.

    A message has a receipt handle while it is hidden: after its reception, and after it was sent with a delay. With the
    latter, a sender cancels or postpones the message before anyone receives it ("SendMessage", 2026-11).
    """

    def __init__(self, database: Database, clock: CloudClock, arn: str) -> None:
        self._database, self._clock, self._arn = database, clock, arn
        self._arrived = threading.Condition()
        self._closed = False

    def send(self, queue: str, *messages: OutgoingMessage, check: bool = True) -> list[Message]:
        """Store up to 16 messages, all or none; raise `ServiceError` if one of them is not valid.

        `check` is False for a message of the service itself, whose envelope may exceed the queue's size limit.
        """
        if not 1 <= len(messages) <= MAX_BATCH:
            raise ServiceError(400, "InvalidArgument", f"A batch has 1 to {MAX_BATCH} messages, not {len(messages)}.")
        with self._database.change() as db:
            attributes = QUEUE.attributes(QUEUE.row(db, queue))
            for message in messages if check else ():
                _check(message, attributes)
            sent = [self._store(db, queue, message, attributes) for message in messages]
        self.wake()
        return sent

    def receive(self, queue: str, wait_seconds: float | None = None, count: int = 1) -> list[Message]:
        """Receive up to `count` messages, lowest priority number first.

        Waits at most `wait_seconds` (the queue's own waiting time if None) for the first message; returns [] if none
        arrives.
        """
        limit = self._polling_wait_seconds(queue) if wait_seconds is None else wait_seconds
        deadline = time.monotonic() + limit
        with self._arrived:
            while not (received := self._receive_due(queue, count, now := to_ms(self._clock.now()))):
                left = deadline - time.monotonic()
                if left <= 0 or self._closed:
                    break
                self._arrived.wait(min(left, idle_seconds(self._database, now, NEXT_VISIBLE, queue, now)))
        return received

    def peek(self, queue: str, count: int = 1) -> list[Message]:
        """Return up to `count` visible messages without receiving them."""
        now = to_ms(self._clock.now())
        with self._database.change() as db:
            QUEUE.row(db, queue)
            return [_message(row) for row in db.execute(DUE, (queue, now, now, count)).fetchall()]

    def delete(self, queue: str, handle: str) -> None:
        """Delete a hidden message; raise `ServiceError` if its receipt handle is no longer valid."""
        with self._database.change(frees_space=True) as db:
            db.execute("DELETE FROM messages WHERE id = ?", (self._received_row(db, queue, handle)["id"],))

    def change_visibility(self, queue: str, handle: str, seconds: int) -> Message:
        """Hide a hidden message for `seconds` from now; return it with a new receipt handle, which replaces `handle`.

        Raises `ServiceError` if the receipt handle is no longer valid.
        """
        check_range("visibility_timeout", seconds)
        visible = to_ms(self._clock.now()) + seconds * 1000
        with self._database.change() as db:
            row = self._received_row(db, queue, handle)
            new = self._new_handle(row)
            db.execute("UPDATE messages SET visible = ?, handle = ? WHERE id = ?", (visible, new, row["id"]))
        self.wake()
        return replace(_message(row), receipt_handle=new, next_visible_time=from_ms(visible))

    def wake(self) -> None:
        """Wake all waiting receivers, so that they look again."""
        with self._arrived:
            self._arrived.notify_all()

    def close(self) -> None:
        """Wake all waiting receivers and disable waiting."""
        self._closed = True
        self.wake()

    def _store(
        self, db: sqlite3.Connection, queue: str, message: OutgoingMessage, attributes: QueueAttributes
    ) -> Message:
        now = to_ms(self._clock.now())
        delay = attributes.delay_seconds if message.delay_seconds is None else message.delay_seconds
        number = insert(
            db,
            "messages",
            queue=queue,
            message_id=self._clock.token(16).upper(),
            body=message.body,
            md5=md5_of(message.body),
            priority=message.priority,
            properties=to_json(asdict(message.properties)),
            enqueued=now,
            expires=now + attributes.message_retention_period * 1000,
            visible=now + delay * 1000,
        )
        if delay:
            row = db.execute("SELECT * FROM messages WHERE id = ?", (number,)).fetchone()
            db.execute("UPDATE messages SET handle = ? WHERE id = ?", (self._new_handle(row), number))
        return _stored(db, number)

    def _polling_wait_seconds(self, queue: str) -> float:
        with self._database.change() as db:
            return QUEUE.attributes(QUEUE.row(db, queue)).polling_wait_seconds

    def _receive_due(self, queue: str, count: int, now: int) -> list[Message]:
        with self._database.change(frees_space=True) as db:
            attributes = QUEUE.attributes(QUEUE.row(db, queue))
            db.execute("DELETE FROM messages WHERE queue = ? AND expires <= ?", (queue, now))
            self._move_dead_letters(db, queue, attributes, now)
            rows = db.execute(DUE, (queue, now, now, count)).fetchall()
            visible = now + attributes.visibility_timeout * 1000
            for row in rows:
                db.execute(RECEIVE, (visible, self._new_handle(row), now, row["id"]))
            return [_stored(db, row["id"]) for row in rows]

    def _new_handle(self, row: sqlite3.Row) -> str:
        return f"{row['priority']}-{row['id']:x}-{self._clock.token(8)}"

    def _received_row(self, db: sqlite3.Connection, queue: str, handle: str) -> sqlite3.Row:
        """Return the row of a hidden message; raise `ServiceError` if its receipt handle is not valid."""
        QUEUE.row(db, queue)
        if not (match := HANDLE.fullmatch(handle)):
            raise ServiceError(400, "ReceiptHandleError", f'The receipt handle you provided is not valid: "{handle}".')
        sql = "SELECT * FROM messages WHERE id = ? AND queue = ?"
        row: sqlite3.Row | None = db.execute(sql, (int(match[1], 16), queue)).fetchone()
        if row is None:
            raise ServiceError(404, "MessageNotExist", "Message not exist: it was deleted or has expired.")
        if row["handle"] != handle or row["visible"] <= to_ms(self._clock.now()):
            text = "The receipt handle you provided has expired: receive the message again for a new one."
            raise ServiceError(400, "ReceiptHandleError", text)
        return row

    def _move_dead_letters(self, db: sqlite3.Connection, queue: str, attributes: QueueAttributes, now: int) -> None:
        """Move messages that were received too often to the dead-letter queue, if it exists."""
        target = QUEUE.find(db, attributes.dead_letter_queue)
        if target is None:
            return
        expires = now + QUEUE.attributes(target).message_retention_period * 1000
        sql = "SELECT * FROM messages WHERE queue = ? AND visible <= ? AND dequeue_count >= ?"
        for row in db.execute(sql, (queue, now, attributes.max_receive_count)).fetchall():
            properties = with_origin(_message(row).properties, f"{self._arn}:/queues/{queue}", row["message_id"])
            message_id = self._clock.token(16).upper()
            values = (target["name"], message_id, to_json(asdict(properties)), now, expires, now, row["id"])
            db.execute(MOVE, values)


def _check(message: OutgoingMessage, attributes: QueueAttributes) -> None:
    check_body(message.body, attributes.maximum_message_size)
    check_range("priority", message.priority)
    if message.delay_seconds is not None:
        check_range("delay_seconds", message.delay_seconds)


def _stored(db: sqlite3.Connection, number: int) -> Message:
    return _message(db.execute("SELECT * FROM messages WHERE id = ?", (number,)).fetchone())


def _message(row: sqlite3.Row) -> Message:
    return Message(
        queue=row["queue"],
        message_id=row["message_id"],
        body=row["body"],
        body_md5=row["md5"],
        priority=row["priority"],
        enqueue_time=from_ms(row["enqueued"]),
        next_visible_time=from_ms(row["visible"]),
        first_dequeue_time=None if row["first_dequeued"] is None else from_ms(row["first_dequeued"]),
        dequeue_count=row["dequeue_count"],
        receipt_handle=row["handle"],
        properties=Properties.from_json(json.loads(row["properties"])),
    )
