"""The SQLite tables of queues and topics. Times in them are milliseconds since 1970."""

import json
import sqlite3
import threading
from pathlib import Path
from typing import Any

from localyun.smq.values import Page
from localyun.sqlite import Database

POLL_SECONDS = 1.0  # while a message is hidden or a retry scheduled: clocks may jump
SCHEMA = """
CREATE TABLE IF NOT EXISTS queues (
    name TEXT PRIMARY KEY, attributes TEXT NOT NULL, created INTEGER NOT NULL, modified INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT, queue TEXT NOT NULL, message_id TEXT NOT NULL, body TEXT NOT NULL,
    md5 TEXT NOT NULL, priority INTEGER NOT NULL, properties TEXT NOT NULL, enqueued INTEGER NOT NULL,
    expires INTEGER NOT NULL, visible INTEGER NOT NULL, handle TEXT NOT NULL DEFAULT '',
    first_dequeued INTEGER, dequeue_count INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS messages_in_order ON messages (queue, priority, id);
CREATE INDEX IF NOT EXISTS messages_by_expiry ON messages (queue, expires);
CREATE TABLE IF NOT EXISTS topics (
    name TEXT PRIMARY KEY, attributes TEXT NOT NULL, created INTEGER NOT NULL, modified INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS subscriptions (
    id INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL, name TEXT NOT NULL, endpoint TEXT NOT NULL,
    strategy TEXT NOT NULL, content_format TEXT NOT NULL, filter_tag TEXT NOT NULL,
    dead_letter_queue TEXT NOT NULL, created INTEGER NOT NULL, modified INTEGER NOT NULL,
    UNIQUE (topic, name));
CREATE TABLE IF NOT EXISTS published (
    message_id TEXT PRIMARY KEY, topic TEXT NOT NULL, body TEXT NOT NULL, md5 TEXT NOT NULL, tag TEXT NOT NULL,
    attributes TEXT NOT NULL, properties TEXT NOT NULL, time INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS deliveries (
    id INTEGER PRIMARY KEY AUTOINCREMENT, message_id TEXT NOT NULL, subscription INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0, due INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS account (attributes TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS deliveries_by_due ON deliveries (due, id);
CREATE INDEX IF NOT EXISTS deliveries_by_message ON deliveries (message_id);
"""


def open_tables(root: Path) -> Database:
    """Open the file of queues and topics, and create it if needed."""
    return Database(root / "messages.sqlite", SCHEMA, reserve=True)


def insert(db: sqlite3.Connection, table: str, **values: object) -> int:
    """Insert a row and return its number. `table` and the column names must be literals of this package."""
    names, marks = ", ".join(values), ", ".join("?" * len(values))
    sql = f"INSERT INTO {table} ({names}) VALUES ({marks})"  # noqa: S608 - literals of this package
    return db.execute(sql, tuple(values.values())).lastrowid or 0


def name_page(
    database: Database, source: str, *values: object, prefix: str = "", marker: str = "", limit: int = 1000
) -> Page:
    """Return names in order, after the marker. `source` is a literal: a table and a condition on `values`."""
    sql = f"SELECT name FROM {source} AND instr(name, ?) = 1 AND name > ? ORDER BY name LIMIT ?"  # noqa: S608 - literal
    rows = database.rows(sql, *values, prefix, marker, limit + 1)  # one more shows whether another page follows
    names = tuple(row["name"] for row in rows[:limit])
    return Page(names, names[-1] if len(rows) > limit else "")


def idle_seconds(database: Database, now: int, sql: str, *values: object) -> float:
    """Return the seconds from `now` to the time that a query finds, at most one; without a time, the longest wait."""
    due = database.rows(sql, *values)[0][0]
    return threading.TIMEOUT_MAX if due is None else min(POLL_SECONDS, (due - now) / 1000)


def to_json(document: Any) -> str:
    """Return a document as compact JSON, as columns hold it."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))
