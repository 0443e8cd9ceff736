"""The OSS actions SelectObject and CreateSelectObjectMeta, of CSV and JSON: `x-oss-process=csv/select` and alike.

Ranges of lines or splits work without CreateSelectObjectMeta here; in OSS they need it.
"""

import gzip
import re
import zlib
from base64 import b64decode
from collections.abc import Callable, Iterable
from typing import NamedTuple
from xml.etree import ElementTree as ET

from localyun.errors import ServiceError
from localyun.http import FileRange, HttpResponse
from localyun.oss.http.conditions import byte_range
from localyun.oss.http.request import OssRequest, not_implemented
from localyun.oss.http.xml import malformed, parse
from localyun.oss.select import csv_rows, frames, json_rows, sql
from localyun.oss.select.csv_rows import CsvFormat
from localyun.oss.select.expressions import SelectError
from localyun.oss.select.query import AnyRecord, CsvOutput, JsonOutput, Options, RecordOutput, run, splits
from localyun.oss.service import StoredObject

MOST_BYTES = 256 << 20
FRAME_BYTES = 1 << 18
HEADERS = ("none", "ignore", "use")
_RANGE = re.compile(r"(line|split)-range=(\d*)-(\d*)")


class _Plan(NamedTuple):
    records: Iterable[AnyRecord]
    output: RecordOutput
    options: Options
    header: bytes = b""


def _answered(answer: Callable[[OssRequest], HttpResponse]) -> Callable[[OssRequest], HttpResponse]:
    """Return an action that answers a SelectError with status 400."""

    def refusing(request: OssRequest) -> HttpResponse:
        try:
            return answer(request)
        except SelectError as error:
            raise ServiceError(400, error.code, str(error)) from None

    return refusing


def select_object(request: OssRequest) -> HttpResponse:
    """Answer SelectObject: 206 with frames, of which the last has the status; or with the raw result."""
    root = parse(request.http.read(), "SelectRequest")
    query = sql.parse(_base64(root, "Expression", b"").decode("utf-8", "replace"))
    data, size = _content(request, _text(root, "InputSerialization/CompressionType"))
    plan = (_json_plan if _is_json(request) else _csv_plan)(request, root, query, data)
    crc, raw = (_flag(root, f"OutputSerialization/{name}") for name in ("EnablePayloadCrc", "OutputRawData"))
    body, pending, offset, status, failure = bytearray(), bytearray(plan.header), 0, 206, ""
    try:
        for end, part in run(query, plan.records, plan.output, plan.options):
            pending += part
            offset = end
            if len(pending) >= FRAME_BYTES:
                body += pending if raw else frames.data(offset, bytes(pending), crc=crc)
                pending.clear()
    except SelectError as error:
        status, failure = 400, f"{error.code}.{error}"
    if pending:
        body += pending if raw else frames.data(offset, bytes(pending), crc=crc)
    if not raw:
        body += frames.end(size, status, failure, crc=crc)
    return HttpResponse(206, bytes(body), {"x-oss-select-output-raw": str(raw).lower()})


def create_select_object_meta(request: OssRequest) -> HttpResponse:
    """Answer CreateSelectObjectMeta: 200 with one frame that has the counts of records, columns and splits."""
    is_json = _is_json(request)
    root = parse(request.http.read(), "JsonMetaRequest" if is_json else "CsvMetaRequest")
    compression = _text(root, "InputSerialization/CompressionType")
    if compression.lower() not in {"", "none"} and _base64(root, "InputSerialization/CompressionType", b"") != b"None":
        raise SelectError("UnsupportedCompressionFormat", f"An object with {compression!r} has no metadata of records.")
    data, size = _content(request, "")
    if not is_json:
        records: list[AnyRecord] = [*csv_rows.records(data, _csv_format(root), {})]
        columns = len(records[0].fields) if records and isinstance(records[0], csv_rows.CsvRecord) else 0
        return HttpResponse(200, frames.meta_end(size, splits(records), len(records), columns))
    if _text(root, "InputSerialization/JSON/Type").upper() != "LINES":
        raise malformed("JsonMetaRequest", "its Type is not LINES")
    records = [*json_rows.lines(data, (), numbers_as_text=False)]
    return HttpResponse(200, frames.meta_end(size, splits(records), len(records), None))


ACTIONS = {
    f"{kind}/{action}": _answered(answer)
    for kind in ("csv", "json")
    for action, answer in (("select", select_object), ("meta", create_select_object_meta))
}


