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
"""


class InvocationStore:
    """The durable table of unfinished invocations."""

    def __init__(self, file: Path) -> None:
        self._database = Database(file, SCHEMA)
        if "qualifier" not in {row["name"] for row in self._database.rows("PRAGMA table_info(invocations)")}:
            with self._database.change() as db:  # a data directory of version 0.1.0
                db.execute("ALTER TABLE invocations ADD COLUMN qualifier TEXT NOT NULL DEFAULT 'LATEST'")

    def save(self, invocation: AsyncInvocation) -> None:
        """Store an invocation, or its next attempt."""
        with self._database.change() as db:
            db.execute("INSERT OR REPLACE INTO invocations VALUES (?, ?, ?, ?, ?, ?, ?)", astuple(invocation))

    def remove(self, request_id: str) -> None:
        """Delete a finished invocation."""
        with self._database.change() as db:
            db.execute("DELETE FROM invocations WHERE request_id = ?", (request_id,))

    def remove_of(self, function: str) -> int:
        """Delete the invocations of a function, and return their number."""
        with self._database.change() as db:
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
