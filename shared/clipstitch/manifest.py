"""Bytes to a `Manifest`, or one error with every issue. Knows the fields and the operator's limits, no cloud.

`submit` and `clipstitch plan` call it. What only the cloud can tell (is the clip there, is it audio) is for `plan`.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from clipstitch import documents
from clipstitch.errors import BadManifest
from clipstitch.formats import (
    BIT_DEPTHS,
    BITRATE_OPTIONS,
    FORMATS,
    MAX_BITRATE,
    MAX_CHANNELS,
    MAX_QUALITY,
    MAX_SOURCES,
    MIN_BITRATE,
    SAMPLE_RATES,
    Format,
)
from clipstitch.reading import Fields, Issues, pointer
from clipstitch.refs import ObjectRef

VERSION = 1
MAX_KEY_BYTES = 1023  # OSS, "Object naming conventions", 2026
MAX_LABELS, MAX_LABEL_CHARACTERS = 32, 256  # ours: labels travel in an event of at most 60 KB
_NOT_YET = "It comes with a later version; take it out for now."
_CLIP_FIELDS = ("key", "start", "end", "duration")
_OUTPUT_FIELDS = (
    "key", "bucket", "format", "sample_rate", "channels", "bitrate", "quality", "bitrate_option", "bits_per_sample",
    "overwrite",
)  # fmt: skip
_FIELDS = ("version", "output", "align", "clips", "notify", "labels", "$schema")


class Clip(NamedTuple):
    """A source object, perhaps trimmed: from `start_ms`, for `duration_ms` (0: to the end)."""

    key: str
    start_ms: int = 0
    duration_ms: int = 0

    @property
    def trimmed(self) -> bool:
        """Whether less than the whole object is wanted."""
        return bool(self.start_ms or self.duration_ms)


class Output(NamedTuple):
    """What is wanted. None: the cloud's default, or (rate and channels) the `align` clip's own."""

    ref: ObjectRef
    format: Format
    sample_rate: int | None = None
    channels: int | None = None
    bitrate: int | None = None
    quality: int | None = None
    bitrate_option: str | None = None
    bits_per_sample: int | None = None
    overwrite: bool = False


class Manifest(NamedTuple):
    """A manifest in which nothing is wrong. `notify` None means every configured sink."""

    output: Output
    clips: tuple[Clip, ...]
    align: int = 0
    notify: tuple[str, ...] | None = None
    labels: Mapping[str, str] = MappingProxyType({})


class Limits(NamedTuple):
    """What the operator allows. Prefixes: a key must begin with one of them; buckets: by name.

    `reserved` prefixes belong to us (manifests, state, results): an output there could trigger or confuse us.
    """

    output_buckets: tuple[str, ...] = ()
    output_prefixes: tuple[str, ...] = ("",)
    source_prefixes: tuple[str, ...] = ("",)
    reserved: tuple[str, ...] = ("manifests/", "_clipstitch/", "results/")
    sinks: tuple[str, ...] = ()


def parse(body: bytes, ref: ObjectRef, limits: Limits) -> Manifest:
    """Read the manifest that was uploaded as `ref`; `BadManifest` lists everything that is wrong with it."""
    dot = ref.key.rfind(".")
    document = documents.load(body, ref.key[dot:].lower() if dot >= 0 else "")
    issues = Issues()
    if not isinstance(document, dict):
        issues.wrong_type("", document, "a mapping with version, output and clips")
        raise BadManifest(issues.found)
    manifest = _manifest(Fields(document, "", issues), ref, limits)
    if manifest is None or issues.found:
        raise BadManifest(sorted(set(issues.found)))
    return manifest


def _manifest(fields: Fields, ref: ObjectRef, limits: Limits) -> Manifest | None:
    """Read the top level; None when too little is there to build on."""
    fields.allow(_FIELDS, dict.fromkeys(("gap", "chapters", "wait_for_clips"), _NOT_YET))
    if fields.require("version", int) not in {None, VERSION}:
        remedy = f"Use version: {VERSION}."
        fields.issues.add("/version", "VERSION_UNSUPPORTED", f"is {fields.raw('version')}", remedy)
    clips = _clips(fields, limits)
    align = _align(fields, len(clips))
    outer = fields.require("output", dict)
    output = _output(Fields(outer, "/output", fields.issues), ref, limits) if outer is not None else None
    notify, labels = _notify(fields, limits), _labels(fields)
    if output is None:
        return None
    return Manifest(output=output, clips=clips, align=align, notify=notify, labels=labels)


def _output(fields: Fields, ref: ObjectRef, limits: Limits) -> Output | None:
    """Read what is wanted; None when key or format stay unknown."""
    fields.allow(_OUTPUT_FIELDS, dict.fromkeys(("start", "duration", "end"), _NOT_YET))
    key = _key(fields, "key")
    spec = _format(fields, key)
    target = _target(fields, key, ref, limits)
    bitrate = fields.number("bitrate", MIN_BITRATE, MAX_BITRATE, "bit/s")
    quality = fields.number("quality", 0, MAX_QUALITY)
    option = fields.choice("bitrate_option", BITRATE_OPTIONS, "BITRATE_OPTION_UNKNOWN", None)
    _bitrate_rules(fields)
    bits = _bit_depth(fields, spec)
    rate, channels = _sample_rate(fields, spec), _channels(fields, spec)
    overwrite = bool(fields.take("overwrite", bool, default=False))
    if target is None or spec is None:
        return None
    return Output(target, spec, rate, channels, bitrate, quality, option, bits, overwrite)


def _target(fields: Fields, key: str | None, ref: ObjectRef, limits: Limits) -> ObjectRef | None:
    """Place the output where the operator allows it."""
    bucket = fields.take("bucket", str, ref.bucket) or ""
    allowed = {ref.bucket, *limits.output_buckets}
    if bucket not in allowed:
        remedy = f"Use one of {', '.join(sorted(allowed))}, or ask the operator to allow it."
        fields.issues.add(fields.at("bucket"), "OUTPUT_NOT_ALLOWED", f"bucket `{bucket}` is not allowed", remedy)
    if key is None:
        return None
    if taken := next((prefix for prefix in limits.reserved if key.startswith(prefix)), None):
        remedy = "Choose a key outside " + ", ".join(limits.reserved) + "."
        fields.issues.add(fields.at("key"), "OUTPUT_KEY_RESERVED", f"lies in `{taken}`, which is ours", remedy)
    elif not key.startswith(limits.output_prefixes):
        remedy = "Begin the key with " + " or ".join(limits.output_prefixes) + "."
        fields.issues.add(fields.at("key"), "OUTPUT_NOT_ALLOWED", "lies outside the allowed prefixes", remedy)
    return ObjectRef(bucket, key)


def _key(fields: Fields, name: str) -> str | None:
    """Return an object key that OSS would take."""
    key = fields.require(name, str)
    if key is None:
        return None
    if problem := key_problem(key):
        fields.issues.add(
            fields.at(name), "KEY_INVALID", problem, "Use 1 to 1023 bytes that begin with neither / nor \\."
        )
        return None
    return key


def key_problem(key: str) -> str | None:
    r"""Say what keeps a text from being an object key; None when nothing does.

    >>> key_problem("/a"), key_problem("a")
    ('begins with /', None)
    """
    if not key:
        return "is empty"
    if key[0] in "/\\":
        return f"begins with {key[0]}"
    size = len(key.encode())
    return f"has {size} bytes" if size > MAX_KEY_BYTES else None


def _format(fields: Fields, key: str | None) -> Format | None:
    """Take the format from `format`, or else from the extension of the key."""
    if fields.has("format"):
        return FORMATS.get(fields.choice("format", tuple(FORMATS), "FORMAT_UNKNOWN", ""))
    if key is None:
        return None
    extension = key.rpartition("/")[2].rpartition(".")[2].lower()
    if extension not in FORMATS:
        remedy = f"End the key in one of {', '.join('.' + name for name in FORMATS)}, or add `format`."
        fields.issues.add(fields.at("key"), "FORMAT_UNKNOWN", "does not tell the format", remedy)
    return FORMATS.get(extension)


def _sample_rate(fields: Fields, spec: Format | None) -> int | None:
    """Return a sample rate that the format takes."""
    rate = fields.take("sample_rate", int)
    allowed = spec.sample_rates if spec else SAMPLE_RATES
    if rate is None or rate in allowed:
        return rate
    taker = spec or Format("the action", "")
    known = ", ".join(map(str, allowed))
    remedy = f"{taker.name} takes {known} Hz; nearest is {taker.nearest_rate(rate)}."
    fields.issues.add(fields.at("sample_rate"), "SAMPLE_RATE_NOT_ALLOWED", f"is {rate} Hz", remedy)
    return None


def _channels(fields: Fields, spec: Format | None) -> int | None:
    """Return a number of channels that the format takes."""
    channels = fields.take("channels", int)
    most = spec.max_channels if spec else MAX_CHANNELS
    if channels is None or 1 <= channels <= most:
        return channels
    taker = spec or Format("the action", "")
    takes = f"1 to {most} channels" if most > 1 else "1 channel"
    remedy = f"{taker.name} takes {takes}; nearest is {taker.nearest_channels(channels)}."
    fields.issues.add(fields.at("channels"), "CHANNELS_NOT_ALLOWED", f"is {channels}", remedy)
    return None


def _bitrate_rules(fields: Fields) -> None:
    """Apply the reference's two rules about ab, aq and abopt."""
    if fields.has("bitrate") and fields.has("quality"):
        remedy = "Keep `bitrate` or `quality`, not both."
        fields.issues.add(fields.at("quality"), "FIELDS_EXCLUSIVE", "excludes `bitrate`", remedy)
    if fields.has("bitrate_option") and not fields.has("bitrate"):
        remedy = "Add `bitrate`, or take `bitrate_option` out."
        fields.issues.add(fields.at("bitrate_option"), "FIELD_NEEDS", "needs `bitrate`", remedy)


