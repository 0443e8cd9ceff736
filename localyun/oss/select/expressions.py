"""The values and operators of the SQL of SelectObject. NULL is None; what cannot be compared gives NULL."""

import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal, DecimalException
from typing import Any, Protocol

Value = Any  # None, bool, int, Decimal, float, str; of JSON also a list or a dict
ORDERINGS: dict[str, Callable[[Value, Value], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
ARITHMETIC: dict[str, Callable[[Value, Value], Value]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "%": operator.mod,
}


class SelectError(ValueError):
    """A statement, an option or a record that SelectObject refuses, with the error code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(eq=False)
class Column:
    """A column of a statement: the path of names and array indexes to a value."""

    path: tuple[str | int, ...]


class Record(Protocol):
    """One record of an object."""

    def get(self, column: Column) -> Value:
        """Return a value, or None if the record has none."""


Expression = Callable[[Record], Value]


def text(value: Value) -> str:
    """Return a value as the output has it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, Decimal):
        return f"{value:f}"
    return "" if value is None else str(value)


def number(value: Value) -> Value:
    """Return a number, also of a string that has one, or None."""
    if isinstance(value, str):
        try:
            value = Decimal(value.strip())
        except DecimalException:
            return None
        return value if value.is_finite() else None
    return value if isinstance(value, int | float | Decimal) and not isinstance(value, bool) else None


def compare(name: str, left: Value, right: Value) -> bool | None:
    """Compare two values: as numbers if either is one, otherwise as strings."""
    if any(value is None or isinstance(value, list | dict) for value in (left, right)):
        return None
    if any(number(value) is not None and not isinstance(value, str) for value in (left, right)):
        numbers = _alike(number(left), number(right))
        return None if None in numbers else ORDERINGS[name](*numbers)
    return ORDERINGS[name](text(left), text(right))


def calculate(name: str, left: Value, right: Value) -> Value:
    """Return the result of an arithmetic operator, or None."""
    numbers = _alike(number(left), number(right))
    try:
        return None if None in numbers else ARITHMETIC[name](*numbers)
    except (ArithmeticError, DecimalException):
        return None


def cast(kind: str, value: Value) -> Value:
    """Convert a value to a type of SQL; one that it cannot have is NULL."""
    if kind == "string" or value is None:
        return None if value is None else text(value)
    if kind == "bool":
        return {"true": True, "false": False}.get(text(value).lower())
    found = number(value)
    return None if found is None else {"int": int, "double": float, "decimal": Decimal}[kind](found)


def both(left: Value, right: Value) -> bool | None:
    """AND of three values of truth."""
    if left is False or right is False:
        return False
    return None if None in (left, right) else bool(left and right)


def negated(value: Value) -> bool | None:
    """NOT of three values of truth."""
    return None if value is None else not value


def one_of(value: Value, values: Sequence[Value]) -> bool | None:
    """IN."""
    found = [compare("=", value, other) for other in values]
    return True if True in found else None if None in found else False


def like_pattern(pattern: str, escape: str) -> re.Pattern[str]:
    """Return the regular expression of a pattern of LIKE."""
    special = {"%": ".*", "_": "."}
    parts = re.findall(rf"{re.escape(escape)}(.)|(.)" if escape else "()(.)", pattern, re.DOTALL)
    found = (re.escape(literal) if literal else special.get(other, re.escape(other)) for literal, other in parts)
    return re.compile("".join(found), re.DOTALL)


def _alike(left: Value, right: Value) -> tuple[Value, Value]:
    """Return two numbers that can be combined: a float needs another float."""
    if isinstance(left, float) or isinstance(right, float):
        return (left if left is None else float(left), right if right is None else float(right))
    return left, right
