"""The contract of the `ObjectStore` port."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone

import pytest

from clipstitch.common.errors import AlreadyExists, CloudBusy, ObjectNotFound
from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.ports import HeadReplacement, ObjectHeaders
from clipstitch.usecases.context import Context

Namer = Callable[[str], ObjectRef]
ODD_KEYS = [
    "a b+c%2F.mp3",
    "quo'te\"s.mp3",
    "{braces}.mp3",
    "汉字/音.mp3",
    "🎧.mp3",
    "line\n",
    "..",
    "a//b",
    "?x=1&y",
    "#",
]


def test_a_written_object_is_read_back_with_its_headers(cloud: Context, ref: Namer) -> None:
    """Reading returns the body, size, ETag, user metadata and modification time."""
    cloud.objects.write(ref("a"), b"hello", ObjectHeaders("text/plain", {"clipstitch-job": "j-1"}))

    content = cloud.objects.read(ref("a"))

    assert b"hello" == content.body
    assert content.about == cloud.objects.describe(ref("a"))
    assert (5, "5D41402ABC4B2A76B9719D911017C592") == (content.about.size, content.about.etag)
    assert {"clipstitch-job": "j-1"} == dict(content.about.meta)
    assert abs(content.about.last_modified - datetime.now(timezone.utc)) < timedelta(seconds=5)  # noqa: TID251


def test_a_read_with_a_limit_returns_only_the_first_bytes(cloud: Context, ref: Namer) -> None:
    """The reported size is that of the whole object."""
    cloud.objects.write(ref("a"), b"hello", ObjectHeaders())

    content = cloud.objects.read(ref("a"), limit=2)

    assert (b"he", 5) == (content.body, content.about.size)


@pytest.mark.parametrize("key", ODD_KEYS)
def test_any_key_can_be_written_listed_copied_read_and_deleted(cloud: Context, ref: Namer, key: str) -> None:
    """Every operation uses the exact key."""
    cloud.objects.write(ref(key), key.encode(), ObjectHeaders())
    cloud.objects.copy(ref(key), ref("copy of " + key), ObjectHeaders())

    assert sorted([ref(key).key, ref("copy of " + key).key]) == _keys(cloud, ref)
    assert key.encode() == cloud.objects.read(ref("copy of " + key)).body
    cloud.objects.delete([ref(key)])
    assert [ref("copy of " + key).key] == _keys(cloud, ref)


def test_a_missing_object_raises_not_found_except_on_delete(cloud: Context, ref: Namer) -> None:
    """Reading, describing and copying raise an error; deleting does not."""
    for operation in (cloud.objects.read, cloud.objects.describe):
        with pytest.raises(ObjectNotFound):
            operation(ref("missing"))
    with pytest.raises(ObjectNotFound):
        cloud.objects.copy(ref("missing"), ref("b"), ObjectHeaders())
    cloud.objects.delete([ref("missing")])


def test_create_once_keeps_an_existing_object(cloud: Context, ref: Namer) -> None:
    """A second write and a copy both raise an error and change nothing."""
    cloud.objects.write(ref("a"), b"first", ObjectHeaders(), once=True)
    cloud.objects.write(ref("b"), b"other", ObjectHeaders())

    with pytest.raises(AlreadyExists):
        cloud.objects.write(ref("a"), b"second", ObjectHeaders(), once=True)
    with pytest.raises(AlreadyExists):
        cloud.objects.copy(ref("b"), ref("a"), ObjectHeaders(), once=True)
    assert b"first" == cloud.objects.read(ref("a")).body


def test_exactly_one_of_many_concurrent_create_once_writes_succeeds(cloud: Context, ref: Namer) -> None:
    """Readers see the content of the write that succeeded."""

    def attempt(number: int) -> int | None:
        try:
            cloud.objects.write(ref("a"), str(number).encode(), ObjectHeaders(), once=True)
        except AlreadyExists:
            return None
        return number

    with ThreadPoolExecutor(8) as pool:
        winners = [number for number in pool.map(attempt, range(24)) if number is not None]

    assert 1 == len(winners)
    assert str(winners[0]).encode() == cloud.objects.read(ref("a")).body


def test_a_copy_has_its_own_headers(cloud: Context, ref: Namer) -> None:
    """The metadata is not taken from the source; the returned ETag and size are those of the copy."""
    cloud.objects.write(ref("a"), b"hello", ObjectHeaders("text/plain", {"x": "1"}))

    copied = cloud.objects.copy(ref("a"), ref("b"), ObjectHeaders("audio/mpeg", {"y": "2"}))

    assert {"y": "2"} == dict(cloud.objects.describe(ref("b")).meta)
    about = cloud.objects.describe(ref("b"))
    assert (about.etag, about.size) == copied


def test_a_listing_continues_after_the_first_page(cloud: Context, ref: Namer) -> None:
    """All 1,005 keys are listed in order, although one request returns 1,000."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: cloud.objects.write(ref(f"{n:04d}"), b"", ObjectHeaders()), range(1005)))

    assert [ref(f"{n:04d}").key for n in range(1005)] == _keys(cloud, ref)


