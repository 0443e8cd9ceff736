"""Named tuples to JSON values, and back."""

from collections.abc import Mapping
from types import UnionType
from typing import Any, Union, get_args, get_origin

_JSON_TYPES = (str, int, float, bool)  # read as they are: most fields of a plan with thousands of clips


def to_json_value(value: Any) -> Any:
    """Return a value with all named tuples as mappings and all tuples as lists, at every depth."""
    if hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, Mapping):
        return {name: to_json_value(inner) for name, inner in value.items()}
    return [to_json_value(inner) for inner in value] if isinstance(value, list | tuple) else value


def from_json_value(kind: Any, value: Any) -> Any:
    """Return the value of type `kind` that `to_json_value` was called on. Names that are not its fields are ignored.

    A type is a named tuple, `tuple[X, ...]`, `tuple[X, X]`, `X | None`, or one that JSON has.
    """
    if hasattr(kind, "_fields"):
        known = {name: inner for name, inner in kind.__annotations__.items() if name in value}
        return kind(**{name: _field(inner, value[name]) for name, inner in known.items()})
    if get_origin(kind) is tuple:
        return tuple(from_json_value(get_args(kind)[0], inner) for inner in value)
    if get_origin(kind) in (Union, UnionType) and value is not None:
        return from_json_value(get_args(kind)[0], value)
    return value


def _field(kind: Any, value: Any) -> Any:
    return value if kind in _JSON_TYPES else from_json_value(kind, value)
