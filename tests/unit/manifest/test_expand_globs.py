"""Globs to clips: the order, the trims, what is passed over, and what happens to `align`."""

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


class Still:
    """A clock that stands."""

    def now(self) -> datetime:
        """Return the one moment there is."""
        return datetime(2026, 1, 2, tzinfo=timezone.utc)


class Bucket:
    """A bucket with some objects, that remembers how it was listed. A key with a `!` behind it is empty."""

    def __init__(self, *keys: str) -> None:
        self._objects = MemoryObjectStore(Still())
        self.asked: list[str] = []
        for key in keys:
            self._objects.write(ObjectRef("acme", key.rstrip("!")), b"" if key.endswith("!") else b"x", ObjectHeaders())

    def __call__(self, prefix: str) -> Iterator[ListedObject]:
        """List what begins with a prefix."""
        self.asked.append(prefix)
        return self._objects.list("acme", prefix)


def manifest(*clips: Entry, align: int = 0) -> Manifest:
    """Return a manifest of these entries."""
    return Manifest(Output(ObjectRef("acme", "out/a.mp3"), FORMATS["mp3"]), clips, align)


def resolved(bucket: Bucket, *clips: Entry, align: int = 0, limits: Limits | None = None) -> ExpandedManifest:
    """Resolve a manifest of these entries."""
    return expand_globs(manifest(*clips, align=align), bucket, limits or Limits())


def issues(bucket: Bucket, *clips: Entry, limits: Limits | None = None) -> list[tuple[str, str]]:
    """Return code and path of what resolving has against a manifest."""
    with pytest.raises(InvalidManifest) as caught:
        resolved(bucket, *clips, limits=limits)
    assert all(issue.message and issue.remedy for issue in caught.value.issues)
    return [(issue.code, issue.path) for issue in caught.value.issues]


def test_a_glob_becomes_what_it_finds_in_natural_order() -> None:
    """Where it stands, between what stands around it."""
    bucket = Bucket("ch/10.mp3", "ch/9.mp3", "ch/1.mp3", "intro.mp3")
    got = resolved(bucket, Clip("intro.mp3"), Glob("ch/*.mp3"), Silence(500), Clip("intro.mp3"))

    assert (
        Clip("intro.mp3"),
        Clip("ch/1.mp3"),
        Clip("ch/9.mp3"),
        Clip("ch/10.mp3"),
        Silence(500),
        Clip("intro.mp3"),
    ) == got.manifest.clips
    assert ("/clips/0", "/clips/1", "/clips/1", "/clips/1", "/clips/2", "/clips/3") == got.paths


def test_every_clip_that_a_glob_finds_gets_its_trim() -> None:
    """The same for all of them."""
    got = resolved(Bucket("a1", "a2"), Glob("a*", 400, 9000))

    assert (Clip("a1", 400, 9000), Clip("a2", 400, 9000)) == got.manifest.clips


@pytest.mark.parametrize(("align", "moved"), [(0, 0), (1, 1), (2, 4), (3, 5), (4, 6)])
def test_align_moves_along_with_its_entry(align: int, moved: int) -> None:
    """It counts entries in the manifest, and clips from now on; of a glob, the first that it finds."""
    clips = (Clip("x"), Glob("a*"), Glob("b*"), Silence(10), Clip("x"))
    got = resolved(Bucket("a1", "a2", "a3", "b1"), *clips, align=align)

    assert moved == got.manifest.align


def test_a_manifest_without_globs_asks_for_no_listing() -> None:
    """It comes back as it went."""
    bucket, wanted = Bucket(), manifest(Clip("a", 1), Silence(2), Clip("b", title="B"), align=2)

    assert ExpandedManifest(wanted, ("/clips/0", "/clips/1", "/clips/2")) == expand_globs(wanted, bucket, Limits())
    assert [] == bucket.asked


def test_a_listing_is_narrowed_to_what_is_certain() -> None:
    """A bucket may hold millions."""
    bucket = Bucket("ch/1.mp3")
    resolved(bucket, Glob("ch/[0-9].mp3"))

    assert ["ch/"] == bucket.asked


def test_hidden_and_empty_objects_and_folders_are_passed_over() -> None:
    """What a desktop leaves behind, and what a console makes for a folder."""
    bucket = Bucket("ch/.DS_Store", "ch/", "ch/empty.mp3!", "ch/sub/!", "ch/1.mp3", "ch/sub/2.mp3")

    assert (Clip("ch/1.mp3"), Clip("ch/sub/2.mp3")) == resolved(bucket, Glob("ch/**/*")).manifest.clips


def test_what_is_ours_is_passed_over() -> None:
    """Manifests, state and results are no clips, by whatever names the operator gave them."""
    bucket = Bucket("manifests/a.json", "_clipstitch/assets/s.flac", "results/r.json", "a.mp3", "state/x", "resultsX/y")
    named = Limits(reserved=("manifests/", "state/", "results/"))

    assert ["a.mp3", "resultsX/y", "state/x"] == [c.key for c in resolved(bucket, Glob("**/*")).manifest.clips]  # type: ignore[union-attr]
    assert ["a.mp3", "resultsX/y"] == [
        clip.key  # type: ignore[union-attr]
        for clip in resolved(bucket, Glob("**/[!_]*"), limits=named).manifest.clips
        if clip.key != "_clipstitch/assets/s.flac"  # type: ignore[union-attr]
    ]


def test_the_same_object_may_be_found_twice() -> None:
    """By two globs, or by a glob and its name."""
    got = resolved(Bucket("a1", "a2"), Glob("a*"), Clip("a1"), Glob("*2"))

    assert ["a1", "a2", "a1", "a2"] == [clip.key for clip in got.manifest.clips]  # type: ignore[union-attr]


def test_globs_that_find_nothing_are_all_named() -> None:
    """Even where others find something; the pattern stands in the message."""
    bucket = Bucket("a1", "ch/.x", "ch/e!")

    assert [("GLOB_EMPTY", "/clips/1/glob"), ("GLOB_EMPTY", "/clips/3/glob")] == issues(
        bucket, Glob("a*"), Glob("b*"), Clip("gone"), Glob("ch/*")
    )
    with pytest.raises(InvalidManifest, match=r"`b\*` matches no clips"):
        resolved(bucket, Glob("b*"))


def test_more_clips_than_the_operator_allows_are_too_many() -> None:
    """Counted when all globs are resolved; exactly as many are fine."""
    bucket = Bucket(*(f"c{i}" for i in range(12)))

    assert [("TOO_MANY_CLIPS", "/clips")] == issues(bucket, Glob("c*"), limits=Limits(max_clips=11))
    assert 12 == len(resolved(bucket, Glob("c*"), limits=Limits(max_clips=12)).paths)
    assert [("GLOB_EMPTY", "/clips/1/glob"), ("TOO_MANY_CLIPS", "/clips")] == issues(
        bucket, Glob("c*"), Glob("d*"), limits=Limits(max_clips=11)
    )


def test_a_glob_finds_no_key_that_no_client_can_address() -> None:
    """A manifest may not name it either."""
    assert (Clip("..a"),) == resolved(Bucket("..", ".", "..a"), Glob(".*")).manifest.clips
