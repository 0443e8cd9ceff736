"""What the live questions make of what is seen: each answer as assumed, different, or open. And what they cost."""

import json
from array import array
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import oss2
import pytest

from clipstitch.common.errors import CloudBusy
from clipstitch.planning.process_string import parse_process
from clipstitch_cli import exit_codes
from clipstitch_cli.doctor.live.cleanup import Undo
from clipstitch_cli.doctor.live.experiment_runner import IMM, Place
from clipstitch_cli.doctor.live.experiment_runner import _refusal as seen_of
from clipstitch_cli.doctor.live.experiments import (
    EXPERIMENTS,
    HOME,
    UNBOUND,
    A,
    B,
    C,
    Refused,
    Seen,
    Spending,
    key_of,
    objects_of,
    spending,
)
from clipstitch_cli.doctor.live.questions import AS_ASSUMED, DIFFERENT, OPEN, QUESTIONS, Answer, unsettled
from clipstitch_cli.doctor.live.report import Report, as_json, as_markdown, write
from clipstitch_cli.doctor.live.test_jobs import Waits, pauses
from clipstitch_cli.doctor.live.test_jobs import spending as spending_of_trials
from clipstitch_cli.doctor.live.tones import Heard, listen, same
from clipstitch_cli.errors import NoSuchFile
from tests.world import SETTINGS, World

PLACE = Place("20261125t120000z", "acme", "acme-doctor", new=True)
a, b, c = Heard("a", 500), Heard("b", 700), Heard("c", 1000)
NO_ATTACHMENT = Refused(400, "Imm Client", "ResourceNotFound, The specified resource Attachment is not found. X")


def message(task: str, status: str = "Succeeded", code: str = "", words: str = "", event: str = "181-x") -> str:
    """Write a message as IMM does."""
    content = {"TaskType": "MediaConvert", "TaskId": task, "Status": status, "Code": code, "Message": words}
    return json.dumps({"id": event, "type": "imm:Task:MediaConvert", "content": json.dumps(content)})


FAILED = Seen(task="t", event="181-x", body=message("t", "Failed", "InvalidArgument", "File does not exist."))
ASSUMED: Mapping[str, Seen] = {
    "pair": Seen(task="t", event="181-x", body=message("t"), heard=(a, b)),
    "order": Seen(heard=(a, b, c)),
    "whole": Seen(heard=(Heard("a", 200), b)),
    "cut": Seen(heard=(a, Heard("c", 500))),
    "twelve": Seen(Refused(400, "Imm Client", "InvalidArgument, [sources]: 12 objects")),
    "unbound": Seen(NO_ATTACHMENT),
    "segment missing": FAILED,
    "main missing": Seen(Refused(404, "NoSuchKey", "The specified key does not exist.")),
    "no audio": FAILED,
    "twice": Seen(heard=(Heard("a", 1000),)),
}


def answer(number: str, **seen: Seen) -> Answer:
    """Answer one question, when all is as assumed but for this."""
    (question,) = (one for one in QUESTIONS if one.number == number)
    return question.judge({**ASSUMED, **{name.replace("_", " "): one for name, one in seen.items()}})


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda one: one.number)
def test_a_cloud_that_does_what_we_assume_answers_every_question_so(question):
    """Each by what is seen of its experiment."""
    assert AS_ASSUMED == question.judge(ASSUMED).decision


