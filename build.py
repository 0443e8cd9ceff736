"""Builds the functions for Function Compute: `python3 build.py [--python 3.10] [--out build] [NAME ...]`.

For every function, or without a NAME those that s.yaml deploys, build/NAME/ has functions/NAME and everything that it
imports from clipstitch and from the pinned packages, for Python on linux x86_64; build/NAME.zip has the same files.
Needs only pip, no Docker. The build is reproducible: the same sources and pins give the same bytes. s.yaml calls it
before every deployment, with the `python3` of the search path, which may be old or lack pip: the Python of .venv takes
over if there is one.
"""

from __future__ import annotations  # or a Python before 3.10 could not even hand over

import argparse
import ast
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent
MAX_ZIP_BYTES = 8 << 20
# FC 3.0, "Python runtimes", 2026-09: 3.10 runs on Debian 10, 3.12 on Debian 11, both with glibc 2.28 or newer.
PYTHONS = ("3.10", "3.12")
PLATFORMS = ("manylinux2014_x86_64", "manylinux_2_17_x86_64", "manylinux_2_28_x86_64")
FILE_TIME = (2020, 1, 1, 0, 0, 0)
FILE_TIME_S = 1_577_836_800  # the same time in seconds since 1970
CODE_DIR = "/code"  # the folder of a function in Function Compute; tracebacks show it


class BuildError(Exception):
    """A build failed; the message says why, and what to do."""


class Package(NamedTuple):
    """A distribution that a function may need; files whose paths match `skip` are left out.

    `zip_bytes`: how many bytes it may add to the zip file beyond the usual limit.
    """

    distribution: str
    why: str
    needs: tuple[str, ...] = ()
    skip: str = ""
    zip_bytes: int = 0


# The package of each import name. A function gets the packages that it imports, and those that they need.
# Left out on purpose: pycryptodome, cryptography, cffi, aliyun-python-sdk-core and -kms, which oss2 and the SMQ SDK
# require. Only client-side encryption uses them; clipstitch.adapters.oss2_import replaces their imports.
PACKAGES = {
    "oss2": Package("oss2", "objects, audio/info and audio/concat", ("requests", "crcmod", "six")),
    "requests": Package("requests", "HTTP requests of oss2", ("urllib3", "idna", "certifi", "charset_normalizer")),
    "urllib3": Package("urllib3", "connections of requests", (), r"urllib3/contrib/emscripten/"),
    "idna": Package("idna", "host names of requests"),
    "certifi": Package("certifi", "certificate authorities of requests"),
    "charset_normalizer": Package("charset-normalizer", "requests warns without it", (), r".*/cli/"),
    "crcmod": Package("crcmod-plus", "CRC-64 of oss2, in C: the wheel of crcmod is 40 times slower"),
    "six": Package("six", "Python 2 compatibility of oss2"),
    "mns": Package("aliyun-mns-sdk", "topics and queues", ("deprecated",)),
    "deprecated": Package("Deprecated", "a decorator in the SMQ SDK", ("wrapt",)),
    "wrapt": Package("wrapt", "needed by Deprecated", (), r".*\.c$|wrapt-stubs/"),
    "yaml": Package("PyYAML", "manifests in YAML, by the pure Python loader", (), r"_yaml/|yaml/_yaml\."),
    "mutagen": Package("mutagen", "the ID3 tag with an MP3's chapters", (), r"mutagen/_tools/|share/"),
    "standardwebhooks": Package("standardwebhooks", "signatures of webhooks"),
    "imageio_ffmpeg": Package("imageio-ffmpeg", "FFmpeg, for the function `render`", zip_bytes=32 << 20),
}
_EXCLUDED = re.compile(r"(.*/)?(__pycache__|tests?)/.*|(.*/)?(test|conftest)\.py$|.*\.(pyc|pyi|typed|h)$|(.*/)?\..*")
_EXECUTABLE = re.compile(r".*/binaries/ffmpeg-[^/]+$")
_DEPLOYED = re.compile(r"^ *code: \./build/(\w+) *$", re.MULTILINE)
_IGNORED = shutil.ignore_patterns("__pycache__", "test", "tests", "test.py", "conftest.py", "*.pyc", ".*")
_LICENCE = re.compile(r"[^/]+\.dist-info/(?:.*/)?((?:LICEN[CS]E|COPYING|NOTICE|AUTHORS)[^/]*)$", re.IGNORECASE)
_PIN = re.compile(r"^([\w.-]+)==([\w.]+)", re.MULTILINE)


