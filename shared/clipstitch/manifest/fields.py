"""The fields of a manifest, in one table.

The parser, the suggestions for misspelled names, the JSON Schema and the field tables of docs/manifest.md are made from
it. Deployed functions import it during a cold start, so it holds named tuples and imports nothing heavy.
"""

from typing import NamedTuple

from clipstitch.common import audio_formats as formats
from clipstitch.manifest.durations import MAX_MS

VERSION = 1
HOUR_MS = 3_600_000
MAX_LABELS, MAX_LABEL_CHARACTERS = 32, 256  # own limit: labels travel in an event of at most 60 KB
MAX_TITLE_CHARACTERS = 256  # own limit: a title is a heading


class Field(NamedTuple):
    """A field of a mapping.

    `kind` is string, key, integer, boolean, array, object, choice, duration or any. `default` is a literal, or a phrase
    that says where the default comes from. `low` and `high` limit an integer, the milliseconds of a duration, or the
    length of a string or object (`MAX_MS`: no limit). A value outside of them is an issue with `code`; without `code`,
    the limits depend on other fields and are checked with them. Of two fields that exclude each other, the second is
    the issue.
    """

    name: str
    kind: str
    description: str
    default: bool | int | str = ""
    low: int = 0
    high: int = MAX_MS
    choices: tuple[int | str, ...] = ()
    code: str = "VALUE_OUT_OF_RANGE"
    required: bool = False
    excludes: str = ""
    needs: str = ""
    unit: str = ""
    examples: tuple[object, ...] = ()


Fields = dict[str, Field]


def _by_name(*fields: Field) -> Fields:
    return {field.name: field for field in fields}


def _trim(subject: str) -> tuple[Field, ...]:
    stop = f"Where to stop, counted from the start of the untrimmed {subject}."
    return (
        Field("start", "duration", f"Where to start in the {subject}.", 0),
        Field("duration", "duration", f"How much of the {subject} to keep.", "to the end", low=1, excludes="end"),
        Field("end", "duration", stop, "the end", low=1, excludes="duration"),
    )


_ALIGN = "The reference clip, by its index in `clips`: it sets the sample rate and channels that `output` does not set."
_WAIT = "How long to wait for clips that do not exist yet, counted from the upload of the manifest."
_NOTIFY = "The operator's sinks (`CLIPSTITCH_SINKS`) to notify; `[]` for none. The result object is always written."
_STRICT = "Fail the job, and publish nothing, if the merged audio differs from the plan; otherwise this is a warning."
_JOIN = "How neighbouring clips meet. Needs the render engine."
_ENGINE = "What merges: `concat` is the OSS action, `render` the function of that name; `auto` takes what is needed."
TOP = _by_name(
    Field("version", "integer", "The version of this format.", choices=(VERSION,), code="", required=True),
    Field("output", "object", "The merged object: its key and its format.", required=True),
    Field("clips", "array", "The clips, globs and silences to merge, in this order.", required=True),
    Field("align", "integer", _ALIGN, 0, code=""),
    Field("gap", "duration", "The silence between neighbouring clips.", 0, high=HOUR_MS),
    Field("join", "object", _JOIN, "clips are joined as they are", low=1),
    Field("engine", "choice", _ENGINE, "the operator's (`CLIPSTITCH_ENGINE`)", choices=formats.ENGINES),
    Field("chapters", "boolean", "Write a WebVTT file beside the output, and ID3 chapters into an MP3.", default=False),
    Field("wait_for_clips", "duration", _WAIT, 0, high=24 * HOUR_MS),
    Field("strict", "boolean", _STRICT, "the operator's (`CLIPSTITCH_STRICT`)"),
    Field("notify", "array", _NOTIFY, "all"),
    Field("labels", "object", "Names and values of your own, copied into the event.", "none", high=MAX_LABELS),
    Field("$schema", "any", "The location of the JSON Schema, for editors; not used otherwise."),
)

