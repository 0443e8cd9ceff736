"""The opt-in mark `cloud`, proved on a running local cloud that is taken for an account; so it cannot rot unnoticed."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import oss2
import pytest
from mns.account import Account

from tests.flow.reference_cloud import clipstitch_up

ROOT = Path(__file__).parents[2]
PLAIN = ("PATH", "HOME", "LANG", "CI", "TMPDIR")


def run(env: Mapping[str, str], *argv: str) -> "subprocess.CompletedProcess[str]":
    """Run pytest on the contract in a process of its own, with this environment and nothing of ours."""
    plain = {name: os.environ[name] for name in PLAIN if name in os.environ}
    command = [sys.executable, "-m", "pytest", "tests/contract", "-p", "no:xdist", *argv]
    return subprocess.run(
        command, cwd=ROOT, env={**plain, **env}, capture_output=True, text=True, check=False, timeout=300
    )


@pytest.fixture(scope="module")
def variables() -> Iterator[dict[str, str]]:
    """Run `clipstitch up`; what it prints is what an account's owner would export."""
    with clipstitch_up() as variables:
        yield variables


def test_the_contract_holds_on_an_account_that_is_as_empty_afterwards(variables: dict[str, str]):
    """It says beforehand what it will do, skips nothing, and leaves neither object nor topic nor queue."""
    done = run({**variables, "CLIPSTITCH_CONTRACT_PREFIX": "throw-away/"}, "-m", "cloud")
    key = (variables["OSS_ACCESS_KEY_ID"], variables["OSS_ACCESS_KEY_SECRET"])
    bucket = oss2.Bucket(oss2.Auth(*key), variables["OSS_ENDPOINT"], variables["CLIPSTITCH_BUCKET"])
    names = [url for url in Account(variables["MNS_ENDPOINT"], *key).list_queue()[0] if "contract" in url]

    assert 0 == done.returncode, done.stdout + done.stderr
    counted = re.search(r"^(\d+) passed, \d+ deselected", done.stdout, re.MULTILINE)
    assert counted, done.stdout
    assert int(counted[1]) >= 25
    said = done.stdout.partition("Removed ")
    assert f"below oss://{variables['CLIPSTITCH_BUCKET']}/throw-away/" in said[0]
    assert int(said[2].split()[0]) > 1000
    assert [] == [found.key for found in oss2.ObjectIteratorV2(bucket)]
    assert [] == names


def test_who_asks_for_it_without_an_account_hears_what_is_missing():
    """All of it at once."""
    done = run({"OSS_REGION": "cn-hangzhou"}, "-m", "cloud", "-rs")

    assert 0 == done.returncode, done.stdout
    assert "passed" not in done.stdout
    for name in ("OSS_ENDPOINT", "MNS_ENDPOINT", "CLIPSTITCH_BUCKET", "ALIBABA_CLOUD_ACCESS_KEY_ID", "settings.md"):
        assert name in done.stdout
    assert "OSS_REGION is not set" not in done.stdout


@pytest.mark.parametrize("argv", [[], ["-m", "not reference"], ["-k", "objects"]])
def test_nobody_runs_it_by_chance(variables: dict[str, str], argv: list[str]):
    """Not even with an account in the environment: only the mark's name brings it."""
    done = run(variables, "--collect-only", *argv)

    assert "[localyun]" in done.stdout
    assert "[cloud" not in done.stdout
    assert "[localyun" in done.stdout
