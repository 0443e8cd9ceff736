"""What the object store makes of the answers of OSS, and what it asks: no local cloud gives these answers."""

import json
import re

import pytest

from clipstitch.adapters.backoff import DELAYS_S, Backoff
from clipstitch.adapters.oss import OssAudioService
from clipstitch.common.errors import CloudBusy, Throttled
from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.ports import HeadReplacement, ObjectHeaders, Probe
from tests.unit.adapters.canned_cloud import CannedAnswer, CannedCloud, CannedRequest

SOURCE, TARGET = ObjectRef("acme", "work/a.flac"), ObjectRef("acme", "out/a.flac")
FRONT = HeadReplacement(b"new", 10)
LOWER, UPPER = "5d41402abc4b2a76b9719d911017c592", "5D41402ABC4B2A76B9719D911017C592"
COPIED = f'<CopyObjectResult><ETag>"{LOWER}"</ETag></CopyObjectResult>'
LISTING = f"""<ListBucketResult><Name>acme</Name><IsTruncated>false</IsTruncated><Contents><Key>work/a.flac</Key>
<LastModified>2026-01-02T03:04:05.000Z</LastModified><ETag>"{LOWER}"</ETag><Type>Normal</Type>
<Size>7</Size><StorageClass>Standard</StorageClass></Contents></ListBucketResult>"""


@pytest.mark.parametrize(
    ("status", "versioned"),
    [
        ("", False),
        ("<Status>Enabled</Status>", True),
        ("<Status>Suspended</Status>", True),
    ],
)
def test_a_bucket_counts_as_versioned_unless_it_never_was(status: str, versioned: bool) -> None:
    """OSS ignores `x-oss-forbid-overwrite` while versioning is enabled, and also after it was suspended."""
    body = f"<VersioningConfiguration>{status}</VersioningConfiguration>".encode()
    answer = CannedAnswer(body=body, headers={"x-oss-request-id": "1"})
    with CannedCloud({"GET /acme/?versioning": answer}).store() as objects:
        assert versioned is objects.is_versioned("acme")


def test_an_etag_is_the_same_whatever_its_case_and_quotes_are() -> None:
    """The id of a job is made from it, by submit from a download and by the sweep from a listing."""
    etag = {"ETag": f'"{LOWER}"'}
    answers = {
        "HEAD /acme/": CannedAnswer(headers={**etag, "Content-Length": "7"}),
        "GET /acme/work": CannedAnswer(body=b"content", headers=etag),
        "GET /acme/?": CannedAnswer(body=LISTING.encode()),
        "PUT /acme/": CannedAnswer(
            body=f'<CopyObjectResult><ETag>"{LOWER}"</ETag></CopyObjectResult>'.encode(), headers=etag
        ),
    }
    with CannedCloud(answers).store() as objects:
        etags = [
            objects.describe(SOURCE).etag,
            objects.read(SOURCE).about.etag,
            next(objects.list("acme", "work/")).etag,
            objects.copy(SOURCE, TARGET, ObjectHeaders()).etag,
        ]

    assert [UPPER] * 4 == etags


class MultipartOss(CannedCloud):
    """Has a source of 1,000 bytes, and accepts copies in parts."""

    def __init__(self) -> None:
        started = b"<InitiateMultipartUploadResult><UploadId>U1</UploadId></InitiateMultipartUploadResult>"
        part = b'<CopyPartResult><ETag>"P"</ETag></CopyPartResult>'
        etag = {"ETag": '"E"'}
        super().__init__(
            {
                "HEAD /acme/": CannedAnswer(headers={**etag, "Content-Length": "1000"}),
                "POST /acme/out/a.flac?uploads": CannedAnswer(body=started),
                "PUT /acme/out/a.flac?": CannedAnswer(body=part, headers=etag),
                "POST /acme/out/a.flac?uploadId": CannedAnswer(headers=etag),
            }
        )

    def parts(self) -> dict[int, str]:
        """Return the range of the source of each part, by its number; "" for bytes that were sent."""
        puts = [request for request in self.requests if request.line.startswith("PUT")]
        return {int(_NUMBER.findall(put.line)[0]): put.headers.get("x-oss-copy-source-range", "") for put in puts}

    def request(self, beginning: str) -> CannedRequest:
        """Return the only request that begins so."""
        (found,) = (request for request in self.requests if request.line.startswith(beginning))
        return found


