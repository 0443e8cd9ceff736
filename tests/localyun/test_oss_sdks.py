"""The vendor's two Python clients, unchanged, against the OSS endpoint over real HTTP."""

import base64
import hashlib
import io
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import alibabacloud_oss_v2 as oss
import httpx
import oss2
import pytest

from localyun.oss.service import Origin
from tests.localyun.oss_world import BUCKET, REGION, World, world

KEYS = [
    "plain.txt",
    "a b/c+d%2F.txt",
    "中文/🎵 é.mp3",
    "../..//x",
    "q&<>\"'.txt",
    "line\nbreak",
    "tail/",
    "?x=1#y",
    "bell\x07 \x1b",
]
AUDIO = b"RIFF" + bytes(5000)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Serve one endpoint for the tests of this file."""
    with world(tmp_path_factory.mktemp("oss")) as shared:
        yield shared


@pytest.fixture
def here(shared: World, request: pytest.FixtureRequest) -> World:
    """Return the endpoint with an empty bucket."""
    for upload in shared.objects.uploads.unfinished(BUCKET):
        shared.objects.uploads.abort(upload, Origin())
    for one in shared.objects.page(BUCKET, limit=1000).objects:
        shared.objects.delete(BUCKET, one.key)
    shared.events.clear()
    shared.requests.clear()
    return shared


@pytest.fixture
def bucket(here: World) -> oss2.Bucket:
    """Return the first client."""
    return here.bucket()


@pytest.fixture
def client(here: World) -> oss.Client:
    """Return the second client."""
    return here.client()


def refused(
    code: str, act: Callable[..., object], *args: Any, status: int | None = None, **kwargs: Any
) -> oss2.exceptions.ServerError:
    """Return the first client's error, after checking its code."""
    with pytest.raises(oss2.exceptions.ServerError) as caught:
        act(*args, **kwargs)
    assert code == caught.value.code, caught.value
    assert status in (None, caught.value.status)
    return caught.value


def refused2(code: str, act: Callable[..., object], *args: Any) -> Any:
    """Return the second client's error, after checking its code."""
    with pytest.raises(oss.exceptions.OperationError) as caught:
        act(*args)
    error = caught.value.unwrap()
    assert code == error.code, error
    return error


def test_every_response_has_the_vendors_headers(here: World, bucket: oss2.Bucket) -> None:
    """Successes and errors have request id, server time, date and server name."""
    url = bucket.sign_url("GET", "k", 60)
    bucket.put_object("k", b"1")
    for response in (httpx.get(url), httpx.get(f"{here.url}/{BUCKET}/k"), httpx.head(f"{here.url}/{BUCKET}/nothere")):
        assert re.fullmatch("[0-9A-F]{24}", response.headers["x-oss-request-id"])
        assert response.headers["x-oss-server-time"].isdecimal()
        assert response.headers.get_list("server") == ["AliyunOSS"]
        assert len(response.headers.get_list("date")) == 1


@pytest.mark.parametrize("key", KEYS)
def test_a_key_may_have_any_characters(here: World, bucket: oss2.Bucket, key: str) -> None:
    """The first client puts, heads, gets, lists and deletes the object by its key."""
    bucket.put_object(key, b"value")

    assert bucket.get_object(key).read() == b"value"
    assert bucket.head_object(key).content_length == 5
    assert [key] == [one.key for one in bucket.list_objects_v2().object_list]
    assert [key] == [one.key for one in bucket.list_objects().object_list]
    assert [key] == bucket.batch_delete_objects([key]).deleted_keys
    assert not bucket.object_exists(key)


@pytest.mark.parametrize(
    "key", [key for key in KEYS if "/." not in key and "//" not in key and not key.startswith(".")]
)
def test_the_second_client_uses_the_same_keys(here: World, client: oss.Client, bucket: oss2.Bucket, key: str) -> None:
    """It does not encode "/", and finds the objects of the first client."""
    client.put_object(oss.PutObjectRequest(BUCKET, key, body=b"value"))

    assert client.get_object(oss.GetObjectRequest(BUCKET, key)).body.content == b"value"
    assert bucket.get_object(key).read() == b"value"
    listed = client.list_objects_v2(oss.ListObjectsV2Request(BUCKET, encoding_type="url")).contents
    assert [key] == [one.key for one in listed]


