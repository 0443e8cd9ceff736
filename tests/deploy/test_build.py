"""The output of build.py is reproducible, complete, small, and runs without other packages."""

import ast
import filecmp
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

import build
from localyun.server import LocalCloud
from tests.deploy.conftest import Project, run_build
from tests.deploy.flow import run_job
from tests.deploy.tools import ROOT

FUNCTIONS = build.deployed()
KNOWN = sorted(path.parent.name for path in (ROOT / "functions").glob("*/index.py"))
PYTHONS = build.PYTHONS
LEFT_OUT = ("Crypto", "aliyunsdkcore", "aliyunsdkkms", "cryptography", "cffi", "pycparser", "jmespath", "pkg_resources")
Builder = Callable[[str], Project]
# Runs in a process with only the standard library and one built function.
ISOLATED = """
import ast, importlib, importlib.util, json, pathlib, sys
code = pathlib.Path(sys.argv[1])
sys.path.insert(0, str(code))
sys.dont_write_bytecode = True
import index
for path in sorted((code / "clipstitch").rglob("*.py")):
    importlib.import_module(".".join(path.relative_to(code).with_suffix("").parts).removesuffix(".__init__"))
own = [path for path in code.rglob("*.py") if path.parts[len(code.parts)] in ("index.py", "clipstitch")]
trees = [ast.parse(path.read_bytes()) for path in own]
statements = [node for tree in trees for node in ast.walk(tree)]
names = {alias.name for node in statements if isinstance(node, ast.Import) for alias in node.names}
names |= {node.module for node in statements if isinstance(node, ast.ImportFrom) and not node.level}
missing = [name for name in sorted(names) if importlib.util.find_spec(name) is None]
from crcmod import crcmod
try:
    importlib.import_module("clipstitch.bootstrap").build_context({})
    error = ""
except Exception as caught:
    error = f"{type(caught).__name__}: {caught}"
loaded = sorted({name.partition(".")[0] for name in sys.modules})
print(json.dumps([missing, loaded, crcmod._usingExtension, error]))
"""


def run_isolated(project: Project, function: str) -> tuple[list[str], list[str], bool, str]:
    """Import a built function in an isolated process of its runtime.

    Return its missing imports, the loaded packages, whether CRC-64 is computed in C, and the error about settings.
    """
    python = build.find_python(project.python)
    assert python
    command = [python, "-I", "-S", "-W", "ignore", "-c", ISOLATED, str(project.root / "build" / function)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={}, cwd=project.root)
    assert done.returncode == 0, done.stderr
    missing, loaded, fast, error = json.loads(done.stdout)
    return missing, loaded, fast, error


def test_two_builds_are_identical(built: Builder, tmp_path: Path) -> None:
    """Folders and zip files are equal byte for byte, so that fc3 uploads only changed functions."""
    first = built(PYTHONS[0]).root / "build"
    again = run_build("--python", PYTHONS[0], "--out", str(tmp_path))

    assert 0 == again.returncode, again.stderr
    for function in FUNCTIONS:
        names = sorted(path.relative_to(first).as_posix() for path in (first / function).rglob("*") if path.is_file())
        assert ([], []) == filecmp.cmpfiles(first, tmp_path, names, shallow=False)[1:]
        assert names == sorted(f"{function}/{name}" for name in zipfile.ZipFile(first / f"{function}.zip").namelist())
        assert (first / f"{function}.zip").read_bytes() == (tmp_path / f"{function}.zip").read_bytes()


def test_the_render_function_is_built_with_ffmpeg(tmp_path: Path) -> None:
    """Only if it is named; its FFmpeg can be executed, from the zip file too, and has its licence beside it."""
    done = run_build("render", "--python", PYTHONS[0], "--out", str(tmp_path))
    assert 0 == done.returncode, done.stderr
    [ffmpeg] = (tmp_path / "render" / "imageio_ffmpeg" / "binaries").glob("ffmpeg-*")
    said = subprocess.run([ffmpeg, "-version"], capture_output=True, text=True, check=True).stdout
    [entry] = [one for one in zipfile.ZipFile(tmp_path / "render.zip").infolist() if ffmpeg.name in one.filename]

    assert ["submit", "complete", "sweep"] == FUNCTIONS
    assert said.startswith("ffmpeg version 7.0.2")
    assert 0o755 == entry.external_attr >> 16 & 0o777
    assert (tmp_path / "render" / "licenses" / "imageio-ffmpeg").is_dir()


