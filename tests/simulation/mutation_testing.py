"""Plant a mutant in a copy of the package, and let a child process simulate with that copy until it notices."""

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


class Catch(NamedTuple):
    """How many schedules it took, and what was noticed; `schedules` is 0 when nothing was."""

    schedules: int
    noticed: str


def plant(mutant: Mutant, folder: Path) -> None:
    """Copy the package, and make the mistake."""
    package = folder / "clipstitch"
    shutil.copytree(Path(clipstitch.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    for module, old, new in mutant.changes:
        text = (package / module).read_text("utf-8")
        if text.count(old) != 1:
            raise ValueError(f"{mutant.name}: {module} has {text.count(old)} times {old!r}")
        (package / module).write_text(text.replace(old, new), "utf-8")


def detect(mutant: Mutant, schedules: int) -> Catch:
    """Simulate until the mistake is noticed."""
    with tempfile.TemporaryDirectory() as folder:
        plant(mutant, Path(folder))
        environment = {**os.environ, "PYTHONPATH": folder}
        command = [
            sys.executable,
            "-m",
            "tests.simulation",
            "--schedules",
            str(schedules),
            "--until-violation",
            "--json",
        ]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if not done.stdout:
        raise RuntimeError(done.stderr)
    report = json.loads(done.stdout)
    if not report["package"].startswith(folder):
        raise RuntimeError("the copy was not the package that ran")
    first = report["first"]
    return Catch(report["schedules"], first[0]) if first else Catch(0, "")
