"""Reads files of this machine."""

from pathlib import Path

from clipstitch.manifest.documents import MAX_BYTES
from clipstitch_cli.errors import FileNotReadable


def read_file(path: Path, limit: int = -1) -> bytes:
    """Return a file's content, or its first `limit` bytes. Raises FileNotReadable."""
    try:
        with path.open("rb") as file:
            return file.read(limit)
    except OSError as error:
        raise FileNotReadable(f"{path}: {error.strerror}") from error


def read_manifest(path: Path) -> bytes:
    """Return a manifest file; of one that is too large, one byte more than a manifest may have."""
    return read_file(path, MAX_BYTES + 1)
