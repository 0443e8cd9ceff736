"""Whole jobs in memory: submit, tasks, notices, in every order and number, and what is left in the end."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipstitch.adapters.memory import MemoryAudioService, MemoryMessageSender, notice, tone
from clipstitch.common.errors import (
    ClipstitchError,
    CloudBusy,
    CloudRefused,
    FailureUnconfirmed,
    InvalidTriggerEvent,
    OutputNotVisible,
    SinkTargetNotFound,
    StateBucketVersioned,
)
from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.ports import Probe
from clipstitch.jobs.decide import JOB_META, MANIFEST_META
from clipstitch.jobs.job import Fact, Job
from clipstitch.usecases.submit import submit_all
from tests.world import BUCKET, DOCUMENT, MANIFEST, OUTPUT, SETTINGS, FaultAfter, World

QUIET = settings(database=None, deadline=None, max_examples=100)
FINAL = {"succeeded", "failed", "rejected"}


@pytest.fixture
def world() -> World:
    """Return a world with two clips and a manifest that asks for them."""
    return dropped()


def dropped(document: object = DOCUMENT, **kinds: tuple[str, ...]) -> World:
    """Return a world into which a manifest was dropped."""
    made = World(**kinds)  # type: ignore[arg-type]
    made.drop(document)
    return made


def wanting(**output: object) -> dict:
    """Return the manifest with some fields of its output changed."""
    return {**DOCUMENT, "output": {**DOCUMENT["output"], **output}}


def finish(world: World) -> Job:
    """Submit, run the task, deliver its notice."""
    world.submit()
    job = world.complete(world.run())
    assert job is not None
    return job


def leftovers(world: World) -> list[str]:
    """Return what only the work needed, and should be gone."""
    return [key for part in ("open/", "tasks/", "work/") for key in world.state_keys(part)]


def contents_by_id(world: World) -> dict[str, set[str]]:
    """Return all texts that were said under each event id."""
    said: dict[str, set[str]] = {}
    for _, _, text in world.messages.said:
        said.setdefault(json.loads(text)["id"], set()).add(text)
    return said


def output_names(world: World) -> list[str]:
    """Return the names of the clips in the output, in order."""
    return json.loads(world.objects.read(OUTPUT).body)["names"]


def test_a_manifest_becomes_audio_and_an_event(world: World):
    """The main job: joined in order, published with its labels, told to every sink, and cleared away."""
    job = finish(world)

    assert "succeeded" == job.state
    assert ["a", "b"] == output_names(world)
    assert {JOB_META: job.id, MANIFEST_META: "oss://acme/manifests/ep1.json", "clipstitch-duration-ms": "2500"} == (
        world.objects.describe(OUTPUT).meta
    )
    assert [("topic", "events"), ("queue", "events")] == [(kind, name) for kind, name, _ in world.messages.said]
    assert [f"{job.id}.succeeded"] == list(contents_by_id(world))
    assert world.events()[0] == world.result()
    assert [] == leftovers(world)


def test_a_submitted_job_waits(world: World):
    """One task, an open marker, a pointer; nobody is told yet."""
    job = world.submit()

    assert "running" == job.state
    assert 1 == len(world.audio.accepted)
    assert [f"_clipstitch/open/{job.id}"] == world.state_keys("open/")
    assert ["_clipstitch/tasks/MediaConvert-0000"] == world.state_keys("tasks/")
    assert [] == world.messages.said


def test_a_failed_task_fails_the_job_with_the_clouds_words(world: World):
    """A clip that vanished meanwhile: code and message arrive in the event."""
    world.submit()
    world.objects.delete([ObjectRef(BUCKET, "b.wav")])
    job = world.complete(world.run())

    assert "failed" == job.state
    assert "InvalidArgument" == world.result()["data"]["error"]["code"]
    assert "2 clips, `a.mp3` to `b.wav`: oss://acme/b.wav does not exist" == world.result()["data"]["error"]["message"]
    assert [f"{job.id}.failed"] == list(contents_by_id(world))
    assert [] == leftovers(world)


def test_a_failure_without_a_code_gets_ours(world: World):
    """A recipient can always switch on a code."""
    world.submit()
    world.complete(world.audio.fail(world.audio.accepted[0], "", ""))

    assert "TASK_FAILED" == world.result()["data"]["error"]["code"]


def test_a_bad_manifest_is_rejected_with_all_its_issues():
    """Fact, event and result object; no task, no retry."""
    world = dropped({"version": 2, "output": {"key": "results/a.mp3"}, "clips": ["a.mp3", ""]})
    job = world.submit()

    assert "rejected" == job.state
    assert ["KEY_INVALID", "OUTPUT_KEY_RESERVED", "VERSION_UNSUPPORTED"] == [
        issue["code"] for issue in world.result()["data"]["issues"]
    ]
    assert [f"{job.id}.rejected"] == list(contents_by_id(world))
    assert [] == world.audio.accepted
    assert [] == leftovers(world)


def test_missing_clips_and_texts_are_rejected_together():
    """What only the cloud can tell is told at once as well."""
    world = dropped({**DOCUMENT, "clips": ["gone.mp3", "notes.txt", {"key": "a.mp3", "start": "2s"}]})
    world.put("notes.txt", b"not audio")
    job = world.submit()

    assert "rejected" == job.state
    assert ["CLIP_NOT_FOUND", "CLIP_NOT_AUDIO", "TRIM_BEYOND_END"] == [
        issue["code"] for issue in world.result()["data"]["issues"]
    ]


def test_a_manifest_too_large_is_rejected(world: World):
    """It is not even read to its end."""
    world.put(MANIFEST.key, b" " * (256 * 1024 + 1))

    assert "rejected" == world.submit().state
    assert "MANIFEST_TOO_LARGE" == world.result()["data"]["issues"][0]["code"]


def test_an_unbound_bucket_fails_the_job():
    """No retry can mend it, so it is said."""
    world = dropped(unbound=(BUCKET,))

    assert "failed" == world.submit().state
    assert "BUCKET_NOT_BOUND" == world.result()["data"]["error"]["code"]
    assert [] == leftovers(world)


def test_a_versioned_state_bucket_is_refused():
    """Create-once would not hold there."""
    world = dropped(versioned=(BUCKET,))

    with pytest.raises(StateBucketVersioned, match=BUCKET):
        world.submit()
    assert [] == world.state_keys("")


def test_a_separate_state_bucket_keeps_the_facts():
    """Only `work/` stays with the clips."""
    world = World(SETTINGS._replace(state_bucket="acme-state"), versioned=(BUCKET,))
    world.drop()
    job = finish(world)

    assert "succeeded" == job.state
    assert [] == world.state_keys("")
    assert list(world.objects.list("acme-state", "_clipstitch/jobs/"))


def test_a_manifest_that_has_gone_is_no_job(world: World):
    """Deleted before we came."""
    world.objects.delete([MANIFEST])

    assert world.submit() is None
    assert [] == world.state_keys("")


def test_a_missing_topic_is_worth_a_retry_and_the_retry_succeeds(world: World):
    """The operator creates it; nothing was lost and nobody told twice."""
    world.messages = MemoryMessageSender(queues=("events",))
    world.submit()
    message = world.run()

    with pytest.raises(SinkTargetNotFound):
        world.complete(message)
    world.messages = MemoryMessageSender(topics=("events",), queues=("events",))
    assert "succeeded" == world.complete(message).state
    assert 2 == len(world.messages.said)
    assert [] == leftovers(world)


def test_a_sink_that_was_removed_meanwhile_is_passed_over(world: World):
    """The plan names it, the settings no longer do."""
    world.submit()
    world.settings = SETTINGS._replace(sinks=SETTINGS.sinks[:1])

    assert "succeeded" == world.complete(world.run()).state
    assert [("topic", "events")] == [(kind, name) for kind, name, _ in world.messages.said]


@pytest.mark.parametrize(("notify", "told"), [(["queue"], ["queue"]), ([], [])])
def test_a_manifest_chooses_among_the_sinks(notify: list[str], told: list[str]):
    """The result object is always written."""
    world = dropped({**DOCUMENT, "notify": notify})
    job = finish(world)

    assert told == [kind for kind, _, _ in world.messages.said]
    assert f"{job.id}.succeeded" == world.result()["id"]


def test_everything_delivered_twice_happens_once(world: World):
    """Upload and notice."""
    first, second = world.submit(), world.submit()
    message = world.run()
    done = [world.complete(message) for _ in range(3)]
    last = world.submit()

    assert 1 == len({job.id for job in (first, second, *done, last)})
    assert 1 == len(world.audio.accepted)
    assert 2 == len(world.messages.said)
    assert "succeeded" == last.state
    assert [] == leftovers(world)


def test_a_late_run_of_a_task_changes_nothing_and_is_cleared_away(world: World):
    """The cloud may do its work twice as well."""
    finish(world)
    before = world.objects.read(OUTPUT)
    world.clock.advance(60)
    world.complete(world.run())

    assert before == world.objects.read(OUTPUT)
    assert [] == leftovers(world)


def test_success_without_an_object_is_not_believed(world: World):
    """A notice is no proof; it is delivered again."""
    step = world.submit().plan.steps[0]
    message = notice("MediaConvert-0000", "Succeeded", step.target)

    with pytest.raises(OutputNotVisible):
        world.complete(message)
    world.run()
    assert "succeeded" == world.complete(message).state


@pytest.mark.parametrize(
    "target",
    [
        ObjectRef(BUCKET, "somebody/elses.mp3"),
        ObjectRef(BUCKET, "_clipstitch/work/20200101T000000Z-000000000000/step-000.mp3"),
        ObjectRef("elsewhere", "_clipstitch/work/20260102T030405Z-000000000000/step-000.mp3"),
    ],
)
def test_a_strangers_task_is_none_of_our_business(world: World, target: ObjectRef):
    """A topic may be shared."""
    world.submit()

    assert world.complete(notice("MediaConvert-9999", "Succeeded", target)) is None


@pytest.mark.parametrize("name", ["step-000.aac", "step-001.mp3", "step-000.mp3.mp3"])
def test_a_target_that_no_step_makes_is_a_strangers(world: World, name: str):
    """Job id or not: it must be exactly what the plan aims at."""
    job = world.submit()
    target = ObjectRef(BUCKET, f"_clipstitch/work/{job.id}/{name}")

    assert world.complete(notice("MediaConvert-0000", "Failed", target, code="X")) is None
    assert "running" == world.submit().state


@pytest.mark.parametrize("task", ["MediaConvert-0000", "MediaConvert-0001", "MediaConvert-9999"])
def test_a_forged_failure_is_not_believed(world: World, task: str):
    """Whoever may publish to the topic names the running task, another job's failed one, or any; the job goes on."""
    job = world.submit()
    other = world.drop({**DOCUMENT, "output": {"key": "other.mp3"}}, ObjectRef(BUCKET, "manifests/other.json"))
    world.submit(ref=other)
    world.audio.fail(world.audio.accepted[1], "InvalidArgument", "")

    with pytest.raises(FailureUnconfirmed, match=task):
        world.complete(notice(task, "Failed", job.plan.final.target, code="X"))
    world.complete(world.run(world.audio.accepted[0]))
    assert "succeeded" == world.result()["data"]["state"]


