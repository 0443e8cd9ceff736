"""Check a mapping of an untrusted document against its fields, and collect every issue.

`parse` and the section modules call it. It knows the rules of one field; rules that need the operator's limits or more
than one section are theirs.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from clipstitch.common.errors import Issue
from clipstitch.manifest.durations import FORMS, parse_duration_ms
from clipstitch.manifest.fields import HOUR_MS, Field, Fields
from clipstitch.manifest.object_keys import MAX_KEY_BYTES, key_problem

MAX_ISSUES = 2000  # own limit: a manifest of 256 KB is answered with less than 1 MB
_TYPE_NAMES: dict[type, str] = {
    str: "a string",
    int: "an integer",
    float: "a decimal number",
    bool: "a boolean (true or false)",
    dict: "a mapping",
    list: "a list",
    type(None): "null",
}
_TYPES: dict[str, type] = {"string": str, "key": str, "integer": int, "boolean": bool, "array": list, "object": dict}


def json_pointer(*parts: str | int) -> str:
    """Return a place in a document as a JSON Pointer (RFC 6901).

    >>> json_pointer("clips", 2, "a/b")
    '/clips/2/a~1b'
    """
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def type_name(value: object) -> str:
    """Return the name of a value's type in the words of JSON and YAML."""
    return _TYPE_NAMES.get(type(value), type(value).__name__)


def _as_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _nearest(word: object, words: Sequence[object]) -> str | None:
    import difflib  # noqa: PLC0415 - only invalid manifests need it

    return next(iter(difflib.get_close_matches(str(word), map(str, words), n=1)), None)


class IssueList:
    """The issues found so far, at most `MAX_ISSUES` and one that says that there are more."""

    def __init__(self) -> None:
        self.found: list[Issue] = []

    def add(self, path: str, code: str, message: str, remedy: str) -> None:
        """Add an issue."""
        if len(self.found) < MAX_ISSUES:
            self.found.append(Issue(path, code, message, remedy))
        elif len(self.found) == MAX_ISSUES:
            more = f"has more than {MAX_ISSUES:,} issues; the others are not listed"
            self.found.append(Issue("", "VALUE_OUT_OF_RANGE", more, "Correct these, and upload the manifest again."))

    def wrong_type(self, path: str, value: object, expected: str) -> None:
        """Add an issue for a value of the wrong type."""
        self.add(path, "FIELD_TYPE", f"is {type_name(value)}, expected {expected}", f"Use {expected}.")


class FieldReader:
    """The fields of one mapping. The constructor checks all of them and adds an issue for each that is not valid."""

    def __init__(self, given: Mapping[Any, Any], fields: Fields, path: str, issues: IssueList) -> None:
        self._given = given
        self._fields = fields
        self._path = path
        self.issues = issues
        self._values: dict[str, Any] = {}
        for name in given:
            if name not in fields:
                near = _nearest(name, list(fields))
                remedy = f"Did you mean `{near}`?" if near else f"Known fields: {', '.join(fields)}."
                self.add(str(name), "FIELD_UNKNOWN", f"`{name}` is not a field", remedy)
        for field in fields.values():
            self._read(field)

    def add(self, name: str, code: str, message: str, remedy: str) -> None:
        """Add an issue about a field."""
        self.issues.add(self._path + json_pointer(name), code, message, remedy)

    def has(self, name: str) -> bool:
        """Return True if the field is given, valid or not."""
        return name in self._given

    def get(self, name: str) -> Any:
        """Return the value of a field. If it is missing or not valid: its literal default, or None."""
        default = self._fields[name].default
        return self._values.get(name, None if isinstance(default, str) else default)

    def trim(self) -> tuple[int, int]:
        """Return start and duration in milliseconds (0: to the end), from `start`, `duration` and `end`."""
        start, duration, end = self.get("start"), self.get("duration"), self.get("end")
        if end is None:
            return start, duration or 0
        if end <= start and not self.has("duration"):
            remedy = "Use an end after the start, or remove `end`."
            self.add("end", "TRIM_EMPTY", f"is {end} ms, not after the start at {start} ms", remedy)
        return start, max(end - start, 0)

    def _read(self, field: Field) -> None:
        name = field.name
        if name not in self._given:
            if field.required:
                expected = _TYPE_NAMES[_TYPES.get(field.kind, str)]
                self.add(name, "FIELD_MISSING", f"`{name}` is missing", f"Add `{name}`, {expected}.")
            return
        if field.needs and not self.has(field.needs):
            remedy = f"Add `{field.needs}`, or remove `{name}`."
            self.add(name, "FIELD_NEEDS", f"needs `{field.needs}`", remedy)
        names = list(self._fields)
        if field.excludes and self.has(field.excludes) and names.index(field.excludes) < names.index(name):
            remedy = f"Keep `{field.excludes}` or `{name}`, not both."
            self.add(name, "FIELDS_EXCLUSIVE", f"excludes `{field.excludes}`", remedy)
        value = self._given[name]
        kind = _TYPES.get(field.kind)
        if kind is not None and type(value) is not kind:
            self.issues.wrong_type(self._path + json_pointer(name), value, _TYPE_NAMES[kind])
        elif issue := self._issue(field, value):
            self.add(name, *issue)
        else:
            self._values[name] = parse_duration_ms(value) if field.kind == "duration" else value

    def _issue(self, field: Field, value: Any) -> tuple[str, str, str] | None:
        """Return code, message and remedy for a value outside the limits of its field."""
        if field.kind == "duration":
            return _duration_issue(field, value, partner=self.has(field.excludes))
        if field.kind == "key" and (problem := key_problem(value)):
            example = f' Example: "{field.examples[0]}".' if field.examples else ""
            return "KEY_INVALID", problem, f"Use 1 to {MAX_KEY_BYTES} bytes that begin with neither / nor \\.{example}"
        if field.kind == "choice" and not any(type(value) is type(one) and value == one for one in field.choices):
            near = _nearest(value, field.choices)
            hint = f" Did you mean {near}?" if near else ""
            return field.code, f"is {_as_json(value)}", f"Use one of {', '.join(map(str, field.choices))}.{hint}"
        if field.kind == "integer" and field.code and not field.low <= value <= field.high:
            limits, unit = f"{field.low} to {field.high}", f" {field.unit}" if field.unit else ""
            remedy = f"Use {limits}{unit}; nearest is {min(max(value, field.low), field.high)}."
            return field.code, f"is {value}{unit}, outside {limits}", remedy
        if field.kind in {"string", "object"} and len(value) > field.high:
            noun = "characters" if field.kind == "string" else "entries"
            return field.code, f"has {len(value)} {noun}", f"Use at most {field.high} {noun}."
        return None


def _duration_issue(field: Field, value: Any, *, partner: bool) -> tuple[str, str, str] | None:
    """Return code, message and remedy; with a `partner`, which it excludes, a zero is not an issue of its own."""
    ms = parse_duration_ms(value)
    if ms is None:
        return "TIME_INVALID", f"is {_as_json(value)}, expected a duration", f"Use {FORMS}."
    if ms > field.high:
        most = f"{field.high // HOUR_MS}h"
        return field.code, f"is {ms} ms, more than {most}", f"Use at most {most}."
    if ms < field.low and not partner:
        return "TRIM_EMPTY", "is 0", f"Use a duration greater than 0, or remove `{field.name}`."
    return None
