"""The printed examples of the vendor's page, run against `clipstitch up` with the SDKs that they use."""

import ast
import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import oss2
import pytest
from alibabacloud_oss_v2.signer import SignerV4
from alibabacloud_oss_v2.types import Credentials, HttpRequest, SigningContext

from tests.flow.reference import (
    PrintedRequest,
    encoded_names,
    example,
    parse_request,
    replace_literals,
    strip_newlines,
)
from tests.flow.reference_cloud import ReferenceCloud, clipstitch_up
from tests.flow.reference_notes import Notes, detect_notes, read_adts_header, write_notes
from tests.flow.reference_toolchains import Run, run_go, run_java, run_python

pytestmark = pytest.mark.reference
RUNS = {"python": run_python, "java": run_java, "go": run_go}
SRC1, SRC2 = (400, 1.0), (800, 1.5)
# The trims of the page's table remove some tones of the five clips: those that are not in MERGED.
FIVE_CLIPS: dict[str, Notes] = {
    "pre1.mp3": [(300, 1.0)],
    "pre2.wav": [(500, 2.0), (600, 1.0)],
    "example.oga": [(700, 1.5)],
    "sur1.aac": [(900, 4.0), (1100, 10.0), (1300, 1.0)],
    "sur2.wma": [(1500, 10.0), (1700, 2.0)],
}
MERGED: Notes = [(300, 1.0), (500, 2.0), (700, 1.5), (1100, 10.0), (1700, 2.0)]
SHAPES = {"pre1.mp3": (48000, 2), "pre2.wav": (16000, 1), "example.oga": (44100, 2)}


@pytest.fixture(scope="module")
def cloud() -> Iterator[ReferenceCloud]:
    """Run one `clipstitch up` for all examples, with the prerequisites of the page."""
    with clipstitch_up() as variables:
        cloud = ReferenceCloud(variables)
        cloud.prepare()
        yield cloud


def assert_output(notes: Notes, bucket: oss2.Bucket, key: str, folder: Path) -> None:
    """Assert that an output is mono AAC of 44.1 kHz and 96 kbit/s with these tones in order."""
    output = folder / "output.aac"
    bucket.get_object_to_file(key, str(output))
    detected = detect_notes(output, 44100)

    assert (44100, 1) == read_adts_header(output)
    assert 96_000 == pytest.approx(output.stat().st_size * 8 / sum(seconds for _, seconds in detected), rel=0.1)
    assert [hertz for hertz, _ in notes] == [hertz for hertz, _ in detected]
    assert [seconds for _, seconds in notes] == pytest.approx([seconds for _, seconds in detected], abs=0.11)


def assert_succeeded(cloud: ReferenceCloud, task_id: str, sources: list[str], target: str) -> None:
    """Assert that the completion notification of a task reports success with these sources and this target."""
    envelope = cloud.notification(task_id)
    content = json.loads(envelope["content"])

    assert {"id", "source", "type", "subject", "time", "content"} == envelope.keys()
    assert ("acs.imm", "imm:Task:MediaConvert") == (envelope["source"], envelope["type"])
    assert envelope["time"].isdigit()
    assert (task_id, "Succeeded", "", "") == tuple(content[name] for name in ("TaskId", "Status", "Code", "Message"))
    assert sources == [source["URI"] for source in content["Sources"]]
    assert [target] == [entry["URI"] for entry in content["Targets"]]


@pytest.mark.parametrize("language", RUNS)
def test_printed_program_merges_three_clips_with_the_posted_one_last(
    cloud: ReferenceCloud, tmp_path: Path, language: str
) -> None:
    """The two prepended clips come first; the program prints the ids of the task."""
    run: Run = RUNS[language]
    name = f"{language}-examples"
    replacements = {"https://oss-cn-hangzhou.aliyuncs.com": cloud.oss, "cn-hangzhou": cloud.region}
    code = replace_literals(example(language), {**replacements, "examplebucket": name})
    clips = [write_notes(tmp_path / "src1.mp3", [SRC1]), write_notes(tmp_path / "src2.mp3", [SRC2], 48000, 2)]
    bucket = cloud.create_attached_bucket(name, *clips)

    printed = run(code, tmp_path, cloud.variables)

    ids = dict(line.split(": ", 1) for line in printed.splitlines())
    assert ["EventId", "RequestId", "TaskId"] == list(ids), printed
    assert all(ids.values())
    sources = [f"oss://{name}/{key}" for key in ("src1.mp3", "src2.mp3", "src1.mp3")]
    assert_succeeded(cloud, ids["TaskId"], sources, f"oss://{name}/dest.aac")
    assert_output([SRC1, SRC2, SRC1], bucket, "dest.aac", tmp_path)