def test_put_head_and_get_return_the_same_properties(bucket: oss2.Bucket) -> None:
    """ETag, CRC-64, type, time and metadata are equal; the client verifies the CRC."""
    headers = {"Content-Type": "audio/mpeg", "x-oss-meta-title": "a b", "Cache-Control": "no-cache"}
    put = bucket.put_object("k.mp3", AUDIO, headers=headers)
    head, got = bucket.head_object("k.mp3"), bucket.get_object("k.mp3")
    content = got.read()

    assert hashlib.md5(AUDIO).hexdigest().upper() == put.etag == head.etag == got.etag
    assert put.crc == got.server_crc == got.client_crc == head.server_crc
    assert content == AUDIO
    assert tuple(head.headers[n] for n in ("Content-Type", "x-oss-meta-title", "Cache-Control")) == (
        "audio/mpeg",
        "a b",
        "no-cache",
    )
    assert head.object_type == "Normal"
    assert got.headers["Last-Modified"] == head.headers["Last-Modified"]


def test_metadata_may_have_any_characters(here: World, client: oss.Client, bucket: oss2.Bucket) -> None:
    """Header values are UTF-8 in requests and responses."""
    bucket.put_object("k", b"", headers={"x-oss-meta-title": "中文 é".encode()})

    assert here.objects.head(BUCKET, "k").headers["x-oss-meta-title"] == "中文 é"
    assert "中文 é".encode() == bucket.head_object("k").headers["x-oss-meta-title"].encode("latin-1")


def test_a_file_of_many_megabytes_is_streamed_in_both_directions(bucket: oss2.Bucket, tmp_path: Path) -> None:
    """Uploaded from a generator without a length, downloaded to a file, verified by CRC."""
    block = hashlib.sha256(b"x").digest() * 32_768
    bucket.put_object("big", (block for _ in range(24)))
    bucket.get_object_to_file("big", str(tmp_path / "big"))

    assert block * 24 == (tmp_path / "big").read_bytes()


@pytest.mark.parametrize(
    ("wanted", "status", "content"),
    [
        ("bytes=0-3", 206, b"0123"),
        ("bytes=4-", 206, b"456789"),
        ("bytes=-2", 206, b"89"),
        ("bytes=9-9", 206, b"9"),
        ("bytes=5-20", 200, b"0123456789"),
        ("bytes=10-20", 200, b"0123456789"),
        ("bytes=7-3", 200, b"0123456789"),
        ("bytes=-20", 200, b"0123456789"),
        ("bites=0-3", 200, b"0123456789"),
    ],
)
def test_a_range_that_is_not_inside_the_object_is_ignored(
    here: World, bucket: oss2.Bucket, wanted: str, status: int, content: bytes
) -> None:
    """OSS differs from HTTP here."""
    bucket.put_object("k", b"0123456789")
    reply = httpx.get(bucket.sign_url("GET", "k", 60), headers={"Range": wanted})

    assert (status, content) == (reply.status_code, reply.content)
    assert (status == 206) == ("content-range" in reply.headers)


@pytest.mark.parametrize(
    ("wanted", "status", "content"),
    [
        ("bytes=5-20", 206, b"56789"),
        ("bytes=-20", 206, b"0123456789"),
        ("bytes=10-20", 416, None),
        ("bytes=a-b", 416, None),
    ],
)
def test_a_standard_range_behaves_as_in_http(
    bucket: oss2.Bucket, wanted: str, status: int, content: bytes | None
) -> None:
    """The request has the header `x-oss-range-behavior: standard`."""
    bucket.put_object("k", b"0123456789")
    headers = {"x-oss-range-behavior": "standard"}
    url = bucket.sign_url("GET", "k", 60, headers=headers)
    reply = httpx.get(url, headers={**headers, "Range": wanted})

    assert status == reply.status_code
    assert content == reply.content if content else "<Code>InvalidRange</Code>" in reply.text


def test_both_clients_read_ranges(bucket: oss2.Bucket, client: oss.Client) -> None:
    """Each client has its own options."""
    bucket.put_object("k", b"0123456789")

    assert bucket.get_object("k", byte_range=(2, 4)).read() == b"234"
    request = oss.GetObjectRequest(BUCKET, "k", range_header="bytes=8-20", range_behavior="standard")
    assert client.get_object(request).body.content == b"89"


