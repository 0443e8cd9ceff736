"""Helpers of several use-case tests: ports that fail on request, and every call at which a run can fail."""

import json
from collections.abc import Callable
from typing import Any, TypeVar, cast

import pytest

from clipstitch.common.identifiers import ObjectRef
from clipstitch.jobs.job import Failure, Job
from clipstitch.planning.chapters import id3_size
from clipstitch.planning.plan import Plan
from tests.world import BUCKET, DOCUMENT, OUTPUT, CallCounter, CallInterceptor, World

REJECTED_DOCUMENT = {"version": 1, "output": {"key": "a.mp3"}, "clips": []}
T = TypeVar("T")


class TimeLimitExceeded(BaseException):
    """Ends a function as Function Compute does at its time limit."""


def drop_other(world: World, name: str) -> ObjectRef:
    """Upload another manifest, of that name."""
    output = {"key": f"episodes/{name}.mp3"}
    return world.drop({**DOCUMENT, "output": output}, ObjectRef(BUCKET, f"manifests/{name}.json"))


def uploaded(document: object = DOCUMENT) -> World:
    """Return a world to which a manifest was uploaded."""
    world = World()
    world.drop(document)
    return world


def submitted(document: object = DOCUMENT) -> World:
    """Return a world in which the submit function has started a job."""
    world = uploaded(document)
    world.submit()
    return world


def faults(run: Callable[[CallInterceptor], object]) -> list[Any]:
    """Return pytest parameters (calls, before): one fault before and one after each port call of a run."""
    counter = CallCounter()
    run(counter)
    assert counter.calls > 0
    return [
        pytest.param(calls, before, id=f"{'before' if before else 'after'} call {calls + 1}")
        for calls in range(counter.calls)
        for before in (True, False)
    ]


def plan_of(job: Job) -> Plan:
    """Return the plan of a job that has one."""
    assert job.plan is not None
    return job.plan


def publish_error(job: Job) -> Failure:
    """Return why the output of a job could not be published."""
    assert job.result is not None
    assert job.result.error is not None
    return job.result.error


def output_names(world: World, ref: ObjectRef = OUTPUT) -> list[str]:
    """Return the names of the clips in an output, in order; an ID3 tag before the audio is skipped."""
    body = world.objects.read(ref).body
    return json.loads(body[id3_size(body[:10]) :])["names"]  # type: ignore[no-any-return]


def events_by_id(world: World) -> dict[str, set[str]]:
    """Return the different contents that were sent under each event id."""
    contents: dict[str, set[str]] = {}
    for _, _, text in world.sent:
        contents.setdefault(json.loads(text)["id"], set()).add(text)
    return contents


def log_lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """Return the captured log lines of clipstitch."""
    return [json.loads(record.getMessage()) for record in caplog.records if record.name == "clipstitch"]


def failing(port: T, method: str, error: BaseException, when: Callable[..., bool] = lambda *_: True) -> T:
    """Return a port of which one method raises, if `when` returns True for the arguments of the call."""
    return cast("T", _FailingPort(port, method, error, when))


class _FailingPort:
    def __init__(self, port: object, method: str, error: BaseException, when: Callable[..., bool]) -> None:
        self._port, self._method, self._error, self._when = port, method, error, when

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._port, name)
        if name != self._method:
            return attribute

        def call(*args: Any, **kwargs: Any) -> Any:
            if self._when(*args):
                raise self._error
            return attribute(*args, **kwargs)

        return call


def interrupted(port: T, method: str, action: Callable[[], object], *, before: bool = False) -> T:
    """Return a port that runs an action once, before or after the first call of a method."""
    return cast("T", _InterruptedPort(port, method, action, before=before))


class _InterruptedPort:
    def __init__(self, port: object, method: str, action: Callable[[], object], *, before: bool) -> None:
        self._port, self._method, self._before = port, method, before
        self._actions = [action]

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._port, name)
        if name != self._method or not self._actions:
            return attribute
        action = self._actions.pop()

        def call(*args: Any, **kwargs: Any) -> Any:
            if self._before:
                action()
            answer = attribute(*args, **kwargs)
            if not self._before:
                action()
            return answer

        return call
