"""Reading untrusted documents so that every mistake is found, not only the first. Knows no manifest."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from clipstitch.common.errors import Issue
from clipstitch.manifest.durations import FORMS, parse_duration_ms

MAX_ISSUES = 2000  # ours: nobody reads more; what a manifest of 256 KB is told stays below a megabyte
_T = TypeVar("_T")
_KINDS: dict[type, str] = {
    str: "text",
    int: "a whole number",
    float: "a decimal number",
    bool: "true or false",
    dict: "a mapping",
    list: "a list",
}


def json_pointer(*parts: str | int) -> str:
    """Spell a place as a JSON Pointer (RFC 6901).

    >>> pointer("clips", 2, "a/b")
    '/clips/2/a~1b'
    """
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def kind_of(value: object) -> str:
    """Name the kind of a value in words a manifest's author uses."""
    if value is None:
        return "nothing"
    return next((name for kind, name in _KINDS.items() if type(value) is kind), type(value).__name__)


def nearest(word: str, words: Sequence[str]) -> str | None:
    """Return the word that was probably meant, if any comes near."""
    import difflib  # noqa: PLC0415 - only mistakes pay for it

    return next(iter(difflib.get_close_matches(word, words, n=1)), None)


class IssueList:
    """The mistakes found so far."""

    def __init__(self) -> None:
        self.found: list[Issue] = []

    def add(self, path: str, code: str, message: str, remedy: str) -> None:
        """Note one more mistake; beyond `MAX_ISSUES`, only that there are more."""
        if len(self.found) < MAX_ISSUES:
            self.found.append(Issue(path, code, message, remedy))
        elif len(self.found) == MAX_ISSUES:
            more = f"has more than {MAX_ISSUES:,} mistakes; the others are not listed"
            self.found.append(Issue("", "VALUE_OUT_OF_RANGE", more, "Correct these, and upload it again."))

    def wrong_type(self, path: str, value: object, wanted: str) -> None:
        """Note a value of the wrong kind."""
        self.add(path, "FIELD_TYPE", f"is {kind_of(value)}, not {wanted}", f"Give {wanted}.")


class FieldReader:
    """The fields of one mapping. Taking a field checks its kind; what is missing or wrong becomes an issue."""

    def __init__(self, values: Mapping[Any, Any], path: str, issues: IssueList) -> None:
        self._values = values
        self.path = path
        self.issues = issues

    def at(self, name: str) -> str:
        """Return the place of a field."""
        return self.path + json_pointer(name)

    def has(self, name: str) -> bool:
        """Say whether the field is given at all."""
        return name in self._values

    def raw(self, name: str) -> object:
        """Return a field as it was written, unchecked."""
        return self._values.get(name)

    def allow(self, known: Sequence[str], later: Mapping[str, str]) -> None:
        """Complain about fields that do not exist, and about those (`later`) that do not exist yet."""
        for name in self._values:
            if name in later:
                self.issues.add(self.at(name), "FIELD_NOT_SUPPORTED", f"`{name}` is not supported yet", later[name])
            elif name not in known:
                near = nearest(str(name), (*known, *later))
                meant = f"Did you mean `{near}`?" if near else f"Known fields: {', '.join(known)}."
                self.issues.add(self.at(str(name)), "FIELD_UNKNOWN", f"`{name}` is not a field", meant)

    def take(self, name: str, kind: type[_T], default: _T | None = None) -> _T | None:
        """Return a field of that kind, or the default when it is absent or wrong."""
        if name not in self._values:
            return default
        value = self._values[name]
        if type(value) is not kind:
            self.issues.wrong_type(self.at(name), value, _KINDS[kind])
            return default
        return value

    def require(self, name: str, kind: type[_T]) -> _T | None:
        """Return a field that must be there, or None with an issue noted."""
        if name not in self._values:
            self.issues.add(self.at(name), "FIELD_MISSING", f"`{name}` is missing", f"Add `{name}`, {_KINDS[kind]}.")
            return None
        return self.take(name, kind)

    def number(self, name: str, low: int, high: int, unit: str = "") -> int | None:
        """Return a whole number within limits, or None."""
        value = self.take(name, int)
        if value is None or low <= value <= high:
            return value
        nearest, blank = min(max(value, low), high), " " if unit else ""
        self.issues.add(
            self.at(name),
            "VALUE_OUT_OF_RANGE",
            f"is {value}{blank}{unit}, outside {low} to {high}",
            f"Use {low} to {high}{blank}{unit}; nearest is {nearest}.",
        )
        return None

    def choice(self, name: str, choices: Sequence[Any], code: str, default: _T) -> _T:
        """Return one of some values, or the default with an issue noted."""
        if name not in self._values:
            return default
        value = self._values[name]
        if type(value) in {type(choice) for choice in choices} and value in choices:
            return value  # type: ignore[no-any-return] # one of the caller's own values
        near = nearest(str(value), [str(choice) for choice in choices])
        known = ", ".join(str(choice) for choice in choices)
        meant = f" Did you mean {near}?" if near else ""
        self.issues.add(self.at(name), code, f"is {value!r}", f"Use one of {known}.{meant}")
        return default

    def time(self, name: str) -> int | None:
        """Return a length of time in ms, or None."""
        if name not in self._values:
            return None
        if (value := parse_duration_ms(self._values[name])) is None:
            message = f"{self._values[name]!r} is not a length of time"
            self.issues.add(self.at(name), "TIME_INVALID", message, f"Write {FORMS}.")
        return value

    def trim(self) -> tuple[int, int]:
        """Return start and duration in ms; an end becomes a duration."""
        start, duration, end = self.time("start") or 0, self.time("duration"), self.time("end")
        if self.has("duration") and self.has("end"):
            self.issues.add(self.at("end"), "FIELDS_EXCLUSIVE", "excludes `duration`", "Keep one of the two.")
        elif duration == 0:
            remedy = "Give a length, or leave `duration` out to play to the end."
            self.issues.add(self.at("duration"), "TRIM_EMPTY", "is 0", remedy)
        elif end is not None and end <= start:
            remedy = "End after the start, or leave `end` out."
            self.issues.add(self.at("end"), "TRIM_EMPTY", f"is {end} ms, not after the start at {start} ms", remedy)
        if end is not None:
            return start, max(end - start, 0)
        return start, duration or 0
