"""Finds the interpreter that a built function was built for."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path


@lru_cache
def interpreter(runtime: str) -> str:
    """Return a Python of a runtime's version, such as python3.10; the one that runs us where there is none."""
    version = runtime.removeprefix("python")
    return next((found for found in _candidates(version) if _version(found) == version), sys.executable)


def _candidates(version: str) -> Iterator[str]:
    """Name the places to look at: ourselves, the search path, what pyenv has installed."""
    yield sys.executable
    if found := shutil.which(f"python{version}"):
        yield found
    installed = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser() / "versions"
    yield from map(str, sorted(installed.glob(f"{version}.*/bin/python{version}")))


def _version(python: str) -> str:
    """Ask an interpreter for its version; empty when it cannot run."""
    ask = [python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    return subprocess.run(ask, capture_output=True, check=False, text=True).stdout.strip()  # noqa: S603 - a Python
