"""`retry` over a cloud in memory: jobs, manifests, and dead-letter messages of every kind."""

import base64
import json
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from clipstitch.common.errors import CloudBusy, InvalidSettings, ObjectNotFound, SinkTargetNotFound
from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.ports import WebhookResponse
from clipstitch.jobs.job import Job
from clipstitch.usecases.settings import read_settings
from clipstitch_cli import exit_codes
from clipstitch_cli.commands.drop import drop_manifest
from clipstitch_cli.commands.retry import _queue_name, retry_dead_letters, retry_job
from clipstitch_cli.commands.show import show_job
from clipstitch_cli.connection import complete_environment
from clipstitch_cli.errors import UsageError
from clipstitch_cli.function_compute.dead_letters import InvalidDeadLetter, event_in
from clipstitch_cli.smq_queue import QueueMessage
from clipstitch_cli.stored_jobs import JobNotFound
from tests.receiver import SECRET
from tests.unit.cli.test_context import make_command
from tests.unit.cli.test_jobs import Functions, written
from tests.unit.cli.test_main import S_YAML, UP, ran
from tests.world import BUCKET, DOCUMENT, MANIFEST, SETTINGS, FaultAfter, WebhookWorld, World


class MemoryQueue:
    """A queue of dead-letter messages; a received message is hidden until it is released."""

    def __init__(self, *bodies: str) -> None:
        now = datetime(2026, 1, 2, tzinfo=timezone.utc)
        self.visible = [QueueMessage(f"M{n}", f"h{n}", body, now) for n, body in enumerate(bodies)]
        self.left = [message.handle for message in self.visible]
        self.released: list[str] = []

    def receive(self, wait_s: int) -> QueueMessage | None:
        """Hide a message and return it."""
        return self.visible.pop(0) if self.visible else None

    def delete(self, handle: str) -> None:
        """Delete a message."""
        self.left.remove(handle)

    def release(self, handle: str) -> None:
        """Record that a message is visible again."""
        self.released.append(handle)


class ImpatientQueue(MemoryQueue):
    """A queue that shows messages again before all of them were handled."""

    def receive(self, wait_s: int) -> QueueMessage | None:
        """Return a message, and append it to the visible ones."""
        message = super().receive(wait_s)
        if message:
            self.visible.append(message)
        return message

    def delete(self, handle: str) -> None:
        """Delete a message, also a visible one."""
        super().delete(handle)
        self.visible = [message for message in self.visible if message.handle != handle]


def upload_event(ref: ObjectRef = MANIFEST) -> str:
    """Return the event of an upload, as OSS sends it to `submit`."""
    return json.dumps({"events": [{"oss": {"bucket": {"name": ref.bucket}, "object": {"key": ref.key}}}]})


def record(event: object) -> str:
    """Return what Function Compute writes about an event that failed finally."""
    context = {"requestId": "1-2-3", "functionArn": "acs:fc:cn-hangzhou:1:functions/clipstitch-submit"}
    return json.dumps({"timestamp": 1, "requestContext": context, "requestPayload": event, "responsePayload": ""})


def retried(world: World, queue: MemoryQueue, *, code: int) -> list[dict[str, Any]]:
    """Retry all dead-letter messages and return the JSON output."""
    command = make_command(json=True, clock=world.clock)
    assert code == retry_dead_letters(world.context(), queue, command)
    answer: list[dict[str, Any]] = json.loads(command.written)
    return answer


@pytest.fixture
def world() -> World:
    """Make a cloud with a manifest that no function has handled."""
    world = World()
    world.drop()
    return world


# Jobs and manifests


def test_a_manifest_is_submitted_by_its_uri_or_key(world: World) -> None:
    """As its event would do."""
    for name in (MANIFEST.uri, MANIFEST.key):
        command = make_command(json=True)
        assert exit_codes.OK == retry_job(world.context(), name, command)
        assert "running" == json.loads(command.written)["state"]

    assert 1 == len(world.audio.accepted)


def test_a_job_whose_notification_was_lost_is_finished(world: World) -> None:
    """By a prefix of its id; the exit code is that of its state."""
    job = world.submit()
    world.run()
    assert job
    command = make_command()

    assert exit_codes.OK == retry_job(world.context(), job.id[:20], command)
    assert f"{job.id}  succeeded\n" == command.written


def test_a_job_whose_submit_crashed_is_started(world: World) -> None:
    """At once, although the sweep would respect the grace period."""
    with pytest.raises(CloudBusy):
        world.submit(FaultAfter(4, before=True))
    (marker,) = world.state_keys("open/")
    retry_job(world.context(), marker.rpartition("/")[2], make_command())

    assert 1 == len(world.audio.accepted)


