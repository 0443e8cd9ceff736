"""Jobs of many steps in memory: any order, any number of deliveries, any crash, and siblings that end together."""

import json
from collections.abc import Callable
from contextlib import suppress
from random import Random
from threading import Semaphore, Thread
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from clipstitch.adapters.memory import Task, tone
from clipstitch.common.errors import CloudBusy
from clipstitch.common.identifiers import ObjectRef
from clipstitch.jobs.job import Job
from clipstitch.planning.chapters import MIN_PART_BYTES, id3_size
from clipstitch.planning.process_string import parse_process
from tests.world import BUCKET, MANIFEST, OUTPUT, FaultAfter, World

QUIET = settings(database=None, deadline=None, max_examples=40)
ENOUGH = 1000  # more calls than any run makes
BESIDE = ObjectRef(BUCKET, "episodes/ep1.vtt")


def many(count: int, **fields: object) -> World:
    """Return a world with that many clips and a manifest that asks for all of them."""
    world = World()
    for index in range(count):
        world.put(f"c{index}.mp3", tone(2.0, name=f"c{index}"))
    clips = [f"c{index}.mp3" for index in range(count)]
    world.drop({"version": 1, "output": {"key": OUTPUT.key}, "clips": clips, **fields})
    return world


def names(count: int) -> list[str]:
    """Return the names of that many clips, in order."""
    return [f"c{index}" for index in range(count)]


def output_names(world: World) -> list[str]:
    """Return the names of the clips in the output, in order, behind its tag if it has one."""
    body = world.objects.read(OUTPUT).body
    return json.loads(body[id3_size(body[:10]) :])["names"]


def leftovers(world: World) -> list[str]:
    """Return what only the work needed, and should be gone."""
    return [key for part in ("open/", "tasks/", "work/") for key in world.state_keys(part)]


def assert_right(world: World, job: Job | None, count: int) -> None:
    """One final state, one event with one content for each sink, one output in order, nothing left over."""
    assert job is not None
    assert "succeeded" == job.state
    assert names(count) == output_names(world)
    assert 1 == len({text for _, _, text in world.messages.said})
    assert [f"{job.id}.succeeded"] == list({event["id"] for event in world.events()})
    assert [] == leftovers(world)


