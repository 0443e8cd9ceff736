"""Replace globs by the clips that they match. Pure but for the listing that is passed in.

`submit` calls it before probing; the result is frozen in the plan.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from clipstitch.common.errors import InvalidManifest, Issue
from clipstitch.common.ports import ListedObject
from clipstitch.manifest.clips_section import too_many
from clipstitch.manifest.field_reader import json_pointer
from clipstitch.manifest.glob_patterns import literal_prefix, matches
from clipstitch.manifest.model import Clip, Glob, Limits, Manifest, Silence
from clipstitch.manifest.object_keys import key_problem, webvtt_key

Listing = Callable[[str], Iterable[ListedObject]]
_REMEDY = "Check the pattern: `*` stays within one folder, `**/` crosses folders; hidden and empty objects are skipped."


class ExpandedManifest(NamedTuple):
    """A manifest without globs, and for each of its clips the JSON Pointer of the entry that it comes from."""

    manifest: Manifest
    paths: tuple[str, ...]


def expand_globs(manifest: Manifest, listing: Listing, limits: Limits, bucket: str = "") -> ExpandedManifest:
    """Replace every glob by its matches in natural order. Raises `InvalidManifest` if a glob has none.

    Hidden objects, empty objects and keys under reserved prefixes are skipped; so are the manifest's own output in the
    clips' `bucket` and the chapters beside it, or a second upload would merge the result of the first. `align` keeps
    pointing to its entry.
    """
    clips: list[Clip | Silence] = []
    paths: list[str] = []
    firsts: list[int] = []
    issues: list[Issue] = []
    output = manifest.output.ref
    # The chapters of an earlier upload, too: this one may not want any.
    own_keys = {output.key, webvtt_key(output.key)} if output.bucket == bucket else set[str]()
    for index, entry in enumerate(manifest.clips):
        firsts.append(len(clips))
        found = _matches(entry, listing, limits, own_keys) if isinstance(entry, Glob) else [entry]
        clips += found
        paths += [json_pointer("clips", index)] * len(found)
        if isinstance(entry, Glob) and not found:
            message = f"`{entry.pattern}` matches no clips"
            issues.append(Issue(json_pointer("clips", index, "glob"), "GLOB_EMPTY", message, _REMEDY))
    if len(clips) > limits.max_clips:
        issues.append(Issue("/clips", *too_many(len(clips), limits)))
    if issues:
        named = [(path, clip.key) for path, clip in zip(paths, clips, strict=True) if isinstance(clip, Clip)]
        raise InvalidManifest(issues, named if len(clips) <= limits.max_clips else ())
    return ExpandedManifest(manifest._replace(clips=tuple(clips), align=firsts[manifest.align]), tuple(paths))


def _matches(glob: Glob, listing: Listing, limits: Limits, own_keys: set[str]) -> list[Clip]:
    keys = [
        listed.key
        for listed in listing(literal_prefix(glob.pattern))
        if listed.size and listed.key not in own_keys and not listed.key.startswith(limits.reserved)
    ]
    usable = (key for key in keys if key_problem(key) is None)
    return [Clip(key, glob.start_ms, glob.duration_ms) for key in matches(glob.pattern, usable)]
