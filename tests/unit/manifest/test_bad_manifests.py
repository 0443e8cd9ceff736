"""Every bad manifest has all its issues reported in one pass, each with a remedy."""

import re
from pathlib import Path
from typing import get_args

import pytest

from clipstitch.common import errors
from clipstitch.common.errors import ClipstitchError, InvalidManifest, Issue
from clipstitch.manifest.model import Clip
from clipstitch.manifest.parse import parse
from clipstitch.planning.plan import WarningCode
from tests.unit.manifest.bad_manifests import BAD_MANIFESTS, GOOD, LIMITS, BadManifest, bad

ERRORS_PAGE = Path(__file__).parents[3] / "docs" / "errors.md"
FROM_PROBES = {
    "CLIP_NOT_FOUND",
    "ENGINE_NEEDED",
    "CLIP_ARCHIVED",
    "CLIP_NOT_AUDIO",
    "TRIM_BEYOND_END",
    "GLOB_EMPTY",
    "BITRATE_ABOVE_SOURCE",
}  # what only the cloud knows; see test_planner and test_expand_globs
# See test_decide, test_flow_in_memory and test_sweep.
FROM_JOBS = {"OUTPUT_EXISTS", "TASK_FAILED", "MANIFEST_GONE", "DEADLINE_PASSED", *get_args(WarningCode)}
NEAREST = {"SAMPLE_RATE_NOT_ALLOWED", "CHANNELS_NOT_ALLOWED", "ALIGN_OUT_OF_RANGE"}


def issues_of(case: BadManifest) -> tuple[Issue, ...]:
    """Return the issues of a manifest."""
    with pytest.raises(InvalidManifest) as caught:
        parse(case.body, case.ref, LIMITS)
    return caught.value.issues


def codes_of_errors() -> set[str]:
    """Return the codes of all errors of the package."""
    kinds = (kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ClipstitchError))
    return {kind.code for kind in kinds} - {ClipstitchError.code}


def codes_documented(page: str) -> list[str]:
    """Return the codes in the first column of a page's tables."""
    return re.findall(r"^\|\s*`([A-Z_]+)`", page, re.MULTILINE)


@pytest.mark.parametrize("case", BAD_MANIFESTS, ids=lambda case: case.name)
def test_a_bad_manifest_has_all_its_issues_in_order(case: BadManifest) -> None:
    """Code and path of every issue, none missing, none too many."""
    issues = issues_of(case)

    assert list(case.issues) == [(issue.code, issue.path) for issue in issues]


@pytest.mark.parametrize("case", BAD_MANIFESTS, ids=lambda case: case.name)
def test_every_issue_says_what_is_wrong_and_what_to_do(case: BadManifest) -> None:
    """Message and remedy are never empty, and contain the words of the table."""
    issues = issues_of(case)

    assert all(issue.message and issue.remedy for issue in issues)
    assert [] == [word for word in case.words if not any(word in issue.remedy for issue in issues)]


@pytest.mark.parametrize("case", BAD_MANIFESTS, ids=lambda case: case.name)
def test_the_remedy_for_a_number_has_the_nearest_allowed_one(case: BadManifest) -> None:
    """For a rate, a number of channels, an index or a number out of range."""
    numbers = [
        issue for issue in issues_of(case) if issue.code in NEAREST or re.match(r"is -?\d+.*outside", issue.message)
    ]

    assert all(re.search(r"nearest is \d+\.", issue.remedy) for issue in numbers)


def test_the_table_covers_many_cases() -> None:
    """At least 45 bad manifests, of which several have five issues or more; no name is duplicate."""
    assert len(BAD_MANIFESTS) >= 45
    assert sum(len(case.issues) >= 5 for case in BAD_MANIFESTS) >= 5
    assert len(BAD_MANIFESTS) == len({case.name for case in BAD_MANIFESTS})


def test_the_manifest_that_all_cases_are_derived_from_is_valid() -> None:
    """Otherwise every case would have an unintended issue."""
    good = bad("good", GOOD)

    assert ("clips/a.mp3", "clips/b.wav") == tuple(
        clip.key for clip in parse(good.body, good.ref, LIMITS).clips if isinstance(clip, Clip)
    )


def test_a_manifest_of_exactly_256_kb_is_parsed() -> None:
    """The limit itself is allowed."""
    good = bad("good", GOOD)
    body = good.body.ljust(256 * 1024)

    assert "episodes/ep.mp3" == parse(body, good.ref, LIMITS).output.ref.key


def test_the_error_has_every_path() -> None:
    """Its message alone is enough for a log line."""
    with pytest.raises(InvalidManifest, match=r"^/clips/0/key: .*; /output/key: "):
        parse(b'{"version": 1, "output": {}, "clips": [{}]}', bad("", "").ref, LIMITS)


def test_an_issue_survives_json() -> None:
    """Facts and events have issues in this form."""
    issue = Issue("/a", "CODE", "is wrong", "fix it")

    assert issue == Issue.from_json(issue.as_json())


def test_the_documented_codes_are_exactly_those_that_exist() -> None:
    """Codes are stable: each that can occur is documented, and each that is documented can occur."""
    if not ERRORS_PAGE.exists():
        pytest.skip("docs/errors.md is not written yet")
    given = {code for case in BAD_MANIFESTS for code, _ in case.issues}
    documented = set(codes_documented(ERRORS_PAGE.read_text("utf-8")))

    assert (given | FROM_PROBES | FROM_JOBS | codes_of_errors()) == documented - {ClipstitchError.code}
