"""Parse a manifest, or raise one error with every issue.

`submit` and `clipstitch plan` call it. It applies the rules of the format and the operator's limits; whether a clip
exists and is audio is for `planner`.
"""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from clipstitch.common.characters import is_printable
from clipstitch.common.errors import InvalidManifest, Issue
from clipstitch.common.identifiers import ObjectRef
from clipstitch.manifest import documents
from clipstitch.manifest.clips_section import read_clips
from clipstitch.manifest.field_reader import FieldReader, IssueList, json_pointer
from clipstitch.manifest.fields import JOIN, MAX_LABEL_CHARACTERS, OUTPUT, TOP, TRIM_SILENCE, VERSION
from clipstitch.manifest.glob_patterns import natural_sort_key
from clipstitch.manifest.model import Clip, Entry, Join, Limits, Manifest
from clipstitch.manifest.object_keys import key_problem, webvtt_key
from clipstitch.manifest.output_section import read_output
from clipstitch.manifest.playlists import decode, read_ffconcat, read_m3u

PLAYLISTS = {".ffconcat": read_ffconcat, ".m3u": read_m3u, ".m3u8": read_m3u}
SUFFIXES = (*documents.SUFFIXES, *PLAYLISTS)


def parse(body: bytes, ref: ObjectRef, limits: Limits) -> Manifest:
    """Return the manifest that was uploaded as `ref`. Raises `InvalidManifest` with every issue."""
    document = _document(body, ref, limits)
    issues = IssueList()
    if not isinstance(document, dict):
        issues.wrong_type("", document, "a mapping with `version`, `output` and `clips`")
        raise InvalidManifest(issues.found)
    fields = FieldReader(document, TOP, "", issues)
    clips = read_clips(fields, limits)
    manifest = _manifest(fields, clips, ref, limits)
    if manifest is None or issues.found:
        raise InvalidManifest(in_order(issues.found), _valid_clips(clips, issues.found))
    return manifest


def in_order(issues: Iterable[Issue]) -> list[Issue]:
    """Return the issues without duplicates, in the natural order of their paths: clip 2 before clip 10."""
    return sorted(set(issues), key=lambda issue: (natural_sort_key(issue.path), issue))


def _valid_clips(clips: Sequence[Entry], issues: Sequence[Issue]) -> list[tuple[str, str]]:
    """Return path and key of the clips without an issue."""
    paths = [(json_pointer("clips", index), clip) for index, clip in enumerate(clips)]
    bad = {"/".join(issue.path.split("/")[:3]) for issue in issues}
    return [(path, clip.key) for path, clip in paths if isinstance(clip, Clip) and clip.key and path not in bad]


def is_playlist(key: str) -> bool:
    """Return True if a manifest of this key is a playlist."""
    return _suffix(key) in PLAYLISTS


def _suffix(key: str) -> str:
    dot = key.rfind(".")
    return key[dot:].lower() if dot >= 0 else ""


def _document(body: bytes, ref: ObjectRef, limits: Limits) -> Any:
    """Parse the bytes by the suffix of their key; a playlist becomes the document of an equivalent manifest."""
    suffix = _suffix(ref.key)
    if suffix in PLAYLISTS:
        return PLAYLISTS[suffix](decode(body, suffix), ref, limits.manifest_prefix)
    return documents.load(body, suffix, SUFFIXES)


def _manifest(fields: FieldReader, clips: tuple[Entry, ...], ref: ObjectRef, limits: Limits) -> Manifest | None:
    version, outer = fields.get("version"), fields.get("output")
    if version not in {None, VERSION}:
        fields.add("version", "VERSION_UNSUPPORTED", f"is {version}", f"Use version: {VERSION}.")
    output = (
        read_output(FieldReader(outer, OUTPUT, "/output", fields.issues), ref, limits) if outer is not None else None
    )
    align, notify, labels = _align(fields, len(clips)), _notify(fields, limits), _labels(fields)
    gap_ms, chapters, wait_ms = fields.get("gap"), fields.get("chapters"), fields.get("wait_for_clips")
    if output is None:
        return None
    if chapters:
        _check_webvtt_key(output.ref.key, fields.issues, limits)
    strict = limits.strict if fields.get("strict") is None else fields.get("strict")
    join, engine = _join(fields), fields.get("engine")
    return Manifest(output, clips, align, notify, labels, gap_ms, chapters, wait_ms, strict, join, engine)


def _join(fields: FieldReader) -> Join:
    """Return how clips meet."""
    given = fields.get("join")
    if given is None:
        return Join()
    join = FieldReader(given, JOIN, "/join", fields.issues)
    join_ms = (join.get("fade"), join.get("crossfade"))
    trim = join.get("trim_silence")
    if trim is None:
        return Join(None, 0, *join_ms)
    silence = FieldReader(trim, TRIM_SILENCE, "/join/trim_silence", fields.issues)
    return Join(silence.get("threshold"), silence.get("keep"), *join_ms)


def _check_webvtt_key(output_key: str, issues: IssueList, limits: Limits) -> None:
    """Add an issue if the chapters cannot be written beside an output. Issues that the output has itself are known."""
    key, path = webvtt_key(output_key), "/output/key"
    if output_key == key:
        remedy = "Use another extension, or remove `chapters`."
        issues.add(path, "OUTPUT_KEY_RESERVED", "is the key of the chapters file", remedy)
    elif problem := key_problem(key):
        issues.add(path, "KEY_INVALID", f"the key of the chapters file {problem}", "Shorten it, or remove `chapters`.")
    elif (issue := limits.against_key(key)) and not limits.against_key(output_key):
        issues.add(path, issue.code, f"the chapters file: {issue.message}", issue.remedy)


def _align(fields: FieldReader, count: int) -> int:
    """Return the index of the reference clip."""
    align: int = fields.get("align")
    if count and not 0 <= align < count:
        remedy = f"Clips are counted from 0: use 0 to {count - 1}; nearest is {max(0, min(align, count - 1))}."
        fields.add("align", "ALIGN_OUT_OF_RANGE", f"is {align}, but there are {count} clips", remedy)
        return 0
    return align


def _notify(fields: FieldReader, limits: Limits) -> tuple[str, ...] | None:
    """Return the chosen sinks; None if the manifest does not choose."""
    names = fields.get("notify")
    if names is None:
        return None
    for index, name in enumerate(names):
        if name not in limits.sinks:
            remedy = f"Use names of configured sinks: {', '.join(limits.sinks) or 'there are none'}."
            fields.issues.add(json_pointer("notify", index), "SINK_UNKNOWN", f"{name!r} is not a sink", remedy)
    return tuple(dict.fromkeys(str(name) for name in names))


def _labels(fields: FieldReader) -> Mapping[str, str]:
    labels = fields.get("labels") or {}
    for name, value in labels.items():
        path = json_pointer("labels", str(name))
        if not isinstance(name, str) or not isinstance(value, str):
            fields.issues.wrong_type(path, value if isinstance(name, str) else name, "a string")
        elif max(len(name), len(value)) > MAX_LABEL_CHARACTERS:
            remedy = f"Use at most {MAX_LABEL_CHARACTERS} characters for the name and the value."
            fields.issues.add(path, "VALUE_OUT_OF_RANGE", "is too long", remedy)
        elif not is_printable(name + value):
            remedy = "Remove them from the name and the value: not every recipient of an event can carry them."
            message = "has control characters or noncharacters of Unicode"
            fields.issues.add(path, "CHARACTERS_NOT_ALLOWED", message, remedy)
    return MappingProxyType({str(name): str(value) for name, value in labels.items()})
