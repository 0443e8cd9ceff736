"""Named tuples to JSON values."""

from collections.abc import Mapping
from typing import Any


def to_json_value(value: Any) -> Any:
    """Return a value with all named tuples as mappings and all tuples as lists, at every depth."""
    if hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, Mapping):
        return {name: to_json_value(inner) for name, inner in value.items()}
    return [to_json_value(inner) for inner in value] if isinstance(value, list | tuple) else value