@pytest.mark.parametrize("python", PYTHONS)
def test_a_built_function_runs_without_other_packages(built: Builder, python: str) -> None:
    """All its imports are found, no left-out package is loaded, and it reports the missing settings."""
    for function in FUNCTIONS:
        missing, loaded, fast, error = run_isolated(built(python), function)

        assert [] == missing
        assert [] == [name for name in loaded if name in LEFT_OUT]
        assert fast, "CRC-64 is computed in Python; the wheel of crcmod-plus does not fit the runtime"
        assert all(name in error for name in ("OSS_ENDPOINT", "CLIPSTITCH_COMPLETION_TOPIC")), error


@pytest.mark.parametrize("python", PYTHONS)
def test_the_built_functions_process_a_manifest(built: Builder, python: str) -> None:
    """A whole job succeeds in a project directory without sources."""
    with LocalCloud(built(python).root, time_scale=50, from_build=True) as endpoints:
        result = run_job(endpoints)

    assert "succeeded" == result["data"]["state"]


def test_a_built_function_has_no_unneeded_files(built: Builder) -> None:
    """No unused package, tests, type stubs or metadata of installers, but all licence files."""
    for function in FUNCTIONS:
        code = built(PYTHONS[0]).root / "build" / function
        files = [path.relative_to(code).as_posix() for path in code.rglob("*") if path.is_file()]
        top = {name.partition("/")[0].removesuffix(".py") for name in files} - {"__pycache__", "licenses"}

        assert {"index", "clipstitch", *imports_of(function)} == top
        assert [] == [name for name in files if name.endswith((".pyi", ".typed", ".c")) or "dist-info" in name]
        assert [] == [name for name in files if "/tests/" in name or name.endswith("memory.py")]
        packages = {package.distribution for package in build.packages_of(function)}
        licensed = {name.split("/")[1] for name in files if name.startswith("licenses/")}
        assert packages - licensed <= {"standardwebhooks"}  # its wheel has no licence file; MIT, by its metadata
        assert licensed <= packages


def imports_of(function: str) -> set[str]:
    """Return the import names of the packages of a function."""
    by_distribution = {package.distribution: name for name, package in build.PACKAGES.items()}
    return {by_distribution[package.distribution] for package in build.packages_of(function)}


def test_zip_files_are_small(built: Builder) -> None:
    """Each has at most 8 MB, and the output of build.py has its size."""
    project = built(PYTHONS[0])
    for function in FUNCTIONS:
        size = (project.root / "build" / f"{function}.zip").stat().st_size
        [line] = [line for line in project.table.splitlines() if line.startswith(function)]

        assert 8 << 20 >= size
        assert [f"{size / 1024:.0f}", "kB", "yes"] == line.split()[-3:]


def processor_time(*command: str) -> float:
    """Return the processor time of a command in seconds, which does not include waiting."""
    child = subprocess.Popen(command, env={})
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    assert 0 == child.returncode
    return used.ru_utime + used.ru_stime


def test_a_built_function_is_imported_as_fast_as_documented(built: Builder) -> None:
    """The minimum processor time of several runs is compared with that of an import of oss2."""
    project = built("3.10")
    runtime = build.find_python("3.10")
    assert runtime
    cases: dict[str, tuple[str, ...]] = {"oss2": (sys.executable, "-c", "import oss2")}
    for name in FUNCTIONS:
        code = f"import sys; sys.path.insert(0, {str(project.root / 'build' / name)!r}); import index"
        cases[name] = (runtime, "-I", "-S", "-B", "-W", "ignore", "-c", code)
    limit = float(
        re.findall(r"Wanted: at most ([0-9]+\.[0-9]+)", (ROOT / "docs" / "benchmarks.md").read_text("utf-8"))[0]
    )
    least = dict.fromkeys(cases, float("inf"))
    for turn in range(50):
        least = {name: min(least[name], processor_time(*command)) for name, command in cases.items()}
        slow = {name: took for name, took in least.items() if name != "oss2" and took > limit * least["oss2"]}
        if turn > 5 and not slow:
            break

    assert {} == slow


