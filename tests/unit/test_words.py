"""The list of refused words: each is found, wherever it is written, and ordinary sentences pass."""

import subprocess
from pathlib import Path

import pytest

from tests.check_words import ALLOWED, ALLOWED_IN, ROOT, SKIPPED, WORDS, Finding, check, default_paths, files, main

EXAMPLES = {
    "nobody": "Nobody reads it.",
    "whoever": "It is for whoever asks.",
    "somebody": "Somebody else may write.",
    "everybody": "everybody hears of it",
    "anybody": "Can anybody see it?",
    "in vain": "It was called in vain.",
    "in  vain": "# it was called in\n# vain",
    "faltered": "The step faltered.",
    "passing reason": "It failed for a passing reason.",
    "told": "The sink was told.",
    "untold": "untold = set(sinks)",
    "say whether": "Say whether it is closed.",
    "owed": "for sink in owed_sinks:",
    "notice": "A notice is no proof.",
    "verdict": "class Verdict:",
    "judge": "def test_the_judge_agrees() -> None:",
    "settled": "The result is settled.",
    "tend": "def tend(job): ...",
    "looks after": "It looks after open jobs.",
    "patience": "PATIENCE_S = 120",
    "resting": "resting: int = 0",
    "asleep": "The receiver is asleep.",
    "silent sinks": "silent_sinks = ()",
    "ledger": "ledger.add(fact)",
    "desk": "from clipstitch_cli.desk import Desk",
    "wiring": "clipstitch.wiring",
    "spelled": "The key is spelled in Base64.",
    "lends": "the clip that lends its rate",
    "stands twice": "parameter 'ss' stands twice",
    "slip": "class Slip:",
    "remarks": "data.remarks",
    "planted mistake": "the table of planted mistakes",
    "mistake": "A manifest with one mistake.",
    "give-ups": "the queue of give-ups",
    "faces": "four HTTP faces",
    "weather": "make weather",
    "forecast": "Forecast(seed)",
    "severity": "--severity 2",
    "hurry": "hurry=10",
    "besieged": "a cloud besieged",
    "siege": "siege.run()",
    "voyage": "the long voyage",
    "doors": "tests/fuzz/doors.py",
    "house": "the house of tests",
    "twin": "Comes a twin later.",
    "fuse": "Fuse(calls)",
    "tally": "tally.count",
    "referee": "a referee of OSS",
    "blanks": "separated by blanks",
    "whole number": "must be a whole number",
    "lies in": "key lies in `x`",
    "of ours": "a name of ours",
    "mends": "a refusal that no retry mends",
    "trouble": "The first one in trouble.",
    "comes to an end": "Every job comes to an end.",
    "put down": "It is put down first.",
}


@pytest.mark.parametrize(("word", "sentence"), EXAMPLES.items(), ids=list(EXAMPLES))
def test_each_refused_word_is_found(word: str, sentence: str) -> None:
    """In prose, in names, and across two lines of a comment."""
    found = [finding.word.lower() for finding in check(sentence)]

    assert any(each.startswith(" ".join(word.split())) for each in found)


def test_every_entry_of_the_list_has_an_example() -> None:
    """An entry that matches no example would be dead."""
    uses = {finding.instead for sentence in EXAMPLES.values() for finding in check(sentence)}

    assert set(WORDS.values()) == uses


@pytest.mark.parametrize(
    "sentence",
    [
        "Record a non-retryable error as a step failure, and continue with the next job.",
        "The interface attends to a surface; playtender, warehouse and indoor are other words.",
        "Sizes tend to grow. A blank line ends the paragraph.",
        "NOTICE_UNCONFIRMED",
        "SeverityConfigurations: [{Severity: 8}]",
    ],
)
def test_ordinary_sentences_pass(sentence: str) -> None:
    """A refused word inside another word does not count, nor does what the allow-list names."""
    assert [] == list(check(sentence))


def test_every_exception_has_a_reason() -> None:
    """The allow-list says why."""
    assert all((*ALLOWED.values(), *ALLOWED_IN.values()))


def test_a_finding_names_line_word_and_replacement() -> None:
    """Lines are counted from 1."""
    assert [Finding(2, "ledger", "job store")] == list(check("first line\nthe ledger\n"))


def test_the_program_prints_what_it_finds_and_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """File names are read too; what is not text is not."""
    (tmp_path / "good.md").write_text("A plain sentence.", "utf-8")
    (tmp_path / "clip.mp3").write_bytes(b"\xff ledger")
    (tmp_path / "bad.py").write_text('"""Plain."""\n\nledger = {}\n', "utf-8")
    (tmp_path / "weather.py").write_text("", "utf-8")

    assert 1 == main([str(tmp_path)])
    printed = capsys.readouterr().out
    assert f"{tmp_path / 'bad.py'}:3: 'ledger'; use instead: job store\n" in printed
    assert f"{tmp_path / 'weather.py'}:0: 'weather'" in printed
    assert 0 == main([str(tmp_path / "good.md")])


def test_product_documentation_and_tests_are_read() -> None:
    """Every tracked Python file and page is read, except the list and its test."""
    listed = subprocess.run(["git", "ls-files", "*.py", "*.md"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    tracked = {ROOT / name for name in listed.stdout.splitlines()}

    assert {file for file in tracked if file.exists()} - {ROOT / name for name in SKIPPED} <= set(
        files(default_paths())
    )
