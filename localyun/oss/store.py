"""What exists: buckets and objects as SQLite rows. Knows no bytes and sends no events.

Keys are stored as UTF-8 bytes, so that they sort as OSS sorts them, whatever they contain.
"""

import json
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from localyun.errors import ServiceError
from localyun.oss.values import (
    Bucket,
    Listing,
    StoredObject,
    already_exists,
    no_such_bucket,
    no_such_key,
)
from localyun.sqlite import Database

SCHEMA = """
CREATE TABLE IF NOT EXISTS buckets(name TEXT PRIMARY KEY, created TEXT, acl TEXT, versioning TEXT);
CREATE TABLE IF NOT EXISTS elsewhere(name TEXT PRIMARY KEY, region TEXT);
CREATE TABLE IF NOT EXISTS objects(
    bucket TEXT, key BLOB, etag TEXT, size INTEGER, last_modified TEXT, content_type TEXT, headers TEXT,
    crc64 TEXT, kind TEXT, file TEXT, version_id TEXT, PRIMARY KEY(bucket, key)) WITHOUT ROWID;
"""
MARKS = ",".join("?" * 11)
BUCKETS = "SELECT buckets.*, region FROM buckets LEFT JOIN elsewhere USING(name)"
PAGE_ROWS = 200
Also = Callable[[sqlite3.Connection, StoredObject | None], None]


