"""Facts and documents of a job: their names and JSON round-trip, and a set of facts has one meaning."""

import json
from datetime import datetime, timedelta, timezone
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipstitch.common.errors import Issue
from clipstitch.common.identifiers import ManifestRef, ObjectRef, day_of, is_job_id
from clipstitch.jobs.job import (
    ACCEPTED,
    CLAIMED,
    CLOSED,
    DECISION,
    DELIVERED,
    FAILED,
    FAILED_TRANSIENTLY,
    PENDING,
    PLANNED,
    RESULT,
    RESULT_SINK,
    SUCCEEDED,
    WAITING,
    Decision,
    Fact,
    Failure,
    Job,
    PendingDelivery,
    Published,
    Result,
    waiting_fact,
)
from clipstitch.usecases.job_store import step_of_target

PROFILE = settings(database=None, deadline=None, max_examples=300)
JOB = "20260102T030405Z-0123456789ab"
MANIFEST = ManifestRef(ObjectRef("acme", "manifests/a.json"), "E7A6")
NOON = datetime(2026, 1, 2, 12, tzinfo=timezone.utc)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
SECONDS = st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1), timezones=st.just(timezone.utc)).map(  # noqa: DTZ001
    lambda moment: moment.replace(microsecond=0)
)
PENDING_DELIVERIES = st.builds(PendingDelivery, NAMES, st.integers(1, 20), SECONDS)
FACTS = (
    st.builds(
        Fact,
        st.sampled_from([CLAIMED, ACCEPTED, SUCCEEDED, FAILED, FAILED_TRANSIENTLY]),
        st.integers(0, 5000),
        NAMES,
    )
    | st.builds(Fact, st.sampled_from([PLANNED, DECISION, RESULT, DELIVERED, CLOSED]), st.none(), NAMES)
    | PENDING_DELIVERIES.map(lambda delivery: delivery.fact)
    | SECONDS.map(waiting_fact)
)


def job(*facts: Fact, at: datetime = NOON) -> Job:
    """Return a job with facts that were all recorded at one time."""
    return Job(JOB, dict.fromkeys(facts, at))


@given(FACTS)
@PROFILE
def test_a_fact_is_parsed_from_its_name(fact: Fact) -> None:
    """With any task id and any sink, dots and slashes included."""
    assert fact == Fact.parse(fact.name)


@given(FACTS)
@PROFILE
def test_the_name_of_a_fact_is_one_segment_of_a_key(fact: Fact) -> None:
    """Printable ASCII without a slash."""
    assert "/" not in fact.name
    assert fact.name.isascii()
    assert fact.name.isprintable()


@pytest.mark.parametrize(
    ("fact", "name"),
    [
        (Fact("planned"), "planned.json"),
        (Fact("accepted", 0, "MediaConvert-1"), "step-000.accepted.MediaConvert-1.json"),
        (Fact("failed", 12, "a.b/c"), "step-012.failed.a%2Eb%2Fc.json"),
        (Fact("claimed", 3), "step-003.claimed.json"),
        (Fact("delivered", detail="events"), "delivered.events.json"),
        (PendingDelivery("partner", 2, NOON).fact, "pending.partner~2~20260102T120000Z.json"),
        (waiting_fact(NOON), "waiting.20260102T120000Z.json"),
        (Fact("closed", detail="succeeded"), "closed.succeeded.json"),
    ],
)
def test_facts_have_readable_names(fact: Fact, name: str) -> None:
    """Operators read them in a bucket listing."""
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
        "pending.partner~1.json",
        "pending.partner~x~20260102T120000Z.json",
        "pending.partner~1~noon.json",
        "pending.json",
        "waiting.json",
        "waiting.soon.json",
    ],
)
def test_other_names_are_not_facts(name: str) -> None:
    """Other objects below the prefix of a job are ignored."""
    assert Fact.parse(name) is None


@given(st.text(max_size=40) | st.lists(st.sampled_from(["step-", "0", "²", ".", "accepted", "json", "%"])).map("".join))
@PROFILE
def test_parsing_any_name_returns_a_fact_or_none(name: str) -> None:
    """A listing never raises."""
    fact = Fact.parse(name)

    assert fact is None or isinstance(fact, Fact)


