"""The `clips` of a manifest: keys, trims, globs and silences. Called by `parse`."""

from typing import Any

from clipstitch.manifest.field_reader import FieldReader, IssueList, json_pointer
from clipstitch.manifest.fields import CLIP, GLOB, SILENCE
from clipstitch.manifest.glob_patterns import literal_prefix
from clipstitch.manifest.model import Clip, Entry, Glob, Limits, Silence


def read_clips(fields: FieldReader, limits: Limits) -> tuple[Entry, ...]:
    """Return the entries in order. An invalid entry adds an issue and keeps its place, so that `align` stays valid."""
    entries = fields.get("clips")
    if entries is None:
        return ()
    if not entries:
        fields.add("clips", "CLIPS_EMPTY", "is empty", "Add at least one clip.")
    if len(entries) > limits.max_clips:
        fields.add("clips", *too_many(len(entries), limits))
        return ()
    clips = tuple(
        _entry(entry, json_pointer("clips", index), fields.issues, limits) for index, entry in enumerate(entries)
    )
    if clips and all(isinstance(clip, Silence) for clip in clips):
        fields.add("clips", "CLIPS_EMPTY", "has only silences", "Add at least one clip.")
    return clips


def too_many(count: int, limits: Limits) -> tuple[str, str, str]:
    """Return code, message and remedy for more clips than the operator allows."""
    remedy = "Split the manifest, or ask the operator to raise CLIPSTITCH_MAX_CLIPS."
    return "TOO_MANY_CLIPS", f"has {count} clips, more than {limits.max_clips}", remedy


def _entry(entry: Any, path: str, issues: IssueList, limits: Limits) -> Entry:
    if isinstance(entry, str):
        entry = {"key": entry}
    if not isinstance(entry, dict):
        issues.wrong_type(path, entry, "an object key or a mapping with `key`, `glob` or `silence`")
        return Clip("")
    if "silence" in entry and "key" not in entry:
        return Silence(FieldReader(entry, SILENCE, path, issues).get("silence") or 0)
    if "glob" in entry and "key" not in entry:
        fields = FieldReader(entry, GLOB, path, issues)
        pattern = fields.get("glob") or ""
        _check_prefix(literal_prefix(pattern), fields, "glob", limits)
        return Glob(pattern, *fields.trim())
    fields = FieldReader(entry, CLIP, path, issues)
    key = fields.get("key") or ""
    _check_prefix(key, fields, "key", limits)
    level = (fields.get("gain"), fields.get("fade_in"), fields.get("fade_out"))
    return Clip(key, *fields.trim(), fields.get("title") or "", *level)


def _check_prefix(prefix: str, fields: FieldReader, name: str, limits: Limits) -> None:
    """Add an issue for a source outside of the prefixes that the operator allows."""
    if fields.get(name) is not None and not prefix.startswith(limits.source_prefixes):
        remedy = "Use a key that begins with " + " or ".join(limits.source_prefixes) + "."
        fields.add(name, "SOURCE_NOT_ALLOWED", "is outside the allowed prefixes", remedy)
