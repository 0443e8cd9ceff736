"""Secrets: after jobs that went well, badly and nowhere, every file is searched for each of them."""

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

COMMAND = Path(sys.executable).with_name("clipstitch")
MANIFEST = {"version": 1, "output": {"key": "out/good.flac"}, "clips": ["clips/a.wav"]}
DROPPED = {
    "good": MANIFEST,
    "rejected": {**MANIFEST, "clips": ["clips/nowhere.wav"], "gap": "for a while"},
    "refused": {**MANIFEST, "output": {"key": "out/good.flac"}, "labels": {"a": "b"}},
    "text": {**MANIFEST, "output": {"key": "out/text.flac"}, "clips": ["clips/text.wav"]},
    "hooked": {**MANIFEST, "output": {"key": "out/hooked.flac"}, "notify": ["hook"]},
}


class Ran(NamedTuple):
    """A system that has worked, what it must keep to itself, and what its commands have said."""

    product: Product
    secrets: dict[str, str]
    said: str


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    """Run jobs good and bad, a webhook that refuses, broken events, and commands with the right key and a wrong one."""
    folder = tmp_path_factory.mktemp("secrets")
    with running(folder, Reply(500, {"X-Said": "no"}), hurry=100, secret=OTHER_SECRET) as product:
        product.put("clips/text.wav", b"no audio at all")
        for name, document in DROPPED.items():
            product.drop(document, f"manifests/{name}.json")
        for name in DROPPED:
            product.result(f"manifests/{name}.json")
        for function in product.cloud.services.functions.list():
            product.cloud.services.functions.invoke(function.name, b'{"events": "none", "Message": "none"}')
        # The function and the sweep each post to the webhook.
        wait_until(lambda: len(product.receiver.requests) >= 2)
        secrets = kept_by(product)
        yield Ran(product, secrets, commands(product, folder))


def kept_by(product: Product) -> dict[str, str]:
    """Name every secret that there is; those of the roles come from where the functions get them."""
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


def commands(product: Product, folder: Path) -> str:
    """Run commands as an operator does, and return all that they write."""
    env = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}
    env |= {**product.endpoints.environment(), "HOOK_URL": product.receiver.url, "HOOK_SECRET": OTHER_SECRET}
    env |= {"CLIPSTITCH_WEBHOOK_HOOK_URL": product.receiver.url, "CLIPSTITCH_WEBHOOK_HOOK_SECRET": OTHER_SECRET}
    wrong = {**env, "OSS_ACCESS_KEY_SECRET": "a-wrong-secret-of-the-operator"}
    broken = {**env, "CLIPSTITCH_WEBHOOK_HOOK_SECRET": OTHER_SECRET + "!"}
    (job,) = [key.split("/")[3] for key in product.listed("_clipstitch/jobs/") if "pending.hook~1" in key][:1]
    (folder / "m.json").write_text(json.dumps(MANIFEST))
    said = []
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
            said.append((done.stdout + done.stderr).decode())
    return "\n".join(said)


def test_the_search_would_find_them(ran: Ran):
    """There are secrets of every kind, jobs of every state, and the commands have said something about all of it."""
    states = {ran.product.result(f"manifests/{name}.json")["state"] for name in DROPPED}

    assert {"succeeded", "failed", "rejected"} == states
    assert {"root", "webhook's"} <= {name.removeprefix("secret of ").split()[0] for name in ran.secrets}
    assert 3 == sum("token of" in name for name in ran.secrets), ran.secrets.keys()
    assert "WEBHOOK_ANSWER" in ran.said
    assert "ACCESS_DENIED" in ran.said
    assert "CLIPSTITCH_WEBHOOK_HOOK_SECRET" in ran.said
    assert "Traceback" not in ran.said


def test_no_secret_is_logged(ran: Ran):
    """Neither by functions that work, nor by those that fail with a traceback."""
    logs = ran.product.logs()

    assert "InvalidTriggerEvent" in logs
    assert "sink-owed" in logs
    assert [] == [name for name, secret in ran.secrets.items() if secret in logs]


def test_no_command_says_a_secret(ran: Ran):
    """Neither with the right key, nor with a wrong one, nor about settings that are wrong."""
    named = {**ran.secrets, "the wrong secret": "a-wrong-secret-of-the-operator"}

    assert [] == [name for name, secret in named.items() if secret in ran.said]


def test_no_object_holds_a_secret(ran: Ran):
    """Facts, results, events, outputs: everything in the bucket, with its labels."""
    objects = ran.product.cloud.services.objects
    found = [
        (name, each.key)
        for each in objects.page(BUCKET, limit=100_000).objects
        for name, secret in ran.secrets.items()
        if secret.encode() in each.file.read_bytes() + json.dumps([each.key, dict(each.headers)]).encode()
    ]

    assert [] == found


def test_no_file_holds_a_secret_but_the_one_that_is_for_it(ran: Ran):
    """Databases with messages, events and tasks, and their journals; the root key's file is its owner's alone."""
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


def test_no_event_says_a_secret(ran: Ran):
    """What was posted to the webhook's receiver; its path and query are where they must be, its secret nowhere."""
    requests = ran.product.receiver.requests
    bodies = b"".join(request.body + json.dumps(dict(request.headers)).encode() for request in requests)

    assert [] == [name for name, secret in ran.secrets.items() if secret.encode() in bodies]


def test_the_keys_of_running_functions_are_in_no_command_line(ran: Ran):
    """Which everybody on the machine may read; the environment only its owner may."""
    children = " ".join(file.read_text() for file in Path("/proc/self/task").glob("*/children")).split()
    lines = [Path(f"/proc/{child}/cmdline").read_bytes() for child in children]

    assert len(lines) >= 3
    assert [] == [name for name, secret in ran.secrets.items() if any(secret.encode() in line for line in lines)]