def test_a_failure_is_told_in_the_clouds_own_words(world: World):
    """Not in those of a message that anybody could have written."""
    world.submit()
    world.audio.fail(world.audio.accepted[0], "InvalidArgument", "the codec is unknown")
    world.complete(notice("MediaConvert-0000", "Failed", world.submit().plan.final.target, code="X", message="pay me"))

    assert "InvalidArgument" == world.result()["data"]["error"]["code"]
    assert "the codec is unknown" in world.result()["data"]["error"]["message"]


def cut_off_after_start() -> World:
    """Return a world in which submit died between the start of a task and its note."""
    for calls in range(40):
        world = dropped()
        with suppress(CloudBusy):
            world.submit(FaultAfter(calls))
        if world.audio.accepted:
            return world
    pytest.fail("nothing was started")


def test_a_failure_of_a_task_that_nobody_noted_is_not_believed():
    """The retry of submit starts a second task, whose failure counts."""
    world = cut_off_after_start()
    early = world.audio.fail(world.audio.accepted[0], "InvalidArgument", "")

    with pytest.raises(FailureUnconfirmed):
        world.complete(early)
    world.submit()
    world.complete(world.audio.fail(world.audio.accepted[1], "InvalidArgument", ""))
    assert "failed" == world.result()["data"]["state"]


