"""The rights that docs/ names, tried on the local cloud: they are enough, and each of them is needed."""

import base64
import json
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import oss2
import pytest
import yaml

from clipstitch_cli.main import main
from localyun.ram.policies import AccessCheck, Statement, parse_policy
from localyun.server import LocalCloud
from tests.child_process import wait_until
from tests.deploy.flow import DEMO, bucket_of, fail_a_copy, run_job, store_of, wait_for
from tests.deploy.projects import changed_project, environment_of_role
from tests.deploy.rights import policies_of
from tests.deploy.tools import ROOT

OPERATOR = """
  OperatorRole:
    Type: ALIYUN::RAM::Role
    Properties:
      RoleName: operator
      AssumeRolePolicyDocument:
        Statement: [{Effect: Allow, Action: sts:AssumeRole, Principal: {Service: [fc.aliyuncs.com]}}]
      Policies: [{PolicyName: operator, PolicyDocument: POLICY}]

Outputs:"""


@pytest.fixture
def operator(tmp_path: Path) -> Iterator[tuple[dict[str, str], list[Statement], list[AccessCheck]]]:
    """Run a local cloud; yield the environment of the command with a key that has the documented policies only."""
    pages = [policies_of(ROOT / "docs" / name) for name in ("deploy.md", "doctor.md")]
    policies = json.dumps([pages[0][0], *pages[1]]).replace("acme-audio", "clipstitch")
    statements = [one for policy in json.loads(policies) for one in policy["Statement"]]
    role = OPERATOR.replace("POLICY", json.dumps({"Version": "1", "Statement": statements}))
    checks: list[AccessCheck] = []
    cloud = LocalCloud(changed_project(tmp_path, {"\nOutputs:": role}), time_scale=50, watch=checks.append)
    with cloud as endpoints:
        key = environment_of_role(cloud, endpoints, tmp_path, "operator")
        yield (
            {
                **endpoints.environment(),
                "OSS_ACCESS_KEY_ID": key["ALIBABA_CLOUD_ACCESS_KEY_ID"],
                "OSS_ACCESS_KEY_SECRET": key["ALIBABA_CLOUD_ACCESS_KEY_SECRET"],
                "OSS_SESSION_TOKEN": key["ALIBABA_CLOUD_SECURITY_TOKEN"],
            },
            list(parse_policy({"Statement": statements})),
            checks,
        )


def test_the_documented_policies_are_enough_for_the_command_and_no_more(
    operator: tuple[dict[str, str], list[Statement], list[AccessCheck]], tmp_path: Path
) -> None:
    """With put, plan, drop, jobs, show, doctor and doctor --live, nothing is denied, and every right is used."""
    env, statements, checks = operator
    manifest, clips = (
        str(DEMO / "example.json"),
        [str(clip) for clip in sorted(DEMO.iterdir()) if clip.suffix != ".json"],
    )
    commands = (
        ["put", *clips],
        ["plan", manifest],
        ["drop", manifest, "--wait"],
        ["jobs"],
        ["doctor"],
        ["doctor", "--live", "--yes", "--report", str(tmp_path / "report.md")],
    )
    for argv in commands:
        out, err = StringIO(), StringIO()
        assert 0 == main(argv, env, out, err), (argv, out.getvalue(), err.getvalue())
    asked = {(one.action, one.resource) for one in checks if one.principal.endswith("role/operator")}

    assert [] == [one for one in checks if one.principal.endswith("role/operator") and not one.allowed]
    rights = [Statement(True, (act,), (at,)) for one in statements for act in one.actions for at in one.resources]
    assert [] == [right for right in rights if not any(right.covers(*pair) for pair in asked)]


def test_state_and_outputs_in_other_buckets(tmp_path: Path) -> None:
    """For the state, the functions' role needs exactly the documented statements; IMM's role needs none."""
    _, facts = policies_of(ROOT / "docs" / "deploy.md")
    added = facts["Statement"]
    place = "            Statement:\n              - Effect: Allow\n                Action: [oss:GetBucketVersioning"
    first, _, rest = place.partition("\n")
    more = yaml.safe_dump(added).replace("\n", "\n              ").rstrip()
    settings = "      CLIPSTITCH_STATE_BUCKET: acme-state\n"
    folder = changed_project(tmp_path, {place: f"{first}\n              {more}\n{rest}"}, settings)
    checks: list[AccessCheck] = []

    cloud = LocalCloud(
        folder, time_scale=50, watch=checks.append, variables={"CLIPSTITCH_OUTPUT_BUCKET": "acme-public"}
    )
    with cloud as endpoints:
        bucket = bucket_of(endpoints)
        for name in ("acme-state", "acme-public"):
            oss2.Bucket(bucket.auth, endpoints.oss, name).create_bucket()
        for clip in sorted(DEMO.iterdir()):
            if clip.suffix != ".json":
                bucket.put_object(f"clips/{clip.name}", clip.read_bytes())
        manifest = json.loads((DEMO / "example.json").read_text("utf-8"))
        manifest["output"] |= {"bucket": "acme-public", "overwrite": True}
        bucket.put_object("manifests/far.json", json.dumps(manifest))
        result = wait_for(bucket, "results/manifests/far.json.json", 30)
        state = oss2.Bucket(bucket.auth, endpoints.oss, "acme-state")
        wait_until(lambda: not list(oss2.ObjectIteratorV2(state, prefix="_clipstitch/open/")), 10)

        assert "succeeded" == result["data"]["state"], result
        published = oss2.Bucket(bucket.auth, endpoints.oss, "acme-public")
        assert published.object_exists(manifest["output"]["key"])
        role = environment_of_role(cloud, endpoints, tmp_path, "clipstitch-functions")
        fail_a_copy(endpoints, role, "acme-public")
        assert not store_of(endpoints, role).is_versioned("acme-state")  # asked only if no answer has said it

    assert [] == [one for one in checks if not one.allowed]
    far = [(one.principal.rpartition("-")[2], one) for one in checks if ":acme-" in one.resource]
    assert {"functions"} == {role for role, _ in far}
    rights = [Statement(True, (act,), (at,)) for one in added for act in one["Action"] for at in one["Resource"]]
    assert [] == [right for right in rights if not any(right.covers(one.action, one.resource) for _, one in far)]


