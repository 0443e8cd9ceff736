"""The pages about manifests and process strings are correct: every example runs, and every field and limit is there."""

import json
import re
from io import StringIO
from pathlib import Path
from typing import NamedTuple

import pytest

from clipstitch.adapters.memory import tone
from clipstitch.common.audio_formats import BIT_DEPTHS, BITRATE_OPTIONS, FORMATS, MAX_SOURCES, Format
from clipstitch.common.errors import InvalidManifest, InvalidProcessString
from clipstitch.common.identifiers import ManifestRef, ObjectRef
from clipstitch.manifest import documents, playlists
from clipstitch.manifest.durations import MAX_MS
from clipstitch.manifest.fields import (
    CLIP,
    GLOB,
    HOUR_MS,
    JOIN,
    MAX_LABEL_CHARACTERS,
    OUTPUT,
    SILENCE,
    TOP,
    TRIM_SILENCE,
    Field,
    Fields,
)
from clipstitch.manifest.model import Clip, Limits, Manifest
from clipstitch.manifest.object_keys import MAX_KEY_BYTES
from clipstitch.manifest.parse import SUFFIXES, parse
from clipstitch.planning.plan import Plan
from clipstitch.planning.process_string import format_process, parse_process
from clipstitch.usecases.plan_job import plan_for
from clipstitch.usecases.settings import Sink
from clipstitch_cli import exit_codes
from clipstitch_cli.costs.prices import PRICES, read_prices
from clipstitch_cli.main import main
from tests.world import BUCKET, SETTINGS, World

DOCS = Path(__file__).parents[3] / "docs"
MANIFESTS, STRINGS = DOCS / "manifest.md", DOCS / "process-strings.md"
SETTINGS_OF_PAGE = SETTINGS._replace(
    output_buckets=("acme-out",),
    output_prefixes=("merged/",),  # as s.yaml sets it
    sinks=(Sink("events", "topic", "events"), Sink("partner-hook", "queue", "events")),
    render_function="clipstitch-render",
)
JOB = "20260102T030405Z-0123456789ab"
GLOB_MATCHES = ("chapters/1.mp3", "chapters/2.mp3", "chapters/10.mp3", "chapters/one/ch1.mp3", "chapters/one/ch2.mp3")
_BLOCK = re.compile(r"(?:<!-- (\w+): (.*?) -->\n)?```(\w+)\n(.*?)```", re.DOTALL)


class Example(NamedTuple):
    """A block of a page: its language, its text, and the comment before it with the expected result."""

    kind: str
    text: str
    expectation: str = ""
    expected: str = ""

    @property
    def ref(self) -> ObjectRef:
        """The object of the manifest."""
        return ObjectRef(BUCKET, f"manifests/shows/ep1.{self.kind}")


def examples(page: Path, *kinds: str) -> list[Example]:
    """Return the blocks of a page in these languages."""
    found = _BLOCK.findall(page.read_text("utf-8"))
    return [Example(kind, text, expectation, expected) for expectation, expected, kind, text in found if kind in kinds]


def expected_issues(example: Example) -> list[tuple[str, str]]:
    """Return the expected issues of an example."""
    parts = (item.strip().partition(" ") for item in example.expected.split(",")) if example.expectation else ()
    return sorted((code, path.strip()) for code, _, path in parts)


def planned(example: Example) -> Plan:
    """Plan an example with an hour of audio for each of its clips, and some objects for the usual globs."""
    world = World(SETTINGS_OF_PAGE)
    manifest = parse(example.text.encode(), example.ref, SETTINGS_OF_PAGE.limits)
    for key in (*GLOB_MATCHES, *(clip.key for clip in manifest.clips if isinstance(clip, Clip))):
        world.put(key, tone(3600.0, 44100, 2, name=key))
    return plan_for(JOB, ManifestRef(example.ref, "E7A6"), example.text.encode(), world.context())


JOINS = {"join": JOIN, "trim_silence": TRIM_SILENCE}
EXAMPLES = examples(MANIFESTS, "yaml", "json", "ffconcat", "m3u")
PROCESSES = examples(STRINGS, "process")


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.text[:60])
def test_every_manifest_on_the_page_has_the_expected_issues(example: Example) -> None:
    """Valid ones are planned, others have exactly the issues in the comment before them."""
    try:
        plan = planned(example)
    except InvalidManifest as bad:
        found = sorted((issue.code, issue.path) for issue in bad.issues)
        assert expected_issues(example) == found
    else:
        assert "" == example.expectation
        assert plan.steps


