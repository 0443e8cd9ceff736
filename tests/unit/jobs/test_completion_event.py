"""The completion event: its shape, that it never changes, and that it fits into a message."""

import base64
import json
import re
from datetime import datetime, timezone
from typing import Any
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipstitch.common.errors import Issue
from clipstitch.common.identifiers import ManifestRef, ObjectRef
from clipstitch.jobs.completion_event import MAX_MESSAGE_BYTES, encode, event_id, fit_to_message, make_event
from clipstitch.jobs.job import Decision, Fact, Failure, Job, Published, Result
from clipstitch.planning.plan import JobWarning, PlacedClip, Plan, PlannedOutput, Step

PROFILE = settings(database=None, deadline=None, max_examples=100)
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
    warnings=(JobWarning("CHANNELS_CHANGED", "The reference clip has 6 channels; the output has 2."),),
)
PUBLISHED = Result("2026-01-02T03:04:09.000Z", Published("0A1B", 4242, 2501))
DECIDED = "2026-01-02T03:04:08.000Z"


def succeeded(plan: Plan = PLAN) -> Job:
    """Return a job that succeeded."""
    return Job(
        JOB, plan=plan, decision=Decision("publish", MANIFEST, DECIDED, (), tasks=("t-1", "t-2")), result=PUBLISHED
    )


def rejected(*issues: Issue) -> Job:
    """Return a job whose manifest has these issues."""
    return Job(JOB, decision=Decision("reject", MANIFEST, DECIDED, (), issues=issues, planned=False))


def failed(error: Failure, plan: Plan | None = PLAN) -> Job:
    """Return a job that failed, with or without a plan."""
    decision = Decision("fail", MANIFEST, DECIDED, (), error=error, tasks=("t-1",), planned=plan is not None)
    return Job(JOB, plan=plan, decision=decision)


def test_the_event_of_a_success_is_complete() -> None:
    """A CloudEvent 1.0, written out by hand."""
    assert {
        "specversion": "1.0",
        "id": f"{JOB}.succeeded",
        "source": "oss://acme/manifests/%C3%A9pisode%201.json",
        "type": "clipstitch.job.succeeded",
        "subject": "oss://acme-out/out/a%20b.mp3",
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
            "warnings": [
                {"code": "CHANNELS_CHANGED", "message": "The reference clip has 6 channels; the output has 2."}
            ],
        },
    } == make_event(succeeded())


def test_the_event_of_a_rejection_has_all_issues() -> None:
    """Its subject is the manifest, since there is no output."""
    event = make_event(rejected(Issue("/a", "CODE", "is wrong", "fix it"), Issue("/b", "CODE", "too", "as well")))

    assert (f"{JOB}.rejected", "clipstitch.job.rejected") == (event["id"], event["type"])
    assert "oss://acme/manifests/%C3%A9pisode%201.json" == event["subject"] == event["source"]
    assert DECIDED == event["time"]
    assert [
        {"code": "CODE", "path": "/a", "message": "is wrong", "remedy": "fix it"},
        {"code": "CODE", "path": "/b", "message": "too", "remedy": "as well"},
    ] == event["data"]["issues"]
    assert {"output", "clips", "error"}.isdisjoint(event["data"])


def test_the_event_of_a_failure_has_the_error_and_the_plan() -> None:
    """Code, message and remedy, beside the planned output."""
    event = make_event(failed(Failure("InvalidArgument", "File does not exist.", "Upload it.")))

    error = {"code": "InvalidArgument", "message": "File does not exist.", "remedy": "Upload it."}
    assert error == event["data"]["error"]
    assert "oss://acme-out/out/a%20b.mp3" == event["subject"]
    assert "etag" not in event["data"]["output"]


def test_an_output_that_could_not_be_published_is_a_failure() -> None:
    """The error is that of the result, not that of the decision."""
    result = Result("2026-01-02T03:04:09.000Z", error=Failure("OUTPUT_EXISTS", "x exists", "Choose another."))
    event = make_event(succeeded()._replace(result=result))

    assert "clipstitch.job.failed" == event["type"]
    assert "OUTPUT_EXISTS" == event["data"]["error"]["code"]