def test_bytecode_is_valid_for_the_runtime_regardless_of_file_times(built: Builder) -> None:
    """The bytecode has the magic number of the runtime and unchecked hashes."""
    project = built("3.10")
    python = build.find_python("3.10")
    assert python
    ask = [python, "-c", "import importlib.util as u; print(u.MAGIC_NUMBER.hex())"]
    magic = subprocess.run(ask, capture_output=True, text=True, check=True).stdout.strip()
    for function in FUNCTIONS:
        code = project.root / "build" / function
        for source in code.rglob("*.py"):
            compiled = source.parent / "__pycache__" / f"{source.stem}.cpython-310.pyc"
            head = compiled.read_bytes()[:16]
            assert (magic, 1) == (head[:4].hex(), int.from_bytes(head[4:8], "little")), source


def test_tracebacks_show_the_paths_in_function_compute(built: Builder) -> None:
    """The paths are not those of the machine that built the function."""
    compiled = built("3.10").root / "build" / "submit" / "__pycache__" / "index.cpython-310.pyc"
    python = build.find_python("3.10")
    assert python
    read = "import marshal, sys; print(marshal.loads(open(sys.argv[1], 'rb').read()[16:]).co_filename)"
    path = subprocess.run([python, "-c", read, str(compiled)], capture_output=True, text=True, check=True).stdout

    assert "/code/index.py" == path.strip()


def test_an_import_of_an_unlisted_package_stops_the_build(tmp_path: Path) -> None:
    """The error names the function, the package and the remedy, and nothing is built."""
    for name in ("build.py", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("functions", "shared"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    handler = tmp_path / "functions" / "submit" / "index.py"
    handler.write_text(handler.read_text() + "\n\ndef later() -> None:\n    import numpy\n")

    done = run_build("submit", script=tmp_path / "build.py")

    assert (1, True) == (done.returncode, "submit imports numpy, which the table PACKAGES" in done.stderr), done.stderr
    assert not (tmp_path / "build" / "submit").exists()


def project_with_venv(folder: Path, python: str) -> Path:
    """Copy build.py beside a .venv whose Python is a shell script; return the copy."""
    shutil.copy(ROOT / "build.py", folder)
    (folder / "functions" / "submit").mkdir(parents=True)
    (folder / "functions" / "submit" / "index.py").touch()
    interpreter = folder / ".venv" / "bin" / "python"
    interpreter.parent.mkdir(parents=True)
    interpreter.write_text(f"#!/bin/sh\n{python}\n")
    interpreter.chmod(0o755)
    return folder / "build.py"


def test_the_python_of_the_virtual_environment_takes_over(tmp_path: Path) -> None:
    """With all arguments, and its exit code: the search path may have a python3 that is old, or has no pip."""
    script = project_with_venv(tmp_path, 'test "$1" = -c && exit 0; echo "taken over: $@"; exit 7')

    done = run_build("submit", "--python", "3.12", script=script)

    assert 7 == done.returncode
    assert done.stdout.startswith(f"taken over: {script} ")
    assert done.stdout.endswith(" submit --python 3.12\n")


def test_a_virtual_environment_without_pip_does_not(tmp_path: Path) -> None:
    """Then the Python that was started does the work."""
    done = run_build("sumbit", script=project_with_venv(tmp_path, "exit 1"))

    assert 2 == done.returncode
    assert "no function sumbit; known: submit" in done.stderr


def test_the_virtual_environment_does_not_start_itself(tmp_path: Path) -> None:
    """Nor one that does not exist."""
    project_with_venv(tmp_path, "exit 0")

    assert str(tmp_path / ".venv/bin/python") == build.venv_python(tmp_path / ".venv", sys.prefix)
    assert build.venv_python(tmp_path / ".venv", str(tmp_path / ".venv")) is None
    assert build.venv_python(tmp_path / "none", sys.prefix) is None


def test_an_old_python_can_read_the_script() -> None:
    """Python 3.8, of Ubuntu 20.04, can hand over; its grammar has no match statement."""
    source = (ROOT / "build.py").read_text("utf-8")
    ast.parse(source, feature_version=(3, 8))

    assert "from __future__ import annotations" in source


def test_an_unknown_function_is_an_error() -> None:
    """The error names the known functions."""
    done = run_build("sumbit")

    assert 2 == done.returncode
    assert f"no function sumbit; known: {', '.join(KNOWN)}" in done.stderr