def test_an_ordinary_bucket_is_not_versioned(cloud: Context, ref: Namer) -> None:
    """The bucket can hold state, because create-once works in it."""
    assert not cloud.objects.is_versioned(ref("").bucket)


def test_a_copy_can_replace_the_head_of_its_source(cloud: Context, ref: Namer) -> None:
    """New bytes replace the first bytes of the source; headers and create-once work as in a plain copy."""
    head = HeadReplacement(b"tag" * 40_000, replaces=3)
    cloud.objects.write(ref("a"), b"oldaudio", ObjectHeaders())

    copied = cloud.objects.copy(ref("a"), ref("b"), ObjectHeaders("audio/mpeg", {"y": "2"}), once=True, front=head)

    assert head.body + b"audio" == cloud.objects.read(ref("b")).body
    assert ({"y": "2"}, copied.size) == (dict(cloud.objects.describe(ref("b")).meta), len(head.body) + 5)
    with pytest.raises(AlreadyExists):
        cloud.objects.copy(ref("a"), ref("b"), ObjectHeaders(), once=True, front=head)


def test_a_head_is_replaced_only_in_the_version_in_which_it_was_counted(cloud: Context, ref: Namer) -> None:
    """Otherwise bytes of the old head could be left, or bytes of the new audio be lost."""
    cloud.objects.write(ref("a"), b"oldaudio", ObjectHeaders())
    head = HeadReplacement(b"tag" * 40_000, 3, cloud.objects.read(ref("a"), limit=3).about.etag)
    cloud.objects.copy(ref("a"), ref("b"), ObjectHeaders(), front=head)
    cloud.objects.write(ref("a"), b"newheadaudio", ObjectHeaders())

    with pytest.raises(CloudBusy, match="was replaced after its head was read"):
        cloud.objects.copy(ref("a"), ref("c"), ObjectHeaders(), front=head)
    assert [ref("a").key, ref("b").key] == _keys(cloud, ref)


def test_several_objects_are_deleted_in_one_call(cloud: Context, ref: Namer) -> None:
    """A missing object among them is ignored."""
    for name in ("a", "b", "c&<>\n"):
        cloud.objects.write(ref(name), b"x", ObjectHeaders())

    cloud.objects.delete([ref("a"), ref("c&<>\n"), ref("missing")])

    assert [ref("b").key] == _keys(cloud, ref)


def _keys(cloud: Context, ref: Namer) -> list[str]:
    """Return the keys of this test in listing order."""
    return [listed.key for listed in cloud.objects.list(*ref(""))]


def test_a_listing_has_the_same_etag_size_and_time_as_the_object(cloud: Context, ref: Namer) -> None:
    """A job id can therefore be computed without reading the manifest."""
    cloud.objects.write(ref("a"), b"hello", ObjectHeaders("text/plain"))

    (listed,) = cloud.objects.list(ref("").bucket, ref("").key)
    about = cloud.objects.describe(ref("a"))

    assert (about.etag, about.size, about.last_modified) == (listed.etag, listed.size, listed.last_modified)


def test_a_listing_can_start_after_a_key(cloud: Context, ref: Namer) -> None:
    """The key need not exist."""
    for name in ("a", "b", "d"):
        cloud.objects.write(ref(name), b"", ObjectHeaders())

    bucket, prefix = ref("")

    assert [ref("d").key] == [listed.key for listed in cloud.objects.list(bucket, prefix, ref("b").key)]
    assert [ref("d").key] == [listed.key for listed in cloud.objects.list(bucket, prefix, ref("c").key)]
    assert [] == list(cloud.objects.list(bucket, prefix, ref("d").key))


def test_folders_are_listed_without_their_contents(cloud: Context, ref: Namer) -> None:
    """Each folder is listed once, in order; objects beside the folders are not listed."""
    for name in ("b/1", "b/2/3", "a c+/1", "d", "e/"):
        cloud.objects.write(ref(name), b"", ObjectHeaders())

    assert ["a c+", "b", "e"] == list(cloud.objects.list_folders(*ref("")))
    assert ["2"] == list(cloud.objects.list_folders(*ref("b/")))
    assert [] == list(cloud.objects.list_folders(*ref("d/")))
