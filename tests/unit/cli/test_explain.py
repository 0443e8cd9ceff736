"""`clipstitch explain`: process strings in words, and warnings."""

import json
import subprocess
import sys
from datetime import datetime, timezone
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipstitch.planning.process_string import Process, Saveas, Segment, Transcode, encode_name, format_process
from clipstitch_cli import exit_codes
from clipstitch_cli.display.lint_process import lint_warnings
from clipstitch_cli.main import main
from localyun.imm.errors import ImmError
from localyun.imm.process_string import parse_process as parse_in_local_cloud
from localyun.imm.resolve import resolve_process
from localyun.oss.values import StoredObject

# The REST example of the OSS user guide, "What is audio merging", page dated 2026-03-20.
REFERENCE = (
    "audio/concat,f_aac,ac_1,ar_44100,ab_96000,align_2/pre,o_cHJlMS5tcDMK/pre,o_cHJlMi53YXYK,t_2000"
    "/sur,o_c3VyMS5hYWMK,ss_4000,t_10000/sur,o_c3VyMi53bWEK,ss_10000"
    "|sys/saveas,b_b3V0YnVja2V0,o_b3V0b2JqLnthdXRvZXh0fQo/notify,topic_QXVkaW9Db252ZXJ0"
)
FINE = Process(
    Transcode("mp3", ar=44100, ac=2, ab=128_000),
    pre=(Segment("a.mp3"),),
    saveas=Saveas("out.mp3", "acme"),
    topic="done",
)


def explained(*argv: str) -> tuple[int, str, str]:
    """Run the command; return exit code, stdout and stderr."""
    out, err = StringIO(), StringIO()
    return main(["explain", *argv], {"COLUMNS": "200"}, out, err), out.getvalue(), err.getvalue()


def test_the_example_of_the_reference_is_described_in_output_order() -> None:
    """Pre clips come first, in their order, then the posted object, then the sur clips."""
    code, out, err = explained("--main", "example.oga", REFERENCE)

    assert (exit_codes.OK, "") == (code, err)
    names = ["pre1.mp3\\n", "pre2.wav\\n", "example.oga", "sur1.aac\\n", "sur2.wma\\n"]
    assert sorted(names, key=out.index) == names
    for words in ("the first 2 s", "from 4 s for 10 s", "from 10 s to the end", "AAC, 44,100 Hz, mono, 96,000 bit/s"):
        assert words in out
    assert "oss://outbucket/outobj.{autoext}\\n" in out
    assert "topic AudioConvert" in out


def test_without_main_the_posted_object_has_no_key() -> None:
    """A process string does not contain the object it is posted to."""
    _, out, _ = explained(format_process(FINE))

    assert "the posted object" in out


def test_json_has_numbers_and_descriptions() -> None:
    """The figures, and the same texts as the text output."""
    code, out, _ = explained("--json", REFERENCE)

    parsed = json.loads(out)
    assert exit_codes.OK == code
    assert ["pre1.mp3\n", "pre2.wav\n", None, "sur1.aac\n", "sur2.wma\n"] == [clip["key"] for clip in parsed["clips"]]
    assert {"start_ms": 4000, "duration_ms": 10000}.items() <= parsed["clips"][3].items()
    assert ("aac", 44100, 2) == (parsed["output"]["f"], parsed["output"]["ar"], parsed["align"])
    assert 5 == sum("newline" in warning for warning in parsed["warnings"])


def test_an_invalid_process_string_is_rejected() -> None:
    """The exit code is that of invalid input; stdout stays empty."""
    code, out, err = explained("video/concat,f_mp4")

    assert (exit_codes.REJECTED, "") == (code, out)
    assert "BAD_PROCESS" in err
    assert "remedy:" in err


@pytest.mark.parametrize(
    ("text", "words"),
    [("", "is empty"), ("audio/concat", "known actions are audio/concat and audio/convert, each with a comma")],
)
def test_an_action_without_parameters_is_not_called_unknown(text: str, words: str) -> None:
    """The message says that the parameters, or everything, is missing."""
    code, _, err = explained(text)

    assert exit_codes.REJECTED == code
    assert words in " ".join(err.split())