class Unrun:
    """The tasks of a world that have not been run yet."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._done: set[str] = set()

    def list(self) -> list[Task]:
        """Return them, oldest first."""
        return [task for task in self._world.audio.accepted if task.id not in self._done]

    def run(self, task: Task) -> bytes:
        """Run one, and return its notice."""
        self._done.add(task.id)
        return self._world.run(task)


def finish(world: World, unrun: Unrun | None = None) -> Job | None:
    """Run all tasks and deliver their notices, until there are none."""
    unrun, job = unrun or Unrun(world), None
    while tasks := unrun.list():
        world.clock.advance(1)
        job = world.complete(unrun.run(tasks[0]))
    return job


@pytest.mark.parametrize("count", [12, 33, 122])
@given(seed=st.integers(0, 2**32))
@QUIET
def test_tasks_and_notices_in_any_order_and_number_end_in_one_output(count: int, seed: int):
    """Tasks end as they like, notices come late, doubled and mixed, the upload is told again."""
    world, dice, notices = many(count), Random(seed), []
    unrun, untold = Unrun(world), []
    world.submit()
    while unrun.list() or untold:
        world.clock.advance(1)
        what = dice.random()
        if what < 0.4 and unrun.list():
            message = unrun.run(dice.choice(unrun.list()))
            notices.append(message)
            untold.append(message)
        elif what < 0.7 and untold:
            world.complete(untold.pop(dice.randrange(len(untold))))
        elif what < 0.9 and notices:
            world.complete(dice.choice(notices))
        elif what > 0.97:
            world.submit()
    for message in notices:
        world.complete(message)

    assert_right(world, world.submit(), count)
    assert len(world.audio.accepted) == (count + 8) // 10


@pytest.mark.parametrize("count", [1, 2, 11, 12, 21, 22, 121, 123])
def test_any_number_of_clips_becomes_one_output(count: int):
    """With as many tasks as the fewest; siblings are started together."""
    world = many(count)
    job = world.submit()
    free = [step for step in job.plan.steps if not step.needs]

    assert len(free) == len(world.audio.accepted)
    assert_right(world, finish(world), count)
    assert max((count + 8) // 10, 1) == len(world.audio.accepted)


class Watched:
    """An audio port that notes when a step is started that is known to have succeeded."""

    def __init__(self, world: World) -> None:
        self._world, self._audio = world, world.audio
        self.again: list[str] = []

    def start(self, main: ObjectRef, process: str) -> str:
        """Start a step, having looked whether it was done."""
        target = parse_process(process).saveas
        step = (target.key or "").rpartition("/")[2].partition(".")[0] if target else ""
        if any(f"/{step}.succeeded." in key for key in self._world.state_keys("jobs/")):
            self.again.append(step)
        return self._audio.start(main, process)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._audio, name)


def played(fuses: dict[int, FaultAfter], count: int = 23, **fields: object) -> tuple[World, Job | None, list[str]]:
    """Deliver everything in turn, each through its fuse; what the fuse cuts off is delivered again."""
    world = many(count, **fields)
    unrun, watched = Unrun(world), Watched(world)
    world.audio = watched  # type: ignore[assignment]

    def deliver(number: int, what: Callable[..., Job | None]) -> Job | None:
        if fault := fuses.get(number):
            with suppress(CloudBusy):
                what(fault)
            world.clock.advance(1)
        return what(None)

    job, number = deliver(0, world.submit), 0
    while tasks := unrun.list():
        message, number = unrun.run(tasks[0]), number + 1
        job = deliver(number, lambda fault, message=message: world.complete(message, fault))
    return world, job, watched.again


def every_place() -> list:
    """List all places at which a job of 23 clips can break: before and after each call of each delivery."""
    places = []
    for number in range(4):
        fault = FaultAfter(ENOUGH)
        played({number: fault})
        calls = ENOUGH - fault.left
        assert calls > 3
        places += [(number, call, before) for call in range(calls) for before in (True, False)]
    return [pytest.param(*place, id="delivery {}, call {}, before: {}".format(*place)) for place in places]


@pytest.mark.parametrize(("number", "call", "before"), every_place())
def test_a_crash_anywhere_starts_no_finished_step_again(number: int, call: int, before: bool):
    """Of submit, of a leaf's end, of the whole's end: told once more, everything comes right."""
    world, job, again = played({number: FaultAfter(call, before=before)})

    assert_right(world, job, 23)
    assert [] == again
    assert len(world.audio.accepted) <= 4  # three steps; one of them may have been started twice


@given(st.dictionaries(st.integers(0, 5), st.tuples(st.integers(0, 30), st.booleans()), max_size=4))
@QUIET
def test_crashes_in_several_deliveries_start_no_finished_step_again(places: dict[int, tuple[int, bool]]):
    """Each function dies once."""
    world, job, again = played({number: FaultAfter(call, before=before) for number, (call, before) in places.items()})

    assert_right(world, job, 23)
    assert [] == again


def test_a_crash_anywhere_in_a_job_with_chapters_writes_the_same_again():
    """The tag, the file beside, the event: one content each."""
    fault = FaultAfter(ENOUGH)
    played({3: fault}, chapters=True)
    seen = set()
    for call in range(ENOUGH - fault.left):
        world, job, again = played({3: FaultAfter(call)}, chapters=True)
        assert_right(world, job, 23)
        assert [] == again
        seen.add((world.objects.read(OUTPUT).body, world.objects.read(BESIDE).body))

    assert 1 == len(seen)


class Hook:
    """Lets something happen before or after the n-th call that goes through any of its ports, once."""

    def __init__(self, call: int, happens: Callable[[], object], *, before: bool) -> None:
        self.left = call
        self._happens, self._before = happens, before

    def guard(self, port: Any) -> Any:
        """Return the port behind the hook."""
        return _Hooked(port, self)

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Let a call through, and what has to happen beside it."""
        self.left -= 1
        if self.left == -1 and self._before:
            self._happens()
        answer = function(*args, **kwargs)
        answer = list(answer) if function.__name__ == "list" else answer
        if self.left == -1 and not self._before:
            self._happens()
        return answer


