"""Build the JSON Schema of manifests from the table of fields. For `clipstitch schema`; not used by deployed functions.

The schema leaves out what depends on the operator's settings or the cloud (prefixes, sinks, existing clips), and what
JSON Schema cannot express (the bytes of a key, an end after its start, the sum of 59m61s).
"""

from collections.abc import Mapping
from typing import Any

from clipstitch.common.audio_formats import FORMATS, Format
from clipstitch.common.characters import UNPRINTABLE
from clipstitch.manifest import fields as table
from clipstitch.manifest.durations import FORMS, MAX_MS
from clipstitch.manifest.fields import Field, Fields
from clipstitch.manifest.object_keys import MAX_KEY_BYTES

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_NUMBER = r"[0-9]{1,12}(\.[0-9]{1,6})?"
# Units in descending order; `m` is tried before `ms`, and a string such as 300ms matches the later part.
_DURATION = "".join(f"({_NUMBER}{unit})?" for unit in ("h", "m", "s", "ms"))
_KEY: Schema = {"type": "string", "minLength": 1, "maxLength": MAX_KEY_BYTES, "pattern": r"^[^/\\]"}
_LABEL: Schema = {
    "type": "string",
    "maxLength": table.MAX_LABEL_CHARACTERS,
    "not": {"pattern": f"[{UNPRINTABLE}]"},  # not a pattern with ^ and $: in Python, $ also matches before a line break
}
_ENTRIES = ("clip", "glob", "silence")
_DEFINED = ("output", "join", "trim_silence")
# What a field has besides its kind and limits.
_CONTENT: Mapping[str, Schema] = {
    "clips": {
        "minItems": 1,
        "contains": {"anyOf": [{"type": "string"}, {"required": ["key"]}, {"required": ["glob"]}]},
        "items": {
            "anyOf": [
                {**_KEY, "title": "key", "description": "The key of an object."},
                *({"$ref": f"#/$defs/{name}"} for name in _ENTRIES),
            ]
        },
        "examples": [["clips/intro.mp3", {"key": "clips/talk.wav", "start": "4s"}, {"silence": "2s"}]],
    },
    "notify": {"items": {"type": "string"}},
    "labels": {"propertyNames": _LABEL, "additionalProperties": _LABEL},
}


def manifest_schema() -> Schema:
    """Return the schema of a manifest."""
    return {
        "$schema": DIALECT,
        **_mapping("clipstitch manifest, version 1", "The clips to merge, their order, and the output.", table.TOP),
        "$defs": {
            "duration": _duration("A duration", low=0),
            "positive_duration": _duration("A duration greater than 0", low=1),
            "clip": _mapping("clip", "An object, optionally trimmed.", table.CLIP),
            "glob": _mapping("glob", "All objects that match, in natural order (2 before 10).", table.GLOB),
            "silence": _mapping("silence", "Silence of exact length.", table.SILENCE),
            "join": _mapping("join", table.TOP["join"].description, table.JOIN),
            "trim_silence": _mapping("trim_silence", table.JOIN["trim_silence"].description, table.TRIM_SILENCE),
            "output": {
                **_mapping("output", table.TOP["output"].description, table.OUTPUT),
                "allOf": [
                    {"if": {"not": {"required": ["format"]}}, "then": _property("key", pattern=_extension(*FORMATS))},
                    *({"if": _has_format(spec), "then": _limits(spec)} for spec in FORMATS.values()),
                ],
            },
        },
    }


def _mapping(title: str, description: str, fields: Fields) -> Schema:
    required = [field.name for field in fields.values() if field.required]
    needs = {field.name: [field.needs] for field in fields.values() if field.needs}
    pairs = [[field.excludes, field.name] for field in fields.values() if field.excludes > field.name]
    return {
        "title": title,
        "description": description,
        "type": "object",
        "properties": {name: _field(field) for name, field in fields.items()},
        "additionalProperties": False,
        "required": required,
        **({"dependentRequired": needs} if needs else {}),
        **({"not": {"anyOf": [{"required": pair} for pair in pairs]}} if pairs else {}),
    }


def _field(field: Field) -> Schema:
    phrase = field.default if isinstance(field.default, str) else ""
    return {
        "title": field.name,
        "description": field.description + (f" Default: {phrase}." if phrase else ""),
        **_kind(field),
        **_CONTENT.get(field.name, {}),
        **({} if isinstance(field.default, str) else {"default": field.default}),
        **({"examples": list(field.examples)} if field.examples else {}),
    }


def _kind(field: Field) -> Schema:
    """Return the type and the limits of a field."""
    if field.choices:
        return {"enum": list(field.choices)}
    if field.name in _DEFINED:
        return {"$ref": f"#/$defs/{field.name}"}
    kinds: dict[str, Schema] = {
        "any": {},
        "key": _KEY,
        "duration": {"$ref": f"#/$defs/{'positive_' if field.low else ''}duration", **_most(field, "maximum")},
        "integer": {"type": "integer", "minimum": field.low, **_most(field, "maximum")},
        "string": {"type": "string", "minLength": field.low, **_most(field, "maxLength")},
        "object": {"type": "object", **_most(field, "maxProperties")},
    }
    return kinds.get(field.kind, {"type": field.kind})


def _most(field: Field, keyword: str) -> Schema:
    return {keyword: field.high} if field.high < MAX_MS else {}


def _duration(title: str, *, low: int) -> Schema:
    not_zero = "(?=.*[1-9])" if low else ""
    return {
        "title": title,
        "description": f"Write {FORMS}.",
        "anyOf": [
            {"type": "integer", "minimum": low, "maximum": MAX_MS},
            {"type": "string", "pattern": f"^(?!$){not_zero}{_DURATION}$"},
        ],
        "examples": ["1h", "1m30s", "4.5s", "300ms", 4500],
    }


def _property(name: str, **schema: Any) -> Schema:
    return {"properties": {name: schema}}


def _extension(*names: str) -> str:
    """Return the pattern of keys with one of these extensions, in any case."""
    either = "|".join("".join(f"[{c}{c.upper()}]" if c.isalpha() else c for c in name) for name in names)
    return rf"(^|[/.])({either})$"


def _has_format(spec: Format) -> Schema:
    """Return the condition that the output has a format: by `format`, or else by the extension of the key."""
    named = {"required": ["format"], **_property("format", const=spec.name)}
    implied = {"required": ["key"], "properties": {"key": {"pattern": _extension(spec.name)}, "format": False}}
    return {"anyOf": [named, implied]}


def _limits(spec: Format) -> Schema:
    depth = {} if spec.name in {"flac", "wav"} else {"bits_per_sample": False}
    rates = {"enum": list(spec.sample_rates)}
    return {"properties": {"sample_rate": rates, "channels": {"maximum": spec.max_channels}, **depth}}
