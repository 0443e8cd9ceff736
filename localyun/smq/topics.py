"""Topics and who subscribes to them. Knows no messages beyond counting them; delivering is `deliveries`' business."""

import json
import re
import sqlite3
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from localyun.clock import CloudClock
from localyun.errors import ServiceError
from localyun.smq.store import insert, packed, page
from localyun.smq.values import (
    FORMATS,
    MAX_TAG,
    STRATEGIES,
    Page,
    Subscription,
    Topic,
    TopicAttributes,
    changed,
    from_ms,
    named,
    to_ms,
)
from localyun.sqlite import Database

# Written as acs:mns:REGION:ACCOUNT:queues/Q for subscriptions ("Subscribe", 2026-11) and as
# acs:mns:REGION:ACCOUNT:/queues/Q/messages for the destinations of functions: both are read.
QUEUE_ENDPOINT = re.compile(r"acs:mns:([^:/]*):([^:/]*):/?queues/([^/]+)(?:/messages)?")
SETTABLE = ("strategy", "content_format", "filter_tag", "dead_letter_queue")


class Topics:
    """The topics of one account in one region."""

    def __init__(self, database: Database, clock: CloudClock, account_id: str, region: str) -> None:
        self._database, self._clock = database, clock
        self._account_id, self._region = account_id, region

    def create(self, name: str, **attributes: Any) -> bool:
        """Make a topic; True when it is new, False when the same one exists; refuses to differ from it."""
        wanted, now = changed(TopicAttributes(), attributes), to_ms(self._clock.now())
        with self._database.change() as db:
            if row := db.execute("SELECT * FROM topics WHERE name = ?", (name,)).fetchone():
                return _same_topic(row, wanted)
            values = {"attributes": packed(asdict(wanted)), "created": now, "modified": now}
            insert(db, "topics", name=named("Topic", name), **values)
        return True

    def get(self, name: str) -> Topic:
        """Return a topic with the number of messages that somebody still has to receive."""
        with self._database.change() as db:
            row = topic_row(db, name)
            count = db.execute("SELECT COUNT(*) FROM published WHERE topic = ?", (name,)).fetchone()[0]
        return Topic(name, topic_attributes(row), from_ms(row["created"]), from_ms(row["modified"]), count)

    def change(self, name: str, **attributes: Any) -> None:
        """Change some attributes."""
        with self._database.change() as db:
            new = changed(topic_attributes(topic_row(db, name)), attributes)
            values = (packed(asdict(new)), to_ms(self._clock.now()), name)
            db.execute("UPDATE topics SET attributes = ?, modified = ? WHERE name = ?", values)

    def delete(self, name: str) -> None:
        """Remove a topic, its subscriptions and what they were still owed."""
        owed = "DELETE FROM deliveries WHERE subscription IN (SELECT id FROM subscriptions WHERE topic = ?)"
        with self._database.change() as db:
            db.execute(owed, (name,))
            for table, column in (("subscriptions", "topic"), ("published", "topic"), ("topics", "name")):
                db.execute(f"DELETE FROM {table} WHERE {column} = ?", (name,))  # noqa: S608 - literals above

    def names(self, prefix: str = "", marker: str = "", limit: int = 1000) -> Page:
        """List names in order, after the marker."""
        sql = "SELECT name FROM topics WHERE instr(name, ?) = 1 AND name > ? ORDER BY name LIMIT ?"
        return page(self._database.rows(sql, prefix, marker, limit + 1), limit)

    def subscribe(self, topic: str, name: str, *, endpoint: str, **options: str) -> bool:
        """Subscribe an endpoint; True when that is new, False when the same exists; refuses to differ from it."""
        values = {"endpoint": self._reachable(endpoint), **_options(options)}
        now = to_ms(self._clock.now())
        with self._database.change() as db:
            topic_row(db, topic)
            if row := _subscription_row(db, topic, name):
                return _same_subscription(row, values)
            named("Subscription", name)
            insert(db, "subscriptions", topic=topic, name=name, **values, created=now, modified=now)
        return True

    def subscription(self, topic: str, name: str) -> Subscription:
        """Return a subscription; refuses when there is none of that name."""
        with self._database.change() as db:
            topic_row(db, topic)
            return subscription_of(_existing(db, topic, name))

    def change_subscription(self, topic: str, name: str, **options: str) -> None:
        """Change how a subscription is served, from its next attempt on."""
        with self._database.change() as db:
            topic_row(db, topic)
            row = _existing(db, topic, name)
            new = _options({key: row[key] for key in SETTABLE} | options)
            values = (*(new[key] for key in SETTABLE), to_ms(self._clock.now()), row["id"])
            columns = ", ".join(f"{key} = ?" for key in SETTABLE)
            db.execute(f"UPDATE subscriptions SET {columns}, modified = ? WHERE id = ?", values)  # noqa: S608 - ours

    def unsubscribe(self, topic: str, name: str) -> None:
        """Remove a subscription and what it was still owed; one that does not exist is as good as removed."""
        with self._database.change() as db:
            topic_row(db, topic)
            if row := _subscription_row(db, topic, name):
                db.execute("DELETE FROM deliveries WHERE subscription = ?", (row["id"],))
                db.execute("DELETE FROM subscriptions WHERE id = ?", (row["id"],))
                db.execute(FORGET_DELIVERED)

    def subscriptions(self, topic: str, prefix: str = "", marker: str = "", limit: int = 1000) -> Page:
        """List the names of a topic's subscriptions in order, after the marker."""
        sql = """SELECT name FROM subscriptions
            WHERE topic = ? AND instr(name, ?) = 1 AND name > ? ORDER BY name LIMIT ?"""
        self.get(topic)
        return page(self._database.rows(sql, topic, prefix, marker, limit + 1), limit)

    def _reachable(self, endpoint: str) -> str:
        """Return an endpoint that this cloud can deliver to; refuses others, with the remedy."""
        if queue := QUEUE_ENDPOINT.fullmatch(endpoint):
            here = (self._region, self._account_id)
            if (queue[1], queue[2]) != here:
                text = f"{endpoint} is not here: region and account of the local cloud are {here[0]} and {here[1]}."
                raise ServiceError(400, "InvalidEndpoint", text)
        elif not endpoint.startswith(("http://", "https://", "acs:")) or endpoint.startswith("acs:mns:"):
            text = f'Invalid endpoint "{endpoint}": use http(s)://... or acs:mns:REGION:ACCOUNT:queues/QUEUE.'
            raise ServiceError(400, "InvalidEndpoint", text)
        return endpoint


