"""The sweep alone brings every job to its end: whatever was lost, and wherever submit or complete died."""

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from clipstitch.adapters.memory import tone
from clipstitch.common.errors import AccessDenied, CloudBusy, CloudRefused
from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.ports import ObjectHeaders
from clipstitch.inbound.completion_notification import parse_notification
from clipstitch.jobs.job import CLAIMED, FAILED_TRANSIENTLY, Fact, Job
from clipstitch.usecases.complete import complete
from clipstitch.usecases.context import Context
from clipstitch.usecases.job_store import JobStore
from clipstitch.usecases.sweep import SweepReport, sweep
from tests.world import BUCKET, DOCUMENT, MANIFEST, OUTPUT, SETTINGS, FaultAfter, World

GRACE_PERIOD_S = SETTINGS.grace_period_s
ENOUGH = 400  # more calls than any run here makes; asserted below
WAITING_FOR_CLIPS = {**DOCUMENT, "clips": ["a.mp3", "late.mp3"], "wait_for_clips": "10m"}
TREE = {"version": 1, "output": {"key": OUTPUT.key}, "clips": [f"c{n:02d}.mp3" for n in range(22)]}


class Tally(FaultAfter):
    """A fuse that never blows, and counts."""

    def __init__(self) -> None:
        super().__init__(10**9)

    @property
    def calls(self) -> int:
        """How many port calls there were."""
        return 10**9 - self.left


def dropped(document: object = DOCUMENT) -> World:
    """Return a world into which a manifest was dropped."""
    world = World()
    for n in range(22):
        world.put(f"c{n:02d}.mp3", tone(1.0, name=f"c{n:02d}"))
    world.drop(document)
    return world


def ledger_of(world: World) -> JobStore:
    """Open the world's ledger."""
    return world.context().store


def swept(world: World, seconds: float = GRACE_PERIOD_S) -> SweepReport:
    """Let time pass, and sweep."""
    world.clock.advance(seconds)
    return sweep(world.context())


def run_all(world: World, ran: set[str]) -> list[bytes]:
    """Let the cloud finish what it has not yet, and return its messages."""
    todo = [task for task in world.audio.accepted if task.id not in ran]
    ran.update(task.id for task in todo)
    return [world.run(task) for task in todo]


def only_sweeps(world: World, *, rounds: int = 8) -> int:
    """Sweep until nothing is open, while tasks run and all their notices are lost; return how many sweeps it took."""
    ran: set[str] = set()
    for number in range(1, rounds + 1):
        run_all(world, ran)
        swept(world)
        if result_of(world) and not world.state_keys("open/"):
            return number
    pytest.fail(f"still open after {rounds} sweeps: {world.state_keys('')}")


def result_of(world: World, ref: ObjectRef = MANIFEST) -> dict[str, Any] | None:
    """Return the event in the result object, if there is one."""
    found = world.objects.stored.get(ObjectRef(BUCKET, f"results/{ref.key}.json"))
    return json.loads(found.body) if found else None


def job_of(world: World) -> Job:
    """Load the only job."""
    store = ledger_of(world)
    ids = list(store.jobs_of_day("2026-01-02")) or list(store.open_jobs())
    assert 1 == len(ids)
    return store.load(ids[0])


def leftovers(world: World) -> list[str]:
    """Return what only the work needed."""
    return [key for part in ("open/", "tasks/", "work/") for key in world.state_keys(part)]


def assert_succeeded(world: World) -> None:
    """One output in order, one event for every sink, nothing left over."""
    texts = {text for _, _, text in world.messages.said}

    assert job_of(world).closed
    assert "succeeded" == job_of(world).state
    assert {"topic", "queue"} == {kind for kind, _, _ in world.messages.said}
    assert 1 == len(texts)
    assert result_of(world) == json.loads(texts.pop())
    assert [] == leftovers(world)


