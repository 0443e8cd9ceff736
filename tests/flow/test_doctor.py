"""The doctor looks at a running system through the public command: real clients, real HTTP, real faults."""

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
from clipstitch_cli.doctor.live.options import Live
from clipstitch_cli.doctor.live.run import live
from clipstitch_cli.errors import Usage
from clipstitch_cli.main import main
from localyun.oss.service import ObjectStore
from localyun.server import LocalCloud
from tests.child_process import wait_until

ROOT = Path(__file__).parents[2]
NAMES = [check.name for check in CHECKS]
LETTERS = "clipstitch-dead-letters"
Env = Mapping[str, str]


class Told(NamedTuple):
    """What the command said to a program."""

    code: int
    findings: list[dict[str, str]]

    @property
    def troubles(self) -> list[tuple[str, str, str]]:
        """Everything that is not well: name, line, remedy."""
        return [(f["name"], f["line"], f["remedy"]) for f in self.findings if f["state"] in ("bad", "warning")]

    @property
    def trouble(self) -> tuple[str, str, str]:
        """The only thing that is not well."""
        (trouble,) = self.troubles
        return trouble


def examined(env: Env, *argv: str, clock: Clock | None = None) -> Told:
    """Run `clipstitch doctor --json`."""
    out, err = StringIO(), StringIO()
    code = main(["doctor", "--json", *argv], env, out, err, clock)
    assert not err.getvalue()
    return Told(code, json.loads(out.getvalue()))


@pytest.fixture
def env() -> Iterator[Env]:
    """Run a local cloud of our own, which each test breaks in its own way."""
    with LocalCloud(ROOT) as endpoints:
        yield endpoints.environment()


@pytest.fixture(scope="module")
def shared() -> Iterator[Env]:
    """Run a local cloud for the tests that break nothing; in a hurry, so that retries do not take long."""
    with LocalCloud(ROOT, hurry=50) as endpoints:
        yield endpoints.environment()


def bucket_of(env: Env) -> oss2.Bucket:
    """Return the vendor's client of the bucket."""
    auth = oss2.AuthV4(env["OSS_ACCESS_KEY_ID"], env["OSS_ACCESS_KEY_SECRET"])
    return oss2.Bucket(auth, env["OSS_ENDPOINT"], env["CLIPSTITCH_BUCKET"], region=env["OSS_REGION"])


def account_of(env: Env) -> Account:
    """Return the vendor's client of topics and queues."""
    return Account(env["MNS_ENDPOINT"], env["OSS_ACCESS_KEY_ID"], env["OSS_ACCESS_KEY_SECRET"])


def test_everything_is_in_its_place(shared: Env):
    """Every check is good, for people too."""
    told = examined(shared)
    out = StringIO()
    code = main(["doctor"], shared, out, StringIO())

    assert (exit_codes.OK, NAMES) == (told.code, [finding["name"] for finding in told.findings])
    assert [] == told.troubles
    assert (exit_codes.OK, "everything is in its place") == (code, out.getvalue().splitlines()[-1])


def test_a_versioned_bucket(env: Env):
    """Versioning can never be taken back, so the repair is another bucket."""
    bucket_of(env).put_bucket_versioning(oss2.models.BucketVersioningConfig("Enabled"))
    told = examined(env)

    assert exit_codes.TROUBLE == told.code
    assert ("versioning", "CLIPSTITCH_BUCKET=clipstitch-unversioned s deploy") == told.trouble[::2]
    assert "bucket clipstitch has versioning (Enabled)" in told.trouble[1]


def test_an_unbound_bucket(env: Env):
    """OSS processes nothing in it."""
    key = {"access_key_id": env["OSS_ACCESS_KEY_ID"], "access_key_secret": env["OSS_ACCESS_KEY_SECRET"]}
    client = ImmClient(Config(**key, endpoint=env["IMM_ENDPOINT"].removeprefix("http://"), protocol="http"))
    client.detach_ossbucket(imm.DetachOSSBucketRequest(ossbucket="clipstitch"))
    told = examined(env)

    repair = "aliyun imm AttachOSSBucket --region cn-hangzhou --OSSBucket clipstitch --ProjectName clipstitch"
    assert (exit_codes.TROUBLE, "binding", repair) == (told.code, *told.trouble[::2])


