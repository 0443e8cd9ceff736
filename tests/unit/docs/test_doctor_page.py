"""docs/doctor.md lists every check and every question, in the same words."""

import re
from pathlib import Path

from clipstitch_cli.doctor.checks.all_checks import CHECKS
from clipstitch_cli.doctor.live.function_experiments import FUNCTION_QUESTIONS
from clipstitch_cli.doctor.live.questions import QUESTIONS
from clipstitch_cli.doctor.live.run import QUOTAS

PAGE = (Path(__file__).parents[3] / "docs" / "doctor.md").read_text("utf-8")


def table(head: str) -> list[str]:
    """Return the rows of a table of the page."""
    found = re.search(rf"^\| {head}.*\n\|[ |-]+\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    assert found
    return found[1].splitlines()


def test_every_check_is_on_the_page() -> None:
    """In the order in which the checks are made."""
    assert [f"| {check.name} | {check.inspects} | {check.remedy} |" for check in CHECKS] == table("check")


def test_every_question_is_on_the_page() -> None:
    """With its assumption."""
    last = sorted((*FUNCTION_QUESTIONS, QUOTAS), key=lambda one: int(one.number))
    questions = (*QUESTIONS, *last)

    assert [f"| {one.number} | {one.text} | {one.assumed} | {one.change} |" for one in questions] == table("#")
