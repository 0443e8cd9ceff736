"""Multipart uploads: parts that become one object. Knows no HTTP; part of the object store."""

import hashlib
import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain
from pathlib import Path

from localyun.clock import CloudClock
from localyun.errors import ServiceError
from localyun.oss.blobs import Blob, BlobFolder, Source, chunks_of
from localyun.oss.store import ObjectIndex
from localyun.oss.values import Origin, StoredObject, already_exists, check_key
from localyun.sqlite import Database

SCHEMA = """
CREATE TABLE IF NOT EXISTS uploads(
    upload_id TEXT PRIMARY KEY, bucket TEXT, key BLOB, initiated TEXT, content_type TEXT, headers TEXT);
CREATE TABLE IF NOT EXISTS parts(
    upload_id TEXT, number INTEGER, etag TEXT, size INTEGER, crc64 TEXT, file TEXT, last_modified TEXT,
    PRIMARY KEY(upload_id, number)) WITHOUT ROWID;
"""
# OSS API reference, UploadPart and CompleteMultipartUpload, read 2026-11.
MAX_PART_NUMBER = 10_000
MIN_PART_BYTES = 100 * 1024
ONCE_EC = "0042-00000214"
Tell = Callable[[str, StoredObject, int, Origin], None]


@dataclass(frozen=True)
class Upload:
    """An unfinished multipart upload."""

    upload_id: str
    bucket: str
    key: str
    initiated: datetime
    content_type: str
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Part:
    """One part of an upload, already on disk."""

    number: int
    etag: str
    size: int
    crc64: int
    file: Path
    last_modified: datetime


class Uploads:
    """The multipart uploads of an object store."""

    def __init__(
        self, database: Database, index: ObjectIndex, blobs: BlobFolder, clock: CloudClock, tell: Tell
    ) -> None:
        self._database = database
        self._index = index
        self._blobs = blobs
        self._clock = clock
        self._tell = tell

    def begin(
        self,
        bucket: str,
        key: str,
        *,
        content_type: str,
        headers: Mapping[str, str],
        once: bool,
        origin: Origin,
    ) -> Upload:
        """Begin an upload; with `once`, refuse early when the object exists."""
        check_key(key)
        if once and self._index.find(bucket, key) and not self._index.bucket(bucket).versioning:
            raise already_exists(key)
        upload = Upload(self._clock.token(16).upper(), bucket, key, self._now(), content_type, headers)
        when, kept = upload.initiated.isoformat(), json.dumps(dict(headers))
        with self._database.change() as db:
            self._index.bucket(bucket)
            row = (upload.upload_id, bucket, key.encode(), when, content_type, kept)
            db.execute("INSERT INTO uploads VALUES(?,?,?,?,?,?)", row)
        self._tell("ObjectCreated:InitiateMultipartUpload", self._seen(upload), 0, origin)
        return upload

    def add(
        self,
        upload: Upload,
        number: int,
        source: Source,
        *,
        event: str = "UploadPart",
        origin: Origin,
    ) -> Part:
        """Store a part; one of the same number is replaced."""
        if not 1 <= number <= MAX_PART_NUMBER:
            text = f"Part number must be an integer between 1 and {MAX_PART_NUMBER}, inclusive."
            raise ServiceError(400, "InvalidArgument", text, ArgumentName="partNumber", ArgumentValue=str(number))
        blob = self._blobs.save(chunks_of(source))
        part = Part(number, blob.md5.hex().upper(), blob.size, blob.crc64, blob.file, self._now())
        self._store_part(upload, part)
        self._tell(f"ObjectCreated:{event}", self._seen(upload, part.etag, part.size), part.size, origin)
        return part

    def get(self, bucket: str, key: str, upload_id: str) -> Upload:
        """Return an unfinished upload, or refuse with NoSuchUpload."""
        self._index.bucket(bucket)
        for row in self._database.rows("SELECT * FROM uploads WHERE upload_id=?", upload_id):
            if (row["bucket"], row["key"]) == (bucket, key.encode()):
                return _upload(row)
        raise _no_such_upload(upload_id)

    def unfinished(self, bucket: str) -> list[Upload]:
        """Return the unfinished uploads of a bucket, by key, then by id."""
        self._index.bucket(bucket)
        sql = "SELECT * FROM uploads WHERE bucket=? ORDER BY key, upload_id"
        return [_upload(row) for row in self._database.rows(sql, bucket)]

    def parts(self, upload: Upload) -> list[Part]:
        """Return the parts of an upload by number."""
        sql = "SELECT * FROM parts WHERE upload_id=? ORDER BY number"
        return [self._part(row) for row in self._database.rows(sql, upload.upload_id)]

    def complete(
        self, upload: Upload, wanted: Sequence[tuple[int, str]] | None, *, once: bool, origin: Origin
    ) -> StoredObject:
        """Make one object of the wanted parts (None: of all), and forget the upload."""
        parts = _chosen(self.parts(upload), wanted)
        blob = self._blobs.save(chain.from_iterable(chunks_of(part.file) for part in parts))
        try:
            new, old = self._index.store(
                self._object(upload, parts, blob),
                once=once,
                once_ec=ONCE_EC,
                also=lambda db, _old: self._forget(db, upload),
            )
        except BaseException:
            blob.file.unlink(missing_ok=True)
            raise
        for file in [part.file for part in parts] + ([old.file] if old else []):
            self._blobs.discard(file)
        self._tell("ObjectCreated:CompleteMultipartUpload", new, new.size - (old.size if old else 0), origin)
        return new

    def abort(self, upload: Upload, origin: Origin) -> None:
        """Forget an upload and its parts."""
        parts = self.parts(upload)
        with self._database.change() as db:
            self._forget(db, upload)
        for part in parts:
            self._blobs.discard(part.file)
        self._tell("ObjectRemoved:AbortMultipartUpload", self._seen(upload), 0, origin)

    def files(self) -> set[str]:
        """Return the names of all files that parts refer to."""
        return {row["file"] for row in self._database.rows("SELECT file FROM parts")}

    def _store_part(self, upload: Upload, part: Part) -> None:
        when = part.last_modified.isoformat()
        row = (upload.upload_id, part.number, part.etag, part.size, str(part.crc64), part.file.name, when)
        same = (upload.upload_id, part.number)
        with self._database.change() as db:
            if not db.execute("SELECT 1 FROM uploads WHERE upload_id=?", same[:1]).fetchone():
                part.file.unlink(missing_ok=True)
                raise _no_such_upload(upload.upload_id)
            old = db.execute("SELECT file FROM parts WHERE upload_id=? AND number=?", same).fetchone()
            db.execute("REPLACE INTO parts VALUES(?,?,?,?,?,?,?)", row)
        if old:
            self._blobs.discard(self._blobs.path(old["file"]))

    def _forget(self, db: sqlite3.Connection, upload: Upload) -> None:
        """Remove an upload's rows; of two that finish the same upload, the second is refused."""
        if not db.execute("DELETE FROM uploads WHERE upload_id=?", (upload.upload_id,)).rowcount:
            raise _no_such_upload(upload.upload_id)
        db.execute("DELETE FROM parts WHERE upload_id=?", (upload.upload_id,))

    def _object(self, upload: Upload, parts: Sequence[Part], blob: Blob) -> StoredObject:
        """Describe the object that parts become; its ETag is the MD5 of their MD5s and their count."""
        digests = b"".join(bytes.fromhex(part.etag) for part in parts)
        etag = f"{hashlib.md5(digests, usedforsecurity=False).hexdigest().upper()}-{len(parts)}"
        seen = self._seen(upload, etag, blob.size)
        return replace(seen, crc64=blob.crc64, file=blob.file, last_modified=self._now())

    def _seen(self, upload: Upload, etag: str = "", size: int = 0) -> StoredObject:
        """Describe an upload as the object that it is about to become."""
        return StoredObject(
            bucket=upload.bucket,
            key=upload.key,
            etag=etag,
            size=size,
            last_modified=upload.initiated,
            content_type=upload.content_type,
            headers=upload.headers,
            crc64=0,
            kind="Multipart",
            file=Path(),
        )

    def _part(self, row: sqlite3.Row) -> Part:
        file, when = self._blobs.path(row["file"]), datetime.fromisoformat(row["last_modified"])
        return Part(row["number"], row["etag"], row["size"], int(row["crc64"]), file, when)

    def _now(self) -> datetime:
        return self._clock.now().replace(microsecond=0)


