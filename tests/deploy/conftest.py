"""Fixtures of the deployment tests: the functions, built once for each runtime that this machine can run."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.deploy.tools import ROOT, skip_or_fail

if str(ROOT) not in sys.path:  # build.py is in no package
    sys.path.insert(0, str(ROOT))

import build


class Project(NamedTuple):
    """A directory with only the deployment files and the built functions; `table` is the output of build.py."""

    root: Path
    python: str
    table: str


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Project]:
    """Return a function that builds for a runtime once; it skips the test if the machine lacks that Python."""

    @cache
    def project(python: str) -> Project:
        if not build.find_python(python):
            skip_or_fail(f"no Python {python} on this machine: cannot run what is built for it")
        root = tmp_path_factory.mktemp(f"project-{python}")
        shutil.copy(ROOT / "template.yml", root)
        text = (ROOT / "s.yaml").read_text("utf-8")
        (root / "s.yaml").write_text(text.replace("runtime: python3.10", f"runtime: python{python}"))
        done = run_build("--python", python, "--out", str(root / "build"))
        assert done.returncode == 0, done.stderr
        return Project(root, python, done.stdout)

    return project


def run_build(*arguments: str, script: Path = ROOT / "build.py") -> "subprocess.CompletedProcess[str]":
    """Run build.py as s.yaml does, with the wheels of earlier builds."""
    wheels = ("--wheels", str(ROOT / "build" / "wheels"))
    command = [sys.executable, str(script), *wheels, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=dict(os.environ))
