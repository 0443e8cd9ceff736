"""The wildcards of RAM policies: `*` is any characters, also slashes, `?` is one character."""

import re
from collections.abc import Iterable
from functools import lru_cache


def matches(patterns: Iterable[str], text: str) -> bool:
    """Return True if a text matches one of the patterns as a whole.

    >>> matches(["oss:Get*"], "oss:GetObject"), matches(["oss:Get?"], "oss:GetObject")
    (True, False)
    """
    return any(_compiled(pattern).fullmatch(text) for pattern in patterns)


def matches_resource(patterns: Iterable[str], resource: str) -> bool:
    """Return True if a resource matches one of the patterns, each of its five parts by itself, or a single `*`.

    >>> matches_resource(["acs:oss:*:*:b"], "acs:oss:r:1:b"), matches_resource(["acs:oss:*:*:b"], "acs:oss:r:1:c/x:y:b")
    (True, False)
    """
    return any(pattern == "*" or _same_parts(arn_parts(pattern), arn_parts(resource)) for pattern in patterns)


def arn_parts(arn: str) -> list[str]:
    """Return acs, service, region, account and the name of the resource, which may have colons."""
    return arn.split(":", 4)


def _same_parts(patterns: list[str], texts: list[str]) -> bool:
    return len(patterns) == len(texts) and all(matches([one], text) for one, text in zip(patterns, texts, strict=True))


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), re.DOTALL)