def test_a_failed_job_is_not_retried(world: World) -> None:
    """A decision is final; the manifest can be uploaded again."""
    job = world.submit()
    world.complete(world.audio.fail(world.audio.accepted[-1], "InvalidArgument", "no"))
    assert job

    assert exit_codes.FAILED == retry_job(world.context(), job.id, make_command())


def test_a_pending_delivery_is_shown() -> None:
    """The job stays open."""
    world = WebhookWorld(WebhookResponse(500), WebhookResponse(500))
    job: Job = world.finish()
    people, programs = make_command(), make_command(json=True)
    code = retry_job(world.context(), job.id, people)
    retry_job(world.context(), job.id, programs)

    assert exit_codes.OK == code
    assert "succeeded (open)  delivery pending: partner" in people.written
    assert {"job": job.id, "state": "succeeded", "closed": True, "pending": []} == json.loads(programs.written)


@pytest.mark.parametrize(
    ("what", "error"),
    [
        ("2026", JobNotFound),
        ("clips/a.mp3", UsageError),
        ("oss://acme/clips/a.mp3", UsageError),
        ("oss://", UsageError),
        ("manifests/none.json", ObjectNotFound),
    ],
)
def test_what_cannot_be_retried_is_an_error(world: World, what: str, error: type[Exception]) -> None:
    """With a remedy."""
    with pytest.raises(error):
        retry_job(world.context(), what, make_command())


@pytest.mark.parametrize("argv", [(), ("2026", "--dead-letters")])
def test_either_one_thing_or_all_dead_letters_are_retried(argv: tuple[str, ...]) -> None:
    """Neither both nor none."""
    assert exit_codes.USAGE == ran("retry", *argv, env=UP)[0]


# Dead-letter messages


@pytest.mark.parametrize("wrap", [str, lambda text: base64.b64encode(text.encode()).decode()], ids=["bare", "base64"])
def test_a_message_of_submit_starts_the_job_and_is_deleted(world: World, wrap: Any) -> None:
    """Encoded in Base64 or not."""
    queue = MemoryQueue(wrap(record(upload_event())))
    (one,) = retried(world, queue, code=exit_codes.OK)

    assert (True, ["running"]) == (one["done"], [job["state"] for job in one["jobs"]])
    assert [] == queue.left


def test_a_message_of_complete_continues_its_job(world: World) -> None:
    """The payload is the notification as the trigger wraps it, a string or an object."""
    world.submit()
    message = world.run().decode()
    wrapped = {"TopicName": "t", "SubscriptionName": "s", "Message": message}
    queue = MemoryQueue(record(json.dumps(wrapped)), record(wrapped), record(message), message)
    answers = retried(world, queue, code=exit_codes.OK)

    assert [["succeeded"]] * 4 == [[job["state"] for job in one["jobs"]] for one in answers]
    assert [] == queue.left


def test_a_message_of_the_timer_is_deleted(world: World) -> None:
    """The next timer event has already come."""
    queue = MemoryQueue(record('{"triggerTime": "2026-01-02T03:04:05Z", "triggerName": "t", "payload": ""}'))
    command = make_command()

    assert exit_codes.OK == retry_dead_letters(world.context(), queue, command)
    assert "nothing to do" in command.written
    assert [] == queue.left


def test_a_message_whose_manifest_is_missing_is_deleted(world: World) -> None:
    """As the function ignores its event."""
    world.objects.delete([MANIFEST])
    queue = MemoryQueue(record(upload_event()))

    assert [] == retried(world, queue, code=exit_codes.OK)[0]["jobs"]
    assert [] == queue.left


def test_a_message_that_fails_again_stays_and_the_others_are_handled(world: World) -> None:
    """Invalid messages stay, too; each is made visible again."""
    assert world.submit()
    task = world.audio.accepted[-1]
    notification = json.dumps({"TaskId": task.id, "Status": "Succeeded", "TaskType": "MediaConvert"})
    queue = MemoryQueue(
        "nonsense", record(notification), record("text"), record("[]"), record('{"a": 1}'), record(upload_event())
    )
    answers = retried(world, queue, code=exit_codes.ERROR)

    codes = [one["error"] and one["error"]["code"] for one in answers]
    assert ["BAD_LETTER", "NOT_YET_THERE", "BAD_LETTER", "BAD_LETTER", "BAD_NOTICE", None] == codes
    assert 5 == len(queue.left) == len(queue.released)


