"""The pages about manifests and process strings are true: every example is run, every field and limit is there."""

import json
import re
from io import StringIO
from pathlib import Path
from typing import NamedTuple

import pytest

from clipstitch.adapters.memory import tone
from clipstitch.common.audio_formats import (
    BIT_DEPTHS,
    BITRATE_OPTIONS,
    FORMATS,
    MAX_BITRATE,
    MAX_QUALITY,
    MAX_SOURCES,
    MIN_BITRATE,
)
from clipstitch.common.errors import InvalidManifest, InvalidProcessString
from clipstitch.common.identifiers import ManifestRef, ObjectRef
from clipstitch.manifest import clips_section, documents, output_section, playlists
from clipstitch.manifest import parse as parsing
from clipstitch.manifest.durations import MAX_MS
from clipstitch.manifest.model import Clip, Limits, Manifest
from clipstitch.manifest.object_keys import MAX_KEY_BYTES
from clipstitch.manifest.parse import parse
from clipstitch.planning.plan import Plan
from clipstitch.planning.process_string import format_process, parse_process
from clipstitch.usecases.settings import Sink
from clipstitch.usecases.submit import plan_for
from clipstitch_cli import exit_codes
from clipstitch_cli.costs.prices import PRICES, read_prices
from clipstitch_cli.main import main
from tests.world import BUCKET, SETTINGS, World

DOCS = Path(__file__).parents[3] / "docs"
MANIFESTS, STRINGS = DOCS / "manifest.md", DOCS / "process-strings.md"
OURS = SETTINGS._replace(
    output_buckets=("acme-out",), sinks=(Sink("events", "topic", "events"), Sink("partner-hook", "queue", "events"))
)
JOB = "20260102T030405Z-0123456789ab"
FOUND = ("chapters/1.mp3", "chapters/2.mp3", "chapters/10.mp3", "chapters/one/ch1.mp3", "chapters/one/ch2.mp3")
TRUTH = re.compile(r"(?:<!-- (\w+): (.*?) -->\n)?```(\w+)\n(.*?)```", re.DOTALL)


class Example(NamedTuple):
    """A block of a page: its language, its text, and what the comment before it promises."""

    kind: str
    text: str
    promise: str = ""
    promised: str = ""

    @property
    def ref(self) -> ObjectRef:
        """Where it would be uploaded."""
        return ObjectRef(BUCKET, f"manifests/shows/ep1.{self.kind}")


def examples(page: Path, *kinds: str) -> list[Example]:
    """Return the blocks of a page in these languages."""
    found = TRUTH.findall(page.read_text("utf-8"))
    return [Example(kind, text, promise, promised) for promise, promised, kind, text in found if kind in kinds]


def promised_issues(example: Example) -> list[tuple[str, str]]:
    """Read the issues that an example is to have."""
    parts = (item.strip().partition(" ") for item in example.promised.split(",")) if example.promise else ()
    return sorted((code, path.strip()) for code, _, path in parts)


def planned(example: Example) -> Plan:
    """Plan an example over a cloud in which every clip that it names is an hour long, and the usual globs find some."""
    world = World(OURS)
    manifest = parse(example.text.encode(), example.ref, OURS.limits)
    for key in (*FOUND, *(clip.key for clip in manifest.clips if isinstance(clip, Clip))):
        world.put(key, tone(3600.0, 44100, 2, name=key))
    return plan_for(JOB, ManifestRef(example.ref, "E7A6"), example.text.encode(), world.context())


EXAMPLES = examples(MANIFESTS, "yaml", "json", "ffconcat", "m3u")
PROCESSES = examples(STRINGS, "process")


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.text[:60])
def test_every_manifest_on_the_page_is_as_good_or_bad_as_the_page_says(example: Example):
    """Good ones are planned, bad ones get exactly the issues that stand before them."""
    try:
        plan = planned(example)
    except InvalidManifest as bad:
        found = sorted((issue.code, issue.path) for issue in bad.issues)
        assert promised_issues(example) == found
    else:
        assert "" == example.promise
        assert plan.steps


def test_the_page_has_examples_of_every_kind():
    """At least one of each suffix, and of each some that are wrong."""
    kinds = {example.kind for example in EXAMPLES}
    wrong = {example.kind for example in EXAMPLES if example.promise}

    assert {"yaml", "json", "ffconcat", "m3u"} == kinds
    assert {"yaml", "ffconcat", "m3u"} == wrong
    assert len(EXAMPLES) >= 20


def test_every_field_is_documented():
    """What the product reads stands in a table of the page, in the first column."""
    rows = set(re.findall(r"^\| `([$\w]+)` \|", MANIFESTS.read_text("utf-8"), re.MULTILINE))
    clips = {*clips_section.CLIP_FIELDS, *clips_section.GLOB_FIELDS, *clips_section.SILENCE_FIELDS}
    fields = {*parsing.FIELDS, *output_section.FIELDS, *clips}

    assert fields | set(FORMATS) == rows


def test_every_field_stands_in_an_example():
    """An author can copy each of them."""
    good = [documents.load(e.text.encode(), f".{e.kind}") for e in EXAMPLES if e.kind in {"yaml", "json"}]
    used = {name for document in good for name in (*document, *document["output"])}
    used |= {name for document in good for clip in document.get("clips", []) if isinstance(clip, dict) for name in clip}
    clips = {*clips_section.CLIP_FIELDS, *clips_section.GLOB_FIELDS, *clips_section.SILENCE_FIELDS}

    assert {*parsing.FIELDS, *output_section.FIELDS, *clips} <= used


