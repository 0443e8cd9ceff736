"""`retry --invoke` over a cloud in memory: whom it calls with what, and what it makes of the answers."""

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
from clipstitch_cli.commands.retry import How, retry, retry_in, retry_letters
from clipstitch_cli.errors import Usage, report
from clipstitch_cli.function_compute.clients import FunctionFailed, NoSuchFunction, _failed, _ours, _refused
from clipstitch_cli.function_compute.dead_letters import BadLetter, function_in
from clipstitch_cli.function_compute.retry_remotely import Deployed, NotHelped, _answer, function_names
from tests.unit.cli.test_context import make_desk
from tests.unit.cli.test_retry import MemoryLetters, record, upload_event
from tests.unit.usecases.test_webhooks import HookWorld
from tests.world import MANIFEST, FaultAfter, World

SUBMIT, SWEEP, COMPLETE = "clipstitch-submit", "clipstitch-sweep", "clipstitch-complete"


class MemoryFunctions:
    """The three functions over a world, as their handlers are; remembers what was called with what."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.called: list[tuple[str, bytes]] = []
        self.handlers: dict[str, Callable[[bytes], Any]] = {
            SUBMIT: lambda event: _states(submit(ref, world.context()) for ref in parse_oss_trigger(event)),
            SWEEP: lambda _: sweep.sweep(world.context())._asdict(),
            COMPLETE: lambda event: _states(
                [complete(notice, world.context())] if (notice := parse_notification(event)) else []
            ),
        }

    def invoke(self, function: str, event: bytes) -> bytes:
        """Run a handler."""
        self.called.append((function, event))
        return json.dumps(self.handlers[function](event)).encode()

    def fail(self, function: str) -> None:
        """Let a function fail."""

        def handler(_: bytes) -> None:
            raise FunctionFailed(f"{function} failed: CloudBusy: the topic does not answer")

        self.handlers[function] = handler

    @property
    def names(self) -> list[str]:
        """Who was called."""
        return [name for name, _ in self.called]


def _states(jobs: Any) -> dict[str, str]:
    """Answer as the handlers do."""
    return {job.id: job.state for job in jobs if job}


@pytest.fixture
def world() -> World:
    """Make a cloud with a manifest that no function has seen."""
    world = World()
    world.drop()
    return world


@pytest.fixture
def functions(world: World) -> MemoryFunctions:
    """Deploy the functions."""
    return MemoryFunctions(world)


def deployed(functions: MemoryFunctions) -> Deployed:
    """Return the deployment whose functions these are, seen through objects that nobody writes."""
    return Deployed(functions, functions.world.context(), SUBMIT, SWEEP)


def retried(functions: MemoryFunctions, what: str) -> tuple[int, dict[str, Any]]:
    """Retry and return the exit code and what a program is told."""
    command = make_desk(json=True, clock=functions.world.clock)
    code = retry_in(functions.world.context(), what, command, deployed(functions))
    return code, json.loads(command.written)


def test_a_manifest_is_submitted_by_the_function(functions: MemoryFunctions):
    """Which gets the event that OSS would send."""
    code, told = retried(functions, MANIFEST.key)
    (name, event) = functions.called[0]
    (uploaded,) = json.loads(event)["events"]

    assert (exit_codes.OK, "running", SUBMIT) == (code, told["state"], name)
    assert [MANIFEST] == parse_oss_trigger(event)
    assert functions.world.objects.describe(MANIFEST).etag == uploaded["oss"]["object"]["eTag"]
    assert "ObjectCreated:PutObject" == uploaded["eventName"]


def test_a_manifest_that_is_not_there_is_not_asked_for(functions: MemoryFunctions):
    """It is looked at first."""
    with pytest.raises(ObjectNotFound):
        retried(functions, "manifests/none.json")
    assert [] == functions.called


def test_a_job_whose_submit_died_is_planned_by_submit(functions: MemoryFunctions):
    """The sweep would leave it alone for two minutes."""
    with pytest.raises(CloudBusy):
        functions.world.submit(FaultAfter(6, before=True))
    code, told = retried(functions, "2026")

    assert ([SUBMIT], exit_codes.OK, "running") == (functions.names, code, told["state"])


@pytest.mark.parametrize("again", ["gone", "overwritten"])
def test_a_job_whose_manifest_is_another_one_is_the_sweeps(functions: MemoryFunctions, again: str):
    """Which knows that the job must fail."""
    world = functions.world
    with pytest.raises(CloudBusy):
        world.submit(FaultAfter(4, before=True))
    (marker,) = world.state_keys("open/")
    world.clock.advance(300)
    world.objects.delete([MANIFEST]) if again == "gone" else world.drop({"version": 1})
    code, told = retried(functions, marker.rpartition("/")[2])

    assert (SWEEP, exit_codes.FAILED, "failed") == (functions.names[-1], code, told["state"])


def test_a_job_whose_notice_was_lost_is_the_sweeps(functions: MemoryFunctions):
    """The exit code says how it ended."""
    job = functions.world.submit()
    functions.world.run()
    functions.world.clock.advance(300)
    assert job

    assert (exit_codes.OK, {"job": job.id, "state": "succeeded", "closed": True, "owed": []}) == retried(
        functions, job.id
    )
    assert [SWEEP] == functions.names


def test_for_a_closed_job_nobody_is_called(functions: MemoryFunctions):
    """There is nothing left to do."""
    functions.world.submit()
    functions.world.complete(functions.world.run())
    code, told = retried(functions, "2026")

    assert (exit_codes.OK, True, []) == (code, told["closed"], functions.names)


def test_a_job_that_the_sweep_cannot_help_is_trouble(functions: MemoryFunctions):
    """Its log says why."""
    job = functions.world.submit()
    assert job
    functions.handlers[SWEEP] = lambda _: {"looked_at": [job.id], "found": [], "troubled": [job.id]}

    with pytest.raises(NotHelped, match=f"{SWEEP} could not bring {job.id} on"):
        retried(functions, job.id)


def test_what_is_still_owed_is_named():
    """The sweep tells again what is due; what is not, rests."""
    world = HookWorld(WebhookResponse(500), WebhookResponse(204))
    job: Job = world.finish()
    world.clock.advance(5)
    functions = MemoryFunctions(world)

    assert (exit_codes.OK, {"job": job.id, "state": "succeeded", "closed": True, "owed": []}) == retried(
        functions, job.id
    )


def test_an_error_of_the_function_is_shown_with_type_and_message(functions: MemoryFunctions):
    """And exit code 3."""
    functions.fail(SUBMIT)
    command = make_desk()
    with pytest.raises(FunctionFailed) as failed:
        retried(functions, MANIFEST.uri)

    assert exit_codes.TROUBLE == report(failed.value, command)
    assert f"{SUBMIT} failed: CloudBusy: the topic does not answer [FUNCTION_FAILED]" in command.said


# Dead letters


def told_of(functions: MemoryFunctions, letters: MemoryLetters, *, code: int = exit_codes.OK) -> list[dict[str, Any]]:
    """Retry all dead letters and return what a program is told."""
    command = make_desk(json=True, clock=functions.world.clock)
    assert code == retry_letters(functions.world.context(), letters, command, deployed(functions))
    answer: list[dict[str, Any]] = json.loads(command.written)
    return answer


def letter_for(function: str, event: object) -> str:
    """Write what Function Compute says of an event that this function failed on."""
    return record(event).replace("clipstitch-submit", function)


def test_a_letter_goes_to_the_function_that_failed_on_it(functions: MemoryFunctions):
    """With its event; then it is deleted."""
    functions.world.submit()
    notice = functions.world.run().decode()
    letters = MemoryLetters(letter_for(SUBMIT, upload_event()), letter_for(COMPLETE, notice))
    answers = told_of(functions, letters)

    assert [(SUBMIT, json.loads(upload_event())), (COMPLETE, json.loads(notice))] == [
        (name, json.loads(event)) for name, event in functions.called
    ]
    assert ["succeeded"] == [job["state"] for job in answers[1]["jobs"]]
    assert [] == letters.left


def test_a_letter_that_the_function_fails_on_again_stays(functions: MemoryFunctions):
    """And keeps none of the others waiting."""
    functions.fail(SUBMIT)
    timer = {"triggerTime": "2026-01-02T03:04:05Z", "payload": ""}
    letters = MemoryLetters(record(upload_event()), letter_for(SWEEP, timer), upload_event())
    answers = told_of(functions, letters, code=exit_codes.TROUBLE)

    assert ["FUNCTION_FAILED", None, "BAD_LETTER"] == [one["error"] and one["error"]["code"] for one in answers]
    assert ["L0", "L2"] == [letter.id for letter in letters.left]
    assert [SUBMIT] == functions.names


@pytest.mark.parametrize(
    "path", ["functions/f", "services/s.LATEST/functions/f", "functions/f.LATEST", "functions/f/x"]
)
def test_a_letter_names_its_function_in_either_api(path: str):
    """With a service, a qualifier, or neither."""
    body = json.dumps({"requestContext": {"functionArn": f"acs:fc:cn-hangzhou:1:{path}"}})

    assert "f" == function_in(body)


@pytest.mark.parametrize("body", ["[]", "{}", '{"requestContext": []}', '{"requestContext": {"functionArn": "x"}}'])
def test_a_letter_that_names_no_function_says_so(body: str):
    """It can be retried without --invoke."""
    with pytest.raises(BadLetter, match="without --invoke"):
        function_in(body)


# What the SDKs' errors become


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (None, None, CloudBusy),
        (429, "ResourceExhausted", CloudBusy),
        (500, "InternalServerError", CloudBusy),
        (404, "FunctionNotFound", NoSuchFunction),
        (403, "AccessDenied", AccessDenied),
        (400, "SignatureDoesNotMatch", AccessDenied),
        (400, "InvalidArgument", CloudRefused),
        (413, "RequestEntityTooLarge", CloudRefused),
    ],
)
def test_a_refusal_is_one_of_ours(status: int | None, code: str | None, error: type[Exception]):
    """By status and code, whichever SDK says it."""
    assert error is type(_refused("f", status, code, "why"))


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"errorType": "CloudBusy", "errorMessage": "later"}', "f failed: CloudBusy: later"),
        (b"out of memory", "f failed: error: out of memory"),
        (b"[]", "f failed: error: []"),
    ],
)
def test_a_functions_error_is_told_whatever_its_shape(body: bytes, said: str):
    """A runtime that was killed writes no JSON."""
    assert said == str(_failed("f", body))


@pytest.mark.parametrize("raised", [OSError("no route"), FcError("no JSON", 503, "Busy")])
def test_no_sdk_error_gets_past(raised: Exception):
    """The network's neither."""
    with pytest.raises(CloudBusy, match="invoking f"), _ours("f"):
        raise raised


@pytest.mark.parametrize(
    ("body", "read"),
    [(b'{"a": 1}', {"a": 1}), (b'"{\\"a\\": 1}"', {"a": 1}), (b"gone", {}), (b"", {}), (b"[1]", {})],
)
def test_an_answer_is_read_whatever_the_runtime_makes_of_it(body: bytes, read: dict[str, int]):
    """What is no JSON names no job."""
    assert read == _answer(body)


# Where the functions are


def test_the_functions_are_found_by_the_ends_of_their_names():
    """The beginnings are the deployment's."""
    assert ("acme-submit", "acme-sweep") == function_names(["acme-complete", "acme-sweep", "acme-submit"])
    with pytest.raises(InvalidSettings, match="but acme-submit"):
        function_names(["acme-submit"])


def test_a_service_is_for_invoking_only():
    """The command line is wrong."""
    with pytest.raises(Usage, match="--invoke"):
        retry("2026", make_desk(), None, How(service="clipstitch"))
