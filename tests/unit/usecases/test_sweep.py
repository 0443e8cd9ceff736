"""The sweep finishes every job, whatever was lost and wherever submit or complete crashed."""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any, TypeVar

import pytest

from clipstitch.adapters.memory import tone
from clipstitch.common.errors import AccessDenied, CloudBusy, CloudRefused
from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.ports import ObjectHeaders
from clipstitch.inbound.completion_notification import parse_notification
from clipstitch.jobs.job import CLAIMED, FAILED_TRANSIENTLY, Fact, Job
from clipstitch.usecases.complete import complete
from clipstitch.usecases.context import Context
from clipstitch.usecases.sweep import SweepReport, sweep
from tests.unit.usecases.harness import TimeLimitExceeded, drop_other, failing, faults, log_lines, output_names, plan_of
from tests.world import (
    BUCKET,
    DOCUMENT,
    MANIFEST,
    OUTPUT,
    SETTINGS,
    CallCounter,
    CallInterceptor,
    FaultAfter,
    World,
)

T = TypeVar("T")
RESULT_OBJECT = ObjectRef(BUCKET, f"results/{MANIFEST.key}.json")
GRACE_PERIOD_S = SETTINGS.grace_period_s
MAX_CALLS = 400  # more calls than any run makes
WAITING_FOR_CLIPS = {**DOCUMENT, "clips": ["a.mp3", "late.mp3"], "wait_for_clips": "10m"}
TREE = {"version": 1, "output": {"key": OUTPUT.key}, "clips": [f"c{n:02d}.mp3" for n in range(22)]}


def with_clips(document: object = DOCUMENT) -> World:
    """Return a world with 22 more clips, to which a manifest was uploaded."""
    world = World()
    for n in range(22):
        world.put(f"c{n:02d}.mp3", tone(1.0, name=f"c{n:02d}"))
    world.drop(document)
    return world


def submitted(document: object = DOCUMENT) -> World:
    """Return a world with 22 more clips, in which the submit function has started a job."""
    world = with_clips(document)
    world.submit()
    return world


def run_all(world: World, done: set[str]) -> list[bytes]:
    """Run the tasks that are not done, add their ids to `done`, and return their notifications."""
    tasks = [task for task in world.audio.accepted if task.id not in done]
    done.update(task.id for task in tasks)
    return [world.run(task) for task in tasks]


def sweep_until_closed(world: World, *, rounds: int = 8) -> int:
    """Sweep until no job is open, while tasks end and all their notifications are lost; return the number of sweeps."""
    done: set[str] = set()
    for number in range(1, rounds + 1):
        run_all(world, done)
        world.sweep(GRACE_PERIOD_S)
        if RESULT_OBJECT in world.objects.stored and not world.state_keys("open/"):
            return number
    pytest.fail(f"still open after {rounds} sweeps: {world.state_keys('')}")


def only_job(world: World) -> Job:
    """Return the only job of a world."""
    ids = list(world.store.jobs_of_day("2026-01-02")) or list(world.store.open_jobs())
    assert 1 == len(ids)
    return world.store.load(ids[0])


def assert_succeeded(world: World) -> None:
    """Assert that the only job has succeeded, with one event for every sink, and no leftovers after the deadline."""
    world.sweep(SETTINGS.deadline_s)
    texts = {text for _, _, text in world.sent}

    assert only_job(world).closed
    assert "succeeded" == only_job(world).state
    assert {"topic", "queue"} == {kind for kind, _, _ in world.sent}
    assert 1 == len(texts)
    assert world.result() == json.loads(texts.pop())
    assert [] == world.leftovers()


def with_lost_notification() -> World:
    """Return a world whose task has succeeded and whose notification was lost."""
    world = submitted()
    world.run()
    world.clock.advance(GRACE_PERIOD_S)
    return world


def completed(fault: CallInterceptor) -> None:
    """Deliver the notification of a successful task."""
    world = submitted()
    world.complete(world.run(), fault)


def test_a_manifest_whose_event_was_lost_is_found() -> None:
    """Two sweeps do what the event and the notification would have done."""
    world = with_clips()
    report = world.sweep(GRACE_PERIOD_S)

    assert [only_job(world).id] == list(report.found)
    assert 1 == sweep_until_closed(world)
    assert_succeeded(world)


