"""What was merged is what was planned, or the event has a warning; with `strict` the job fails instead."""

import json
from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from typing import Any

import pytest
from mutagen.id3 import ID3

from clipstitch.adapters.memory import MemoryAudioService, Task, tone
from clipstitch.common.errors import AccessDenied, ClipstitchError, CloudBusy, CloudRefused, NotAudio, OutputNotVisible
from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.ports import Probe
from clipstitch.jobs.job import Job
from tests.unit.usecases.harness import failing, plan_of, publish_error
from tests.world import BUCKET, MANIFEST, OUTPUT, SETTINGS, CallCounter, CallInterceptor, FaultAfter, World

CLIPS = ("x/a.wav", "x/b.wav", "x/c.wav")
WEBVTT = ObjectRef(BUCKET, "episodes/ep1.vtt")
Change = Callable[[World], object]


def longer(world: World) -> None:
    """Replace the second clip, of 2 s, by one of 7 s."""
    world.put(CLIPS[1], tone(7.0, name="replaced"))


def of_same_length(world: World) -> None:
    """Replace the second clip by another of 2 s."""
    world.put(CLIPS[1], tone(2.0, name="replaced"))


def touched(world: World) -> None:
    """Upload the second clip again, unchanged."""
    world.put(CLIPS[1], world.objects.read(ObjectRef(BUCKET, CLIPS[1])).body)


def deleted(world: World) -> None:
    """Delete the second clip."""
    world.objects.delete([ObjectRef(BUCKET, CLIPS[1])])


def dropped() -> World:
    """Return a world in which the engine drops half of the second clip."""
    world = World()
    world.put(CLIPS[1], tone(2.0, name="b", decodable_s=1.0))
    return world


def started(world: World | None = None, *, clips: tuple[Any, ...] = CLIPS, **fields: Any) -> World:
    """Return a world with a running job of clips of 2 s each."""
    world = world or World()
    for key in clips:
        if isinstance(key, str) and ObjectRef(BUCKET, key) not in world.objects.stored:
            world.put(key, tone(2.0, name=key))
    world.drop({"version": 1, "output": {"key": OUTPUT.key}, "clips": list(clips), **fields})
    world.submit()
    return world


def finish(world: World, interceptor: CallInterceptor | None = None) -> Job:
    """Run all tasks of the job, also those that start when others end."""
    done: list[Task] = []
    job = None
    while tasks := [task for task in world.audio.accepted if task not in done]:
        for task in tasks:
            job = world.complete(world.run(task), interceptor)
        done += tasks
    assert job
    return job


def warnings_of(world: World) -> list[str]:
    """Return the codes of the warnings in the event."""
    return [warning["code"] for warning in world.result()["data"]["warnings"]]


def starts(world: World) -> list[int]:
    """Return the starts of the clips in the event, in ms."""
    return [clip["starts_at_ms"] for clip in world.result()["data"]["clips"]]


def test_what_was_planned_has_no_warnings_and_pinned_clips() -> None:
    """The plan has the ETag of every clip."""
    world = started(chapters=True)
    job = finish(world)

    assert "succeeded" == job.state
    assert [] == warnings_of(world)
    assert job.plan
    assert [world.objects.describe(ObjectRef(BUCKET, key)).etag for key in CLIPS] == [
        clip.etag for clip in job.plan.clips
    ]


@pytest.mark.parametrize(
    ("change", "codes", "moved"),
    [
        (longer, ["CLIP_CHANGED", "LENGTH_DIFFERS"], [0, 2000, 9000]),
        (of_same_length, ["CLIP_CHANGED"], [0, 2000, 4000]),
        (touched, [], [0, 2000, 4000]),
    ],
)
def test_a_clip_that_is_replaced_before_its_task_runs_is_a_warning(
    change: Change, codes: list[str], moved: list[int]
) -> None:
    """With its key; chapters in the event, beside the output and inside it follow the audio."""
    world = started(chapters=True)
    change(world)
    job = finish(world)
    parse: Any = ID3
    tag = parse(BytesIO(world.objects.read(OUTPUT).body))
    data = world.result()["data"]

    assert "succeeded" == job.state
    assert codes == warnings_of(world)
    assert all(CLIPS[1] == warning["first_clip"] for warning in data["warnings"] if warning["code"] == "CLIP_CHANGED")
    assert moved == starts(world)
    assert moved == [mark.start_time for mark in tag.getall("CHAP")]
    assert data["output"]["duration_ms"] == tag.getall("CHAP")[-1].end_time
    assert f"00:00:0{moved[2] // 1000}.000 --> " in world.objects.read(WEBVTT).body.decode()


