"""Process strings: the examples of the user guide, and the round trip of any other."""

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipstitch.common.errors import InvalidProcessString
from clipstitch.common.identifiers import ObjectRef
from clipstitch.planning.process_string import (
    CONCAT,
    CONVERT,
    Process,
    Saveas,
    Segment,
    Transcode,
    decode_name,
    encode_name,
    format_process,
    parse_process,
)

QUIET = settings(database=None, deadline=None, max_examples=200)

# OSS user guide, "What is audio merging", page dated 2026-03-20: Python quick start, as its f-strings come out.
PYTHON_EXAMPLE = (
    "audio/concat,f_aac,ac_1,ar_44100,ab_96000,align_2/pre,o_c3JjMS5tcDM/pre,o_c3JjMi5tcDM,t_0"
    "|sys/saveas,b_ZXhhbXBsZWJ1Y2tldA,o_ZGVzdC5hYWM/notify,topic_QXVkaW9Db252ZXJ0"
)
PYTHON_PROCESS = Process(
    transcode=Transcode("aac", ac=1, ar=44100, ab=96000, align=2),
    pre=(Segment("src1.mp3"), Segment("src2.mp3", t=0)),
    saveas=Saveas("dest.aac", "examplebucket"),
    topic="AudioConvert",
)
# The same page, REST example, word for word: its Base64 holds line ends.
REST_EXAMPLE = (
    "audio/concat,f_aac,ac_1,ar_44100,ab_96000,align_2/pre,o_cHJlMS5tcDMK/pre,o_cHJlMi53YXYK,t_2000"
    "/sur,o_c3VyMS5hYWMK,ss_4000,t_10000/sur,o_c3VyMi53bWEK,ss_10000"
    "|sys/saveas,b_b3V0YnVja2V0,o_b3V0b2JqLnthdXRvZXh0fQo/notify,topic_QXVkaW9Db252ZXJ0"
)
REST_PROCESS = Process(
    transcode=Transcode("aac", ac=1, ar=44100, ab=96000, align=2),
    pre=(Segment("pre1.mp3\n"), Segment("pre2.wav\n", t=2000)),
    sur=(Segment("sur1.aac\n", 4000, 10000), Segment("sur2.wma\n", 10000)),
    saveas=Saveas("outobj.{autoext}\n", "outbucket"),
    topic="AudioConvert",
)
GOLDEN = [
    pytest.param(PYTHON_EXAMPLE, PYTHON_PROCESS, id="python"),
    pytest.param(REST_EXAMPLE, REST_PROCESS, id="rest"),
]

KEYS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
NUMBERS = st.none() | st.integers(0, 10**18 - 1)
FORMAT_NAMES = st.sampled_from(["mp3", "aac", "flac", "oga", "ac3", "opus", "amr"])
TRANSCODES = st.builds(Transcode, FORMAT_NAMES, *[NUMBERS] * 9)
SEGMENTS = st.lists(st.builds(Segment, KEYS, NUMBERS, NUMBERS), max_size=10).map(tuple)
SAVEAS = st.none() | st.builds(Saveas, KEYS, st.none() | KEYS)
PROCESSES = st.builds(
    Process, TRANSCODES, SEGMENTS, SEGMENTS, SAVEAS, st.none() | KEYS, st.sampled_from([CONCAT, CONVERT])
)


@pytest.mark.parametrize(("text", "process"), GOLDEN)
def test_the_printed_examples_are_parsed(text: str, process: Process) -> None:
    """Names are exact: the stray line ends of the REST example are part of them."""
    assert process == parse_process(text)


@pytest.mark.parametrize(("text", "process"), GOLDEN)
def test_the_printed_examples_are_formatted_as_printed(text: str, process: Process) -> None:
    """Including the order of the parameters."""
    assert text == format_process(process)
    assert text == format_process(parse_process(text))


