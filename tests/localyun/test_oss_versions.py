"""Versions of objects, with the vendor's clients: what a bucket keeps, shows and deletes."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import oss2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oss2.models import BatchDeleteObjectVersion, BatchDeleteObjectVersionList, BucketVersioningConfig

from localyun.oss.service import ObjectService
from localyun.oss.versions import VersionQuery
from tests.localyun.oss_world import TurnedClock, World, world

NAME = "versioned"


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Serve OSS."""
    with world(tmp_path_factory.mktemp("oss")) as started:
        yield started


@pytest.fixture
def bucket(here: World) -> Iterator[oss2.Bucket]:
    """Return an empty bucket with versioning, which is removed afterwards."""
    bucket = here.bucket(NAME)
    bucket.create_bucket()
    set_versioning(bucket, "Enabled")
    yield bucket
    listed = bucket.list_object_versions(max_keys=1000)
    for version in [*listed.versions, *listed.delete_marker]:
        bucket.delete_object(version.key, params={"versionId": version.versionid})
    bucket.delete_bucket()


def set_versioning(bucket: oss2.Bucket, status: str) -> None:
    """Enable or suspend versioning."""
    config = BucketVersioningConfig()
    config.status = status
    bucket.put_bucket_versioning(config)


def error(act: Callable[..., Any], *args: Any, **kwargs: Any) -> oss2.exceptions.ServerError:
    """Return the error of a call."""
    with pytest.raises(oss2.exceptions.ServerError) as caught:
        act(*args, **kwargs)
    return caught.value


def of(version_id: str) -> dict[str, str]:
    """Return the parameters of a version."""
    return {"versionId": version_id}


def put(bucket: oss2.Bucket, key: str, *contents: bytes) -> list[str]:
    """Put an object several times; return the ids of its versions."""
    return [bucket.put_object(key, content).versionid for content in contents]


def test_every_version_can_be_read(bucket: oss2.Bucket) -> None:
    """By GET, HEAD and GetObjectMeta; without an id, the newest one is."""
    first, second = put(bucket, "k", b"1", b"22")
    old = bucket.get_object("k", params=of(first))

    assert old.read() == b"1"
    assert old.versionid == first
    assert bucket.get_object("k").read() == b"22"
    assert bucket.head_object("k", params=of(first)).content_length == 1
    assert bucket.get_object_meta("k", params=of(first)).content_length == 1
    assert bucket.head_object("k").versionid == second


def test_a_deleted_object_keeps_its_versions_below_a_marker(bucket: oss2.Bucket) -> None:
    """A GET says that there is a marker; a marker itself has no contents; without it the object is back."""
    first, second = put(bucket, "k", b"1", b"2")
    deleted = bucket.delete_object("k")
    missing = error(bucket.get_object, "k")
    marker = error(bucket.get_object, "k", params=of(deleted.versionid))
    listed = [found.key for found in bucket.list_objects().object_list]
    removed = bucket.delete_object("k", params=of(deleted.versionid))

    assert deleted.delete_marker
    assert (missing.code, missing.headers["x-oss-delete-marker"]) == ("NoSuchKey", "true")
    assert missing.headers["x-oss-version-id"] == deleted.versionid
    assert (marker.status, marker.code) == (405, "MethodNotAllowed")
    assert listed == []
    assert (removed.delete_marker, removed.versionid) == (True, deleted.versionid)
    assert bucket.get_object("k").read() == b"2"
    assert bucket.get_object("k", params=of(first)).read() == b"1"
    assert second != first


def test_the_version_before_a_deleted_one_becomes_the_current_one(bucket: oss2.Bucket) -> None:
    """A deleted version is gone; deleting it once more is no error."""
    first, second = put(bucket, "k", b"1", b"2")
    for _ in range(2):
        removed = bucket.delete_object("k", params=of(second))

    assert (removed.versionid, removed.delete_marker) == (second, None)
    assert error(bucket.get_object, "k", params=of(second)).code == "NoSuchVersion"
    assert bucket.get_object("k").headers["x-oss-version-id"] == first
    assert [found.key for found in bucket.list_objects().object_list] == ["k"]


