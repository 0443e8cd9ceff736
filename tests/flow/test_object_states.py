"""What the product does with archived clips, symbolic links, and a bucket with versioning."""

import time
from collections.abc import Callable
from typing import Any

import oss2
import pytest

from localyun.oss.archive import RESTORE_SECONDS
from localyun.server import LocalCloud
from tests.conftest import ROOT, product_environment
from tests.flow.conftest import System
from tests.sounds import pitch_at, tone


def bucket_of(system: System) -> oss2.Bucket:
    """Return the vendor's client of the bucket."""
    env = system.environment
    auth = oss2.AuthV4(env["OSS_ACCESS_KEY_ID"], env["OSS_ACCESS_KEY_SECRET"])
    return oss2.Bucket(auth, env["OSS_ENDPOINT"], system.bucket, region=env["OSS_REGION"])


def wait_for(condition: Callable[[], Any], seconds: float = 20) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_an_archived_clip_is_rejected_until_it_is_restored(system: System) -> None:
    """Its issue is CLIP_ARCHIVED; a restore takes some seconds on the local cloud."""
    bucket, (fresh, old) = bucket_of(system), system.upload({"a.wav": tone(500, 300), "b.wav": tone(900, 300)})
    bucket.put_object(old, tone(900, 300), headers={"x-oss-storage-class": "Archive"})
    document = system.manifest("out.flac", [fresh, old])
    issues = system.result(system.drop(document, "cold.json"))["data"]["issues"]
    bucket.restore_object(old)
    wait_for(lambda: "false" in bucket.head_object(old).headers["x-oss-restore"], 3 * RESTORE_SECONDS)
    event = system.result(system.drop(document, "warm.json"))

    assert [("CLIP_ARCHIVED", "/clips/1")] == [(issue["code"], issue["path"]) for issue in issues]
    assert "clipstitch.job.succeeded" == event["type"]
    assert pitch_at(system.body("out.flac"), 0.45) == pytest.approx(900, abs=10)


def test_a_symbolic_link_is_merged_like_its_target(system: System) -> None:
    """As main source and as any other; one without a target is not found."""
    first, second = system.upload({"a.wav": tone(500, 300), "b.wav": tone(900, 300)})
    links = [system.ref(name).key for name in ("first.wav", "second.wav", "lost.wav")]
    for target, link in zip((first, second, "nowhere"), links, strict=True):
        bucket_of(system).put_symlink(target, link)
    event = system.result(system.drop(system.manifest("out.flac", links[:2]), "links.json"))
    lost = system.result(system.drop(system.manifest("other.flac", [first, links[2]]), "lost.json"))

    body = system.body("out.flac")
    assert "clipstitch.job.succeeded" == event["type"]
    assert [pitch_at(body, 0.15), pitch_at(body, 0.45)] == pytest.approx([500, 900], abs=10)
    assert ["CLIP_NOT_FOUND"] == [issue["code"] for issue in lost["data"]["issues"]]


def test_a_bucket_with_versioning_is_refused_before_anything_is_planned() -> None:
    """The function takes its marker back, which leaves a delete marker; no fact of a job is written."""
    with LocalCloud(ROOT, time_scale=50) as endpoints:
        system = System(product_environment(endpoints), "versioned")
        bucket = bucket_of(system)
        bucket.put_bucket_versioning(oss2.models.BucketVersioningConfig("Enabled"))
        clips = system.upload({"a.wav": tone(500, 300), "b.wav": tone(900, 300)})
        system.drop(system.manifest("out.flac", clips))
        prefix = "_clipstitch/open/"
        wait_for(lambda: bucket.list_object_versions(prefix=prefix).delete_marker)
        listed = bucket.list_object_versions(prefix=prefix)
        facts = bucket.list_object_versions(prefix="_clipstitch/jobs/").versions

    assert {found.key for found in listed.versions} == {found.key for found in listed.delete_marker}
    assert [] == facts
