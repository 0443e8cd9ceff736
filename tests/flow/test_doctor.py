"""The doctor against a running system: real clients over HTTP."""

import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import oss2
import pytest
from alibabacloud_imm20200930 import models as imm
from alibabacloud_imm20200930.client import Client as ImmClient
from alibabacloud_tea_openapi.models import Config
from mns.account import Account
from mns.queue import Message

from clipstitch.adapters.system_clock import SystemClock
from clipstitch.common.clock import Clock
from clipstitch_cli import exit_codes
from clipstitch_cli.context import CommandContext, console
from clipstitch_cli.doctor.checks.all_checks import CHECKS
from clipstitch_cli.doctor.live.options import LiveOptions
from clipstitch_cli.doctor.live.run import run_live as run_live_options
from clipstitch_cli.errors import UsageError
from clipstitch_cli.main import main
from localyun.clock import HostClock as LocalClock
from localyun.oss.service import ObjectService
from localyun.server import LocalCloud
from tests.child_process import wait_until

ROOT = Path(__file__).parents[2]
NAMES = [check.name for check in CHECKS]
DEAD_LETTERS = "clipstitch-dead-letters"
Env = Mapping[str, str]


class DoctorOutput(NamedTuple):
    """Exit code and findings of `clipstitch doctor --json`."""

    code: int
    findings: list[dict[str, str]]

    @property
    def errors(self) -> list[tuple[str, str, str]]:
        """Name, message and remedy of all bad findings and warnings."""
        return [(f["name"], f["message"], f["remedy"]) for f in self.findings if f["state"] in ("bad", "warning")]

    @property
    def error(self) -> tuple[str, str, str]:
        """The only bad finding or warning."""
        (error,) = self.errors
        return error


def examined(env: Env, *argv: str, clock: Clock | None = None) -> DoctorOutput:
    """Run `clipstitch doctor --json`."""
    out, err = StringIO(), StringIO()
    code = main(["doctor", "--json", *argv], env, out, err, clock)
    assert not err.getvalue()
    return DoctorOutput(code, json.loads(out.getvalue()))


@pytest.fixture
def env() -> Iterator[Env]:
    """Run a local cloud that one test changes."""
    with LocalCloud(ROOT) as endpoints:
        yield endpoints.environment()


@pytest.fixture(scope="module")
def shared() -> Iterator[Env]:
    """Run a local cloud with short delays for the tests that change nothing."""
    with LocalCloud(ROOT, time_scale=50) as endpoints:
        yield endpoints.environment()


def bucket_of(env: Env) -> oss2.Bucket:
    """Return the vendor's client of the bucket."""
    auth = oss2.AuthV4(env["OSS_ACCESS_KEY_ID"], env["OSS_ACCESS_KEY_SECRET"])
    return oss2.Bucket(auth, env["OSS_ENDPOINT"], env["CLIPSTITCH_BUCKET"], region=env["OSS_REGION"])


def account_of(env: Env) -> Account:
    """Return the vendor's client of topics and queues."""
    return Account(env["MNS_ENDPOINT"], env["OSS_ACCESS_KEY_ID"], env["OSS_ACCESS_KEY_SECRET"])


def test_a_local_cloud_has_no_errors(shared: Env) -> None:
    """Every check is OK, in the text output, too; there is no stack to check, as nothing was deployed with ROS."""
    output = examined(shared)
    out = StringIO()
    code = main(["doctor"], shared, out, StringIO())

    assert (exit_codes.OK, NAMES) == (output.code, [finding["name"] for finding in output.findings])
    assert [] == output.errors
    assert (exit_codes.OK, "1 skipped") == (code, out.getvalue().splitlines()[-1])


def test_a_versioned_bucket(env: Env) -> None:
    """Versioning cannot be removed, so the repair is another bucket."""
    bucket_of(env).put_bucket_versioning(oss2.models.BucketVersioningConfig("Enabled"))
    output = examined(env)

    assert exit_codes.ERROR == output.code
    assert ("versioning", "CLIPSTITCH_BUCKET=clipstitch-unversioned s deploy") == output.error[::2]
    assert "bucket clipstitch has versioning (Enabled)" in output.error[1]


