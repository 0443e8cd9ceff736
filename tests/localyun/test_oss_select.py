"""SelectObject and CreateSelectObjectMeta through the vendor's two Python clients over HTTP."""

import base64
import gzip
import json
from collections.abc import Iterator

import alibabacloud_oss_v2 as oss
import oss2
import pytest

from tests.localyun.oss_world import BUCKET, World, world

PEOPLE = b'name,town,age\nAnn,"Bern, CH",43\nBob,Rome,9\nCleo,,\n'
LINES = b'{"name":"Ann","home":{"town":"Bern"},"age":43.10}\n{"name":"Bob","age":9},\n{"name":"Cleo","tags":[1,2]}\n'
Parameters = dict[str, object]


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Serve one endpoint with a bucket for the tests of this file."""
    with world(tmp_path_factory.mktemp("select")) as here:
        yield here


def selected(here: World, content: bytes, statement: str, **parameters: object) -> bytes:
    """Upload an object, and return what a statement selects of it."""
    bucket = here.bucket()
    bucket.put_object("table", content)
    found: bytes = bucket.select_object("table", statement, select_params=parameters).read()
    return found


@pytest.mark.parametrize(
    ("condition", "names"),
    [
        ("age > 9", "Ann"),
        ("age >= 9 and name != 'Ann'", "Bob"),
        ("town like '%rn_ CH'", "Ann"),
        ("town like '%!, CH' escape '!'", "Ann"),
        ("not town = 'Rome'", "Ann Cleo"),
        ("not (town = 'Rome' or name = 'Cleo')", "Ann"),
        ("name in ('Bob', 'Cleo', 'Dan')", "Bob Cleo"),
        ("age not between 1 and 10", "Ann"),
        ("cast(age as int) % 2 = 1 and age * 2 - 1 < 20", "Bob"),
        ("cast(age as double) is null", "Cleo"),
        ("(name || '/' || _2) = 'Bob/Rome'", "Bob"),
        ("age / 0 = 1 or true", "Ann Bob Cleo"),
        ("_9 is not null", ""),
    ],
)
def test_conditions_select_records_of_csv(here: World, condition: str, names: str) -> None:
    """Numbers compare as numbers; what cannot be compared selects nothing."""
    found = selected(here, PEOPLE, f"select name from ossobject where {condition}", CsvHeaderInfo="Use")
    assert found.decode().split() == names.split()


def test_aggregates_count_what_is_not_null(here: World) -> None:
    """An empty field is no number, so it is in no average."""
    statement = (
        "select count(*), count(cast(age as int)), sum(cast(age as int)), avg(cast(age as double)), min(name),"
        " max(cast(age as decimal)) from ossobject"
    )
    assert selected(here, PEOPLE, statement, CsvHeaderInfo="Use") == b"3,2,52,26,Ann,43\n"


@pytest.mark.parametrize(
    ("parameters", "found"),
    [
        ({}, b'"Bern, CH",Ann\nRome,Bob\n,Cleo\n'),
        ({"OutputHeader": "true"}, b'town,name\n"Bern, CH",Ann\nRome,Bob\n,Cleo\n'),
        ({"KeepAllColumns": "true", "LineRange": (2, 2)}, b"Bob,Rome,\n"),
        ({"OutputFieldDelimiter": "|", "OutputRecordDelimiter": ";"}, b"Bern, CH|Ann;Rome|Bob;|Cleo;"),
        ({"OutputRawData": "true", "LineRange": (3, None)}, b",Cleo\n"),
        ({"SplitRange": (1, None)}, b""),
        ({"CommentCharacter": "B"}, b'"Bern, CH",Ann\n,Cleo\n'),
    ],
)
def test_csv_is_formatted_as_requested(here: World, parameters: Parameters, found: bytes) -> None:
    """Fields are quoted if they have to be."""
    statement = "select town, name from ossobject"
    assert selected(here, PEOPLE, statement, CsvHeaderInfo="Use", EnablePayloadCrc=True, **parameters) == found


def test_delimiters_have_any_length_and_gzip_is_unpacked(here: World) -> None:
    """The output ends its records as the input does."""
    content = gzip.compress(b"'it''s'::2\r\n'3\r\n4'::5\r\n")
    parameters = {"FieldDelimiter": "::", "RecordDelimiter": "\r\n", "QuoteCharacter": "'", "CompressionType": "GZIP"}
    assert selected(here, content, "select * from ossobject", **parameters) == b"'it''s',2\r\n'3\r\n4',5\r\n"


def test_a_large_result_has_several_frames(here: World) -> None:
    """Each reports how much was read."""
    content = b"".join(b"%d,%s\n" % (number, b"x" * 90) for number in range(9000))
    bucket, offsets = here.bucket(), list[int]()
    bucket.put_object("table", content)
    oss2.select_response.SelectResponseAdapter._FRAMES_FOR_PROGRESS_UPDATE = 0
    result = bucket.select_object(
        "table", "select * from ossobject", lambda read, _size: offsets.append(read), {"EnablePayloadCrc": True}
    )
    assert result.read() == content
    assert len(set(offsets)) > 2
    assert offsets == sorted(offsets)
    assert offsets[-1] == len(content)


@pytest.mark.parametrize(
    ("statement", "kind", "found"),
    [
        ("select * from ossobject limit 1", "LINES", [{"name": "Ann", "home": {"town": "Bern"}, "age": "43.10"}]),
        ("select s.name as n, home.town from ossobject s where s.age > 40", "LINES", [{"n": "Ann", "town": "Bern"}]),
        ("select tags[1] from ossobject where tags[0] = 1", "LINES", [{"_1": 2}]),
        ("select age from ossobject where name != 'Ann'", "LINES", [{"age": 9}, {}]),
        ("select * from ossobject.tags[*]", "LINES", [{"_1": 1}, {"_1": 2}]),
        ("select count(*), avg(age) from ossobject where age < 10", "LINES", [{"_1": 1, "_2": 9}]),
        ('select "a" from ossobject.all[*] where b = true', "DOCUMENT", [{"a": []}]),
    ],
)
def test_json_is_selected_by_paths(here: World, statement: str, kind: str, found: list[object]) -> None:
    """Numbers keep their digits, and absent members are left out."""
    content = LINES if kind == "LINES" else b'{"all":[{"a":"x","b":false},{"a":[],"b":true}]}'
    text = selected(here, content, statement, Json_Type=kind).decode()
    assert [json.loads(line, parse_float=str) for line in text.splitlines()] == found


@pytest.mark.parametrize(
    "statement",
    [
        "",
        "delete from ossobject",
        "select * from table",
        "select name || town from ossobject",
        "select name, count(*) from ossobject",
        "select * from ossobject group by name",
        "select * from ossobject order by _1",
        "select * from ossobject a join ossobject b on a._1 = b._1",
        "select * from ossobject where sum(age) > 1",
        "select * from ossobject where name not 'a'",
        "select * from ossobject where cast(age as money) = 1",
        "select * from ossobject limit 1.5",
        "select _0 from ossobject",
        "select surname from ossobject",
        "select # from ossobject",
        "select * from ossobject where name = '" + "x" * 16384 + "'",
    ],
)
def test_statements_that_oss_lacks_are_refused(here: World, statement: str) -> None:
    """The error has the status 400 and comes before any frame."""
    with pytest.raises(oss2.exceptions.ServerError) as error:
        selected(here, PEOPLE, statement, CsvHeaderInfo="Use")
    assert (error.value.status, error.value.code) == (400, "InvalidSqlParameter")


@pytest.mark.parametrize(
    ("content", "parameters", "code"),
    [
        (b'a,b\n"c"d,e\n', {}, "InvalidCsvLine"),
        (b"a,b\nc\n", {"SkipPartialDataRecord": "true"}, "PartialRecord"),
        (b'{"_1":1,"_2":2}\n{"_1":}', {"Json_Type": "LINES"}, "InvalidJsonRecord"),
    ],
)
def test_a_record_that_fails_ends_the_result(here: World, content: bytes, parameters: Parameters, code: str) -> None:
    """The records before it arrive; the last frame has the error."""
    bucket = here.bucket()
    bucket.put_object("table", content)
    result = bucket.select_object("table", "select _1, _2 from ossobject", select_params=parameters)
    assert next(result) in {b"a,b\n", b'{"_1":1,"_2":2}\n'}
    with pytest.raises(oss2.exceptions.SelectOperationFailed) as error:
        next(result)
    assert (error.value.status, error.value.code) == (400, code.encode())


@pytest.mark.parametrize(
    ("content", "parameters", "code"),
    [
        (PEOPLE, {"CompressionType": "GZIP"}, "InvalidCompression"),
        (PEOPLE, {"CompressionType": "ZIP"}, "UnsupportedCompressionFormat"),
        (PEOPLE, {"CsvHeaderInfo": "Maybe"}, "MalformedXML"),
        (PEOPLE, {"MaxSkippedRecordsAllowed": "many"}, "MalformedXML"),
        (PEOPLE, {"Json_Type": "TREE"}, "MalformedXML"),
        (b"{} {}", {"Json_Type": "DOCUMENT"}, "InvalidJsonDocument"),
        (b'{"a":NaN}', {"Json_Type": "DOCUMENT"}, "InvalidJsonRecord"),
        (b'{"a":"\xff"}', {"Json_Type": "DOCUMENT"}, "InvalidTextEncoding"),
    ],
)
def test_options_that_do_not_fit_are_refused(here: World, content: bytes, parameters: Parameters, code: str) -> None:
    """The error has the status 400."""
    with pytest.raises(oss2.exceptions.ServerError) as error:
        selected(here, content, "select * from ossobject", **parameters)
    assert (error.value.status, error.value.code) == (400, code)


def test_some_partial_records_are_skipped(here: World) -> None:
    """As many as the request allows."""
    parameters = {"SkipPartialDataRecord": "true", "MaxSkippedRecordsAllowed": 1}
    assert selected(here, b"a,b\nc\nd,e\n", "select _2 from ossobject", **parameters) == b"b\ne\n"


def test_a_range_of_bytes_selects_records_that_start_in_it(here: World) -> None:
    """The last one is complete."""
    bucket = here.bucket()
    bucket.put_object("table", b"test\nabc\nd\n")
    parameters = {"AllowQuotedRecordDelimiter": False}
    result = bucket.select_object("table", "select * from ossobject", None, parameters, byte_range=(1, 6))
    assert result.read() == b"abc\n"


def test_metadata_counts_records_and_columns(here: World) -> None:
    """Of CSV and of lines of JSON."""
    client, bucket = here.client(), here.bucket()
    bucket.put_object("table", PEOPLE)
    bucket.put_object("lines", LINES)
    request = oss.CreateSelectObjectMetaRequest(
        bucket=BUCKET, key="table", process="csv/meta", select_meta_request=oss.CSVMetaRequest()
    )
    found = client.create_select_object_meta(request)
    counts = (found.total_scanned_bytes, found.splits_count, found.rows_count, found.cols_count)
    assert counts == (len(PEOPLE), 1, 4, 3)
    result = bucket.create_select_object_meta("lines", {"Json_Type": "LINES"})
    assert (result.rows, result.splits) == (3, 1)
    with pytest.raises(oss2.exceptions.ServerError) as error:
        bucket.create_select_object_meta("table", {"CompressionType": "GZIP"})
    assert error.value.code == "UnsupportedCompressionFormat"


def test_the_second_client_reads_the_result(here: World) -> None:
    """It checks the checksums of the frames."""
    here.bucket().put_object("lines", LINES)
    request = oss.SelectObjectRequest(
        bucket=BUCKET,
        key="lines",
        process="json/select",
        select_request=oss.SelectRequest(
            expression=base64.b64encode(b"select name from ossobject where cast(age as int) = 9").decode(),
            input_serialization=oss.InputSerialization(
                json=oss.JSONInput(type="LINES", parse_json_number_as_string=True)
            ),
            output_serialization=oss.OutputSerialization(enable_payload_crc=True),
        ),
    )
    result = here.client().select_object(request)
    assert (result.status_code, result.body.content) == (206, b'{"name":"Bob"}\n')
