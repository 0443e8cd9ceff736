"""Our values to the plain ones that JSON knows."""

from collections.abc import Mapping
from typing import Any


def to_json_value(value: Any) -> Any:
    """Turn named tuples into mappings and sequences into lists, all the way down."""
    if hasattr(value, "_asdict"):
        return {name: to_json_value(inner) for name, inner in value._asdict().items()}
    if isinstance(value, Mapping):
        return {name: to_json_value(inner) for name, inner in value.items()}
    return [to_json_value(inner) for inner in value] if isinstance(value, list | tuple) else value
