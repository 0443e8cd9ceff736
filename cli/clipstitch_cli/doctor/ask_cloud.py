"""Asks a real cloud, or the local one, what a doctor wants to know: through the vendor's own clients, reading only."""

import warnings
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

from mns.account import Account
from mns.mns_exception import MNSServerException

from clipstitch.adapters.smq import ours
from clipstitch.common.credentials import AccessKey
from clipstitch.common.errors import ClipstitchError, SinkTargetNotFound
from clipstitch.common.identifiers import uploaded_at
from clipstitch.jobs.job import DELIVERED
from clipstitch.usecases.context import Context
from clipstitch.usecases.job_store import SINKS, JobStore
from clipstitch.usecases.recover import deadline_start
from clipstitch_cli.doctor import ask_openapi, ask_oss
from clipstitch_cli.doctor.ask_openapi import Service
from clipstitch_cli.doctor.deployment_facts import Bucket, Function, OpenJob, Queue


class CloudQuestions:
    """The `Questions` of a doctor, asked over HTTP."""

    def __init__(self, cloud: Context, key: AccessKey, fc_endpoint: str, imm_endpoint: str) -> None:
        self._cloud, self._key = cloud, key
        self._settings = cloud.settings
        self._account = Account(self._settings.mns_endpoint, key.id, key.secret, key.token or "")
        self._fc, self._imm = (Service(at, self._settings.oss_region, key) for at in (fc_endpoint, imm_endpoint))

    def skew(self) -> timedelta:
        """Compare our clock with the Date of an answer, halfway between question and answer."""
        before = self._cloud.clock.now()
        date = ask_oss.date_of(self._settings.oss_endpoint)
        after = self._cloud.clock.now()
        skew = before + (after - before) / 2 - date
        return timedelta() if abs(skew) < timedelta(seconds=1) else skew  # a Date has whole seconds

    def bucket(self, name: str) -> Bucket | None:
        """Look at a bucket."""
        return ask_oss.look_at(name, self._settings, self._key)

    def project_of(self, bucket: str) -> str | None:
        """Name a bucket's IMM project."""
        return ask_openapi.project_of(bucket, self._imm)

    def has_topic(self, name: str) -> bool:
        """Call GetTopicAttributes."""
        return _there(lambda: self._account.get_topic(name).get_attributes(), f"topic {name}")

    def queue(self, name: str) -> Queue | None:
        """Call GetQueueAttributes, and peek, which hides nothing."""
        queue = self._account.get_queue(name)
        queue.set_encoding(False)
        try:
            with ours(f"looking at queue {name}"):
                letters = _counted(queue)
        except SinkTargetNotFound:
            return None
        since = _first_seen(queue)
        return Queue(name, max(letters, 1 if since else 0), since)

    def function(self, name: str) -> Function | None:
        """Look at a function with its triggers."""
        return ask_openapi.function(name, self._fc)

    def open_jobs(self) -> list[OpenJob]:
        """Read the open markers, and the facts of jobs past their deadline; in a versioned bucket too."""
        state = self._settings.state_bucket or self._settings.bucket
        store = JobStore(self._cloud.objects, state, self._settings.state_prefix)
        return [self._open_job(job_id, store) for job_id in store.open_jobs()]

    def _open_job(self, job_id: str, store: JobStore) -> OpenJob:
        """Look into a job, if it is late."""
        uploaded, deadline = uploaded_at(job_id), timedelta(seconds=self._settings.deadline_s)
        if self._cloud.clock.now() - uploaded < deadline:
            return OpenJob(job_id, uploaded)
        job = store.load(job_id)
        late = self._cloud.clock.now() - deadline_start(job, store) - deadline
        pending = tuple(sorted(set(job.pending) - job.details(DELIVERED))) if job.decision else ()
        return OpenJob(job_id, uploaded, late if late > timedelta() else None, pending)

    def switched_off(self) -> list[str]:
        """List the objects that switch sinks off."""
        bucket = self._settings.state_bucket or self._settings.bucket
        listed = self._cloud.objects.list(bucket, self._settings.state_prefix + SINKS)
        return [f"oss://{bucket}/{found.key}" for found in listed if found.key.endswith(".off")]


def _there(look: Callable[[], object], what: str) -> bool:
    """Say whether SMQ has something."""
    try:
        with ours(f"looking at {what}"):
            look()
    except SinkTargetNotFound:
        return False
    return True


def _counted(queue: Any) -> int:
    """Count a queue's messages. The SDK warns that SMQ may stop counting; even reading the answer makes it warn."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        about = queue.get_attributes()
        return sum(max(0, int(n)) for n in (about.active_messages, about.inactive_messages, about.delay_messages))


def _first_seen(queue: Any) -> datetime | None:
    """Return when a message came that can be seen; None when all are hidden."""
    try:
        with ours(f"peeking into queue {queue.queue_name}"):
            return datetime.fromtimestamp(queue.peek_message().enqueue_time / 1000, timezone.utc)
    except ClipstitchError as error:
        if isinstance(error.__cause__, MNSServerException):
            return None
        raise
