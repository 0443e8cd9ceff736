"""Runs a statement over the records of an object, and formats what it selects."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from localyun.oss.select import csv_rows, json_rows
from localyun.oss.select.csv_rows import CsvFormat, CsvRecord
from localyun.oss.select.expressions import SelectError, Value, compare, number, text
from localyun.oss.select.json_rows import JsonRecord
from localyun.oss.select.sql import Item, Query

# Where OSS cuts an object into splits is not documented; the vendor's tests expect one of a small object.
SPLIT_BYTES = 4 << 20
AnyRecord = CsvRecord | JsonRecord


class RecordOutput(Protocol):
    """The format of the result."""

    def record(self, query: Query, record: AnyRecord) -> bytes:
        """Return what a statement selects of one record."""

    def values(self, query: Query, values: Sequence[Value]) -> bytes:
        """Return the record with the results of aggregates."""


@dataclass(frozen=True)
class Options:
    """Which records are read, by "line", "split" or "byte", and how many may lack a column; None is any number.

    Partial records are skipped only if `skip` is set. If `header` is set, the first line is none of the records.
    """

    unit: str = ""
    first: int = 0
    last: int | None = None
    header: bool = False
    skip: bool = False
    most_skipped: int | None = 0


@dataclass(frozen=True)
class CsvOutput:
    """CSV. `names` are those of the columns of the object."""

    form: CsvFormat
    names: Sequence[str] = ()
    keep_all: bool = False

    def record(self, query: Query, record: AnyRecord) -> bytes:
        """Return the selected fields, or with `keep_all` all of them, those that are not selected empty."""
        assert isinstance(record, CsvRecord)
        if not query.items:
            return csv_rows.line_of(record.fields, self.form)
        if self.keep_all:
            kept = {csv_rows.position(item.column, record.names) for item in query.items if item.column}
            return csv_rows.line_of([value if at in kept else "" for at, value in enumerate(record.fields)], self.form)
        return self.values(query, [item.expression and item.expression(record) for item in query.items])

    def values(self, _query: Query, values: Sequence[Value]) -> bytes:
        """Return a record of values."""
        return csv_rows.line_of([text(value) for value in values], self.form)

    def header(self, query: Query) -> bytes:
        """Return the record with the names of the columns."""
        return csv_rows.line_of([_name(item, at) for at, item in enumerate(query.items)] or self.names, self.form)


@dataclass(frozen=True)
class JsonOutput:
    """JSON objects, each followed by a delimiter."""

    record_delimiter: bytes = b"\n"

    def record(self, query: Query, record: AnyRecord) -> bytes:
        """Return the selected members; those that the record lacks are left out."""
        assert isinstance(record, JsonRecord)
        if not query.items:
            is_object = isinstance(record.value, dict)
            return self._line(record.value if is_object else {"_1": record.value})
        values = [json_rows.at(record.value, item.column.path) if item.column else None for item in query.items]
        return self._line(
            {_name(item, at): value for at, (item, value) in _numbered(query, values) if value is not None}
        )

    def values(self, query: Query, values: Sequence[Value]) -> bytes:
        """Return an object with values."""
        plain = [_plain(value) for value in values]
        return self._line({_name(item, at): value for at, (item, value) in _numbered(query, plain)})

    def _line(self, value: Value) -> bytes:
        return json_rows.encoded(value).encode() + self.record_delimiter


def run(
    query: Query, records: Iterable[AnyRecord], output: RecordOutput, options: Options
) -> Iterator[tuple[int, bytes]]:
    """Yield the parts of a result, each with the end of the last record that was read for it. Raises SelectError."""
    matching = _matching(query, records, options)
    if query.items and query.items[0].aggregate:
        totals = [_Total(item) for item in query.items]
        end = 0
        for record in matching:
            end = record.end
            for total in totals:
                total.add(record)
        yield end, output.values(query, [total.value for total in totals])
        return
    for count, record in enumerate(matching):
        if query.limit is not None and count >= query.limit:
            return
        yield record.end, output.record(query, record)


def splits(records: Sequence[AnyRecord]) -> int:
    """Return the number of splits of an object."""
    return records[-1].start // SPLIT_BYTES + 1 if records else 0


def _matching(query: Query, records: Iterable[AnyRecord], options: Options) -> Iterator[AnyRecord]:
    skipped = 0
    for record in records:
        at = {"line": record.line, "split": record.start // SPLIT_BYTES, "byte": record.start}.get(options.unit, 0)
        if options.last is not None and at > options.last:
            return
        if at < options.first or (options.header and record.line == 0):
            continue
        if options.skip and any(record.get(column) is None for column in query.columns):
            skipped += 1
            if options.most_skipped is not None and skipped > options.most_skipped:
                text = f"More than {options.most_skipped} records lack a column of the SQL expression."
                raise SelectError("PartialRecord", text)
            continue
        if query.where is None or query.where(record) is True:
            yield record


class _Total:
    """An aggregate while records are added; NULL counts for none of them."""

    def __init__(self, item: Item) -> None:
        self._item = item
        self._count = 0
        self._value: Value = None

    def add(self, record: AnyRecord) -> None:
        """Add a record."""
        name, expression = self._item.aggregate, self._item.expression
        value = expression(record) if expression else 1
        if name in {"sum", "avg"}:
            value = number(value)
        if value is None:
            return
        self._count += 1
        if self._value is None:
            self._value = value
        elif name in {"sum", "avg"}:
            self._value += value
        elif name != "count" and compare("<" if name == "min" else ">", value, self._value):
            self._value = value

    @property
    def value(self) -> Value:
        """The result."""
        if self._item.aggregate == "count":
            return self._count
        return self._value / self._count if self._item.aggregate == "avg" and self._count else self._value


def _numbered(query: Query, values: Sequence[Value]) -> Iterator[tuple[int, tuple[Item, Value]]]:
    return enumerate(zip(query.items, values, strict=True))


def _name(item: Item, at: int) -> str:
    last = item.column.path[-1] if item.column else at
    return item.alias or (f"_{at + 1}" if isinstance(last, int) else last)


def _plain(value: Value) -> Value:
    """Return a number without a fraction as an integer."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