def test_a_message_that_crashes_the_handler_stays(world: World) -> None:
    """It may have crashed the function before."""
    queue = MemoryQueue(record(upload_event()), record(upload_event()))
    cloud = world.context()._replace(objects=None)  # type: ignore[arg-type]
    command = make_command()

    assert exit_codes.ERROR == retry_dead_letters(cloud, queue, command)
    assert 2 == command.written.count("not retried: AttributeError") == len(queue.left)


def test_a_queue_that_shows_messages_again_too_soon_is_left(world: World) -> None:
    """Every message is handled once."""
    queue = ImpatientQueue("nonsense", "rubbish", record(upload_event()))
    answers = retried(world, queue, code=exit_codes.ERROR)

    assert ["M0", "M1", "M2"] == [one["message"] for one in answers]
    assert ["h0", "h1"] == sorted(queue.left)


def test_a_message_that_cannot_be_deleted_is_an_error(world: World) -> None:
    """It will be received again, which does no harm."""

    class Stubborn(MemoryQueue):
        def delete(self, handle: str) -> None:
            raise SinkTargetNotFound("the handle is too old")

    assert (
        "SINK_TARGET_MISSING"
        == retried(world, Stubborn(record(upload_event())), code=exit_codes.ERROR)[0]["error"]["code"]
    )


def test_an_empty_queue_is_a_message(world: World) -> None:
    """In JSON, an empty list."""
    command = make_command()

    assert exit_codes.OK == retry_dead_letters(world.context(), MemoryQueue(), command)
    assert "no dead-letter messages\n" == command.written
    assert [] == retried(world, MemoryQueue(), code=exit_codes.OK)


@pytest.mark.parametrize(
    "body", ["", "x", "[]", "1", '{"requestPayload": 1}', '{"requestPayload": null}', "[" * 100_000]
)
def test_a_message_without_an_event_is_invalid(body: str) -> None:
    """Whatever it contains."""
    with pytest.raises(InvalidDeadLetter):
        event_in(body)


# Where the queue's name and the webhooks' settings come from


def test_the_queue_name_comes_from_the_shell_or_the_deployment(tmp_path: Path) -> None:
    """The project's own template has it."""
    (tmp_path / "s.yaml").write_text(S_YAML)
    (tmp_path / "functions" / "submit").mkdir(parents=True)
    shell = make_command()._replace(env={"CLIPSTITCH_DEAD_LETTER_QUEUE": "mine"})

    assert "mine" == _queue_name(shell, tmp_path)
    assert "clipstitch-dead-letters" == _queue_name(make_command(), None)
    with pytest.raises(InvalidSettings, match="CLIPSTITCH_DEAD_LETTER_QUEUE is not set"):
        _queue_name(make_command(), tmp_path)


def test_the_deployment_supplies_the_webhooks(tmp_path: Path) -> None:
    """Otherwise no command would work if one is deployed."""
    (tmp_path / "functions" / "submit").mkdir(parents=True)
    hooks = f"""
        CLIPSTITCH_WEBHOOK_PARTNER_URL: ${{env('PARTNER_URL')}}
        CLIPSTITCH_WEBHOOK_PARTNER_SECRET: {SECRET}
"""
    sinks = "p=webhook:PARTNER"
    (tmp_path / "s.yaml").write_text(S_YAML.replace("q=queue:events", sinks).rstrip() + hooks)
    env = complete_environment({**UP, "PARTNER_URL": "https://partner.example/"}, tmp_path)

    assert "https://partner.example/" == read_settings(env).webhooks[0].url
    assert BUCKET == env["CLIPSTITCH_BUCKET"]


# Pending deliveries in other commands


def test_waiting_does_not_wait_for_a_webhook_that_is_down(tmp_path: Path) -> None:
    """The job has succeeded, and the other sinks have the event."""
    world = WebhookWorld(WebhookResponse(500))
    command = make_command(json=True, clock=world.clock)
    file, timeout = written(tmp_path, DOCUMENT), timedelta(minutes=10)
    code = drop_manifest(world.context(), file, command, timeout=timeout, pause=Functions(world))

    assert exit_codes.OK == code
    assert world.result() == json.loads(command.written)
    assert 1 == len(world.state_keys("open/"))


def test_delivery_attempts_are_shown() -> None:
    """With their errors."""
    world = WebhookWorld(WebhookResponse(500), WebhookResponse(410))
    job = world.finish()
    world.sweep(SETTINGS.grace_period_s)
    command = make_command()
    show_job(world.context(), job.id, command)

    assert (
        "delivery to partner pending after attempt 1, failed: partner.example answered 500 [WEBHOOK_ANSWER]"
        in command.written
    )
    assert "delivered to partner, failed: partner.example answered 410 Gone [SINK_OFF]" in command.written
    assert "delivered to events\n" in command.written
