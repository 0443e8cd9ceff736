"""Multipart uploads: parts that become one object. Knows no HTTP."""

import hashlib
import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain
from pathlib import Path

from localyun.errors import ServiceError
from localyun.oss.blobs import Source, chunks_of
from localyun.oss.values import (
    SEQUENTIAL_MD5,
    Origin,
    StoredObject,
    WriteOptions,
    already_exists,
    check_key,
    invalid_argument,
)
from localyun.oss.writer import ObjectWriter
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
EXISTS_EC = "0042-00000214"
# NoSuchUpload of UploadPart and UploadPartCopy, and of all other actions: integration tests of the vendor's Go SDK 2,
# read 2026-11; EntityTooSmall: page "0042-00000213".
NO_UPLOAD_EC, NO_UPLOAD_PART_EC, NO_UPLOAD_COPY_EC = "0042-00000002", "0042-00000104", "0042-00000311"
TOO_SMALL_EC = "0042-00000213"
PartList = Sequence[tuple[int, str]]  # numbers and ETags


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
class UploadPart:
    """A stored part of an upload."""

    number: int
    etag: str
    size: int
    crc64: int
    file: Path
    last_modified: datetime


class Uploads:
    """The multipart uploads of an object service."""

    def __init__(self, database: Database, writer: ObjectWriter) -> None:
        self._database = database
        self._writer = writer
        self._index, self._blobs = writer.index, writer.blobs

    def begin(self, bucket: str, key: str, options: WriteOptions) -> Upload:
        """Begin an upload. Raises FileAlreadyExists with `forbid_overwrite` if the object exists already."""
        check_key(key)
        if options.forbid_overwrite and self._index.find(bucket, key) and not self._index.bucket(bucket).versioning:
            raise already_exists(key)
        content_type, headers = options.content_type, options.headers
        upload_id = self._writer.clock.token(16).upper()
        upload = Upload(upload_id, bucket, key, self._writer.now(), content_type, headers)
        row = (upload_id, bucket, key.encode(), upload.initiated.isoformat(), content_type, json.dumps(dict(headers)))
        with self._database.change() as db:
            self._index.bucket(bucket)
            db.execute("INSERT INTO uploads VALUES(?,?,?,?,?,?)", row)
        self._notify("ObjectCreated:InitiateMultipartUpload", upload, options.origin)
        return upload

    def add(
        self, upload: Upload, number: int, source: Source, *, event: str = "UploadPart", origin: Origin
    ) -> UploadPart:
        """Store a part, or replace the one with the same number.

        Raises InvalidArgument, NoSuchUpload, or PartNotSequential if the parts must arrive in order and do not.
        """
        if not 1 <= number <= MAX_PART_NUMBER:
            text = f"Part number must be an integer between 1 and {MAX_PART_NUMBER}, inclusive."
            raise invalid_argument("partNumber", str(number), text)
        if SEQUENTIAL_MD5 in upload.headers and number - len(self.parts(upload)) not in {0, 1}:
            text = f"The parts of the upload must arrive in order, and part {number} does not."
            raise ServiceError(400, "PartNotSequential", text, PartNumber=str(number))
        blob = self._blobs.save(source)
        part = UploadPart(number, blob.md5.hex().upper(), blob.size, blob.crc64, blob.file, self._writer.now())
        self._store_part(upload, part)
        self._notify(f"ObjectCreated:{event}", upload, origin, part.etag, part.size)
        return part

    def get(self, bucket: str, key: str, upload_id: str, *, ec: str = NO_UPLOAD_EC) -> Upload:
        """Return an unfinished upload. Raises NoSuchBucket, or NoSuchUpload with an EC."""
        self._index.bucket(bucket)
        for row in self._database.rows("SELECT * FROM uploads WHERE upload_id=?", upload_id):
            if (row["bucket"], row["key"]) == (bucket, key.encode()):
                return _upload(row)
        raise _no_such_upload(upload_id, ec)

    def unfinished(self, bucket: str) -> list[Upload]:
        """Return the unfinished uploads of a bucket, sorted by key and id. Raises NoSuchBucket."""
        self._index.bucket(bucket)
        sql = "SELECT * FROM uploads WHERE bucket=? ORDER BY key, upload_id"
        return [_upload(row) for row in self._database.rows(sql, bucket)]

    def parts(self, upload: Upload) -> list[UploadPart]:
        """Return the parts of an upload, sorted by number."""
        sql = "SELECT * FROM parts WHERE upload_id=? ORDER BY number"
        return [self._part(row) for row in self._database.rows(sql, upload.upload_id)]

    def complete(
        self,
        upload: Upload,
        wanted: PartList | None,
        *,
        acl: str = "",
        forbid_overwrite: bool = False,
        origin: Origin,
    ) -> StoredObject:
        """Return the object made of the wanted parts (None: of all), and remove the upload; an `acl` replaces its own.

        Raises InvalidPartOrder, InvalidPart, EntityTooSmall, NoSuchUpload or FileAlreadyExists.
        """
        parts = _chosen(self.parts(upload), wanted)
        chunks = chain.from_iterable(chunks_of(part.file) for part in parts)
        headers = {**upload.headers, "x-oss-object-acl": acl} if acl else upload.headers
        options = WriteOptions(upload.content_type, headers, forbid_overwrite, origin)
        whole = self._writer.draft(upload.bucket, upload.key, chunks, options, "Multipart")
        md5 = {SEQUENTIAL_MD5: whole.etag} if SEQUENTIAL_MD5 in headers else {}
        draft = replace(whole, etag=_etag(parts), headers={**headers, **md5})
        new = self._writer.commit(
            draft,
            "CompleteMultipartUpload",
            options,
            ec=EXISTS_EC,
            before=lambda db, _old: self._remove(db, upload),
        )
        self._blobs.discard(*(part.file for part in parts))
        return new

    def abort(self, upload: Upload, origin: Origin) -> None:
        """Remove an upload and its parts. Raises NoSuchUpload."""
        parts = self.parts(upload)
        with self._database.change(frees_space=True) as db:
            self._remove(db, upload)
        self._blobs.discard(*(part.file for part in parts))
        self._notify("ObjectRemoved:AbortMultipartUpload", upload, origin)

    def files(self) -> set[str]:
        """Return the names of all files that parts refer to."""
        return {row["file"] for row in self._database.rows("SELECT file FROM parts")}

    def _store_part(self, upload: Upload, part: UploadPart) -> None:
        when = part.last_modified.isoformat()
        row = (upload.upload_id, part.number, part.etag, part.size, str(part.crc64), part.file.name, when)
        with self._database.change() as db:
            if not db.execute("SELECT 1 FROM uploads WHERE upload_id=?", row[:1]).fetchone():
                part.file.unlink(missing_ok=True)
                raise _no_such_upload(upload.upload_id, NO_UPLOAD_PART_EC)
            old = db.execute("SELECT file FROM parts WHERE upload_id=? AND number=?", row[:2]).fetchone()
            db.execute("REPLACE INTO parts VALUES(?,?,?,?,?,?,?)", row)
        if old:
            self._blobs.discard(self._blobs.path(old["file"]))

    def _remove(self, db: sqlite3.Connection, upload: Upload) -> None:
        """Remove the rows of an upload; of two requests that finish it, the second raises NoSuchUpload."""
        if not db.execute("DELETE FROM uploads WHERE upload_id=?", (upload.upload_id,)).rowcount:
            raise _no_such_upload(upload.upload_id)
        db.execute("DELETE FROM parts WHERE upload_id=?", (upload.upload_id,))

    def _notify(self, name: str, upload: Upload, origin: Origin, etag: str = "", size: int = 0) -> None:
        """Send an event of an unfinished upload."""
        self._writer.notify(name, upload.bucket, upload.key, etag, size, size, origin)

    def _part(self, row: sqlite3.Row) -> UploadPart:
        file, when = self._blobs.path(row["file"]), datetime.fromisoformat(row["last_modified"])
        return UploadPart(row["number"], row["etag"], row["size"], int(row["crc64"]), file, when)


