"""The rules of Function Compute: deploy a function, invoke it synchronously or asynchronously. No HTTP.

Knows configurations, instances, retries and destinations; knows no triggers, YAML or signatures. The HTTP endpoint, the
triggers and the server call it.
"""

import json
import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from localyun.clock import CloudClock
from localyun.disk import DISK_ERRORS, RETRY_SECONDS
from localyun.errors import ServiceError
from localyun.faults import NO_FAULTS, FaultInjector
from localyun.fc.deployed import DeployedFunction
from localyun.fc.dispatcher import Dispatcher
from localyun.fc.instance_pool import InstancePool
from localyun.fc.instances import Instance, InstanceSpec
from localyun.fc.logs import FunctionLog
from localyun.fc.process_setup import environment, setup_frame
from localyun.fc.store import InvocationStore
from localyun.fc.values import (
    DEFAULT_ASYNC,
    LATEST,
    AsyncConfig,
    AsyncInvocation,
    FcSettings,
    FunctionConfig,
    InvocationResult,
    function_arn,
    function_of,
    qualifier_of,
)
from localyun.ram.credentials import Keyring

# FC "Limits" (2026-06): 32 MB for synchronous, 128 KB for asynchronous invocations.
MAX_SYNC_BYTES = 32 << 20
MAX_ASYNC_BYTES = 128 << 10
FIRST_RETRY_SECONDS = 1.0  # our choice, doubled for each retry: the vendor's pages give no delay for function errors
logger = logging.getLogger(__name__)


