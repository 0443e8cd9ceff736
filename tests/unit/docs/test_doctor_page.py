"""docs/doctor.md says what the doctor does: every check and every question, in the same words."""

import re
from pathlib import Path

from clipstitch_cli.doctor.checks.all_checks import CHECKS
from clipstitch_cli.doctor.live.deployed_functions import KEYS, RETRIES
from clipstitch_cli.doctor.live.questions import QUESTIONS
from clipstitch_cli.doctor.live.run import CONSOLE_ONLY

PAGE = (Path(__file__).parents[3] / "docs" / "doctor.md").read_text("utf-8")


def table(head: str) -> list[str]:
    """Return the rows of a table of the page."""
    found = re.search(rf"^\| {head}.*\n\|[ |-]+\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    assert found
    return found[1].splitlines()


def test_every_check_is_on_the_page():
    """In the order in which they are made."""
    assert [f"| {check.name} | {check.looks_at} | {check.remedy} |" for check in CHECKS] == table("check")


def test_every_question_is_on_the_page():
    """With what we assume."""
    questions = (*QUESTIONS, KEYS, RETRIES, CONSOLE_ONLY)

    assert [f"| {one.number} | {one.text} | {one.assumed} |" for one in questions] == table("#")
