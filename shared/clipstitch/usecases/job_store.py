"""The facts of jobs, kept as objects below the state prefix.

The job store knows the keys and the order in which a job is cleaned up; it decides nothing. Most facts may be written
twice, since they say the same. Three documents of a job are create-once (the plan, the decision, the result): of two
runs that know different things, one decides and the other reads. A fourth, the claim, names the step whose end starts
the next one, if several end together.
"""

import json
import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from functools import partial
from itertools import groupby
from typing import Any, TypeVar
from urllib.parse import quote, unquote

from clipstitch.common.clock import Clock, timestamp
from clipstitch.common.errors import (
    AlreadyExists,
    NewerState,
    ObjectNotFound,
    StateBucketVersioned,
    StateUnreadable,
)
from clipstitch.common.identifiers import ObjectRef, day_of, is_job_id
from clipstitch.common.logging import log_error
from clipstitch.common.ports import PAGE, ObjectHeaders, ObjectStore, Workers, call_together, find_object
from clipstitch.jobs.job import (
    CLAIMED,
    CLOSED,
    DECISION,
    DELIVERED,
    PLANNED,
    REFUSED,
    RESULT,
    Decision,
    Fact,
    Failure,
    Job,
    Result,
)
from clipstitch.planning.plan import WORK, Plan

# The format of all documents. Increment it when an earlier version would misread a document or overlook a new fact: it
# then refuses the job, and leaves it to the later version. A field that may be ignored needs no new format.
FORMAT = 1
TASKS = "tasks/"  # the pointers of tasks to their steps
_OPEN, _JOBS, _SINKS = "open/", "jobs/", "sinks/"
_JSON = ObjectHeaders("application/json")
_STEP_TARGET = re.compile(r"([^/]+)/step-([0-9]{3,9})\.[^/]+")
# The create-once documents: the kind of their fact, and the field of the job that holds them.
_CREATE_ONCE: Mapping[Any, tuple[str, str]] = {
    Plan: (PLANNED, "plan"),
    Decision: (DECISION, "decision"),
    Result: (RESULT, "result"),
}
V = TypeVar("V", Plan, Decision, Result)