def test_an_unbound_bucket(env: Env) -> None:
    """OSS processes nothing in it."""
    key = {"access_key_id": env["OSS_ACCESS_KEY_ID"], "access_key_secret": env["OSS_ACCESS_KEY_SECRET"]}
    client = ImmClient(Config(**key, endpoint=env["IMM_ENDPOINT"].removeprefix("http://"), protocol="http"))
    client.detach_ossbucket(imm.DetachOSSBucketRequest(ossbucket="clipstitch"))
    output = examined(env)

    repair = "aliyun imm AttachOSSBucket --region cn-hangzhou --OSSBucket clipstitch --ProjectName clipstitch"
    assert (exit_codes.ERROR, "binding", repair) == (output.code, *output.error[::2])


def test_a_bucket_in_another_region(tmp_path: Path) -> None:
    """Every endpoint names the region, and nothing else."""
    store = ObjectService(tmp_path / "objects", LocalClock())
    store.create_bucket("clipstitch", region="cn-beijing")
    store.close()
    with LocalCloud(ROOT, data=tmp_path) as endpoints:
        output = examined(endpoints.environment())

    repair = "OSS_REGION=cn-beijing CLIPSTITCH_BUCKET=clipstitch s deploy"
    assert (exit_codes.ERROR, "region", repair) == (output.code, *output.error[::2])
    assert "bucket clipstitch is in cn-beijing, everything else in cn-hangzhou" == output.error[1]


def test_another_region(shared: Env) -> None:
    """The endpoint names the right one."""
    output = examined({**shared, "OSS_REGION": "cn-beijing"})

    assert (exit_codes.ERROR, "region", "export OSS_REGION=cn-hangzhou") == (output.code, *output.error[::2])
    assert "is in cn-hangzhou, but OSS_REGION says cn-beijing" in output.error[1]


def test_a_dead_letter_message(env: Env) -> None:
    """It is neither received nor hidden."""
    account_of(env).get_queue(DEAD_LETTERS).send_message(Message("{}"))
    output = examined(env)

    assert (exit_codes.ERROR, "dead letters", "clipstitch retry --dead-letters") == (output.code, *output.error[::2])
    assert f"1 dead-letter message in queue {DEAD_LETTERS} (oldest: " in output.error[1]
    assert output.error[0] == examined(env).error[0]


def test_a_missing_topic_and_a_missing_queue(env: Env) -> None:
    """One finding each."""
    account_of(env).get_topic("clipstitch-completions").delete()
    account_of(env).get_queue("clipstitch-events").delete()
    output = examined(env)

    assert ["topic", "sinks"] == [name for name, _, _ in output.errors]
    assert output.errors[0][2] == "aliyun mns-open CreateTopic --region cn-hangzhou --TopicName clipstitch-completions"


def test_a_wrong_key(shared: Env) -> None:
    """All other checks are skipped; the reason is given."""
    output = examined({**shared, "OSS_ACCESS_KEY_SECRET": "wrong"})

    assert (exit_codes.ERROR, "access key") == (output.code, output.error[0])
    assert "SignatureDoesNotMatch" in output.error[1]
    assert NAMES == [finding["name"] for finding in output.findings]


def test_a_missing_bucket(shared: Env) -> None:
    """All other checks are made."""
    output = examined({**shared, "CLIPSTITCH_BUCKET": "unknown"})

    assert exit_codes.ERROR == output.code
    assert "there is no bucket unknown" in {line for _, line, _ in output.errors}
    assert {"topic", "sinks", "dead letters"} <= {f["name"] for f in output.findings if f["state"] == "ok"}


class SlowClock(SystemClock):
    """A clock that is slow."""

    def now(self) -> datetime:
        """Return the time twenty minutes ago."""
        return super().now() - timedelta(minutes=20)


def test_a_slow_clock(shared: Env) -> None:
    """The cloud's answer has its time, even if it refuses the signature."""
    (name, line, remedy) = examined(shared, clock=SlowClock()).errors[0]

    assert ("clock", "sudo timedatectl set-ntp true") == (name, remedy)
    assert "behind the cloud's; OSS and SMQ refuse more than 15 minutes" in line


class PastClock:
    """The clock of a store whose objects are hours old."""

    def now(self) -> datetime:
        """Return the time seven hours ago."""
        return LocalClock().now() - timedelta(hours=7)

    def token(self, size: int = 16) -> str:
        """Return a random string."""
        return secrets.token_hex(size)[:size]


