"""Buckets and objects as SQLite rows. Stores no contents and sends no events.

Keys are stored as UTF-8 bytes and therefore sorted as in OSS.
"""

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from localyun.errors import ServiceError
from localyun.oss.values import (
    Listing,
    OssBucket,
    StoredObject,
    already_exists,
    common_prefix,
    no_such_bucket,
    no_such_key,
)
from localyun.sqlite import Database

SCHEMA = """
CREATE TABLE IF NOT EXISTS buckets(name TEXT PRIMARY KEY, created TEXT, acl TEXT, versioning TEXT);
CREATE TABLE IF NOT EXISTS bucket_regions(name TEXT PRIMARY KEY, region TEXT);
CREATE TABLE IF NOT EXISTS objects(
    bucket TEXT, key BLOB, etag TEXT, size INTEGER, last_modified TEXT, content_type TEXT, headers TEXT,
    crc64 TEXT, kind TEXT, file TEXT, version_id TEXT, PRIMARY KEY(bucket, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS bucket_configurations(
    bucket TEXT, name TEXT, id TEXT, document BLOB, PRIMARY KEY(bucket, name, id)) WITHOUT ROWID;
"""
REPLACE_OBJECT = f"REPLACE INTO objects VALUES({','.join('?' * 11)})"
SELECT_OBJECT = "SELECT * FROM objects WHERE bucket=? AND key=?"
SELECT_BUCKETS = "SELECT buckets.*, region FROM buckets LEFT JOIN bucket_regions USING(name)"
PAGE_ROWS = 200
BeforeReplace = Callable[[sqlite3.Connection, StoredObject | None], None]


