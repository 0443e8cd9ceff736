"""The rules of IMM: projects, attached buckets, and media tasks that a fixed number of workers run. No HTTP.

A task is stored before its id is returned. After a crash it runs again, and its notification is sent again unless it is
known to have been published: a task finishes once, its notification arrives at least once. The output depends only on
the sources and the request, so a second run has no further effect.
"""

import logging
import queue
import shutil
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from localyun.clock import CloudClock
from localyun.disk import DISK_ERRORS, DISK_FULL, RETRY_SECONDS, has_space, is_disk_full
from localyun.errors import ServiceError
from localyun.faults import NO_FAULTS, FaultInjector
from localyun.imm import values
from localyun.imm.audio_info import AudioInfo
from localyun.imm.errors import ImmError, invalid, not_found, transient_errors
from localyun.imm.ffmpeg import TASK_SECONDS, Ffmpeg
from localyun.imm.output_formats import check_encoding
from localyun.imm.process_string import parse_process
from localyun.imm.resolve import resolve_process, resolve_target
from localyun.imm.run_task import run_task
from localyun.imm.store import TaskStore
from localyun.imm.task_spec import TaskSpec
from localyun.imm.values import FAILED, RUNNING, SUCCEEDED, BucketAttachment, MediaTask, Project
from localyun.oss.service import ObjectService
from localyun.oss.values import AcceptedTask

log = logging.getLogger(__name__)
STOP_SECONDS = 10.0


