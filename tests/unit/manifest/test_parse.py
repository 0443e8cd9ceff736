"""Valid manifests: every field is parsed, defaults apply, and JSON and YAML are equivalent."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipstitch.common.audio_formats import FORMATS, OSS_FORMATS, Format
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
  format: mp3            # takes precedence over the extension
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
    """Return the issues of a document; None if it is valid."""
    try:
        parse(body, ObjectRef("acme", f"a{suffix}"), LIMITS)
    except InvalidManifest as error:
        return error.issues
    return None


def read(text: str, suffix: str = ".yaml", limits: Limits = LIMITS) -> Manifest:
    """Parse a manifest that was uploaded to the bucket `acme`."""
    return parse(text.encode(), ObjectRef("acme", f"manifests/a{suffix}"), limits)


def output_with(**fields: object) -> Output:
    """Return the output of a manifest with these fields in its output."""
    output = {"key": "out/a.mp3", **fields}
    return read(json.dumps({"version": 1, "output": output, "clips": ["a.mp3"]}), ".json").output


def clip(**fields: object) -> Clip:
    """Return the clip of a manifest with these fields besides its key."""
    clips = ["a.mp3", {"key": "b.mp3", **fields}]
    found = read(json.dumps({"version": 1, "output": {"key": "a.mp3"}, "clips": clips}), ".json").clips[1]
    assert isinstance(found, Clip)
    return found


def test_every_field_is_parsed() -> None:
    """The manifest has the value of every field of the document."""
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


def test_missing_fields_have_defaults() -> None:
    """The smallest manifest: the manifest's bucket, the first clip as the reference, all sinks."""
    manifest = read('{"version": 1, "output": {"key": "a.aac"}, "clips": ["b.mp3"]}', ".json")

    assert Manifest(Output(ObjectRef("acme", "a.aac"), FORMATS["aac"]), (Clip("b.mp3"),), 0, None, {}) == manifest


def test_an_empty_list_of_sinks_is_not_the_same_as_none() -> None:
    """An author may want the result object only."""
    manifest = read('{"version": 1, "output": {"key": "a.aac"}, "clips": ["b.mp3"], "notify": []}', ".json")

    assert () == manifest.notify


@pytest.mark.parametrize("suffix", [".yaml", ".yml", ".YAML", ".Yml"])
def test_the_suffix_may_be_in_upper_case(suffix: str) -> None:
    """YAML by either suffix."""
    assert 5 == len(read(EVERY_FIELD, suffix).clips)


def test_json_may_begin_with_a_byte_order_mark() -> None:
    """Editors on Windows write one."""
    manifest = read('\ufeff{"version": 1, "output": {"key": "a.aac"}, "clips": ["b.mp3"]}', ".json")

    assert "a.aac" == manifest.output.ref.key


@pytest.mark.parametrize("name", ["mp3", "aac", "flac", "oga", "ac3", "opus", "amr"])
def test_each_format_is_set_by_extension_or_by_name(name: str) -> None:
    """The extension may be in upper case; `format` takes precedence."""
    assert name == output_with(key=f"a.b/{name}.{name.upper()}").format.name
    assert name == output_with(key="a.b/plain", format=name).format.name
    assert name == output_with(key="a.wav", format=name).format.name


def test_the_oss_action_has_seven_formats_and_the_render_engine_three_more() -> None:
    """The seven are exactly those of the user guide."""
    assert {"mp3", "aac", "flac", "oga", "ac3", "opus", "amr"} == set(OSS_FORMATS)
    assert {"m4a", "m4b", "wav"} == set(FORMATS) - set(OSS_FORMATS)


@pytest.mark.parametrize("spec", FORMATS.values(), ids=lambda spec: spec.name)
def test_every_allowed_rate_and_number_of_channels_is_accepted(spec: Format) -> None:
    """And the nearest allowed value of an allowed value is the value itself."""
    assert spec.sample_rates == tuple(
        output_with(format=spec.name, sample_rate=r).sample_rate for r in spec.sample_rates
    )
    assert spec.sample_rates == tuple(map(spec.nearest_rate, spec.sample_rates))
    every = range(1, spec.max_channels + 1)
    assert list(every) == [output_with(format=spec.name, channels=count).channels for count in every]


