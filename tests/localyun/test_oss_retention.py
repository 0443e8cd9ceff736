"""Objects that must not be deleted or overwritten: retention of buckets and objects, through the vendor's clients."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import alibabacloud_oss_v2 as oss
import oss2
import pytest

from tests.localyun.oss_world import World, world

DAY = 24 * 3600.0


@pytest.fixture
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Serve one endpoint, with its own clock."""
    with world(tmp_path_factory.mktemp("retention")) as here:
        yield here


def bucket_of(here: World, name: str) -> oss2.Bucket:
    """Create a bucket."""
    bucket = here.bucket(name)
    bucket.create_bucket()
    return bucket


def guarded(here: World, *, mode: str = "") -> oss2.Bucket:
    """Create a bucket with versioning and ObjectWorm, perhaps with a default retention of a day."""
    bucket = bucket_of(here, "guarded")
    bucket.put_bucket_versioning(oss2.models.BucketVersioningConfig("Enabled"))
    default = oss.ObjectWormConfigurationRuleDefaultRetention(mode=mode, days=1)
    rule = oss.ObjectWormConfigurationRule(default_retention=default) if mode else None
    here.client().put_bucket_object_worm_configuration(
        oss.PutBucketObjectWormConfigurationRequest(
            bucket="guarded",
            object_worm_configuration=oss.ObjectWormConfiguration(object_worm_enabled="Enabled", rule=rule),
        )
    )
    return bucket


