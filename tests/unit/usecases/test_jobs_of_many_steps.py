"""Jobs of many steps: any order and number of deliveries, any fault, and steps that end at the same time."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from random import Random
from threading import Semaphore, Thread
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from clipstitch.adapters.memory import Task, tone
from clipstitch.common.errors import CloudBusy, ObjectArchived
from clipstitch.common.identifiers import ObjectRef
from clipstitch.jobs.job import Job
from clipstitch.planning.chapters import MIN_PART_BYTES, id3_size
from clipstitch.planning.process_string import parse_process
from tests.unit.usecases.harness import failing, output_names, plan_of
from tests.world import BUCKET, MANIFEST, OUTPUT, SETTINGS, CallInterceptor, FaultAfter, World

PROFILE = settings(database=None, deadline=None, max_examples=40)
MAX_CALLS = 1000  # more calls than any run makes
CHAPTERS_FILE = ObjectRef(BUCKET, "episodes/ep1.vtt")


def with_clips(count: int, **fields: object) -> World:
    """Return a world with a number of clips and a manifest that merges them."""
    world = World()
    for index in range(count):
        world.put(f"c{index}.mp3", tone(2.0, name=f"c{index}"))
    clips = [f"c{index}.mp3" for index in range(count)]
    world.drop({"version": 1, "output": {"key": OUTPUT.key}, "clips": clips, **fields})
    return world


def names(count: int) -> list[str]:
    """Return the names of a number of clips, in order."""
    return [f"c{index}" for index in range(count)]


def assert_succeeded(world: World, job: Job, count: int) -> None:
    """Assert one final state, one event with one content for every sink, one output in order, and no leftovers."""
    assert "succeeded" == job.state
    world.sweep(SETTINGS.grace_period_s)  # makes deliveries that failed
    assert names(count) == output_names(world)
    assert 1 == len({text for _, _, text in world.sent})
    assert [f"{job.id}.succeeded"] == list({event["id"] for event in world.events()})
    assert [] == world.leftovers()


class PendingTasks:
    """The tasks of a world that have not run yet."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._done: set[str] = set()

    def list(self) -> list[Task]:
        """Return them, oldest first."""
        return [task for task in self._world.audio.accepted if task.id not in self._done]

    def run(self, task: Task) -> bytes:
        """Run one, and return its notification."""
        self._done.add(task.id)
        return self._world.run(task)


def finish(world: World, pending: PendingTasks | None = None) -> Job:
    """Run all tasks and deliver their notifications until there are none; return the job of the last one."""
    pending, jobs = pending or PendingTasks(world), list[Job]()
    while tasks := pending.list():
        world.clock.advance(1)
        jobs.append(world.complete(pending.run(tasks[0])))
    return jobs[-1]


@pytest.mark.parametrize("count", [12, 33, 122])
@given(seed=st.integers(0, 2**32))
@PROFILE
def test_any_order_and_number_of_deliveries_makes_one_output(count: int, seed: int) -> None:
    """Tasks end in any order, notifications are late, duplicate and mixed, the upload is repeated."""
    world, random = with_clips(count), Random(seed)
    messages, undelivered = list[bytes](), list[bytes]()
    pending = PendingTasks(world)
    world.submit()
    while pending.list() or undelivered:
        world.clock.advance(1)
        chance = random.random()
        if chance < 0.4 and pending.list():
            message = pending.run(random.choice(pending.list()))
            messages.append(message)
            undelivered.append(message)
        elif chance < 0.7 and undelivered:
            world.complete(undelivered.pop(random.randrange(len(undelivered))))
        elif chance < 0.9 and messages:
            world.complete(random.choice(messages))
        elif chance > 0.97:
            world.submit()
    for message in messages:
        world.complete(message)

    assert_succeeded(world, world.submit(), count)
    assert len(world.audio.accepted) == (count + 8) // 10


