"""Two environments in one account, deployed with ROS alone: with DeployFunctions the stack has the functions, too."""

import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import oss2
import pytest

from localyun.server import Endpoints, LocalCloud
from tests.deploy.conftest import Project
from tests.deploy.flow import DEMO, bucket_named, wait_for
from tests.deploy.tools import ROOT
from tests.localyun.ros_client import Ros, stack_parameters

PREFIXES = ("clipstitch", "staging")
CLIP = "pre1.mp3"


class Environments(NamedTuple):
    """A running cloud with two stacks, by their prefix, which is the name of their bucket, too."""

    endpoints: Endpoints
    ros: Ros
    stacks: dict[str, dict[str, Any]]

    def run_job(self, prefix: str) -> dict[str, Any]:
        """Run a job of an environment and return its event."""
        bucket = self.bucket(prefix)
        bucket.put_object(CLIP, (DEMO / CLIP).read_bytes())
        manifest = {"version": 1, "clips": [CLIP, CLIP], "output": {"key": f"merged/{prefix}.mp3"}}
        bucket.put_object("manifests/job.json", json.dumps(manifest))
        return wait_for(bucket, "results/manifests/job.json.json", 60)

    def bucket(self, prefix: str) -> Any:
        """Return a client of the bucket of an environment."""
        return bucket_named(self.endpoints, prefix)

    def keys(self, prefix: str) -> list[str]:
        """Return the keys of all objects of an environment."""
        return [listed.key for listed in oss2.ObjectIteratorV2(self.bucket(prefix))]


@pytest.fixture
def environments(built: Callable[[str], Project]) -> Iterator[Environments]:
    """Upload the packages, and create both stacks."""
    packages = built("3.10").root / "build"
    template = (ROOT / "template.yml").read_text("utf-8")
    with LocalCloud(None, time_scale=50) as endpoints:
        code = bucket_named(endpoints, "packages")
        code.create_bucket()
        for package in packages.glob("*.zip"):
            code.put_object(f"clipstitch/{package.name}", package.read_bytes())
        ros = Ros(endpoints)
        yield Environments(
            endpoints, ros, {prefix: ros.create(template, prefix, **given(prefix)) for prefix in PREFIXES}
        )


def given(prefix: str) -> dict[str, str]:
    """Return the parameters of a stack as ROS takes them."""
    return stack_parameters(Prefix=prefix, BucketName=prefix, DeployFunctions="true", CodeBucketName="packages")


def test_each_environment_does_its_own_jobs_only(environments: Environments) -> None:
    """The manifest of one reaches neither functions nor bucket of the other; the removal of one leaves the other."""
    for prefix, stack in environments.stacks.items():
        assert "CREATE_COMPLETE" == stack["Status"], (prefix, stack["StatusReason"])
    first, second = PREFIXES

    event = environments.run_job(first)

    assert "succeeded" == event["data"]["state"], event
    assert f"merged/{first}.mp3" in environments.keys(first)
    assert [] == environments.keys(second)
    stack_id = environments.stacks[first]["StackId"]
    environments.ros.call("DeleteStack", StackId=stack_id)
    deleted = environments.ros.wait(stack_id)
    assert "DELETE_COMPLETE" == deleted["Status"], deleted["StatusReason"]
    assert f"merged/{first}.mp3" in environments.keys(first)
    assert "succeeded" == environments.run_job(second)["data"]["state"]