def test_the_page_has_examples_of_every_kind() -> None:
    """At least one of each suffix, and some that are not valid."""
    kinds = {example.kind for example in EXAMPLES}
    wrong = {example.kind for example in EXAMPLES if example.expectation}

    assert {"yaml", "json", "ffconcat", "m3u"} == kinds
    assert {"yaml", "ffconcat", "m3u"} == wrong
    assert len(EXAMPLES) >= 20


def type_of(field: Field) -> str:
    """Return the type and the limits of a field, as a table of the page shows them."""
    unit, limited = f" {field.unit}" if field.unit else "", field.high < MAX_MS
    if field.choices:
        return f"integer, in{unit}" if unit else ", ".join(f"`{choice}`" for choice in field.choices)
    if field.kind == "duration":
        return (
            "duration" + (" greater than 0" if field.low else "") + (f", at most `{field.high // HOUR_MS}h`" * limited)
        )
    return {
        "any": "any",
        "key": f"string, 1 to {MAX_KEY_BYTES} bytes",
        "integer": f"integer, {field.low:,} to {field.high:,}{unit}" if limited else "integer",
        "string": f"string, at most {field.high} characters" if limited else "string",
        "object": f"mapping, at most {field.high} entries" if limited else "mapping",
        "array": "list",
    }.get(field.kind, field.kind)


def default_of(field: Field) -> str:
    """Return the default of a field, as a table of the page shows it."""
    literal = "" if isinstance(field.default, str) else f"`{json.dumps(field.default)}`"
    return "required" if field.required else literal or str(field.default)


def table_of(sections: dict[str, Fields]) -> str:
    """Return the table of fields on the page. With more than one section, a column names the sections of each field."""
    fields = {name: field for section in sections.values() for name, field in section.items()}
    many = len(sections) > 1
    lines = ["| field | of | type | default | description |" if many else "| field | type | default | description |"]
    lines.append("| --- | --- | --- | --- | --- |" if many else "| --- | --- | --- | --- |")
    for name, field in fields.items():
        sections_of = ", ".join(title for title, section in sections.items() if name in section)
        others = f" Excludes `{field.excludes}`." * bool(field.excludes) + f" Needs `{field.needs}`." * bool(
            field.needs
        )
        cells = (type_of(field), default_of(field), field.description + others)
        lines.append(f"| {' | '.join((f'`{name}`', *((sections_of,) if many else ()), *cells))} |")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("sections", [{"": TOP}, {"": OUTPUT}, {"clip": CLIP, "glob": GLOB, "silence": SILENCE}, JOINS])
def test_the_tables_of_fields_are_those_of_the_code(sections: dict[str, Fields]) -> None:
    """To update the page, copy the table that this test prints."""
    assert table_of(sections) in MANIFESTS.read_text("utf-8"), table_of(sections)


def test_every_field_is_documented() -> None:
    """The first columns of the tables name every field and every format, and nothing else."""
    rows = set(re.findall(r"^\| `([$\w]+)` \|", MANIFESTS.read_text("utf-8"), re.MULTILINE))

    assert {*TOP, *OUTPUT, *CLIP, *GLOB, *SILENCE, *JOIN, *TRIM_SILENCE, *FORMATS} == rows


def test_every_field_is_in_an_example() -> None:
    """An author can copy each of them."""
    good = [documents.load(e.text.encode(), f".{e.kind}") for e in EXAMPLES if e.kind in {"yaml", "json"}]
    used = {name for document in good for name in (*document, *document["output"])}
    used |= {name for document in good for name in document.get("join", {})}
    used |= {name for document in good for name in document.get("join", {}).get("trim_silence", {})}
    used |= {name for document in good for clip in document.get("clips", []) if isinstance(clip, dict) for name in clip}

    assert {*TOP, *OUTPUT, *CLIP, *GLOB, *SILENCE, *JOIN, *TRIM_SILENCE} <= used


def test_every_other_limit_on_the_page_is_that_of_the_code() -> None:
    """The limits that the tables of fields do not have."""
    page = MANIFESTS.read_text("utf-8")
    limits = Limits()

    assert f"at most {documents.MAX_BYTES // 1024} KB, and nests no deeper than {documents.MAX_DEPTH}" in page
    assert f"at most {limits.max_clips:,} clips" in page
    assert f"strings of at most {MAX_LABEL_CHARACTERS} characters" in page
    assert f"at most {MAX_MS // HOUR_MS:,} hours" in page
    assert f"at most {MAX_SOURCES} objects" in page
    assert all(f"`{prefix}`" in page for prefix in limits.reserved)
    assert all(f"`{suffix}`" in page for suffix in SUFFIXES)
    assert all(f"`{choice}`" in page for choice in (*BIT_DEPTHS, *BITRATE_OPTIONS))


