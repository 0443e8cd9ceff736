"""IMM: projects, attached buckets, and media tasks that a bounded pool runs. No HTTP; both faces call it.

A task is on disk before its id is given away. It is run again after a crash, and its notice is sent again unless
it is known to be out: a task ends once, its notice comes at least once. The joined bytes depend on sources and
request alone, so running twice changes nothing.
"""

import logging
import queue
import shutil
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from localyun.clock import CloudClock
from localyun.errors import ServiceError
from localyun.faults import NO_FAULTS, FaultInjector
from localyun.imm import values
from localyun.imm.audio_info import AudioInfo
from localyun.imm.conversion import carry_out
from localyun.imm.errors import ImmError, invalid, not_found, transient_errors
from localyun.imm.ffmpeg import TASK_SECONDS, Ffmpeg
from localyun.imm.formats import check_encoding
from localyun.imm.process_string import read_process
from localyun.imm.requests import name_target, order
from localyun.imm.store import TaskStore
from localyun.imm.values import FAILED, RUNNING, SUCCEEDED, Accepted, Attachment, Project, Task
from localyun.imm.work import Source, Work
from localyun.oss.service import ObjectService

__all__ = ["Accepted", "Attachment", "Project", "Task", "TaskService"]

log = logging.getLogger(__name__)
STOP_SECONDS = 10.0


