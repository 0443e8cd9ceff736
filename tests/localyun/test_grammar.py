"""The local cloud's parser of process strings, tested with the vendor's printed examples."""

import base64
from collections.abc import Callable
from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localyun.imm.errors import ImmError
from localyun.imm.output_formats import FORMATS, OutputFormat
from localyun.imm.process_string import ProcessClip, decode_name, parse_process
from localyun.imm.target_template import expand, variables, with_extension
from localyun.imm.task_spec import Encoding

# OSS user guide, "Audio merging", page dated 2026-03-20: the REST example, verbatim.
REST_EXAMPLE = (
    "audio/concat,f_aac,ac_1,ar_44100,ab_96000,align_2/pre,o_cHJlMS5tcDMK/pre,o_cHJlMi53YXYK,t_2000"
    "/sur,o_c3VyMS5hYWMK,ss_4000,t_10000/sur,o_c3VyMi53bWEK,ss_10000"
    "|sys/saveas,b_b3V0YnVja2V0,o_b3V0b2JqLnthdXRvZXh0fQo/notify,topic_QXVkaW9Db252ZXJ0"
)
# The same page, Python example, with its f-strings evaluated.
PYTHON_EXAMPLE = (
    "audio/concat,f_aac,ac_1,ar_44100,ab_96000,align_2/pre,o_c3JjMS5tcDM/pre,o_c3JjMi5tcDM,t_0"
    "|sys/saveas,b_ZXhhbXBsZWJ1Y2tldA,o_ZGVzdC5hYWM/notify,topic_QXVkaW9Db252ZXJ0"
)


def b64(name: str) -> str:
    """Encode a name as URL-safe Base64 without padding."""
    return base64.urlsafe_b64encode(name.encode()).decode().rstrip("=")


def concat(words: str = "f_mp3", clips: str = "", tail: str = "|sys/saveas,o_b3V0Lm1wMw") -> str:
    """Return a process string with the given parts."""
    return f"audio/concat,{words}{clips}{tail}"


def error_of(process: str) -> str:
    """Return the error of a process string."""
    with pytest.raises(ImmError) as caught:
        parse_process(process)
    return f"{caught.value.code}, {caught.value.message}"


def test_the_printed_rest_example_is_parsed_with_its_newlines() -> None:
    """Names are not trimmed: the page's Base64 has line ends, which are legal in keys."""
    parsed = parse_process(REST_EXAMPLE)

    assert (ProcessClip("pre1.mp3\n"), ProcessClip("pre2.wav\n", 0, 2000)) == parsed.before
    assert (ProcessClip("sur1.aac\n", 4000, 10000), ProcessClip("sur2.wma\n", 10000)) == parsed.after
    assert Encoding("aac", 44100, 1, 96000) == parsed.encoding
    assert ("outbucket", "outobj.{autoext}\n", "AudioConvert", 2) == (
        parsed.target_bucket,
        parsed.target_key,
        parsed.topic,
        parsed.align,
    )


def test_the_printed_python_example_has_two_clips_before_the_posted_one() -> None:
    """Its `align_2` is legal only because the posted object is the third source."""
    parsed = parse_process(PYTHON_EXAMPLE)

    assert (ProcessClip("src1.mp3"), ProcessClip("src2.mp3")) == parsed.before
    assert ((), 2) == (parsed.after, parsed.align)
    assert ("examplebucket", "dest.aac") == (parsed.target_bucket, parsed.target_key)


@pytest.mark.parametrize("name", ["a.mp3", "ü/中.mp3", "??>>~~.mp3", " a\n", "a,b|c/d_e{f}"])
@pytest.mark.parametrize("pad", [True, False])
@pytest.mark.parametrize("encode", [base64.urlsafe_b64encode, base64.b64encode])
def test_every_base64_of_the_sdk_samples_is_decoded(name: str, pad: bool, encode: Callable[[bytes], bytes]) -> None:
    """Samples differ in alphabet and padding; a "/" of the standard alphabet does not separate operations."""
    text = encode(name.encode()).decode()
    process = concat(clips=f"/pre,o_{text if pad else text.rstrip('=')},ss_5")

    assert (ProcessClip(name, 5),) == parse_process(process).before


