"""Keeps unfinished asynchronous invocations, and asynchronous tasks, in SQLite, so that they survive `kill -9`."""

import json
import sqlite3
from collections.abc import Callable
from dataclasses import asdict, astuple
from pathlib import Path

from localyun.fc.tasks import RETENTION_SECONDS, AsyncTask, TaskEvent, enqueued
from localyun.fc.values import AsyncInvocation
from localyun.sqlite import Database

SCHEMA = """
CREATE TABLE IF NOT EXISTS invocations (
  request_id TEXT PRIMARY KEY, function TEXT NOT NULL, payload BLOB NOT NULL,
  attempt INTEGER NOT NULL, due REAL NOT NULL, accepted REAL NOT NULL, qualifier TEXT NOT NULL DEFAULT 'LATEST',
  task_id TEXT NOT NULL DEFAULT ''
);
CREATE TABLE IF NOT EXISTS async_tasks (
  function TEXT NOT NULL, id TEXT NOT NULL, request_id TEXT NOT NULL, payload BLOB NOT NULL, accepted REAL NOT NULL,
  qualifier TEXT NOT NULL, state TEXT NOT NULL, PRIMARY KEY (function, id)
);
"""
# What data directories of earlier versions lack, in the order of the table.
ADDED = {"qualifier": "TEXT NOT NULL DEFAULT 'LATEST'", "task_id": "TEXT NOT NULL DEFAULT ''"}
SAVE = "INSERT OR REPLACE INTO invocations VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
FORGET = "DELETE FROM async_tasks WHERE accepted < ? AND request_id NOT IN (SELECT request_id FROM invocations)"
TASK_COLUMNS = ("function", "id", "request_id", "payload", "accepted", "qualifier")
Change = Callable[[AsyncTask], AsyncTask | None]


class InvocationStore:
    """The durable tables of unfinished invocations, and of tasks."""

    def __init__(self, file: Path) -> None:
        self._database = Database(file, SCHEMA)
        present = {row["name"] for row in self._database.rows("PRAGMA table_info(invocations)")}
        for column in (name for name in ADDED if name not in present):
            with self._database.change() as db:
                db.execute(f"ALTER TABLE invocations ADD COLUMN {column} {ADDED[column]}")

    def accept(self, invocation: AsyncInvocation) -> bool:
        """Store a new invocation; return False, and store nothing, if its function has had a task of this id."""
        with self._database.change() as db:
            if invocation.task_id and not _add_task(db, invocation):
                return False
            db.execute(SAVE, astuple(invocation))
        return True

    def save(self, invocation: AsyncInvocation) -> None:
        """Store the next attempt of an invocation."""
        with self._database.change() as db:
            db.execute(SAVE, astuple(invocation))

    def finish(self, invocation: AsyncInvocation, change: Change) -> None:
        """Delete a finished invocation, and change its task if it has one."""
        with self._database.change() as db:
            db.execute("DELETE FROM invocations WHERE request_id = ?", (invocation.request_id,))
            if invocation.task_id:
                _change_task(db, invocation.function, invocation.task_id, change)

    def remove_of(self, function: str) -> int:
        """Delete the invocations and tasks of a function, and return the number of invocations."""
        with self._database.change() as db:
            db.execute("DELETE FROM async_tasks WHERE function = ?", (function,))
            return db.execute("DELETE FROM invocations WHERE function = ?", (function,)).rowcount

    def has(self, request_id: str) -> bool:
        """Return True if an invocation is unfinished."""
        return self.get(request_id) is not None

    def get(self, request_id: str) -> AsyncInvocation | None:
        """Return an unfinished invocation, or None."""
        rows = self._database.rows("SELECT * FROM invocations WHERE request_id = ?", request_id)
        return AsyncInvocation(*rows[0]) if rows else None

    def all(self) -> list[AsyncInvocation]:
        """Return all unfinished invocations, oldest first."""
        rows = self._database.rows("SELECT * FROM invocations ORDER BY accepted, rowid")
        return [AsyncInvocation(*row) for row in rows]

    def change_task(self, function: str, task_id: str, change: Change) -> AsyncTask | None:
        """Change a task and return it; None if there is none, or `change` returns None."""
        with self._database.change() as db:
            return _change_task(db, function, task_id, change)

    def tasks(self, function: str, since: float, task_id: str = "") -> list[AsyncTask]:
        """Return the tasks of a function that were accepted since a time, or the one that has an id."""
        sql, values = "SELECT * FROM async_tasks WHERE function = ? AND accepted >= ?", [function, since]
        if task_id:
            sql, values = sql + " AND id = ?", [*values, task_id]
        return [_task(row) for row in self._database.rows(sql, *values)]

    def close(self) -> None:
        """Close the file."""
        self._database.close()


def _add_task(db: sqlite3.Connection, invocation: AsyncInvocation) -> bool:
    """Add the task of an invocation; return False if its id is taken."""
    oldest = invocation.accepted - RETENTION_SECONDS
    db.execute(FORGET, (oldest,))
    task = enqueued(
        AsyncTask(
            invocation.function,
            invocation.task_id,
            invocation.request_id,
            invocation.payload,
            invocation.accepted,
            invocation.qualifier,
        )
    )
    values = (*(getattr(task, name) for name in TASK_COLUMNS), _state(task))
    return bool(db.execute("INSERT OR IGNORE INTO async_tasks VALUES (?, ?, ?, ?, ?, ?, ?)", values).rowcount)


def _change_task(db: sqlite3.Connection, function: str, task_id: str, change: Change) -> AsyncTask | None:
    key = (function, task_id)
    row = db.execute("SELECT * FROM async_tasks WHERE function = ? AND id = ?", key).fetchone()
    if not row or not (task := change(_task(row))):
        return None
    db.execute("UPDATE async_tasks SET state = ? WHERE function = ? AND id = ?", (_state(task), *key))
    return task


def _task(row: sqlite3.Row) -> AsyncTask:
    state = json.loads(row["state"])
    events = tuple(TaskEvent(**event) for event in state.pop("events"))
    return AsyncTask(**{name: row[name] for name in TASK_COLUMNS}, events=events, **state)


def _state(task: AsyncTask) -> str:
    """Return what changes in the course of a task as JSON."""
    return json.dumps({name: value for name, value in asdict(task).items() if name not in TASK_COLUMNS})
