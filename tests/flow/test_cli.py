"""The command in a child process, against a local cloud in another one."""

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
    *("OSS_ENDPOINT", "MNS_ENDPOINT", "IMM_ENDPOINT", "FC_ENDPOINT", "ROS_ENDPOINT"),
    *("CLIPSTITCH_BUCKET", "CLIPSTITCH_EVENTS_TOPIC", "CLIPSTITCH_EVENTS_QUEUE", "ALIBABA_CLOUD_ACCOUNT_ID"),
}
COMMAND = (sys.executable, "-c", "import sys; from clipstitch_cli.main import run; sys.exit(run())")
Env = Mapping[str, str]


def sealed() -> dict[str, str]:
    """Return an environment without the developer's settings."""
    prefixes = ("OSS_", "MNS_", "IMM_", "FC_", "CLIPSTITCH_", "ALIBABA_")
    return {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}


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
    """Run `clipstitch up --json` with the demo's clips in its bucket; check that it stops without errors."""
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


def test_up_announces_fault_injection(tmp_path: Path) -> None:
    """On stderr, because programs read stdout."""
    child = started("--json", "--data", str(tmp_path), "--faults", "7", "--fault-rate", "0.5", "--time-scale", "2")
    assert child.stdout
    env = json.loads(child.stdout.readline())
    child.send_signal(signal.SIGTERM)
    rest, errors = child.communicate(timeout=20)

    assert set(env) == VARIABLES
    assert (exit_codes.OK, "") == (child.returncode, rest)
    assert errors.startswith("Injecting faults, seed 7, fault rate 0.5")


@pytest.fixture(scope="module")
def dropped(env: Env) -> "subprocess.CompletedProcess[str]":
    """Drop the demo's manifest and wait."""
    return ran("drop", str(DEMO / "example.json"), "--wait", "--json", "--timeout", "20s", env=env)


def event_of(done: "subprocess.CompletedProcess[str]") -> dict[str, Any]:
    """Return the event on the only line of stdout."""
    event: dict[str, Any] = json.loads(done.stdout)
    return event


def test_up_prints_exactly_the_documented_variables(env: Env) -> None:
    """No more, no fewer; the session token may be empty."""
    assert set(env) == VARIABLES
    assert all(env[name] for name in VARIABLES - {"OSS_SESSION_TOKEN"})


