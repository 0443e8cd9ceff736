"""The completion event: its shape, that it never changes, and that it fits into a message."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipstitch.common.errors import ClipstitchError, Issue
from clipstitch.common.identifiers import ManifestRef, ObjectRef
from clipstitch.jobs.completion_event import MAX_MESSAGE_BYTES, encode, event_id, fit_to_message, make_event
from clipstitch.jobs.job import Decision, Fact, Failure, Job, Published, Result
from clipstitch.planning.plan import PlacedClip, Plan, PlannedOutput, Step

QUIET = settings(database=None, deadline=None, max_examples=100)
JOB = "20260102T030405Z-0123456789ab"
MANIFEST = ManifestRef(ObjectRef("acme", "manifests/épisode 1.json"), "E7A6")
RESULT_OBJECT = ObjectRef("acme", "results/manifests/épisode 1.json.json")
PLAN = Plan(
    job_id=JOB,
    manifest=MANIFEST,
    output=PlannedOutput(ObjectRef("acme-out", "out/a b.mp3"), "mp3", 44100, 2, overwrite=False),
    duration_s=2.5,
    clips=(PlacedClip("a.mp3", 0, 0, 0.0, 2.0), PlacedClip("b.wav", 1000, 500, 2.0, 0.5)),
    steps=(Step(0, ObjectRef("acme", "a.mp3"), "audio/concat,f_mp3", ObjectRef("acme", "work/x")),),
    sinks=("events",),
    labels={"show": "night-train"},
    warnings=("The align clip has 6 channels; mp3 takes 2, the nearest it can.",),
)
PUBLISHED = Result("2026-01-02T03:04:09.000Z", Published("0A1B", 4242, 2501))
DECIDED = "2026-01-02T03:04:08.000Z"


def succeeded(plan: Plan = PLAN) -> Job:
    """Return a job that went well."""
    return Job(
        JOB, plan=plan, decision=Decision("publish", MANIFEST, DECIDED, (), tasks=("t-1", "t-2")), result=PUBLISHED
    )


def rejected(*issues: Issue) -> Job:
    """Return a job whose manifest has these issues."""
    return Job(JOB, decision=Decision("reject", MANIFEST, DECIDED, (), issues=issues, planned=False))


def failed(error: Failure, plan: Plan | None = PLAN) -> Job:
    """Return a job that failed, planned or not."""
    decision = Decision("fail", MANIFEST, DECIDED, (), error=error, tasks=("t-1",), planned=plan is not None)
    return Job(JOB, plan=plan, decision=decision)


def test_a_success_tells_everything_that_a_recipient_could_want():
    """CloudEvents 1.0, written out by hand."""
    assert {
        "specversion": "1.0",
        "id": f"{JOB}.succeeded",
        "source": "oss://acme/manifests/%C3%A9pisode%201.json",
        "type": "clipstitch.job.succeeded",
        "subject": "oss://acme-out/out/a b.mp3",
        "time": "2026-01-02T03:04:09.000Z",
        "datacontenttype": "application/json",
        "data": {
            "job": JOB,
            "state": "succeeded",
            "manifest": {"uri": "oss://acme/manifests/épisode 1.json", "etag": "E7A6"},
            "tasks": ["t-1", "t-2"],
            "attempts": 2,
            "timings": {
                "uploaded": "2026-01-02T03:04:05.000Z",
                "decided": "2026-01-02T03:04:08.000Z",
                "finished": "2026-01-02T03:04:09.000Z",
            },
            "output": {
                "uri": "oss://acme-out/out/a b.mp3",
                "format": "mp3",
                "sample_rate": 44100,
                "channels": 2,
                "etag": "0A1B",
                "size": 4242,
                "duration_ms": 2501,
            },
            "expected_duration_ms": 2500,
            "clips": [{"key": "a.mp3", "starts_at_ms": 0}, {"key": "b.wav", "starts_at_ms": 2000}],
            "labels": {"show": "night-train"},
            "warnings": ["The align clip has 6 channels; mp3 takes 2, the nearest it can."],
        },
    } == make_event(succeeded())


def test_a_rejection_tells_all_issues_and_is_about_the_manifest():
    """There is no output to speak of."""
    event = make_event(rejected(Issue("/a", "CODE", "is wrong", "mend it"), Issue("/b", "CODE", "too", "as well")))

    assert (f"{JOB}.rejected", "clipstitch.job.rejected") == (event["id"], event["type"])
    assert MANIFEST.ref.uri == event["subject"]
    assert DECIDED == event["time"]
    assert [
        {"code": "CODE", "path": "/a", "message": "is wrong", "remedy": "mend it"},
        {"code": "CODE", "path": "/b", "message": "too", "remedy": "as well"},
    ] == event["data"]["issues"]
    assert {"output", "clips", "error"}.isdisjoint(event["data"])


def test_a_failure_tells_its_reason_beside_what_was_planned():
    """Code, message, remedy."""
    event = make_event(failed(Failure("InvalidArgument", "File does not exist.", "Upload it.")))

    reason = {"code": "InvalidArgument", "message": "File does not exist.", "remedy": "Upload it."}
    assert reason == event["data"]["error"]
    assert "oss://acme-out/out/a b.mp3" == event["subject"]
    assert "etag" not in event["data"]["output"]


def test_an_output_that_could_not_be_published_is_a_failure_too():
    """The reason stands in the result, not in the verdict."""
    result = Result("2026-01-02T03:04:09.000Z", error=Failure("OUTPUT_EXISTS", "x exists", "Choose another."))
    event = make_event(succeeded()._replace(result=result))

    assert "clipstitch.job.failed" == event["type"]
    assert "OUTPUT_EXISTS" == event["data"]["error"]["code"]


@pytest.mark.parametrize(
    "job", [Job(JOB), Job(JOB, plan=PLAN), succeeded()._replace(result=None)], ids=["received", "planned", "publishing"]
)
def test_an_unfinished_job_has_no_event(job: Job):
    """There is nothing final to tell."""
    with pytest.raises(ClipstitchError, match="only a finished job has an event"):
        make_event(job)


def test_what_is_learned_later_changes_no_byte():
    """Late facts, and a plan that another run froze beside a verdict that was taken without one."""
    done, refused = succeeded(), rejected(Issue("/a", "CODE", "is wrong", "mend it"))
    early = failed(Failure("BUCKET_NOT_BOUND", "no project"), plan=None)

    late = (Fact("accepted", 0, "t-9"), Fact("failed", 0, "t-9"), Fact("delivered", detail="events"))
    assert encode(make_event(done)) == encode(make_event(done.with_facts(*late)))
    assert encode(make_event(refused)) == encode(make_event(refused.with_facts(*late)._replace(plan=PLAN)))
    assert encode(make_event(early)) == encode(make_event(early._replace(plan=PLAN)))


def test_the_id_is_the_job_and_its_state():
    """So that recipients can drop repeats."""
    assert f"{JOB}.succeeded" == event_id(succeeded())


def test_an_event_travels_compact_and_readable():
    """No blanks, no escapes for letters of any language."""
    text = encode(make_event(succeeded()))

    assert "épisode" in text
    assert '": ' not in text
    assert make_event(succeeded()) == json.loads(text)


def test_a_small_event_is_told_whole():
    """Nothing is moved without need."""
    event = make_event(succeeded())

    assert event == fit_to_message(event, RESULT_OBJECT)


def size(event: dict) -> int:
    """Measure an event as it travels."""
    return len(encode(event).encode())


def test_long_lists_move_to_the_result_object_and_the_event_says_where():
    """Counted, and found at `more_at`; id and everything else stay."""
    clips = tuple(PlacedClip("é" * 511 + str(i), 0, 0, float(i), 1.0) for i in range(100))
    event = make_event(succeeded(PLAN._replace(clips=clips)))
    small = fit_to_message(event, RESULT_OBJECT)

    assert size(small) <= MAX_MESSAGE_BYTES < size(event)
    assert (100, RESULT_OBJECT.uri) == (small["data"]["clips_count"], small["data"]["more_at"])
    assert "clips" not in small["data"]
    assert event["id"] == small["id"]
    assert {"show": "night-train"} == small["data"]["labels"]


def test_many_issues_move_to_the_result_object():
    """A manifest of 256 KB can be wrong in thousands of places."""
    event = make_event(rejected(*(Issue(f"/clips/{i}", "FIELD_TYPE", "is nothing", "Give text.") for i in range(5000))))
    small = fit_to_message(event, RESULT_OBJECT)

    assert size(small) <= MAX_MESSAGE_BYTES < size(event)
    assert (5000, RESULT_OBJECT.uri) == (small["data"]["issues_count"], small["data"]["more_at"])


def test_as_many_and_as_long_labels_as_a_manifest_may_have_still_fit():
    """They are within the manifest's limits, so they must not keep the event from being told."""
    labels = {chr(0x1F3A7 + i) * 256: "🎧" * 256 for i in range(32)}
    event = make_event(succeeded(PLAN._replace(labels=labels)))
    small = fit_to_message(event, RESULT_OBJECT)

    assert size(small) <= MAX_MESSAGE_BYTES < size(event)
    assert RESULT_OBJECT.uri == small["data"]["more_at"]


LONG = st.sampled_from(["x", "é", "🎧", "\x01"]).flatmap(lambda c: st.integers(0, 250).map(lambda n: c * n))


@given(
    st.lists(LONG.map(lambda key: PlacedClip(key * 4, 0, 0, 0.0, 1.0)), max_size=11),
    st.dictionaries(LONG, LONG, max_size=32),
    st.integers(0, 2000),
)
@QUIET
def test_every_event_fits_into_a_message(clips: list[PlacedClip], labels: dict[str, str], reason: int):
    """Whatever a manifest may hold, and however long the cloud's reason is."""
    job = failed(Failure("X", "\x01" * reason), PLAN._replace(clips=tuple(clips), labels=labels))

    assert size(fit_to_message(make_event(job), RESULT_OBJECT)) <= MAX_MESSAGE_BYTES