@given(
    st.sampled_from([PENDING, WAITING]), NAMES | st.lists(st.sampled_from(["~", "1", "20260102T120000Z"])).map("".join)
)
@PROFILE
def test_a_fact_with_a_malformed_detail_is_ignored(kind: str, detail: str) -> None:
    """What parses has a due time, so that `decide` can rely on it."""
    fact = Fact.parse(Fact(kind, detail=detail).name)
    if fact is None:
        return

    assert job(fact).pending or job(fact).waiting_until


@given(PENDING_DELIVERIES)
@PROFILE
def test_a_pending_delivery_is_parsed_from_its_fact(delivery: PendingDelivery) -> None:
    """With any name of a sink, tildes included."""
    assert delivery == PendingDelivery.parse(delivery.fact)
    assert {delivery.sink: delivery} == job(delivery.fact).pending


def test_times_in_names_are_rounded_up_to_the_second() -> None:
    """Nothing is due too early."""
    late = NOON + timedelta(microseconds=1)

    assert NOON + timedelta(seconds=1) == PendingDelivery.parse(PendingDelivery("a", 1, late).fact).due
    assert NOON + timedelta(seconds=1) == job(waiting_fact(late)).waiting_until
    assert job(waiting_fact(NOON)).waiting_until == NOON


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
def test_the_key_of_a_step_target_names_job_and_step(key: str, place: tuple[str, int] | None) -> None:
    """No other key does."""
    assert place == step_of_target(key, "_clipstitch/")


@given(st.text(max_size=60))
@PROFILE
def test_parsing_any_key_returns_a_step_or_none(tail: str) -> None:
    """Keys come from notifications, which may contain anything."""
    place = step_of_target(f"_clipstitch/work/{JOB}/{tail}", "_clipstitch/")

    assert place is None or (JOB, place[1]) == place


def test_a_job_id_is_a_time_and_twelve_digits() -> None:
    """In ASCII and lower case; the job store groups jobs by the day in it."""
    assert is_job_id(JOB)
    assert not is_job_id(JOB + "0")
    assert not is_job_id("20260102T030405Z-0123456789AB")
    assert not is_job_id("٢٠٢٦٠١٠٢T030405Z-0123456789ab")
    assert "2026-01-02" == day_of(JOB)


ISSUES = st.lists(st.builds(Issue, NAMES, NAMES, NAMES, NAMES)).map(tuple)
FAILURES = st.none() | st.builds(Failure, NAMES, NAMES, NAMES)
KINDS: st.SearchStrategy[Literal["publish", "fail", "reject"]] = st.sampled_from(["publish", "fail", "reject"])
STRINGS = st.lists(NAMES, max_size=3).map(tuple)


@given(st.builds(Decision, KINDS, st.just(MANIFEST), NAMES, STRINGS, FAILURES, ISSUES, STRINGS, st.booleans()))
@PROFILE
def test_a_decision_round_trips_through_json(decision: Decision) -> None:
    """As a string, which is what the job store keeps."""
    assert decision == Decision.from_json(json.loads(json.dumps(decision.as_json())))


@given(st.builds(Result, NAMES, st.none() | st.builds(Published, NAMES, st.integers(), st.integers()), FAILURES))
@PROFILE
def test_a_result_round_trips_through_json(result: Result) -> None:
    """As a string, which is what the job store keeps."""
    assert result == Result.from_json(json.loads(json.dumps(result.as_json())))


def test_a_late_acceptance_does_not_change_a_finished_job() -> None:
    """A completion notification may arrive before the accepted fact is recorded."""
    finished = job(Fact(DECISION))._replace(decision=Decision("fail", MANIFEST, "now", ()))

    assert "failed" == finished.state
    assert "failed" == finished.with_fact(Fact(ACCEPTED, 0, "t"), NOON).state


@pytest.mark.parametrize(
    ("kind", "result", "state", "final"),
    [
        ("publish", None, "publishing", False),
        ("publish", Result("now", output=Published("E", 1, 1)), "succeeded", True),
        ("publish", Result("now", error=Failure("OUTPUT_EXISTS", "")), "failed", True),
        ("fail", None, "failed", True),
        ("reject", None, "rejected", True),
    ],
)
def test_the_decision_and_its_result_determine_the_final_state(
    kind: Literal["publish", "fail", "reject"], result: Result | None, state: str, final: bool
) -> None:
    """Succeeded, failed or rejected; a job that is being published has none yet."""
    decided = job(Fact(DECISION))._replace(decision=Decision(kind, MANIFEST, "now", ()), result=result)

    assert state == decided.state
    assert final == decided.final


