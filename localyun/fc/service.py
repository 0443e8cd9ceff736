"""The rules of Function Compute: deploy a function, invoke it synchronously or asynchronously. No HTTP.

Knows configurations, instances, retries and destinations; knows no triggers, YAML or signatures. The HTTP endpoint, the
triggers and the server call it.
"""

import json
import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from localyun.clock import CloudClock
from localyun.errors import ServiceError
from localyun.faults import NO_FAULTS, FaultInjector
from localyun.fc.dispatcher import Dispatcher
from localyun.fc.instance_pool import InstancePool
from localyun.fc.instances import Instance, InstanceSpec
from localyun.fc.logs import FunctionLog
from localyun.fc.process_setup import environment, setup_frame
from localyun.fc.store import InvocationStore
from localyun.fc.values import (
    DEFAULT_ASYNC,
    AsyncConfig,
    AsyncInvocation,
    FcSettings,
    FunctionConfig,
    InvocationResult,
    function_of,
)
from localyun.ram.credentials import Credential, Keyring

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
        self._configs: dict[str, FunctionConfig] = {}
        self._pools: dict[str, InstancePool] = {}
        self._function_logs: dict[str, FunctionLog] = {}
        self._lock = threading.Lock()
        self._closed = False
        self._store = InvocationStore(root / "invocations.sqlite")
        self._dispatcher = Dispatcher(self._run, clock, settings.max_instances)

    def deploy(self, config: FunctionConfig) -> None:
        """Deploy a function, replacing one of the same name; raise `ServiceError` if its code is missing.

        Requests that the replaced function is running finish first.
        """
        if missing := [path for path in config.code if not path.is_dir()]:
            raise ServiceError(400, "InvalidArgument", f"function '{config.name}': no directory {missing[0]}")
        spec = self._instance_spec(config)
        with self._lock:
            log = self._function_logs.setdefault(config.name, FunctionLog(self._logs / f"{config.name}.log"))
            pool = InstancePool(config, spec, log, self.settings.max_instances)
            old, self._pools[config.name], self._configs[config.name] = self._pools.get(config.name), pool, config
        if old:
            old.retire(self.request_id)

    def remove(self, name: str) -> None:
        """Delete a function; requests that it is running finish first. Raises `ServiceError` if it does not exist."""
        with self._lock:
            pool = self._pool(name)
            del self._pools[name], self._configs[name]
        pool.retire(self.request_id)

    def set_async(self, name: str, rules: AsyncConfig | None) -> None:
        """Change how asynchronous invocations of a function are retried; raise `ServiceError` if it does not exist."""
        with self._lock:
            self._pool(name)
            self._configs[name] = replace(self._configs[name], asynchronous=rules)

    def start(self) -> None:
        """Start one instance of every function, and run the unfinished invocations of an earlier process."""
        for pool in list(self._pools.values()):
            pool.warm()
        self._dispatcher.start()
        for invocation in self._store.all():
            self._dispatcher.put(invocation)

    def get(self, name: str) -> FunctionConfig:
        """Return a function's configuration; raise `ServiceError` (404 FunctionNotFound) if it does not exist."""
        self._pool(name)
        return self._configs[name]

    def list(self) -> list[FunctionConfig]:
        """Return all functions in order of their names."""
        return [self._configs[name] for name in sorted(self._configs)]

    def logs(self, name: str) -> str:
        """Return the output of a function's instances; raise `ServiceError` if it does not exist."""
        return self._pool(name).log.read()

    def invoke(self, name: str, payload: bytes, *, request_id: str = "", retry_count: int = 0) -> InvocationResult:
        """Run a function and return its result; an error of the function is a result, not an exception.

        Raises `ServiceError` if the function does not exist or the payload is too large.
        """
        _check_size(payload, MAX_SYNC_BYTES)
        pool, instance = self._acquire(name)
        try:
            with self._faults.random_kill(instance.kill):
                return instance.invoke(request_id or self.request_id(), payload, retry_count)
        finally:
            pool.release(instance)

    def invoke_async(self, name: str, payload: bytes, *, request_id: str = "", delay: float = 0.0) -> str:
        """Accept an asynchronous invocation, which is durable on return, and return its request id.

        It runs `delay` seconds later. Raises `ServiceError` if the function does not exist or the payload is too large.
        """
        _check_size(payload, MAX_ASYNC_BYTES)
        self.get(name)
        now = self._clock.now().timestamp()
        invocation = AsyncInvocation(request_id or self.request_id(), name, payload, 0, now + delay, now)
        self._store.save(invocation)
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
        for pool in list(self._pools.values()):
            pool.close(self.request_id)
        self._dispatcher.join()
        for log in self._function_logs.values():
            log.close()
        self._store.close()

    def _acquire(self, name: str) -> tuple[InstancePool, Instance]:
        """Return an instance of a function and its pool. Raises ServiceError if there is none."""
        while True:
            pool = self._pool(name)
            if instance := pool.acquire():
                return pool, instance
            if self._closed:
                raise ServiceError(503, "ServiceUnavailable", "The local Function Compute is shutting down.")

    def _pool(self, name: str) -> InstancePool:
        if name not in self._pools:
            known = ", ".join(sorted(self._pools)) or "none"
            raise ServiceError(404, "FunctionNotFound", f"function '{name}' does not exist; deployed are: {known}")
        return self._pools[name]

    def _rules(self, name: str) -> AsyncConfig:
        return self.get(name).asynchronous or DEFAULT_ASYNC

    def _run(self, invocation: AsyncInvocation) -> None:
        try:
            self._run_once(invocation)
        except ServiceError as error:
            if invocation.function in self._pools or self._closed:
                raise
            logger.warning("Dropped the invocation %s: %s", invocation.request_id, error)
            self._store.remove(invocation.request_id)
        except Exception:
            logger.exception("Internal error in the invocation %s of %s", invocation.request_id, invocation.function)

    def _run_once(self, invocation: AsyncInvocation) -> None:
        """Run an asynchronous invocation once, then finish it or schedule a retry."""
        name, request_id, attempt = invocation.function, invocation.request_id, invocation.attempt
        config = self._rules(name)
        if self._clock.now().timestamp() - invocation.accepted > config.max_age_seconds:
            self._finish(invocation, InvocationResult(request_id, b"", "EventAgeExceeded"))
            return
        result = self.invoke(name, invocation.payload, request_id=request_id, retry_count=attempt)
        if self._closed:
            return  # `close` ended its instance: the next service runs the invocation again
        if result.error_type and attempt < config.retries:
            self._retry(invocation)
        else:
            self._finish(invocation, result)

    def _retry(self, invocation: AsyncInvocation) -> None:
        """Schedule the next attempt, with exponential back-off."""
        delay = FIRST_RETRY_SECONDS * 2**invocation.attempt / self.settings.time_scale
        due = self._clock.now().timestamp() + delay
        scheduled = replace(invocation, attempt=invocation.attempt + 1, due=due)
        self._store.save(scheduled)
        self._dispatcher.put(scheduled)

    def _finish(self, invocation: AsyncInvocation, result: InvocationResult) -> None:
        """Send the record, then delete the invocation: a crash in between sends the record twice."""
        config = self._rules(invocation.function)
        if destination := config.on_failure if result.error_type else config.on_success:
            self._send(destination, self._record(invocation, result))
        self._store.remove(invocation.request_id)

    def _send(self, destination: str, record: str) -> None:
        """Send a record to another function, or to a queue or topic."""
        if destination.startswith("acs:fc:"):
            self.invoke_async(function_of(destination), record.encode())
            return
        try:
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
            "functionArn": f"acs:fc:{settings.region}:{settings.account_id}:functions/{invocation.function}",
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
        key = self._issue_key(config)
        setup = setup_frame(config, self.settings, key)
        variables = environment(config, self.settings, key, self._clock.token(8))
        python = config.python or self.settings.python
        return InstanceSpec(python, config.code[0], variables, setup, config.timeout, bare=config.built)

    def _issue_key(self, config: FunctionConfig) -> Credential:
        """Issue the temporary access key with which the function runs."""
        key = Credential(
            access_key_id=f"STS.{self._clock.token(12)}",
            access_key_secret=self._clock.token(22),
            security_token=self._clock.token(64),
            principal=config.role or f"function/{config.name}",
        )
        self._keyring.add(key)
        return key


def _check_size(payload: bytes, limit: int) -> None:
    if len(payload) > limit:
        message = f"payload has {len(payload)} bytes, at most {limit} are allowed; put it into OSS and pass its key"
        raise ServiceError(413, "RequestEntityTooLarge", message)
