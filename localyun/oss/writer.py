"""Makes changed objects visible and sends their events. Object service and multipart uploads share it."""

from collections.abc import Callable, Iterable
from datetime import datetime

from localyun.clock import CloudClock
from localyun.oss.blobs import BlobFolder, Source
from localyun.oss.store import BeforeReplace, ObjectIndex
from localyun.oss.values import ObjectEvent, Origin, StoredObject, WriteOptions


class ObjectWriter:
    """Writes objects to a blob folder and an index. A change is one rename, then one transaction, then the event."""

    def __init__(self, index: ObjectIndex, blobs: BlobFolder, clock: CloudClock) -> None:
        self.index = index
        self.blobs = blobs
        self.clock = clock
        self.listeners: list[Callable[[ObjectEvent], None]] = []

    def draft(self, bucket: str, key: str, source: Source, options: WriteOptions, kind: str = "Normal") -> StoredObject:
        """Return an object whose bytes are on disk and which is not visible yet; its ETag is the MD5."""
        blob = self.blobs.save(source)
        checksums, metadata = (blob.md5.hex().upper(), blob.size), (options.content_type, options.headers)
        return StoredObject(bucket, key, *checksums, self.now(), *metadata, blob.crc64, kind, blob.file)

    def commit(
        self,
        draft: StoredObject,
        event: str,
        options: WriteOptions,
        *,
        ec: str = "",
        before: BeforeReplace = lambda _db, _old: None,
    ) -> StoredObject:
        """Make a draft visible, then send its event. Deletes its file if `before` or the index raises."""
        try:
            change = self.index.replace(draft, forbid_overwrite=options.forbid_overwrite, ec=ec, before=before)
        except BaseException:
            draft.file.unlink(missing_ok=True)
            raise
        new = change.new or draft
        delta = new.size - self.free(change.freed)
        self.notify(f"ObjectCreated:{event}", new.bucket, new.key, new.etag, new.size, delta, options.origin)
        return new

    def free(self, versions: Iterable[StoredObject]) -> int:
        """Discard the files of versions that no longer exist; return their size."""
        gone = [version for version in versions if not version.is_delete_marker]
        self.blobs.discard(*(version.file for version in gone))
        return sum(version.size for version in gone)

    def notify(  # noqa: PLR0913, PLR0917 - the fields of an event
        self, name: str, bucket: str, key: str, etag: str, size: int, delta: int, origin: Origin
    ) -> None:
        """Send an event to all listeners."""
        when = self.clock.now()
        event = ObjectEvent(name, bucket, key, etag, size, delta, when, origin.request_id, origin.source_ip)
        for listener in self.listeners:
            listener(event)

    def now(self) -> datetime:
        """Return the time in seconds, as OSS stores it."""
        return self.clock.now().replace(microsecond=0)
