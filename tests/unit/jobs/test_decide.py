"""The next actions of a job: by its facts, the time, the policy, the cause and what the run has observed."""

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from random import Random
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipstitch.common.identifiers import ManifestRef, ObjectRef
from clipstitch.common.ports import ObjectInfo
from clipstitch.jobs.decide import (
    JOB_META,
    MANIFEST_META,
    Abandon,
    Action,
    Cause,
    Close,
    Deliver,
    Fail,
    LookUp,
    MakePlan,
    Observed,
    Policy,
    Publish,
    RecordDecision,
    Start,
    deadline_start,
    decide,
    deliveries_due,
    is_overdue,
    manifest_gone,
    manifest_label,
    output_conflict,
)
from clipstitch.jobs.delivery_policy import GIVE_UP_S
from clipstitch.jobs.job import (
    ACCEPTED,
    CLAIMED,
    CLOSED,
    DECISION,
    DELIVERED,
    FAILED,
    FAILED_TRANSIENTLY,
    PLANNED,
    RESULT,
    RESULT_SINK,
    SUCCEEDED,
    Decision,
    Fact,
    Failure,
    Job,
    PendingDelivery,
    Published,
    Result,
    waiting_fact,
)
from clipstitch.planning.plan import Plan, PlannedOutput, Step

PROFILE = settings(database=None, deadline=None, max_examples=300)
JOB = "20260102T030405Z-0123456789ab"
UPLOADED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
OLDER, NEWER = "20260101T000000Z-ffffffffffff", "20260103T000000Z-000000000000"
MANIFEST = ManifestRef(ObjectRef("acme", "manifests/a b.json"), "E7A6")
OUTPUT = ObjectRef("acme", "out/a.mp3")
SINKS = ("events", "queue")
POLICY = Policy(grace_period_s=120, deadline_s=3600)
GRACE_PERIOD, DEADLINE = timedelta(seconds=120), timedelta(seconds=3600)
SECOND = timedelta(seconds=1)
AFTER_GRACE = UPLOADED + GRACE_PERIOD
BUSY = Failure("CLOUD_BUSY", "the cloud is busy", "Nothing to do.")


def step(number: int, *needs: int) -> Step:
    """Return a step that needs other steps."""
    target = ObjectRef("acme", f"work/{number}")
    return Step(number, ObjectRef("acme", "a"), "audio/concat,f_mp3", target, needs)


LEAF_0, LEAF_1, ROOT = step(0), step(1), step(2, 0, 1)
TREE_STEPS = (LEAF_0, LEAF_1, ROOT)


def plan(steps: Sequence[Step] = (LEAF_0,), *, overwrite: bool = False) -> Plan:
    """Return a plan with these steps."""
    output = PlannedOutput(OUTPUT, "mp3", 44100, 2, overwrite)
    return Plan(JOB, MANIFEST, output, 1.0, (), tuple(steps), SINKS)


TREE = plan(TREE_STEPS)


def decision(kind: Literal["publish", "fail", "reject"]) -> Decision:
    """Return a decision."""
    return Decision(kind, MANIFEST, "now", SINKS)


PUBLISHED = Result("now", Published("E", 1, 1))


def job(*facts: Fact, made: Plan | None = None, at: datetime = UPLOADED) -> Job:
    """Return a job with a plan, and facts that were all recorded at one time."""
    return Job(JOB, dict.fromkeys(facts, at), made or plan())


def decided(kind: Literal["publish", "fail", "reject"], *facts: Fact, result: Result | None = None) -> Job:
    """Return a job with a decision."""
    return Job(JOB, dict.fromkeys(facts, UPLOADED), plan(), decision(kind), result)


def accepted(number: int, task: str = "t") -> Fact:
    """Return the fact that a task was accepted."""
    return Fact(ACCEPTED, number, task)


def succeeded(number: int, task: str = "t") -> Fact:
    """Return the fact that a task succeeded."""
    return Fact(SUCCEEDED, number, task)


def failed(number: int, task: str = "t") -> Fact:
    """Return the fact that a task failed for good."""
    return Fact(FAILED, number, task)


def failed_transiently(number: int, task: str = "t") -> Fact:
    """Return the fact that a task failed for a transient reason."""
    return Fact(FAILED_TRANSIENTLY, number, task)


def delivered(*sinks: str) -> list[Fact]:
    """Return the facts that sinks have received the event."""
    return [Fact(DELIVERED, detail=sink) for sink in sinks]


def recovery(subject: Job, now: datetime = AFTER_GRACE, policy: Policy = POLICY) -> tuple[Action, ...]:
    """Return the actions of recovery, by default at the end of the grace period."""
    return decide(subject, now, policy, "recovery")


# Properties of all jobs

