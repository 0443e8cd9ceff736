"""The code packages of functions that were created through the API: zip files, unpacked into a directory each."""

import shutil
import zipfile
from base64 import b64encode
from collections.abc import Collection
from io import BytesIO
from pathlib import Path

from localyun.clock import CloudClock
from localyun.fc.configuration import BadConfiguration
from localyun.fc.interpreters import interpreter
from localyun.fc.values import FunctionCode
from localyun.oss.blobs import new_crc64

# FC "Limits" (2026-06): 500 MB of code package, and no figure for the unpacked code. Ours keeps a laptop's disk safe.
MAX_PACKAGE_BYTES = 500 << 20
MAX_UNPACKED_BYTES = 2 << 30


class CodeFolder:
    """Unpacked code packages under `root`."""

    def __init__(self, root: Path, clock: CloudClock) -> None:
        self._root, self._clock = root, clock

    def add(self, package: bytes) -> FunctionCode:
        """Unpack a zip file into a new directory. Raises BadConfiguration if it is none, or too large."""
        if len(package) > MAX_PACKAGE_BYTES:
            raise BadConfiguration(f"code: {len(package)} bytes; at most {MAX_PACKAGE_BYTES} are allowed")
        folder = self._root / self._clock.token(12)
        try:
            checksum = self._unpack(package, folder)
        except BaseException:  # the disk may be full
            shutil.rmtree(folder, ignore_errors=True)
            folder.with_suffix(".zip").unlink(missing_ok=True)
            raise
        return FunctionCode((folder,), len(package), checksum, built=True)

    @staticmethod
    def _unpack(package: bytes, folder: Path) -> str:
        """Unpack a zip file and keep it; return its checksum."""
        try:
            with zipfile.ZipFile(BytesIO(package)) as archive:
                if sum(entry.file_size for entry in archive.infolist()) > MAX_UNPACKED_BYTES:
                    raise BadConfiguration(f"code: more than {MAX_UNPACKED_BYTES} bytes when unpacked")
                archive.extractall(folder)
        except zipfile.BadZipFile as error:
            raise BadConfiguration(f"code: not a valid zip file: {error}") from error
        checksum = new_crc64(package).crcValue  # fc3 compares it with that of its zip file
        (folder.with_suffix(".zip")).write_bytes(package)
        return str(checksum)

    def find(self, folder: str, size: int, checksum: str, runtime: str) -> FunctionCode:
        """Return unpacked code by the name of its directory, with the interpreter of a runtime."""
        return FunctionCode((self._root / folder,), size, checksum, built=True, python=interpreter(runtime))

    def has(self, code: FunctionCode) -> bool:
        """Return True if code is in this folder, not in a directory of a project."""
        return code.paths[0].parent == self._root

    def package(self, folder: str) -> Path:
        """Return the zip file of unpacked code."""
        return (self._root / folder).with_suffix(".zip")

    def delete_all_but(self, folders: Collection[str]) -> None:
        """Delete the code that no function uses any more."""
        for entry in self._root.iterdir() if self._root.is_dir() else ():
            if entry.stem not in folders:
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


def zipped_source(file: str, source: str) -> str:
    """Return the Base64 of a zip file with one source file."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo(file), source)
    return b64encode(buffer.getvalue()).decode()