def test_a_suspended_bucket_has_one_null_version_of_each_object(bucket: oss2.Bucket) -> None:
    """It replaces what was stored without versioning, never a version with an id."""
    (first,) = put(bucket, "k", b"1")
    set_versioning(bucket, "Suspended")
    nulls = put(bucket, "k", b"2", b"3")
    listed = bucket.list_object_versions().versions
    deleted = bucket.delete_object("k")
    after = bucket.list_object_versions()

    assert nulls == ["null", "null"]
    assert [(found.versionid, found.is_latest) for found in listed] == [("null", True), (first, False)]
    assert (deleted.versionid, deleted.delete_marker) == ("null", True)
    assert [found.versionid for found in after.versions] == [first]
    assert [(found.versionid, found.is_latest) for found in after.delete_marker] == [("null", True)]


def test_an_object_from_before_versioning_becomes_the_null_version(here: World) -> None:
    """A later upload leaves it readable."""
    bucket = here.bucket("later")
    bucket.create_bucket()
    plain = bucket.put_object("k", b"old")
    set_versioning(bucket, "Enabled")
    shown = bucket.head_object("k").versionid
    put(bucket, "k", b"new")

    assert plain.versionid is None
    assert shown == "null"
    assert bucket.get_object("k", params=of("null")).read() == b"old"
    assert error(bucket.delete_bucket).code == "BucketNotEmpty"


def test_many_versions_are_deleted_in_one_request(bucket: oss2.Bucket) -> None:
    """A version is removed, an object without one is marked."""
    first, _ = put(bucket, "k", b"1", b"2")
    wanted = BatchDeleteObjectVersionList()
    wanted.append(BatchDeleteObjectVersion("k", first))
    wanted.append(BatchDeleteObjectVersion("other"))
    gone, marked = bucket.delete_object_versions(wanted).delete_versions
    again = BatchDeleteObjectVersionList()
    again.append(BatchDeleteObjectVersion("other", marked.delete_marker_versionid))
    (unmarked,) = bucket.delete_object_versions(again).delete_versions
    invalid = BatchDeleteObjectVersionList()
    invalid.append(BatchDeleteObjectVersion("k", "234"))

    assert (gone.versionid, gone.delete_marker) == (first, False)
    assert (marked.versionid, marked.delete_marker) == ("", True)
    assert (unmarked.versionid, unmarked.delete_marker) == (marked.delete_marker_versionid, True)
    assert error(bucket.delete_object_versions, invalid).code == "InvalidArgument"
    assert len(bucket.list_object_versions().versions) == 1


def test_each_version_has_its_own_acl_and_tags(bucket: oss2.Bucket) -> None:
    """Without an id, those of the current version change."""
    first, second = put(bucket, "k", b"1", b"2")
    bucket.put_object_acl("k", oss2.OBJECT_ACL_PUBLIC_READ, params=of(first))
    tags = oss2.models.TaggingRule()
    tags.add("a", "1")
    bucket.put_object_tagging("k", oss2.models.Tagging(tags), params=of(first))
    tagged = bucket.get_object_tagging("k", params=of(first))
    bucket.delete_object_tagging("k", params=of(first))

    assert bucket.get_object_acl("k", params=of(first)).acl == "public-read"
    assert bucket.get_object_acl("k", params=of(second)).acl == "default"
    assert tagged.tag_set.tagging_rule == {"a": "1"}
    assert bucket.get_object_tagging("k", params=of(first)).tag_set.len() == 0