def every_call(run: Callable[[FaultAfter], object]) -> list[Any]:
    """List all places at which a run can break: before and after each of its calls."""
    fault = FaultAfter(ENOUGH)
    run(fault)
    assert 0 < fault.left < ENOUGH
    places = [(calls, before) for calls in range(ENOUGH - fault.left) for before in (True, False)]
    return [pytest.param(n, before, id=f"{'before' if before else 'after'} call {n + 1}") for n, before in places]


def submitted(document: object = DOCUMENT) -> World:
    """Return a world in which a job runs."""
    world = dropped(document)
    world.submit()
    return world


def ready_to_sweep() -> World:
    """Return a world whose notice was lost."""
    world = submitted()
    world.run()
    world.clock.advance(GRACE_PERIOD_S)
    return world


def test_a_lost_upload_is_found():
    """Nobody told us of the manifest; two sweeps do what two messages would have done."""
    world = dropped()
    report = swept(world)

    assert [job_of(world).id] == list(report.found)
    assert 1 == only_sweeps(world)
    assert_succeeded(world)


def test_an_upload_of_just_now_is_left_to_its_event():
    """Its event is probably on the way."""
    world = dropped()

    assert SweepReport() == swept(world, GRACE_PERIOD_S - 1)
    assert [] == world.audio.accepted


def test_an_upload_from_before_the_search_window_is_left_alone():
    """The cost of a sweep must not grow with history."""
    world = dropped()

    assert () == swept(world, SETTINGS.search_window_s + 1).found


def test_a_lost_notice_is_made_up_for():
    """The object is there, and is believed."""
    world = submitted()
    world.run()

    assert 1 == only_sweeps(world)
    assert_succeeded(world)


def test_a_lost_notice_of_a_failure_is_made_up_for():
    """There is no object, so the cloud is asked, and its words are told."""
    world = submitted()
    world.audio.fail(world.audio.accepted[0], "InvalidArgument", "no such codec")
    swept(world)

    assert "failed" == job_of(world).state
    assert "InvalidArgument" == result_of(world)["data"]["error"]["code"]
    assert [] == leftovers(world)


def test_a_running_task_is_left_running():
    """Long audio takes long; nothing is started twice."""
    world = submitted()
    for _ in range(5):
        swept(world)

    assert "running" == job_of(world).state
    assert 1 == len(world.audio.accepted)


@pytest.mark.parametrize("document", [DOCUMENT, TREE], ids=["one step", "tree"])
def test_without_any_message_a_job_reaches_its_end(document: object):
    """Neither the upload nor any notice arrives, at any depth of the tree."""
    world = dropped(document)
    only_sweeps(world)

    assert_succeeded(world)
    assert len(job_of(world).plan.steps) == len(world.audio.accepted)


@pytest.mark.parametrize(("calls", "before"), every_call(lambda fault: dropped().submit(fault)))
def test_a_crash_anywhere_in_submit_then_only_sweeps(calls: int, before: bool):
    """No retry, no notice; of a task that nobody noted, the pointer goes when the deadline is over."""
    world = dropped()
    with pytest.raises(CloudBusy):
        world.submit(FaultAfter(calls, before=before))
    only_sweeps(world)
    swept(world, SETTINGS.deadline_s)

    assert_succeeded(world)
    assert len(world.audio.accepted) <= 2


@pytest.mark.parametrize(("calls", "before"), every_call(lambda fault: (w := submitted()).complete(w.run(), fault)))
def test_a_crash_anywhere_in_complete_then_only_sweeps(calls: int, before: bool):
    """The message does not come again."""
    world = submitted()
    message = world.run()
    with pytest.raises(CloudBusy):
        world.complete(message, FaultAfter(calls, before=before))
    only_sweeps(world)

    assert_succeeded(world)
    assert ["a", "b"] == json.loads(world.objects.read(OUTPUT).body)["names"]