def _etag(parts: Sequence[UploadPart]) -> str:
    """Return the ETag of the object made of parts: the MD5 of their MD5s as upper-case hex, and their count.

    The tests of the vendor's Go SDK 3.0.2 contain such an ETag and the file, read 2026-11.
    """
    etags = "".join(part.etag for part in parts).encode()
    return f"{hashlib.md5(etags, usedforsecurity=False).hexdigest().upper()}-{len(parts)}"


def _upload(row: sqlite3.Row) -> Upload:
    initiated, headers = datetime.fromisoformat(row["initiated"]), json.loads(row["headers"])
    return Upload(row["upload_id"], row["bucket"], row["key"].decode(), initiated, row["content_type"], headers)


def _chosen(parts: Sequence[UploadPart], wanted: PartList | None) -> list[UploadPart]:
    """Return the wanted parts. Raises InvalidPartOrder, InvalidPart or EntityTooSmall."""
    by_number = {part.number: part for part in parts}
    numbers = [number for number, _ in wanted] if wanted is not None else list(by_number)
    if numbers != sorted(set(numbers)):
        raise ServiceError(400, "InvalidPartOrder", "The list of parts was not in ascending order.")
    for number, etag in wanted or ():
        if number not in by_number or by_number[number].etag != etag.strip('"').upper():
            text = "One or more of the specified parts could not be found or the ETag did not match."
            raise ServiceError(400, "InvalidPart", text, PartNumber=str(number))
    chosen = [by_number[number] for number in numbers]
    _check_sizes(chosen)
    return chosen


def _check_sizes(parts: Sequence[UploadPart]) -> None:
    for part in parts[:-1]:
        if part.size < MIN_PART_BYTES:
            details = {"MinSizeAllowed": str(MIN_PART_BYTES), "ProposedSize": str(part.size)}
            details |= {"PartNumber": str(part.number), "ETag": part.etag}
            text = "Your proposed upload smaller than the minimum allowed size."
            raise ServiceError(400, "EntityTooSmall", text, ec=TOO_SMALL_EC, **details)


def _no_such_upload(upload_id: str, ec: str = NO_UPLOAD_EC) -> ServiceError:
    text = (
        "The specified upload does not exist. "
        "The upload ID may be invalid, or the upload may have been aborted or completed."
    )
    return ServiceError(404, "NoSuchUpload", text, ec=ec, UploadId=upload_id)
