"""`retry` over a cloud in memory: jobs, manifests, and dead letters of every kind."""

import base64
import json
from typing import Any

import pytest

from clipstitch.common.errors import CloudBusy, InvalidSettings, ObjectNotFound, SinkTargetNotFound
from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.ports import WebhookResponse
from clipstitch.jobs.job import Job
from clipstitch.usecases.settings import read_settings
from clipstitch_cli import exit_codes
from clipstitch_cli.commands.drop import Drop, drop_in
from clipstitch_cli.commands.retry import How, _queue, retry, retry_in, retry_letters
from clipstitch_cli.commands.show import NoSuchJob, show_in
from clipstitch_cli.connection import complete_environment
from clipstitch_cli.errors import Usage
from clipstitch_cli.function_compute.dead_letters import BadLetter, Letter, event_in
from tests.receiver import SECRET
from tests.unit.cli.test_context import make_desk
from tests.unit.cli.test_jobs import Functions, written
from tests.unit.cli.test_main import S_YAML, UP
from tests.unit.usecases.test_webhooks import HookWorld
from tests.world import BUCKET, DOCUMENT, MANIFEST, FaultAfter, World


class MemoryLetters:
    """A queue of dead letters; what is received is out of sight until it is released."""

    def __init__(self, *bodies: str) -> None:
        self.seen = [Letter(f"L{number}", f"h{number}", body) for number, body in enumerate(bodies)]
        self.left = list(self.seen)
        self.released: list[Letter] = []

    def receive(self) -> Letter | None:
        """Take a letter out of sight."""
        return self.seen.pop(0) if self.seen else None

    def delete(self, letter: Letter) -> None:
        """Remove a letter."""
        self.left.remove(letter)

    def release(self, letter: Letter) -> None:
        """Let a letter be seen again."""
        self.released.append(letter)


class Impatient(MemoryLetters):
    """A queue that shows letters again before we are through."""

    def receive(self) -> Letter | None:
        """Take a letter, and put it behind the others."""
        letter = super().receive()
        if letter:
            self.seen.append(letter)
        return letter

    def delete(self, letter: Letter) -> None:
        """Remove a letter, also from sight."""
        super().delete(letter)
        self.seen.remove(letter)


def upload_event(ref: ObjectRef = MANIFEST) -> str:
    """Write what OSS tells `submit`."""
    return json.dumps({"events": [{"oss": {"bucket": {"name": ref.bucket}, "object": {"key": ref.key}}}]})


def record(event: object) -> str:
    """Write what Function Compute says of an event that it gave up on."""
    context = {"requestId": "1-2-3", "functionArn": "acs:fc:cn-hangzhou:1:functions/clipstitch-submit"}
    return json.dumps({"timestamp": 1, "requestContext": context, "requestPayload": event, "responsePayload": ""})


def told(world: World, letters: MemoryLetters, *, code: int) -> list[dict[str, Any]]:
    """Retry all dead letters and return what a program is told."""
    command = make_desk(json=True, clock=world.clock)
    assert code == retry_letters(world.context(), letters, command)
    answer: list[dict[str, Any]] = json.loads(command.written)
    return answer


@pytest.fixture
def world() -> World:
    """Make a cloud with a manifest that no function has seen."""
    world = World()
    world.drop()
    return world


# Jobs and manifests


def test_a_manifest_is_submitted_by_its_uri_or_key(world: World):
    """As its event would have done."""
    for name in (MANIFEST.uri, MANIFEST.key):
        command = make_desk(json=True)
        assert exit_codes.OK == retry_in(world.context(), name, command)
        assert "running" == json.loads(command.written)["state"]

    assert 1 == len(world.audio.accepted)


def test_a_job_whose_notice_was_lost_is_brought_to_its_end(world: World):
    """By the beginning of its id; the exit code says how it ended."""
    job = world.submit()
    world.run()
    assert job
    command = make_desk()

    assert exit_codes.OK == retry_in(world.context(), job.id[:20], command)
    assert f"{job.id}  succeeded\n" == command.written


def test_a_job_whose_submit_died_is_started(world: World):
    """Right now, though the sweep would give it two minutes more."""
    with pytest.raises(CloudBusy):
        world.submit(FaultAfter(6, before=True))
    (marker,) = world.state_keys("open/")
    retry_in(world.context(), marker.rpartition("/")[2], make_desk())

    assert 1 == len(world.audio.accepted)


