"""The adapters of OSS behind a network that cuts, mixes and loses responses: a retry must be possible."""

import os
from collections.abc import Callable
from itertools import count

import pytest

from clipstitch.adapters.oss import OssAudioService, OssBuckets, OssObjectStore
from clipstitch.common.credentials import read_access_key
from clipstitch.common.errors import (
    AccessDenied,
    AlreadyExists,
    ClipstitchError,
    CloudBusy,
    CloudRefused,
    NotAudio,
    ObjectNotFound,
)
from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.ports import HeadReplacement, ObjectHeaders, Probe
from tests.faulty_proxy import Change, ProxiedRequest, ProxiedResponse, faulty_proxy
from tests.sounds import tone

PART_BYTES = 100 << 10  # OSS, "UploadPartCopy", 2026: every part but the last has at least 100 KB
BUCKET = "clipstitch"
HEAD = HeadReplacement(b"x" * PART_BYTES)
_NUMBERS = count()
Environment = dict[str, str]


def buckets_of(env: Environment, endpoint: str, region: str = "") -> OssBuckets:
    """Return the buckets at an endpoint."""
    return OssBuckets(endpoint, region or env["OSS_REGION"], read_access_key(env))


def store_at(env: Environment, endpoint: str) -> OssObjectStore:
    """Return an object store that copies everything above 100 KB in parts."""
    return OssObjectStore(buckets_of(env, endpoint), single_bytes=PART_BYTES, part_bytes=PART_BYTES)


@pytest.fixture
def direct(cloud_environment: Environment) -> OssObjectStore:
    """Return an object store without a proxy."""
    return store_at(cloud_environment, cloud_environment["OSS_ENDPOINT"])


def new_ref(name: str) -> ObjectRef:
    """Return an object that no other test uses."""
    return ObjectRef(BUCKET, f"faulty/{next(_NUMBERS)}/{name}")


def cut(_request: ProxiedRequest, response: ProxiedResponse) -> ProxiedResponse:
    """Cut a response short."""
    return response.cut()


def cut_without_length(_request: ProxiedRequest, response: ProxiedResponse) -> ProxiedResponse:
    """Cut a response short whose length is not known."""
    return response.cut().without("content-length")


def flipped(_request: ProxiedRequest, response: ProxiedResponse) -> ProxiedResponse:
    """Change one byte of a response."""
    return response._replace(body=bytes([response.body[0] ^ 1]) + response.body[1:])


def by_a_portal(_request: ProxiedRequest, response: ProxiedResponse) -> ProxiedResponse:
    """Answer with a page that is not of OSS."""
    page = b"<html>please log in</html>"
    return ProxiedResponse(200, {"content-length": str(len(page)), "content-type": "text/html"}, page)


CALLS: dict[str, Callable[[OssObjectStore, OssAudioService, ObjectRef], object]] = {
    "read": lambda store, _audio, ref: store.read(ref),
    "read with a limit below the size": lambda store, _audio, ref: store.read(ref, limit=9_000),
    "read with a limit above the size": lambda store, _audio, ref: store.read(ref, limit=1 << 20),
    "list": lambda store, _audio, ref: list(store.list(BUCKET, ref.key)),
    "list folders": lambda store, _audio, _ref: list(store.list_folders(BUCKET, "faulty/")),
    "versioning": lambda store, _audio, _ref: store.is_versioned(BUCKET),
    "probe": lambda _store, audio, ref: audio.probe([ref])[ref],
    "copy in parts": lambda store, _audio, ref: store.copy(ref, new_ref("copy"), ObjectHeaders(), front=HEAD),
}


@pytest.mark.parametrize("change", [cut, cut_without_length, by_a_portal], ids=lambda change: change.__name__)
@pytest.mark.parametrize("call", CALLS)
def test_a_response_that_is_cut_short_or_not_of_oss_is_a_busy_cloud(
    cloud_environment: Environment, direct: OssObjectStore, call: str, change: Change
) -> None:
    """A retry can help; nothing is read from half a response, and no error of a library escapes."""
    ref = new_ref("tone.wav")
    direct.write(ref, tone(440, 1000, 8000), ObjectHeaders())
    with faulty_proxy(cloud_environment["OSS_ENDPOINT"], change) as endpoint:
        store = store_at(cloud_environment, endpoint)
        audio = OssAudioService(buckets_of(cloud_environment, endpoint))

        assert isinstance(error_of(lambda: CALLS[call](store, audio, ref)), CloudBusy)