def test_every_limit_on_the_page_is_the_products():
    """Figures that change in the code change here."""
    page = MANIFESTS.read_text("utf-8")
    limits = Limits()

    assert f"at most {documents.MAX_BYTES // 1024} KB, and nests no deeper than {documents.MAX_DEPTH}" in page
    assert f"at most {limits.max_clips:,} clips" in page
    assert f"at most {parsing.MAX_LABELS}, text, each at most {parsing.MAX_LABEL_CHARACTERS} characters" in page
    assert f"Silence between clips; a length of time, at most `{parsing.MAX_GAP_MS // 3_600_000}h`" in page
    assert f"the manifest's own upload, at most `{parsing.MAX_WAIT_MS // 3_600_000}h`" in page
    assert f"more than nothing, at most `{clips_section.MAX_SILENCE_MS // 3_600_000}h`" in page
    assert f"at most {MAX_MS // 3_600_000:,} hours" in page
    assert f"1 to {MAX_KEY_BYTES} bytes" in page
    assert f"{MIN_BITRATE:,} to {MAX_BITRATE:,} bit/s" in page
    assert f"0 to {MAX_QUALITY}." in page
    assert f"at most {clips_section.MAX_TITLE_CHARACTERS} characters; default: its file name" in page
    assert f"at most {MAX_SOURCES} objects" in page
    assert all(f"`{prefix}`" in page for prefix in limits.reserved)
    assert all(f"`{suffix}`" in page for suffix in parsing.SUFFIXES)
    assert all(f"`{choice}`" in page for choice in (*BIT_DEPTHS, *BITRATE_OPTIONS))


@pytest.mark.parametrize("spec", FORMATS.values(), ids=lambda spec: spec.name)
def test_the_table_of_formats_is_the_products(spec):
    """Rates and channels of every format."""
    rates = ", ".join(map(str, spec.sample_rates))
    channels = f"1 to {spec.max_channels}" if spec.max_channels > 1 else "1"

    assert f"| `{spec.name}` | {rates} | {channels} |" in MANIFESTS.read_text("utf-8")


def test_a_playlist_without_an_output_goes_where_the_page_says():
    """The default key is an example on the page."""
    said = re.search(r"`(manifests/\S+)` makes `(\S+)`", MANIFESTS.read_text("utf-8"))

    assert said
    assert said[2] == playlists.default_key(said[1], "manifests/")


def test_the_gap_stands_where_the_page_says():
    """Silence first, then a gap, then the silence that stands instead of one."""
    (example,) = (example for example in EXAMPLES if "instead of the gap" in example.text)
    clips = planned(example).clips

    assert ["", "clips/a.wav", "", "clips/b.wav", "", "clips/c.wav"] == [clip.key for clip in clips]
    assert [1000, 300, 2000] == [clip.duration_ms for clip in clips if not clip.key]


def test_an_ffconcat_script_means_what_the_page_says():
    """Inpoint and outpoint are start and end, in milliseconds."""
    (example,) = (example for example in EXAMPLES if "outpoint" in example.text)
    manifest: Manifest = parse(example.text.encode(), example.ref, OURS.limits)

    assert Clip("clips/the talk.wav", 4000, 10_500) == manifest.clips[1]
    assert (300, True, 128_000) == (manifest.gap_ms, manifest.chapters, manifest.output.bitrate)


def test_the_prices_on_the_page_name_every_price(tmp_path: Path):
    """The example can be copied, and filled in."""
    (example,) = examples(MANIFESTS, "prices")
    file = tmp_path / "prices.json"
    file.write_text(example.text, "utf-8")

    assert set(json.loads(example.text)["prices"]) == {price.name for price in PRICES}
    assert all(price.price is not None for price in read_prices(file).prices)


@pytest.mark.parametrize("example", PROCESSES, ids=lambda example: example.text[:60])
def test_every_process_string_on_the_page_is_read_as_the_page_says(example: Example):
    """It comes back as it was, or as the comment before it spells it, or is no process string."""
    text = example.text.strip()
    if example.promise == "wrong":
        with pytest.raises(InvalidProcessString, match=re.escape(example.promised)):
            parse_process(text)
    else:
        assert (example.promised or text) == format_process(parse_process(text))


@pytest.mark.parametrize("example", PROCESSES, ids=lambda example: example.text[:60])
def test_every_process_string_on_the_page_can_be_explained(example: Example):
    """By the command, in words."""
    out, err = StringIO(), StringIO()
    code = main(["explain", example.text.strip()], {"COLUMNS": "200"}, out, err)

    assert (exit_codes.REJECTED if example.promise == "wrong" else exit_codes.OK) == code
    assert bool(out.getvalue()) != bool(err.getvalue())


def test_the_first_process_string_means_what_the_page_says():
    """Its names and its trim stand in the sentence behind it."""
    process = parse_process(PROCESSES[0].text.strip())

    assert ["clips/intro.mp3", "clips/outro.mp3"] == [segment.key for segment in (*process.pre, *process.sur)]
    assert (4000, 10_000) == (process.sur[0].ss, process.sur[0].t)
    assert ("episodes/ep42.mp3", "acme", "done") == (*(process.saveas or ()), process.topic)


def test_every_parameter_is_on_the_page():
    """In the order in which it is spelled."""
    rows = re.findall(r"^\| `(\w+)` \| action", STRINGS.read_text("utf-8"), re.MULTILINE)

    assert list(parse_process("audio/concat,f_mp3").transcode._fields) == rows
