"""Merge trees have the fewest requests and levels, for every number of sources, and keep the order of the sources."""

import pytest

from clipstitch.common.audio_formats import MAX_SOURCES
from clipstitch.planning.merge_tree import MergeNode, build_merge_tree, levels

EVERY_COUNT = range(1, 3001)
TREES = {count: build_merge_tree(count) for count in EVERY_COUNT}


def fewest_requests(count: int) -> int:
    """Return the fewest requests that merge `count` sources."""
    return -(-(count - 1) // (MAX_SOURCES - 1))


def depth(tree: MergeNode | int) -> int:
    """Return the number of levels of a tree."""
    return 0 if isinstance(tree, int) else 1 + max(map(depth, tree.parts))


def leaves(tree: MergeNode | int) -> list[int]:
    """Return the indices of the sources of a tree, in order."""
    return [tree] if isinstance(tree, int) else [leaf for part in tree.parts for leaf in leaves(part)]


def branches(tree: MergeNode | int) -> list[MergeNode]:
    """Return every request of a tree."""
    if isinstance(tree, int):
        return []
    return [tree, *(branch for part in tree.parts for branch in branches(part))]


def least_depth(count: int) -> int:
    """Return the exponent of the smallest power of 11 that reaches a number, by trying."""
    return next(level for level in range(9) if MAX_SOURCES**level >= count)


@pytest.mark.parametrize(
    ("count", "asked", "deep"),
    [
        (1, 0, 0),
        (2, 1, 1),
        (11, 1, 1),
        (12, 2, 2),
        (21, 2, 2),
        (22, 3, 2),
        (111, 11, 2),
        (121, 12, 2),
        (122, 13, 3),
        (1331, 133, 3),
        (1332, 134, 4),
    ],
)
def test_counts_at_which_requests_or_levels_change(count: int, asked: int, deep: int) -> None:
    """Computed by hand: sources, requests, levels."""
    tree = build_merge_tree(count)

    assert (asked, deep) == (len(branches(tree)), depth(tree))
    assert (asked, deep) == (fewest_requests(count), levels(count))


def test_every_count_needs_the_fewest_requests() -> None:
    """Each merges at most eleven sources into one, which leaves ten fewer: ceil((n-1)/10)."""
    assert [(count + 8) // 10 for count in EVERY_COUNT] == [len(branches(TREES[count])) for count in EVERY_COUNT]


def test_every_count_needs_the_fewest_levels() -> None:
    """No tree, with any number of requests, has fewer."""
    assert [least_depth(count) for count in EVERY_COUNT] == [depth(TREES[count]) for count in EVERY_COUNT]


def test_every_count_keeps_its_order() -> None:
    """Each source once, from the first to the last."""
    for count, tree in TREES.items():
        assert list(range(count)) == leaves(tree)


def test_every_request_merges_two_to_eleven() -> None:
    """A request for one source is useless, and one for twelve is rejected."""
    sizes = {len(branch.parts) for tree in TREES.values() for branch in branches(tree)}

    assert set(range(2, MAX_SOURCES + 1)) == sizes


def test_sources_may_be_numbered_from_any_number() -> None:
    """As those of a subtree are."""
    tree = build_merge_tree(23, 100)

    assert list(range(100, 123)) == leaves(tree)
