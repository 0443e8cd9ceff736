"""Bytes to a `Manifest`, or one error with every issue. Knows the fields and the operator's limits, no cloud.

`submit` and `clipstitch plan` call it. What only the cloud can tell (is the clip there, is it audio) is for `planner`.
"""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from clipstitch.common.errors import InvalidManifest, Issue
from clipstitch.common.identifiers import ObjectRef
from clipstitch.manifest import documents
from clipstitch.manifest.clips_section import read_clips
from clipstitch.manifest.field_reader import FieldReader, IssueList, json_pointer
from clipstitch.manifest.glob_patterns import natural_sort_key
from clipstitch.manifest.model import Clip, Entry, Limits, Manifest
from clipstitch.manifest.output_section import read_output
from clipstitch.manifest.playlists import read_ffconcat, read_m3u

VERSION = 1
MAX_LABELS, MAX_LABEL_CHARACTERS = 32, 256  # ours: labels travel in an event of at most 60 KB
MAX_GAP_MS = 3_600_000  # ours: an hour of silence between clips is a slip of the pen
MAX_WAIT_MS = 86_400_000  # ours: a day; whoever waits longer has forgotten a clip
FIELDS = ("version", "output", "align", "gap", "clips", "chapters", "wait_for_clips", "notify", "labels", "$schema")
PLAYLISTS = {".ffconcat": read_ffconcat, ".m3u": read_m3u, ".m3u8": read_m3u}
SUFFIXES = (*documents.SUFFIXES, *PLAYLISTS)


def parse(body: bytes, ref: ObjectRef, limits: Limits) -> Manifest:
    """Read the manifest that was uploaded as `ref`; `InvalidManifest` lists everything that is wrong with it."""
    document = _document(body, ref, limits)
    issues = IssueList()
    if not isinstance(document, dict):
        issues.wrong_type("", document, "a mapping with version, output and clips")
        raise InvalidManifest(issues.found)
    fields = FieldReader(document, "", issues)
    clips = read_clips(fields, limits)
    manifest = _manifest(fields, clips, ref, limits)
    if manifest is None or issues.found:
        raise InvalidManifest(in_order(issues.found), _readable(clips, issues.found))
    return manifest


def in_order(issues: Iterable[Issue]) -> list[Issue]:
    """Return issues, each once, in the order of their places: clip 2 before clip 10."""
    return sorted(set(issues), key=lambda issue: (natural_sort_key(issue.path), issue))


def _readable(clips: Sequence[Entry], issues: Sequence[Issue]) -> list[tuple[str, str]]:
    """List the clips, by place and key, against which nothing has been said yet."""
    places = [(json_pointer("clips", index), clip) for index, clip in enumerate(clips)]
    bad = {"/".join(issue.path.split("/")[:3]) for issue in issues}
    return [(path, clip.key) for path, clip in places if isinstance(clip, Clip) and clip.key and path not in bad]


def _document(body: bytes, ref: ObjectRef, limits: Limits) -> Any:
    """Read the bytes by their suffix; a playlist becomes the document that it stands for."""
    dot = ref.key.rfind(".")
    suffix = ref.key[dot:].lower() if dot >= 0 else ""
    if suffix in PLAYLISTS:
        return PLAYLISTS[suffix](documents.text_of(body), ref, limits.manifest_prefix)
    return documents.load(body, suffix, SUFFIXES)


def _manifest(fields: FieldReader, clips: tuple[Entry, ...], ref: ObjectRef, limits: Limits) -> Manifest | None:
    """Read the rest of the top level; None when too little is there to build on."""
    fields.allow(FIELDS, {})
    if fields.require("version", int) not in {None, VERSION}:
        remedy = f"Use version: {VERSION}."
        fields.issues.add("/version", "VERSION_UNSUPPORTED", f"is {fields.raw('version')}", remedy)
    align = _align(fields, len(clips))
    outer = fields.require("output", dict)
    output = read_output(FieldReader(outer, "/output", fields.issues), ref, limits) if outer is not None else None
    notify, labels = _notify(fields, limits), _labels(fields)
    gap, wait = _at_most(fields, "gap", MAX_GAP_MS, "1h"), _at_most(fields, "wait_for_clips", MAX_WAIT_MS, "24h")
    chapters = bool(fields.take("chapters", bool, default=False))
    if output is None:
        return None
    if chapters and output.ref.key.endswith(".vtt"):
        remedy = "Choose another ending, or take `chapters` out."
        fields.issues.add("/output/key", "OUTPUT_KEY_RESERVED", "is where the chapters go", remedy)
    return Manifest(output, clips, align, notify, labels, gap, chapters, wait)


def _at_most(fields: FieldReader, name: str, most_ms: int, most: str) -> int:
    """Return a length of time in ms, 0 when it is not given."""
    value = fields.time(name) or 0
    if value > most_ms:
        message, remedy = f"is {value} ms, more than {most}", f"Use at most {most}."
        fields.issues.add(fields.at(name), "VALUE_OUT_OF_RANGE", message, remedy)
    return value


def _align(fields: FieldReader, count: int) -> int:
    """Return the index of the clip that lends defaults."""
    align = fields.take("align", int, 0) or 0
    if count and not 0 <= align < count:
        remedy = f"Clips are counted from 0: use 0 to {count - 1}; nearest is {max(0, min(align, count - 1))}."
        fields.issues.add("/align", "ALIGN_OUT_OF_RANGE", f"is {align}, but there are {count} clips", remedy)
        return 0
    return align


def _notify(fields: FieldReader, limits: Limits) -> tuple[str, ...] | None:
    """Return the chosen sinks, each of them configured; None when the manifest does not choose."""
    names = fields.take("notify", list)
    if names is None:
        return None
    for index, name in enumerate(names):
        if name not in limits.sinks:
            remedy = f"Use names of configured sinks: {', '.join(limits.sinks) or 'there are none'}."
            fields.issues.add(json_pointer("notify", index), "SINK_UNKNOWN", f"{name!r} is not a sink", remedy)
    return tuple(dict.fromkeys(str(name) for name in names))


def _labels(fields: FieldReader) -> Mapping[str, str]:
    """Return the labels, which travel into the event."""
    labels = fields.take("labels", dict) or {}
    if len(labels) > MAX_LABELS:
        remedy = f"Keep at most {MAX_LABELS}."
        fields.issues.add("/labels", "VALUE_OUT_OF_RANGE", f"has {len(labels)} labels", remedy)
    for name, value in labels.items():
        path = json_pointer("labels", str(name))
        if not isinstance(name, str) or not isinstance(value, str):
            fields.issues.wrong_type(path, value if isinstance(name, str) else name, "text")
        elif max(len(name), len(value)) > MAX_LABEL_CHARACTERS:
            remedy = f"Keep name and value to {MAX_LABEL_CHARACTERS} characters."
            fields.issues.add(path, "VALUE_OUT_OF_RANGE", "is too long", remedy)
    return MappingProxyType({str(name): str(value) for name, value in labels.items()})
