"""Facts and the documents of a job: what is written down comes back, and a set of facts has one meaning."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipstitch.common.errors import Issue
from clipstitch.common.identifiers import ManifestRef, ObjectRef, day_of, is_job_id
from clipstitch.jobs.job import (
    ACCEPTED,
    CLOSED,
    DECISION,
    DELIVERED,
    FAILED,
    PLANNED,
    RESULT,
    SUCCEEDED,
    Decision,
    Fact,
    Failure,
    Job,
    Published,
    Result,
)
from clipstitch.usecases.job_store import job_of_step_target

QUIET = settings(database=None, deadline=None, max_examples=300)
JOB = "20260102T030405Z-0123456789ab"
MANIFEST = ManifestRef(ObjectRef("acme", "manifests/a.json"), "E7A6")
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
FACTS = st.builds(Fact, st.sampled_from([ACCEPTED, SUCCEEDED, FAILED]), st.integers(0, 5000), NAMES) | st.builds(
    Fact, st.sampled_from([PLANNED, DECISION, RESULT, DELIVERED, CLOSED]), st.none(), NAMES
)


@given(FACTS)
@QUIET
def test_a_fact_is_read_back_from_its_name(fact: Fact):
    """Any task id, any sink, dots and slashes included."""
    assert fact == Fact.parse(fact.name)


@given(FACTS)
@QUIET
def test_the_name_of_a_fact_is_one_part_of_a_key(fact: Fact):
    """No slash, no blank, nothing that needs quoting."""
    assert "/" not in fact.name
    assert fact.name.isascii()
    assert fact.name.isprintable()


@pytest.mark.parametrize(
    ("fact", "name"),
    [
        (Fact("planned"), "planned.json"),
        (Fact("accepted", 0, "MediaConvert-1"), "step-000.accepted.MediaConvert-1.json"),
        (Fact("failed", 12, "a.b/c"), "step-012.failed.a%2Eb%2Fc.json"),
        (Fact("delivered", detail="events"), "delivered.events.json"),
    ],
)
def test_facts_are_named_as_the_design_has_it(fact: Fact, name: str):
    """People read these names in a bucket listing."""
    assert name == fact.name


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".json",
        "planned",
        "Planned.json",
        "notes.txt",
        "step-000.json",
        "step-000.planned.json",
        "accepted.t.json",
        "step-x.accepted.t.json",
        "step-².accepted.t.json",
        "step-000.accepted.a.b.json",
        "step-000.accepted.t",
        "step-.accepted.t.json",
        "step-" + "9" * 5000 + ".accepted.t.json",
        "planned.json.bak",
    ],
)
def test_other_names_are_no_facts(name: str):
    """Whatever else lies in the job's folder is passed over."""
    assert Fact.parse(name) is None


@given(st.text(max_size=40) | st.lists(st.sampled_from(["step-", "0", "²", ".", "accepted", "json", "%"])).map("".join))
@QUIET
def test_any_name_is_a_fact_or_none(name: str):
    """Reading a listing never fails."""
    fact = Fact.parse(name)

    assert fact is None or isinstance(fact, Fact)


@pytest.mark.parametrize(
    ("key", "place"),
    [
        (f"_clipstitch/work/{JOB}/step-000.mp3", (JOB, 0)),
        (f"_clipstitch/work/{JOB}/step-012.flac", (JOB, 12)),
        (f"_clipstitch/work/{JOB}/step-².mp3", None),
        (f"_clipstitch/work/{JOB}/step-{'9' * 5000}.mp3", None),
        (f"_clipstitch/work/{JOB}/step-.mp3", None),
        (f"_clipstitch/work/{JOB}/000.mp3", None),
        (f"_clipstitch/work/{JOB}", None),
        (f"_clipstitch/jobs/{JOB}/step-000.mp3", None),
        ("_clipstitch/work/yesterday/step-000.mp3", None),
        (f"{JOB}/step-000.mp3", None),
        ("episodes/a.mp3", None),
        ("", None),
    ],
)
def test_the_key_of_a_step_names_job_and_step(key: str, place: tuple[str, int] | None):
    """And no other key does."""
    assert place == job_of_step_target(key, "_clipstitch/")


