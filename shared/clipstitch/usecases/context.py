"""What a use case works with: the ports, the time, the settings. Nothing of it is global."""

from typing import NamedTuple

from clipstitch.common.clock import Clock, timestamp
from clipstitch.common.errors import VersionedState
from clipstitch.common.ports import Audio, Hooks, Messages, Objects
from clipstitch.usecases.job_store import Ledger
from clipstitch.usecases.settings import Settings


class Cloud(NamedTuple):
    """Everything outside. `trusted` remembers the state buckets that were found fit, for the life of an instance.

    `hooks` is needed only where a sink is a webhook.
    """

    objects: Objects
    audio: Audio
    messages: Messages
    clock: Clock
    settings: Settings
    trusted: set[str]
    hooks: Hooks | None = None

    def ledger(self, bucket: str) -> Ledger:
        """Open the ledger for manifests of a bucket; `VersionedState` where create-once would not hold."""
        state = self.settings.state_bucket or bucket
        if state not in self.trusted:
            if self.objects.versioned(state):
                raise VersionedState(f"bucket {state} has versioning, so x-oss-forbid-overwrite is ignored there")
            self.trusted.add(state)
        return Ledger(self.objects, state, self.settings.state_prefix)

    def timestamp(self) -> str:
        """Return the time now, as facts carry it."""
        return timestamp(self.clock.now())
