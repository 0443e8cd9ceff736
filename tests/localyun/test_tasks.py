"""The task service: submissions, outputs, completion notifications, and recovery after a crash."""

import base64
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from localyun.errors import ServiceError
from localyun.imm.errors import ImmError
from localyun.imm.task_spec import Encoding, TaskSource, TaskSpec
from localyun.imm.values import FAILED, RUNNING, SUCCEEDED
from localyun.oss.values import ObjectEvent
from tests.localyun.audio_world import ACCOUNT, REGION, AudioWorld, frequencies, pcm, tone

TONES = (400, 800, 1200, 1600)


def b64(name: str) -> str:
    """Encode a name for a process string."""
    return base64.urlsafe_b64encode(name.encode()).decode().rstrip("=")


def process(
    *,
    words: str = "f_flac,ar_8000,ac_1",
    pre: Sequence[str] = (),
    sur: Sequence[str] = (),
    key: str = "result.flac",
    bucket: str = "",
    topic: str = "done",
) -> str:
    """Return a process string; a clip is a key, or a key and its trim parameters."""
    clips = [("pre", clip) for clip in pre] + [("sur", clip) for clip in sur]
    formatted = "".join(f"/{name},o_{b64(clip.split(',')[0])}{clip[len(clip.split(',')[0]) :]}" for name, clip in clips)
    target_bucket = f"b_{b64(bucket)}," if bucket else ""
    notify = f"/notify,topic_{b64(topic)}" if topic else ""
    return f"audio/concat,{words}{formatted}|sys/saveas,{target_bucket}o_{b64(key)}{notify}"


