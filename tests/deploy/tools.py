"""The validators that others wrote: where they are, and how they get there: `python -m tests.deploy.tools`.

They stay in build/tools, which is not under version control. A test that lacks one is skipped at the desk and fails
where CI is set.
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
SCHEMAS = ROOT.parent / "shared" / "schemas"
FC3_SCHEMA = SCHEMAS / "fc3.schema.json"
ROS_TYPES = SCHEMAS / "ros-resource-types.subset.json"
INSTALL = "install it with: python -m tests.deploy.tools"


def need(path: Path, what: str, how: str = INSTALL) -> None:
    """Go on where a tool or a schema is there; skip at the desk, fail in CI."""
    if not path.exists():
        lack(f"{what} is not on this machine; {how}")
    if path.is_relative_to(TOOLS) and not shutil.which("node"):
        lack(f"{what} needs Node, which is not on this machine; install Node 18 or newer")


def lack(message: str) -> NoReturn:
    """Skip, or fail in CI."""
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


def install() -> None:
    """Fetch the pinned tools: Serverless Devs from npm without its scripts, ROS's classes from PyPI."""
    TOOLS.mkdir(parents=True, exist_ok=True)
    (TOOLS / "package.json").write_bytes((Path(__file__).parent / "package.json").read_bytes())
    npm = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock"]
    subprocess.run(npm, cwd=TOOLS, check=True)
    pins = str(Path(__file__).parent / "cdk.txt")
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--upgrade",
        "--target",
        str(CDK),
        "-r",
        pins,
    ]
    subprocess.run(pip, check=True)
    for packed in sorted(CDK.glob("*/_jsii/*.tgz")):
        unpack(packed)


def unpack(packed: Path) -> None:
    """Put the JavaScript that a wheel carries where Node finds it."""
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
