"""How observations answer the open questions: as assumed, different, or not at all. And what they cost."""

import json
from array import array
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import oss2
import pytest

from clipstitch.common.cloud_errors import IMM_CODE
from clipstitch.common.errors import CloudBusy
from clipstitch.common.identifiers import ObjectRef
from clipstitch.planning.process_string import parse_process
from clipstitch_cli import exit_codes
from clipstitch_cli.doctor.live.cleanup import CleanupStack
from clipstitch_cli.doctor.live.experiment_runner import TemporaryNames, observe_error
from clipstitch_cli.doctor.live.experiments import (
    EXPERIMENTS,
    HOME,
    UNBOUND,
    A,
    B,
    C,
    Observation,
    RejectedRequest,
    Spending,
    key_of,
    objects_of,
    spending,
    target_of,
)
from clipstitch_cli.doctor.live.questions import (
    AS_ASSUMED,
    DIFFERENT,
    OPEN,
    QUESTIONS,
    Answer,
    OpenQuestion,
    not_answered,
)
from clipstitch_cli.doctor.live.report import LiveReport, as_json, as_markdown, change_of, write
from clipstitch_cli.doctor.live.tones import DetectedTone, detect, equal
from clipstitch_cli.doctor.live.trial_jobs import pauses
from clipstitch_cli.doctor.live.trial_jobs import spending as spending_of_trials
from clipstitch_cli.errors import FileNotReadable
from tests.world import SETTINGS, World

NAMES = TemporaryNames("20261125t120000z", "acme", "acme-doctor", new=True)
a, b, c = DetectedTone("a", 500), DetectedTone("b", 700), DetectedTone("c", 1000)
NO_ATTACHMENT = RejectedRequest(
    400, "Imm Client", "ResourceNotFound, The specified resource Attachment is not found. X"
)


def message(task: str, status: str = "Succeeded", code: str = "", words: str = "", event: str = "181-x") -> str:
    """Return a notification as IMM sends it."""
    content = {"TaskType": "MediaConvert", "TaskId": task, "Status": status, "Code": code, "Message": words}
    return json.dumps({"id": event, "type": "imm:Task:MediaConvert", "content": json.dumps(content)})


FAILED = Observation(task="t", event="181-x", body=message("t", "Failed", "InvalidArgument", "File does not exist."))
ASSUMED: Mapping[str, Observation] = {
    "pair": Observation(task="t", event="181-x", body=message("t"), tones=(a, b)),
    "order": Observation(tones=(a, b, c)),
    "whole": Observation(tones=(DetectedTone("a", 200), b)),
    "cut": Observation(tones=(a, DetectedTone("c", 500))),
    "twelve": Observation(RejectedRequest(400, "Imm Client", "InvalidArgument, [sources]: 12 objects")),
    "unbound": Observation(NO_ATTACHMENT),
    "segment missing": FAILED,
    "main missing": Observation(RejectedRequest(404, "NoSuchKey", "The specified key does not exist.")),
    "no audio": FAILED,
    "twice": Observation(tones=(DetectedTone("a", 1000),)),
    "mono levels": Observation(tones=(a, DetectedTone("same", 300), DetectedTone("left", 300, 0.5))),
    "stereo levels": Observation(tones=(a, DetectedTone("same", 300))),
}


def answer(number: str, **seen: Observation) -> Answer:
    """Answer one question if everything is as assumed except these observations."""
    (question,) = (one for one in QUESTIONS if one.number == number)
    return question.evaluate({**ASSUMED, **{name.replace("_", " "): one for name, one in seen.items()}})


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda one: one.number)
def test_a_cloud_as_assumed_answers_every_question_so(question: OpenQuestion) -> None:
    """Each by the observation of its experiment."""
    assert AS_ASSUMED == question.evaluate(ASSUMED).outcome


