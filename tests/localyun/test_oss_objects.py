"""The object service without HTTP: durability, atomicity, events, listing."""

import hashlib
import io
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localyun.errors import ServiceError
from localyun.oss.multipart import Upload
from localyun.oss.service import ObjectEvent, ObjectService, Origin, WriteOptions
from tests.localyun.oss_world import TurnedClock

ORIGIN = Origin("REQ", "10.0.0.1")
FORBID = WriteOptions(forbid_overwrite=True)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ObjectService]:
    """Return a service with one empty bucket."""
    store = ObjectService(tmp_path, TurnedClock())
    store.create_bucket("acme")
    yield store
    store.close()


def refused(code: str, act: Callable[..., object], *args: Any, **kwargs: Any) -> ServiceError:
    """Return the error that a call raises, after checking its code."""
    with pytest.raises(ServiceError) as caught:
        act(*args, **kwargs)
    assert code == caught.value.code
    return caught.value


def begin(store: ObjectService, **options: Any) -> Upload:
    """Begin the upload of the object "big"."""
    return store.uploads.begin("acme", "big", WriteOptions(origin=ORIGIN, **options))


def test_a_put_object_has_its_bytes_checksums_and_metadata(store: ObjectService) -> None:
    """The stored object has all properties, and its file exactly the bytes."""
    put = store.put("acme", "a.txt", b"hello", WriteOptions("text/plain", {"x-oss-meta-by": "ann"}))
    found = store.head("acme", "a.txt")

    assert put == found
    assert found.file.read_bytes() == b"hello"
    assert hashlib.md5(b"hello").hexdigest().upper() == found.etag
    assert (found.size, found.content_type, found.kind) == (5, "text/plain", "Normal")
    assert found.headers == {"x-oss-meta-by": "ann"}


def test_crc64_of_the_check_string_is_the_published_one(store: ObjectService) -> None:
    """CRC-64/XZ of "123456789" is 0x995DC9BBDF1939FA in every catalogue."""
    assert store.put("acme", "check", b"123456789").crc64 == 0x995DC9BBDF1939FA


def test_a_stream_and_a_path_are_stored_like_bytes(store: ObjectService, tmp_path: Path) -> None:
    """Three kinds of sources create the same object."""
    (tmp_path / "file").write_bytes(b"x" * 600_000)
    etags = {
        store.put("acme", "k", source).etag
        for source in (b"x" * 600_000, tmp_path / "file", io.BytesIO(b"x" * 600_000))
    }

    assert len(etags) == 1


def test_a_replaced_object_leaves_the_old_file_readable(store: ObjectService) -> None:
    """A reader of the old version can still open its file."""
    old = store.put("acme", "k", b"old")
    new = store.put("acme", "k", b"new!")

    assert old.file.read_bytes() == b"old"
    assert new.file.read_bytes() == b"new!"


def test_every_change_sends_an_event_after_it_is_stored(store: ObjectService) -> None:
    """The listener finds the object; the event has the difference in size."""
    seen: list[tuple[ObjectEvent, int]] = []
    store.listen(lambda event: seen.append((event, store.head(event.bucket, event.key).size)))
    store.put("acme", "k", b"12345", WriteOptions(origin=Origin("R1", "10.0.0.9")))
    store.put("acme", "k", b"123")
    first, second = seen[0][0], seen[1][0]

    assert (
        first.name,
        first.delta,
        first.request_id,
        first.source_ip,
    ) == ("ObjectCreated:PutObject", 5, "R1", "10.0.0.9")
    assert first.etag == "827CCB0EEA8A706C4C34A16891F84E7B"
    assert (second.delta, second.size) == (-2, 3)
    assert [size for _, size in seen] == [5, 3]