TIMES = st.integers(-7200, 4 * 3600).map(lambda seconds: UPLOADED + timedelta(seconds=seconds))
SINK_NAMES = st.sampled_from([*SINKS, RESULT_SINK, "removed"])
STEP_FACTS = st.builds(
    Fact,
    st.sampled_from([CLAIMED, ACCEPTED, SUCCEEDED, FAILED, FAILED_TRANSIENTLY]),
    st.integers(0, 3),
    st.sampled_from("abc"),
)
OUTCOMES = st.builds(
    Fact, st.sampled_from([SUCCEEDED, FAILED, FAILED_TRANSIENTLY]), st.integers(0, 3), st.sampled_from("abc")
)
DELIVERIES = SINK_NAMES.map(lambda sink: Fact(DELIVERED, detail=sink)) | st.builds(
    PendingDelivery, SINK_NAMES, st.integers(1, 2), TIMES
).map(lambda delivery: delivery.fact)
FACTS = st.dictionaries(STEP_FACTS | DELIVERIES | TIMES.map(waiting_fact), TIMES, max_size=12)
CAUSES = st.sampled_from(["upload", "recovery"]) | st.integers(0, 3)
POLICIES = st.builds(
    Policy,
    st.sampled_from([0, 120]),
    st.sampled_from([0, 3600]),
    immediate=st.booleans(),
)
PLANS = st.sampled_from([plan(), plan([LEAF_0, LEAF_1]), TREE])
RESULTS = st.sampled_from([PUBLISHED, Result("now", error=Failure("OUTPUT_EXISTS", "x"))])
OBSERVATIONS = st.builds(
    Observed,
    unresponsive=st.frozensets(SINK_NAMES, max_size=2),
    published=st.booleans(),
    error=st.none() | st.just(BUSY),
)


@st.composite
def jobs(draw: st.DrawFn) -> Job:
    """Generate a job with any facts and any of the three documents."""
    made = draw(st.none() | PLANS)
    taken = draw(st.none() | st.sampled_from([decision("publish"), decision("fail"), decision("reject")]))
    if taken and taken.kind == "publish":
        made = made or plan()
    result = draw(st.none() | RESULTS) if taken and taken.kind == "publish" else None
    facts = dict(draw(FACTS))
    documents = ((PLANNED, made), (DECISION, taken), (RESULT, result), (CLOSED, draw(st.booleans())))
    facts.update({Fact(kind): draw(TIMES) for kind, document in documents if document})
    return Job(JOB, facts, made, taken, result, draw(st.none() | TIMES))


def perform(  # noqa: PLR0911 - one return per class of actions
    action: Action, subject: Job, now: datetime, outcome: Literal["succeeded", "failed", "failed-transiently"]
) -> Job:
    """Perform an action in a cloud in which every task ends at once, with the same outcome."""
    match action:
        case MakePlan():
            return subject.with_fact(Fact(PLANNED), now)._replace(plan=TREE)
        case LookUp(looked_at):
            tasks = subject.running(looked_at.number)
            return subject._replace(
                facts={**subject.facts, **{Fact(outcome, looked_at.number, task): now for task in tasks}}
            )
        case Start(started, _):
            task = f"t{len(subject.facts)}"
            subject = subject.with_fact(Fact(ACCEPTED, started.number, task), now)
            return subject.with_fact(Fact(outcome, started.number, task), now)
        case RecordDecision(failed_step):
            taken = decision("fail" if failed_step else "publish")
            return subject.with_fact(Fact(DECISION), now)._replace(decision=taken)
        case Fail(error):
            if subject.decision is None:
                return subject.with_fact(Fact(DECISION), now)._replace(decision=decision("fail"))
            return subject.with_fact(Fact(RESULT), now)._replace(result=Result("now", error=error))
        case Publish():
            return subject.with_fact(Fact(RESULT), now)._replace(result=PUBLISHED)
        case Deliver(sink) | Abandon(sink):
            return subject.with_fact(Fact(DELIVERED, detail=sink), now)
        case Close():
            return subject.with_fact(Fact(CLOSED), now)


@given(jobs(), TIMES, POLICIES, CAUSES, OBSERVATIONS)
@PROFILE
def test_decide_is_total_and_deterministic(
    subject: Job, now: datetime, policy: Policy, cause: Cause, seen: Observed
) -> None:
    """Any facts at any time have an answer, the same each time."""
    actions = decide(subject, now, policy, cause, seen)

    assert actions == decide(subject, now, policy, cause, seen)
    assert len(set(actions)) == len(actions)


@given(jobs(), TIMES, POLICIES, CAUSES, OBSERVATIONS)
@PROFILE
def test_an_action_that_was_done_is_not_repeated(
    subject: Job, now: datetime, policy: Policy, cause: Cause, seen: Observed
) -> None:
    """Even if it recorded no fact: steps to start, look-ups and deliveries that ended without one."""
    actions = decide(subject, now, policy, cause, seen)
    again = decide(subject, now, policy, cause, seen._replace(done=frozenset(actions)))

    repeatable = {action for action in actions if isinstance(action, Publish | Fail | Close)}
    assert set(again) & set(actions) <= repeatable