class BuiltFunction(NamedTuple):
    """The result of a build: the number of files, and the sizes of the folder and the zip file in bytes."""

    name: str
    files: int
    folder_bytes: int
    zip_bytes: int
    has_bytecode: bool


def main(arguments: list[str]) -> int:
    """Build the named functions, or all. Return the exit code."""
    known = sorted(path.parent.name for path in (ROOT / "functions").glob("*/index.py"))
    parser = argparse.ArgumentParser(prog="build.py", description="Build the functions for Function Compute.")
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"function: {', '.join(known)} (default: those of s.yaml)"
    )
    parser.add_argument("--python", choices=PYTHONS, default=PYTHONS[0], help="runtime version (default: 3.10)")
    parser.add_argument("--out", type=Path, default=ROOT / "build", help="output folder (default: build)")
    parser.add_argument("--wheels", type=Path, help="folder of downloaded wheels (default: OUT/wheels)")
    options = parser.parse_args(arguments)
    if unknown := sorted(set(options.names) - set(known)):
        parser.error(f"no function {', '.join(unknown)}; known: {', '.join(known)}")
    try:
        wheels = Wheels(options.wheels or options.out / "wheels", options.python)
        built = [build(name, options.out, wheels) for name in options.names or deployed()]
    except BuildError as error:
        sys.stderr.write(f"build.py: {error}\n")
        return 1
    sys.stdout.write(table(built, options.python))
    return 0


def deployed() -> list[str]:
    """Return the functions that s.yaml deploys."""
    return _DEPLOYED.findall((ROOT / "s.yaml").read_text("utf-8"))


def build(name: str, out: Path, wheels: Wheels) -> BuiltFunction:
    """Build one function. An earlier build is replaced only after this one is complete. Raises BuildError."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out, prefix=f".{name}-") as scratch:
        code, zipped = Path(scratch) / name, Path(scratch) / f"{name}.zip"
        assemble(code, name, wheels)
        has_bytecode = compile_all(code, wheels.python)
        normalize(code)
        zip_folder(code, zipped)
        limit = MAX_ZIP_BYTES + sum(package.zip_bytes for package in packages_of(name))
        if (size := zipped.stat().st_size) > limit:
            raise BuildError(f"{name}.zip has {size} bytes, more than {limit}; find the package that grew")
        shutil.rmtree(out / name, ignore_errors=True)
        code.rename(out / name)
        zipped.replace(out / f"{name}.zip")
    files = [path for path in (out / name).rglob("*") if path.is_file()]
    return BuiltFunction(name, len(files), sum(path.stat().st_size for path in files), size, has_bytecode)


def assemble(code: Path, name: str, wheels: Wheels) -> None:
    """Write the function, the modules of clipstitch and the packages into a folder."""
    shutil.copytree(ROOT / "functions" / name, code, ignore=_IGNORED)
    for module in find_imports(name).modules:
        write(code / module.relative_to(ROOT / "shared"), module.read_bytes())
    for package in packages_of(name):
        unpack(wheels.wheel(package.distribution), code, package)


def unpack(wheel: Path, code: Path, package: Package) -> None:
    """Unpack the modules of a wheel and its licence files, without metadata of installers."""
    with zipfile.ZipFile(wheel) as archive:
        for name in sorted(archive.namelist()):
            if licence := _LICENCE.match(name):
                write(code / "licenses" / package.distribution / licence[1], archive.read(name))
            elif _is_included(name, package):
                write(code / name, archive.read(name))


def _is_included(name: str, package: Package) -> bool:
    excluded = name.endswith("/") or ".dist-info/" in name or ".data/" in name or _EXCLUDED.match(name)
    return not excluded and not (package.skip and re.match(package.skip, name))


def write(path: Path, content: bytes) -> None:
    """Write a file, and create its parent folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


class Imports(NamedTuple):
    """The direct and indirect imports of a function: modules of clipstitch, and names of other packages."""

    modules: list[Path]
    packages: list[str]