def test_one_of_many_writers_that_forbid_overwriting_creates_the_object(store: ObjectService) -> None:
    """Exactly one concurrent writer succeeds; all others raise FileAlreadyExists, and no contents mix."""
    barrier = threading.Barrier(16)

    def write(number: int) -> int | str:
        barrier.wait()
        try:
            store.put("acme", "decision", b"%d" % number, FORBID)
        except ServiceError as error:
            return error.code
        return number

    with ThreadPoolExecutor(16) as pool:
        results = list(pool.map(write, range(16)))
    winners = [result for result in results if isinstance(result, int)]

    assert len(winners) == 1
    assert b"%d" % winners[0] == store.head("acme", "decision").file.read_bytes()
    assert results.count("FileAlreadyExists") == 15


def test_forbid_overwrite_is_ignored_in_versioned_buckets(store: ObjectService) -> None:
    """OSS ignores the header there, also after versioning was suspended; objects have version ids."""
    store.set_bucket("acme", versioning="Enabled")
    first = store.put("acme", "k", b"1", FORBID)
    second = store.put("acme", "k", b"2", FORBID)
    store.set_bucket("acme", versioning="Suspended")
    third = store.put("acme", "k", b"3", FORBID)

    assert first.version_id
    assert first.version_id != second.version_id
    assert third.version_id == "null"


def test_a_rejected_write_leaves_no_file(store: ObjectService, tmp_path: Path) -> None:
    """The file of a write that forbids overwriting is deleted immediately."""
    store.put("acme", "k", b"1")
    before = sum(1 for path in tmp_path.rglob("*") if path.is_file())
    refused("FileAlreadyExists", store.put, "acme", "k", b"2", FORBID)

    assert before == sum(1 for path in tmp_path.rglob("*") if path.is_file())


def test_errors_have_the_vendors_codes(store: ObjectService) -> None:
    """Each error has OSS's code and number."""
    assert refused("NoSuchBucket", store.head, "nothere", "k").ec == "0015-00000101"
    assert refused("NoSuchKey", store.head, "acme", "k").ec == "0026-00000001"
    refused("NoSuchBucket", store.put, "nothere", "k", b"")
    refused("InvalidBucketName", store.create_bucket, "No_Good")


@pytest.mark.parametrize("key", ["", "/a", "\\a", "x" * 1024, "\ud800"])
def test_invalid_keys_are_rejected(store: ObjectService, key: str) -> None:
    """Keys have 1 to 1023 bytes of UTF-8 and do not begin with a slash."""
    refused("InvalidObjectName", store.put, "acme", key, b"")


@pytest.mark.parametrize(
    "key", ["a b+%2F.txt", "q\"'\n\r\t", "中文/🎵.mp3", "../../etc/passwd", "a//b/", "x" * 1023, "\x00\x01"]
)
def test_any_other_key_is_stored_unchanged(store: ObjectService, key: str) -> None:
    """A key is never used as a file name."""
    store.put("acme", key, b"v")

    assert [key] == [found.key for found in store.page("acme").objects]
    assert store.head("acme", key).file.read_bytes() == b"v"


def test_an_append_grows_an_object_only_at_its_end(store: ObjectService) -> None:
    """The error about a wrong position contains the right one."""
    store.append("acme", "log", b"one", 0)
    second = store.append("acme", "log", b"two", 3)
    error = refused("PositionNotEqualToLength", store.append, "acme", "log", b"x", 3)

    assert second.file.read_bytes() == b"onetwo"
    assert error.details["x-oss-next-append-position"] == "6"
    assert error.ec == "0026-00000016"


def test_one_of_many_appends_at_one_position_succeeds(store: ObjectService) -> None:
    """The position check is atomic: writers of a log need no lock."""
    with ThreadPoolExecutor(8) as pool:
        tries = [pool.submit(store.append, "acme", "log", b"x" * 1000, 0) for _ in range(8)]
        errors = [attempt.exception() for attempt in tries]

    assert sum(isinstance(error, ServiceError) for error in errors) == 7
    assert store.head("acme", "log").size == 1000