@given(jobs(), TIMES, POLICIES, CAUSES, OBSERVATIONS, st.sampled_from([SUCCEEDED, FAILED, FAILED_TRANSIENTLY]))
@PROFILE
def test_performing_the_actions_terminates(
    subject: Job,
    now: datetime,
    policy: Policy,
    cause: Cause,
    seen: Observed,
    outcome: Literal["succeeded", "failed", "failed-transiently"],
) -> None:
    """Every action records what ends it, so that after a bounded number of actions there is none left."""
    most = 2 * len(TREE_STEPS) + len(SINKS) + 6
    for _ in range(most):
        if not (actions := decide(subject, now, policy, cause, seen)):
            break
        subject = perform(actions[0], subject, now, outcome)
        seen = seen._replace(done=seen.done | {actions[0]})

    assert () == decide(subject, now, policy, cause, seen)


@given(jobs(), st.sampled_from([SUCCEEDED, FAILED]))
@PROFILE
def test_repeated_recovery_closes_every_job(subject: Job, outcome: Literal["succeeded", "failed"]) -> None:
    """If tasks end and sinks accept, some sweeps after the last due time close the job, whatever its facts are."""
    now = UPLOADED + timedelta(days=1)
    for _ in range(4):
        seen = Observed()
        for _ in range(30):
            if not (actions := decide(subject, now, POLICY._replace(deadline_s=1e9), "recovery", seen)):
                break
            subject = perform(actions[0], subject, now, outcome)
            seen = seen._replace(done=seen.done | {actions[0]})
        now += timedelta(days=1)

    assert subject.closed


@given(jobs(), FACTS, TIMES, POLICIES, CAUSES, OBSERVATIONS, st.randoms(use_true_random=False))
@PROFILE
def test_the_order_in_which_facts_are_recorded_does_not_matter(  # noqa: PLR0917 - hypothesis passes them
    subject: Job,
    more: dict[Fact, datetime],
    now: datetime,
    policy: Policy,
    cause: Cause,
    seen: Observed,
    random: Random,
) -> None:
    """Facts are a set: neither their order nor their repetition changes the actions."""
    shuffled = [*more.items(), *more.items()]
    random.shuffle(shuffled)
    one_by_one = subject
    for fact, at in shuffled:
        one_by_one = one_by_one.with_fact(fact, at)
    at_once = subject._replace(facts={**more, **subject.facts, **more})

    assert at_once.facts == one_by_one.facts
    assert decide(at_once, now, policy, cause, seen) == decide(one_by_one, now, policy, cause, seen)


@given(jobs(), OUTCOMES, TIMES, POLICIES, CAUSES)
@PROFILE
def test_after_the_decision_no_outcome_of_a_task_matters(
    subject: Job, fact: Fact, now: datetime, policy: Policy, cause: Cause
) -> None:
    """Of two runs that know different outcomes one has decided; the other follows."""
    if subject.decision is None:
        return

    assert decide(subject, now, policy, cause) == decide(subject.with_fact(fact, now), now, policy, cause)


@given(FACTS, TIMES, st.sampled_from(["upload", 0]))
@PROFILE
def test_success_of_the_last_step_outranks_every_failure(
    facts: dict[Fact, datetime], now: datetime, cause: Cause
) -> None:
    """After a crash one step may own two tasks, of which one failed."""
    subject = Job(JOB, {**facts, succeeded(0): now}, plan())

    assert (RecordDecision(),) == decide(subject, now, POLICY, cause)


@given(jobs(), TIMES, POLICIES, OBSERVATIONS, st.sampled_from(["upload", 0, 1, 2]))
@PROFILE
def test_only_recovery_looks_up_tasks_and_fails_overdue_jobs(
    subject: Job, now: datetime, policy: Policy, seen: Observed, cause: Cause
) -> None:
    """An upload or a completion notification is no reason to ask about other tasks, however late it is."""
    actions = decide(subject, now, policy, cause, seen)

    assert [] == [action for action in actions if isinstance(action, LookUp | Fail)]


@pytest.mark.parametrize("cause", ["upload", 0, "recovery"])
@pytest.mark.parametrize("now", [UPLOADED, AFTER_GRACE, UPLOADED + 3 * DEADLINE])
def test_a_closed_job_has_no_actions(cause: Cause, now: datetime) -> None:
    """Whatever else is recorded and however late it is."""
    subject = job(Fact(CLOSED), succeeded(0))._replace(decision=decision("publish"))

    assert () == decide(subject, now, POLICY, cause)


def test_actions_of_different_classes_differ() -> None:
    """Named tuples compare as tuples; the kind keeps two actions without other fields apart."""
    actions: list[Action] = [MakePlan(), RecordDecision(), Publish(), Close(), LookUp(LEAF_0), Start(LEAF_0)]

    assert len(actions) == len(set(actions))