def test_conditions_are_checked(bucket: oss2.Bucket) -> None:
    """ETags and times, for GET and HEAD."""
    etag = f'"{bucket.put_object("k", b"1").etag}"'
    past, future = "Wed, 28 Dec 2022 10:27:41 GMT", "Wed, 28 Dec 2033 10:27:41 GMT"
    for fits in (
        {"if-match": etag},
        {"if-none-match": '"x"'},
        {"if-modified-since": past},
        {"if-unmodified-since": future},
    ):
        assert bucket.get_object("k", headers=fits).read() == b"1"
    for same in ({"if-none-match": etag}, {"if-modified-since": future}):
        with pytest.raises(oss2.exceptions.NotModified):
            bucket.get_object("k", headers=same)
    for wrong in ({"if-match": '"x"'}, {"if-unmodified-since": past}):
        refused("PreconditionFailed", bucket.get_object, "k", headers=wrong, status=412)
        refused("PreconditionFailed", bucket.head_object, "k", headers=wrong, status=412)


def test_errors_of_head_are_in_a_header(here: World, bucket: oss2.Bucket, client: oss.Client) -> None:
    """The response has no body, and both clients report NoSuchKey."""
    refused("NoSuchKey", bucket.head_object, "nothere", status=404)
    error = refused2("NoSuchKey", client.head_object, oss.HeadObjectRequest(BUCKET, "nothere"))

    assert error.ec == "0026-00000001"
    assert not bucket.object_exists("nothere")
    assert not client.is_object_exist(BUCKET, "nothere")


def test_an_error_document_has_all_elements_of_the_vendor(bucket: oss2.Bucket) -> None:
    """Code, message, request id, host, key, EC and a link."""
    error = refused("NoSuchKey", bucket.get_object, "no/here", status=404)

    assert {"Code", "Message", "RequestId", "HostId", "Key", "EC", "RecommendDoc"} == set(error.details)
    assert error.details["Key"] == "no/here"
    assert error.request_id == error.details["RequestId"]


def test_a_missing_bucket_is_an_error(here: World) -> None:
    """Every kind of action raises NoSuchBucket."""
    nowhere = here.bucket("nowhere")
    for act in (nowhere.list_objects_v2, nowhere.get_bucket_info, lambda: nowhere.put_object("k", b"")):
        assert refused("NoSuchBucket", act, status=404).details["EC"] == "0015-00000101"


def test_forbid_overwrite_is_atomic(here: World, bucket: oss2.Bucket) -> None:
    """Of many concurrent writers one gets 200, the others 409; one event is sent."""
    forbid = {"x-oss-forbid-overwrite": "true"}

    def write(number: int) -> object:
        try:
            return here.bucket().put_object("decision", str(number), headers=forbid).status
        except oss2.exceptions.ServerError as error:
            return error.status, error.code

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(write, range(8)))

    assert results.count(200) == 1
    assert results.count((409, "FileAlreadyExists")) == 7
    assert here.names() == ["ObjectCreated:PutObject"]


def test_every_action_that_creates_an_object_respects_forbid_overwrite(bucket: oss2.Bucket, client: oss.Client) -> None:
    """Copy, append, initiate and complete raise the same error as put."""
    bucket.put_object("k", b"1")
    forbid = {"x-oss-forbid-overwrite": "true"}
    upload = bucket.init_multipart_upload("k").upload_id
    part = oss2.models.PartInfo(1, bucket.upload_part("k", upload, 1, b"2").etag)
    for act in (
        lambda: bucket.put_object("k", b"2", headers=forbid),
        lambda: bucket.copy_object(BUCKET, "k", "k", headers=forbid),
        lambda: bucket.append_object("k", 0, b"2", headers=forbid),
        lambda: bucket.init_multipart_upload("k", headers=forbid),
        lambda: bucket.complete_multipart_upload("k", upload, [part], headers=forbid),
    ):
        error = refused_any(act)
        assert (error.status, error.code in {"FileAlreadyExists", "ObjectNotAppendable"}) == (409, True)
    refused2(
        "FileAlreadyExists", client.put_object, oss.PutObjectRequest(BUCKET, "k", forbid_overwrite=True, body=b"2")
    )

    assert bucket.get_object("k").read() == b"1"


def refused_any(act: Callable[..., object]) -> oss2.exceptions.ServerError:
    """Return the first client's error."""
    with pytest.raises(oss2.exceptions.ServerError) as caught:
        act()
    return caught.value


