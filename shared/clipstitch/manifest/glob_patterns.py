"""Patterns over object keys, and the order in which people expect what they find. Pure.

`*` and `?` stay within one folder, `**/` crosses folders, `[abc]` and `[!abc]` choose. Hidden names (a dot in front)
have to be asked for by a dot.
"""

import re
from collections.abc import Iterable

_WILD = re.compile(r"[*?\[]")


def literal_prefix(pattern: str) -> str:
    """Return what every match begins with: what a listing can be narrowed to.

    >>> literal_prefix("chapters/ch*.mp3")
    'chapters/ch'
    """
    wild = _WILD.search(pattern)
    return pattern[: wild.start()] if wild else pattern


def natural_sort_key(key: str) -> list[tuple[int, int, str]]:
    """Return what to sort by, so that 2 comes before 10, and equal numbers by their zeros.

    >>> sorted(["ch10", "ch2", "ch02", "ch1"], key=natural)
    ['ch1', 'ch2', 'ch02', 'ch10']
    """
    parts = re.split(r"([0-9]+)", key)
    return [(1, *_number(part)) if part.isdigit() and part.isascii() else (0, 0, part) for part in parts]


def _number(digits: str) -> tuple[int, str]:
    """Return what to sort digits by, however many: as a number, then by the zeros in front."""
    number = digits.lstrip("0")
    return len(number), f"{number}/{len(digits):06d}"


def matches(pattern: str, keys: Iterable[str]) -> list[str]:
    """Return the keys that match, in natural order; folders (keys that end in a slash) never do.

    >>> matches("c/*.mp3", ["c/10.mp3", "c/2.mp3", "c/.x.mp3", "c/d/1.mp3", "c/"])
    ['c/2.mp3', 'c/10.mp3']
    """
    shape = re.compile(_regex(pattern), re.DOTALL)
    return sorted((key for key in keys if not key.endswith("/") and shape.fullmatch(key)), key=natural_sort_key)


def _regex(pattern: str) -> str:
    """Turn a pattern into a regular expression, in which no star is tried again once the next one in its folder began.

    The first place where what stands between two stars fits is as good as any, and so it is with `**/` and whole
    folders; so no pattern takes for ever.
    """
    out: list[str] = []
    at, starts, star, cross = 0, True, -1, -1  # where in `out` the last star of this folder, the last `**/` stand
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
    """Return the expression for what stands at a place, and how much of the pattern it takes."""
    if pattern[at] == "*":
        return "[^/]*?", 1
    if pattern[at] == "?":
        return "[^/]", 1
    chosen = re.match(r"\[(!?)(\]?[^\]/]*)\]", pattern[at:])
    if pattern[at] == "[" and chosen and chosen[2]:
        return rf"(?![{_set(chosen[2])}])[^/]" if chosen[1] else rf"(?!/)[{_set(chosen[2])}]", chosen.end()
    return re.escape(pattern[at]), 1


def _set(characters: str) -> str:
    """Escape the inside of a choice; a dash between two characters is a range, which holds nothing if it falls."""
    items = re.findall(r"(?s)(.)-(.)|(.)", characters)
    parts = (re.escape(one) or f"{re.escape(first)}-{re.escape(last)}" for first, last, one in items if first <= last)
    return "".join(parts) or "/"  # no character is a slash here
