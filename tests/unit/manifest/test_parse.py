"""Good manifests: every field arrives, what is left out has its default, JSON and YAML mean the same."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipstitch.common.audio_formats import FORMATS
from clipstitch.common.errors import InvalidManifest, Issue
from clipstitch.common.identifiers import ObjectRef
from clipstitch.manifest import documents
from clipstitch.manifest.durations import MAX_MS, parse_duration_ms
from clipstitch.manifest.field_reader import MAX_ISSUES, json_pointer, type_name
from clipstitch.manifest.glob_patterns import natural_sort_key
from clipstitch.manifest.model import Clip, Limits, Manifest, Output
from clipstitch.manifest.object_keys import key_problem
from clipstitch.manifest.parse import parse

QUIET = settings(database=None, deadline=None, max_examples=200)
LIMITS = Limits(output_buckets=("acme-out",), sinks=("events", "partner-hook"))
EVERY_FIELD = """
version: 1
$schema: https://example.com/manifest.schema.json
output:
  key: episodes/ep42.flac
  bucket: acme-out
  format: mp3            # wins over the extension
  sample_rate: 48000
  channels: 2
  bitrate: 128000
  bitrate_option: adaptive
  overwrite: true
align: 1
clips:
  - clips/intro.mp3
  - {key: clips/body.wav}
  - {key: clips/pre2.wav, start: 4s, duration: 10s}
  - {key: clips/sur1.aac, start: 4000, end: 14s}
  - {key: clips/sur2.wma, end: 1m}
notify: [partner-hook, events, partner-hook]
labels: {show: night-train, draft: no}
"""


def issues_of(body: bytes, suffix: str = ".json") -> tuple[Issue, ...] | None:
    """Return what a document is told; None when it is a manifest."""
    try:
        parse(body, ObjectRef("acme", f"a{suffix}"), LIMITS)
    except InvalidManifest as error:
        return error.issues
    return None


def read(text: str, suffix: str = ".yaml", limits: Limits = LIMITS) -> Manifest:
    """Read a manifest that was uploaded to the bucket `acme`."""
    return parse(text.encode(), ObjectRef("acme", f"manifests/a{suffix}"), limits)


def wanted(**fields: object) -> Output:
    """Read a manifest with these fields in its output."""
    output = {"key": "out/a.mp3", **fields}
    return read(json.dumps({"version": 1, "output": output, "clips": ["a.mp3"]}), ".json").output


def clip(**fields: object) -> Clip:
    """Read a manifest with a clip that has these fields."""
    clips = ["a.mp3", {"key": "b.mp3", **fields}]
    return read(json.dumps({"version": 1, "output": {"key": "a.mp3"}, "clips": clips}), ".json").clips[1]


def test_every_field_arrives() -> None:
    """Nothing that is written down is lost on the way in."""
    manifest = read(EVERY_FIELD)

    assert (
        Manifest(
            output=Output(
                ref=ObjectRef("acme-out", "episodes/ep42.flac"),
                format=FORMATS["mp3"],
                sample_rate=48000,
                channels=2,
                bitrate=128000,
                quality=None,
                bitrate_option="adaptive",
                bits_per_sample=None,
                overwrite=True,
            ),
            clips=(
                Clip("clips/intro.mp3"),
                Clip("clips/body.wav"),
                Clip("clips/pre2.wav", 4000, 10000),
                Clip("clips/sur1.aac", 4000, 10000),
                Clip("clips/sur2.wma", 0, 60000),
            ),
            align=1,
            notify=("partner-hook", "events"),
            labels={"show": "night-train", "draft": "no"},
        )
        == manifest
    )


def test_what_is_left_out_has_its_default() -> None:
    """The smallest manifest: the manifest's bucket, the first clip lends, every sink hears."""
    manifest = read('{"version": 1, "output": {"key": "a.aac"}, "clips": ["b.mp3"]}', ".json")

    assert Manifest(Output(ObjectRef("acme", "a.aac"), FORMATS["aac"]), (Clip("b.mp3"),), 0, None, {}) == manifest


def test_an_empty_list_of_sinks_is_not_the_same_as_none() -> None:
    """Somebody who wants only the result object can say so."""
    manifest = read('{"version": 1, "output": {"key": "a.aac"}, "clips": ["b.mp3"], "notify": []}', ".json")

    assert () == manifest.notify