def test_up_writes_an_env_file_while_it_runs(tmp_path: Path) -> None:
    """Ctrl-C stops it, and removes the file."""
    file = tmp_path / "clipstitch.env"
    child = started("--json", "--env-file", str(file))
    assert child.stdout
    printed = json.loads(child.stdout.readline())
    script = f'. "{file}"; "{sys.executable}" -c "import os; print(os.environ[\'OSS_ENDPOINT\'])"'
    sourced = subprocess.run(["sh", "-c", script], env=sealed(), capture_output=True, text=True, check=True)
    mode = file.stat().st_mode & 0o777
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=20)

    assert printed["OSS_ENDPOINT"] == sourced.stdout.strip()
    assert (0o600, exit_codes.OK, False) == (mode, child.returncode, file.exists())


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Make a copy of the project in which files can be replaced."""
    for name in ("s.yaml", "template.yml", "functions", "shared"):
        (tmp_path / name).symlink_to(DEMO.parents[1] / name)
    return tmp_path


def test_an_empty_cloud_says_what_comes_first() -> None:
    """Nothing is deployed yet, so every other command would wait for functions that do not exist."""
    child = started("--empty")
    assert child.stdout
    printed = ""
    while "Ctrl-C stops the local cloud" not in printed:
        printed += child.stdout.readline() or pytest.fail(printed)
    child.send_signal(signal.SIGTERM)
    child.communicate(timeout=20)

    assert "First deploy into it, in the project's folder: `s deploy -y`" in printed
    assert exit_codes.OK == child.returncode


@pytest.mark.parametrize("option", [("--project", "."), ("--from", "build")])
def test_an_empty_cloud_takes_no_project(option: tuple[str, str]) -> None:
    """It would be ignored silently."""
    done = ran("up", "--empty", *option, env={})

    assert exit_codes.USAGE == done.returncode
    assert "--empty starts without a project" in done.stderr


def test_up_from_build_needs_a_build(project: Path) -> None:
    """The message says how to build."""
    done = ran("up", "--from", "build", "--project", str(project), env={})

    assert exit_codes.ERROR == done.returncode
    assert "there is no directory ./build/submit; run python3 build.py first" in done.stderr


def test_up_refuses_a_project_that_would_trigger_itself(project: Path) -> None:
    """A trigger on the whole bucket fires for results and state."""
    text = (project / "s.yaml").read_text("utf-8")
    (project / "s.yaml").unlink()
    (project / "s.yaml").write_text(text.replace("prefix: manifests/, suffix: .json", "prefix: '', suffix: .json"))
    done = ran("up", "--project", str(project), env={})

    assert exit_codes.ERROR == done.returncode
    assert (
        "would trigger itself: trigger manifest-json on the whole bucket fires for clipstitch's own state"
        in done.stderr
    )
    assert "results (results/), outputs (merged/)" in done.stderr


def test_up_stops_without_errors_during_a_long_poll() -> None:
    """The receiver gets an error; stderr stays empty."""
    child = started("--json")
    assert child.stdout
    env: Env = json.loads(child.stdout.readline())
    account = Account(env["MNS_ENDPOINT"], env["OSS_ACCESS_KEY_ID"], env["OSS_ACCESS_KEY_SECRET"])
    queue = account.get_queue(env["CLIPSTITCH_EVENTS_QUEUE"])
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(queue.receive_message, 20)
        while not waiting.running():
            time.sleep(0.01)
        time.sleep(0.5)  # for the request to arrive; if it arrives after the signal, stderr must stay empty, too
        child.send_signal(signal.SIGTERM)
        rest, errors = child.communicate(timeout=20)

    assert (exit_codes.OK, "", "") == (child.returncode, rest, errors)
    assert isinstance(waiting.exception(), MNSExceptionBase)


def test_a_manifest_is_planned_with_the_lengths_of_its_clips(env: Env) -> None:
    """Nothing is submitted; the bundled clips have the lengths that their README states."""
    done = ran("plan", str(DEMO / "example.json"), "--json", env=env)

    plan = json.loads(done.stdout)
    assert exit_codes.OK == done.returncode
    assert [0, 2.2, 4.2, 6.6, 16.6] == [round(clip["starts_at_s"], 1) for clip in plan["clips"]]
    assert ",align_2/pre," in plan["steps"][0]["process"]


def test_a_manifest_with_a_missing_clip_is_rejected(env: Env, tmp_path: Path) -> None:
    """The table names the place."""
    manifest = tmp_path / "bad.json"
    manifest.write_text('{"version": 1, "output": {"key": "x.mp3"}, "clips": ["clips/pre1.mp3", "none.mp3"]}')
    done = ran("plan", str(manifest), env=env)

    assert (exit_codes.REJECTED, "") == (done.returncode, done.stdout)
    assert "CLIP_NOT_FOUND" in done.stderr
    assert "/clips/1" in done.stderr


def test_waiting_writes_only_the_event_to_stdout(dropped: "subprocess.CompletedProcess[str]") -> None:
    """Without a terminal there is no progress bar either."""
    event = event_of(dropped)

    assert (exit_codes.OK, "", 1) == (dropped.returncode, dropped.stderr, dropped.stdout.count("\n"))
    assert "clipstitch.job.succeeded" == event["type"]
    assert abs(event["data"]["output"]["duration_ms"] - event["data"]["expected_duration_ms"]) < 100


def test_a_dropped_job_is_listed_and_shown(env: Env, dropped: "subprocess.CompletedProcess[str]") -> None:
    """With the same event."""
    event = event_of(dropped)
    listed = json.loads(ran("jobs", "--json", env=env).stdout)
    shown = json.loads(ran("show", event["data"]["job"][:20], "--json", env=env).stdout)

    assert (event["data"]["job"], "succeeded") in {(row["job"], row["state"]) for row in listed}
    assert event == shown["event"]


def test_a_rejected_manifest_has_its_exit_code(env: Env, tmp_path: Path) -> None:
    """The event contains the issues."""
    manifest = tmp_path / "rejected.json"
    manifest.write_text('{"version": 2}')
    done = ran("drop", str(manifest), "--wait", "--json", "--timeout", "20s", env=env)

    codes = {issue["code"] for issue in event_of(done)["data"]["issues"]}
    assert exit_codes.REJECTED == done.returncode
    assert {"VERSION_UNSUPPORTED", "FIELD_MISSING"} <= codes


def test_the_demo_makes_a_file_of_the_right_length(tmp_path: Path) -> None:
    """From an empty cloud to the merged file, its picture and its event."""
    done = ran("demo", "--json", "--keep", str(tmp_path), env={})

    outcome = json.loads(done.stdout)
    assert (exit_codes.OK, "") == (done.returncode, done.stderr)
    assert abs(outcome["difference_ms"]) < 100
    assert Path(outcome["file"]).stat().st_size > 100_000
    assert "pre1.mp3" in Path(outcome["picture"]).read_text(encoding="utf-8")
    assert "succeeded" == outcome["event"]["data"]["state"]


def test_a_wrong_region_is_an_error_of_the_settings_not_of_the_manifest(env: Env) -> None:
    """OSS refuses every probe; exit code 2 would make the author look for the error in the clips."""
    result = ran("plan", str(DEMO / "example.json"), "--json", env={**env, "OSS_REGION": "cn-shanghai"})

    assert exit_codes.ERROR == result.returncode
    error = json.loads(result.stderr)["error"]
    assert ("CLOUD_REFUSED", "") == (error["code"], result.stdout)
    assert "region" in error["message"]