def test_a_new_upload_is_left_alone_during_the_grace_period() -> None:
    """Its event may still arrive."""
    world = with_clips()

    assert SweepReport() == world.sweep(GRACE_PERIOD_S - 1)
    assert [] == world.audio.accepted


def test_an_upload_before_the_search_window_is_left_alone() -> None:
    """The cost of a sweep does not grow with history."""
    world = with_clips()

    assert () == world.sweep(SETTINGS.search_window_s + 1).found


def test_the_lost_notification_of_a_success_is_replaced() -> None:
    """The target of the step proves the success."""
    world = submitted()
    world.run()

    assert 1 == sweep_until_closed(world)
    assert_succeeded(world)


def test_the_lost_notification_of_a_failure_is_replaced() -> None:
    """There is no target, so the cloud is asked; the event has its error."""
    world = submitted()
    world.audio.fail(world.audio.accepted[0], "InvalidArgument", "no such codec")
    world.sweep(GRACE_PERIOD_S)

    assert "failed" == only_job(world).state
    assert "InvalidArgument" == world.result()["data"]["error"]["code"]
    assert [] == world.leftovers()


def test_a_running_task_is_not_started_again() -> None:
    """Long audio takes long."""
    world = submitted()
    for _ in range(5):
        world.sweep(GRACE_PERIOD_S)

    assert "running" == only_job(world).state
    assert 1 == len(world.audio.accepted)


@pytest.mark.parametrize("document", [DOCUMENT, TREE], ids=["one step", "tree"])
def test_a_job_finishes_without_any_message(document: object) -> None:
    """Neither the event nor any notification arrives, at any depth of the tree."""
    world = with_clips(document)
    sweep_until_closed(world)

    assert_succeeded(world)
    assert len(plan_of(only_job(world)).steps) == len(world.audio.accepted)


@pytest.mark.parametrize(("calls", "before"), faults(lambda fault: with_clips().submit(fault)))
def test_sweeps_recover_from_a_crash_at_any_call_of_submit(calls: int, before: bool) -> None:
    """Without retry and notification; the pointer of an unrecorded task is deleted after the deadline."""
    world = with_clips()
    with pytest.raises(CloudBusy):
        world.submit(FaultAfter(calls, before=before))
    sweep_until_closed(world)

    assert_succeeded(world)
    assert len(world.audio.accepted) <= 2


@pytest.mark.parametrize(("calls", "before"), faults(completed))
def test_sweeps_recover_from_a_crash_at_any_call_of_complete(calls: int, before: bool) -> None:
    """The notification is not delivered again."""
    world = submitted()
    message = world.run()
    with pytest.raises(CloudBusy):
        world.complete(message, FaultAfter(calls, before=before))
    sweep_until_closed(world)

    assert_succeeded(world)
    assert ["a", "b"] == output_names(world)


@pytest.mark.parametrize(("calls", "before"), faults(lambda fault: sweep(with_lost_notification().context(fault))))
def test_sweeps_recover_from_a_crash_at_any_call_of_a_sweep(calls: int, before: bool) -> None:
    """The next sweep does what is left."""
    world = with_lost_notification()
    with suppress(CloudBusy):  # an error with one job does not end the sweep
        sweep(world.context(FaultAfter(calls, before=before)))
    sweep_until_closed(world)

    assert_succeeded(world)


def test_a_claimed_step_is_started_after_a_crash() -> None:
    """The invocation that claimed the last step crashed; the sweep starts it after one grace period."""
    world = submitted(TREE)
    *others, last = run_all(world, set())
    for message in others:
        world.complete(message)
    for calls in range(MAX_CALLS):
        with suppress(CloudBusy):
            world.complete(last, FaultAfter(calls))
        if only_job(world).has(CLAIMED):
            break
    leaves = len(world.audio.accepted)
    sweep(world.context())

    assert leaves == len(world.audio.accepted)
    world.clock.advance(GRACE_PERIOD_S)
    world.sweep(GRACE_PERIOD_S)
    assert leaves + 1 == len(world.audio.accepted)
    sweep_until_closed(world)
    assert_succeeded(world)