def test_the_body_of_a_request_is_parsed() -> None:
    """People paste it from a log."""
    assert REST_PROCESS == parse_process(f"x-oss-async-process={REST_EXAMPLE}")


@given(PROCESSES)
@QUIET
def test_formatting_and_parsing_are_inverse(process: Process) -> None:
    """Any keys, all parameters, any number of clips."""
    assert process == parse_process(format_process(process))


@given(PROCESSES)
@QUIET
def test_a_process_string_is_ascii_without_spaces(process: Process) -> None:
    """With any keys: it needs no quoting in a header or a body."""
    text = format_process(process)

    assert text.isascii()
    assert text.isprintable()
    assert " " not in text


def test_every_parameter_has_its_place() -> None:
    """Written by hand, so that formatting and parsing cannot have the same error."""
    transcode = Transcode("flac", ss=1, t=2, ac=3, ar=4, ab=5, aq=6, abopt=7, align=8, adepth=9)

    assert "audio/concat,f_flac,ss_1,t_2,ac_3,ar_4,ab_5,aq_6,abopt_7,align_8,adepth_9" == format_process(
        Process(transcode)
    )


def test_clips_are_formatted_in_order() -> None:
    """First /pre, then /sur, each with its trim."""
    process = Process(Transcode("mp3"), (Segment("a"), Segment("b", ss=1)), (Segment("c", t=2), Segment("d", 3, 4)))

    assert "audio/concat,f_mp3/pre,o_YQ/pre,o_Yg,ss_1/sur,o_Yw,t_2/sur,o_ZA,ss_3,t_4" == format_process(process)


def test_pre_and_sur_may_be_mixed_when_parsed() -> None:
    """Only the order among the /pre and among the /sur matters."""
    process = parse_process("audio/concat,f_mp3/sur,o_Yw/pre,o_YQ/sur,o_ZA/pre,o_Yg")

    assert ("a", "b", "c", "d") == tuple(segment.key for segment in (*process.pre, *process.sur))


def test_notify_without_saveas_follows_sys() -> None:
    """The second documented form: a notification without another output object."""
    process = Process(Transcode("mp3"), topic="jobs")

    assert "audio/concat,f_mp3|sys/notify,topic_am9icw" == format_process(process)
    assert process == parse_process("audio/concat,f_mp3|sys/notify,topic_am9icw")


def test_saveas_without_a_bucket_has_none() -> None:
    """`b` is optional."""
    assert Saveas("a.mp3") == parse_process("audio/convert,f_mp3|sys/saveas,o_YS5tcDM").saveas


@pytest.mark.parametrize("name", ["a", "ab", "abc", "a?>", "中文 🎧.mp3", "??>>~~", "\n"])
def test_names_are_decoded_with_and_without_padding_in_either_alphabet(name: str) -> None:
    """The vendor's samples differ; one uses the standard alphabet."""
    raw = name.encode()
    safe, plain = base64.urlsafe_b64encode(raw).decode(), base64.b64encode(raw).decode()

    assert {name} == {decode_name(text) for text in (safe, plain, safe.rstrip("="), plain.rstrip("="))}


@pytest.mark.parametrize("name", ["??>>", "sur?", "中文?>/中文", "/pre,/sur,", "|sys/saveas"])
def test_a_slash_of_the_standard_alphabet_starts_no_clip(name: str) -> None:
    """Only /pre, and /sur, do."""
    plain = base64.b64encode(name.encode()).decode()

    assert (Segment(name, 5), Segment(name)) == parse_process(
        f"audio/concat,f_mp3/pre,o_{plain},ss_5/pre,o_{plain}"
    ).pre


def test_names_are_encoded_url_safe_without_padding() -> None:
    """There is one encoding of a name."""
    assert "Pz8-Pg" == encode_name("??>>")


@given(KEYS, KEYS)
@QUIET
def test_a_literal_template_has_exactly_its_key(bucket: str, key: str) -> None:
    """With any braces: OSS replaces none of them."""
    aimed = Saveas.literal(ObjectRef(bucket, key))

    assert (bucket, key) == (aimed.bucket, aimed.key)


