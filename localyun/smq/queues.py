"""Queues: their attributes, and the number of their messages."""

from localyun.smq.resources import NamedResources, ResourceKind
from localyun.smq.values import QueueAttributes, QueueDescription

QUEUE = ResourceKind(
    "Queue",
    "queue name",
    QueueAttributes(),
    QueueDescription,
    counts="""SELECT COALESCE(SUM(visible <= :now), 0) AS active,
        COALESCE(SUM(visible > :now AND dequeue_count > 0), 0) AS inactive,
        COALESCE(SUM(visible > :now AND dequeue_count = 0), 0) AS delayed
        FROM messages WHERE queue = :name AND expires > :now""",
    deletions=("DELETE FROM messages WHERE queue = ?", "DELETE FROM queues WHERE name = ?"),
)
Queues = NamedResources[QueueAttributes, QueueDescription]