@pytest.mark.parametrize(("calls", "before"), every_call(lambda fault: sweep(ready_to_sweep().context(fault))))
def test_a_crash_anywhere_in_a_sweep_then_the_next_sweeps(calls: int, before: bool):
    """A sweep is a function like the others."""
    world = ready_to_sweep()
    with suppress(CloudBusy):  # a sweep goes on where one job is in trouble
        sweep(world.context(FaultAfter(calls, before=before)))
    only_sweeps(world)

    assert_succeeded(world)


def test_a_parent_whose_claimant_died_is_started():
    """Of three ended siblings one claimed the parent, and died; the sweep waits a patience, then takes over."""
    world = submitted(TREE)
    *others, last = run_all(world, set())
    for message in others:
        world.complete(message)
    for calls in range(ENOUGH):
        with suppress(CloudBusy):
            world.complete(last, FaultAfter(calls))
        if job_of(world).has(CLAIMED):
            break
    children = len(world.audio.accepted)
    sweep(world.context())

    assert children == len(world.audio.accepted)
    world.clock.advance(GRACE_PERIOD_S)
    swept(world, GRACE_PERIOD_S)
    assert children + 1 == len(world.audio.accepted)
    only_sweeps(world)
    assert_succeeded(world)


def falter(world: World) -> None:
    """End the newest task for a reason that passes, and lose its notice."""
    world.audio.fail(world.audio.accepted[-1], "Throttling.User", "too many requests")


def starts_after(world: World, seconds: int) -> list[int]:
    """Sweep every ten seconds, and return at which of them a task was started."""
    starts = []
    for at in range(10, seconds + 1, 10):
        before = len(world.audio.accepted)
        swept(world, 10)
        starts += [at] if len(world.audio.accepted) > before else []
    return starts


def test_a_task_that_faltered_is_started_again_after_rests_that_grow():
    """One patience, then two, then four."""
    world = submitted()
    rests = []
    for _ in range(SETTINGS.max_retries):
        falter(world)
        world.clock.advance(GRACE_PERIOD_S)
        sweep(world.context())
        rests.append(starts_after(world, 600)[:1])

    assert [[GRACE_PERIOD_S], [2 * GRACE_PERIOD_S], [4 * GRACE_PERIOD_S]] == rests


def test_a_task_that_falters_too_often_fails_its_job():
    """There is a limit; the cloud's last words are told."""
    world = submitted()
    for _ in range(SETTINGS.max_retries + 1):
        falter(world)
        swept(world)
        swept(world, 16 * GRACE_PERIOD_S)

    job = job_of(world)
    assert SETTINGS.max_retries + 1 == len(world.audio.accepted)
    assert SETTINGS.max_retries == sum(fact.kind == FAILED_TRANSIENTLY for fact in job.facts)
    assert "failed" == job.state
    assert "Throttling.User" == result_of(world)["data"]["error"]["code"]
    assert [] == leftovers(world)


def test_a_task_that_falters_and_then_succeeds_succeeds():
    """A passing reason passes."""
    world = submitted()
    world.complete(world.audio.fail(world.audio.accepted[0], "Throttling.User", ""))
    swept(world)
    world.run()
    swept(world)

    assert_succeeded(world)


def test_a_job_past_its_deadline_fails_with_a_reason():
    """Nobody can tell what became of the task; there is an end to waiting."""
    world = submitted()
    swept(world, SETTINGS.deadline_s)

    assert "failed" == job_of(world).state
    assert "DEADLINE_PASSED" == result_of(world)["data"]["error"]["code"]
    assert "6 h" in result_of(world)["data"]["error"]["message"]
    assert ["_clipstitch/open/" not in key for key in leftovers(world)] == [True] * len(leftovers(world))


def test_a_task_that_ends_after_the_deadline_leaves_nothing_behind():
    """Its notice is lost as well; the next sweep clears away."""
    world = submitted()
    swept(world, SETTINGS.deadline_s)
    world.run()
    swept(world)

    assert [] == leftovers(world)
    assert OUTPUT not in world.objects.stored