def test_a_copy_may_name_a_version_of_its_source(bucket: oss2.Bucket) -> None:
    """A copy of a version onto its own key restores it; a part may be a range of one."""
    first, second = put(bucket, "k", b"1" * 10, b"2")
    copied = bucket.copy_object(NAME, "k", "k", params=of(first))
    upload = bucket.init_multipart_upload("big").upload_id
    part = bucket.upload_part_copy(NAME, "k", (0, 4), "big", upload, 1, params=of(first))
    done = bucket.complete_multipart_upload("big", upload, [oss2.models.PartInfo(1, part.etag)])
    marker = bucket.delete_object("k").versionid

    assert len({first, second, copied.versionid, done.versionid}) == 4
    assert copied.headers["x-oss-copy-source-version-id"] == first
    assert bucket.get_object("k", params=of(copied.versionid)).read() == b"1" * 10
    assert bucket.get_object("big").read() == b"1" * 5
    assert error(bucket.copy_object, NAME, "k", "x", params=of(marker)).code == "MethodNotAllowed"


def test_an_append_changes_the_current_version(bucket: oss2.Bucket) -> None:
    """It adds none; below a marker a new object begins (page "AppendObject", read 2026-11)."""
    begun = bucket.append_object("k", 0, b"123")
    grown = bucket.append_object("k", 3, b"456")
    bucket.delete_object("k")
    refused = error(bucket.append_object, "k", 6, b"789")
    bucket.append_object("k", 0, b"new")
    listed = bucket.list_object_versions().versions

    assert begun.versionid == grown.versionid
    assert refused.code == "PositionNotEqualToLength"
    assert bucket.get_object("k", params=of(begun.versionid)).read() == b"123456"
    assert [found.size for found in listed] == [3, 6]


@pytest.mark.parametrize("version_id", ["", "234", "CAEQ", "x" * 1025])
def test_an_invalid_version_id_is_an_error(bucket: oss2.Bucket, version_id: str) -> None:
    """In every action that takes one."""
    put(bucket, "k", b"1")

    for act in (bucket.get_object, bucket.head_object, bucket.delete_object, bucket.get_object_acl):
        assert error(act, "k", params=of(version_id)).status == 400
    assert error(bucket.get_object_tagging, "k", params=of(version_id)).code == "InvalidArgument"
    assert error(bucket.get_object, "k", params=of("CAE" + "A" * 61)).code == "NoSuchVersion"


def test_a_bucket_without_versioning_has_no_version_ids(here: World) -> None:
    """Its objects are the null version."""
    bucket = here.bucket()
    bucket.put_object("plain", b"1")

    assert bucket.get_object("plain", params=of("null")).read() == b"1"
    assert error(bucket.get_object, "plain", params=of("CAE" + "A" * 61)).code == "InvalidArgument"


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_versions_are_listed_by_pages(bucket: oss2.Bucket, limit: int) -> None:
    """By key, from new to old, grouped by a delimiter; a page may begin within the versions of a key."""
    put(bucket, "a\n/x", b"1", b"2")
    first, second, third = put(bucket, "b\x01", b"1", b"2", b"3")
    marker = bucket.delete_object("b\x01").versionid
    (last,) = put(bucket, "c", b"1")
    seen: list[tuple[str, str, bool]] = []
    prefixes, key, version, more = [], "", "", True
    while more:
        page = bucket.list_object_versions("", "/", key, limit, version)
        assert len(page.versions) + len(page.delete_marker) + len(page.common_prefix) <= limit
        seen += [(found.key, found.versionid, found.is_latest) for found in [*page.delete_marker, *page.versions]]
        prefixes += page.common_prefix
        key, version, more = page.next_key_marker, page.next_versionid_marker, page.is_truncated
    under = bucket.list_object_versions(prefix="a\n/").versions

    assert prefixes == ["a\n/"]
    assert seen == [
        ("b\x01", marker, True),
        ("b\x01", third, False),
        ("b\x01", second, False),
        ("b\x01", first, False),
        ("c", last, True),
    ]
    assert [found.is_latest for found in under] == [True, False]