def until(here: World, seconds: float) -> str:
    """Return a time from now, as OSS writes it."""
    return (here.clock.now() + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def retain(here: World, mode: str, seconds: float, *, bypass: bool = False) -> None:
    """Set the retention of the object `key`."""
    retention = oss.Retention(mode=mode, retain_until_date=until(here, seconds))
    request = oss.PutObjectRetentionRequest(
        bucket="guarded", key="key", retention=retention, bypass_governance_retention=bypass or None
    )
    here.client().put_object_retention(request)


def refused(error: pytest.ExceptionInfo[oss.exceptions.OperationError]) -> str:
    """Return the code of an error of the second client."""
    code: str = error.value.unwrap().code
    return code


def test_a_retention_policy_protects_objects_for_days(here: World) -> None:
    """They can be neither deleted nor overwritten until then, by no action."""
    bucket = bucket_of(here, "kept")
    bucket.put_object("key", b"1")
    policy = bucket.init_bucket_worm(2).worm_id
    bucket.complete_bucket_worm(policy)
    attempts: tuple[Callable[[], object], ...] = (
        lambda: bucket.delete_object("key"),
        lambda: bucket.put_object("key", b"2"),
        lambda: bucket.copy_object("kept", "key", "key"),
        lambda: bucket.batch_delete_objects(["key"]),
    )
    for attempt in attempts:
        with pytest.raises(oss2.exceptions.ServerError) as error:
            attempt()
        assert (error.value.status, error.value.code) == (409, "FileImmutable")
    assert bucket.get_object("key").read() == b"1"
    here.clock.turn(2 * DAY + 1)  # requests are signed with the time of the host
    here.objects.delete("kept", "key")


def test_a_policy_that_is_not_locked_ends_after_a_day(here: World) -> None:
    """Or is aborted; a locked one can only become longer."""
    bucket = bucket_of(here, "kept")
    with pytest.raises(oss2.exceptions.NoSuchWORMConfiguration):
        bucket.get_bucket_worm()
    policy = bucket.init_bucket_worm(7).worm_id
    with pytest.raises(oss2.exceptions.InvalidWORMConfiguration):
        bucket.extend_bucket_worm(policy, 8)
    bucket.put_object("key", b"1")
    here.clock.turn(DAY + 1)
    here.objects.put("kept", "key", b"2")
    here.clock.turn(-DAY - 1)
    bucket.abort_bucket_worm()
    policy = bucket.init_bucket_worm(7).worm_id
    with pytest.raises(oss2.exceptions.NoSuchWORMConfiguration):
        bucket.complete_bucket_worm("another")
    bucket.complete_bucket_worm(policy)
    for attempt in (bucket.abort_bucket_worm, lambda: bucket.init_bucket_worm(1)):
        with pytest.raises(oss2.exceptions.WORMConfigurationLocked):
            attempt()
    with pytest.raises(oss2.exceptions.InvalidArgument):
        bucket.extend_bucket_worm(policy, 7)
    bucket.extend_bucket_worm(policy, 8)
    found = bucket.get_bucket_worm()
    assert (found.worm_id, found.state, found.retention_period_days) == (policy, "Locked", 8)


def test_compliance_protects_a_version_from_everyone(here: World) -> None:
    """A delete marker may still be put above it."""
    bucket = guarded(here)
    version = bucket.put_object("key", b"1").versionid
    retain(here, "COMPLIANCE", 60)
    marker = bucket.delete_object("key").versionid
    with pytest.raises(oss2.exceptions.ServerError) as error:
        bucket.delete_object("key", {"versionId": version}, headers={"x-oss-bypass-governance-retention": "true"})
    assert error.value.code == "FileImmutable"
    bucket.delete_object("key", {"versionId": marker})
    for mode, seconds in (("COMPLIANCE", 30), ("GOVERNANCE", 90)):
        with pytest.raises(oss.exceptions.OperationError) as weaker:
            retain(here, mode, seconds, bypass=True)
        assert refused(weaker) == "AccessDenied"
    retain(here, "COMPLIANCE", 90)
    here.clock.turn(91)
    bucket.delete_object("key", {"versionId": version})


def test_governance_can_be_bypassed(here: World) -> None:
    """With a header, which needs its own right."""
    bucket = guarded(here, mode="GOVERNANCE")
    version = bucket.put_object("key", b"1").versionid
    found = here.client().get_object_retention(oss.GetObjectRetentionRequest(bucket="guarded", key="key")).retention
    assert (found.mode, found.retain_until_date[:10]) == ("GOVERNANCE", until(here, DAY)[:10])
    with pytest.raises(oss.exceptions.OperationError) as error:
        retain(here, "GOVERNANCE", 30)
    assert refused(error) == "AccessDenied"
    retain(here, "GOVERNANCE", 30, bypass=True)
    with pytest.raises(oss2.exceptions.ServerError):
        bucket.delete_object("key", {"versionId": version})
    bucket.delete_object("key", {"versionId": version}, headers={"x-oss-bypass-governance-retention": "true"})
    assert not bucket.object_exists("key")


def test_a_hold_protects_until_it_is_off(here: World) -> None:
    """Whatever the retention says; uploads can set both, and copies have neither."""
    bucket = guarded(here)
    headers = {
        "x-oss-object-worm-legal-hold": "ON",
        "x-oss-object-worm-mode": "GOVERNANCE",
        "x-oss-object-worm-retain-until-date": until(here, 5),
    }
    version = bucket.put_object("key", b"1", headers=headers).versionid
    found = bucket.head_object("key").headers
    assert {name: found[name] for name in headers} == headers
    bucket.copy_object("guarded", "key", "copy")
    assert not set(headers) & set(map(str.lower, bucket.head_object("copy").headers))
    here.clock.turn(6)
    with pytest.raises(oss2.exceptions.ServerError):
        bucket.delete_object("key", {"versionId": version})
    hold = oss.LegalHold(status="OFF")
    here.client().put_object_legal_hold(oss.PutObjectLegalHoldRequest(bucket="guarded", key="key", legal_hold=hold))
    request = oss.GetObjectLegalHoldRequest(bucket="guarded", key="key")
    assert here.client().get_object_legal_hold(request).legal_hold.status == "OFF"
    bucket.delete_object("key", {"versionId": version})


def test_object_worm_needs_versioning_and_keeps_it(here: World) -> None:
    """And retention needs ObjectWorm."""
    bucket = bucket_of(here, "guarded")
    bucket.put_object("key", b"1")
    client = here.client()
    with pytest.raises(oss.exceptions.OperationError) as error:
        client.get_bucket_object_worm_configuration(oss.GetBucketObjectWormConfigurationRequest(bucket="guarded"))
    assert refused(error) == "NoSuchObjectWormConfiguration"
    with pytest.raises(oss.exceptions.OperationError) as error:
        client.put_bucket_object_worm_configuration(
            oss.PutBucketObjectWormConfigurationRequest(
                bucket="guarded", object_worm_configuration=oss.ObjectWormConfiguration(object_worm_enabled="Enabled")
            )
        )
    assert refused(error) == "InvalidBucketState"
    with pytest.raises(oss.exceptions.OperationError) as error:
        retain(here, "GOVERNANCE", 9)
    assert refused(error) == "InvalidRequest"
    with pytest.raises(oss2.exceptions.ServerError):
        bucket.put_object("key", b"1", headers={"x-oss-object-worm-legal-hold": "ON"})
    bucket = guarded(here)
    with pytest.raises(oss2.exceptions.ServerError) as suspended:
        bucket.put_bucket_versioning(oss2.models.BucketVersioningConfig("Suspended"))
    assert suspended.value.code == "InvalidBucketState"
    with pytest.raises(oss.exceptions.OperationError) as error:
        client.get_object_retention(oss.GetObjectRetentionRequest(bucket="guarded", key="key"))
    assert refused(error) == "NoSuchObjectRetention"


@pytest.mark.parametrize(("mode", "seconds"), [("FOREVER", 9), ("GOVERNANCE", -9)])
def test_a_retention_has_a_mode_and_a_time_to_come(here: World, mode: str, seconds: float) -> None:
    """Others are refused."""
    guarded(here).put_object("key", b"1")
    with pytest.raises(oss.exceptions.OperationError) as error:
        retain(here, mode, seconds)
    assert refused(error) == "InvalidArgument"