class FunctionService:
    """Deployed functions, their instances, and their unfinished asynchronous invocations.

    `send_record(arn, record)` sends the record of a finished asynchronous invocation to a queue or topic.
    """

    def __init__(
        self,
        root: Path,
        clock: CloudClock,
        keyring: Keyring,
        settings: FcSettings,
        send_record: Callable[[str, str], None],
        faults: FaultInjector = NO_FAULTS,
    ) -> None:
        self._logs = root / "logs"
        self._clock = clock
        self._keyring = keyring
        self.settings = settings
        self._send_record = send_record
        self._faults = faults
        self._functions: dict[str, DeployedFunction] = {}
        self._function_logs: dict[str, FunctionLog] = {}
        self._lock = threading.Lock()
        self._closed = False
        self._store = InvocationStore(root / "invocations.sqlite")
        self._dispatcher = Dispatcher(self._run, clock, settings.max_instances)

    def deploy(self, config: FunctionConfig) -> None:
        """Deploy a version of a function, replacing that version; raise `ServiceError` if its code is missing.

        Requests that the replaced version is running finish first.
        """
        if missing := [path for path in config.code if not path.is_dir()]:
            raise ServiceError(400, "InvalidArgument", f"function '{config.name}': no directory {missing[0]}")
        spec = self._instance_spec(config)
        with self._lock:
            log = self._function_logs.setdefault(config.name, FunctionLog(self._logs / f"{config.name}.log"))
            function = self._functions.setdefault(config.name, DeployedFunction(config.name, log, self._random))
            old = function.put(InstancePool(config, spec, log, self.settings.max_instances))
        if config.asynchronous:
            function.asynchronous[config.version] = config.asynchronous
        if old:
            old.retire(self.request_id)

    def remove(self, name: str) -> None:
        """Delete a function; requests that it is running finish first, asynchronous ones that wait are dropped.

        Raises `ServiceError` if it does not exist.
        """
        with self._lock:
            function = self.function(name)
            del self._functions[name]
        for pool in function.end(ServiceError(404, "FunctionNotFound", f"function '{name}' was deleted")):
            pool.retire(self.request_id)
        if count := self._store.remove_of(name):
            logger.warning("Dropped %d asynchronous invocations of the deleted function %s", count, name)

    def remove_version(self, name: str, version: str) -> None:
        """Delete a version; requests that it is running finish first. Raises `ServiceError` if it does not exist."""
        self.function(name).take(version).retire(self.request_id)

    def start(self) -> None:
        """Start one instance of every function, and run the unfinished invocations of an earlier process."""
        for function in self.functions():
            function.pool(LATEST).warm()
        self._dispatcher.start()
        for invocation in self._store.all():
            self._dispatcher.put(invocation)

    def function(self, name: str) -> DeployedFunction:
        """Return a function; raise `ServiceError` (404 FunctionNotFound) if it does not exist."""
        if found := self._functions.get(name):
            return found
        known = ", ".join(sorted(self._functions)) or "none"
        raise ServiceError(404, "FunctionNotFound", f"function '{name}' does not exist; deployed are: {known}")

    def has(self, name: str) -> bool:
        """Return True if a function exists."""
        return name in self._functions

    def get(self, name: str, qualifier: str = LATEST) -> FunctionConfig:
        """Return the configuration of a function's version; raise `ServiceError` (404) if it does not exist."""
        return self.function(name).config(qualifier)

    def list(self) -> Sequence[FunctionConfig]:
        """Return the current configurations of all functions in order of their names."""
        return [function.config() for function in self.functions()]

    def functions(self) -> Sequence[DeployedFunction]:
        """Return all functions in order of their names, with their versions and settings."""
        return [function for _, function in sorted(self._functions.items())]

    def logs(self, name: str) -> str:
        """Return the output of a function's instances; raise `ServiceError` if it does not exist."""
        return self.function(name).log.read()

    def invoke(self, name: str, payload: bytes, *, qualifier: str = LATEST, request_id: str = "") -> InvocationResult:
        """Run a function and return its result; an error of the function is a result, not an exception.

        Raises `ServiceError` if the function does not exist, the payload is too large, or the reserved concurrency is
        in use.
        """
        _check_size(payload, MAX_SYNC_BYTES)
        function = self.function(name)
        with function.slot(wait=False):
            return self._execute(function, payload, qualifier, request_id or self.request_id())

    def invoke_async(
        self,
        name: str,
        payload: bytes,
        *,
        qualifier: str = LATEST,
        request_id: str = "",
        delay: float = 0.0,
        task_id: str = "",
    ) -> str:
        """Accept an asynchronous invocation, which is durable on return, and return its request id.

        It runs `delay` seconds later. Raises `ServiceError` if the function or the qualifier does not exist, the
        payload is too large, or `task_id` is that of an earlier invocation of the function.
        """
        _check_size(payload, MAX_ASYNC_BYTES)
        self.get(name, qualifier)
        now = self._clock.now().timestamp()
        invocation = AsyncInvocation(request_id or self.request_id(), name, payload, 0, now + delay, now, qualifier)
        if not self._store.accept(invocation, task_id):
            text = f"task {task_id} of function '{name}' already exists; a task runs once"
            raise ServiceError(409, "StatefulAsyncInvocationAlreadyExists", text)
        self._dispatcher.put(invocation)
        return invocation.request_id

    def request_id(self) -> str:
        """Return a new request id in FC's form: `1-<8 hex>-<12 hex>-<12 hex>`."""
        token = self._clock.token(16)
        return f"1-{token[:8]}-{token[8:20]}-{token[20:32]}"

    def close(self) -> None:
        """End all instances. The next service runs the unfinished invocations."""
        self._closed = True
        self._dispatcher.stop()
        for function in self.functions():
            for pool in function.end(_shutting_down()):
                pool.close(self.request_id)
        self._dispatcher.join()
        for log in self._function_logs.values():
            log.close()
        self._store.close()

    def _acquire(self, function: DeployedFunction, qualifier: str) -> tuple[InstancePool, Instance]:
        """Return an instance of a function and its pool. Raises ServiceError if there is no such version."""
        while True:
            pool = function.pool(qualifier)
            if instance := pool.acquire():
                return pool, instance

    def _rules(self, invocation: AsyncInvocation) -> AsyncConfig:
        rules = self.function(invocation.function).asynchronous
        return rules.get(invocation.qualifier, DEFAULT_ASYNC)

    def _random(self) -> float:
        return int(self._clock.token(4), 16) / 0x100000000

    def _run(self, invocation: AsyncInvocation) -> None:
        try:
            if self._store.has(invocation.request_id):  # else its function was deleted
                self._run_once(invocation)
        except ServiceError as error:
            if self._closed:
                return  # the next service runs it
            logger.warning("Dropped the invocation %s of %s: %s", invocation.request_id, invocation.function, error)
            with suppress(*DISK_ERRORS):  # then it is dropped after the next start
                self._store.remove(invocation.request_id)
        except DISK_ERRORS as error:
            if not self._closed:
                logger.warning("The invocation %s runs again: %s", invocation.request_id, error)
                self._dispatcher.put(replace(invocation, due=self._clock.now().timestamp() + RETRY_SECONDS))
        except Exception:
            logger.exception("Internal error in the invocation %s of %s", invocation.request_id, invocation.function)

    def _run_once(self, invocation: AsyncInvocation) -> None:
        """Run an asynchronous invocation once, then finish it or schedule a retry."""
        rules, function, attempt = self._rules(invocation), self.function(invocation.function), invocation.attempt
        with function.slot(wait=True):
            if self._clock.now().timestamp() - invocation.accepted > rules.max_age_seconds:
                attempt, result = rules.retries, InvocationResult(invocation.request_id, b"", "EventAgeExceeded")
            else:
                result = self._execute(
                    function, invocation.payload, invocation.qualifier, invocation.request_id, attempt
                )
        if self._closed:
            return  # `close` ended its instance: the next service runs the invocation again
        if result.error_type and attempt < rules.retries:
            self._retry(invocation)
        else:
            self._finish(invocation, result)

    def _execute(
        self, function: DeployedFunction, payload: bytes, qualifier: str, request_id: str, attempt: int = 0
    ) -> InvocationResult:
        """Run a function in an instance of the version that a qualifier selects."""
        pool, instance = self._acquire(function, qualifier)
        try:
            with self._faults.random_kill(instance.kill):
                result = instance.invoke(request_id, payload, attempt)
        finally:
            pool.release(instance)
        return replace(result, version=pool.config.version, code_checksum=pool.config.code_checksum)

    def _retry(self, invocation: AsyncInvocation) -> None:
        """Schedule the next attempt, with exponential back-off."""
        delay = FIRST_RETRY_SECONDS * 2**invocation.attempt / self.settings.time_scale
        due = self._clock.now().timestamp() + delay
        scheduled = replace(invocation, attempt=invocation.attempt + 1, due=due)
        self._store.save(scheduled)
        self._dispatcher.put(scheduled)

    def _finish(self, invocation: AsyncInvocation, result: InvocationResult) -> None:
        """Send the record, then delete the invocation: a crash in between sends the record twice."""
        config = self._rules(invocation)
        if destination := config.on_failure if result.error_type else config.on_success:
            self._send(destination, self._record(invocation, result))
        self._store.remove(invocation.request_id)

    def _send(self, destination: str, record: str) -> None:
        """Send a record to another function, or to a queue or topic."""
        try:
            if destination.startswith("acs:fc:"):
                function, qualifier = function_of(destination), qualifier_of(destination)
                self.invoke_async(function, record.encode(), qualifier=qualifier)
            else:
                self._send_record(destination, record)
        except ServiceError as error:
            logger.warning("The record of an invocation could not be sent to %s: %s", destination, error)

    def _record(self, invocation: AsyncInvocation, result: InvocationResult) -> str:
        """Return the record of a finished invocation.

        Format: FC "Result callback" (2026-04). The `condition` of a failure is not documented; it is the error type
        here.
        """
        settings, error_type = self.settings, result.error_type
        context = {
            "requestId": invocation.request_id,
            "functionArn": function_arn(invocation.function, settings, invocation.qualifier),
            "condition": error_type,
            "approximateInvokeCount": invocation.attempt + 1,
        }
        record = {
            "timestamp": round(self._clock.now().timestamp() * 1000),
            "requestContext": context,
            "requestPayload": invocation.payload.decode(errors="replace"),
            "responseContext": {"statusCode": 200, "functionError": error_type},
            "responsePayload": result.payload.decode(errors="replace"),
        }
        return json.dumps(record, ensure_ascii=False)

    def _instance_spec(self, config: FunctionConfig) -> InstanceSpec:
        """Return how instances of a function start, with an access key of the function's role."""
        key = self._keyring.issue(self._clock, config.role or f"function/{config.name}")
        setup = setup_frame(config, self.settings, key)
        variables = environment(config, self.settings, key, self._clock.token(8))
        python = config.python or self.settings.python
        return InstanceSpec(python, config.code[0], variables, setup, config.timeout, config.memory, bare=config.built)


def _shutting_down() -> ServiceError:
    return ServiceError(503, "ServiceUnavailable", "The local Function Compute is shutting down.")


def _check_size(payload: bytes, limit: int) -> None:
    if len(payload) > limit:
        message = f"payload has {len(payload)} bytes, at most {limit} are allowed; put it into OSS and pass its key"
        raise ServiceError(413, "RequestEntityTooLarge", message)
