"""The rules of asynchronous invocations: accept, run, retry, stop, send records to destinations. No HTTP.

A function with `asyncTask` makes each of them a task, whose states are kept.
"""

import logging
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from functools import partial
from typing import Protocol

from localyun.clock import CloudClock
from localyun.disk import DISK_ERRORS, RETRY_SECONDS
from localyun.errors import ServiceError
from localyun.fc.deployed import DeployedFunction
from localyun.fc.dispatcher import Dispatcher
from localyun.fc.instances import Instance
from localyun.fc.records import condition, record
from localyun.fc.store import InvocationStore
from localyun.fc.task_states import MayNotRun, TaskStates
from localyun.fc.tasks import EXPIRED, FAILED, INVALID, STOPPED, SUCCEEDED, ended
from localyun.fc.values import (
    DEFAULT_ASYNC,
    LATEST,
    AsyncConfig,
    AsyncInvocation,
    FcSettings,
    InvocationResult,
    function_of,
    qualifier_of,
)

MAX_BYTES = 128 << 10  # FC "Limits" (2026-06)
FIRST_RETRY_SECONDS = 1.0  # our choice, doubled for each retry: the vendor's pages give no delay for function errors
logger = logging.getLogger(__name__)


class Functions(Protocol):
    """What asynchronous invocations need of functions; see `localyun.fc.service`."""

    def function(self, name: str) -> DeployedFunction:
        """Return a function; raise `ServiceError` if it does not exist."""

    def request_id(self) -> str:
        """Return a new request id."""

    def execute(
        self,
        function: DeployedFunction,
        payload: bytes,
        qualifier: str,
        request_id: str,
        attempt: int,
        using: Callable[[Instance], AbstractContextManager[None]],
    ) -> InvocationResult:
        """Run a function, inside a context made from its instance, and return its result."""


