"""Inspects a cloud for the doctor through the vendor's clients; reads only."""

from datetime import timedelta

from clipstitch.adapters.smq import translated_errors
from clipstitch.common.credentials import AccessKey
from clipstitch.common.errors import SinkTargetNotFound
from clipstitch.common.identifiers import uploaded_at
from clipstitch.jobs.decide import deadline_start
from clipstitch.jobs.job import DECISION, Job
from clipstitch.usecases.context import Context
from clipstitch_cli.doctor import inspect_openapi, inspect_oss
from clipstitch_cli.doctor.deployment_facts import BucketFacts, FunctionFacts, OpenJob, QueueFacts, StackFacts
from clipstitch_cli.openapi import client_config
from clipstitch_cli.smq_queue import SmqQueue, smq_account
from clipstitch_cli.stored_jobs import pending_sinks


class CloudInspector:
    """The `Inspector` over HTTP."""

    def __init__(
        self,
        context: Context,
        key: AccessKey,
        fc_endpoint: str,
        imm_endpoint: str,
        ros_endpoint: str = "",
        ros_certificates: str = "",
    ) -> None:
        self._context, self._key, self._settings = context, key, context.settings
        self._account = smq_account(self._settings.mns_endpoint, key)
        region = self._settings.oss_region
        endpoints = (fc_endpoint, imm_endpoint, ros_endpoint)
        self._ros_certificates = ros_certificates
        self._fc, self._imm, self._ros = (client_config(endpoint, key, region) for endpoint in endpoints)

    def clock_skew(self) -> timedelta:
        """Compare the middle of a request with the Date of its answer; differences under a second count as none."""
        before = self._context.clock.now()
        date = inspect_oss.date_of(self._settings.oss_endpoint)
        after = self._context.clock.now()
        skew = before + (after - before) / 2 - date
        return timedelta() if abs(skew) < timedelta(seconds=1) else skew  # a Date has full seconds

    def bucket(self, name: str) -> BucketFacts | None:
        """Call GetBucketInfo."""
        return inspect_oss.bucket(name, self._settings, self._key)

    def stack(self, name: str) -> StackFacts | None:
        """Call ROS's ListStacks."""
        return inspect_openapi.stack(name, self._settings.oss_region, self._ros, self._ros_certificates)

    def list_one(self, bucket: str) -> None:
        """Call ListObjectsV2 with max-keys 1."""
        inspect_oss.list_one(bucket, self._settings, self._key)

    def imm_project(self, bucket: str) -> str | None:
        """Call GetOSSBucketAttachment."""
        return inspect_openapi.imm_project(bucket, self._imm)

    def has_topic(self, name: str) -> bool:
        """Call GetTopicAttributes."""
        try:
            with translated_errors(f"reading the attributes of topic {name}"):
                self._account.get_topic(name).get_attributes()
        except SinkTargetNotFound:
            return False
        return True

    def queue(self, name: str) -> QueueFacts | None:
        """Call GetQueueAttributes and BatchPeekMessage, which hides no message."""
        queue = SmqQueue(self._account, name)
        try:
            count = queue.count()
        except SinkTargetNotFound:
            return None
        since = min((message.enqueued_at for message in queue.peek()), default=None)
        return QueueFacts(name, max(count, 1 if since else 0), since)

    def function(self, name: str) -> FunctionFacts | None:
        """Call GetFunction, GetAsyncInvokeConfig and ListTriggers."""
        return inspect_openapi.function(name, self._fc)

    def open_jobs(self) -> list[OpenJob]:
        """List the markers, and the facts of jobs past their deadline; in a versioned bucket, too."""
        store, now = self._context.store, self._context.clock.now()
        deadline = timedelta(seconds=self._settings.deadline_s)
        opened = store.open_jobs()
        past = [job_id for job_id in opened if now - uploaded_at(job_id) >= deadline]
        listed = {job.id: job for job in store.listed(past)}
        late = [listed.get(job_id, Job(job_id))._replace(opened_at=opened[job_id]) for job_id in past]
        known = {job.id: _late_job(job, now - deadline_start(job) - deadline) for job in late}
        return [known.get(job_id) or OpenJob(job_id, uploaded_at(job_id)) for job_id in opened]

    def switched_off_sinks(self) -> list[str]:
        """List the objects that switch sinks off."""
        return [ref.uri for ref in self._context.store.disabled_sinks()]


def _late_job(job: Job, late: timedelta) -> OpenJob:
    """Return a job that is past its deadline by `late`, unless that is negative."""
    pending = tuple(pending_sinks(job)) if job.has(DECISION) else ()
    return OpenJob(job.id, uploaded_at(job.id), late if late > timedelta() else None, pending)