@given(st.text(min_size=1), st.integers(0, 10**9), st.integers(0, 10**9))
def test_every_name_and_trim_is_parsed(name: str, start: int, duration: int) -> None:
    """The parsed values equal the formatted ones, for any key."""
    clip = f"o_{b64(name)},ss_{start},t_{duration}" if name.isprintable() else f"t_{duration},o_{b64(name)},ss_{start}"
    parsed = parse_process(concat(clips=f"/sur,{clip}", tail=f"|sys/saveas,o_{b64(name)}"))

    assert (ProcessClip(name, start, duration),) == parsed.after
    assert name == parsed.target_key


def test_notify_may_be_a_separate_operation() -> None:
    """The second official form, `|sys/notify`, has the same meaning."""
    parsed = parse_process(concat(tail="|sys/saveas,o_b3V0Lm1wMw|sys/notify,topic_dA"))

    assert "t" == parsed.topic


def test_convert_parses_every_transcoding_parameter() -> None:
    """The action `audio/convert` trims and encodes one object."""
    parsed = parse_process("audio/convert,f_flac,ss_10,t_20,ar_96000,ac_8,adepth_24|sys/saveas,o_eA")

    assert ("convert", 10, 20) == (parsed.action, parsed.start_ms, parsed.duration_ms)
    assert Encoding("flac", 96000, 8, bits=24) == parsed.encoding


def test_quality_and_bit_rate_option_are_parsed() -> None:
    """The quality 0 is legal; abopt requires ab."""
    assert 0 == parse_process(concat("f_mp3,aq_0")).encoding.quality
    assert 2 == parse_process(concat("f_mp3,ab_64000,abopt_2")).encoding.bitrate_option


@pytest.mark.parametrize(
    ("process", "part"),
    [
        ("audio/concat,f_mp3", "InvalidArgument, [target]:is required."),
        ("audio/concat,f_mp3|sys/saveas,b_YQ", "[target]:is required."),
        ("audio/concat,ar_44100|sys/saveas,o_eA", "[f]:is required."),
        ("image/resize,w_10|sys/saveas,o_eA", "ResourceNotFound, The specified resource Route is not found."),
        ("audio/mix,f_mp3|sys/saveas,o_eA", "ResourceNotFound, The specified resource Route is not found."),
        ("", "Route is not found"),
        (concat("f_wav"), "'wav' is not one of mp3, aac, flac, oga, ac3, opus, amr"),
        (concat("f_mp3,ar_64000"), "use one of 8000, 11025"),
        (concat("f_opus,ar_44100"), "[ar]:44100 Hz is not a sampling rate of opus"),
        (concat("f_ac3,ar_24000"), "[ar]:24000 Hz is not a sampling rate of ac3"),
        (concat("f_amr,ar_44100"), "[ar]:44100 Hz is not a sampling rate of amr"),
        (concat("f_aac,ar_44101"), "[ar]:'44101' is not one of 8000"),
        (concat("f_mp3,ac_3"), "mp3 has at most 2 channel(s), not 3"),
        (concat("f_ac3,ac_7"), "ac3 has at most 6 channel(s), not 7"),
        (concat("f_amr,ac_2"), "amr has at most 1 channel(s), not 2"),
        (concat("f_aac,ac_9"), "[ac]:'9' is not an integer from 1 to 8"),
        (concat("f_aac,ac_0"), "[ac]:'0' is not an integer from 1 to 8"),
        (concat("f_mp3,ab_999"), "from 1000 to 10000000"),
        (concat("f_mp3,ab_96k"), "from 1000 to 10000000"),
        (concat("f_mp3,aq_101"), "from 0 to 100"),
        (concat("f_mp3,ab_96000,aq_50"), "[ab]:cannot be given together with aq"),
        (concat("f_mp3,abopt_1"), "[abopt]:cannot be given without ab"),
        (concat("f_mp3,ab_96000,abopt_3"), "[abopt]:'3' is not one of 0, 1, 2"),
        (concat("f_mp3,adepth_24"), "[adepth]:applies to flac only"),
        (concat("f_flac,adepth_20"), "[adepth]:'20' is not one of 16, 24"),
        (concat("f_mp3,align_1"), "[align]:'1' is not an integer from 0 to 0"),
        (concat("f_mp3,f_aac"), "[f]:is given twice"),
        (concat("f_mp3,speed_2"), "[speed]:is not a parameter of audio/concat"),
        (concat("f_mp3,ss_-1"), "[ss]:'-1' is not an integer"),
        (concat("f_mp3,ss_٣"), "is not an integer"),
        (concat(clips="/pre,ss_1"), "[o]:is required."),
        (concat(clips="/sur"), "[o]:is required."),
        (concat(clips="/pre,o_YQ,t_x"), "[t]:'x' is not an integer"),
        (concat(clips="/pre,o_\ufffd"), "is not URL-safe Base64"),  # the hunt's: not even ASCII
        (concat(clips="/pre,o_!!"), "is not URL-safe Base64"),
        (concat(clips="/pre,o__w"), "is not URL-safe Base64 of a UTF-8 name"),
        (concat(clips="/sur,o_YQ" * 11), "12 audio objects, counting the posted one"),
        (concat(tail="|sys/saveas,o_eA/notify"), "[topic]:is required."),
        (concat(tail="|sys/saveas,o_eA|sys/saveas,o_eA"), "saveas is given twice"),
        (concat(tail="|sys/saveas,o_eA|image/info"), "after | comes sys/saveas or sys/notify"),
        (concat(tail="|sys/saveas,o_eA|sys/mail"), "sys/mail is not known"),
        ("audio/convert,f_mp3/sur,o_YQ|sys/saveas,o_eA", "use audio/concat"),
    ],
)
def test_an_error_has_its_place_and_remedy(process: str, part: str) -> None:
    """Every limit of the vendor's page has its error."""
    assert part in error_of(process)