class JobStore:
    """The facts of all jobs in one bucket.

    `unversioned` remembers, for as long as a function instance lives, the buckets that are known to have no versioning.
    """

    def __init__(
        self, objects: ObjectStore, bucket: str, prefix: str, clock: Clock, unversioned: set[str], workers: Workers
    ) -> None:
        self._objects = objects
        self._workers = workers
        self._bucket = bucket
        self._prefix = prefix
        self._clock = clock
        self._unversioned = unversioned

    def load(self, job_id: str, *, planned: bool = False) -> Job:
        """Return a job as its facts describe it; a job without facts if nothing is recorded.

        If it is probably `planned`, the plan is read while the facts are listed.
        """
        if not planned:
            return self.refresh(Job(job_id))
        facts, plan = call_together(self._workers, partial(self._facts, job_id), partial(self._plan_if_any, job_id))
        return self._with_documents(Job(job_id, facts, plan))

    def refresh(self, job: Job) -> Job:
        """Return the job with the facts that were recorded since; plan, decision and result are not read twice."""
        return self._with_documents(job.with_facts(self._facts(job.id)))

    def _facts(self, job_id: str) -> dict[Fact, datetime]:
        prefix = self._job_prefix(job_id)
        listed = self._objects.list(self._bucket, prefix)
        named = [(_fact(found.key.removeprefix(prefix), job_id), found.last_modified) for found in listed]
        return {fact: at for fact, at in named if fact}

    def _plan_if_any(self, job_id: str) -> Plan | None:
        with suppress(ObjectNotFound):
            plan: Plan | None = self._value_if_readable(Plan, job_id)
            return plan
        return None

    def _with_documents(self, job: Job) -> Job:
        documents: dict[str, Any] = {
            field: self._value_if_readable(cls, job.id)
            for cls, (kind, field) in _CREATE_ONCE.items()
            if getattr(job, field) is None and job.has(kind)
        }
        return job._replace(**documents)

    def value(self, cls: type[V], job_id: str) -> V:
        """Return the plan, the decision or the result of a job. Raises `ObjectNotFound`, and `StateUnreadable`."""
        found: V = self._value(cls, job_id, self.document(job_id, Fact(_CREATE_ONCE[cls][0])))
        return found

    def _value_if_readable(self, cls: Any, job_id: str) -> Any:
        """Return the plan, the decision or the result of a job; None, and log it, if the document is damaged."""
        try:
            return self.value(cls, job_id)
        except StateUnreadable as error:
            log_error("state-unreadable", error, job=job_id)
            return None

    def _value(self, cls: Any, job_id: str, document: Mapping[str, Any]) -> Any:
        """Return what a document says. Raises `StateUnreadable` if fields are missing or of another type."""
        try:
            return cls.from_json(document)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            ref = self.fact_ref(job_id, Fact(_CREATE_ONCE[cls][0]))
            raise StateUnreadable(f"{ref.uri} is not complete: {type(error).__name__}: {error}") from error

    def mark_open(self, job_id: str, manifest: ObjectRef) -> bool:
        """Record that the job is open, before anything else; return False if it was already.

        The first time that it was opened counts. A closed job is open again after this, until its facts are read.
        In a versioned bucket the marker is deleted again; other create-once writes there would not be harmless.
        """
        marker = self.marker(job_id)
        with suppress(AlreadyExists):
            self._learn(self._objects.write(marker, _encode({"manifest": manifest.uri}), _JSON, once=True))
            if self._bucket not in self._unversioned:
                self._objects.delete([marker])
            self._require_unversioned()
            return True
        return False

    def manifest_of(self, job_id: str) -> ObjectRef:
        """Return the manifest of an open job; raise `ObjectNotFound` if it is not open."""
        marker = self.marker(job_id)
        try:
            return ObjectRef.parse(self._read(marker)["manifest"])
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise StateUnreadable(f"{marker.uri} names no manifest") from error

    def opened_at(self, job_id: str) -> datetime:
        """Return when a job was opened; raise `ObjectNotFound` if it is not open."""
        return self._objects.describe(self.marker(job_id)).last_modified

    def open_jobs(self) -> dict[str, datetime]:
        """Return the ids of all open jobs, oldest first, with the time at which each was opened."""
        prefix = self._prefix + _OPEN
        listed = [(found.key.removeprefix(prefix), found.last_modified) for found in self._list(prefix)]
        return {name: opened_at for name, opened_at in listed if is_job_id(name)}

    def jobs_of_day(self, day: str, after: str = "") -> Iterator[str]:
        """Yield the ids of all jobs of a day (YYYY-MM-DD), oldest first, that come after a name.

        One request per thousand.
        """
        found = self._objects.list_folders(self._bucket, f"{self._prefix}{_JOBS}{day}/", after)
        yield from filter(is_job_id, found)

    def listed_of_day(self, day: str, after: str = "") -> Iterator[Job]:
        """Yield the jobs of a day (YYYY-MM-DD) whose ids are greater than `after`, oldest first, without documents.

        One request per thousand facts. Facts that only a later version knows are left out.
        """
        start = f"{self._job_prefix(after)}~" if after and day_of(after) == day else ""
        for job, _ in self._listed_jobs(f"{day}/", start):
            yield job

    def listed(self, job_ids: Iterable[str]) -> Iterator[Job]:
        """Yield those of some jobs that have facts, oldest first, without documents.

        At most two requests per job, and about one per thousand facts of all jobs from the first to the last.
        """
        missing = deque(sorted(job_ids))
        while missing:
            for job, count in self._listed_jobs("", self._job_prefix(missing[0])):
                while missing and missing[0] < job.id:
                    missing.popleft()  # it has no facts
                if missing and missing[0] == job.id:
                    missing.popleft()
                    yield job
                if not missing or (count >= PAGE and missing[0] > job.id):
                    break  # the next one may be many pages away
            else:
                return

    def _listed_jobs(self, folder: str, after: str) -> Iterator[tuple[Job, int]]:
        """Yield the jobs of a folder that come after a key, each with the number of objects listed until its end."""
        root, count = self._prefix + _JOBS, 0
        listed = self._objects.list(self._bucket, root + folder, after)
        for path, objects in groupby(listed, lambda found: found.key.rpartition("/")[0]):
            found, job_id = list(objects), path.rpartition("/")[2]
            count += len(found)
            if is_job_id(job_id) and path == self._job_prefix(job_id)[:-1]:
                named = ((Fact.parse(each.key[len(path) + 1 :]), each.last_modified) for each in found)
                yield Job(job_id, {fact: at for fact, at in named if fact}), count

    def find(self, id_prefix: str) -> list[str]:
        """Return the ids of all jobs, open and closed, that begin with a prefix; list only days that it can be in."""
        day = day_of(id_prefix).rstrip("-") if id_prefix[:8].isdecimal() else ""
        found = set[str]()
        for folder, key_prefix, position in ((_JOBS, day, 1), (_OPEN, id_prefix, 0)):
            prefix = self._prefix + folder
            for listed in self._list(prefix + key_prefix):
                found.update(listed.key.removeprefix(prefix).split("/")[position : position + 1])
        return sorted(name for name in found if is_job_id(name) and name.startswith(id_prefix))

    def objects_of(self, job_id: str) -> list[ObjectRef]:
        """Return the marker and all facts of a job."""
        facts = [ObjectRef(self._bucket, listed.key) for listed in self._list(self._job_prefix(job_id))]
        return [self.marker(job_id), *facts]

    def add(self, job: Job, fact: Fact, document: Mapping[str, Any] | None = None) -> Job:
        """Record a fact, with the time; return the job with it. Recording it again is harmless."""
        now = self._clock.now()
        self._write(self.fact_ref(job.id, fact), {"at": timestamp(now), **(document or {})})
        return job.with_fact(fact, now)

    def record(self, job: Job, value: Plan | Decision | Result) -> Job:
        """Record the plan, the decision or the result, create-once; return the job with the one that counts.

        If it was recorded before, the job is read again: a decision counts together with its plan. A decision or
        a result that is damaged is replaced, since the job could not end otherwise; a plan is not: tasks may follow it.
        """
        kind, field = _CREATE_ONCE[type(value)]
        ref, document = self.fact_ref(job.id, Fact(kind)), value.as_json()
        try:
            existing = self._write_once(ref, document)
            recorded: dict[str, Any] = {field: self._value(type(value), job.id, existing or _as_read(document))}
        except StateUnreadable as error:
            if isinstance(value, Plan):
                raise
            log_error("state-replaced", error, job=job.id)
            self._write(ref, document)
            existing, recorded = None, {field: value}
        job = job.with_fact(Fact(kind), self._clock.now())._replace(**recorded)
        return self.refresh(job) if existing else job

    def claim(self, job: Job, step: int, by: int) -> bool:
        """Claim the start of a step for the end of step `by`; return False if the end of another step has claimed it.

        Of several steps that end together one starts the step that needs them all, and the same one if its completion
        notification is delivered again after a crash.
        """
        ref = self.fact_ref(job.id, Fact(CLAIMED, step))
        claim = self._write_once(ref, {"by": by, "at": timestamp(self._clock.now())})
        return claim is None or bool(claim.get("by") == by)

    def failure(self, job: Job, fact: Fact) -> Failure:
        """Return why a step failed."""
        document = self.document(job.id, fact)
        return Failure(document["code"], document["message"], document["remedy"])

    def document(self, job_id: str, fact: Fact) -> Mapping[str, Any]:
        """Return what was recorded with a fact; raise `ObjectNotFound` if there is no such fact."""
        return self._read(self.fact_ref(job_id, fact))

    def point_to_step(self, task_id: str, job_id: str, step: int) -> None:
        """Record to which step a task belongs, for completion notifications that name only the task."""
        self._write(self._pointer(task_id, job_id, step), {})

    def step_of_task(self, task_id: str) -> tuple[str, int] | None:
        """Return the job and the step of a task; None if the task is unknown."""
        prefix = self._prefix + TASKS
        for listed in self._list(f"{prefix}{quote(task_id, safe='')}~"):
            if (pointer := _parse_pointer(listed.key.removeprefix(prefix))) and pointer[0] == task_id:
                return pointer[1:]
        return None

    def disable_sink(self, sink: str, document: Mapping[str, Any]) -> None:
        """Send nothing to a sink any more, until the operator deletes the object that this writes."""
        self._write(self.disabled_sink_ref(sink), document)

    def is_sink_disabled(self, sink: str) -> bool:
        """Return True if a sink is disabled."""
        return find_object(self._objects, self.disabled_sink_ref(sink)) is not None

    def disabled_sinks(self) -> list[ObjectRef]:
        """Return the objects that disable sinks."""
        listed = self._list(self._prefix + _SINKS)
        return [ObjectRef(self._bucket, found.key) for found in listed if found.key.endswith(".off")]

    def disabled_sink_ref(self, sink: str) -> ObjectRef:
        """Return the object that exists while a sink is disabled."""
        return self._ref(f"{_SINKS}{quote(sink, safe='')}.off")

    def close(self, job: Job) -> Job:
        """Record that the job is closed, then delete its working files; the marker last, in case of a crash.

        The name of the fact has the final state, so that a list of jobs reads no document. The document names the sinks
        that have the event: there are no facts of them if all accepted it at once.
        """
        job = self.add(job, Fact(CLOSED, detail=job.state), {"delivered": sorted(job.details(DELIVERED))})
        self.delete_working_files(job)
        return job

    def delete_working_files(self, job: Job, tasks: Iterable[tuple[str, int]] = ()) -> None:
        """Delete step targets, task pointers (those of `tasks`, by id and step, too) and the marker of a closed job.

        Harmless to repeat. The marker comes last; what a crash may leave behind, the sweep deletes as orphans.
        """
        known = [
            (fact.task, fact.step)
            for fact in sorted(job.facts)
            if fact.step is not None and fact.task not in ("", REFUSED)
        ]
        targets = [step.target for step in job.plan.steps] if job.plan else []
        pointers = [self._pointer(task, job.id, step) for task, step in dict.fromkeys([*known, *tasks])]
        self._objects.delete([*targets, *pointers, self.marker(job.id)])

    def sweep_document(self, name: str) -> Mapping[str, Any]:
        """Return what a sweep has saved for the next one; an empty mapping if nothing was, or it cannot be read."""
        try:
            return self._read(self._ref(name))
        except ObjectNotFound:
            return {}
        except (NewerState, StateUnreadable) as error:
            log_error("sweep-progress-unreadable", error)
            return {}

    def save_sweep_document(self, name: str, document: Mapping[str, Any]) -> None:
        """Save something for the next sweep."""
        self._write(self._ref(name), document)

    def fact_ref(self, job_id: str, fact: Fact) -> ObjectRef:
        """Return the object that records a fact."""
        return ObjectRef(self._bucket, self._job_prefix(job_id) + fact.name)

    def _write_once(self, ref: ObjectRef, document: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Write a document unless there is one; return the one that exists, None if there was none."""
        try:
            self._write(ref, document, once=True)
        except AlreadyExists:
            return self._read(ref)
        return None

    def _write(self, ref: ObjectRef, document: Mapping[str, Any], *, once: bool = False) -> None:
        if once:
            self._require_unversioned()
        self._learn(self._objects.write(ref, _encode(document), _JSON, once=once))

    def _learn(self, versioned: bool) -> None:
        """Remember what a write said about the versioning of the bucket."""
        (self._unversioned.discard if versioned else self._unversioned.add)(self._bucket)

    def _require_unversioned(self) -> None:
        """Raise `StateBucketVersioned` if the bucket has or had versioning: create-once writes would replace objects.

        OSS is asked only if no write has answered it before.
        """
        if self._bucket not in self._unversioned:
            if self._objects.is_versioned(self._bucket):
                message = f"bucket {self._bucket} has versioning, so OSS ignores x-oss-forbid-overwrite there"
                raise StateBucketVersioned(message)
            self._unversioned.add(self._bucket)

    def _read(self, ref: ObjectRef) -> Mapping[str, Any]:
        """Return a document; raise `StateUnreadable` if it is damaged, `NewerState` if a later version wrote it."""
        body = self._objects.read(ref).body
        try:
            document: Mapping[str, Any] = json.loads(body)
        except ValueError as error:
            raise StateUnreadable(f"{ref.uri} ({len(body)} bytes) is not valid JSON: {error}") from error
        if not isinstance(document, dict):
            raise StateUnreadable(f"{ref.uri} is not a JSON object")
        if document.get("format", FORMAT) > FORMAT:
            raise NewerState(f"{ref.uri} has format {document['format']}; this version knows up to {FORMAT}")
        return document

    def _list(self, prefix: str) -> Iterator[Any]:
        return self._objects.list(self._bucket, prefix)

    def marker(self, job_id: str) -> ObjectRef:
        """Return the object that exists while a job is open."""
        return self._ref(f"{_OPEN}{job_id}")

    def _pointer(self, task_id: str, job_id: str, step: int) -> ObjectRef:
        """Return the pointer of a task. Its name says everything, so that a listing of pointers needs no reads."""
        return self._ref(f"{TASKS}{quote(task_id, safe='')}~{job_id}~{step}")

    def _job_prefix(self, job_id: str) -> str:
        return f"{self._prefix}{_JOBS}{day_of(job_id)}/{job_id}/"

    def _ref(self, name: str) -> ObjectRef:
        return ObjectRef(self._bucket, self._prefix + name)


def step_of_target(key: str, state_prefix: str) -> tuple[str, int] | None:
    """Return the job and the step that the key of a step target names; None for any other key."""
    parts = _STEP_TARGET.fullmatch(key.removeprefix(state_prefix + WORK))
    if not key.startswith(state_prefix + WORK) or parts is None or not is_job_id(parts[1]):
        return None
    return parts[1], int(parts[2])


def job_of_working_file(name: str) -> str:
    """Return the job that a working file belongs to, by its key below `work/` or `tasks/`; "" if it names none.

    >>> job_of_working_file("20260102T030405Z-0123456789ab/step-000.mp3")
    '20260102T030405Z-0123456789ab'
    >>> job_of_working_file("MediaConvert-1~20260102T030405Z-0123456789ab~0")
    '20260102T030405Z-0123456789ab'
    """
    if pointer := _parse_pointer(name):
        return pointer[1]
    job_id = name.partition("/")[0]
    return job_id if is_job_id(job_id) else ""


def _parse_pointer(name: str) -> tuple[str, str, int] | None:
    """Return the task, the job and the step that the name of a pointer says; None for another name."""
    task, *place = name.rsplit("~", 2)
    if len(place) != 2 or not is_job_id(place[0]) or not place[1].isdecimal():
        return None
    return unquote(task), place[0], int(place[1])


def _fact(name: str, job_id: str) -> Fact | None:
    """Return the fact of a name, or None for another object. Raises `NewerState` for a fact of a later version."""
    fact = Fact.parse(name)
    if fact is None and Fact.may_be_newer(name):
        raise NewerState(f"job {job_id} has the fact {name}, which this version does not know")
    return fact


def _as_read(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a document as a reader would see it."""
    return json.loads(_encode(document))  # type: ignore[no-any-return] # a JSON object


def _encode(document: Mapping[str, Any]) -> bytes:
    return json.dumps({"format": FORMAT, **document}, ensure_ascii=False, indent=1, sort_keys=True).encode()
