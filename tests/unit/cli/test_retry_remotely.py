"""`retry --invoke` over a cloud in memory: which functions it invokes, and how it handles their answers."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from fc2 import FcError

from clipstitch.common.errors import AccessDenied, CloudBusy, CloudRefused, InvalidSettings, ObjectNotFound
from clipstitch.common.ports import WebhookResponse
from clipstitch.inbound.completion_notification import parse_notification
from clipstitch.inbound.oss_trigger import parse_oss_trigger
from clipstitch.jobs.job import Job
from clipstitch.usecases import sweep
from clipstitch.usecases.complete import complete
from clipstitch.usecases.submit import submit
from clipstitch_cli import exit_codes
from clipstitch_cli.commands.retry import retry_dead_letters, retry_job
from clipstitch_cli.errors import report
from clipstitch_cli.function_compute.clients import FunctionNotFound, FunctionReturnedError, fc2_error, function_error
from clipstitch_cli.function_compute.dead_letters import InvalidDeadLetter, function_in
from clipstitch_cli.function_compute.retry_remotely import DeployedFunctions, SweepFailed, function_names, parse_answer
from clipstitch_cli.openapi import openapi_error, openapi_errors
from tests.unit.cli.test_context import make_command
from tests.unit.cli.test_main import UP, ran
from tests.unit.cli.test_retry import MemoryQueue, record, upload_event
from tests.world import MANIFEST, SETTINGS, FaultAfter, WebhookWorld, World

SUBMIT, SWEEP, COMPLETE = "clipstitch-submit", "clipstitch-sweep", "clipstitch-complete"


class MemoryFunctions:
    """The three functions over a world, as their handlers are; records what was invoked."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.invoked: list[tuple[str, bytes]] = []
        self.handlers: dict[str, Callable[[bytes], Any]] = {
            SUBMIT: lambda event: _states(submit(ref, world.context()) for ref in parse_oss_trigger(event)),
            SWEEP: lambda _: sweep.sweep(world.context())._asdict(),
            COMPLETE: lambda event: _states(
                [complete(found, world.context())] if (found := parse_notification(event)) else []
            ),
        }

    def invoke(self, function: str, event: bytes) -> bytes:
        """Run a handler."""
        self.invoked.append((function, event))
        return json.dumps(self.handlers[function](event)).encode()

    def fail(self, function: str) -> None:
        """Let a function fail."""

        def handler(_: bytes) -> None:
            raise FunctionReturnedError(f"{function} failed: CloudBusy: the topic does not answer")

        self.handlers[function] = handler

    @property
    def names(self) -> list[str]:
        """The names of the invoked functions."""
        return [name for name, _ in self.invoked]


def _states(jobs: Any) -> dict[str, str]:
    """Answer as the handlers do."""
    return {job.id: job.state for job in jobs if job}


@pytest.fixture
def world() -> World:
    """Make a cloud with a manifest that no function has handled."""
    world = World()
    world.drop()
    return world


@pytest.fixture
def functions(world: World) -> MemoryFunctions:
    """Deploy the functions."""
    return MemoryFunctions(world)


def deployed(functions: MemoryFunctions) -> DeployedFunctions:
    """Return the deployment of these functions."""
    return DeployedFunctions(functions, functions.world.context(), SUBMIT, SWEEP)


def retried(functions: MemoryFunctions, what: str) -> tuple[int, dict[str, Any]]:
    """Retry a job or a manifest; return the exit code and the JSON output."""
    command = make_command(json=True, clock=functions.world.clock)
    code = retry_job(functions.world.context(), what, command, deployed(functions))
    return code, json.loads(command.written)


def test_a_manifest_is_submitted_by_the_function(functions: MemoryFunctions) -> None:
    """Its event is the one that OSS would send."""
    code, output = retried(functions, MANIFEST.key)
    (name, event) = functions.invoked[0]
    (uploaded,) = json.loads(event)["events"]

    assert (exit_codes.OK, "running", SUBMIT) == (code, output["state"], name)
    assert [MANIFEST] == parse_oss_trigger(event)
    assert functions.world.objects.describe(MANIFEST).etag == uploaded["oss"]["object"]["eTag"]
    assert "ObjectCreated:PutObject" == uploaded["eventName"]


def test_a_missing_manifest_invokes_no_function(functions: MemoryFunctions) -> None:
    """The command checks first."""
    with pytest.raises(ObjectNotFound):
        retried(functions, "manifests/none.json")
    assert [] == functions.invoked


