"""Fuzzes one entry point for a limited time: seed inputs on disk, a child process, and its result."""

import importlib
import importlib.util
import platform
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from tests.fuzz.entry_points import MAX_BYTES

ROOT = Path(__file__).parents[2]
STARTUP_S = 120  # for imports, and for the input in progress at the time limit
_DONE = re.compile(r"Done (\d+) runs")
_FAILING = re.compile(r"^FAILING INPUT (.*)$", re.MULTILINE)


class FuzzResult(NamedTuple):
    """The number of inputs, the failing input as a Python literal if there is one, and the end of the output."""

    inputs: int
    failing_input: str = ""
    output: str = ""


def is_installed() -> bool:
    """Return True if atheris is installed."""
    return importlib.util.find_spec("atheris") is not None


def is_supported() -> bool:
    """Return True if the atheris that constraints.txt pins has a wheel for this interpreter and machine (2026-11)."""
    here = (platform.system(), platform.machine(), platform.python_implementation())
    return here == ("Linux", "x86_64", "CPython") and (3, 10) <= sys.version_info < (3, 14)


def fuzz(name: str, seconds: int, seed: int = 0, module: str = "tests.fuzz.entry_points") -> FuzzResult:
    """Fuzz an entry point of a module and return the result. Seed 0 is a random one."""
    entry_points = importlib.import_module(module).ENTRY_POINTS
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        corpus, artifacts = Path(folder) / "corpus", Path(folder) / "artifacts"
        corpus.mkdir()
        artifacts.mkdir()
        for number, body in enumerate(entry_points[name].seeds()):
            (corpus / str(number)).write_bytes(body)
        options = [
            f"-max_total_time={seconds}", f"-max_len={MAX_BYTES}", f"-seed={seed}", f"-artifact_prefix={artifacts}/",
            "-timeout=20", "-rss_limit_mb=1024",
        ]  # fmt: skip
        command = [sys.executable, "-m", "tests.fuzz.child", module, name, str(corpus), *options]
        done = subprocess.run(
            command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False,
            timeout=seconds + STARTUP_S,
        )  # fmt: skip
        return _result(done.returncode, done.stderr.decode("utf-8", "replace"), artifacts)


def _result(code: int, output: str, artifacts: Path) -> FuzzResult:
    done = _DONE.search(output)
    if code == 0 and done:
        return FuzzResult(int(done[1]))
    failing = _FAILING.search(output)
    kept = [repr(file.read_bytes()) for file in sorted(artifacts.iterdir())]  # of a timeout, or too much memory
    return FuzzResult(0, failing[1] if failing else ", ".join(kept) or "no input was kept", output[-3000:])
