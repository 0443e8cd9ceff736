"""The architecture is checked by tools, and here the tools are checked: each forbidden import is really reported.

A copy of the product gets one forbidden import of each kind, in files named `planted.py`, and import-linter and ruff
must name every one of them. The contracts are in pyproject.toml.
"""

import ast
import json
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("shared", "localyun", "cli")
PACKAGES = sorted(file.parent for source in SOURCES for file in (ROOT / source).rglob("__init__.py"))

# The layers of the product, highest first; packages of one layer do not import each other.
LAYERS = (("bootstrap",), ("usecases", "adapters"), ("jobs",), ("planning",), ("manifest", "inbound"), ("common",))
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
WITHOUT_IO = [name for name in LEVEL if name not in ("adapters", "bootstrap")]
IO = ("os", "pathlib", "tempfile", "shutil", "sqlite3", "time", "random", "secrets", "uuid")
NETWORK = ("socket", "ssl", "http", "threading", "concurrent", "asyncio", "subprocess")
SDKS = ("oss2", "mns", "fc2", "standardwebhooks", "requests")
# One HTTP module of each service of the local cloud, by service.
HTTP_MODULES = {file.parents[1].name: file.stem for file in sorted((ROOT / "localyun").glob("*/http/[a-z]*.py"))}


class Forbidden(NamedTuple):
    """An import that a contract forbids: `module` is planted, and imports `imported`."""

    module: str
    imported: str

    @property
    def report(self) -> str:
        """What import-linter prints about it, up to the line number."""
        return f"{self.module} -> {self.imported} (l."


ARROWS = [
    Forbidden(f"clipstitch.{importer}.planted", f"clipstitch.{imported}")
    for importer in LEVEL
    for imported in LEVEL
    if importer not in (imported, "bootstrap") and LEVEL[imported] <= LEVEL[importer]
]
FORBIDDEN = [
    *ARROWS,
    *(Forbidden(f"clipstitch.{package}.planted", name) for package in WITHOUT_IO for name in (*IO, *NETWORK, *SDKS)),
    *(
        Forbidden(f"localyun.{service}.planted", name)
        for service in HTTP_MODULES
        for name in ("starlette", "localyun.http")
    ),
    *(Forbidden(f"localyun.{name}.planted", f"localyun.{name}.http.{module}") for name, module in HTTP_MODULES.items()),
    Forbidden("localyun.planted", "clipstitch.common"),
    Forbidden("localyun.planted", "clipstitch_cli"),
    Forbidden("clipstitch.common.planted", "localyun"),
    Forbidden("clipstitch.common.planted", "clipstitch_cli"),
]