@pytest.mark.parametrize(
    "job", [Job(JOB), Job(JOB, plan=PLAN), succeeded()._replace(result=None)], ids=["received", "planned", "publishing"]
)
def test_an_unfinished_job_has_no_event(job: Job) -> None:
    """Its final state is not recorded."""
    with pytest.raises(AssertionError, match=r"has no decision|only a finished job has an event"):
        make_event(job)


def with_late_facts(job: Job) -> Job:
    """Return the job with facts that were recorded after its decision."""
    late = (Fact("accepted", 0, "t-9"), Fact("failed", 0, "t-9"), Fact("delivered", detail="events"))
    return job._replace(facts=dict.fromkeys(late, datetime(2026, 1, 3, tzinfo=timezone.utc)))


def test_late_facts_and_plans_do_not_change_the_event() -> None:
    """Another run may record facts, and a plan beside a decision that was taken without one."""
    done, refused = succeeded(), rejected(Issue("/a", "CODE", "is wrong", "fix it"))
    early = failed(Failure("BUCKET_NOT_BOUND", "no project"), plan=None)

    assert encode(make_event(done)) == encode(make_event(with_late_facts(done)))
    assert encode(make_event(refused)) == encode(make_event(with_late_facts(refused)._replace(plan=PLAN)))
    assert encode(make_event(early)) == encode(make_event(early._replace(plan=PLAN)))


def test_the_id_is_the_job_and_its_state() -> None:
    """Recipients drop duplicates by it."""
    assert f"{JOB}.succeeded" == event_id(succeeded())


def test_an_event_is_encoded_compactly() -> None:
    """Without spaces, and without escapes for letters of any language."""
    text = encode(make_event(succeeded()))

    assert "épisode" in text
    assert '": ' not in text
    assert make_event(succeeded()) == json.loads(text)


def test_a_small_event_is_sent_whole() -> None:
    """Nothing is moved to the result object."""
    event = make_event(succeeded())

    assert event == fit_to_message(event, RESULT_OBJECT)


def size(event: dict[str, Any]) -> int:
    """Return the size of an encoded event in bytes."""
    return len(encode(event).encode())


def test_a_long_list_moves_to_the_result_object() -> None:
    """The event keeps its length and, as `more_at`, the object; the id and all other fields stay."""
    clips = tuple(PlacedClip("é" * 511 + str(i), 0, 0, float(i), 1.0) for i in range(100))
    event = make_event(succeeded(PLAN._replace(clips=clips)))
    small = fit_to_message(event, RESULT_OBJECT)

    assert size(small) <= MAX_MESSAGE_BYTES < size(event)
    assert (100, RESULT_OBJECT.uri) == (small["data"]["clips_count"], small["data"]["more_at"])
    assert "clips" not in small["data"]
    assert event["id"] == small["id"]
    assert {"show": "night-train"} == small["data"]["labels"]


def test_many_issues_move_to_the_result_object() -> None:
    """A manifest of 256 KB can have thousands of issues."""
    event = make_event(
        rejected(
            *(Issue(f"/clips/{i}", "FIELD_TYPE", "is null, expected a string", "Give a string.") for i in range(5000))
        )
    )
    small = fit_to_message(event, RESULT_OBJECT)

    assert size(small) <= MAX_MESSAGE_BYTES < size(event)
    assert (5000, RESULT_OBJECT.uri) == (small["data"]["issues_count"], small["data"]["more_at"])


def test_the_most_and_longest_labels_of_a_manifest_fit() -> None:
    """Labels within the limits of a manifest never prevent a delivery."""
    labels = {chr(0x1F3A7 + i) * 256: "🎧" * 256 for i in range(32)}
    event = make_event(succeeded(PLAN._replace(labels=labels)))
    small = fit_to_message(event, RESULT_OBJECT)

    assert size(small) <= MAX_MESSAGE_BYTES < size(event)
    assert RESULT_OBJECT.uri == small["data"]["more_at"]