_NUMBER = re.compile("partNumber=([0-9]+)")


@pytest.mark.parametrize(
    ("front", "parts"),
    [
        (None, {1: "bytes=0-399", 2: "bytes=400-799", 3: "bytes=800-999"}),
        (HeadReplacement(b"new", 10), {1: "", 2: "bytes=10-409", 3: "bytes=410-809", 4: "bytes=810-999"}),
        (HeadReplacement(b"new", 600), {1: "", 2: "bytes=600-999"}),
    ],
)
def test_a_copy_in_parts_covers_every_byte_once(front: HeadReplacement | None, parts: dict[int, str]) -> None:
    """The new head is the first part; the others follow without gap or overlap, in order."""
    oss = MultipartOss()
    with oss.store(single_bytes=999, part_bytes=400) as objects:
        copied = objects.copy(SOURCE, TARGET, ObjectHeaders(), front=front)
    completed = oss.request("POST /acme/out/a.flac?uploadId").body.decode()

    assert parts == oss.parts()
    assert 1000 - (front.replaces if front else 0) + (len(front.body) if front else 0) == copied.size
    assert [str(number) for number in parts] == re.findall("<PartNumber>([0-9]+)</PartNumber>", completed)


@pytest.mark.parametrize("once", [True, False])
def test_a_copy_in_parts_is_create_once_until_its_end(once: bool) -> None:
    """Another job may publish while the parts are copied, so the last request has the header, too."""
    oss = MultipartOss()
    with oss.store() as objects:
        objects.copy(SOURCE, TARGET, ObjectHeaders("audio/flac", {"clipstitch-job": "j"}), once=once, front=FRONT)
    begun, completed = oss.request("POST /acme/out/a.flac?uploads"), oss.request("POST /acme/out/a.flac?uploadId")

    assert [once] * 2 == ["x-oss-forbid-overwrite" in request.headers for request in (begun, completed)]
    assert ("audio/flac", "j") == (begun.headers["content-type"], begun.headers["x-oss-meta-clipstitch-job"])


def test_a_copy_in_one_request_replaces_the_headers() -> None:
    """OSS would copy those of the source otherwise, among them the id of its job."""
    oss = CannedCloud(
        {
            "HEAD /acme/": CannedAnswer(headers={"ETag": '"E"', "Content-Length": "1000"}),
            "PUT /acme/": CannedAnswer(body=COPIED.encode(), headers={"ETag": '"E"'}),
        }
    )
    with oss.store(single_bytes=1000) as objects:
        objects.copy(SOURCE, TARGET, ObjectHeaders("audio/flac", {"clipstitch-job": "j"}), once=True)
    put = oss.requests[-1]

    assert ("REPLACE", "true") == (put.headers["x-oss-metadata-directive"], put.headers["x-oss-forbid-overwrite"])
    assert ("audio/flac", "j") == (put.headers["content-type"], put.headers["x-oss-meta-clipstitch-job"])


@pytest.mark.parametrize("count", [1, 999, 1000, 1001, 2001])
def test_any_number_of_objects_is_deleted_a_thousand_per_request(count: int) -> None:
    """OSS, "DeleteMultipleObjects", 2026: at most 1,000 keys; nothing is deleted twice or left."""
    oss = CannedCloud({"POST /acme/?delete": CannedAnswer(body=b"<DeleteResult></DeleteResult>")})
    keys = [f"work/{number}" for number in range(count)]
    with oss.store() as objects:
        objects.delete(ObjectRef("acme", key) for key in keys)
    asked = [re.findall("<Key>([^<]*)</Key>", request.body.decode()) for request in oss.requests]

    assert keys == [key for request in asked for key in request]
    assert max(map(len, asked)) <= 1000


def test_the_names_of_metadata_are_read_in_lower_case() -> None:
    """HTTP does not distinguish cases, and a proxy may write `X-Oss-Meta-Clipstitch-Job`."""
    headers = {"ETag": '"E"', "Content-Length": "7", "X-Oss-Meta-Clipstitch-Job": "j-1"}
    with CannedCloud({"HEAD /acme/": CannedAnswer(headers=headers)}).store() as objects:
        assert {"clipstitch-job": "j-1"} == dict(objects.describe(SOURCE).meta)