class TaskService:
    """The media tasks of all projects. Thread-safe; `start` runs tasks, `close` stops them.

    `role_may(project, "oss:GetObject", bucket, key)` returns True if the service role of a project has a permission.
    """

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
        role_may: Callable[[str, str, str, str], bool] = lambda *_: True,
        faults: FaultInjector = NO_FAULTS,
    ) -> None:
        self.account_id = account_id
        self.region = region
        self._folder = root / "work"
        self._store = TaskStore(root / "tasks.sqlite")
        self._clock = clock
        self._objects = objects
        self._publish = publish
        self._role_may = role_may
        self._faults = faults
        self._ffmpeg = Ffmpeg(seconds=seconds)
        self._info = AudioInfo(self._ffmpeg)
        self._waiting: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._workers = [threading.Thread(target=self._work, name=f"imm-{n}") for n in range(workers)]
        self._lock = threading.Lock()
        self._state = "new"
        self._closing = threading.Event()

    def create_project(self, name: str, *, description: str = "", service_role: str = "") -> bool:
        """Create a project; return False, and change nothing, if it exists."""
        role = service_role or values.DEFAULT_ROLE
        return self._store.add_project(Project(name, self._clock.now(), description, role))

    def update_project(self, name: str, *, description: str = "", service_role: str = "") -> None:
        """Change what is given: the description, the role that IMM assumes. Raises `ImmError`."""
        old = self.project(name)
        role = service_role or old.service_role
        self._store.update_project(replace(old, description=description or old.description, service_role=role))

    def delete_project(self, name: str) -> None:
        """Delete a project; raise `ImmError` if it does not exist or a bucket is attached to it."""
        self.project(name)
        if self._store.attached_to(name):
            # IMM "DeleteProject", error codes, read 2026-11: StatusConflict, 400.
            raise ImmError(
                "StatusConflict", f"Project {name} cannot be deleted while buckets are attached; detach them."
            )
        self._store.delete_project(name)

    def project(self, name: str) -> Project:
        """Return a project; raise `ImmError` if it does not exist."""
        for project in self._store.projects():
            if project.name == name:
                return project
        raise not_found(f"Project {name}")

    def projects(self) -> list[Project]:
        """Return all projects in order of their names."""
        return self._store.projects()

    def attach(self, bucket: str, project: str, *, description: str = "") -> None:
        """Attach a bucket to a project, replacing an earlier attachment; raise `ImmError` for an unknown project."""
        self.project(project)
        self._store.attach(BucketAttachment(bucket, project, self._clock.now(), description))

    def detach(self, bucket: str) -> None:
        """Detach a bucket; raise `ImmError` if it is not attached."""
        if not self._store.detach(bucket):
            raise not_found("Attachment")

    def attachment(self, bucket: str) -> str | None:
        """Return the name of the project that a bucket is attached to, or None."""
        found = self._store.attachment(bucket)
        return found.project if found else None

    def attachment_details(self, bucket: str) -> BucketAttachment:
        """Return a bucket's attachment; raise `ImmError` if it is not attached."""
        if found := self._store.attachment(bucket):
            return found
        raise not_found("Attachment")

    def submit_process(
        self, bucket: str, key: str, process: str, check_target: Callable[[str, str], None] = lambda *_: None
    ) -> AcceptedTask:
        """Accept an asynchronous process string for an object; raise the `ServiceError` with which OSS answers.

        `check_target` receives bucket and key of the target, and may raise a `ServiceError` of OSS.
        """
        request_id = values.new_request_id(self._clock)
        try:
            project = self._project_of(bucket)
            parsed, posted = parse_process(process), self._objects.read(bucket, key)
            spec = resolve_process(parsed, posted, created=self._clock.now(), has_bucket=self._objects.has_bucket)
        except ImmError as error:
            raise values.imm_refusal(error, request_id) from error
        check_target(spec.bucket, spec.key)
        return self._accept(spec, project, request_id)

    def submit(self, spec: TaskSpec, project: str) -> AcceptedTask:
        """Accept a task of IMM's own API, whose target may have variables; raise `ImmError` if it is not valid."""
        self.project(project)
        check_encoding(spec.encoding)
        for source in spec.sources:
            self._check_bucket(source.bucket)
        now, first = self._clock.now(), self._objects.find(spec.sources[0].bucket, spec.sources[0].key)
        resolved = resolve_target(spec, uploaded=first.last_modified if first else now, created=now)
        self._check_bucket(resolved.bucket)
        return self._accept(resolved, project, values.new_request_id(self._clock))

    def get(self, task_id: str) -> MediaTask:
        """Return a task; raise `ImmError` if it does not exist."""
        if task := self._store.get(task_id):
            return task
        raise not_found(f"Task {task_id}")

    def list(self, project: str = "", status: str = "") -> list[MediaTask]:
        """Return the tasks of a project and a status ("" for any), newest first."""
        return self._store.list(project, status)

    def info(self, bucket: str, key: str) -> Mapping[str, Any]:
        """Return the document of `audio/info` for an object; raise `ServiceError` if there is none."""
        request_id = values.new_request_id(self._clock)
        found = self._objects.read(bucket, key)
        try:
            self._check_role(self._project_of(bucket), "oss:GetObject", bucket, key)
        except ImmError as error:
            raise values.imm_refusal(error, request_id) from error
        try:
            described = self._info.describe(found.file, "The object")
        except ImmError as error:
            if not has_space(None):  # the log of FFmpeg is there
                raise ServiceError(500, "InternalError", DISK_FULL) from error
            status = 400 if error.code == "InvalidArgument" else 500
            raise ServiceError(status, error.code, f"{error.message} {request_id}", ec="0056-00000001") from error
        return {"RequestId": request_id, **described}

    def media_meta(self, project: str, bucket: str, key: str) -> Mapping[str, Any]:
        """Return what `info` measures, as IMM's own API does: no bucket must be attached. Raises `ImmError`."""
        self.project(project)
        self._check_bucket(bucket)
        if (found := self._objects.find(bucket, key)) is None:
            raise not_found(f"oss://{bucket}/{key}")
        self._check_role(project, "oss:GetObject", bucket, key)
        return self._info.describe(found.file, f"oss://{bucket}/{key}")

    def start(self) -> None:
        """Run the waiting tasks, including those of an earlier process, and all later ones."""
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
        """Stop immediately. The next service on the same folder runs the unfinished tasks again."""
        with self._lock:
            previous, self._state = self._state, "closed"
            self._closing.set()
        self._ffmpeg.stop()
        if previous == "running":
            for _ in self._workers:
                self._waiting.put(None)
            for worker in self._workers:
                worker.join(STOP_SECONDS)
        if previous != "closed":
            self._store.close()

    def _project_of(self, bucket: str) -> str:
        """Return the project of a bucket, which must exist and be attached."""
        self._check_bucket(bucket)
        return self.attachment_details(bucket).project

    def _check_bucket(self, bucket: str) -> None:
        if not self._objects.has_bucket(bucket):
            raise invalid("bucket", f"{bucket} does not exist in {self.region}; create it or name another.")

    def _check_role(self, project: str, action: str, bucket: str, key: str) -> None:
        """Raise `ImmError` if the service role of a project lacks a permission.

        OSS, "Permissions" (2026-03-20): IMM reads the input and writes the output with it. The code is not documented.
        """
        if not self._role_may(project, action, bucket, key):
            message = f"The service role of project {project} lacks {action} on oss://{bucket}/{key}."
            raise ImmError("AccessDenied", message)

    def _accept(self, spec: TaskSpec, project: str, request_id: str) -> AcceptedTask:
        """Store a task, then queue it."""
        task_id, event_id = values.new_task_id(self._clock), values.new_event_id(self._clock)
        with self._lock:
            self._store.add(MediaTask(task_id, event_id, request_id, project, spec, started=self._clock.now()))
            if self._state == "running":
                self._waiting.put(task_id)
        return AcceptedTask(event_id, request_id, task_id)

    def _work(self) -> None:
        """Run tasks until the service closes; no error of a task ends the worker."""
        while (task_id := self._waiting.get()) is not None:
            if self._state == "closed":
                return
            try:
                task = self.get(task_id)
                self._finish(task)
                if task.status == RUNNING and self._faults.runs_task_twice():
                    self._finish(task)
            except DISK_ERRORS as error:
                log.warning("task %s is not finished and runs again: %s", task_id, error)
                self._closing.wait(RETRY_SECONDS)
                self._waiting.put(task_id)
            except Exception:
                if self._state != "closed":
                    log.exception("task %s is not finished and will run again after the next start", task_id)

    def _finish(self, task: MediaTask) -> None:
        """Run a task unless it has finished, then send its notification."""
        if task.status == RUNNING:
            task = self._run(task)
            if self._state == "closed" and task.status == FAILED:
                return  # `close` stopped its FFmpeg: the next service runs the task again
            self._store.finish(task)
        self._store.mark_notified(task.task_id, self._notify(task))

    def _run(self, task: MediaTask) -> MediaTask:
        """Execute a task and return it with its result."""
        folder = self._folder / task.task_id
        folder.mkdir(parents=True, exist_ok=True)
        try:
            check = partial(self._check_role, task.project)
            run = partial(run_task, task.spec, self._objects, self._ffmpeg, self._info, folder, task.request_id, check)
            self._faults.run_task(run, transient_errors())
        except ImmError as error:
            return self._failed(task, error if has_space(folder, None) else ImmError("InternalError", DISK_FULL))
        except Exception as error:
            if is_disk_full(error):
                return self._failed(task, ImmError("InternalError", DISK_FULL))
            log.exception("task %s failed with an internal error of the local cloud", task.task_id)
            return self._failed(task, ImmError("InternalError", f"{type(error).__name__}: {error}"))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return replace(task, status=SUCCEEDED, ended=self._clock.now())

    def _failed(self, task: MediaTask, error: ImmError) -> MediaTask:
        return replace(task, status=FAILED, code=error.code, message=error.message, ended=self._clock.now())

    def _notify(self, task: MediaTask) -> str:
        """Publish the requested notification; return why it is lost, as in the cloud, if the topic rejects it."""
        if not task.spec.topic:
            return ""
        notification = values.completion_notification(task, account_id=self.account_id, region=self.region)
        try:
            self._publish(task.spec.topic, notification)
        except ServiceError as error:
            log.warning("the notification of task %s to topic %s is lost: %s", task.task_id, task.spec.topic, error)
            return f"to topic {task.spec.topic}: {error}"
        return ""
