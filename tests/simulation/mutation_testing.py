"""Apply a mutant to a copy of the package, and simulate with it in a child process until a violation is found."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import clipstitch
from tests.simulation.mutants import Mutant

ROOT = Path(__file__).resolve().parent.parent.parent


class Detection(NamedTuple):
    """The number of schedules until the first violation, and the violation; 0 and "" if there was none."""

    schedules: int
    violation: str


def apply_mutant(mutant: Mutant, folder: Path) -> None:
    """Copy the package to a folder and apply a mutant; raise `ValueError` if a replaced string is not there once."""
    package = folder / "clipstitch"
    shutil.copytree(Path(clipstitch.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    for module, old, new in mutant.changes:
        source = (package / module).read_text("utf-8")
        if source.count(old) != 1:
            raise ValueError(f"{mutant.name}: {module} contains {old!r} {source.count(old)} times")
        (package / module).write_text(source.replace(old, new), "utf-8")


def detect(mutant: Mutant, schedules: int) -> Detection:
    """Simulate with a mutant until it is detected, at most that many schedules."""
    with tempfile.TemporaryDirectory() as folder:
        apply_mutant(mutant, Path(folder))
        options = ["--schedules", str(schedules), "--until-violation", "--json"]
        done = subprocess.run(
            [sys.executable, "-m", "tests.simulation", *options],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": folder},
            capture_output=True,
            text=True,
            check=False,
        )
    if not done.stdout:
        raise RuntimeError(done.stderr)
    report = json.loads(done.stdout)
    if not report["package"].startswith(folder):
        raise RuntimeError(f"the simulation imported {report['package']} instead of the copy")
    first = report["first"]
    return Detection(report["schedules"], first[0]) if first else Detection(0, "")
