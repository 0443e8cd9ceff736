"""Builds what is deployed: `python3 build.py [--python 3.10] [--out build] [NAME ...]`.

For every function: build/NAME/ = functions/NAME + what it imports, of clipstitch and of the pinned packages, for
Function Compute's Python on linux x86_64, and build/NAME.zip of the same. Needs pip and nothing else; no Docker. The
same sources and pins give the same bytes. Called by s.yaml before every deployment.
"""

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
STAMP = (2020, 1, 1, 0, 0, 0)
STAMP_S = 1_577_836_800  # the same moment
AT_HOME = "/code"  # where Function Compute unpacks a function; tracebacks show it


class BuildError(Exception):
    """Nothing was built; says why and what would help."""


class Package(NamedTuple):
    """A distribution that may be shipped; `skip` names files, as patterns of their paths, that stay behind."""

    distribution: str
    why: str
    needs: tuple[str, ...] = ()
    skip: str = ""


# Import name -> what ships for it. What a function imports, and what that needs, is shipped; nothing else is.
# Left out on purpose: pycryptodome, cryptography, cffi, aliyun-python-sdk-core and -kms, which oss2 and the SMQ SDK ask
# for. Only client-side encryption uses them; clipstitch.adapters.oss2_import answers for them.
PACKAGES = {
    "oss2": Package("oss2", "objects, audio/info and audio/concat", ("requests", "crcmod", "six")),
    "requests": Package("requests", "oss2 sends with it", ("urllib3", "idna", "certifi", "charset_normalizer")),
    "urllib3": Package("urllib3", "connections of requests", (), r"urllib3/contrib/emscripten/"),
    "idna": Package("idna", "host names of requests"),
    "certifi": Package("certifi", "certificate authorities of requests"),
    "charset_normalizer": Package("charset-normalizer", "requests warns without it", (), r".*/cli/"),
    "crcmod": Package("crcmod-plus", "CRC-64 of oss2, in C: crcmod's own wheel is 40 times slower"),
    "six": Package("six", "oss2 was written for Python 2 too"),
    "mns": Package("aliyun-mns-sdk", "topics and queues", ("deprecated",)),
    "deprecated": Package("Deprecated", "the SMQ SDK decorates with it", ("wrapt",)),
    "wrapt": Package("wrapt", "needed by Deprecated", (), r".*\.c$|wrapt-stubs/"),
    "yaml": Package("PyYAML", "manifests in YAML, by the pure loader", (), r"_yaml/|yaml/_yaml\."),
    "mutagen": Package("mutagen", "the ID3 tag with an MP3's chapters", (), r"mutagen/_tools/|share/"),
    "standardwebhooks": Package("standardwebhooks", "signs webhooks as their receivers expect"),
}
_NEVER = re.compile(r"(.*/)?(__pycache__|tests?)/.*|(.*/)?(test|conftest)\.py$|.*\.(pyc|pyi|typed|h)$|(.*/)?\..*")
_LICENCE = re.compile(r"[^/]+\.dist-info/(?:.*/)?((?:LICEN[CS]E|COPYING|NOTICE|AUTHORS)[^/]*)$", re.IGNORECASE)
_PIN = re.compile(r"^([\w.-]+)==([\w.]+)", re.MULTILINE)


class Built(NamedTuple):
    """What came of one function."""

    name: str
    files: int
    unpacked: int
    zipped: int
    bytecode: bool


