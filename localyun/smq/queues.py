"""Queues: which exist, their attributes, and the number of their messages."""

from localyun.clock import CloudClock
from localyun.smq.resources import NamedResources, ResourceKind
from localyun.smq.values import QueueAttributes, QueueDescription, from_ms, to_ms
from localyun.sqlite import Database

COUNTS = """SELECT COALESCE(SUM(visible <= :now), 0) AS active,
    COALESCE(SUM(visible > :now AND dequeue_count > 0), 0) AS inactive,
    COALESCE(SUM(visible > :now AND dequeue_count = 0), 0) AS delayed
    FROM messages WHERE queue = :queue AND expires > :now"""
QUEUE = ResourceKind("Queue", "queue name", "queues", QueueAttributes())


class Queues(NamedResources[QueueAttributes]):
    """The queues of one account in one region."""

    def __init__(self, database: Database, clock: CloudClock) -> None:
        super().__init__(QUEUE, database, clock)

    def get(self, name: str) -> QueueDescription:
        """Return a queue with its counts; raise `ServiceError` if it does not exist."""
        now = to_ms(self._clock.now())
        with self._database.change() as db:
            row = QUEUE.row(db, name)
            counts = db.execute(COUNTS, {"now": now, "queue": name}).fetchone()
        times = (from_ms(row["created"]), from_ms(row["modified"]))
        return QueueDescription(name, QUEUE.attributes(row), *times, *counts)

    def delete(self, name: str) -> None:
        """Remove a queue and its messages; succeed if it does not exist."""
        with self._database.change() as db:
            db.execute("DELETE FROM messages WHERE queue = ?", (name,))
            db.execute("DELETE FROM queues WHERE name = ?", (name,))
