"""The function inside template.yml that attaches the bucket to the IMM project, run against the local IMM face."""

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
    """Deploy the template's source with the template's role."""
    questions: list[AccessCheck] = []
    properties = yaml.safe_load((ROOT / "template.yml").read_text("utf-8"))["Resources"]["AttachFunction"]["Properties"]
    (tmp_path / "index.py").write_text(properties["Code"]["SourceCode"], "utf-8")
    cloud = LocalCloud(ROOT, watch=questions.append)
    with cloud as endpoints:
        [role] = [role.arn for role in endpoints.deployment.roles if role.arn.endswith("-attach")]
        config = FunctionConfig("attach", properties["Handler"], (tmp_path,), timeout=20, role=role)
        cloud.services.functions.deploy(config)
        yield cloud, lambda: cloud.services.functions.invoke("attach", EVENT), questions


def test_the_bucket_is_attached_once_and_again_is_fine(
    attaching: tuple[LocalCloud, Attach, list[AccessCheck]],
) -> None:
    """With exactly the rights of its role."""
    cloud, attach, questions = attaching
    cloud.services.tasks.detach("clipstitch")

    first, second = attach(), attach()

    assert ["", ""] == [first.error_type, second.error_type], first.payload
    assert "clipstitch" == cloud.services.tasks.attachment("clipstitch")
    mine = {(one.action, one.allowed) for one in questions if one.principal.endswith("-attach")}
    assert {("imm:AttachOSSBucket", True), ("imm:GetOSSBucketAttachment", True)} == mine


def test_a_bucket_of_another_project_is_left_alone(attaching: tuple[LocalCloud, Attach, list[AccessCheck]]) -> None:
    """The deployment fails, and says what to do."""
    cloud, attach, _ = attaching
    cloud.services.tasks.create_project("other")
    cloud.services.tasks.detach("clipstitch")
    cloud.services.tasks.attach("clipstitch", "other")

    result = attach()

    assert "UnhandledInvocationError" == result.error_type
    assert b"attached to IMM project other; detach it there first" in result.payload
    assert "other" == cloud.services.tasks.attachment("clipstitch")


def test_the_source_fits_into_a_template() -> None:
    """ROS takes 4096 characters at most (ALIYUN::FC3::Function, Code.SourceCode, 2026-03)."""
    resources = yaml.safe_load((ROOT / "template.yml").read_text("utf-8"))["Resources"]

    assert 4096 >= len(resources["AttachFunction"]["Properties"]["Code"]["SourceCode"])