ODD = st.sampled_from(["x", "é", "🎧", "\x01", "\x7f", "\x85", "\ufffe", "\uffff", "]]>", "&", '"', "\\", "\r\n"])
LONG = ODD.flatmap(lambda c: st.integers(0, 250).map(lambda n: c * n))
KEY = ODD.map(lambda c: "k" + c * (1022 // len(c.encode())))  # as long as a key can be
WORDS = ODD.flatmap(lambda c: st.integers(0, 2000).map(lambda n: c * n))
TASKS = st.integers(0, 1000).map(lambda n: tuple(f"MediaConvert-{i:08x}-69e9-4fca-8d9b-17c40ea30000" for i in range(n)))


@given(st.lists(KEY, max_size=60), st.dictionaries(LONG, LONG, max_size=32), st.tuples(KEY, KEY), TASKS, WORDS)
@PROFILE
def test_every_event_fits_into_a_message_and_into_xml(
    clips: list[str], labels: dict[str, str], keys: tuple[str, str], tasks: tuple[str, ...], words: str
) -> None:
    """With any keys that objects can have, as many tasks as trees and retries make, and any words of the cloud.

    SMQ takes 64 KB after Base64. The XML is parsed by a parser that accepts no character that XML 1.0 lacks.
    """
    manifest, output = keys
    plan = PLAN._replace(
        output=PLAN.output._replace(ref=ObjectRef("acme-out", output), chapters=True),
        clips=tuple(PlacedClip(key, 0, 0, 0.0, 1.0) for key in clips),
        labels=labels,
        warnings=tuple(JobWarning("LENGTH_DIFFERS", clip) for clip in clips),
    )
    origin = ManifestRef(ObjectRef("acme", manifest), "E7A6")
    for job in (succeeded(plan), failed(Failure(words, words, "Read it."), plan)):
        assert job.decision
        event = make_event(job._replace(decision=job.decision._replace(manifest=origin, tasks=tasks)))

        text = encode(fit_to_message(event, ObjectRef("acme", manifest)))

        assert len(base64.b64encode(text.encode())) <= 64 << 10
        assert text == ET.fromstring(f"<MessageBody>{escape(text)}</MessageBody>").text
        assert fit_to_message(event, ObjectRef("acme", manifest)) == json.loads(text)


@given(KEY, KEY)
@PROFILE
def test_attributes_are_those_that_cloudevents_allow(manifest: str, output: str) -> None:
    """Source and subject are URIs of ASCII characters, from which the keys can be read again."""
    origin = ManifestRef(ObjectRef("acme", manifest), "E7A6")
    job = succeeded(PLAN._replace(output=PLAN.output._replace(ref=ObjectRef("acme-out", output))))
    assert job.decision

    event = make_event(job._replace(decision=job.decision._replace(manifest=origin)))

    for attribute, key in (("source", manifest), ("subject", output)):
        assert re.fullmatch(r"oss://[!-~]+", event[attribute])
        assert key == unquote(urlsplit(event[attribute]).path[1:])


def test_many_tasks_move_to_the_result_object() -> None:
    """2,000 trimmed clips, each cut by a task of its own and some of them retried, have thousands of tasks."""
    job = succeeded()
    assert job.decision
    tasks = tuple(f"MediaConvert-{number:036d}" for number in range(2000))
    small = fit_to_message(make_event(job._replace(decision=job.decision._replace(tasks=tasks))), RESULT_OBJECT)

    assert (2000, 2000, RESULT_OBJECT.uri) == tuple(
        small["data"][name] for name in ("tasks_count", "attempts", "more_at")
    )
    assert 2 == len(small["data"]["clips"]) if "clips" in small["data"] else small["data"]["clips_count"]