def test_a_failure_that_names_no_target_is_found_by_its_task(world: World):
    """Through the pointer."""
    world.submit()
    world.audio.fail(world.audio.accepted[0], "X", "")
    content = {
        "TaskType": "MediaConvert",
        "TaskId": "MediaConvert-0000",
        "Status": "Failed",
        "Code": "X",
        "Targets": None,
    }
    job = world.complete(json.dumps(content).encode())

    assert "failed" == job.state
    assert "X" == world.result()["data"]["error"]["code"]
    assert [] == leftovers(world)


def test_a_manifest_that_is_uploaded_again_is_a_new_job(world: World):
    """The same name, a later version: its output replaces the older one."""
    first = finish(world)
    world.clock.advance(10)
    world.drop({**DOCUMENT, "clips": ["b.wav", "a.mp3"]})
    second = finish(world)

    assert first.id < second.id
    assert ["succeeded", "succeeded"] == [first.state, second.state]
    assert ["b", "a"] == output_names(world)
    assert second.id == world.result()["data"]["job"]


def test_a_manifest_overwritten_before_we_came_is_the_newer_job(world: World):
    """The object names the job, not the event: both deliveries arrive at the same one."""
    world.clock.advance(10)
    world.drop({**DOCUMENT, "clips": ["b.wav", "a.mp3"]})
    first, second = world.submit(), world.submit()

    assert first.id == second.id
    assert 1 == len(world.audio.accepted)