@pytest.mark.parametrize("suffix", [".yaml", ".yml", ".YAML", ".Yml"])
def test_the_suffix_tells_the_language_in_any_case(suffix: str) -> None:
    """YAML by either suffix, in small letters or capitals."""
    assert 5 == len(read(EVERY_FIELD, suffix).clips)


def test_json_may_begin_with_a_byte_order_mark() -> None:
    """Editors on Windows write one."""
    manifest = read('\ufeff{"version": 1, "output": {"key": "a.aac"}, "clips": ["b.mp3"]}', ".json")

    assert "a.aac" == manifest.output.ref.key


@pytest.mark.parametrize("name", ["mp3", "aac", "flac", "oga", "ac3", "opus", "amr"])
def test_each_of_the_seven_formats_is_known_by_extension_and_by_name(name: str) -> None:
    """Capitals in the extension do not matter; `format` wins."""
    assert name == wanted(key=f"a.b/{name}.{name.upper()}").format.name
    assert name == wanted(key="a.b/plain", format=name).format.name
    assert name == wanted(key="a.wav", format=name).format.name


def test_there_are_seven_formats() -> None:
    """No more and no fewer than the reference has."""
    assert {"mp3", "aac", "flac", "oga", "ac3", "opus", "amr"} == set(FORMATS)


@pytest.mark.parametrize("spec", FORMATS.values(), ids=lambda spec: spec.name)
def test_every_legal_rate_and_number_of_channels_is_taken(spec: Format) -> None:
    """A limit forbids nothing that the reference allows, and the nearest legal value of a legal one is itself."""
    assert spec.sample_rates == tuple(wanted(format=spec.name, sample_rate=r).sample_rate for r in spec.sample_rates)
    assert spec.sample_rates == tuple(map(spec.nearest_rate, spec.sample_rates))
    every = range(1, spec.max_channels + 1)
    assert list(every) == [wanted(format=spec.name, channels=count).channels for count in every]


def test_the_format_limits_are_those_of_the_reference() -> None:
    """OSS user guide, "What is audio merging", page dated 2026-03-20, "Format-specific limits", copied by hand."""
    everything = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)

    assert {
        "mp3": (everything[:9], 2),
        "aac": (everything, 8),
        "flac": (everything, 8),
        "oga": (everything, 8),
        "ac3": ((32000, 44100, 48000), 6),
        "opus": ((8000, 12000, 16000, 24000, 48000), 8),
        "amr": ((8000, 16000), 1),
    } == {name: (spec.sample_rates, spec.max_channels) for name, spec in FORMATS.items()}


def test_of_two_rates_equally_near_the_higher_is_chosen() -> None:
    """Rather a few bytes more than a duller sound."""
    assert 12000 == FORMATS["opus"].nearest_rate(10000)


@given(st.sampled_from(sorted(FORMATS)), st.integers(-(10**6), 10**6))
@QUIET
def test_no_legal_rate_is_nearer_than_the_nearest(name: str, hertz: int) -> None:
    """Whatever the author wrote."""
    spec = FORMATS[name]

    assert min(abs(rate - hertz) for rate in spec.sample_rates) == abs(spec.nearest_rate(hertz) - hertz)


@pytest.mark.parametrize("bits", [16, 24])
def test_flac_has_a_bit_depth(bits: int) -> None:
    """The only format that does."""
    assert bits == wanted(key="a.flac", bits_per_sample=bits).bits_per_sample


@pytest.mark.parametrize("bitrate", [1000, 10_000_000])
@pytest.mark.parametrize("option", ["fixed", "adaptive", "fail"])
def test_the_limits_of_the_bitrate_are_legal(bitrate: int, option: str) -> None:
    """With every way to treat clips of a lower one."""
    output = wanted(bitrate=bitrate, bitrate_option=option)

    assert (bitrate, option) == (output.bitrate, output.bitrate_option)


@pytest.mark.parametrize("quality", [0, 100])
def test_the_limits_of_the_quality_are_legal(quality: int) -> None:
    """Zero is a quality too."""
    assert quality == wanted(quality=quality).quality


@pytest.mark.parametrize(
    ("written", "ms"),
    [
        (0, 0),
        (250, 250),
        ("0s", 0),
        ("300ms", 300),
        ("4s", 4000),
        ("4.5s", 4500),
        ("0.25s", 250),
        ("1m", 60_000),
        ("1m30s", 90_000),
        ("1.5m", 90_000),
        ("1h", 3_600_000),
        ("1h2m3s4ms", 3_723_004),
        ("2h500ms", 7_200_500),
        ("90m", 5_400_000),
        ("1000h", MAX_MS),
        (MAX_MS, MAX_MS),
    ],
)
def test_a_length_of_time_may_be_written_in_many_forms(written: object, ms: int) -> None:
    """A bare number is milliseconds, as OSS counts."""
    assert ms == clip(start=written).start_ms


