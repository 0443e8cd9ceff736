"""What a use case works with: the ports, the time, the settings. Nothing of it is global."""

from typing import NamedTuple

from clipstitch.common.clock import Clock, timestamp
from clipstitch.common.errors import StateBucketVersioned
from clipstitch.common.ports import AudioService, MessageSender, ObjectStore, WebhookSender
from clipstitch.usecases.job_store import JobStore
from clipstitch.usecases.settings import Settings


class Context(NamedTuple):
    """Everything outside. `trusted` remembers the state buckets that were found fit, for the life of an instance.

    `hooks` is needed only where a sink is a webhook.
    """

    objects: ObjectStore
    audio: AudioService
    messages: MessageSender
    clock: Clock
    settings: Settings
    trusted: set[str]
    hooks: WebhookSender | None = None

    def store(self, bucket: str) -> JobStore:
        """Open the ledger for manifests of a bucket; `StateBucketVersioned` where create-once would not hold."""
        state = self.settings.state_bucket or bucket
        if state not in self.trusted:
            if self.objects.is_versioned(state):
                raise StateBucketVersioned(f"bucket {state} has versioning, so x-oss-forbid-overwrite is ignored there")
            self.trusted.add(state)
        return JobStore(self.objects, state, self.settings.state_prefix)

    def timestamp(self) -> str:
        """Return the time now, as facts carry it."""
        return timestamp(self.clock.now())
