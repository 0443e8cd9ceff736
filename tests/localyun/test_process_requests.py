"""Process strings sent to OSS by the vendor's SDK: target names, bit rates of sources, and errors of requests."""

import base64
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import oss2
import pytest

from localyun.clock import HostClock
from localyun.imm.values import MediaTask
from localyun.oss.http.routes import OssEndpoint
from localyun.ram.credentials import Keyring
from tests.localyun.audio_world import FFMPEG, AudioWorld, served, tone
from tests.localyun.oss_world import KEY, REGION

PARAMETER = "x-oss-async-process"
PCM_BITS = {
    "pcm_u8": 8,
    "pcm_alaw": 8,
    "pcm_mulaw": 8,
    "pcm_s16le": 16,
    "pcm_s24le": 24,
    "pcm_s32le": 32,
    "pcm_f32le": 32,
    "pcm_f64le": 64,
}


def b64(name: str) -> str:
    """Encode a name for a process string."""
    return base64.urlsafe_b64encode(name.encode()).decode().rstrip("=")


def concat(words: str = "f_flac,ar_44100,ac_1", target: str = "out.flac") -> str:
    """Return a process string that converts the posted object."""
    return f"audio/concat,{words}|sys/saveas,o_{b64(target)}"


@dataclass
class ServedTasks:
    """An object service and a task service behind one endpoint, with the vendor's client of it."""

    world: AudioWorld
    bucket: oss2.Bucket

    def task_of(self, key: str, process: str) -> MediaTask:
        """Submit a process string for an object and return the task when it has finished."""
        return self.world.finished(self.bucket.async_process_object(key, process).task_id)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedTasks]:
    """Serve a bucket with one clip."""
    world = AudioWorld(tmp_path_factory.mktemp("cloud"))
    world.upload(tone(tmp_path_factory.mktemp("tones") / "a.wav", 400, 0.2))
    endpoint = OssEndpoint(Keyring(KEY), HostClock(), world.objects, world.tasks, REGION, allow=lambda *_, **__: True)
    world.tasks.start()
    with served(endpoint.answer) as host:
        auth = oss2.AuthV4(KEY.access_key_id, KEY.access_key_secret)
        yield ServedTasks(world, oss2.Bucket(auth, f"http://{host}", "media", region=REGION))
    world.close()


def refused(here: ServedTasks, process: str) -> str:
    """Return the message of a rejected process string."""
    with pytest.raises(oss2.exceptions.ServerError) as caught:
        here.bucket.async_process_object("a.wav", process)
    return str(caught.value.message)


def test_a_target_name_takes_the_tags_of_the_posted_object(here: ServedTasks) -> None:
    """The tags are those at the time of the request, as the client sets them with an upload or later."""
    here.bucket.copy_object("media", "a.wav", "tagged.wav")
    tags = oss2.models.TaggingRule()
    tags.add("show", "night train")
    tags.add("owner.team", "a/b")
    here.bucket.put_object_tagging("tagged.wav", oss2.models.Tagging(tags))
    task = here.task_of("tagged.wav", concat(target="{tags.owner.team}/{tags.show}-{barename}.{autoext}"))

    assert ("Succeeded", "a/b/night train-tagged.flac") == (task.status, task.spec.key)
    assert here.bucket.object_exists("a/b/night train-tagged.flac")


def test_a_tag_that_the_object_lacks_is_not_a_variable(here: ServedTasks) -> None:
    """The error lists the variables that there are, so a typing error does not write to another key."""
    message = refused(here, concat(target="{tags.nope}.flac"))

    assert "[target]:'{tags.nope}' in '{tags.nope}.flac' is not a variable; use {bucket}" in message


@pytest.mark.parametrize(("codec", "bits"), PCM_BITS.items(), ids=PCM_BITS)
def test_the_bit_rate_of_pcm_is_exact(here: ServedTasks, tmp_path: Path, codec: str, bits: int) -> None:
    """FFmpeg prints 705 kb/s for 705,600 bit/s; `audio/info` and `abopt_2` must not be off by the rest."""
    file, rate = tmp_path / f"{codec}.wav", bits * 44100
    source = ["-f", "lavfi", "-i", "sine=frequency=400:duration=0.1", "-ar", "44100", "-ac", "1"]
    subprocess.run([FFMPEG, "-v", "error", *source, "-c:a", codec, str(file)], check=True)
    here.bucket.put_object_from_file(file.name, str(file))
    info = json.loads(here.bucket.get_object(file.name, process="audio/info").read())
    words = "f_mp3,ar_44100,ac_1,abopt_2,ab_{}".format

    assert rate == info["AudioStreams"][0]["Bitrate"]
    assert "Succeeded" == here.task_of(file.name, concat(words(rate), "same.mp3")).status
    assert f"has {rate} bit/s" in here.task_of(file.name, concat(words(rate + 1), "more.mp3")).message


@pytest.mark.parametrize(
    ("process", "message"),
    [
        (concat("f_mp3,"), "[process]:audio/concat,f_mp3, has a comma too many; remove it."),
        (concat("f_mp3,,ac_1"), "[process]:audio/concat,f_mp3,,ac_1 has a comma too many; remove it."),
        (concat("f_mp3/sur,o_YQ,"), "[process]:/sur,o_YQ, has a comma too many; remove it."),
        (concat() + ",", "has a comma too many; remove it."),
        (concat() + "/notify,topic_dA,", "[process]:sys/notify,topic_dA, has a comma too many; remove it."),
        (concat("f_"), "[f]:has no value in audio/concat; write it as f_VALUE."),
        (concat("f"), "[f]:has no value in audio/concat; write it as f_VALUE."),
        (concat("f_mp3,ar_"), "[ar]:has no value in audio/concat; write it as ar_VALUE."),
        (concat("f_mp3/sur,o_"), "[o]:has no value in /sur; write it as o_VALUE."),
        (concat("f_mp3/pre,o_a.mp3"), "[o]:'a.mp3' is not URL-safe Base64 of a UTF-8 name; encode the name."),
    ],
)
def test_a_typing_error_is_named(here: ServedTasks, process: str, message: str) -> None:
    """The message says what is wrong, where, and what to do."""
    assert message in refused(here, process)


@pytest.mark.parametrize(
    ("params", "headers", "status", "message"),
    [
        (
            {PARAMETER: ""},
            {PARAMETER: concat()},
            400,
            "<process>; the process string is in a header.",
        ),
        ({PARAMETER: concat()}, {}, 400, "<process>; the process string is in the query."),
        ({}, {PARAMETER: concat()}, 405, f"{PARAMETER} goes into the query, and {PARAMETER}=<process> into the body."),
    ],
    ids=["header", "query", "header-only"],
)
def test_a_process_string_outside_the_body_is_named(
    here: ServedTasks, params: dict[str, str], headers: dict[str, str], status: int, message: str
) -> None:
    """The vendor's page calls the parameter a header; its SDKs send it in the body."""
    url = here.bucket.sign_url("POST", "a.wav", 60, headers=headers, params=params, slash_safe=True)
    answer = httpx.post(url, headers=headers)

    assert status == answer.status_code
    assert message in answer.text.replace("&lt;", "<").replace("&gt;", ">")
