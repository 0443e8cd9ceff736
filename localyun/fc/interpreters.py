"""Finds the Python interpreter for the runtime of a built function."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path


@lru_cache
def interpreter(runtime: str) -> str:
    """Return the path of an interpreter for a runtime such as python3.10; that of this process if there is none."""
    version = runtime.removeprefix("python")
    return next((found for found in _candidates(version) if _version(found) == version), sys.executable)


def _candidates(version: str) -> Iterator[str]:
    """Yield the interpreters to try: that of this process, those on the search path, those of pyenv."""
    yield sys.executable
    if found := shutil.which(f"python{version}"):
        yield found
    installed = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser() / "versions"
    yield from map(str, sorted(installed.glob(f"{version}.*/bin/python{version}")))


def _version(python: str) -> str:
    """Return an interpreter's version, empty if it cannot run."""
    command = [python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    return subprocess.run(command, capture_output=True, check=False, text=True).stdout.strip()  # noqa: S603 - an interpreter
