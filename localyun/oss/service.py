"""The object store: buckets and objects, durable, with an event for every change. Knows no HTTP.

Bytes lie in immutable files, everything else in SQLite; a change is one rename, then one transaction, then
the event. The OSS face calls it, and so does whoever makes objects (tasks) or waits for them (triggers).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from itertools import chain
from pathlib import Path
from types import MappingProxyType

from localyun.clock import CloudClock
from localyun.errors import ServiceError
from localyun.oss.blobs import Blob, BlobFolder, Source, chunks_of
from localyun.oss.multipart import SCHEMA as UPLOADS_SCHEMA
from localyun.oss.multipart import Uploads
from localyun.oss.store import SCHEMA, ObjectIndex
from localyun.oss.values import (
    Bucket,
    Listing,
    ObjectEvent,
    Origin,
    StoredObject,
    check_bucket_name,
    check_key,
)
from localyun.sqlite import Database

__all__ = ["Bucket", "Listing", "ObjectEvent", "ObjectService", "Origin", "StoredObject"]

NOTHING: Mapping[str, str] = MappingProxyType({})
DEFAULT_TYPE = "application/octet-stream"


class ObjectService:
    """Buckets and objects below `root`; survives `kill -9`. Safe to use from many threads.

    Versioning is a bucket's state only: an object keeps its newest version, older ones are gone.
    """

    def __init__(self, root: Path, clock: CloudClock) -> None:
        self._clock = clock
        self._listeners: list[Callable[[ObjectEvent], None]] = []
        self._database = Database(root / "objects.sqlite", SCHEMA + UPLOADS_SCHEMA)
        self._blobs = BlobFolder(root / "blobs", clock)
        self._index = ObjectIndex(self._database, self._blobs.path, lambda: clock.token(16))
        self.uploads = Uploads(self._database, self._index, self._blobs, clock, self._tell)
        self._blobs.sweep(lambda: self._index.files() | self.uploads.files())

    def listen(self, listener: Callable[[ObjectEvent], None]) -> None:
        """Call `listener` once a change is stored, in the thread that made it; it must be quick."""
        self._listeners.append(listener)

    def create_bucket(self, name: str, *, region: str = "") -> None:
        """Create a bucket, in another region if one is named; creating it again changes nothing."""
        check_bucket_name(name)
        self._index.add_bucket(Bucket(name, self._now(), region=region))

    def has_bucket(self, name: str) -> bool:
        """Tell whether a bucket exists."""
        return any(bucket.name == name for bucket in self._index.buckets())

    def bucket(self, name: str) -> Bucket:
        """Return a bucket, or refuse with NoSuchBucket."""
        return self._index.bucket(name)

    def buckets(self) -> list[Bucket]:
        """Return all buckets by name."""
        return self._index.buckets()

    def set_bucket(self, name: str, *, acl: str | None = None, versioning: str | None = None) -> None:
        """Change a bucket's ACL or its versioning ("Enabled" or "Suspended")."""
        old = self._index.bucket(name)
        self._index.set_bucket(replace(old, acl=acl or old.acl, versioning=versioning or old.versioning))

    def delete_bucket(self, name: str) -> None:
        """Delete an empty bucket, or refuse with BucketNotEmpty."""
        self._index.remove_bucket(name)

    def put(  # noqa: PLR0913 - what one PutObject carries
        self,
        bucket: str,
        key: str,
        source: Source,
        *,
        content_type: str = DEFAULT_TYPE,
        headers: Mapping[str, str] = NOTHING,
        once: bool = False,
        event: str = "PutObject",
        request_id: str = "",
        source_ip: str = "127.0.0.1",
    ) -> StoredObject:
        """Store an object whole; with `once`, refuse with FileAlreadyExists when there is one."""
        self._check(bucket, key)
        blob = self._blobs.save(chunks_of(source))
        draft = self._draft(bucket, key, blob, content_type=content_type, headers=headers)
        return self._commit(draft, event, Origin(request_id, source_ip), once=once)

    def head(self, bucket: str, key: str) -> StoredObject:
        """Return an object, or refuse with NoSuchBucket or NoSuchKey."""
        return self._index.get(bucket, key)

    def copy(  # noqa: PLR0913 - what one CopyObject carries
        self,
        source: StoredObject,
        bucket: str,
        key: str,
        *,
        content_type: str,
        headers: Mapping[str, str],
        once: bool = False,
        origin: Origin = Origin(),  # noqa: B008 - frozen
    ) -> StoredObject:
        """Store a copy of an object, with the given metadata."""
        self._check(bucket, key)
        blob = self._blobs.save(chunks_of(source.file))
        draft = self._draft(bucket, key, blob, content_type=content_type, headers=headers)
        return self._commit(replace(draft, etag=source.etag), "CopyObject", origin, once=once)

    def append(  # noqa: PLR0913 - what one AppendObject carries
        self,
        bucket: str,
        key: str,
        source: Source,
        position: int,
        *,
        content_type: str = DEFAULT_TYPE,
        headers: Mapping[str, str] = NOTHING,
        once: bool = False,
        origin: Origin = Origin(),  # noqa: B008 - frozen
    ) -> StoredObject:
        """Add bytes at the end of an appendable object, which must be `position` bytes long."""
        self._check(bucket, key)
        old = self._index.find(bucket, key)
        _check_append(old, position)
        before: Iterable[bytes] = chunks_of(old.file) if old else ()
        blob = self._blobs.save(chain(before, chunks_of(source)))
        draft = self._draft(bucket, key, blob, content_type=content_type, headers=headers, kind="Appendable")
        if old:
            draft = replace(draft, content_type=old.content_type, headers=old.headers)
        return self._commit(draft, "AppendObject", origin, once=once, expect=(old,))

    def delete(
        self,
        bucket: str,
        key: str,
        *,
        event: str = "DeleteObject",
        origin: Origin = Origin(),  # noqa: B008 - frozen
    ) -> str:
        """Delete an object if it is there; in a versioned bucket, return the delete marker's version."""
        old, version = self._index.remove(bucket, key)
        if old:
            self._blobs.discard(old.file)
            self._tell(f"ObjectRemoved:{event}", replace(old, size=0), -old.size, origin)
        return version

    def set_headers(self, bucket: str, key: str, **changes: str | None) -> StoredObject:
        """Change some of an object's headers (`x_oss_tagging` for `x-oss-tagging`); None removes one."""
        return self._index.set_headers(bucket, key, **changes)

    def page(self, bucket: str, *, prefix: str = "", delimiter: str = "", after: str = "", limit: int = 100) -> Listing:
        """List objects and common prefixes beyond `after`, at most `limit` of both together."""
        return self._index.page(bucket, prefix, delimiter, after, limit)

    def close(self) -> None:
        """Close all files; later calls fail."""
        self._database.close()
        self._blobs.close()

    def _check(self, bucket: str, key: str) -> None:
        self._index.bucket(bucket)
        check_key(key)

    def _draft(
        self, bucket: str, key: str, blob: Blob, *, content_type: str, headers: Mapping[str, str],
        kind: str = "Normal",
    ) -> StoredObject:  # fmt: skip
        """Describe a new object whose bytes are on disk and which nobody can see yet."""
        return StoredObject(
            bucket=bucket,
            key=key,
            etag=blob.md5.hex().upper(),
            size=blob.size,
            last_modified=self._now(),
            content_type=content_type,
            headers=headers,
            crc64=blob.crc64,
            kind=kind,
            file=blob.file,
        )

    def _commit(
        self, draft: StoredObject, event: str, origin: Origin, *, once: bool,
        expect: tuple[StoredObject | None] | None = None,
    ) -> StoredObject:  # fmt: skip
        """Make a draft visible, then tell; with `expect`, only in the place of exactly that object."""

        def also(_db: object, old: StoredObject | None) -> None:
            if expect is not None and (old and old.file) != (expect[0] and expect[0].file):
                raise position_refused(old.size if old else 0)

        try:
            new, old = self._index.store(draft, once=once, also=also)
        except BaseException:
            draft.file.unlink(missing_ok=True)
            raise
        if old:
            self._blobs.discard(old.file)
        self._tell(f"ObjectCreated:{event}", new, new.size - (old.size if old else 0), origin)
        return new

    def _tell(self, name: str, about: StoredObject, delta: int, origin: Origin) -> None:
        when = self._clock.now()
        fact = ObjectEvent(name, about.bucket, about.key, about.etag, about.size, delta, when, *_parts(origin))
        for listener in self._listeners:
            listener(fact)

    def _now(self) -> datetime:
        """Return the time to the second, as OSS keeps it."""
        return self._clock.now().replace(microsecond=0)


def position_refused(length: int) -> ServiceError:
    """Say that an append does not begin where the object ends."""
    text = f"Position is not equal to file length: append at {length}."
    more = {"x-oss-next-append-position": str(length)}
    return ServiceError(409, "PositionNotEqualToLength", text, ec="0026-00000016", **more)


def _check_append(old: StoredObject | None, position: int) -> None:
    if old and old.kind != "Appendable":
        text = "The object is not appendable: it was not created by AppendObject."
        raise ServiceError(409, "ObjectNotAppendable", text, Key=old.key)
    if position != (length := old.size if old else 0):
        raise position_refused(length)


def _parts(origin: Origin) -> tuple[str, str]:
    return origin.request_id, origin.source_ip
