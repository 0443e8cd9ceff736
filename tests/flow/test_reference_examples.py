"""The examples of the vendor's page run against `clipstitch up` as they are printed, each with its own SDK."""

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
    adapted,
    example,
    printed_request,
    process_names,
    without_newlines,
)
from tests.flow.reference_cloud import ReferenceCloud, clipstitch_up
from tests.flow.reference_notes import Notes, adts, heard, play
from tests.flow.reference_toolchains import Run, run_go, run_java, run_python

pytestmark = pytest.mark.reference
RUNS = {"python": run_python, "java": run_java, "go": run_go}
SRC1, SRC2 = (400, 1.0), (800, 1.5)
# Some notes of the five clips must not be heard: what the trims of the page's table leave out.
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
    """One `clipstitch up` for all examples, prepared as the page's prerequisites say."""
    with clipstitch_up() as variables:
        ready = ReferenceCloud(variables)
        ready.prepare()
        yield ready


def assert_plays(notes: Notes, bucket: oss2.Bucket, key: str, folder: Path) -> None:
    """Listen to an output: mono AAC of 44.1 kHz and 96 kbit/s that plays the notes, in order and for as long."""
    output = folder / "output.aac"
    bucket.get_object_to_file(key, str(output))
    played = heard(output, 44100)

    assert (44100, 1) == adts(output)
    assert 96_000 == pytest.approx(output.stat().st_size * 8 / sum(seconds for _, seconds in played), rel=0.1)
    assert [hertz for hertz, _ in notes] == [hertz for hertz, _ in played]
    assert [seconds for _, seconds in notes] == pytest.approx([seconds for _, seconds in played], abs=0.11)


def assert_told(cloud: ReferenceCloud, task_id: str, sources: list[str], target: str) -> None:
    """Read the completion message of a task that succeeded."""
    envelope = cloud.notice(task_id)
    content = json.loads(envelope["content"])

    assert {"id", "source", "type", "subject", "time", "content"} == envelope.keys()
    assert ("acs.imm", "imm:Task:MediaConvert") == (envelope["source"], envelope["type"])
    assert envelope["time"].isdigit()
    assert (task_id, "Succeeded", "", "") == tuple(content[name] for name in ("TaskId", "Status", "Code", "Message"))
    assert sources == [source["URI"] for source in content["Sources"]]
    assert [target] == [one["URI"] for one in content["Targets"]]


@pytest.mark.parametrize("language", RUNS)
def test_printed_program_merges_three_clips_with_the_posted_one_last(
    cloud: ReferenceCloud, tmp_path: Path, language: str
) -> None:
    """Two clips before the posted object, which is itself a clip; the SDK prints the ids of the task."""
    run: Run = RUNS[language]
    name = f"{language}-examples"
    names = {"https://oss-cn-hangzhou.aliyuncs.com": cloud.oss, "cn-hangzhou": cloud.region, "examplebucket": name}
    code = adapted(example(language), names)
    clips = [play(tmp_path / "src1.mp3", [SRC1]), play(tmp_path / "src2.mp3", [SRC2], 48000, 2)]
    bucket = cloud.attached_bucket(name, *clips)

    printed = run(code, tmp_path, cloud.variables)

    ids = dict(line.split(": ", 1) for line in printed.splitlines())
    assert ["EventId", "RequestId", "TaskId"] == list(ids), printed
    assert all(ids.values())
    sources = [f"oss://{name}/{key}" for key in ("src1.mp3", "src2.mp3", "src1.mp3")]
    assert_told(cloud, ids["TaskId"], sources, f"oss://{name}/dest.aac")
    assert_plays([SRC1, SRC2, SRC1], bucket, "dest.aac", tmp_path)


def test_python_program_is_printed_twice() -> None:
    """Quick start and SDK examples show one program; only a comment differs."""
    once, again = example("python"), example("python again")

    assert ast.dump(ast.parse(once)) == ast.dump(ast.parse(again))


def sent(cloud: ReferenceCloud, request: PrintedRequest) -> tuple[int, bytes]:
    """Send a request as it is printed, its Host header included, to where the local cloud listens."""
    connection = http.client.HTTPConnection(urlsplit(cloud.oss).netloc, timeout=30)
    connection.request(request.method, request.target, request.body, dict(request.headers))
    reply = connection.getresponse()
    status, body = reply.status, reply.read()
    connection.close()
    return status, body


def signed(cloud: ReferenceCloud, request: PrintedRequest) -> PrintedRequest:
    """Sign a printed request with today's date and the local key, by the signer of the vendor's newer SDK."""
    host = request.headers["Host"]
    plain = HttpRequest(request.method, f"http://{host}{request.target}", {"Host": host}, request.body)
    bucket, key = host.partition(".")[0], urlsplit(plain.url).path[1:]
    SignerV4().sign(SigningContext("oss", cloud.region, bucket, key, plain, Credentials(*cloud.key)))
    return PrintedRequest(request.method, request.target, dict(plain.headers), request.body)


def test_printed_request_merges_five_clips_of_five_formats(cloud: ReferenceCloud, tmp_path: Path) -> None:
    """Order and trims of the page's table; the format is chosen by {autoext}, the bucket of the output is another."""
    clips = [play(tmp_path / key, notes, *SHAPES.get(key, ())) for key, notes in FIVE_CLIPS.items()]
    cloud.attached_bucket("video-demo", *clips)
    bucket = cloud.attached_bucket("outbucket")
    printed = printed_request(example("rest"))
    meant = without_newlines(printed.body)
    request = PrintedRequest(printed.method, printed.target, printed.headers, meant)

    status, body = sent(cloud, signed(cloud, request))

    assert 200 == status, body
    assert 5 == sum(name.endswith("\n") for name in process_names(printed.body))
    assert not any(name.endswith("\n") for name in process_names(meant))
    sources = [f"oss://video-demo/{key}" for key in FIVE_CLIPS]
    assert_told(cloud, json.loads(body)["TaskId"], sources, "oss://outbucket/outobj.aac")
    assert_plays(MERGED, bucket, "outobj.aac", tmp_path)


def test_printed_request_with_its_newlines_names_clips_that_are_not_there(cloud: ReferenceCloud) -> None:
    """Nothing is trimmed off a name: the task fails, and its message says so."""
    bucket = cloud.attached_bucket("newlines")
    bucket.put_object("example.oga", b"")
    cloud.bucket("outbucket").create_bucket()
    printed = printed_request(example("rest").replace("video-demo", "newlines"))

    status, body = sent(cloud, signed(cloud, printed))

    assert 200 == status, body
    content = json.loads(cloud.notice(json.loads(body)["TaskId"])["content"])
    assert "Failed" == content["Status"]
    assert content["Code"]


def test_printed_signature_is_refused(cloud: ReferenceCloud) -> None:
    """The page's key is masked and its date long past."""
    status, body = sent(cloud, printed_request(example("rest")))

    assert 403 == status
    assert body.startswith(b"<?xml")