@given(st.text("{}a", max_size=8))
@settings(QUIET, max_examples=500)
def test_braces_of_a_literal_key_are_doubled(key: str) -> None:
    """In any number and order."""
    aimed = Saveas.literal(ObjectRef("b", key))

    assert key == aimed.key
    assert 2 * (key.count("{") + key.count("}")) == aimed.template.count("{") + aimed.template.count("}")


@pytest.mark.parametrize("template", ["{autoext}", "a.{autoext}", "{{{key}}}", "a}", "{", "}}}", "{a}}"])
def test_a_template_with_variables_has_no_key(template: str) -> None:
    """The key depends on the task."""
    assert Saveas(template).key is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "audio/concat",
        "audio/concat,",
        "audio/concat,ac_1",
        "audio/concats,f_mp3",
        "video/concat,f_mp4",
        "audio/info",
        "audio/concat,f_mp3,f_aac",
        "audio/concat,f_mp3,zz_1",
        "audio/concat,f_mp3,ar",
        "audio/concat,f_mp3,ar_",
        "audio/concat,f_mp3,ar_-1",
        "audio/concat,f_mp3,ar_4.5",
        "audio/concat,f_mp3,ar_44100Hz",
        "audio/concat,f_mp3,ar_٤",
        "audio/concat,f_mp3,ar_" + "9" * 19,
        "audio/concat,f_mp3/pre,",
        "audio/concat,f_mp3/pre,ss_1",
        "audio/concat,f_mp3/pre,o_YQ,o_Yg",
        "audio/concat,f_mp3/pre,o_YQ,x_1",
        "audio/concat,f_mp3/pre,o_Y",
        "audio/concat,f_mp3/pre,o_Y*Q",
        "audio/concat,f_mp3/pre,o_é",
        "audio/concat,f_mp3/pre,o__w",
        "audio/concat,f_mp3/mid,o_YQ",
        "audio/concat,f_mp3|",
        "audio/concat,f_mp3|sys/",
        "audio/concat,f_mp3|sys/saveas",
        "audio/concat,f_mp3|sys/saveas,b_YQ",
        "audio/concat,f_mp3|sys/saveas,o_YQ,o_YQ",
        "audio/concat,f_mp3|sys/notify",
        "audio/concat,f_mp3|sys/notify,subject_YQ",
        "audio/concat,f_mp3|sys/saveas,o_YQ/notify,topic_é",
        "audio/concat,f_mp3|sys/saveas,o_YQ|sys/saveas,o_Yg",
        "audio/concat,f_mp3|sys/notify,topic_YQ/notify,topic_Yg",
        "audio/concat,f_mp3|image/resize,w_1",
    ],
)
def test_an_invalid_string_is_an_error_with_a_reason(text: str) -> None:
    """No other error is raised."""
    with pytest.raises(InvalidProcessString, match=r".{10}"):
        parse_process(text)


PIECES = st.sampled_from(
    [
        "audio/concat",
        "audio/convert",
        ",",
        "/",
        "|",
        "_",
        "f_mp3",
        "pre",
        "sur",
        "/pre,",
        "/sur,",
        "o_YQ",
        "o_",
        "ss_1",
        "t_0",
        "sys/",
        "sys/saveas,",
        "notify,",
        "topic_YQ",
        "b_YQ",
        "=",
        "é",
        "�",
        "\n",
        "²",
        "x-oss-async-process=",
    ]
)


@given(st.lists(PIECES, max_size=12).map("".join) | st.text() | st.text().map("audio/concat,f_mp3".__add__))
@settings(QUIET, max_examples=500)
def test_any_string_is_parsed_or_an_error(text: str) -> None:
    """The error is InvalidProcessString; a parsed process can be formatted again."""
    try:
        process = parse_process(text)
    except InvalidProcessString:
        return

    assert process == parse_process(format_process(process))
