"""Builds a suite of Go tests, runs them by name against a local cloud, and reads the outcomes."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from tests.flow.reference_cloud import clipstitch_up
from tests.flow.reference_toolchains import GO, child_environment

HERE = Path(__file__).parent
LIMIT_S = 600
LOG_CHARACTERS = 3000


class Suite(NamedTuple):
    """A package with tests: its module, the files that count, how a test is defined, and how tests are selected.

    `start` and `outcome` find the beginning and the end of a test in the output.
    """

    name: str
    module: str
    files: str
    definition: str
    options: tuple[str, ...]
    select: str
    start: str
    outcome: str


SUITES = (
    Suite(
        "Go SDK v1",
        "github.com/aliyun/aliyun-oss-go-sdk",
        "*_test.go",
        r"^func \(s \*(Oss\w+Suite\) Test\w+)\(",
        ("-check.vv", f"-test.timeout={LIMIT_S}s"),
        "-check.f=^({})$",
        r"^START: \S+:\d+: {}$",
        r"^(?P<outcome>PASS|FAIL|PANIC|SKIP|MISS): \S+:\d+: (?P<test>\w+\.Test\w+)",
    ),
    Suite(
        "Go SDK v2",
        "github.com/aliyun/alibabacloud-oss-go-sdk-v2",
        "client_integration*_test.go",
        r"^func (Test\w+)\(",
        ("-test.v", f"-test.timeout={LIMIT_S}s"),
        "-test.run=^({})$",
        r"^=== RUN +{}$",
        r"^--- (?P<outcome>PASS|FAIL|SKIP): (?P<test>\w+) ",
    ),
)


class Outcome(NamedTuple):
    """How a test ended: PASS, SKIP, FAIL, PANIC, MISS, or NONE if it left no trace; and the end of what it printed."""

    test: str
    outcome: str
    log: str

    @property
    def passed(self) -> bool:
        """Whether the test ran and passed."""
        return self.outcome == "PASS"


def build(suite: Suite, folder: Path) -> Path:
    """Download and compile a suite; return a writable copy of its package, with the program `suite.test` in it."""
    folder.mkdir()
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


def timed_by_the_second(suite: Suite, package: Path) -> set[str]:
    """Return the tests that choose a port by the current second: they meet if they run at the same time."""
    texts = "".join(file.read_text("utf-8") for file in sorted(package.glob(suite.files)))
    parts = re.split(suite.definition, texts, flags=re.MULTILINE)  # text, name, text, name, text
    named = zip(parts[1::2], parts[2::2], strict=True)
    return {name.replace(") ", ".") for name, body in named if "rand.Seed(time.Now().Unix())" in body}


def run(suite: Suite, package: Path, tests: Sequence[str]) -> list[Outcome]:
    """Run tests in one process, with a local cloud and a copy of the package, and return how each ended.

    The tests write and delete files beside themselves. A panic may end all tests of the process.
    """
    names = "|".join(re.escape(test) for test in tests)
    command = [str(package / "suite.test"), *suite.options, suite.select.format(names)]
    with TemporaryDirectory() as folder, clipstitch_up() as variables:
        copy = Path(folder) / "suite"
        shutil.copytree(package.parent, copy, ignore=shutil.ignore_patterns("suite.test"))
        environment = child_environment({**os.environ, **credentials(variables)})
        done = subprocess.run(
            command,
            cwd=copy / "oss",
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
            timeout=LIMIT_S + 60,
        )
    return [_outcome(suite, test, done.stdout) for test in tests]


def _outcome(suite: Suite, test: str, output: str) -> Outcome:
    ends = {one["test"]: one for one in re.finditer(suite.outcome, output, re.MULTILINE)}
    start, end = re.search(suite.start.format(re.escape(test)), output, re.MULTILINE), ends.get(test)
    log = output[start.start() if start else 0 : end.end() if end else len(output)]
    return Outcome(test, end["outcome"] if end else "NONE", log[-LOG_CHARACTERS:])


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