class _Hooked:
    """A port whose every call goes through a hook."""

    def __init__(self, port: object, hook: Any) -> None:
        self._port, self._hook = port, hook

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._port, name)
        return lambda *args, **kwargs: self._hook.call(method, *args, **kwargs)


def ended_together(call: int, *, before: bool, swap: bool = False) -> tuple[World, Hook]:
    """Let two leaves end; while the one's end is handled, the other's is, from beginning to end."""
    world = many(22)
    world.submit()
    messages = [world.run(task) for task in world.audio.accepted[:2]]
    one, other = messages[::-1] if swap else messages
    hook = Hook(call, lambda: world.complete(other), before=before)
    world.complete(one, hook)  # type: ignore[arg-type]
    return world, hook


CALLS = range(ENOUGH - ended_together(ENOUGH, before=True)[1].left)


@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("call", CALLS)
def test_siblings_that_end_together_start_their_parent_once(call: int, before: bool, swap: bool):
    """Wherever the one's end falls into the other's: not nobody, and not both."""
    world, _ = ended_together(call, before=before, swap=swap)

    assert 3 == len(world.audio.accepted)
    unrun = Unrun(world)
    for task in world.audio.accepted[:2]:
        unrun.run(task)
    assert_right(world, finish(world, unrun), 22)


class Stepped:
    """A delivery on a thread of its own, that makes one port call whenever it is told to."""

    def __init__(self, run: Callable[["Stepped"], object]) -> None:
        self._go, self._rests, self.done = Semaphore(0), Semaphore(0), False
        self._thread = Thread(target=self._body, args=(run,), daemon=True)
        self._thread.start()
        self._rests.acquire()

    def _body(self, run: Callable[["Stepped"], object]) -> None:
        """Run, resting before every call."""
        try:
            run(self)
        finally:
            self.done = True
            self._rests.release()

    def guard(self, port: Any) -> Any:
        """Return the port that waits to be told."""
        return _Hooked(port, self)

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Rest, then make a call."""
        self._rests.release()
        self._go.acquire()
        answer = function(*args, **kwargs)
        return list(answer) if function.__name__ == "list" else answer

    def step(self) -> None:
        """Let it make its next call, and rest again; nothing when it is done."""
        if not self.done:
            self._go.release()
            self._rests.acquire()


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(1, 4)), max_size=12))
@settings(QUIET, max_examples=150)
@example([(0, 7), (1, 8), (0, 8)])
def test_siblings_whose_ends_are_handled_call_by_call_start_their_parent_once(turns: list[tuple[int, int]]):
    """Both may know of both before either has started anything: still not nobody, and not both."""
    world = many(22)
    world.submit()
    unrun = Unrun(world)
    messages = [unrun.run(task) for task in unrun.list()]
    both = [Stepped(lambda fault, message=message: world.complete(message, fault)) for message in messages]  # type: ignore[misc]
    for who, calls in turns:
        for _ in range(calls):
            both[who].step()
    while rest := [one for one in both if not one.done]:
        rest[0].step()

    assert 3 == len(world.audio.accepted)
    assert_right(world, finish(world, unrun), 22)


@pytest.mark.parametrize("lost", [0, 10, 11, 22])
def test_a_lost_clip_fails_the_job_with_the_clips_of_its_step(lost: int):
    """The range is named, and the cloud's own words behind it; what siblings still make is cleared away."""
    world = many(23)
    plan = world.submit().plan
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
    assert [] == leftovers(world)


def test_a_lost_clip_that_is_cut_alone_is_named_alone():
    """Its step joins nothing else."""
    world = World()
    clips = [{"key": "a.mp3", "start": 1, "end": 400}, {"key": "b.wav", "start": 1}]
    world.drop({"version": 1, "output": {"key": OUTPUT.key}, "clips": clips})
    world.submit()
    world.objects.delete([ObjectRef(BUCKET, "a.mp3")])
    finish(world)

    assert "clip `a.mp3`: oss://acme/a.mp3 does not exist" == world.result()["data"]["error"]["message"]