def test_an_older_job_never_overwrites_a_newer_jobs_output_or_result(world: World):
    """It ends as failed, superseded, and the result object stays the newer one's."""
    world.submit()
    world.clock.advance(10)
    world.drop({**DOCUMENT, "clips": ["b.wav", "a.mp3"]})
    world.submit()
    older, newer = world.audio.accepted
    assert "succeeded" == world.complete(world.run(newer)).state
    job = world.complete(world.run(older))

    assert "failed" == job.state
    assert "SUPERSEDED" == job.result.error.code
    assert ["b", "a"] == output_names(world)
    assert "succeeded" == world.result()["data"]["state"]
    assert [] == leftovers(world)


def test_an_object_of_somebody_else_is_not_overwritten(world: World):
    """The job fails and says what to do."""
    world.put(OUTPUT.key, b"mine")
    job = finish(world)

    assert "failed" == job.state
    assert "OUTPUT_EXISTS" == world.result()["data"]["error"]["code"]
    assert b"mine" == world.objects.read(OUTPUT).body
    assert [] == leftovers(world)


def test_another_manifests_output_is_not_overwritten(world: World):
    """Whoever came first keeps the name."""
    finish(world)
    world.clock.advance(10)
    other = world.drop({**DOCUMENT, "clips": ["b.wav"]}, ObjectRef(BUCKET, "manifests/other.json"))
    world.submit(ref=other)
    job = world.complete(world.run())

    assert "OUTPUT_EXISTS" == job.result.error.code
    assert ["a", "b"] == output_names(world)


def test_it_is_overwritten_when_the_manifest_says_so():
    """`overwrite: true` is for exactly that."""
    world = dropped(wanting(overwrite=True))
    world.put(OUTPUT.key, b"mine")

    assert "succeeded" == finish(world).state
    assert ["a", "b"] == output_names(world)


class Refusing:
    """Objects that will not be copied, for a reason that no retry can mend."""

    def __init__(self, objects: object) -> None:
        self._objects = objects

    def copy(self, *_: object, **__: object) -> str:
        """Refuse."""
        raise CloudRefused("NoSuchBucket: the specified bucket does not exist")

    def __getattr__(self, name: str) -> object:
        return getattr(self._objects, name)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"manifest_prefix": "episodes/"}, "OUTPUT_KEY_RESERVED"),
        ({"result_prefix": "episodes/"}, "OUTPUT_KEY_RESERVED"),
        ({"output_prefixes": ("out/",)}, "OUTPUT_NOT_ALLOWED"),
    ],
)
def test_what_is_not_allowed_any_more_is_not_published(world: World, change: dict[str, Any], code: str):
    """The operator moved the trigger, or narrowed the outputs, while the job ran: it must not trigger us."""
    world.submit()
    world.settings = world.settings._replace(**change)
    job = world.complete(world.run())

    assert "failed" == job.state
    assert code == job.result.error.code
    assert OUTPUT not in world.objects.stored


