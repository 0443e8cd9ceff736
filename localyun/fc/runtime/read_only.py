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
# The audit events of calls that change files, and which of their arguments are changed paths.
CHANGED = {
    "open": (0,),
    "os.mkdir": (0,),
    "os.rmdir": (0,),
    "os.remove": (0,),
    "os.rename": (0, 1),
    "os.link": (1,),
    "os.symlink": (1,),
    "os.truncate": (0,),
    "os.chmod": (0,),
    "os.chown": (0,),
    "os.utime": (0,),
}


def protect(folders: Iterable[str]) -> None:
    """Refuse, for the rest of the process, every change below these folders: OSError, errno EROFS."""
    roots = {Path(os.path.realpath(folder)) for folder in folders}

    def refuse(event: str, arguments: tuple[object, ...]) -> None:
        if event not in CHANGED or (event == "open" and not _writes(arguments)):
            return
        for index in CHANGED[event]:
            path = arguments[index]
            if isinstance(path, str | bytes | os.PathLike) and _is_below(Path(os.fsdecode(path)), roots):
                raise OSError(errno.EROFS, os.strerror(errno.EROFS), os.fsdecode(path))

    sys.addaudithook(refuse)


def _writes(arguments: tuple[object, ...]) -> bool:
    return isinstance(arguments[2], int) and bool(arguments[2] & WRITES)


def _is_below(path: Path, roots: Collection[Path]) -> bool:
    """Return True if a path is one of the folders or below it, and is no bytecode."""
    real = Path(os.path.realpath(path.parent), path.name)
    return "__pycache__" not in real.parts and any(root in (real, *real.parents) for root in roots)