class AsyncInvocations:
    """The unfinished asynchronous invocations, and the tasks, of all functions.

    `send_record(arn, record)` sends the record of a finished invocation to a queue or topic.
    """

    def __init__(
        self,
        store: InvocationStore,
        functions: Functions,
        clock: CloudClock,
        settings: FcSettings,
        send_record: Callable[[str, str], None],
    ) -> None:
        self._store, self._functions, self._clock, self._settings = store, functions, clock, settings
        self._send_record = send_record
        self.tasks = TaskStates(store, clock)
        self._stop_lock = threading.Lock()
        self._closed = False
        self._dispatcher = Dispatcher(self._run, clock, settings.max_instances)

    def start(self) -> None:
        """Run the unfinished invocations of an earlier process."""
        self._dispatcher.start()
        for invocation in self._store.all():
            due = self._now() if self.tasks.is_stopping(invocation) else invocation.due
            self._dispatcher.put(replace(invocation, due=due))

    def accept(
        self,
        name: str,
        payload: bytes,
        *,
        qualifier: str = LATEST,
        request_id: str = "",
        delay: float = 0.0,
        task_id: str = "",
    ) -> AsyncInvocation:
        """Accept an invocation, which is durable on return and runs `delay` seconds later, and return it.

        If the function has `asyncTask`, it is a task; its id is the request id unless another one is given. Raises
        `ServiceError` if the function or the qualifier does not exist, the payload is too large, or the function has
        had a task of this id in the last seven days.
        """
        check_size(payload, MAX_BYTES)
        function = self._functions.function(name)
        function.config(qualifier)
        now, request_id = self._now(), request_id or self._functions.request_id()
        task_id = (task_id or request_id) if self._rules(function, qualifier).task else ""
        invocation = AsyncInvocation(request_id, name, payload, 0, now + delay, now, qualifier, task_id)
        if not self._store.accept(invocation):
            # The code is that of API 2021-04-06 (read 2026-11); that of 2023-03-30 is not documented.
            text = f"task {task_id} of function '{name}' already exists; a task runs once"
            raise ServiceError(409, "StatefulAsyncInvocationAlreadyExists", text)
        self._dispatcher.put(invocation)
        return invocation

    def stop_task(self, name: str, task_id: str, qualifier: str = LATEST) -> None:
        """Stop a task: end it if it waits, else kill its instance, which ends it soon. Nothing if it has ended.

        Raises `ServiceError` if there is no such task.
        """
        self._functions.function(name)
        if waiting := self.tasks.stop(name, task_id, qualifier):
            self._end_stopped(waiting.request_id)

    def stop(self) -> None:
        """Start no more invocations; unfinished ones stay in the store."""
        self._closed = True
        self._dispatcher.stop()

    def join(self) -> None:
        """Wait for the invocations that were running when `stop` was called."""
        self._dispatcher.join()

    def _now(self) -> float:
        return self._clock.now().timestamp()

    def _rules(self, function: DeployedFunction, qualifier: str) -> AsyncConfig:
        return function.asynchronous.get(qualifier, DEFAULT_ASYNC)

    def _run(self, invocation: AsyncInvocation) -> None:
        try:
            if self._store.has(invocation.request_id):  # else its function was deleted, or it was stopped
                self._run_once(invocation)
        except MayNotRun:
            return
        except ServiceError as error:
            if self._closed:
                return  # the next service runs it
            logger.warning("Dropped the invocation %s of %s: %s", invocation.request_id, invocation.function, error)
            with suppress(*DISK_ERRORS):  # then it is dropped after the next start
                self._end(invocation, INVALID, InvocationResult(invocation.request_id, b"", error.code))
        except DISK_ERRORS as error:
            if not self._closed:
                logger.warning("The invocation %s runs again: %s", invocation.request_id, error)
                self._dispatcher.put(replace(invocation, due=self._now() + RETRY_SECONDS))
        except Exception:
            logger.exception("Internal error in the invocation %s of %s", invocation.request_id, invocation.function)

    def _run_once(self, invocation: AsyncInvocation) -> None:
        """Run an asynchronous invocation once, then finish it or schedule a retry."""
        if not self.tasks.dequeued(invocation):
            return self._end_stopped(invocation.request_id)  # an earlier process was stopping it
        function = self._functions.function(invocation.function)
        rules = self._rules(function, invocation.qualifier)
        with function.slot(wait=True):
            if self._now() - invocation.accepted > rules.max_age_seconds:
                result = InvocationResult(invocation.request_id, b"")
                return self._finish(invocation, EXPIRED, result, invocation.attempt)
            result = self._functions.execute(
                function,
                invocation.payload,
                invocation.qualifier,
                invocation.request_id,
                invocation.attempt,
                partial(self.tasks.running, invocation),
            )
        if self._closed:
            return None  # `stop` ended its instance: the next service runs the invocation again
        if not result.error_type:
            self._finish(invocation, SUCCEEDED, result, invocation.attempt + 1)
        elif self.tasks.is_stopping(invocation):
            self._end_stopped(invocation.request_id, invocation.attempt + 1)
        elif invocation.attempt < rules.retries:
            self._retry(invocation, result)
        else:
            self._finish(invocation, FAILED, result, invocation.attempt + 1)
        return None

    def _retry(self, invocation: AsyncInvocation, result: InvocationResult) -> None:
        """Schedule the next attempt, with exponential back-off."""
        delay = FIRST_RETRY_SECONDS * 2**invocation.attempt / self._settings.time_scale
        if not self.tasks.retrying(invocation, result):
            return self._end_stopped(invocation.request_id, invocation.attempt + 1)
        scheduled = replace(invocation, attempt=invocation.attempt + 1, due=self._now() + delay)
        self._store.save(scheduled)
        self._dispatcher.put(scheduled)
        return None

    def _end_stopped(self, request_id: str, count: int | None = None) -> None:
        """Finish a task that is being stopped, after `count` runs; once, although two threads may call this."""
        with self._stop_lock:
            if invocation := self._store.get(request_id):
                runs = invocation.attempt if count is None else count
                self._finish(invocation, STOPPED, InvocationResult(request_id, b""), runs)

    def _finish(self, invocation: AsyncInvocation, status: str, result: InvocationResult, count: int) -> None:
        """Send the record, then delete the invocation: a crash in between sends the record twice."""
        config = self._rules(self._functions.function(invocation.function), invocation.qualifier)
        if destination := config.on_success if status == SUCCEEDED else config.on_failure:
            self._send(destination, record(invocation, status, result, count, self._now(), self._settings))
        self._end(invocation, status, result)

    def _end(self, invocation: AsyncInvocation, status: str, result: InvocationResult) -> None:
        now, error = self._now(), condition(status, result)
        self._store.finish(invocation, lambda task: ended(task, status, now, error, result))

    def _send(self, destination: str, text: str) -> None:
        """Send a record to another function, or to a queue or topic."""
        try:
            if destination.startswith("acs:fc:"):
                self.accept(function_of(destination), text.encode(), qualifier=qualifier_of(destination))
            else:
                self._send_record(destination, text)
        except ServiceError as error:
            logger.warning("The record of an invocation could not be sent to %s: %s", destination, error)


def check_size(payload: bytes, limit: int) -> None:
    """Raise `ServiceError` if a payload has more bytes than allowed."""
    if len(payload) > limit:
        message = f"payload has {len(payload)} bytes, at most {limit} are allowed; put it into OSS and pass its key"
        raise ServiceError(413, "RequestEntityTooLarge", message)
