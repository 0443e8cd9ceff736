"""Programs and schemas of others: where they are, and their installation by `python -m tests.deploy.tools`.

They are installed into build/tools, which is not under version control. If one is missing, the tests that need it are
skipped, or fail if the environment variable CI is set.
"""

import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
TOOLS = ROOT / "build" / "tools"
CDK = TOOLS / "cdk"
SERVERLESS = TOOLS / "node_modules" / "@serverless-devs" / "s" / "bin" / "s"
CDK_MODULES = TOOLS / "node_modules" / "@alicloud"
FC_CLIENT = CDK_MODULES / "fc20230330"
MNS_CLIENT = TOOLS / "node_modules" / "ali-mns"
GO_MODULES = ROOT / "tests" / "localyun" / "sdk"
SCHEMAS = ROOT.parent / "shared" / "schemas"
FC3_SCHEMA = SCHEMAS / "fc3.schema.json"
ROS_TYPES = SCHEMAS / "ros-resource-types.subset.json"
INSTALL = "install it with: python -m tests.deploy.tools"


def require(path: Path, what: str, how: str = INSTALL) -> None:
    """Skip the test if a reference schema is missing; skip it, or fail in CI, if a program is missing."""
    if not path.exists() and path.is_relative_to(SCHEMAS):
        pytest.skip(f"{what} is not beside the checkout")  # reference material, which not every machine has
    if not path.exists():
        skip_or_fail(f"{what} is not on this machine; {how}")
    if path.is_relative_to(TOOLS) and not shutil.which("node"):
        skip_or_fail(f"{what} needs Node, which is not on this machine; install Node 18 or newer")


def skip_or_fail(message: str) -> NoReturn:
    """Skip the test, or fail in CI."""
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


def install() -> None:
    """Install the pinned tools: from npm, without install scripts, and the ROS classes from PyPI; download Go modules.

    Go keeps its modules in its own cache.
    """
    TOOLS.mkdir(parents=True, exist_ok=True)
    (TOOLS / "package.json").write_bytes((Path(__file__).parent / "package.json").read_bytes())
    npm = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock"]
    subprocess.run(npm, cwd=TOOLS, check=True)
    pins = str(Path(__file__).parent / "cdk.txt")
    options = ["--quiet", "--no-deps", "--upgrade", "--target", str(CDK), "-r", pins]
    pip = [sys.executable, "-m", "pip", "install", *options]
    subprocess.run(pip, check=True)
    for packed in sorted(CDK.glob("*/_jsii/*.tgz")):
        unpack(packed)
    if shutil.which("go"):
        for name in ("go.mod", "go.sum"):
            shutil.copy(GO_MODULES / name, TOOLS)
        subprocess.run(["go", "mod", "download"], cwd=TOOLS, check=True)


def unpack(packed: Path) -> None:
    """Unpack the JavaScript in a wheel into node_modules."""
    with tarfile.open(packed) as archive:
        files = {entry.name.removeprefix("package/"): entry for entry in archive if entry.isfile()}
        content = {name: archive.extractfile(entry) for name, entry in files.items() if name.endswith((".js", ".json"))}
        read = {name: stream.read() for name, stream in content.items() if stream}
    target = TOOLS / "node_modules" / json.loads(read["package.json"])["name"]
    for name, text in read.items():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_bytes(text)


if __name__ == "__main__":
    install()
