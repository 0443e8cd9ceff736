"""Glob patterns over object keys, and the natural order of keys. Pure.

`*` and `?` stay within one folder, `**/` crosses folders, `[abc]` and `[!abc]` match a character. A hidden name, which
begins with a dot, matches only a pattern that has the dot.
"""

import re
from collections.abc import Iterable

_WILD = re.compile(r"[*?\[]")


def literal_prefix(pattern: str) -> str:
    """Return the prefix that all matches have, for a listing.

    >>> literal_prefix("chapters/ch*.mp3")
    'chapters/ch'
    """
    wild = _WILD.search(pattern)
    return pattern[: wild.start()] if wild else pattern


def natural_sort_key(key: str) -> list[tuple[int, int, str]]:
    """Return a sort key that puts 2 before 10, and 2 before 02.

    >>> sorted(["ch10", "ch2", "ch02", "ch1"], key=natural_sort_key)
    ['ch1', 'ch2', 'ch02', 'ch10']
    """
    parts = re.split(r"([0-9]+)", key)
    return [(1, *_number(part)) if part.isdigit() and part.isascii() else (0, 0, part) for part in parts]


def _number(digits: str) -> tuple[int, str]:
    """Return the sort key of digits: by number, then by leading zeros. Not by `int`, which limits their count."""
    number = digits.lstrip("0")
    return len(number), f"{number}/{len(digits):06d}"


def matches(pattern: str, keys: Iterable[str]) -> list[str]:
    """Return the keys that match, in natural order. Folders (keys that end in a slash) never match.

    >>> matches("c/*.mp3", ["c/10.mp3", "c/2.mp3", "c/.x.mp3", "c/d/1.mp3", "c/"])
    ['c/2.mp3', 'c/10.mp3']
    """
    regex = re.compile(_regex(pattern), re.DOTALL)
    return sorted((key for key in keys if not key.endswith("/") and regex.fullmatch(key)), key=natural_sort_key)


def _regex(pattern: str) -> str:
    """Return the regular expression of a pattern, in linear time and without backtracking into an earlier star.

    The first match of the part between two stars is as good as any other, so that part is made atomic with a lookahead
    and a back reference; the same holds for `**/` and whole folders.
    """
    out: list[str] = []
    at, starts, star, cross = 0, True, -1, -1  # indices in `out` of the last star of this folder and of the last `**/`
    while at < len(pattern):
        crossing = starts and pattern.startswith("**/", at)
        hidden = r"(?!\.)" if starts and not crossing and pattern[at] in "*?[" else ""
        piece, length = (r"(?:(?!\.)[^/]+/)*?", 3) if crossing else _next(pattern, at)
        before = cross if crossing else star
        if pattern[at] == "*" and before >= 0:
            out[before:] = [f"(?=(?P<g{at}>{''.join(out[before:])}))(?P=g{at})"]
        cross = len(out) if crossing else cross
        star = -1 if pattern[at] == "/" or crossing else len(out) if pattern[at] == "*" else star
        out.append(hidden + piece)
        at += length
        starts = pattern[at - 1] == "/"
    return "".join(out)


def _next(pattern: str, at: int) -> tuple[str, int]:
    """Return the regular expression of the next part of the pattern, and the length of that part."""
    if pattern[at] == "*":
        return "[^/]*?", 1
    if pattern[at] == "?":
        return "[^/]", 1
    chosen = re.match(r"\[(!?)(\]?[^\]/]*)\]", pattern[at:])
    if pattern[at] == "[" and chosen and chosen[2]:
        return rf"(?![{_set(chosen[2])}])[^/]" if chosen[1] else rf"(?!/)[{_set(chosen[2])}]", chosen.end()
    return re.escape(pattern[at]), 1


def _set(characters: str) -> str:
    """Return the character set of a choice; a dash between two characters is a range, empty if it descends."""
    items = re.findall(r"(?s)(.)-(.)|(.)", characters)
    parts = (re.escape(one) or f"{re.escape(first)}-{re.escape(last)}" for first, last, one in items if first <= last)
    return "".join(parts) or "/"  # no character is a slash here