@pytest.mark.parametrize("form", FORMATS.values(), ids=list(FORMATS))
def test_every_legal_rate_of_every_format_is_accepted(form: OutputFormat) -> None:
    """No pair in the table of the vendor's page is rejected."""
    for rate in form.rates:
        parsed = parse_process(concat(f"f_{form.name},ar_{rate},ac_{form.max_channels}"))

        assert (rate, form.max_channels) == (parsed.encoding.sample_rate, parsed.encoding.channels)


def test_ten_clips_besides_the_posted_object_are_accepted() -> None:
    """The limit is eleven objects in total, in any distribution between pre and sur."""
    parsed = parse_process(concat(clips="/pre,o_YQ" * 7 + "/sur,o_Yg" * 3))

    assert (7, 3) == (len(parsed.before), len(parsed.after))


def test_an_empty_name_is_missing() -> None:
    """A parameter without value has no name."""
    with pytest.raises(ImmError, match="is required"):
        decode_name("==", "o")


NAMES = variables(
    "bkt",
    "path1/path2/name.flac",
    "mp3",
    uploaded=datetime(2022, 4, 22, 14, 38, 25, tzinfo=timezone.utc),
    created=datetime(2026, 11, 23, 1, 2, 3, tzinfo=timezone.utc),
)


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("{dirname}/{barename}.{autoext}", "path1/path2/name.mp3"),
        ("{key}", "path1/path2/name.flac"),
        ("{basename}|{ext}|{bucket}|{index}", "name.flac|flac|bkt|1"),
        ("{year}{mon}{day}T{hour}{min}{sec}", "20220422T143825"),
        ("{t_year}-{t_mon}-{t_day} {t_hour}:{t_min}:{t_sec}", "2026-11-23 01:02:03"),
        ("{{key}} {{{key}}}", "{key} {path1/path2/name.flac}"),
        ("plain.mp3\n", "plain.mp3\n"),
    ],
)
def test_target_variables_are_expanded(template: str, name: str) -> None:
    """The variables are those of the vendor's table; doubled braces are literal."""
    assert name == expand(template, NAMES)


@pytest.mark.parametrize("template", ["{unknown}", "{tags.x}", "a{b", "a}b", "{}"])
def test_an_unknown_variable_or_a_single_brace_is_rejected(template: str) -> None:
    """A literal brace must be doubled; otherwise a typing error would write to another key."""
    with pytest.raises(ImmError, match="double the braces"):
        expand(template, NAMES)


def test_a_target_without_extension_gets_that_of_the_format() -> None:
    """IMM appends the format's extension to a name that has none."""
    assert "a/out.mp3" == with_extension("a/out", "mp3")
    assert "a.b/out.mp3" == with_extension("a.b/out", "mp3")
    assert "out.bin" == with_extension("out.bin", "mp3")