def error_of(call: Callable[[], object]) -> object:
    """Return the error that a call raises or, as probes do, returns; otherwise its result."""
    try:
        return call()
    except ClipstitchError as error:
        return error


@pytest.mark.parametrize("limit", [None, 1 << 20])
def test_bytes_that_do_not_have_the_crc_of_the_object_are_not_believed(
    cloud_environment: Environment, direct: OssObjectStore, limit: int | None
) -> None:
    """The length is right, so only the CRC-64 that OSS sends with the object tells."""
    ref = new_ref("fact.json")
    direct.write(ref, b'{"kind": "publish"}', ObjectHeaders())
    with (
        faulty_proxy(cloud_environment["OSS_ENDPOINT"], flipped) as endpoint,
        pytest.raises(CloudBusy, match="not those of its CRC-64"),
    ):
        store_at(cloud_environment, endpoint).read(ref, limit)


def test_the_crc_of_the_clip_is_not_compared_with_the_answer_of_audio_info(
    cloud_environment: Environment, direct: OssObjectStore
) -> None:
    """OSS user guide, "Extract audio information", 2025-06-27: the response has the CRC-64 of the object."""
    ref = new_ref("tone.wav")
    direct.write(ref, tone(440, 1000, 8000), ObjectHeaders())

    def with_crc_of_the_object(_request: ProxiedRequest, response: ProxiedResponse) -> ProxiedResponse:
        return response._replace(headers={**response.headers, "x-oss-hash-crc64ecma": "2040549661341440100"})

    with faulty_proxy(cloud_environment["OSS_ENDPOINT"], with_crc_of_the_object) as endpoint:
        found = OssAudioService(buckets_of(cloud_environment, endpoint)).probe([ref])[ref]

    assert isinstance(found, Probe)


def test_a_bare_404_to_head_is_a_missing_object(cloud_environment: Environment) -> None:
    """A response to HEAD has no body, and a proxy may drop the header in which OSS repeats the error."""
    missing, copy = new_ref("missing"), new_ref("copy")

    def bare(_request: ProxiedRequest, response: ProxiedResponse) -> ProxiedResponse:
        return response.without("x-oss-err", "x-oss-ec")

    with faulty_proxy(cloud_environment["OSS_ENDPOINT"], bare) as endpoint:
        store = store_at(cloud_environment, endpoint)

        for call in (lambda: store.describe(missing), lambda: store.copy(missing, copy, ObjectHeaders())):
            assert isinstance(error_of(call), ObjectNotFound)


def test_a_missing_bucket_is_not_taken_for_a_missing_object(cloud_environment: Environment) -> None:
    """HEAD answers 404 to both; the header with the error tells them apart."""
    store = store_at(cloud_environment, cloud_environment["OSS_ENDPOINT"])

    found = error_of(lambda: store.describe(ObjectRef("no-such-bucket-here", "k")))

    assert "BUCKET_MISSING" == getattr(found, "code", found)


@pytest.mark.parametrize("front", [None, HEAD], ids=["whole", "head replaced"])
@pytest.mark.parametrize("size", [3 * PART_BYTES, 12 * PART_BYTES])
def test_a_copy_in_parts_never_combines_two_versions_of_its_source(
    cloud_environment: Environment, direct: OssObjectStore, size: int, front: HeadReplacement | None
) -> None:
    """A duplicate task may finish during the copy. Nothing is published then; the retry copies the new version."""
    source, target = new_ref("step-000.flac"), new_ref("out.flac")
    old, new = os.urandom(size), os.urandom(size)
    direct.write(source, old, ObjectHeaders())
    parts = count()

    def replace_source(request: ProxiedRequest) -> None:
        if "partNumber" in request.path and next(parts) == 1:
            direct.write(source, new, ObjectHeaders())

    with faulty_proxy(cloud_environment["OSS_ENDPOINT"], before=replace_source) as endpoint:
        store = store_at(cloud_environment, endpoint)

        with pytest.raises(CloudBusy, match="the source was replaced meanwhile"):
            store.copy(source, target, ObjectHeaders(), once=True, front=front)
        assert isinstance(error_of(lambda: direct.describe(target)), ObjectNotFound)
        store.copy(source, target, ObjectHeaders(), once=True, front=front)

    assert (front.body if front else b"") + new == direct.read(target).body