def test_trims_gaps_and_the_trim_of_the_whole_come_through():
    """Every clip trimmed, silences between them, and a piece cut out of it all."""
    clips = [{"key": f"c{i}.mp3", "start": "500ms", "duration": "1s"} for i in range(30)]
    output = {"key": OUTPUT.key, "start": "2s", "duration": "30s"}
    world = many(30, clips=clips, gap="250ms", output=output)
    job = world.submit()
    finish(world)

    assert 30.0 == job.plan.duration_s
    assert 30_000 == world.result()["data"]["output"]["duration_ms"]
    assert [name for i in names(30) for name in (i, "")][:-1] == output_names(world)
    assert [] == leftovers(world)


def test_chapters_stand_beside_the_output_and_in_front_of_an_mp3():
    """The tag is put before the audio, whose bytes stay; the event says where the file is."""
    world = many(23, chapters=True)
    world.submit()
    finish(world)
    body, beside = world.objects.read(OUTPUT).body, world.objects.read(BESIDE).body.decode()

    assert id3_size(body[:10]) > MIN_PART_BYTES
    assert names(23) == output_names(world)
    assert beside.startswith("WEBVTT\n\n1\n00:00:00.000 --> 00:00:02.000\nc0\n")
    assert beside.endswith("\n23\n00:00:44.000 --> 00:00:46.000\nc22\n")
    assert {"webvtt": BESIDE.uri} == world.result()["data"]["chapters"]
    assert [2000 * i for i in range(23)] == [clip["starts_at_ms"] for clip in world.result()["data"]["clips"]]


def test_other_formats_have_their_chapters_beside_them_only():
    """A FLAC, or whatever, is the very object that the last step made."""
    flac = ObjectRef(BUCKET, "episodes/ep1.flac")
    world = many(2, chapters=True, output={"key": flac.key})
    world.submit()
    finish(world)

    assert names(2) == json.loads(world.objects.read(flac).body)["names"]
    assert BESIDE in world.objects.stored


def test_without_chapters_there_are_none():
    """Neither beside nor in front."""
    world = many(2)
    world.submit()
    finish(world)

    assert BESIDE not in world.objects.stored
    assert 0 == id3_size(world.objects.read(OUTPUT).body)


def test_a_silence_is_made_once_and_serves_the_next_job():
    """Its name says all there is to it; it stays when the work is cleared away."""
    world = many(3, gap="300ms")
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


def test_what_a_glob_found_is_frozen_in_the_plan():
    """Clips that come later belong to the next upload."""
    world = many(2, clips=[{"glob": "c*.mp3"}])
    world.submit()
    world.put("c11.mp3", tone(1.0, name="c11"))
    world.submit()
    job = finish(world)

    assert_right(world, job, 2)


def test_a_glob_that_finds_nothing_rejects_the_manifest():
    """With its own code."""
    world = many(1, clips=["c0.mp3", {"glob": "d*.mp3"}])

    assert "rejected" == world.submit().state
    assert [("GLOB_EMPTY", "/clips/1/glob")] == [
        (issue["code"], issue["path"]) for issue in world.result()["data"]["issues"]
    ]


def test_a_playlist_is_a_manifest():
    """Dropped like any other; its output has its name."""
    world = many(3)
    playlist = ObjectRef(BUCKET, "manifests/show.m3u8")
    world.put(playlist.key, b"#EXTM3U\n#EXTINF:2,Two\nc2.mp3\nc0.mp3\n")
    world.submit(ref=playlist)
    finish(world)

    assert ["c2", "c0"] == json.loads(world.objects.read(ObjectRef(BUCKET, "merged/show.mp3")).body)["names"]
    assert "Two" == world.result(playlist)["data"]["clips"][0]["title"]
    assert MANIFEST in world.objects.stored