OTHERWISE: tuple[tuple[str, dict[str, Observation], str], ...] = (
    ("1", {"pair": Observation(tones=(b,))}, "output is b for 700 ms"),
    ("2", {"order": Observation(tones=(b, a, c))}, "output is b for 700 ms, a for 500 ms"),
    ("3", {"whole": Observation(tones=(a, DetectedTone("b", 400), c))}, "b for 400 ms"),
    ("4", {"cut": Observation(tones=(a, DetectedTone("c", 300)))}, "c for 300 ms"),
    ("5", {"twelve": Observation(task="t")}, "accepted as task t"),
    ("5", {"twelve": FAILED}, "accepted as task t, then Failed with InvalidArgument: File does not exist."),
    ("6", {"unbound": Observation(NO_ATTACHMENT._replace(status=404))}, "404 Imm Client"),
    ("7", {"segment_missing": Observation(RejectedRequest(404, "NoSuchKey", "no"))}, "rejected at once: 404"),
    ("7", {"segment_missing": Observation(task="t", body=message("t"))}, "accepted, then Succeeded"),
    ("7b", {"main_missing": FAILED}, "accepted as task t, then Failed"),
    ("8", {"no_audio": Observation(task="t", body="<xml/>")}, "cannot be parsed: <xml/>"),
    ("8", {"segment_missing": Observation(task="t", body=message("t", "Failed"))}, '"Failed'),
    ("9", {"pair": Observation(task="t", body="eyJpZCI6ICJ4In0=")}, "begins with eyJpZCI6"),
    ("10", {"pair": Observation(event="181-x", body=message("t", event="182-y"))}, "submission 181-x, message 182-y"),
    ("10", {"pair": Observation(event="181-x", body="eyJpZCI6ICIxODIteSJ9")}, "submission 181-x, message 182-y"),
    ("10", {"pair": Observation(task="t", event="181-x", body="eyJ")}, "without an id that can be parsed"),
    ("11", {"twice": Observation(RejectedRequest(400, "Imm Client", "InvalidArgument, twice"))}, "rejected: 400"),
    ("11b", {"stereo_levels": Observation(tones=(a._replace(level=0.707), DetectedTone("same", 300)))}, "has 1.41"),
    ("11b", {"mono_levels": Observation(tones=(a, *(DetectedTone(name, 300, 0.7) for name in "st")))}, "has 0.7 of"),
    ("11", {"twice": FAILED}, "accepted, then Failed with InvalidArgument"),
)  # fmt: skip


@pytest.mark.parametrize(("number", "seen", "found"), OTHERWISE)
def test_a_different_cloud_is_detected(number: str, seen: dict[str, Observation], found: str) -> None:
    """The answer says what it does instead."""
    result = answer(number, **seen)

    assert DIFFERENT == result.outcome
    assert found in result.found


UNKNOWN: tuple[tuple[str, dict[str, Observation], str], ...] = (
    ("1", {"pair": Observation(error="no message")}, "no message"),
    (
        "1",
        {"pair": Observation(task="t", body=message("t", "Failed", "Throttling.User", "later"))},
        "then Failed with Thr",
    ),
    ("6", {"unbound": Observation(error="AccessDenied")}, "AccessDenied"),
    ("7", {"segment_missing": Observation(task="t", error="no message: none came in time")}, "none came in time"),
    ("8", {"segment_missing": Observation(), "no_audio": Observation()}, "no task failed"),
    ("9", {"pair": Observation(), "segment_missing": Observation(), "no_audio": Observation()}, "no message came"),
    ("10", {"pair": Observation(), "segment_missing": Observation(), "no_audio": Observation()}, "no message came"),
)


@pytest.mark.parametrize(("number", "seen", "why"), UNKNOWN)
def test_a_missing_observation_answers_nothing(number: str, seen: dict[str, Observation], why: str) -> None:
    """Neither as assumed nor different; the reason is given."""
    result = answer(number, **seen)

    assert OPEN == result.outcome
    assert why in result.found


def test_tones_are_detected_with_their_lengths() -> None:
    """One after the other, whatever is at the boundaries."""
    joined = array("h", b"".join(tone.wav()[44:] for tone in (A, C, B)))  # behind the header, WAV is samples

    assert equal((a, c, b), detect(joined, (A, B, C)))
    assert () == detect([], (A, B, C))


def test_other_lengths_and_other_orders_are_not_equal() -> None:
    """A few windows more or less are equal; a tenth of a second is not."""
    assert equal((a, b), (a._replace(milliseconds=460), b))
    assert not equal((a, b), (a._replace(milliseconds=400), b))
    assert not equal((a, b), (b, a))
    assert not equal((a, b), (a,))


def test_a_posted_process_string_can_be_parsed() -> None:
    """Order, trims, target, topic."""
    cut = next(one for one in EXPERIMENTS if one.name == "cut")
    process = parse_process(cut.process(NAMES.prefix, ObjectRef("acme", target_of(cut, NAMES.targets)), "done"))

    assert [("doctor-20261125t120000z/c.wav", 200, 500)] == [tuple(segment) for segment in process.sur]
    assert ("_clipstitch/work/doctor-20261125t120000z/cut.flac", "acme") == tuple(process.saveas or ())
    assert "done" == process.topic


def test_all_objects_that_experiments_need_are_uploaded() -> None:
    """Except the one that must be missing."""
    home, unbound = objects_of(EXPERIMENTS, HOME), objects_of(EXPERIMENTS, UNBOUND)

    assert {"a", "b", "c", "same", "left", "text", *(f"n{number:02}" for number in range(12))} == set(home)
    assert {"a"} == set(unbound)
    assert key_of("a", NAMES.prefix).startswith(NAMES.prefix)


