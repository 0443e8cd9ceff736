"""Globs to clips: the order, the trims, the skipped objects, and `align`."""

from collections.abc import Iterator
from datetime import datetime, timezone

import pytest

from clipstitch.adapters.memory import MemoryObjectStore
from clipstitch.common.audio_formats import FORMATS
from clipstitch.common.errors import InvalidManifest
from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.ports import ListedObject, ObjectHeaders
from clipstitch.manifest.expand_globs import ExpandedManifest, expand_globs
from clipstitch.manifest.model import Clip, Entry, Glob, Limits, Manifest, Output, Silence


class FixedClock:
    """A clock that always returns the same time."""

    def now(self) -> datetime:
        """Return the fixed time."""
        return datetime(2026, 1, 2, tzinfo=timezone.utc)


class ListedBucket:
    """A bucket with some objects, which records its listings. A key that ends in `!` is empty."""

    def __init__(self, *keys: str) -> None:
        self._objects = MemoryObjectStore(FixedClock())
        self.asked: list[str] = []
        for key in keys:
            self._objects.write(ObjectRef("acme", key.rstrip("!")), b"" if key.endswith("!") else b"x", ObjectHeaders())

    def __call__(self, prefix: str) -> Iterator[ListedObject]:
        """List the objects under a prefix."""
        self.asked.append(prefix)
        return self._objects.list("acme", prefix)


def manifest(*clips: Entry, align: int = 0) -> Manifest:
    """Return a manifest of these entries."""
    return Manifest(Output(ObjectRef("acme", "out/a.mp3"), FORMATS["mp3"]), clips, align)


def expanded(bucket: ListedBucket, *clips: Entry, align: int = 0, limits: Limits | None = None) -> ExpandedManifest:
    """Expand the globs of a manifest of these entries."""
    return expand_globs(manifest(*clips, align=align), bucket, limits or Limits())


def issues(bucket: ListedBucket, *clips: Entry, limits: Limits | None = None) -> list[tuple[str, str]]:
    """Return code and path of the issues of a manifest of these entries."""
    with pytest.raises(InvalidManifest) as caught:
        expanded(bucket, *clips, limits=limits)
    assert all(issue.message and issue.remedy for issue in caught.value.issues)
    return [(issue.code, issue.path) for issue in caught.value.issues]


def test_a_glob_becomes_its_matches_in_natural_order() -> None:
    """At the place of the glob, between its neighbours."""
    bucket = ListedBucket("ch/10.mp3", "ch/9.mp3", "ch/1.mp3", "intro.mp3")
    got = expanded(bucket, Clip("intro.mp3"), Glob("ch/*.mp3"), Silence(500), Clip("intro.mp3"))

    assert (
        Clip("intro.mp3"),
        Clip("ch/1.mp3"),
        Clip("ch/9.mp3"),
        Clip("ch/10.mp3"),
        Silence(500),
        Clip("intro.mp3"),
    ) == got.manifest.clips
    assert ("/clips/0", "/clips/1", "/clips/1", "/clips/1", "/clips/2", "/clips/3") == got.paths


def test_every_match_of_a_glob_has_its_trim() -> None:
    """The same for all of them."""
    got = expanded(ListedBucket("a1", "a2"), Glob("a*", 400, 9000))

    assert (Clip("a1", 400, 9000), Clip("a2", 400, 9000)) == got.manifest.clips


@pytest.mark.parametrize(("align", "moved"), [(0, 0), (1, 1), (2, 4), (3, 5), (4, 6)])
def test_align_keeps_pointing_to_its_entry(align: int, moved: int) -> None:
    """It is an index of the manifest's entries, and then of the clips; for a glob, of its first match."""
    clips = (Clip("x"), Glob("a*"), Glob("b*"), Silence(10), Clip("x"))
    got = expanded(ListedBucket("a1", "a2", "a3", "b1"), *clips, align=align)

    assert moved == got.manifest.align