@pytest.mark.parametrize("written", ["", "s", "1", "1 s", "-1s", "1s1m", "1s 2ms", "1,5s", "1S", "1d", "1e3s", ".5s"])
def test_other_texts_are_no_length_of_time(written: str) -> None:
    """Nothing is guessed."""
    assert parse_duration_ms(written) is None


@given(st.one_of(st.text(), st.integers(), st.floats(), st.booleans(), st.none(), st.lists(st.integers())))
@QUIET
def test_a_length_of_time_is_read_or_refused_but_never_wild(value: object) -> None:
    """Whatever is written, the answer is None or within limits."""
    ms = parse_duration_ms(value)

    assert ms is None or 0 <= ms <= MAX_MS


@given(st.integers(0, 999), st.integers(0, 59), st.integers(0, 59), st.integers(0, 999))
@QUIET
def test_hours_minutes_seconds_and_milliseconds_add_up(hours: int, minutes: int, seconds: int, ms: int) -> None:
    """For every combination."""
    assert ((hours * 60 + minutes) * 60 + seconds) * 1000 + ms == parse_duration_ms(
        f"{hours}h{minutes}m{seconds}s{ms}ms"
    )


def test_an_end_becomes_a_duration() -> None:
    """OSS knows durations only."""
    assert Clip("b.mp3", 4000, 10000) == clip(start="4s", end="14s")


def test_an_end_alone_counts_from_the_beginning() -> None:
    """A start left out is zero."""
    assert Clip("b.mp3", 0, 2000) == clip(end="2s")


def test_a_clip_with_an_explicit_start_of_zero_is_whole() -> None:
    """So it may be the object that the request is made on."""
    assert not clip(start=0).trimmed


def test_a_single_clip_may_be_trimmed() -> None:
    """It is converted, and a conversion can trim."""
    manifest = read('{"version": 1, "output": {"key": "a.aac"}, "clips": [{"key": "b.mp3", "end": "1s"}]}', ".json")

    assert (Clip("b.mp3", 0, 1000),) == manifest.clips


def test_the_same_clip_may_stand_twice() -> None:
    """A jingle before and after."""
    manifest = read('{"version": 1, "output": {"key": "a.aac"}, "clips": ["b.mp3", "c.mp3", "b.mp3"]}', ".json")

    assert ("b.mp3", "c.mp3", "b.mp3") == tuple(clip.key for clip in manifest.clips)


def test_eleven_clips_fit_into_one_request() -> None:
    """The posted object and ten segments."""
    clips = [f"{i}.mp3" for i in range(11)]

    assert 11 == len(read(json.dumps({"version": 1, "output": {"key": "a.aac"}, "clips": clips}), ".json").clips)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("off", "off"),
        ("y", "y"),
        ("1:30", "1:30"),
        ("2026-01-02", "2026-01-02"),
        ("1_000", "1_000"),
        ("0x1F", "0x1F"),
        ("=", "="),
        ("<<", "<<"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("null", None),
        ("", None),
        ("010", 10),
        ("-7", -7),
        ("+7", 7),
        ("1.5", 1.5),
        ("1e3", "1e3"),
        ('"1"', "1"),
        ("'no'", "no"),
    ],
)
def test_yaml_means_what_the_core_rules_of_1_2_say(written: str, value: object) -> None:
    """`no` is a text, not a refusal, and `1:30` is not ninety."""
    read_value = documents.load(f"a: {written}\n".encode(), ".yaml")["a"]

    assert (type(value), value) == (type(read_value), read_value)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(exclude_categories=["Cs", "Cc"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text("abc", min_size=1), JSON_VALUES, max_size=4))
@QUIET
def test_json_reads_as_itself(value: dict) -> None:
    """Plain values survive."""
    assert value == documents.load(json.dumps(value).encode(), ".json")


@given(st.binary(max_size=300), st.sampled_from([".json", ".yaml"]))
@QUIET
def test_no_document_makes_the_reader_fail_otherwise_than_by_a_bad_manifest(body: bytes, suffix: str) -> None:
    """Bytes of any kind: a manifest, or one error with at least one issue."""
    issues = issues_of(body, suffix)

    assert issues is None or issues


