"""The function in template.yml that attaches the bucket to the IMM project, run against the local IMM."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from localyun.fc.values import FunctionConfig, InvocationResult
from localyun.ram.policies import AccessCheck
from localyun.server import LocalCloud
from tests.deploy.tools import ROOT

EVENT = b'{"OSSBucket": "clipstitch", "ProjectName": "clipstitch"}'
Attach = Callable[[], InvocationResult]


@pytest.fixture
def attaching(tmp_path: Path) -> Iterator[tuple[LocalCloud, Attach, list[AccessCheck]]]:
    """Deploy the function of the template with its role. Yield the cloud, the function and all permission checks."""
    checks: list[AccessCheck] = []
    properties = yaml.safe_load((ROOT / "template.yml").read_text("utf-8"))["Resources"]["AttachFunction"]["Properties"]
    (tmp_path / "index.py").write_text(properties["Code"]["SourceCode"], "utf-8")
    cloud = LocalCloud(ROOT, watch=checks.append)
    with cloud as endpoints:
        [role] = [role.arn for role in endpoints.deployment.roles if role.arn.endswith("-attach")]
        config = FunctionConfig("attach", properties["Handler"], (tmp_path,), timeout=20, role=role)
        cloud.services.functions.deploy(config)
        yield cloud, lambda: cloud.services.functions.invoke("attach", EVENT), checks


def test_attaching_the_bucket_twice_succeeds(
    attaching: tuple[LocalCloud, Attach, list[AccessCheck]],
) -> None:
    """The function uses exactly the permissions of its role."""
    cloud, attach, checks = attaching
    cloud.services.tasks.detach("clipstitch")

    first, second = attach(), attach()

    assert ["", ""] == [first.error_type, second.error_type], first.payload
    assert "clipstitch" == cloud.services.tasks.attachment("clipstitch")
    used = {(one.action, one.allowed) for one in checks if one.principal.endswith("-attach")}
    assert {("imm:AttachOSSBucket", True), ("imm:GetOSSBucketAttachment", True)} == used


def test_a_bucket_of_another_project_stays_attached_to_it(
    attaching: tuple[LocalCloud, Attach, list[AccessCheck]],
) -> None:
    """The deployment fails with a message that says what to do."""
    cloud, attach, _ = attaching
    cloud.services.tasks.create_project("other")
    cloud.services.tasks.detach("clipstitch")
    cloud.services.tasks.attach("clipstitch", "other")

    result = attach()

    assert "UnhandledInvocationError" == result.error_type
    assert b"attached to IMM project other; detach it there first" in result.payload
    assert "other" == cloud.services.tasks.attachment("clipstitch")


def test_the_source_is_within_the_limit_of_a_template() -> None:
    """ROS accepts at most 4096 characters (ALIYUN::FC3::Function, Code.SourceCode, 2026-03)."""
    resources = yaml.safe_load((ROOT / "template.yml").read_text("utf-8"))["Resources"]

    assert 4096 >= len(resources["AttachFunction"]["Properties"]["Code"]["SourceCode"])