def test_a_versioned_bucket_ignores_forbid_overwrite(here: World) -> None:
    """Both clients read the state; responses have version ids."""
    bucket, client = here.bucket("versioned"), here.client()
    bucket.create_bucket()
    unversioned = client.get_bucket_versioning(oss.GetBucketVersioningRequest("versioned"))
    client.put_bucket_versioning(
        oss.PutBucketVersioningRequest(
            "versioned", versioning_configuration=oss.VersioningConfiguration(status="Enabled")
        )
    )
    forbid = {"x-oss-forbid-overwrite": "true"}
    ids = {bucket.put_object("k", b"1", headers=forbid).versionid for _ in range(2)}
    deleted = bucket.delete_object("k")

    assert unversioned.version_status is None
    assert bucket.get_bucket_versioning().status == "Enabled"
    assert bucket.get_bucket_info().versioning_status == "Enabled"
    assert len(ids - {None}) == 2
    assert deleted.delete_marker
    refused("NoSuchKey", bucket.get_object, "k")


def test_a_wrong_content_md5_is_rejected(bucket: oss2.Bucket) -> None:
    """No object is stored."""
    good = base64.b64encode(hashlib.md5(b"1").digest()).decode()
    bucket.put_object("good", b"1", headers={"Content-MD5": good})
    refused("InvalidDigest", bucket.put_object, "bad", b"2", headers={"Content-MD5": good}, status=400)
    refused("InvalidDigest", bucket.put_object, "bad", b"2", headers={"Content-MD5": "?"}, status=400)

    assert not bucket.object_exists("bad")


def test_a_copy_keeps_or_replaces_metadata(bucket: oss2.Bucket, client: oss.Client) -> None:
    """The directive determines which; the client without a directive keeps it."""
    bucket.put_object(
        "from é+", b"x", headers={"x-oss-meta-a": "1", "Content-Type": "audio/mpeg", "x-oss-tagging": "t=1"}
    )
    kept = bucket.copy_object(BUCKET, "from é+", "kept")
    replace = {"x-oss-metadata-directive": "REPLACE", "x-oss-meta-b": "2", "Content-Type": "text/plain"}
    bucket.copy_object(BUCKET, "from é+", "replaced", headers=replace)
    client.copy_object(oss.CopyObjectRequest(BUCKET, "again", source_key="kept"))
    first, second = bucket.head_object("kept").headers, bucket.head_object("replaced").headers

    assert hashlib.md5(b"x").hexdigest().upper() == kept.etag
    assert tuple(first[n] for n in ("Content-Type", "x-oss-meta-a", "x-oss-tagging-count")) == ("audio/mpeg", "1", "1")
    assert (second["Content-Type"], second["x-oss-meta-b"]) == ("text/plain", "2")
    assert "x-oss-meta-a" not in second
    assert bucket.get_object("again").read() == b"x"


def test_the_conditions_of_a_copy_apply_to_the_source(here: World, bucket: oss2.Bucket) -> None:
    """The status is 412 or 304, as documented."""
    bucket.put_object("k", b"x")
    etag = hashlib.md5(b"x").hexdigest().upper()
    refused("PreconditionFailed", bucket.copy_object, BUCKET, "k", "c", headers={"x-oss-copy-source-if-match": "y"})
    with pytest.raises(oss2.exceptions.NotModified):
        bucket.copy_object(BUCKET, "k", "c", headers={"x-oss-copy-source-if-none-match": etag})
    refused("NoSuchKey", bucket.copy_object, BUCKET, "nothere", "c")
    bucket.copy_object(BUCKET, "k", "c", headers={"x-oss-copy-source-if-match": etag})

    assert here.names()[-1] == "ObjectCreated:CopyObject"


def test_appends_return_the_next_position(bucket: oss2.Bucket, client: oss.Client) -> None:
    """The clients use it and verify the cumulative CRC."""
    first = bucket.append_object("log", 0, b"one", init_crc=0)
    second = bucket.append_object("log", first.next_position, b"two", init_crc=first.crc)
    third = client.append_object(oss.AppendObjectRequest(BUCKET, "log", position=6, body=b"three"))
    refused("PositionNotEqualToLength", bucket.append_object, "log", 3, b"x", status=409)

    assert (first.next_position, second.next_position, third.next_position) == (3, 6, 11)
    assert bucket.head_object("log").object_type == "Appendable"
    assert bucket.get_object("log").read() == b"onetwothree"


