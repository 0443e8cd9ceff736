"""The records of a JSON object: one document, or values one after another. Numbers keep their digits."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NoReturn

from localyun.oss.select.expressions import Column, SelectError, Value

_BETWEEN = re.compile(r"[\s,]*")  # the vendor's tests (Python SDK 2.0) separate records of LINES by commas


@dataclass(frozen=True)
class JsonRecord:
    """One record: its value, and where it starts and ends."""

    value: Value
    start: int
    end: int
    line: int
    numbers_as_text: bool = False

    def get(self, column: Column) -> Value:
        """Return the value at a path, or None."""
        found = at(self.value, column.path)
        return str(found) if self.numbers_as_text and isinstance(found, int | Decimal) else found


def at(value: Value, path: Sequence[str | int]) -> Value:
    """Return the value at a path, or None."""
    for step in path:
        if isinstance(step, int):
            value = value[step] if isinstance(value, list) and step < len(value) else None
        else:
            value = value.get(step) if isinstance(value, dict) else None
    return value


def lines(data: bytes, source: Sequence[str | int], *, numbers_as_text: bool) -> Iterator[JsonRecord]:
    """Yield one record, or those of an array in it, for each value in the object. Raises SelectError."""
    text, position, start = _decoded(data), 0, 0
    decoder = json.JSONDecoder(parse_float=Decimal, parse_constant=_refuse)
    line = 0
    while (position := _end(text, position)) < len(text):
        try:
            value, after = decoder.raw_decode(text, position)
        except (ValueError, RecursionError) as error:
            raise SelectError("InvalidJsonRecord", f"Record {line} of the object is not JSON: {error}.") from None
        after = _end(text, after)
        end = start + len(text[position:after].encode())
        for element in elements(value, source):
            yield JsonRecord(element, start, end, line, numbers_as_text)
        start, position, line = end, after, line + 1


def document(data: bytes, source: Sequence[str | int], *, numbers_as_text: bool) -> Iterator[JsonRecord]:
    """Yield the records of an object that is one document, which is read at once. Raises SelectError."""
    values = list(lines(data, (), numbers_as_text=numbers_as_text))
    if len(values) != 1:
        text = f"The object has {len(values)} JSON values; a DOCUMENT has one."
        raise SelectError("InvalidJsonDocument", text)
    found = elements(values[0].value, source)
    return (JsonRecord(value, 0, len(data), line, numbers_as_text) for line, value in enumerate(found))


def elements(value: Value, source: Sequence[str | int]) -> Iterator[Value]:
    """Yield the values at the path of a FROM clause; "*" stands for all elements of an array."""
    if "*" not in source:
        found = at(value, source)
        yield from () if found is None and source else (found,)
        return
    cut = source.index("*")
    found = at(value, source[:cut])
    for element in found if isinstance(found, list) else ():
        yield from elements(element, source[cut + 1 :])


def encoded(value: Value) -> str:
    """Return JSON without spaces."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{encoded(key)}:{encoded(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(encoded, value)) + "]"
    return str(value) if isinstance(value, Decimal) else json.dumps(value, ensure_ascii=False)


def _end(text: str, position: int) -> int:
    """Return where the next value begins."""
    found = _BETWEEN.match(text, position)
    return found.end() if found else position


def _decoded(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise SelectError("InvalidTextEncoding", f"The object is not UTF-8: {error}.") from None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
