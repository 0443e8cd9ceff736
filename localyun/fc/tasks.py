"""Asynchronous tasks: invocations of a function with `asyncTask`, whose states are kept and can be queried. Pure.

States, fields and the retention of seven days: FC 3.0, AsyncTask (2026-08-27), ListAsyncTasks (2026-09-01),
Asynchronous tasks (2026-03-24). The vendor does not document their order.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from localyun.fc.values import LATEST, InvocationResult

ENQUEUED, DEQUEUED, RUNNING, RETRYING, STOPPING = "Enqueued", "Dequeued", "Running", "Retrying", "Stopping"
SUCCEEDED, FAILED, STOPPED, EXPIRED, INVALID = "Succeeded", "Failed", "Stopped", "Expired", "Invalid"
ENDED = frozenset({SUCCEEDED, FAILED, STOPPED, EXPIRED, INVALID})
STATES = frozenset({ENQUEUED, DEQUEUED, RUNNING, RETRYING, STOPPING}) | ENDED
RETENTION_SECONDS = 7 * 86400


@dataclass(frozen=True)
class TaskEvent:
    """A change of state: when, in seconds since 1970, and its details."""

    status: str
    time: float
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class AsyncTask:
    """A task. Times are in seconds since 1970, 0 for what has not happened; `started` is that of the first run."""

    function: str
    id: str
    request_id: str
    payload: bytes = field(repr=False)
    accepted: float
    qualifier: str = LATEST
    events: tuple[TaskEvent, ...] = ()
    started: float = 0.0
    ended: float = 0.0
    duration_ms: int = 0
    retried: int = 0
    error: str = ""
    instance_id: str = ""

    @property
    def status(self) -> str:
        """The state after the last event."""
        return self.events[-1].status


def enqueued(task: AsyncTask) -> AsyncTask:
    """Return a new task in its first state."""
    return replace(task, events=(TaskEvent(ENQUEUED, task.accepted),))


def running(task: AsyncTask, now: float, instance_id: str, retried: int) -> AsyncTask | None:
    """Return a task that an instance begins to run for the first time, or again; None if it must not run."""
    if moved := _moved(task, RUNNING, now):
        return replace(moved, started=task.started or now, instance_id=instance_id, retried=retried)
    return None


def waiting(task: AsyncTask, status: str, now: float, result: InvocationResult | None = None) -> AsyncTask | None:
    """Return a task that waits in a state after the result, if any, of a run; None if it must not run."""
    if moved := _moved(task, status, now, result):
        return replace(moved, error=result.error_type) if result else moved
    return None


def ended(task: AsyncTask, status: str, now: float, error: str, result: InvocationResult) -> AsyncTask | None:
    """Return a task that has ended with the result of its last run; None if it had ended before."""
    if moved := _moved(task, status, now, result):
        return replace(moved, ended=now, error=error, duration_ms=result.duration_ms)
    return None


def _moved(task: AsyncTask, status: str, now: float, result: InvocationResult | None = None) -> AsyncTask | None:
    """Return a task in its next state; None if it has ended, or is being stopped and would not end."""
    if task.status in ENDED or (task.status == STOPPING and status not in ENDED):
        return None
    # Error is in FC 2.0, StatefulAsyncInvocationEvent (2025-11-17); clients of FC 3.0 read logTail (2026-12).
    detail: dict[str, Any] = {"Error": result.error_type} if result and result.error_type else {}
    if result and result.log_tail:
        detail["logTail"] = result.log_tail.decode(errors="replace")
    return replace(task, events=(*task.events, TaskEvent(status, now, detail)))
