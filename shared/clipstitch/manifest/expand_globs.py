"""Globs to the clips that they find, once and for all. Pure but for the listing that is passed in.

`submit` calls it before probing; what it finds is frozen in the plan.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from clipstitch.common.errors import InvalidManifest, Issue
from clipstitch.common.ports import ListedObject
from clipstitch.manifest.clips_section import too_many
from clipstitch.manifest.field_reader import json_pointer
from clipstitch.manifest.glob_patterns import literal_prefix, matches
from clipstitch.manifest.model import Clip, Glob, Limits, Manifest, Silence
from clipstitch.manifest.object_keys import key_problem

Listing = Callable[[str], Iterable[ListedObject]]


class ExpandedManifest(NamedTuple):
    """A manifest of clips and silences only, and where in the document each of them stands."""

    manifest: Manifest
    paths: tuple[str, ...]


def expand_globs(manifest: Manifest, listing: Listing, limits: Limits, bucket: str = "") -> ExpandedManifest:
    """Replace every glob by what it finds now, in natural order; `InvalidManifest` when one finds nothing.

    Hidden and empty objects are passed over, and so is everything that is ours, and the manifest's own output where
    it lies in the clips' `bucket`: or the next upload would merge the last one's result. `align` moves along.
    """
    clips: list[Clip | Glob | Silence] = []
    paths: list[str] = []
    firsts: list[int] = []
    own = manifest.output.ref.key if manifest.output.ref.bucket == bucket else None
    for index, entry in enumerate(manifest.clips):
        firsts.append(len(clips))
        found = _found(entry, listing, limits, own) if isinstance(entry, Glob) else [entry]
        clips += found
        paths += [json_pointer("clips", index)] * len(found)
    issues = [
        _nothing(index, entry)
        for index, entry in enumerate(manifest.clips)
        if json_pointer("clips", index) not in paths
    ]
    if len(clips) > limits.max_clips:
        issues.append(Issue("/clips", *too_many(len(clips), limits)))
    if issues:
        named = [(path, clip.key) for path, clip in zip(paths, clips, strict=True) if isinstance(clip, Clip)]
        raise InvalidManifest(issues, named if len(clips) <= limits.max_clips else ())
    return ExpandedManifest(manifest._replace(clips=tuple(clips), align=firsts[manifest.align]), tuple(paths))


def _found(glob: Glob, listing: Listing, limits: Limits, own: str | None) -> list[Clip]:
    """List the clips that a glob finds; `own` is the manifest's output."""
    there = [listed.key for listed in listing(literal_prefix(glob.pattern)) if listed.size and listed.key != own]
    ours = [key for key in there if not key.startswith(limits.reserved) and key_problem(key) is None]
    return [Clip(key, glob.start_ms, glob.duration_ms) for key in matches(glob.pattern, ours)]


def _nothing(index: int, entry: object) -> Issue:
    """Complain about a glob that finds nothing."""
    pattern = entry.pattern if isinstance(entry, Glob) else ""
    remedy = (
        "Check the pattern: `*` stays within one folder, `**/` crosses folders; hidden and empty objects are skipped."
    )
    return Issue(json_pointer("clips", index, "glob"), "GLOB_EMPTY", f"`{pattern}` finds no clips", remedy)
