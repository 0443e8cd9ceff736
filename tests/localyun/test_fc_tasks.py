"""Asynchronous tasks through the vendor's client: states, ids, lists, stopping, restarts."""

import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from alibabacloud_fc20230330 import models
from alibabacloud_tea_util.models import RuntimeOptions

from localyun.clock import HostClock
from localyun.errors import ServiceError
from localyun.fc.store import InvocationStore
from localyun.fc.task_states import TaskStates
from localyun.server import LocalCloud
from tests.child_process import wait_until
from tests.localyun.fc_world import SERVERLESS, FcWorld, refused, running_fc_world, serve, write_project
from tests.localyun.mns_world import AdjustableClock

# Fails, sleeps and answers as its event says; appends the number of the attempt to a file.
OBEDIENT = """
import json, os, time

def handler(event, context):
    order = json.loads(event or b"{}")
    with open(os.environ["OUT"], "ab") as out:
        out.write(f"{order.get('name', '')} {context.retry_count}\\n".encode())
    if context.retry_count < order.get("failures", 0):
        raise ValueError("not yet")
    time.sleep(order.get("sleep", 0))
    return order.get("answer", "done")
"""
ARN = "acs:fc:cn-hangzhou:1234567890123456:functions/"
NOT_FOUND, EXISTS = (404, "AsyncTaskNotFound"), (409, "StatefulAsyncInvocationAlreadyExists")
DECLARED = """
  render:
    component: fc3
    props:
      region: cn-hangzhou
      functionName: render
      runtime: python3.10
      handler: index.handler
      code: ./build/render
      asyncInvokeConfig: {asyncTask: true, maxAsyncRetryAttempts: 1}
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FcWorld]:
    """Run one local cloud for all tests; each uses its own function."""
    with running_fc_world(tmp_path_factory.mktemp("cloud")) as world:
        yield world


def create(world: FcWorld, name: str, **settings: Any) -> str:
    """Create a function that makes its asynchronous invocations tasks, and return its name."""
    world.create(name, OBEDIENT)
    configure(world, name, **{"async_task": True, **settings})
    return name


def configure(world: FcWorld, name: str, qualifier: str | None = None, **settings: Any) -> models.AsyncConfig:
    """Set how asynchronous invocations of a function run."""
    body = models.PutAsyncInvokeConfigInput(**settings)
    request = models.PutAsyncInvokeConfigRequest(body=body, qualifier=qualifier)
    return world.fc.put_async_invoke_config(name, request).body


def submit(
    world: FcWorld,
    name: str,
    task: str | None,
    order: Mapping[str, Any] | None = None,
    *,
    delay: int = 0,
    qualifier: str | None = None,
) -> Any:
    """Invoke a function asynchronously, and return the response."""
    sent = models.InvokeFunctionHeaders(x_fc_invocation_type="Async", x_fc_async_task_id=task)
    if delay:
        sent.common_headers = {"x-fc-async-delay": str(delay)}
    request = models.InvokeFunctionRequest(body=json.dumps(order or {}).encode(), qualifier=qualifier)
    return world.fc.invoke_function_with_options(name, request, sent, RuntimeOptions())


def get(world: FcWorld, name: str, task: str, qualifier: str | None = None) -> models.AsyncTask:
    """Call GetAsyncTask."""
    return world.fc.get_async_task(name, task, models.GetAsyncTaskRequest(qualifier=qualifier)).body


def reach(world: FcWorld, name: str, task: str, status: str, qualifier: str | None = None) -> models.AsyncTask:
    """Wait until a task is in a state, and return it."""

    def found() -> models.AsyncTask:
        return get(world, name, task, qualifier)

    return wait_until(lambda: (now := found()).status == status and now, describe=found)


def stop(world: FcWorld, name: str, task: str) -> int:
    """Call StopAsyncTask, and return the status of the response."""
    return int(world.fc.stop_async_task(name, task, models.StopAsyncTaskRequest()).status_code)


def listed(world: FcWorld, name: str, **query: Any) -> list[str]:
    """Return the ids of the tasks in a list."""
    return [task.task_id for task in world.fc.list_async_tasks(name, models.ListAsyncTasksRequest(**query)).body.tasks]


def states(task: models.AsyncTask) -> list[str]:
    """Return the states in the events of a task."""
    return [event.status for event in task.events]


def test_the_setting_is_kept(world: FcWorld) -> None:
    """It is off unless it is switched on, and every action on settings answers it."""
    world.create("setting", OBEDIENT)
    given = [configure(world, "setting", async_task=value).async_task for value in (None, False, True)]
    found = world.fc.get_async_invoke_config("setting", models.GetAsyncInvokeConfigRequest()).body
    [config] = world.fc.list_async_invoke_configs(
        models.ListAsyncInvokeConfigsRequest(function_name="setting")
    ).body.configs

    assert [None, None, True, True, True] == [*given, found.async_task, config.async_task]
    assert (400, "InvalidArgument") == refused(lambda: configure(world, "setting", async_task="yes"))


def test_a_declared_function_has_the_setting_of_its_project(tmp_path: Path) -> None:
    """The settings in s.yaml are those of the API."""
    project = write_project(tmp_path / "project")
    (project / "s.yaml").write_text(SERVERLESS + DECLARED)
    code = project / "functions" / "render"
    code.mkdir(parents=True)
    (code / "index.py").write_text(OBEDIENT.replace('os.environ["OUT"]', '"/dev/null"'))
    cloud = LocalCloud(project, time_scale=100)
    with cloud as endpoints:
        world = FcWorld((endpoints.fc, endpoints.oss), endpoints.credential, tmp_path, cloud)
        config = world.fc.get_async_invoke_config("render", models.GetAsyncInvokeConfigRequest()).body
        submit(world, "render", "a")
        task = reach(world, "render", "a", "Succeeded")

    assert (True, 1) == (config.async_task, config.max_async_retry_attempts)
    assert "a" == task.task_id


def test_a_task_tells_what_happened(world: FcWorld) -> None:
    """Its times are those of the run, and its events are the states that it had."""
    name, before = create(world, "tells"), HostClock().now().timestamp() * 1000
    response = submit(world, name, "job-1", {"sleep": 0.3})
    task = reach(world, name, "job-1", "Succeeded")

    assert "job-1" == response.headers["x-fc-async-task-id"]
    assert (response.headers["x-fc-request-id"], ARN + name, "LATEST") == (
        task.request_id,
        task.function_arn,
        task.qualifier,
    )
    assert {"sleep": 0.3} == json.loads(task.task_payload)
    assert before < task.started_time <= task.end_time - task.duration_ms + 50
    assert 300 <= task.duration_ms < 3000
    assert (0, None, "Succeeded") == (task.already_retried_times, task.return_payload, task.destination_status)
    assert not task.task_error_message
    assert task.instance_id.startswith("c-")
    assert ["Enqueued", "Dequeued", "Running", "Succeeded"] == states(task)
    assert [1, 2, 3, 4] == [event.event_id for event in task.events]
    assert sorted(event.timestamp for event in task.events) == [event.timestamp for event in task.events]
    assert "FC Invoke End" in json.loads(task.events[-1].event_detail)["logTail"]


def test_a_task_that_runs_has_no_end_yet(world: FcWorld) -> None:
    """What has not happened is 0."""
    name = create(world, "running")
    submit(world, name, "a", {"sleep": 1})
    task = reach(world, name, "a", "Running")

    assert (0, 0, "") == (task.end_time, task.duration_ms, task.destination_status)
    assert task.started_time > 0
    assert "Succeeded" == reach(world, name, "a", "Succeeded").status


@pytest.mark.parametrize(("failures", "last", "retried"), [(1, "Succeeded", 1), (9, "Failed", 2)])
def test_a_task_is_retried(world: FcWorld, failures: int, last: str, retried: int) -> None:
    """Its events have every run, and the error."""
    name = create(world, f"retried-{failures}", max_async_retry_attempts=2)
    submit(world, name, "a", {"failures": failures})
    task = reach(world, name, "a", last)

    again = ["Retrying", "Dequeued", "Running"] * retried
    assert ["Enqueued", "Dequeued", "Running", *again, last] == states(task)
    assert retried == task.already_retried_times
    assert ("UnhandledInvocationError" if last == "Failed" else "") == task.task_error_message
    assert "UnhandledInvocationError" == json.loads(task.events[3].event_detail)["Error"]


def test_an_id_is_taken_for_seven_days(tmp_path: Path) -> None:
    """Also after the task has ended; another function may have a task of that id."""
    clock = AdjustableClock()
    with running_fc_world(tmp_path, clock=clock) as world:
        create(world, "f"), create(world, "g")
        submit(world, "f", "_a-1"), submit(world, "g", "_a-1")
        reach(world, "f", "_a-1", "Succeeded")
        taken = refused(lambda: submit(world, "f", "_a-1"))
        invocations = world.services.functions.invocations
        clock.advance(6.9 * 86400)  # a request that is signed now would be refused
        with pytest.raises(ServiceError) as still:
            invocations.accept("f", b"", task_id="_a-1")
        found = invocations.tasks.get("f", "_a-1").status
        clock.advance(0.2 * 86400)
        gone = invocations.tasks.list("f")
        accepted = invocations.accept("f", b"", task_id="_a-1")
        wait_until(lambda: invocations.tasks.get("f", "_a-1").status == "Succeeded")

    assert (EXISTS, 409, "Succeeded") == (taken, still.value.status, found)
    assert ([], "_a-1") == (gone, accepted.task_id)


def test_a_task_without_an_id_has_that_of_its_request(world: FcWorld) -> None:
    """Also one that a trigger starts."""
    name = create(world, "anonymous")
    headers = submit(world, name, None).headers
    request_id = headers["x-fc-request-id"]
    task = reach(world, name, request_id, "Succeeded")

    assert request_id == headers["x-fc-async-task-id"] == task.task_id == task.request_id


def test_a_function_without_the_setting_has_no_tasks(world: FcWorld) -> None:
    """An id has no effect there: the same one is accepted again, and nothing is kept."""
    world.create("plain", OBEDIENT)
    responses = [submit(world, "plain", "a", {"name": "plain"}) for _ in range(2)]
    wait_until(lambda: 2 == sum(line.startswith("plain ") for line in world.lines()))

    assert all("x-fc-async-task-id" not in response.headers for response in responses)
    assert NOT_FOUND == refused(lambda: get(world, "plain", "a"))
    assert NOT_FOUND == refused(lambda: stop(world, "plain", "a"))
    assert [] == listed(world, "plain")


def test_unknown_tasks_and_functions_are_not_found(world: FcWorld) -> None:
    """An unknown qualifier has no tasks either."""
    name = create(world, "known")
    submit(world, name, "a")

    assert NOT_FOUND == refused(lambda: get(world, name, "b"))
    assert NOT_FOUND == refused(lambda: get(world, name, "a", "prod"))
    for call in (
        lambda: get(world, "absent", "a"),
        lambda: stop(world, "absent", "a"),
        lambda: listed(world, "absent"),
    ):
        assert (404, "FunctionNotFound") == refused(call)


def test_a_task_that_runs_is_stopped(world: FcWorld) -> None:
    """Its instance is killed, it is not run again, and the next task has another instance."""
    name = create(world, "stopped")
    submit(world, name, "a", {"sleep": 15, "name": "stopped"})
    instance = reach(world, name, "a", "Running").instance_id
    wait_until(lambda: "stopped 0" in world.lines())
    started, status = time.monotonic(), stop(world, name, "a")
    task = reach(world, name, "a", "Stopped")
    submit(world, name, "b", {})

    assert 200 == status
    assert time.monotonic() - started < 10
    assert ["Enqueued", "Dequeued", "Running", "Stopping", "Stopped"] == states(task)
    assert instance != reach(world, name, "b", "Succeeded").instance_id
    assert 200 == stop(world, name, "a")
    assert "Stopped" == get(world, name, "a").status
    assert 1 == world.lines().count("stopped 0")
    assert EXISTS == refused(lambda: submit(world, name, "a"))


def test_a_task_that_waits_is_stopped_at_once(world: FcWorld) -> None:
    """Whether it waits for its time, or for an instance, it never runs."""
    name = create(world, "waits")
    submit(world, name, "late", {"name": "late"}, delay=2)
    world.reserve(name, 0)
    submit(world, name, "queued", {"name": "queued"})
    reach(world, name, "queued", "Dequeued")
    for task in ("late", "queued"):
        stop(world, name, task)
    stopped = [get(world, name, task) for task in ("late", "queued")]
    world.reserve(name, 5)
    time.sleep(2.2)

    assert [["Enqueued", "Stopping", "Stopped"], ["Enqueued", "Dequeued", "Stopping", "Stopped"]] == [
        *map(states, stopped)
    ]
    assert [0, 0] == [task.started_time for task in stopped]
    assert "AsyncTaskStopped" == stopped[0].task_error_message
    assert not {"late 0", "queued 0"} & set(world.lines() if world.out.exists() else [])
    assert ["Stopped", "Stopped"] == [get(world, name, task).status for task in ("late", "queued")]


def test_a_task_that_waits_too_long_expires(world: FcWorld) -> None:
    """It is not run."""
    name = create(world, "expires", max_async_event_age_in_seconds=1)
    submit(world, name, "a", delay=2)
    task = reach(world, name, "a", "Expired")

    assert ("EventAgeExceeded", 0) == (task.task_error_message, task.started_time)


def test_a_task_of_a_deleted_version_is_invalid(world: FcWorld) -> None:
    """It is not run."""
    world.create("versions", OBEDIENT)
    version = world.publish("versions").version_id
    configure(world, "versions", version, async_task=True)
    submit(world, "versions", "a", delay=1, qualifier=version)
    task = get(world, "versions", "a", version)
    world.fc.delete_function_version("versions", version)

    assert (f"{ARN}versions/{version}", version, "Enqueued") == (task.function_arn, task.qualifier, task.status)
    assert "VersionNotFound" == reach(world, "versions", "a", "Invalid", version).task_error_message


def test_a_deleted_function_leaves_no_tasks(world: FcWorld) -> None:
    """One of the same name begins with none."""
    create(world, "deleted")
    submit(world, "deleted", "a", delay=30)
    world.fc.delete_function("deleted")
    create(world, "deleted")

    assert [] == listed(world, "deleted")
    assert 202 == submit(world, "deleted", "a").status_code


def test_tasks_are_listed_in_pages(world: FcWorld) -> None:
    """The newest is first; state, time and prefix select; the payload is only there if asked for."""
    name = create(world, "listed", max_async_retry_attempts=0)
    for number in range(3):
        submit(world, name, f"good-{number}", {"n": number})
        reach(world, name, f"good-{number}", "Succeeded")
    submit(world, name, "bad", {"failures": 1})
    started = reach(world, name, "bad", "Failed").started_time
    pages: list[list[str]] = []
    token = None
    while not pages or token:
        page = world.fc.list_async_tasks(name, models.ListAsyncTasksRequest(limit=3, next_token=token)).body
        pages, token = [*pages, [task.task_id for task in page.tasks]], page.next_token
    queries = (models.ListAsyncTasksRequest(include_payload=choice, prefix="good-1") for choice in (True, False, None))
    payloads = [world.fc.list_async_tasks(name, query).body.tasks[0].task_payload for query in queries]

    assert [["bad", "good-2", "good-1"], ["good-0"]] == pages
    assert ["good-0", "good-1", "good-2", "bad"] == listed(world, name, sort_order_by_time="asc")
    assert ["good-2", "good-1", "good-0"] == listed(world, name, prefix="good-")
    assert ["bad"] == listed(world, name, status="Failed")
    assert ["bad"] == listed(world, name, started_time_begin=started)
    assert 3 == len(listed(world, name, started_time_end=started - 1))
    assert ['{"n": 1}', None, None] == payloads


@pytest.mark.parametrize(
    "query",
    [{"limit": 0}, {"limit": 101}, {"status": "Done"}, {"sort_order_by_time": "up"}, {"started_time_begin": -1}],
)
def test_an_invalid_query_is_refused(world: FcWorld, query: dict[str, Any]) -> None:
    """It is an error, not an empty list."""
    world.create(name := f"query-{next(iter(query.values()))}", OBEDIENT)

    assert (400, "InvalidArgument") == refused(lambda: listed(world, name, **query))


def test_tasks_survive_a_crash(tmp_path: Path) -> None:
    """A task that ran or waited runs again; one that has ended stays."""
    project = write_project(tmp_path / "project")
    process, world = serve(project, tmp_path)
    name = create(world, "f")
    submit(world, name, "ended")
    reach(world, name, "ended", "Succeeded")
    submit(world, name, "runs", {"sleep": 3, "name": "runs"})
    submit(world, name, "waits", {"name": "waits"}, delay=4)
    wait_until(lambda: "runs 0" in world.lines())
    process.kill()
    process.wait()
    process, again = serve(project, tmp_path)
    try:
        world = FcWorld((again.fc_url, again.oss_url), again.key, tmp_path)
        ended = get(world, name, "ended").status
        runs, waits = (reach(world, name, task, "Succeeded") for task in ("runs", "waits"))
        refusal = refused(lambda: submit(world, name, "runs"))
    finally:
        process.kill()
        process.wait()

    assert "Succeeded" == ended
    assert ["Enqueued", "Dequeued", "Running", "Dequeued", "Running", "Succeeded"] == states(runs)
    assert ["Enqueued", "Dequeued", "Running", "Succeeded"] == states(waits)
    assert 2 == world.lines().count("runs 0")
    assert EXISTS == refusal


def test_a_task_that_was_being_stopped_ends_after_a_restart(tmp_path: Path) -> None:
    """It does not wait for its time, and does not run."""
    project = write_project(tmp_path / "project")
    with LocalCloud(project, data=tmp_path / "data") as endpoints:
        world = FcWorld((endpoints.fc, endpoints.oss), endpoints.credential, tmp_path)
        create(world, "f")
        submit(world, "f", "a", {"name": "a"}, delay=600)
    store = InvocationStore(tmp_path / "data" / "functions" / "invocations.sqlite")
    assert TaskStates(store, HostClock()).stop("f", "a")  # as far as a process comes that is killed then
    store.close()
    with LocalCloud(project, data=tmp_path / "data") as endpoints:
        world = FcWorld((endpoints.fc, endpoints.oss), endpoints.credential, tmp_path)
        task = reach(world, "f", "a", "Stopped")

    assert ["Enqueued", "Stopping", "Stopped"] == states(task)
    assert not world.out.exists()
