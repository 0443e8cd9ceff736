"""What must happen next: total, the same in any order, and always at an end after finitely many actions."""

from datetime import datetime, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipstitch.common.identifiers import ManifestRef, ObjectRef
from clipstitch.common.ports import ObjectInfo
from clipstitch.jobs.decide import JOB_META, MANIFEST_META, Action, decide, manifest_label, output_conflict
from clipstitch.jobs.job import (
    ACCEPTED,
    CLOSED,
    DECISION,
    DELIVERED,
    FAILED,
    PLANNED,
    RESULT,
    RESULT_SINK,
    SUCCEEDED,
    Decision,
    Fact,
    Failure,
    Job,
    Published,
    Result,
)
from clipstitch.planning.plan import Plan, PlannedOutput, Step

QUIET = settings(database=None, deadline=None, max_examples=300)
JOB = "20260102T030405Z-0123456789ab"
OLDER, NEWER = "20260101T000000Z-ffffffffffff", "20260103T000000Z-000000000000"
MANIFEST = ManifestRef(ObjectRef("acme", "manifests/a b.json"), "E7A6")
OUT = ObjectRef("acme", "out/a.mp3")
SINKS = ("events", "queue")


def step(number: int) -> Step:
    """Return a step of its own."""
    return Step(number, ObjectRef("acme", "a"), "audio/concat,f_mp3", ObjectRef("acme", f"work/{number}"))


def plan(steps: int = 1, *, overwrite: bool = False) -> Plan:
    """Return a plan of that many steps."""
    target = PlannedOutput(OUT, "mp3", 44100, 2, overwrite)
    return Plan(JOB, MANIFEST, target, 1.0, (), tuple(map(step, range(steps))), SINKS)


def judged(kind: str) -> Decision:
    """Return a verdict."""
    return Decision(kind, MANIFEST, "now", SINKS)  # type: ignore[arg-type]


STEP_FACTS = st.builds(Fact, st.sampled_from([ACCEPTED, SUCCEEDED, FAILED]), st.integers(0, 2), st.sampled_from("abc"))
TOLD_FACTS = st.sampled_from([*SINKS, RESULT_SINK, "gone"]).map(lambda sink: Fact(DELIVERED, detail=sink))
FACTS = st.lists(STEP_FACTS | TOLD_FACTS, max_size=12)
VERDICTS = st.none() | st.sampled_from(["publish", "fail", "reject"]).map(judged)
RESULTS = st.sampled_from([Result("now", Published("E", 1, 1)), Result("now", error=Failure("OUTPUT_EXISTS", "x"))])


@st.composite
def jobs(draw: st.DrawFn) -> Job:
    """Any set of facts with any of the three documents."""
    made, decision = draw(st.none() | st.integers(1, 3).map(plan)), draw(VERDICTS)
    result = draw(st.none() | RESULTS) if decision and decision.kind == "publish" else None
    facts = {*draw(FACTS), *draw(st.sampled_from([(), (), (Fact(CLOSED),)]))}
    for kind, document in ((PLANNED, made), (DECISION, decision), (RESULT, result)):
        facts |= {Fact(kind)} if document else set()
    return Job(JOB, frozenset(facts), made, decision, result)


def perform(action: Action, job: Job, outcome: str = SUCCEEDED) -> Job:
    """Do as `advance` would, in a world where every task ends with that outcome at once."""
    if action.do == "start":
        return job.with_facts(Fact(ACCEPTED, action.step.number, "t"), Fact(outcome, action.step.number, "t"))
    if action.do == "judge":
        return job.with_facts(Fact(DECISION))._replace(decision=judged("fail" if action.step else "publish"))
    if action.do == "publish":
        return job.with_facts(Fact(RESULT))._replace(result=Result("now", Published("E", 1, 1)))
    return job.with_facts(Fact(DELIVERED, detail=action.sink) if action.do == "tell" else Fact(CLOSED))


@given(jobs())
@QUIET
def test_any_set_of_facts_has_an_answer(job: Job):
    """Never an error, and the same answer whenever it is asked."""
    assert decide(job) == decide(job)


@given(jobs(), st.sampled_from([SUCCEEDED, FAILED]))
@QUIET
def test_doing_what_is_asked_always_comes_to_an_end(job: Job, outcome: str):
    """Every action adds the fact that stops it: after finitely many the job is closed, or waits for the cloud."""
    job = job.with_facts(*(Fact(outcome, fact.step, "t") for fact in job.facts if fact.kind == ACCEPTED))
    for _ in range(20):
        if not (actions := decide(job)):
            break
        job = perform(actions[0], job, outcome)

    assert () == decide(job)
    assert job.closed or not (job.plan or job.decision)