def test_an_upload_in_trouble_does_not_stop_the_others_of_its_event(world: World):
    """All have their turn; then the function fails, so that the event comes again."""
    elsewhere = ObjectRef("elsewhere", MANIFEST.key)

    with pytest.raises(InvalidTriggerEvent, match="CLIPSTITCH_BUCKET"):
        submit_all([elsewhere, MANIFEST], world.context())
    assert "running" == world.submit().state
    assert 1 == len(world.audio.accepted)


def test_what_was_published_before_it_was_forbidden_stays_told_as_it_is(world: World):
    """The function died between copy and result; the operator narrowed the outputs; the output is in its place."""
    world.submit()
    message = world.run()
    for calls in range(40):
        with suppress(CloudBusy):
            world.complete(message, FaultAfter(calls))
        if OUTPUT in world.objects.stored:
            break
    world.settings = world.settings._replace(output_prefixes=("out/",))
    job = world.complete(message)

    assert "succeeded" == job.state
    assert OUTPUT in world.objects.stored


@pytest.mark.parametrize("bucket", ["elsewhere", "ACME"])
def test_a_notice_that_names_another_bucket_is_none_of_our_business(world: World, bucket: str):
    """No ledger is opened there, whatever the key looks like."""
    job = world.submit()
    target = job.plan.final.target._replace(bucket=bucket)

    assert world.complete(notice("MediaConvert-0000", "Succeeded", target)) is None


def test_a_job_that_ends_says_so_in_the_log(world: World, caplog: pytest.LogCaptureFixture):
    """One line with its state, for alarms."""
    world.objects.delete([ObjectRef(BUCKET, "b.wav")])
    with caplog.at_level("INFO", "clipstitch"):
        job = world.submit()

    closed = [json.loads(record.message) for record in caplog.records if "job-closed" in record.message]
    assert [{"event": "job-closed", "job": job.id, "state": "rejected"}] == closed


def test_an_output_that_cannot_be_published_fails_the_job(world: World):
    """A bucket that does not exist, a right that is refused for good: said, not tried for ever."""
    world.submit()
    message = world.run()
    world.objects = Refusing(world.objects)  # type: ignore[assignment]
    job = world.complete(message)

    assert "failed" == job.state
    assert "CLOUD_REFUSED" == world.result()["data"]["error"]["code"]
    assert [] == leftovers(world)


class Meanwhile:
    """A port that lets something happen right after, or before, one of its calls, once."""

    def __init__(self, port: object, name: str, happens: Callable[[], object], *, before: bool = False) -> None:
        self._port, self._name, self._happens, self._before = port, name, happens, before

    def __getattr__(self, name: str) -> object:
        method = getattr(self._port, name)
        if name != self._name or self._happens is None:
            return method
        happens, self._happens = self._happens, None  # type: ignore[assignment]

        def call(*args: object, **kwargs: object) -> object:
            if self._before:
                happens()
            answer = method(*args, **kwargs)
            if not self._before:
                happens()
            return answer

        return call


def test_a_step_that_the_cloud_refuses_to_start_fails_the_job(world: World):
    """The posted clip vanished between the look at it and the start: no retry can mend that."""
    audio, gone = world.audio, ObjectRef(BUCKET, "a.mp3")
    world.audio = Meanwhile(audio, "probe", lambda: world.objects.delete([gone]))  # type: ignore[assignment]
    job = world.submit()

    assert "failed" == job.state
    assert "NOT_FOUND" == world.result()["data"]["error"]["code"]
    assert [] == audio.accepted
    assert [] == leftovers(world)


def test_an_output_that_vanished_before_it_was_published_fails_the_job(world: World):
    """Its success was seen and written down; then the work was gone."""
    step = world.submit().plan.steps[0]
    message = world.run()
    objects = world.objects
    world.objects = Meanwhile(objects, "describe", lambda: objects.delete([step.target]))  # type: ignore[assignment]
    job = world.complete(message)
    world.objects = objects

    assert "failed" == job.state
    assert "NOT_FOUND" == world.result()["data"]["error"]["code"]
    assert [] == leftovers(world)