# Plan and start


def test_a_job_without_a_plan_is_planned() -> None:
    """By the upload, and by recovery if the upload was lost."""
    assert (MakePlan(),) == decide(Job(JOB), UPLOADED, POLICY)
    assert (MakePlan(),) == recovery(Job(JOB))


def test_planning_that_made_no_plan_is_not_repeated_in_the_same_run() -> None:
    """A job that waits for clips has no plan afterwards; the next sweep looks again."""
    waiting = Job(JOB, {waiting_fact(UPLOADED + DEADLINE): UPLOADED})

    assert () == decide(waiting, UPLOADED, POLICY, observed=Observed(done=frozenset({MakePlan()})))
    assert (MakePlan(),) == recovery(waiting, UPLOADED + SECOND)


def test_an_upload_starts_every_step_that_needs_no_other() -> None:
    """Independent steps start together; the step that needs them does not."""
    assert (Start(LEAF_0), Start(LEAF_1)) == decide(job(made=TREE), UPLOADED, POLICY)


def test_an_upload_does_not_start_a_step_that_was_accepted() -> None:
    """The job waits for the cloud."""
    assert () == decide(job(accepted(0)), UPLOADED, POLICY)
    assert (Start(LEAF_1),) == decide(job(accepted(0), made=TREE), UPLOADED, POLICY)


def test_an_upload_does_not_restart_a_step_that_failed_transiently() -> None:
    """Only recovery does, after the back-off."""
    assert () == decide(job(accepted(0), failed_transiently(0)), UPLOADED, POLICY)


def test_the_end_of_a_step_starts_only_the_step_that_needs_it() -> None:
    """With a claim, since other steps may end at the same time."""
    ended = job(accepted(0), succeeded(0), accepted(1), succeeded(1), made=TREE)

    assert (Start(ROOT, claim_for=1),) == decide(ended, UPLOADED, POLICY, cause=1)
    assert (Start(ROOT, claim_for=0),) == decide(ended, UPLOADED, POLICY, cause=0)


def test_the_end_of_a_step_does_not_start_its_siblings() -> None:
    """The upload starts those; two causes never start the same step."""
    assert () == decide(job(accepted(0), succeeded(0), made=TREE), UPLOADED, POLICY, cause=0)


def test_a_step_is_not_started_before_every_step_that_it_needs() -> None:
    """One of two steps has ended."""
    assert () == decide(job(accepted(0), accepted(1), succeeded(1), made=TREE), UPLOADED, POLICY, cause=1)


def test_an_upload_does_not_start_a_step_whose_needs_have_ended() -> None:
    """A repeated upload leaves it to the end of the step, or to recovery."""
    assert () == decide(job(accepted(0), succeeded(0), accepted(1), succeeded(1), made=TREE), UPLOADED, POLICY)


def test_a_step_that_failed_fails_the_job() -> None:
    """The decision names the step, and nothing more is started."""
    assert (RecordDecision(LEAF_0),) == decide(job(failed(0)), UPLOADED, POLICY)
    assert (RecordDecision(LEAF_1),) == decide(job(accepted(0), failed(1), made=TREE), UPLOADED, POLICY, cause=1)


def test_a_failed_step_that_also_succeeded_does_not_fail_the_job() -> None:
    """A duplicate task of the step has produced its target."""
    assert () == decide(job(accepted(0), failed(0), succeeded(0, "u"), accepted(1), made=TREE), UPLOADED, POLICY)


# Recovery: grace period, look-up, back-off, claims


def test_recovery_leaves_a_new_job_alone_during_the_grace_period() -> None:
    """Its own invocation may still be running."""
    assert () == recovery(job(), AFTER_GRACE - SECOND)
    assert (Start(LEAF_0),) == recovery(job(), AFTER_GRACE)


def test_the_grace_period_counts_from_the_upload() -> None:
    """Not from the time at which the job was opened, which may be a sweep later."""
    late = job()._replace(opened_at=AFTER_GRACE)

    assert (Start(LEAF_0),) == recovery(late, AFTER_GRACE)


def test_an_immediate_recovery_ignores_the_grace_period() -> None:
    """An operator asks for it."""
    assert (Start(LEAF_0),) == recovery(job(), UPLOADED, POLICY._replace(immediate=True))


@pytest.mark.parametrize(
    "fact", [waiting_fact(UPLOADED + DEADLINE), PendingDelivery("events", 1, UPLOADED + SECOND).fact]
)
def test_a_job_that_waits_has_no_grace_period(fact: Fact) -> None:
    """Neither one that waits for clips nor one with a pending delivery: its invocation has ended."""
    assert () != recovery(job(fact), UPLOADED + SECOND)


def test_recovery_looks_up_running_tasks_and_does_not_restart_them() -> None:
    """A lost notification is replaced; long audio takes long."""
    assert (LookUp(LEAF_0),) == recovery(job(accepted(0)))


