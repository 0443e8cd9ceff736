"""Changes while functions run: replaced and deleted functions, reserved concurrency, and what a kill leaves."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from alibabacloud_fc20230330 import models

from localyun.server import LocalCloud
from tests.child_process import wait_until
from tests.localyun.fc_world import RECORDER, FcWorld, refused, running_fc_world, serve, write_project

ECHO = """
  echo:
    component: fc3
    props: {region: cn-hangzhou, functionName: echo, runtime: python3.10, handler: index.handler, code: ./build/echo}
"""
THROTTLED = (429, "ResourceThrottled")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[FcWorld]:
    """Run a local cloud with one function."""
    with running_fc_world(tmp_path) as world:
        world.create("f")
        yield world


def start(world: FcWorld, event: bytes) -> "threading.Thread":
    """Invoke the function synchronously in a thread, and wait until it is running."""
    before = world.services.functions.logs("f").count("FC Invoke Start")
    thread = threading.Thread(target=world.invoke, args=("f", event))
    thread.start()
    wait_until(lambda: world.services.functions.logs("f").count("FC Invoke Start") > before)
    return thread


def test_a_running_request_finishes_on_the_replaced_code(world: FcWorld) -> None:
    """The next request runs the new code at once."""
    thread = start(world, b"sleep 1")
    world.update("f", tag="second")
    payload = world.invoke("f", b"quick")
    thread.join()

    assert b"second" == payload
    assert ["second quick", "first sleep 1"] == world.lines(2)


def test_no_request_is_lost_while_a_function_is_replaced(world: FcWorld) -> None:
    """Synchronous and asynchronous invocations from four threads during ten updates."""
    with ThreadPoolExecutor(4) as pool:
        results = [pool.submit(world.invoke, "f", b"sync") for _ in range(30)]
        accepted = [pool.submit(world.invoke, "f", b"async", kind="Async") for _ in range(30)]
        for number in range(10):
            world.update("f", tag=f"tag{number}")
        payloads = {result.result() for result in results}
        for one in accepted:
            one.result()

    assert payloads <= {b"first", *(b"tag%d" % number for number in range(10))}
    lines = world.lines(60)
    assert (30, 30) == tuple(sum(line.endswith(f" {kind}") for line in lines) for kind in ("sync", "async"))
    assert b"tag9" == world.invoke("f")


def test_reserved_concurrency_refuses_synchronous_and_delays_asynchronous_invocations(world: FcWorld) -> None:
    """All versions share it; when the running request ends, the asynchronous one runs."""
    world.publish("f")
    world.reserve("f", 1)
    thread = start(world, b"sleep 1.5")
    throttled = refused(lambda: world.invoke("f", b"refused"))
    version = refused(lambda: world.invoke("f", b"refused", qualifier="1"))
    world.invoke("f", b"delayed", kind="Async")
    thread.join()
    lines = world.lines(2)

    assert (THROTTLED, THROTTLED) == (throttled, version)
    assert ["first sleep 1.5", "first delayed"] == lines
    wait_until(lambda: world.invoke("f", b"again"), ignoring=(Exception,))
    assert "first again" == world.lines(3)[2]


def test_a_reserved_concurrency_of_zero_stops_a_function(world: FcWorld) -> None:
    """What was accepted meanwhile runs as soon as the reservation is removed."""
    world.reserve("f", 0)
    world.bucket.put_object("in/before", b"")
    world.trigger("f", "in")
    world.bucket.put_object("in/a", b"")
    throttled = refused(lambda: world.invoke("f"))
    world.invoke("f", b"delayed", kind="Async")
    nothing = world.out.exists()
    world.fc.delete_concurrency_config("f")

    assert THROTTLED == throttled
    assert not nothing
    assert ["delayed", "in/a"] == sorted(("in/a" if "in/a" in line else line[6:]) for line in world.lines(2))


def test_an_invocation_that_waits_too_long_expires(world: FcWorld) -> None:
    """Its maximum age also counts while it waits for the reserved concurrency."""
    body = models.PutAsyncInvokeConfigInput(max_async_event_age_in_seconds=1)
    world.fc.put_async_invoke_config("f", models.PutAsyncInvokeConfigRequest(body=body))
    world.reserve("f", 0)
    world.invoke("f", b"expired", kind="Async")
    time.sleep(1.2)
    world.fc.delete_concurrency_config("f")
    wait_until(lambda: not world.services.functions._store.all())

    assert "FC Invoke Start" not in world.services.functions.logs("f")


def test_reserved_concurrency_can_be_read_listed_and_removed(world: FcWorld) -> None:
    """Without one, the error is OnDemandConfigNotFound."""
    world.create("g")
    missing = refused(lambda: world.fc.get_concurrency_config("f"))
    put = world.reserve("f", 3)
    found = world.fc.get_concurrency_config("f").body
    listed = [
        [config.function_arn for config in world.fc.list_concurrency_configs(request).body.configs or []]
        for request in (
            models.ListConcurrencyConfigsRequest(),
            models.ListConcurrencyConfigsRequest(function_name="g"),
        )
    ]
    world.fc.delete_concurrency_config("f")

    arn = "acs:fc:cn-hangzhou:1234567890123456:functions/f"
    assert (404, "OnDemandConfigNotFound") == missing
    assert ((arn, 3), (arn, 3)) == tuple((one.function_arn, one.reserved_concurrency) for one in (put, found))
    assert [[arn], []] == listed
    assert missing == refused(lambda: world.fc.get_concurrency_config("f"))
    assert (400, "InvalidArgument") == refused(lambda: world.reserve("f", -1))


def test_waiting_invocations_of_a_deleted_function_are_dropped(
    world: FcWorld, caplog: pytest.LogCaptureFixture
) -> None:
    """A log line has their number; a function of the same name that is created later does not run them."""
    world.reserve("f", 0)
    for number in range(12):
        world.invoke("f", b"old %d" % number, kind="Async")
    world.invoke("f", b"old, due later", kind="Async", delay=1)
    world.fc.delete_function("f")
    world.create("f", tag="second")
    world.invoke("f", b"new, due later", kind="Async", delay=2)

    assert ["second new, due later"] == world.lines()
    assert "Dropped 13 asynchronous invocations of the deleted function f" in caplog.text


def test_everything_that_was_created_survives_a_kill(tmp_path: Path) -> None:
    """Functions, versions, aliases, triggers, settings and waiting invocations; what was deleted stays deleted."""
    project = write_project(tmp_path / "project")
    first, world = serve(project, tmp_path)
    world.create("f")
    world.create("deleted")
    for tag in ("second", "third"):
        world.publish("f", f"before {tag}")
        world.update("f", tag=tag)
    world.fc.delete_function_version("f", "2")
    world.alias("f", "prod", "1")
    world.alias("f", "deleted", "1")
    world.fc.delete_alias("f", "deleted")
    world.trigger("f", "in", qualifier="prod")
    world.trigger("f", "deleted")
    world.fc.delete_trigger("f", "deleted")
    world.fc.delete_function("deleted")
    async_config = models.PutAsyncInvokeConfigInput(max_async_retry_attempts=7)
    world.fc.put_async_invoke_config("f", models.PutAsyncInvokeConfigRequest(qualifier="prod", body=async_config))
    world.reserve("f", 0)
    world.invoke("f", b"waiting", "prod", kind="Async")
    before = describe(world)

    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    second, world = serve(project, tmp_path)
    after = describe(world)
    throttled = refused(lambda: world.invoke("f"))
    world.fc.delete_concurrency_config("f")
    lines = world.lines()
    world.bucket.put_object("in/a", b"")
    from_trigger = world.lines(2)[1]
    payloads = [world.invoke("f", qualifier=qualifier) for qualifier in ("1", "prod", "LATEST")]
    number = world.publish("f").version_id
    second.terminate()
    second.communicate()

    assert before == after
    assert (["prod"], ["in"], ["1"], ["f"]) == tuple(
        before[kind] for kind in ("aliases", "triggers", "versions", "all")
    )
    assert THROTTLED == throttled
    assert ["first waiting"] == lines
    assert from_trigger.startswith("first {")
    assert [b"first", b"first", b"third"] == payloads
    assert "3" == number


def test_a_changed_topic_trigger_keeps_messages_that_wait_for_a_retry(world: FcWorld) -> None:
    """The function fails at first; after the change the message is delivered in the new format."""
    world.create("g", "def handler(event, context):\n    raise ValueError('later')")
    config = '{"notifyStrategy": "EXPONENTIAL_DECAY_RETRY", "notifyContentFormat": "%s"}'
    topic = {"trigger_type": "mns_topic", "source_arn": "acs:mns:cn-hangzhou:1234567890123456:/topics/jobs"}
    world.trigger("g", "topic", trigger_config=config.replace("%s", "JSON"), **topic)
    world.services.messages.publish("jobs", "a message")
    wait_until(lambda: "ValueError: later" in world.services.functions.logs("g"))
    body = models.UpdateTriggerInput(trigger_config=config.replace("%s", "STREAM"))
    world.fc.update_trigger("g", "topic", models.UpdateTriggerRequest(body=body))
    world.update("g", source=RECORDER)

    assert ["first a message"] == world.lines()


def test_a_trigger_survives_its_bucket_and_its_topic(tmp_path: Path) -> None:
    """The cloud starts again although both were deleted, and its other triggers work."""
    project = write_project(tmp_path / "project")
    topic = {
        "trigger_type": "mns_topic",
        "source_arn": "acs:mns:cn-hangzhou:1234567890123456:/topics/other",
        "trigger_config": "{}",
    }
    with running_again(project, tmp_path) as world:
        world.create("f")
        world.services.messages.topics.put("other")
        world.trigger("f", "topic", **topic)
        world.trigger("f", "in", source_arn="acs:oss:cn-hangzhou:1234567890123456:bkt")
        world.services.messages.topics.delete("other")
        world.services.objects.create_bucket("second")
        world.trigger("f", "second", source_arn="acs:oss:cn-hangzhou:1234567890123456:second")
        world.services.objects.delete_bucket("second")
    with running_again(project, tmp_path) as world:
        triggers = world.fc.list_triggers("f", models.ListTriggersRequest()).body.triggers
        world.bucket.put_object("in/a", b"")
        world.lines()

    assert ["in", "second", "topic"] == [trigger.trigger_name for trigger in triggers]


def test_what_is_made_for_a_declared_function_ends_with_the_cloud(tmp_path: Path) -> None:
    """s.yaml alone decides what it has; a function of the same name that is created later does not inherit it."""
    project = write_project(tmp_path / "project")
    without = (project / "s.yaml").read_text()
    (project / "functions" / "echo").mkdir(parents=True)
    (project / "functions" / "echo" / "index.py").write_text("def handler(event, context):\n    return event")
    (project / "s.yaml").write_text(without + ECHO)
    with running_again(project, tmp_path) as world:
        world.trigger("echo", "in")
        world.reserve("echo", 2)
        version = refused(lambda: world.publish("echo"))
        code = refused(lambda: world.fc.get_function_code("echo", models.GetFunctionCodeRequest()))
    with running_again(project, tmp_path) as world:
        declared, payload = settings_of_echo(world), world.invoke("echo", b"hello")
    (project / "s.yaml").write_text(without)
    with running_again(project, tmp_path) as world:
        world.create("echo")
    with running_again(project, tmp_path) as world:
        created = settings_of_echo(world)

    assert ((400, "InvalidArgument"), (404, "FunctionCodeNotFound")) == (version, code)
    nothing: tuple[list[str], tuple[int, str]] = ([], (404, "OnDemandConfigNotFound"))
    assert (nothing, nothing, b"hello") == (declared, created, payload)


@contextmanager
def running_again(project: Path, folder: Path) -> Iterator[FcWorld]:
    """Run a local cloud on the folder `data` for the duration of the block."""
    cloud = LocalCloud(project, data=folder / "data")
    with cloud as endpoints:
        yield FcWorld((endpoints.fc, endpoints.oss), endpoints.credential, folder, cloud)


def settings_of_echo(world: FcWorld) -> tuple[list[str], tuple[int, str]]:
    """Return the names of the triggers of `echo`, and the answer about its concurrency."""
    triggers = world.fc.list_triggers("echo", models.ListTriggersRequest()).body.triggers
    concurrency = refused(lambda: world.fc.get_concurrency_config("echo"))
    return [trigger.trigger_name for trigger in triggers], concurrency


def describe(world: FcWorld) -> dict[str, object]:
    """Return what the API answers about everything."""
    fc = world.fc
    functions = fc.list_functions(models.ListFunctionsRequest()).body
    versions = fc.list_function_versions("f", models.ListFunctionVersionsRequest()).body
    aliases = fc.list_aliases("f", models.ListAliasesRequest()).body
    triggers = fc.list_triggers("f", models.ListTriggersRequest()).body
    settings = fc.list_async_invoke_configs(models.ListAsyncInvokeConfigsRequest()).body
    concurrency = fc.list_concurrency_configs(models.ListConcurrencyConfigsRequest()).body
    answers = [functions, versions, aliases, triggers, settings, concurrency]
    return {
        "all": [function.function_name for function in functions.functions],
        "versions": [version.version_id for version in versions.versions],
        "aliases": [alias.alias_name for alias in aliases.aliases],
        "triggers": [trigger.trigger_name for trigger in triggers.triggers],
        "answers": [answer.to_map() for answer in answers],
    }
