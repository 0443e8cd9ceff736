"""Copies above a gigabyte are made in parts; here with parts of the least size that OSS takes, on the local cloud."""

import os

import pytest

from clipstitch.adapters.oss import OssBuckets, OssObjectStore
from clipstitch.common.credentials import read_access_key
from clipstitch.common.errors import AlreadyExists
from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.ports import HeadReplacement, ObjectHeaders
from clipstitch.usecases.settings import read_settings

PART_BYTES = 100 << 10  # OSS, "UploadPartCopy", 2026: every part but the last has at least 100 KB
BUCKET = "clipstitch"
LABELS = ObjectHeaders("audio/flac", {"clipstitch-job": "j-1"})


@pytest.fixture
def objects(cloud_environment: dict[str, str]) -> OssObjectStore:
    """Return objects for which everything is large."""
    settings = read_settings(cloud_environment)
    buckets = OssBuckets(settings.oss_endpoint, settings.oss_region, read_access_key(cloud_environment))
    return OssObjectStore(buckets, single_bytes=PART_BYTES, part_bytes=PART_BYTES)


@pytest.mark.parametrize("size", [PART_BYTES + 1, 10 * PART_BYTES, 10 * PART_BYTES + 7])
def test_a_large_copy_has_the_same_bytes_and_its_own_labels(objects: OssObjectStore, size: int) -> None:
    """However many parts there are, and in whatever order they are copied."""
    source, target = ObjectRef(BUCKET, f"large/{size}"), ObjectRef(BUCKET, f"large/copy-of-{size}")
    body = os.urandom(size)
    objects.write(source, body, ObjectHeaders())

    copied = objects.copy(source, target, LABELS)

    made = objects.read(target)
    assert body == made.body
    assert (copied.etag, size, {"clipstitch-job": "j-1"}) == (made.about.etag, copied.size, dict(made.about.meta))


def test_a_large_copy_may_begin_with_something_else(objects: OssObjectStore) -> None:
    """As an MP3 with chapters does."""
    source, target = ObjectRef(BUCKET, "large/song"), ObjectRef(BUCKET, "large/song-with-chapters")
    body, front = os.urandom(5 * PART_BYTES), os.urandom(PART_BYTES)
    objects.write(source, body, ObjectHeaders())

    copied = objects.copy(source, target, LABELS, front=HeadReplacement(front, replaces=10))

    assert front + body[10:] == objects.read(target).body
    assert len(front) + len(body) - 10 == copied.size


def test_a_large_copy_takes_no_name_that_is_taken(objects: OssObjectStore) -> None:
    """Create-once holds for copies in parts, too: nobody's output is replaced by a large one."""
    source, target = ObjectRef(BUCKET, "large/source"), ObjectRef(BUCKET, "large/taken")
    objects.write(source, os.urandom(2 * PART_BYTES), ObjectHeaders())
    objects.write(target, b"somebody's", ObjectHeaders())

    with pytest.raises(AlreadyExists):
        objects.copy(source, target, LABELS, once=True)
    assert b"somebody's" == objects.read(target).body
