"""The function in template.yml that attaches the bucket to the IMM project, run against the local IMM."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from localyun.fc.values import FunctionConfig
from localyun.ram.policies import AccessCheck
from localyun.server import LocalCloud
from tests.deploy.tools import ROOT

Attach = Callable[..., dict[str, Any]]


@contextmanager
def deployed(tmp_path: Path, cloud: LocalCloud) -> Iterator[tuple[LocalCloud, Attach]]:
    """Deploy the function of the template with its role; yield the running cloud, and what calls the function as ROS.

    It returns the answer that the function posts.
    """
    properties = yaml.safe_load((ROOT / "template.yml").read_text("utf-8"))["Resources"]["AttachFunction"]["Properties"]
    (tmp_path / "index.py").write_text(properties["Code"]["SourceCode"], "utf-8")
    with cloud as endpoints, answers() as (url, posted):
        [role] = [role.arn for role in endpoints.deployment.roles if role.arn.endswith("-attach")]
        config = FunctionConfig("attach", properties["Handler"], (tmp_path,), timeout=properties["Timeout"], role=role)
        cloud.services.functions.deploy(config)

        def attach(request: str = "Create") -> dict[str, Any]:
            ids = {"RequestId": "r", "StackId": "s", "LogicalResourceId": "Attach"}
            names = {"OSSBucket": "clipstitch", "ProjectName": "clipstitch"}
            event = {**ids, "RequestType": request, "ResponseURL": url, "ResourceProperties": names}
            result = cloud.services.functions.invoke("attach", json.dumps(event).encode())
            assert "" == result.error_type, result.payload
            answer = posted.pop()
            assert ids == {name: answer[name] for name in ids}
            return answer

        yield cloud, attach


@contextmanager
def answers() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Run a server that receives the answers of custom resources; yield its URL and the answers."""
    posted: list[dict[str, Any]] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/answer", posted
        server.shutdown()


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

    assert ["SUCCESS", "SUCCESS"] == [first["Status"], second["Status"]], first
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

        assert "SUCCESS" == result["Status"], result
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

    assert "FAILED" == result["Status"]
    assert "attached to IMM project other; detach it there first" in result["Reason"]
    assert "other" == cloud.services.tasks.attachment("clipstitch")
    assert {("imm:GetOSSBucketAttachment", True)} == permissions_used(checks)


def test_the_bucket_is_detached_when_the_stack_is_deleted(
    attaching: tuple[LocalCloud, Attach, list[AccessCheck]],
) -> None:
    """IMM deletes no project with an attached bucket. A bucket of another project is left alone."""
    cloud, attach, checks = attaching

    first = attach("Delete")
    cloud.services.tasks.create_project("other")
    detached = cloud.services.tasks.attachment("clipstitch")
    cloud.services.tasks.attach("clipstitch", "other")
    second = attach("Delete")

    assert ("SUCCESS", None) == (first["Status"], detached)
    assert ("SUCCESS", "other") == (second["Status"], cloud.services.tasks.attachment("clipstitch"))
    assert {("imm:DetachOSSBucket", True), ("imm:GetOSSBucketAttachment", True)} == permissions_used(checks)


def test_the_source_is_within_the_limit_of_a_template() -> None:
    """ROS accepts at most 4096 characters (ALIYUN::FC3::Function, Code.SourceCode, 2026-03)."""
    resources = yaml.safe_load((ROOT / "template.yml").read_text("utf-8"))["Resources"]

    assert 4096 >= len(resources["AttachFunction"]["Properties"]["Code"]["SourceCode"])