def fail_transiently(world: World) -> None:
    """Fail the newest task for a transient reason, and lose its notification."""
    world.audio.fail(world.audio.accepted[-1], "Throttling.User", "too many requests")


def starts_after(world: World, seconds: int) -> list[int]:
    """Sweep every ten seconds for a time, and return after how many seconds a task was started."""
    starts = []
    for at in range(10, seconds + 1, 10):
        before = len(world.audio.accepted)
        world.sweep(10)
        starts += [at] if len(world.audio.accepted) > before else []
    return starts


def test_a_step_that_failed_transiently_is_started_again_after_a_growing_delay() -> None:
    """One grace period, then two, then four."""
    world = submitted()
    delays = []
    for _ in range(SETTINGS.max_retries):
        fail_transiently(world)
        world.clock.advance(GRACE_PERIOD_S)
        sweep(world.context())
        delays.append(starts_after(world, 600)[:1])

    assert [[GRACE_PERIOD_S], [2 * GRACE_PERIOD_S], [4 * GRACE_PERIOD_S]] == delays


def test_a_step_that_fails_transiently_too_often_fails_its_job() -> None:
    """The event has the last error of the cloud."""
    world = submitted()
    for _ in range(SETTINGS.max_retries + 1):
        fail_transiently(world)
        world.sweep(GRACE_PERIOD_S)
        world.sweep(16 * GRACE_PERIOD_S)

    job = only_job(world)
    assert SETTINGS.max_retries + 1 == len(world.audio.accepted)
    assert SETTINGS.max_retries == sum(fact.kind == FAILED_TRANSIENTLY for fact in job.facts)
    assert "failed" == job.state
    assert "Throttling.User" == world.result()["data"]["error"]["code"]
    assert [] == world.leftovers()


def test_a_step_that_fails_transiently_once_succeeds_later() -> None:
    """The next task succeeds."""
    world = submitted()
    world.complete(world.audio.fail(world.audio.accepted[0], "Throttling.User", ""))
    world.sweep(GRACE_PERIOD_S)
    world.run()
    world.sweep(GRACE_PERIOD_S)

    assert_succeeded(world)


def test_a_job_fails_after_its_deadline() -> None:
    """The state of its task is unknown; the event says how long the job was open."""
    world = submitted()
    world.sweep(SETTINGS.deadline_s)

    assert "failed" == only_job(world).state
    assert "DEADLINE_PASSED" == world.result()["data"]["error"]["code"]
    assert "6 h" in world.result()["data"]["error"]["message"]
    assert [] == world.state_keys("open/")


def test_the_target_of_a_task_that_ends_after_the_deadline_is_deleted() -> None:
    """Its notification is lost as well; a sweep deletes what it left, one deadline later."""
    world = submitted()
    world.sweep(SETTINGS.deadline_s)
    world.run()
    world.sweep(SETTINGS.deadline_s - 1)
    assert [] != world.state_keys("work/")
    world.sweep(1)

    assert [] == world.leftovers()
    assert OUTPUT not in world.objects.stored


def test_a_job_waits_for_late_clips() -> None:
    """After the grace period every sweep looks for them, and starts the job once they exist."""
    world = submitted(WAITING_FOR_CLIPS)

    assert "waiting" == only_job(world).state
    world.sweep(GRACE_PERIOD_S)
    assert [] == world.audio.accepted
    world.put("late.mp3", tone(1.0, name="late"))
    world.sweep(1)
    assert 1 == len(world.audio.accepted)
    sweep_until_closed(world)
    assert_succeeded(world)
    assert ["a", "late"] == output_names(world)


def test_clips_that_stay_missing_reject_the_manifest_after_the_waiting_time() -> None:
    """Not a second earlier."""
    world = submitted(WAITING_FOR_CLIPS)
    world.sweep(599)
    assert "waiting" == only_job(world).state
    world.sweep(1)

    assert "rejected" == only_job(world).state
    assert [("CLIP_NOT_FOUND", "/clips/1")] == [
        (issue["code"], issue["path"]) for issue in world.result()["data"]["issues"]
    ]
    assert [] == world.leftovers()