def test_the_format_limits_are_those_of_the_user_guide() -> None:
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
    } == {name: (spec.sample_rates, spec.max_channels) for name, spec in OSS_FORMATS.items()}


def test_of_two_rates_equally_near_the_higher_is_chosen() -> None:
    """The higher one loses no quality."""
    assert 12000 == FORMATS["opus"].nearest_rate(10000)


@given(st.sampled_from(sorted(FORMATS)), st.integers(-(10**6), 10**6))
@QUIET
def test_no_allowed_rate_is_nearer_than_the_nearest(name: str, hertz: int) -> None:
    """For any number."""
    spec = FORMATS[name]

    assert min(abs(rate - hertz) for rate in spec.sample_rates) == abs(spec.nearest_rate(hertz) - hertz)


@pytest.mark.parametrize("bits", [16, 24])
def test_flac_has_a_bit_depth(bits: int) -> None:
    """No other format has one."""
    assert bits == output_with(key="a.flac", bits_per_sample=bits).bits_per_sample


@pytest.mark.parametrize("bitrate", [1000, 10_000_000])
@pytest.mark.parametrize("option", ["fixed", "adaptive", "fail"])
def test_the_limits_of_the_bitrate_are_allowed(bitrate: int, option: str) -> None:
    """With every bitrate option."""
    output = output_with(bitrate=bitrate, bitrate_option=option)

    assert (bitrate, option) == (output.bitrate, output.bitrate_option)


@pytest.mark.parametrize("quality", [0, 100])
def test_the_limits_of_the_quality_are_allowed(quality: int) -> None:
    """Zero is a quality, too."""
    assert quality == output_with(quality=quality).quality


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
def test_a_duration_has_many_forms(written: object, ms: int) -> None:
    """A number without a unit is milliseconds."""
    assert ms == clip(start=written).start_ms


@pytest.mark.parametrize("written", ["", "s", "1", "1 s", "-1s", "1s1m", "1s 2ms", "1,5s", "1S", "1d", "1e3s", ".5s"])
def test_other_strings_are_not_durations(written: str) -> None:
    """Missing or wrong units are not guessed."""
    assert parse_duration_ms(written) is None


@given(st.one_of(st.text(), st.integers(), st.floats(), st.booleans(), st.none(), st.lists(st.integers())))
@QUIET
def test_a_duration_is_never_outside_its_limits(value: object) -> None:
    """Any value is None or a number within the limits."""
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
    """OSS has durations only."""
    assert Clip("b.mp3", 4000, 10000) == clip(start="4s", end="14s")


def test_an_end_without_a_start_is_a_duration() -> None:
    """The default of the start is 0."""
    assert Clip("b.mp3", 0, 2000) == clip(end="2s")


def test_a_start_of_zero_is_not_a_trim() -> None:
    """Such a clip may be the object that the request is posted to."""
    assert Clip("b.mp3") == clip(start=0)


def test_a_single_clip_may_be_trimmed() -> None:
    """It is converted, and a conversion can trim."""
    manifest = read('{"version": 1, "output": {"key": "a.aac"}, "clips": [{"key": "b.mp3", "end": "1s"}]}', ".json")

    assert (Clip("b.mp3", 0, 1000),) == manifest.clips


def test_a_clip_may_be_used_twice() -> None:
    """For example a jingle before and after."""
    manifest = read('{"version": 1, "output": {"key": "a.aac"}, "clips": ["b.mp3", "c.mp3", "b.mp3"]}', ".json")

    assert ("b.mp3", "c.mp3", "b.mp3") == tuple(clip.key for clip in manifest.clips if isinstance(clip, Clip))


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
def test_yaml_follows_the_core_schema_of_1_2(written: str, value: object) -> None:
    """`no` is a string, not a boolean, and `1:30` is not ninety."""
    parsed = documents.load(f"a: {written}\n".encode(), ".yaml")["a"]

    assert (type(value), value) == (type(parsed), parsed)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(exclude_categories=["Cs", "Cc"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text("abc", min_size=1), JSON_VALUES, max_size=4))
