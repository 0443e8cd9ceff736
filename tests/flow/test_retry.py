"""Dead-letter messages of a deployed system: a function fails finally, the cause is fixed, `retry` succeeds."""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from mns.account import Account
from mns.mns_exception import MNSServerException

from clipstitch_cli import exit_codes
from clipstitch_cli.connection import complete_environment
from clipstitch_cli.main import main
from localyun.server import LocalCloud
from tests.flow.conftest import System

ROOT = Path(__file__).parents[2]
DEAD_LETTERS = "clipstitch-dead-letters"


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[LocalCloud, Mapping[str, str]]]:
    """Run a local cloud with short delays, because its functions lack a right for a while."""
    cloud = LocalCloud(ROOT, time_scale=50)
    with cloud as endpoints:
        yield cloud, endpoints.environment()


@pytest.fixture
def cloud(running: tuple[LocalCloud, Mapping[str, str]]) -> LocalCloud:
    """Return the local cloud."""
    return running[0]


@pytest.fixture
def env(running: tuple[LocalCloud, Mapping[str, str]]) -> Mapping[str, str]:
    """Return the variables that `clipstitch up` prints."""
    return running[1]


@contextmanager
def unreadable_manifests(cloud: LocalCloud) -> Iterator[None]:
    """Deny the functions to read manifests, as an operator may do in error."""
    roles = cloud.services.roles
    (role,) = [role for role in roles.all() if role.arn.endswith("/clipstitch-functions")]
    deny = {"Effect": "Deny", "Action": "oss:GetObject", "Resource": "acs:oss:*:*:*/manifests/*"}
    roles.put(replace(role, policies=(*role.policies, {"Version": "1", "Statement": [deny]})), is_old=True)
    try:
        yield
    finally:
        roles.put(role, is_old=True)


def account(env: Mapping[str, str]) -> Account:
    """Return the vendor's client."""
    return Account(env["MNS_ENDPOINT"], env["OSS_ACCESS_KEY_ID"], env["OSS_ACCESS_KEY_SECRET"])


def count_dead_letters(env: Mapping[str, str]) -> int:
    """Return the number of visible dead-letter messages."""
    queue = account(env).get_queue(DEAD_LETTERS)
    queue.set_encoding(False)
    try:
        return len(queue.batch_peek_message(16))
    except MNSServerException:
        return 0


def until_dead_letters(env: Mapping[str, str], count: int, seconds: float = 15) -> None:
    """Wait for a number of dead-letter messages."""
    deadline = time.monotonic() + seconds
    while count_dead_letters(env) != count:
        assert time.monotonic() < deadline, count_dead_letters(env)
        time.sleep(0.05)


def retried(env: Mapping[str, str], *argv: str) -> tuple[int, Any]:
    """Run `retry`; return its exit code and its JSON output."""
    out, err = StringIO(), StringIO()
    code = main(["retry", *argv, "--json"], env, out, err)
    return code, json.loads(out.getvalue() or err.getvalue())


def test_dead_letter_messages_are_retried(cloud: LocalCloud, env: Mapping[str, str]) -> None:
    """Submit cannot read the manifests; its events become dead-letter messages. The operator's own key can."""
    system = System(complete_environment(env, None), "dead")
    with unreadable_manifests(cloud):
        manifests = [system.drop("{}", f"{number}.json") for number in range(2)]
        until_dead_letters(env, 2)
        repeated = retried(env, "--dead-letters")
        after = retried(env, "--dead-letters")

    assert exit_codes.OK == repeated[0]
    assert ["rejected"] * 2 == [job["state"] for one in repeated[1] for job in one["jobs"]]
    assert all(job["closed"] for one in repeated[1] for job in one["jobs"])
    assert (exit_codes.OK, []) == after
    for manifest in manifests:
        system.wait_until_closed(system.result(manifest)["data"]["job"])


def test_a_manifest_is_submitted_again(env: Mapping[str, str]) -> None:
    """By its URI; a closed job does not change."""
    system = System(complete_environment(env, None), "again")
    manifest = system.drop("{}")
    job = system.result(manifest)["data"]["job"]
    system.wait_until_closed(job)
    code, output = retried(env, manifest.uri)

    assert (exit_codes.REJECTED, {"job": job, "state": "rejected", "closed": True, "pending": []}) == (code, output)