class ObjectIndex:
    """A durable index of buckets and objects; every change is one transaction."""

    def __init__(self, database: Database, path_of: Callable[[str], Path], new_version: Callable[[], str]) -> None:
        self._database = database
        self._path_of = path_of
        self._new_version = new_version
        self._changing = threading.Lock()
        self._buckets = self._read_buckets()  # every request asks for its bucket

    def _read_buckets(self) -> dict[str, OssBucket]:
        rows = self._database.rows(f"{SELECT_BUCKETS} ORDER BY name")
        return {row["name"]: _bucket(row) for row in rows}

    @contextmanager
    def _change_buckets(self) -> Iterator[sqlite3.Connection]:
        """Change buckets in one transaction, then read them again."""
        with self._changing:
            with self._database.change() as db:
                yield db
            self._buckets = self._read_buckets()

    def add_bucket(self, bucket: OssBucket) -> None:
        """Add a bucket; an existing one is not changed."""
        row = (bucket.name, bucket.created.isoformat(), bucket.acl, bucket.versioning)
        with self._change_buckets() as db:
            db.execute("INSERT OR IGNORE INTO buckets VALUES(?,?,?,?)", row)
            if bucket.region:
                db.execute("INSERT OR IGNORE INTO bucket_regions VALUES(?,?)", (bucket.name, bucket.region))

    def bucket(self, name: str) -> OssBucket:
        """Return a bucket. Raises NoSuchBucket."""
        if name not in self._buckets:
            raise no_such_bucket(name)
        return self._buckets[name]

    def buckets(self) -> list[OssBucket]:
        """Return all buckets, sorted by name."""
        return list(self._buckets.values())

    def set_bucket(self, name: str, *, acl: str = "", versioning: str = "") -> None:
        """Change a bucket's ACL or its versioning ("Enabled" or "Suspended"), unless "". Raises NoSuchBucket."""
        with self._change_buckets() as db:
            old = self.bucket(name)
            row = (acl or old.acl, versioning or old.versioning, name)
            db.execute("UPDATE buckets SET acl=?, versioning=? WHERE name=?", row)

    def delete_bucket(self, name: str) -> None:
        """Delete a bucket. Raises NoSuchBucket, or BucketNotEmpty if it has objects or unfinished uploads."""
        self.bucket(name)
        held = "SELECT 1 FROM objects WHERE bucket=? UNION ALL SELECT 1 FROM uploads WHERE bucket=? LIMIT 1"
        with self._change_buckets() as db:
            if db.execute(held, (name, name)).fetchone():
                text = "The bucket you tried to delete is not empty."
                raise ServiceError(409, "BucketNotEmpty", text, BucketName=name)
            db.execute("DELETE FROM buckets WHERE name=?", (name,))
            db.execute("DELETE FROM bucket_regions WHERE name=?", (name,))
            db.execute("DELETE FROM bucket_configurations WHERE bucket=?", (name,))

    def find(self, bucket: str, key: str) -> StoredObject | None:
        """Return an object, or None if it does not exist. Raises NoSuchBucket."""
        self.bucket(bucket)
        rows = self._database.rows(SELECT_OBJECT, bucket, key.encode())
        return self._object(rows[0]) if rows else None

    def head(self, bucket: str, key: str) -> StoredObject:
        """Return an object. Raises NoSuchBucket or NoSuchKey."""
        if found := self.find(bucket, key):
            return found
        raise no_such_key(key)

    def replace(
        self, draft: StoredObject, *, forbid_overwrite: bool = False, ec: str = "", before: BeforeReplace
    ) -> tuple[StoredObject, StoredObject | None]:
        """Store an object in place of an existing one; return the new and the old one.

        Raises FileAlreadyExists with `forbid_overwrite` if there is an old one, unless the bucket has or had
        versioning: OSS ignores the header there (PutObject page, read 2026-11). `before` runs in the same transaction.
        """
        with self._database.change() as db:
            bucket = self.bucket(draft.bucket)
            old = self.find(draft.bucket, draft.key)
            if forbid_overwrite and old and not bucket.versioning:
                raise already_exists(draft.key, ec)
            before(db, old)
            new = replace(draft, version_id=self._version(bucket))
            db.execute(REPLACE_OBJECT, _row(new))
        return new, old

    def set_headers(self, bucket: str, key: str, **changes: str | None) -> StoredObject:
        """Change headers of an object (`x_oss_tagging` for `x-oss-tagging`), or remove those that are None."""
        with self._database.change() as db:
            old = self.head(bucket, key)
            headers = {**old.headers, **{name.replace("_", "-"): value for name, value in changes.items()}}
            new = replace(old, headers={name: value for name, value in headers.items() if value is not None})
            db.execute(REPLACE_OBJECT, _row(new))
        return new

    def remove(self, bucket: str, key: str) -> tuple[StoredObject | None, str]:
        """Remove an object if it exists; return it, and the version of the delete marker in a versioned bucket."""
        with self._database.change(frees_space=True) as db:
            version = self._version(self.bucket(bucket))
            old = self.find(bucket, key)
            db.execute("DELETE FROM objects WHERE bucket=? AND key=?", (bucket, key.encode()))
        return old, version

    def page(self, bucket: str, *, prefix: str = "", delimiter: str = "", after: str = "", limit: int = 100) -> Listing:
        """List objects and common prefixes greater than `after`, at most `limit` of both together."""
        self.bucket(bucket)
        page, last = Listing(), ""
        for entry in self._entries(bucket, prefix.encode(), delimiter.encode(), after.encode()):
            if len(page.objects) + len(page.prefixes) >= limit:
                return replace(page, next_after=last)
            if isinstance(entry, StoredObject):
                page.objects.append(entry)
                last = entry.key
            else:
                page.prefixes.append(last := entry)
        return page

    def files(self) -> set[str]:
        """Return the names of all files that objects refer to."""
        return {row["file"] for row in self._database.rows("SELECT file FROM objects")}

    def _entries(self, bucket: str, prefix: bytes, delimiter: bytes, after: bytes) -> Iterator[StoredObject | str]:
        """Yield objects and common prefixes in order, skipping the keys with a common prefix."""
        start: bytes | None = max(prefix, after + b"\0" if after else b"")
        while start is not None:
            rows = self._rows(bucket, start, prefix)
            start = None
            for row in rows:
                if group := common_prefix(row["key"], prefix, delimiter):
                    if group > after:
                        yield group.decode()
                    start = _after_all(group)
                    break
                yield self._object(row)
            else:
                start = rows[-1]["key"] + b"\0" if len(rows) == PAGE_ROWS else None

    def _rows(self, bucket: str, start: bytes, prefix: bytes) -> list[sqlite3.Row]:
        """Return the next rows from `start` that have the prefix."""
        found = self._database.rows(
            "SELECT * FROM objects WHERE bucket=? AND key>=? ORDER BY key LIMIT ?", bucket, start, PAGE_ROWS
        )
        return [row for row in found if row["key"].startswith(prefix)]

    def _version(self, bucket: OssBucket) -> str:
        if bucket.versioning == "Enabled":
            return self._new_version()
        return "null" if bucket.versioning else ""

    def _object(self, row: sqlite3.Row) -> StoredObject:
        parsed = {
            "key": row["key"].decode(),
            "last_modified": datetime.fromisoformat(row["last_modified"]),
            "headers": json.loads(row["headers"]),
            "crc64": int(row["crc64"]),
            "file": self._path_of(row["file"]),
        }
        return StoredObject(**{**dict(row), **parsed})


def _bucket(row: sqlite3.Row) -> OssBucket:
    created = datetime.fromisoformat(row["created"])
    return OssBucket(row["name"], created, row["acl"], row["versioning"], row["region"] or "")


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


def _after_all(group: bytes) -> bytes:
    """Return the least key after all that begin with `group`; a UTF-8 byte is never 0xFF."""
    return group[:-1] + bytes([group[-1] + 1])
