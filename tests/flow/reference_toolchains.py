"""Runs a program in a child process, in Python, Java or Go, with the vendor's SDK from the public registries.

What was fetched stays in the caches of Maven and Go and in the user's own, so that only the first run is slow.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.flow.reference import missing

DATA = Path(__file__).parent / "data" / "reference"
CLASSPATH_GOAL = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:build-classpath"
# Nothing is fetched but what go.mod names: no other toolchain, no workspace around the folder. No C compiler either.
GO = {"GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local", "GOWORK": "off", "CGO_ENABLED": "0"}
OURS = ("ALIBABA_", "CLIPSTITCH_", "FC_", "IMM_", "MNS_", "OSS_")
SECONDS = 300  # on a busy machine without any cache
Run = Callable[[str, Path, Mapping[str, str]], str]


def run_python(code: str, folder: Path, keys: Mapping[str, str]) -> str:
    """Run a Python program and return what it prints."""
    file = _written(folder / "demo.py", code)
    return _run([sys.executable, file.name], folder, keys)


def run_java(code: str, folder: Path, keys: Mapping[str, str]) -> str:
    """Compile a Java program, run its class `Demo`, and return what it prints."""
    _need("java", "javac", "mvn")
    classpath = _classpath(folder)
    file = _written(folder / "Demo.java", code)
    _run(["javac", "-encoding", "UTF-8", "-cp", classpath, file.name], folder, {})
    return _run(["java", "-XX:TieredStopAtLevel=1", "-cp", os.pathsep.join((classpath, ".")), "Demo"], folder, keys)


def run_go(code: str, folder: Path, keys: Mapping[str, str]) -> str:
    """Build a Go program, run it, and return what it prints."""
    _need("go")
    for name in ("go.mod", "go.sum"):
        shutil.copy(DATA / name, folder)
    _fetch(["go", "mod", "download"], folder, GO)
    _written(folder / "main.go", code)
    _run(["go", "build", "-o", "demo", "."], folder, GO)
    return _run([str(folder / "demo")], folder, keys)


def environment(more: Mapping[str, str]) -> dict[str, str]:
    """Return this process's environment without any cloud's variables, and with the given ones."""
    return {name: value for name, value in os.environ.items() if not name.startswith(OURS)} | dict(more)


def _classpath(folder: Path) -> str:
    """Return the class path of the SDK, from the last run if its files are still there."""
    digest = hashlib.sha256((DATA / "pom.xml").read_bytes()).hexdigest()
    kept = _cache() / f"java-{digest[:16]}.classpath"
    if kept.is_file() and all(Path(one).is_file() for one in kept.read_text().split(os.pathsep)):
        return kept.read_text()
    shutil.copy(DATA / "pom.xml", folder)
    found = folder / "classpath"
    _fetch(["mvn", "-q", "-B", CLASSPATH_GOAL, f"-Dmdep.outputFile={found}"], folder, {})
    _written(kept.with_suffix(f".{os.getpid()}"), found.read_text().strip()).replace(kept)
    return kept.read_text()


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(home) / "clipstitch-tests"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _need(*programs: str) -> None:
    """Ask for programs on the PATH."""
    if absent := [program for program in programs if not shutil.which(program)]:
        missing(f"not on the PATH: {', '.join(absent)}; install a JDK with Maven, or Go, to run this example")


def _fetch(command: Sequence[str], folder: Path, more: Mapping[str, str]) -> None:
    """Fetch libraries, one process at a time; a registry that cannot be reached is something missing."""
    with (_cache() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = _done(command, folder, more)
    if done.returncode:
        missing(f"{' '.join(command[:2])} could not fetch the SDK: {(done.stdout + done.stderr).strip()[:400]}")


def _run(command: Sequence[str], folder: Path, more: Mapping[str, str]) -> str:
    done = _done(command, folder, more)
    assert not done.returncode, f"{command[0]} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def _done(command: Sequence[str], folder: Path, more: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=folder, env=environment(more), capture_output=True, text=True, timeout=SECONDS, check=False
    )


def _written(file: Path, text: str) -> Path:
    file.write_text(text, "utf-8")
    return file
