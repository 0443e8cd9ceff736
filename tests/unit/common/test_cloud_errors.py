"""Error responses of the cloud as the SDKs raise them, their error classes, and the backoff after throttling."""

from types import SimpleNamespace
from typing import Any

import oss2
import pytest
from mns.mns_exception import MNSServerException

from clipstitch.adapters.backoff import DELAYS_S, Backoff
from clipstitch.adapters.oss import OssAudioService
from clipstitch.adapters.smq import translated_errors
from clipstitch.adapters.threads import MAX_CONCURRENT
from clipstitch.common.cloud_errors import is_transient, remedy_for
from clipstitch.common.errors import ClipstitchError, CloudBusy, NotAudio, ObjectArchived, Throttled
from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.ports import Probe

MAIN = ObjectRef("acme", "a.mp3")
INFO = b'{"Duration": "1.5", "AudioStreams": [{"SampleRate": "8000", "Channels": "1"}]}'


def server_error(status: int, code: str, message: str) -> oss2.exceptions.ServerError:
    """Return the exception that oss2 raises for an error response of OSS."""
    details = {"Code": code, "Message": message, "RequestId": "647EB6AC7B423D3538DB0000"}
    return oss2.exceptions.ServerError(status, {}, "", details)


class ScriptedBucket:
    """A bucket that returns the given answers in order, or raises those that are exceptions."""

    def __init__(self, *answers: object) -> None:
        self._answers = list(answers)
        self.calls = 0

    def _answer(self) -> Any:
        self.calls += 1
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def async_process_object(self, _key: str, _process: str) -> Any:
        """Start a task."""
        return SimpleNamespace(task_id=self._answer())

    def get_object(self, _key: str, process: str) -> Any:
        """Probe audio."""
        assert "audio/info" == process
        answer = self._answer()
        body, length = answer if isinstance(answer, tuple) else (answer, len(answer))
        return SimpleNamespace(read=lambda: body, content_length=length, headers={"ETag": '"E7"'})


def audio_on(bucket: ScriptedBucket) -> tuple[OssAudioService, list[float]]:
    """Return the audio service on a bucket, and the list of its backoff delays."""
    delays: list[float] = []
    return OssAudioService(lambda _name: bucket, backoff=Backoff(delays.append, lambda: 0.5)), delays


@pytest.mark.parametrize(
    ("status", "code", "message", "means", "again"),
    [
        (400, "Imm Client", "ResourceNotFound, … Attachment is not found. 9D31", "BUCKET_NOT_BOUND", False),
        (404, "Imm Client", "ResourceNotFound, … project is not found. 9D31", "BUCKET_NOT_BOUND", False),
        (400, "Imm Client", "ResourceNotFound, The specified resource Route is not found. 9D31", "NOT_OFFERED", False),
        (400, "Imm Client", "InvalidArgument, [target]:is required. 9D31", "PROCESS_REFUSED", False),
        (400, "Imm Client", "AccessDenied, You are not authorized to operate. 9D31", "ACCESS_DENIED", True),
        (403, "Imm Client", "Forbidden, undocumented words. 9D31", "ACCESS_DENIED", True),
        (400, "Imm Client", "InternalError, please retry. 9D31", "CLOUD_BUSY", True),
        (400, "InvalidRequest", "no x-oss-async-process parameter found", "PROCESS_REFUSED", False),
        (404, "NoSuchBucket", "The specified bucket does not exist.", "BUCKET_MISSING", False),
        (400, "PublicEndpointForbidden", "Please use CNAME instead.", "PUBLIC_ENDPOINT_FORBIDDEN", True),
        (404, "NoSuchKey", "The specified key does not exist.", "NOT_FOUND", False),
        (403, "SignatureDoesNotMatch", "The request signature we calculated", "ACCESS_DENIED", True),
        (403, "AccessDenied", "You have no right to access this object.", "ACCESS_DENIED", True),
        (403, "UserDisable", "UserDisable", "ACCESS_DENIED", True),
        (403, "RequestTimeTooSkewed", "The difference between the request time", "CLOCK_WRONG", True),
        (403, "InvalidObjectState", "The operation is not valid for the object's state", "ARCHIVED", False),
        (500, "InternalError", "", "CLOUD_BUSY", True),
        (503, "ServiceUnavailable", "", "CLOUD_BUSY", True),
        (-2, "", "connection reset", "CLOUD_BUSY", True),
        (405, "MethodNotAllowed", "", "CLOUD_REFUSED", False),
    ],
)  # fmt: skip
def test_each_documented_error_response_of_a_start_has_its_error(
    status: int, code: str, message: str, means: str, again: bool
) -> None:
    """The error has a code, the cloud's message and a remedy, and knows whether a retry can help."""
    audio, delays = audio_on(ScriptedBucket(server_error(status, code, message)))

    with pytest.raises(ClipstitchError) as caught:
        audio.start(MAIN, "audio/concat,f_mp3")
    assert (means, again) == (caught.value.code, caught.value.retryable)
    assert message in str(caught.value)
    assert caught.value.remedy
    assert [] == delays


THROTTLED = [
    server_error(400, "Imm Client", "Throttling.User, Request was denied due to user flow control. 9D31"),
    server_error(400, "Imm Client", "QpsLimitExceeded, too many. 9D31"),
    server_error(429, "", ""),
    server_error(503, "SlowDown", "Please reduce your request rate."),
    server_error(503, "DownloadTrafficRateLimitExceeded", ""),
]


@pytest.mark.parametrize("error", THROTTLED, ids=lambda error: error.code or "429")
def test_a_throttled_start_is_retried_after_growing_delays(error: Exception) -> None:
    """A throttled request had no effect, so a retry cannot start a second task."""
    bucket = ScriptedBucket(error, error, "MediaConvert-1")
    audio, delays = audio_on(bucket)

    assert "MediaConvert-1" == audio.start(MAIN, "audio/concat,f_mp3")
    assert 3 == bucket.calls
    assert [DELAYS_S[0] / 2, DELAYS_S[1] / 2] == delays


