"""Keeps unfinished asynchronous invocations in SQLite, so that they survive `kill -9`."""

from dataclasses import astuple
from pathlib import Path

from localyun.fc.values import AsyncInvocation
from localyun.sqlite import Database

SCHEMA = """
CREATE TABLE IF NOT EXISTS invocations (
  request_id TEXT PRIMARY KEY, function TEXT NOT NULL, payload BLOB NOT NULL,
  attempt INTEGER NOT NULL, due REAL NOT NULL, accepted REAL NOT NULL, qualifier TEXT NOT NULL DEFAULT 'LATEST'
);
CREATE TABLE IF NOT EXISTS tasks (
  function TEXT NOT NULL, id TEXT NOT NULL, accepted REAL NOT NULL, PRIMARY KEY (function, id)
);
"""
TASK_SECONDS = 7 * 86400  # our choice: how long the id of an asynchronous task is not accepted again
SAVE = "INSERT OR REPLACE INTO invocations VALUES (?, ?, ?, ?, ?, ?, ?)"


class InvocationStore:
    """The durable table of unfinished invocations."""

    def __init__(self, file: Path) -> None:
        self._database = Database(file, SCHEMA)
        if "qualifier" not in {row["name"] for row in self._database.rows("PRAGMA table_info(invocations)")}:
            with self._database.change() as db:  # a data directory of version 0.1.0
                db.execute("ALTER TABLE invocations ADD COLUMN qualifier TEXT NOT NULL DEFAULT 'LATEST'")

    def accept(self, invocation: AsyncInvocation, task_id: str = "") -> bool:
        """Store a new invocation; return False, and store nothing, if its function has had a task of this id."""
        with self._database.change() as db:
            if task_id:
                db.execute("DELETE FROM tasks WHERE accepted < ?", (invocation.accepted - TASK_SECONDS,))
                task = (invocation.function, task_id, invocation.accepted)
                if not db.execute("INSERT OR IGNORE INTO tasks VALUES (?, ?, ?)", task).rowcount:
                    return False
            db.execute(SAVE, astuple(invocation))
        return True

    def save(self, invocation: AsyncInvocation) -> None:
        """Store the next attempt of an invocation."""
        with self._database.change() as db:
            db.execute(SAVE, astuple(invocation))

    def remove(self, request_id: str) -> None:
        """Delete a finished invocation."""
        with self._database.change() as db:
            db.execute("DELETE FROM invocations WHERE request_id = ?", (request_id,))

    def remove_of(self, function: str) -> int:
        """Delete the invocations and tasks of a function, and return the number of invocations."""
        with self._database.change() as db:
            db.execute("DELETE FROM tasks WHERE function = ?", (function,))
            return db.execute("DELETE FROM invocations WHERE function = ?", (function,)).rowcount

    def has(self, request_id: str) -> bool:
        """Return True if an invocation is unfinished."""
        return bool(self._database.rows("SELECT 1 FROM invocations WHERE request_id = ?", request_id))

    def all(self) -> list[AsyncInvocation]:
        """Return all unfinished invocations, oldest first."""
        rows = self._database.rows("SELECT * FROM invocations ORDER BY accepted, rowid")
        return [AsyncInvocation(*row) for row in rows]

    def close(self) -> None:
        """Close the file."""
        self._database.close()