def _csv_plan(request: OssRequest, root: ET.Element, query: sql.Query, data: bytes) -> _Plan:
    form = _csv_format(root)
    columns = csv_rows.header_names(data, form)
    names = {name.lower(): index for index, name in reversed(list(enumerate(columns)))}
    for column in query.columns:
        csv_rows.position(column, names)
    keep_all = _flag(root, "OutputSerialization/KeepAllColumns")
    output = CsvOutput(_output_format(root, form), columns, keep_all)
    header = output.header(query) if _flag(root, "OutputSerialization/OutputHeader") else b""
    options = _options(request, root, "CSV", has_header=form.header != "none")
    return _Plan(csv_rows.records(data, form, names), output, options, header)


def _json_plan(request: OssRequest, root: ET.Element, query: sql.Query, data: bytes) -> _Plan:
    kind = _text(root, "InputSerialization/JSON/Type").upper()
    if kind not in {"DOCUMENT", "LINES"}:
        raise malformed("SelectRequest", f"the Type of JSON is {kind!r}, not DOCUMENT or LINES")
    read = json_rows.document if kind == "DOCUMENT" else json_rows.lines
    records = read(data, query.source, numbers_as_text=_flag(root, "InputSerialization/JSON/ParseJsonNumberAsString"))
    output = JsonOutput(_base64(root, "OutputSerialization/JSON/RecordDelimiter", b"\n"))
    return _Plan(records, output, _options(request, root, "JSON", has_header=False))


def _csv_format(root: ET.Element) -> CsvFormat:
    path = "InputSerialization/CSV/"
    header = _text(root, path + "FileHeaderInfo").lower() or "none"
    if header not in HEADERS:
        raise malformed(root.tag, f"FileHeaderInfo is {header!r}, not one of {', '.join(HEADERS)}")
    return CsvFormat(
        _base64(root, path + "RecordDelimiter", b"\n"),
        _base64(root, path + "FieldDelimiter", b","),
        _base64(root, path + "QuoteCharacter", b'"'),
        _base64(root, path + "CommentCharacter", b""),
        header,
        quoted_records=_text(root, path + "AllowQuotedRecordDelimiter").lower() != "false",
    )


def _output_format(root: ET.Element, form: CsvFormat) -> CsvFormat:
    """Return the format of output; its records end as those of the input do (vendor's tests, Python SDK 2.0)."""
    path = "OutputSerialization/CSV/"
    record = _base64(root, path + "RecordDelimiter", form.record)
    return CsvFormat(record, _base64(root, path + "FieldDelimiter", b","), form.quote)


def _options(request: OssRequest, root: ET.Element, kind: str, *, has_header: bool) -> Options:
    most = _text(root, "Options/MaxSkippedRecordsAllowed") or "0"
    if not most.isascii() or not most.isdecimal():
        raise malformed(root.tag, f"MaxSkippedRecordsAllowed is {most!r}, not a number")
    unit, first, last = "", 0, None
    if given := _text(root, f"InputSerialization/{kind}/Range"):
        found = _RANGE.fullmatch(given)
        if not found:
            raise malformed(root.tag, f"the Range is {given!r}, not line-range=0-9 or split-range=0-9")
        unit, first, last = found[1], int(found[2] or 0), int(found[3]) if found[3] else None
    elif "range" in request.headers and (part := byte_range(_found(request).size, request.headers)):
        unit, (first, last) = "byte", part
    return Options(unit, first, last, has_header, _flag(root, "Options/SkipPartialDataRecord"), int(most))


def _content(request: OssRequest, compression: str) -> tuple[bytes, int]:
    """Return the bytes of an object, and its size. Raises ServiceError or SelectError."""
    found = _found(request)
    if found.size > MOST_BYTES:
        raise not_implemented(f"SelectObject of more than {MOST_BYTES >> 20} MB")
    data = b"".join(FileRange(found.file, 0, found.size).chunks())
    if compression.lower() in {"", "none"}:
        return data, found.size
    if compression.lower() != "gzip":
        raise SelectError("UnsupportedCompressionFormat", f"The CompressionType {compression!r} is not None or GZIP.")
    try:
        return gzip.decompress(data), found.size
    except (OSError, EOFError, zlib.error) as error:
        raise SelectError("InvalidCompression", f"The object is not gzip: {error}.") from None


def _found(request: OssRequest) -> StoredObject:
    return request.objects.read(request.bucket, request.key, request.version_id)


def _is_json(request: OssRequest) -> bool:
    return request.query["x-oss-process"].startswith("json/")


def _text(root: ET.Element, path: str) -> str:
    return (root.findtext(path) or "").strip()


def _flag(root: ET.Element, path: str) -> bool:
    return _text(root, path).lower() == "true"


def _base64(root: ET.Element, path: str, default: bytes) -> bytes:
    """Return the bytes that an element has in Base64, or the default. Raises MalformedXML."""
    try:
        return b64decode(_text(root, path), validate=True) or default
    except ValueError:
        raise malformed(root.tag, f"{path} is not Base64") from None
