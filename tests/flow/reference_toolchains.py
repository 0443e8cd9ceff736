"""Run Python, Java, Go and JavaScript programs in child processes, with the vendor's SDK from the public registries.

Downloads stay in the caches of Maven, Go and the user, so that only the first run is slow.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.flow.reference import skip_or_fail

DATA = Path(__file__).parent / "data" / "reference"
CLASSPATH_GOAL = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:build-classpath"
# Restrict Go to the modules of go.mod: no toolchain download, no enclosing workspace, no C compiler.
GO = {"GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local", "GOWORK": "off", "CGO_ENABLED": "0"}
CLOUD_VARIABLE_PREFIXES = ("ALIBABA_", "CLIPSTITCH_", "FC_", "IMM_", "MNS_", "OSS_")
TIMEOUT_S = 300  # enough for a busy machine with empty caches
Run = Callable[[str, Path, Mapping[str, str]], str]


def run_python(code: str, folder: Path, variables: Mapping[str, str]) -> str:
    """Run a Python program and return what it prints."""
    file = _write(folder / "demo.py", code)
    return _run([sys.executable, file.name], folder, variables)


def run_java(code: str, folder: Path, variables: Mapping[str, str]) -> str:
    """Compile a Java program, run its class `Demo`, and return what it prints."""
    _require_programs("java", "javac", "mvn")
    classpath = _classpath(folder)
    file = _write(folder / "Demo.java", code)
    _run(["javac", "-encoding", "UTF-8", "-cp", classpath, file.name], folder, {})
    return _run(
        ["java", "-XX:TieredStopAtLevel=1", "-cp", os.pathsep.join((classpath, ".")), "Demo"], folder, variables
    )


def run_go(code: str, folder: Path, variables: Mapping[str, str], modules: Path = DATA) -> str:
    """Build a Go program with the go.mod of a folder, run it, and return what it prints."""
    _require_programs("go")
    for name in ("go.mod", "go.sum"):
        shutil.copy(modules / name, folder)
    _fetch(["go", "mod", "download"], folder, GO)
    _write(folder / "main.go", code)
    _run(["go", "build", "-o", "demo", "."], folder, GO)
    return _run([str(folder / "demo")], folder, variables)


def run_node(file: Path, folder: Path, variables: Mapping[str, str], modules: Path) -> str:
    """Run a JavaScript program, whose argument is the folder of its modules, and return what it prints."""
    _require_programs("node")
    return _run(["node", str(file), str(modules)], folder, variables)


def child_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of this process without cloud variables, plus the given ones."""
    return {name: value for name, value in os.environ.items() if not name.startswith(CLOUD_VARIABLE_PREFIXES)} | dict(
        extra
    )


def _classpath(folder: Path) -> str:
    """Return the class path of the SDK; reuse that of the last run if all its files still exist."""
    digest = hashlib.sha256((DATA / "pom.xml").read_bytes()).hexdigest()
    cached = _cache() / f"java-{digest[:16]}.classpath"
    if cached.is_file() and all(Path(jar).is_file() for jar in cached.read_text().split(os.pathsep)):
        return cached.read_text()
    shutil.copy(DATA / "pom.xml", folder)
    output = folder / "classpath"
    _fetch(["mvn", "-q", "-B", CLASSPATH_GOAL, f"-Dmdep.outputFile={output}"], folder, {})
    _write(cached.with_suffix(f".{os.getpid()}"), output.read_text().strip()).replace(cached)
    return cached.read_text()


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(home) / "clipstitch-tests"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _require_programs(*programs: str) -> None:
    if absent := [program for program in programs if not shutil.which(program)]:
        skip_or_fail(f"not on the PATH: {', '.join(absent)}; install a JDK with Maven, or Go, to run this example")


def _fetch(command: Sequence[str], folder: Path, extra: Mapping[str, str]) -> None:
    """Download libraries, one process at a time; skip the test if the registry cannot be reached."""
    with (_cache() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        completed = _execute(command, folder, extra)
    if completed.returncode:
        output = (completed.stdout + completed.stderr).strip()[:400]
        skip_or_fail(f"{' '.join(command[:2])} could not download the SDK: {output}")


def _run(command: Sequence[str], folder: Path, extra: Mapping[str, str]) -> str:
    completed = _execute(command, folder, extra)
    output = f"{completed.stdout}\n{completed.stderr}"
    assert not completed.returncode, f"{command[0]} exited with {completed.returncode}:\n{output}"
    return completed.stdout


def _execute(command: Sequence[str], folder: Path, extra: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=folder,
        env=child_environment(extra),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def _write(file: Path, text: str) -> Path:
    file.write_text(text, "utf-8")
    return file
