"""Symbolic links and archived objects, with the vendor's clients."""

from collections.abc import Callable, Iterator
from typing import Any

import alibabacloud_oss_v2 as oss
import oss2
import pytest

from localyun.errors import ServiceError
from tests.localyun.oss_world import BUCKET, World, world

DAY = 24 * 3600


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Serve OSS."""
    with world(tmp_path_factory.mktemp("oss")) as started:
        yield started


@pytest.fixture
def bucket(here: World) -> oss2.Bucket:
    """Return the bucket."""
    return here.bucket()


def error(act: Callable[..., Any], *args: Any, **kwargs: Any) -> tuple[int, str]:
    """Return status and code of the error of a call."""
    with pytest.raises(oss2.exceptions.ServerError) as caught:
        act(*args, **kwargs)
    return caught.value.status, caught.value.details.get("Code", caught.value.code)


def archived(bucket: oss2.Bucket, storage_class: str, key: str = "cold") -> None:
    """Put an archived object."""
    bucket.put_object(key, b"frozen", headers={"x-oss-storage-class": storage_class})


def restore_request(days: int, tier: str = "") -> oss2.models.RestoreConfiguration:
    """Return the body of a restore."""
    job = oss2.models.RestoreJobParameters(tier) if tier else None
    return oss2.models.RestoreConfiguration(days, job)


def test_a_symbolic_link_is_read_through(bucket: oss2.Bucket) -> None:
    """Contents, length and ETag are the target's, metadata and type the link's."""
    target = bucket.put_object("songs/été+1.txt", b"hello", headers={"x-oss-meta-of": "target"})
    bucket.put_symlink("songs/été+1.txt", "link", headers={"x-oss-meta-of": "link"})
    got, head = bucket.get_object("link"), bucket.head_object("link")
    meta = bucket.get_object_meta("link")
    part = bucket.get_object("link", byte_range=(1, 2))

    assert (got.read(), part.read()) == (b"hello", b"el")
    assert {got.etag, head.etag, meta.headers["ETag"].strip('"')} == {target.etag}
    assert (head.content_length, head.object_type) == (5, "Symlink")
    assert head.headers["x-oss-meta-of"] == "link"
    assert "x-oss-symlink-target" not in head.headers
    assert bucket.get_symlink("link").target_key == "songs/été+1.txt"


def test_a_list_shows_the_type_of_a_link(bucket: oss2.Bucket) -> None:
    """And the length of the link itself."""
    bucket.put_symlink("anything", "listed-link")
    (found,) = bucket.list_objects(prefix="listed-link").object_list

    assert (found.type, found.size) == ("Symlink", 0)


def test_a_link_without_a_readable_target_is_an_error(bucket: oss2.Bucket) -> None:
    """It may point anywhere, but not to another link."""
    bucket.put_symlink("absent", "dangling")
    bucket.put_symlink("dangling", "chain")
    bucket.put_object("plain", b"1")

    for act in (bucket.get_object, bucket.head_object):
        assert error(act, "dangling") == (404, "SymlinkTargetNotExist")
        assert error(act, "chain") == (400, "InvalidTargetType")
    assert error(bucket.get_symlink, "plain") == (400, "NotSymlink")
    assert error(bucket.get_symlink, "absent") == (404, "NoSuchKey")
    assert error(bucket.put_symlink, "", "x") == (400, "InvalidArgument")
    assert bucket.get_symlink("dangling").target_key == "absent"


def test_a_copy_of_a_link_is_a_link(bucket: oss2.Bucket) -> None:
    """A put replaces a link by an object; create-once applies to links, too."""
    bucket.put_object("original", b"1")
    bucket.put_symlink("original", "l")
    bucket.copy_object(BUCKET, "l", "copied-link")
    refused = error(bucket.put_symlink, "x", "l", headers={"x-oss-forbid-overwrite": "true"})
    bucket.put_object("original", b"22")
    seen = bucket.get_object("copied-link").read()
    bucket.put_object("l", b"own")

    assert (seen, bucket.get_symlink("copied-link").target_key) == (b"22", "original")
    assert refused == (409, "FileAlreadyExists")
    assert error(bucket.get_symlink, "l") == (400, "NotSymlink")


@pytest.mark.parametrize("storage_class", ["Archive", "ColdArchive", "DeepColdArchive"])
def test_an_archived_object_is_read_after_it_was_restored(here: World, bucket: oss2.Bucket, storage_class: str) -> None:
    """A restore takes seconds here and lasts for days; then the object is frozen again."""
    archived(bucket, storage_class)
    before = error(bucket.get_object, "cold"), bucket.head_object("cold").headers.get("x-oss-restore")
    begun = bucket.restore_object("cold").status
    ongoing = bucket.head_object("cold").headers["x-oss-restore"]
    (listed,) = bucket.list_objects(prefix="cold").object_list
    during = error(bucket.restore_object, "cold"), error(bucket.get_object, "cold")
    here.clock.turn(6)
    done = bucket.get_object("cold")
    again = bucket.restore_object("cold", input=restore_request(3)).status
    here.clock.turn(2 * DAY)
    prolonged = here.objects.read(BUCKET, "cold").file.read_bytes()
    here.clock.turn(2 * DAY)
    with pytest.raises(ServiceError) as frozen:
        here.objects.read(BUCKET, "cold")
    here.clock.turn(-4 * DAY)  # requests are signed with the time of the host

    assert before == ((403, "InvalidObjectState"), None)
    assert (begun, ongoing, again) == (202, 'ongoing-request="true"', 200)
    assert (listed.storage_class, listed.restore_info) == (storage_class, 'ongoing-request="true"')
    assert during == ((409, "RestoreAlreadyInProgress"), (403, "InvalidObjectState"))
    assert done.read() == prolonged == b"frozen"
    assert done.headers["x-oss-restore"].startswith('ongoing-request="false", expiry-date="')
    assert frozen.value.code == "InvalidObjectState"


def test_what_reads_an_archived_object_is_refused(here: World, bucket: oss2.Bucket) -> None:
    """Copies, links to it, and media processing; its metadata can be read."""
    archived(bucket, "Archive", "ice")
    bucket.put_symlink("ice", "to-ice")
    upload = bucket.init_multipart_upload("made").upload_id
    refusals = {
        error(bucket.copy_object, BUCKET, "ice", "x"),
        error(bucket.upload_part_copy, BUCKET, "ice", (0, 1), "made", upload, 1),
        error(bucket.get_object, "to-ice"),
        error(bucket.get_object, "ice", process="audio/info"),
    }
    bucket.put_object_acl("ice", "private")
    bucket.abort_multipart_upload("made", upload)

    assert refusals == {(403, "InvalidObjectState")}
    assert bucket.head_object("to-ice").content_length == 6
    assert not bucket.object_exists("x")


def test_a_restored_copy_is_frozen_again_on_its_own(here: World, bucket: oss2.Bucket) -> None:
    """A copy inherits neither the storage class nor the restore."""
    archived(bucket, "Archive", "source")
    bucket.restore_object("source")
    here.clock.turn(6)
    bucket.copy_object(BUCKET, "source", "standard")
    bucket.copy_object(BUCKET, "source", "cold-copy", headers={"x-oss-storage-class": "ColdArchive"})

    assert bucket.get_object("standard").read() == b"frozen"
    assert error(bucket.get_object, "cold-copy") == (403, "InvalidObjectState")


@pytest.mark.parametrize(
    ("storage_class", "days", "tier", "code"),
    [
        ("Standard", 1, "", "OperationNotSupported"),
        ("IA", 1, "", "OperationNotSupported"),
        ("Archive", 8, "", "InvalidArgument"),
        ("Archive", 0, "", "InvalidArgument"),
        ("Archive", 1, "Standard", "MalformedXML"),
        ("ColdArchive", 366, "", "InvalidArgument"),
        ("ColdArchive", 1, "wrong-tier", "InvalidArgument"),
        ("DeepColdArchive", 1, "Bulk", "InvalidArgument"),
    ],
)
def test_an_invalid_restore_is_refused(
    bucket: oss2.Bucket, storage_class: str, days: int, tier: str, code: str
) -> None:
    """The object stays as it is."""
    archived(bucket, storage_class, "wrong")

    assert error(bucket.restore_object, "wrong", input=restore_request(days, tier)) == (400, code)
    assert "x-oss-restore" not in bucket.head_object("wrong").headers


@pytest.mark.parametrize("tier", ["Expedited", "Standard", "Bulk"])
def test_the_priority_of_a_restore_is_returned(bucket: oss2.Bucket, tier: str) -> None:
    """Of classes that have one."""
    archived(bucket, "ColdArchive", tier)
    answer = bucket.restore_object(tier, input=restore_request(5, tier))

    assert answer.resp.headers["x-oss-object-restore-priority"] == tier


def test_a_restore_can_be_ended(here: World, bucket: oss2.Bucket) -> None:
    """Not while it is in progress."""
    client = here.client()
    archived(bucket, "ColdArchive", "thawed")
    bucket.restore_object("thawed")
    request = oss.CleanRestoredObjectRequest(BUCKET, "thawed")
    with pytest.raises(oss.exceptions.OperationError) as early:
        client.clean_restored_object(request)
    here.clock.turn(6)
    bucket.get_object("thawed").read()
    client.clean_restored_object(request)

    assert getattr(early.value.unwrap(), "code", "") == "ArchiveRestoreNotFinished"
    assert error(bucket.get_object, "thawed") == (403, "InvalidObjectState")


def test_objects_have_the_storage_class_of_their_bucket(here: World) -> None:
    """Unless an upload names another."""
    bucket = here.bucket("vault")
    bucket.create_bucket(input=oss2.models.BucketCreateConfig("Archive", "ZRS"))
    bucket.put_object("k", b"1")
    bucket.put_object("ia", b"1", headers={"x-oss-storage-class": "IA"})
    info = bucket.get_bucket_info()
    wrong = oss2.models.BucketCreateConfig("Frozen")

    assert (info.storage_class, info.data_redundancy_type) == ("Archive", "ZRS")
    assert error(bucket.get_object, "k") == (403, "InvalidObjectState")
    assert bucket.get_object("ia").read() == b"1"
    assert error(here.bucket("other").create_bucket, input=wrong)[0] == 400
