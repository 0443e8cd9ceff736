"""Buckets and the versions of objects as rows. Stores no contents and sends no events."""

import base64
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from localyun.clock import CloudClock
from localyun.errors import ServiceError
from localyun.oss import retention, rows
from localyun.oss.object_worm import check_destroyable
from localyun.oss.retention import check_mutable
from localyun.oss.rows import ObjectRows
from localyun.oss.values import (
    DELETE_MARKER,
    NULL_VERSION,
    Listing,
    OssBucket,
    StoredObject,
    already_exists,
    check_version,
    common_prefix,
    marker_headers,
    no_such_bucket,
    no_such_key,
    no_such_version,
)
from localyun.sqlite import Database

SCHEMA = f"""
CREATE TABLE IF NOT EXISTS buckets(name TEXT PRIMARY KEY, created TEXT, acl TEXT, versioning TEXT);
CREATE TABLE IF NOT EXISTS bucket_regions(name TEXT PRIMARY KEY, region TEXT);
CREATE TABLE IF NOT EXISTS bucket_configurations(
    bucket TEXT, name TEXT, id TEXT, document BLOB, PRIMARY KEY(bucket, name, id)) WITHOUT ROWID;
{rows.SCHEMA}
"""
SELECT_BUCKETS = "SELECT buckets.*, region FROM buckets LEFT JOIN bucket_regions USING(name)"
SELECT_CONTENTS = """
SELECT 1 FROM objects WHERE bucket=? UNION ALL SELECT 1 FROM versions WHERE bucket=?
UNION ALL SELECT 1 FROM uploads WHERE bucket=? LIMIT 1"""
SELECT_DOCUMENT = "SELECT document FROM bucket_configurations WHERE bucket=? AND name=?"
PAGE_ROWS = 200
BeforeReplace = Callable[[sqlite3.Connection, StoredObject | None], None]


@dataclass(frozen=True)
class Change:
    """What a write or a delete did: the new version, the current one before it, and those that no longer exist."""

    new: StoredObject | None = None
    old: StoredObject | None = None
    freed: list[StoredObject] = field(default_factory=list)