class TaskService:
    """Media tasks of all projects. Safe to use from many threads; `start` lets tasks run, `close` stops them."""

    def __init__(  # noqa: PLR0913 - its collaborators
        self,
        root: Path,
        clock: CloudClock,
        *,
        objects: ObjectService,
        publish: Callable[[str, str], object],
        account_id: str,
        region: str,
        workers: int = 2,
        seconds: float = TASK_SECONDS,
        faults: FaultInjector = NO_FAULTS,
    ) -> None:
        self.account_id = account_id
        self.region = region
        self._folder = root / "work"
        self._store = TaskStore(root / "tasks.sqlite")
        self._clock = clock
        self._objects = objects
        self._publish = publish
        self._faults = faults
        self._ffmpeg = Ffmpeg(seconds=seconds)
        self._info = AudioInfo(self._ffmpeg)
        self._waiting: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._workers = [threading.Thread(target=self._serve, name=f"imm-{n}") for n in range(workers)]
        self._lock = threading.Lock()
        self._state = "new"

    def create_project(self, name: str, *, description: str = "", service_role: str = "") -> bool:
        """Create a project; False if it exists, which changes nothing."""
        role = service_role or "AliyunIMMDefaultRole"
        return self._store.add_project(Project(name, self._clock.now(), description, role))

    def project(self, name: str) -> Project:
        """Return a project, or raise `ImmError`."""
        for project in self._store.projects():
            if project.name == name:
                return project
        raise not_found(f"Project {name}")

    def projects(self) -> list[Project]:
        """Return all projects by name."""
        return self._store.projects()

    def attach(self, bucket: str, project: str, *, description: str = "") -> None:
        """Attach a bucket to a project, in the place of an earlier one; a missing project raises `ImmError`."""
        self.project(project)
        self._store.attach(Attachment(bucket, project, self._clock.now(), description))

    def detach(self, bucket: str) -> None:
        """Detach a bucket; one that is not attached raises `ImmError`."""
        if not self._store.detach(bucket):
            raise not_found("Attachment")

    def attachment(self, bucket: str) -> str | None:
        """Return the name of the project a bucket is attached to."""
        found = self._store.attachment(bucket)
        return found.project if found else None

    def attachment_details(self, bucket: str) -> Attachment:
        """Return a bucket's attachment, or raise `ImmError`."""
        if found := self._store.attachment(bucket):
            return found
        raise not_found("Attachment")

    def submit_process(self, bucket: str, key: str, process: str) -> Accepted:
        """Accept an asynchronous process string for an object, or raise the `ServiceError` that OSS answers."""
        request_id = values.new_request_id(self._clock)
        try:
            project = self._project_of(bucket)
            plan, posted = read_process(process), self._objects.head(bucket, key)
            work = order(plan, posted, created=self._clock.now(), has_bucket=self._objects.has_bucket)
        except ImmError as error:
            raise values.imm_refusal(error, request_id) from error
        return self._accept(work, project, request_id)

    def submit(self, work: Work, project: str) -> Accepted:
        """Accept a task of IMM's own interface, or raise `ImmError`. The target may hold variables."""
        self.project(project)
        check_encoding(work.encoding)
        for source in work.sources:
            self._check_bucket(source.bucket)
        now = self._clock.now()
        named = name_target(work, uploaded=self._uploaded(work.sources[0]) or now, created=now)
        self._check_bucket(named.bucket)
        return self._accept(named, project, values.new_request_id(self._clock))

    def get(self, task_id: str) -> Task:
        """Return a task, or raise `ImmError`."""
        if task := self._store.get(task_id):
            return task
        raise not_found(f"Task {task_id}")

    def list(self, project: str = "", status: str = "") -> list[Task]:
        """Return the tasks of a project and a status ("" for any), newest first."""
        return self._store.list(project, status)

    def info(self, bucket: str, key: str) -> Mapping[str, Any]:
        """Describe an audio object (`audio/info`), or raise `ServiceError`."""
        request_id = values.new_request_id(self._clock)
        found = self._objects.head(bucket, key)
        try:
            self._project_of(bucket)
        except ImmError as error:
            raise values.imm_refusal(error, request_id) from error
        try:
            described = self._info.describe(found.file, f"oss://{bucket}/{key}")
        except ImmError as error:
            raise ServiceError(400, error.code, f"{error.text} {request_id}", ec="0056-00000001") from error
        return {"RequestId": request_id, **described}

    def start(self) -> None:
        """Run what is waiting, from before a restart too, and what comes."""
        with self._lock:
            if self._state != "new":
                return
            shutil.rmtree(self._folder, ignore_errors=True)
            for task_id in self._store.unfinished():
                self._waiting.put(task_id)
            self._state = "running"
        for worker in self._workers:
            worker.start()

    def close(self) -> None:
        """Stop at once. Tasks that are not over are run again by the next service on the same folder."""
        with self._lock:
            was, self._state = self._state, "closed"
        self._ffmpeg.stop()
        if was == "running":
            for _ in self._workers:
                self._waiting.put(None)
            for worker in self._workers:
                worker.join(STOP_SECONDS)
        if was != "closed":
            self._store.close()

    def _project_of(self, bucket: str) -> str:
        """Return the project of a bucket, which must exist and be attached."""
        self._check_bucket(bucket)
        if project := self.attachment(bucket):
            return project
        raise not_found("Attachment")

    def _uploaded(self, source: Source) -> datetime | None:
        """Return when a source was uploaded, if it is there yet."""
        try:
            return self._objects.head(source.bucket, source.key).last_modified
        except ServiceError:
            return None

    def _check_bucket(self, bucket: str) -> None:
        """Raise `ImmError` if there is no such bucket."""
        if not self._objects.has_bucket(bucket):
            raise invalid("bucket", f"{bucket} does not exist in {self.region}; create it or name another.")

    def _accept(self, work: Work, project: str, request_id: str) -> Accepted:
        """Store a task, then let it run."""
        task = Task(
            task_id=values.new_task_id(self._clock),
            event_id=values.new_event_id(self._clock),
            request_id=request_id,
            project=project,
            work=work,
            started=self._clock.now(),
        )
        with self._lock:
            self._store.add(task)
            if self._state == "running":
                self._waiting.put(task.task_id)
        return Accepted(task.event_id, task.request_id, task.task_id)

    def _serve(self) -> None:
        """Run tasks until told to stop; nothing that one task does ends the worker."""
        while (task_id := self._waiting.get()) is not None:
            if self._state == "closed":
                return
            try:
                task = self.get(task_id)
                self._finish(task)
                if task.status == RUNNING and self._faults.runs_task_twice():
                    self._finish(task)
            except Exception:
                if self._state != "closed":
                    log.exception("task %s is left as it is and will be taken up at the next start", task_id)

    def _finish(self, task: Task) -> None:
        """Run a task unless it is over, then send its notice."""
        if task.status == RUNNING:
            task = self._run(task)
            if self._state == "closed" and task.status == FAILED:
                return  # its FFmpeg was stopped, not wrong: the next service runs it again
            self._store.finish(task)
        self._tell(task)
        self._store.told(task.task_id)

    def _run(self, task: Task) -> Task:
        """Carry a task out and say how it ended."""
        folder = self._folder / task.task_id
        folder.mkdir(parents=True, exist_ok=True)
        try:
            self._faults.run_task(
                lambda: carry_out(task.work, self._objects, self._ffmpeg, folder, task.request_id), transient_errors()
            )
        except ImmError as error:
            return self._failed(task, error)
        except Exception as error:
            log.exception("task %s failed in a way that is nobody's mistake but ours", task.task_id)
            return self._failed(task, ImmError("InternalError", f"{type(error).__name__}: {error}"))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return replace(task, status=SUCCEEDED, ended=self._clock.now())

    def _failed(self, task: Task, error: ImmError) -> Task:
        """Say that a task failed, and why."""
        return replace(task, status=FAILED, code=error.code, message=error.text, ended=self._clock.now())

    def _tell(self, task: Task) -> None:
        """Send the notice that the request asked for; a topic that refuses it loses it, as in the cloud."""
        if not task.work.topic:
            return
        text = values.notice(task, account_id=self.account_id, region=self.region)
        try:
            self._publish(task.work.topic, text)
        except ServiceError as refusal:
            log.warning("notice of task %s to topic %s is lost: %s", task.task_id, task.work.topic, refusal)