def _bit_depth(fields: Fields, spec: Format | None) -> int | None:
    """Return the bit depth, which only FLAC has."""
    bits: int | None = fields.choice("bits_per_sample", BIT_DEPTHS, "BIT_DEPTH_NOT_ALLOWED", None)
    if fields.has("bits_per_sample") and spec and spec.name != "flac":
        remedy = "Take it out, or use format: flac."
        fields.issues.add(fields.at("bits_per_sample"), "FIELD_NEEDS", f"is for flac, not {spec.name}", remedy)
    return bits


def _clips(fields: Fields, limits: Limits) -> tuple[Clip, ...]:
    """Read the clips in order; unreadable ones leave an issue and a blank, so that `align` still counts right."""
    entries = fields.require("clips", list)
    if entries is None:
        return ()
    if not entries:
        fields.issues.add("/clips", "CLIPS_EMPTY", "is empty", "Name at least one clip.")
    if len(entries) > MAX_SOURCES:
        remedy = f"OSS joins {MAX_SOURCES} objects in one request; longer manifests come with a later version."
        fields.issues.add("/clips", "TOO_MANY_CLIPS", f"has {len(entries)} clips, more than {MAX_SOURCES}", remedy)
    clips = tuple(_clip(entry, pointer("clips", index), fields.issues, limits) for index, entry in enumerate(entries))
    if len(clips) > 1 and all(clip.trimmed for clip in clips):
        remedy = "Leave one clip untrimmed: OSS cannot trim the object that the request is made on."
        fields.issues.add("/clips", "NO_UNTRIMMED_CLIP", "trims every clip", remedy)
    return clips