def test_a_page_may_follow_a_deleted_version(bucket: oss2.Bucket) -> None:
    """A client that deletes what a page lists, and then asks for the next one, misses nothing."""
    put(bucket, "k", *(b"x" for _ in range(5)))
    deleted, key, version, more = 0, "", "", True
    while more:
        page = bucket.list_object_versions("", "", key, 2, version)
        for found in page.versions:
            bucket.delete_object(found.key, params=of(found.versionid))
            deleted += 1
        key, version, more = page.next_key_marker, page.next_versionid_marker, page.is_truncated

    assert deleted == 5


@pytest.mark.parametrize(
    "wrong",
    [
        {"prefix": "a" * 1025},
        {"key_marker": "a" * 1025},
        {"versionid_marker": "x"},
        {"delimiter": "a" * 1025},
        {"max_keys": 1001},
    ],
)
def test_wrong_parameters_of_a_list_are_errors(bucket: oss2.Bucket, wrong: dict[str, Any]) -> None:
    """A version marker needs a key; no text is longer than a key (vendor's tests/test_bucket_versioning.py)."""
    assert error(bucket.list_object_versions, **wrong).code == "InvalidArgument"


def test_files_that_no_version_uses_are_deleted(tmp_path: Path) -> None:
    """The others survive a restart."""
    store = ObjectService(tmp_path, TurnedClock())
    store.create_bucket("acme")
    store.set_bucket("acme", versioning="Enabled")
    first, second = store.put("acme", "k", b"1"), store.put("acme", "k", b"2")
    third = store.put("acme", "k", b"3")
    store.delete("acme", "k")
    store.delete("acme", "k", second.version_id)
    store.close()
    ObjectService(tmp_path, TurnedClock()).close()

    assert [first.file.exists(), second.file.exists(), third.file.exists()] == [True, False, True]


@given(
    st.lists(st.tuples(st.sampled_from(["put", "suspend", "enable", "delete", "oldest", "newest"]), st.integers(0, 1)))
)
@settings(max_examples=60, deadline=None)
def test_versions_agree_with_a_model(tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]) -> None:
    """Whatever is put, marked and removed: an object is the newest version that is listed, unless it is a marker."""
    store = ObjectService(tmp_path_factory.mktemp("model"), TurnedClock())
    store.create_bucket("acme")
    store.set_bucket("acme", versioning="Enabled")
    model: dict[str, list[tuple[str, int]]] = {"0": [], "1": []}  # ids and contents, from new to old; -1 for a marker
    state = "Enabled"
    for number, (step, key_number) in enumerate(steps):
        key, versions = str(key_number), model[str(key_number)]
        if step in {"suspend", "enable"}:
            state = "Enabled" if step == "enable" else "Suspended"
            store.set_bucket("acme", versioning=state)
        elif step in {"oldest", "newest"}:
            if versions:
                gone, _ = versions.pop(-1 if step == "oldest" else 0)
                store.delete("acme", key, gone)
        else:
            if state == "Suspended":
                model[key] = versions = [found for found in versions if found[0] != "null"]
            put_id = store.put("acme", key, b"%d" % number).version_id if step == "put" else ""
            versions.insert(0, (put_id, number) if put_id else (store.delete("acme", key).version_id, -1))
    listed = store.versions(VersionQuery("acme", limit=1000)).versions
    expected = [(key, *found, index == 0) for key in "01" for index, found in enumerate(model[key])]
    current = {key: store.find("acme", key) for key in "01"}
    store.close()

    def content(version: Any) -> int:
        return -1 if version.is_delete_marker else int(version.file.read_bytes())

    assert expected == [(one.stored.key, one.stored.version, content(one.stored), one.is_latest) for one in listed]
    assert {key: model[key][0][1] if model[key] else -1 for key in "01"} == {
        key: content(found) if found else -1 for key, found in current.items()
    }
