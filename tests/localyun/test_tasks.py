"""The task service: what it accepts, what it makes, whom it tells, and that nothing is lost in a crash."""

import base64
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from localyun.errors import ServiceError
from localyun.imm.errors import ImmError
from localyun.imm.task_spec import Encoding, TaskSource, TaskSpec
from localyun.imm.values import FAILED, RUNNING, SUCCEEDED
from tests.localyun.audio_world import ACCOUNT, REGION, AudioWorld, order_heard, pcm, tone

TONES = (400, 800, 1200, 1600)


def b64(name: str) -> str:
    """Spell a name for a process string."""
    return base64.urlsafe_b64encode(name.encode()).decode().rstrip("=")


def process(*, words="f_flac,ar_8000,ac_1", pre=(), sur=(), key="result.flac", bucket="", topic="done") -> str:
    """Spell a request; a clip is a key, or a key and its trim words."""
    clips = [("pre", clip) for clip in pre] + [("sur", clip) for clip in sur]
    spelled = "".join(f"/{name},o_{b64(clip.split(',')[0])}{clip[len(clip.split(',')[0]) :]}" for name, clip in clips)
    where = f"b_{b64(bucket)}," if bucket else ""
    tell = f"/notify,topic_{b64(topic)}" if topic else ""
    return f"audio/concat,{words}{spelled}|sys/saveas,{where}o_{b64(key)}{tell}"


@pytest.fixture(scope="module")
def tones(tmp_path_factory) -> list[Path]:
    """Four tones of half a second, 8 kHz."""
    folder = tmp_path_factory.mktemp("tones")
    return [tone(folder / f"{name}.wav", hertz, 0.5, 8000) for name, hertz in zip("abcd", TONES, strict=True)]


@pytest.fixture
def world(tmp_path, tones):
    """Run a service with the tones in its bucket."""
    made = AudioWorld(tmp_path)
    made.upload(*tones)
    made.tasks.start()
    yield made
    made.close()


def refused(world: AudioWorld, request: str, key: str = "a.wav", bucket: str = "media") -> ServiceError:
    """Return how a submission is refused."""
    with pytest.raises(ServiceError) as caught:
        world.tasks.submit_process(bucket, key, request)
    return caught.value


def test_sources_are_joined_pre_posted_sur(world):
    """The posted object is a source, after every pre and before every sur, in the order of the request."""
    accepted = world.tasks.submit_process("media", "c.wav", process(pre=["b.wav", "a.wav"], sur=["d.wav"]))
    task = world.finished(accepted.task_id)

    made = world.objects.head("media", "result.flac")
    halves = [(i / 2 + 0.05, i / 2 + 0.45) for i in range(4)]
    assert (SUCCEEDED, "", "") == (task.status, task.code, task.message)
    assert "audio/flac" == made.content_type
    assert [800, 400, 1200, 1600] == [round(hertz, -1) for hertz in order_heard(made.file, 8000, halves)]
    assert 16000 == len(pcm(made.file))


def test_clips_and_the_whole_are_trimmed(world):
    """`t` is a duration; the action's own ss and t cut what was merged."""
    request = process(words="f_flac,ar_8000,ac_1,ss_100,t_500", pre=["b.wav,ss_100,t_200"], sur=["d.wav,ss_9000"])
    accepted = world.tasks.submit_process("media", "a.wav", request)
    world.finished(accepted.task_id)

    made = world.objects.head("media", "result.flac").file
    assert 4000 == len(pcm(made))
    assert [800, 400] == [round(hertz, -1) for hertz in order_heard(made, 8000, [(0, 0.1), (0.12, 0.5)])]


def test_convert_cuts_one_object(world):
    """`audio/convert` is the same work with one source."""
    request = f"audio/convert,f_flac,ar_8000,ac_1,ss_100,t_200|sys/saveas,o_{b64('cut.flac')}"
    world.finished(world.tasks.submit_process("media", "a.wav", request).task_id)

    assert 1600 == len(pcm(world.objects.head("media", "cut.flac").file))