def test_a_late_clip_that_is_not_audio_ends_the_waiting() -> None:
    """Waiting does not fix it."""
    world = submitted(WAITING_FOR_CLIPS)
    world.put("late.mp3", b"not audio")
    world.sweep(GRACE_PERIOD_S)

    assert "rejected" == only_job(world).state
    assert ["CLIP_NOT_AUDIO"] == [issue["code"] for issue in world.result()["data"]["issues"]]


def test_a_manifest_without_waiting_time_is_rejected_at_once_by_a_slow_clock() -> None:
    """The clock of a function may be seconds behind that of the store; the upload is then in its future."""
    world = World()
    world.drop({**DOCUMENT, "clips": ["a.mp3", "late.mp3"]})
    world.clock.advance(-5)
    world.submit()

    assert "rejected" == only_job(world).state
    assert [] == world.leftovers()


def test_a_job_that_waited_longer_than_the_deadline_does_not_fail() -> None:
    """The deadline counts from the end of the waiting time."""
    world = submitted({**WAITING_FOR_CLIPS, "wait_for_clips": "12h"})
    world.sweep(SETTINGS.deadline_s + 3600)
    world.put("late.mp3", tone(1.0, name="late"))
    world.sweep(GRACE_PERIOD_S)
    world.sweep(GRACE_PERIOD_S)

    assert "running" == only_job(world).state
    sweep_until_closed(world)
    assert_succeeded(world)


def opened() -> World:
    """Return a world in which submit crashed between the marker and the plan."""
    world = with_clips()
    for calls in range(MAX_CALLS):
        with suppress(CloudBusy):
            world.submit(FaultAfter(calls))
        if world.state_keys("open/"):
            return world
    pytest.fail("no marker was written")


def test_a_manifest_that_was_deleted_before_it_was_planned_fails_its_job() -> None:
    """Its sinks receive an event."""
    world = opened()
    world.objects.delete([MANIFEST])
    world.sweep(GRACE_PERIOD_S)

    assert "failed" == only_job(world).state
    assert "MANIFEST_GONE" == world.result()["data"]["error"]["code"]
    assert [] == world.leftovers()


def test_a_manifest_that_was_overwritten_before_it_was_planned_fails_its_job() -> None:
    """The newer version is another job and succeeds; the result object is that of the newer job."""
    world = opened()
    old = next(iter(world.store.open_jobs()))
    world.clock.advance(5)
    world.drop({**DOCUMENT, "clips": ["b.wav", "a.mp3"]})
    sweep_until_closed(world)
    states = {job_id: world.store.load(job_id).state for job_id in world.store.jobs_of_day("2026-01-02")}

    assert {"failed", "succeeded"} == set(states.values())
    assert "failed" == states[old]
    assert "succeeded" == world.result()["data"]["state"]
    assert [] == world.leftovers()


def test_the_target_of_a_late_task_of_a_closed_job_is_deleted() -> None:
    """Its notification is lost, so that no other function deletes it."""
    world = submitted()
    world.complete(world.run())
    world.run()
    assert [] != world.state_keys("work/")
    world.sweep(SETTINGS.deadline_s)

    assert [] == world.leftovers()


def test_the_working_files_of_an_open_job_stay() -> None:
    """Later steps need them."""
    world = submitted(TREE)
    world.complete(run_all(world, set())[0])
    targets = world.state_keys("work/")
    sweep(world.context())

    assert targets == world.state_keys("work/") != []


@pytest.mark.parametrize("error", [CloudRefused("no"), KeyError("a bug")])
def test_an_error_with_one_job_does_not_stop_the_others(error: Exception) -> None:
    """The oldest job cannot be loaded, for any reason; all others finish."""
    world = submitted()
    broken = only_job(world).id
    others = [drop_other(world, n) for n in "xyz"]
    world.clock.advance(GRACE_PERIOD_S)
    facts = f"_clipstitch/jobs/2026-01-02/{broken}"
    objects = failing(world.objects, "list", error, lambda _bucket, prefix, *_: prefix.startswith(facts))
    context = world.context()._replace(objects=objects)
    first = sweep(context)
    for task in world.audio.accepted[1:]:
        world.run(task)
    world.clock.advance(GRACE_PERIOD_S)
    sweep(context)

    assert (broken,) == first.failed
    assert 3 == len(first.found)
    assert ["succeeded"] * 3 == [world.result(ref)["data"]["state"] for ref in others]
    assert [broken] == list(world.store.open_jobs())