def test_the_cost_is_the_sum_of_all_experiments() -> None:
    """One more costs a request, two of `complete`, one task, two messages, and its output."""
    pair = EXPERIMENTS[0]
    one, two = (spending([pair] * count, new_bucket=False) for count in (1, 2))

    assert (4, 1, 2) == tuple(later - before for later, before in zip(two[:3], one[:3], strict=True))
    assert len(A.wav()) + len(B.wav()) == two.stored_bytes - one.stored_bytes
    assert 2 == spending([pair], new_bucket=True).oss_requests - one.oss_requests


def test_trial_jobs_cost_more_the_longer_the_wait() -> None:
    """They are planned with the product's planner, without requests."""
    cloud = World(SETTINGS).context()
    short, long = (spending_of_trials(NAMES, cloud, (timedelta(), timedelta(seconds=wait))) for wait in (1, 60))

    assert short.oss_requests < long.oss_requests
    assert (3, 3) == (short.imm_tasks, long.imm_tasks)


def test_pauses_add_up_to_the_wait() -> None:
    """And exceed it by one pause at most."""
    total = sum(pauses(timedelta(seconds=60)))

    assert 60 <= total <= 70


def test_resources_are_removed_in_reverse_and_failures_are_listed() -> None:
    """A removal that fails stops no other."""
    cleanup = CleanupStack()
    removed: list[str] = []
    cleanup.add("first", lambda: removed.append("first"))
    cleanup.add("second", _fails)
    cleanup.add("third", lambda: removed.append("third"))

    assert ["second: no route"] == cleanup.run()
    assert ["third", "first"] == removed
    assert [] == cleanup.run()


def _fails() -> None:
    raise CloudBusy("no route")


def report(*answers: Answer, not_removed: tuple[str, ...] = ()) -> LiveReport:
    """Return a report with some answers."""
    asked = tuple(zip(QUESTIONS, answers, strict=False))
    return LiveReport(
        "2026-11-25T12:00:00.000Z", {"bucket": "acme"}, Spending(9, 1, 2, 3000), 7, asked, ASSUMED, not_removed
    )


def test_only_a_difference_or_a_remaining_resource_is_an_error() -> None:
    """An open question is none."""
    good, open_one = Answer(AS_ASSUMED, "yes"), not_answered("no right")

    assert exit_codes.OK == report(good, open_one).code
    assert exit_codes.ERROR == report(good, Answer(DIFFERENT, "no")).code
    assert exit_codes.ERROR == report(good, not_removed=("bucket x: no right",)).code


def test_an_answer_that_differs_says_what_to_change() -> None:
    """Such as IMM's role, if tasks fail with AccessDenied. Answers as assumed, and open ones, need no change."""
    refused = Observation(task="t", event="181-x", body=message("t", "Failed", "AccessDenied", "oss:GetBucketInfo"))
    first = QUESTIONS[0]
    answers = [first.evaluate({"pair": one}) for one in (refused, ASSUMED["pair"], Observation(error="no message"))]
    changes = [change_of(first, answer) for answer in answers]

    assert "accepted, then Failed with AccessDenied: oss:GetBucketInfo" == answers[0].found
    assert "add oss:GetBucketInfo and oss:ListObjects on the bucket to ImmRole" in changes[0]
    assert ["", ""] == changes[1:]


def test_a_report_is_written_as_markdown_and_json(tmp_path: Path) -> None:
    """In two files side by side."""
    made = report(Answer(AS_ASSUMED, "heard a | b\nc"), not_removed=("bucket x: no right",))
    write(made, tmp_path / "r.md")
    page, document = (tmp_path / "r.md").read_text("utf-8"), json.loads((tmp_path / "r.json").read_text("utf-8"))

    assert page == as_markdown(made)
    assert (
        "| 1 | Is the object that a request is posted to a source? | yes | heard a \\| b c | **as assumed** |" in page
    )
    assert "- bucket x: no right" in page
    assert document == json.loads(json.dumps(as_json(made)))
    assert {"oss_requests": 9, "imm_tasks": 1, "smq_messages": 2, "stored_bytes": 3000} == document["spending"][
        "announced"
    ]


def test_a_report_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    """After the answers were shown."""
    with pytest.raises(FileNotReadable, match="--report"):
        write(report(), tmp_path / "nowhere" / "r.md")


def rejected(status: int, code: str, words: str = "no") -> Observation:
    """Return the observation of an error as the SDK reports it."""
    return observe_error(oss2.exceptions.ServerError(status, {}, "", {"Code": code, "Message": words}))


def test_only_errors_of_the_action_are_answers() -> None:
    """Missing rights, throttling and no answer say nothing; IMM's errors count with every status."""
    assert "403 AccessDenied: no" == rejected(403, "AccessDenied").error
    assert rejected(503, "ServiceUnavailable").error
    assert rejected(400, IMM_CODE, "Throttling.User, later").error
    assert RejectedRequest(403, IMM_CODE, "ResourceNotFound") == rejected(403, IMM_CODE, "ResourceNotFound").rejected
    assert RejectedRequest(404, "NoSuchKey", "no") == rejected(404, "NoSuchKey").rejected