def test_an_invalid_process_string_is_reported_as_json() -> None:
    """With --json the error is one JSON document on stderr."""
    _, out, err = explained("--json", "audio/concat,f_mp3,zz_1")

    error = json.loads(err)["error"]
    assert "" == out
    assert "BAD_PROCESS" == error["code"]
    assert "zz_1" in error["message"]


def test_a_name_that_looks_like_markup_is_not_changed() -> None:
    """Keys are shown as they are."""
    _, out, _ = explained(format_process(FINE._replace(pre=(Segment("[bold]:smile:.mp3"),))))

    assert "[bold]:smile:.mp3" in out


def test_a_valid_process_string_has_no_warnings() -> None:
    """Warnings are for likely errors only."""
    assert [] == lint_warnings(FINE)


@pytest.mark.parametrize(
    ("process", "word"),
    [
        (FINE._replace(pre=(Segment("a.mp3\n"),)), "newline"),
        (FINE._replace(topic="done\n"), "newline"),
        (FINE._replace(saveas=Saveas("out.mp3", "acme\n")), "newline"),
        (FINE._replace(transcode=Transcode("mp3", ss=1000, ar=44100, ac=2)), "two ways"),
        (FINE._replace(transcode=Transcode("mp3", t=1000, ar=44100, ac=2)), "two ways"),
        (FINE._replace(transcode=Transcode("mp3", ac=2)), "without ar"),
        (FINE._replace(transcode=Transcode("mp3", ar=44100)), "without ac"),
        (FINE._replace(sur=(Segment("b.mp3"),) * 10), "at most 11"),
        (FINE._replace(transcode=Transcode("mp3", ar=44100, ac=2, align=2)), "align 2"),
        (FINE._replace(transcode=Transcode("mp4", ar=44100, ac=2)), "format mp4"),
        (FINE._replace(transcode=Transcode("opus", ar=44100, ac=2)), "nearest is 48000"),
        (FINE._replace(transcode=Transcode("mp3", ar=44100, ac=3)), "3 channels"),
        (FINE._replace(transcode=Transcode("mp3", ar=44100, ac=2, ab=10)), "ab 10"),
        (FINE._replace(transcode=Transcode("mp3", ar=44100, ac=2, aq=101)), "aq 101"),
        (FINE._replace(transcode=Transcode("mp3", ar=44100, ac=2, ab=96000, aq=50)), "exclude each other"),
        (FINE._replace(transcode=Transcode("mp3", ar=44100, ac=2, abopt=1)), "needs ab"),
        (FINE._replace(transcode=Transcode("mp3", ar=44100, ac=2, ab=96000, abopt=3)), "abopt 3"),
        (FINE._replace(transcode=Transcode("mp3", ar=44100, ac=2, adepth=24)), "adepth 24"),
        (FINE._replace(saveas=None), "not saved"),
        (FINE._replace(topic=None), "no topic is notified"),
        (FINE._replace(pre=(Segment("a.mp3"), Segment("b.mp3"))), "2 /pre: the vendor's page"),
        (FINE._replace(pre=(Segment("a.mp3", ss=2**31),)), "ss 2147483648: 0 to 2,147,483,647 ms"),
        (FINE._replace(transcode=Transcode("mp3", ar=44100, ac=0)), "0 channels"),
        (FINE._replace(saveas=Saveas("{nope}.mp3")), "{nope} is not a variable"),
        (FINE._replace(saveas=Saveas("out.mp3", "{Bucket}")), "{Bucket} is not a variable"),
        (FINE._replace(saveas=Saveas("a{b.mp3")), "{ is not a variable"),
        (FINE._replace(saveas=Saveas("/o.mp3")), "/o.mp3 begins with /"),
        (FINE._replace(saveas=Saveas("x" * 1024)), "has 1024 bytes"),
    ],
)
def test_a_likely_error_gives_one_warning(process: Process, word: str) -> None:
    """The warning names it."""
    found = lint_warnings(process)

    assert 1 == len(found)
    assert word in found[0]


@pytest.mark.parametrize("template", ["{dirname}/{barename}.{autoext}", "{{x}}.mp3", "{tags.show}.mp3", "{t_year}.mp3"])
def test_variables_and_doubled_braces_are_fine(template: str) -> None:
    """Those of the vendor's page."""
    assert [] == lint_warnings(FINE._replace(saveas=Saveas(template)))


