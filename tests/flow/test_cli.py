"""The command as people and scripts run it: a child process, against a local cloud that another child runs."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from mns.account import Account
from mns.mns_exception import MNSExceptionBase

from clipstitch.bootstrap import build_context
from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.ports import ObjectHeaders
from clipstitch_cli import exit_codes
from clipstitch_cli.connection import complete_environment

DEMO = Path(__file__).parents[2] / "examples" / "demo"
# Design, section 12: exactly these.
VARIABLES = {
    *("OSS_ACCESS_KEY_ID", "OSS_ACCESS_KEY_SECRET", "OSS_SESSION_TOKEN", "OSS_REGION"),
    *("OSS_ENDPOINT", "MNS_ENDPOINT", "IMM_ENDPOINT", "FC_ENDPOINT"),
    *("CLIPSTITCH_BUCKET", "CLIPSTITCH_EVENTS_TOPIC", "CLIPSTITCH_EVENTS_QUEUE", "ALIBABA_CLOUD_ACCOUNT_ID"),
}
COMMAND = (sys.executable, "-c", "import sys; from clipstitch_cli.main import run; sys.exit(run())")
Env = Mapping[str, str]


def sealed() -> dict[str, str]:
    """Return an environment without the developer's clouds."""
    ours = ("OSS_", "MNS_", "IMM_", "FC_", "CLIPSTITCH_", "ALIBABA_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def ran(*argv: str, env: Env, seconds: float = 30) -> "subprocess.CompletedProcess[str]":
    """Run the command to its end."""
    return subprocess.run(
        [*COMMAND, *argv], env={**sealed(), **env}, capture_output=True, text=True, timeout=seconds, check=False
    )


def started(*argv: str) -> "subprocess.Popen[str]":
    """Start `up`."""
    return subprocess.Popen(
        [*COMMAND, "up", *argv], env=sealed(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.fixture(scope="module")
def env() -> Iterator[Env]:
    """Run `clipstitch up --json` with the demo's clips in its bucket; end it, and see that it ends well."""
    child = started("--json")
    assert child.stdout
    try:
        env: dict[str, str] = json.loads(child.stdout.readline())
        upload_clips(env)
        yield env
    finally:
        child.send_signal(signal.SIGTERM)
        rest, errors = child.communicate(timeout=20)
    assert (exit_codes.OK, "", "") == (child.returncode, rest, errors)


def upload_clips(env: Env) -> None:
    """Upload the demo's clips."""
    cloud = build_context(complete_environment(env, None))
    for clip in DEMO.iterdir():
        if clip.suffix in {".mp3", ".wav", ".oga", ".aac", ".wma"}:
            cloud.objects.write(
                ObjectRef(env["CLIPSTITCH_BUCKET"], f"clips/{clip.name}"), clip.read_bytes(), ObjectHeaders()
            )


def test_up_says_in_which_weather_it_runs(tmp_path: Path) -> None:
    """On stderr, since programs read stdout; the misfortunes are counted in the data directory."""
    child = started("--json", "--data", str(tmp_path), "--weather", "7", "--severity", "0.5", "--hurry", "2")
    assert child.stdout
    env = json.loads(child.stdout.readline())
    child.send_signal(signal.SIGTERM)
    rest, errors = child.communicate(timeout=20)

    assert set(env) == VARIABLES
    assert (exit_codes.OK, "") == (child.returncode, rest)
    assert errors.startswith("Bad weather on purpose, seed 7, severity 0.5")


@pytest.fixture(scope="module")
def dropped(env: Env) -> "subprocess.CompletedProcess[str]":
    """Drop the demo's manifest and wait."""
    return ran("drop", str(DEMO / "example.json"), "--wait", "--json", "--timeout", "20s", env=env)


def event_of(done: "subprocess.CompletedProcess[str]") -> dict[str, Any]:
    """Read the one line that stdout has."""
    event: dict[str, Any] = json.loads(done.stdout)
    return event


def test_up_prints_exactly_the_variables_of_the_contract(env: Env):
    """No more, no fewer; the session token may be empty."""
    assert set(env) == VARIABLES
    assert all(env[name] for name in VARIABLES - {"OSS_SESSION_TOKEN"})


def test_up_keeps_an_env_file_that_a_shell_can_read_while_it_runs(tmp_path: Path):
    """Ctrl-C ends it, and the file, which is no longer true, goes."""
    file = tmp_path / "clipstitch.env"
    child = started("--json", "--env-file", str(file))
    assert child.stdout
    said = json.loads(child.stdout.readline())
    script = f'. "{file}"; "{sys.executable}" -c "import os; print(os.environ[\'OSS_ENDPOINT\'])"'
    sourced = subprocess.run(["sh", "-c", script], env=sealed(), capture_output=True, text=True, check=True)
    mode = file.stat().st_mode & 0o777
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=20)

    assert said["OSS_ENDPOINT"] == sourced.stdout.strip()
    assert (0o600, exit_codes.OK, False) == (mode, child.returncode, file.exists())


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Make a project like ours, in which a file may be another."""
    for name in ("s.yaml", "template.yml", "functions", "shared"):
        (tmp_path / name).symlink_to(DEMO.parents[1] / name)
    return tmp_path


def test_up_runs_what_was_built_and_says_how_to_build_it(project: Path):
    """Where it was not."""
    done = ran("up", "--from", "build", "--project", str(project), env={})

    assert exit_codes.TROUBLE == done.returncode
    assert "there is no directory ./build/submit; run python3 build.py first" in done.stderr


def test_up_starts_nothing_that_would_trigger_itself(project: Path):
    """A trigger on the whole bucket fires for results and state; it is named before anything runs."""
    text = (project / "s.yaml").read_text("utf-8")
    (project / "s.yaml").unlink()
    (project / "s.yaml").write_text(text.replace("prefix: manifests/, suffix: .json", "prefix: '', suffix: .json"))
    done = ran("up", "--project", str(project), env={})

    assert exit_codes.TROUBLE == done.returncode
    assert "would trigger itself: trigger manifest-json on the whole bucket fires for our own state" in done.stderr
    assert "results (results/), outputs (anywhere)" in done.stderr


def test_up_ends_without_complaint_while_somebody_waits_for_a_message():
    """Whoever polls is told to come again; nobody is shown a traceback."""
    child = started("--json")
    assert child.stdout
    env: Env = json.loads(child.stdout.readline())
    account = Account(env["MNS_ENDPOINT"], env["OSS_ACCESS_KEY_ID"], env["OSS_ACCESS_KEY_SECRET"])
    queue = account.get_queue(env["CLIPSTITCH_EVENTS_QUEUE"])
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(queue.receive_message, 20)
        while not waiting.running():
            time.sleep(0.01)
        time.sleep(0.5)  # the request is on its way by then, or else comes too late, which must be as quiet
        child.send_signal(signal.SIGTERM)
        rest, errors = child.communicate(timeout=20)

    assert (exit_codes.OK, "", "") == (child.returncode, rest, errors)
    assert isinstance(waiting.exception(), MNSExceptionBase)


def test_a_manifest_is_planned_with_the_lengths_of_its_clips(env: Env):
    """Nothing is submitted, and the bundled clips are as long as their README says."""
    done = ran("plan", str(DEMO / "example.json"), "--json", env=env)

    plan = json.loads(done.stdout)
    assert exit_codes.OK == done.returncode
    assert [0, 2.2, 4.2, 6.6, 16.6] == [round(clip["starts_at_s"], 1) for clip in plan["clips"]]
    assert ",align_2/pre," in plan["steps"][0]["process"]


def test_a_manifest_with_a_missing_clip_is_not_planned(env: Env, tmp_path: Path):
    """The table names the place."""
    manifest = tmp_path / "bad.json"
    manifest.write_text('{"version": 1, "output": {"key": "x.mp3"}, "clips": ["clips/pre1.mp3", "none.mp3"]}')
    done = ran("plan", str(manifest), env=env)

    assert (exit_codes.REJECTED, "") == (done.returncode, done.stdout)
    assert "CLIP_NOT_FOUND" in done.stderr
    assert "/clips/1" in done.stderr


def test_waiting_ends_with_the_event_alone_on_stdout(dropped: "subprocess.CompletedProcess[str]"):
    """Without a terminal there is no progress bar either."""
    event = event_of(dropped)

    assert (exit_codes.OK, "", 1) == (dropped.returncode, dropped.stderr, dropped.stdout.count("\n"))
    assert "clipstitch.job.succeeded" == event["type"]
    assert abs(event["data"]["output"]["duration_ms"] - event["data"]["expected_duration_ms"]) < 100


def test_a_dropped_job_is_listed_and_shown(env: Env, dropped: "subprocess.CompletedProcess[str]"):
    """What `drop` said is what `jobs` and `show` know."""
    event = event_of(dropped)
    listed = json.loads(ran("jobs", "--json", env=env).stdout)
    shown = json.loads(ran("show", event["data"]["job"][:20], "--json", env=env).stdout)

    assert (event["data"]["job"], "succeeded") in {(row["job"], row["state"]) for row in listed}
    assert event == shown["event"]


def test_a_rejected_manifest_has_its_exit_code(env: Env, tmp_path: Path):
    """The event carries the issues."""
    manifest = tmp_path / "rejected.json"
    manifest.write_text('{"version": 2}')
    done = ran("drop", str(manifest), "--wait", "--json", "--timeout", "20s", env=env)

    codes = {issue["code"] for issue in event_of(done)["data"]["issues"]}
    assert exit_codes.REJECTED == done.returncode
    assert {"VERSION_UNSUPPORTED", "FIELD_MISSING"} <= codes


def test_the_demo_ends_with_a_file_of_the_right_length(tmp_path: Path):
    """From nothing to the merged file, its picture and its event."""
    done = ran("demo", "--json", "--keep", str(tmp_path), env={})

    outcome = json.loads(done.stdout)
    assert (exit_codes.OK, "") == (done.returncode, done.stderr)
    assert abs(outcome["difference_ms"]) < 100
    assert Path(outcome["file"]).stat().st_size > 100_000
    assert "pre1.mp3" in Path(outcome["picture"]).read_text(encoding="utf-8")
    assert "succeeded" == outcome["event"]["data"]["state"]
