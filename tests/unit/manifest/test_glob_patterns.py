"""Glob patterns over keys: their matches and order, and their agreement with a slow and simple implementation."""

import time
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipstitch.manifest.glob_patterns import literal_prefix, matches, natural_sort_key

QUIET = settings(database=None, deadline=None, max_examples=600)


def found(pattern: str, *keys: str) -> list[str]:
    """Match some keys; warnings are errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return matches(pattern, keys)


def matches_slowly(pattern: str, key: str) -> bool:
    """Return True if a key matches, compared folder by folder and character by character."""
    return not key.endswith("/") and folders_match(pattern.split("/"), key.split("/"))


def folders_match(patterns: list[str], names: list[str]) -> bool:
    """Match folder by folder; `**` matches any number of folders that are not hidden, but not the name."""
    if not patterns:
        return not names
    if patterns[0] == "**" and len(patterns) > 1:
        here = bool(names[:-1]) and names[0] != "" and not names[0].startswith(".")
        return folders_match(patterns[1:], names) or (here and folders_match(patterns, names[1:]))
    if not names:
        return False
    hidden = names[0].startswith(".") and is_wild(patterns[0][:1], patterns[0])
    return not hidden and name_matches(patterns[0], names[0]) and folders_match(patterns[1:], names[1:])


def is_wild(first: str, pattern: str) -> bool:
    """Return True if a pattern begins with a wild card."""
    return first in {"*", "?"} or (first == "[" and choice(pattern) is not None)


def name_matches(pattern: str, name: str) -> bool:
    """Match character by character."""
    if not pattern:
        return not name
    if pattern[0] == "*":
        return any(name_matches(pattern[1:], name[skip:]) for skip in range(len(name) + 1))
    if pattern[0] == "[" and (chosen := choice(pattern)):
        negated, members, length = chosen
        return bool(name) and (name[0] in members) != negated and name_matches(pattern[length:], name[1:])
    return bool(name) and pattern[0] in {"?", name[0]} and name_matches(pattern[1:], name[1:])


def choice(pattern: str) -> tuple[bool, str, int] | None:
    """Return the choice that a pattern begins with: whether it is negated, its members, its length."""
    negated = pattern[1:2] == "!"
    first = 2 if negated else 1
    end = pattern.find("]", first + 1)
    if end < 0:
        return None
    inside, members, at = pattern[first:end], "", 0
    while at < len(inside):
        if inside[at + 1 : at + 2] == "-" and at + 2 < len(inside):
            members += "".join(map(chr, range(ord(inside[at]), ord(inside[at + 2]) + 1)))
            at += 3
        else:
            members, at = members + inside[at], at + 1
    return negated, members, end + 1


KEYS = ["c/1.mp3", "c/2.mp3", "c/10.mp3", "c/a.wav", "c/.x.mp3", "c/d/3.mp3", "c/d/.e/4.mp3", "c/", "top.mp3", ".t.mp3"]


@pytest.mark.parametrize(
    ("pattern", "keys"),
    [
        ("c/*.mp3", ["c/1.mp3", "c/2.mp3", "c/10.mp3"]),
        ("c/?.mp3", ["c/1.mp3", "c/2.mp3"]),
        ("c/??.mp3", ["c/10.mp3"]),
        ("c/*", ["c/1.mp3", "c/2.mp3", "c/10.mp3", "c/a.wav"]),
        ("*", ["top.mp3"]),
        ("*.mp3", ["top.mp3"]),
        (".*", [".t.mp3"]),
        ("c/.*.mp3", ["c/.x.mp3"]),
        ("**/*.mp3", ["c/1.mp3", "c/2.mp3", "c/10.mp3", "c/d/3.mp3", "top.mp3"]),
        ("**/.*.mp3", [".t.mp3", "c/.x.mp3"]),
        ("**/.t.mp3", [".t.mp3"]),
        ("c/**/*.mp3", ["c/1.mp3", "c/2.mp3", "c/10.mp3", "c/d/3.mp3"]),
        ("c/**/3.mp3", ["c/d/3.mp3"]),
        ("c/**", ["c/1.mp3", "c/2.mp3", "c/10.mp3", "c/a.wav"]),
        ("c/d/.e/*", ["c/d/.e/4.mp3"]),
        ("c/[12].mp3", ["c/1.mp3", "c/2.mp3"]),
        ("c/[0-9].mp3", ["c/1.mp3", "c/2.mp3"]),
        ("c/[!2]*.mp3", ["c/1.mp3", "c/10.mp3"]),
        ("c/[!a-z]*", ["c/1.mp3", "c/2.mp3", "c/10.mp3"]),
        ("c?1.mp3", []),
        ("c[!x]1.mp3", []),
        ("c[+-9]1.mp3", []),
        ("c/1.mp3", ["c/1.mp3"]),
        ("c/", []),
        ("C/*.MP3", []),
    ],
)
def test_a_pattern_has_these_matches(pattern: str, keys: list[str]) -> None:
    """Within a folder, across folders, hidden names only with a dot in the pattern, folders never."""
    assert keys == found(pattern, *KEYS)


@pytest.mark.parametrize(
    ("pattern", "key"),
    [
        ("a[", "a["),
        ("a[b", "a[b"),
        ("a[]", "a[]"),
        ("a[!]", "a[!]"),
        ("[[]a]", "[a]"),
        ("[]]", "]"),
        ("[!]]", "x"),
        ("[a-]", "-"),
        ("[-a]", "-"),
        ("[^a]", "^"),
        ("[a^]", "^"),
        ("[\\]", "\\"),
        ("[a&&b]", "&"),
        ("[a||b]", "|"),
        ("[a~~b]", "~"),
        ("[+--]", ","),
        ("[[a]", "["),
        ("a.b+c(d)$^", "a.b+c(d)$^"),
        ("a\\*", "a\\b"),
        ("é?", "é🎧"),
        ("a\nb*", "a\nb\n"),
    ],
)
def test_special_characters_match_themselves(pattern: str, key: str) -> None:
    """Empty brackets, special characters of regular expressions, line ends."""
    assert [key] == found(pattern, key)


@pytest.mark.parametrize("pattern", ["[z-a]", "[z-a]*", "[9-0]x", "[b--]"])
def test_a_descending_range_is_empty(pattern: str) -> None:
    """It is not an error."""
    assert [] == found(pattern, *"az90x-b", "9x")
    assert ["a"] == found("[!z-y]", "a")


def test_two_stars_cross_folders_only_as_a_whole_folder_name() -> None:
    """Beside a letter they are two stars."""
    assert ["ax/b"] == found("a**/b", "ab", "ax/b", "ax/y/b")


LETTERS = st.text("ab1./", max_size=8)
PATTERNS = st.lists(
    st.sampled_from(
        ["*", "?", "a", "b", "1", ".", "/", "**/", "[ab]", "[!a]", "[!.]", "[a-b1]", "[", "]", "[]", "[.-1]"]
    )
).map("".join)


@given(PATTERNS, st.lists(LETTERS.filter(bool), max_size=12, unique=True))
@QUIET
def test_patterns_agree_with_the_slow_implementation(pattern: str, keys: list[str]) -> None:
    """Any mixture of wild cards, on any keys."""
    assert sorted((key for key in keys if matches_slowly(pattern, key)), key=natural_sort_key) == found(pattern, *keys)


FOLDERS = st.lists(st.sampled_from(["**/", "a/", "b/", "*/", ".a/", ".*/", "[ab]/"]), max_size=6)
NAMES = st.lists(st.sampled_from(["a/", "b/", ".a/"]), max_size=7)


@given(FOLDERS.map("".join), st.sampled_from(["a", "*", ".a"]), NAMES.map("".join), st.sampled_from(["a", ".a"]))
@QUIET
def test_folders_are_crossed_as_in_the_slow_implementation(folders: str, name: str, path: str, last: str) -> None:
    """Many crossings, over many folders, some of them hidden."""
    assert matches_slowly(folders + name, path + last) == bool(found(folders + name, path + last))


@given(st.text("*?[]!-a^\\&|~.(){}/", max_size=12), st.text(max_size=6))
@QUIET
def test_any_pattern_is_compiled_without_a_warning(pattern: str, key: str) -> None:
    """Also with all special characters."""
    assert found(pattern, key) in ([], [key])


@given(PATTERNS, LETTERS.filter(bool))
@QUIET
def test_every_match_begins_with_the_literal_prefix(pattern: str, key: str) -> None:
    """Listings, and the check of allowed prefixes, depend on it."""
    assert [] == found(pattern, key) or key.startswith(literal_prefix(pattern))


@pytest.mark.parametrize(
    ("pattern", "prefix"),
    [("a/b*.mp3", "a/b"), ("*", ""), ("a?b", "a"), ("a[1]", "a"), ("a/b.mp3", "a/b.mp3"), ("**/a", ""), ("a]b", "a]b")],
)
def test_the_literal_prefix_ends_at_the_first_wild_card(pattern: str, prefix: str) -> None:
    """It is the longest prefix without a wild card."""
    assert prefix == literal_prefix(pattern)


def test_natural_order_compares_numbers() -> None:
    """2 before 10, equal numbers by their leading zeros, folders by their numbers, too."""
    ordered = ["a", "a1", "a01", "a2", "a2b1", "a2b10", "a10", "b1/9", "b1/10", "b2/1", "b10/1", "ch"]
    shuffled = ordered[::-1]

    assert ordered == sorted(shuffled, key=natural_sort_key)


@given(st.lists(st.text("a01２³", max_size=6)))
@QUIET
def test_natural_order_is_total(keys: list[str]) -> None:
    """Different keys are never equal, in any order of input; digits of other scripts are not numbers."""
    backwards = keys[::-1]

    assert len(set(keys)) == len({str(natural_sort_key(key)) for key in keys})
    assert sorted(keys, key=natural_sort_key) == sorted(backwards, key=natural_sort_key)


@given(st.integers(0, 10**30), st.integers(0, 10**30))
@QUIET
def test_natural_order_of_numbers_is_that_of_numbers(one: int, other: int) -> None:
    """With any number of digits."""
    assert (one < other) == (natural_sort_key(f"c{one}.mp3") < natural_sort_key(f"c{other}.mp3"))


def test_numbers_beyond_the_limit_of_python_are_ordered() -> None:
    """Python does not parse an integer of 5,000 digits."""
    assert natural_sort_key("1" * 5000) < natural_sort_key("2" * 5000) < natural_sort_key("1" * 5001)


@pytest.mark.parametrize(
    "pattern", ["*a" * 30 + "b", "?*" * 30 + "b", "*[ab]" * 30 + "c", "*" * 200 + "b", "**/*a*a*a*a*b"]
)
def test_no_pattern_needs_exponential_time(pattern: str) -> None:
    """A key that nearly matches is rejected as fast as a match is found."""
    deadline_start = time.process_time()

    assert [] == found(pattern, "a" * 200, "x/y/" + "a" * 200)
    assert time.process_time() - deadline_start < 1


@pytest.mark.parametrize(
    "pattern", ["**/" * 340 + "x", "**/a/" * 200 + "x", "**/*/" * 200 + "x", "**/*a*/" * 145 + "x"]
)
def test_no_depth_needs_exponential_time(pattern: str) -> None:
    """The folders between two crossings are not tried again."""
    deadline_start = time.process_time()

    assert [] == found(pattern, "a/" * 500 + "y")
    assert time.process_time() - deadline_start < 5


def test_whole_keys_are_matched() -> None:
    """Not only their beginning, and not line by line."""
    assert [] == found("a", "ab", "ba", "a\n", "A")