OTHERWISE: tuple[tuple[str, dict[str, Seen], str], ...] = (
    ("1", {"pair": Seen(heard=(b,))}, "heard b for 700 ms"),
    ("2", {"order": Seen(heard=(b, a, c))}, "heard b for 700 ms, a for 500 ms"),
    ("3", {"whole": Seen(heard=(a, Heard("b", 400), c))}, "b for 400 ms"),
    ("4", {"cut": Seen(heard=(a, Heard("c", 300)))}, "c for 300 ms"),
    ("5", {"twelve": Seen(task="t")}, "accepted as task t"),
    ("5", {"twelve": FAILED}, "accepted as task t, then Failed with InvalidArgument: File does not exist."),
    ("6", {"unbound": Seen(NO_ATTACHMENT._replace(status=404))}, "404 Imm Client"),
    ("7", {"segment_missing": Seen(Refused(404, "NoSuchKey", "no"))}, "refused at once: 404 NoSuchKey: no"),
    ("7", {"segment_missing": Seen(task="t", body=message("t"))}, "accepted, then Succeeded"),
    ("7b", {"main_missing": FAILED}, "accepted as task t, then Failed"),
    ("8", {"no_audio": Seen(task="t", body="<xml/>")}, "we cannot read <xml/>"),
    ("8", {"segment_missing": Seen(task="t", body=message("t", "Failed"))}, '"Failed'),
    ("9", {"pair": Seen(task="t", body="eyJpZCI6ICJ4In0=")}, "begins with eyJpZCI6"),
    ("10", {"pair": Seen(event="181-x", body=message("t", event="182-y"))}, "submission 181-x, message 182-y"),
    ("10", {"pair": Seen(event="181-x", body="eyJpZCI6ICIxODIteSJ9")}, "submission 181-x, message 182-y"),
    ("10", {"pair": Seen(task="t", event="181-x", body="eyJ")}, "without an id that we can read"),
    ("11", {"twice": Seen(Refused(400, "Imm Client", "InvalidArgument, twice"))}, "refused: 400 Imm Client"),
    ("11", {"twice": FAILED}, "accepted, then Failed with InvalidArgument"),
)  # fmt: skip


@pytest.mark.parametrize(("number", "seen", "found"), OTHERWISE)
def test_a_cloud_that_does_otherwise_is_found_out(number: str, seen: dict[str, Seen], found: str):
    """With what it does instead."""
    told = answer(number, **seen)

    assert DIFFERENT == told.decision
    assert found in told.found


UNKNOWN: tuple[tuple[str, dict[str, Seen], str], ...] = (
    ("1", {"pair": Seen(trouble="no message")}, "no message"),
    ("1", {"pair": Seen(task="t", body=message("t", "Failed", "Throttling.User", "later"))}, "then Failed with Thr"),
    ("6", {"unbound": Seen(trouble="AccessDenied")}, "AccessDenied"),
    ("7", {"segment_missing": Seen(task="t", trouble="no message: none came in time")}, "none came in time"),
    ("8", {"segment_missing": Seen(), "no_audio": Seen()}, "no task failed"),
    ("9", {"pair": Seen(), "segment_missing": Seen(), "no_audio": Seen()}, "no message came"),
    ("10", {"pair": Seen(), "segment_missing": Seen(), "no_audio": Seen()}, "no message came"),
)


@pytest.mark.parametrize(("number", "seen", "why"), UNKNOWN)
def test_what_was_not_seen_settles_nothing(number: str, seen: dict[str, Seen], why: str):
    """Neither as assumed nor different; why is said."""
    told = answer(number, **seen)

    assert OPEN == told.decision
    assert why in told.found


def test_a_tone_is_heard_as_itself_for_as_long_as_it_is():
    """One after the other, whatever lies at the boundaries."""
    joined = array("h", b"".join(tone.wav()[44:] for tone in (A, C, B)))  # behind the header, WAV is samples

    assert same((a, c, b), listen(joined, (A, B, C)))
    assert () == listen([], (A, B, C))


def test_other_lengths_and_other_orders_are_not_the_same():
    """A few windows are; a tenth of a second is not."""
    assert same((a, b), (a._replace(milliseconds=460), b))
    assert not same((a, b), (a._replace(milliseconds=400), b))
    assert not same((a, b), (b, a))
    assert not same((a, b), (a,))


def test_what_is_posted_can_be_read_back():
    """By our own grammar: order, trims, target, topic."""
    cut = next(one for one in EXPERIMENTS if one.name == "cut")
    process = parse_process(cut.process(PLACE.prefix, "acme", "done"))

    assert [("doctor-20261125t120000z/c.wav", 200, 500)] == [tuple(segment) for segment in process.sur]
    assert ("doctor-20261125t120000z/out/cut.flac", "acme") == tuple(process.saveas or ())
    assert "done" == process.topic


def test_everything_that_experiments_name_is_put():
    """But for what must be missing."""
    home, unbound = objects_of(EXPERIMENTS, HOME), objects_of(EXPERIMENTS, UNBOUND)

    assert {"a", "b", "c", "text", *(f"n{number:02}" for number in range(12))} == set(home)
    assert {"a"} == set(unbound)
    assert key_of("a", PLACE.prefix).startswith(PLACE.prefix)