def test_a_clip_of_which_the_engine_drops_a_part_is_a_warning() -> None:
    """With both lengths; which of the clips it is, is not known, but no chapter ends after the output."""
    world = started(dropped(), chapters=True)
    job = finish(world)
    (warning,) = world.result()["data"]["warnings"]

    assert "succeeded" == job.state
    assert {
        "code": "LENGTH_DIFFERS",
        "message": "3 clips, `x/a.wav` to `x/c.wav`: expected 6000 ms, measured 5000 ms",
        "first_clip": "x/a.wav",
        "last_clip": "x/c.wav",
        "expected_ms": 6000,
        "measured_ms": 5000,
    } == warning
    assert world.objects.read(WEBVTT).body.endswith(b"00:00:04.000 --> 00:00:05.000\nc\n")


def test_a_step_of_a_tree_is_measured_by_itself() -> None:
    """Two of 30 clips are wrong: longer by as much as the other is shorter. Each step names its clips."""
    clips = tuple(f"x/{number:02}.wav" for number in range(30))
    world = World()
    world.put(clips[1], tone(2.0, name="short", decodable_s=0.5))
    world.put(clips[29], tone(2.0, name="long", decodable_s=3.5))
    job = finish(started(world, clips=clips))
    data = world.result()["data"]

    assert "succeeded" == job.state
    assert 60_000 == data["output"]["duration_ms"] == data["expected_duration_ms"]
    assert ["LENGTH_DIFFERS", "LENGTH_DIFFERS"] == warnings_of(world)
    assert [(-1500, 0), (1500, 29)] == [
        (warning["measured_ms"] - warning["expected_ms"], clips.index(warning["first_clip" if not i else "last_clip"]))
        for i, warning in enumerate(data["warnings"])
    ]
    assert [2000 * 11 - 1500] == starts(world)[11:12]


def test_a_clip_that_is_deleted_after_the_merge_is_no_warning() -> None:
    """The task has read it: uploads are often deleted when they are merged."""
    world = started()
    message = world.run()
    deleted(world)
    world.complete(message)

    assert [] == warnings_of(world)


@pytest.mark.parametrize("setting", [True, False], ids=["operator", "manifest"])
@pytest.mark.parametrize(
    ("change", "code"), [(longer, "CLIP_CHANGED"), (of_same_length, "CLIP_CHANGED"), (None, "LENGTH_DIFFERS")]
)
def test_a_strict_job_fails_and_publishes_nothing(change: Change | None, code: str, setting: bool) -> None:
    """By its manifest, or by the operator's default."""
    world = World(SETTINGS._replace(strict=setting)) if change else dropped()
    world.settings = world.settings._replace(strict=setting)
    started(world, chapters=True, strict=True) if not setting else started(world, chapters=True)
    if change:
        change(world)
    job = finish(world)

    assert "failed" == job.state
    assert code == publish_error(job).code == world.result()["data"]["error"]["code"]
    assert {OUTPUT, WEBVTT}.isdisjoint(world.objects.stored)
    assert [] == world.leftovers()


def test_a_manifest_overrules_the_default_of_the_operator() -> None:
    """`strict: false` keeps the warning a warning."""
    world = World(SETTINGS._replace(strict=True))
    started(world, strict=False)
    longer(world)

    assert "succeeded" == finish(world).state
    assert ["CLIP_CHANGED", "LENGTH_DIFFERS"] == warnings_of(world)


ESTIMATES: Mapping[str, Any] = {
    "an MP3 of variable bitrate without a header": {"container": "mp3", "codec": "mp3"},
    "ADTS": {"container": "aac", "codec": "aac"},
}


@pytest.mark.parametrize("about", ESTIMATES.values(), ids=ESTIMATES)
@pytest.mark.parametrize("real_s", [0.5, 9.0])
def test_a_wrong_estimate_is_no_alarm(about: Mapping[str, Any], real_s: float) -> None:
    """Even a strict job succeeds; chapters are where the audio is."""
    world = World()
    world.put(CLIPS[1], tone(2.0, name="b", decodable_s=real_s, **about))
    job = finish(started(world, chapters=True, strict=True))

    assert "succeeded" == job.state
    assert ["LENGTH_DIFFERS_FROM_ESTIMATE"] == warnings_of(world)
    assert [0, 2000, 2000 + round(real_s * 1000)] == starts(world)