def test_an_error_with_orphans_does_not_stop_the_jobs_that_come_last() -> None:
    """The sweep raises it at the end; once it is gone, the orphans are deleted."""
    world = submitted()
    orphans = [world.complete(world.run()).id, "20260102T030405Z-0123456789ab"]
    world.submit(ref=drop_other(world, "x"))
    last = world.audio.accepted[-1]
    world.store.save_sweep_document("sweep.json", {"slow": list(world.store.open_jobs())})
    for orphan in orphans:
        world.put(f"_clipstitch/work/{orphan}/step-000.mp3", b"late")
    world.run(last)
    refuse = failing(world.objects, "delete", CloudRefused("no"), lambda refs: any(orphans[1] in r.key for r in refs))
    world.clock.advance(SETTINGS.deadline_s)
    with pytest.raises(CloudRefused):
        sweep(world.context()._replace(objects=refuse))

    assert "succeeded" == world.result(ObjectRef(BUCKET, "manifests/x.json"))["data"]["state"]
    assert [f"_clipstitch/work/{orphan}/step-000.mp3" for orphan in sorted(orphans)] == world.leftovers()
    world.sweep()
    assert [] == world.leftovers()


class SlowCalls(CallInterceptor):
    """Advances the clock by a number of seconds before every call."""

    def __init__(self, world: World, seconds: float) -> None:
        self._world, self._seconds = world, seconds

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Advance the clock, then make the call."""
        self._world.clock.advance(self._seconds)
        return super().call(function, *args, **kwargs)


class SlowPages(CallInterceptor):
    """Advances the clock by a number of seconds for every thousand names of a listing."""

    def __init__(self, world: World, seconds: float) -> None:
        self._world, self._seconds = world, seconds

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Make the call."""
        answer = function(*args, **kwargs)
        return self._slowed(answer) if function.__name__ == "list" else answer

    def _slowed(self, names: Iterable[T]) -> Iterator[T]:
        for number, name in enumerate(names):
            if number % 1000 == 0:
                self._world.clock.advance(self._seconds)
            yield name


def test_a_sweep_that_runs_out_of_time_is_continued_by_the_next() -> None:
    """With forty running jobs and five seconds per call, every job and every lost upload gets its turn."""
    world = with_jobs(40, closed=False)
    lost = drop_other(world, "lost")
    world.clock.advance(GRACE_PERIOD_S)
    reports = [world.sweep(interceptor=SlowCalls(world, 5)) for _ in range(12)]

    assert all(report.interrupted for report in reports)
    assert set(world.store.open_jobs()) == {job for report in reports for job in report.looked_at}
    assert lost == world.store.manifest_of(reports[0].found[0])


def test_manifests_that_time_out_every_sweep_do_not_stop_the_others() -> None:
    """Two of five time out at every attempt; they are recovered last, and fail after two deadlines."""
    world = with_clips({**DOCUMENT, "clips": ["c00.mp3"]})
    other = world.drop({**DOCUMENT, "clips": ["c01.mp3"]}, ObjectRef(BUCKET, "manifests/y0.json"))
    good = [drop_other(world, n) for n in "xyz"]
    world.clock.advance(GRACE_PERIOD_S)
    slow = {ObjectRef(BUCKET, "c00.mp3"), ObjectRef(BUCKET, "c01.mp3")}
    audio = failing(world.audio, "probe", TimeLimitExceeded(), lambda refs: bool(slow & set(refs)))
    for _ in range(8):
        with suppress(TimeLimitExceeded):
            sweep(world.context()._replace(audio=audio))
        world.clock.advance(300)
        for task in world.audio.accepted:
            world.run(task)
    states = [world.result(ref)["data"]["state"] for ref in good]
    world.clock.advance(2 * SETTINGS.deadline_s)
    sweep(world.context()._replace(audio=audio))

    assert ["succeeded"] * 3 == states
    assert ["DEADLINE_PASSED"] * 2 == [world.result(ref)["data"]["error"]["code"] for ref in (MANIFEST, other)]


