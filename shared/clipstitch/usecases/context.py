"""What every use case works with: the ports, the clock and the settings. Nothing is global."""

from typing import NamedTuple

from clipstitch.common.clock import Clock, timestamp
from clipstitch.common.ports import (
    AudioService,
    MessageSender,
    NoRenderService,
    ObjectStore,
    RenderService,
    WebhookSender,
    Workers,
)
from clipstitch.jobs.decide import Policy
from clipstitch.usecases.job_store import JobStore
from clipstitch.usecases.settings import Settings


class Context(NamedTuple):
    """The environment of a use case. `unversioned` is kept for as long as a function instance lives, see `JobStore`."""

    objects: ObjectStore
    audio: AudioService
    messages: MessageSender
    webhooks: WebhookSender
    clock: Clock
    settings: Settings
    unversioned: set[str]
    workers: Workers
    renders: RenderService = NoRenderService()

    @property
    def store(self) -> JobStore:
        """The job store of the configured bucket."""
        settings = self.settings
        bucket, prefix = settings.state_bucket_name, settings.state_prefix
        return JobStore(self.objects, bucket, prefix, self.clock, self.unversioned, self.workers)

    @property
    def policy(self) -> Policy:
        """The limits that the operator configured."""
        return Policy(self.settings.grace_period_s, self.settings.deadline_s)

    def timestamp(self) -> str:
        """Return the time now, as facts and events carry it."""
        return timestamp(self.clock.now())
