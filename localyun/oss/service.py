"""The object service: buckets and durable objects, with an event for every change. Knows no HTTP.

Contents are immutable files, everything else is in SQLite. The OSS endpoint calls it, and so do tasks, which create
objects, and triggers, which listen to events.
"""

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from itertools import chain
from pathlib import Path

from localyun.clock import CloudClock
from localyun.errors import ServiceError
from localyun.oss.archive import RestoreJob, check_cleanable, check_readable, checked_tier, is_restored, restored
from localyun.oss.blobs import BlobFolder, Source, chunks_of
from localyun.oss.configurations import BucketConfigurations
from localyun.oss.multipart import SCHEMA as UPLOADS_SCHEMA
from localyun.oss.multipart import Uploads
from localyun.oss.statistics import BucketStatistics, bucket_statistics
from localyun.oss.store import SCHEMA, ObjectIndex
from localyun.oss.values import (
    DEFAULTS,
    INTERNAL,
    RESTORE_END,
    RESTORE_START,
    SYMLINK,
    SYMLINK_TARGET,
    Deletion,
    Listing,
    ObjectEvent,
    Origin,
    OssBucket,
    StoredObject,
    VersionListing,
    WriteOptions,
    check_bucket_name,
    check_key,
    seen_through,
)
from localyun.oss.versions import VersionQuery, list_versions
from localyun.oss.writer import ObjectWriter
from localyun.sqlite import Database

__all__ = ["Listing", "ObjectEvent", "ObjectService", "Origin", "OssBucket", "StoredObject", "WriteOptions"]