def test_the_notice_of_success_is_the_documented_envelope(world):
    """Every field, in the order of the vendor's example; `time` is a string, `content` JSON in a string."""
    accepted = world.tasks.submit_process("media", "a.wav", process(sur=["b.wav"], bucket="out"))
    task = world.finished(accepted.task_id)
    topic, body = world.notices[0]
    envelope = json.loads(body)
    content = json.loads(envelope["content"])

    assert "done" == topic
    assert ["id", "source", "type", "subject", "time", "content"] == list(envelope)
    assert (accepted.event_id, "acs.imm", "imm:Task:MediaConvert") == tuple(envelope.values())[:3]
    assert f"acs:imm:{REGION}:{ACCOUNT}:proj/imm:Task:MediaConvert" == envelope["subject"]
    assert str(int(task.ended.timestamp() * 1000)) == envelope["time"]
    assert [
        "ProjectName", "DatasetName", "RequestId", "StartTime", "EndTime", "UserData", "TaskType", "TaskId",
        "Status", "Code", "Message", "EventSourceId", "Sources", "Targets",
    ] == list(content)  # fmt: skip
    assert (accepted.request_id, accepted.task_id) == (content["RequestId"], content["TaskId"])
    assert ("proj", "MediaConvert", "Succeeded", "", "") == tuple(
        content[name] for name in ("ProjectName", "TaskType", "Status", "Code", "Message")
    )
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z", content["EndTime"])
    assert [f"oss://media/{name}" for name in ("a.wav", "b.wav")] == [one["URI"] for one in content["Sources"]]
    target = {
        "URI": "oss://out/result.flac",
        "Subtitle": {"Extract": {"URI": ""}},
        "Image": {"Sprites": None, "Snapshots": None, "Animations": None},
    }
    assert [target] == content["Targets"]


def test_ids_look_like_the_vendors(world):
    """Event id, request id and task id as in the documented answer."""
    accepted = world.tasks.submit_process("media", "a.wav", process())

    assert re.fullmatch(r"[0-9A-F]{3}-1kZ[0-9A-Za-z]{24}", accepted.event_id)
    assert re.fullmatch(r"[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}", accepted.request_id)
    assert re.fullmatch(r"MediaConvert-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", accepted.task_id)


@pytest.mark.parametrize(
    ("sur", "words", "message"),
    [
        ("gone.wav", "f_flac", r"File does not exist\. oss://media/gone\.wav"),
        ("text.wav", "f_flac", r"oss://media/text\.wav is not audio that can be read"),
        ("a.wav", "f_ac3", r"\[ar\]:8000 Hz is not a sampling rate of ac3"),
        ("a.wav", "f_flac,ss_5000", "Nothing is left"),
    ],
)
def test_a_task_that_cannot_be_done_fails_with_code_and_reason(world, sur, words, message):
    """Accepted, then failed: the notice says why, and no target appears."""
    world.objects.put("media", "text.wav", b"this is a letter")
    accepted = world.tasks.submit_process("media", "a.wav", process(words=words, sur=[sur]))
    task = world.finished(accepted.task_id)
    content = json.loads(json.loads(world.notices[0][1])["content"])

    assert (FAILED, "InvalidArgument") == (task.status, task.code)
    assert re.search(message, task.message)
    assert ("Failed", task.code, task.message) == (content["Status"], content["Code"], content["Message"])
    with pytest.raises(ServiceError, match="NoSuchKey"):
        world.objects.head("media", "result.flac")


@pytest.mark.parametrize(
    ("request_text", "text"),
    [
        ("audio/concat,f_mp3", "InvalidArgument, [target]:is required."),
        ("image/resize,w_1|sys/saveas,o_eA", "ResourceNotFound, The specified resource Route is not found."),
        (process(bucket="nowhere"), "InvalidArgument, [target]:bucket nowhere does not exist"),
        (process(key="{nope}"), "InvalidArgument, [target]:'{nope}'"),
        (process(key="/x.mp3"), "InvalidArgument, [target]:The specified object is not valid"),
        (process(sur=["a.wav"] * 11), "InvalidArgument, [sources]:12 audio objects"),
    ],
)
def test_a_bad_request_is_refused_as_oss_passes_it_on(world, request_text, text):
    """Code `Imm Client`, EC 0056-00000001, the useful code first in the message, IMM's request id last."""
    refusal = refused(world, request_text)

    assert (400, "Imm Client", "0056-00000001") == (refusal.status, refusal.code, refusal.ec)
    assert refusal.message.startswith(text)
    assert re.search(r" [0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}$", refusal.message)


