"""Refuse words that a reader who knows the field, but not this project, would have to guess at: `make lint`.

`python tests/check_words.py [PATH ...]` prints one line for each: file, line, the word, and what to use instead; exit
code 1 if there is any. Without arguments it reads the product, its documentation and its tests.

Names are read like sentences: `test_nobody_waits` and `WeatherReport` count as "nobody" and "weather".
"""

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
CHECKED = (
    *("shared", "localyun", "cli", "functions", "build.py", "bench", "examples", "tests", "docs", ".ci", ".github"),
    *("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "Makefile", "pyproject.toml", "s.yaml", "template.yml"),
)
SUFFIXES = frozenset({"", ".js", ".md", ".py", ".toml", ".yaml", ".yml"})
# These two files are the list itself and its test.
SKIPPED = frozenset({"tests/check_words.py", "tests/unit/test_words.py"})

# A regular expression for a word or a phrase, and what to write instead. A space matches any white space.
WORDS = {
    "whoever|nobody|somebody|everybody|anybody": "the name of the actor, or the passive",
    "in vain|falter(?:s|ed|ing)?": "failed; failed transiently",
    "passing reason|in passing": "transient; transiently",
    "told|untold": "delivered, undelivered; named, described",
    "(?:tells?|says?) whether": "Return True if",
    "owe[ds]?": "pending",
    "notices?": "completion notification",
    "verdicts?|judge[ds]?|judging": "decision, decide; check",
    "settle[ds]?|settling": "record the result",
    "tend(?:s|ed|ing)?(?! to)|look(?:s|ed|ing)? after": "recover",
    "patien(?:ce|t)": "grace period",
    "rests|rested|resting|asleep": "backing off",
    "silent sinks?": "unresponsive sinks",
    "ledgers?": "job store",
    "desks?": "context; developer machine",
    "wiring|wired": "bootstrap; connect",
    "spells?|spelled|spelt": "format; write",
    "lends?": "reference clip; sets defaults",
    "standing|stands? (?:above|alone|at|below|beside|here|in|last|there|twice)": "is, is in; output conflict",
    "slips?|remarks?": "lint warning; warning",
    "planted mistakes?": "mutant",
    "mistakes?": "error; issue for one entry of the list",
    "give-ups?": "failure destination",
    "faces?": "HTTP endpoint",
    "weather|forecasts?|severity|hurry": "fault injection, fault profile, fault rate, time scale",
    "besieged|sieges?|voyages?": "harness; run",
    "houses?|doors?|rooms?|roads?": "local cloud, entry point, or no word at all",
    "twins?": "duplicate",
    "fuses?|tally|tallies": "FaultAfter; CallCounter",
    "referees?": "conformance check",
    "blanks?": "space",
    "whole numbers?": "integer",
    "(?:lies?|lay|lying) (?:above|below|beside|beyond|elsewhere|in|outside|there|under)": "is in, is under",
    "(?:are|as|is|of) ours": "reserved; this project's",
    "mend(?:s|ed|ing)?": "fix",
    "troubles?|troubled": "error; needs attention",
    "(?:comes?|came|coming) to an end": "finish",
    "puts? down": "store",
}

# What is allowed although a word of the list is in it, and why.
ALLOWED = {
    r"CLIPSTITCH_PATIENCE_S": "the former name of a setting, in the changelog",
    r"NOTICE_\w+|BAD_NOTICE|SWEEP_TROUBLE": "error codes are stable: programs compare them",
    r"NOTICE\|AUTHORS": "names of licence files",
    r"keep_blank_values": "a parameter of urllib.parse",
    r"FaceSearch": "a task type of IMM",
    r"[Bb]lank lines?": "the ordinary term for an empty line",
    r"font-face": "CSS",
    r"SeverityConfigurations|Severity: \d+": "properties of ALIYUN::SLS::Alert",
}

# The same for one word in one file.
ALLOWED_IN = {("localyun/imm/store.py", "told"): "a column in existing data directories"}

# `#` counts as white space, so that a phrase is found across two lines of a comment.
_WORDS = re.compile(
    r"(?<![A-Za-z])(?:" + "|".join(f"({words})" for words in WORDS).replace(" ", r"[\s#]+") + r")(?![A-Za-z])",
    re.IGNORECASE,
)
_ALLOWED = re.compile("|".join(ALLOWED))
_INSIDE_NAMES = re.compile(r"_|(?<=[a-z0-9])(?=[A-Z])")


class Finding(NamedTuple):
    """A refused word: its line counted from 1, the word as it is written, and what to use instead."""

    line: int
    word: str
    instead: str


def check(text: str) -> Iterator[Finding]:
    """Return the refused words of a text, in order."""
    words = _INSIDE_NAMES.sub(" ", _ALLOWED.sub("", text))
    uses = tuple(WORDS.values())
    for match in _WORDS.finditer(words):
        line = words.count("\n", 0, match.start()) + 1
        yield Finding(line, " ".join(re.split(r"[\s#]+", match[0])), uses[(match.lastindex or 1) - 1])


def default_paths() -> list[Path]:
    """Return the product, its documentation and its tests."""
    return [ROOT / name for name in CHECKED if (ROOT / name).exists()]


def files(paths: Sequence[Path]) -> Iterator[Path]:
    """Return the files to read below some paths, in a stable order."""
    for path in paths:
        found = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
        yield from (file for file in found if file.suffix in SUFFIXES and not _is_skipped(file))


def _is_skipped(file: Path) -> bool:
    return "__pycache__" in file.parts or any(file.resolve() == ROOT / name for name in SKIPPED)


def main(arguments: Sequence[str]) -> int:
    """Print every refused word of the files; return 1 if there is any, else 0."""
    paths = [Path(argument) for argument in arguments] or default_paths()
    found = 0
    for file in files(paths):
        shown = file.resolve().relative_to(ROOT) if file.resolve().is_relative_to(ROOT) else file
        findings = [Finding(0, word, instead) for _, word, instead in check(str(shown))]
        for line, word, instead in (*findings, *check(file.read_text("utf-8"))):
            if (str(shown), word) not in ALLOWED_IN:
                found += 1
                sys.stdout.write(f"{shown}:{line}: {word!r}; use instead: {instead}\n")
    if found:
        sys.stdout.write(f"{found} refused words; the list is in {Path(__file__).relative_to(ROOT)}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