def test_clips_that_come_late_are_waited_for():
    """Looked at by every sweep, whatever its patience, and started when they are there."""
    world = submitted(WAITING_FOR_CLIPS)

    assert "waiting" == job_of(world).state
    swept(world, 1)
    assert [] == world.audio.accepted
    world.put("late.mp3", tone(1.0, name="late"))
    swept(world, 1)
    assert 1 == len(world.audio.accepted)
    only_sweeps(world)
    assert_succeeded(world)
    assert ["a", "late"] == json.loads(world.objects.read(OUTPUT).body)["names"]


def test_clips_that_never_come_are_listed_when_the_time_is_over():
    """Not a second earlier."""
    world = submitted(WAITING_FOR_CLIPS)
    swept(world, 599)
    assert "waiting" == job_of(world).state
    swept(world, 1)

    assert "rejected" == job_of(world).state
    assert [("CLIP_NOT_FOUND", "/clips/1")] == [
        (issue["code"], issue["path"]) for issue in result_of(world)["data"]["issues"]
    ]
    assert [] == leftovers(world)


def test_a_clip_that_comes_late_and_is_no_audio_is_not_waited_for_any_longer():
    """Time will not mend it."""
    world = submitted(WAITING_FOR_CLIPS)
    world.put("late.mp3", b"not audio")
    swept(world, 1)

    assert "rejected" == job_of(world).state
    assert ["CLIP_NOT_AUDIO"] == [issue["code"] for issue in result_of(world)["data"]["issues"]]


def test_a_manifest_that_waits_for_nothing_is_rejected_at_once_even_by_a_clock_that_is_behind():
    """A function's clock may be seconds behind the store's; the upload then lies in its future."""
    world = World()
    world.drop({**DOCUMENT, "clips": ["a.mp3", "late.mp3"]})
    world.clock.advance(-5)
    world.submit()

    assert "rejected" == job_of(world).state
    assert [] == leftovers(world)


def test_a_job_that_waited_longer_than_the_deadline_is_given_its_time():
    """The deadline counts from when the wait was over at the latest."""
    world = submitted({**WAITING_FOR_CLIPS, "wait_for_clips": "12h"})
    swept(world, SETTINGS.deadline_s + 3600)
    world.put("late.mp3", tone(1.0, name="late"))
    swept(world)
    swept(world)

    assert "running" == job_of(world).state
    only_sweeps(world)
    assert_succeeded(world)


def opened() -> World:
    """Return a world in which submit died between the marker and the plan."""
    world = dropped()
    for calls in range(ENOUGH):
        with suppress(CloudBusy):
            world.submit(FaultAfter(calls))
        if world.state_keys("open/"):
            return world
    pytest.fail("no marker was written")


def test_a_manifest_that_is_gone_before_it_was_planned_fails_its_job():
    """There is nothing to plan, and its author may want to know."""
    world = opened()
    world.objects.delete([MANIFEST])
    swept(world)

    assert "failed" == job_of(world).state
    assert "MANIFEST_GONE" == result_of(world)["data"]["error"]["code"]
    assert [] == leftovers(world)


def test_a_manifest_that_was_overwritten_before_it_was_planned_fails_its_job_and_the_newer_one_goes_on():
    """Two versions, two jobs, two final states; the result object is the newer one's."""
    world = opened()
    old = next(iter(ledger_of(world).open_jobs()))
    world.clock.advance(5)
    world.drop({**DOCUMENT, "clips": ["b.wav", "a.mp3"]})
    only_sweeps(world)
    states = {job_id: ledger_of(world).load(job_id).state for job_id in ledger_of(world).jobs_of_day("2026-01-02")}

    assert {"failed", "succeeded"} == set(states.values())
    assert "failed" == states[old]
    assert "succeeded" == result_of(world)["data"]["state"]
    assert [] == leftovers(world)


def test_what_a_late_task_of_a_closed_job_leaves_is_removed():
    """Its notice is lost, so that nobody else comes by."""
    world = submitted()
    world.complete(world.run())
    world.run()
    assert [] != world.state_keys("work/")
    swept(world)

    assert [] == leftovers(world)