@pytest.mark.parametrize(
    ("old", "new", "missing"),
    [
        ("Action: [oss:GetObject]\n", "Action: [oss:DeleteObject]\n", "oss:GetObject"),
        (
            "/_clipstitch/work/*'}\n              - Effect: Allow\n                Action: [mns",
            "/work/*'}\n              - Effect: Allow\n                Action: [mns",
            "oss:PutObject",
        ),
    ],
)
def test_a_right_that_the_service_role_of_imm_lacks_stops_the_job(
    tmp_path: Path, old: str, new: str, missing: str
) -> None:
    """Without GetObject, IMM cannot probe; without PutObject, its task fails, and the job with it."""
    checks: list[AccessCheck] = []
    with LocalCloud(changed_project(tmp_path, {old: new}), time_scale=100, watch=checks.append) as endpoints:
        if missing == "oss:GetObject":
            with pytest.raises(AssertionError, match="no results/"):
                run_job(endpoints, timeout_s=1)
        else:
            error = run_job(endpoints)["data"]["error"]
            assert "AccessDenied" == error["code"]
            assert f"lacks {missing} on oss://clipstitch/" in error["message"]
            assert error["remedy"].startswith("Grant IMM's service role access")

    denied = {(one.principal.rpartition("/")[2], one.action) for one in checks if not one.allowed}
    assert {("clipstitch-imm", missing)} == denied


def test_the_caller_needs_the_right_to_write_what_a_process_saves(tmp_path: Path) -> None:
    """sys/saveas may name another bucket; OSS checks its key as well."""
    cloud, folder = LocalCloud(ROOT, time_scale=50), tmp_path
    with cloud as endpoints:
        env = environment_of_role(cloud, endpoints, folder, "clipstitch-functions")
        names = ("ACCESS_KEY_ID", "ACCESS_KEY_SECRET", "SECURITY_TOKEN")
        auth = oss2.StsAuth(*(env[f"ALIBABA_CLOUD_{name}"] for name in names))
        bucket_of(endpoints).put_object("a.wav", (DEMO / "pre2.wav").read_bytes())
        other = oss2.Bucket(bucket_of(endpoints).auth, endpoints.oss, "elsewhere")
        other.create_bucket()
        mine = oss2.Bucket(auth, endpoints.oss, "clipstitch")
        for target in ("clipstitch", "elsewhere"):
            process = f"audio/convert,f_flac|sys/saveas,b_{_b64(target)},o_{_b64('out.flac')}"
            with pytest.raises(oss2.exceptions.AccessDenied) as denied:
                mine.async_process_object("a.wav", process)

            assert f"lacks oss:PutObject on {target}/out.flac" in denied.value.message


def test_a_task_for_a_bucket_on_which_the_service_role_has_no_rights_fails(tmp_path: Path) -> None:
    """The owner of the account may start it, but IMM writes with its own role, which is for one bucket only."""
    checks: list[AccessCheck] = []
    cloud = LocalCloud(ROOT, time_scale=50, watch=checks.append)
    with cloud as endpoints:
        bucket = bucket_of(endpoints)
        bucket.put_object("a.wav", (DEMO / "pre2.wav").read_bytes())
        oss2.Bucket(bucket.auth, endpoints.oss, "elsewhere").create_bucket()
        process = f"audio/convert,f_flac|sys/saveas,b_{_b64('elsewhere')},o_{_b64('out.flac')}"
        task_id = bucket.async_process_object("a.wav", process).task_id
        wait_until(lambda: cloud.services.tasks.get(task_id).ended, 20)
        task = cloud.services.tasks.get(task_id)

    assert ("Failed", "AccessDenied") == (task.status, task.code)
    assert "lacks oss:PutObject on oss://elsewhere/out.flac" in task.message
    assert ["oss:GetObject", "oss:PutObject"] == [one.action for one in checks if one.principal.endswith("imm")]


def _b64(name: str) -> str:
    return base64.urlsafe_b64encode(name.encode()).decode().rstrip("=")
