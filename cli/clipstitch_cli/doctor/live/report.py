"""What the live questions came to, for people, for programs, and as a file. Pure but for the writing of it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from clipstitch_cli import exit_codes
from clipstitch_cli.doctor.live.experiments import Seen, Spending
from clipstitch_cli.doctor.live.questions import AS_ASSUMED, DIFFERENT, OPEN, Answer, Question
from clipstitch_cli.errors import NoSuchFile


class Report(NamedTuple):
    """Questions with their answers, where they were asked, what it cost, and what could not be removed."""

    at: str
    where: Mapping[str, str]
    announced: Spending
    requests: int
    answers: Sequence[tuple[Question, Answer]]
    seen: Mapping[str, Seen]
    left: Sequence[str]

    @property
    def code(self) -> int:
        """Trouble when something differs, or is left behind."""
        differs = any(answer.decision == DIFFERENT for _, answer in self.answers)
        return exit_codes.TROUBLE if differs or self.left else exit_codes.OK

    @property
    def counts(self) -> str:
        """How many answers are how."""
        verdicts = [answer.decision for _, answer in self.answers]
        return ", ".join(f"{verdicts.count(v)} {v}" for v in (AS_ASSUMED, DIFFERENT, OPEN) if v in verdicts)


def as_json(report: Report) -> dict[str, Any]:
    """Return a report as programs read it."""
    questions = [
        {"number": q.number, "question": q.text, "assumed": q.assumed, "found": a.found, "decision": a.decision}
        for q, a in report.answers
    ]
    seen = {name: {**one._asdict(), "refused": str(one.refused or "")} for name, one in report.seen.items()}
    spent = {"announced": report.announced._asdict(), "oss_requests": report.requests}
    return {
        "at": report.at,
        "where": dict(report.where),
        "spending": spent,
        "questions": questions,
        "seen": seen,
        "left": list(report.left),
    }


def as_markdown(report: Report) -> str:
    """Return a report as people read it."""
    rows = (f"| {q.number} | {q.text} | {q.assumed} | {_cell(a.found)} | **{a.decision}** |" for q, a in report.answers)
    where = ", ".join(f"{name} `{value}`" for name, value in report.where.items())
    spent = f"Said beforehand: at most {report.announced}. OSS requests for questions 1 to 11: {report.requests}."
    parts = {
        "# What the cloud really does": f"`clipstitch doctor --live`, {report.at}, {where}: {report.counts}.",
        "## Answers": "\n".join((_HEAD, *rows)),
        "## Spent": spent,
        "## Left behind": "\n".join(f"- {each}" for each in report.left) or "Nothing.",
        "## What was seen": "\n\n".join(_seen(name, one) for name, one in report.seen.items()),
    }
    return "\n\n".join(f"{title}\n\n{text}" for title, text in parts.items()) + "\n"


_HEAD = "| # | question | we assume | found | |\n| --- | --- | --- | --- | --- |"


def _seen(name: str, one: Seen) -> str:
    """Write down all that is known of an experiment."""
    return f"### {name}\n\n```json\n{json.dumps(one._asdict(), indent=1, ensure_ascii=False)}\n```"


def _cell(text: str) -> str:
    """Write a text into a table."""
    return text.replace("|", "\\|").replace("\n", " ")


def write(report: Report, file: Path) -> None:
    """Write the report, and beside it the same as JSON."""
    try:
        file.write_text(as_markdown(report), encoding="utf-8")
        file.with_suffix(".json").write_text(json.dumps(as_json(report), indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise NoSuchFile(f"--report {file}: {error.strerror}") from error
