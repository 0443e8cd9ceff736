"""Run the unit and contract tests on every supported interpreter of this machine except the running one.

Function Compute offers Python 3.10 and 3.12; the deployed code supports 3.10 to 3.13. Interpreters that are not
installed are listed and skipped. Exits with 1 if a test fails on one of the others.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

SUPPORTED = ((3, 10), (3, 11), (3, 12), (3, 13))
ROOT = Path(__file__).resolve().parent.parent


def find_interpreter(version: tuple[int, int]) -> str | None:
    """Return a working interpreter of a version from the PATH or from pyenv, or None."""
    name = "python{}.{}".format(*version)
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates = [shutil.which(name), *sorted(pyenv.glob("{}.{}.*/bin/python".format(*version)))]
    return next((str(found) for found in candidates if found and _has_version(str(found), version)), None)


def _has_version(python: str, version: tuple[int, int]) -> bool:
    """Return True if an interpreter starts and has this version; a pyenv shim may point to no installation."""
    code = "import sys; print(sys.version_info[:2])"
    completed = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    return completed.returncode == 0 and completed.stdout.strip() == str(version)


def prepare_environment(python: str, venv: Path) -> Path:
    """Create a virtual environment with the test dependencies unless it is up to date; return its interpreter."""
    interpreter, ready = venv / "bin" / "python", venv / ".ready"
    newest = max((ROOT / name).stat().st_mtime for name in ("pyproject.toml", "constraints.txt"))
    if not ready.exists() or ready.stat().st_mtime < newest:
        quiet = ["--quiet", "--disable-pip-version-check", "-c", "constraints.txt"]
        _run(python, "-m", "venv", "--clear", str(venv))
        _run(str(interpreter), "-m", "pip", "install", *quiet, "-e", ".[test]")
        _run(str(interpreter), "-m", "pip", "install", *quiet, "--no-deps", "--force-reinstall", "crcmod-plus")
        ready.touch()
    return interpreter


def _run(*command: str) -> None:
    subprocess.run(command, cwd=ROOT, check=True)


def main() -> int:
    """Run the tests on every other interpreter; return 1 if they fail on any."""
    failed = []
    for version in SUPPORTED:
        label = "{}.{}".format(*version)
        if version == sys.version_info[:2]:
            continue
        python = find_interpreter(version)
        if python is None:
            print(f"Python {label} is not installed: skipped", flush=True)
            continue
        interpreter = prepare_environment(python, ROOT / f".venv-{label}")
        print(f"Python {label}: tests/unit and tests/contract", flush=True)
        tests = [str(interpreter), "-m", "pytest", "-n", "2", "tests/unit", "tests/contract"]
        # `make test` runs the `ci` profile of hypothesis once; the other interpreters use the smaller local profile.
        env = {name: value for name, value in os.environ.items() if name != "CI"}
        if subprocess.run(tests, cwd=ROOT, env=env, check=False).returncode:
            failed.append(label)
    if failed:
        print(f"failed on Python {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
