"""Bytes to plain values: JSON and YAML, with every ambiguity refused. Knows no manifest.

YAML is read by the core rules of version 1.2: `no` is text and `1:30` is text, not 90. Aliases, tags and duplicate
names are refused, so that a document means what it seems to mean and cannot explode.
"""

import json
import re
from collections.abc import Callable, Iterable
from typing import Any

from clipstitch.common.errors import InvalidManifest, Issue

MAX_BYTES = 256 * 1024  # ours: a manifest is a list of names, not a payload
MAX_DEPTH = 20


def text_of(body: bytes) -> str:
    """Return the text of a document of at most 256 KB; `InvalidManifest` with one issue when it is none."""
    if len(body) > MAX_BYTES:
        raise _unreadable(
            "MANIFEST_TOO_LARGE", f"has more than {MAX_BYTES:,} bytes", "Split it into several manifests."
        )
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _unreadable("MANIFEST_ENCODING", f"is not UTF-8: byte {error.start}", "Save it as UTF-8.") from error


def load(body: bytes, suffix: str, suffixes: Iterable[str] = ()) -> Any:
    """Read a document by its suffix; `InvalidManifest` with one issue when it cannot be read.

    `suffixes` are those that the caller would take, for the remedy.
    """
    text = text_of(body)
    if suffix not in _READERS:
        raise _unreadable("MANIFEST_SUFFIX", f"ends in {suffix!r}", f"Use one of {', '.join(suffixes or _READERS)}.")
    value = _READERS[suffix](text)
    if _depth(value) > MAX_DEPTH:
        raise _unreadable("MANIFEST_TOO_DEEP", f"nests deeper than {MAX_DEPTH}", "A manifest needs three levels.")
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        message = "has half a surrogate pair, which is no text"
        raise _unreadable("MANIFEST_SYNTAX", message, "Correct the escape, or write the character itself.") from error
    return value


def _unreadable(code: str, message: str, remedy: str) -> InvalidManifest:
    """Build the error for a document that gives us nothing to go on."""
    return InvalidManifest([Issue("", code, message, remedy)])


def _depth(value: object) -> int:
    """Measure how deep a document nests, without recursion."""
    deepest, level = 0, [value]
    while level:
        deepest += 1
        level = [inner for outer in level for inner in _inside(outer)]
    return deepest


def _inside(value: object) -> list[Any]:
    """List what a container holds."""
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _json(text: str) -> Any:
    """Read JSON; names must be unique, numbers finite."""
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_finite)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise _unreadable("MANIFEST_SYNTAX", f"is not JSON: {error.msg} at {where}", f"Correct {where}.") from error
    except (RecursionError, ValueError) as error:
        raise _unreadable("MANIFEST_SYNTAX", f"is not usable JSON: {error}", "Correct it.") from error
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build a mapping, refusing a name that stands twice."""
    if twice := _twice(name for name, _ in pairs):
        raise _unreadable("FIELD_DUPLICATE", f"`{twice}` stands twice in one mapping", "Keep one of the two.")
    return dict(pairs)


def _twice(names: Iterable[str]) -> str | None:
    """Return the first name that stands twice."""
    seen: set[str] = set()
    return next((name for name in names if name in seen or seen.add(name)), None)  # type: ignore[func-returns-value]


def _finite(constant: str) -> float:
    """Refuse NaN and the infinities, which are not JSON."""
    raise ValueError(f"{constant} is not JSON")


def _yaml(text: str) -> Any:
    """Read YAML by the core rules of 1.2, without aliases."""
    import yaml  # noqa: PLC0415 - only manifests in YAML pay for it

    try:
        return yaml.load(text, Loader=_loader())  # noqa: S506 - a safe loader, stricter still
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "an unknown place"
        message = f"is not usable YAML: {error.problem} at {where}"
        raise _unreadable("MANIFEST_SYNTAX", message, f"Correct {where}.") from error
    except (yaml.YAMLError, RecursionError, ValueError, OverflowError) as error:
        raise _unreadable("MANIFEST_SYNTAX", f"is not usable YAML: {error}", "Correct it.") from error


def _loader() -> Any:
    """Build a loader that knows only the core rules of YAML 1.2."""
    import yaml  # noqa: PLC0415 - as above

    class CoreLoader(yaml.SafeLoader):
        """Plain text, whole and decimal numbers, true, false and null; no aliases, no tags, no names twice."""

        def compose_node(self, parent: Any, index: Any) -> Any:
            event = self.peek_event()  # type: ignore[no-untyped-call]
            mark = event.start_mark
            if isinstance(event, yaml.AliasEvent):
                raise yaml.constructor.ConstructorError(None, None, "aliases are not allowed", mark)
            if getattr(event, "tag", None) is not None:  # a tag may name what its value is not: !!int [1]
                raise yaml.constructor.ConstructorError(None, None, "tags are not allowed", mark)
            return super().compose_node(parent, index)

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            if twice := _twice(str(key.value) for key, _ in node.value):
                problem = f"`{twice}` stands twice in one mapping"
                _, again, *_ = (key for key, _ in node.value if str(key.value) == twice)
                raise yaml.constructor.ConstructorError(None, None, problem, again.start_mark)
            return super().construct_mapping(node, deep)

    CoreLoader.yaml_implicit_resolvers = {}
    for tag, pattern, first in (
        ("null", r"^(?:null|Null|NULL|~|)$", ["n", "N", "~", ""]),
        ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
        ("int", r"^[-+]?[0-9]{1,18}$", list("-+0123456789")),
        ("float", r"^[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?$", list("-+.0123456789")),
    ):
        CoreLoader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(pattern), first)
    CoreLoader.add_constructor("tag:yaml.org,2002:int", lambda _loader, node: int(node.value, 10))
    return CoreLoader


_READERS: dict[str, Callable[[str], Any]] = {".json": _json, ".yaml": _yaml, ".yml": _yaml}
SUFFIXES = tuple(_READERS)
