"""Unexpected exceptions: they are logged with a traceback, stop no other job, and fail their job after its deadline."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn, cast

import pytest

from clipstitch.common.errors import INTERNAL_ERROR, error_json
from clipstitch.common.exhaustive import assert_never
from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.ports import AudioService
from clipstitch.inbound.completion_notification import parse_notification
from clipstitch.jobs.decide import Action
from clipstitch.jobs.job import Job
from clipstitch.usecases.complete import complete
from clipstitch.usecases.context import Context
from clipstitch.usecases.execute import Run, _perform
from clipstitch.usecases.settings import Sink, SinkKind
from clipstitch.usecases.sink_monitor import SinkMonitor
from clipstitch.usecases.submit import submit, submit_all
from clipstitch.usecases.sweep import sweep
from tests.unit.usecases.harness import drop_other, failing, log_lines, submitted, uploaded
from tests.world import MANIFEST, SETTINGS, World

BUG = RuntimeError("dictionary changed size")
GRACE_PERIOD_S, DEADLINE_S = SETTINGS.grace_period_s, SETTINGS.deadline_s


def with_bug_in(world: World, job: Job, error: Exception = BUG) -> Context:
    """Return a context in which probing the step target of one job raises."""

    def concerns_job(refs: Sequence[ObjectRef]) -> bool:
        return any(f"/{job.id}/" in ref.key for ref in refs)

    audio: AudioService = failing(world.audio, "probe", error, concerns_job)
    return world.context()._replace(audio=audio)


def two_jobs() -> tuple[World, Job, Job, ObjectRef]:
    """Return a world with two jobs whose tasks have succeeded, and the manifest of the second."""
    world = uploaded()
    first = world.submit()
    world.clock.advance(1)
    manifest = drop_other(world, "other")
    second = world.submit(ref=manifest)
    for task in world.audio.accepted:
        world.run(task)
    world.clock.advance(GRACE_PERIOD_S)
    return world, first, second, manifest


def error_line(caplog: pytest.LogCaptureFixture, event: str) -> Mapping[str, Any]:
    """Return the only log line of an event."""
    (line,) = [line for line in log_lines(caplog) if line["event"] == event]
    return line


def test_an_unexpected_exception_in_a_sweep_is_logged_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    """At level ERROR, with code, remedy, job id, and the file and line at which it was raised."""
    world, first, _, _ = two_jobs()
    with caplog.at_level("DEBUG", "clipstitch"):
        sweep(with_bug_in(world, first))
    line = error_line(caplog, "recovery-failed")

    assert "ERROR" == line["level"]
    assert (INTERNAL_ERROR, first.id) == (line["code"], line["job"])
    assert "RuntimeError: dictionary changed size" == line["message"]
    assert "This is a bug" in line["remedy"]
    assert re.search(r'task_outcomes\.py", line [0-9]+, in record_success', line["traceback"])
    assert line["traceback"].rstrip().endswith("RuntimeError: dictionary changed size")


def test_an_unexpected_exception_with_one_job_does_not_stop_the_others() -> None:
    """The other job succeeds in the same sweep; the report names the one that failed."""
    world, first, second, manifest = two_jobs()
    report = sweep(with_bug_in(world, first))

    assert (first.id,) == report.failed
    assert {first.id, second.id} == set(report.looked_at)
    assert "succeeded" == world.result(manifest)["data"]["state"]
    assert "running" == world.load(first).state


def unplannable() -> tuple[World, Context]:
    """Return a world with an open job, and a context in which probing its clips raises."""
    world = uploaded()
    context = world.context()._replace(audio=failing(world.audio, "probe", BUG))
    with pytest.raises(RuntimeError):
        submit(MANIFEST, context)
    return world, context


def unpublishable() -> tuple[World, Context]:
    """Return a world with a job that was to be published, and a context in which copying raises."""
    world = submitted()
    context = world.context()._replace(objects=failing(world.objects, "copy", BUG))
    notification = parse_notification(world.run())
    assert notification
    with pytest.raises(RuntimeError):
        complete(notification, context)
    return world, context


@pytest.mark.parametrize("prepare", [unplannable, unpublishable])
def test_before_the_deadline_an_unexpected_exception_leaves_the_job_open(
    prepare: Callable[[], tuple[World, Context]],
) -> None:
    """The next sweep tries again, and succeeds once the bug is fixed."""
    world, context = prepare()
    world.clock.advance(GRACE_PERIOD_S)
    (failed,) = sweep(context).failed

    assert [failed] == list(world.store.open_jobs())
    assert [] == world.sent
    world.sweep(GRACE_PERIOD_S)
    world.run()
    world.sweep(GRACE_PERIOD_S)
    assert "succeeded" == world.store.load(failed).state


@pytest.mark.parametrize("prepare", [unplannable, unpublishable])
def test_after_the_deadline_an_unexpected_exception_fails_the_job(
    prepare: Callable[[], tuple[World, Context]], caplog: pytest.LogCaptureFixture
) -> None:
    """Its event has code, message and remedy; the log has the traceback."""
    world, context = prepare()
    (job_id,) = world.store.open_jobs()
    world.clock.advance(DEADLINE_S)
    with caplog.at_level("DEBUG", "clipstitch"):
        report = sweep(context)
    error, line = world.result()["data"]["error"], error_line(caplog, "job-failed")

    assert ("failed", ()) == (world.store.load(job_id).state, report.failed)
    assert world.store.load(job_id).closed
    assert (INTERNAL_ERROR, error_json(BUG)["remedy"]) == (error["code"], error["remedy"])
    assert "not finished in time: RuntimeError: dictionary changed size" == error["message"]
    assert [f"{job_id}.failed"] * len(SETTINGS.sinks) == [event["id"] for event in world.events()]
    assert ("ERROR", job_id, INTERNAL_ERROR) == (line["level"], line["job"], line["code"])
    assert 'harness.py", line' in line["traceback"]


def test_an_unexpected_exception_with_one_upload_does_not_stop_the_others_of_its_event() -> None:
    """All are submitted; then the function fails, so that the event is delivered again."""
    world = uploaded()
    other = drop_other(world, "other")
    objects = failing(world.objects, "read", BUG, lambda ref, *_: ref == MANIFEST)

    with pytest.raises(RuntimeError):
        submit_all([MANIFEST, other], world.context()._replace(objects=objects))
    assert 1 == len(world.audio.accepted)


# Sums: values that no type allows


def test_an_unknown_case_raises_an_assertion_error() -> None:
    """The message has the value; mypy reports a case that is not handled."""
    with pytest.raises(AssertionError, match="unhandled case: 'mail'"):
        assert_never(cast("NoReturn", "mail"))


def test_a_sink_of_an_unknown_kind_is_an_internal_error() -> None:
    """Settings never build one; if they did, its delivery would fail instead of being skipped, and only its."""
    world = submitted()
    unknown = Sink("events", cast("SinkKind", "mail"), "events")
    world.settings = SETTINGS._replace(sinks=(unknown, *SETTINGS.sinks[1:]))

    job = world.complete(world.run())
    (pending,) = job.pending.values()
    error = world.store.document(job.id, pending.fact)["error"]

    assert ("events", INTERNAL_ERROR) == (pending.sink, error["code"])
    assert "unhandled case: 'mail'" in error["message"]
    assert ["queue"] == [kind for kind, _, _ in world.sent]


def test_an_unknown_action_is_an_internal_error() -> None:
    """`decide` returns none; `execute` would raise instead of skipping it."""
    world = submitted()
    job = world.submit()

    with pytest.raises(AssertionError, match="unhandled case: 'dance'"):
        _perform(cast("Action", "dance"), job, world.context(), Run(SinkMonitor()))
