"""Names of objects and jobs. Knows no cloud and no time; everybody uses it."""

import hashlib
import re
from datetime import datetime, timezone
from typing import NamedTuple

_JOB_ID = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{12}")


class ObjectRef(NamedTuple):
    """An object in OSS, by bucket and key. The key is exact: nothing is ever trimmed or unquoted."""

    bucket: str
    key: str

    @property
    def uri(self) -> str:
        """The object as OSS and IMM write it.

        >>> ObjectRef("acme", "in/a b.mp3").uri
        'oss://acme/in/a b.mp3'
        """
        return f"oss://{self.bucket}/{self.key}"

    @classmethod
    def parse(cls, uri: str) -> "ObjectRef":
        """Read an `oss://bucket/key`; ValueError when it is not one.

        >>> ObjectRef.parse("oss://acme/in/a.mp3")
        ObjectRef(bucket='acme', key='in/a.mp3')
        """
        bucket, slash, key = uri.removeprefix("oss://").partition("/")
        if not (uri.startswith("oss://") and bucket and slash and key):
            raise ValueError(f"{uri!r} is not of the form oss://bucket/key")
        return cls(bucket, key)


class ManifestRef(NamedTuple):
    """One version of one manifest object: what makes a job. `etag` is bare, without quotes."""

    ref: ObjectRef
    etag: str


def job_id_of(manifest: ManifestRef, last_modified: datetime) -> str:
    """Name the job of a manifest version; every road to the same version arrives at the same name.

    Ids sort by the time of the upload.
    """
    stamp = last_modified.astimezone(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    identity = f"{manifest.ref.bucket}\n{manifest.ref.key}\n{manifest.etag}\n{stamp}"
    return f"{stamp}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"


def is_job_id(text: str) -> bool:
    """Say whether a text has the shape of a job id.

    >>> is_job_id("20260102T030405Z-0123456789ab")
    True
    """
    return _JOB_ID.fullmatch(text) is not None


def is_newer(job_id: str, than: str) -> bool:
    """Say whether a job's manifest came in a later second than another's; within a second nobody can tell.

    >>> is_newer("20260102T030406Z-000000000000", than="20260102T030405Z-ffffffffffff")
    True
    """
    return job_id.partition("-")[0] > than.partition("-")[0]


def uploaded_at(job_id: str) -> datetime:
    """Return when a job's manifest was uploaded, to the second.

    >>> uploaded_at("20260102T030405Z-0123456789ab").isoformat()
    '2026-01-02T03:04:05+00:00'
    """
    return datetime.strptime(job_id[:15] + "+0000", "%Y%m%dT%H%M%S%z")


def day_of(job_id: str) -> str:
    """Return the day of a job's manifest, as the ledger groups by it.

    >>> day_of("20260102T030405Z-0123456789ab")
    '2026-01-02'
    """
    return f"{job_id[:4]}-{job_id[4:6]}-{job_id[6:8]}"