@pytest.mark.parametrize("count", [1, 2, 11, 12, 21, 22, 121, 123])
def test_any_number_of_clips_becomes_one_output(count: int) -> None:
    """With the fewest tasks; steps that need no other are started together."""
    world = with_clips(count)
    job = world.submit()
    leaves = [step for step in plan_of(job).steps if not step.needs]

    assert len(leaves) == len(world.audio.accepted)
    assert_succeeded(world, finish(world), count)
    assert max((count + 8) // 10, 1) == len(world.audio.accepted)


class RestartDetector(CallInterceptor):
    """Records every start of a step that has succeeded before."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.restarted: list[str] = []

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Check whether a step to be started has succeeded, then make the call."""
        if function.__name__ == "start":
            target = parse_process(args[1]).saveas
            step = (target.key or "").rpartition("/")[2].partition(".")[0] if target else ""
            if any(f"/{step}.succeeded." in key for key in self._world.state_keys("jobs/")):
                self.restarted.append(step)
        return super().call(function, *args, **kwargs)


def run_with_faults(faults: dict[int, FaultAfter], count: int = 23, **fields: object) -> tuple[World, Job, list[str]]:
    """Deliver the upload and every notification in order, and repeat a delivery in which a fault was injected.

    Returns the world, the job and the steps that were started although they had succeeded.
    """
    world = with_clips(count, **fields)
    pending, detector = PendingTasks(world), RestartDetector(world)
    world.audio = detector.guard(world.audio)

    def deliver(number: int, delivery: Callable[[FaultAfter | None], Job]) -> Job:
        if fault := faults.get(number):
            with suppress(CloudBusy):
                delivery(fault)
            world.clock.advance(1)
        return delivery(None)

    jobs = [deliver(0, world.submit)]
    while tasks := pending.list():
        message = pending.run(tasks[0])
        jobs.append(deliver(len(jobs), partial(world.complete, message)))
    return world, jobs[-1], detector.restarted


def all_faults() -> list[Any]:
    """Return pytest parameters: a fault before and after each call of each delivery to a job of 23 clips."""
    parameters = []
    for number in range(4):
        fault = FaultAfter(MAX_CALLS)
        run_with_faults({number: fault})
        calls = MAX_CALLS - fault.left
        assert calls > 3
        parameters += [(number, call, before) for call in range(calls) for before in (True, False)]
    return [pytest.param(*each, id="delivery {}, call {}, before: {}".format(*each)) for each in parameters]


@pytest.mark.parametrize(("number", "call", "before"), all_faults())
def test_a_fault_at_any_call_does_not_restart_a_finished_step(number: int, call: int, before: bool) -> None:
    """In submit, in the end of a leaf, in the end of the root: the delivery is repeated, and the job succeeds."""
    world, job, restarted = run_with_faults({number: FaultAfter(call, before=before)})

    assert_succeeded(world, job, 23)
    assert [] == restarted
    assert len(world.audio.accepted) <= 5  # three steps; the leaves, which start together, may have been started twice


@given(st.dictionaries(st.integers(0, 5), st.tuples(st.integers(0, 30), st.booleans()), max_size=4))
@PROFILE
def test_faults_in_several_deliveries_do_not_restart_a_finished_step(points: dict[int, tuple[int, bool]]) -> None:
    """One in each of several functions."""
    faults = {number: FaultAfter(call, before=before) for number, (call, before) in points.items()}
    world, job, restarted = run_with_faults(faults)

    assert_succeeded(world, job, 23)
    assert [] == restarted


def test_a_fault_at_any_call_of_a_job_with_chapters_changes_no_byte() -> None:
    """The ID3 tag, the WebVTT file and the event have one content each."""
    fault = FaultAfter(MAX_CALLS)
    run_with_faults({3: fault}, chapters=True)
    contents = set()
    for call in range(MAX_CALLS - fault.left):
        world, job, restarted = run_with_faults({3: FaultAfter(call)}, chapters=True)
        assert_succeeded(world, job, 23)
        assert [] == restarted
        contents.add((world.objects.read(OUTPUT).body, world.objects.read(CHAPTERS_FILE).body))

    assert 1 == len(contents)


class ActionAtCall(CallInterceptor):
    """Runs an action once, before or after call number `call`, counted from 0; `left` counts down."""

    def __init__(self, call: int, action: Callable[[], object], *, before: bool) -> None:
        self.left = call
        self._action, self._before = action, before

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Make a call, with the action before or after it if it is its turn."""
        self.left -= 1
        due = self.left == -1
        if due and self._before:
            self._action()
        answer = super().call(function, *args, **kwargs)
        if due and not self._before:
            self._action()
        return answer


def end_together(call: int, *, before: bool, swap: bool = False) -> tuple[World, ActionAtCall]:
    """End two leaves; while one notification is processed, process the other one whole at a certain call."""
    world = with_clips(22)
    world.submit()
    messages = [world.run(task) for task in world.audio.accepted[:2]]
    one, other = messages[::-1] if swap else messages
    action = ActionAtCall(call, lambda: world.complete(other), before=before)
    world.complete(one, action)
    return world, action


CALLS = range(MAX_CALLS - end_together(MAX_CALLS, before=True)[1].left)


@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("call", CALLS)
def test_siblings_that_end_together_start_their_parent_once(call: int, before: bool, swap: bool) -> None:
    """At whichever call of one run the other run takes place."""
    world, _ = end_together(call, before=before, swap=swap)

    assert 3 == len(world.audio.accepted)
    pending = PendingTasks(world)
    for task in world.audio.accepted[:2]:
        pending.run(task)
    assert_succeeded(world, finish(world, pending), 22)


class SteppedDelivery(CallInterceptor):
    """A delivery in a thread of its own that makes one port call per `step`."""

    def __init__(self, run: Callable[["SteppedDelivery"], object]) -> None:
        self._may_call, self._paused, self.done = Semaphore(0), Semaphore(0), False
        self._thread = Thread(target=self._body, args=(run,), daemon=True)
        self._thread.start()
        self._paused.acquire()

    def _body(self, run: Callable[["SteppedDelivery"], object]) -> None:
        try:
            run(self)
        finally:
            self.done = True
            self._paused.release()

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Wait for the next `step`, then make the call."""
        self._paused.release()
        self._may_call.acquire()
        return super().call(function, *args, **kwargs)

    def step(self) -> None:
        """Let the delivery make its next call; do nothing if it is done."""
        if not self.done:
            self._may_call.release()
            self._paused.acquire()


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(1, 4)), max_size=12))
@settings(PROFILE, max_examples=150)
@example([(0, 7), (1, 8), (0, 8)])
def test_steps_whose_ends_are_processed_call_by_call_start_their_parent_once(turns: list[tuple[int, int]]) -> None:
    """Both runs may have seen both facts before either starts the parent; exactly one of them does."""
    world = with_clips(22)
    world.submit()
    pending = PendingTasks(world)
    messages = [pending.run(task) for task in pending.list()]
    both = [SteppedDelivery(partial(world.complete, message)) for message in messages]
    for index, calls in turns:
        for _ in range(calls):
            both[index].step()
    while unfinished := [delivery for delivery in both if not delivery.done]:
        unfinished[0].step()

    assert 3 == len(world.audio.accepted)
    assert_succeeded(world, finish(world, pending), 22)