def _clip(entry: Any, path: str, issues: Issues, limits: Limits) -> Clip:
    """Read one clip: a key, or a mapping with a key and a trim."""
    if isinstance(entry, str):
        entry, outer = {"key": entry}, Fields({"key": entry}, path, issues)
    elif isinstance(entry, dict):
        outer = Fields(entry, path, issues)
    else:
        issues.wrong_type(path, entry, "an object key or a mapping with `key`")
        return Clip("")
    later = {name: _NOT_YET for name in ("glob", "silence") if name in entry}
    outer.allow(_CLIP_FIELDS, later)
    start, duration = _trim(outer)
    key = None if later and not outer.has("key") else _key(outer, "key")
    if key is not None and not key.startswith(limits.source_prefixes):
        remedy = "Use a key that begins with " + " or ".join(limits.source_prefixes) + "."
        issues.add(outer.at("key"), "SOURCE_NOT_ALLOWED", "lies outside the allowed prefixes", remedy)
    return Clip(key or "", start, duration)


def _trim(fields: Fields) -> tuple[int, int]:
    """Return start and duration in ms; an end becomes a duration."""
    start, duration, end = fields.time("start") or 0, fields.time("duration"), fields.time("end")
    if fields.has("duration") and fields.has("end"):
        fields.issues.add(fields.at("end"), "FIELDS_EXCLUSIVE", "excludes `duration`", "Keep one of the two.")
    elif duration == 0:
        remedy = "Give a length, or leave `duration` out to play to the end."
        fields.issues.add(fields.at("duration"), "TRIM_EMPTY", "is 0", remedy)
    elif end is not None and end <= start:
        remedy = "End after the start, or leave `end` out."
        fields.issues.add(fields.at("end"), "TRIM_EMPTY", f"is {end} ms, not after the start at {start} ms", remedy)
    if end is not None:
        return start, max(end - start, 0)
    return start, duration or 0


