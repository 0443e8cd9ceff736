"""Dead letters of a deployed system: a function fails until Function Compute gives up; the cause is mended; `retry`."""

import json
import time
from collections.abc import Iterator, Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from mns.account import Account
from mns.mns_exception import MNSServerException
from mns.topic import TopicMeta

from clipstitch_cli import exit_codes
from clipstitch_cli.connection import complete_environment
from clipstitch_cli.main import main
from localyun.server import LocalCloud
from tests.flow.conftest import System

ROOT = Path(__file__).parents[2]
LETTERS, TOPIC = "clipstitch-dead-letters", "clipstitch-events"


@pytest.fixture(scope="module")
def env() -> Iterator[Mapping[str, str]]:
    """Run a local cloud of our own, in a hurry: a topic of it will be missing for a while."""
    with LocalCloud(ROOT, hurry=50) as endpoints:
        yield endpoints.environment()


def account(env: Mapping[str, str]) -> Account:
    """Return the vendor's client."""
    return Account(env["MNS_ENDPOINT"], env["OSS_ACCESS_KEY_ID"], env["OSS_ACCESS_KEY_SECRET"])


def letters(env: Mapping[str, str]) -> int:
    """Count the dead letters that can be seen."""
    queue = account(env).get_queue(LETTERS)
    queue.set_encoding(False)
    try:
        return len(queue.batch_peek_message(16))
    except MNSServerException:
        return 0


def until_letters(env: Mapping[str, str], count: int, seconds: float = 15) -> None:
    """Wait for so many letters."""
    deadline = time.monotonic() + seconds
    while letters(env) != count:
        assert time.monotonic() < deadline, letters(env)
        time.sleep(0.05)


def retried(env: Mapping[str, str], *argv: str) -> tuple[int, Any]:
    """Run `retry` and return its exit code and what it tells a program."""
    out, err = StringIO(), StringIO()
    code = main(["retry", *argv, "--json"], env, out, err)
    return code, json.loads(out.getvalue() or err.getvalue())


def test_what_function_compute_gave_up_on_comes_back(env: Mapping[str, str]):
    """Submit cannot tell that a manifest is rejected, as the topic is missing; its event becomes a dead letter."""
    system = System(complete_environment(env, None), "dead")
    account(env).get_topic(TOPIC).delete()
    manifests = [system.drop("{}", f"{number}.json") for number in range(2)]
    until_letters(env, 2)

    in_vain = retried(env, "--dead-letters")
    account(env).get_topic(TOPIC).create(TopicMeta())
    until_letters(env, 2)
    mended = retried(env, "--dead-letters")
    after = retried(env, "--dead-letters")

    assert (exit_codes.TROUBLE, ["SINK_TARGET_MISSING"] * 2) == (
        in_vain[0],
        [one["error"]["code"] for one in in_vain[1]],
    )
    assert exit_codes.OK == mended[0]
    assert ["rejected"] * 2 == [job["state"] for one in mended[1] for job in one["jobs"]]
    assert all(job["closed"] for one in mended[1] for job in one["jobs"])
    assert (exit_codes.OK, []) == after
    for manifest in manifests:
        system.wait_until_closed(system.result(manifest)["data"]["job"])


def test_a_manifest_is_submitted_again(env: Mapping[str, str]):
    """By its URI; a job that is through stays as it is."""
    system = System(complete_environment(env, None), "again")
    manifest = system.drop("{}")
    job = system.result(manifest)["data"]["job"]
    system.wait_until_closed(job)
    code, told = retried(env, manifest.uri)

    assert (exit_codes.REJECTED, {"job": job, "state": "rejected", "closed": True, "owed": []}) == (code, told)
