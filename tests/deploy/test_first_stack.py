"""The first stack of an account: one that fails in the middle, with the way on that the doctor prints; young roles."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from clipstitch_cli import exit_codes
from clipstitch_cli.main import main
from localyun.server import Endpoints, LocalCloud
from tests.deploy.tools import ROOT
from tests.localyun.ros_client import Ros, stack_parameters

TEMPLATE = (ROOT / "template.yml").read_text("utf-8")
NAME = "clipstitch"


def stack_finding(endpoints: Endpoints) -> tuple[int, dict[str, Any]]:
    """Return the doctor's exit code, and what it finds about the stack."""
    out = StringIO()
    code = main(["doctor", "--json"], {**endpoints.environment(), "CLIPSTITCH_BUCKET": NAME}, out, StringIO())
    [finding] = [one for one in json.loads(out.getvalue()) if one["name"] == "stack"]
    return code, finding


@pytest.mark.parametrize("resource", ["ImmProject", "AttachFunction", "Attach"])
def test_a_first_stack_that_fails_can_be_replaced(tmp_path: Path, resource: str) -> None:
    """Wherever it fails: the bucket stays; the doctor says what to do, and doing it succeeds."""
    with LocalCloud(None, data=tmp_path, time_scale=50, fail_resource=resource) as endpoints:
        failed = Ros(endpoints).create(TEMPLATE, NAME)
        code, finding = stack_finding(endpoints)

    assert "CREATE_ROLLBACK_COMPLETE" == failed["Status"]
    assert (exit_codes.ERROR, "bad") == (code, finding["state"])
    assert f"{resource}: failed on purpose" in finding["message"]
    assert "s infra remove" in finding["remedy"]
    assert "CLIPSTITCH_NEW_BUCKET=false s deploy" in finding["remedy"]
    cloud = LocalCloud(None, data=tmp_path, time_scale=50)
    with cloud as endpoints:
        ros = Ros(endpoints)
        assert cloud.services.objects.has_bucket(NAME)
        ros.call("DeleteStack", StackId=failed["StackId"])
        ros.wait(failed["StackId"])
        again = ros.create(TEMPLATE, NAME, **stack_parameters(NewBucket="false"))

        assert "CREATE_COMPLETE" == again["Status"], again["StatusReason"]
        assert NAME == cloud.services.tasks.attachment(NAME)
        assert "ok" == stack_finding(endpoints)[1]["state"]


def test_roles_that_take_effect_late_delay_the_stack_only() -> None:
    """The function that attaches the bucket repeats what is refused until its role has its permissions."""
    cloud = LocalCloud(None, time_scale=50, role_delay_s=5)
    with cloud as endpoints:
        stack = Ros(endpoints).create(TEMPLATE, NAME)

        assert "CREATE_COMPLETE" == stack["Status"], stack["StatusReason"]
        assert NAME == cloud.services.tasks.attachment(NAME)
