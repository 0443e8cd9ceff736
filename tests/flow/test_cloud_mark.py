"""The opt-in mark `cloud`, tested with a local cloud in the role of the account."""

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
INHERITED = ("PATH", "HOME", "LANG", "CI", "TMPDIR")


def run(env: Mapping[str, str], *argv: str) -> subprocess.CompletedProcess[str]:
    """Run pytest on the contract tests in a child process with this environment."""
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    command = [sys.executable, "-m", "pytest", "tests/contract", "-p", "no:xdist", *argv]
    return subprocess.run(
        command, cwd=ROOT, env={**inherited, **env}, capture_output=True, text=True, check=False, timeout=300
    )


@pytest.fixture(scope="module")
def variables() -> Iterator[dict[str, str]]:
    """Run `clipstitch up`; return the variables that the owner of an account would export."""
    with clipstitch_up() as variables:
        yield variables


def test_the_contract_tests_pass_on_an_account_and_leave_nothing_behind(variables: dict[str, str]) -> None:
    """The run announces its changes, skips no test, and deletes its objects, topic and queue."""
    completed = run({**variables, "CLIPSTITCH_CONTRACT_PREFIX": "_clipstitch/work/temporary/"}, "-m", "cloud")
    key = (variables["OSS_ACCESS_KEY_ID"], variables["OSS_ACCESS_KEY_SECRET"])
    bucket = oss2.Bucket(oss2.Auth(*key), variables["OSS_ENDPOINT"], variables["CLIPSTITCH_BUCKET"])
    names = [url for url in Account(variables["MNS_ENDPOINT"], *key).list_queue()[0] if "contract" in url]

    assert 0 == completed.returncode, completed.stdout + completed.stderr
    summary = re.search(r"^(\d+) passed, \d+ deselected", completed.stdout, re.MULTILINE)
    assert summary, completed.stdout
    assert int(summary[1]) >= 25
    announcement, _, deletion = completed.stdout.partition("Deleted ")
    assert f"under oss://{variables['CLIPSTITCH_BUCKET']}/_clipstitch/work/temporary/" in announcement
    assert int(deletion.split()[0]) > 1000
    assert [] == [listed.key for listed in oss2.ObjectIteratorV2(bucket)]
    assert [] == names


def test_the_mark_without_an_account_skips_the_tests_and_names_all_missing_variables() -> None:
    """The reason lists every missing variable, and no other."""
    completed = run({"OSS_REGION": "cn-hangzhou"}, "-m", "cloud", "-rs")

    assert 0 == completed.returncode, completed.stdout
    assert "passed" not in completed.stdout
    for name in ("OSS_ENDPOINT", "MNS_ENDPOINT", "CLIPSTITCH_BUCKET", "ALIBABA_CLOUD_ACCESS_KEY_ID", "settings.md"):
        assert name in completed.stdout
    assert "OSS_REGION is not set" not in completed.stdout


@pytest.mark.parametrize("argv", [[], ["-m", "not reference"], ["-k", "objects"]])
def test_without_the_mark_no_test_uses_the_account(variables: dict[str, str], argv: list[str]) -> None:
    """Even with an account in the environment, only a mark expression with `cloud` selects these tests."""
    completed = run(variables, "--collect-only", *argv)

    assert "[localyun]" in completed.stdout
    assert "[cloud" not in completed.stdout
    assert "[localyun" in completed.stdout