@pytest.mark.parametrize("lost", [0, 10, 11, 22])
def test_a_deleted_clip_fails_the_job_with_the_clips_of_its_step(lost: int) -> None:
    """The message names their range and has the message of the cloud; targets of other steps are deleted."""
    world = with_clips(23)
    plan = plan_of(world.submit())
    world.objects.delete([ObjectRef(BUCKET, f"c{lost}.mp3")])
    finish(world)
    job, error = world.submit(), world.result()["data"]["error"]
    step = next(step for step in plan.steps if step.clips[0] <= lost <= step.clips[1])
    first, last = step.clips

    assert "failed" == job.state
    assert (
        f"{last - first + 1} clips, `c{first}.mp3` to `c{last}.mp3`: oss://acme/c{lost}.mp3 does not exist"
        == (error["message"])
    )
    assert [f"{job.id}.failed"] == list({event["id"] for event in world.events()})
    assert OUTPUT not in world.objects.stored
    assert [] == world.leftovers()


def test_a_deleted_clip_that_is_the_only_one_of_its_step_is_named_alone() -> None:
    """A trimmed clip that is cut by a step of its own."""
    world = World()
    clips = [{"key": "a.mp3", "start": 1, "end": 400}, {"key": "b.wav", "start": 1}]
    world.drop({"version": 1, "output": {"key": OUTPUT.key}, "clips": clips})
    world.submit()
    world.objects.delete([ObjectRef(BUCKET, "a.mp3")])
    finish(world)

    assert "clip `a.mp3`: oss://acme/a.mp3 does not exist" == world.result()["data"]["error"]["message"]


def test_trims_gaps_and_the_trim_of_the_output_are_combined() -> None:
    """Every clip is trimmed, with silences between them, and so is the merged output."""
    clips = [{"key": f"c{i}.mp3", "start": "500ms", "duration": "1s"} for i in range(30)]
    output = {"key": OUTPUT.key, "start": "2s", "duration": "30s"}
    world = with_clips(30, clips=clips, gap="250ms", output=output)
    job = world.submit()
    finish(world)

    assert 30.0 == plan_of(job).duration_s
    assert 30_000 == world.result()["data"]["output"]["duration_ms"]
    assert [name for i in names(30) for name in (i, "")][:-1] == output_names(world)
    assert [] == world.leftovers()


def test_an_mp3_with_chapters_has_a_tag_and_a_file() -> None:
    """The ID3 tag precedes the audio, whose bytes do not change; the event has the URI of the file."""
    world = with_clips(23, chapters=True)
    world.submit()
    finish(world)
    body, chapters = world.objects.read(OUTPUT).body, world.objects.read(CHAPTERS_FILE).body.decode()

    assert id3_size(body[:10]) > MIN_PART_BYTES
    assert names(23) == output_names(world)
    assert chapters.startswith("WEBVTT\n\n1\n00:00:00.000 --> 00:00:02.000\nc0\n")
    assert chapters.endswith("\n23\n00:00:44.000 --> 00:00:46.000\nc22\n")
    assert {"webvtt": CHAPTERS_FILE.uri} == world.result()["data"]["chapters"]
    assert [2000 * i for i in range(23)] == [clip["starts_at_ms"] for clip in world.result()["data"]["clips"]]