def test_a_job_past_its_deadline(tmp_path: Path) -> None:
    """No sweep has closed it."""
    job = f"{PastClock().now():%Y%m%dT%H%M%SZ}-0123456789ab"
    store = ObjectService(tmp_path / "objects", PastClock())
    store.create_bucket("clipstitch")
    store.put("clipstitch", f"_clipstitch/open/{job}", b'{"manifest": "oss://clipstitch/manifests/m.json"}')
    store.close()
    with LocalCloud(ROOT, data=tmp_path) as endpoints:
        output = examined(endpoints.environment())

    assert (exit_codes.ERROR, "open jobs", f"clipstitch show {job}") == (output.code, *output.error[::2])


def test_a_switched_off_webhook(env: Env) -> None:
    """A warning: jobs succeed, but one recipient gets no events."""
    bucket_of(env).put_object("_clipstitch/sinks/hook.off", "{}")
    output = examined(env)

    remedy = "ossutil rm oss://clipstitch/_clipstitch/sinks/hook.off"
    assert (exit_codes.OK, "webhooks", remedy) == (output.code, *output.error[::2])


def changed_project(folder: Path, old: str, new: str) -> Path:
    """Make a copy of the project with another s.yaml."""
    for name in ("template.yml", "functions", "shared"):
        (folder / name).symlink_to(ROOT / name)
    text = (ROOT / "s.yaml").read_text("utf-8")
    assert old in text
    (folder / "s.yaml").write_text(text.replace(old, new, 1), "utf-8")
    return folder


DEPLOYMENTS = (
    ("parts", "- oss:ObjectCreated:PutObject", "- oss:ObjectCreated:UploadPart", "loops", "every part of an upload"),
    ("a loop", "prefix: manifests/, suffix: .json", "prefix: results/, suffix: .json", "loops", "own results"),
    ("another timer", "'@every 5m'", "'@every 50m'", "triggers", "has schedule '@every 50m', s.yaml says '@every 5m'"),
    ("another name", "triggerName: manifest-yaml", "triggerName: yaml", "triggers", "no trigger manifest-yaml"),
    ("no failure destination", "onFailure:", "onSuccess:", "failure destination", "has no failure destination"),
    ("another runtime", "runtime: python3.10", "runtime: python3.12", "functions", "runs on python3.12"),
    ("half an environment", "      OSS_REGION: ${vars.region}\n", "", "environment", "OSS_REGION is not set"),
    ("another function", "-sweep\n", "-broom\n", "functions", "there is no function clipstitch-sweep"),
)  # fmt: skip


@pytest.mark.parametrize(("old", "new", "name", "line"), [d[1:] for d in DEPLOYMENTS], ids=[d[0] for d in DEPLOYMENTS])
def test_a_deployment_that_differs_from_s_yaml(tmp_path: Path, old: str, new: str, name: str, line: str) -> None:
    """The cloud runs another s.yaml; deploying the declared one is the repair."""
    with LocalCloud(changed_project(tmp_path, old, new)) as endpoints:
        output = examined(endpoints.environment())

    assert any(name == error[0] and line in error[1] and "s deploy" == error[2] for error in output.errors)


def test_without_settings_all_other_checks_are_skipped() -> None:
    """One bad finding; the exit code is ERROR."""
    output = examined({"OSS_REGION": "cn-hangzhou"})

    assert (exit_codes.ERROR, "settings") == (output.code, output.error[0])
    assert NAMES == [finding["name"] for finding in output.findings]


def test_a_cloud_without_a_server(shared: Env) -> None:
    """Every check reports that there is no answer, without a long wait."""
    nowhere = {name: "http://127.0.0.1:9" for name in shared if name.endswith("_ENDPOINT")}
    output = examined({**shared, **nowhere})

    assert exit_codes.ERROR == output.code
    assert {"clock", "bucket", "topic", "sinks"} <= {name for name, _, _ in output.errors}