class ObjectIndex:
    """Buckets and objects, durably; every change is one transaction."""

    def __init__(self, database: Database, path_of: Callable[[str], Path], new_version: Callable[[], str]) -> None:
        self._database = database
        self._path_of = path_of
        self._new_version = new_version

    def add_bucket(self, bucket: Bucket) -> None:
        """Add a bucket; one that exists stays as it is."""
        row = (bucket.name, bucket.created.isoformat(), bucket.acl, bucket.versioning)
        with self._database.change() as db:
            db.execute("INSERT OR IGNORE INTO buckets VALUES(?,?,?,?)", row)
            if bucket.region:
                db.execute("INSERT OR IGNORE INTO elsewhere VALUES(?,?)", (bucket.name, bucket.region))

    def bucket(self, name: str) -> Bucket:
        """Return a bucket, or refuse with NoSuchBucket."""
        for row in self._database.rows(f"{BUCKETS} WHERE name=?", name):
            return _bucket(row)
        raise no_such_bucket(name)

    def buckets(self) -> list[Bucket]:
        """Return all buckets by name."""
        return [_bucket(row) for row in self._database.rows(f"{BUCKETS} ORDER BY name")]

    def set_bucket(self, bucket: Bucket) -> None:
        """Store a bucket's ACL and versioning."""
        with self._database.change() as db:
            db.execute(
                "UPDATE buckets SET acl=?, versioning=? WHERE name=?",
                (bucket.acl, bucket.versioning, bucket.name),
            )

    def remove_bucket(self, name: str) -> None:
        """Remove a bucket, or refuse when it still holds objects or unfinished uploads."""
        self.bucket(name)
        held = "SELECT 1 FROM objects WHERE bucket=? UNION ALL SELECT 1 FROM uploads WHERE bucket=? LIMIT 1"
        with self._database.change() as db:
            if db.execute(held, (name, name)).fetchone():
                text = "The bucket you tried to delete is not empty."
                raise ServiceError(409, "BucketNotEmpty", text, BucketName=name)
            db.execute("DELETE FROM buckets WHERE name=?", (name,))
            db.execute("DELETE FROM elsewhere WHERE name=?", (name,))

    def find(self, bucket: str, key: str) -> StoredObject | None:
        """Return an object, or None when there is none; refuse when the bucket is missing."""
        self.bucket(bucket)
        rows = self._database.rows("SELECT * FROM objects WHERE bucket=? AND key=?", bucket, _bytes(key))
        return self._object(rows[0]) if rows else None

    def get(self, bucket: str, key: str) -> StoredObject:
        """Return an object, or refuse with NoSuchBucket or NoSuchKey."""
        if found := self.find(bucket, key):
            return found
        raise no_such_key(key)

    def store(
        self,
        draft: StoredObject,
        *,
        once: bool = False,
        once_ec: str = "",
        also: Also = lambda _db, _old: None,
    ) -> tuple[StoredObject, StoredObject | None]:
        """Put an object in the place of what was there; return the new and the old.

        With `once`, an object that exists is refused, unless the bucket has or had versioning: OSS ignores
        the header there (PutObject page, read 2026-11). `also` runs in the same transaction, before.
        """
        with self._database.change() as db:
            bucket = self._bucket_in(db, draft.bucket)
            old = self._object_in(db, draft.bucket, draft.key)
            if once and old and not bucket.versioning:
                raise already_exists(draft.key, once_ec)
            also(db, old)
            new = replace(draft, version_id=self._version(bucket))
            db.execute(f"REPLACE INTO objects VALUES({MARKS})", _row(new))
        return new, old

    def set_headers(self, bucket: str, key: str, **changes: str | None) -> StoredObject:
        """Change some of an object's headers (`x_oss_tagging` for `x-oss-tagging`); None removes one."""
        with self._database.change() as db:
            self._bucket_in(db, bucket)
            old = self._object_in(db, bucket, key)
            if old is None:
                raise no_such_key(key)
            headers = {**old.headers, **{name.replace("_", "-"): value for name, value in changes.items()}}
            new = replace(old, headers={name: value for name, value in headers.items() if value is not None})
            db.execute(f"REPLACE INTO objects VALUES({MARKS})", _row(new))
        return new

    def remove(self, bucket: str, key: str) -> tuple[StoredObject | None, str]:
        """Remove an object if it is there; return it, and the delete marker's version where there is versioning."""
        with self._database.change() as db:
            version = self._version(self._bucket_in(db, bucket))
            old = self._object_in(db, bucket, key)
            db.execute("DELETE FROM objects WHERE bucket=? AND key=?", (bucket, _bytes(key)))
        return old, version

    def page(self, bucket: str, prefix: str = "", delimiter: str = "", after: str = "", limit: int = 100) -> Listing:
        """List objects and common prefixes beyond `after`, at most `limit` of both together."""
        self.bucket(bucket)
        page, last = Listing(), ""
        for entry in self._entries(bucket, _bytes(prefix), _bytes(delimiter), _bytes(after)):
            if len(page.objects) + len(page.prefixes) >= limit:
                return replace(page, next_after=last)
            if isinstance(entry, StoredObject):
                page.objects.append(entry)
                last = entry.key
            else:
                page.prefixes.append(entry)
                last = entry
        return page

    def files(self) -> set[str]:
        """Return the names of all files that objects refer to."""
        return {row["file"] for row in self._database.rows("SELECT file FROM objects")}

    def _entries(self, bucket: str, prefix: bytes, delimiter: bytes, after: bytes) -> Iterator[StoredObject | str]:
        """Yield objects and common prefixes in order, leaping over what a common prefix hides."""
        start: bytes | None = max(prefix, after + b"\0" if after else b"")
        while start is not None:
            rows = self._rows(bucket, start, prefix)
            start = None
            for row in rows:
                group = _group(row["key"], prefix, delimiter)
                if group is not None:
                    if group > after:
                        yield group.decode()
                    start = _beyond(group)
                    break
                yield self._object(row)
            else:
                start = rows[-1]["key"] + b"\0" if len(rows) == PAGE_ROWS else None

    def _rows(self, bucket: str, start: bytes, prefix: bytes) -> list[sqlite3.Row]:
        """Return the next rows from `start` on that have the prefix."""
        found = self._database.rows(
            "SELECT * FROM objects WHERE bucket=? AND key>=? ORDER BY key LIMIT ?", bucket, start, PAGE_ROWS
        )
        return [row for row in found if row["key"].startswith(prefix)]

    def _bucket_in(self, db: sqlite3.Connection, name: str) -> Bucket:
        row = db.execute(f"{BUCKETS} WHERE name=?", (name,)).fetchone()
        if row is None:
            raise no_such_bucket(name)
        return _bucket(row)

    def _object_in(self, db: sqlite3.Connection, bucket: str, key: str) -> StoredObject | None:
        row = db.execute("SELECT * FROM objects WHERE bucket=? AND key=?", (bucket, _bytes(key))).fetchone()
        return self._object(row) if row else None

    def _version(self, bucket: Bucket) -> str:
        if bucket.versioning == "Enabled":
            return self._new_version()
        return "null" if bucket.versioning else ""

    def _object(self, row: sqlite3.Row) -> StoredObject:
        values = dict(row)
        return StoredObject(
            **{
                **values,
                "key": row["key"].decode(),
                "last_modified": datetime.fromisoformat(row["last_modified"]),
                "headers": json.loads(row["headers"]),
                "crc64": int(row["crc64"]),
                "file": self._path_of(row["file"]),
            }
        )


def _bucket(row: sqlite3.Row) -> Bucket:
    created = datetime.fromisoformat(row["created"])
    return Bucket(row["name"], created, row["acl"], row["versioning"], row["region"] or "")


def _row(one: StoredObject) -> tuple[str | bytes | int, ...]:
    """Spell an object as a row, in the order of the columns; a CRC-64 does not fit SQLite's integers."""
    times = (one.last_modified.isoformat(), one.content_type, json.dumps(dict(one.headers)))
    return (one.bucket, _bytes(one.key), one.etag, one.size, *times, str(one.crc64), one.kind, one.file.name,
            one.version_id)  # fmt: skip


def _bytes(text: str) -> bytes:
    return text.encode()


def _group(key: bytes, prefix: bytes, delimiter: bytes) -> bytes | None:
    """Return the common prefix that hides a key, if one does."""
    end = key.find(delimiter, len(prefix)) if delimiter else -1
    return None if end < 0 else key[: end + len(delimiter)]


def _beyond(group: bytes) -> bytes:
    """Return the least key after all that begin with `group`; a UTF-8 byte is never 0xFF."""
    return group[:-1] + bytes([group[-1] + 1])