def _align(fields: Fields, count: int) -> int:
    """Return the index of the clip that lends defaults."""
    align = fields.take("align", int, 0) or 0
    if count and not 0 <= align < count:
        remedy = f"Clips are counted from 0: use 0 to {count - 1}; nearest is {max(0, min(align, count - 1))}."
        fields.issues.add("/align", "ALIGN_OUT_OF_RANGE", f"is {align}, but there are {count} clips", remedy)
        return 0
    return align


def _notify(fields: Fields, limits: Limits) -> tuple[str, ...] | None:
    """Return the chosen sinks, each of them configured; None when the manifest does not choose."""
    names = fields.take("notify", list)
    if names is None:
        return None
    for index, name in enumerate(names):
        if name not in limits.sinks:
            remedy = f"Use names of configured sinks: {', '.join(limits.sinks) or 'there are none'}."
            fields.issues.add(pointer("notify", index), "SINK_UNKNOWN", f"{name!r} is not a sink", remedy)
    return tuple(dict.fromkeys(str(name) for name in names))


def _labels(fields: Fields) -> Mapping[str, str]:
    """Return the labels, which travel into the event."""
    labels = fields.take("labels", dict) or {}
    if len(labels) > MAX_LABELS:
        remedy = f"Keep at most {MAX_LABELS}."
        fields.issues.add("/labels", "VALUE_OUT_OF_RANGE", f"has {len(labels)} labels", remedy)
    for name, value in labels.items():
        path = pointer("labels", str(name))
        if not isinstance(name, str) or not isinstance(value, str):
            fields.issues.wrong_type(path, value if isinstance(name, str) else name, "text")
        elif max(len(name), len(value)) > MAX_LABEL_CHARACTERS:
            remedy = f"Keep name and value to {MAX_LABEL_CHARACTERS} characters."
            fields.issues.add(path, "VALUE_OUT_OF_RANGE", "is too long", remedy)
    return MappingProxyType({str(name): str(value) for name, value in labels.items()})