def test_a_job_whose_submit_crashed_is_planned_by_submit(functions: MemoryFunctions) -> None:
    """The sweep would respect the grace period."""
    with pytest.raises(CloudBusy):
        functions.world.submit(FaultAfter(6, before=True))
    code, output = retried(functions, "2026")

    assert ([SUBMIT], exit_codes.OK, "running") == (functions.names, code, output["state"])


@pytest.mark.parametrize("again", ["gone", "overwritten"])
def test_a_job_whose_manifest_changed_is_recovered_by_the_sweep(functions: MemoryFunctions, again: str) -> None:
    """The sweep fails such a job."""
    world = functions.world
    with pytest.raises(CloudBusy):
        world.submit(FaultAfter(4, before=True))
    (marker,) = world.state_keys("open/")
    world.clock.advance(300)
    world.objects.delete([MANIFEST]) if again == "gone" else world.drop({"version": 1})
    code, output = retried(functions, marker.rpartition("/")[2])

    assert (SWEEP, exit_codes.FAILED, "failed") == (functions.names[-1], code, output["state"])


def test_a_job_whose_notification_was_lost_is_recovered_by_the_sweep(functions: MemoryFunctions) -> None:
    """The exit code is that of its state."""
    job = functions.world.submit()
    functions.world.run()
    functions.world.clock.advance(300)
    assert job

    assert (exit_codes.OK, {"job": job.id, "state": "succeeded", "closed": True, "pending": []}) == retried(
        functions, job.id
    )
    assert [SWEEP] == functions.names


def test_a_closed_job_invokes_no_function(functions: MemoryFunctions) -> None:
    """Nothing is left to do."""
    functions.world.submit()
    functions.world.complete(functions.world.run())
    code, output = retried(functions, "2026")

    assert (exit_codes.OK, True, []) == (code, output["closed"], functions.names)


def test_a_job_that_the_sweep_cannot_recover_is_an_error(functions: MemoryFunctions) -> None:
    """The sweep's log has the reason."""
    job = functions.world.submit()
    assert job
    functions.handlers[SWEEP] = lambda _: {"looked_at": [job.id], "found": [], "failed": [job.id]}

    with pytest.raises(SweepFailed, match=f"{SWEEP} could not recover {job.id}"):
        retried(functions, job.id)


def test_the_sweep_retries_a_pending_delivery_that_is_due() -> None:
    """The event is delivered, and the job is closed."""
    world = WebhookWorld(WebhookResponse(500), WebhookResponse(204))
    job: Job = world.finish()
    world.clock.advance(SETTINGS.grace_period_s)
    functions = MemoryFunctions(world)

    assert (exit_codes.OK, {"job": job.id, "state": "succeeded", "closed": True, "pending": []}) == retried(
        functions, job.id
    )


def test_an_error_of_the_function_is_shown_with_type_and_message(functions: MemoryFunctions) -> None:
    """With exit code 3."""
    functions.fail(SUBMIT)
    command = make_command()
    with pytest.raises(FunctionReturnedError) as failed:
        retried(functions, MANIFEST.uri)

    assert exit_codes.ERROR == report(failed.value, command)
    assert f"{SUBMIT} failed: CloudBusy: the topic does not answer [FUNCTION_FAILED]" in command.errors


# Dead-letter messages


def retried_messages(
    functions: MemoryFunctions, queue: MemoryQueue, *, code: int = exit_codes.OK
) -> list[dict[str, Any]]:
    """Retry all dead-letter messages and return the JSON output."""
    command = make_command(json=True, clock=functions.world.clock)
    assert code == retry_dead_letters(functions.world.context(), queue, command, deployed(functions))
    answer: list[dict[str, Any]] = json.loads(command.written)
    return answer


def message_for(function: str, event: object) -> str:
    """Return what Function Compute writes about an event that this function failed on."""
    return record(event).replace("clipstitch-submit", function)


def test_a_message_goes_to_the_function_that_failed(functions: MemoryFunctions) -> None:
    """With its event; then it is deleted."""
    functions.world.submit()
    notification = functions.world.run().decode()
    queue = MemoryQueue(message_for(SUBMIT, upload_event()), message_for(COMPLETE, notification))
    answers = retried_messages(functions, queue)

    assert [(SUBMIT, json.loads(upload_event())), (COMPLETE, json.loads(notification))] == [
        (name, json.loads(event)) for name, event in functions.invoked
    ]
    assert ["succeeded"] == [job["state"] for job in answers[1]["jobs"]]
    assert [] == queue.left