def test_a_bucket_that_lies_in_another_region(tmp_path: Path):
    """Any endpoint says where it lies, and nothing else of it."""
    store = ObjectStore(tmp_path / "objects", SystemClock())
    store.create_bucket("clipstitch", region="cn-beijing")
    store.close()
    with LocalCloud(ROOT, data=tmp_path) as endpoints:
        told = examined(endpoints.environment())

    repair = "OSS_REGION=cn-beijing CLIPSTITCH_BUCKET=clipstitch s deploy"
    assert (exit_codes.TROUBLE, "region", repair) == (told.code, *told.trouble[::2])
    assert "bucket clipstitch lies in cn-beijing, everything else in cn-hangzhou" == told.trouble[1]


def test_another_region(shared: Env):
    """The endpoint says which one it is."""
    told = examined({**shared, "OSS_REGION": "cn-beijing"})

    assert (exit_codes.TROUBLE, "region", "export OSS_REGION=cn-hangzhou") == (told.code, *told.trouble[::2])
    assert "is in cn-hangzhou, but OSS_REGION says cn-beijing" in told.trouble[1]


def test_a_dead_letter(env: Env):
    """It is not taken out, nor hidden."""
    account_of(env).get_queue(LETTERS).send_message(Message("{}"))
    told = examined(env)

    assert (exit_codes.TROUBLE, "dead letters", "clipstitch retry --dead-letters") == (told.code, *told.trouble[::2])
    assert f"1 dead letter waits in queue {LETTERS}, one of them for " in told.trouble[1]
    assert told.trouble[0] == examined(env).trouble[0]


def test_a_missing_topic_and_a_missing_queue(env: Env):
    """One line each."""
    account_of(env).get_topic("clipstitch-completions").delete()
    account_of(env).get_queue("clipstitch-events").delete()
    told = examined(env)

    assert ["topic", "sinks"] == [name for name, _, _ in told.troubles]
    assert told.troubles[0][2] == "aliyun mns-open CreateTopic --region cn-hangzhou --TopicName clipstitch-completions"


def test_a_wrong_key(shared: Env):
    """Nothing is asked with it, but why is said."""
    told = examined({**shared, "OSS_ACCESS_KEY_SECRET": "wrong"})

    assert (exit_codes.TROUBLE, "access key") == (told.code, told.trouble[0])
    assert "SignatureDoesNotMatch" in told.trouble[1]
    assert NAMES == [finding["name"] for finding in told.findings]


def test_no_bucket(shared: Env):
    """Everything else is looked at all the same."""
    told = examined({**shared, "CLIPSTITCH_BUCKET": "nobodys"})

    assert exit_codes.TROUBLE == told.code
    assert "there is no bucket nobodys" in {line for _, line, _ in told.troubles}
    assert {"topic", "sinks", "dead letters"} <= {f["name"] for f in told.findings if f["state"] == "ok"}


class Late(SystemClock):
    """A clock that is behind."""

    def now(self) -> datetime:
        """Return the time twenty minutes ago."""
        return super().now() - timedelta(minutes=20)


def test_a_clock_that_is_late(shared: Env):
    """The cloud's own answer says so, whatever it thinks of our signature."""
    (name, line, remedy) = examined(shared, clock=Late()).troubles[0]

    assert ("clock", "sudo timedatectl set-ntp true") == (name, remedy)
    assert "behind the cloud's; OSS and SMQ refuse more than 15 minutes" in line


class HoursAgo:
    """The clock of a store in which something has been lying for hours."""

    def now(self) -> datetime:
        """Return the time seven hours ago."""
        return SystemClock().now() - timedelta(hours=7)

    def token(self, size: int) -> str:
        """Return something that was not there before."""
        return secrets.token_hex(size)[:size]


def test_a_job_that_no_sweep_brings_to_its_end(tmp_path: Path):
    """It has been open for longer than its deadline allows."""
    job = f"{HoursAgo().now():%Y%m%dT%H%M%SZ}-0123456789ab"
    store = ObjectStore(tmp_path / "objects", HoursAgo())
    store.create_bucket("clipstitch")
    store.put("clipstitch", f"_clipstitch/open/{job}", b'{"manifest": "oss://clipstitch/manifests/m.json"}')
    store.close()
    with LocalCloud(ROOT, data=tmp_path) as endpoints:
        told = examined(endpoints.environment())

    assert (exit_codes.TROUBLE, "open jobs", f"clipstitch show {job}") == (told.code, *told.trouble[::2])


