"""The JSON Schema of manifests: kept true, and as strict as the product wherever a schema can be."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from clipstitch.common.audio_formats import FORMATS, SAMPLE_RATES
from clipstitch.common.errors import InvalidManifest
from clipstitch.common.identifiers import ObjectRef
from clipstitch.manifest import documents
from clipstitch.manifest.durations import parse_duration_ms, sum_units_ms
from clipstitch.manifest.fields import CLIP, GLOB, HOUR_MS, OUTPUT, SILENCE, TOP
from clipstitch.manifest.json_schema import manifest_schema
from clipstitch.manifest.parse import PLAYLISTS, parse
from clipstitch_cli import exit_codes
from clipstitch_cli.commands.schema import text
from clipstitch_cli.main import main
from tests.unit.docs.test_manifest_pages import EXAMPLES
from tests.unit.manifest.bad_manifests import BAD_MANIFESTS, GOOD, LIMITS, Bad, clip, output

ROOT = Path(__file__).parents[3]
COMMITTED = ROOT / "docs" / "manifest.schema.json"
VALIDATOR = Draft202012Validator(manifest_schema())
# What no schema can tell: the operator's settings, other fields' values, bytes of a key, the sum of a length.
BEYOND = {
    "ALIGN_OUT_OF_RANGE",
    "KEY_INVALID",
    "OUTPUT_KEY_RESERVED",
    "OUTPUT_NOT_ALLOWED",
    "SINK_UNKNOWN",
    "SOURCE_NOT_ALLOWED",
    "TOO_MANY_CLIPS",
    "TRIM_EMPTY",
}
UNTOLD = {"version as a decimal"}  # to JSON Schema 1.0 is a whole number
TEXTS = "1h|1h30m|1m30s|4.5s|300ms|1h1m1s1ms|0s|0||h|90|1s1m|1s1s|1 s|-1s|.5s|1.s|1.1234567s|1m1ms|5m5|0.5h|1S"
TIMES = ("start", "end", "duration", "gap", "silence", "wait_for_clips")


def issues_of(case: Bad) -> set[str]:
    """Return the codes of what the product has against a manifest."""
    try:
        parse(case.body, case.ref, LIMITS)
    except InvalidManifest as bad:
        return {issue.code for issue in bad.issues}
    return set()


def read(case: Bad) -> Any:
    """Return a manifest as values; None when it cannot be read, is a playlist, or has names that JSON has not."""
    if case.ref.key.endswith(tuple(PLAYLISTS)):
        return None
    try:
        document = documents.load(case.body, case.suffix)
    except InvalidManifest:
        return None
    return document if "42" not in json.dumps(document) or case.suffix == ".json" else None


def in_numbers(document: Any) -> Any:
    """Return a document with its lengths of time in ms: a schema cannot add up a text such as 1001h."""
    if isinstance(document, list):
        return [in_numbers(inner) for inner in document]
    if not isinstance(document, dict):
        return document
    return {
        name: total
        if name in TIMES and isinstance(inner, str) and (total := sum_units_ms(inner)) is not None
        else in_numbers(inner)
        for name, inner in document.items()
    }


READABLE = [case for case in BAD_MANIFESTS if read(case) is not None]


def accepted(document: object) -> bool:
    """Say whether the product takes a manifest."""
    try:
        parse(json.dumps(document).encode(), ObjectRef("acme", "manifests/a.json"), LIMITS)
    except InvalidManifest:
        return False
    return True


def test_the_committed_schema_is_the_generated_one() -> None:
    """`clipstitch schema > docs/manifest.schema.json` after a change of fields or limits."""
    assert COMMITTED.read_text("utf-8") == text()


def test_the_command_prints_the_schema() -> None:
    """For people as it is committed, for programs on one line."""
    for argv, wanted in (("schema",), text()), (("schema", "--json"), json.dumps(manifest_schema()) + "\n"):
        out = StringIO()

        assert exit_codes.OK == main(argv, {}, out, StringIO())
        assert wanted == out.getvalue()


def test_it_is_a_schema_of_its_dialect() -> None:
    """Any validator can use it."""
    Draft202012Validator.check_schema(manifest_schema())


def test_it_has_exactly_the_fields_of_the_table() -> None:
    """The schema has the fields that the parser reads, in the same order."""
    schema = manifest_schema()
    defined = schema["$defs"]

    assert list(TOP) == list(schema["properties"])
    for name, fields in (("output", OUTPUT), ("clip", CLIP), ("glob", GLOB), ("silence", SILENCE)):
        assert list(fields) == list(defined[name]["properties"])


def test_every_field_has_a_title_and_a_description() -> None:
    """An editor shows them."""
    schema = manifest_schema()
    mappings = [schema, *(schema["$defs"][name] for name in ("output", "clip", "glob", "silence"))]
    fields = [field for mapping in mappings for field in (mapping, *mapping["properties"].values())]

    assert all(field["title"] and field["description"] for field in fields)


@pytest.mark.parametrize("example", [e for e in EXAMPLES if e.kind in {"yaml", "json"}], ids=lambda e: e.text[:60])
def test_every_good_manifest_of_the_page_is_valid(example: Example) -> None:
    """And of the bad ones those that a schema can tell are not."""
    document = documents.load(example.text.encode(), f".{example.kind}")
    codes = {item.split()[0] for item in example.promised.split(",") if example.promise}

    if not codes:
        assert [] == [error.message for error in VALIDATOR.iter_errors(document)]
    elif codes - BEYOND - {"GLOB_EMPTY", "VALUE_OUT_OF_RANGE"}:
        assert not VALIDATOR.is_valid(document)


def test_the_bundled_example_is_valid() -> None:
    """The first manifest that people see."""
    assert VALIDATOR.is_valid(json.loads((ROOT / "examples" / "demo" / "example.json").read_text("utf-8")))


@pytest.mark.parametrize("case", READABLE, ids=lambda case: case.name)
def test_a_bad_manifest_is_invalid_wherever_a_schema_can_tell(case: Bad) -> None:
    """Unknown and missing fields, wrong kinds, ranges, choices, what excludes each other; and never the other way."""
    codes = issues_of(case)
    valid = VALIDATOR.is_valid(read(case)) and VALIDATOR.is_valid(in_numbers(read(case)))

    if codes - BEYOND and case.name not in UNTOLD:
        assert not valid
    if not codes:
        assert valid


def test_most_bad_manifests_can_be_told() -> None:
    """The two lists of exceptions do not swallow the test."""
    told = [case for case in READABLE if not VALIDATOR.is_valid(read(case))]

    assert len(told) > 100
    assert len(told) > 0.8 * len(READABLE)


@pytest.mark.parametrize("spec", FORMATS.values(), ids=lambda spec: spec.name)
@pytest.mark.parametrize("named", [True, False], ids=["by format", "by key"])
def test_rates_channels_and_depths_are_those_of_the_format(spec: Format, named: bool) -> None:
    """Of every format, whether the field or the extension tells it, in capitals or not."""
    told = {"key": "episodes/a.bin", "format": spec.name} if named else {"key": f"episodes/a.{spec.name.upper()}"}
    wanted = [{"sample_rate": rate} for rate in SAMPLE_RATES]
    wanted += [{"channels": count} for count in range(10)] + [{"bits_per_sample": 24}]
    for fields in wanted:
        document = output(**told, **fields)

        assert accepted(document) == VALIDATOR.is_valid(document), fields


@pytest.mark.parametrize(
    "time",
    [*TEXTS.split("|"), 0, 1, 250, -1, 1.5, True, None, []],
)
def test_lengths_of_time_are_those_that_the_product_reads(time: object) -> None:
    """A start may be nothing; a silence and a duration may not. Gaps and silences have an hour at most."""
    documents = [clip(start=time), clip(duration=time)]
    if (parse_duration_ms(time) or 0) <= HOUR_MS:
        documents += [{**GOOD, "gap": time}, {**GOOD, "clips": ["clips/a.mp3", {"silence": time}]}]

    assert [accepted(document) for document in documents] == [VALIDATOR.is_valid(document) for document in documents]