def inventory(env: Env) -> dict[str, list[str]]:
    """Return the names of all resources of a cloud."""
    service = oss2.Service(bucket_of(env).auth, env["OSS_ENDPOINT"], region=env["OSS_REGION"])
    account = account_of(env)
    topic = account.get_topic("clipstitch-completions")
    keys = [found.key for found in oss2.ObjectIteratorV2(bucket_of(env))]
    return {
        "buckets": [bucket.name for bucket in service.list_buckets().buckets],
        # What sweeps save for the next one is of the deployment, whose timer may be due at any time.
        "objects": [key for key in keys if key not in ("_clipstitch/sweep.json", "_clipstitch/skippable.json")],
        "queues": account.list_queue()[0],
        "subscriptions": topic.list_subscription()[0],
    }


def run_live(env: Env, folder: Path, *argv: str) -> tuple[int, dict[str, Any], str]:
    """Run `clipstitch doctor --live --json`; return exit code, report and stderr."""
    out, err = StringIO(), StringIO()
    options = ("--live", "--json", "--report", str(folder / "report.md"))
    code = main(["doctor", *options, *argv], env, out, err)
    return code, json.loads(out.getvalue() or "{}"), err.getvalue()


def test_every_answer_of_the_local_cloud_is_as_assumed(shared: Env, tmp_path: Path) -> None:
    """With the deployed functions, too; except for the quotas. No resource remains."""
    before = inventory(shared)
    code, report, said = run_live(shared, tmp_path, "--yes", "--with-functions", "--dead-letter-wait", "2s")
    outcomes = {question["number"]: question["outcome"] for question in report["questions"]}

    assert {**dict.fromkeys(outcomes, "as assumed"), "14": "not answered"} == outcomes
    numbers = ["1", "2", "3", "4", "5", "6", "7", "7b", "8", "9", "10", "11", "11b", *map(str, range(12, 17))]
    assert numbers == list(outcomes)
    assert (exit_codes.OK, []) == (code, report["not_removed"])
    assert before == inventory(shared)
    assert (tmp_path / "report.md").is_file()
    assert report == json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert "This spends at most" in said


def question(report: dict[str, Any], number: str) -> dict[str, str]:
    """Return a question of a report."""
    [found] = (one for one in report["questions"] if one["number"] == number)
    return found  # type: ignore[no-any-return]


def test_a_sink_without_its_event_is_found(tmp_path: Path) -> None:
    """Its error and what to change are printed. The job cannot end, which is reported, too."""
    with LocalCloud(ROOT, time_scale=50) as endpoints:
        env = endpoints.environment()
        account_of(env).get_topic(env["CLIPSTITCH_EVENTS_TOPIC"]).delete()
        options = ("--yes", "--with-functions", "--dead-letter-wait", "1s", "--wait", "8s")
        code, report, _ = run_live(env, tmp_path, *options)
    found = question(report, "15")

    assert (exit_codes.ERROR, "DIFFERENT") == (code, found["outcome"])
    assert found["found"].startswith("topic clipstitch-events refused the event: {'code': 'SINK_TARGET_MISSING'")
    assert "MNS_ENDPOINT without -internal" in found["change"]
    assert any("manifests/doctor-" in one and "events.json" in one for one in report["not_removed"])
    assert found["change"] in (tmp_path / "report.md").read_text("utf-8")


def test_functions_that_may_not_ask_imm_are_found(tmp_path: Path) -> None:
    """They believe a false failure; the statement to add is printed."""
    for name in ("s.yaml", "functions", "shared"):
        (tmp_path / name).symlink_to(ROOT / name)
    text = (ROOT / "template.yml").read_text("utf-8")
    assert ", imm:GetTask]" in text
    (tmp_path / "template.yml").write_text(text.replace(", imm:GetTask]", "]"), "utf-8")
    with LocalCloud(tmp_path, time_scale=50) as endpoints:
        options = ("--yes", "--with-functions", "--dead-letter-wait", "5s")
        code, report, _ = run_live(endpoints.environment(), tmp_path, *options)
    found = question(report, "16")

    assert (exit_codes.ERROR, "DIFFERENT") == (code, found["outcome"])
    assert "a false failure was believed" in found["found"]
    assert "imm:GetTask with Resource '*'" in found["change"]
    assert ["16"] == [one["number"] for one in report["questions"] if one["change"]]
    assert [] == report["not_removed"]