@pytest.mark.parametrize(
    ("process", "code"),
    [
        (FINE, exit_codes.OK),
        (FINE._replace(pre=(Segment("a.mp3"), Segment("b.mp3\n"))), exit_codes.OK),
        (FINE._replace(transcode=Transcode("mp3", ss=1), topic=None), exit_codes.OK),
        (FINE._replace(saveas=Saveas("{nope}.mp3")), exit_codes.REJECTED),
        (FINE._replace(saveas=Saveas("/o.mp3")), exit_codes.REJECTED),
        (FINE._replace(transcode=Transcode("mp3", ar=44100, ac=2, ab=999)), exit_codes.REJECTED),
        (FINE._replace(saveas=None), exit_codes.REJECTED),
    ],
)
def test_what_the_cloud_refuses_is_rejected(process: Process, code: int) -> None:
    """Likely errors are warnings; either is described in words."""
    text, as_json = explained(format_process(process)), explained("--json", format_process(process))

    assert (code, code) == (text[0], as_json[0])
    assert (code == exit_codes.REJECTED) is json.loads(as_json[1])["refused"]
    assert (code == exit_codes.REJECTED) is ("error: " in text[1])
    assert "end to end, in this order" in text[1]


WORDS = st.sampled_from(
    "ar_44100 ar_7 ac_2 ac_9 ac_0 ab_96000 ab_1 aq_50 aq_101 abopt_1 abopt_3 adepth_24 adepth_8 align_1 align_9 "
    f"ss_0 ss_{2**31} t_5 f ar_ fade_1 ac_٣ ac_-1 ".split(" ")
)
CLIPS = st.sampled_from(["/pre,o_YQ", "/sur,o_YQ,ss_5", "/sur,t_5", "/pre,o_", "/sur,o_YQ,", f"/pre,o_YQ,t_{2**31}"])
KEYS = st.sampled_from(["o.mp3", "/o.mp3", "\\o.mp3", "{nope}", "{key}", "{", "{{x}}", "{tags.a}", "x" * 1024, ""])
TAILS = st.sampled_from(["", "/notify,topic_dA", "/notify", "/notify,topic_", "|sys/notify,topic_dA", "|sys/mail", ","])


@given(
    st.sampled_from(["audio/concat", "audio/convert", "video/concat"]),
    st.sampled_from(["mp3", "opus", "amr", "flac", "wav", ""]),
    st.lists(WORDS, max_size=3),
    st.lists(CLIPS, max_size=3) | st.just(["/sur,o_YQ"] * 11),
    st.none() | KEYS,
    TAILS,
)
@settings(database=None, deadline=None, max_examples=400)
def test_what_the_local_cloud_refuses_is_rejected(
    action: str, form: str, words: list[str], clips: list[str], key: str | None, tail: str
) -> None:
    """The two grammars share no code; a topic, or a source, that does not exist is no error of the string."""
    saveas = "" if key is None else f"|sys/saveas,o_{encode_name(key)}"
    text = f"{','.join([action, f'f_{form}', *words])}{''.join(clips)}{saveas}{tail if saveas else ''}"

    assert _refused_by_the_local_cloud(text) == (exit_codes.REJECTED == explained(text)[0])


def _refused_by_the_local_cloud(text: str) -> bool:
    now = datetime(2026, 1, 2, tzinfo=timezone.utc)
    posted = StoredObject("acme", "x.mp3", "", 1, now, "", {"x-oss-tagging": "a=1"}, 0, "Normal", Path())
    try:
        resolve_process(parse_in_local_cloud(text), posted, created=now, has_bucket=lambda _: True)
    except ImmError:
        return True
    return False


def test_explain_imports_neither_sdk_nor_local_cloud() -> None:
    """So that the command starts fast."""
    script = (
        "import sys; from clipstitch_cli.main import main; "
        f"code = main(['explain', {format_process(FINE)!r}], {{}}, sys.stdout, sys.stderr); "
        "heavy = {'oss2', 'mns', 'localyun', 'requests', 'yaml', 'imageio_ffmpeg'} & set(sys.modules); "
        "sys.exit(str(heavy) if heavy else code)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    assert (0, "") == (done.returncode, done.stderr)