def test_recovery_looks_up_before_it_starts() -> None:
    """The look-up may end the job; a step that was never accepted is started."""
    assert (LookUp(LEAF_0), Start(LEAF_1)) == recovery(job(accepted(0), made=TREE))


def test_recovery_looks_up_before_it_records_a_failure() -> None:
    """A running duplicate may have succeeded, which outranks the failure."""
    both = job(accepted(0), failed(0), made=TREE)

    assert (LookUp(LEAF_0), RecordDecision(LEAF_0)) == recovery(both)
    assert (RecordDecision(LEAF_0),) == decide(
        both, AFTER_GRACE, POLICY, "recovery", Observed(done=frozenset({LookUp(LEAF_0)}))
    )


def test_recovery_does_not_look_up_a_step_that_it_has_just_started() -> None:
    """Its task cannot have ended yet."""
    seen = Observed(done=frozenset({Start(LEAF_0)}))

    assert () == decide(job(accepted(0)), AFTER_GRACE, POLICY, "recovery", seen)


def test_recovery_does_not_look_up_a_step_that_succeeded() -> None:
    """Only open steps are of interest."""
    assert (LookUp(LEAF_1),) == recovery(job(accepted(0), succeeded(0), accepted(1), made=TREE))


def test_recovery_starts_a_step_whose_needs_have_ended() -> None:
    """Without a claim: the invocation that claimed it has crashed."""
    assert (Start(ROOT),) == recovery(job(accepted(0), succeeded(0), accepted(1), succeeded(1), made=TREE))


@pytest.mark.parametrize(("failures", "grace_periods"), [(1, 1), (2, 2), (3, 4), (4, 8)])
def test_the_back_off_doubles_with_every_transient_failure(failures: int, grace_periods: int) -> None:
    """It counts from the last failure, in grace periods: 1, 2, 4, 8."""
    subject = job()
    for number in range(failures):
        at = AFTER_GRACE + number * SECOND
        subject = subject.with_fact(accepted(0, f"t{number}"), at).with_fact(failed_transiently(0, f"t{number}"), at)
    due = at + grace_periods * GRACE_PERIOD

    assert () == recovery(subject, due - SECOND)
    assert (Start(LEAF_0),) == recovery(subject, due)
    assert (Start(LEAF_0),) == recovery(subject, at, POLICY._replace(immediate=True))


def test_only_the_step_that_failed_transiently_backs_off() -> None:
    """Other steps start."""
    assert (Start(LEAF_1),) == recovery(job(accepted(0), failed_transiently(0), made=TREE, at=AFTER_GRACE))


def test_a_step_that_failed_transiently_is_not_restarted_while_another_of_its_tasks_runs() -> None:
    """Crashes may leave a step with two tasks."""
    assert (LookUp(LEAF_0),) == recovery(
        job(accepted(0), failed_transiently(0), accepted(0, "u")), AFTER_GRACE + 9 * GRACE_PERIOD
    )


def test_a_claimed_step_backs_off_for_one_grace_period() -> None:
    """The invocation that claimed it may be about to start it; afterwards it has crashed."""
    ended = job(accepted(0), succeeded(0), accepted(1), succeeded(1), made=TREE)
    claimed = ended.with_fact(Fact(CLAIMED, 2), AFTER_GRACE)

    assert () == recovery(claimed, AFTER_GRACE + GRACE_PERIOD - SECOND)
    assert (Start(ROOT),) == recovery(claimed, AFTER_GRACE + GRACE_PERIOD)


# Deadline


def overdue(subject: Job, deadlines: int = 1, seen: Observed | None = None) -> tuple[Action, ...]:
    """Return the actions of recovery after a number of deadlines."""
    return decide(subject, UPLOADED + deadlines * DEADLINE, POLICY, "recovery", seen)


PASSED = Fail(
    Failure(
        "DEADLINE_PASSED",
        "not finished 1 h after its manifest was uploaded",
        "Upload the manifest again; docs/operate.md says where to look for the cause.",
    )
)
FAILED_ATTEMPT = Fail(BUSY._replace(message="not finished in time: the cloud is busy"))
LOOKED_UP = Observed(done=frozenset({LookUp(LEAF_0)}))
NOT_PLANNED, NOT_DECIDED, NOT_PUBLISHED = Job(JOB), job(accepted(0)), decided("publish")


def test_a_job_without_a_decision_fails_after_one_deadline() -> None:
    """The state of its task is unknown: it was looked up once more."""
    assert (LookUp(LEAF_0),) == decide(NOT_DECIDED, UPLOADED + DEADLINE - SECOND, POLICY, "recovery")
    assert (LookUp(LEAF_0),) == overdue(NOT_DECIDED)
    assert (PASSED,) == overdue(NOT_DECIDED, seen=LOOKED_UP)


