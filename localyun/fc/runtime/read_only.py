"""Makes a function's code read-only for the function: in FC, only the temporary directory is writable.

An audit hook refuses what would change a file below the code, also for the superuser, whom permissions do not stop. It
sees Python code only: C libraries and child processes are not stopped. The interpreter may cache its bytecode.
"""

import errno
import os
import sys
from collections.abc import Collection, Iterable
from pathlib import Path

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
# The audit events of calls that change files: which of their arguments are changed paths, and which is the folder, as a
# file descriptor or -1, to which a relative path belongs.
CHANGED = {
    "open": ((0, None),),
    "os.mkdir": ((0, 2),),
    "os.rmdir": ((0, 1),),
    "os.remove": ((0, 1),),
    "os.rename": ((0, 2), (1, 3)),
    "os.link": ((1, 3),),
    "os.symlink": ((1, 2),),
    "os.truncate": ((0, None),),
    "os.chmod": ((0, 2),),
    "os.chown": ((0, 3),),
    "os.utime": ((0, 3),),
}


def protect(folders: Iterable[str]) -> None:
    """Refuse, for the rest of the process, every change below these folders: OSError, errno EROFS."""
    roots = {Path(os.path.realpath(folder)) for folder in folders}

    def refuse(event: str, arguments: tuple[object, ...]) -> None:
        if event not in CHANGED or (event == "open" and not _writes(arguments)):
            return
        for index, folder in CHANGED[event]:
            path = arguments[index]
            if not isinstance(path, str | bytes | os.PathLike):
                continue
            base = _folder(arguments[folder]) if folder is not None else Path()
            if _is_below(base / os.fsdecode(path), roots):
                raise OSError(errno.EROFS, os.strerror(errno.EROFS), os.fsdecode(path))

    sys.addaudithook(refuse)


def _writes(arguments: tuple[object, ...]) -> bool:
    return isinstance(arguments[2], int) and bool(arguments[2] & WRITES)


def _folder(descriptor: object) -> Path:
    """Return the folder of a file descriptor; the working directory for -1."""
    if not isinstance(descriptor, int) or descriptor < 0:
        return Path()
    known = Path(f"/proc/self/fd/{descriptor}")
    return Path(os.path.realpath(known)) if known.exists() else Path("/")  # elsewhere such paths are not checked


def _is_below(path: Path, roots: Collection[Path]) -> bool:
    """Return True if a path is one of the folders or below it, and is no bytecode."""
    real = Path(os.path.realpath(path.parent), path.name)
    return "__pycache__" not in real.parts and any(root in (real, *real.parents) for root in roots)