def packages_of(name: str) -> list[Package]:
    """Return the packages that a function imports, directly or through clipstitch, and those that they need.

    Raises BuildError if `PACKAGES` does not list one of them.
    """
    queue, found = find_imports(name).packages, dict[str, Package]()
    while queue:
        root = queue.pop()
        if root not in PACKAGES:
            raise BuildError(f"{name} imports {root}, which the table PACKAGES in build.py lacks; add it with a reason")
        if root not in found:
            found[root] = PACKAGES[root]
            queue += PACKAGES[root].needs
    return [found[root] for root in sorted(found)]


def find_imports(name: str) -> Imports:
    """Return the imports of a function, at any place in its sources; the standard library is left out."""
    queue, modules, packages = sorted((ROOT / "functions" / name).rglob("*.py")), set[Path](), set[str]()
    own = set(queue)
    local = {path.stem for path in queue}
    while queue:
        if (path := queue.pop()) in modules:
            continue
        modules.add(path)
        for module in imports(ast.parse(path.read_bytes(), str(path))):
            root = module.partition(".")[0]
            if root == "clipstitch":
                queue += _files_of(module)
            elif root not in local and root not in sys.stdlib_module_names:
                packages.add(root)
    return Imports(sorted(modules - own), sorted(packages))


def imports(tree: ast.AST) -> Iterator[str]:
    """Yield the names that a module imports, by statement or by `importlib.import_module("name")`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "import_module":
            yield from (one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str))


def _files_of(module: str) -> list[Path]:
    """Return the source of a module of clipstitch, and those of its parent packages."""
    path = ROOT / "shared" / Path(*module.split("."))
    parents = [parent / "__init__.py" for parent in (path, *path.parents) if parent.is_relative_to(ROOT / "shared")]
    return [file for file in (path.with_suffix(".py"), *parents) if file.is_file()]


class Wheels:
    """The pinned wheels for one Python version, downloaded by pip once and then kept."""

    def __init__(self, folder: Path, python: str) -> None:
        self.python = python
        self._folder = folder / python
        self._pins = dict(_PIN.findall((ROOT / "constraints.txt").read_text("utf-8")))

    def wheel(self, distribution: str) -> Path:
        """Return the wheel of a distribution, and download it if necessary. Raises BuildError."""
        if distribution not in self._pins:
            raise BuildError(f"constraints.txt does not pin {distribution}; add {distribution}==VERSION")
        version = self._pins[distribution]
        if not self._find(distribution, version):
            self._folder.mkdir(parents=True, exist_ok=True)
            self._download(f"{distribution}=={version}")
        if not (wheel := self._find(distribution, version)):
            raise BuildError(f"pip left no wheel of {distribution} {version} in {self._folder}; empty it and try again")
        return wheel

    def _find(self, distribution: str, version: str) -> Path | None:
        name = re.sub(r"[-_.]+", "_", distribution).lower()
        found = [path for path in self._folder.glob("*.whl") if path.name.lower().startswith(f"{name}-{version}-")]
        return min(found, default=None)

    def _download(self, pin: str) -> None:
        """Download a wheel for the platform of the functions, or build a pure Python wheel from sources."""
        target = [f"--platform={name}" for name in PLATFORMS] + [f"--python-version={self.python}"]
        with tempfile.TemporaryDirectory(dir=self._folder) as scratch:
            downloaded = _pip("download", *target, "--only-binary=:all:", f"--dest={scratch}", pin)
            if not downloaded and not _pip("wheel", f"--wheel-dir={scratch}", pin):
                raise BuildError(f"pip can neither download nor build {pin}; run it again with a network")
            [wheel] = Path(scratch).iterdir()
            if not downloaded and not wheel.name.endswith("-none-any.whl"):
                raise BuildError(f"{wheel.name} is not pure Python, so it cannot be built for another machine")
            wheel.replace(self._folder / wheel.name)  # atomic: another build may download the same wheel


def _pip(command: str, *arguments: str) -> bool:
    """Run pip without dependencies. Return True if it succeeded."""
    if importlib.util.find_spec("pip") is None:
        raise BuildError(f"{sys.executable} has no pip; `make setup` makes .venv, which has it")
    pip = [sys.executable, "-m", "pip", command, "--quiet", "--disable-pip-version-check", "--no-deps", *arguments]
    return subprocess.run(pip, capture_output=True, check=False).returncode == 0  # noqa: S603 - fixed arguments


def compile_all(code: Path, python: str) -> bool:
    """Compile the code with the Python of the runtime. Return False if this machine does not have it.

    The code folder in Function Compute is read-only, so Python cannot store bytecode there, and without it a cold start
    takes twice as long. Unchecked hashes make bytecode that is reproducible and valid regardless of file times.
    """
    if not (interpreter := find_python(python)):
        return False
    options = ["-q", "--invalidation-mode", "unchecked-hash", "-s", str(code), "-p", CODE_DIR, str(code)]
    # The seed fixes the order of sets in the constants of a module.
    env = {"PYTHONHASHSEED": "0", "PYTHONWARNINGS": "ignore", "PATH": os.environ.get("PATH", "")}
    command = [interpreter, "-s", "-m", "compileall", *options]
    done = subprocess.run(command, env=env, cwd=code.parent, capture_output=True, check=False)  # noqa: S603 - fixed arguments
    if done.returncode:
        raise BuildError(f"{interpreter} cannot compile the code: {done.stdout.decode()}{done.stderr.decode()}")
    return True


def find_python(python: str) -> str | None:
    """Return the path of an interpreter of this version (such as 3.10), or None."""
    matrix = str(ROOT / f".venv-{python}" / "bin" / "python")  # created by `make matrix`
    pyenv = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser() / "versions"
    installed = map(str, sorted(pyenv.glob(f"{python}.*/bin/python{python}")))
    for candidate in (sys.executable, shutil.which(f"python{python}"), matrix, *installed):
        if candidate and Path(candidate).exists() and _version(candidate) == python:
            return candidate
    return None


def _version(interpreter: str) -> str:
    command = [interpreter, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    return subprocess.run(command, capture_output=True, check=False, text=True).stdout.strip()  # noqa: S603 - fixed arguments


def normalize(code: Path) -> None:
    """Set the same file times, and the file modes that Function Compute needs."""
    for path in [*code.rglob("*"), code]:
        path.chmod(0o755 if path.is_dir() or _is_executable(path) else 0o644)
        os.utime(path, (FILE_TIME_S, FILE_TIME_S))


def _is_executable(path: Path) -> bool:
    return _EXECUTABLE.match(path.as_posix()) is not None


def zip_folder(code: Path, target: Path) -> None:
    """Write the files of a folder into a zip file, sorted by name."""
    with zipfile.ZipFile(target, "w") as archive:
        for path in sorted(path for path in code.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(path.relative_to(code).as_posix(), FILE_TIME)
            mode = 0o100755 if _is_executable(path) else 0o100644
            entry.compress_type, entry.external_attr, entry.create_system = zipfile.ZIP_DEFLATED, mode << 16, 3
            archive.writestr(entry, path.read_bytes(), compresslevel=9)


def table(built: list[BuiltFunction], python: str) -> str:
    """Return a table of the built functions."""
    lines = [f"{'function':<12}{'files':>6}{'unpacked':>12}{'zip':>10}  bytecode of Python {python}"]
    for one in built:
        sizes = f"{one.folder_bytes / 1024:>9.0f} kB{one.zip_bytes / 1024:>7.0f} kB"
        lines.append(f"{one.name:<12}{one.files:>6}{sizes}  {'yes' if one.has_bytecode else 'no'}")
    if not all(one.has_bytecode for one in built):
        lines.append(f"No bytecode: this machine has no `python{python}`. A cold start takes more than twice as long.")
    return "\n".join(lines) + "\n"


def venv_python(venv: Path, prefix: str) -> str | None:
    """Return the Python of a virtual environment if it has pip; None if this process, with its prefix, runs in it."""
    python = venv / "bin" / "python"
    if not python.exists() or venv.resolve() == Path(prefix).resolve():
        return None
    with_pip = subprocess.run([str(python), "-c", "import pip"], capture_output=True, check=False)  # noqa: S603 - fixed
    return None if with_pip.returncode else str(python)


def start(arguments: list[str]) -> int:
    """Run `main`, in the Python of .venv if that has pip. Return the exit code."""
    if python := venv_python(ROOT / ".venv", sys.prefix):
        return subprocess.run([python, __file__, *arguments], check=False).returncode  # noqa: S603 - the same arguments
    if sys.version_info < (3, 10):  # noqa: UP036 - the search path may have an older one
        sys.stderr.write(f"build.py: needs Python 3.10, not {sys.version.split()[0]}: `make setup PYTHON=python3.10`\n")
        return 1
    return main(arguments)


if __name__ == "__main__":
    sys.exit(start(sys.argv[1:]))