def test_a_throttled_probe_is_retried_alone() -> None:
    """The probes of other clips are not repeated."""
    bucket = ScriptedBucket(THROTTLED[0], INFO)
    audio, delays = audio_on(bucket)

    assert {MAIN: Probe(1.5, 8000, 1, etag="E7")} == audio.probe([MAIN])
    assert 1 == len(delays)


def test_the_number_of_retries_is_limited() -> None:
    """Function Compute and the sweep retry later."""
    bucket = ScriptedBucket(*[THROTTLED[0]] * 10)
    audio, delays = audio_on(bucket)

    with pytest.raises(Throttled) as caught:
        audio.start(MAIN, "audio/concat,f_mp3")
    assert caught.value.retryable
    assert len(DELAYS_S) == len(delays) == bucket.calls - 1


def test_after_one_exhausted_retry_sequence_later_calls_fail_fast() -> None:
    """Five delays for each of eighty clips, eight at a time, would exceed the timeout of a function."""
    bucket = ScriptedBucket(*[THROTTLED[0]] * 1000)
    audio, delays = audio_on(bucket)
    found = audio.probe([ObjectRef("acme", f"{number}.mp3") for number in range(80)])

    assert {Throttled} == {type(each) for each in found.values()}
    assert len(DELAYS_S) <= len(delays) <= MAX_CONCURRENT * len(DELAYS_S)


def test_a_call_that_may_have_succeeded_is_not_retried_at_once() -> None:
    """A lost response may belong to a started task; the caller decides."""
    bucket = ScriptedBucket(server_error(500, "InternalError", ""), "MediaConvert-2")
    audio, delays = audio_on(bucket)

    with pytest.raises(ClipstitchError, match="InternalError"):
        audio.start(MAIN, "audio/concat,f_mp3")
    assert (1, []) == (bucket.calls, delays)


@pytest.mark.parametrize("nothing", ["", None])
def test_a_response_without_a_task_id_is_an_error(nothing: object) -> None:
    """Users have reported such responses; a job must not wait for a task without an id."""
    audio, _ = audio_on(ScriptedBucket(nothing))

    with pytest.raises(ClipstitchError, match="has no TaskId") as caught:
        audio.start(MAIN, "audio/concat,f_mp3")
    assert caught.value.retryable


def test_a_clip_that_cannot_be_decoded_is_not_audio_and_an_archived_one_is_archived() -> None:
    """IMM refuses the one, OSS the other; tests/contract has the refusals that say nothing about the clip."""
    undecodable = server_error(400, "Imm Client", "InvalidArgument, cannot be decoded. 9D31")
    archived = server_error(403, "InvalidObjectState", "The operation is not valid for the object's state")

    assert NotAudio is type(audio_on(ScriptedBucket(undecodable))[0].probe([MAIN])[MAIN])
    assert ObjectArchived is type(audio_on(ScriptedBucket(archived))[0].probe([MAIN])[MAIN])


@pytest.mark.parametrize(
    ("answer", "means"), [(INFO[:-9], CloudBusy), (b"", CloudBusy), (b'{"AudioStreams": []}', NotAudio)]
)
def test_half_an_answer_of_audio_info_does_not_mean_that_there_is_no_audio(
    answer: bytes, means: type[ClipstitchError]
) -> None:
    """A whole answer without an audio stream does."""
    assert means is type(audio_on(ScriptedBucket(answer))[0].probe([MAIN])[MAIN])


def test_an_answer_that_is_shorter_than_its_length_is_not_believed() -> None:
    """Whether the libraries below check that depends on their versions."""
    found = audio_on(ScriptedBucket((INFO, len(INFO) + 1)))[0].probe([MAIN])[MAIN]

    assert CloudBusy is type(found)
    assert "ends after" in str(found)


@pytest.mark.parametrize(
    ("kind", "means"),
    [
        ("QpsLimitExceeded", "THROTTLED"),
        ("TimeExpired", "CLOCK_WRONG"),
        ("TopicNotExist", "SINK_TARGET_MISSING"),
        ("AccessDenied", "ACCESS_DENIED"),
        ("InternalError", "CLOUD_BUSY"),
        ("InvalidArgument", "CLOUD_REFUSED"),
    ],
)
def test_each_type_of_smq_error_has_its_error(kind: str, means: str) -> None:
    """The error is chosen by its type and keeps its message."""
    with pytest.raises(ClipstitchError) as caught, translated_errors("publishing"):
        raise MNSServerException(kind, "words", "request", "host")
    assert means == caught.value.code
    assert "words" in str(caught.value)


@pytest.mark.parametrize("code", ["Throttling.User", "InternalError", "ServiceUnavailable"])
def test_the_remedy_for_a_transient_task_failure_is_to_wait(code: str) -> None:
    """After the last attempt the author may upload the manifest again later."""
    assert is_transient(code, "")
    assert "later" in remedy_for(code, "")


@pytest.mark.parametrize(
    ("code", "message", "part"),
    [
        ("InvalidArgument", "File does not exist.", "deleted"),
        ("InvalidArgument", "cannot decode", "names the clip"),
        ("AccessDenied.Role", "", "service role"),
        ("ResourceNotFound", "project", "clipstitch doctor"),
        ("", "", "names the clip"),
    ],
)
def test_the_remedy_for_a_final_task_failure_depends_on_its_message(code: str, message: str, part: str) -> None:
    """The remedy names what the author can correct."""
    assert not is_transient(code, message)
    assert part in remedy_for(code, message)