FORGET_DELIVERED = "DELETE FROM published WHERE message_id NOT IN (SELECT message_id FROM deliveries)"


def topic_row(db: sqlite3.Connection, name: str) -> sqlite3.Row:
    """Return a topic's row; refuses when there is no such topic."""
    row: sqlite3.Row | None = db.execute("SELECT * FROM topics WHERE name = ?", (name,)).fetchone()
    if row is None:
        text = f'The topic you provided does not exist: "{name}". Create it first.'
        raise ServiceError(404, "TopicNotExist", text)
    return row


def topic_attributes(row: sqlite3.Row) -> TopicAttributes:
    """Return the attributes kept in a topic's row."""
    return TopicAttributes(**json.loads(row["attributes"]))


def subscription_of(row: sqlite3.Row) -> Subscription:
    """Return the subscription that a row keeps."""
    kept = {key: row[key] for key in ("topic", "name", "endpoint", *SETTABLE)}
    return Subscription(**kept, create_time=from_ms(row["created"]), last_modify_time=from_ms(row["modified"]))


def _subscription_row(db: sqlite3.Connection, topic: str, name: str) -> sqlite3.Row | None:
    sql = "SELECT * FROM subscriptions WHERE topic = ? AND name = ?"
    row: sqlite3.Row | None = db.execute(sql, (topic, name)).fetchone()
    return row


def _existing(db: sqlite3.Connection, topic: str, name: str) -> sqlite3.Row:
    if row := _subscription_row(db, topic, name):
        return row
    text = f'The subscription you provided does not exist: "{name}" of topic "{topic}". Subscribe first.'
    raise ServiceError(404, "SubscriptionNotExist", text)


def _same_topic(row: sqlite3.Row, wanted: TopicAttributes) -> bool:
    if topic_attributes(row) != wanted:
        text = f'The topic "{row["name"]}" exists with other attributes; use SetTopicAttributes to change them.'
        raise ServiceError(409, "TopicAlreadyExist", text)
    return False


def _same_subscription(row: sqlite3.Row, wanted: dict[str, str]) -> bool:
    if differing := [key for key, value in wanted.items() if row[key] != value]:
        text = f'The subscription "{row["name"]}" exists with another {differing[0]}; unsubscribe it first.'
        raise ServiceError(409, "SubscriptionAlreadyExist", text)
    return False


def _options(given: dict[str, str]) -> dict[str, str]:
    """Fill in the defaults ("Subscribe", 2026-11) and refuse what is not a legal choice."""
    options = {"strategy": "BACKOFF_RETRY", "content_format": "XML", "filter_tag": "", "dead_letter_queue": ""}
    if unknown := sorted(set(given) - set(options)):
        raise ServiceError(400, "InvalidArgument", f"Unknown option {unknown[0]}; known are {sorted(options)}.")
    options |= given
    _one_of("NotifyStrategy", options["strategy"], STRATEGIES)
    _one_of("NotifyContentFormat", options["content_format"], FORMATS)
    if len(options["filter_tag"]) > MAX_TAG:
        raise ServiceError(400, "InvalidArgument", f"FilterTag is longer than {MAX_TAG} characters.")
    return options


def _one_of(name: str, value: str, choices: Iterable[str]) -> None:
    if value not in choices:
        raise ServiceError(400, "InvalidArgument", f'{name} "{value}" is unknown; use {", ".join(choices)}.')