def _upload(row: sqlite3.Row) -> Upload:
    begun, headers = datetime.fromisoformat(row["initiated"]), json.loads(row["headers"])
    return Upload(row["upload_id"], row["bucket"], row["key"].decode(), begun, row["content_type"], headers)


def _chosen(parts: Sequence[Part], wanted: Sequence[tuple[int, str]] | None) -> list[Part]:
    """Pick the wanted parts, or refuse what OSS refuses: order, unknown parts, small parts."""
    there = {part.number: part for part in parts}
    numbers = [number for number, _ in wanted] if wanted is not None else list(there)
    if numbers != sorted(set(numbers)):
        text = "The list of parts was not in ascending order."
        raise ServiceError(400, "InvalidPartOrder", text)
    for number, etag in wanted or ():
        if number not in there or there[number].etag != etag.strip('"').upper():
            text = "One or more of the specified parts could not be found or the ETag did not match."
            raise ServiceError(400, "InvalidPart", text, PartNumber=str(number))
    chosen = [there[number] for number in numbers]
    _check_sizes(chosen)
    return chosen


def _check_sizes(parts: Sequence[Part]) -> None:
    if not parts:
        raise ServiceError(400, "InvalidPart", "An upload needs at least one part.")
    for part in parts[:-1]:
        if part.size < MIN_PART_BYTES:
            text = f"Your proposed upload is smaller than the minimum allowed size ({MIN_PART_BYTES} bytes)."
            raise ServiceError(400, "EntityTooSmall", text, PartNumber=str(part.number))


def _no_such_upload(upload_id: str) -> ServiceError:
    text = "The specified upload does not exist. The upload ID may be invalid, or it was aborted or completed."
    return ServiceError(404, "NoSuchUpload", text, UploadId=upload_id)