# What import-linter cannot see, because it knows modules and neither their parts nor builtin functions.
CALLS = {
    "from urllib.request import urlopen": "TID251",
    "import urllib.request": "TID251",
    "from datetime import datetime, timezone\n\ndatetime.now(timezone.utc)": "TID251",
    "from datetime import datetime\n\ndatetime.utcnow()": "TID251",
    "from datetime import datetime\n\ndatetime.today()": "DTZ002",
    "from datetime import date\n\ndate.today()": "DTZ011",
    "import time\n\ntime.time()": "TID251",
    "import uuid\n\nuuid.uuid4()": "TID251",
    "from unittest import mock": "TID251",
    'open("file")': "PTH123",
    'print("line")': "T201",
    'eval("1")': "S307",
}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the product and the configuration of the tools."""
    folder = tmp_path_factory.mktemp("product")
    for source in SOURCES:
        shutil.copytree(ROOT / source, folder / source, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def _file(folder: Path, module: str) -> Path:
    """Return the file of a module in a copy."""
    source = {"clipstitch": "shared", "localyun": "", "clipstitch_cli": "cli"}[module.partition(".")[0]]
    return (folder / source / module.replace(".", "/")).with_suffix(".py")


def _lint_imports(folder: Path) -> str:
    """Run import-linter on a copy and return its report; ends with `exit code N`."""
    pytest.importorskip("importlinter", reason="import-linter is a development dependency")
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"]
    path = ":".join(str(folder / part) for part in ("shared", "cli", "."))
    done = subprocess.run(
        command, cwd=folder, env={"PYTHONPATH": path, "COLUMNS": "200"}, capture_output=True, text=True, check=False
    )
    return f"{done.stdout}{done.stderr}\nexit code {done.returncode}"


@pytest.fixture(scope="module")
def report(copy: Path) -> str:
    """Plant every forbidden import, and return what import-linter reports."""
    for module, imported in FORBIDDEN:
        with _file(copy, module).open("a") as source:
            source.write(f"import {imported}\n")
    found = _lint_imports(copy)
    for file in {_file(copy, module) for module, _ in FORBIDDEN}:
        file.unlink()
    return found


@pytest.mark.parametrize("forbidden", FORBIDDEN, ids=lambda each: f"{each.module} imports {each.imported}")
def test_a_forbidden_import_is_reported(report: str, forbidden: Forbidden) -> None:
    """Arrows up or sideways, I/O and SDKs outside the adapters, HTTP in rules, and the other products."""
    assert forbidden.report in re.sub(r"\s+", " ", report)


def test_what_is_forbidden_is_all_that_is_reported(copy: Path) -> None:
    """The product itself passes."""
    assert "exit code 0" in _lint_imports(copy)


def test_a_module_outside_every_layer_is_reported(copy: Path) -> None:
    """The layers are exhaustive."""
    stray = copy / "shared" / "clipstitch" / "planted.py"
    stray.write_text("")
    found = _lint_imports(copy)
    stray.unlink()

    assert "clipstitch.planted" in found
    assert "exit code 1" in found


def test_an_import_cycle_is_reported(copy: Path) -> None:
    """Within one package, too."""
    one, other = (copy / "shared" / "clipstitch" / "jobs" / f"planted_{name}.py" for name in "ab")
    one.write_text("import clipstitch.jobs.planted_b\n")
    other.write_text("import clipstitch.jobs.planted_a\n")
    found = _lint_imports(copy)
    one.unlink()
    other.unlink()

    assert "No cycles are allowed in clipstitch.jobs." in found


def test_an_impure_call_is_reported(copy: Path) -> None:
    """In a pure package; ruff knows what import-linter cannot express."""
    pytest.importorskip("ruff", reason="ruff is a development dependency")
    wanted = {}
    for number, (source, rule) in enumerate(CALLS.items()):
        file = copy / "shared" / "clipstitch" / "jobs" / f"planted_{number}.py"
        file.write_text(f'"""Planted."""\n\n{source}\n')
        wanted[file.name] = (source, rule)
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--output-format", "json", "shared"]
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
    reported = {(Path(each["filename"]).name, each["code"]) for each in json.loads(done.stdout)}
    for name in wanted:
        (copy / "shared" / "clipstitch" / "jobs" / name).unlink()

    assert [] == [each for name, each in wanted.items() if (name, each[1]) not in reported]


@pytest.mark.parametrize("package", PACKAGES, ids=lambda folder: str(folder.relative_to(ROOT)))
def test_a_package_lists_its_modules(package: Path) -> None:
    """Its docstring has one line for each module and sub-package, `name  what it is`, and no other."""
    docstring = ast.get_docstring(ast.parse((package / "__init__.py").read_text("utf-8"))) or ""
    modules = {file.stem for file in package.glob("*.py")} - {"__init__"}
    packages = {file.parent.name for file in package.glob("*/__init__.py")}

    assert modules | packages == set(re.findall(r"^(\w+)  +\S", docstring, re.MULTILINE))


def test_class_names_are_unique() -> None:
    """One name means one thing across the product, the local cloud and the command."""
    found: dict[str, list[str]] = defaultdict(list)
    for file in (file for source in SOURCES for file in sorted((ROOT / source).rglob("*.py"))):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef):
                found[node.name].append(str(file.relative_to(ROOT)))

    assert {} == {name: files for name, files in found.items() if len(files) > 1}