def test_a_receiver_that_is_gone(env: Env):
    """A warning: jobs succeed, only one recipient hears nothing."""
    bucket_of(env).put_object("_clipstitch/sinks/hook.off", "{}")
    told = examined(env)

    remedy = "ossutil rm oss://clipstitch/_clipstitch/sinks/hook.off"
    assert (exit_codes.OK, "webhooks", remedy) == (told.code, *told.trouble[::2])


def deployed_otherwise(folder: Path, old: str, new: str) -> Path:
    """Make a project like ours, with another s.yaml."""
    for name in ("template.yml", "functions", "shared"):
        (folder / name).symlink_to(ROOT / name)
    text = (ROOT / "s.yaml").read_text("utf-8")
    assert old in text
    (folder / "s.yaml").write_text(text.replace(old, new, 1), "utf-8")
    return folder


DEPLOYMENTS = (
    ("parts", "- oss:ObjectCreated:PutObject", "- oss:ObjectCreated:UploadPart", "loops", "every part of an upload"),
    ("a loop", "prefix: manifests/, suffix: .json", "prefix: results/, suffix: .json", "loops", "our own results"),
    ("another timer", "'@every 5m'", "'@every 50m'", "triggers", "has schedule '@every 50m', s.yaml says '@every 5m'"),
    ("another name", "triggerName: manifest-yaml", "triggerName: yaml", "triggers", "no trigger manifest-yaml"),
    ("no failure destination", "onFailure:", "onSuccess:", "give-ups", "has no failure destination"),
    ("another runtime", "runtime: python3.10", "runtime: python3.12", "functions", "runs on python3.12"),
    ("half an environment", "      OSS_REGION: ${vars.region}\n", "", "environment", "OSS_REGION is not set"),
    ("another function", "-sweep\n", "-broom\n", "functions", "there is no function clipstitch-sweep"),
)  # fmt: skip


@pytest.mark.parametrize(("old", "new", "name", "line"), [d[1:] for d in DEPLOYMENTS], ids=[d[0] for d in DEPLOYMENTS])
def test_what_is_deployed_otherwise_than_declared(tmp_path: Path, old: str, new: str, name: str, line: str):
    """The cloud runs another s.yaml than ours; deploying ours is the repair."""
    with LocalCloud(deployed_otherwise(tmp_path, old, new)) as endpoints:
        told = examined(endpoints.environment())

    assert any(name == trouble[0] and line in trouble[1] and "s deploy" == trouble[2] for trouble in told.troubles)


def test_without_settings_nothing_can_be_asked():
    """One bad line; the exit code is that of trouble."""
    told = examined({"OSS_REGION": "cn-hangzhou"})

    assert (exit_codes.TROUBLE, "settings") == (told.code, told.trouble[0])
    assert NAMES == [finding["name"] for finding in told.findings]


def test_a_cloud_that_is_not_there(shared: Env):
    """Every check that asks says that nobody answered; none of them waits for long."""
    nowhere = {name: "http://127.0.0.1:9" for name in shared if name.endswith("_ENDPOINT")}
    told = examined({**shared, **nowhere})

    assert exit_codes.TROUBLE == told.code
    assert {"clock", "bucket", "topic", "sinks"} <= {name for name, _, _ in told.troubles}


def inventory(env: Env) -> dict[str, list[str]]:
    """List everything that a cloud has."""
    service = oss2.Service(bucket_of(env).auth, env["OSS_ENDPOINT"], region=env["OSS_REGION"])
    account = account_of(env)
    topic = account.get_topic("clipstitch-completions")
    return {
        "buckets": [bucket.name for bucket in service.list_buckets().buckets],
        "objects": [found.key for found in oss2.ObjectIteratorV2(bucket_of(env))],
        "queues": account.list_queue()[0],
        "subscriptions": topic.list_subscription()[0],
    }


def lived(env: Env, folder: Path, *argv: str) -> tuple[int, dict[str, Any], str]:
    """Run `clipstitch doctor --live --json`; return code, report, and what was said to people."""
    out, err = StringIO(), StringIO()
    options = ("--live", "--json", "--report", str(folder / "report.md"))
    code = main(["doctor", *options, *argv], env, out, err)
    return code, json.loads(out.getvalue() or "{}"), err.getvalue()