def test_a_bucket_that_is_not_attached_is_refused(world):
    """The message that the vendor's own SDK tests look for; also for audio/info."""
    text = "ResourceNotFound, The specified resource Attachment is not found."
    world.objects.put("out", "a.wav", b"x")

    assert refused(world, process(), bucket="out").message.startswith(text)
    with pytest.raises(ServiceError, match=text):
        world.tasks.info("out", "a.wav")


def test_a_missing_posted_object_is_no_such_key(world):
    """The object of the request itself is looked for at once."""
    assert (404, "NoSuchKey") == ((gone := refused(world, process(), key="gone.wav")).status, gone.code)


def test_target_variables_and_extension(world):
    """The posted object lends the names; a name without extension gets the format's."""
    world.objects.put("media", "in/deep.v1.wav", world.objects.head("media", "a.wav").file)
    for key, made in {
        "{dirname}/{barename}-x.{autoext}": "in/deep.v1-x.flac",
        "plain": "plain.flac",
        "{{a}}.bin": "{a}.bin",
    }.items():
        world.finished(world.tasks.submit_process("media", "in/deep.v1.wav", process(key=key)).task_id)

        assert world.objects.head("media", made).size > 0

    world.finished(world.tasks.submit_process("media", "a.wav", process(key="{dirname}/{barename}2")).task_id)
    assert world.objects.head("media", "a2.flac").size > 0


def test_a_put_event_tells_of_the_target(world):
    """Triggers see the output as an ordinary upload."""
    events = []
    world.objects.listen(events.append)
    world.finished(world.tasks.submit_process("media", "a.wav", process()).task_id)

    assert [("ObjectCreated:PutObject", "result.flac")] == [(event.name, event.key) for event in events]


def test_a_topic_that_refuses_loses_the_notice_and_not_the_task(tmp_path, tones):
    """As in the cloud, where a missing grant loses notices silently."""

    def refuse(topic):
        raise ServiceError(404, "TopicNotExist", f"no {topic}")

    world = AudioWorld(tmp_path, refuse)
    world.upload(*tones)
    world.tasks.start()
    task = world.finished(world.tasks.submit_process("media", "a.wav", process()).task_id)
    world.close()

    assert (SUCCEEDED, []) == (task.status, world.notices)


def test_a_task_that_was_waiting_runs_after_a_restart(tmp_path, tones):
    """Accepted means on disk: a service that was never started leaves the work to the next."""
    world = AudioWorld(tmp_path)
    world.upload(*tones)
    accepted = world.tasks.submit_process("media", "a.wav", process(sur=["b.wav"]))
    world.close()
    again = AudioWorld(tmp_path)
    before = again.tasks.get(accepted.task_id).status
    again.tasks.start()
    task = again.finished(accepted.task_id)
    again.close()

    assert (RUNNING, SUCCEEDED) == (before, task.status)
    assert 1 == len(again.notices)


def test_a_notice_that_could_not_be_sent_is_sent_after_a_restart(tmp_path, tones):
    """The outcome is stored first, the notice sent after it: a crash between the two repeats the notice."""

    def crash(topic):
        raise OSError("the process is gone")

    world = AudioWorld(tmp_path, crash)
    world.upload(*tones)
    world.tasks.start()
    task_id = world.tasks.submit_process("media", "a.wav", process()).task_id
    while world.tasks.get(task_id).status == RUNNING:
        time.sleep(0.005)
    world.close()
    again = AudioWorld(tmp_path)
    again.tasks.start()
    again.finished(task_id)
    again.close()

    assert [task_id] == [json.loads(json.loads(body)["content"])["TaskId"] for _, body in again.notices]


