"""The `clips` of a manifest: keys, trims, globs and silences. Called by `parsing`."""

from typing import Any

from clipstitch.manifest.field_reader import FieldReader, IssueList, json_pointer
from clipstitch.manifest.glob_patterns import literal_prefix
from clipstitch.manifest.model import Clip, Entry, Glob, Limits, Silence
from clipstitch.manifest.object_keys import key_problem, read_key

CLIP_FIELDS = ("key", "start", "end", "duration", "title")
GLOB_FIELDS = ("glob", "start", "end", "duration")
SILENCE_FIELDS = ("silence",)
MAX_SILENCE_MS = 3_600_000  # ours: as a gap; a silence is made frame by frame
MAX_TITLE_CHARACTERS = 256  # ours: a heading, not a text


def read_clips(fields: FieldReader, limits: Limits) -> tuple[Entry, ...]:
    """Read the clips in order; unreadable ones leave an issue and a blank, so that `align` still counts right."""
    entries = fields.require("clips", list)
    if entries is None:
        return ()
    if not entries:
        fields.issues.add("/clips", "CLIPS_EMPTY", "is empty", "Name at least one clip.")
    if len(entries) > limits.max_clips:
        fields.issues.add("/clips", *too_many(len(entries), limits))
        return ()
    clips = tuple(
        _entry(entry, json_pointer("clips", index), fields.issues, limits) for index, entry in enumerate(entries)
    )
    if clips and all(isinstance(clip, Silence) for clip in clips):
        fields.issues.add("/clips", "CLIPS_EMPTY", "holds nothing but silence", "Name at least one clip.")
    return clips


def too_many(count: int, limits: Limits) -> tuple[str, str, str]:
    """Return code, message and remedy for more clips than the operator allows."""
    remedy = "Split the manifest, or ask the operator to raise CLIPSTITCH_MAX_CLIPS."
    return "TOO_MANY_CLIPS", f"has {count} clips, more than {limits.max_clips}", remedy


def _entry(entry: Any, path: str, issues: IssueList, limits: Limits) -> Entry:
    """Read one entry: a key, or a mapping with a key, a glob or a silence."""
    if isinstance(entry, str):
        return _clip(FieldReader({"key": entry}, path, issues), limits)
    if not isinstance(entry, dict):
        issues.wrong_type(path, entry, "an object key or a mapping with `key`, `glob` or `silence`")
        return Clip("")
    fields = FieldReader(entry, path, issues)
    if fields.has("silence") and not fields.has("key"):
        return _silence(fields)
    if fields.has("glob") and not fields.has("key"):
        return _glob(fields, limits)
    return _clip(fields, limits)


def _clip(fields: FieldReader, limits: Limits) -> Clip:
    """Read one object, perhaps trimmed."""
    fields.allow(CLIP_FIELDS, {})
    start, duration = fields.trim()
    key = read_key(fields, "key")
    if key is not None:
        _allowed(key, fields, "key", limits)
    title = fields.take("title", str, "") or ""
    if len(title) > MAX_TITLE_CHARACTERS:
        remedy = f"Keep it to {MAX_TITLE_CHARACTERS} characters."
        fields.issues.add(fields.at("title"), "VALUE_OUT_OF_RANGE", "is too long", remedy)
    return Clip(key or "", start, duration, title)


def _glob(fields: FieldReader, limits: Limits) -> Glob:
    """Read a pattern; what it finds is as allowed as its literal beginning."""
    fields.allow(GLOB_FIELDS, {})
    start, duration = fields.trim()
    pattern = fields.take("glob", str)
    if pattern is not None and (problem := key_problem(pattern)):
        fields.issues.add(fields.at("glob"), "KEY_INVALID", problem, 'Write a pattern such as "chapters/*.mp3".')
    elif pattern is not None:
        _allowed(literal_prefix(pattern), fields, "glob", limits)
    return Glob(pattern or "", start, duration)


def _silence(fields: FieldReader) -> Silence:
    """Read a silence of some length."""
    fields.allow(SILENCE_FIELDS, {})
    length = fields.time("silence")
    if (length or 0) > MAX_SILENCE_MS:
        message = f"is {length} ms, more than an hour"
        fields.issues.add(fields.at("silence"), "VALUE_OUT_OF_RANGE", message, "Use at most 1h.")
    if length == 0:
        fields.issues.add(fields.at("silence"), "TRIM_EMPTY", "is 0", "Give a length, or take the entry out.")
    return Silence(length or 0)


def _allowed(key: str, fields: FieldReader, name: str, limits: Limits) -> None:
    """Complain about a source outside what the operator allows."""
    if not key.startswith(limits.source_prefixes):
        remedy = "Use a key that begins with " + " or ".join(limits.source_prefixes) + "."
        fields.issues.add(fields.at(name), "SOURCE_NOT_ALLOWED", "lies outside the allowed prefixes", remedy)
