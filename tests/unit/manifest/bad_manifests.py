"""Bad manifests, and the complete list of issues of each. The tests of several modules iterate over this table."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from clipstitch.common.identifiers import ObjectRef
from clipstitch.manifest.model import Limits

LIMITS = Limits(
    output_buckets=("acme-out",),
    output_prefixes=("episodes/", "_clipstitch", "manifests", "results"),
    source_prefixes=("clips/",),
    sinks=("events", "hook"),
    max_clips=40,
)
GOOD: Mapping[str, Any] = {
    "version": 1,
    "output": {"key": "episodes/ep.mp3"},
    "clips": ["clips/a.mp3", "clips/b.wav"],
}


class BadManifest(NamedTuple):
    """A manifest, code and path of every issue in order, and words that the remedies must contain."""

    name: str
    body: bytes
    issues: tuple[tuple[str, str], ...]
    words: tuple[str, ...] = ()
    suffix: str = ".json"

    @property
    def ref(self) -> ObjectRef:
        """The object of the manifest."""
        return ObjectRef("acme", f"manifests/ep{self.suffix}")


def bad(name: str, document: object, *issues: str, words: tuple[str, ...] = (), suffix: str = ".json") -> BadManifest:
    """Return one case; an issue is written `CODE /path`, a document is a string, bytes or a value."""
    text = document if isinstance(document, str | bytes) else json.dumps(document)
    body = text.encode() if isinstance(text, str) else text
    pairs = tuple((code, path) for code, _, path in (issue.partition(" ") for issue in issues))
    return BadManifest(name, body, pairs, words, suffix)


def in_yaml(name: str, text: str, *issues: str, words: tuple[str, ...] = ()) -> BadManifest:
    """Return one case in YAML."""
    return bad(name, text, *issues, words=words, suffix=".yaml")


def changed(**fields: object) -> dict[str, Any]:
    """Return the good manifest with some top-level fields changed."""
    return {**GOOD, **fields}


def without(name: str) -> dict[str, Any]:
    """Return the good manifest without a field."""
    return {field: value for field, value in GOOD.items() if field != name}


def output(**fields: object) -> dict[str, Any]:
    """Return the good manifest with some fields of its output changed."""
    return changed(output={**GOOD["output"], **fields})


def clip(**fields: object) -> dict[str, Any]:
    """Return the good manifest with a third clip that has these fields besides its key."""
    return changed(clips=[*GOOD["clips"], {"key": "clips/c.mp3", **fields}])


def nested(depth: int) -> list[Any]:
    """Return nested lists of this depth."""
    value: list[Any] = []
    for _ in range(depth - 1):
        value = [value]
    return value


UNREADABLE = (
    bad("empty JSON", "", "MANIFEST_SYNTAX ", words=("line 1, column 1",)),
    bad("JSON cut off", '{"version": 1,\n "output"', "MANIFEST_SYNTAX ", words=("line 2, column 10",)),
    bad("JSON with a comment", '{"version": 1} // yes', "MANIFEST_SYNTAX ", words=("line 1, column 16",)),
    bad("JSON with NaN", '{"version": NaN}', "MANIFEST_SYNTAX "),
    bad("JSON with an unpaired surrogate", '{"version": 1, "output": {"key": "\\ud83d"}}', "MANIFEST_SYNTAX "),
    bad("JSON with a number of 5,000 digits", '{"version": ' + "1" * 5000 + "}", "MANIFEST_SYNTAX "),
    bad("JSON of brackets only", "[" * 100_000, "MANIFEST_SYNTAX "),
    in_yaml("YAML with an open bracket", "version: 1\nclips: [a, b\n", "MANIFEST_SYNTAX ", words=("line 3, column 1",)),
    in_yaml("YAML with a tab", "version: 1\noutput:\n\tkey: a.mp3\n", "MANIFEST_SYNTAX ", words=("line 3, column 1",)),
    in_yaml("YAML with a control character", "version: \x01\n", "MANIFEST_SYNTAX "),
    in_yaml("YAML of brackets only", "[" * 2_000, "MANIFEST_SYNTAX "),
    in_yaml("YAML with two documents", "version: 1\n---\nversion: 1\n", "MANIFEST_SYNTAX "),
    in_yaml("YAML alias", "a: &a [x]\nclips: *a\n", "MANIFEST_SYNTAX ", words=("line 2, column 8",)),
    in_yaml("YAML bomb", "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n", "MANIFEST_SYNTAX "),
    in_yaml("YAML merge key", "a: &a {version: 1}\n<<: *a\n", "MANIFEST_SYNTAX "),
    in_yaml("YAML duplicate field", "version: 1\nversion: 1\n", "MANIFEST_SYNTAX ", words=("line 2, column 1",)),
    in_yaml("YAML object tag", "version: !!python/name:os.system\n", "MANIFEST_SYNTAX "),
    in_yaml("YAML tag that contradicts its value", "version: !!timestamp soon\n", "MANIFEST_SYNTAX "),
    in_yaml("YAML boolean that is not valid", "version: !!bool perhaps\n", "MANIFEST_SYNTAX "),
    in_yaml("YAML list with the tag of a number", "version: !!int [1]\n", "MANIFEST_SYNTAX "),
    in_yaml("YAML list with the tag of a mapping", "version: !!map [a]\n", "MANIFEST_SYNTAX "),
    in_yaml("YAML with a list as a key", "? [a, b]\n: 1\n", "MANIFEST_SYNTAX "),
    in_yaml("YAML with an unpaired surrogate", 'output: {key: "\\ud83d"}\n', "MANIFEST_SYNTAX "),
    in_yaml("YAML with a character outside Unicode", 'output: {key: "\\UFFFFFFFF"}\n', "MANIFEST_SYNTAX "),
    bad("Latin-1", '{"version": "é"}'.encode("latin-1"), "MANIFEST_ENCODING "),
    bad("UTF-16", '{"version": 1}'.encode("utf-16"), "MANIFEST_ENCODING "),
    bad("one byte above 256 KB", " " * (256 * 1024 + 1), "MANIFEST_TOO_LARGE "),
    bad("nested 21 deep", changed(labels={"a": nested(19)}), "MANIFEST_TOO_DEEP "),
    in_yaml("nested 21 deep in YAML", "a: " + "[" * 20 + "]" * 20, "MANIFEST_TOO_DEEP "),
    bad("duplicate field", '{"version": 1, "version": 2}', "FIELD_DUPLICATE "),
    bad("nested duplicate field", '{"clips": [{"key": "a", "key": "b"}]}', "FIELD_DUPLICATE "),
    bad("text file", "version: 1", "MANIFEST_SUFFIX ", words=(".json, .yaml, .yml",), suffix=".txt"),
    bad("no suffix", GOOD, "MANIFEST_SUFFIX ", suffix=""),
)

TOP_LEVEL = (
    bad("a list", [GOOD], "FIELD_TYPE "),
    bad("a string", '"version 1"', "FIELD_TYPE "),
    bad("null", "null", "FIELD_TYPE "),
    in_yaml("empty YAML", "# later\n", "FIELD_TYPE "),
    bad("empty mapping", {}, "FIELD_MISSING /clips", "FIELD_MISSING /output", "FIELD_MISSING /version"),
    bad("no version", without("version"), "FIELD_MISSING /version"),
    bad("no output", without("output"), "FIELD_MISSING /output"),
    bad("no clips", without("clips"), "FIELD_MISSING /clips"),
    bad("version 2", changed(version=2), "VERSION_UNSUPPORTED /version", words=("version: 1",)),
    bad("version as string", changed(version="1"), "FIELD_TYPE /version"),
    bad("version as a decimal", changed(version=1.0), "FIELD_TYPE /version"),
    bad("version as boolean", changed(version=True), "FIELD_TYPE /version"),
    bad("version as null", changed(version=None), "FIELD_TYPE /version"),
    bad("output as string", changed(output="episodes/ep.mp3"), "FIELD_TYPE /output"),
    bad("clips as string", changed(clips="clips/a.mp3"), "FIELD_TYPE /clips"),
    bad("clips as mapping", changed(clips={"key": "clips/a.mp3"}), "FIELD_TYPE /clips"),
    bad("notify as string", changed(notify="events"), "FIELD_TYPE /notify"),
    bad("labels as list", changed(labels=["a"]), "FIELD_TYPE /labels"),
    bad("misspelled field", changed(notifiy=["events"]), "FIELD_UNKNOWN /notifiy", words=("Did you mean `notify`?",)),
    bad("unknown field", changed(zz=1), "FIELD_UNKNOWN /zz", words=("Known fields: version, output",)),
    bad("field with a slash", {**GOOD, "a/b~c": 1}, "FIELD_UNKNOWN /a~1b~0c"),
    bad("field without a name", {**GOOD, "": 1}, "FIELD_UNKNOWN /"),
    bad("gap as words", changed(gap="some"), "TIME_INVALID /gap", words=('"300ms"',)),
    bad("gap below the minimum zero", changed(gap=-1), "TIME_INVALID /gap"),
    bad("gap as list", changed(gap=["1s"]), "TIME_INVALID /gap"),
    bad("gap of more than an hour", changed(gap=3_600_001), "VALUE_OUT_OF_RANGE /gap", words=("at most 1h",)),
    bad("chapters as a list", changed(chapters=["one", "two"]), "FIELD_TYPE /chapters", words=("true or false",)),
    bad("chapters as string", changed(chapters="yes"), "FIELD_TYPE /chapters"),
    bad("waiting as words", changed(wait_for_clips="long"), "TIME_INVALID /wait_for_clips"),
    bad(
        "waiting for more than a day",
        changed(wait_for_clips="25h"),
        "VALUE_OUT_OF_RANGE /wait_for_clips",
        words=("24h",),
    ),
    bad("field named by 5,000 digits", changed(**{"1" * 5000: 1}), "FIELD_UNKNOWN /" + "1" * 5000),
    bad("align as string", changed(align="first"), "FIELD_TYPE /align"),
    bad("align below the minimum", changed(align=-1), "ALIGN_OUT_OF_RANGE /align", words=("nearest is 0",)),
    bad("align beyond", changed(align=2), "ALIGN_OUT_OF_RANGE /align", words=("0 to 1", "nearest is 1")),
    bad("unknown sink", changed(notify=["events", "event"]), "SINK_UNKNOWN /notify/1", words=("events, hook",)),
    bad("sink as number", changed(notify=[7]), "SINK_UNKNOWN /notify/0"),
    bad("sink as mapping", changed(notify=[{"topic": "events"}]), "SINK_UNKNOWN /notify/0"),
    bad("label as number", changed(labels={"episode": 42}), "FIELD_TYPE /labels/episode"),
    in_yaml(
        "label named by a number",
        "version: 1\noutput: {key: episodes/a.mp3}\nclips: [clips/a.mp3]\nlabels: {42: x}\n",
        "FIELD_TYPE /labels/42",
    ),
    bad("label too long", changed(labels={"show": "x" * 257}), "VALUE_OUT_OF_RANGE /labels/show", words=("256",)),
    bad("label name too long", changed(labels={"n" * 257: ""}), "VALUE_OUT_OF_RANGE /labels/" + "n" * 257),
    bad("label with a line break", changed(labels={"show": "a\nb"}), "CHARACTERS_NOT_ALLOWED /labels/show"),
    bad("label that XML cannot carry", changed(labels={"show": "night\uffff"}), "CHARACTERS_NOT_ALLOWED /labels/show"),
    bad("label name with a control", changed(labels={"a\x85": ""}), "CHARACTERS_NOT_ALLOWED /labels/a\x85"),
    bad("33 labels", changed(labels={f"l{i}": "" for i in range(33)}), "VALUE_OUT_OF_RANGE /labels", words=("32",)),
)

OUTPUT = (
    bad("output without key", changed(output={}), "FIELD_MISSING /output/key"),
    bad("output key as number", output(key=42), "FIELD_TYPE /output/key"),
    bad("output key empty", output(key=""), "KEY_INVALID /output/key"),
    bad("output key with leading slash", output(key="/a.mp3"), "KEY_INVALID /output/key"),
    bad("output key with leading backslash", output(key="\\a.mp3"), "KEY_INVALID /output/key"),
    bad("output key of 1,024 bytes", output(key="episodes/" + "é" * 505 + "a.mp3"), "KEY_INVALID /output/key"),
    bad("output among the manifests", output(key="manifests/a.mp3"), "OUTPUT_KEY_RESERVED /output/key"),
    bad("output among the state", output(key="_clipstitch/work/a.mp3"), "OUTPUT_KEY_RESERVED /output/key"),
    bad("output among the results", output(key="results/a.mp3"), "OUTPUT_KEY_RESERVED /output/key"),
    bad(
        "output outside the allowed prefixes",
        output(key="private/a.mp3"),
        "OUTPUT_NOT_ALLOWED /output/key",
        words=("episodes/",),
    ),
    bad("foreign bucket", output(bucket="other"), "OUTPUT_NOT_ALLOWED /output/bucket", words=("acme, acme-out",)),
    bad("empty bucket", output(bucket=""), "OUTPUT_NOT_ALLOWED /output/bucket"),
    bad("bucket as list", output(bucket=["acme"]), "FIELD_TYPE /output/bucket"),
    bad("extension unknown", output(key="episodes/a.wma"), "FORMAT_UNKNOWN /output/key", words=(".mp3, .aac",)),
    bad("extension missing", output(key="episodes/mp3.d/a"), "FORMAT_UNKNOWN /output/key"),
    bad("format unknown", output(format="mp4"), "FORMAT_UNKNOWN /output/format", words=("Did you mean mp3?",)),
    bad("format empty", output(format=""), "FORMAT_UNKNOWN /output/format"),
    bad("format as number", output(format=3), "FORMAT_UNKNOWN /output/format"),
    bad("format as list", output(format=["mp3"]), "FORMAT_UNKNOWN /output/format"),
    bad("format in capitals", output(format="MP3"), "FORMAT_UNKNOWN /output/format"),
    bad(
        "misspelled output field", output(sampel_rate=1), "FIELD_UNKNOWN /output/sampel_rate", words=("`sample_rate`",)
    ),
    bad("start of the whole as words", output(start="soon"), "TIME_INVALID /output/start"),
    bad("duration of the whole as null", output(duration=None), "TIME_INVALID /output/duration"),
    bad("duration of the whole of 0", output(duration=0), "TRIM_EMPTY /output/duration"),
    bad("end of the whole before its start", output(start="2s", end="1s"), "TRIM_EMPTY /output/end"),
    bad("end and duration of the whole", output(end="1h", duration="1h"), "FIELDS_EXCLUSIVE /output/end"),
    bad("whole beyond 1,000 hours", output(end="1001h"), "TIME_INVALID /output/end"),
    bad("rate as string", output(sample_rate="44100"), "FIELD_TYPE /output/sample_rate"),
    bad("rate as decimal", output(sample_rate=44.1), "FIELD_TYPE /output/sample_rate"),
    bad("channels as string", output(channels="stereo"), "FIELD_TYPE /output/channels"),
    bad("bitrate as string", output(bitrate="128k"), "FIELD_TYPE /output/bitrate"),
    bad("quality as decimal", output(quality=0.5), "FIELD_TYPE /output/quality"),
    bad("overwrite as string", output(overwrite="yes"), "FIELD_TYPE /output/overwrite"),
    bad(
        "bitrate below the minimum",
        output(bitrate=999),
        "VALUE_OUT_OF_RANGE /output/bitrate",
        words=("nearest is 1000.",),
    ),
    bad("bitrate above", output(bitrate=10**7 + 1), "VALUE_OUT_OF_RANGE /output/bitrate", words=("is 10000000.",)),
    bad(
        "quality below the minimum", output(quality=-1), "VALUE_OUT_OF_RANGE /output/quality", words=("nearest is 0.",)
    ),
    bad("quality above", output(quality=101), "VALUE_OUT_OF_RANGE /output/quality", words=("nearest is 100.",)),
    bad("bitrate and quality", output(bitrate=64000, quality=50), "FIELDS_EXCLUSIVE /output/quality"),
    bad("option without bitrate", output(bitrate_option="fixed"), "FIELD_NEEDS /output/bitrate_option"),
    bad(
        "option unknown",
        output(bitrate=64000, bitrate_option="adaptiv"),
        "BITRATE_OPTION_UNKNOWN /output/bitrate_option",
        words=("Did you mean adaptive?",),
    ),
    bad(
        "option as the number of OSS",
        output(bitrate=64000, bitrate_option=1),
        "BITRATE_OPTION_UNKNOWN /output/bitrate_option",
    ),
    bad(
        "option as null",
        output(bitrate=64000, bitrate_option=None),
        "BITRATE_OPTION_UNKNOWN /output/bitrate_option",
    ),
    bad("bit depth for mp3", output(bits_per_sample=16), "FIELD_NEEDS /output/bits_per_sample", words=("flac",)),
    bad(
        "bit depth 20",
        output(key="episodes/a.flac", bits_per_sample=20),
        "BIT_DEPTH_NOT_ALLOWED /output/bits_per_sample",
        words=("16, 24",),
    ),
    bad(
        "bit depth as boolean",
        output(key="episodes/a.flac", bits_per_sample=True),
        "BIT_DEPTH_NOT_ALLOWED /output/bits_per_sample",
    ),
    bad(
        "bit depth as null",
        output(key="episodes/a.flac", bits_per_sample=None),
        "BIT_DEPTH_NOT_ALLOWED /output/bits_per_sample",
    ),
)


def rate(spec: str, hertz: int, nearest: int) -> BadManifest:
    """Return the case of a sample rate that a format does not support."""
    document = output(key=f"episodes/a.{spec}", sample_rate=hertz)
    words = (f"{spec} takes ", f" Hz; nearest is {nearest}.")
    return bad(f"{spec} at {hertz} Hz", document, "SAMPLE_RATE_NOT_ALLOWED /output/sample_rate", words=words)


def channels(spec: str, count: int, nearest: int) -> BadManifest:
    """Return the case of a number of channels that a format does not support."""
    document = output(key=f"episodes/a.{spec}", channels=count)
    words = (f"{spec} takes 1", f"nearest is {nearest}.")
    return bad(f"{spec} with {count} channels", document, "CHANNELS_NOT_ALLOWED /output/channels", words=words)


# OSS user guide, "What is audio merging", page dated 2026-03-20: parameters ar and ac, and "Format-specific limits".
FORMAT_LIMITS = (
    rate("mp3", 64000, 48000),
    rate("mp3", 96000, 48000),
    rate("mp3", 44000, 44100),
    rate("opus", 44100, 48000),
    rate("opus", 11025, 12000),
    rate("opus", 22050, 24000),
    rate("opus", 32000, 24000),
    rate("opus", 96000, 48000),
    rate("ac3", 22050, 32000),
    rate("ac3", 64000, 48000),
    rate("ac3", 96000, 48000),
    rate("amr", 44100, 16000),
    rate("amr", 11025, 8000),
    rate("amr", 12000, 16000),
    rate("aac", 192000, 96000),
    rate("aac", 0, 8000),
    rate("flac", 44000, 44100),
    rate("oga", -8000, 8000),
    channels("mp3", 3, 2),
    channels("mp3", 0, 1),
    channels("ac3", 7, 6),
    channels("amr", 2, 1),
    channels("aac", 9, 8),
    channels("flac", 9, 8),
    channels("oga", 9, 8),
    channels("opus", 9, 8),
    channels("opus", -1, 1),
    bad(
        "rate of an unknown format",
        output(key="episodes/a.wma", sample_rate=44000),
        "FORMAT_UNKNOWN /output/key",
        "SAMPLE_RATE_NOT_ALLOWED /output/sample_rate",
        words=("nearest is 44100",),
    ),
)

CLIPS = (
    bad("no clip", changed(clips=[]), "CLIPS_EMPTY /clips"),
    bad(
        "41 clips where 40 are allowed",
        changed(clips=[f"clips/{i}.mp3" for i in range(41)], align=50),
        "TOO_MANY_CLIPS /clips",
        words=("Split the manifest",),
    ),
    bad("clip as number", changed(clips=["clips/a.mp3", 2]), "FIELD_TYPE /clips/1"),
    bad("clip as null", changed(clips=[None, "clips/a.mp3"]), "FIELD_TYPE /clips/0"),
    bad("clip as list", changed(clips=[["clips/a.mp3"]]), "FIELD_TYPE /clips/0"),
    bad("clip without key", changed(clips=[{}]), "FIELD_MISSING /clips/0/key"),
    bad("clip key as number", changed(clips=[{"key": 1}]), "FIELD_TYPE /clips/0/key"),
    bad("clip key empty", changed(clips=["", "clips/a.mp3"]), "KEY_INVALID /clips/0/key"),
    bad("clip key with leading slash", changed(clips=["/clips/a.mp3"]), "KEY_INVALID /clips/0/key"),
    bad("clip key of 1,024 bytes", changed(clips=["clips/" + "x" * 1018]), "KEY_INVALID /clips/0/key"),
    bad(
        "clip outside the allowed prefixes",
        changed(clips=["private/a.mp3"]),
        "SOURCE_NOT_ALLOWED /clips/0/key",
        words=("clips/",),
    ),
    bad("misspelled clip field", clip(strat="1s"), "FIELD_UNKNOWN /clips/2/strat", words=("Did you mean `start`?",)),
    bad("title as number", clip(title=7), "FIELD_TYPE /clips/2/title"),
    bad("title as null", clip(title=None), "FIELD_TYPE /clips/2/title"),
    bad("title too long", clip(title="x" * 257), "VALUE_OUT_OF_RANGE /clips/2/title", words=("256",)),
    bad("glob as number", changed(clips=[{"glob": 7}]), "FIELD_TYPE /clips/0/glob"),
    bad("glob as null", changed(clips=[{"glob": None}]), "FIELD_TYPE /clips/0/glob"),
    bad("glob empty", changed(clips=[{"glob": ""}]), "KEY_INVALID /clips/0/glob"),
    bad(
        "glob with leading slash",
        changed(clips=[{"glob": "/clips/*"}]),
        "KEY_INVALID /clips/0/glob",
        words=("chapters/*.mp3",),
    ),
    bad("glob of 1,024 bytes", changed(clips=[{"glob": "clips/" + "?" * 1018}]), "KEY_INVALID /clips/0/glob"),
    bad(
        "glob outside the allowed prefixes", changed(clips=[{"glob": "private/*"}]), "SOURCE_NOT_ALLOWED /clips/0/glob"
    ),
    bad(
        "glob that may match outside the allowed prefixes",
        changed(clips=[{"glob": "c*/a.mp3"}]),
        "SOURCE_NOT_ALLOWED /clips/0/glob",
    ),
    bad("glob of everything", changed(clips=[{"glob": "**/*.mp3"}]), "SOURCE_NOT_ALLOWED /clips/0/glob"),
    bad("glob with a title", changed(clips=[{"glob": "clips/*", "title": "x"}]), "FIELD_UNKNOWN /clips/0/title"),
    bad("glob with a bad trim", changed(clips=[{"glob": "clips/*", "start": 5, "end": 5}]), "TRIM_EMPTY /clips/0/end"),
    bad("glob and key", clip(glob="clips/*"), "FIELD_UNKNOWN /clips/2/glob", words=("Known fields: key",)),
    bad("silence of 0", changed(clips=["clips/a.mp3", {"silence": 0}]), "TRIM_EMPTY /clips/1/silence"),
    bad("silence as words", changed(clips=["clips/a.mp3", {"silence": "long"}]), "TIME_INVALID /clips/1/silence"),
    bad("silence as null", changed(clips=["clips/a.mp3", {"silence": None}]), "TIME_INVALID /clips/1/silence"),
    bad(
        "silence below the minimum zero",
        changed(clips=["clips/a.mp3", {"silence": -5}]),
        "TIME_INVALID /clips/1/silence",
    ),
    bad(
        "silence of more than an hour",
        changed(clips=["clips/a.mp3", {"silence": "61m"}]),
        "VALUE_OUT_OF_RANGE /clips/1/silence",
        words=("at most 1h",),
    ),
    bad(
        "silence with a start",
        changed(clips=["clips/a.mp3", {"silence": "1s", "start": 1}]),
        "FIELD_UNKNOWN /clips/1/start",
    ),
    bad("silence and key", clip(silence="1s"), "FIELD_UNKNOWN /clips/2/silence"),
    bad("only silence", changed(clips=[{"silence": "1s"}, {"silence": "2s"}]), "CLIPS_EMPTY /clips"),
    bad("start as words", clip(start="soon"), "TIME_INVALID /clips/2/start", words=('"1m30s"',)),
    bad("start as a clock shows it", clip(start="1:30"), "TIME_INVALID /clips/2/start"),
    bad("start without unit", clip(start="90"), "TIME_INVALID /clips/2/start"),
    bad("start with rising units", clip(start="30s1m"), "TIME_INVALID /clips/2/start"),
    bad("start with a unit twice", clip(start="1s1s"), "TIME_INVALID /clips/2/start"),
    bad("start with a space", clip(start="1m 30s"), "TIME_INVALID /clips/2/start"),
    bad("start below the minimum zero", clip(start=-1), "TIME_INVALID /clips/2/start"),
    bad("start as decimal number", clip(start=1.5), "TIME_INVALID /clips/2/start"),
    bad("start as boolean", clip(start=True), "TIME_INVALID /clips/2/start"),
    bad("start as null", clip(start=None), "TIME_INVALID /clips/2/start"),
    bad("start beyond 1,000 hours", clip(start="1001h"), "TIME_INVALID /clips/2/start"),
    bad("duration of 0", clip(duration=0), "TRIM_EMPTY /clips/2/duration"),
    bad("duration as list", clip(duration=["1s"]), "TIME_INVALID /clips/2/duration"),
    bad("end at the start", clip(start="4s", end="4s"), "TRIM_EMPTY /clips/2/end"),
    bad("end before the start", clip(start="4s", end="3s"), "TRIM_EMPTY /clips/2/end"),
    bad("end at zero", clip(end=0), "TRIM_EMPTY /clips/2/end"),
    bad("end and duration", clip(end="9s", duration="2s"), "FIELDS_EXCLUSIVE /clips/2/end"),
)

MANY_AT_ONCE = (
    bad(
        "everything of the wrong type",
        {"version": "1", "output": [], "align": "0", "clips": {}, "notify": {}, "labels": 3},
        "FIELD_TYPE /align",
        "FIELD_TYPE /clips",
        "FIELD_TYPE /labels",
        "FIELD_TYPE /notify",
        "FIELD_TYPE /output",
        "FIELD_TYPE /version",
    ),
    bad(
        "everything wrong in the output",
        output(
            key="manifests/a.opus",
            bucket="other",
            sample_rate=44100,
            channels=9,
            bitrate=1,
            quality=101,
            bitrate_option="slow",
            bits_per_sample=24,
            overwrite=1,
            start="x",
        ),
        "VALUE_OUT_OF_RANGE /output/bitrate",
        "BITRATE_OPTION_UNKNOWN /output/bitrate_option",
        "FIELD_NEEDS /output/bits_per_sample",
        "OUTPUT_NOT_ALLOWED /output/bucket",
        "CHANNELS_NOT_ALLOWED /output/channels",
        "OUTPUT_KEY_RESERVED /output/key",
        "FIELD_TYPE /output/overwrite",
        "FIELDS_EXCLUSIVE /output/quality",
        "VALUE_OUT_OF_RANGE /output/quality",
        "SAMPLE_RATE_NOT_ALLOWED /output/sample_rate",
        "TIME_INVALID /output/start",
    ),
    bad(
        "everything wrong in the clips",
        changed(
            clips=[
                {"key": "", "start": "x"},
                {"kee": "clips/a.mp3"},
                7,
                {"key": "private/a.mp3", "duration": 0},
                {"glob": "*", "silence": "1s"},
                {"key": "clips/a.mp3", "start": 5, "end": 4, "fade": 1},
            ],
            align=6,
        ),
        "ALIGN_OUT_OF_RANGE /align",
        "KEY_INVALID /clips/0/key",
        "TIME_INVALID /clips/0/start",
        "FIELD_UNKNOWN /clips/1/kee",
        "FIELD_MISSING /clips/1/key",
        "FIELD_TYPE /clips/2",
        "TRIM_EMPTY /clips/3/duration",
        "SOURCE_NOT_ALLOWED /clips/3/key",
        "FIELD_UNKNOWN /clips/4/glob",
        "TRIM_EMPTY /clips/5/end",
        "FIELD_UNKNOWN /clips/5/fade",
        words=("Did you mean `key`?", "nearest is 5"),
    ),
    bad(
        "too many clips and an unsupported format",
        {
            "version": 3,
            "output": {"key": "episodes/a.amr", "sample_rate": 44100, "channels": 2},
            "clips": [{"key": f"clips/{i}.mp3", "start": 1} for i in range(41)],
            "notify": ["unknown"],
        },
        "TOO_MANY_CLIPS /clips",
        "SINK_UNKNOWN /notify/0",
        "CHANNELS_NOT_ALLOWED /output/channels",
        "SAMPLE_RATE_NOT_ALLOWED /output/sample_rate",
        "VERSION_UNSUPPORTED /version",
    ),
    in_yaml(
        "a first attempt in YAML",
        "Version: 1\n"
        "outputs: {key: a}\n"
        "output: {file: out.mp3}\n"
        "clips:\n- file: a.mp3\n- no\n- 1:30\n"
        "notify: [mail]\nlabels: {draft: yes, part: 2}\n",
        "FIELD_UNKNOWN /Version",
        "FIELD_UNKNOWN /clips/0/file",
        "FIELD_MISSING /clips/0/key",
        "SOURCE_NOT_ALLOWED /clips/1/key",
        "SOURCE_NOT_ALLOWED /clips/2/key",
        "FIELD_TYPE /labels/part",
        "SINK_UNKNOWN /notify/0",
        "FIELD_UNKNOWN /output/file",
        "FIELD_MISSING /output/key",
        "FIELD_UNKNOWN /outputs",
        "FIELD_MISSING /version",
        words=("Did you mean `version`?", "Did you mean `output`?"),
    ),
    bad(
        "a player's playlist",
        {"title": "x", "tracks": [], "gap": 1, "chapters": [], "wait_for_clips": 1},
        "FIELD_TYPE /chapters",
        "FIELD_MISSING /clips",
        "FIELD_MISSING /output",
        "FIELD_UNKNOWN /title",
        "FIELD_UNKNOWN /tracks",
        "FIELD_MISSING /version",
    ),
)


def in_ffconcat(name: str, text: str, *issues: str, words: tuple[str, ...] = ()) -> BadManifest:
    """Return one ffconcat script, given without its first line."""
    return bad(name, f"ffconcat version 1.0\n{text}", *issues, words=words, suffix=".ffconcat")


def in_m3u(name: str, text: str, *issues: str, words: tuple[str, ...] = ()) -> BadManifest:
    """Return one extended M3U playlist, given without its first line."""
    return bad(name, f"#EXTM3U\n{text}", *issues, words=words, suffix=".m3u8")


OWN_COMMENT = '# clipstitch: {"output": {"key": "episodes/a.mp3"}}\n'
LINE = "PLAYLIST_LINE "

PLAYLISTS = (
    bad("ffconcat, empty", "", LINE, words=("ffconcat version 1.0",), suffix=".ffconcat"),
    bad("ffconcat without its first line", "file a.mp3\n", LINE, suffix=".ffconcat"),
    bad("ffconcat, first line late", "\nffconcat version 1.0\n", LINE, suffix=".ffconcat"),
    bad("ffconcat version 2", "ffconcat version 2.0\n", LINE, suffix=".ffconcat"),
    bad("ffconcat in Latin-1", b"ffconcat version 1.0\nfile \xe9.mp3\n", "MANIFEST_ENCODING ", suffix=".ffconcat"),
    bad("ffconcat above 256 KB", "#" * (256 * 1024 + 1), "MANIFEST_TOO_LARGE ", suffix=".ffconcat"),
    in_ffconcat("ffconcat without files", OWN_COMMENT, "CLIPS_EMPTY /clips"),
    in_ffconcat("ffconcat without an allowed output", "file clips/a.mp3\n", "OUTPUT_NOT_ALLOWED /output/key"),
    in_ffconcat(
        "ffconcat, file outside the allowed prefixes", OWN_COMMENT + "file /a.mp3\n", "KEY_INVALID /clips/0/key"
    ),
    in_ffconcat("ffconcat, file without a name", OWN_COMMENT + "file\n", LINE, words=("Give one",)),
    in_ffconcat("ffconcat, name with a space", OWN_COMMENT + "file clips/a b.mp3\n", LINE, words=("quote",)),
    in_ffconcat("ffconcat, trim before any file", OWN_COMMENT + "inpoint 1\n", LINE, words=("below the file",)),
    in_ffconcat("ffconcat, time as words", OWN_COMMENT + "file clips/a\ninpoint soon\n", LINE, words=("HH:MM:SS",)),
    in_ffconcat("ffconcat, time below the minimum zero", OWN_COMMENT + "file clips/a\ninpoint -1\n", LINE),
    in_ffconcat("ffconcat, time of 400 digits", OWN_COMMENT + "file clips/a\ninpoint " + "9" * 400, LINE),
    in_ffconcat(
        "ffconcat, 5,000 digits of hours", OWN_COMMENT + "file clips/a\ninpoint " + "9" * 5000 + ":00:00", LINE
    ),
    in_ffconcat(
        "ffconcat, time too long", OWN_COMMENT + "file clips/a\ninpoint 3600001\n", "TIME_INVALID /clips/0/start"
    ),
    in_ffconcat("ffconcat, trim of 0", OWN_COMMENT + "file clips/a\noutpoint 0\n", "TRIM_EMPTY /clips/0/end"),
    in_ffconcat(
        "ffconcat, outpoint before inpoint",
        OWN_COMMENT + "file clips/a\ninpoint 2\noutpoint 1\n",
        "TRIM_EMPTY /clips/0/end",
    ),
    in_ffconcat("ffconcat, a lone backslash", OWN_COMMENT + "file clips/a\n\\\n", LINE),
    in_ffconcat(
        "ffconcat with all unsupported directives",
        "file_packet_metadata a=b\nfile_packet_meta a b\noption safe 0\nstream\nexact_stream_id 1\n"
        "stream_meta a b\nstream_codec mp3\nstream_extradata 00\nchapter 1 0 1\nFile clips/a.mp3\n",
        *[LINE] * 10,
        words=("Supported are file, inpoint, outpoint, duration",),
    ),
    in_ffconcat(
        "ffconcat, own comment that is not JSON", "# clipstitch: output\nfile clips/a\n", LINE, words=("Write {",)
    ),
    in_ffconcat("ffconcat, own comment with a list", "# clipstitch: []\nfile clips/a\n", LINE),
    in_ffconcat("ffconcat, own comment with clips", '# clipstitch: {"clips": []}\nfile clips/a\n', LINE),
    in_ffconcat(
        "ffconcat, own comment with a duplicate field", '# clipstitch: {"gap": 1, "gap": 2}\nfile clips/a\n', LINE
    ),
    in_ffconcat(
        "ffconcat, own comment with an unpaired surrogate",
        '# clipstitch: {"output": {"key": "\\ud83d.mp3"}}\nfile clips/a\n',
        LINE,
    ),
    in_ffconcat(
        "ffconcat, own comment with a bad field",
        '# clipstitch: {"output": {"key": "episodes/a.mp3"}, "gap": "x", "version": 2, "fade": 1}\nfile clips/a\n',
        "FIELD_UNKNOWN /fade",
        "TIME_INVALID /gap",
        "VERSION_UNSUPPORTED /version",
    ),
    bad("M3U, empty", OWN_COMMENT, "CLIPS_EMPTY /clips", suffix=".m3u"),
    in_m3u("M3U with a URL", OWN_COMMENT + "clips/a.mp3\nhttps://example.com/b.mp3\n", LINE, words=("by their keys",)),
    in_m3u("M3U of a stream", "#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:9\nhttps://a/b.ts\n", LINE, words=("HLS",)),
    in_m3u("M3U with a player's options", OWN_COMMENT + "#EXTVLCOPT:start-time=soon\nclips/a.mp3\n", LINE),
    in_m3u("M3U, title too long", OWN_COMMENT + f"#EXTINF:1,{'x' * 257}\nclips/a", "VALUE_OUT_OF_RANGE /clips/0/title"),
    in_m3u(
        "M3U, file outside the allowed prefixes", OWN_COMMENT + "private/a.mp3\n", "SOURCE_NOT_ALLOWED /clips/0/key"
    ),
)

BAD_MANIFESTS = UNREADABLE + TOP_LEVEL + OUTPUT + FORMAT_LIMITS + CLIPS + MANY_AT_ONCE + PLAYLISTS
