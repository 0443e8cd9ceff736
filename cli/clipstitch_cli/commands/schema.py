"""`clipstitch schema`: the JSON Schema of manifests, built from the product's own field lists, formats and limits.

docs/manifest.schema.json is what this prints; a test compares them. A field that the product reads and that has no
description here is a KeyError, so none can be forgotten. What only the operator's settings or the cloud can tell
(prefixes, sinks, whether a clip is there) is not in it, nor what JSON Schema cannot count (bytes of a key, an end that
is not after its start, the sum of 59m61s).
"""

import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from clipstitch.common.audio_formats import (
    BIT_DEPTHS,
    BITRATE_OPTIONS,
    FORMATS,
    MAX_BITRATE,
    MAX_CHANNELS,
    MAX_QUALITY,
    MIN_BITRATE,
    SAMPLE_RATES,
    Format,
)
from clipstitch.manifest import clips_section, output_section
from clipstitch.manifest import parse as parsing
from clipstitch.manifest.durations import FORMS, MAX_MS
from clipstitch.manifest.object_keys import MAX_KEY_BYTES
from clipstitch_cli import exit_codes
from clipstitch_cli.context import CommandContext

Schema = Mapping[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_NUMBER = r"[0-9]{1,12}(\.[0-9]{1,6})?"
# Units fall, as in speech; `m` is tried before `s`, and a text such as 300ms falls through to its own part.
_TIME = "".join(f"({_NUMBER}{unit})?" for unit in ("h", "m", "s", "ms"))
_KEY: Schema = {"type": "string", "minLength": 1, "maxLength": MAX_KEY_BYTES, "pattern": r"^[^/\\]"}


def schema(command: CommandContext) -> int:
    """Print the schema."""
    if command.json:
        command.write_json(manifest_schema())
    else:
        command.out.file.write(text())
    return exit_codes.OK


def text() -> str:
    """Return the schema as docs/manifest.schema.json holds it."""
    return json.dumps(manifest_schema(), indent=2) + "\n"


def manifest_schema() -> dict[str, Any]:
    """Build the schema of a manifest."""
    return {
        "$schema": DIALECT,
        "title": "clipstitch manifest, version 1",
        "description": "Which clips are to be merged, in which order, into which object.",
        **_mapping(parsing.FIELDS, _TOP, ("version", "output", "clips")),
        "$defs": {
            "time": _time("A length of time", zero=True),
            "length": _time("A length of time, more than nothing", zero=False),
            "clip": _clip(),
            "glob": _glob(),
            "silence": _silence(),
            "output": _output(),
        },
    }


def _mapping(fields: Sequence[str], described: Mapping[str, Schema], required: Sequence[str] = ()) -> dict[str, Any]:
    """Describe a mapping: exactly these fields, each with its title and description."""
    properties = {name: {"title": name, **described[name]} for name in fields}
    needs = {"required": list(required)} if required else {}
    return {"type": "object", "properties": properties, **needs, "additionalProperties": False}


def _ref(name: str, description: str, **more: Any) -> dict[str, Any]:
    """Point to a definition, with a description of this use."""
    return {"$ref": f"#/$defs/{name}", "description": description, **more}


def _time(title: str, *, zero: bool) -> dict[str, Any]:
    """Describe a length of time: a whole number of milliseconds, or a text with units."""
    some = "" if zero else "(?=.*[1-9])"
    return {
        "title": title,
        "description": f"To give it, write {FORMS}.",
        "anyOf": [
            {"type": "integer", "minimum": 0 if zero else 1, "maximum": MAX_MS},
            {"type": "string", "pattern": f"^(?!$){some}{_TIME}$"},
        ],
        "examples": ["1h", "1m30s", "4.5s", "300ms", 4500],
    }


def _at_most(most_ms: int, description: str) -> dict[str, Any]:
    """Describe a length of time that has a limit of its own, which a schema applies to numbers only."""
    return _ref("time", description, maximum=most_ms, default=0)


def _trimmed() -> dict[str, Any]:
    """Describe what every trim obeys."""
    return {"not": {"required": ["end", "duration"]}}


_TRIM: Mapping[str, Schema] = MappingProxyType(
    {
        "start": _ref("time", "Where to begin; default: at the beginning.", default=0),
        "end": _ref("length", "Where to stop, counted from the clip's own beginning. Excludes duration."),
        "duration": _ref("length", "How much to take; default: all that is left. Excludes end."),
    }
)


def _clip() -> dict[str, Any]:
    """Describe a clip that is more than its key."""
    title = f"How its chapter is called, up to {clips_section.MAX_TITLE_CHARACTERS} characters; default: its file name."
    fields = {
        **_TRIM,
        "key": {**_KEY, "description": "The object's key, in the manifest's bucket."},
        "title": {"type": "string", "maxLength": clips_section.MAX_TITLE_CHARACTERS, "description": title},
    }
    made = _mapping(clips_section.CLIP_FIELDS, fields, ("key",))
    return {"title": "clip", "description": "An object, perhaps trimmed.", **made, **_trimmed()}


def _glob() -> dict[str, Any]:
    """Describe a pattern."""
    pattern = "A pattern: * and ? stay within one folder, **/ crosses folders, [abc] and [!abc] choose."
    fields = {**_TRIM, "glob": {**_KEY, "description": pattern, "examples": ["chapters/*.mp3"]}}
    made = _mapping(clips_section.GLOB_FIELDS, fields, ("glob",))
    about = "All objects that match, in natural order (2 before 10), each trimmed alike."
    return {"title": "glob", "description": about, **made, **_trimmed()}


def _silence() -> dict[str, Any]:
    """Describe a silence."""
    most = clips_section.MAX_SILENCE_MS
    fields = {"silence": _ref("length", "How long nothing is to be heard; at most an hour.", maximum=most)}
    made = _mapping(clips_section.SILENCE_FIELDS, fields, ("silence",))
    return {"title": "silence", "description": "Silence of exact length.", **made}


def _output() -> dict[str, Any]:
    """Describe the output, with what each format takes."""
    formats = list(FORMATS.values())
    named: Schema = {"required": ["format"]}
    return {
        "title": "output",
        "description": "Where the merged audio goes, and what it is.",
        **_mapping(output_section.FIELDS, _OUTPUT, ("key",)),
        "dependentRequired": {"bitrate_option": ["bitrate"]},
        "not": {"anyOf": [{"required": ["bitrate", "quality"]}, {"required": ["end", "duration"]}]},
        "allOf": [
            {"if": {"not": named}, "then": {"properties": {"key": {"pattern": _extension(*FORMATS)}}}},
            *({"if": _is(spec), "then": {"properties": _limits(spec)}} for spec in formats),
        ],
    }


def _extension(*names: str) -> str:
    """Return the pattern of keys that tell one of these formats, in capitals or not."""
    either = "|".join("".join(f"[{c}{c.upper()}]" if c.isalpha() else c for c in name) for name in names)
    return rf"(^|[/.])({either})$"


def _is(spec: Format) -> dict[str, Any]:
    """Say when the output has a format: `format` names it, or else the key's extension does."""
    named = {"required": ["format"], "properties": {"format": {"const": spec.name}}}
    told = {"required": ["key"], "properties": {"key": {"pattern": _extension(spec.name)}, "format": False}}
    return {"anyOf": [named, told]}


def _limits(spec: Format) -> dict[str, Any]:
    """Say what a format takes."""
    rates: dict[str, Any] = {"sample_rate": {"enum": list(spec.sample_rates)}}
    depth = {} if spec.name == "flac" else {"bits_per_sample": False}
    return {**rates, "channels": {"maximum": spec.max_channels}, **depth}


_OUTPUT: Mapping[str, Schema] = MappingProxyType(
    {
        "key": {
            **_KEY,
            "description": "The key of the merged object; its extension gives the format unless `format` does.",
            "examples": ["episodes/ep42.mp3"],
        },
        "bucket": {
            "type": "string",
            "minLength": 1,
            "description": "The bucket; default: the manifest's. Others have to be allowed by the operator.",
        },
        "format": {"enum": list(FORMATS), "description": "The format; default: by the extension of the key."},
        "sample_rate": {
            "type": "integer",
            "enum": list(SAMPLE_RATES),
            "description": "Hz; default: the align clip's, moved to the nearest that the format takes.",
        },
        "channels": {
            "type": "integer",
            "minimum": 1,
            "maximum": MAX_CHANNELS,
            "description": "Default: the align clip's, or the most that the format takes.",
        },
        "bitrate": {
            "type": "integer",
            "minimum": MIN_BITRATE,
            "maximum": MAX_BITRATE,
            "description": "Bit/s; default: the cloud's. Excludes quality.",
            "examples": [96000, 128000],
        },
        "quality": {
            "type": "integer",
            "minimum": 0,
            "maximum": MAX_QUALITY,
            "description": "The quality of the encoder; default: the cloud's. Excludes bitrate.",
        },
        "bitrate_option": {
            "enum": list(BITRATE_OPTIONS),
            "description": "fixed: always that bitrate. adaptive: the clips' lowest, if that is lower. "
            "fail: refuse the manifest if a clip has less. Needs bitrate.",
        },
        "bits_per_sample": {"type": "integer", "enum": list(BIT_DEPTHS), "description": "For flac only."},
        "overwrite": {
            "type": "boolean",
            "default": False,
            "description": "Whether an object that another manifest made may be replaced.",
        },
        "start": _ref("time", "Cut the merged whole: where to begin.", default=0),
        "duration": _ref("length", "Cut the merged whole: how much to keep. Excludes end."),
        "end": _ref("length", "Cut the merged whole: where to stop. Excludes duration."),
    }
)
_SOUND: Schema = {"anyOf": [{"type": "string"}, {"required": ["key"]}, {"required": ["glob"]}]}
_ENTRIES: Schema = {
    "type": "array",
    "description": "What is to be heard, in this order: keys, clips, globs and silences.",
    "minItems": 1,
    "contains": _SOUND,
    "items": {
        "anyOf": [
            {**_KEY, "title": "key", "description": "The key of an object that is wanted whole."},
            {"$ref": "#/$defs/clip"},
            {"$ref": "#/$defs/glob"},
            {"$ref": "#/$defs/silence"},
        ]
    },
    "examples": [["clips/intro.mp3", {"key": "clips/talk.wav", "start": "4s"}, {"silence": "2s"}]],
}
_LABEL: Schema = {"type": "string", "maxLength": parsing.MAX_LABEL_CHARACTERS}
_TOP: Mapping[str, Schema] = MappingProxyType(
    {
        "$schema": {"type": "string", "description": "Where this schema is, for editors; not read otherwise."},
        "version": {"type": "integer", "const": parsing.VERSION, "description": "The version of this format."},
        "output": _ref("output", "Where the merged audio goes, and what it is."),
        "clips": _ENTRIES,
        "align": {
            "type": "integer",
            "minimum": 0,
            "default": 0,
            "description": "Which entry of `clips` lends sample rate and channels, counted from 0.",
        },
        "gap": _at_most(parsing.MAX_GAP_MS, "Silence between neighbours that are both clips; at most an hour."),
        "chapters": {
            "type": "boolean",
            "default": False,
            "description": "Write a WebVTT file beside the output, and ID3 chapters into an MP3.",
        },
        "wait_for_clips": _at_most(parsing.MAX_WAIT_MS, "How long clips may still be uploading; at most a day."),
        "notify": {
            "type": "array",
            "items": {"type": "string"},
            "description": "Which of the operator's sinks are told; default: all. The result object is always written.",
        },
        "labels": {
            "type": "object",
            "maxProperties": parsing.MAX_LABELS,
            "propertyNames": _LABEL,
            "additionalProperties": _LABEL,
            "description": "Names and values of your own, which travel into the event.",
        },
    }
)