class ObjectService(ObjectIndex):
    """Buckets and objects under `root`; survives `kill -9`. Safe to use from many threads."""

    def __init__(self, root: Path, clock: CloudClock) -> None:
        database = Database(root / "objects.sqlite", SCHEMA + UPLOADS_SCHEMA, reserve=True)
        self._blobs = BlobFolder(root / "blobs", clock)
        super().__init__(database, self._blobs.path, clock)
        self._writer = ObjectWriter(self, self._blobs, clock)
        self.uploads = Uploads(database, self._writer)
        self.configurations = BucketConfigurations(database, self)
        self._blobs.delete_unknown(lambda: self.files() | self.uploads.files())

    def listen(self, listener: Callable[[ObjectEvent], None]) -> None:
        """Call `listener` after each stored change, in the thread that made it; it must return quickly."""
        self._writer.listeners.append(listener)

    def create_bucket(self, name: str, *, region: str = "") -> None:
        """Create a bucket, optionally in another region; an existing one is not changed. Raises InvalidBucketName."""
        check_bucket_name(name)
        self.add_bucket(OssBucket(name, self._writer.now(), region=region))

    def has_bucket(self, name: str) -> bool:
        """Return True if a bucket exists."""
        return any(bucket.name == name for bucket in self.buckets())

    def put(
        self, bucket: str, key: str, source: Source, options: WriteOptions = DEFAULTS, *, event: str = "PutObject"
    ) -> StoredObject:
        """Store and return an object. Raises NoSuchBucket, InvalidObjectName or FileAlreadyExists."""
        self._check(bucket, key)
        return self._writer.commit(self._writer.draft(bucket, key, source, options), event, options)

    def copy(self, source: StoredObject, bucket: str, key: str, options: WriteOptions) -> StoredObject:
        """Store and return a copy of an object with other metadata. Raises like `put`."""
        self._check(bucket, key)
        kind = "Normal"
        if source.kind == SYMLINK:  # a copy of a symbolic link is a link to the same object (page CopyObject)
            kind, target = SYMLINK, {SYMLINK_TARGET: source.headers[SYMLINK_TARGET]}
            options = replace(options, headers={**options.headers, **target})
        draft = replace(self._writer.draft(bucket, key, source.file, options, kind), etag=source.etag)
        return self._writer.commit(draft, "CopyObject", options)

    def link(self, bucket: str, key: str, target: str, options: WriteOptions = DEFAULTS) -> StoredObject:
        """Store and return a symbolic link to another key, which need not exist. Raises like `put`."""
        self._check(bucket, key)
        check_key(target)
        options = replace(options, headers={**options.headers, SYMLINK_TARGET: target})
        return self._writer.commit(self._writer.draft(bucket, key, b"", options, SYMLINK), "PutSymlink", options)

    def look(self, bucket: str, key: str, version_id: str = "") -> StoredObject:
        """Return an object, with the contents of its target if it is a symbolic link.

        Raises like `head`, SymlinkTargetNotExist, or InvalidTargetType for a link to a link.
        """
        found = self.head(bucket, key, version_id)
        return seen_through(found, self._target(found))

    def read(self, bucket: str, key: str, version_id: str = "") -> StoredObject:
        """Return an object like `look`, to read its contents. Raises InvalidObjectState for an archived one."""
        found = self.head(bucket, key, version_id)
        target = self._target(found)
        check_readable(target, self._writer.clock.now())
        return seen_through(found, target)

    def read_unfollowed(self, bucket: str, key: str, version_id: str = "") -> StoredObject:
        """Return an object, or a symbolic link itself, to copy it. Raises InvalidObjectState for an archived one."""
        found = self.head(bucket, key, version_id)
        check_readable(found, self._writer.clock.now())
        return found

    def restore(self, found: StoredObject, job: RestoreJob) -> bool:
        """Begin to restore an archived object; return False if it is restored already and remains so for longer.

        Raises OperationNotSupported, InvalidArgument or RestoreAlreadyInProgress.
        """
        checked_tier(found, job)
        now = self._writer.now()
        times = {name.replace("-", "_"): value for name, value in restored(found, job, now).items()}
        self.set_headers(found.bucket, found.key, found.version, **times)
        return not is_restored(found, now)

    def end_restore(self, found: StoredObject) -> None:
        """Make a restored object unreadable again. Raises OperationNotSupported or ArchiveRestoreNotFinished."""
        check_cleanable(found, self._writer.clock.now())
        times = {name.replace("-", "_"): None for name in (RESTORE_START, RESTORE_END)}
        self.set_headers(found.bucket, found.key, found.version, **times)

    def append(
        self, bucket: str, key: str, source: Source, position: int, options: WriteOptions = DEFAULTS
    ) -> StoredObject:
        """Append bytes to an appendable object and return it. Raises PositionNotEqualToLength, ObjectNotAppendable."""
        self._check(bucket, key)
        old = self.find(bucket, key)
        _check_append(old, position)
        if old:
            acl = {name: value for name, value in options.headers.items() if name == "x-oss-object-acl"}
            options = replace(options, content_type=old.content_type, headers={**old.headers, **acl})
        chunks = chain(chunks_of(old.file) if old else (), chunks_of(source))
        draft = self._writer.draft(bucket, key, chunks, options, "Appendable")

        def check_unchanged(_db: sqlite3.Connection, found: StoredObject | None) -> None:
            if (found and found.file) != (old and old.file):
                raise _wrong_position(found.size if found else 0)

        return self._writer.commit(draft, "AppendObject", options, before=check_unchanged)

    def delete(
        self,
        bucket: str,
        key: str,
        version_id: str = "",
        *,
        event: str = "DeleteObject",
        origin: Origin = INTERNAL,
        bypass_governance: bool = False,
    ) -> Deletion:
        """Delete a version, or an object, if it exists; with versioning, an object is only marked as deleted.

        Raises FileImmutable, unless `bypass_governance` allows it.
        """
        change = self.remove(bucket, key, version_id, bypass_governance=bypass_governance)
        size = self._writer.free(change.freed)
        removed = change.freed if version_id else [change.old] if change.old else []
        for gone in removed:
            self._writer.notify(f"ObjectRemoved:{event}", bucket, key, gone.etag, 0, -size, origin)
        if version_id:
            return Deletion(version_id, any(gone.is_delete_marker for gone in removed))
        return Deletion(change.new.version_id, is_delete_marker=True) if change.new else Deletion()

    def versions(self, query: VersionQuery) -> VersionListing:
        """Return one page of the versions in a bucket. Raises NoSuchBucket."""
        self.bucket(query.bucket)
        return list_versions(self.rows, query)

    def stat(self, bucket: str) -> BucketStatistics:
        """Return what a bucket has. Raises NoSuchBucket."""
        self.bucket(bucket)
        return bucket_statistics(self._database, bucket)

    def close(self) -> None:
        """Close all files; later calls fail."""
        self._database.close()
        self._blobs.close()

    def _target(self, found: StoredObject) -> StoredObject:
        """Return the target of a symbolic link, or the object itself."""
        if found.kind != SYMLINK:
            return found
        target = self.find(found.bucket, key := found.headers[SYMLINK_TARGET])
        if not target:
            text = "The target object of the symbolic link does not exist."
            raise ServiceError(404, "SymlinkTargetNotExist", text, ec="0026-00000012", ObjectName=key)
        if target.kind == SYMLINK:
            text = "The target of the symbolic link is a symbolic link."
            raise ServiceError(400, "InvalidTargetType", text, ObjectName=key)
        return target

    def _check(self, bucket: str, key: str) -> None:
        self.bucket(bucket)
        check_key(key)


def _wrong_position(length: int) -> ServiceError:
    text = "Position is not equal to file length"
    details = {"x-oss-next-append-position": str(length)}
    return ServiceError(409, "PositionNotEqualToLength", text, ec="0026-00000016", **details)


def _check_append(old: StoredObject | None, position: int) -> None:
    if old and old.kind != "Appendable":
        text = "The object is not appendable: it was not created by AppendObject."
        raise ServiceError(409, "ObjectNotAppendable", text, Key=old.key)
    if position != (length := old.size if old else 0):
        raise _wrong_position(length)
