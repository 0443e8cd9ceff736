"""What a bucket has: bytes and objects by storage class, delete markers, uploads. Reads rows only."""

from dataclasses import dataclass

from localyun.sqlite import Database

# OSS bills small objects of other classes than Standard as this many bytes ("Billing of storage", read 2026-11).
LEAST_BILLED_BYTES = 64 * 1024
_VERSIONS = """
SELECT kind, size, coalesce(json_extract(headers, '$."x-oss-storage-class"'), 'Standard') AS class
    FROM objects WHERE bucket=?
UNION ALL SELECT kind, size, coalesce(json_extract(headers, '$."x-oss-storage-class"'), 'Standard')
    FROM versions WHERE bucket=?"""
_PARTS = "SELECT count(*) AS count FROM parts JOIN uploads USING(upload_id) WHERE bucket=?"


@dataclass(frozen=True)
class ClassUsage:
    """The versions of one storage class. `billed_bytes` counts small ones as larger."""

    storage_class: str
    count: int
    size: int
    billed_bytes: int


@dataclass(frozen=True)
class BucketStatistics:
    """What a bucket has; delete markers are no objects."""

    classes: list[ClassUsage]
    delete_markers: int
    uploads: int
    parts: int


def bucket_statistics(database: Database, bucket: str) -> BucketStatistics:
    """Return what a bucket has."""
    sizes: dict[str, list[int]] = {}
    markers = 0
    for row in database.rows(_VERSIONS, bucket, bucket):
        if row["kind"] == "DeleteMarker":
            markers += 1
        else:
            sizes.setdefault(row["class"], []).append(row["size"])
    usages = [_usage(name, found) for name, found in sizes.items()]
    (uploads,) = database.rows("SELECT count(*) AS count FROM uploads WHERE bucket=?", bucket)
    (parts,) = database.rows(_PARTS, bucket)
    return BucketStatistics(usages, markers, uploads["count"], parts["count"])


def _usage(storage_class: str, sizes: list[int]) -> ClassUsage:
    least = 0 if storage_class == "Standard" else LEAST_BILLED_BYTES
    return ClassUsage(storage_class, len(sizes), sum(sizes), sum(max(size, least) for size in sizes))