def test_a_job_that_has_failed_says_so_and_stays_so(world: World):
    """A verdict is final; the manifest can be uploaded again."""
    job = world.submit()
    world.complete(world.audio.fail(world.audio.accepted[-1], "InvalidArgument", "no"))
    assert job

    assert exit_codes.FAILED == retry_in(world.context(), job.id, make_desk())


def test_what_is_still_owed_is_named():
    """The job stays open."""
    world = HookWorld(WebhookResponse(500), WebhookResponse(500))
    job: Job = world.finish()
    people, programs = make_desk(), make_desk(json=True)
    code = retry_in(world.context(), job.id, people)
    retry_in(world.context(), job.id, programs)

    assert exit_codes.OK == code
    assert "succeeded (open)  still owed to partner" in people.written
    assert {"job": job.id, "state": "succeeded", "closed": True, "owed": []} == json.loads(programs.written)


@pytest.mark.parametrize(
    ("what", "error"),
    [
        ("2026", NoSuchJob),
        ("clips/a.mp3", Usage),
        ("oss://acme/clips/a.mp3", Usage),
        ("oss://", Usage),
        ("manifests/none.json", ObjectNotFound),
    ],
)
def test_what_cannot_be_retried_is_an_error(world: World, what: str, error: type[Exception]):
    """With a remedy."""
    with pytest.raises(error):
        retry_in(world.context(), what, make_desk())


@pytest.mark.parametrize(("what", "letters"), [("", False), ("2026", True)])
def test_one_thing_is_retried_or_all_dead_letters(what: str, letters: bool):
    """Not both, not neither."""
    with pytest.raises(Usage):
        retry(what, make_desk(), None, How(dead_letters=letters))


# Dead letters


@pytest.mark.parametrize("wrap", [str, lambda text: base64.b64encode(text.encode()).decode()], ids=["bare", "base64"])
def test_a_letter_of_submit_starts_the_job_and_goes(world: World, wrap: Any):
    """Whether or not the queue's texts are in Base64."""
    letters = MemoryLetters(wrap(record(upload_event())))
    (one,) = told(world, letters, code=exit_codes.OK)

    assert (True, ["running"]) == (one["done"], [job["state"] for job in one["jobs"]])
    assert [] == letters.left


def test_a_letter_of_complete_brings_its_job_on(world: World):
    """The payload is the notice as the trigger wrapped it, a text or an object."""
    world.submit()
    message = world.run().decode()
    wrapped = {"TopicName": "t", "SubscriptionName": "s", "Message": message}
    letters = MemoryLetters(record(json.dumps(wrapped)), record(wrapped), record(message), message)
    answers = told(world, letters, code=exit_codes.OK)

    assert [["succeeded"]] * 4 == [[job["state"] for job in one["jobs"]] for one in answers]
    assert [] == letters.left


def test_a_letter_of_the_timer_has_nothing_to_be_done(world: World):
    """The next one has come already."""
    letters = MemoryLetters(record('{"triggerTime": "2026-01-02T03:04:05Z", "triggerName": "t", "payload": ""}'))
    command = make_desk()

    assert exit_codes.OK == retry_letters(world.context(), letters, command)
    assert "nothing to do" in command.written
    assert [] == letters.left


def test_a_letter_whose_manifest_is_gone_goes(world: World):
    """As the function would pass over it."""
    world.objects.delete([MANIFEST])
    letters = MemoryLetters(record(upload_event()))

    assert [] == told(world, letters, code=exit_codes.OK)[0]["jobs"]
    assert [] == letters.left


def test_what_fails_again_stays_and_does_not_keep_the_others_waiting(world: World):
    """Letters that nobody can read, too; each is shown again."""
    early = world.submit()
    assert early
    task = world.audio.accepted[-1]
    notice = json.dumps({"TaskId": task.id, "Status": "Succeeded", "TaskType": "MediaConvert"})
    letters = MemoryLetters(
        "nonsense", record(notice), record("text"), record("[]"), record('{"a": 1}'), record(upload_event())
    )
    answers = told(world, letters, code=exit_codes.TROUBLE)

    codes = [one["error"] and one["error"]["code"] for one in answers]
    assert ["BAD_LETTER", "NOT_YET_THERE", "BAD_LETTER", "BAD_LETTER", "BAD_NOTICE", None] == codes
    assert 5 == len(letters.left) == len(letters.released)