@given(st.text(max_size=60))
@QUIET
def test_any_key_names_a_step_or_none(tail: str):
    """A notice is written by others."""
    place = job_of_step_target(f"_clipstitch/work/{JOB}/{tail}", "_clipstitch/")

    assert place is None or (JOB, place[1]) == place


def test_a_job_id_has_one_shape():
    """A time and twelve digits; the ledger groups by the day in it."""
    assert is_job_id(JOB)
    assert not is_job_id(JOB + "0")
    assert not is_job_id("20260102T030405Z-0123456789AB")
    assert not is_job_id("٢٠٢٦٠١٠٢T030405Z-0123456789ab")
    assert "2026-01-02" == day_of(JOB)


ISSUES = st.lists(st.builds(Issue, NAMES, NAMES, NAMES, NAMES)).map(tuple)
FAILURES = st.none() | st.builds(Failure, NAMES, NAMES, NAMES)
KINDS = st.sampled_from(["publish", "fail", "reject"])
TEXTS = st.lists(NAMES, max_size=3).map(tuple)


@given(st.builds(Decision, KINDS, st.just(MANIFEST), NAMES, TEXTS, FAILURES, ISSUES, TEXTS))
@QUIET
def test_a_verdict_comes_back_from_json_as_it_went(decision: Decision):
    """Through text, as the ledger keeps it."""
    assert decision == Decision.from_json(json.loads(json.dumps(decision.as_json())))


@given(st.builds(Result, NAMES, st.none() | st.builds(Published, NAMES, st.integers(), st.integers()), FAILURES))
@QUIET
def test_a_result_comes_back_from_json_as_it_went(result: Result):
    """Through text, as the ledger keeps it."""
    assert result == Result.from_json(json.loads(json.dumps(result.as_json())))


def test_a_late_acceptance_does_not_change_a_finished_job():
    """The notice may overtake our own note that the task was accepted."""
    decision = Decision("fail", MANIFEST, "now", ())
    job = Job(JOB, frozenset({Fact(DECISION)}), decision=decision)

    assert "failed" == job.state
    assert "failed" == job.with_facts(Fact(ACCEPTED, 0, "t")).state


@pytest.mark.parametrize(
    ("kind", "result", "state"),
    [
        ("publish", None, "publishing"),
        ("publish", Result("now", output=Published("E", 1, 1)), "succeeded"),
        ("publish", Result("now", error=Failure("OUTPUT_EXISTS", "")), "failed"),
        ("fail", None, "failed"),
        ("reject", None, "rejected"),
    ],
)
def test_the_verdict_and_its_result_make_the_final_state(kind: str, result: Result | None, state: str):
    """Succeeded, failed or rejected; and publishing on the way."""
    job = Job(JOB, frozenset({Fact(DECISION)}), decision=Decision(kind, MANIFEST, "now", ()), result=result)  # type: ignore[arg-type]

    assert state == job.state


def test_before_the_verdict_the_facts_say_how_far_it_got():
    """Received, then running."""
    assert "received" == Job(JOB).state
    assert "running" == Job(JOB, frozenset({Fact(ACCEPTED, 0, "t")})).state


def test_a_job_knows_facts_by_kind_step_and_detail():
    """What `decide` asks for."""
    job = Job(JOB).with_facts(Fact(ACCEPTED, 0, "t-1"), Fact(ACCEPTED, 1, "t-2"), Fact(DELIVERED, detail="events"))

    assert job.has(ACCEPTED)
    assert job.has(ACCEPTED, 1)
    assert not job.has(ACCEPTED, 2)
    assert {"t-1", "t-2"} == job.details(ACCEPTED)
    assert {"events"} == job.details(DELIVERED)
    assert not job.closed
    assert job.with_facts(Fact(CLOSED)).closed