def test_the_work_of_an_open_job_stays():
    """Its parents need it."""
    world = submitted(TREE)
    world.complete(run_all(world, set())[0])
    made = world.state_keys("work/")
    sweep(world.context())

    assert made == world.state_keys("work/") != []


class Broken:
    """A port of which one method raises, where it is called with what `when` says."""

    def __init__(
        self, port: object, method: str, error: BaseException, when: Callable[..., bool] = lambda *_: True
    ) -> None:
        self._port, self._method, self._error, self._when = port, method, error, when

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            if name == self._method and self._when(*args):
                raise self._error
            return getattr(self._port, name)(*args, **kwargs)

        return call


def drop_for(world: World, name: str) -> ObjectRef:
    """Upload a manifest of that name."""
    return world.drop({**DOCUMENT, "output": {"key": f"{name}.mp3"}}, ObjectRef(BUCKET, f"manifests/{name}.json"))


@pytest.mark.parametrize("error", [CloudRefused("not this one"), KeyError("a mistake of ours")])
def test_one_troubled_job_does_not_stop_the_others(error: Exception):
    """The oldest cannot be loaded, whatever the reason; all others reach their end."""
    world = submitted()
    troubled = job_of(world).id
    others = [drop_for(world, n) for n in "xyz"]
    world.clock.advance(GRACE_PERIOD_S)
    facts = f"_clipstitch/jobs/2026-01-02/{troubled}"
    broken = Broken(world.objects, "list", error, lambda _bucket, prefix, *_: prefix.startswith(facts))
    cloud = world.context()._replace(objects=broken)
    first = sweep(cloud)
    for task in world.audio.accepted[1:]:
        world.run(task)
    world.clock.advance(GRACE_PERIOD_S)
    sweep(cloud)

    assert (troubled,) == first.failed
    assert 3 == len(first.found)
    assert ["succeeded"] * 3 == [result_of(world, ref)["data"]["state"] for ref in others]
    assert [troubled] == list(ledger_of(world).open_jobs())


def test_an_orphan_that_cannot_be_looked_at_does_not_stop_the_others():
    """Nor a job that comes last, since an attempt at it was killed once."""
    world = submitted()
    orphans = [world.complete(world.run()).id, "20260102T030405Z-0123456789ab"]
    world.submit(ref=drop_for(world, "x"))
    last = world.audio.accepted[-1]
    ledger_of(world).keep_progress({"late": ledger_of(world).open_jobs()})
    for orphan in orphans:
        world.put(f"_clipstitch/work/{orphan}/step-000.mp3", b"late")
    world.run(last)
    world.put(f"_clipstitch/jobs/2026-01-02/{orphans[1]}/decision.json", b"not JSON")
    report = swept(world)

    assert (1, ()) == (len(report.looked_at), report.failed)
    assert "succeeded" == result_of(world, ObjectRef(BUCKET, "manifests/x.json"))["data"]["state"]
    assert [f"_clipstitch/work/{orphans[1]}/step-000.mp3"] == leftovers(world)