@pytest.mark.parametrize("deadlines", [1, 2, 9])
def test_audio_that_turns_out_to_be_ready_is_published_however_late(deadlines: int) -> None:
    """Sweeps did not run, or had no time for the job; its task has succeeded meanwhile."""
    found = NOT_DECIDED.with_fact(succeeded(0), UPLOADED + deadlines * DEADLINE)
    decided_late = found.with_fact(Fact(DECISION), UPLOADED + deadlines * DEADLINE)

    assert (RecordDecision(),) == overdue(found, deadlines, LOOKED_UP)
    assert (Publish(),) == overdue(decided_late._replace(decision=decision("publish")), deadlines)


def test_a_failed_task_is_the_reason_even_after_the_deadline() -> None:
    """It says more than that time is over."""
    found = NOT_DECIDED.with_fact(failed(0), UPLOADED + DEADLINE)

    assert RecordDecision(LEAF_0) in overdue(found, seen=LOOKED_UP)


@pytest.mark.parametrize("cause", ["upload", "recovery", 0])
@pytest.mark.parametrize("taken", [None, decision("publish")])
def test_a_job_whose_plan_is_damaged_fails_at_once(cause: Cause, taken: Decision | None) -> None:
    """No retry can help, and a new plan might not fit the tasks that are running."""
    damaged = Job(JOB, {Fact(PLANNED): UPLOADED}, decision=taken)
    (action,) = decide(damaged, AFTER_GRACE, POLICY, cause)

    assert isinstance(action, Fail)
    assert "STATE_UNREADABLE" == action.error.code


@pytest.mark.parametrize("cause", ["upload", 0])
def test_submit_and_complete_do_not_fail_an_overdue_job(cause: Cause) -> None:
    """Recovery does, after it has looked for a published output."""
    assert () == decide(NOT_DECIDED, UPLOADED + 9 * DEADLINE, POLICY, cause)
    assert (Publish(),) == decide(NOT_PUBLISHED, UPLOADED + 9 * DEADLINE, POLICY, cause)


@pytest.mark.parametrize(
    ("subject", "action"), [(NOT_PLANNED, MakePlan()), (NOT_PUBLISHED, Publish())], ids=["no plan", "not published"]
)
def test_an_unplanned_or_unpublished_job_is_attempted_until_two_deadlines_have_passed(
    subject: Job, action: Action
) -> None:
    """After one deadline there is another attempt; after two, previous attempts may have crashed."""
    assert (action,) == overdue(subject)
    assert (action,) == decide(subject, UPLOADED + 2 * DEADLINE - SECOND, POLICY, "recovery")
    assert (PASSED,) == overdue(subject, 2)


@pytest.mark.parametrize("subject", [NOT_PLANNED, NOT_DECIDED, NOT_PUBLISHED], ids=["plan", "task", "publish"])
@pytest.mark.parametrize("deadlines", [1, 2])
def test_after_the_deadline_the_error_of_the_attempt_is_the_reason(subject: Job, deadlines: int) -> None:
    """Its code and remedy stay; the message says that time is over."""
    assert (FAILED_ATTEMPT,) == overdue(subject, deadlines, Observed(error=BUSY))


@pytest.mark.parametrize("subject", [NOT_PLANNED, NOT_DECIDED, NOT_PUBLISHED], ids=["plan", "task", "publish"])
def test_before_the_deadline_an_error_ends_the_attempt(subject: Job) -> None:
    """The next sweep tries again."""
    assert () == decide(subject, AFTER_GRACE, POLICY, "recovery", Observed(error=BUSY))


def test_a_published_output_never_fails_without_an_error() -> None:
    """Only its result is missing, which the next attempt records."""
    published = Observed(published=True)

    assert (Publish(),) == overdue(NOT_PUBLISHED, 1, published)
    assert (Publish(),) == overdue(NOT_PUBLISHED, 2, published)
    assert (Publish(),) == overdue(NOT_PUBLISHED, 9, published)


@pytest.mark.parametrize("times", [1, 2, 9])
def test_a_published_output_never_fails_its_job(times: int) -> None:
    """Whatever happens after that: an event of a failure would contradict the object."""
    assert () == overdue(NOT_PUBLISHED, times, Observed(published=True, error=BUSY))
    assert (Publish(),) == overdue(NOT_PUBLISHED, times, Observed(published=True))


@pytest.mark.parametrize("subject", [decided("reject"), decided("fail"), decided("publish", result=PUBLISHED)])
@pytest.mark.parametrize("error", [None, BUSY])
def test_a_final_job_is_never_overdue(subject: Job, error: Failure | None) -> None:
    """Its event is delivered, however late."""
    actions = overdue(subject, 9, Observed(error=error))

    assert (Deliver("events"), Deliver("queue"), Deliver(RESULT_SINK), Close()) == actions


