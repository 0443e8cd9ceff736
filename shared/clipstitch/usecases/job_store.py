"""Facts, kept as objects. Knows their names and the order in which a job is cleared away; decides nothing.

Most facts need no care: written twice they say the same. Three documents about a job are create-once (the plan, the
verdict, the result): of two runs that know different things, one decides and the other reads. A fourth, the claim, says
which of several ended steps starts the one that waited for them all.
"""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any
from urllib.parse import quote

from clipstitch.common.errors import AlreadyExists, ObjectNotFound
from clipstitch.common.identifiers import ObjectRef, day_of, is_job_id
from clipstitch.common.ports import ObjectHeaders, ObjectStore
from clipstitch.jobs.job import CLAIMED, CLOSED, DECISION, PLANNED, RESULT, Decision, Fact, Failure, Job, Result
from clipstitch.planning.plan import WORK, Plan

_JSON = ObjectHeaders("application/json")
OPEN, JOBS, TASKS, SINKS = "open/", "jobs/", "tasks/", "sinks/"
PROGRESS = "sweep.json"
_STEP_TARGET = re.compile(r"([^/]+)/step-([0-9]{3,9})\.[^/]+")


class JobStore:
    """What is known about the jobs of one bucket."""

    def __init__(self, objects: ObjectStore, bucket: str, prefix: str) -> None:
        self._objects = objects
        self._bucket = bucket
        self._prefix = prefix

    def load(self, job_id: str) -> Job:
        """Return a job as its facts have it now; one without facts when nothing is known."""
        return self.refresh(Job(job_id))

    def refresh(self, job: Job) -> Job:
        """Return a job with what became known since; create-once documents that it has already are not read again."""
        at = self._at(job.id)
        named = (Fact.named(listed.key.removeprefix(at)) for listed in self._objects.list(self._bucket, at))
        job = job.with_facts(*(fact for fact in named if fact))
        plan, decision, result = job.plan, job.decision, job.result
        if plan is None and job.has(PLANNED):
            plan = Plan.from_json(self._read(job.id, Fact(PLANNED)))
        if decision is None and job.has(DECISION):
            decision = Decision.from_json(self._read(job.id, Fact(DECISION)))
        if result is None and job.has(RESULT):
            result = Result.from_json(self._read(job.id, Fact(RESULT)))
        return job._replace(plan=plan, decision=decision, result=result)

    def open(self, job_id: str, manifest: ObjectRef) -> None:
        """Mark the job as open, before anything else is written about it; the marker keeps the time of the first."""
        with suppress(AlreadyExists):
            self._write(self._marker(job_id), {"manifest": manifest.uri}, once=True)

    def manifest_of(self, job_id: str) -> ObjectRef:
        """Return the manifest of an open job."""
        return ObjectRef.parse(json.loads(self._objects.read(self._marker(job_id)).body)["manifest"])

    def opened(self, job_id: str) -> datetime:
        """Return since when a job is open; `ObjectNotFound` when it is not."""
        return self._objects.describe(self._marker(job_id)).last_modified

    def add(self, job: Job, fact: Fact, document: Mapping[str, Any]) -> Job:
        """Remember a fact; saying it twice is fine."""
        self._write(self._fact(job.id, fact), document)
        return job.with_facts(fact)

    def plan(self, job: Job, plan: Plan) -> Job:
        """Freeze the plan, once; the job comes back with the plan that counts."""
        document = self._once(job.id, Fact(PLANNED), plan.as_json())
        return job.with_facts(Fact(PLANNED))._replace(plan=Plan.from_json(document))

    def judge(self, job: Job, decision: Decision) -> Job:
        """Decide the job, once; the job comes back with the verdict that counts."""
        document = self._once(job.id, Fact(DECISION), decision.as_json())
        return job.with_facts(Fact(DECISION))._replace(decision=Decision.from_json(document))

    def settle(self, job: Job, result: Result) -> Job:
        """Write down what became of publishing, once; the job comes back with the result that counts."""
        document = self._once(job.id, Fact(RESULT), result.as_json())
        return job.with_facts(Fact(RESULT))._replace(result=Result.from_json(document))

    def claim(self, job: Job, step: int, by: int, at: str) -> bool:
        """Take the start of a step upon oneself, for the end of step `by`; False when another step's end has taken it.

        Of siblings that end at the same time one starts their parent, and it is the same one when its notice comes
        again after a crash.
        """
        return self._once(job.id, Fact(CLAIMED, step), {"by": by, "at": at})["by"] == by  # type: ignore[no-any-return]

    def failure(self, job: Job, fact: Fact) -> Failure:
        """Read why a step failed."""
        document = self._read(job.id, fact)
        return Failure(document["code"], document["message"], document["remedy"])

    def document(self, job_id: str, fact: Fact) -> Mapping[str, Any]:
        """Read what was written down with a fact; `ObjectNotFound` when it is not known."""
        return self._read(job_id, fact)

    def point(self, task_id: str, job_id: str, step: int) -> None:
        """Let a notice that names only its task find the job."""
        self._write(self._ref(f"{TASKS}{task_id}"), {"job": job_id, "step": step})

    def follow(self, task_id: str) -> tuple[str, int] | None:
        """Return job and step of a task, if it is one of ours."""
        try:
            pointer = json.loads(self._objects.read(self._ref(f"{TASKS}{task_id}")).body)
        except ObjectNotFound:
            return None
        return pointer["job"], pointer["step"]

    def pointers(self) -> Iterator[tuple[str, datetime]]:
        """Yield the tasks that can be followed, and since when."""
        prefix = self._prefix + TASKS
        for listed in self._objects.list(self._bucket, prefix):
            yield listed.key.removeprefix(prefix), listed.last_modified

    def forget(self, task_id: str) -> None:
        """Remove a pointer."""
        self._objects.delete([self._ref(f"{TASKS}{task_id}")])

    def switch_off(self, sink: str, document: Mapping[str, Any]) -> None:
        """Send nothing to a sink any more, until the operator removes the object that says so."""
        self._write(self.switch(sink), document)

    def off(self, sink: str) -> bool:
        """Say whether a sink is switched off."""
        try:
            self._objects.describe(self.switch(sink))
        except ObjectNotFound:
            return False
        return True

    def switch(self, sink: str) -> ObjectRef:
        """Name the object that is there while a sink is switched off."""
        return self._ref(f"{SINKS}{quote(sink, safe='')}.off")

    def close(self, job: Job, at: str) -> Job:
        """Remember that all is done, then clear away; the marker goes last, so that a crash is noticed."""
        job = self.add(job, Fact(CLOSED), {"at": at, "state": job.state})
        self.clear(job)
        return job

    def clear(self, job: Job) -> None:
        """Remove what only the work needed. Safe to repeat."""
        self._objects.delete(self._leftovers(job))
        self._objects.delete([self._marker(job.id)])

    def _leftovers(self, job: Job) -> Iterator[ObjectRef]:
        """Name the step targets and the task pointers."""
        if job.plan:
            yield from (step.target for step in job.plan.steps)
        tasks = sorted(fact.detail for fact in job.facts if fact.detail not in ("", REFUSED) and fact.step is not None)
        yield from (self._ref(f"{TASKS}{task}") for task in dict.fromkeys(tasks))

    def open_jobs(self) -> list[str]:
        """Name all open jobs by their ids, oldest first."""
        prefix = self._prefix + OPEN
        names = (listed.key.removeprefix(prefix) for listed in self._objects.list(self._bucket, prefix))
        return [name for name in names if is_job_id(name)]

    def jobs_of(self, day: str) -> list[str]:
        """Name all jobs of a day (YYYY-MM-DD) by their ids, oldest first; a request for a thousand."""
        return [
            name for name in self._objects.list_folders(self._bucket, f"{self._prefix}{JOBS}{day}/") if is_job_id(name)
        ]

    def progress(self) -> Mapping[str, Any]:
        """Return how far the last sweep came, as it wrote that down."""
        try:
            return json.loads(self._objects.read(self._ref(PROGRESS)).body)  # type: ignore[no-any-return]
        except ObjectNotFound:
            return {}

    def keep_progress(self, document: Mapping[str, Any]) -> None:
        """Remember how far a sweep came, for the next one."""
        self._write(self._ref(PROGRESS), document)

    def _once(self, job_id: str, fact: Fact, document: Mapping[str, Any]) -> Mapping[str, Any]:
        """Write a document if there is none, and return the one that is there."""
        try:
            self._write(self._fact(job_id, fact), document, once=True)
        except AlreadyExists:
            pass
        else:
            return _plain(document)
        return self._read(job_id, fact)

    def _write(self, ref: ObjectRef, document: Mapping[str, Any], *, once: bool = False) -> None:
        """Store a document."""
        self._objects.write(ref, _encode(document), _JSON, once=once)

    def _read(self, job_id: str, fact: Fact) -> Mapping[str, Any]:
        """Read a fact's document."""
        return json.loads(self._objects.read(self._fact(job_id, fact)).body)  # type: ignore[no-any-return]

    def _marker(self, job_id: str) -> ObjectRef:
        return self._ref(f"{OPEN}{job_id}")

    def _fact(self, job_id: str, fact: Fact) -> ObjectRef:
        return ObjectRef(self._bucket, self._at(job_id) + fact.name)

    def _at(self, job_id: str) -> str:
        return f"{self._prefix}{JOBS}{day_of(job_id)}/{job_id}/"

    def _ref(self, name: str) -> ObjectRef:
        return ObjectRef(self._bucket, self._prefix + name)


REFUSED = "refused"  # stands for the task of a step that the cloud would not start


def job_of_step_target(key: str, prefix: str) -> tuple[str, int] | None:
    """Return job and step that a step target's key names; None for any other key."""
    parts = _STEP_TARGET.fullmatch(key.removeprefix(prefix + WORK))
    if not key.startswith(prefix + WORK) or parts is None or not is_job_id(parts[1]):
        return None
    return parts[1], int(parts[2])


def _encode(document: Mapping[str, Any]) -> bytes:
    """Write a document as people can read it."""
    return json.dumps(document, ensure_ascii=False, indent=1, sort_keys=True).encode()


def _plain(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a document as a reader will get it."""
    return json.loads(_encode(document))  # type: ignore[no-any-return]
