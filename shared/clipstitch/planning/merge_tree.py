"""How many sources become one in the fewest requests. Pure: knows numbers, no audio and no cloud.

A request joins at most 11 sources, so joining `n` takes at least ceil((n-1)/10) requests, each of which makes up to
11 sources into one; and at least as many levels as 11 has to be multiplied by itself to reach `n`. `grow` attains both
at once: eleven branches, of which all but one hold 1 plus a multiple of 10 leaves, so that no request goes half used.
"""

from collections.abc import Iterator
from typing import NamedTuple

from clipstitch.common.audio_formats import MAX_SOURCES

_GAIN = MAX_SOURCES - 1  # how many sources fewer there are after a request


class MergeNode(NamedTuple):
    """A request that joins `parts`, in order: branches, or leaves by their number."""

    parts: tuple["MergeNode | int", ...]

    def leaves(self) -> Iterator[int]:
        """Yield the numbers of all leaves, in order."""
        for part in self.parts:
            if isinstance(part, int):
                yield part
            else:
                yield from part.leaves()


def build_merge_tree(count: int, first: int = 0) -> MergeNode | int:
    """Arrange `count` leaves, numbered from `first`, under the fewest requests, and under the fewest levels of those.

    >>> grow(3)
    Branch(parts=(0, 1, 2))
    >>> len(grow(121).parts), depth(grow(121)), requests(grow(121))
    (11, 2, 12)
    """
    if count == 1:
        return first
    if count <= MAX_SOURCES:
        return MergeNode(tuple(range(first, first + count)))
    parts: list[MergeNode | int] = []
    room, extra = MAX_SOURCES ** (levels(count) - 1) - 1, count - MAX_SOURCES
    for _ in range(MAX_SOURCES):
        more = min(room, extra)
        parts.append(build_merge_tree(1 + more, first))
        first, extra = first + 1 + more, extra - more
    return MergeNode(tuple(parts))


def levels(count: int) -> int:
    """Return the fewest levels that `count` leaves need.

    >>> [levels(count) for count in (1, 2, 11, 12, 121, 122)]
    [0, 1, 1, 2, 2, 3]
    """
    level, reach = 0, 1
    while reach < count:
        level, reach = level + 1, reach * MAX_SOURCES
    return level


def fewest_requests(count: int) -> int:
    """Return the fewest requests that join `count` sources.

    >>> [fewest_requests(count) for count in (1, 2, 11, 12, 21, 22)]
    [0, 1, 1, 2, 2, 3]
    """
    return -(-(count - 1) // _GAIN)


def requests(tree: MergeNode | int) -> int:
    """Count the requests of a tree."""
    return 0 if isinstance(tree, int) else 1 + sum(requests(part) for part in tree.parts)


def depth(tree: MergeNode | int) -> int:
    """Count the levels of a tree."""
    return 0 if isinstance(tree, int) else 1 + max(depth(part) for part in tree.parts)
