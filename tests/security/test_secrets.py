"""After succeeded, failed and rejected jobs, no secret is in logs, objects, files, events or command output."""

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest

from tests.child_process import wait_until
from tests.receiver import OTHER_SECRET, Reply
from tests.security.product import BUCKET, Product, running
from tests.sounds import noise, truncated

COMMAND = Path(sys.executable).with_name("clipstitch")
MANIFEST = {"version": 1, "output": {"key": "out/good.flac"}, "clips": ["clips/a.wav"]}
MANIFESTS = {
    "good": MANIFEST,
    "rejected": {**MANIFEST, "clips": ["clips/nowhere.wav"], "gap": "for a while"},
    "incomplete": {**MANIFEST, "output": {"key": "out/half.flac"}, "clips": ["clips/half.flac"], "strict": True},
    "not-audio": {**MANIFEST, "output": {"key": "out/text.flac"}, "clips": ["clips/text.wav"]},
    "webhook": {**MANIFEST, "output": {"key": "out/hooked.flac"}, "notify": ["hook"]},
}


class FinishedRun(NamedTuple):
    """The product after a run, all secrets by name, and the output of its commands."""

    product: Product
    secrets: dict[str, str]
    output: str


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FinishedRun]:
    """Run valid and invalid jobs, a failing webhook, malformed events, and commands with correct and wrong keys."""
    folder = tmp_path_factory.mktemp("secrets")
    with running(folder, Reply(500, {"X-Said": "no"}), time_scale=100, secret=OTHER_SECRET) as product:
        product.put("clips/text.wav", b"no audio at all")
        product.put("clips/half.flac", truncated(noise("flac")))
        for name, document in MANIFESTS.items():
            product.drop(document, f"manifests/{name}.json")
        for name in MANIFESTS:
            product.result(f"manifests/{name}.json")
        for function in product.cloud.services.functions.list():
            product.cloud.services.functions.invoke(function.name, b'{"events": "none", "Message": "none"}')
        wait_until(lambda: len(product.receiver.requests) >= 2)  # the function and the sweep have posted
        secrets = secrets_of(product)
        yield FinishedRun(product, secrets, command_output(product, folder))


def secrets_of(product: Product) -> dict[str, str]:
    """Return all secrets by name: of the owner, of the roles and of the webhook."""
    hook = urlsplit(product.receiver.url)
    keyring = product.cloud.services.functions._keyring._by_id
    issued = {f"secret of {key.principal} {name}": key.access_key_secret for name, key in keyring.items()}
    roles = [(name, key) for name, key in keyring.items() if key.security_token]
    issued |= {f"token of {key.principal} {name}": key.security_token for name, key in roles}
    webhook = {
        "webhook's secret": OTHER_SECRET,
        "its key": OTHER_SECRET.removeprefix("whsec_"),
        "its query": hook.query,
    }
    return {**issued, **webhook, "its path": hook.path}


def command_output(product: Product, folder: Path) -> str:
    """Run commands with correct, wrong and malformed settings, and return their output."""
    env = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}
    env |= {**product.endpoints.environment(), "HOOK_URL": product.receiver.url, "HOOK_SECRET": OTHER_SECRET}
    env |= {"CLIPSTITCH_WEBHOOK_HOOK_URL": product.receiver.url, "CLIPSTITCH_WEBHOOK_HOOK_SECRET": OTHER_SECRET}
    wrong = {**env, "OSS_ACCESS_KEY_SECRET": "a-wrong-secret-of-the-operator"}
    broken = {**env, "CLIPSTITCH_WEBHOOK_HOOK_SECRET": OTHER_SECRET + "!"}
    (job,) = [key.split("/")[3] for key in product.listed("_clipstitch/jobs/") if "pending.hook~1" in key][:1]
    (folder / "m.json").write_text(json.dumps(MANIFEST))
    output = []
    for environment in (env, wrong, broken):
        for argv in (
            ["jobs"],
            ["show", job],
            ["show", job, "--json"],
            ["retry", job],
            ["plan", str(folder / "m.json")],
        ):
            command = [str(COMMAND), *argv, "--project", str(folder / "project")]
            done = subprocess.run(command, env=environment, capture_output=True, check=False, timeout=120)
            output.append((done.stdout + done.stderr).decode())
    return "\n".join(output)


