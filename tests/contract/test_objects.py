"""What every implementation of the `ObjectStore` port promises."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone

import pytest

from clipstitch.common.errors import AlreadyExists, ObjectNotFound
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


def test_what_was_written_is_read_with_its_labels(cloud: Context, ref: Namer) -> None:
    """Content, size, ETag, user metadata and a time to the second come back."""
    cloud.objects.write(ref("a"), b"hello", ObjectHeaders("text/plain", {"clipstitch-job": "j-1"}))

    content = cloud.objects.read(ref("a"))

    assert b"hello" == content.body
    assert content.about == cloud.objects.describe(ref("a"))
    assert (5, "5D41402ABC4B2A76B9719D911017C592") == (content.about.size, content.about.etag)
    assert {"clipstitch-job": "j-1"} == dict(content.about.meta)
    assert abs(content.about.last_modified - datetime.now(timezone.utc)) < timedelta(seconds=5)  # noqa: TID251


def test_a_read_with_a_limit_gives_no_more(cloud: Context, ref: Namer) -> None:
    """The size stays that of the whole object."""
    cloud.objects.write(ref("a"), b"hello", ObjectHeaders())

    content = cloud.objects.read(ref("a"), limit=2)

    assert (b"he", 5) == (content.body, content.about.size)


@pytest.mark.parametrize("key", ODD_KEYS)
def test_any_key_works(cloud: Context, ref: Namer, key: str) -> None:
    """Written, listed, copied, read and deleted under its exact name."""
    cloud.objects.write(ref(key), key.encode(), ObjectHeaders())
    cloud.objects.copy(ref(key), ref("copy of " + key), ObjectHeaders())

    assert sorted([ref(key).key, ref("copy of " + key).key]) == _keys(cloud, ref)
    assert key.encode() == cloud.objects.read(ref("copy of " + key)).body
    cloud.objects.delete([ref(key)])
    assert [ref("copy of " + key).key] == _keys(cloud, ref)


def test_what_is_not_there_is_missing(cloud: Context, ref: Namer) -> None:
    """Reading, describing and copying say so; deleting is content."""
    for act in (cloud.objects.read, cloud.objects.describe):
        with pytest.raises(ObjectNotFound):
            act(ref("nothing"))
    with pytest.raises(ObjectNotFound):
        cloud.objects.copy(ref("nothing"), ref("b"), ObjectHeaders())
    cloud.objects.delete([ref("nothing")])


def test_a_second_create_once_changes_nothing(cloud: Context, ref: Namer) -> None:
    """Neither a write nor a copy gets past the first."""
    cloud.objects.write(ref("a"), b"first", ObjectHeaders(), once=True)
    cloud.objects.write(ref("b"), b"other", ObjectHeaders())

    with pytest.raises(AlreadyExists):
        cloud.objects.write(ref("a"), b"second", ObjectHeaders(), once=True)
    with pytest.raises(AlreadyExists):
        cloud.objects.copy(ref("b"), ref("a"), ObjectHeaders(), once=True)
    assert b"first" == cloud.objects.read(ref("a")).body


def test_of_many_create_once_at_the_same_time_one_wins(cloud: Context, ref: Namer) -> None:
    """The winner's content is what everybody reads."""

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


def test_a_copy_carries_its_own_labels(cloud: Context, ref: Namer) -> None:
    """The metadata is that of the copy, not of the source; the returned ETag is the copy's."""
    cloud.objects.write(ref("a"), b"hello", ObjectHeaders("text/plain", {"x": "1"}))

    made = cloud.objects.copy(ref("a"), ref("b"), ObjectHeaders("audio/mpeg", {"y": "2"}))

    assert {"y": "2"} == dict(cloud.objects.describe(ref("b")).meta)
    there = cloud.objects.describe(ref("b"))
    assert (there.etag, there.size) == made


def test_listing_goes_on_past_a_page(cloud: Context, ref: Namer) -> None:
    """More keys than one request returns come all, in order."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: cloud.objects.write(ref(f"{n:04d}"), b"", ObjectHeaders()), range(1005)))

    assert [ref(f"{n:04d}").key for n in range(1005)] == _keys(cloud, ref)


def test_an_ordinary_bucket_is_not_versioned(cloud: Context, ref: Namer) -> None:
    """So it may hold state."""
    assert not cloud.objects.is_versioned(ref("").bucket)


def test_a_copy_with_a_front_begins_with_it(cloud: Context, ref: Namer) -> None:
    """The front stands for the first bytes of the source; labels and create-once hold as in a plain copy."""
    front = HeadReplacement(b"tag" * 40_000, replaces=3)
    cloud.objects.write(ref("a"), b"oldaudio", ObjectHeaders())

    made = cloud.objects.copy(ref("a"), ref("b"), ObjectHeaders("audio/mpeg", {"y": "2"}), once=True, front=front)

    assert front.body + b"audio" == cloud.objects.read(ref("b")).body
    assert ({"y": "2"}, made.size) == (dict(cloud.objects.describe(ref("b")).meta), len(front.body) + 5)
    with pytest.raises(AlreadyExists):
        cloud.objects.copy(ref("a"), ref("b"), ObjectHeaders(), once=True, front=front)


def test_many_objects_are_deleted_at_once(cloud: Context, ref: Namer) -> None:
    """What is not there does not matter."""
    for name in ("a", "b", "c&<>\n"):
        cloud.objects.write(ref(name), b"x", ObjectHeaders())

    cloud.objects.delete([ref("a"), ref("c&<>\n"), ref("nothing")])

    assert [ref("b").key] == _keys(cloud, ref)


def _keys(cloud: Context, ref: Namer) -> list[str]:
    """List the keys of this test."""
    return [listed.key for listed in cloud.objects.list(*ref(""))]


def test_a_listing_names_the_version_that_a_read_finds(cloud: Context, ref: Namer) -> None:
    """ETag, size and time: so that a job can be named without reading its manifest."""
    cloud.objects.write(ref("a"), b"hello", ObjectHeaders("text/plain"))

    (listed,) = cloud.objects.list(ref("").bucket, ref("").key)
    about = cloud.objects.describe(ref("a"))

    assert (about.etag, about.size, about.last_modified) == (listed.etag, listed.size, listed.last_modified)


def test_a_listing_may_begin_behind_a_key(cloud: Context, ref: Namer) -> None:
    """Whether there is an object of that name or not."""
    for name in ("a", "b", "d"):
        cloud.objects.write(ref(name), b"", ObjectHeaders())

    bucket, prefix = ref("")

    assert [ref("d").key] == [listed.key for listed in cloud.objects.list(bucket, prefix, ref("b").key)]
    assert [ref("d").key] == [listed.key for listed in cloud.objects.list(bucket, prefix, ref("c").key)]
    assert [] == list(cloud.objects.list(bucket, prefix, ref("d").key))


def test_folders_are_named_without_what_is_in_them(cloud: Context, ref: Namer) -> None:
    """Each once, in order; objects beside them are none."""
    for name in ("b/1", "b/2/3", "a c+/1", "d", "e/"):
        cloud.objects.write(ref(name), b"", ObjectHeaders())

    assert ["a c+", "b", "e"] == list(cloud.objects.list_folders(*ref("")))
    assert ["2"] == list(cloud.objects.list_folders(*ref("b/")))
    assert [] == list(cloud.objects.list_folders(*ref("d/")))