def test_of_very_many_lost_uploads_every_sweep_submits_some() -> None:
    """The next sweep continues after them; none is submitted twice, and none is left out."""
    world = World()
    lost = [drop_other(world, f"m{n:02d}") for n in range(30)]
    world.clock.advance(GRACE_PERIOD_S)
    reports = [world.sweep(interceptor=SlowCalls(world, 2)) for _ in range(12)]

    assert reports[0].interrupted
    assert 1 < sum(bool(report.found) for report in reports)
    assert sorted(lost) == sorted(world.store.manifest_of(job) for report in reports for job in report.found)


def test_a_lost_upload_is_found_however_long_a_search_takes() -> None:
    """It was uploaded behind the place that the search had reached, which goes on for longer than the window."""
    world = World(SETTINGS._replace(search_window_s=600))
    for n in range(3000):
        world.put(f"manifests/old{n:04d}.json", b"{}")
    world.clock.advance(3600)
    slow = SlowPages(world, 100)
    assert world.sweep(interceptor=slow).interrupted
    lost = drop_other(world, "aaa")
    found = [world.sweep(3600, slow).found for _ in range(14)]

    assert [lost] == [world.store.manifest_of(job) for each in found for job in each]


def test_a_search_that_takes_several_sweeps_reaches_its_end() -> None:
    """Each goes on where the one before stopped; the lost upload is the last of three thousand manifests."""
    world = World()
    for n in range(3000):
        world.put(f"manifests/old{n:04d}.json", b"{}")
    world.clock.advance(SETTINGS.search_window_s)
    lost = drop_other(world, "zzz")
    world.clock.advance(GRACE_PERIOD_S)
    found = [world.sweep(60, SlowPages(world, 100)).found for _ in range(4)]

    assert () == found[0]
    assert [lost] == [world.store.manifest_of(job) for each in found for job in each]


def test_a_lost_upload_that_is_found_after_the_deadline_does_not_fail() -> None:
    """The deadline counts from the time at which the job was opened."""
    world = with_clips()
    world.sweep(SETTINGS.deadline_s + 3600)
    world.sweep(GRACE_PERIOD_S)

    assert "running" == only_job(world).state
    assert 1 == sweep_until_closed(world)
    assert_succeeded(world)


def test_a_job_that_cannot_be_planned_before_the_deadline_fails_with_the_error() -> None:
    """The cloud is busy whenever its clips are probed."""
    world = opened()
    context = world.context()._replace(audio=failing(world.audio, "probe", CloudBusy("asking for a.mp3")))
    world.clock.advance(GRACE_PERIOD_S)
    early = sweep(context)
    world.clock.advance(SETTINGS.deadline_s)
    sweep(context)

    assert (only_job(world).id,) == early.failed
    assert "failed" == only_job(world).state
    assert "CLOUD_BUSY" == world.result()["data"]["error"]["code"]
    assert "asking for a.mp3" in world.result()["data"]["error"]["message"]
    assert [] == world.leftovers()


def complete_in(context: Context, message: bytes) -> None:
    """Deliver a notification to a function with this context."""
    notification = parse_notification(message)
    assert notification
    complete(notification, context)


def test_an_output_that_cannot_be_published_before_the_deadline_fails_its_job() -> None:
    """Its copy is denied, which the operator could have fixed."""
    world = submitted()
    context = world.context()._replace(objects=failing(world.objects, "copy", AccessDenied("no right to copy")))
    with pytest.raises(AccessDenied):
        complete_in(context, world.run())
    world.clock.advance(SETTINGS.deadline_s)
    sweep(context)

    assert "failed" == only_job(world).state
    assert "ACCESS_DENIED" == world.result()["data"]["error"]["code"]
    assert [] == world.leftovers()


