"""Queues: which exist, with which attributes. Knows no messages beyond counting them."""

import json
import sqlite3
from dataclasses import asdict
from typing import Any

from localyun.clock import CloudClock
from localyun.errors import ServiceError
from localyun.smq.store import insert, packed, page
from localyun.smq.values import Page, Queue, QueueAttributes, changed, from_ms, named, to_ms
from localyun.sqlite import Database

COUNTS = """SELECT COALESCE(SUM(visible <= :now), 0) AS active,
    COALESCE(SUM(visible > :now AND dequeue_count > 0), 0) AS inactive,
    COALESCE(SUM(visible > :now AND dequeue_count = 0), 0) AS delayed
    FROM messages WHERE queue = :queue AND expires > :now"""


class Queues:
    """The queues of one account in one region."""

    def __init__(self, database: Database, clock: CloudClock) -> None:
        self._database, self._clock = database, clock

    def create(self, name: str, **attributes: Any) -> bool:
        """Make a queue; True when it is new, False when the same one exists; refuses to differ from it."""
        wanted, now = changed(QueueAttributes(), attributes), to_ms(self._clock.now())
        with self._database.change() as db:
            if row := db.execute("SELECT * FROM queues WHERE name = ?", (name,)).fetchone():
                return self._same(row, wanted)
            values = {"attributes": packed(asdict(wanted)), "created": now, "modified": now}
            insert(db, "queues", name=named("Queue", name), **values)
        return True

    def get(self, name: str) -> Queue:
        """Return a queue with its counts."""
        now = to_ms(self._clock.now())
        with self._database.change() as db:
            row = queue_row(db, name)
            counts = db.execute(COUNTS, {"now": now, "queue": name}).fetchone()
        times = (from_ms(row["created"]), from_ms(row["modified"]))
        return Queue(name, attributes_of(row), *times, *counts)

    def change(self, name: str, **attributes: Any) -> None:
        """Change some attributes. Messages already sent keep their retention and delay."""
        with self._database.change() as db:
            new = changed(attributes_of(queue_row(db, name)), attributes)
            values = (packed(asdict(new)), to_ms(self._clock.now()), name)
            db.execute("UPDATE queues SET attributes = ?, modified = ? WHERE name = ?", values)

    def delete(self, name: str) -> None:
        """Remove a queue and its messages; one that does not exist is as good as removed."""
        with self._database.change() as db:
            db.execute("DELETE FROM messages WHERE queue = ?", (name,))
            db.execute("DELETE FROM queues WHERE name = ?", (name,))

    def names(self, prefix: str = "", marker: str = "", limit: int = 1000) -> Page:
        """List names in order, after the marker."""
        sql = "SELECT name FROM queues WHERE instr(name, ?) = 1 AND name > ? ORDER BY name LIMIT ?"
        return page(self._database.rows(sql, prefix, marker, limit + 1), limit)

    @staticmethod
    def _same(row: sqlite3.Row, wanted: QueueAttributes) -> bool:
        """Return False for an equal queue; refuses otherwise."""
        if attributes_of(row) != wanted:
            text = f'The queue "{row["name"]}" exists with other attributes; use SetQueueAttributes to change them.'
            raise ServiceError(409, "QueueAlreadyExist", text)
        return False


def queue_row(db: sqlite3.Connection, name: str) -> sqlite3.Row:
    """Return a queue's row; refuses when there is no such queue."""
    row: sqlite3.Row | None = db.execute("SELECT * FROM queues WHERE name = ?", (name,)).fetchone()
    if row is None:
        raise ServiceError(
            404, "QueueNotExist", f'The queue name you provided does not exist: "{name}". Create it first.'
        )
    return row


def attributes_of(row: sqlite3.Row) -> QueueAttributes:
    """Return the attributes kept in a queue's row."""
    return QueueAttributes(**json.loads(row["attributes"]))