def test_before_the_decision_the_facts_determine_the_state() -> None:
    """Received, perhaps waiting for clips, then running."""
    assert "received" == Job(JOB).state
    assert "waiting" == job(waiting_fact(NOON)).state
    assert "running" == job(Fact(ACCEPTED, 0, "t")).state
    assert not Job(JOB).final


def test_the_names_of_the_facts_tell_how_far_a_job_is() -> None:
    """A list of jobs reads no document: until a job is closed, the list says only that it is decided."""
    steps = [
        (waiting_fact(NOON), "waiting"),
        (Fact(PLANNED), "planned"),
        (Fact(ACCEPTED, 0, "t"), "running"),
        (Fact(SUCCEEDED, 0, "t"), "running"),
        (Fact(DECISION), "decided"),
        (Fact(RESULT), "delivering"),
        (Fact(DELIVERED, detail="events"), "delivering"),
        (Fact(CLOSED, detail="rejected"), "rejected"),
    ]
    seen = [job(*(fact for fact, _ in steps[: count + 1])).state for count in range(len(steps))]

    assert [state for _, state in steps] == seen
    assert "delivering" == job(Fact(DECISION), Fact(PENDING, detail="a~1~20260102T120000Z")).state


def test_a_job_finds_facts_by_kind_step_and_detail() -> None:
    """The questions that `decide` asks."""
    found = job(Fact(ACCEPTED, 0, "t-1"), Fact(ACCEPTED, 1, "t-2"), Fact(DELIVERED, detail="events"))

    assert found.has(ACCEPTED)
    assert found.has(ACCEPTED, 1)
    assert not found.has(ACCEPTED, 2)
    assert {"t-1", "t-2"} == found.details(ACCEPTED)
    assert {"events"} == found.details(DELIVERED)
    assert {0, 1} == found.steps(ACCEPTED)
    assert not found.closed
    assert found.with_fact(Fact(CLOSED), NOON).closed


def test_a_task_that_failed_transiently_is_not_running() -> None:
    """Another task of the step may be."""
    found = job(Fact(ACCEPTED, 0, "t-1"), Fact(FAILED_TRANSIENTLY, 0, "t-1"), Fact(ACCEPTED, 0, "t-2"))

    assert {"t-2"} == found.running(0)
    assert not found.running(1)


def test_a_fact_keeps_the_time_at_which_it_was_recorded() -> None:
    """Each fact has its own; recording it again replaces it."""
    first = Job(JOB).with_fact(Fact(PLANNED), NOON)
    later = first.with_fact(Fact(ACCEPTED, 0, "t"), NOON + timedelta(seconds=5))

    assert {Fact(PLANNED): NOON, Fact(ACCEPTED, 0, "t"): NOON + timedelta(seconds=5)} == later.facts
    assert {} == Job(JOB).facts


def test_only_the_last_attempt_of_a_delivery_is_pending() -> None:
    """By its number, in whatever order the facts are listed; of two with one number the later due time counts."""
    attempts = [PendingDelivery("a", number, NOON - timedelta(seconds=number)) for number in (1, 2, 10)]
    tied = [PendingDelivery("b", 1, NOON), PendingDelivery("b", 1, NOON + timedelta(seconds=5))]
    facts = [delivery.fact for delivery in (*attempts, *tied)]

    assert {"a": attempts[-1], "b": tied[-1]} == job(*facts).pending == job(*facts[::-1]).pending


def test_the_sinks_of_the_decision_and_the_result_object_receive_the_event() -> None:
    """Those that have received it are left out; without a decision there are none."""
    decided = job(Fact(DELIVERED, detail="b"))._replace(decision=Decision("fail", MANIFEST, "now", ("a", "b", "c")))

    assert ["a", "c", RESULT_SINK] == decided.undelivered
    assert [] == job().undelivered
