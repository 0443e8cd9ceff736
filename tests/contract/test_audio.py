"""The contract of the `AudioService` port."""

import time
from collections.abc import Callable

import pytest

from clipstitch.adapters.memory import MemoryAudioService
from clipstitch.common.errors import NotAudio, ObjectNotFound
from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.ports import ObjectHeaders, Probe
from clipstitch.planning.lengths import is_estimated
from clipstitch.planning.process_string import Process, Saveas, Segment, Transcode, format_process
from clipstitch.usecases.context import Context

Namer = Callable[[str], ObjectRef]


def test_probe_measures_every_clip(cloud: Context, ref: Namer, audio: bytes) -> None:
    """One call returns the duration, sample rate and channels of each clip, and the ETag of the object."""
    cloud.objects.write(ref("a.wav"), audio, ObjectHeaders())
    cloud.objects.write(ref("b.wav"), audio, ObjectHeaders())

    probes = cloud.audio.probe([ref("a.wav"), ref("b.wav")])

    assert {ref("a.wav"), ref("b.wav")} == set(probes)
    for key, probe in probes.items():
        assert isinstance(probe, Probe)
        assert (1.0, 8000, 1) == (probe.duration_s, probe.sample_rate, probe.channels)
        assert cloud.objects.describe(key).etag == probe.etag != ""


def test_probe_returns_an_error_for_each_clip_it_cannot_measure(cloud: Context, ref: Namer, audio: bytes) -> None:
    """An unreadable or missing clip does not hide the results of the others."""
    cloud.objects.write(ref("a.wav"), audio, ObjectHeaders())
    cloud.objects.write(ref("b.wav"), b"this is text", ObjectHeaders())

    probes = cloud.audio.probe([ref("a.wav"), ref("b.wav"), ref("c.wav")])

    assert [Probe, NotAudio, ObjectNotFound] == [type(probes[ref(key)]) for key in ("a.wav", "b.wav", "c.wav")]


def test_a_started_process_creates_its_target(cloud: Context, ref: Namer, audio: bytes) -> None:
    """A clip of one second and half of another give 1.5 seconds."""
    cloud.objects.write(ref("a.wav"), audio, ObjectHeaders())
    transcode, target = Transcode("flac", ac=1, ar=8000), ref("out.flac")
    process = Process(transcode, sur=(Segment(ref("a.wav").key, 500),), saveas=Saveas.literal(target))

    task = cloud.audio.start(ref("a.wav"), format_process(process))
    _wait_for(cloud, target)

    assert task
    made = cloud.audio.probe([target])[target]
    assert isinstance(made, Probe)
    assert (1.5, 8000, 1) == (made.duration_s, made.sample_rate, made.channels)
    assert not is_estimated(made)


def test_starting_the_same_process_twice_creates_two_tasks(cloud: Context, ref: Namer, audio: bytes) -> None:
    """The cloud does not deduplicate: each start returns a new task id."""
    cloud.objects.write(ref("a.wav"), audio, ObjectHeaders())
    process = format_process(Process(Transcode("flac", ac=1, ar=8000), saveas=Saveas.literal(ref("out.flac"))))

    tasks = {cloud.audio.start(ref("a.wav"), process) for _ in range(2)}

    assert 2 == len(tasks)


def test_starting_a_process_on_a_missing_object_fails(cloud: Context, ref: Namer) -> None:
    """The process is posted to its main object, so that object must exist."""
    process = format_process(Process(Transcode("flac", ac=1, ar=8000), saveas=Saveas.literal(ref("out.flac"))))

    with pytest.raises(ObjectNotFound):
        cloud.audio.start(ref("missing.wav"), process)


def _wait_for(cloud: Context, target: ObjectRef) -> None:
    """Wait for an object; in memory, run the accepted tasks first."""
    if isinstance(cloud.audio, MemoryAudioService):
        for accepted in cloud.audio.accepted:
            cloud.audio.run(accepted)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            cloud.objects.describe(target)
        except ObjectNotFound:
            time.sleep(0.02)
        else:
            return
    pytest.fail(f"{target.uri} did not appear within 60 s")
