"""The function in template.yml that attaches the bucket to the IMM project, run against the local IMM."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from localyun.fc.values import FunctionConfig, InvocationResult
from localyun.ram.policies import AccessCheck
from localyun.server import LocalCloud
from tests.deploy.tools import ROOT

EVENT = b'{"OSSBucket": "clipstitch", "ProjectName": "clipstitch"}'
Attach = Callable[[], InvocationResult]


@contextmanager
def deployed(tmp_path: Path, cloud: LocalCloud) -> Iterator[tuple[LocalCloud, Attach]]:
    """Deploy the function of the template with its role; yield the running cloud and the function."""
    properties = yaml.safe_load((ROOT / "template.yml").read_text("utf-8"))["Resources"]["AttachFunction"]["Properties"]
    (tmp_path / "index.py").write_text(properties["Code"]["SourceCode"], "utf-8")
    with cloud as endpoints:
        [role] = [role.arn for role in endpoints.deployment.roles if role.arn.endswith("-attach")]
        config = FunctionConfig("attach", properties["Handler"], (tmp_path,), timeout=properties["Timeout"], role=role)
        cloud.services.functions.deploy(config)
        yield cloud, lambda: cloud.services.functions.invoke("attach", EVENT)


@pytest.fixture
def attaching(tmp_path: Path) -> Iterator[tuple[LocalCloud, Attach, list[AccessCheck]]]:
    """Yield a running cloud, the function, and all permission checks."""
    checks: list[AccessCheck] = []
    with deployed(tmp_path, LocalCloud(ROOT, watch=checks.append)) as (cloud, attach):
        yield cloud, attach, checks


def test_attaching_the_bucket_twice_succeeds(
    attaching: tuple[LocalCloud, Attach, list[AccessCheck]],
) -> None:
    """The function uses exactly the permissions of its role."""
    cloud, attach, checks = attaching
    cloud.services.tasks.detach("clipstitch")

    first, second = attach(), attach()

    assert ["", ""] == [first.error_type, second.error_type], first.payload
    assert "clipstitch" == cloud.services.tasks.attachment("clipstitch")
    assert {("imm:AttachOSSBucket", True), ("imm:GetOSSBucketAttachment", True)} == permissions_used(checks)


def permissions_used(checks: list[AccessCheck]) -> set[tuple[str, bool]]:
    """Return the actions that the function called, and whether its role allowed them."""
    return {(check.action, check.allowed) for check in checks if check.principal.endswith("-attach")}


def test_a_role_that_takes_effect_late_is_waited_for(tmp_path: Path) -> None:
    """A role acts only some seconds after its creation; until then the refused call is repeated."""
    checks: list[AccessCheck] = []
    with deployed(tmp_path, LocalCloud(ROOT, watch=checks.append, role_delay_s=3)) as (cloud, attach):
        cloud.services.tasks.detach("clipstitch")
        result = attach()

        assert "" == result.error_type, result.payload
        assert "clipstitch" == cloud.services.tasks.attachment("clipstitch")
    assert {("imm:AttachOSSBucket", False), ("imm:AttachOSSBucket", True)} <= permissions_used(checks)


def test_a_bucket_of_another_project_stays_attached_to_it(
    attaching: tuple[LocalCloud, Attach, list[AccessCheck]],
) -> None:
    """The deployment fails with a message that says what to do."""
    cloud, attach, checks = attaching
    cloud.services.tasks.create_project("other")
    cloud.services.tasks.detach("clipstitch")
    cloud.services.tasks.attach("clipstitch", "other")

    result = attach()

    assert "UnhandledInvocationError" == result.error_type
    assert b"attached to IMM project other; detach it there first" in result.payload
    assert "other" == cloud.services.tasks.attachment("clipstitch")
    assert {("imm:GetOSSBucketAttachment", True)} == permissions_used(checks)


def test_the_source_is_within_the_limit_of_a_template() -> None:
    """ROS accepts at most 4096 characters (ALIYUN::FC3::Function, Code.SourceCode, 2026-03)."""
    resources = yaml.safe_load((ROOT / "template.yml").read_text("utf-8"))["Resources"]

    assert 4096 >= len(resources["AttachFunction"]["Properties"]["Code"]["SourceCode"])