def test_the_run_covers_all_secrets_and_job_states(ran: FinishedRun) -> None:
    """There are secrets of every kind and jobs in every state, and the commands have reported on them."""
    states = {ran.product.result(f"manifests/{name}.json")["state"] for name in MANIFESTS}

    assert {"succeeded", "failed", "rejected"} == states
    assert {"root", "webhook's"} <= {name.removeprefix("secret of ").split()[0] for name in ran.secrets}
    assert 3 == sum("token of" in name for name in ran.secrets), ran.secrets.keys()
    assert "WEBHOOK_ANSWER" in ran.output
    assert "ACCESS_DENIED" in ran.output
    assert "CLIPSTITCH_WEBHOOK_HOOK_SECRET" in ran.output
    assert "Traceback" not in ran.output


def test_no_secret_is_in_the_logs(ran: FinishedRun) -> None:
    """Functions that succeed and functions that fail with a traceback have logged."""
    logs = ran.product.logs()

    assert "InvalidTriggerEvent" in logs
    assert "delivery-failed" in logs
    assert [] == [name for name, secret in ran.secrets.items() if secret in logs]


def test_no_secret_is_in_the_output_of_commands(ran: FinishedRun) -> None:
    """The commands ran with the correct key, with a wrong secret and with a malformed setting."""
    secrets = {**ran.secrets, "the wrong secret": "a-wrong-secret-of-the-operator"}

    assert [] == [name for name, secret in secrets.items() if secret in ran.output]


def test_no_secret_is_in_an_object(ran: FinishedRun) -> None:
    """Keys, headers and contents of all objects in the bucket."""
    objects = ran.product.cloud.services.objects
    found = [
        (name, each.key)
        for each in objects.page(BUCKET, limit=100_000).objects
        for name, secret in ran.secrets.items()
        if secret.encode() in each.file.read_bytes() + json.dumps([each.key, dict(each.headers)]).encode()
    ]

    assert [] == found


def test_no_secret_is_in_a_file_but_the_owners_key(ran: FinishedRun) -> None:
    """Only the file with the owner's key has a secret, and only its owner may read that file."""
    files = [file for file in ran.product.data.rglob("*") if file.is_file()]
    found = {
        (name, str(file.relative_to(ran.product.data)))
        for file in files
        for name, secret in ran.secrets.items()
        if secret.encode() in file.read_bytes()
    }

    assert {"objects.sqlite", "invocations.sqlite"} <= {file.name for file in files}
    assert ["credentials.json"] == [file for name, file in found if "secret of root" in name]
    assert 1 == len(found), found
    assert 0o600 == stat.S_IMODE((ran.product.data / "credentials.json").stat().st_mode)


def test_no_secret_is_in_a_webhook_request(ran: FinishedRun) -> None:
    """Headers and bodies that the receiver got; the URL itself necessarily has the path and the query."""
    bodies = b"".join(heard.body + json.dumps(dict(heard.headers)).encode() for heard in ran.product.receiver.requests)

    assert [] == [name for name, secret in ran.secrets.items() if secret.encode() in bodies]


def test_no_secret_is_in_the_command_line_of_a_function(ran: FinishedRun) -> None:
    """All users of a machine can read command lines; only the owner can read the environment."""
    children = " ".join(file.read_text() for file in Path("/proc/self/task").glob("*/children")).split()
    lines = [Path(f"/proc/{child}/cmdline").read_bytes() for child in children]

    assert len(lines) >= 3
    assert [] == [name for name, secret in ran.secrets.items() if any(secret.encode() in line for line in lines)]