@given(jobs(), FACTS, st.randoms(use_true_random=False))
@QUIET
def test_neither_the_order_of_facts_nor_their_repetition_matters(job: Job, more: list[Fact], random):
    """A job is a set."""
    shuffled = [*more, *more]
    random.shuffle(shuffled)
    one_by_one = job
    for fact in shuffled:
        one_by_one = one_by_one.with_facts(fact)

    assert job.with_facts(*more) == one_by_one
    assert decide(job.with_facts(*more)) == decide(one_by_one)


@given(jobs(), STEP_FACTS)
@QUIET
def test_once_there_is_a_verdict_no_outcome_of_a_task_changes_anything(job: Job, fact: Fact):
    """Of two runs that know different things, one decided."""
    if job.decision is None:
        return

    assert decide(job) == decide(job.with_facts(fact))


@given(FACTS)
@QUIET
def test_success_of_the_last_step_outranks_every_failure(facts: list[Fact]):
    """After a crash one step may own two tasks, of which one failed."""
    job = Job(JOB, frozenset({*facts, Fact(SUCCEEDED, 0, "t")}), plan())

    assert (Action("judge"),) == decide(job)


def test_without_a_plan_there_is_nothing_to_do():
    """Nobody has looked at the manifest yet."""
    assert () == decide(Job(JOB))


def test_a_planned_job_starts_all_its_steps():
    """Siblings start together."""
    job = Job(JOB, frozenset({Fact(PLANNED)}), plan(2))

    assert (Action("start", step(0)), Action("start", step(1))) == decide(job)


def test_an_accepted_step_is_waited_for():
    """The cloud works in its own time."""
    assert () == decide(Job(JOB, frozenset({Fact(ACCEPTED, 0, "t")}), plan()))


def test_a_failed_step_fails_the_job():
    """And the judge is told which one."""
    assert (Action("judge", step(0)),) == decide(Job(JOB, frozenset({Fact(FAILED, 0, "t")}), plan()))


def test_a_verdict_to_publish_is_carried_out_first():
    """Nobody is told before the output is there."""
    assert (Action("publish"),) == decide(Job(JOB, plan=plan(), decision=judged("publish")))


def test_whoever_has_not_been_told_is_told_then_the_job_is_closed():
    """The result object hears of everything."""
    job = Job(JOB, frozenset({Fact(DELIVERED, detail="events")}), decision=judged("reject"))

    assert (Action("tell", sink="queue"), Action("tell", sink=RESULT_SINK), Action("close")) == decide(job)


def test_a_closed_job_asks_for_nothing():
    """Whatever else is known."""
    assert () == decide(Job(JOB, frozenset({Fact(CLOSED)}), plan(), judged("publish")))


def there(owner: str = "", manifest: str = "") -> ObjectInfo:
    """Return an object that says whose it is."""
    meta = {JOB_META: owner, MANIFEST_META: manifest} if owner else {}
    return ObjectInfo("E", 1, datetime(2026, 1, 1, tzinfo=timezone.utc), meta)


OURS = manifest_label(plan())


@pytest.mark.parametrize(
    ("stands", "overwrite", "kind", "code"),
    [
        (None, False, "free", ""),
        (None, True, "free", ""),
        (there(JOB, OURS), False, "ours", ""),
        (there(JOB, OURS), True, "ours", ""),
        (there(OLDER, OURS), False, "replaceable", ""),
        (there(OLDER, OURS), True, "replaceable", ""),
        (there(NEWER, OURS), False, "refused", "SUPERSEDED"),
        (there(NEWER, OURS), True, "refused", "SUPERSEDED"),
        (there(OLDER, "oss://acme/other"), False, "refused", "OUTPUT_EXISTS"),
        (there(OLDER, "oss://acme/other"), True, "replaceable", ""),
        (there(NEWER, "oss://acme/other"), False, "refused", "OUTPUT_EXISTS"),
        (there(NEWER, "oss://acme/other"), True, "refused", "SUPERSEDED"),
        (there(), False, "refused", "OUTPUT_EXISTS"),
        (there(), True, "replaceable", ""),
    ],
)
def test_what_stands_at_the_outputs_name_decides_about_publishing(
    stands: ObjectInfo | None, overwrite: bool, kind: str, code: str
):
    """Another manifest's object is left alone unless told otherwise, a newer job's always."""
    answer = output_conflict(plan(overwrite=overwrite), OUT, stands)

    assert (kind, code) == (answer.kind, answer.code)
    assert ("refused" == kind) == bool(answer.message and answer.remedy)


def test_a_manifests_name_fits_into_a_header():
    """Metadata is ASCII without blanks."""
    assert "oss://acme/manifests/a%20b.json" == OURS
