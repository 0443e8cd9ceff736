"""Function Compute without HTTP: deploy a function, invoke it now, or leave it an event.

Knows configurations, instances, retries and destinations. Knows nothing of triggers, YAML or signatures.
Called by the FC face, by the triggers and by the server.
"""

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from localyun.clock import CloudClock
from localyun.errors import ServiceError
from localyun.faults import NO_FAULTS, FaultInjector
from localyun.fc.instances import Blueprint, Instance, Pool, Result
from localyun.fc.invocations import Dispatcher, Invocation, InvocationStore
from localyun.fc.logs import FunctionLog
from localyun.fc.process_setup import environment, setup_frame
from localyun.fc.values import FunctionConfig, Site
from localyun.ram.credentials import Credential, Keyring

# FC "Limits" (2026-06): 32 MB for synchronous, 128 KB for asynchronous invocations.
MAX_SYNC_BYTES = 32 << 20
MAX_ASYNC_BYTES = 128 << 10
FIRST_RETRY_SECONDS = 1.0  # ours, then doubled: the pages on asynchronous retries name no gap for function errors
logger = logging.getLogger(__name__)


class FunctionService:
    """Deployed functions, their instances, and the events they are owed.

    `tell(arn, record)` delivers the record of a finished asynchronous invocation to a queue or topic.
    """

    def __init__(
        self,
        root: Path,
        clock: CloudClock,
        keyring: Keyring,
        site: Site,
        tell: Callable[[str, str], None],
        faults: FaultInjector = NO_FAULTS,
    ) -> None:
        (root / "logs").mkdir(parents=True, exist_ok=True)
        self._logs_dir = root / "logs"
        self._clock = clock
        self._keyring = keyring
        self.site = site
        self._tell = tell
        self._faults = faults
        self._functions: dict[str, FunctionConfig] = {}
        self._pools: dict[str, Pool] = {}
        self._logs: dict[str, FunctionLog] = {}
        self._closed = False
        self._store = InvocationStore(root / "invocations.sqlite")
        self._dispatcher = Dispatcher(self._attempt, clock, site.max_instances)

    def deploy(self, config: FunctionConfig) -> None:
        """Make a function known; one of the same name is replaced."""
        if missing := [path for path in config.code if not path.is_dir()]:
            raise ServiceError(400, "InvalidArgument", f"function '{config.name}': no directory {missing[0]}")
        if config.name in self._pools:
            self._retire(config.name)
        log = FunctionLog(self._logs_dir / f"{config.name}.log")
        blueprint = self._blueprint(config)
        self._logs[config.name] = log
        self._pools[config.name] = Pool(lambda: Instance(blueprint, log), self.site.max_instances)
        self._functions[config.name] = config

    def start(self) -> None:
        """Warm one instance of every function up, and take up the events that an earlier run left."""
        for pool in self._pools.values():
            pool.warm()
        self._dispatcher.start()
        for invocation in self._store.all():
            self._dispatcher.put(invocation)

    def get(self, name: str) -> FunctionConfig:
        """Return a function's configuration; 404 FunctionNotFound when there is none of that name."""
        if name not in self._functions:
            known = ", ".join(self._functions) or "none"
            raise ServiceError(404, "FunctionNotFound", f"function '{name}' does not exist; deployed are: {known}")
        return self._functions[name]

    def list(self) -> list[FunctionConfig]:
        """Return all functions by name."""
        return sorted(self._functions.values(), key=lambda config: config.name)

    def logs(self, name: str) -> str:
        """Return what a function's instances have printed."""
        self.get(name)
        return self._logs[name].read()

    def invoke(self, name: str, payload: bytes, *, request_id: str = "", retry_count: int = 0) -> Result:
        """Run a function now and return what came of it; a failing function is a result, not an exception."""
        _limit(payload, MAX_SYNC_BYTES)
        self.get(name)
        pool = self._pools[name]
        instance = pool.borrow()
        try:
            with self._faults.random_kill(instance.kill):
                return instance.invoke(request_id or self.request_id(), payload, retry_count)
        finally:
            pool.give_back(instance)

    def invoke_async(self, name: str, payload: bytes, *, request_id: str = "", delay: float = 0.0) -> str:
        """Accept an event for a function, durably, and return the request id."""
        _limit(payload, MAX_ASYNC_BYTES)
        self.get(name)
        now = self._clock.now().timestamp()
        invocation = Invocation(request_id or self.request_id(), name, payload, 0, now + delay, now)
        self._store.save(invocation)
        self._dispatcher.put(invocation)
        return invocation.request_id

    def request_id(self) -> str:
        """Return a new request id, in the shape FC gives them: `1-<8 hex>-<12 hex>-<12 hex>`."""
        token = self._clock.token(16)
        return f"1-{token[:8]}-{token[8:20]}-{token[20:32]}"

    def _attempt(self, invocation: Invocation) -> None:
        """Run an accepted event once and decide what comes next."""
        try:
            self._settle(invocation)
        except Exception:
            logger.exception("Asynchronous invocation %s of %s broke", invocation.request_id, invocation.function)

    def _settle(self, invocation: Invocation) -> None:
        """Finish an event, or put it back for a later attempt."""
        rules = self.get(invocation.function).asynchronous
        if self._clock.now().timestamp() - invocation.accepted > rules.max_age_seconds:
            self._finish(invocation, Result(invocation.request_id, b"", "EventAgeExceeded"))
            return
        result = self._try(invocation)
        if self._closed:
            return  # its instance was ended by us: the next run takes the event up again
        if result.error_type and invocation.attempt < rules.retries:
            self._again(invocation)
        else:
            self._finish(invocation, result)

    def _try(self, invocation: Invocation) -> Result:
        """Invoke the function of an event."""
        name, request_id = invocation.function, invocation.request_id
        return self.invoke(name, invocation.payload, request_id=request_id, retry_count=invocation.attempt)

    def _again(self, invocation: Invocation) -> None:
        """Put a failed event back; each gap is twice the one before."""
        gap = FIRST_RETRY_SECONDS * 2**invocation.attempt / self.site.time_scale
        due = self._clock.now().timestamp() + gap
        later = replace(invocation, attempt=invocation.attempt + 1, due=due)
        self._store.save(later)
        self._dispatcher.put(later)

    def _finish(self, invocation: Invocation, result: Result) -> None:
        """Tell the destination, then forget the event: told twice is better than never."""
        rules = self._functions[invocation.function].asynchronous
        if destination := rules.on_failure if result.error_type else rules.on_success:
            self._report(destination, self._record(invocation, result))
        self._store.remove(invocation.request_id)

    def _report(self, destination: str, record: str) -> None:
        """Deliver a record to another function, or to a queue or topic."""
        if destination.startswith("acs:fc:"):
            self.invoke_async(function_of(destination), record.encode())
            return
        try:
            self._tell(destination, record)
        except ServiceError as refusal:
            logger.warning("No record of an invocation reached %s: %s", destination, refusal)

    def _record(self, invocation: Invocation, result: Result) -> str:
        """Describe a finished event.

        Shape: FC "Result callback" (2026-04). What `condition` says of a failure is not documented; we give
        the error type.
        """
        site, failed = self.site, result.error_type
        context = {
            "requestId": invocation.request_id,
            "functionArn": f"acs:fc:{site.region}:{site.account_id}:functions/{invocation.function}",
            "condition": failed,
            "approximateInvokeCount": invocation.attempt + 1,
        }
        record = {
            "timestamp": round(self._clock.now().timestamp() * 1000),
            "requestContext": context,
            "requestPayload": invocation.payload.decode(errors="replace"),
            "responseContext": {"statusCode": 200, "functionError": failed},
            "responsePayload": result.payload.decode(errors="replace"),
        }
        return json.dumps(record, ensure_ascii=False)

    def _blueprint(self, config: FunctionConfig) -> Blueprint:
        """Work out how instances of a function start, with an access key of the function's role."""
        key = self._issue_key(config)
        setup = setup_frame(config, self.site, key)
        variables = environment(config, self.site, key, self._clock.token(8))
        python = config.python or self.site.python
        return Blueprint(python, config.code[0], variables, setup, config.timeout, bare=config.built)

    def _issue_key(self, config: FunctionConfig) -> Credential:
        """Issue the temporary access key that the function runs with."""
        key = Credential(
            access_key_id=f"STS.{self._clock.token(12)}",
            access_key_secret=self._clock.token(22),
            security_token=self._clock.token(64),
            principal=config.role or f"function/{config.name}",
        )
        self._keyring.add(key)
        return key

    def _retire(self, name: str) -> None:
        """End a function's instances, each with its preStop hook, and its log."""
        hook = self._functions[name].pre_stop
        farewell = (lambda i: i.pre_stop(self.request_id(), hook.timeout)) if hook else _no_farewell
        self._pools[name].close(farewell)
        self._logs[name].close()

    def close(self) -> None:
        """End everything. Events that were accepted and not finished are run by the next service."""
        self._closed = True
        self._dispatcher.stop()
        for name in self._functions:
            self._retire(name)
        self._dispatcher.join()
        self._store.close()


def function_of(arn: str) -> str:
    """Return the name in a function's ARN, which may carry a service, a qualifier and slashes."""
    return arn.rpartition("functions/")[2].partition("/")[0].partition(".")[0]


def _no_farewell(_instance: Instance) -> None:
    """Let an instance of a function without a preStop hook end without a word."""


def _limit(payload: bytes, limit: int) -> None:
    """Refuse a payload that FC would not take."""
    if len(payload) > limit:
        message = f"payload has {len(payload)} bytes, at most {limit} are allowed; put it into OSS and pass its key"
        raise ServiceError(413, "RequestEntityTooLarge", message)