def test_a_small_copy_is_of_the_version_that_was_looked_at(
    cloud_environment: Environment, direct: OssObjectStore
) -> None:
    """The size that the copy reports is that of the same version."""
    source, target = new_ref("step-000.flac"), new_ref("out.flac")
    direct.write(source, b"old", ObjectHeaders())

    def replace_source(request: ProxiedRequest) -> None:
        if request.method == "PUT":
            direct.write(source, b"newer", ObjectHeaders())

    with (
        faulty_proxy(cloud_environment["OSS_ENDPOINT"], before=replace_source) as endpoint,
        pytest.raises(CloudBusy, match="the source was replaced meanwhile"),
    ):
        store_at(cloud_environment, endpoint).copy(source, target, ObjectHeaders())


def lost_response(request: ProxiedRequest, response: ProxiedResponse) -> ProxiedResponse:
    """Answer 503 to what OSS has answered for the third part."""
    return response._replace(status=503) if "partNumber=3" in request.path else response


def test_the_parts_of_a_copy_that_failed_are_deleted(cloud_environment: Environment, direct: OssObjectStore) -> None:
    """They are invisible, and would be charged until the bucket's lifecycle rule deletes them."""
    source, taken, busy = new_ref("step-000.flac"), new_ref("taken.flac"), new_ref("busy.flac")
    direct.write(source, os.urandom(4 * PART_BYTES), ObjectHeaders())
    direct.write(taken, b"another job was faster", ObjectHeaders())
    with faulty_proxy(cloud_environment["OSS_ENDPOINT"], lost_response) as endpoint:
        store = store_at(cloud_environment, endpoint)

        assert isinstance(error_of(lambda: direct.copy(source, taken, ObjectHeaders(), once=True)), AlreadyExists)
        assert isinstance(error_of(lambda: store.copy(source, busy, ObjectHeaders())), CloudBusy)

    bucket = buckets_of(cloud_environment, cloud_environment["OSS_ENDPOINT"])(BUCKET)
    uploads = bucket.list_multipart_uploads(prefix="faulty/").upload_list
    assert not {taken.key, busy.key}.intersection(found.key for found in uploads)


def test_a_wrong_region_says_nothing_about_the_clips(cloud_environment: Environment, direct: OssObjectStore) -> None:
    """OSS refuses the signature with 400 InvalidArgument; the clip is audio all the same."""
    ref = new_ref("tone.wav")
    direct.write(ref, tone(440, 1000, 8000), ObjectHeaders())
    buckets = buckets_of(cloud_environment, cloud_environment["OSS_ENDPOINT"], region="cn-shanghai")

    found = OssAudioService(buckets).probe([ref])[ref]

    assert CloudRefused is type(found)


@pytest.mark.parametrize(
    ("status", "code", "message", "ec", "means"),
    [
        (400, "Imm Client", "InvalidArgument, cannot be decoded. 9D31", "0056-00000001", NotAudio),
        (400, "Imm Client", "InvalidArgument, oss://acme/timeout.mp3 is not audio. 9D31", "", NotAudio),
        (400, "InvalidArgument", "cannot be decoded", "0056-00000001", NotAudio),
        (400, "Imm Client", "OperationDenied, undocumented words. 9D31", "0056-00000001", CloudRefused),
        (400, "Imm Client", "ResourceNotFound, undocumented words. 9D31", "0056-00000001", CloudRefused),
        (403, "Imm Client", "Forbidden, undocumented words. 9D31", "0056-00000001", AccessDenied),
        (400, "InvalidRequest", "undocumented words", "", CloudRefused),
        (400, "InvalidArgument", "undocumented words", "0002-00000228", CloudRefused),
        (405, "MethodNotAllowed", "undocumented words", "", CloudRefused),
        (418, "", "", "", CloudRefused),
    ],
)  # fmt: skip
def test_only_a_refusal_by_imm_of_the_object_means_that_it_is_not_audio(
    cloud_environment: Environment, status: int, code: str, message: str, ec: str, means: type[ClipstitchError]
) -> None:
    """Any other refusal ends the job with the cloud's words, which name the cause; no clip is blamed."""
    ref = new_ref("a.mp3")
    text = f"<Error><Code>{code}</Code><Message>{message}</Message><EC>{ec}</EC></Error>"
    xml = text.encode() if code else b""

    def refused(_request: ProxiedRequest, _response: ProxiedResponse) -> ProxiedResponse:
        return ProxiedResponse(status, {"content-length": str(len(xml)), "content-type": "application/xml"}, xml)

    with faulty_proxy(cloud_environment["OSS_ENDPOINT"], refused) as endpoint:
        found = OssAudioService(buckets_of(cloud_environment, endpoint)).probe([ref])[ref]

    assert isinstance(found, means)
    assert isinstance(found, NotAudio) == (means is NotAudio)
    assert message in str(found)
