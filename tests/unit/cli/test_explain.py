"""`clipstitch explain`: process strings in words, and warnings."""

import json
import subprocess
import sys
from io import StringIO

import pytest

from clipstitch.planning.process_string import Process, Saveas, Segment, Transcode, format_process
from clipstitch_cli import exit_codes
from clipstitch_cli.display.lint_process import lint_warnings
from clipstitch_cli.main import main

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
    ],
)
def test_a_likely_error_gives_one_warning(process: Process, word: str) -> None:
    """The warning names it."""
    found = lint_warnings(process)

    assert 1 == len(found)
    assert word in found[0]


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