def test_the_cost_does_not_exceed_the_announcement(shared: Env, tmp_path: Path) -> None:
    """IMM returns the definition of each task."""
    _, report, _ = run_live(shared, tmp_path, "--yes")
    announced, seen = report["spending"]["announced"], report["observations"]
    accepted = [one for one in seen.values() if one["task"]]

    assert report["spending"]["oss_requests"] <= announced["oss_requests"]
    assert len(accepted) <= announced["imm_tasks"]
    assert all(len(one["definition"]["Sources"]) >= 2 for one in accepted)
    assert {"not answered"} == {q["outcome"] for q in report["questions"] if int(q["number"].rstrip("b")) > 11}


def test_an_existing_bucket_without_a_project(shared: Env, tmp_path: Path) -> None:
    """It is emptied, but not removed."""
    auth = bucket_of(shared).auth
    unbound = oss2.Bucket(auth, shared["OSS_ENDPOINT"], "without-a-project", region=shared["OSS_REGION"])
    unbound.create_bucket()
    code, report, _ = run_live(shared, tmp_path, "--yes", "--unbound-bucket", "without-a-project")

    assert (exit_codes.OK, []) == (code, report["not_removed"])
    assert [] == [found.key for found in oss2.ObjectIteratorV2(unbound)]
    unbound.delete_bucket()


def test_without_a_terminal_yes_is_required(shared: Env, tmp_path: Path) -> None:
    """Otherwise nothing is done."""
    before = inventory(shared)
    code, report, said = run_live(shared, tmp_path)

    assert (exit_codes.USAGE, {}) == (code, report)
    assert "use --yes to agree" in said
    assert before == inventory(shared)


def test_the_user_may_refuse(shared: Env, tmp_path: Path) -> None:
    """Then nothing is done."""
    out, err = StringIO(), StringIO()
    command = CommandContext(shared, console(out, shared), console(err, shared), LocalClock())
    asked: list[str] = []
    before = inventory(shared)

    def refuse(question: str) -> bool:
        asked.append(question)
        return False

    with pytest.raises(UsageError, match="nothing was done"):
        run_live_options(LiveOptions(report=tmp_path / "r.md", confirm=refuse), command, None)

    assert ["Go on?"] == asked
    assert "This spends at most" in out.getvalue()
    assert before == inventory(shared)


def test_a_trigger_on_the_temporary_prefix_is_an_error(tmp_path: Path) -> None:
    """The deployed triggers are checked first."""
    project = changed_project(tmp_path, "prefix: manifests/, suffix: .json", "prefix: doctor-, suffix: .json")
    with LocalCloud(project) as endpoints:
        code, _, said = run_live(endpoints.environment(), tmp_path, "--yes")

    assert exit_codes.ERROR == code
    assert "/ is under doctor-" in said
    assert "`clipstitch doctor` says which trigger is too broad" in said


def test_an_experiment_that_fails_stops_no_other(shared: Env, tmp_path: Path) -> None:
    """Without the completion topic there are no notifications; other questions are answered."""
    before = inventory(shared)
    topic = account_of(shared).get_topic("clipstitch-completions")
    env = {**shared, "CLIPSTITCH_COMPLETION_TOPIC": "unknown", "CLIPSTITCH_SINKS": "q=queue:clipstitch-events"}
    code, report, _ = run_live(env, tmp_path, "--yes", "--wait", "60s")
    outcomes = {question["number"]: question["outcome"] for question in report["questions"]}

    assert exit_codes.OK == code
    assert {"as assumed"} == {outcomes[number] for number in ("1", "2", "3", "4", "5", "6", "7b", "11")}
    assert {"not answered"} == {outcomes[number] for number in ("7", "8", "9", "10")}
    assert topic.get_attributes()
    assert before == inventory(shared)


def test_an_interrupted_run_removes_its_resources(shared: Env, tmp_path: Path) -> None:
    """Ctrl-C while waiting for messages."""
    before = inventory(shared)
    command = (sys.executable, "-c", "import sys; from clipstitch_cli.main import run; sys.exit(run())")
    argv = ("doctor", "--live", "--yes", "--with-functions", "--report", str(tmp_path / "r.md"))
    child = subprocess.Popen([*command, *argv], env={**os.environ, **shared}, stdout=subprocess.PIPE, text=True)
    wait_until(lambda: any("never.json" in key or "/jobs/" in key for key in inventory(shared)["objects"]))
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=60)

    assert exit_codes.INTERRUPTED == child.returncode
    assert before == inventory(shared)