def test_only_appendable_objects_accept_appends(store: ObjectService) -> None:
    """An object that was put raises ObjectNotAppendable."""
    store.put("acme", "k", b"1")
    refused("ObjectNotAppendable", store.append, "acme", "k", b"2", 1)


def test_an_upload_becomes_one_object_and_sends_the_vendors_events(store: ObjectService) -> None:
    """Three parts send five events; the ETag ends with their count."""
    names: list[str] = []
    store.listen(lambda event: names.append(event.name.partition(":")[2]))
    upload = begin(store, headers={"x-oss-meta-a": "1"})
    parts = [store.uploads.add(upload, number, bytes([number]) * 102_400, origin=ORIGIN) for number in (1, 2, 3)]
    made = store.uploads.complete(upload, [(part.number, part.etag) for part in parts], origin=ORIGIN)
    etags = "".join(part.etag for part in parts).encode()

    assert ["InitiateMultipartUpload", *["UploadPart"] * 3, "CompleteMultipartUpload"] == names
    assert f"{hashlib.md5(etags).hexdigest().upper()}-3" == made.etag
    assert (made.kind, made.size, made.headers) == ("Multipart", 307_200, {"x-oss-meta-a": "1"})
    assert made.file.read_bytes() == b"\1" * 102_400 + b"\2" * 102_400 + b"\3" * 102_400


def test_invalid_part_lists_are_rejected(store: ObjectService) -> None:
    """Order, ETag and size of parts are checked; the upload remains usable."""
    upload = begin(store)
    one = store.uploads.add(upload, 1, b"small", origin=ORIGIN)
    two = store.uploads.add(upload, 2, b"small too", origin=ORIGIN)
    for code, wanted in {
        "InvalidPartOrder": [(2, two.etag), (1, one.etag)],
        "InvalidPart": [(1, "0" * 32)],
        "EntityTooSmall": [(1, one.etag), (2, two.etag)],
    }.items():
        refused(code, store.uploads.complete, upload, wanted, origin=ORIGIN)

    assert store.uploads.complete(upload, [(1, one.etag)], origin=ORIGIN).size == 5
    refused("NoSuchUpload", store.uploads.get, "acme", "big", upload.upload_id)


def test_a_completed_upload_respects_forbid_overwrite(store: ObjectService) -> None:
    """Beginning and completing both check: an object may be created in between."""
    upload = begin(store, forbid_overwrite=True)
    part = store.uploads.add(upload, 1, b"mine", origin=ORIGIN)
    store.put("acme", "big", b"theirs")
    error = refused(
        "FileAlreadyExists", store.uploads.complete, upload, [(1, part.etag)], forbid_overwrite=True, origin=ORIGIN
    )
    refused("FileAlreadyExists", begin, store, forbid_overwrite=True)

    assert error.ec == "0042-00000214"
    assert store.head("acme", "big").file.read_bytes() == b"theirs"


def test_an_aborted_upload_is_removed(store: ObjectService) -> None:
    """Its bucket can be deleted afterwards."""
    upload = begin(store)
    store.uploads.add(upload, 1, b"x", origin=ORIGIN)
    refused("BucketNotEmpty", store.delete_bucket, "acme")
    store.uploads.abort(upload, ORIGIN)
    store.delete_bucket("acme")

    assert not store.has_bucket("acme")


def test_objects_are_durable(tmp_path: Path) -> None:
    """A service that opens the same folder finds the objects."""
    first = ObjectService(tmp_path, TurnedClock())
    first.create_bucket("acme")
    put = first.put("acme", "中", b"x", WriteOptions(headers={"x-oss-meta-a": "b"}))
    first.close()
    again = ObjectService(tmp_path, TurnedClock())

    assert put == again.head("acme", "中")
    again.close()


CHILD = """
import sys
from pathlib import Path
from localyun.clock import HostClock
from localyun.oss.multipart import Upload
from localyun.oss.service import ObjectEvent, ObjectService
store = ObjectService(Path(sys.argv[1]), HostClock())
store.create_bucket("acme")
for number in range(100_000):
    store.put("acme", f"k{number:06}", b"%d" % number * 50)
    print(number, flush=True)
"""


