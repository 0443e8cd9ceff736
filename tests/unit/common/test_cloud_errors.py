"""What the cloud's refusals mean, as the SDK hands them over; and the backoff where it is asked too often."""

from types import SimpleNamespace
from typing import Any

import oss2
import pytest
from mns.mns_exception import MNSServerException

from clipstitch.adapters.backoff import RESTS_S, Backoff
from clipstitch.adapters.oss import AT_ONCE, OssAudioService
from clipstitch.adapters.smq import ours
from clipstitch.common.cloud_errors import is_transient, remedy_for
from clipstitch.common.errors import ClipstitchError, NotAudio, Throttled
from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.ports import Probe

MAIN = ObjectRef("acme", "a.mp3")
INFO = b'{"Duration": "1.5", "AudioStreams": [{"SampleRate": "8000", "Channels": "1"}]}'


def refusal(status: int, code: str, message: str) -> oss2.exceptions.ServerError:
    """Return what oss2 raises for an answer of OSS."""
    details = {"Code": code, "Message": message, "RequestId": "647EB6AC7B423D3538DB0000"}
    return oss2.exceptions.ServerError(status, {}, "", details)


class Bucket:
    """A bucket that answers in order; what is an exception is raised."""

    def __init__(self, *answers: object) -> None:
        self._answers = list(answers)
        self.asked = 0

    def _answer(self) -> Any:
        self.asked += 1
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def async_process_object(self, _key: str, _process: str) -> Any:
        """Start a task."""
        return SimpleNamespace(task_id=self._answer())

    def get_object(self, _key: str, process: str) -> Any:
        """Look into audio."""
        assert "audio/info" == process
        answer = self._answer()
        return SimpleNamespace(read=lambda: answer)


def audio_on(bucket: Bucket) -> tuple[OssAudioService, list[float]]:
    """Return audio on a bucket, and the rests that it takes."""
    rests: list[float] = []
    return OssAudioService(lambda _name: bucket, backoff=Backoff(rests.append, lambda: 0.5)), rests