def test_an_output_that_cannot_be_described_before_the_deadline_fails_its_job(caplog: pytest.LogCaptureFixture) -> None:
    """It is unknown whether the output exists, but every job finishes; the log has the missing right."""
    world = submitted({**DOCUMENT, "output": {"key": OUTPUT.key, "overwrite": True}})
    denied = failing(world.objects, "describe", AccessDenied("no right to describe"), lambda ref: ref == OUTPUT)
    context = world.context()._replace(objects=denied)
    with pytest.raises(AccessDenied):
        complete_in(context, world.run())
    world.clock.advance(SETTINGS.deadline_s)
    with caplog.at_level("INFO", "clipstitch"):
        sweep(context)
    line, *_ = [line for line in log_lines(caplog) if line["event"] == "output-not-checked"]

    assert "failed" == only_job(world).state
    assert "ACCESS_DENIED" == world.result()["data"]["error"]["code"]
    assert [] == world.leftovers()
    assert ("ERROR", "ACCESS_DENIED", OUTPUT.uri) == (line["level"], line["code"], line["output"])
    assert f"oss:GetObject on {BUCKET}/*" == line["grant"]


def published_late(error: Exception, name: str, times: int, **fields: Any) -> tuple[World, Context]:
    """Return a world whose job is published after its deadline, and a context that cannot write one name at first."""
    world = submitted({**DOCUMENT, **fields})
    busy = world.context()._replace(objects=failing(world.objects, "copy", CloudBusy("copying")))
    with pytest.raises(CloudBusy):
        complete_in(busy, world.run())
    world.clock.advance(SETTINGS.deadline_s)
    errors = iter(range(times))
    objects = failing(world.objects, "write", error, lambda ref, *_: ref.key.endswith(name) and next(errors, -1) >= 0)
    return world, world.context()._replace(objects=objects)


@pytest.mark.parametrize("later", [0, SETTINGS.deadline_s], ids=["soon", "after an outage"])
def test_a_published_output_does_not_fail_its_job(later: int) -> None:
    """The deadline passed while its result could not be recorded."""
    world, context = published_late(CloudBusy("writing the result"), "/result.json", 1)
    report = sweep(context)
    world.clock.advance(later)

    assert OUTPUT in world.objects.stored
    assert (only_job(world).id,) == report.failed
    assert 1 == sweep_until_closed(world)
    assert_succeeded(world)


def test_a_published_output_whose_chapters_cannot_be_written_succeeds_with_a_warning_at_the_deadline() -> None:
    """The audio is there; the event does not name a file of chapters."""
    world, context = published_late(AccessDenied("no right to write"), ".vtt", 10, chapters=True)
    sweep(context)
    data = world.result()["data"]

    assert "succeeded" == only_job(world).state
    assert [("CHAPTERS_NOT_WRITTEN", "no right to write")] == [(w["code"], w["message"]) for w in data["warnings"]]
    assert "chapters" not in data
    assert OUTPUT in world.objects.stored
    assert [] == world.leftovers()


def with_jobs(count: int, *, closed: bool) -> World:
    """Return a world with jobs that are an hour old, closed or running."""
    world = World(SETTINGS._replace(search_window_s=3000))
    for n in range(count):
        world.submit(ref=drop_other(world, f"m{n}"))
        if closed:
            world.complete(world.run())
    world.clock.advance(3600)
    return world


def cost(world: World) -> int:
    """Return the number of port calls of a sweep."""
    counter = CallCounter()
    world.sweep(interceptor=counter)
    return counter.calls


def test_closed_jobs_do_not_change_the_cost_of_a_sweep() -> None:
    """Cost grows with open jobs, not with history; three hundred are no different from none."""
    assert cost(with_jobs(0, closed=True)) == cost(with_jobs(300, closed=True))


def test_the_cost_of_a_sweep_is_linear_in_the_open_jobs() -> None:
    """A fixed number of calls for each, at most four, and one for each batch."""
    none, ten, forty = (cost(with_jobs(count, closed=False)) for count in (0, 10, 40))

    assert 30 * 4 == forty - ten
    assert 10 * 4 + 1 == ten - none


def test_late_facts_do_not_reopen_a_closed_job() -> None:
    """A late fact and a late marker leave the job closed."""
    world = submitted()
    world.complete(world.run())
    job = only_job(world)
    world.store.add(job, Fact(FAILED_TRANSIENTLY, 0, "MediaConvert-9"), {"at": "2026-01-02T03:04:05.000Z"})
    world.objects.write(ObjectRef(BUCKET, f"_clipstitch/open/{job.id}"), b'{"manifest": "x"}', ObjectHeaders())
    world.sweep(GRACE_PERIOD_S)

    assert_succeeded(world)