@pytest.mark.parametrize("spec", FORMATS.values(), ids=lambda spec: spec.name)
def test_the_table_of_formats_is_that_of_the_code(spec: Format) -> None:
    """Rates and channels of every format."""
    rates = ", ".join(map(str, spec.sample_rates))
    channels = f"1 to {spec.max_channels}" if spec.max_channels > 1 else "1"

    assert f"| `{spec.name}` | {rates} | {channels} |" in MANIFESTS.read_text("utf-8")


def test_the_default_output_of_a_playlist_is_that_of_the_page() -> None:
    """The default key is an example on the page."""
    default = re.search(r"`(manifests/\S+)` makes `(\S+)`", MANIFESTS.read_text("utf-8"))

    assert default
    assert default[2] == playlists.default_key(default[1], "manifests/")


def test_gaps_are_where_the_page_says() -> None:
    """A silence, then a gap, then the silence that replaces a gap."""
    (example,) = (example for example in EXAMPLES if "instead of the gap" in example.text)
    clips = planned(example).clips

    assert ["", "clips/a.wav", "", "clips/b.wav", "", "clips/c.wav"] == [clip.key for clip in clips]
    assert [1000, 300, 2000] == [clip.duration_ms for clip in clips if not clip.key]


def test_an_ffconcat_script_means_what_the_page_says() -> None:
    """Inpoint and outpoint are start and end, in milliseconds."""
    (example,) = (example for example in EXAMPLES if "outpoint" in example.text)
    manifest: Manifest = parse(example.text.encode(), example.ref, SETTINGS_OF_PAGE.limits)

    assert Clip("clips/the talk.wav", 4000, 10_500) == manifest.clips[1]
    assert (300, True, 128_000) == (manifest.gap_ms, manifest.chapters, manifest.output.bitrate)


def test_the_prices_on_the_page_are_complete(tmp_path: Path) -> None:
    """The example can be copied and filled in."""
    (example,) = examples(MANIFESTS, "prices")
    file = tmp_path / "prices.json"
    file.write_text(example.text, "utf-8")

    assert set(json.loads(example.text)["prices"]) == {price.name for price in PRICES}
    assert all(price.price is not None for price in read_prices(file).prices)


@pytest.mark.parametrize("example", PROCESSES, ids=lambda example: example.text[:60])
def test_every_process_string_on_the_page_has_the_expected_result(example: Example) -> None:
    """It is formatted as it was, or as in the comment before it, or is an error."""
    text = example.text.strip()
    if example.expectation == "wrong":
        with pytest.raises(InvalidProcessString, match=re.escape(example.expected)):
            parse_process(text)
    else:
        assert (example.expected or text) == format_process(parse_process(text))


@pytest.mark.parametrize("example", PROCESSES, ids=lambda example: example.text[:60])
def test_every_process_string_on_the_page_can_be_explained(example: Example) -> None:
    """By the command, in words."""
    out, err = StringIO(), StringIO()
    code = main(["explain", example.text.strip()], {"COLUMNS": "200"}, out, err)

    assert (exit_codes.REJECTED if example.expectation == "wrong" else exit_codes.OK) == code
    assert bool(out.getvalue()) != bool(err.getvalue())


def test_the_first_process_string_means_what_the_page_says() -> None:
    """Its names and its trim are in the sentence after it."""
    process = parse_process(PROCESSES[0].text.strip())

    assert ["clips/intro.mp3", "clips/outro.mp3"] == [segment.key for segment in (*process.pre, *process.sur)]
    assert (4000, 10_000) == (process.sur[0].ss, process.sur[0].t)
    assert ("episodes/ep42.mp3", "acme", "done") == (*(process.saveas or ()), process.topic)


def test_every_parameter_is_on_the_page() -> None:
    """In the order in which they are formatted."""
    rows = re.findall(r"^\| `(\w+)` \| action", STRINGS.read_text("utf-8"), re.MULTILINE)

    assert list(parse_process("audio/concat,f_mp3").transcode._fields) == rows