@pytest.mark.parametrize(
    ("status", "code", "message", "means", "again"),
    [
        (400, "Imm Client", "ResourceNotFound, … Attachment is not found. 9D31", "BUCKET_NOT_BOUND", False),
        (404, "Imm Client", "ResourceNotFound, … project is not found. 9D31", "BUCKET_NOT_BOUND", False),
        (400, "Imm Client", "ResourceNotFound, The specified resource Route is not found. 9D31", "NOT_OFFERED", False),
        (400, "Imm Client", "InvalidArgument, [target]:is required. 9D31", "PROCESS_REFUSED", False),
        (400, "Imm Client", "AccessDenied, You are not authorized to operate. 9D31", "ACCESS_DENIED", True),
        (403, "Imm Client", "Forbidden, words that nobody documents. 9D31", "ACCESS_DENIED", True),
        (400, "Imm Client", "InternalError, please retry. 9D31", "CLOUD_BUSY", True),
        (400, "InvalidRequest", "no x-oss-async-process parameter found", "PROCESS_REFUSED", False),
        (404, "NoSuchBucket", "The specified bucket does not exist.", "BUCKET_MISSING", False),
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
def test_each_documented_refusal_of_a_start_is_recognised(
    status: int, code: str, message: str, means: str, again: bool
) -> None:
    """It gets a code, keeps the cloud's words, has a remedy, and knows whether a retry can help."""
    audio, rests = audio_on(Bucket(refusal(status, code, message)))

    with pytest.raises(ClipstitchError) as caught:
        audio.start(MAIN, "audio/concat,f_mp3")
    assert (means, again) == (caught.value.code, caught.value.retryable)
    assert message in str(caught.value)
    assert caught.value.remedy
    assert [] == rests


TOO_OFTEN = [
    refusal(400, "Imm Client", "Throttling.User, Request was denied due to user flow control. 9D31"),
    refusal(400, "Imm Client", "QpsLimitExceeded, too many. 9D31"),
    refusal(429, "", ""),
    refusal(503, "SlowDown", "Please reduce your request rate."),
    refusal(503, "DownloadTrafficRateLimitExceeded", ""),
]


@pytest.mark.parametrize("error", TOO_OFTEN, ids=lambda error: error.code or "429")
def test_a_throttled_start_is_repeated_after_rests_that_grow(error: Exception) -> None:
    """Nothing happened yet, so nothing can happen twice."""
    bucket = Bucket(error, error, "MediaConvert-1")
    audio, rests = audio_on(bucket)

    assert "MediaConvert-1" == audio.start(MAIN, "audio/concat,f_mp3")
    assert 3 == bucket.asked
    assert [RESTS_S[0] / 2, RESTS_S[1] / 2] == rests


def test_a_throttled_probe_is_repeated_for_itself_alone() -> None:
    """One clip of a thousand must not have all others looked at again."""
    bucket = Bucket(TOO_OFTEN[0], INFO)
    audio, rests = audio_on(bucket)

    assert {MAIN: Probe(1.5, 8000, 1)} == audio.probe([MAIN])
    assert 1 == len(rests)


def test_backing_off_has_an_end() -> None:
    """Function Compute and the sweep have more of it."""
    bucket = Bucket(*[TOO_OFTEN[0]] * 10)
    audio, rests = audio_on(bucket)

    with pytest.raises(Throttled) as caught:
        audio.start(MAIN, "audio/concat,f_mp3")
    assert caught.value.retryable
    assert len(RESTS_S) == len(rests) == bucket.asked - 1


def test_what_was_in_vain_for_one_clip_is_not_tried_for_all_others() -> None:
    """Five rests for each of eighty clips, eight at once, would take longer than a function has."""
    bucket = Bucket(*[TOO_OFTEN[0]] * 1000)
    audio, rests = audio_on(bucket)
    found = audio.probe([ObjectRef("acme", f"{number}.mp3") for number in range(80)])

    assert {Throttled} == {type(each) for each in found.values()}
    assert len(RESTS_S) <= len(rests) <= AT_ONCE * len(RESTS_S)


def test_what_may_have_happened_is_not_repeated_at_once() -> None:
    """An answer that got lost may have started a task; whoever calls decides."""
    bucket = Bucket(refusal(500, "InternalError", ""), "MediaConvert-2")
    audio, rests = audio_on(bucket)

    with pytest.raises(ClipstitchError, match="InternalError"):
        audio.start(MAIN, "audio/concat,f_mp3")
    assert (1, []) == (bucket.asked, rests)


@pytest.mark.parametrize("nothing", ["", None])
def test_an_answer_without_a_task_id_is_a_failure(nothing: object) -> None:
    """It was seen in public; a job must not wait for a task that nobody can name."""
    audio, _ = audio_on(Bucket(nothing))

    with pytest.raises(ClipstitchError, match="without a TaskId") as caught:
        audio.start(MAIN, "audio/concat,f_mp3")
    assert caught.value.retryable


def test_a_refusal_of_a_probe_without_a_reason_of_its_own_means_no_audio() -> None:
    """How OSS says that is not documented; what has a reason keeps it."""
    unknown = refusal(400, "Imm Client", "InvalidArgument, cannot be decoded. 9D31")
    archived = refusal(403, "InvalidObjectState", "The operation is not valid for the object's state")

    assert NotAudio is type(audio_on(Bucket(unknown))[0].probe([MAIN])[MAIN])
    assert "ARCHIVED" == audio_on(Bucket(archived))[0].probe([MAIN])[MAIN].code


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
def test_each_kind_of_smqs_refusals_is_recognised(kind: str, means: str) -> None:
    """By its type; the words are kept."""
    with pytest.raises(ClipstitchError) as caught, ours("publishing"):
        raise MNSServerException(kind, "words", "request", "host")
    assert means == caught.value.code
    assert "words" in str(caught.value)


@pytest.mark.parametrize("code", ["Throttling.User", "InternalError", "ServiceUnavailable"])
def test_a_task_that_failed_for_a_passing_reason_says_so(code: str) -> None:
    """After the last attempt, its author learns that waiting may help."""
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
def test_a_task_that_failed_for_good_has_a_remedy_that_fits(code: str, message: str, part: str) -> None:
    """In words for the person who can mend it."""
    assert not is_transient(code, message)
    assert part in remedy_for(code, message)