def test_a_multipart_upload_of_the_first_client(here: World, bucket: oss2.Bucket) -> None:
    """Parts are uploaded out of order, copied, listed and completed; the client verifies the CRC of the object."""
    bucket.put_object("src", AUDIO * 30)
    upload = bucket.init_multipart_upload(
        "dir/big é", headers={"x-oss-meta-a": "1", "Content-Type": "audio/mpeg"}
    ).upload_id
    two = bucket.upload_part("dir/big é", upload, 2, b"tail")
    one = bucket.upload_part_copy(BUCKET, "src", (4, 110_003), "dir/big é", upload, 1)
    listed = bucket.list_parts("dir/big é", upload)
    uploads = bucket.list_multipart_uploads(prefix="dir/").upload_list
    parts = [oss2.models.PartInfo(1, one.etag), oss2.models.PartInfo(2, two.etag, part_crc=two.crc, size=4)]
    done = bucket.complete_multipart_upload("dir/big é", upload, parts)
    content = (AUDIO * 30)[4:110_004] + b"tail"

    assert [(part.part_number, part.size) for part in listed.parts] == [(1, 110_000), (2, 4)]
    assert [("dir/big é", upload)] == [(one.key, one.upload_id) for one in uploads]
    assert content == bucket.get_object("dir/big é").read()
    assert done.etag.endswith("-2")
    assert tuple(bucket.head_object("dir/big é").headers[n] for n in ("x-oss-object-type", "x-oss-meta-a")) == (
        "Multipart",
        "1",
    )
    assert bucket.list_multipart_uploads().upload_list == []
    assert here.names()[-4:] == [
        f"ObjectCreated:{name}"
        for name in ("InitiateMultipartUpload", "UploadPart", "UploadPartCopy", "CompleteMultipartUpload")
    ]


def test_resumable_transfers_of_both_clients(bucket: oss2.Bucket, client: oss.Client, tmp_path: Path) -> None:
    """High-level transfers in several threads, verified by CRC."""
    content = bytes(range(256)) * 2000
    (tmp_path / "file").write_bytes(content)
    store = oss2.ResumableStore(root=str(tmp_path))
    oss2.resumable_upload(
        bucket, "one", str(tmp_path / "file"), multipart_threshold=1, part_size=102_400, num_threads=3, store=store
    )
    uploader = client.uploader(part_size=102_400, parallel_num=3)
    uploader.upload_file(oss.PutObjectRequest(BUCKET, "two"), filepath=str(tmp_path / "file"))
    client.downloader(part_size=102_400).download_file(
        oss.GetObjectRequest(BUCKET, "one"), filepath=str(tmp_path / "down")
    )

    assert content == bucket.get_object("one").read() == bucket.get_object("two").read()
    assert content == (tmp_path / "down").read_bytes()


def test_an_aborted_or_unknown_upload_is_an_error(bucket: oss2.Bucket) -> None:
    """The error is 404 NoSuchUpload, as in OSS."""
    upload = bucket.init_multipart_upload("k").upload_id
    bucket.abort_multipart_upload("k", upload)
    refused("NoSuchUpload", bucket.upload_part, "k", upload, 1, b"x", status=404)
    refused("NoSuchUpload", bucket.list_parts, "k", "nonsense", status=404)


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_the_iterators_of_the_clients_page_through_a_listing(
    here: World, bucket: oss2.Bucket, client: oss.Client, size: int
) -> None:
    """V1, V2 and the paginators of both clients return each key once, in byte order."""
    keys = sorted(["a/1", "a/é 2", "b+c", "b c", "c/d/1", "中"], key=str.encode)
    for key in keys:
        here.objects.put(BUCKET, key, b"")
    second = client.list_objects_v2_paginator(limit=size).iter_page(
        oss.ListObjectsV2Request(BUCKET, encoding_type="url")
    )

    assert keys == [one.key for one in oss2.ObjectIterator(bucket, max_keys=size)]
    assert keys == [one.key for one in oss2.ObjectIteratorV2(bucket, max_keys=size)]
    assert keys == [one.key for page in second for one in page.contents or []]
    grouped = [(one.key, one.is_prefix()) for one in oss2.ObjectIteratorV2(bucket, delimiter="/", max_keys=size)]
    assert sorted([("a/", True), ("c/", True), *((key, False) for key in keys if "/" not in key)]) == sorted(grouped)


def test_a_listing_starts_after_a_key_and_contains_owners(here: World, bucket: oss2.Bucket) -> None:
    """The options of V2 work; tokens that were not issued here are rejected."""
    for key in ("a", "b", "c"):
        here.objects.put(BUCKET, key, b"12")
    page = bucket.list_objects_v2(start_after="a", fetch_owner=True)

    assert [one.key for one in page.object_list] == ["b", "c"]
    assert page.object_list[0].owner.id
    assert tuple(getattr(page.object_list[0], n) for n in ("size", "type", "storage_class")) == (
        2,
        "Normal",
        "Standard",
    )
    refused("InvalidArgument", bucket.list_objects_v2, continuation_token="\u20ac", status=400)
    refused("InvalidArgument", bucket.list_objects_v2, max_keys=1001, status=400)