def test_printed_program_needs_nothing_but_its_clips(cloud: ReferenceCloud, tmp_path: Path) -> None:
    """With the bucket and the topic that the page names, unmodified except for endpoint and region."""
    bucket = cloud.bucket("examplebucket")
    for key, note in (("src1.mp3", SRC1), ("src2.mp3", SRC2)):
        bucket.put_object_from_file(key, str(write_notes(tmp_path / key, [note])))
    replacements = {"https://oss-cn-hangzhou.aliyuncs.com": cloud.oss, "cn-hangzhou": cloud.region}

    printed = run_python(replace_literals(example("python"), replacements), tmp_path, cloud.variables)

    sources = [f"oss://examplebucket/{key}" for key in ("src1.mp3", "src2.mp3", "src1.mp3")]
    assert_succeeded(cloud, printed.rpartition("TaskId: ")[2].strip(), sources, "oss://examplebucket/dest.aac")


def test_the_python_program_of_both_sections_is_the_same() -> None:
    """The quick start and the SDK examples differ only in a comment."""
    quick_start, sdk_example = example("python"), example("python repeated")

    assert ast.dump(ast.parse(quick_start)) == ast.dump(ast.parse(sdk_example))


def send(cloud: ReferenceCloud, request: PrintedRequest) -> tuple[int, bytes]:
    """Send a request with its printed Host header to the local cloud; return the status and the body."""
    connection = http.client.HTTPConnection(urlsplit(cloud.oss).netloc, timeout=30)
    connection.request(request.method, request.target, request.body, dict(request.headers))
    response = connection.getresponse()
    status, body = response.status, response.read()
    connection.close()
    return status, body


def sign(cloud: ReferenceCloud, request: PrintedRequest) -> PrintedRequest:
    """Return a printed request signed with the current date and the local key by the signer of oss-v2."""
    host = request.headers["Host"]
    unsigned = HttpRequest(request.method, f"http://{host}{request.target}", {"Host": host}, request.body)
    bucket, key = host.partition(".")[0], urlsplit(unsigned.url).path[1:]
    SignerV4().sign(SigningContext("oss", cloud.region, bucket, key, unsigned, Credentials(*cloud.key)))
    return PrintedRequest(request.method, request.target, dict(unsigned.headers), request.body)


def test_printed_request_merges_five_clips_of_five_formats(cloud: ReferenceCloud, tmp_path: Path) -> None:
    """Order and trims follow the page's table; {autoext} sets the format, and the output is in another bucket."""
    clips = [write_notes(tmp_path / key, notes, *SHAPES.get(key, ())) for key, notes in FIVE_CLIPS.items()]
    cloud.create_attached_bucket("video-demo", *clips)
    bucket = cloud.create_attached_bucket("outbucket")
    printed = parse_request(example("rest"))
    process = strip_newlines(printed.body)
    request = PrintedRequest(printed.method, printed.target, printed.headers, process)

    status, body = send(cloud, sign(cloud, request))

    assert 200 == status, body
    assert 5 == sum(name.endswith("\n") for name in encoded_names(printed.body))
    assert not any(name.endswith("\n") for name in encoded_names(process))
    sources = [f"oss://video-demo/{key}" for key in FIVE_CLIPS]
    assert_succeeded(cloud, json.loads(body)["TaskId"], sources, "oss://outbucket/outobj.aac")
    assert_output(MERGED, bucket, "outobj.aac", tmp_path)


def test_printed_request_with_its_newlines_fails_because_the_clips_do_not_exist(cloud: ReferenceCloud) -> None:
    """Newlines are part of a name: the task fails, and its notification has an error code."""
    bucket = cloud.create_attached_bucket("newlines")
    bucket.put_object("example.oga", b"")
    cloud.bucket("outbucket").create_bucket()
    printed = parse_request(example("rest").replace("video-demo", "newlines"))

    status, body = send(cloud, sign(cloud, printed))

    assert 200 == status, body
    content = json.loads(cloud.notification(json.loads(body)["TaskId"])["content"])
    assert "Failed" == content["Status"]
    assert content["Code"]


def test_printed_signature_is_rejected(cloud: ReferenceCloud) -> None:
    """The key on the page is masked and the date is past."""
    status, body = send(cloud, parse_request(example("rest")))

    assert 403 == status
    assert body.startswith(b"<?xml")
