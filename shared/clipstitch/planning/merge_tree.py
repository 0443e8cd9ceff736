"""Merge any number of sources in the fewest requests. Pure: it knows counts only.

A request merges at most 11 sources into one, so `n` sources need at least ceil((n-1)/10) requests, and at least as many
levels as the exponent of the smallest power of 11 that reaches `n`. `build_merge_tree` attains both: of eleven branches
all but one have 1 plus a multiple of 10 leaves, so that at most one request on each level has fewer than 11 sources.
"""

from typing import NamedTuple

from clipstitch.common.audio_formats import MAX_SOURCES


class MergeNode(NamedTuple):
    """A request that merges `parts` in order: the results of other requests, or sources by their index."""

    parts: tuple["MergeNode | int", ...]


def build_merge_tree(count: int, first: int = 0) -> MergeNode | int:
    """Return a tree of `count` sources, numbered from `first`, with the fewest requests and the fewest levels.

    >>> build_merge_tree(3)
    MergeNode(parts=(0, 1, 2))
    >>> len(build_merge_tree(121).parts)
    11
    """
    if count == 1:
        return first
    if count <= MAX_SOURCES:
        return MergeNode(tuple(range(first, first + count)))
    parts: list[MergeNode | int] = []
    capacity, extra = MAX_SOURCES ** (levels(count) - 1) - 1, count - MAX_SOURCES
    for _ in range(MAX_SOURCES):
        more = min(capacity, extra)
        parts.append(build_merge_tree(1 + more, first))
        first, extra = first + 1 + more, extra - more
    return MergeNode(tuple(parts))


def levels(count: int) -> int:
    """Return the fewest levels of a tree of `count` sources.

    >>> [levels(count) for count in (1, 2, 11, 12, 121, 122)]
    [0, 1, 1, 2, 2, 3]
    """
    level, reach = 0, 1
    while reach < count:
        level, reach = level + 1, reach * MAX_SOURCES
    return level