def test_whoever_takes_the_name_between_look_and_copy_keeps_it(world: World):
    """The copy creates, and never overwrites what was not seen."""
    world.submit()
    message = world.run()
    objects = world.objects

    def somebody_writes() -> None:
        world.put(OUTPUT.key, b"mine")

    world.objects = Meanwhile(objects, "copy", somebody_writes, before=True)  # type: ignore[assignment]
    job = world.complete(message)

    assert "OUTPUT_EXISTS" == job.result.error.code
    assert b"mine" == objects.read(OUTPUT).body


def test_open_jobs_and_the_jobs_of_a_day_can_be_listed(world: World):
    """Oldest first; a job that is closed is open no longer, but remembered, with what was written down."""
    first = finish(world)
    world.clock.advance(10)
    world.drop({**DOCUMENT, "clips": ["b.wav"]})
    second = world.submit()
    store = world.context().store

    assert [second.id] == list(store.open_jobs())
    assert [first.id, second.id] == list(store.jobs_of_day("2026-01-02"))
    assert [] == list(store.jobs_of_day("2026-01-03"))
    assert "succeeded" == store.document(first.id, Fact("closed"))["state"]


def test_a_notice_that_overtakes_our_own_note_finds_its_job(world: World):
    """The task ends, and its notice is handled, before submit has written down that it was accepted."""
    audio = world.audio
    other = dropped()
    other.objects = world.objects
    other.audio, other.messages = audio, world.messages
    world.audio = Meanwhile(audio, "start", lambda: other.complete(other.run()))  # type: ignore[assignment]
    world.submit()

    assert "succeeded" == other.submit().state
    assert 1 == len(audio.accepted)
    assert {1} == {len(texts) for texts in contents_by_id(world).values()}
    assert [] == leftovers(other)


def test_a_notice_from_a_submit_that_died_after_the_start_finds_its_job(world: World):
    """The task was started, and nothing about it written down."""
    for calls in range(20):
        with suppress(CloudBusy):
            world.submit(FaultAfter(calls))
        if world.audio.accepted:
            break
    job = world.complete(world.run())

    assert [] == [fact for fact in job.facts if fact.kind == "accepted"]
    assert "succeeded" == job.state
    assert [] == leftovers(world)


def test_of_two_submits_that_see_different_worlds_one_decides_and_the_event_has_one_content():
    """One finds a clip missing, the other, meanwhile, plans: whatever was judged first is all that is ever told."""
    world = dropped({**DOCUMENT, "clips": ["a.mp3", "late.mp3"]})
    helper = World()
    helper.objects, helper.audio, helper.messages = world.objects, world.audio, world.messages

    def clip_arrives() -> None:
        helper.put("late.mp3", tone(1.0, name="late"))
        helper.submit()

    world.audio = Meanwhile(world.audio, "probe", clip_arrives)  # type: ignore[assignment]
    job = world.submit()
    told = json.dumps(world.result())
    done = helper.complete(helper.run())

    assert "rejected" == job.state == done.state
    assert told == json.dumps(world.result())
    assert {1} == {len(texts) for texts in contents_by_id(world).values()}


def test_a_rejected_jobs_event_is_the_same_when_told_again_after_somebody_planned():
    """The first run dies before telling anybody; the second finds the other's plan beside the verdict."""
    said = []
    for dies in (False, True):
        world = dropped({**DOCUMENT, "clips": ["a.mp3", "late.mp3"]})
        helper = World()
        helper.objects, helper.audio, helper.messages = world.objects, world.audio, world.messages

        def clip_arrives(helper: World = helper) -> None:
            helper.put("late.mp3", tone(1.0, name="late"))
            helper.submit()

        world.audio = Meanwhile(world.audio, "probe", clip_arrives)  # type: ignore[assignment]
        if dies:
            world.messages = MemoryMessageSender()
            with suppress(SinkTargetNotFound):
                world.submit()
        helper.submit() if dies else world.submit()
        said.append(contents_by_id(helper))

    assert said[0] == said[1]