FIELD_NAMES = st.sampled_from(
    [
        "version",
        "output",
        "clips",
        "align",
        "notify",
        "labels",
        "key",
        "start",
        "end",
        "duration",
        "format",
        "bucket",
        "sample_rate",
        "channels",
        "bitrate",
        "quality",
        "bitrate_option",
        "bits_per_sample",
        "overwrite",
        "glob",
        "silence",
        "gap",
        "chapters",
        "title",
    ]
)
SCRAPS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.sampled_from(["mp3", "1s", "a.mp3", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELD_NAMES, inner, max_size=5),
    max_leaves=15,
)


@given(st.dictionaries(FIELD_NAMES, SCRAPS, max_size=8))
@settings(QUIET, max_examples=400)
def test_no_mixture_of_our_own_fields_makes_the_reader_fail_otherwise(document: dict) -> None:
    """Right names with wrong values, in wrong places: a manifest, or one error with at least one issue."""
    issues = issues_of(json.dumps(document).encode())
    ordered = sorted(set(issues or ()), key=lambda issue: (natural_sort_key(issue.path), issue))

    assert issues is None or (issues and issues == tuple(ordered))


def test_a_key_of_1023_bytes_is_the_longest() -> None:
    """Bytes of UTF-8, not characters."""
    assert key_problem("é" * 511 + "x") is None
    assert "has 1024 bytes" == key_problem("é" * 512)


@pytest.mark.parametrize("key", [".", ".."])
def test_a_key_that_no_client_can_address_is_refused(key: str) -> None:
    """OSS would take it, but it vanishes from the URL."""
    assert "URL" in (key_problem(key) or "")


@pytest.mark.parametrize("key", ["a b", "a+b%20", "{a}", "中文.mp3", "🎧", "a\n", "a//b", "..a", "a/..", "'\"", "a\\b"])
def test_odd_keys_are_keys(key: str) -> None:
    """OSS takes them, so do we, and to the byte."""
    document = {"version": 1, "output": {"key": key, "format": "mp3"}, "clips": [key]}
    manifest = read(json.dumps(document), ".json")

    assert (key, key) == (manifest.output.ref.key, manifest.clips[0].key)


def test_prefixes_and_buckets_within_the_limits_are_taken() -> None:
    """What the operator allows is allowed, by any of the prefixes."""
    limits = Limits(("acme-out",), ("x/", "y/"), ("clips/", "jingles/"))
    document = {"version": 1, "output": {"key": "y/a.mp3", "bucket": "acme-out"}, "clips": ["jingles/a.mp3"]}

    assert ObjectRef("acme-out", "y/a.mp3") == read(json.dumps(document), ".json", limits).output.ref


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "null"),
        ("x", "a string"),
        (1, "an integer"),
        (True, "a boolean (true or false)"),
        ({}, "a mapping"),
        ([], "a list"),
        (1.5, "a decimal number"),
    ],
)
def test_kinds_of_values_are_named_in_the_authors_words(value: object, words: str) -> None:
    """No Python in messages for people."""
    assert words == type_name(value)


def test_a_pointer_escapes_as_rfc_6901_says() -> None:
    """Tilde first, or the slash's own escape would be escaped."""
    assert "/a~1b/~01/0" == json_pointer("a/b", "~1", 0)


@pytest.mark.parametrize(
    ("suffix", "body"),
    [
        (".json", json.dumps({f"f{number}": 1 for number in range(20_000)}).encode()),
        (".json", json.dumps({"notify": ["a"] * 50_000}).encode()),
        (".yaml", b"".join(b"f%d: 1\n" % number for number in range(15_000))),
        (".ffconcat", b"ffconcat version 1.0\n" + b"x\n" * 125_000),
        (".m3u", b"#EXTX\n" * 40_000),
    ],
)
def test_of_very_many_mistakes_two_thousand_are_listed(suffix: str, body: bytes) -> None:
    """And that there are more; a manifest of 256 KB must not be answered with a hundred times as much."""
    with pytest.raises(InvalidManifest) as caught:
        parse(body, ObjectRef("acme", f"manifests/m{suffix}"), Limits())

    issues = caught.value.issues
    assert MAX_ISSUES + 1 == len(issues)
    assert 1 == sum("more than 2,000 issues" in issue.message for issue in issues)
    assert len(json.dumps([issue.as_json() for issue in issues])) < 1_000_000
