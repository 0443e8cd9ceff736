"""Parse JSON and YAML documents into plain values; ambiguous documents are errors. Independent of the manifest format.

YAML follows the core schema of version 1.2: `no` and `1:30` are strings. Aliases, tags and duplicate names are errors:
a document has one meaning and cannot expand exponentially.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from clipstitch.common.errors import InvalidManifest, Issue

MAX_BYTES = 256 * 1024  # ours: a manifest is a list of names, not a payload
MAX_DEPTH = 20


def decode_text(body: bytes) -> str:
    """Return the text of a document of at most `MAX_BYTES`. Raises `InvalidManifest` if it is larger or not UTF-8."""
    if len(body) > MAX_BYTES:
        raise _unreadable("MANIFEST_TOO_LARGE", f"has more than {MAX_BYTES:,} bytes", "Split the manifest.")
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _unreadable("MANIFEST_ENCODING", f"is not UTF-8: byte {error.start}", "Save it as UTF-8.") from error


def load(body: bytes, suffix: str, suffixes: Iterable[str] = ()) -> Any:
    """Return the value of a document, parsed by its suffix. Raises `InvalidManifest` with one issue.

    `suffixes` are those that the caller supports, for the remedy.
    """
    text = decode_text(body)
    if suffix not in _PARSERS:
        raise _unreadable("MANIFEST_SUFFIX", f"ends in {suffix!r}", f"Use one of {', '.join(suffixes or _PARSERS)}.")
    value = _PARSERS[suffix](text)
    if _depth(value) > MAX_DEPTH:
        raise _unreadable("MANIFEST_TOO_DEEP", f"nests deeper than {MAX_DEPTH}", "A manifest needs three levels.")
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        remedy = "Correct the escape sequence, or write the character itself."
        raise _unreadable("MANIFEST_SYNTAX", "contains an unpaired surrogate", remedy) from error
    return value


def _unreadable(code: str, message: str, remedy: str) -> InvalidManifest:
    return InvalidManifest([Issue("", code, message, remedy)])


def _depth(value: object) -> int:
    """Return how deep a document nests, without recursion."""
    depth, level = 0, [value]
    while level:
        depth += 1
        inner = [list(outer.values()) if isinstance(outer, dict) else outer for outer in level]
        level = [item for items in inner if isinstance(items, list) for item in items]
    return depth


def _json(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_finite)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise _unreadable("MANIFEST_SYNTAX", f"is not JSON: {error.msg} at {place}", f"Correct {place}.") from error
    except (RecursionError, ValueError) as error:
        raise _unreadable("MANIFEST_SYNTAX", f"is not usable JSON: {error}", "Correct it.") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if duplicate := _duplicate(name for name, _ in pairs):
        raise _unreadable("FIELD_DUPLICATE", f"duplicate field `{duplicate}`", "Keep one of the two.")
    return dict(pairs)


def _duplicate(names: Iterable[str]) -> str | None:
    return next((name for name, count in Counter(names).items() if count > 1), None)


def _finite(constant: str) -> float:
    raise ValueError(f"{constant} is not JSON")


def _yaml(text: str) -> Any:
    import yaml  # noqa: PLC0415 - only manifests in YAML pay for it

    try:
        return yaml.load(text, Loader=_loader())  # noqa: S506 - a safe loader with more restrictions
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "an unknown place"
        message = f"is not usable YAML: {error.problem} at {place}"
        raise _unreadable("MANIFEST_SYNTAX", message, f"Correct {place}.") from error
    except (yaml.YAMLError, RecursionError, ValueError, OverflowError) as error:
        raise _unreadable("MANIFEST_SYNTAX", f"is not usable YAML: {error}", "Correct it.") from error


def _loader() -> Any:
    """Return a loader for the core schema of YAML 1.2. A function, so that JSON manifests do not pay for the import."""
    import yaml  # noqa: PLC0415

    class CoreLoader(yaml.SafeLoader):
        """Strings, integers, decimal numbers, booleans and null; aliases, tags and duplicate names are errors."""

        def compose_node(self, parent: Any, index: Any) -> Any:
            event = self.peek_event()  # type: ignore[no-untyped-call]
            mark = event.start_mark
            if isinstance(event, yaml.AliasEvent):
                raise yaml.constructor.ConstructorError(None, None, "aliases are not allowed", mark)
            if getattr(event, "tag", None) is not None:  # a tag may contradict its value: !!int [1]
                raise yaml.constructor.ConstructorError(None, None, "tags are not allowed", mark)
            return super().compose_node(parent, index)

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            if duplicate := _duplicate(str(key.value) for key, _ in node.value):
                _, second, *_ = (key for key, _ in node.value if str(key.value) == duplicate)
                problem = f"duplicate field `{duplicate}`"
                raise yaml.constructor.ConstructorError(None, None, problem, second.start_mark)
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


_PARSERS: dict[str, Callable[[str], Any]] = {".json": _json, ".yaml": _yaml, ".yml": _yaml}
SUFFIXES = tuple(_PARSERS)