def test_other_formats_have_a_file_with_chapters_only() -> None:
    """The output is a copy of what the last step made."""
    flac = ObjectRef(BUCKET, "episodes/ep1.flac")
    world = with_clips(2, chapters=True, output={"key": flac.key})
    world.submit()
    finish(world)

    assert names(2) == output_names(world, flac)
    assert CHAPTERS_FILE in world.objects.stored


def test_without_chapters_there_is_neither_tag_nor_file() -> None:
    """The default."""
    world = with_clips(2)
    world.submit()
    finish(world)

    assert CHAPTERS_FILE not in world.objects.stored
    assert 0 == id3_size(world.objects.read(OUTPUT).body)


def test_a_silence_is_made_once_and_used_by_later_jobs() -> None:
    """Its name determines its content; it is not deleted with the working files."""
    world = with_clips(3, gap="300ms")
    world.submit()
    (asset,) = world.state_keys("assets/")
    first = world.objects.describe(ObjectRef(BUCKET, asset))
    finish(world)
    world.clock.advance(3600)
    world.drop({"version": 1, "output": {"key": OUTPUT.key}, "clips": ["c2.mp3", "c1.mp3"], "gap": "300ms"})
    world.submit()
    finish(world)

    assert "_clipstitch/assets/silence-44100-1-13230.flac" == asset
    assert ["c2", "", "c1"] == output_names(world)
    assert [asset] == world.state_keys("assets/")
    assert first == world.objects.describe(ObjectRef(BUCKET, asset))


@pytest.mark.parametrize("damaged", [b"", b"fLaC", None], ids=["empty", "another content", "a byte more"])
def test_a_wrong_silence_is_made_again(damaged: bytes | None) -> None:
    """Something else wrote or emptied the object; every later job with such a gap would fail."""
    world = with_clips(3, gap="300ms")
    world.submit()
    finish(world)
    (asset,) = world.state_keys("assets/")
    right = world.objects.read(ObjectRef(BUCKET, asset)).body
    world.put(asset, right + b"\0" if damaged is None else damaged)
    world.clock.advance(3600)
    world.drop({"version": 1, "output": {"key": OUTPUT.key}, "clips": ["c2.mp3", "c1.mp3"], "gap": "300ms"})
    world.submit()

    assert "succeeded" == finish(world).state
    assert ["c2", "", "c1"] == output_names(world)
    assert right == world.objects.read(ObjectRef(BUCKET, asset)).body


def test_an_archived_silence_is_made_again() -> None:
    """It cannot be read, and a lifecycle rule for the whole bucket would stop every job with such a gap."""
    world = with_clips(2, gap="300ms")
    archived = ObjectRef(BUCKET, "_clipstitch/assets/silence-44100-1-13230.flac")
    world.put(archived.key, b"unreadable")
    objects = world.objects
    world.objects = failing(objects, "read", ObjectArchived("archived"), lambda ref, *_: ref == archived)
    world.submit()
    world.objects = objects

    assert "succeeded" == finish(world).state
    assert ["c0", "", "c1"] == output_names(world)


def test_a_glob_is_expanded_once() -> None:
    """Clips that are uploaded later belong to the next upload of the manifest."""
    world = with_clips(2, clips=[{"glob": "c*.mp3"}])
    world.submit()
    world.put("c11.mp3", tone(1.0, name="c11"))
    world.submit()
    job = finish(world)

    assert_succeeded(world, job, 2)


def test_a_glob_that_matches_no_object_rejects_the_manifest() -> None:
    """With its own code."""
    world = with_clips(1, clips=["c0.mp3", {"glob": "d*.mp3"}])

    assert "rejected" == world.submit().state
    assert [("GLOB_EMPTY", "/clips/1/glob")] == [
        (issue["code"], issue["path"]) for issue in world.result()["data"]["issues"]
    ]


def test_a_playlist_is_a_manifest() -> None:
    """It is uploaded like any other; its name determines the output."""
    world = with_clips(3)
    playlist = ObjectRef(BUCKET, "manifests/show.m3u8")
    world.put(playlist.key, b"#EXTM3U\n#EXTINF:2,Two\nc2.mp3\nc0.mp3\n")
    world.submit(ref=playlist)
    finish(world)

    assert ["c2", "c0"] == output_names(world, ObjectRef(BUCKET, "merged/show.mp3"))
    assert "Two" == world.result(playlist)["data"]["clips"][0]["title"]
    assert MANIFEST in world.objects.stored