@given(
    st.lists(st.tuples(st.integers(0, 5), st.none() | st.integers(0, 25), st.booleans()), max_size=14), st.booleans()
)
@settings(QUIET, max_examples=150)
def test_whatever_is_delivered_how_often_and_in_which_order_ends_in_one_final_state(
    steps: list[tuple[int, int | None, bool]], fails: bool
):
    """Uploads, task runs and notices, interleaved at will, any of them cut off anywhere: then everything once more."""
    world = dropped()
    notices: list[bytes] = []
    final, published = set(), []

    def act(what: int, fault: FaultAfter | None) -> None:
        job = None
        if what == 0:
            job = world.submit(fault)
        elif what == 1 and world.audio.accepted:
            notices.append(world.run(world.audio.accepted[len(notices) % len(world.audio.accepted)]))
        elif what > 1 and notices:
            job = world.complete(notices[what % len(notices)], fault)
        if job and job.closed:
            final.add(job.state)

    for index, (what, calls, before) in enumerate(steps):
        if fails and index == len(steps) // 2:
            world.objects.delete([ObjectRef(BUCKET, "b.wav")])
        with suppress(CloudBusy, OutputNotVisible, FailureUnconfirmed):
            act(what, None if calls is None else FaultAfter(calls, before=before))
        if OUTPUT in world.objects.stored:
            published.append(world.objects.read(OUTPUT))
    act(0, None)
    notices += [world.run(task) for task in world.audio.accepted]
    for message in notices:
        world.clock.advance(1)
        with suppress(FailureUnconfirmed):  # of a task that submit died upon; the other's counts
            world.complete(message)
    act(0, None)
    published += [world.objects.read(OUTPUT)] if OUTPUT in world.objects.stored else []

    assert 1 == len(final)
    assert final <= FINAL
    assert {1} == {len(texts) for texts in contents_by_id(world).values()}
    assert 1 == len(contents_by_id(world))
    assert published == published[:1] * len(published)
    assert bool(published) == (final == {"succeeded"})
    assert [] == leftovers(world)


def test_a_manifest_with_mistakes_has_its_clips_looked_at_all_the_same(world: World):
    """Its author hears of everything at once: fields, globs that find nothing, clips that are missing or no audio."""
    world.put("text.mp3", b"no audio")
    clips = ["a.mp3", "gone.mp3", "text.mp3", {"key": "b.wav", "start": "soon"}, {"glob": "no/*.mp3"}]
    world.drop({**DOCUMENT, "outptu": {}, "clips": clips})
    both = world.submit()

    world.drop({**DOCUMENT, "clips": [clips[1], clips[4]]})
    globbed = world.submit()

    def told(job: Job | None) -> list[tuple[str, str]]:
        return [(issue.code, issue.path) for issue in job.decision.issues]  # type: ignore[union-attr]

    found = [("CLIP_NOT_FOUND", "/clips/1"), ("CLIP_NOT_AUDIO", "/clips/2"), ("TIME_INVALID", "/clips/3/start")]
    assert [*found, ("FIELD_UNKNOWN", "/outptu")] == told(both)
    assert [("CLIP_NOT_FOUND", "/clips/0"), ("GLOB_EMPTY", "/clips/1/glob")] == told(globbed)


class OnceBusy(MemoryAudioService):
    """Audio whose first look into an object meets a busy cloud, as real adapters tell it: for that object alone."""

    busy = ("gone.mp3",)

    def probe(self, refs: Sequence[ObjectRef]) -> Mapping[ObjectRef, Probe | ClipstitchError]:
        """Look into every object."""
        later = {ref: CloudBusy("later") for ref in refs if ref.key in self.busy}
        self.busy = () if later else self.busy
        return {**super().probe(refs), **later}


def test_a_busy_cloud_does_not_hide_a_mistake(world: World):
    """A manifest is not rejected before all of its clips could be looked at: the next run tells every mistake."""
    world.audio = OnceBusy(world.objects)
    world.drop({**DOCUMENT, "outptu": {}, "clips": ["a.mp3", "gone.mp3"]})

    with pytest.raises(CloudBusy):
        world.submit()
    job = world.submit()

    assert job is not None
    assert job.decision is not None
    assert ["CLIP_NOT_FOUND", "FIELD_UNKNOWN"] == [issue.code for issue in job.decision.issues]
