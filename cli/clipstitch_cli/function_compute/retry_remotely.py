"""Recovers jobs by invoking the deployed functions, with their rights; the command itself only reads."""

import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from clipstitch.common.clock import timestamp
from clipstitch.common.errors import ClipstitchError, InvalidSettings, ObjectNotFound
from clipstitch.common.identifiers import ObjectRef, is_job_id
from clipstitch.common.ports import ObjectInfo
from clipstitch.jobs.job import Job
from clipstitch.usecases.context import Context

if TYPE_CHECKING:
    from clipstitch_cli.function_compute.clients import Invoker

SUBMIT, SWEEP = "-submit", "-sweep"  # how the functions' names end in s.yaml
NOT_STARTED = ("received", "waiting", "planned")
FAILED_JOBS = "failed"  # the field of the sweep's answer that lists the jobs it could not recover


class SweepFailed(ClipstitchError):
    """The sweep could not recover a job."""

    code = "SWEEP_TROUBLE"
    remedy = "The sweep's log has a line `recovery-failed` with the reason; docs/operate.md says what to do."


class DeployedFunctions(NamedTuple):
    """The functions of a deployment: how to invoke them, their names, and the context that reads their jobs."""

    invoker: "Invoker"
    context: Context
    submit_name: str
    sweep_name: str

    def submit(self, manifest: ObjectRef) -> Job | None:
        """Invoke submit with the event of an upload; return the job, None if there is none. Raises ObjectNotFound."""
        settings = self.context.settings
        event = upload_event(manifest, self.context.objects.describe(manifest), settings.oss_region)
        return next(self.invoke(self.submit_name, event), None)

    def recover(self, job_id: str) -> Job:
        """Invoke submit for a job that was not started, otherwise the sweep; return the job. Raises SweepFailed."""
        store = self.context.store
        job = store.load(job_id)
        if job.closed or (job.state in NOT_STARTED and self._submitted(job_id, store.manifest_of(job_id))):
            return store.load(job_id)
        report = parse_answer(self.invoker.invoke(self.sweep_name, b"{}"))
        if job_id in report.get(FAILED_JOBS, ()):
            raise SweepFailed(f"{self.sweep_name} could not recover {job_id}")
        return store.load(job_id)

    def _submitted(self, job_id: str, manifest: ObjectRef) -> bool:
        """Submit a job's manifest; return False if it does not exist, or belongs to another job by now."""
        try:
            job = self.submit(manifest)
        except ObjectNotFound:
            return False
        return job is not None and job.id == job_id

    def invoke(self, function: str, event: bytes) -> Iterator[Job]:
        """Invoke a function, and yield the jobs that its answer names."""
        store, answer = self.context.store, parse_answer(self.invoker.invoke(function, event))
        yield from (store.load(name) for name in answer if is_job_id(name))


def function_names(names: Iterable[str]) -> tuple[str, str]:
    """Return the names of submit and sweep among those of a deployment. Raises InvalidSettings."""
    known = list(names)
    submit, sweep = (next((name for name in known if name.endswith(suffix)), "") for suffix in (SUBMIT, SWEEP))
    if not (submit and sweep):
        listed = ", ".join(known) or "none"
        raise InvalidSettings(f"s.yaml has no functions that end in {SUBMIT} and {SWEEP}, but {listed}")
    return submit, sweep


def upload_event(manifest: ObjectRef, info: ObjectInfo, region: str) -> bytes:
    """Return the event of an upload as OSS sends it (FC, "Formats of event for different triggers", 2026-04)."""
    record = {
        "eventName": "ObjectCreated:PutObject",
        "eventSource": "acs:oss",
        "eventTime": timestamp(info.last_modified),
        "eventVersion": "1.0",
        "oss": {
            "ossSchemaVersion": "1.0",
            "bucket": {"name": manifest.bucket},
            "object": {"key": manifest.key, "eTag": info.etag, "size": info.size},
        },
        "region": region,
    }
    return json.dumps({"events": [record]}).encode()


def parse_answer(body: bytes) -> dict[str, Any]:
    r"""Return a function's answer, a JSON object; some runtimes encode the string that it is as JSON once more.

    >>> parse_answer(b'{"a": 1}'), parse_answer(b'"{\\"a\\": 1}"'), parse_answer(b"gone")
    ({'a': 1}, {'a': 1}, {})
    """
    value: Any = body
    try:
        while isinstance(value, bytes | str):
            value = json.loads(value)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
