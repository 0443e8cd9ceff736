"""Builds a suite of Go tests, runs them by name against a local cloud, and reads the outcomes."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.flow.reference_toolchains import GO, child_environment

HERE = Path(__file__).parent
LIMIT_S = 1200


class Suite(NamedTuple):
    """A package with tests: its module, the files that count, how a test is defined, and how tests are selected."""

    name: str
    module: str
    files: str
    definition: str
    options: tuple[str, ...]
    select: str
    outcome: str


SUITES = (
    Suite(
        "Go SDK v2",
        "github.com/aliyun/alibabacloud-oss-go-sdk-v2",
        "client_integration*_test.go",
        r"^func (Test\w+)\(",
        ("-test.v", f"-test.timeout={LIMIT_S}s"),
        "-test.run=^({})$",
        r"^--- (?P<outcome>PASS|FAIL|SKIP): (?P<test>\w+) ",
    ),
    Suite(
        "Go SDK v1",
        "github.com/aliyun/aliyun-oss-go-sdk",
        "*_test.go",
        r"^func \(s \*(Oss\w+Suite\) Test\w+)\(",
        ("-check.vv", f"-test.timeout={LIMIT_S}s"),
        "-check.f=^({})$",
        r"^(?P<outcome>PASS|FAIL|PANIC|SKIP|MISS): [\w.]+:\d+: (?P<test>\w+\.Test\w+)",
    ),
)


class Outcome(NamedTuple):
    """How a test ended: PASS, SKIP, FAIL, PANIC, MISS, or NONE if it left no trace."""

    test: str
    outcome: str

    @property
    def failed(self) -> bool:
        """Whether the test ran and did not pass."""
        return self.outcome not in ("PASS", "SKIP")


def left_out() -> dict[tuple[str, str], str]:
    """Return the reason for each test that is not run, by suite and test."""
    lines = (HERE / "left_out.tsv").read_text("utf-8").splitlines()
    rows = (line.split("\t") for line in lines if line and not line.startswith("#"))
    return {(suite, test): reason for suite, test, reason in rows}


def build(suite: Suite, folder: Path) -> Path:
    """Download and compile a suite; return a writable copy of its package, with the program `suite.test` in it."""
    for name in ("go.mod", "go.sum"):
        shutil.copy(HERE / name, folder)
    package = f"{suite.module}/oss"
    environment = child_environment(GO)
    command = ["go", "test", "-c", "-tags", "integration", "-o", str(folder / "suite.test"), package]
    subprocess.run(command, cwd=folder, env=environment, check=True)
    listed = subprocess.run(
        ["go", "list", "-m", "-json", suite.module], cwd=folder, env=environment, check=True, capture_output=True
    )
    copy = folder / "suite"
    shutil.copytree(json.loads(listed.stdout)["Dir"], copy)
    for path in (copy, *copy.rglob("*")):
        path.chmod(0o755)
    (folder / "suite.test").rename(copy / "oss" / "suite.test")
    return copy / "oss"


def tests_of(suite: Suite, package: Path) -> list[str]:
    """Return the names of all tests of a suite, in the order of its files."""
    texts = (file.read_text("utf-8") for file in sorted(package.glob(suite.files)))
    found = (name for text in texts for name in re.findall(suite.definition, text, re.MULTILINE))
    return [name.replace(") ", ".") for name in found]


def run(suite: Suite, package: Path, tests: Sequence[str], variables: Mapping[str, str]) -> Iterator[Outcome]:
    """Run tests in one process, and yield how each ended; a panic ends them all."""
    names = "|".join(re.escape(test) for test in tests)
    command = ["./suite.test", *suite.options, suite.select.format(names)]
    environment = child_environment({**os.environ, **credentials(variables)})
    done = subprocess.run(
        command, cwd=package, env=environment, capture_output=True, text=True, check=False, timeout=LIMIT_S + 60
    )
    with (package / "log.txt").open("a", encoding="utf-8") as log:
        log.write(done.stdout + done.stderr)
    found = {one["test"]: one["outcome"] for one in re.finditer(suite.outcome, done.stdout, re.MULTILINE)}
    return (Outcome(test, found.get(test, "NONE")) for test in tests)


def credentials(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the variables by which the suites find the cloud."""
    return {
        "OSS_TEST_REGION": variables["OSS_REGION"],
        "OSS_TEST_ENDPOINT": variables["OSS_ENDPOINT"],
        "OSS_TEST_ACCESS_KEY_ID": variables["OSS_ACCESS_KEY_ID"],
        "OSS_TEST_ACCESS_KEY_SECRET": variables["OSS_ACCESS_KEY_SECRET"],
        "OSS_TEST_RAM_UID": variables["ALIBABA_CLOUD_ACCOUNT_ID"],
        "OSS_TEST_ACCOUNT_ID": variables["ALIBABA_CLOUD_ACCOUNT_ID"],
    }