def test_a_letter_that_breaks_the_code_stays_too(world: World):
    """It broke the function already, which is why it is here."""
    letters = MemoryLetters(record(upload_event()), record(upload_event()))
    cloud = world.context()._replace(objects=None)  # type: ignore[arg-type]
    command = make_desk()

    assert exit_codes.TROUBLE == retry_letters(cloud, letters, command)
    assert 2 == command.written.count("stays: AttributeError") == len(letters.left)


def test_a_queue_that_shows_letters_again_too_soon_ends_all_the_same(world: World):
    """Every letter is tried once."""
    letters = Impatient("nonsense", "rubbish", record(upload_event()))
    answers = told(world, letters, code=exit_codes.TROUBLE)

    assert ["L0", "L1", "L2"] == [one["letter"] for one in answers]
    assert ["L0", "L1"] == sorted(letter.id for letter in letters.left)


def test_a_letter_that_cannot_be_deleted_is_said_to_stay(world: World):
    """It will come again, and do no harm."""

    class Stubborn(MemoryLetters):
        def delete(self, letter: Letter) -> None:
            raise SinkTargetNotFound("the handle is too old")

    assert (
        "SINK_TARGET_MISSING"
        == told(world, Stubborn(record(upload_event())), code=exit_codes.TROUBLE)[0]["error"]["code"]
    )


def test_without_dead_letters_that_is_said(world: World):
    """To people in words, to programs as an empty list."""
    command = make_desk()

    assert exit_codes.OK == retry_letters(world.context(), MemoryLetters(), command)
    assert "no dead letters\n" == command.written
    assert [] == told(world, MemoryLetters(), code=exit_codes.OK)


@pytest.mark.parametrize(
    "body", ["", "x", "[]", "1", '{"requestPayload": 1}', '{"requestPayload": null}', "[" * 100_000]
)
def test_a_letter_without_an_event_is_said_to_be_one(body: str):
    """Whatever it is."""
    with pytest.raises(BadLetter):
        event_in(body)


# Where the queue's name and the webhooks' settings come from


def test_the_queue_is_named_by_the_shell_or_by_the_deployment(tmp_path: Any):
    """The project's own template has it."""
    (tmp_path / "s.yaml").write_text(S_YAML)
    (tmp_path / "functions" / "submit").mkdir(parents=True)
    shell = make_desk()._replace(env={"CLIPSTITCH_DEAD_LETTER_QUEUE": "mine"})

    assert "mine" == _queue(shell, tmp_path)
    assert "clipstitch-dead-letters" == _queue(make_desk(), None)
    with pytest.raises(InvalidSettings, match="CLIPSTITCH_DEAD_LETTER_QUEUE is not set"):
        _queue(make_desk(), tmp_path)


def test_the_deployment_gives_the_command_its_webhooks(tmp_path: Any):
    """Or no command would work where one is deployed."""
    (tmp_path / "functions" / "submit").mkdir(parents=True)
    hooks = f"""
        CLIPSTITCH_WEBHOOK_PARTNER_URL: ${{env('PARTNER_URL')}}
        CLIPSTITCH_WEBHOOK_PARTNER_SECRET: {SECRET}
"""
    sinks = "p=webhook:PARTNER"
    (tmp_path / "s.yaml").write_text(S_YAML.replace("q=queue:told", sinks).rstrip() + hooks)
    env = complete_environment({**UP, "PARTNER_URL": "https://partner.example/"}, tmp_path)

    assert "https://partner.example/" == read_settings(env).webhooks[0].url
    assert BUCKET == env["CLIPSTITCH_BUCKET"]


# What the other commands make of an owed webhook


def test_waiting_does_not_wait_for_a_webhook_that_is_down(tmp_path: Any):
    """The job has succeeded, and everybody else is told."""
    world = HookWorld(WebhookResponse(500))
    command = make_desk(json=True, clock=world.clock)
    code = drop_in(world.context(), Drop(written(tmp_path, DOCUMENT), wait=True), command, Functions(world))

    assert exit_codes.OK == code
    assert world.result() == json.loads(command.written)
    assert 1 == len(world.state_keys("open/"))


def test_attempts_and_what_came_of_them_are_shown():
    """With their reasons."""
    world = HookWorld(WebhookResponse(500), WebhookResponse(410))
    job = world.finish()
    world.sweep(5)
    command = make_desk()
    show_in(world.context(), job.id, command)

    assert "owed to partner after attempt 1, in vain: partner.example answered 500 [WEBHOOK_ANSWER]" in command.written
    assert "told partner, in vain: partner.example answered 410 Gone [SINK_OFF]" in command.written
    assert "told events\n" in command.written