@pytest.fixture(scope="module")
def tones(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Write four tones of half a second at 8 kHz."""
    folder = tmp_path_factory.mktemp("tones")
    return [tone(folder / f"{name}.wav", hertz, 0.5, 8000) for name, hertz in zip("abcd", TONES, strict=True)]


@pytest.fixture
def world(tmp_path: Path, tones: list[Path]) -> Iterator[AudioWorld]:
    """Run a service with the tones in its bucket."""
    new = AudioWorld(tmp_path)
    new.upload(*tones)
    new.tasks.start()
    yield new
    new.close()


def rejection(world: AudioWorld, request: str, key: str = "a.wav", bucket: str = "media") -> ServiceError:
    """Return the error of a rejected submission."""
    with pytest.raises(ServiceError) as caught:
        world.tasks.submit_process(bucket, key, request)
    return caught.value


def test_sources_are_joined_pre_posted_sur(world: AudioWorld) -> None:
    """The posted object is a source, after all pre clips and before all sur clips, in the order of the request."""
    accepted = world.tasks.submit_process("media", "c.wav", process(pre=["b.wav", "a.wav"], sur=["d.wav"]))
    task = world.finished(accepted.task_id)

    made = world.objects.head("media", "result.flac")
    halves = [(i / 2 + 0.05, i / 2 + 0.45) for i in range(4)]
    assert (SUCCEEDED, "", "") == (task.status, task.code, task.message)
    assert "audio/flac" == made.content_type
    assert [800, 400, 1200, 1600] == [round(hertz, -1) for hertz in frequencies(made.file, 8000, halves)]
    assert 16000 == len(pcm(made.file))


def test_clips_and_the_output_are_trimmed(world: AudioWorld) -> None:
    """The parameter t is a duration; ss and t of the action trim the output."""
    request = process(words="f_flac,ar_8000,ac_1,ss_100,t_500", pre=["b.wav,ss_100,t_200"], sur=["d.wav,ss_9000"])
    accepted = world.tasks.submit_process("media", "a.wav", request)
    world.finished(accepted.task_id)

    made = world.objects.head("media", "result.flac").file
    assert 4000 == len(pcm(made))
    assert [800, 400] == [round(hertz, -1) for hertz in frequencies(made, 8000, [(0, 0.1), (0.12, 0.5)])]


def test_convert_trims_one_object(world: AudioWorld) -> None:
    """The action `audio/convert` is a task with one source."""
    request = f"audio/convert,f_flac,ar_8000,ac_1,ss_100,t_200|sys/saveas,o_{b64('cut.flac')}"
    world.finished(world.tasks.submit_process("media", "a.wav", request).task_id)

    assert 1600 == len(pcm(world.objects.head("media", "cut.flac").file))


def test_the_notification_of_success_has_the_documented_format(world: AudioWorld) -> None:
    """It has all fields in the order of the vendor's example; `time` is a string, `content` is JSON in a string."""
    accepted = world.tasks.submit_process("media", "a.wav", process(sur=["b.wav"], bucket="out"))
    task = world.finished(accepted.task_id)
    topic, body = world.notifications[0]
    envelope = json.loads(body)
    content = json.loads(envelope["content"])

    assert "done" == topic
    assert ["id", "source", "type", "subject", "time", "content"] == list(envelope)
    assert (accepted.event_id, "acs.imm", "imm:Task:MediaConvert") == tuple(envelope.values())[:3]
    assert f"acs:imm:{REGION}:{ACCOUNT}:proj/imm:Task:MediaConvert" == envelope["subject"]
    assert task.ended
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


def test_ids_have_the_vendors_format(world: AudioWorld) -> None:
    """Event id, request id and task id are as in the documented answer."""
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
def test_a_task_that_cannot_be_executed_fails_with_code_and_reason(
    world: AudioWorld, sur: str, words: str, message: str
) -> None:
    """The task is accepted, then fails; the notification has the reason, and there is no output."""
    world.objects.put("media", "text.wav", b"this is text")
    accepted = world.tasks.submit_process("media", "a.wav", process(words=words, sur=[sur]))
    task = world.finished(accepted.task_id)
    content = json.loads(json.loads(world.notifications[0][1])["content"])

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
def test_an_invalid_request_is_rejected_in_the_form_of_oss(world: AudioWorld, request_text: str, text: str) -> None:
    """The code is `Imm Client`, the EC 0056-00000001; the message has IMM's code first and IMM's request id last."""
    refusal = rejection(world, request_text)

    assert (400, "Imm Client", "0056-00000001") == (refusal.status, refusal.code, refusal.ec)
    assert refusal.message.startswith(text)
    assert re.search(r" [0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}$", refusal.message)


def test_a_bucket_that_is_not_attached_is_rejected(world: AudioWorld) -> None:
    """The message is the one that the vendor's SDK tests expect, for audio/info too."""
    text = "ResourceNotFound, The specified resource Attachment is not found."
    world.objects.put("out", "a.wav", b"x")

    assert rejection(world, process(), bucket="out").message.startswith(text)
    with pytest.raises(ServiceError, match=text):
        world.tasks.info("out", "a.wav")


def test_a_missing_posted_object_is_no_such_key(world: AudioWorld) -> None:
    """The submission checks the posted object."""
    assert (404, "NoSuchKey") == ((error := rejection(world, process(), key="gone.wav")).status, error.code)


def test_target_variables_and_extension(world: AudioWorld) -> None:
    """Variables have the values of the posted object; a name without extension gets that of the format."""
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


def test_the_output_is_announced_by_a_put_event(world: AudioWorld) -> None:
    """Triggers receive the output like an upload."""
    events: list[ObjectEvent] = []
    world.objects.listen(events.append)
    world.finished(world.tasks.submit_process("media", "a.wav", process()).task_id)

    assert [("ObjectCreated:PutObject", "result.flac")] == [(event.name, event.key) for event in events]


def test_a_topic_that_rejects_a_notification_does_not_fail_the_task(tmp_path: Path, tones: list[Path]) -> None:
    """The notification is lost, as in the cloud if a permission is missing."""

    def reject(topic: str) -> None:
        raise ServiceError(404, "TopicNotExist", f"no {topic}")

    world = AudioWorld(tmp_path, reject)
    world.upload(*tones)
    world.tasks.start()
    task = world.finished(world.tasks.submit_process("media", "a.wav", process()).task_id)
    world.close()

    assert (SUCCEEDED, []) == (task.status, world.notifications)


@pytest.mark.parametrize(
    ("action", "where"),
    [
        ("oss:GetObject", "media/a.wav"),
        ("oss:GetObject", "media/b.wav"),
        ("oss:PutObject", "out/result.flac"),
    ],
)
def test_a_task_fails_if_the_service_role_may_not_read_a_source_or_write_the_target(
    action: str, where: str, tmp_path: Path, tones: list[Path]
) -> None:
    """The task is accepted, since the caller may start it; the notification has the error, which names the right."""

    def role_may(project: str, asked: str, bucket: str, key: str) -> bool:
        assert "proj" == project
        return (asked, f"{bucket}/{key}") != (action, where)

    world = AudioWorld(tmp_path, role_may=role_may)
    world.upload(*tones)
    world.tasks.start()
    request = process(pre=["b.wav"], bucket="out")
    task = world.finished(world.tasks.submit_process("media", "a.wav", request).task_id)
    content = json.loads(json.loads(world.notifications[0][1])["content"])
    made = world.objects.find("out", "result.flac")
    world.close()

    message = f"The service role of project proj lacks {action} on oss://{where}."
    assert (FAILED, "AccessDenied", message) == (task.status, task.code, task.message)
    assert ("Failed", "AccessDenied", message) == tuple(content[name] for name in ("Status", "Code", "Message"))
    assert made is None


def test_audio_info_is_refused_if_the_service_role_may_not_read_the_object(tmp_path: Path, tones: list[Path]) -> None:
    """In the form in which OSS forwards the errors of IMM."""
    world = AudioWorld(tmp_path, role_may=lambda *_: False)
    world.upload(*tones)
    with pytest.raises(ServiceError) as caught:
        world.tasks.info("media", "a.wav")
    world.close()

    assert (400, "Imm Client") == (caught.value.status, caught.value.code)
    assert "AccessDenied, The service role of project proj lacks oss:GetObject" in caught.value.message


def test_the_target_of_a_process_is_checked_before_its_task_is_accepted(world: AudioWorld) -> None:
    """With the names that its variables have."""
    targets: list[str] = []

    def check_target(bucket: str, key: str) -> None:
        targets.append(f"{bucket}/{key}")
        raise ServiceError(403, "AccessDenied", "no right")

    with pytest.raises(ServiceError, match="no right"):
        world.tasks.submit_process("media", "a.wav", process(key="{barename}2.flac", bucket="out"), check_target)

    assert ["out/a2.flac"] == targets
    assert [] == world.tasks.list("proj")


def test_a_waiting_task_runs_after_a_restart(tmp_path: Path, tones: list[Path]) -> None:
    """An accepted task is on disk: the next service runs the tasks of one that was never started."""
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
    assert 1 == len(again.notifications)


def test_a_notification_that_could_not_be_sent_is_sent_after_a_restart(tmp_path: Path, tones: list[Path]) -> None:
    """The result is stored before the notification is sent: a crash in between repeats the notification."""

    def crash(topic: str) -> None:
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

    assert [task_id] == [json.loads(json.loads(body)["content"])["TaskId"] for _, body in again.notifications]


CHILD = """
import sys
from pathlib import Path
from localyun.oss.values import ObjectEvent
from tests.localyun.audio_world import AudioWorld
world = AudioWorld(Path(sys.argv[1]))
world.tasks.start()
print(world.tasks.submit_process("media", "long.wav", sys.argv[2]).task_id, flush=True)
sys.stdin.read()
"""


def test_a_running_task_survives_kill_9(tmp_path: Path) -> None:
    """The process is killed while FFmpeg runs; the next process finishes the same task."""
    world = AudioWorld(tmp_path)
    world.upload(tone(tmp_path / "long.wav", 500, 60, 8000))
    world.close()
    request = process(words="f_opus,ar_48000,ac_1", key="long.opus")
    command = [sys.executable, "-c", CHILD, str(tmp_path), request]
    here = str(Path(__file__).parents[2])
    with subprocess.Popen(command, cwd=here, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout
        task_id = child.stdout.readline().strip()
        time.sleep(0.1)
        os.kill(child.pid, signal.SIGKILL)
    again = AudioWorld(tmp_path)
    left = again.tasks.get(task_id)
    again.tasks.start()
    task = again.finished(task_id)
    size = again.objects.head("media", "long.opus").size
    again.close()

    assert (RUNNING, SUCCEEDED, 1) == (left.status, task.status, len(again.notifications))
    assert size > 25_000


def test_close_stops_a_running_task_immediately_and_the_next_service_runs_it(tmp_path: Path) -> None:
    """A long task does not delay the stop of the local cloud."""
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
    assert (RUNNING, []) == (status, world.notifications)


def test_many_threads_may_submit_concurrently(world: AudioWorld) -> None:
    """With 20 submissions and two workers, each task finishes once and each notification is sent once."""
    ids: list[str] = []

    def submit(number: int) -> None:
        ids.append(world.tasks.submit_process("media", "a.wav", process(key=f"r{number}.flac")).task_id)

    threads = [threading.Thread(target=submit, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {SUCCEEDED} == {world.finished(task_id).status for task_id in ids}
    assert sorted(ids) == sorted(json.loads(json.loads(body)["content"])["TaskId"] for _, body in world.notifications)
    assert 20 == len(world.tasks.list("proj", SUCCEEDED))


def test_info_describes_an_object(world: AudioWorld) -> None:
    """The document has the exact duration and the properties of the stream."""
    info = world.tasks.info("media", "a.wav")

    size = str(world.objects.head("media", "a.wav").size)
    assert ("0.500000", size) == (info["Format"]["Duration"], info["Format"]["Size"])
    assert ("8000", "1") == tuple(info["Streams"]["AudioStream"][0][name] for name in ("SampleRate", "Channels"))


def test_info_of_another_object_is_an_invalid_argument(world: AudioWorld) -> None:
    """An object without audio cannot be described."""
    world.objects.put("media", "note.txt", b"dear reader")
    with pytest.raises(ServiceError) as caught:
        world.tasks.info("media", "note.txt")

    assert (400, "InvalidArgument", "0056-00000001") == (caught.value.status, caught.value.code, caught.value.ec)
    with pytest.raises(ServiceError, match="NoSuchKey"):
        world.tasks.info("media", "gone.wav")


def test_projects_and_attachments_have_to_exist(world: AudioWorld) -> None:
    """Attaching, detaching and submitting name the missing project or attachment in the error."""
    spec = TaskSpec((TaskSource("media", "a.wav"),), Encoding("flac", 8000, 1), "media", "x.flac")

    with pytest.raises(ImmError, match="Project nope is not found"):
        world.tasks.attach("media", "nope")
    with pytest.raises(ImmError, match="Project nope is not found"):
        world.tasks.submit(spec, "nope")
    world.tasks.detach("media")
    with pytest.raises(ImmError, match="Attachment is not found"):
        world.tasks.detach("media")
    assert world.tasks.attachment("media") is None