def main(arguments: list[str]) -> int:
    """Build the functions that are named, or all."""
    known = sorted(path.parent.name for path in (ROOT / "functions").glob("*/index.py"))
    parser = argparse.ArgumentParser(prog="build.py", description="Build the functions for Function Compute.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"functions to build: {', '.join(known)}; default all")
    parser.add_argument("--python", choices=PYTHONS, default=PYTHONS[0], help="the functions' runtime (default 3.10)")
    parser.add_argument("--out", type=Path, default=ROOT / "build", help="where to (default build)")
    parser.add_argument("--wheels", type=Path, help="where downloaded wheels stay (default OUT/wheels)")
    asked = parser.parse_args(arguments)
    if unknown := sorted(set(asked.names) - set(known)):
        parser.error(f"no function {', '.join(unknown)}; known: {', '.join(known)}")
    try:
        wheels = Wheels(asked.wheels or asked.out / "wheels", asked.python)
        built = [build(name, asked.out, wheels) for name in asked.names or known]
    except BuildError as error:
        sys.stderr.write(f"build.py: {error}\n")
        return 1
    sys.stdout.write(table(built, asked.python))
    return 0


def build(name: str, out: Path, wheels: "Wheels") -> Built:
    """Build one function; the earlier build is replaced only when this one is complete."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out, prefix=f".{name}-") as scratch:
        code, packed = Path(scratch) / name, Path(scratch) / f"{name}.zip"
        fill(code, name, wheels)
        bytecode = compile_all(code, wheels.python)
        settle(code)
        pack(code, packed)
        if (size := packed.stat().st_size) > MAX_ZIP_BYTES:
            raise BuildError(f"{name}.zip has {size} bytes, more than {MAX_ZIP_BYTES}; see which package grew")
        shutil.rmtree(out / name, ignore_errors=True)
        code.rename(out / name)
        packed.replace(out / f"{name}.zip")
    files = [path for path in (out / name).rglob("*") if path.is_file()]
    return Built(name, len(files), sum(path.stat().st_size for path in files), size, bytecode)


def fill(code: Path, name: str, wheels: "Wheels") -> None:
    """Put the function, clipstitch and the packages together."""
    copy(ROOT / "functions" / name, code)
    for module in reach(name).modules:
        write(code / module.relative_to(ROOT / "shared"), module.read_bytes())
    for package in packages_of(name):
        unpack(wheels.wheel(package.distribution), code, package)


def copy(source: Path, target: Path) -> None:
    """Copy a directory; tests, bytecode and hidden files stay behind."""
    for path in sorted(source.rglob("*")):
        relative = path.relative_to(source).as_posix()
        if path.is_file() and not _NEVER.match(relative):
            write(target / relative, path.read_bytes())


def unpack(wheel: Path, code: Path, package: Package) -> None:
    """Unpack the modules of a wheel, and its licence; what installers keep for themselves stays behind."""
    with zipfile.ZipFile(wheel) as archive:
        for name in sorted(archive.namelist()):
            if licence := _LICENCE.match(name):
                write(code / "licenses" / package.distribution / licence[1], archive.read(name))
            elif _ships(name, package):
                write(code / name, archive.read(name))


def _ships(name: str, package: Package) -> bool:
    """Tell whether a file of a wheel belongs into the function."""
    stays = name.endswith("/") or ".dist-info/" in name or ".data/" in name or _NEVER.match(name)
    return not stays and not (package.skip and re.match(package.skip, name))


def write(path: Path, content: bytes) -> None:
    """Write a file and the directories above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


class Reach(NamedTuple):
    """What a function's sources import, directly or not: modules of clipstitch, and names of foreign packages."""

    modules: list[Path]
    foreign: list[str]


def packages_of(name: str) -> list[Package]:
    """Return the packages that a function needs: those it imports, directly or through clipstitch, and theirs."""
    wanted, found = reach(name).foreign, dict[str, Package]()
    while wanted:
        root = wanted.pop(0)
        if root not in PACKAGES:
            raise BuildError(f"{name} imports {root}, which the table PACKAGES of build.py lacks; add it with a reason")
        if root not in found:
            found[root] = PACKAGES[root]
            wanted += PACKAGES[root].needs
    return [found[root] for root in sorted(found)]


def reach(name: str) -> Reach:
    """Follow the imports of a function, wherever they stand; those of the standard library lead nowhere."""
    queue, modules, foreign = sorted((ROOT / "functions" / name).rglob("*.py")), set[Path](), set[str]()
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
                foreign.add(root)
    return Reach(sorted(modules - own), sorted(foreign))


def imports(tree: ast.AST) -> Iterator[str]:
    """Yield what a module imports, by statement or by `importlib.import_module("name")`."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=str(module), names=names, level=0):
                yield module
                yield from (f"{module}.{alias.name}" for alias in names)
            case ast.Call(func=ast.Attribute(attr="import_module"), args=[ast.Constant(value=str(module))]):
                yield module


def _files_of(module: str) -> list[Path]:
    """Return the sources that importing a module of clipstitch runs: its own, and those of the packages above it."""
    path = ROOT / "shared" / Path(*module.split("."))
    above = [parent / "__init__.py" for parent in (path, *path.parents) if parent.is_relative_to(ROOT / "shared")]
    return [file for file in (path.with_suffix(".py"), *above) if file.is_file()]


class Wheels:
    """The pinned wheels for one Python, fetched by pip once and then kept."""

    def __init__(self, folder: Path, python: str) -> None:
        self.python = python
        self._folder = folder / python
        self._pins = dict(_PIN.findall((ROOT / "constraints.txt").read_text("utf-8")))

    def wheel(self, distribution: str) -> Path:
        """Return the wheel of a distribution."""
        if distribution not in self._pins:
            raise BuildError(f"constraints.txt does not pin {distribution}; add {distribution}==VERSION")
        version = self._pins[distribution]
        if not self._kept(distribution, version):
            self._folder.mkdir(parents=True, exist_ok=True)
            self._download(f"{distribution}=={version}")
        if not (kept := self._kept(distribution, version)):
            raise BuildError(f"pip left no wheel of {distribution} {version} in {self._folder}; empty it and try again")
        return kept

    def _kept(self, distribution: str, version: str) -> Path | None:
        """Return a wheel that is there already."""
        name = re.sub(r"[-_.]+", "_", distribution).lower()
        found = [path for path in self._folder.glob("*.whl") if path.name.lower().startswith(f"{name}-{version}-")]
        return min(found, default=None)

    def _download(self, pin: str) -> None:
        """Fetch a wheel for the functions' platform; where only sources exist, make a wheel, which must be pure."""
        there = [f"--platform={name}" for name in PLATFORMS] + [f"--python-version={self.python}"]
        with tempfile.TemporaryDirectory(dir=self._folder) as scratch:
            fetched = _pip("download", *there, "--only-binary=:all:", f"--dest={scratch}", pin)
            if not fetched and not _pip("wheel", f"--wheel-dir={scratch}", pin):
                raise BuildError(f"pip can neither download nor build {pin}; run it again with a network")
            [wheel] = Path(scratch).iterdir()
            if not fetched and not wheel.name.endswith("-none-any.whl"):
                raise BuildError(f"{wheel.name} is not pure Python, so it cannot be built for another machine")
            wheel.replace(self._folder / wheel.name)  # at once: another build may be waiting for the same one


def _pip(command: str, *arguments: str) -> bool:
    """Run pip without dependencies; tell whether it managed."""
    if importlib.util.find_spec("pip") is None:
        raise BuildError(f"{sys.executable} has no pip; run build.py with a Python that has")
    pip = [sys.executable, "-m", "pip", command, "--quiet", "--disable-pip-version-check", "--no-deps", *arguments]
    return subprocess.run(pip, capture_output=True, check=False).returncode == 0  # noqa: S603 - our own arguments


def compile_all(code: Path, python: str) -> bool:
    """Compile the code with the runtime's own Python, if this machine has it; without bytecode cold starts double.

    The code folder of Function Compute is read-only, so nothing would be compiled there. Unchecked hashes make bytecode
    that is valid whatever the time stamps say, and the same every time.
    """
    if not (interpreter := find_python(python)):
        return False
    options = ["-q", "--invalidation-mode", "unchecked-hash", "-s", str(code), "-p", AT_HOME, str(code)]
    # The seed orders the sets among a module's constants.
    env = {"PYTHONHASHSEED": "0", "PYTHONWARNINGS": "ignore", "PATH": os.environ.get("PATH", "")}
    command = [interpreter, "-s", "-m", "compileall", *options]
    done = subprocess.run(command, env=env, cwd=code.parent, capture_output=True, check=False)  # noqa: S603 - as above
    if done.returncode:
        raise BuildError(f"{interpreter} cannot compile the code: {done.stdout.decode()}{done.stderr.decode()}")
    return True


def find_python(python: str) -> str | None:
    """Return an interpreter of exactly that version."""
    beside = str(ROOT / f".venv-{python}" / "bin" / "python")  # left by `make matrix`
    pyenv = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser() / "versions"
    installed = map(str, sorted(pyenv.glob(f"{python}.*/bin/python{python}")))
    for candidate in (sys.executable, shutil.which(f"python{python}"), beside, *installed):
        if candidate and Path(candidate).exists() and _version(candidate) == python:
            return candidate
    return None


def _version(interpreter: str) -> str:
    """Ask an interpreter for its version."""
    ask = [interpreter, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    return subprocess.run(ask, capture_output=True, check=False, text=True).stdout.strip()  # noqa: S603 - as above


def settle(code: Path) -> None:
    """Give everything the same time and the rights that Function Compute needs."""
    for path in [*code.rglob("*"), code]:
        path.chmod(0o755 if path.is_dir() else 0o644)
        os.utime(path, (STAMP_S, STAMP_S))


def pack(code: Path, target: Path) -> None:
    """Zip a directory, sorted by name."""
    with zipfile.ZipFile(target, "w") as archive:
        for path in sorted(path for path in code.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(path.relative_to(code).as_posix(), STAMP)
            entry.compress_type, entry.external_attr, entry.create_system = zipfile.ZIP_DEFLATED, 0o100644 << 16, 3
            archive.writestr(entry, path.read_bytes(), compresslevel=9)


def table(built: list[Built], python: str) -> str:
    """Say what was built."""
    lines = [f"{'function':<12}{'files':>6}{'unpacked':>12}{'zip':>10}  bytecode of Python {python}"]
    for one in built:
        sizes = f"{one.unpacked / 1024:>9.0f} kB{one.zipped / 1024:>7.0f} kB"
        lines.append(f"{one.name:<12}{one.files:>6}{sizes}  {'yes' if one.bytecode else 'no'}")
    if not all(one.bytecode for one in built):
        lines.append(f"No Python {python} here, so there is no bytecode, and cold starts take more than twice as long:")
        lines.append(f"build where `python{python}` can be run.")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
