"""Run the unit and contract tests on every supported interpreter of this machine but the one that runs this.

Function Compute has Python 3.10 and 3.12; what we deploy runs on 3.10 to 3.13. An interpreter that is not on the
machine is named and passed over; a test that fails on one fails the run.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

SUPPORTED = ((3, 10), (3, 11), (3, 12), (3, 13))
ROOT = Path(__file__).resolve().parent.parent


def find(version: tuple[int, int]) -> str | None:
    """Return an interpreter of that version: on the PATH, or among pyenv's."""
    name = "python{}.{}".format(*version)
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates = [shutil.which(name), *sorted(pyenv.glob("{}.{}.*/bin/python".format(*version)))]
    return next((str(found) for found in candidates if found and _works(str(found), version)), None)


def _works(python: str, version: tuple[int, int]) -> bool:
    """Say whether an interpreter starts and is what it says; pyenv's shims may lead nowhere."""
    code = "import sys; print(sys.version_info[:2])"
    answer = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    return answer.returncode == 0 and answer.stdout.strip() == str(version)


def prepare(python: str, venv: Path) -> Path:
    """Make an environment with what the tests need, if it is not there or older than that; return its interpreter."""
    inside, ready = venv / "bin" / "python", venv / ".ready"
    newest = max((ROOT / name).stat().st_mtime for name in ("pyproject.toml", "constraints.txt"))
    if not ready.exists() or ready.stat().st_mtime < newest:
        quiet = ["--quiet", "--disable-pip-version-check", "-c", "constraints.txt"]
        _run(python, "-m", "venv", "--clear", str(venv))
        _run(str(inside), "-m", "pip", "install", *quiet, "-e", ".[test]")
        _run(str(inside), "-m", "pip", "install", *quiet, "--no-deps", "--force-reinstall", "crcmod-plus")
        ready.touch()
    return inside


def _run(*command: str) -> None:
    """Run a command in the checkout, or stop."""
    subprocess.run(command, cwd=ROOT, check=True)


def main() -> int:
    """Run everything; 1 when a test failed somewhere."""
    failed = []
    for version in SUPPORTED:
        label = "{}.{}".format(*version)
        if version == sys.version_info[:2]:
            continue
        python = find(version)
        if python is None:
            print(f"Python {label} is not on this machine: passed over", flush=True)
            continue
        inside = prepare(python, ROOT / f".venv-{label}")
        print(f"Python {label}: tests/unit and tests/contract", flush=True)
        tests = [str(inside), "-m", "pytest", "-n", "2", "tests/unit", "tests/contract"]
        # CI's thousands of examples are tried once, by the interpreter that runs `make test`; here the desk's will do.
        command = {name: value for name, value in os.environ.items() if name != "CI"}
        if subprocess.run(tests, cwd=ROOT, env=command, check=False).returncode:
            failed.append(label)
    if failed:
        print(f"failed on Python {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
