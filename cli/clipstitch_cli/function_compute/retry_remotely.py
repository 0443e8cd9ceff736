"""Brings jobs on by calling the deployed functions, with their rights: nothing is done by the command but to look."""

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

SUBMIT, SWEEP = "-submit", "-sweep"  # how the names of functions end in s.yaml
NOT_STARTED = ("received", "waiting", "planned")


class NotHelped(ClipstitchError):
    """The sweep looked at a job, and could not bring it on."""

    code = "SWEEP_TROUBLE"
    remedy = "The sweep's log has a line `sweep-trouble` that says why; docs/operate.md goes on from there."


class Deployed(NamedTuple):
    """The functions of a deployment by their names, who calls them, and the cloud in which their jobs can be seen."""

    invoker: "Invoker"
    cloud: Context
    submit_name: str
    sweep_name: str

    def submit(self, manifest: ObjectRef) -> Job | None:
        """Have a manifest submitted, as its upload would; None when there is no job in it. `ObjectNotFound`."""
        event = upload_event(manifest, self.cloud.objects.describe(manifest), self.cloud.settings.oss_region)
        return next(self.answered(self.submit_name, event), None)

    def bring_on(self, job_id: str) -> Job:
        """Have submit plan and start a job that was not started, or else the sweep look after it; `NotHelped`."""
        store = self.cloud.store(self.cloud.settings.bucket)
        job = store.load(job_id)
        if job.closed or (job.state in NOT_STARTED and self._submitted(job_id, store.manifest_of(job_id))):
            return store.load(job_id)
        report = _answer(self.invoker.invoke(self.sweep_name, b"{}"))
        if job_id in report.get("troubled", ()):
            raise NotHelped(f"{self.sweep_name} could not bring {job_id} on")
        return store.load(job_id)

    def _submitted(self, job_id: str, manifest: ObjectRef) -> bool:
        """Have a job's manifest submitted; False when it is not the job's any more."""
        try:
            job = self.submit(manifest)
        except ObjectNotFound:
            return False
        return job is not None and job.id == job_id

    def answered(self, function: str, event: bytes) -> Iterator[Job]:
        """Call a function, and yield the jobs that it answers with, as they are now."""
        store = self.cloud.store(self.cloud.settings.bucket)
        yield from (store.load(name) for name in _answer(self.invoker.invoke(function, event)) if is_job_id(name))


def function_names(names: Iterable[str]) -> tuple[str, str]:
    """Find the submit and the sweep function among those of a deployment."""
    known = list(names)
    found = [next((name for name in known if name.endswith(end)), "") for end in (SUBMIT, SWEEP)]
    if not all(found):
        raise InvalidSettings(
            f"s.yaml has no functions that end in {SUBMIT} and {SWEEP}, but {', '.join(known) or 'none'}"
        )
    return found[0], found[1]


def upload_event(manifest: ObjectRef, about: ObjectInfo, region: str) -> bytes:
    """Write what OSS tells a function of an upload (FC, "Formats of event for different triggers", 2026-04)."""
    where = {
        "bucket": {"name": manifest.bucket},
        "object": {"key": manifest.key, "eTag": about.etag, "size": about.size},
    }
    record = {
        "eventName": "ObjectCreated:PutObject",
        "eventSource": "acs:oss",
        "eventTime": timestamp(about.last_modified),
        "eventVersion": "1.0",
        "oss": {"ossSchemaVersion": "1.0", **where},
        "region": region,
    }
    return json.dumps({"events": [record]}).encode()


def _answer(body: bytes) -> dict[str, Any]:
    r"""Read what our functions answer, JSON; also where a runtime has made JSON of that text again.

    >>> _answer(b'{"a": 1}'), _answer(b'"{\\"a\\": 1}"'), _answer(b"gone")
    ({'a': 1}, {'a': 1}, {})
    """
    value: Any = body
    try:
        while isinstance(value, bytes | str):
            value = json.loads(value)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
