"""What the vendor would call ineffective in a policy: an action without an effective resource, or the reverse.

"The specified resource must be compatible with the action. Otherwise, the policy will be ineffective." (IMM,
"GetOSSBucketAttachment", and every other API page, 2026.) localyun/ram/actions.tsv has the resource of each action.
"""

import json
import re
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import zip_longest
from pathlib import Path
from string import Formatter
from typing import Any, NamedTuple

from localyun.ram.actions import ALL_RESOURCE, matching_actions
from localyun.ram.patterns import arn_parts
from localyun.ram.policies import Statement, parse_policy
from tests.deploy.tools import ROOT

ACCOUNT = "1234567890123456"
PAGES = tuple(sorted((ROOT / "docs").glob("*.md")))


class _Token(NamedTuple):
    """One character, or one or many of any characters but some."""

    char: str = ""
    without: str = ""
    many: bool = False

    def meets(self, other: "_Token") -> bool:
        if self.char and other.char:
            return self.char == other.char
        return (self.char or "a") not in other.without and (other.char or "a") not in self.without


def ineffective(statement: Statement, account: str = ACCOUNT) -> Iterator[str]:
    """Yield what is without effect in a statement, in words; nothing for a statement that is effective as a whole."""
    used = set()
    for pattern in statement.actions:
        actions = matching_actions(pattern)
        if not actions:
            yield f"{pattern} is not in localyun/ram/actions.tsv"
        fitting = {at for at in statement.resources for action in actions if fits(at, action.resource, account)}
        if actions and not fitting:
            shapes = ", ".join(sorted({action.resource for action in actions}))
            yield f"{pattern} has no effect on {', '.join(statement.resources)}; its resource is {shapes}"
        used |= fitting
    for resource in statement.resources:
        if resource not in used:
            yield f"{resource} is the resource of none of {', '.join(statement.actions)}"


def fits(pattern: str, shape: str, account: str = ACCOUNT) -> bool:
    """Return True if a pattern of a policy matches a resource of some shape in an account.

    >>> fits("acs:oss:*:*:b/*", "acs:oss:{region}:{account}:{bucket}")
    False
    """
    if shape == ALL_RESOURCE:
        return pattern == ALL_RESOURCE
    pairs = zip_longest(arn_parts(pattern), arn_parts(shape), fillvalue="")
    return pattern == ALL_RESOURCE or all(
        _overlap(tuple(_pattern_tokens(left)), tuple(_shape_tokens(right, account))) for left, right in pairs
    )


def _pattern_tokens(pattern: str) -> Iterator[_Token]:
    for char in pattern:
        yield _Token(many=True) if char == "*" else _Token() if char == "?" else _Token(char)


def _shape_tokens(shape: str, account: str) -> Iterator[_Token]:
    """Yield the tokens of a shape. Names have no slash, keys may have; the region may be empty, as in ARNs of RAM."""
    for text, name, _, _ in Formatter().parse(shape):
        yield from map(_Token, text)
        if name == "account":
            yield from map(_Token, account)
        elif name == "key":
            yield from (_Token(), _Token(many=True))
        elif name:
            yield from [_Token(without="/")] * (name != "region")
            yield _Token(without="/", many=True)


def _overlap(left: Sequence[_Token], right: Sequence[_Token]) -> bool:
    """Return True if some text matches both."""

    @cache
    def rest(i: int, j: int) -> bool:
        if i == len(left) and j == len(right):
            return True
        if i < len(left) and left[i].many and rest(i + 1, j):
            return True
        if j < len(right) and right[j].many and rest(i, j + 1):
            return True
        if i == len(left) or j == len(right) or not left[i].meets(right[j]):
            return False
        return not (left[i].many and right[j].many) and rest(i + (not left[i].many), j + (not right[j].many))

    return rest(0, 0)


def policies_of(page: Path) -> list[dict[str, Any]]:
    """Return the policies that a page shows: its blocks of JSON that have statements."""
    blocks = re.findall(r"^```json\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    return [policy for block in blocks if isinstance(policy := json.loads(block), dict) and "Statement" in policy]


def documented_statements() -> list[tuple[str, Statement]]:
    """Return all statements of the policies in docs/, each with the name of its page."""
    return [
        (page.name, statement) for page in PAGES for policy in policies_of(page) for statement in parse_policy(policy)
    ]
