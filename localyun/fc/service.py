"""The rules of Function Compute: deploy a function and invoke it. No HTTP.

Knows configurations and instances, and leaves asynchronous invocations to `localyun.fc.asynchronous`; knows no
triggers, YAML or signatures. The HTTP endpoint, the triggers and the server call it.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path

from localyun.clock import CloudClock
from localyun.errors import ServiceError
from localyun.faults import NO_FAULTS, FaultInjector
from localyun.fc.asynchronous import AsyncInvocations, check_size
from localyun.fc.deployed import DeployedFunction
from localyun.fc.instance_pool import InstancePool
from localyun.fc.instances import Instance, InstanceSpec
from localyun.fc.logs import FunctionLog
from localyun.fc.process_setup import environment, setup_frame
from localyun.fc.store import InvocationStore
from localyun.fc.values import LATEST, FcSettings, FunctionConfig, InvocationResult
from localyun.ram.credentials import Keyring

MAX_SYNC_BYTES = 32 << 20  # FC "Limits" (2026-06)
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
        self._faults = faults
        self._functions: dict[str, DeployedFunction] = {}
        self._function_logs: dict[str, FunctionLog] = {}
        self._lock = threading.Lock()
        self._store = InvocationStore(root / "invocations.sqlite")
        self.invocations = AsyncInvocations(self._store, self, clock, settings, send_record)

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
        self.invocations.start()

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
        check_size(payload, MAX_SYNC_BYTES)
        function = self.function(name)
        with function.slot(wait=False):
            return self.execute(function, payload, qualifier, request_id or self.request_id())

    def invoke_async(self, name: str, payload: bytes, *, qualifier: str = LATEST, delay: float = 0.0) -> str:
        """Accept an asynchronous invocation and return its request id; see `AsyncInvocations.accept`."""
        return self.invocations.accept(name, payload, qualifier=qualifier, delay=delay).request_id

    def execute(
        self,
        function: DeployedFunction,
        payload: bytes,
        qualifier: str,
        request_id: str,
        attempt: int = 0,
        using: Callable[[Instance], AbstractContextManager[None]] = lambda _instance: nullcontext(),
    ) -> InvocationResult:
        """Run a function in an instance of the version that a qualifier selects, inside `using(instance)`.

        Raises `ServiceError` if there is no such version.
        """
        pool, instance = self._acquire(function, qualifier)
        try:
            with self._faults.random_kill(instance.kill), using(instance):
                result = instance.invoke(request_id, payload, attempt)
        finally:
            pool.release(instance)
        return replace(result, version=pool.config.version, code_checksum=pool.config.code_checksum)

    def request_id(self) -> str:
        """Return a new request id in FC's form: `1-<8 hex>-<12 hex>-<12 hex>`."""
        token = self._clock.token(16)
        return f"1-{token[:8]}-{token[8:20]}-{token[20:32]}"

    def close(self) -> None:
        """End all instances. The next service runs the unfinished invocations."""
        self.invocations.stop()
        for function in self.functions():
            for pool in function.end(_shutting_down()):
                pool.close(self.request_id)
        self.invocations.join()
        for log in self._function_logs.values():
            log.close()
        self._store.close()

    def _acquire(self, function: DeployedFunction, qualifier: str) -> tuple[InstancePool, Instance]:
        """Return an instance of a function and its pool. Raises ServiceError if there is no such version."""
        while True:
            pool = function.pool(qualifier)
            if instance := pool.acquire():
                return pool, instance

    def _random(self) -> float:
        return int(self._clock.token(4), 16) / 0x100000000

    def _instance_spec(self, config: FunctionConfig) -> InstanceSpec:
        """Return how instances of a function start, with an access key of the function's role."""
        key = self._keyring.issue(self._clock, config.role or f"function/{config.name}")
        setup = setup_frame(config, self.settings, key)
        variables = environment(config, self.settings, key, self._clock.token(8))
        python = config.python or self.settings.python
        return InstanceSpec(python, config.code[0], variables, setup, config.timeout, config.memory, bare=config.built)


def _shutting_down() -> ServiceError:
    return ServiceError(503, "ServiceUnavailable", "The local Function Compute is shutting down.")
