"""Whole jobs: uploads, tasks and notifications in any order and number, and what is left when a job is closed."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipstitch.adapters.memory import MemoryAudioService, format_notification, tone
from clipstitch.common.errors import (
    AccessDenied,
    ClipstitchError,
    CloudBusy,
    CloudRefused,
    FailureUnconfirmed,
    InvalidTriggerEvent,
    OutputNotVisible,
    StateBucketVersioned,
)
from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.ports import ObjectContent, Probe
from clipstitch.jobs.decide import JOB_META, MANIFEST_META
from clipstitch.jobs.job import Fact, Job
from clipstitch.usecases.submit import submit_all
from tests.unit.usecases.harness import (
    TimeLimitExceeded,
    events_by_id,
    failing,
    interrupted,
    log_lines,
    output_names,
    plan_of,
    publish_error,
    uploaded,
)
from tests.world import BUCKET, DOCUMENT, MANIFEST, OUTPUT, SETTINGS, FaultAfter, World

PROFILE = settings(database=None, deadline=None, max_examples=100)
FINAL_STATES = {"succeeded", "failed", "rejected"}


@pytest.fixture
def world() -> World:
    """Return a world to which a manifest of two clips was uploaded."""
    return uploaded()


def with_output(**fields: object) -> dict[str, Any]:
    """Return the manifest with some fields of its output changed."""
    return {**DOCUMENT, "output": {**DOCUMENT["output"], **fields}}


def finish(world: World) -> Job:
    """Submit the manifest, run its task and deliver the notification."""
    world.submit()
    return world.complete(world.run())


def test_a_manifest_becomes_an_output_and_an_event(world: World) -> None:
    """Clips merged in order, an output with metadata, one event for every sink, and no leftovers."""
    job = finish(world)

    assert "succeeded" == job.state
    assert ["a", "b"] == output_names(world)
    assert {JOB_META: job.id, MANIFEST_META: "oss://acme/manifests/ep1.json", "clipstitch-duration-ms": "2500"} == (
        world.objects.describe(OUTPUT).meta
    )
    assert [("topic", "events"), ("queue", "events")] == [(kind, name) for kind, name, _ in world.sent]
    assert [f"{job.id}.succeeded"] == list(events_by_id(world))
    assert world.events()[0] == world.result()
    assert [] == world.leftovers()


def test_a_submitted_job_is_running(world: World) -> None:
    """It has one task, an open marker and a task pointer; no event is sent yet."""
    job = world.submit()

    assert "running" == job.state
    assert 1 == len(world.audio.accepted)
    assert [f"_clipstitch/open/{job.id}"] == world.state_keys("open/")
    assert [f"_clipstitch/tasks/MediaConvert-0000~{job.id}~0"] == world.state_keys("tasks/")
    assert [] == world.sent


def test_a_failed_task_fails_the_job_with_the_error_of_the_cloud(world: World) -> None:
    """A clip was deleted after it was probed; the event has the code and the message."""
    world.submit()
    world.objects.delete([ObjectRef(BUCKET, "b.wav")])
    job = world.complete(world.run())

    assert "failed" == job.state
    assert "InvalidArgument" == world.result()["data"]["error"]["code"]
    assert "2 clips, `a.mp3` to `b.wav`: oss://acme/b.wav does not exist" == world.result()["data"]["error"]["message"]
    assert [f"{job.id}.failed"] == list(events_by_id(world))
    assert [] == world.leftovers()


def test_a_failure_without_a_code_gets_a_default_code(world: World) -> None:
    """Recipients can rely on a code."""
    world.submit()
    world.complete(world.audio.fail(world.audio.accepted[0], "", ""))

    assert "TASK_FAILED" == world.result()["data"]["error"]["code"]


def test_an_invalid_manifest_is_rejected_with_all_its_issues() -> None:
    """With an event and a result object; no task is started."""
    world = uploaded({"version": 2, "output": {"key": "results/a.mp3"}, "clips": ["a.mp3", ""]})
    job = world.submit()

    assert "rejected" == job.state
    assert ["KEY_INVALID", "OUTPUT_KEY_RESERVED", "VERSION_UNSUPPORTED"] == [
        issue["code"] for issue in world.result()["data"]["issues"]
    ]
    assert [f"{job.id}.rejected"] == list(events_by_id(world))
    assert [] == world.audio.accepted
    assert [] == world.leftovers()


def test_all_unusable_clips_are_reported_together() -> None:
    """Missing clips, clips that are not audio, and trims beyond the end."""
    world = uploaded({**DOCUMENT, "clips": ["gone.mp3", "notes.txt", {"key": "a.mp3", "start": "2s"}]})
    world.put("notes.txt", b"not audio")
    job = world.submit()

    assert "rejected" == job.state
    assert ["CLIP_NOT_FOUND", "CLIP_NOT_AUDIO", "TRIM_BEYOND_END"] == [
        issue["code"] for issue in world.result()["data"]["issues"]
    ]


def test_a_manifest_that_is_too_large_is_rejected(world: World) -> None:
    """It is not read to its end."""
    world.put(MANIFEST.key, b" " * (256 * 1024 + 1))

    assert "rejected" == world.submit().state
    assert "MANIFEST_TOO_LARGE" == world.result()["data"]["issues"][0]["code"]


def test_an_unbound_bucket_fails_the_job() -> None:
    """A retry does not help."""
    world = World(unbound=(BUCKET,))
    world.drop()

    assert "failed" == world.submit().state
    assert "BUCKET_NOT_BOUND" == world.result()["data"]["error"]["code"]
    assert [] == world.leftovers()


def test_a_versioned_state_bucket_is_refused() -> None:
    """OSS ignores create-once there."""
    world = World(versioned=(BUCKET,))
    world.drop()

    with pytest.raises(StateBucketVersioned, match=BUCKET):
        world.submit()
    assert [] == world.state_keys("")


def test_a_separate_state_bucket_holds_the_facts() -> None:
    """Only the step targets are in the bucket of the clips."""
    world = World(SETTINGS._replace(state_bucket="acme-state"), versioned=(BUCKET,))
    world.drop()
    job = finish(world)

    assert "succeeded" == job.state
    assert [] == world.state_keys("")
    assert list(world.objects.list("acme-state", "_clipstitch/jobs/"))


def test_a_deleted_manifest_has_no_job(world: World) -> None:
    """It was deleted before the event arrived."""
    world.objects.delete([MANIFEST])

    assert world.deliver_upload() is None
    assert [] == world.state_keys("")


def test_a_missing_topic_is_retryable(world: World) -> None:
    """The operator creates it; the next sweep sends it the event, and nothing to the sinks that have it."""
    world.messages._known.discard(("topic", "events"))
    world.submit()

    assert "succeeded" == world.complete(world.run()).state
    world.messages._known.add(("topic", "events"))
    world.sweep(SETTINGS.grace_period_s)
    assert ["queue", "topic"] == [kind for kind, _, _ in world.sent]
    assert [] == world.leftovers()


def test_a_sink_that_was_removed_meanwhile_is_skipped(world: World) -> None:
    """The plan names it, the settings do not any more."""
    world.submit()
    world.settings = SETTINGS._replace(sinks=SETTINGS.sinks[:1])

    assert "succeeded" == world.complete(world.run()).state
    assert [("topic", "events")] == [(kind, name) for kind, name, _ in world.sent]


@pytest.mark.parametrize("notify", [["queue"], []])
def test_a_manifest_chooses_among_the_sinks(notify: list[str]) -> None:
    """The result object is always written."""
    world = uploaded({**DOCUMENT, "notify": notify})
    job = finish(world)

    assert notify == [kind for kind, _, _ in world.sent]
    assert f"{job.id}.succeeded" == world.result()["id"]


def test_duplicate_deliveries_change_nothing(world: World) -> None:
    """Of the upload and of the notification."""
    first, second = world.submit(), world.submit()
    message = world.run()
    done = [world.complete(message) for _ in range(3)]
    last = world.submit()

    assert 1 == len({job.id for job in (first, second, *done, last)})
    assert 1 == len(world.audio.accepted)
    assert 2 == len(world.sent)
    assert "succeeded" == last.state
    assert [] == world.leftovers()


def test_a_second_run_of_a_task_changes_nothing(world: World) -> None:
    """The cloud may run a task twice; what it writes is deleted."""
    finish(world)
    before = world.objects.read(OUTPUT)
    world.clock.advance(60)
    world.complete(world.run())

    assert before == world.objects.read(OUTPUT)
    assert [] == world.leftovers()


def test_a_success_without_a_target_is_not_accepted(world: World) -> None:
    """A notification is no proof; it is delivered again."""
    step = plan_of(world.submit()).steps[0]
    message = format_notification("MediaConvert-0000", "Succeeded", step.target)

    with pytest.raises(OutputNotVisible):
        world.complete(message)
    world.run()
    assert "succeeded" == world.complete(message).state


@pytest.mark.parametrize(
    "target",
    [
        ObjectRef(BUCKET, "other/file.mp3"),
        ObjectRef(BUCKET, "_clipstitch/work/20200101T000000Z-000000000000/step-000.mp3"),
        ObjectRef("elsewhere", "_clipstitch/work/20260102T030405Z-000000000000/step-000.mp3"),
    ],
)
def test_a_notification_about_an_unknown_target_is_ignored(world: World, target: ObjectRef) -> None:
    """Other applications may use the same topic."""
    world.submit()

    assert world.deliver_notification(format_notification("MediaConvert-9999", "Succeeded", target)) is None


@pytest.mark.parametrize("name", ["step-000.aac", "step-001.mp3", "step-000.mp3.mp3"])
def test_a_notification_about_a_target_of_no_step_is_ignored(world: World, name: str) -> None:
    """Even with the id of a job: the target must be that of a step of its plan."""
    job = world.submit()
    target = ObjectRef(BUCKET, f"_clipstitch/work/{job.id}/{name}")

    assert world.deliver_notification(format_notification("MediaConvert-0000", "Failed", target, code="X")) is None
    assert "running" == world.submit().state


@pytest.mark.parametrize("task", ["MediaConvert-0000", "MediaConvert-0001", "MediaConvert-9999"])
def test_a_forged_failure_is_not_accepted(world: World, task: str) -> None:
    """It names the running task, a failed task of another job, or an unknown one; the job goes on."""
    job = world.submit()
    other = world.drop({**DOCUMENT, "output": {"key": "other.mp3"}}, ObjectRef(BUCKET, "manifests/other.json"))
    world.submit(ref=other)
    world.audio.fail(world.audio.accepted[1], "InvalidArgument", "")

    with pytest.raises(FailureUnconfirmed, match=task):
        world.complete(format_notification(task, "Failed", plan_of(job).final.target, code="X"))
    world.complete(world.run(world.audio.accepted[0]))
    assert "succeeded" == world.result()["data"]["state"]


def test_the_error_of_a_failure_is_that_of_the_cloud(world: World) -> None:
    """Not that of the notification, which any publisher could have written."""
    world.submit()
    world.audio.fail(world.audio.accepted[0], "InvalidArgument", "the codec is unknown")
    world.complete(
        format_notification(
            "MediaConvert-0000", "Failed", plan_of(world.submit()).final.target, code="X", message="forged"
        )
    )

    assert "InvalidArgument" == world.result()["data"]["error"]["code"]
    assert "the codec is unknown" in world.result()["data"]["error"]["message"]


def crashed_after_start() -> World:
    """Return a world in which submit crashed between the start of a task and its record."""
    for calls in range(40):
        world = uploaded()
        with suppress(CloudBusy):
            world.submit(FaultAfter(calls))
        if world.audio.accepted:
            return world
    pytest.fail("no task was started")


def test_the_failure_of_an_unrecorded_task_is_not_accepted() -> None:
    """The retry of submit starts a second task, whose failure counts."""
    world = crashed_after_start()
    early = world.audio.fail(world.audio.accepted[0], "InvalidArgument", "")

    with pytest.raises(FailureUnconfirmed):
        world.complete(early)
    world.submit()
    world.complete(world.audio.fail(world.audio.accepted[1], "InvalidArgument", ""))
    assert "failed" == world.result()["data"]["state"]


def test_a_failure_without_a_target_is_found_by_its_task(world: World) -> None:
    """Through the task pointer."""
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
    assert [] == world.leftovers()


def test_a_manifest_that_is_uploaded_again_is_a_new_job(world: World) -> None:
    """The output of the newer version replaces the older output."""
    first = finish(world)
    world.clock.advance(10)
    world.drop({**DOCUMENT, "clips": ["b.wav", "a.mp3"]})
    second = finish(world)

    assert first.id < second.id
    assert ["succeeded", "succeeded"] == [first.state, second.state]
    assert ["b", "a"] == output_names(world)
    assert second.id == world.result()["data"]["job"]


def test_a_manifest_that_was_overwritten_before_its_event_is_the_newer_job(world: World) -> None:
    """The object determines the job, not the event: both deliveries find the same job."""
    world.clock.advance(10)
    world.drop({**DOCUMENT, "clips": ["b.wav", "a.mp3"]})
    first, second = world.submit(), world.submit()

    assert first.id == second.id
    assert 1 == len(world.audio.accepted)


def test_an_older_job_never_overwrites_the_output_or_result_of_a_newer_one(world: World) -> None:
    """It fails as superseded; the result object stays that of the newer job."""
    world.submit()
    world.clock.advance(10)
    world.drop({**DOCUMENT, "clips": ["b.wav", "a.mp3"]})
    world.submit()
    older, newer = world.audio.accepted
    assert "succeeded" == world.complete(world.run(newer)).state
    job = world.complete(world.run(older))

    assert "failed" == job.state
    assert "SUPERSEDED" == publish_error(job).code
    assert ["b", "a"] == output_names(world)
    assert "succeeded" == world.result()["data"]["state"]
    assert [] == world.leftovers()


def test_an_object_of_another_origin_is_not_overwritten(world: World) -> None:
    """It was uploaded while the job ran. The job fails, and the event has the remedy."""
    world.submit()
    world.put(OUTPUT.key, b"other")
    job = world.complete(world.run())

    assert "failed" == job.state
    assert "OUTPUT_EXISTS" == world.result()["data"]["error"]["code"]
    assert b"other" == world.objects.read(OUTPUT).body
    assert [] == world.leftovers()


def test_the_output_of_another_manifest_is_not_overwritten(world: World) -> None:
    """Both jobs run at the same time; the first output stays."""
    world.submit()
    world.clock.advance(10)
    other = world.drop({**DOCUMENT, "clips": ["b.wav"]}, ObjectRef(BUCKET, "manifests/other.json"))
    world.submit(ref=other)
    first, second = world.audio.accepted
    world.complete(world.run(first))
    job = world.complete(world.run(second))

    assert "OUTPUT_EXISTS" == publish_error(job).code
    assert ["a", "b"] == output_names(world)


def test_overwrite_replaces_an_object_of_another_origin() -> None:
    """With `overwrite: true` in the manifest."""
    world = uploaded(with_output(overwrite=True))
    world.put(OUTPUT.key, b"other")

    assert "succeeded" == finish(world).state
    assert ["a", "b"] == output_names(world)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"manifest_prefix": "episodes/"}, "OUTPUT_KEY_RESERVED"),
        ({"result_prefix": "episodes/"}, "OUTPUT_KEY_RESERVED"),
        ({"output_prefixes": ("out/",)}, "OUTPUT_NOT_ALLOWED"),
    ],
)
def test_an_output_that_is_no_longer_allowed_is_not_published(world: World, change: dict[str, Any], code: str) -> None:
    """The operator changed the settings while the job ran; the output must not trigger the functions."""
    world.submit()
    world.settings = world.settings._replace(**change)
    job = world.complete(world.run())

    assert "failed" == job.state
    assert code == publish_error(job).code
    assert OUTPUT not in world.objects.stored


def test_an_error_with_one_upload_does_not_stop_the_others_of_its_event(world: World) -> None:
    """All are submitted; then the function fails, so that the event is delivered again."""
    elsewhere = ObjectRef("elsewhere", MANIFEST.key)

    with pytest.raises(InvalidTriggerEvent, match="CLIPSTITCH_BUCKET"):
        submit_all([elsewhere, MANIFEST], world.context())
    assert "running" == world.submit().state
    assert 1 == len(world.audio.accepted)


def test_an_output_that_was_published_before_it_was_forbidden_succeeds(world: World) -> None:
    """The function crashed between the copy and the result; then the operator changed the settings."""
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
def test_a_notification_about_another_bucket_is_ignored(world: World, bucket: str) -> None:
    """Whatever the key of the target is."""
    job = world.submit()
    target = plan_of(job).final.target._replace(bucket=bucket)

    assert world.deliver_notification(format_notification("MediaConvert-0000", "Succeeded", target)) is None


def test_a_closed_job_is_logged_with_its_state(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """One line per job, for alarms."""
    world.objects.delete([ObjectRef(BUCKET, "b.wav")])
    with caplog.at_level("INFO", "clipstitch"):
        job = world.submit()

    closed = [line for line in log_lines(caplog) if line["event"] == "job-closed"]
    assert [{"event": "job-closed", "level": "INFO", "job": job.id, "state": "rejected"}] == closed


def test_an_output_that_cannot_be_published_fails_the_job(world: World) -> None:
    """A non-retryable error, such as a missing bucket, is not retried."""
    world.submit()
    message = world.run()
    refused = CloudRefused("NoSuchBucket: the specified bucket does not exist")
    world.objects = failing(world.objects, "copy", refused)
    job = world.complete(message)

    assert "failed" == job.state
    assert "CLOUD_REFUSED" == world.result()["data"]["error"]["code"]
    assert [] == world.leftovers()


def test_a_step_that_the_cloud_refuses_to_start_fails_the_job(world: World) -> None:
    """The main clip was deleted between probe and start, which a retry does not fix."""
    audio, clip = world.audio, ObjectRef(BUCKET, "a.mp3")
    world.audio = interrupted(audio, "probe", lambda: world.objects.delete([clip]))
    job = world.submit()

    assert "failed" == job.state
    assert "NOT_FOUND" == world.result()["data"]["error"]["code"]
    assert [] == audio.accepted
    assert [] == world.leftovers()


def test_a_target_that_was_deleted_before_it_was_published_fails_the_job(world: World) -> None:
    """After the success of its step was recorded."""
    step = plan_of(world.submit()).steps[0]
    message = world.run()
    world.audio = interrupted(world.audio, "probe", lambda: world.objects.delete([step.target]))
    job = world.complete(message)

    assert "failed" == job.state
    assert "NOT_FOUND" == world.result()["data"]["error"]["code"]
    assert [] == world.leftovers()


def test_an_object_that_appears_between_check_and_copy_is_not_overwritten(world: World) -> None:
    """The copy is create-once if the key was free."""
    world.submit()
    message = world.run()
    objects = world.objects

    def write_other() -> None:
        world.put(OUTPUT.key, b"other")

    world.objects = interrupted(objects, "copy", write_other, before=True)
    job = world.complete(message)

    assert "OUTPUT_EXISTS" == publish_error(job).code
    assert b"other" == objects.read(OUTPUT).body


def test_open_jobs_and_the_jobs_of_a_day_are_listed(world: World) -> None:
    """Oldest first; a closed job is one of its day, and its facts stay."""
    first = finish(world)
    world.clock.advance(10)
    world.drop({**DOCUMENT, "clips": ["b.wav"]})
    second = world.submit()
    store = world.store

    assert [second.id] == list(store.open_jobs())
    assert [first.id, second.id] == list(store.jobs_of_day("2026-01-02"))
    assert [] == list(store.jobs_of_day("2026-01-03"))
    assert "at" in store.document(first.id, Fact("closed", detail="succeeded"))


def test_a_notification_before_the_accepted_fact_finds_its_job(world: World) -> None:
    """The task ends and its notification is processed before submit has recorded the task."""
    audio = world.audio
    other = uploaded()
    other.objects = world.objects
    other.audio, other.messages = audio, world.messages
    world.audio = interrupted(audio, "start", lambda: other.complete(other.run()))
    world.submit()

    assert "succeeded" == other.submit().state
    assert 1 == len(audio.accepted)
    assert ([audio.accepted[0].id], 1) == (world.result()["data"]["tasks"], world.result()["data"]["attempts"])
    assert {1} == {len(texts) for texts in events_by_id(world).values()}
    assert [] == other.leftovers()


def test_the_notification_of_an_unrecorded_task_finds_its_job() -> None:
    """Submit crashed after it had started the task."""
    world = crashed_after_start()
    job = world.complete(world.run())

    assert [] == [fact for fact in job.facts if fact.kind == "accepted"]
    assert "succeeded" == job.state
    assert [] == world.leftovers()


def test_of_two_submits_that_see_different_clips_one_decides() -> None:
    """One finds a clip missing, the other makes a plan meanwhile: the first decision counts, and there is one event."""
    world = uploaded({**DOCUMENT, "clips": ["a.mp3", "late.mp3"]})
    other = World()
    other.objects, other.audio, other.messages = world.objects, world.audio, world.messages

    def upload_clip() -> None:
        other.put("late.mp3", tone(1.0, name="late"))
        other.submit()

    world.audio = interrupted(world.audio, "probe", upload_clip)
    job = world.submit()
    result = json.dumps(world.result())
    done = other.complete(other.run())

    assert "rejected" == job.state == done.state
    assert result == json.dumps(world.result())
    assert {1} == {len(texts) for texts in events_by_id(world).values()}


def test_the_event_of_a_rejected_job_does_not_change_if_a_plan_is_recorded_later() -> None:
    """The first run crashes before it sends the event; the second finds a plan beside the decision."""
    events = []
    for crashes in (False, True):
        world = uploaded({**DOCUMENT, "clips": ["a.mp3", "late.mp3"]})
        other = World()
        other.objects, other.audio, other.messages = world.objects, world.audio, world.messages

        def upload_clip(other: World = other) -> None:
            other.put("late.mp3", tone(1.0, name="late"))
            other.submit()

        world.audio = interrupted(world.audio, "probe", upload_clip)
        if crashes:
            world.messages = failing(world.messages, "publish", TimeLimitExceeded())
            with suppress(TimeLimitExceeded):
                world.submit()
        other.submit() if crashes else world.submit()
        events.append(events_by_id(other))

    assert events[0] == events[1]


@given(
    st.lists(st.tuples(st.integers(0, 5), st.none() | st.integers(0, 25), st.booleans()), max_size=14), st.booleans()
)
@settings(PROFILE, max_examples=150)
def test_any_interleaving_of_deliveries_and_faults_ends_in_one_final_state(
    steps: list[tuple[int, int | None, bool]], fails: bool
) -> None:
    """Uploads, tasks and notifications in any order, with faults at any call; then each of them once more."""
    world = uploaded()
    messages: list[bytes] = []
    final, published = set[str](), list[ObjectContent]()

    def act(kind: int, fault: FaultAfter | None) -> None:
        job = None
        if kind == 0:
            job = world.submit(fault)
        elif kind == 1 and world.audio.accepted:
            messages.append(world.run(world.audio.accepted[len(messages) % len(world.audio.accepted)]))
        elif kind > 1 and messages:
            job = world.complete(messages[kind % len(messages)], fault)
        if job and job.final:
            final.add(job.state)

    for index, (kind, calls, before) in enumerate(steps):
        if fails and index == len(steps) // 2:
            world.objects.delete([ObjectRef(BUCKET, "b.wav")])
        with suppress(CloudBusy, OutputNotVisible, FailureUnconfirmed):
            act(kind, None if calls is None else FaultAfter(calls, before=before))
        if OUTPUT in world.objects.stored:
            published.append(world.objects.read(OUTPUT))
    act(0, None)
    messages += [world.run(task) for task in world.audio.accepted]
    for message in messages:
        world.clock.advance(1)
        with suppress(FailureUnconfirmed):  # the failure of an unrecorded task; that of the recorded task counts
            world.complete(message)
    act(0, None)
    world.sweep(SETTINGS.grace_period_s)  # makes deliveries that failed
    published += [world.objects.read(OUTPUT)] if OUTPUT in world.objects.stored else []

    assert 1 == len(final)
    assert final <= FINAL_STATES
    assert {1} == {len(texts) for texts in events_by_id(world).values()}
    assert 1 == len(events_by_id(world))
    assert published == published[:1] * len(published)
    assert bool(published) == (final == {"succeeded"})
    assert [] == world.leftovers()


def test_the_clips_of_an_invalid_manifest_are_probed(world: World) -> None:
    """All issues are reported together: fields, globs that match no object, clips that are missing or not audio."""
    world.put("text.mp3", b"not audio")
    clips = ["a.mp3", "gone.mp3", "text.mp3", {"key": "b.wav", "start": "soon"}, {"glob": "no/*.mp3"}]
    world.drop({**DOCUMENT, "outptu": {}, "clips": clips})
    all_kinds = world.submit()

    world.drop({**DOCUMENT, "clips": [clips[1], clips[4]]})
    missing_only = world.submit()

    def issues(job: Job) -> list[tuple[str, str]]:
        assert job.decision
        return [(issue.code, issue.path) for issue in job.decision.issues]

    found = [("CLIP_NOT_FOUND", "/clips/1"), ("CLIP_NOT_AUDIO", "/clips/2"), ("TIME_INVALID", "/clips/3/start")]
    assert [*found, ("FIELD_UNKNOWN", "/outptu")] == issues(all_kinds)
    assert [("CLIP_NOT_FOUND", "/clips/0"), ("GLOB_EMPTY", "/clips/1/glob")] == issues(missing_only)


class OnceBusyAudioService(MemoryAudioService):
    """An audio service whose first probe of an object returns CloudBusy for it, as the adapter of OSS does."""

    busy: tuple[str, ...] = ("gone.mp3",)

    def probe(self, refs: Sequence[ObjectRef]) -> Mapping[ObjectRef, Probe | ClipstitchError]:
        """Probe every object."""
        later = {ref: CloudBusy("later") for ref in refs if ref.key in self.busy}
        self.busy = () if later else self.busy
        return {**super().probe(refs), **later}


def test_a_busy_cloud_does_not_hide_an_issue(world: World) -> None:
    """A manifest is not rejected before all its clips were probed: the next run reports every issue."""
    world.audio = OnceBusyAudioService(world.objects)
    world.drop({**DOCUMENT, "outptu": {}, "clips": ["a.mp3", "gone.mp3"]})

    with pytest.raises(CloudBusy):
        world.submit()
    job = world.submit()

    assert job.decision
    assert ["CLIP_NOT_FOUND", "FIELD_UNKNOWN"] == [issue.code for issue in job.decision.issues]


class RefusingAudioService(MemoryAudioService):
    """An audio service that may not probe any object, as the adapter of OSS reports it."""

    def probe(self, refs: Sequence[ObjectRef]) -> Mapping[ObjectRef, Probe | ClipstitchError]:
        """Refuse every object."""
        return {ref: AccessDenied(f"probing {ref.uri}: AccessDenied (403)") for ref in refs}


def test_a_refused_probe_of_an_invalid_manifest_is_logged(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """The manifest is rejected for its own issues; the log has the missing right, once for all clips."""
    world.audio = RefusingAudioService(world.objects)
    world.drop({**DOCUMENT, "outptu": {}, "clips": ["a.mp3", "b.wav"]})
    with caplog.at_level("INFO", "clipstitch"):
        job = world.submit()
    (line,) = [line for line in log_lines(caplog) if line["level"] == "ERROR"]

    assert job.decision
    assert ["FIELD_UNKNOWN"] == [issue.code for issue in job.decision.issues]
    assert ("clip-not-probed", "ACCESS_DENIED", job.id) == (line["event"], line["code"], line["job"])
    assert "oss:GetObject and oss:ProcessImm on acme/*, imm:DetectMediaMeta on its IMM project" == line["grant"]