def test_many_objects_are_deleted_in_one_request(here: World, bucket: oss2.Bucket, client: oss.Client) -> None:
    """Verbose and quiet mode; existing and missing objects; each removal sends an event."""
    for key in ("a&b", "é/1", "c"):
        here.objects.put(BUCKET, key, b"")
    here.events.clear()
    first = bucket.batch_delete_objects(["a&b", "nothere"])
    quiet = client.delete_multiple_objects(
        oss.DeleteMultipleObjectsRequest(BUCKET, objects=[oss.DeleteObject(key="é/1")], quiet=True)
    )

    assert first.deleted_keys == ["a&b", "nothere"]
    assert not quiet.deleted_objects
    assert [(e.key, e.name) for e in here.events] == [
        ("a&b", "ObjectRemoved:DeleteObjects"),
        ("é/1", "ObjectRemoved:DeleteObjects"),
    ]
    assert [one.key for one in here.objects.page(BUCKET).objects] == ["c"]


def test_a_bucket_is_created_described_listed_and_deleted(here: World) -> None:
    """Both clients manage buckets."""
    client, bucket = here.client(), here.bucket("short-lived")
    client.put_bucket(oss.PutBucketRequest("short-lived"))
    bucket.create_bucket(oss2.BUCKET_ACL_PRIVATE)
    info = client.get_bucket_info(oss.GetBucketInfoRequest("short-lived")).bucket_info
    service = oss2.Service(bucket.auth, here.url, region=REGION)

    assert f"oss-{REGION}" == bucket.get_bucket_location().location == info.location
    assert (bucket.get_bucket_info().name, info.acl) == ("short-lived", "private")
    assert [one.name for one in oss2.BucketIterator(service, prefix="short")] == ["short-lived"]
    bucket.put_object("k", b"")
    refused("BucketNotEmpty", bucket.delete_bucket, status=409)
    bucket.delete_object("k")
    bucket.delete_bucket()
    refused("NoSuchBucket", bucket.get_bucket_info)


def test_a_bucket_has_statistics(here: World) -> None:
    """Bytes and objects by storage class, small ones billed as larger; versions, markers and uploads count."""
    bucket = here.bucket("counted")
    bucket.create_bucket()
    empty = bucket.get_bucket_stat()
    bucket.put_object("a", b"1234567")
    bucket.put_object("b", b"123", headers={"x-oss-storage-class": "IA"})
    upload = bucket.init_multipart_upload("big").upload_id
    bucket.upload_part("big", upload, 1, b"part")
    here.objects.set_bucket("counted", versioning="Enabled")
    bucket.put_object("a", b"12")
    bucket.delete_object("a")
    stat = bucket.get_bucket_stat()

    assert (empty.object_count, empty.storage_size_in_bytes) == (0, 0)
    assert abs(empty.last_modified_time - here.clock.now().timestamp()) < 60
    assert (stat.object_count, stat.storage_size_in_bytes, stat.delete_marker_count) == (3, 12, 1)
    assert (stat.standard_object_count, stat.standard_storage) == (2, 9)
    assert (stat.infrequent_access_storage, stat.infrequent_access_real_storage) == (65536, 3)
    assert (stat.multi_part_upload_count, stat.multipart_part_count, stat.live_channel_count) == (1, 1, 0)
    assert abs(stat.last_modified_time - here.clock.now().timestamp()) < 60


def test_acls_and_tags_are_stored(bucket: oss2.Bucket, client: oss.Client) -> None:
    """They are set, read and deleted; HEAD returns the number of tags."""
    bucket.put_object("k", b"1")
    bucket.put_object_acl("k", oss2.OBJECT_ACL_PUBLIC_READ)
    rule = oss2.models.TaggingRule()
    rule.add("k é", "v:1/+")
    bucket.put_object_tagging("k", oss2.models.Tagging(rule))
    tags = client.get_object_tagging(oss.GetObjectTaggingRequest(BUCKET, "k")).tag_set.tags
    count = bucket.head_object("k").headers["x-oss-tagging-count"]
    bucket.delete_object_tagging("k")
    bucket.put_bucket_acl(oss2.BUCKET_ACL_PUBLIC_READ)
    public = bucket.get_bucket_acl().acl
    bucket.put_bucket_acl(oss2.BUCKET_ACL_PRIVATE)

    assert (
        bucket.get_object_acl("k").acl,
        public,
        bucket.get_bucket_acl().acl,
    ) == ("public-read", "public-read", "private")
    assert [(tag.key, tag.value) for tag in tags] == [("k é", "v:1/+")]
    assert count == "1"
    assert not bucket.get_object_tagging("k").tag_set.tagging_rule


