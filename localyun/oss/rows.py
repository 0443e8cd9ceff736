"""Rows of objects in SQLite: the current versions, and all other ones. Knows columns, no rules.

The table `objects` has the current version of each object, `versions` all others, among them delete markers. The newest
version of an object is the current one, or else that with the greatest `sequence`, which is then a delete marker.
Keys are stored as UTF-8 bytes and therefore sorted as in OSS.
"""

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from localyun.oss.values import StoredObject

SCHEMA = """
CREATE TABLE IF NOT EXISTS objects(
    bucket TEXT, key BLOB, etag TEXT, size INTEGER, last_modified TEXT, content_type TEXT, headers TEXT,
    crc64 TEXT, kind TEXT, file TEXT, version_id TEXT, PRIMARY KEY(bucket, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS versions(
    bucket TEXT, key BLOB, etag TEXT, size INTEGER, last_modified TEXT, content_type TEXT, headers TEXT,
    crc64 TEXT, kind TEXT, file TEXT, version_id TEXT, sequence INTEGER PRIMARY KEY);
CREATE UNIQUE INDEX IF NOT EXISTS versions_by_id ON versions(bucket, key, version_id);
CREATE INDEX IF NOT EXISTS versions_by_age ON versions(bucket, key, sequence DESC);
"""
CURRENT = 1 << 62  # the sequence of a current version: greater than all others
GIVE_NULL_VERSIONS = "UPDATE objects SET version_id='null' WHERE bucket=? AND version_id=''"
_ROW = ",".join("?" * 11)
_ALL_VERSIONS = """
SELECT * FROM (SELECT *, 1 << 62 AS sequence FROM objects)
    WHERE bucket=? AND key>=? AND (key>? OR sequence<?)
UNION ALL SELECT * FROM versions
    WHERE bucket=? AND key>=? AND (key>? OR sequence<?)
ORDER BY key, sequence DESC LIMIT ?"""
Query = Callable[..., list[sqlite3.Row]]


class ObjectRows:
    """The rows of both tables; the caller opens the transactions."""

    def __init__(self, rows: Query, path_of: Callable[[str], Path]) -> None:
        self._rows = rows
        self._path_of = path_of

    def current(self, bucket: str, key: str) -> StoredObject | None:
        """Return the current version of an object."""
        return self._first("SELECT * FROM objects WHERE bucket=? AND key=?", bucket, key.encode())

    def older(self, bucket: str, key: str, version_id: str) -> StoredObject | None:
        """Return a version that is not the current one; it may be a delete marker."""
        sql = "SELECT * FROM versions WHERE bucket=? AND key=? AND version_id=?"
        return self._first(sql, bucket, key.encode(), version_id)

    def latest_older(self, bucket: str, key: str) -> StoredObject | None:
        """Return the newest version but the current one; it may be a delete marker."""
        sql = "SELECT * FROM versions WHERE bucket=? AND key=? ORDER BY sequence DESC LIMIT 1"
        return self._first(sql, bucket, key.encode())

    def page(self, bucket: str, start: bytes, limit: int) -> list[tuple[bytes, StoredObject]]:
        """Return the current versions of the keys from `start` on, sorted by key."""
        sql = "SELECT * FROM objects WHERE bucket=? AND key>=? ORDER BY key LIMIT ?"
        return [(row["key"], self._object(row)) for row in self._rows(sql, bucket, start, limit)]

    def version_page(self, bucket: str, key: bytes, sequence: int, limit: int) -> list[tuple[bytes, int, StoredObject]]:
        """Return the versions of a key that are older than a sequence, then those of later keys, from new to old."""
        found = self._rows(_ALL_VERSIONS, *(bucket, key, key, sequence) * 2, limit)
        return [(row["key"], row["sequence"], self._object(row)) for row in found]

    def sequence(self, bucket: str, key: str, version_id: str) -> int | None:
        """Return the sequence of a version, or None if it does not exist."""
        current = self.current(bucket, key)
        if current and current.version == version_id:
            return CURRENT
        sql = "SELECT sequence FROM versions WHERE bucket=? AND key=? AND version_id=?"
        return next((int(row["sequence"]) for row in self._rows(sql, bucket, key.encode(), version_id)), None)

    def files(self) -> Iterator[str]:
        """Yield the names of all files that objects refer to."""
        for row in self._rows("SELECT file FROM objects UNION ALL SELECT file FROM versions"):
            yield row["file"]

    def _first(self, sql: str, *values: object) -> StoredObject | None:
        return next((self._object(row) for row in self._rows(sql, *values)), None)

    def _object(self, row: sqlite3.Row) -> StoredObject:
        columns = dict(row) | {
            "key": row["key"].decode(),
            "last_modified": datetime.fromisoformat(row["last_modified"]),
            "headers": json.loads(row["headers"]),
            "crc64": int(row["crc64"]),
            "file": self._path_of(row["file"]),
        }
        with suppress(KeyError):
            del columns["sequence"]
        return StoredObject(**columns)


def put_current(db: sqlite3.Connection, stored: StoredObject) -> None:
    """Store the current version of an object."""
    db.execute(f"REPLACE INTO objects VALUES({_ROW})", _row(stored))


def put_older(db: sqlite3.Connection, stored: StoredObject) -> None:
    """Store a version as the newest of those that are not the current one."""
    db.execute(f"INSERT INTO versions VALUES({_ROW}, NULL)", _row(stored))


def set_headers(db: sqlite3.Connection, stored: StoredObject) -> None:
    """Store the changed headers of a version."""
    headers, key = json.dumps(dict(stored.headers)), stored.key.encode()
    row = (headers, stored.bucket, key, stored.version_id)
    db.execute("UPDATE objects SET headers=? WHERE bucket=? AND key=? AND version_id=?", row)
    db.execute("UPDATE versions SET headers=? WHERE bucket=? AND key=? AND version_id=?", row)


def drop_current(db: sqlite3.Connection, bucket: str, key: str) -> None:
    """Remove the current version of an object."""
    db.execute("DELETE FROM objects WHERE bucket=? AND key=?", (bucket, key.encode()))


def drop_older(db: sqlite3.Connection, bucket: str, key: str, version_id: str) -> None:
    """Remove a version that is not the current one."""
    db.execute("DELETE FROM versions WHERE bucket=? AND key=? AND version_id=?", (bucket, key.encode(), version_id))


def _row(stored: StoredObject) -> tuple[object, ...]:
    """Return an object's columns in order; a CRC-64 exceeds SQLite's integers."""
    columns = vars(stored) | {
        "key": stored.key.encode(),
        "last_modified": stored.last_modified.isoformat(),
        "headers": json.dumps(dict(stored.headers)),
        "crc64": str(stored.crc64),
        "file": stored.file.name,
    }
    return tuple(columns.values())