CHILD = """
import sys
from pathlib import Path
from tests.localyun.audio_world import AudioWorld
world = AudioWorld(Path(sys.argv[1]))
world.tasks.start()
print(world.tasks.submit_process("media", "long.wav", sys.argv[2]).task_id, flush=True)
sys.stdin.read()
"""


def test_a_task_survives_kill_9_in_the_middle(tmp_path):
    """The process dies while FFmpeg works; the next one finishes the very task."""
    world = AudioWorld(tmp_path)
    world.upload(tone(tmp_path / "long.wav", 500, 60, 8000))
    world.close()
    request = process(words="f_opus,ar_48000,ac_1", key="long.opus")
    command = [sys.executable, "-c", CHILD, str(tmp_path), request]
    here = str(Path(__file__).parents[2])
    with subprocess.Popen(command, cwd=here, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        task_id = child.stdout.readline().strip()
        time.sleep(0.1)
        os.kill(child.pid, signal.SIGKILL)
    again = AudioWorld(tmp_path)
    left = again.tasks.get(task_id)
    again.tasks.start()
    task = again.finished(task_id)
    size = again.objects.head("media", "long.opus").size
    again.close()

    assert (RUNNING, SUCCEEDED, 1) == (left.status, task.status, len(again.notices))
    assert size > 25_000


def test_close_ends_a_running_task_at_once_and_leaves_it_to_the_next(tmp_path):
    """Nobody waits for an hour of audio to stop a laptop's cloud."""
    world = AudioWorld(tmp_path)
    world.upload(tone(tmp_path / "long.wav", 500, 240, 8000))
    world.tasks.start()
    accepted = world.tasks.submit_process("media", "long.wav", process(words="f_opus,ar_48000,ac_1"))
    time.sleep(0.1)
    began = time.monotonic()
    world.close()
    took = time.monotonic() - began
    again = AudioWorld(tmp_path)
    status = again.tasks.get(accepted.task_id).status
    again.close()

    assert took < 2
    assert (RUNNING, []) == (status, world.notices)


def test_many_threads_may_submit_at_once(world):
    """Twenty submissions, two workers: each task ends once, each notice comes once."""
    ids: list[str] = []

    def submit(number: int) -> None:
        ids.append(world.tasks.submit_process("media", "a.wav", process(key=f"r{number}.flac")).task_id)

    threads = [threading.Thread(target=submit, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {SUCCEEDED} == {world.finished(task_id).status for task_id in ids}
    assert sorted(ids) == sorted(json.loads(json.loads(body)["content"])["TaskId"] for _, body in world.notices)
    assert 20 == len(world.tasks.list("proj", SUCCEEDED))


def test_info_describes_an_object(world):
    """Exact duration, and what it is made of."""
    info = world.tasks.info("media", "a.wav")

    size = str(world.objects.head("media", "a.wav").size)
    assert ("0.500000", size) == (info["Format"]["Duration"], info["Format"]["Size"])
    assert ("8000", "1") == tuple(info["Streams"]["AudioStream"][0][name] for name in ("SampleRate", "Channels"))


def test_info_of_something_else_is_an_invalid_argument(world):
    """What is no audio cannot be described."""
    world.objects.put("media", "letter.txt", b"dear reader")
    with pytest.raises(ServiceError) as caught:
        world.tasks.info("media", "letter.txt")

    assert (400, "InvalidArgument", "0056-00000001") == (caught.value.status, caught.value.code, caught.value.ec)
    with pytest.raises(ServiceError, match="NoSuchKey"):
        world.tasks.info("media", "gone.wav")


def test_projects_and_attachments_have_to_exist(world):
    """Attaching to nothing, detaching nothing, submitting to nothing: each is refused with what is missing."""
    work = TaskSpec((TaskSource("media", "a.wav"),), Encoding("flac", 8000, 1), "media", "x.flac")

    with pytest.raises(ImmError, match="Project nope is not found"):
        world.tasks.attach("media", "nope")
    with pytest.raises(ImmError, match="Project nope is not found"):
        world.tasks.submit(work, "nope")
    world.tasks.detach("media")
    with pytest.raises(ImmError, match="Attachment is not found"):
        world.tasks.detach("media")
    assert world.tasks.attachment("media") is None
