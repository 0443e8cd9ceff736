"""The answers of `doctor --live` as JSON, as Markdown, and as files. Pure, except for writing the files."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from clipstitch_cli import exit_codes
from clipstitch_cli.doctor.live.experiments import Observation, Spending
from clipstitch_cli.doctor.live.questions import AS_ASSUMED, DIFFERENT, OPEN, Answer, OpenQuestion
from clipstitch_cli.errors import FileNotReadable


class LiveReport(NamedTuple):
    """Questions with their answers, where they were asked, what it cost, and what could not be removed."""

    at: str
    where: Mapping[str, str]
    announced: Spending
    requests: int
    answers: Sequence[tuple[OpenQuestion, Answer]]
    observations: Mapping[str, Observation]
    not_removed: Sequence[str]

    @property
    def code(self) -> int:
        """ERROR if an answer differs from the assumption, or something was not removed."""
        differs = any(answer.outcome == DIFFERENT for _, answer in self.answers)
        return exit_codes.ERROR if differs or self.not_removed else exit_codes.OK

    @property
    def counts(self) -> str:
        """The number of answers by outcome."""
        outcomes = [answer.outcome for _, answer in self.answers]
        return ", ".join(f"{outcomes.count(one)} {one}" for one in (AS_ASSUMED, DIFFERENT, OPEN) if one in outcomes)


def as_json(report: LiveReport) -> dict[str, Any]:
    """Return a report as JSON values."""
    seen = {name: {**one._asdict(), "rejected": str(one.rejected or "")} for name, one in report.observations.items()}
    return {
        "at": report.at,
        "where": dict(report.where),
        "spending": {"announced": report.announced._asdict(), "oss_requests": report.requests},
        "questions": [
            {
                "number": q.number,
                "question": q.text,
                "assumed": q.assumed,
                "found": a.found,
                "outcome": a.outcome,
                "change": change_of(q, a),
            }
            for q, a in report.answers
        ],
        "observations": seen,
        "not_removed": list(report.not_removed),
    }


def change_of(question: OpenQuestion, answer: Answer) -> str:
    """Return what to change because of an answer; "" unless it differs from the assumption."""
    return question.change if answer.outcome == DIFFERENT else ""


def as_markdown(report: LiveReport) -> str:
    """Return a report as Markdown."""
    rows = (
        f"| {q.number} | {q.text} | {q.assumed} | {_cell(a.found)} | **{a.outcome}** | {_cell(change_of(q, a))} |"
        for q, a in report.answers
    )
    where = ", ".join(f"{name} `{value}`" for name, value in report.where.items())
    spent = f"Announced: at most {report.announced}. OSS requests for questions 1 to 11: {report.requests}."
    parts = {
        "# Verified cloud behaviour": f"`clipstitch doctor --live`, {report.at}, {where}: {report.counts}.",
        "## Answers": "\n".join((_HEAD, *rows)),
        "## Spent": spent,
        "## Not removed": "\n".join(f"- {each}" for each in report.not_removed) or "Nothing.",
        "## Observations": "\n\n".join(_observation(name, one) for name, one in report.observations.items()),
    }
    return "\n\n".join(f"{title}\n\n{text}" for title, text in parts.items()) + "\n"


_HEAD = "| # | question | assumed | found | | to change |\n| --- | --- | --- | --- | --- | --- |"


def _observation(name: str, one: Observation) -> str:
    return f"### {name}\n\n```json\n{json.dumps(one._asdict(), indent=1, ensure_ascii=False)}\n```"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def write(report: LiveReport, file: Path) -> None:
    """Write the report as Markdown, and as JSON beside it. Raises FileNotReadable."""
    try:
        file.write_text(as_markdown(report), encoding="utf-8")
        file.with_suffix(".json").write_text(json.dumps(as_json(report), indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise FileNotReadable(f"--report {file}: {error.strerror}") from error