def test_the_clips_of_a_folder_are_compared_with_one_request() -> None:
    """Others are asked for one by one."""
    clips = (*(f"x/{number:02}.wav" for number in range(20)), "y/one.wav")
    world = started(clips=clips)
    counter = Requests()
    finish(world, counter)

    assert ["list x/"] == [call for call in counter.made if call.startswith("list x/")]
    assert ["describe y/one.wav"] == [call for call in counter.made if call.startswith(("describe x/", "describe y/"))]


class Requests(CallCounter):
    """Records the calls that name objects."""

    def __init__(self) -> None:
        super().__init__()
        self.made: list[str] = []

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Record a call and make it."""
        if function.__name__ == "list":
            self.made.append(f"list {args[1]}")
        if function.__name__ == "describe":
            self.made.append(f"describe {args[0].key}")
        return super().call(function, *args, **kwargs)


def test_clips_among_very_many_objects_are_compared_one_by_one() -> None:
    """The first thousand objects of their folder are listed, not all of them."""
    world = started(clips=("x/a.wav", "x/z.wav"))
    for number in range(1100):
        world.put(f"x/m{number}", b"")
    world.put("x/z.wav", tone(2.0, name="replaced"))
    counter = Requests()
    world.complete(world.run(), counter)

    assert ["CLIP_CHANGED"] == warnings_of(world)
    assert "describe x/z.wav" in counter.made
    assert "describe x/a.wav" not in counter.made


@pytest.mark.parametrize(
    ("error", "later"), [(CloudRefused("no listing"), False), (AccessDenied("no right to list"), True)], ids=str
)
@pytest.mark.parametrize("strict", [True, False])
def test_clips_that_cannot_be_compared_are_a_warning(error: Exception, later: bool, strict: bool) -> None:
    """At once, or at the deadline if the error may go away; a strict job fails."""
    world = started(strict=strict)
    message = world.run()
    objects = world.objects
    world.objects = failing(objects, "list", error, lambda _bucket, prefix, *_: prefix.startswith("x/"))
    if later:
        with pytest.raises(AccessDenied):
            world.complete(message)
        world.sweep(SETTINGS.deadline_s)
    else:
        world.complete(message)
    data = world.result()["data"]

    assert ("failed" if strict else "succeeded") == data["state"]
    assert "CLIPS_NOT_COMPARED" == (data["error"] if strict else data["warnings"][0])["code"]
    assert strict == (OUTPUT not in objects.stored)


def test_a_strict_job_that_has_published_does_not_fail() -> None:
    """Its function crashed after the copy; then a clip was replaced."""
    for calls in range(40):
        world = started(strict=True)
        message = world.run()
        try:
            world.complete(message, FaultAfter(calls))
        except CloudBusy:
            if OUTPUT not in world.objects.stored:
                continue
        break
    of_same_length(world)
    job = world.complete(message)

    assert "succeeded" == job.state
    assert ["CLIP_CHANGED"] == warnings_of(world)


def test_the_warnings_of_an_event_do_not_change() -> None:
    """They are in the result, which is create-once; a retry after another replacement sends the same event."""
    world = started()
    message = world.run()
    world.complete(message)
    before = json.dumps(world.result(MANIFEST))
    of_same_length(world)
    world.complete(message)

    assert before == json.dumps(world.result(MANIFEST))


class OnceRefusingAudioService(MemoryAudioService):
    """An audio service that refuses to probe a step target once, as the adapter of OSS reports it."""

    refused = False

    def probe(self, refs: Sequence[ObjectRef]) -> Mapping[ObjectRef, Probe | ClipstitchError]:
        """Probe every object."""
        if not self.refused and any("/work/" in ref.key for ref in refs):
            self.refused = True
            return {ref: NotAudio("undocumented") for ref in refs}
        return super().probe(refs)


@pytest.mark.parametrize("exists", [True, False])
def test_a_target_that_cannot_be_probed_is_probed_again_when_it_is_published(exists: bool) -> None:
    """Its existence proves the success of its step, and nothing else does."""
    world = World()
    world.audio = OnceRefusingAudioService(world.objects)
    started(world)
    message = world.run()
    if not exists:
        world.objects.delete([plan_of(world.submit()).final.target])
        with pytest.raises(OutputNotVisible):
            world.complete(message)
        world.run()
    job = world.complete(message)

    assert "succeeded" == job.state
    assert 6000 == world.result()["data"]["output"]["duration_ms"]
