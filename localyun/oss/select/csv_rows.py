"""The records of a CSV object, with delimiters of any length."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from localyun.oss.select.expressions import Column, SelectError, Value

_NUMBERED = re.compile(r"_([1-9]\d*)")


@dataclass(frozen=True)
class CsvFormat:
    """The format of CSV; `header` is "none", "ignore" or "use"."""

    record: bytes = b"\n"
    field: bytes = b","
    quote: bytes = b'"'
    comment: bytes = b""
    header: str = "none"
    quoted_records: bool = True


@dataclass(frozen=True)
class CsvRecord:
    """One record: its fields, the lower-case names of columns, and where it starts and ends."""

    fields: Sequence[str]
    names: Mapping[str, int]
    start: int
    end: int
    line: int

    def get(self, column: Column) -> Value:
        """Return a field, or None if the record is too short."""
        index = position(column, self.names)
        return self.fields[index] if index < len(self.fields) else None


def position(column: Column, names: Mapping[str, int]) -> int:
    """Return the index of a column. Raises SelectError if there is none."""
    name = str(column.path[0]).lower()
    if len(column.path) == 1 and name in names:
        return names[name]
    if len(column.path) == 1 and (numbered := _NUMBERED.fullmatch(name)):
        return int(numbered[1]) - 1
    path = ".".join(map(str, column.path))
    raise SelectError("InvalidSqlParameter", f"The SQL expression names the column {path!r}, which does not exist.")


def header_names(data: bytes, form: CsvFormat) -> list[str]:
    """Return the names of the columns, which the first record has if the header is used. Raises SelectError."""
    first = next(records(data, form, {}), None) if form.header == "use" else None
    return list(first.fields) if first else []


def records(data: bytes, form: CsvFormat, names: Mapping[str, int]) -> Iterator[CsvRecord]:
    """Yield all records, also the header. Raises SelectError for a malformed one."""
    field = _field_pattern(form)
    start, line = 0, 0
    while start < len(data):
        if form.comment and data.startswith(form.comment, start):
            end = data.find(form.record, start)
            start = len(data) if end < 0 else end + len(form.record)
            continue
        fields, end, delimiter = list[str](), start, form.field
        while delimiter == form.field:
            found = field.match(data, end)
            if not found:
                text = f"Line {line} of the object is not CSV: no delimiter follows a quoted field."
                raise SelectError("InvalidCsvLine", text)
            quoted, plain, delimiter = found.groups()
            value = plain if quoted is None else quoted.replace(form.quote * 2, form.quote)
            fields.append(value.decode("utf-8", "surrogateescape"))
            end = found.end()
        yield CsvRecord(fields, names, start, end, line)
        start, line = end, line + 1


def _field_pattern(form: CsvFormat) -> re.Pattern[bytes]:
    quote, delimiter, record = (re.escape(part) for part in (form.quote, form.field, form.record))
    inside = b"" if form.quoted_records else b"(?!" + record + b")"
    quoted = b"%b((?:%b(?!%b).|%b%b)*)%b" % (quote, inside, quote, quote, quote, quote)
    plain = b"(?!%b)((?:(?!%b|%b).)*)" % (quote, delimiter, record)
    return re.compile(b"(?:%b|%b)(%b|%b|\\Z)" % (quoted, plain, delimiter, record), re.DOTALL)


def line_of(fields: Sequence[str], form: CsvFormat) -> bytes:
    """Return a record of the output; a field is quoted if it has to be."""
    return form.field.join(_output(value, form) for value in fields) + form.record


def _output(value: str, form: CsvFormat) -> bytes:
    encoded = value.encode("utf-8", "surrogateescape")
    if any(part in encoded for part in (form.field, form.record, form.quote)):
        return form.quote + encoded.replace(form.quote, form.quote * 2) + form.quote
    return encoded