def test_a_manifest_without_globs_needs_no_listing() -> None:
    """It is returned unchanged."""
    bucket, given = ListedBucket(), manifest(Clip("a", 1), Silence(2), Clip("b", title="B"), align=2)

    assert ExpandedManifest(given, ("/clips/0", "/clips/1", "/clips/2")) == expand_globs(given, bucket, Limits())
    assert [] == bucket.asked


def test_a_listing_is_limited_to_the_literal_prefix() -> None:
    """A bucket may have millions of objects."""
    bucket = ListedBucket("ch/1.mp3")
    expanded(bucket, Glob("ch/[0-9].mp3"))

    assert ["ch/"] == bucket.asked


def test_hidden_and_empty_objects_and_folders_are_skipped() -> None:
    """Desktops leave hidden files, and the console makes an empty object for a folder."""
    bucket = ListedBucket("ch/.DS_Store", "ch/", "ch/empty.mp3!", "ch/sub/!", "ch/1.mp3", "ch/sub/2.mp3")

    assert (Clip("ch/1.mp3"), Clip("ch/sub/2.mp3")) == expanded(bucket, Glob("ch/**/*")).manifest.clips


def test_reserved_prefixes_are_skipped() -> None:
    """Manifests, state and results are not clips, whatever prefixes the operator has chosen."""
    bucket = ListedBucket(
        "manifests/a.json", "_clipstitch/assets/s.flac", "results/r.json", "a.mp3", "state/x", "resultsX/y"
    )
    named = Limits(reserved=("manifests/", "state/", "results/"))

    assert ["a.mp3", "resultsX/y", "state/x"] == [c.key for c in expanded(bucket, Glob("**/*")).manifest.clips]  # type: ignore[union-attr]
    assert ["a.mp3", "resultsX/y"] == [
        clip.key  # type: ignore[union-attr]
        for clip in expanded(bucket, Glob("**/[!_]*"), limits=named).manifest.clips
        if clip.key != "_clipstitch/assets/s.flac"  # type: ignore[union-attr]
    ]


def test_an_object_may_match_twice() -> None:
    """By two globs, or by a glob and its key."""
    got = expanded(ListedBucket("a1", "a2"), Glob("a*"), Clip("a1"), Glob("*2"))

    assert ["a1", "a2", "a1", "a2"] == [clip.key for clip in got.manifest.clips]  # type: ignore[union-attr]


def test_all_globs_without_matches_are_issues() -> None:
    """Even if other globs have matches; the message has the pattern."""
    bucket = ListedBucket("a1", "ch/.x", "ch/e!")

    assert [("GLOB_EMPTY", "/clips/1/glob"), ("GLOB_EMPTY", "/clips/3/glob")] == issues(
        bucket, Glob("a*"), Glob("b*"), Clip("gone"), Glob("ch/*")
    )
    with pytest.raises(InvalidManifest, match=r"`b\*` matches no clips"):
        expanded(bucket, Glob("b*"))


def test_more_clips_than_the_operator_allows_are_an_issue() -> None:
    """Counted after all globs are expanded; the limit itself is allowed."""
    bucket = ListedBucket(*(f"c{i}" for i in range(12)))

    assert [("TOO_MANY_CLIPS", "/clips")] == issues(bucket, Glob("c*"), limits=Limits(max_clips=11))
    assert 12 == len(expanded(bucket, Glob("c*"), limits=Limits(max_clips=12)).paths)
    assert [("GLOB_EMPTY", "/clips/1/glob"), ("TOO_MANY_CLIPS", "/clips")] == issues(
        bucket, Glob("c*"), Glob("d*"), limits=Limits(max_clips=11)
    )


def test_a_glob_does_not_match_keys_that_clients_cannot_address() -> None:
    """A manifest may not name such keys either."""
    assert (Clip("..a"),) == expanded(ListedBucket("..", ".", "..a"), Glob(".*")).manifest.clips
