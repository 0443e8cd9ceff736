"""Log lines: every one has a level, and the id of the job if the functions are working on one."""

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from clipstitch.adapters.memory import MemoryMessageSender
from clipstitch.common.errors import (
    AccessDenied,
    ClipstitchError,
    CloudBusy,
    CloudRefused,
    SinkTargetNotFound,
    Throttled,
    WebhookNoResponse,
)
from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.logging import log_error, log_event, log_job
from clipstitch.common.ports import WebhookResponse
from clipstitch.usecases.recover import retry
from clipstitch.usecases.submit import submit_all
from clipstitch.usecases.sweep import sweep
from tests.unit.usecases.harness import REJECTED_DOCUMENT, failing, log_lines, submitted, uploaded
from tests.world import BUCKET, MANIFEST, SETTINGS, WebhookWorld, World

LEVELS = {"DEBUG": logging.DEBUG, "INFO": logging.INFO, "WARNING": logging.WARNING, "ERROR": logging.ERROR}


def success() -> World:
    """Submit and complete a job."""
    world = submitted()
    world.complete(world.run())
    return world


def rejection() -> World:
    """Submit an invalid manifest."""
    world = uploaded(REJECTED_DOCUMENT)
    world.submit()
    return world


def recovery() -> World:
    """Recover a job whose notification was lost."""
    world = submitted()
    world.run()
    world.sweep(SETTINGS.grace_period_s)
    return world


def passed_deadline() -> World:
    """Fail a job after its deadline."""
    world = submitted()
    world.sweep(SETTINGS.deadline_s)
    return world


def busy_cloud() -> World:
    """Recover a job in a cloud that is busy, before and after its deadline."""
    world = submitted()
    world.run()
    busy = world.context()._replace(objects=failing(world.objects, "copy", CloudBusy("copying")))
    for seconds in (SETTINGS.grace_period_s, SETTINGS.deadline_s):
        world.clock.advance(seconds)
        sweep(busy)
    return world


def missing_topic() -> World:
    """Complete a job, one of whose sinks does not exist."""
    world = submitted()
    world.messages = MemoryMessageSender(queues=("events",))
    with suppress(SinkTargetNotFound):
        world.complete(world.run())
    world.sweep(SETTINGS.grace_period_s)
    return world


def removed_sink() -> World:
    """Complete a job, one of whose sinks was removed."""
    world = submitted()
    world.settings = SETTINGS._replace(sinks=())
    world.complete(world.run())
    return world


def failing_webhook() -> World:
    """Deliver to a webhook that fails, disables itself and is retried by an operator."""
    world = WebhookWorld(WebhookResponse(500), WebhookNoResponse("no response"), WebhookResponse(410))
    job = world.finish()
    world.sweep(120)
    retry(job.id, world.context())
    return world


SCENARIOS = [
    success,
    rejection,
    recovery,
    passed_deadline,
    busy_cloud,
    missing_topic,
    removed_sink,
    failing_webhook,
]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_line_about_a_job_has_its_id(scenario: Callable[[], World], caplog: pytest.LogCaptureFixture) -> None:
    """From the upload to the last delivery, in every function."""
    with caplog.at_level("DEBUG", "clipstitch"):
        world = scenario()
    (job_id,) = world.store.jobs_of_day("2026-01-02")
    lines = log_lines(caplog)

    assert lines
    assert {job_id} == {line.get("job") for line in lines}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_line_has_an_event_and_the_level_of_its_record(
    scenario: Callable[[], World], caplog: pytest.LogCaptureFixture
) -> None:
    """Alarms filter by either."""
    with caplog.at_level("DEBUG", "clipstitch"):
        scenario()

    for record, line in zip(caplog.records, log_lines(caplog), strict=True):
        assert LEVELS[line["level"]] == record.levelno
        assert line["event"]


def levels(caplog: pytest.LogCaptureFixture) -> dict[str, str]:
    """Return the level of every event that was logged."""
    return {line["event"]: line["level"] for line in log_lines(caplog)}