@QUIET
def test_json_values_are_unchanged(value: dict[str, object]) -> None:
    """For any plain value."""
    assert value == documents.load(json.dumps(value).encode(), ".json")


@given(st.binary(max_size=300), st.sampled_from([".json", ".yaml"]))
@QUIET
def test_any_bytes_are_a_manifest_or_have_issues(body: bytes, suffix: str) -> None:
    """The parser raises no other error."""
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
ANY_VALUE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.sampled_from(["mp3", "1s", "a.mp3", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELD_NAMES, inner, max_size=5),
    max_leaves=15,
)


@given(st.dictionaries(FIELD_NAMES, ANY_VALUE, max_size=8))
@settings(QUIET, max_examples=400)
def test_any_mixture_of_known_fields_is_a_manifest_or_has_issues(document: dict[str, object]) -> None:
    """Known names with wrong values, in wrong places; the issues are in order."""
    issues = issues_of(json.dumps(document).encode())
    ordered = sorted(set(issues or ()), key=lambda issue: (natural_sort_key(issue.path), issue))

    assert issues is None or (issues and issues == tuple(ordered))


def test_a_key_of_1023_bytes_is_the_longest() -> None:
    """Bytes of UTF-8, not characters."""
    assert key_problem("é" * 511 + "x") is None
    assert "has 1024 bytes" == key_problem("é" * 512)


@pytest.mark.parametrize("key", [".", ".."])
def test_a_key_that_clients_cannot_address_is_an_error(key: str) -> None:
    """OSS accepts it, but HTTP clients remove it from the URL."""
    assert "URL" in (key_problem(key) or "")


@pytest.mark.parametrize("key", ["a b", "a+b%20", "{a}", "中文.mp3", "🎧", "a\n", "a//b", "..a", "a/..", "'\"", "a\\b"])
def test_unusual_keys_are_kept_exactly(key: str) -> None:
    """OSS accepts them."""
    document = {"version": 1, "output": {"key": key, "format": "mp3"}, "clips": [key]}
    manifest = read(json.dumps(document), ".json")

    assert (key, (Clip(key),)) == (manifest.output.ref.key, manifest.clips)


def test_allowed_prefixes_and_buckets_are_accepted() -> None:
    """A key may be under any of the allowed prefixes."""
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
def test_types_have_the_names_of_json(value: object, words: str) -> None:
    """Messages for authors have no names of Python types."""
    assert words == type_name(value)


def test_a_json_pointer_is_escaped() -> None:
    """RFC 6901: the tilde first, since the escape of the slash has one."""
    assert "/a~1b/~01/0" == json_pointer("a/b", "~1", 0)


@pytest.mark.parametrize(
    ("suffix", "body"),
    [
        (".json", json.dumps({f"f{number}": 1 for number in range(20_000)}).encode()),
        (".json", json.dumps({"notify": ["a"] * 50_000}).encode()),
        (".yaml", b"".join(b"f%d: 1\n" % number for number in range(15_000))),
        (".ffconcat", b"ffconcat version 1.0\n" + b"x\n" * 125_000),
        (".m3u", b"x://y\n" * 40_000),
    ],
)
def test_at_most_two_thousand_issues_are_listed(suffix: str, body: bytes) -> None:
    """One more says that there are others; the list for a manifest of 256 KB stays below 1 MB."""
    with pytest.raises(InvalidManifest) as caught:
        parse(body, ObjectRef("acme", f"manifests/m{suffix}"), Limits())

    issues = caught.value.issues
    assert MAX_ISSUES + 1 == len(issues)
    assert 1 == sum("more than 2,000 issues" in issue.message for issue in issues)
    assert len(json.dumps([issue.as_json() for issue in issues])) < 1_000_000