def test_every_answer_of_the_local_cloud_is_as_assumed(shared: Env, tmp_path: Path):
    """With the deployed functions, too; but for what only a console knows. Nothing is left behind."""
    before = inventory(shared)
    code, report, said = lived(shared, tmp_path, "--yes", "--with-functions", "--letter-wait", "2s")
    verdicts = {question["number"]: question["decision"] for question in report["questions"]}

    assert {**dict.fromkeys(verdicts, "as assumed"), "14": "not settled"} == verdicts
    assert ["1", "2", "3", "4", "5", "6", "7", "7b", "8", "9", "10", "11", "12", "13", "14"] == list(verdicts)
    assert (exit_codes.OK, []) == (code, report["left"])
    assert before == inventory(shared)
    assert (tmp_path / "report.md").is_file()
    assert report == json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert "This spends at most" in said


def test_no_more_is_spent_than_was_said(shared: Env, tmp_path: Path):
    """And IMM says of each task what it was asked for."""
    _, report, _ = lived(shared, tmp_path, "--yes")
    announced, seen = report["spending"]["announced"], report["seen"]
    accepted = [one for one in seen.values() if one["task"]]

    assert report["spending"]["oss_requests"] <= announced["oss_requests"]
    assert len(accepted) <= announced["imm_tasks"]
    assert all(len(one["asked"]["Sources"]) >= 2 for one in accepted)
    assert {"not settled"} == {q["decision"] for q in report["questions"] if q["number"] in ("12", "13", "14")}


def test_a_bucket_of_ones_own_without_a_project(shared: Env, tmp_path: Path):
    """It stays, empty as it was."""
    auth = bucket_of(shared).auth
    mine = oss2.Bucket(auth, shared["OSS_ENDPOINT"], "without-a-project", region=shared["OSS_REGION"])
    mine.create_bucket()
    code, report, _ = lived(shared, tmp_path, "--yes", "--unbound-bucket", "without-a-project")

    assert (exit_codes.OK, []) == (code, report["left"])
    assert [] == [found.key for found in oss2.ObjectIteratorV2(mine)]
    mine.delete_bucket()


def test_nobody_is_charged_without_having_agreed(shared: Env, tmp_path: Path):
    """Without a terminal there is nobody to ask."""
    before = inventory(shared)
    code, report, said = lived(shared, tmp_path)

    assert (exit_codes.USAGE, {}) == (code, report)
    assert "say --yes to agree" in said
    assert before == inventory(shared)


def test_who_is_asked_may_say_no(shared: Env, tmp_path: Path):
    """Then nothing was done."""
    out, err = StringIO(), StringIO()
    command = CommandContext(shared, console(out, shared), console(err, shared), SystemClock())
    asked: list[str] = []
    before = inventory(shared)
    with pytest.raises(Usage, match="nothing was done"):
        live(Live(report=tmp_path / "r.md", confirm=lambda text: bool(asked.append(text))), command, None)

    assert ["Go on?"] == asked
    assert "This spends at most" in out.getvalue()
    assert before == inventory(shared)


def test_a_trigger_that_would_take_notice_keeps_us_away(tmp_path: Path):
    """Whatever is deployed, it is looked at first."""
    wide = deployed_otherwise(tmp_path, "prefix: manifests/, suffix: .json", "prefix: doctor-, suffix: .json")
    with LocalCloud(wide) as endpoints:
        code, _, said = lived(endpoints.environment(), tmp_path, "--yes")

    assert exit_codes.TROUBLE == code
    assert "/ lies in doctor-" in said
    assert "`clipstitch doctor` says which trigger is too broad" in said


def test_a_probe_that_fails_is_not_the_end_of_the_others(shared: Env, tmp_path: Path):
    """Without the completion topic nobody says that a task has ended; what needs no message is settled all the same."""
    before = inventory(shared)
    topic = account_of(shared).get_topic("clipstitch-completions")
    env = {**shared, "CLIPSTITCH_COMPLETION_TOPIC": "nobodys", "CLIPSTITCH_SINKS": "q=queue:clipstitch-events"}
    code, report, _ = lived(env, tmp_path, "--yes", "--wait", "60s")
    verdicts = {question["number"]: question["decision"] for question in report["questions"]}

    assert exit_codes.OK == code
    assert {"as assumed"} == {verdicts[number] for number in ("1", "2", "3", "4", "5", "6", "7b", "11")}
    assert {"not settled"} == {verdicts[number] for number in ("7", "8", "9", "10")}
    assert topic.get_attributes()
    assert before == inventory(shared)


def test_what_is_interrupted_is_removed_all_the_same(shared: Env, tmp_path: Path):
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
