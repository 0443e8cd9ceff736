"""The command of an account that may make no data calls at the public endpoint: every command says what to do."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from io import StringIO
from pathlib import Path

import pytest
from mns.account import Account
from mns.queue import Message

from clipstitch_cli import exit_codes
from clipstitch_cli.main import main
from localyun.server import LocalCloud

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "examples" / "demo"
MANIFEST, CLIP = str(DEMO / "example.json"), str(DEMO / "pre1.mp3")
JOB = "20260102T030405Z-0123456789ab"
CODE, REMEDY = "PUBLIC_ENDPOINT_FORBIDDEN", "Set OSS_ENDPOINT to a domain of your own"
Env = Mapping[str, str]


@pytest.fixture(scope="module")
def env() -> Iterator[Env]:
    """Run a local cloud with the rule of mainland China."""
    with LocalCloud(ROOT, time_scale=50, forbid_public_endpoint=True) as endpoints:
        yield endpoints.environment()


def ran(env: Env, *argv: str) -> tuple[int, str, str]:
    """Run a command; return its exit code, stdout and stderr."""
    out, err = StringIO(), StringIO()
    return main(list(argv), env, out, err), out.getvalue(), err.getvalue()


COMMANDS = (
    ("put", CLIP),
    ("plan", MANIFEST),
    ("plan", "oss://clipstitch/manifests/example.json"),
    ("drop", MANIFEST),
    ("drop", MANIFEST, "--wait"),
    ("jobs",),
    ("show", JOB),
    ("watch", "--for", "1s"),
    ("retry", JOB),
    ("retry", JOB, "--invoke"),
    ("retry", "manifests/example.json"),
    ("retry", "manifests/example.json", "--invoke"),
    ("doctor", "--live", "--yes"),
)


@pytest.mark.parametrize("argv", COMMANDS, ids=[" ".join(one).replace(str(DEMO), "") for one in COMMANDS])
def test_every_command_says_what_to_do(env: Env, argv: tuple[str, ...], tmp_path: Path) -> None:
    """As an error with its remedy, also for programs; never as an error of the manifest."""
    report = ("--report", str(tmp_path / "report.md")) if argv[0] == "doctor" else ()
    code, out, said = ran(env, *argv, *report)
    as_json = ran(env, *argv, *report, "--json")

    assert (exit_codes.ERROR, "") == (code, out)
    assert f"[{CODE}]" in said
    assert REMEDY in said
    assert "manifest has" not in said
    assert (exit_codes.ERROR, "") == as_json[:2]
    assert CODE == json.loads(as_json[2].splitlines()[-1])["error"]["code"]


def test_a_manifest_with_errors_has_only_its_own(env: Env, tmp_path: Path) -> None:
    """Its clips cannot be probed, which is none of its errors."""
    manifest = tmp_path / "m.json"
    manifest.write_text(json.dumps({"version": 1, "output": {"key": "merged/o.mp3"}, "clips": ["a.mp3"], "tempo": 2}))
    code, _, said = ran(env, "plan", str(manifest), "--json")

    assert exit_codes.REJECTED == code
    assert ["FIELD_UNKNOWN"] == [issue["code"] for issue in json.loads(said)["error"]["issues"]]


def test_dead_letter_messages_stay_in_the_queue(env: Env) -> None:
    """The remedy is shown once, however many there are."""
    account = Account(env["MNS_ENDPOINT"], env["OSS_ACCESS_KEY_ID"], env["OSS_ACCESS_KEY_SECRET"])
    queue = account.get_queue("clipstitch-dead-letters")
    record = {"region": "cn-hangzhou", "oss": {"bucket": {"name": "clipstitch"}, "object": {"key": "manifests/m.json"}}}
    event = {"events": [{"eventName": "ObjectCreated:PutObject", "eventSource": "acs:oss", **record}]}
    for _ in range(2):
        queue.send_message(Message(json.dumps(event)))
    code, out, said = ran(env, "retry", "--dead-letters")

    assert exit_codes.ERROR == code
    assert 2 == out.count(f"[{CODE}]")
    assert 1 == said.count(REMEDY)
    for _ in range(2):
        queue.delete_message(queue.receive_message(5).receipt_handle)


def test_the_doctor_has_one_bad_finding(env: Env) -> None:
    """Checks that need data calls are skipped, and say why; all others are made."""
    code, out, _ = ran(env, "doctor", "--json")
    findings = {found["name"]: found for found in json.loads(out)}

    assert exit_codes.ERROR == code
    assert ["endpoint"] == [name for name, found in findings.items() if found["state"] == "bad"]
    assert "(PublicEndpointForbidden)" in findings["endpoint"]["message"]
    for way in (
        "https://DOMAIN",
        "https://oss-cn-hangzhou-internal.aliyuncs.com",
        "OSS_REGION=ap-southeast-1 CLIPSTITCH_PREFIX=",
    ):
        assert way in findings["endpoint"]["remedy"]
    assert {"open jobs", "webhooks"} <= {name for name, found in findings.items() if found["state"] == "skipped"}
    assert "see `endpoint`" in findings["open jobs"]["message"]


def test_at_a_custom_domain_the_commands_work(env: Env) -> None:
    """From the upload of the clips to the merged file."""
    domain = {**env, "OSS_ENDPOINT": env["OSS_ENDPOINT"].replace("127.0.0.1", "localhost")}
    clips = [str(clip) for clip in DEMO.iterdir() if clip.suffix in (".mp3", ".wav", ".oga", ".aac", ".wma")]
    codes = [ran(domain, *argv)[0] for argv in (("put", *clips), ("plan", MANIFEST), ("drop", MANIFEST, "--wait"))]
    findings = json.loads(ran(domain, "doctor", "--json")[1])

    assert [exit_codes.OK] * 3 == codes
    assert [] == [found for found in findings if found["state"] in ("bad", "warning")]


def test_the_experiments_at_a_custom_domain(env: Env, tmp_path: Path) -> None:
    """A domain reaches one bucket, so the question about another one stays open. Nothing remains.

    No resolver knows the name: the local cloud is the proxy through which it is reached.
    """
    proxied = {"http_proxy": env["OSS_ENDPOINT"], "no_proxy": "127.0.0.1", "OSS_ENDPOINT": "http://audio.example.com"}
    code = "import sys; from clipstitch_cli.main import run; sys.exit(run())"
    argv = ("doctor", "--live", "--yes", "--json", "--report", str(tmp_path / "report.md"))
    child = subprocess.run(
        [sys.executable, "-c", code, *argv], env={**os.environ, **env, **proxied}, capture_output=True, check=False
    )
    report = json.loads(child.stdout)
    outcomes = {question["number"]: question for question in report["questions"]}

    assert (exit_codes.OK, []) == (child.returncode, report["not_removed"])
    assert "as assumed" == outcomes["1"]["outcome"]
    assert "not answered" == outcomes["6"]["outcome"]
    assert "OSS_ENDPOINT is a domain of bucket clipstitch, and reaches no other" in outcomes["6"]["found"]


def test_up_says_what_the_switch_does() -> None:
    """The printed endpoint is the one that refuses; the note names the custom domain."""
    command = [sys.executable, "-c", "import sys; from clipstitch_cli.main import run; sys.exit(run())"]
    argv = ("up", "--forbid-public-endpoint", "--json")
    child = subprocess.Popen([*command, *argv], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout
    exported = json.loads(child.stdout.readline())
    refused, _, said = ran(exported, "jobs")
    domain = exported["OSS_ENDPOINT"].replace("127.0.0.1", "localhost")
    accepted, _, _ = ran({**exported, "OSS_ENDPOINT": domain}, "jobs")
    child.terminate()
    _, noted = child.communicate(timeout=30)

    assert (exit_codes.ERROR, exit_codes.OK) == (refused, accepted)
    assert f"[{CODE}]" in said
    assert f"OSS_ENDPOINT refuses data calls; a custom domain is {domain}." in noted
