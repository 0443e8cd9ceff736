"""Function Compute: runs of functions that interleave at every port call, time out and crash."""

import zlib
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from clipstitch.adapters.threads import MAX_CONCURRENT
from clipstitch.common.errors import CloudBusy, WebhookNoResponse
from clipstitch.common.identifiers import ObjectRef
from clipstitch.usecases.context import Context
from tests.simulation.faults import CRASH_AFTER, CRASH_BEFORE, RESPONSE_LOST, TIMED_OUT, CallFault
from tests.simulation.receivers import RESPONSE_TIMEOUT_S

if TYPE_CHECKING:
    from tests.simulation.world import World

TIMEOUT_S = {"submit": 60, "complete": 60, "sweep": 300}  # the limits of one run, as in s.yaml
A = TypeVar("A")
T = TypeVar("T")
MAX_CALLS = 600  # of one run; more than any run needs here


class Crashed(BaseException):
    """The function ends at this point, as if by SIGKILL."""


class FunctionRun:
    """One run of a function. Its clock deviates from the time of the cloud.

    `listed_at` is when it last listed a prefix. `cause_step` is the step whose end caused the run, or -1.
    """

    def __init__(self, world: "World", number: int, kind: str, work: Callable[[Context], object]) -> None:
        self.number, self.kind, self.work, self._world = number, kind, work, world
        self._clock_skew = timedelta(seconds=world.rng.uniform(-1, 1) * world.profile.clock_skew_s)
        self.started_at = world.scheduler.now
        self._observed_at: dict[tuple[object, ObjectRef], float] = {}
        self.listed_at: dict[str, float] = {}
        self.cause_step = -1
        self._calls = 0
        self._crashed = False

    @property
    def name(self) -> str:
        """The name of the run in the trace and in violations."""
        return f"{self.kind}#{self.number}"

    def now(self) -> datetime:
        """Return the time of this run's clock."""
        return self.clock_at(self._world.scheduler.now)

    def clock_at(self, time: float) -> datetime:
        """Return what this run's clock shows at a simulated time in seconds."""
        return self._world.datetime_at(time) + self._clock_skew

    def observed_at(self, ref: ObjectRef) -> float:
        """Return when the calling thread of this run last read or wrote an object; -1 if never."""
        return self._observed_at.get((self._world.scheduler.current, ref), -1.0)

    def context(self) -> Context:
        """Return the context of the use case, in which every port call passes through `call`."""
        world = self._world
        ports = (_Port(self, name, getattr(world, name)) for name in ("objects", "audio", "messages", "webhooks"))
        objects, audio, messages, webhooks = ports
        return Context(objects, audio, messages, webhooks, self, world.settings, set(), self)

    def map(self, call: Callable[[A], T], arguments: Iterable[A]) -> list[T]:
        """Make calls at the same time, as the `Workers` port does; a crash in one of them ends the whole run."""
        listed = list(arguments)
        results: dict[int, T] = {}
        errors: dict[int, Exception] = {}

        def work(number: int) -> None:
            try:
                results[number] = call(listed[number])
            except Crashed:
                self._crashed = True
            except Exception as error:  # noqa: BLE001 - re-raised by the caller of `map`
                errors[number] = error

        for start in range(0, len(listed), MAX_CONCURRENT):
            numbers = range(start, min(start + MAX_CONCURRENT, len(listed)))
            self._world.scheduler.run_together(partial(work, number) for number in numbers)
            if self._crashed:
                raise Crashed
        if errors:
            raise errors[min(errors)]
        return [results[number] for number in range(len(listed))]

    def call(self, port: str, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Perform a port call after its latency, or the fault that is drawn for it."""
        world, name = self._world, method.__name__
        args = tuple(list(arg) if isinstance(arg, Iterator) else arg for arg in args)
        fault = world.injector.draw_call_fault(name)
        world.scheduler.pause(world.injector.latency())
        if self._crashed:
            raise Crashed
        if world.scheduler.now - self.started_at > TIMEOUT_S[self.kind]:
            fault = CRASH_BEFORE
            world.injector.counts[TIMED_OUT] += 1
        self._count_call()
        world.trace(f"{self.name} {port}.{name} {summary(args)} {fault or ''}")
        if fault == CRASH_BEFORE:
            raise Crashed
        if isinstance(fault, type):
            raise fault(f"injected into {name}")
        try:
            answer = self._perform(port, name, method, args, kwargs)
        except WebhookNoResponse:
            world.scheduler.pause(RESPONSE_TIMEOUT_S)
            raise
        if port == "webhooks":
            world.scheduler.pause(world.webhooks.response_s(args[0]))
        _raise_after_call(fault, name)
        return answer

    def _count_call(self) -> None:
        self._calls += 1
        if self._calls > MAX_CALLS:
            self._world.violations.append(f"{self.name} makes more than {MAX_CALLS} calls")
            raise Crashed

    def _perform(self, port: str, name: str, method: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Perform a call at one instant, and record that this run is its actor."""
        world = self._world
        world.actor = self.number
        world.calls += 1
        try:
            if name == "start":
                world.steps.check_start(self, args[1])
            answer = method(*args, **kwargs)
            if name == "list":
                self.listed_at[args[1]] = world.scheduler.now
            return iter(list(answer)) if name in ("list", "list_folders") else answer
        finally:
            if port == "objects" and name in ("describe", "write", "read"):
                self._observed_at[world.scheduler.current, args[0]] = world.scheduler.now
            world.actor = 0


def _raise_after_call(fault: CallFault | None, name: str) -> None:
    if fault == CRASH_AFTER:
        raise Crashed
    if fault == RESPONSE_LOST:
        raise CloudBusy(f"the response of {name} was lost")


class _Port:
    """A port as one run sees it."""

    def __init__(self, run: FunctionRun, name: str, port: object) -> None:
        self._run, self._name, self._port = run, name, port

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._port, name)
        return lambda *args, **kwargs: self._run.call(self._name, method, *args, **kwargs)


def summary(args: Iterable[Any]) -> str:
    """Return arguments in short, the same in every process: the checksum of bytes, the start of anything else."""
    return " ".join(f"<{zlib.crc32(arg):08x}>" if isinstance(arg, bytes) else str(arg)[:200] for arg in args)
