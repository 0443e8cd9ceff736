"""The data directory of a local cloud: its lock, the root access key, and the counts of injected faults."""

import fcntl
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from localyun.clock import CloudClock
from localyun.ram.credentials import Credential

FAULT_COUNTS = "faults.json"


class CannotStart(Exception):
    """The local cloud cannot start; the message gives reason and remedy."""


class DataDir:
    """An exclusively locked data directory; the lock ends with `release` or with the process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._lock = (path / "lock").open("a")
        except OSError as error:
            raise CannotStart(f"{path}: cannot keep data here ({error.strerror}); choose another directory") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.close()
            message = f"{path}: another local cloud is using this directory; stop it, or choose another directory"
            raise CannotStart(message) from error

    def release(self) -> None:
        """Unlock the directory."""
        self._lock.close()

    def root_key(self, clock: CloudClock) -> Credential:
        """Return the root access key. The first call creates a random one in a file that only its owner can read."""
        file = self.path / "credentials.json"
        if not file.exists():
            key = {"access_key_id": f"LTAI{clock.token(10)}", "access_key_secret": clock.token(15)}
            _replace(file, json.dumps(key))
        return Credential(**json.loads(file.read_text()))

    def fault_counts(self) -> dict[str, int]:
        """Return the fault counts of earlier runs."""
        file = self.path / FAULT_COUNTS
        return json.loads(file.read_text()) if file.exists() else {}

    def save_fault_counts(self, counts: Mapping[str, int]) -> None:
        """Write the fault counts; on a full disk the next fault writes them."""
        with suppress(OSError):
            _replace(self.path / FAULT_COUNTS, json.dumps(counts, sort_keys=True), mode=0o666)


def _replace(file: Path, text: str, mode: int = 0o600) -> None:
    """Write a file so that a crash leaves the old or the new one, never a partial one."""
    draft = file.with_suffix(".new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w") as out:
        out.write(text)
    draft.replace(file)
