"""References to objects and manifests, and job ids."""

import hashlib
import re
from datetime import datetime, timezone
from typing import NamedTuple

_JOB_ID = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{12}")


class ObjectRef(NamedTuple):
    """An object in OSS, by bucket and key. The key is exact: it is never trimmed or URL-decoded."""

    bucket: str
    key: str

    @property
    def uri(self) -> str:
        """The URI of the object, as OSS and IMM write it.

        >>> ObjectRef("acme", "in/a b.mp3").uri
        'oss://acme/in/a b.mp3'
        """
        return f"oss://{self.bucket}/{self.key}"

    @classmethod
    def parse(cls, uri: str) -> "ObjectRef":
        """Return the object of an `oss://bucket/key` URI. Raises `ValueError` if it is not of that form.

        >>> ObjectRef.parse("oss://acme/in/a.mp3")
        ObjectRef(bucket='acme', key='in/a.mp3')
        """
        bucket, slash, key = uri.removeprefix("oss://").partition("/")
        if not (uri.startswith("oss://") and bucket and slash and key):
            raise ValueError(f"{uri!r} is not of the form oss://bucket/key")
        return cls(bucket, key)


class ManifestRef(NamedTuple):
    """One version of a manifest object; it identifies a job. `etag` has no quotes."""

    ref: ObjectRef
    etag: str


def job_id_of(manifest: ManifestRef, last_modified: datetime) -> str:
    """Return the job id of a manifest version. It depends on the version only; ids sort by the time of the upload."""
    stamp = upload_stamp(last_modified)
    identity = f"{manifest.ref.bucket}\n{manifest.ref.key}\n{manifest.etag}\n{stamp}"
    return f"{stamp}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"


def upload_stamp(moment: datetime) -> str:
    """Return the beginning of the ids of jobs whose manifests were uploaded in a second; earlier ids are less.

    >>> upload_stamp(datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc))
    '20260102T030405Z'
    """
    return moment.astimezone(timezone.utc).strftime("%Y%m%dT%H%M%SZ")


def is_job_id(text: str) -> bool:
    """Return True if a string has the form of a job id.

    >>> is_job_id("20260102T030405Z-0123456789ab")
    True
    """
    return _JOB_ID.fullmatch(text) is not None


def is_newer(job_id: str, than: str) -> bool:
    """Return True if a job's manifest was uploaded in a later second than that of the other job.

    >>> is_newer("20260102T030406Z-000000000000", than="20260102T030405Z-ffffffffffff")
    True
    """
    return job_id.partition("-")[0] > than.partition("-")[0]


def uploaded_at(job_id: str) -> datetime:
    """Return the time at which a job's manifest was uploaded, in whole seconds.

    >>> uploaded_at("20260102T030405Z-0123456789ab").isoformat()
    '2026-01-02T03:04:05+00:00'
    """
    spans = ((0, 4), (4, 6), (6, 8), (9, 11), (11, 13), (13, 15))  # `strptime` would take ten times as long
    year, month, day, hour, minute, second = (int(job_id[start:end]) for start, end in spans)
    return datetime(year, month, day, hour, minute, second, tzinfo=timezone.utc)


def day_of(job_id: str) -> str:
    """Return the day on which a job's manifest was uploaded, which is a folder of the job store.

    >>> day_of("20260102T030405Z-0123456789ab")
    '2026-01-02'
    """
    return f"{job_id[:4]}-{job_id[4:6]}-{job_id[6:8]}"
