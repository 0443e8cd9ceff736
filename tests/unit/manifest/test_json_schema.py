"""The JSON Schema of manifests is up to date, and as strict as the parser wherever a schema can be."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from clipstitch.common.audio_formats import FORMATS, SAMPLE_RATES, Format
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
from tests.unit.docs.test_manifest_pages import EXAMPLES, Example
from tests.unit.manifest.bad_manifests import BAD_MANIFESTS, GOOD, LIMITS, BadManifest, clip, output

ROOT = Path(__file__).parents[3]
COMMITTED = ROOT / "docs" / "manifest.schema.json"
VALIDATOR = Draft202012Validator(manifest_schema())
# What a schema cannot express: the operator's settings, values of other fields, bytes of a key, sums of durations.
NOT_IN_SCHEMA = {
    "ALIGN_OUT_OF_RANGE",
    "KEY_INVALID",
    "OUTPUT_KEY_RESERVED",
    "OUTPUT_NOT_ALLOWED",
    "SINK_UNKNOWN",
    "SOURCE_NOT_ALLOWED",
    "TOO_MANY_CLIPS",
    "TRIM_EMPTY",
}
EXCEPTIONS = {"version as a decimal"}  # 1.0 is an integer in JSON Schema
DURATIONS = "1h|1h30m|1m30s|4.5s|300ms|1h1m1s1ms|0s|0||h|90|1s1m|1s1s|1 s|-1s|.5s|1.s|1.1234567s|1m1ms|5m5|0.5h|1S"
DURATION_FIELDS = ("start", "end", "duration", "gap", "silence", "wait_for_clips")


def issues_of(case: BadManifest) -> set[str]:
    """Return the codes of the issues of a manifest."""
    try:
        parse(case.body, case.ref, LIMITS)
    except InvalidManifest as bad:
        return {issue.code for issue in bad.issues}
    return set()


def document_of(case: BadManifest) -> Any:
    """Return the document of a case; None if it is not valid, is a playlist, or has keys that JSON does not have."""
    if case.ref.key.endswith(tuple(PLAYLISTS)):
        return None
    try:
        document = documents.load(case.body, case.suffix)
    except InvalidManifest:
        return None
    return document if "42" not in json.dumps(document) or case.suffix == ".json" else None


def with_numbers(document: Any) -> Any:
    """Return a document with its durations in milliseconds: a schema cannot add up a string such as 1001h."""
    if isinstance(document, list):
        return [with_numbers(inner) for inner in document]
    if not isinstance(document, dict):
        return document
    return {
        name: total
        if name in DURATION_FIELDS and isinstance(inner, str) and (total := sum_units_ms(inner)) is not None
        else with_numbers(inner)
        for name, inner in document.items()
    }


DOCUMENTS = [case for case in BAD_MANIFESTS if document_of(case) is not None]


def accepted(document: object) -> bool:
    """Return True if the parser accepts a manifest."""
    try:
        parse(json.dumps(document).encode(), ObjectRef("acme", "manifests/a.json"), LIMITS)
    except InvalidManifest:
        return False
    return True


def test_the_committed_schema_is_the_generated_one() -> None:
    """To update it, run `clipstitch schema > docs/manifest.schema.json`."""
    assert COMMITTED.read_text("utf-8") == text()


def test_the_command_prints_the_schema() -> None:
    """Indented as it is committed; with `--json` on one line."""
    for argv, wanted in (("schema",), text()), (("schema", "--json"), json.dumps(manifest_schema()) + "\n"):
        out = StringIO()

        assert exit_codes.OK == main(argv, {}, out, StringIO())
        assert wanted == out.getvalue()


def test_it_is_a_valid_schema() -> None:
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
    """Editors show them."""
    schema = manifest_schema()
    mappings = [schema, *(schema["$defs"][name] for name in ("output", "clip", "glob", "silence"))]
    fields = [field for mapping in mappings for field in (mapping, *mapping["properties"].values())]

    assert all(field["title"] and field["description"] for field in fields)


@pytest.mark.parametrize("example", [e for e in EXAMPLES if e.kind in {"yaml", "json"}], ids=lambda e: e.text[:60])
def test_every_good_manifest_of_the_page_is_valid(example: Example) -> None:
    """And the bad ones are not, if a schema can express why."""
    document = documents.load(example.text.encode(), f".{example.kind}")
    codes = {item.split()[0] for item in example.expected.split(",") if example.expectation}

    if not codes:
        assert [] == [error.message for error in VALIDATOR.iter_errors(document)]
    elif codes - NOT_IN_SCHEMA - {"GLOB_EMPTY", "VALUE_OUT_OF_RANGE"}:
        assert not VALIDATOR.is_valid(document)


def test_the_bundled_example_is_valid() -> None:
    """The manifest of the demo."""
    assert VALIDATOR.is_valid(json.loads((ROOT / "examples" / "demo" / "example.json").read_text("utf-8")))


@pytest.mark.parametrize("case", DOCUMENTS, ids=lambda case: case.name)
def test_a_bad_manifest_is_invalid_wherever_a_schema_can_express_it(case: BadManifest) -> None:
    """Unknown and missing fields, types, ranges, choices and exclusions; valid manifests are never rejected."""
    codes = issues_of(case)
    valid = VALIDATOR.is_valid(document_of(case)) and VALIDATOR.is_valid(with_numbers(document_of(case)))

    if codes - NOT_IN_SCHEMA and case.name not in EXCEPTIONS:
        assert not valid
    if not codes:
        assert valid


def test_most_bad_manifests_are_rejected_by_the_schema() -> None:
    """The two lists of exceptions are short."""
    rejected = [case for case in DOCUMENTS if not VALIDATOR.is_valid(document_of(case))]

    assert len(rejected) > 100
    assert len(rejected) > 0.8 * len(DOCUMENTS)


@pytest.mark.parametrize("spec", FORMATS.values(), ids=lambda spec: spec.name)
@pytest.mark.parametrize("named", [True, False], ids=["by format", "by key"])
def test_rates_channels_and_depths_are_those_of_the_format(spec: Format, named: bool) -> None:
    """For every format, set by `format` or by the extension, in upper or lower case."""
    named_or_implied = (
        {"key": "episodes/a.bin", "format": spec.name} if named else {"key": f"episodes/a.{spec.name.upper()}"}
    )
    cases = [{"sample_rate": rate} for rate in SAMPLE_RATES]
    cases += [{"channels": count} for count in range(10)] + [{"bits_per_sample": 24}]
    for fields in cases:
        document = output(**named_or_implied, **fields)

        assert accepted(document) == VALIDATOR.is_valid(document), fields


@pytest.mark.parametrize(
    "time",
    [*DURATIONS.split("|"), 0, 1, 250, -1, 1.5, True, None, []],
)
def test_durations_are_those_that_the_parser_accepts(time: object) -> None:
    """A start may be 0; a silence and a duration may not. Gaps and silences have at most an hour."""
    documents = [clip(start=time), clip(duration=time)]
    if (parse_duration_ms(time) or 0) <= HOUR_MS:
        documents += [{**GOOD, "gap": time}, {**GOOD, "clips": ["clips/a.mp3", {"silence": time}]}]

    assert [accepted(document) for document in documents] == [VALIDATOR.is_valid(document) for document in documents]
