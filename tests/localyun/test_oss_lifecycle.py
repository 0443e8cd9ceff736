"""Lifecycle rules: which are accepted, and what they do when the clock of the local cloud goes on."""

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any

import oss2
import pytest
from oss2.models import (
    AbortMultipartUpload,
    BucketLifecycle,
    LifecycleExpiration,
    LifecycleRule,
    NoncurrentVersionExpiration,
    NoncurrentVersionStorageTransition,
    StorageTransition,
    Tagging,
    TaggingRule,
)

from localyun.oss.expiry import Expiry
from localyun.oss.values import WriteOptions
from localyun.oss.versions import VersionQuery
from tests.localyun.oss_world import World, world

DAY = 24 * 3600
PAST, FUTURE = dt.date(2016, 12, 25), dt.date(2100, 1, 1)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Serve OSS."""
    with world(tmp_path_factory.mktemp("oss")) as started:
        yield started


@pytest.fixture
def bucket(here: World, request: pytest.FixtureRequest) -> oss2.Bucket:
    """Return a new bucket."""
    bucket = here.bucket(f"b{abs(hash(request.node.name))}"[:60])
    bucket.create_bucket()
    return bucket


@pytest.fixture
def days_later(here: World) -> Iterator[Callable[[float], None]]:
    """Return a function that lets days pass and applies the rules; the clock is turned back afterwards."""
    passed = 0.0

    def pass_days(days: float) -> None:
        nonlocal passed
        passed += days
        here.clock.turn(days * DAY)
        Expiry(here.objects, here.clock).apply_if_due()

    yield pass_days
    here.clock.turn(-passed * DAY)


def rule(prefix: str = "logs/", name: str = "", **actions: Any) -> LifecycleRule:
    """Return an enabled rule."""
    actions.setdefault("status", LifecycleRule.ENABLED)
    return LifecycleRule(name or prefix, prefix, **actions)


def put(bucket: oss2.Bucket, *rules: LifecycleRule, **headers: str) -> None:
    """Set the rules of a bucket."""
    bucket.put_bucket_lifecycle(
        BucketLifecycle(list(rules)), {name.replace("_", "-"): v for name, v in headers.items()}
    )


def keys(here: World, bucket: oss2.Bucket) -> list[str]:
    """Return the keys of all objects."""
    return [found.key for found in here.objects.page(bucket.bucket_name).objects]


def tagged(**tags: str) -> Tagging:
    """Return tags."""
    found = TaggingRule()
    for name, value in tags.items():
        found.add(name, value)
    return Tagging(found)


def test_rules_are_stored_until_they_are_deleted(bucket: oss2.Bucket) -> None:
    """A rule without an ID gets one; without rules, there is an error."""
    with pytest.raises(oss2.exceptions.NoSuchLifecycle):
        bucket.get_bucket_lifecycle()
    put(
        bucket,
        rule("前缀+/", expiration=LifecycleExpiration(days=356)),
        LifecycleRule("", "b", expiration=LifecycleExpiration(days=1), status="Disabled"),
    )
    first, second = bucket.get_bucket_lifecycle().rules
    bucket.delete_bucket_lifecycle()
    bucket.delete_bucket_lifecycle()

    assert (first.id, first.prefix, first.expiration.days, first.status) == ("前缀+/", "前缀+/", 356, "Enabled")
    assert second.id
    with pytest.raises(oss2.exceptions.NoSuchLifecycle):
        bucket.get_bucket_lifecycle()


def test_objects_expire_by_age_prefix_and_tags(
    here: World, bucket: oss2.Bucket, days_later: Callable[[float], None]
) -> None:
    """Others stay, as do those of a disabled rule; deletions are events."""
    put(
        bucket,
        rule("logs/", expiration=LifecycleExpiration(days=3)),
        rule("tagged/", expiration=LifecycleExpiration(days=1), tagging=tagged(kind="draft")),
        rule("off/", expiration=LifecycleExpiration(days=1), status=LifecycleRule.DISABLED),
    )
    for key in ("logs/a", "music/a", "off/a", "tagged/a"):
        bucket.put_object(key, b"1")
    bucket.put_object("tagged/b", b"1", headers={"x-oss-tagging": "kind=draft&by=ann"})
    days_later(2)
    early = keys(here, bucket)
    days_later(1.1)

    assert early == ["logs/a", "music/a", "off/a", "tagged/a"]
    assert keys(here, bucket) == ["music/a", "off/a", "tagged/a"]
    assert ("ObjectRemoved:DeleteObject", "logs/a") in {(event.name, event.key) for event in here.events}


@pytest.mark.parametrize(
    ("expiration", "expires"),
    [
        (LifecycleExpiration(created_before_date=PAST), False),
        (LifecycleExpiration(date=PAST), True),
        (LifecycleExpiration(date=FUTURE), False),
        (LifecycleExpiration(created_before_date=FUTURE), False),
    ],
)
def test_objects_expire_by_date(
    here: World, bucket: oss2.Bucket, days_later: Callable[[float], None], expiration: Any, expires: bool
) -> None:
    """From a date on all of them, or those that were last changed before it."""
    put(bucket, rule("", "all", expiration=expiration))
    bucket.put_object("k", b"1")
    days_later(1)

    assert keys(here, bucket) == ([] if expires else ["k"])


def test_a_request_applies_the_rules_at_most_once_a_minute(here: World, bucket: oss2.Bucket) -> None:
    """The first one after the rules were put does at once."""
    bucket.put_object("old", b"1")
    put(bucket, rule("", "all", expiration=LifecycleExpiration(date=PAST)))
    applied = bucket.object_exists("old")
    bucket.put_object("new", b"1")
    kept = bucket.object_exists("new")
    here.clock.turn(61)

    assert (applied, kept, bucket.object_exists("new")) == (False, True, False)


def test_objects_change_their_storage_class(
    here: World, bucket: oss2.Bucket, days_later: Callable[[float], None]
) -> None:
    """To the coldest that is due, and never back; the time of the last change stays."""
    colder = [StorageTransition(days=days, storage_class=name) for days, name in ((2, "IA"), (4, "Archive"))]
    put(bucket, rule("", "all", storage_transitions=colder))
    bucket.put_object("k", b"1")
    bucket.put_object("cold", b"1", headers={"x-oss-storage-class": "ColdArchive"})
    before = here.objects.head(bucket.bucket_name, "k")
    classes = []
    for days in (1, 2, 2):
        days_later(days)
        classes.append(here.objects.head(bucket.bucket_name, "k").storage_class)

    assert classes == ["Standard", "IA", "Archive"]
    assert here.objects.head(bucket.bucket_name, "cold").storage_class == "ColdArchive"
    assert here.objects.head(bucket.bucket_name, "k").last_modified == before.last_modified


def test_unfinished_uploads_are_aborted(here: World, bucket: oss2.Bucket, days_later: Callable[[float], None]) -> None:
    """With their parts."""
    put(bucket, rule("up/", abort_multipart_upload=AbortMultipartUpload(days=2)))
    for key in ("up/a", "other"):
        bucket.upload_part(key, bucket.init_multipart_upload(key).upload_id, 1, b"1")
    days_later(2.1)

    assert [upload.key for upload in here.objects.uploads.unfinished(bucket.bucket_name)] == ["other"]


def test_versions_expire_by_the_time_when_they_were_replaced(
    here: World, bucket: oss2.Bucket, days_later: Callable[[float], None]
) -> None:
    """An expired object gets a delete marker, which goes when it is the last version."""
    name, store = bucket.bucket_name, here.objects
    store.set_bucket(name, versioning="Enabled")
    put(
        bucket,
        rule("a", expiration=LifecycleExpiration(days=5), noncurrent_version_expiration=NoncurrentVersionExpiration(3)),
        rule(
            "b",
            expiration=LifecycleExpiration(expired_detete_marker=True),
            noncurrent_version_expiration=NoncurrentVersionExpiration(3),
            noncurrent_version_sotrage_transitions=[NoncurrentVersionStorageTransition(1, "IA")],
        ),
    )

    def shown(key: str) -> list[str]:
        listed = store.versions(VersionQuery(name, key)).versions
        return ["marker" if one.stored.is_delete_marker else one.stored.storage_class for one in listed]

    store.put(name, "a", b"1", WriteOptions())
    store.put(name, "b", b"1")
    days_later(2)
    store.put(name, "a", b"2")
    store.delete(name, "b")
    days_later(1.5)
    first = shown("a"), shown("b")
    days_later(2)
    second = shown("a"), shown("b")
    days_later(2)
    third = shown("a")
    days_later(3.1)

    assert first == (["Standard", "Standard"], ["marker", "IA"])
    assert second == (["Standard"], ["marker"])
    assert third == ["marker", "Standard"]
    assert (shown("a"), shown("b")) == (["marker"], [])


@pytest.mark.parametrize(
    ("code", "rules"),
    [
        (
            "InvalidArgument",
            [
                rule(
                    expiration=LifecycleExpiration(days=3),
                    storage_transitions=[StorageTransition(4, storage_class="IA")],
                )
            ],
        ),
        (
            "InvalidArgument",
            [
                rule(
                    storage_transitions=[
                        StorageTransition(5, storage_class="IA"),
                        StorageTransition(2, storage_class="Archive"),
                    ]
                )
            ],
        ),
        ("InvalidArgument", [rule(storage_transitions=[StorageTransition(5, storage_class="Standard")])]),
        (
            "InvalidArgument",
            [rule("a", expiration=LifecycleExpiration(days=3)), rule("a/b", expiration=LifecycleExpiration(days=5))],
        ),
        (
            "InvalidArgument",
            [
                rule("a", expiration=LifecycleExpiration(days=3)),
                rule("a/b", storage_transitions=[StorageTransition(5, storage_class="IA")]),
            ],
        ),
        ("InvalidArgument", [rule(expiration=LifecycleExpiration(days=0))]),
        (
            "InvalidArgument",
            [
                rule("a", "same", expiration=LifecycleExpiration(days=3)),
                rule("b", "same", expiration=LifecycleExpiration(days=3)),
            ],
        ),
        (
            "InvalidRequest",
            [
                rule(
                    expiration=LifecycleExpiration(created_before_date=PAST),
                    storage_transitions=[StorageTransition(5, storage_class="IA")],
                )
            ],
        ),
        ("MalformedXML", []),
        ("MalformedXML", [rule()]),
        ("MalformedXML", [rule(status="On", expiration=LifecycleExpiration(days=3))]),
    ],
)
def test_rules_that_contradict_are_refused(bucket: oss2.Bucket, code: str, rules: list[LifecycleRule]) -> None:
    """Themselves, or a rule for the same objects; nothing is stored."""
    with pytest.raises(oss2.exceptions.ServerError) as refused:
        put(bucket, *rules)
    with pytest.raises(oss2.exceptions.NoSuchLifecycle):
        bucket.get_bucket_lifecycle()

    assert (refused.value.status, refused.value.code) == (400, code)


def test_rules_may_overlap_if_the_request_says_so(bucket: oss2.Bucket) -> None:
    """The earlier one wins."""
    nested = rule("a", expiration=LifecycleExpiration(days=3)), rule("a/b", expiration=LifecycleExpiration(days=5))
    put(bucket, *nested, x_oss_allow_same_action_overlap="true")

    assert len(bucket.get_bucket_lifecycle().rules) == 2
