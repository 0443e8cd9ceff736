"""Objects above 1 GB are copied in parts; tested with the smallest part size of OSS, on the local cloud."""

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
HEADERS = ObjectHeaders("audio/flac", {"clipstitch-job": "j-1"})


@pytest.fixture
def objects(cloud_environment: dict[str, str]) -> OssObjectStore:
    """Return an object store that copies everything above 100 KB in parts."""
    settings = read_settings(cloud_environment)
    buckets = OssBuckets(settings.oss_endpoint, settings.oss_region, read_access_key(cloud_environment))
    return OssObjectStore(buckets, single_bytes=PART_BYTES, part_bytes=PART_BYTES)


@pytest.mark.parametrize("size", [PART_BYTES + 1, 10 * PART_BYTES, 10 * PART_BYTES + 7])
def test_a_large_copy_has_the_same_bytes_and_its_own_headers(objects: OssObjectStore, size: int) -> None:
    """The number of parts and the order in which they are copied make no difference."""
    source, target = ObjectRef(BUCKET, f"large/{size}"), ObjectRef(BUCKET, f"large/copy-of-{size}")
    body = os.urandom(size)
    objects.write(source, body, ObjectHeaders())

    copied = objects.copy(source, target, HEADERS)

    content = objects.read(target)
    assert body == content.body
    assert (copied.etag, size, {"clipstitch-job": "j-1"}) == (content.about.etag, copied.size, dict(content.about.meta))


def test_a_large_copy_can_replace_the_head_of_its_source(objects: OssObjectStore) -> None:
    """An MP3 with chapters is copied this way: new bytes replace the old head."""
    source, target = ObjectRef(BUCKET, "large/song"), ObjectRef(BUCKET, "large/song-with-chapters")
    body, head = os.urandom(5 * PART_BYTES), os.urandom(PART_BYTES)
    objects.write(source, body, ObjectHeaders())

    copied = objects.copy(source, target, HEADERS, front=HeadReplacement(head, replaces=10))

    assert head + body[10:] == objects.read(target).body
    assert len(head) + len(body) - 10 == copied.size


def test_a_large_copy_with_create_once_keeps_an_existing_object(objects: OssObjectStore) -> None:
    """A copy in parts does not replace an existing output either."""
    source, target = ObjectRef(BUCKET, "large/source"), ObjectRef(BUCKET, "large/taken")
    objects.write(source, os.urandom(2 * PART_BYTES), ObjectHeaders())
    objects.write(target, b"existing", ObjectHeaders())

    with pytest.raises(AlreadyExists):
        objects.copy(source, target, HEADERS, once=True)
    assert b"existing" == objects.read(target).body