def info(stream: dict[str, object], **other: object) -> bytes:
    """Return a response of audio/info."""
    return json.dumps({"AudioStreams": [{"SampleRate": "44100", "Channels": 2, **stream}], **other}).encode()


@pytest.mark.parametrize(
    ("answer", "probe"),
    [
        (info({"Duration": 2.5}, Duration=9.0), Probe(2.5, 44100, 2)),
        (info({}, Duration="2.5"), Probe(2.5, 44100, 2)),
        (info({"Duration": 2.5, "Bitrate": "128000.0"}), Probe(2.5, 44100, 2, 128000)),
        (info({"Duration": 2.5}, Bitrate=64000), Probe(2.5, 44100, 2, 64000)),
        (
            info({"Duration": 1, "CodecName": "flac", "SampleFormat": "s32"}),
            Probe(1.0, 44100, 2, bits=24, codec="flac"),
        ),
        (
            info({"Duration": 1, "CodecName": "pcm_s16le", "SampleFormat": "s16"}),
            Probe(1.0, 44100, 2, codec="pcm_s16le"),
        ),
        (info({"Duration": 1, "CodecName": "mp3", "SampleFormat": "fltp"}), Probe(1.0, 44100, 2, codec="mp3")),
        (
            info({"Duration": 1, "CodecName": "mp3", "StartTime": 0.025}, FormatName="mp3"),
            Probe(1.0, 44100, 2, container="mp3", codec="mp3", start_s=0.025),
        ),
        (info({"Duration": 1, "CodecName": "aac", "SampleFormat": "fltp"}), Probe(1.0, 44100, 2, codec="aac")),
    ],
)
def test_a_probe_takes_the_values_of_the_audio_stream_first(answer: bytes, probe: Probe) -> None:
    """The format of samples counts for lossless codecs only: lossy decoders answer with floats."""
    with CannedCloud({"GET /acme/": CannedAnswer(body=answer, headers={"ETag": '"e7"'})}).buckets() as buckets:
        assert {SOURCE: probe._replace(etag="E7")} == OssAudioService(buckets).probe([SOURCE])


@pytest.mark.parametrize("headers", [{"ETag": '"e7"'}, {}], ids=["as documented", "without ETag"])
def test_a_probe_has_the_etag_of_the_object(headers: dict[str, str]) -> None:
    """The sample response of audio/info has the headers of the object; without them, HEAD has."""
    described = {"ETag": '"E7"', "Content-Length": "7"}
    answers = {
        "GET /acme/": CannedAnswer(body=info({"Duration": 1}), headers=headers),
        "HEAD /acme/": CannedAnswer(headers=described),
    }
    oss = CannedCloud(answers)
    with oss.buckets() as buckets:
        (probe,) = OssAudioService(buckets).probe([SOURCE]).values()

    assert isinstance(probe, Probe)
    assert "E7" == probe.etag
    assert (1 if headers else 2) == len(oss.requests)


@pytest.mark.parametrize("answer", [b"{}", b"", b'{"TaskId": ""}', b'{"TaskId": null}', b"<html></html>"])
def test_a_start_without_a_task_is_a_busy_cloud(answer: bytes) -> None:
    """No fact may be recorded under an empty task id: no notification would ever name it."""
    oss = CannedCloud({"POST /acme/": CannedAnswer(body=answer)})
    with oss.buckets() as buckets, pytest.raises(CloudBusy, match="TaskId"):
        OssAudioService(buckets).start(SOURCE, "audio/concat,f_mp3")


def test_a_throttled_start_is_repeated_after_growing_delays() -> None:
    """Once all attempts failed, the next call makes one attempt only."""
    body = b"<Error><Code>SlowDown</Code><Message>too many requests</Message></Error>"
    oss, delays = CannedCloud({"POST /acme/": CannedAnswer(503, body)}), list[float]()
    with oss.buckets() as buckets:
        audio = OssAudioService(buckets, backoff=Backoff(delays.append, lambda: 1.0))
        for _ in range(2):
            with pytest.raises(Throttled):
                audio.start(SOURCE, "audio/concat,f_mp3")

    assert list(DELAYS_S) == delays
    assert sorted(delays) == delays

    assert len(DELAYS_S) + 2 == len(oss.requests)