def test_the_deadline_counts_from_the_time_at_which_the_job_was_opened() -> None:
    """A sweep may find an upload long after its event was lost."""
    opened = job(accepted(0))._replace(opened_at=UPLOADED + 5 * DEADLINE)

    assert UPLOADED == deadline_start(job())
    assert UPLOADED + 5 * DEADLINE == deadline_start(opened)
    assert () == overdue(opened, 5, LOOKED_UP)
    assert (PASSED,) == overdue(opened, 6, LOOKED_UP)


def test_the_deadline_counts_from_the_end_of_the_time_to_wait_for_clips() -> None:
    """At the earliest; an earlier end changes nothing."""
    until = UPLOADED + 2 * DEADLINE
    waited = job(accepted(0), waiting_fact(until))

    assert until == deadline_start(waited)
    assert UPLOADED + 5 * DEADLINE == deadline_start(waited._replace(opened_at=UPLOADED + 5 * DEADLINE))
    assert () == overdue(waited, 2, LOOKED_UP)
    assert (PASSED,) == overdue(waited, 3, LOOKED_UP)


def test_is_overdue_counts_multiples_of_the_deadline() -> None:
    """The moment itself counts."""
    two = UPLOADED + 2 * DEADLINE

    assert is_overdue(job(), two, POLICY, times=2)
    assert not is_overdue(job(), two - SECOND, POLICY, times=2)
    assert is_overdue(job(), two - SECOND, POLICY)


def test_a_manifest_that_is_gone_has_its_own_failure() -> None:
    """With a code, the URI and a remedy."""
    failure = manifest_gone("oss://acme/manifests/a.json")

    assert "MANIFEST_GONE" == failure.code
    assert "oss://acme/manifests/a.json was deleted or overwritten before it was planned" == failure.message
    assert failure.remedy.startswith("Upload the manifest again")


# Publish and deliver


def test_a_decision_to_publish_is_performed_before_any_delivery() -> None:
    """No sink receives the event before the output exists."""
    assert (Publish(),) == decide(decided("publish"), UPLOADED, POLICY)


def test_every_sink_without_a_delivery_gets_one_then_the_job_is_closed() -> None:
    """In the order of the settings, the result object last."""
    subject = decided("reject", *delivered("events"))

    assert (Deliver("queue"), Deliver(RESULT_SINK), Close()) == decide(subject, UPLOADED, POLICY)


def test_a_job_that_is_delivered_to_every_sink_is_closed() -> None:
    """A crash came between the last delivery and the end."""
    assert (Close(),) == decide(decided("reject", *delivered(*SINKS, RESULT_SINK)), UPLOADED, POLICY)


DUE = AFTER_GRACE + timedelta(minutes=5)
PENDING_QUEUE = decided("reject", *delivered("events", RESULT_SINK), PendingDelivery("queue", 1, DUE).fact)


def test_a_pending_delivery_is_retried_by_recovery_when_it_is_due() -> None:
    """Not earlier; the job stays open."""
    assert () == recovery(PENDING_QUEUE, DUE - SECOND)
    assert (Deliver("queue"), Close()) == recovery(PENDING_QUEUE, DUE)


@pytest.mark.parametrize("cause", ["upload", 0])
def test_a_pending_delivery_is_retried_by_recovery_only(cause: Cause) -> None:
    """Submit and complete leave it alone, however late they are called."""
    assert () == decide(PENDING_QUEUE, DUE + DEADLINE, POLICY, cause)


def test_an_immediate_recovery_retries_a_pending_delivery_at_once() -> None:
    """An operator asks for it."""
    assert (Deliver("queue"), Close()) == recovery(PENDING_QUEUE, UPLOADED, POLICY._replace(immediate=True))


def test_the_due_time_of_the_last_attempt_counts() -> None:
    """Facts of earlier attempts stay."""
    subject = PENDING_QUEUE.with_fact(PendingDelivery("queue", 2, DUE + DEADLINE).fact, DUE)

    assert () == recovery(subject, DUE + DEADLINE - SECOND)
    assert (Deliver("queue"), Close()) == recovery(subject, DUE + DEADLINE)


def test_of_two_attempts_with_one_number_the_later_due_time_counts() -> None:
    """Two runs at once record both; the order in which they are listed does not matter."""
    early, late = (PendingDelivery("queue", 1, DUE + delay).fact for delay in (timedelta(0), DEADLINE))
    for facts in ([early, late], [late, early]):
        subject = decided("reject", *delivered("events", RESULT_SINK), *facts)
        assert () == recovery(subject, DUE + DEADLINE - SECOND)
        assert (Deliver("queue"), Close()) == recovery(subject, DUE + DEADLINE)


def test_a_sink_that_received_the_event_after_a_failed_attempt_is_not_pending() -> None:
    """The job is closed."""
    assert (Close(),) == recovery(PENDING_QUEUE.with_fact(Fact(DELIVERED, detail="queue"), DUE), DUE)