_FADE = "Fade each clip in and out at a join, so that no click is heard."
_CROSSFADE = "How much neighbouring clips overlap. A `gap` or a silence between them takes its place."
JOIN = _by_name(
    Field("trim_silence", "object", "Cut silence off both edges of every clip.", "nothing is cut"),
    Field("fade", "duration", _FADE, 0, high=HOUR_MS),
    Field("crossfade", "duration", _CROSSFADE, 0, high=HOUR_MS),
)
_THRESHOLD = "What is below this level counts as silence, in dB below full scale."
TRIM_SILENCE = _by_name(
    Field("threshold", "integer", _THRESHOLD, -50, low=-90, high=-10, unit="dB"),
    Field("keep", "duration", "How much silence to leave at either edge.", 60, high=HOUR_MS),
)

_OUTPUT_KEY = "The key of the merged object. Its extension sets the format unless `format` does."
_BUCKET = "The bucket. The operator must allow any other than the default."
_REFERENCE = "the reference clip's, or the nearest that the format allows"
_CLOUD = "the cloud's"
_OPTION = "`fixed`: use `bitrate`. `adaptive`: use the clips' lowest if that is lower. `fail`: reject clips with less."
_OPTIONS = formats.BITRATE_OPTIONS
_OVERWRITE = "Replace an object that another manifest, or something other than clipstitch, has made."
_BITRATES = (formats.MIN_BITRATE, formats.MAX_BITRATE)
_BITS = "The bit depth, for `flac` and `wav` only."
OUTPUT = _by_name(
    Field("key", "key", _OUTPUT_KEY, required=True, examples=("merged/ep42.mp3",)),
    Field("bucket", "string", _BUCKET, "the manifest's", low=1),
    Field("format", "choice", "The format.", "by the extension", choices=tuple(formats.FORMATS), code="FORMAT_UNKNOWN"),
    Field("sample_rate", "integer", "The sample rate.", _REFERENCE, choices=formats.SAMPLE_RATES, code="", unit="Hz"),
    Field("channels", "integer", "The number of channels.", _REFERENCE, low=1, high=formats.MAX_CHANNELS, code=""),
    Field("bitrate", "integer", "The bitrate.", _CLOUD, *_BITRATES, unit="bit/s", excludes="quality"),
    Field("quality", "integer", "The encoder's quality.", _CLOUD, high=formats.MAX_QUALITY, excludes="bitrate"),
    Field(
        "bitrate_option", "choice", _OPTION, "`fixed`", choices=_OPTIONS, needs="bitrate", code="BITRATE_OPTION_UNKNOWN"
    ),
    Field("bits_per_sample", "choice", _BITS, _CLOUD, choices=formats.BIT_DEPTHS, code="BIT_DEPTH_NOT_ALLOWED"),
    Field("overwrite", "boolean", _OVERWRITE, default=False),
    *_trim("merged audio"),
)

_TITLE_DEFAULT = "its file name without folder and extension"
_GLOB = "A pattern: `*` and `?` stay within a folder, `**/` crosses folders, `[abc]` and `[!abc]` match a character."
CLIP = _by_name(
    Field("key", "key", "The key of the object, in the bucket of the manifest.", required=True),
    *_trim("clip"),
    Field("title", "string", "The title of the clip's chapter.", _TITLE_DEFAULT, high=MAX_TITLE_CHARACTERS),
    Field("gain", "integer", "How much louder the clip becomes. Needs the render engine.", 0, -60, 60, unit="dB"),
    Field("fade_in", "duration", "Fade the clip in. Needs the render engine.", 0, high=HOUR_MS),
    Field("fade_out", "duration", "Fade the clip out. Needs the render engine.", 0, high=HOUR_MS),
)
GLOB = _by_name(Field("glob", "key", _GLOB, required=True, examples=("chapters/*.mp3",)), *_trim("clip"))
SILENCE = _by_name(Field("silence", "duration", "The length of the silence.", low=1, high=HOUR_MS, required=True))
