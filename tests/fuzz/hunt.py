"""A bounded hunt at one door: seeds on disk, a child process, and what it says at the end."""

import importlib
import importlib.util
import platform
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from tests.fuzz.doors import MAX_BYTES

ROOT = Path(__file__).parents[2]
GRACE_S = 120  # to import, and to finish the input at hand
_DONE = re.compile(r"Done (\d+) runs")
_CAUGHT = re.compile(r"^CAUGHT (.*)$", re.MULTILINE)


class Hunt(NamedTuple):
    """How many inputs were tried; what was caught, as a Python literal, with the child's last words."""

    inputs: int
    caught: str = ""
    words: str = ""


def can_hunt() -> bool:
    """Tell whether atheris is installed."""
    return importlib.util.find_spec("atheris") is not None


def could_hunt() -> bool:
    """Tell whether atheris has a wheel for this interpreter and machine; as constraints.txt pins it (2026-11)."""
    here = (platform.system(), platform.machine(), platform.python_implementation())
    return here == ("Linux", "x86_64", "CPython") and (3, 10) <= sys.version_info < (3, 14)


def hunt(door: str, seconds: int, seed: int = 0, table: str = "tests.fuzz.doors") -> Hunt:
    """Try inputs at a door for so many seconds; seed 0 is a new one every time. `table` is a module with `DOORS`."""
    doors = importlib.import_module(table).DOORS
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        corpus, found = Path(folder) / "corpus", Path(folder) / "found"
        corpus.mkdir()
        found.mkdir()
        for number, body in enumerate(doors[door].seeds()):
            (corpus / str(number)).write_bytes(body)
        options = [
            f"-max_total_time={seconds}", f"-max_len={MAX_BYTES}", f"-seed={seed}", f"-artifact_prefix={found}/",
            "-timeout=20", "-rss_limit_mb=1024",
        ]  # fmt: skip
        command = [sys.executable, "-m", "tests.fuzz.child", table, door, str(corpus), *options]
        done = subprocess.run(
            command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False, timeout=seconds + GRACE_S
        )
        return _read(done.returncode, done.stderr.decode("utf-8", "replace"), found)


def _read(code: int, words: str, found: Path) -> Hunt:
    """Say what came of a hunt."""
    tried = _DONE.search(words)
    if code == 0 and tried:
        return Hunt(int(tried[1]))
    caught = _CAUGHT.search(words)
    kept = [repr(file.read_bytes()) for file in sorted(found.iterdir())]  # a hang, or too much memory
    return Hunt(0, caught[1] if caught else ", ".join(kept) or "nothing that could be kept", words[-3000:])