def test_a_job_with_a_pending_delivery_gets_its_other_deliveries() -> None:
    """And stays open."""
    subject = decided("reject", PendingDelivery("events", 1, DUE).fact)

    assert (Deliver("queue"), Deliver(RESULT_SINK)) == decide(subject, UPLOADED, POLICY)


def test_an_unresponsive_sink_is_left_out_and_keeps_the_job_open() -> None:
    """One time-out per run is enough."""
    seen = Observed(unresponsive=frozenset({"queue"}))

    assert (Deliver("events"), Deliver(RESULT_SINK)) == decide(decided("reject"), UPLOADED, POLICY, observed=seen)
    assert () == decide(PENDING_QUEUE, DUE, POLICY, "recovery", seen)


THREE_DAYS_LATER = UPLOADED + timedelta(seconds=GIVE_UP_S)


@pytest.mark.parametrize("attempts", [0, 1])
def test_an_unresponsive_sink_is_given_up_after_three_days_without_an_attempt(attempts: int) -> None:
    """Thousands of jobs may wait for it, of which a sweep tries only some; none of them stays open for ever."""
    facts = [*delivered("events", RESULT_SINK), Fact(DECISION)]
    subject = decided("reject", *facts, *[PendingDelivery("queue", 1, DUE).fact] * attempts)
    seen = Observed(unresponsive=frozenset({"queue"}))

    assert () == decide(subject, THREE_DAYS_LATER - SECOND, POLICY, "recovery", seen)
    assert (Abandon("queue"), Close()) == decide(subject, THREE_DAYS_LATER, POLICY, "recovery", seen)
    assert (Deliver("queue"), Close()) == decide(subject, THREE_DAYS_LATER, POLICY, "recovery")


def test_a_job_can_be_left_alone_until_its_first_delivery_is_due() -> None:
    """Not if a sink had no attempt, and not if the job has anything else to do."""
    later = PENDING_QUEUE.with_fact(PendingDelivery("events", 1, DUE + DEADLINE).fact, UPLOADED)
    untried = decided("reject", PendingDelivery("queue", 1, DUE).fact)

    assert DUE == deliveries_due(PENDING_QUEUE, DUE - SECOND) == deliveries_due(later, DUE - SECOND)
    assert deliveries_due(PENDING_QUEUE, DUE) is None
    assert deliveries_due(untried, DUE - SECOND) is None
    assert deliveries_due(NOT_PUBLISHED, DUE - SECOND) is None
    assert deliveries_due(decided("reject", *delivered(*SINKS, RESULT_SINK)), DUE) is None


def test_a_failed_delivery_is_not_repeated_in_the_same_run() -> None:
    """It is pending now, and due at once for an operator; the job stays open."""
    seen = Observed(done=frozenset({Deliver("queue")}))

    assert () == decide(PENDING_QUEUE, DUE, POLICY._replace(immediate=True), "recovery", seen)


# The object at the key of the output


def existing(owner: str = "", manifest: str = "") -> ObjectInfo:
    """Return an object whose metadata names a job and a manifest."""
    meta = {JOB_META: owner, MANIFEST_META: manifest} if owner else {}
    return ObjectInfo("E", 1, UPLOADED, meta)


LABEL = manifest_label(MANIFEST)
OTHER = "oss://acme/other"


@pytest.mark.parametrize(
    ("occupant", "overwrite", "conflict"),
    [
        (None, False, "free"),
        (None, True, "free"),
        (existing(JOB, LABEL), False, "own"),
        (existing(JOB, LABEL), True, "own"),
        (existing(OLDER, LABEL), False, "replaceable"),
        (existing(OLDER, LABEL), True, "replaceable"),
        (existing(NEWER, LABEL), False, "SUPERSEDED"),
        (existing(NEWER, LABEL), True, "SUPERSEDED"),
        (existing(OLDER, OTHER), False, "OUTPUT_EXISTS"),
        (existing(OLDER, OTHER), True, "replaceable"),
        (existing(NEWER, OTHER), False, "OUTPUT_EXISTS"),
        (existing(NEWER, OTHER), True, "SUPERSEDED"),
        (existing(), False, "OUTPUT_EXISTS"),
        (existing(), True, "replaceable"),
    ],
)
def test_the_object_at_the_key_of_the_output_determines_the_conflict(
    occupant: ObjectInfo | None, overwrite: bool, conflict: str
) -> None:
    """The object of another manifest is kept unless `overwrite` is true, that of a newer job always."""
    found = output_conflict(plan(overwrite=overwrite).publisher, OUTPUT, occupant)

    if isinstance(found, Failure):
        assert conflict == found.code
        assert OUTPUT.uri in found.message
        assert found.remedy
    else:
        assert conflict == found


def test_the_label_of_a_manifest_is_valid_in_a_header() -> None:
    """Object metadata is ASCII without spaces."""
    assert "oss://acme/manifests/a%20b.json" == LABEL
