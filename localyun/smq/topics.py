"""Topics and their subscriptions. Messages are only counted here; `deliveries` delivers them."""

import re
import sqlite3
from collections.abc import Iterable

from localyun.clock import CloudClock
from localyun.errors import ServiceError
from localyun.smq.resources import NamedResources, ResourceKind
from localyun.smq.store import insert, name_page
from localyun.smq.values import (
    FORMATS,
    MAX_TAG,
    STRATEGIES,
    Page,
    Subscription,
    TopicAttributes,
    TopicDescription,
    check_name,
    from_ms,
    to_ms,
)
from localyun.sqlite import Database

# Official pages write acs:mns:REGION:ACCOUNT:queues/Q for subscriptions ("Subscribe", 2026-11) and
# acs:mns:REGION:ACCOUNT:/queues/Q/messages for the destinations of functions: both are accepted.
QUEUE_ENDPOINT = re.compile(r"acs:mns:([^:/]*):([^:/]*):/?queues/([^/]+)(?:/messages)?")
# The options that SetSubscriptionAttributes can change, and their defaults ("Subscribe", 2026-11).
OPTIONS = {"strategy": "BACKOFF_RETRY", "content_format": "XML", "filter_tag": "", "dead_letter_queue": ""}
TOPIC = ResourceKind(
    "Topic",
    "topic",
    TopicAttributes(),
    TopicDescription,
    counts="SELECT COUNT(*) FROM published WHERE topic = :name",
    deletions=(
        "DELETE FROM deliveries WHERE subscription IN (SELECT id FROM subscriptions WHERE topic = ?)",
        "DELETE FROM subscriptions WHERE topic = ?",
        "DELETE FROM published WHERE topic = ?",
        "DELETE FROM topics WHERE name = ?",
    ),
)
DELETE_DELIVERED = "DELETE FROM published WHERE message_id NOT IN (SELECT message_id FROM deliveries)"


class Topics(NamedResources[TopicAttributes, TopicDescription]):
    """The topics of one account in one region, and their subscriptions."""

    def __init__(self, database: Database, clock: CloudClock, account_id: str, region: str) -> None:
        super().__init__(TOPIC, database, clock)
        self._account_id, self._region = account_id, region

    def subscribe(self, topic: str, name: str, *, endpoint: str, alias: str = "", **options: str) -> bool:
        """Subscribe an endpoint; return True if the subscription is new, False if an equal one exists.

        The options are strategy, content_format, filter_tag and dead_letter_queue. `alias` is another name of this
        account: the endpoint of a queue may have it, with any region. Raises `ServiceError` if a different subscription
        of that name exists, or for a value that is not valid.
        """
        self._check_endpoint(endpoint, alias)
        values, now = {"endpoint": endpoint, **_checked(OPTIONS | options)}, to_ms(self._clock.now())
        with self._database.change() as db:
            if row := _find(db, topic, name):
                if differing := [key for key, value in values.items() if row[key] != value]:
                    message = f'The subscription "{name}" exists with another {differing[0]}; unsubscribe it first.'
                    raise ServiceError(409, "SubscriptionAlreadyExist", message)
                return False
            check_name("Subscription", name)
            insert(db, "subscriptions", topic=topic, name=name, **values, created=now, modified=now)
        return True

    def subscription(self, topic: str, name: str) -> Subscription:
        """Return a subscription; raise `ServiceError` if it does not exist."""
        with self._database.change() as db:
            return subscription_of(_row(db, topic, name))

    def change_subscription(self, topic: str, name: str, **options: str) -> None:
        """Change options of a subscription, with effect from its next delivery attempt."""
        with self._database.change() as db:
            row = _row(db, topic, name)
            new = _checked({key: row[key] for key in OPTIONS} | options)
            columns = ", ".join(f"{key} = ?" for key in OPTIONS)
            sql = f"UPDATE subscriptions SET {columns}, modified = ? WHERE id = ?"  # noqa: S608 - literals
            db.execute(sql, (*(new[key] for key in OPTIONS), to_ms(self._clock.now()), row["id"]))

    def unsubscribe(self, topic: str, name: str) -> None:
        """Remove a subscription and its undelivered messages; succeed if it does not exist."""
        with self._database.change() as db:
            if row := _find(db, topic, name):
                db.execute("DELETE FROM deliveries WHERE subscription = ?", (row["id"],))
                db.execute("DELETE FROM subscriptions WHERE id = ?", (row["id"],))
                db.execute(DELETE_DELIVERED)

    def subscriptions(self, topic: str, prefix: str = "", marker: str = "", limit: int = 1000) -> Page:
        """Return the names of a topic's subscriptions in order, after the marker."""
        self.get(topic)
        source = "subscriptions WHERE topic = ?"
        return name_page(self._database, source, topic, prefix=prefix, marker=marker, limit=limit)

    def _check_endpoint(self, endpoint: str, alias: str) -> None:
        """Raise `ServiceError`, with the remedy, for an endpoint that the local cloud cannot deliver to."""
        here = (self._region, self._account_id)
        if queue := QUEUE_ENDPOINT.fullmatch(endpoint):
            if queue[2] != alias and (queue[1], queue[2]) != here:
                text = f"{endpoint} is not here: region and account of the local cloud are {here[0]} and {here[1]}."
                raise ServiceError(400, "InvalidEndpoint", text)
        elif not endpoint.startswith(("http://", "https://", "acs:")) or endpoint.startswith("acs:mns:"):
            text = f'Invalid endpoint "{endpoint}": use http(s)://... or acs:mns:REGION:ACCOUNT:queues/QUEUE.'
            raise ServiceError(400, "InvalidEndpoint", text)


def subscription_of(row: sqlite3.Row) -> Subscription:
    """Return the subscription in a row."""
    values = {key: row[key] for key in ("topic", "name", "endpoint", *OPTIONS)}
    return Subscription(**values, create_time=from_ms(row["created"]), last_modify_time=from_ms(row["modified"]))


def _find(db: sqlite3.Connection, topic: str, name: str) -> sqlite3.Row | None:
    """Return the row of a subscription or None; raise `ServiceError` if the topic does not exist."""
    TOPIC.row(db, topic)
    sql = "SELECT * FROM subscriptions WHERE topic = ? AND name = ?"
    row: sqlite3.Row | None = db.execute(sql, (topic, name)).fetchone()
    return row


def _row(db: sqlite3.Connection, topic: str, name: str) -> sqlite3.Row:
    if row := _find(db, topic, name):
        return row
    message = f'The subscription you provided does not exist: "{name}" of topic "{topic}". Subscribe first.'
    raise ServiceError(404, "SubscriptionNotExist", message)


def _checked(options: dict[str, str]) -> dict[str, str]:
    """Return the options; raise `ServiceError` for an unknown option or value."""
    if unknown := sorted(set(options) - set(OPTIONS)):
        raise ServiceError(400, "InvalidArgument", f"Unknown option {unknown[0]}; known options: {sorted(OPTIONS)}.")
    _check_choice("NotifyStrategy", options["strategy"], STRATEGIES)
    _check_choice("NotifyContentFormat", options["content_format"], FORMATS)
    if len(options["filter_tag"]) > MAX_TAG:
        raise ServiceError(400, "InvalidArgument", f"FilterTag is longer than {MAX_TAG} characters.")
    return options


def _check_choice(name: str, value: str, choices: Iterable[str]) -> None:
    if value not in choices:
        raise ServiceError(400, "InvalidArgument", f'{name} "{value}" is unknown; use {", ".join(choices)}.')
