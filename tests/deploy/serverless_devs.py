"""Serverless Devs, run as an operator runs it: in a directory of its own, against endpoints on this machine.

Its components `ros`, `fc3` and `fc3-domain`, which fc3 loads, come from Alibaba's registry, or from the folder that the
variable S_COMPONENTS names: the tool's own cache, `~/.s/components/devsapp.cn/v3`, or one with components that were
built from their sources, each with package.json, dist and .s.lock.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import yaml

from tests.deploy.tools import ROOT, SERVERLESS

COMPONENTS = os.environ.get("S_COMPONENTS", "")
CACHE = Path(".s/components/devsapp.cn/v3")
INPUTS = ("s.yaml", "template.yml", "build.py", "constraints.txt", "functions", "shared")
TIMEOUT_S = 300


class Account(NamedTuple):
    """An account and an access key of it."""

    id: str
    key_id: str
    key_secret: str


class Endpoints(NamedTuple):
    """The addresses that the tool calls: FC and OSS with a scheme, ROS without, because it is always HTTPS."""

    ros: str
    fc: str
    oss: str
    certificate: Path


class Run(NamedTuple):
    """What a run wrote, its exit code, and how long it took, in seconds."""

    output: str
    code: int
    seconds: float


def commands(tool: "ServerlessDevs") -> dict[str, Callable[[], tuple[str, ...]]]:
    """Return the life of a deployment: by name, the arguments of each command, from the first deployment to its end."""
    function = ("--region", "cn-hangzhou", "--function-name", "clipstitch-sweep", "--event", "{}")
    return {
        "deploy": lambda: ("deploy", "-y"),
        "info": lambda: ("info",),
        "invoke": lambda: ("cli", "fc3", "invoke", *function),
        "plan": lambda: ("plan", "-t", tool.write_resolved()),
        "plan of a change": lambda: ("plan", "-t", tool.write_resolved(("timeout: 60", "timeout: 61"))),
        "deploy again": lambda: ("deploy", "-y"),
        "remove": lambda: ("remove", "-y"),
    }


class ServerlessDevs:
    """The tool with a copy of this project's deployment files in `folder`."""

    def __init__(self, folder: Path, account: Account, endpoints: Endpoints) -> None:
        self.project, home = folder / "project", folder / "home"
        shutil.copytree(COMPONENTS, home / CACHE)
        self.project.mkdir()
        for name in INPUTS:
            source = ROOT / name
            copy = shutil.copytree if source.is_dir() else shutil.copy
            copy(source, self.project / name)
        if (wheels := ROOT / "build" / "wheels").is_dir():
            shutil.copytree(wheels, self.project / "build" / "wheels")
        self._environment = self._variables(home, endpoints)
        key = ("--AccountID", account.id, "--AccessKeyID", account.key_id, "--AccessKeySecret", account.key_secret)
        added = self.run("config", "add", *key, "--access", "default", "--force")
        assert added.code == 0, added.output

    def run(self, *arguments: str, **variables: str) -> Run:
        """Run the tool to its end, with more variables in its environment."""
        began = time.monotonic()
        done = subprocess.run(
            ["node", str(SERVERLESS), *arguments],
            cwd=self.project,
            env={**self._environment, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        return Run(done.stdout, done.returncode, time.monotonic() - began)

    def outputs(self) -> dict[str, str]:
        """Return the outputs of the stack, which `s infra info` shows."""
        run = self.run("infra", "info", "--output-format", "json", "--silent")
        shown: dict[str, str] = json.loads(run.output[run.output.index("{") :])
        return shown

    def write_resolved(self, change: tuple[str, str] = ("", "")) -> str:
        """Write a copy of s.yaml with the stack's outputs in place of their variables, and a change; return its name.

        Only `deploy`, `info` and `remove` know the outputs, because the component `ros` has no other commands: with
        s.yaml itself, `s plan` and `s invoke` end with "FunctionRoleArn not found" (s 3.1.10, observed).
        """
        outputs = self.outputs()
        text = (self.project / "s.yaml").read_text("utf-8").replace(*change)
        for name, value in outputs.items():
            text = text.replace(f"${{resources.infra.output.{name}}}", value)
        content = yaml.safe_load(text)
        del content["resources"]["infra"]
        (self.project / "resolved.yaml").write_text(yaml.safe_dump(content), "utf-8")
        return "resolved.yaml"

    @staticmethod
    def _variables(home: Path, endpoints: Endpoints) -> Mapping[str, str]:
        """Return the environment: only what a shell has, and what directs the tool to the endpoints."""
        path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
        return {
            "PATH": path,  # build.py runs with the python3 of this environment
            "HOME": str(home),
            "serverless_devs_config_home": str(home),
            "NO_COLOR": "1",
            "ROS_ENDPOINT": endpoints.ros,
            "FC_CLIENT_CUSTOM_ENDPOINT": endpoints.fc,
            "FC_CODE_TEMP_OSS_ENDPOINT": endpoints.oss,
            "NODE_EXTRA_CA_CERTS": str(endpoints.certificate),
        }