def test_tags_beyond_the_limits_are_rejected(bucket: oss2.Bucket) -> None:
    """Number, length, characters and duplicates are checked in headers and documents."""
    many = "&".join(f"a{n}=b" for n in range(11))
    for tags in (many, "=a", "a" * 129 + "=b", "a=" + "b" * 257, "a=b&a=c", "a=%25"):
        refused("InvalidTag", bucket.put_object, "k", b"", headers={"x-oss-tagging": tags}, status=400)
        refused("InvalidTag", bucket.init_multipart_upload, "k", headers={"x-oss-tagging": tags})
    bucket.put_object("k", b"", headers={"x-oss-tagging": "a=1&b="})
    rule = oss2.models.TaggingRule()
    rule.add("a%b", "x")
    refused("InvalidTag", bucket.put_object_tagging, "k", oss2.models.Tagging(rule))

    assert bucket.get_object_tagging("k").tag_set.tagging_rule == {"a": "1", "b": ""}


@pytest.mark.parametrize("size", [1, 2, 10])
def test_unfinished_uploads_are_listed_by_pages_and_prefixes(bucket: oss2.Bucket, size: int) -> None:
    """As with objects, a common prefix replaces the uploads under it."""
    ids = {key: bucket.init_multipart_upload(key).upload_id for key in ("a/1", "a/2", "b", "c")}
    again = bucket.init_multipart_upload("b").upload_id
    flat = [(one.key, one.upload_id) for one in oss2.MultipartUploadIterator(bucket, max_uploads=size)]
    grouped = [one.key for one in oss2.MultipartUploadIterator(bucket, delimiter="/", max_uploads=size)]

    assert sorted(flat) == sorted([*ids.items(), ("b", again)])
    assert sorted(grouped) == ["a/", "b", "b", "c"]


def test_an_unsupported_feature_is_named(bucket: oss2.Bucket, client: oss.Client) -> None:
    """A sub-resource is never mistaken for the object or the bucket itself."""
    error = refused("NotImplemented", bucket.get_bucket_meta_query_status, status=501)
    bucket.put_object("k", b"1")

    assert "'metaQuery'" in error.message
    callback = {"x-oss-callback": base64.b64encode(b"{}").decode()}
    assert "callbacks" in refused("NotImplemented", bucket.put_object, "k", b"2", headers=callback).message
    assert "image/resize" in refused("NotImplemented", bucket.get_object, "k", process="image/resize,w_100").message
    assert (
        "image/resize" in refused("NotImplemented", bucket.process_object, "k", "image/resize|sys/saveas,o_eA").message
    )
    points = oss.ListAccessPointsRequest()
    assert "'accessPoint'" in refused2("NotImplemented", client.list_access_points, points).message


def test_a_process_string_is_submitted_and_its_ids_returned(
    here: World, bucket: oss2.Bucket, client: oss.Client
) -> None:
    """Both clients parse the response; the request id in the body differs from that in the header."""
    here.objects.put(BUCKET, "chapters/02 é.mp3", AUDIO)
    process = "audio/concat,f_mp3/pre,o_YQ|sys/saveas,b_Ymt0,o_b3V0/notify,topic_am9icw"
    first = bucket.async_process_object("chapters/02 é.mp3", process)
    second = client.async_process_object(oss.AsyncProcessObjectRequest(BUCKET, "chapters/02 é.mp3", process=process))

    assert [(BUCKET, "chapters/02 é.mp3", process)] * 2 == here.tasks.submitted
    assert ("181-1k", "MediaConvert-e4a737df") == (first.event_id, first.task_id) == (second.event_id, second.task_id)
    assert "1D99637F-F59E-5B41-9200-C4892F520000" == first.async_request_id == second.process_request_id
    assert first.request_id != first.async_request_id