class Slow(Tally):
    """Calls that each take a while."""

    def __init__(self, world: World, seconds: float) -> None:
        super().__init__()
        self._world, self._seconds = world, seconds

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Let a call take its time."""
        self._world.clock.advance(self._seconds)
        return super().call(function, *args, **kwargs)


class KilledByItsTimeLimit(BaseException):
    """The function ends here, as Function Compute would end it."""


def test_a_sweep_without_time_leaves_the_rest_to_the_next():
    """Forty running jobs, a call takes five seconds: each is looked at in turn, and so are lost uploads."""
    world = with_jobs(40, closed=False)
    lost = drop_for(world, "lost")
    world.clock.advance(GRACE_PERIOD_S)
    reports = [sweep(world.context(Slow(world, 5))) for _ in range(12)]

    assert all(report.interrupted for report in reports)
    assert set(ledger_of(world).open_jobs()) == {job for report in reports for job in report.looked_at}
    assert lost == ledger_of(world).manifest_of(reports[0].found[0])


def test_manifests_that_outlast_every_sweep_do_not_stop_the_others():
    """Two of five: each attempt at them is killed; they come last then, and fail once their time is over."""
    world = dropped({**DOCUMENT, "clips": ["c00.mp3"]})
    other = world.drop({**DOCUMENT, "clips": ["c01.mp3"]}, ObjectRef(BUCKET, "manifests/y0.json"))
    good = [drop_for(world, n) for n in "xyz"]
    world.clock.advance(GRACE_PERIOD_S)
    long = {ObjectRef(BUCKET, "c00.mp3"), ObjectRef(BUCKET, "c01.mp3")}
    audio = Broken(world.audio, "probe", KilledByItsTimeLimit(), lambda refs: bool(long & set(refs)))
    for _ in range(8):
        with suppress(KilledByItsTimeLimit):
            sweep(world.context()._replace(audio=audio))
        world.clock.advance(300)
        for task in world.audio.accepted:
            world.run(task)
    states = [result_of(world, ref)["data"]["state"] for ref in good]
    world.clock.advance(2 * SETTINGS.deadline_s)
    sweep(world.context()._replace(audio=audio))

    assert ["succeeded"] * 3 == states
    assert ["DEADLINE_PASSED"] * 2 == [result_of(world, ref)["data"]["error"]["code"] for ref in (MANIFEST, other)]


def test_of_very_many_manifests_every_sweep_looks_at_some():
    """The listing is bounded, too; the next sweep goes on where this one ended, and begins again at the end."""
    world = World(SETTINGS._replace(search_keys=4))
    lost = [drop_for(world, f"m{n}") for n in range(10)]
    found = [len(swept(world).found) for _ in range(4)]

    assert [4, 4, 2, 0] == found
    assert set(lost) == {ledger_of(world).manifest_of(job) for job in ledger_of(world).open_jobs()}


def test_after_an_outage_longer_than_the_deadline_lost_uploads_get_their_time():
    """The deadline counts from when a job was opened, not from an upload that nobody saw."""
    world = dropped()
    swept(world, SETTINGS.deadline_s + 3600)
    swept(world)

    assert "running" == job_of(world).state
    assert 1 == only_sweeps(world)
    assert_succeeded(world)


def test_a_job_that_cannot_be_planned_in_time_fails_with_what_kept_it():
    """The cloud is busy whenever its clips are looked at; others would wait for ever."""
    world = opened()
    cloud = world.context()._replace(audio=Broken(world.audio, "probe", CloudBusy("asking for a.mp3")))
    world.clock.advance(GRACE_PERIOD_S)
    early = sweep(cloud)
    world.clock.advance(SETTINGS.deadline_s)
    sweep(cloud)

    assert (job_of(world).id,) == early.failed
    assert "failed" == job_of(world).state
    assert "CLOUD_BUSY" == result_of(world)["data"]["error"]["code"]
    assert "asking for a.mp3" in result_of(world)["data"]["error"]["message"]
    assert [] == leftovers(world)


def test_an_output_that_cannot_be_published_in_time_fails_its_job():
    """Its copy is refused for a reason that the operator could have mended."""
    world = submitted()
    cloud = world.context()._replace(objects=Broken(world.objects, "copy", AccessDenied("no right to copy")))
    with pytest.raises(AccessDenied):
        complete(parse_notification(world.run()), cloud)
    world.clock.advance(SETTINGS.deadline_s)
    sweep(cloud)

    assert "failed" == job_of(world).state
    assert "ACCESS_DENIED" == result_of(world)["data"]["error"]["code"]
    assert [] == leftovers(world)


def test_an_output_at_which_nobody_may_look_fails_its_job_in_time():
    """Whether it is in its place cannot be known; but every job comes to an end."""
    world = submitted()
    denied = Broken(world.objects, "describe", AccessDenied("no right to look"), lambda ref: ref == OUTPUT)
    cloud = world.context()._replace(objects=denied)
    with pytest.raises(AccessDenied):
        complete(parse_notification(world.run()), cloud)
    world.clock.advance(SETTINGS.deadline_s)
    sweep(cloud)

    assert "failed" == job_of(world).state
    assert "ACCESS_DENIED" == result_of(world)["data"]["error"]["code"]
    assert [] == leftovers(world)


def published_late(error: Exception, name: str, times: int, **fields: Any) -> tuple[World, Context]:
    """Return a world whose job is published after its deadline, in a cloud that refuses to write one name, so often."""
    world = submitted({**DOCUMENT, **fields})
    busy = world.context()._replace(objects=Broken(world.objects, "copy", CloudBusy("copying")))
    with pytest.raises(CloudBusy):
        complete(parse_notification(world.run()), busy)
    world.clock.advance(SETTINGS.deadline_s)
    refusals = iter(range(times))
    broken = Broken(world.objects, "write", error, lambda ref, *_: ref.key.endswith(name) and next(refusals, -1) >= 0)
    return world, world.context()._replace(objects=broken)


@pytest.mark.parametrize("later", [0, SETTINGS.deadline_s], ids=["soon", "after an outage"])
def test_an_output_that_is_in_its_place_does_not_fail_its_job(later: int):
    """Its time was over in the very moment in which it could not be written down."""
    world, cloud = published_late(CloudBusy("writing the result"), "/result.json", 1)
    report = sweep(cloud)
    world.clock.advance(later)

    assert OUTPUT in world.objects.stored
    assert (job_of(world).id,) == report.failed
    assert 1 == only_sweeps(world)
    assert_succeeded(world)


def test_what_belongs_to_an_output_has_an_end_of_its_own():
    """Its chapters are refused for as long again; then nobody waits any more."""
    world, cloud = published_late(AccessDenied("no right to write"), ".vtt", 10, chapters=True)
    sweep(cloud)
    early = job_of(world).state
    world.clock.advance(SETTINGS.deadline_s)
    sweep(cloud)

    assert ("publishing", "failed") == (early, job_of(world).state)
    assert [] == leftovers(world)


def with_jobs(count: int, *, closed: bool) -> World:
    """Return a world with jobs of an hour ago, closed or running."""
    world = World(SETTINGS._replace(search_window_s=3000))
    for n in range(count):
        name = ObjectRef(BUCKET, f"manifests/m{n}.json")
        world.submit(ref=world.drop({**DOCUMENT, "output": {"key": f"out/{n}.mp3"}}, name))
        if closed:
            world.complete(world.run())
    world.clock.advance(3600)
    return world


def cost(world: World) -> int:
    """Count the port calls of a sweep."""
    tally = Tally()
    sweep(world.context(tally))
    return tally.calls


def test_a_sweep_costs_the_same_after_three_hundred_closed_jobs():
    """Cost grows with open jobs, not with history."""
    assert cost(with_jobs(0, closed=True)) == cost(with_jobs(300, closed=True))


def test_the_cost_of_a_sweep_is_linear_in_the_open_jobs():
    """So many calls for each, and a few for the sweep."""
    none, ten, forty = (cost(with_jobs(count, closed=False)) for count in (0, 10, 40))

    assert 4 * (ten - none) == forty - none
    assert ten - none <= 10 * 4


def test_a_notice_that_names_no_target_cannot_revive_a_closed_job():
    """A claim or a fact that comes late leaves the closed job closed."""
    world = submitted()
    world.complete(world.run())
    job = job_of(world)
    ledger_of(world).add(job, Fact(FAILED_TRANSIENTLY, 0, "MediaConvert-9"), {"at": "2026-01-02T03:04:05.000Z"})
    world.objects.write(ObjectRef(BUCKET, f"_clipstitch/open/{job.id}"), b'{"manifest": "x"}', ObjectHeaders())
    swept(world)

    assert_succeeded(world)
