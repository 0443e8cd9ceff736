"""What every implementation of the `AudioService` port promises."""

import time
from collections.abc import Callable

import pytest

from clipstitch.adapters.memory import MemoryAudioService
from clipstitch.common.errors import NotAudio, ObjectNotFound
from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.ports import ObjectHeaders, Probe
from clipstitch.planning.process_string import Process, Saveas, Segment, Transcode, format_process
from clipstitch.usecases.context import Context

Namer = Callable[[str], ObjectRef]


def test_probing_measures_every_clip(cloud: Context, ref: Namer, audio: bytes) -> None:
    """Length, rate and channels of each, in one call."""
    cloud.objects.write(ref("a.wav"), audio, ObjectHeaders())
    cloud.objects.write(ref("b.wav"), audio, ObjectHeaders())

    probes = cloud.audio.probe([ref("a.wav"), ref("b.wav")])

    assert {ref("a.wav"), ref("b.wav")} == set(probes)
    for probe in probes.values():
        assert isinstance(probe, Probe)
        assert (1.0, 8000, 1) == (probe.duration_s, probe.sample_rate, probe.channels)


def test_what_cannot_be_probed_stands_in_its_place(cloud: Context, ref: Namer, audio: bytes) -> None:
    """One bad clip does not hide the others."""
    cloud.objects.write(ref("a.wav"), audio, ObjectHeaders())
    cloud.objects.write(ref("b.wav"), b"this is text", ObjectHeaders())

    probes = cloud.audio.probe([ref("a.wav"), ref("b.wav"), ref("c.wav")])

    assert [Probe, NotAudio, ObjectNotFound] == [type(probes[ref(key)]) for key in ("a.wav", "b.wav", "c.wav")]


def test_a_started_process_makes_its_target(cloud: Context, ref: Namer, audio: bytes) -> None:
    """Two clips of one second, one of them half: a second and a half."""
    cloud.objects.write(ref("a.wav"), audio, ObjectHeaders())
    transcode, target = Transcode("flac", ac=1, ar=8000), ref("out.flac")
    process = Process(transcode, sur=(Segment(ref("a.wav").key, 500),), saveas=Saveas.literal(target))

    task = cloud.audio.start(ref("a.wav"), format_process(process))
    _finish(cloud, target)

    assert task
    assert Probe(1.5, 8000, 1) == _without_bitrate(cloud.audio.probe([target])[target])


def test_every_start_is_another_task(cloud: Context, ref: Namer, audio: bytes) -> None:
    """Asked twice, the cloud does it twice, under two names."""
    cloud.objects.write(ref("a.wav"), audio, ObjectHeaders())
    process = format_process(Process(Transcode("flac", ac=1, ar=8000), saveas=Saveas.literal(ref("out.flac"))))

    tasks = {cloud.audio.start(ref("a.wav"), process) for _ in range(2)}

    assert 2 == len(tasks)


def test_a_missing_main_object_is_refused(cloud: Context, ref: Namer) -> None:
    """There is nothing to post to."""
    process = format_process(Process(Transcode("flac", ac=1, ar=8000), saveas=Saveas.literal(ref("out.flac"))))

    with pytest.raises(ObjectNotFound):
        cloud.audio.start(ref("nothing.wav"), process)


def _finish(cloud: Context, target: ObjectRef) -> None:
    """Let accepted tasks run: at once in memory, in its own time in the local cloud."""
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


def _without_bitrate(probe: object) -> object:
    """Leave out what depends on the encoder."""
    return probe._replace(bitrate=0) if isinstance(probe, Probe) else probe