def test_a_process_that_cannot_start_is_an_error(here: World, bucket: oss2.Bucket, client: oss.Client) -> None:
    """A missing object or process is reported by OSS, other errors by the task service."""
    here.objects.put(BUCKET, "k", b"")
    refused("NoSuchKey", bucket.async_process_object, "nothere", "audio/concat")
    refused("NoSuchBucket", here.bucket("nowhere").async_process_object, "k", "audio/concat")
    refused("InvalidRequest", bucket.async_process_object, "k", "", status=400)
    error = refused("Imm Client", bucket.async_process_object, "k", "image/resize", status=400)

    assert error.message.startswith("ResourceNotFound, The specified resource Route is not found")
    assert error.details["EC"] == "0056-00000001"


def test_audio_info_is_json(here: World, bucket: oss2.Bucket, client: oss.Client) -> None:
    """The result of the task service is returned unchanged, with the ETag and the time of the object."""
    stored = here.objects.put(BUCKET, "a.mp3", AUDIO)
    answer = bucket.get_object("a.mp3", process="audio/info")
    returned = json.loads(answer.read())
    head = bucket.head_object("a.mp3")

    assert stored.etag == head.etag == answer.etag
    assert head.last_modified == answer.last_modified
    assert "application/json" == answer.content_type

    assert returned == {"Duration": 1.0, "bucket": BUCKET, "key": "a.mp3"}
    assert returned == json.loads(
        client.get_object(oss.GetObjectRequest(BUCKET, "a.mp3", process="audio/info")).body.content
    )
    refused("NoSuchKey", bucket.get_object, "nothere", process="audio/info")


def test_a_host_with_a_bucket_label_addresses_the_bucket(here: World, bucket: oss2.Bucket) -> None:
    """Virtual-hosted requests sign the same resource as path-style ones."""
    bucket.put_object("dir/k", b"1")
    url = httpx.URL(bucket.sign_url("GET", "dir/k", 60, slash_safe=True))
    virtual = url.copy_with(raw_path=url.raw_path.replace(f"/{BUCKET}/".encode(), b"/", 1))

    for host in (f"{BUCKET}.localhost:{url.port}", f"{BUCKET}.oss-cn-hangzhou.aliyuncs.com"):
        assert httpx.get(virtual, headers={"Host": host}).content == b"1"


def test_malformed_documents_and_numbers_are_rejected(here: World, bucket: oss2.Bucket) -> None:
    """Each error names the expected value."""
    upload = bucket.init_multipart_upload("k").upload_id
    url = bucket.sign_url("PUT", "k", 60, params={"tagging": ""})
    for body in (b"<Tagging>", b"<Delete/>", b"<!DOCTYPE a><Tagging/>", b"\xff"):
        assert "<Code>MalformedXML</Code>" in httpx.put(url, content=body).text
    refused("MalformedXML", bucket.batch_delete_objects, [f"{n}" for n in range(1001)], status=400)
    refused("InvalidArgument", bucket.upload_part, "k", upload, 0, b"x", status=400)
    refused("InvalidArgument", bucket.upload_part, "k", upload, 10_001, b"x", status=400)
    bad = httpx.put(f"{here.url}/{BUCKET}/%ff%fe", content=b"")

    assert "<Code>InvalidObjectName</Code>" in bad.text
    ET.fromstring(bad.text)


def test_the_file_interface_of_the_second_client(client: oss.Client, bucket: oss2.Bucket) -> None:
    """Its writer appends, and its reader seeks."""
    with client.append_file(BUCKET, "log") as out:
        out.write(b"one\n")
        out.write_from(io.BytesIO(b"two\n"))
    with client.open_file(BUCKET, "log") as source:
        source.seek(4)

        assert source.read() == b"two\n"


def test_last_modified_uses_the_clock_of_the_cloud(here: World, bucket: oss2.Bucket) -> None:
    """Times have a precision of one second."""
    here.clock.turn(600)
    bucket.put_object("k", b"1")
    returned = datetime.fromtimestamp(bucket.head_object("k").last_modified, timezone.utc)
    here.clock.turn(-600)

    assert here.objects.head(BUCKET, "k").last_modified == returned


def test_a_bucket_of_another_region_reveals_only_its_region(here: World) -> None:
    """Any endpoint returns its region; all other actions require its own endpoint."""
    here.objects.create_bucket("far-away", region="cn-beijing")
    far = here.bucket("far-away")
    caught = refused("AccessDenied", far.put_object, "a", b"", status=403)

    assert "oss-cn-beijing" == far.get_bucket_info().location
    assert "oss-cn-beijing" == far.get_bucket_location().location
    assert "oss-cn-beijing.aliyuncs.com" == caught.details["Endpoint"]
    refused("AccessDenied", far.get_bucket_versioning)
    here.objects.delete_bucket("far-away")
