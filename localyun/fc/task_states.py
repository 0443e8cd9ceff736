"""The states of asynchronous tasks while their invocations are run, and queries for them. Runs nothing itself."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from localyun.clock import CloudClock
from localyun.errors import ServiceError
from localyun.fc.instances import Instance
from localyun.fc.store import InvocationStore
from localyun.fc.tasks import DEQUEUED, RETENTION_SECONDS, RETRYING, RUNNING, STOPPING, AsyncTask, running, waiting
from localyun.fc.values import LATEST, AsyncInvocation, InvocationResult


class MayNotRun(Exception):
    """A task was stopped before an instance ran it."""


class TaskStates:
    """The tasks of all functions. What changes a state does nothing for an invocation that is no task."""

    def __init__(self, store: InvocationStore, clock: CloudClock) -> None:
        self._store, self._clock = store, clock
        self._lock = threading.Lock()
        self._instances: dict[str, Instance] = {}  # those that run tasks, by request id

    def get(self, function: str, task_id: str, qualifier: str = LATEST) -> AsyncTask:
        """Return a task of a function's qualifier of the last seven days; raise `ServiceError` (404) if there is none.

        The code AsyncTaskNotFound is what clients of the vendor's service test for (read 2026-12).
        """
        for task in self._store.tasks(function, self._now() - RETENTION_SECONDS, task_id):
            if task.qualifier == qualifier:
                return task
        text = f"task {task_id} of function '{function}', qualifier {qualifier}, does not exist"
        raise ServiceError(404, "AsyncTaskNotFound", text)

    def list(self, function: str, qualifier: str = LATEST) -> list[AsyncTask]:
        """Return the tasks of a function's qualifier of the last seven days."""
        found = self._store.tasks(function, self._now() - RETENTION_SECONDS)
        return [task for task in found if task.qualifier == qualifier]

    def dequeued(self, invocation: AsyncInvocation) -> bool:
        """Note that an invocation waits for an instance; return False if it is being stopped."""
        return self._change(invocation, lambda task: waiting(task, DEQUEUED, self._now()))

    def retrying(self, invocation: AsyncInvocation, result: InvocationResult) -> bool:
        """Note that an invocation is going to run again; return False if it is being stopped."""
        return self._change(invocation, lambda task: waiting(task, RETRYING, self._now(), result))

    @contextmanager
    def running(self, invocation: AsyncInvocation, instance: Instance) -> Iterator[None]:
        """Note that an instance runs an invocation in the block. Raises MayNotRun if it has been stopped."""
        key = invocation.request_id
        with self._lock:
            self._instances[key] = instance  # before the change: `stop` changes the state, then looks for the instance
        try:
            if not self._change(invocation, lambda task: running(task, self._now(), instance.id, invocation.attempt)):
                raise MayNotRun
            yield
        finally:
            with self._lock:
                del self._instances[key]

    def is_stopping(self, invocation: AsyncInvocation) -> bool:
        """Return True if the task of an invocation is being stopped."""
        found = self._store.tasks(invocation.function, 0, invocation.task_id) if invocation.task_id else []
        return any(task.status == STOPPING for task in found)

    def stop(self, function: str, task_id: str, qualifier: str = LATEST) -> AsyncTask | None:
        """Begin to stop a task, and kill the instance that runs it; return the task if it waits instead.

        Nothing if it has ended, or is being stopped. Raises `ServiceError` if there is no such task.
        """
        self.get(function, task_id, qualifier)
        task = self._store.change_task(function, task_id, lambda task: waiting(task, STOPPING, self._now()))
        if not task:
            return None
        if task.events[-2].status != RUNNING:
            return task
        with self._lock:
            if instance := self._instances.get(task.request_id):
                instance.kill()
        return None

    def _now(self) -> float:
        return self._clock.now().timestamp()

    def _change(self, invocation: AsyncInvocation, change: Callable[[AsyncTask], AsyncTask | None]) -> bool:
        """Change the task of an invocation, if it has one; return False if the task must not run."""
        if not invocation.task_id:
            return True
        return bool(self._store.change_task(invocation.function, invocation.task_id, change))
