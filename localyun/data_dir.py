"""The directory that a local cloud keeps its state in: locked while in use, and with the root access key."""

import fcntl
import json
import os
from collections.abc import Mapping
from pathlib import Path

from localyun.clock import Clock
from localyun.ram.credentials import Credential

COUNTS = "weather.json"  # what bad weather did, by kind, over all runs on this directory


class CannotStart(Exception):
    """The local cloud cannot start; says why, and what to do."""


class DataDir:
    """A data directory that is ours until `release`, or until we die."""

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
        """Let others have it."""
        self._lock.close()

    def root_key(self, clock: Clock) -> Credential:
        """Return the root access key; a random one is made once and kept, readable by its owner only."""
        file = self.path / "credentials.json"
        if not file.exists():
            self._make_key(file, clock)
        kept = json.loads(file.read_text())
        return Credential(kept["access_key_id"], kept["access_key_secret"])

    def counts(self) -> dict[str, int]:
        """Return the counts that an earlier run kept."""
        file = self.path / COUNTS
        return json.loads(file.read_text()) if file.exists() else {}

    def keep_counts(self, counts: Mapping[str, int]) -> None:
        """Keep counts where anybody may read them; the file is whole even if we are killed now."""
        draft = self.path / f"{COUNTS}.new"
        draft.write_text(json.dumps(counts, sort_keys=True))
        draft.replace(self.path / COUNTS)

    def _make_key(self, file: Path, clock: Clock) -> None:
        """Write a new key; a crash leaves no half-written file."""
        kept = {"access_key_id": f"LTAI{clock.token(10)}", "access_key_secret": clock.token(15)}
        draft = file.with_suffix(".new")
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as out:
            json.dump(kept, out)
        draft.replace(file)