def test_the_cost_is_added_up_from_the_experiments():
    """One more costs a request, two of the function that looks on, one task, two messages, and what it makes."""
    pair = EXPERIMENTS[0]
    one, two = (spending([pair] * count, new_bucket=False) for count in (1, 2))

    assert (4, 1, 2) == tuple(later - before for later, before in zip(two[:3], one[:3], strict=True))
    assert len(A.wav()) + len(B.wav()) == two.stored_bytes - one.stored_bytes
    assert 2 == spending([pair], new_bucket=True).oss_requests - one.oss_requests


def test_jobs_of_the_doctors_own_cost_more_the_longer_one_looks_on():
    """They are planned with the product's planner, over a cloud that is not asked."""
    cloud = World(SETTINGS).context()
    short, long = (spending_of_trials(PLACE, cloud, Waits(timedelta(), timedelta(seconds=wait))) for wait in (1, 60))

    assert short.oss_requests < long.oss_requests
    assert (2, 2) == (short.imm_tasks, long.imm_tasks)


def test_pauses_add_up_to_the_wait():
    """And not to more than one pause above it."""
    total = sum(pauses(timedelta(seconds=60)))

    assert 60 <= total <= 70


def test_what_was_made_is_removed_in_reverse_and_what_is_left_is_named():
    """A removal that fails stops no other."""
    undo, removed = Undo(), []
    undo.later("first", lambda: removed.append("first"))
    undo.later("second", _fails)
    undo.later("third", lambda: removed.append("third"))

    assert ["second: nobody there"] == undo.all()
    assert ["third", "first"] == removed
    assert [] == undo.all()


def _fails() -> None:
    raise CloudBusy("nobody there")


def report(*answers: Answer, left: tuple[str, ...] = ()) -> SweepReport:
    """Make a report of some answers."""
    asked = tuple(zip(QUESTIONS, answers, strict=False))
    return Report("2026-11-25T12:00:00.000Z", {"bucket": "acme"}, Spending(9, 1, 2, 3000), 7, asked, ASSUMED, left)


def test_only_what_differs_or_is_left_behind_is_trouble():
    """An open question is none."""
    good, open_one = Answer(AS_ASSUMED, "yes"), unsettled("no right")

    assert exit_codes.OK == report(good, open_one).code
    assert exit_codes.TROUBLE == report(good, Answer(DIFFERENT, "no")).code
    assert exit_codes.TROUBLE == report(good, left=("bucket x: no right",)).code


def test_a_report_says_everything_to_people_and_to_programs(tmp_path: Path):
    """In a file, and beside it as JSON."""
    made = report(Answer(AS_ASSUMED, "heard a | b\nc"), left=("bucket x: no right",))
    write(made, tmp_path / "r.md")
    page, told = (tmp_path / "r.md").read_text("utf-8"), json.loads((tmp_path / "r.json").read_text("utf-8"))

    assert page == as_markdown(made)
    assert (
        "| 1 | Is the object that a request is posted to a source itself? | yes | heard a \\| b c | **as assumed** |"
        in page
    )
    assert "- bucket x: no right" in page
    assert told == json.loads(json.dumps(as_json(made)))
    assert {"oss_requests": 9, "imm_tasks": 1, "smq_messages": 2, "stored_bytes": 3000} == told["spending"]["announced"]


def test_a_report_that_cannot_be_written_says_so(tmp_path: Path):
    """After all the work; the answers were shown."""
    with pytest.raises(NoSuchFile, match="--report"):
        write(report(), tmp_path / "nowhere" / "r.md")


def refusal(status: int, code: str, words: str = "no") -> Seen:
    """Refuse a request as the SDK reports it."""
    return seen_of(oss2.exceptions.ServerError(status, {}, "", {"Code": code, "Message": words}))


def test_only_what_the_action_says_is_an_answer():
    """No right, no time and no answer say nothing about it; IMM's words count with any status."""
    assert "403 AccessDenied: no" == refusal(403, "AccessDenied").trouble
    assert refusal(503, "ServiceUnavailable").trouble
    assert refusal(400, IMM, "Throttling.User, later").trouble
    assert Refused(403, IMM, "ResourceNotFound") == refusal(403, IMM, "ResourceNotFound").refused
    assert Refused(404, "NoSuchKey", "no") == refusal(404, "NoSuchKey").refused