def test_a_killed_process_loses_no_stored_object(tmp_path: Path) -> None:
    """After kill -9 every acknowledged object is complete, and incomplete files are deleted."""
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout
    reported = [int(child.stdout.readline()) for _ in range(200)]
    os.kill(child.pid, signal.SIGKILL)
    reported += [int(line) for line in child.stdout.read().split("\n")[:-1] if line]
    child.wait()
    (tmp_path / "blobs" / "incoming" / "half").write_bytes(b"half")
    store = ObjectService(tmp_path, TurnedClock())
    files = {path for path in (tmp_path / "blobs").rglob("*") if path.is_file()} - {tmp_path / "blobs" / "in-use"}
    stored = store.page("acme", limit=100_000).objects

    assert reported == list(range(len(reported)))
    assert all(b"%d" % n * 50 == store.head("acme", f"k{n:06}").file.read_bytes() for n in reported)
    assert files == {one.file for one in stored}
    store.close()


def test_a_second_process_deletes_no_files(store: ObjectService, tmp_path: Path) -> None:
    """A file that another process is about to commit remains."""
    pending = tmp_path / "blobs" / "incoming" / "pending"
    pending.write_bytes(b"pending")
    ObjectService(tmp_path, TurnedClock()).close()

    assert pending.exists()


def test_a_listing_groups_by_delimiter_and_pages(store: ObjectService) -> None:
    """Pages of every size list the same entries."""
    for key in ("a/1", "a/2", "b", "c/d/1", "c/e", "d"):
        store.put("acme", key, b"")
    whole = store.page("acme", delimiter="/")

    assert [one.key for one in whole.objects] == ["b", "d"]
    assert whole.prefixes == ["a/", "c/"]
    assert store.page("acme", prefix="c/", delimiter="/").prefixes == ["c/d/"]
    assert all(collected(store, limit, delimiter="/") == ["a/", "b", "c/", "d"] for limit in (1, 2, 3, 4, 5))


def collected(store: ObjectService, limit: int, **options: Any) -> list[str]:
    """Return all entries of a listing, page by page."""
    found: list[str] = []
    after = ""
    while True:
        page = store.page("acme", after=after, limit=limit, **options)
        found += sorted([one.key for one in page.objects] + page.prefixes)
        if not page.next_after:
            return found
        after = page.next_after


KEYS = st.text(alphabet="ab/é中", min_size=1, max_size=6).filter(lambda key: key[0] != "/")


@settings(max_examples=60, deadline=None)
@given(keys=st.sets(KEYS, max_size=12), prefix=st.text(alphabet="ab/中", max_size=2), limit=st.integers(1, 4))
def test_listings_agree_with_a_model(
    tmp_path_factory: pytest.TempPathFactory, keys: set[str], prefix: str, limit: int
) -> None:
    """Pages list each key or its common prefix once, in byte order."""
    store = ObjectService(tmp_path_factory.mktemp("store"), TurnedClock())
    store.create_bucket("acme")
    for key in keys:
        store.put("acme", key, b"")
    wanted = {
        prefix + rest[: rest.find("/") + 1] if "/" in (rest := key[len(prefix) :]) else key
        for key in keys
        if key.startswith(prefix)
    }

    assert sorted(wanted, key=str.encode) == collected(store, limit, prefix=prefix, delimiter="/")
    store.close()


def test_a_listing_skips_the_keys_of_a_common_prefix(store: ObjectService) -> None:
    """More keys under a prefix than a database page contains are one entry."""
    for number in range(450):
        store.put("acme", f"a/{number:03}", b"")
    store.put("acme", "b", b"")

    assert collected(store, 1, delimiter="/") == ["a/", "b"]
    assert len(collected(store, 100)) == 451