class ObjectIndex:
    """A durable index of buckets and objects; every change is one transaction."""

    def __init__(self, database: Database, path_of: Callable[[str], Path], clock: CloudClock) -> None:
        self._database = database
        self.rows = ObjectRows(database.rows, path_of)
        self._no_file = path_of("")
        self._clock = clock
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
            if versioning:
                db.execute(rows.GIVE_NULL_VERSIONS, (name,))

    def delete_bucket(self, name: str) -> None:
        """Delete a bucket. Raises NoSuchBucket, or BucketNotEmpty if it has versions or unfinished uploads."""
        self.bucket(name)
        with self._change_buckets() as db:
            if db.execute(SELECT_CONTENTS, (name,) * 3).fetchone():
                text = "The bucket you tried to delete is not empty."
                raise ServiceError(409, "BucketNotEmpty", text, BucketName=name)
            db.execute("DELETE FROM buckets WHERE name=?", (name,))
            db.execute("DELETE FROM bucket_regions WHERE name=?", (name,))
            db.execute("DELETE FROM bucket_configurations WHERE bucket=?", (name,))

    def find(self, bucket: str, key: str) -> StoredObject | None:
        """Return the current version of an object, or None if it does not exist. Raises NoSuchBucket."""
        self.bucket(bucket)
        return self.rows.current(bucket, key)

    def head(self, bucket: str, key: str, version_id: str = "") -> StoredObject:
        """Return an object, or one of its versions.

        Raises NoSuchBucket, NoSuchKey or NoSuchVersion, and MethodNotAllowed for a delete marker.
        """
        if not version_id:
            if found := self.find(bucket, key):
                return found
            raise no_such_key(key, self.rows.latest_older(bucket, key))
        check_version(self.bucket(bucket), version_id)
        if not (found := self._version(bucket, key, version_id)):
            raise no_such_version(key, version_id)
        if found.is_delete_marker:
            text = "The specified method is not allowed against this resource: the version is a delete marker."
            details = {"ResourceType": DELETE_MARKER, **marker_headers(found)}
            raise ServiceError(405, "MethodNotAllowed", text, **details)
        return found

    def replace(
        self, draft: StoredObject, *, forbid_overwrite: bool = False, ec: str = "", before: BeforeReplace
    ) -> Change:
        """Store a new current version. Only an append changes the current version itself.

        Raises FileAlreadyExists with `forbid_overwrite` if there is an old one, unless the bucket has or had
        versioning: OSS ignores the header there (PutObject page, read 2026-11). `before` runs in the same transaction.
        """
        with self._database.change() as db:
            bucket = self.bucket(draft.bucket)
            old = self.find(draft.bucket, draft.key)
            if forbid_overwrite and old and not bucket.versioning:
                raise already_exists(draft.key, ec)
            self._check_mutable(old)
            before(db, old)
            if old and draft.kind == "Appendable":
                new, freed = replace(draft, version_id=old.version_id), [old]
            else:
                new = replace(draft, version_id=self._new_version(bucket))
                freed = self._retire(db, new, old)
            self._check_destroyable(freed)
            rows.put_current(db, new)
        return Change(new, old, freed)

    def set_headers(self, bucket: str, key: str, version_id: str = "", **changes: str | None) -> StoredObject:
        """Change headers of a version (`x_oss_tagging` for `x-oss-tagging`), or remove those that are None."""
        with self._database.change() as db:
            old = self.head(bucket, key, version_id)
            headers = {**old.headers, **{name.replace("_", "-"): value for name, value in changes.items()}}
            new = replace(old, headers={name: value for name, value in headers.items() if value is not None})
            rows.set_headers(db, new)
        return new

    def remove(self, bucket: str, key: str, version_id: str = "", *, bypass_governance: bool = False) -> Change:
        """Remove a version if it exists, or the object: with versioning, a delete marker becomes its newest version.

        Raises FileImmutable, unless `bypass_governance` allows it.
        """
        with self._database.change(frees_space=True) as db:
            state = self.bucket(bucket)
            old = self.find(bucket, key)
            if version_id:
                check_version(state, version_id)
                self._check_mutable(self._version(bucket, key, version_id))
                removed = self._remove_version(db, bucket, key, version_id)
                self._check_destroyable(removed, bypass_governance=bypass_governance)
                return Change(None, old, removed)
            self._check_mutable(old)
            if not (marker_id := self._new_version(state)):
                rows.drop_current(db, bucket, key)
                freed = [old] if old else []
                self._check_destroyable(freed)
                return Change(None, old, freed)
            marker = self._marker(bucket, key, marker_id)
            freed = self._retire(db, marker, old)
            self._check_destroyable(freed)
            rows.put_older(db, marker)
        return Change(marker, old, freed)

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
        return set(self.rows.files())

    def _entries(self, bucket: str, prefix: bytes, delimiter: bytes, after: bytes) -> Iterator[StoredObject | str]:
        """Yield objects and common prefixes in order, skipping the keys with a common prefix."""
        start: bytes | None = max(prefix, after + b"\0" if after else b"")
        while start is not None:
            found = self.rows.page(bucket, start, PAGE_ROWS)
            start = None
            for key, stored in found:
                if not key.startswith(prefix):
                    break
                if group := common_prefix(key, prefix, delimiter):
                    if group > after:
                        yield group.decode()
                    start = after_all(group)
                    break
                yield stored
            else:
                start = found[-1][0] + b"\0" if len(found) == PAGE_ROWS else None

    def _check_destroyable(self, versions: list[StoredObject], *, bypass_governance: bool = False) -> None:
        """Raise FileImmutable if one of the versions that are about to go must stay."""
        for found in versions:
            check_destroyable(found, self._clock.now(), bypass_governance=bypass_governance)

    def _check_mutable(self, found: StoredObject | None) -> None:
        """Raise FileImmutable for an object that the retention policy of its bucket protects."""
        if found:
            rows = self._database.rows(SELECT_DOCUMENT, found.bucket, retention.NAME)
            check_mutable(next((row["document"] for row in rows), None), found, self._clock.now())

    def _version(self, bucket: str, key: str, version_id: str) -> StoredObject | None:
        """Return a version, which may be a delete marker."""
        current = self.rows.current(bucket, key)
        if current and current.version == version_id:
            return current
        return self.rows.older(bucket, key, version_id)

    def _retire(self, db: sqlite3.Connection, new: StoredObject, old: StoredObject | None) -> list[StoredObject]:
        """Make place for a new version; return those that it replaces, all others are kept."""
        if not new.version_id:
            return [old] if old else []
        freed = []
        if new.version_id == NULL_VERSION and (null := self._version(new.bucket, new.key, NULL_VERSION)):
            rows.drop_older(db, new.bucket, new.key, NULL_VERSION)
            freed.append(null)
        if old:
            rows.drop_current(db, old.bucket, old.key)
            if old not in freed:
                rows.put_older(db, replace(old, version_id=old.version))
        return freed

    def _remove_version(self, db: sqlite3.Connection, bucket: str, key: str, version_id: str) -> list[StoredObject]:
        """Remove a version; the newest one that remains becomes the current one, unless it is a delete marker."""
        if not (found := self._version(bucket, key, version_id)):
            return []
        if found == self.rows.current(bucket, key):
            rows.drop_current(db, bucket, key)
        rows.drop_older(db, bucket, key, version_id)
        latest = None if self.rows.current(bucket, key) else self.rows.latest_older(bucket, key)
        if latest and not latest.is_delete_marker:
            rows.drop_older(db, bucket, key, latest.version_id)
            rows.put_current(db, latest)
        return [found]

    def _marker(self, bucket: str, key: str, version_id: str) -> StoredObject:
        now = self._clock.now().replace(microsecond=0)
        return StoredObject(bucket, key, "", 0, now, "", {}, 0, DELETE_MARKER, self._no_file, version_id)

    def _new_version(self, bucket: OssBucket) -> str:
        """Return the id of a new version: "" without versioning; otherwise its bytes are like those of OSS."""
        if bucket.versioning != "Enabled":
            return NULL_VERSION if bucket.versioning else ""
        when = int(self._clock.now().timestamp() * 1_000_000)
        digits = bytes(0x80 | when >> 7 * number & 0x7F for number in range(8)) + bytes([when >> 56 & 0x7F])
        name = self._clock.token(16).encode()
        return base64.urlsafe_b64encode(b"\x08\x01\x10\x01\x18" + digits + b'"\x20' + name).decode()


def _bucket(row: sqlite3.Row) -> OssBucket:
    created = datetime.fromisoformat(row["created"])
    return OssBucket(row["name"], created, row["acl"], row["versioning"], row["region"] or "")


def after_all(group: bytes) -> bytes:
    """Return the least key after all that begin with `group`; a UTF-8 byte is never 0xFF."""
    return group[:-1] + bytes([group[-1] + 1])