def test_the_levels_of_a_success(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing raises an alarm."""
    with caplog.at_level("DEBUG", "clipstitch"):
        success()

    assert {"INFO"} == set(levels(caplog).values())


def test_the_levels_of_deliveries(caplog: pytest.LogCaptureFixture) -> None:
    """A delivery that will be retried is a warning; a disabled sink and an abandoned delivery raise an alarm."""
    with caplog.at_level("WARNING", "clipstitch"):
        failing_webhook()

    assert {"delivery-failed": "WARNING", "sink-switched-off": "ERROR", "sink-given-up": "ERROR"} == levels(caplog)


@pytest.mark.parametrize(
    ("error", "level"),
    [
        (CloudBusy("later"), "WARNING"),
        (Throttled("too many requests"), "WARNING"),
        (AccessDenied("no right to list"), "ERROR"),
        (CloudRefused("no such bucket"), "ERROR"),
        (KeyError("a bug"), "ERROR"),
    ],
)
def test_an_error_with_one_job_in_a_sweep_has_the_level_of_its_class(
    error: Exception, level: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A busy cloud is a warning, since the next sweep tries again; all others raise an alarm."""
    world = submitted()
    world.clock.advance(SETTINGS.grace_period_s)
    (job_id,) = world.store.open_jobs()
    objects = failing(world.objects, "list", error, lambda _bucket, prefix, *_: f"/{job_id}/" in prefix)
    with caplog.at_level("WARNING", "clipstitch"):
        sweep(world.context()._replace(objects=objects))
    (line,) = log_lines(caplog)

    assert ("recovery-failed", level, job_id) == (line["event"], line["level"], line["job"])
    assert ("traceback" in line) == (not isinstance(error, ClipstitchError))


def test_an_error_with_one_upload_is_logged_with_its_uri(caplog: pytest.LogCaptureFixture) -> None:
    """With code, message and remedy."""
    world = uploaded()
    objects = failing(world.objects, "read", CloudBusy("reading"))
    with caplog.at_level("WARNING", "clipstitch"), pytest.raises(CloudBusy):
        submit_all([MANIFEST], world.context()._replace(objects=objects))
    (line,) = log_lines(caplog)

    busy: dict[str, Any] = {"event": "submit-failed", "level": "WARNING", "upload": MANIFEST.uri}
    assert {**busy, **CloudBusy("reading").as_json()} == line


@pytest.mark.parametrize("function", ["submit", "sweep"])
def test_an_error_after_the_manifest_was_read_is_logged_with_the_job_id(
    function: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The id is known once the manifest was read."""
    world = uploaded()
    context = world.context()._replace(audio=failing(world.audio, "probe", CloudBusy("probing")))
    world.clock.advance(SETTINGS.grace_period_s)
    with caplog.at_level("WARNING", "clipstitch"), suppress(CloudBusy):
        if function == "submit":
            submit_all([MANIFEST], context)
        sweep(context)
    (job_id,) = world.store.open_jobs()

    assert {job_id} == {line.get("job") for line in log_lines(caplog)}


@pytest.mark.parametrize(
    ("key", "event"), [("notes.txt", "not-a-manifest"), ("manifests/deleted.json", "manifest-gone")]
)
def test_an_upload_without_a_job_is_logged_without_one(key: str, event: str, caplog: pytest.LogCaptureFixture) -> None:
    """Its line has the URI of the object instead."""
    with caplog.at_level("INFO", "clipstitch"):
        assert World().deliver_upload(ref=ObjectRef(BUCKET, key)) is None
    (line,) = log_lines(caplog)

    assert event == line["event"]
    assert "job" not in line
    assert ObjectRef(BUCKET, key).uri in line.values()


def test_the_job_id_is_that_of_the_block(caplog: pytest.LogCaptureFixture) -> None:
    """Blocks nest, and end with an exception too."""
    with caplog.at_level("INFO", "clipstitch"):
        with suppress(ValueError), log_job("outer"):
            with log_job("inner"):
                log_event("one")
            log_event("two")
            raise ValueError
        log_event("three")

    assert [("one", "inner"), ("two", "outer"), ("three", None)] == [
        (line["event"], line.get("job")) for line in log_lines(caplog)
    ]


def test_an_error_is_logged_with_code_message_and_remedy(caplog: pytest.LogCaptureFixture) -> None:
    """Beside the fields of the caller."""
    with caplog.at_level("INFO", "clipstitch"):
        log_error("failed", AccessDenied("no right"), step=3)
    (line,) = log_lines(caplog)

    assert {"event": "failed", "level": "ERROR", "step": 3, **AccessDenied("no right").as_json()} == line