def test_a_message_that_the_function_fails_on_again_stays(functions: MemoryFunctions) -> None:
    """The other messages are handled."""
    functions.fail(SUBMIT)
    timer = {"triggerTime": "2026-01-02T03:04:05Z", "payload": ""}
    queue = MemoryQueue(record(upload_event()), message_for(SWEEP, timer), upload_event())
    answers = retried_messages(functions, queue, code=exit_codes.ERROR)

    assert ["FUNCTION_FAILED", None, "BAD_LETTER"] == [one["error"] and one["error"]["code"] for one in answers]
    assert ["h0", "h2"] == queue.left
    assert [SUBMIT] == functions.names


@pytest.mark.parametrize(
    "path", ["functions/f", "services/s.LATEST/functions/f", "functions/f.LATEST", "functions/f/x"]
)
def test_a_message_names_its_function_in_both_apis(path: str) -> None:
    """With a service, a qualifier, or neither."""
    body = json.dumps({"requestContext": {"functionArn": f"acs:fc:cn-hangzhou:1:{path}"}})

    assert "f" == function_in(body)


@pytest.mark.parametrize("body", ["[]", "{}", '{"requestContext": []}', '{"requestContext": {"functionArn": "x"}}'])
def test_a_message_that_names_no_function_is_an_error(body: str) -> None:
    """It can be retried without --invoke."""
    with pytest.raises(InvalidDeadLetter, match="without --invoke"):
        function_in(body)


# Errors of the SDKs


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (None, None, CloudBusy),
        (429, "ResourceExhausted", CloudBusy),
        (500, "InternalServerError", CloudBusy),
        (404, "FunctionNotFound", FunctionNotFound),
        (403, "AccessDenied", AccessDenied),
        (400, "SignatureDoesNotMatch", AccessDenied),
        (404, "InvalidAccessKeyId.NotFound", AccessDenied),
        (400, "InvalidArgument", CloudRefused),
        (413, "RequestEntityTooLarge", CloudRefused),
    ],
)
def test_an_error_of_the_api_has_one_meaning(status: int | None, code: str | None, error: type[Exception]) -> None:
    """By status and code, for both SDKs."""
    assert error is type(openapi_error("invoking f", status, code, "why", FunctionNotFound))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"errorType": "CloudBusy", "errorMessage": "later"}', "f failed: CloudBusy: later"),
        (b"out of memory", "f failed: error: out of memory"),
        (b"[]", "f failed: error: []"),
    ],
)
def test_a_functions_error_may_have_any_shape(body: bytes, message: str) -> None:
    """A runtime that was killed writes no JSON."""
    assert message == str(function_error("f", body))


def test_sdk_errors_are_translated() -> None:
    """Those of the network, too."""
    with pytest.raises(CloudBusy, match="invoking f"), openapi_errors("invoking f"):
        raise OSError("no route")
    assert CloudBusy is type(fc2_error("f", FcError("no JSON", 503, "Busy")))
    assert "f failed: Busy: later" == str(
        fc2_error("f", FcError('{"errorType": "Busy", "errorMessage": "later"}', 200, "Failed"))
    )


@pytest.mark.parametrize(
    ("body", "parsed"),
    [(b'{"a": 1}', {"a": 1}), (b'"{\\"a\\": 1}"', {"a": 1}), (b"gone", {}), (b"", {}), (b"[1]", {})],
)
def test_an_answer_may_be_encoded_once_more(body: bytes, parsed: dict[str, int]) -> None:
    """An answer that is no JSON object names no job."""
    assert parsed == parse_answer(body)


# Names of the functions


def test_the_functions_are_found_by_their_suffixes() -> None:
    """The prefix is the deployment's."""
    assert ("acme-submit", "acme-sweep") == function_names(["acme-complete", "acme-sweep", "acme-submit"])
    with pytest.raises(InvalidSettings, match="but acme-submit"):
        function_names(["acme-submit"])


def test_a_service_needs_invoke() -> None:
    """Otherwise the command line is wrong."""
    code, _, errors = ran("retry", "2026", "--service", "clipstitch", env=UP)

    assert exit_codes.USAGE == code
    assert "--invoke" in errors
