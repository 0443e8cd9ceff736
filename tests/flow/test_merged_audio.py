"""Clips that the engine cannot merge whole, or that change: on real audio, the event says so."""

import time
from collections.abc import Mapping
from typing import Any

import pytest

from clipstitch.common.errors import ObjectNotFound
from tests.flow.conftest import System
from tests.sounds import duration_s, encoded, noise, pcm, pitch_at, tone, truncated

A, B = tone(400, 500), tone(900, 500)


def two_streams(milliseconds: int) -> bytes:
    """Return two ADTS streams, one after the other: 44.1 kHz mono, then 48 kHz stereo, as inserted ads are."""
    return encoded(500, milliseconds, "aac", 44100, 1) + encoded(700, milliseconds, "aac", 48000, 2)


def merged(system: System, clip: bytes, name: str, **fields: Any) -> Mapping[str, Any]:
    """Merge a clip between two tones of half a second, and return the data of the event."""
    keys = system.upload({"a.wav": A, name: clip, "b.wav": B})
    event = system.result(system.drop(system.manifest("out.flac", keys, chapters=True, **fields)))
    return event["data"]  # type: ignore[no-any-return]


def assert_chapters_fit(system: System, data: Mapping[str, Any]) -> None:
    """No clip starts after the end of the output, and no cue ends there."""
    real_ms = round(duration_s(system.body("out.flac")) * 1000)
    cues = [line for line in system.body("out.vtt").decode().splitlines() if " --> " in line]
    hours, minutes, seconds = cues[-1].partition(" --> ")[2].split(":")

    assert data["output"]["duration_ms"] == pytest.approx(real_ms, abs=1)
    assert all(clip["starts_at_ms"] <= real_ms for clip in data["clips"])
    assert int(hours) * 3_600_000 + int(minutes) * 60_000 + round(float(seconds) * 1000) <= real_ms


def test_what_follows_a_clip_of_two_streams_is_merged(system: System) -> None:
    """Rate and channels change within the clip; all of it is heard, and the tone behind it."""
    data = merged(system, two_streams(150), "x.aac", strict=True)
    streams = sum(
        duration_s(encoded(hertz, 150, "aac", *shape)) for hertz, *shape in ((500, 44100, 1), (700, 48000, 2))
    )

    assert "succeeded" == data["state"]
    assert data["output"]["duration_ms"] == pytest.approx(1000 + streams * 1000, abs=3)
    assert 900 == pytest.approx(pitch_at(system.body("out.flac"), data["output"]["duration_ms"] / 1000 - 0.25), abs=5)
    assert_chapters_fit(system, data)


@pytest.mark.parametrize(
    "clip",
    [
        pytest.param(("x.flac", truncated(noise("flac"))), id="FLAC"),
        pytest.param(("x.mp3", truncated(noise("mp3"))), id="MP3 with a Xing header"),
    ],
)
def test_a_truncated_clip_is_a_warning_and_fails_a_strict_job(system: System, clip: tuple[str, bytes]) -> None:
    """The container announces twice as much as there is."""
    name, body = clip
    data = merged(system, body, name)
    assert_chapters_fit(system, data)
    strict = system.result(
        system.drop(system.manifest("strict.flac", [clip["key"] for clip in data["clips"]], strict=True), "strict.json")
    )

    assert ("succeeded", ["LENGTH_DIFFERS"]) == (data["state"], [warning["code"] for warning in data["warnings"]])
    assert ("failed", "LENGTH_DIFFERS") == (strict["data"]["state"], strict["data"]["error"]["code"])
    with pytest.raises(ObjectNotFound):
        system.body("strict.flac")


WHOLE = {
    "x.flac": noise("flac"),
    "x.mp3": noise("mp3"),
    "vbr.mp3": noise("mp3", "-q:a", "2", "-write_xing", "0"),
    "x.m4a": noise("m4a"),
    "x.oga": noise("oga", "-c:a", "libvorbis", "-f", "ogg"),
    "x.opus": noise("opus"),
    "x.wma": noise("wma"),
    "x.aac": noise("aac"),
    "x.ac3": noise("ac3"),
    "x.wav": noise("wav"),
}


@pytest.mark.parametrize("output", ["flac", "mp3", "aac", "opus", "oga", "ac3", "amr"])
def test_clips_of_any_format_raise_no_alarm(system: System, output: str) -> None:
    """Whole clips, in a tree of two levels, of a strict job: lengths are as expected in every format."""
    keys = system.upload(WHOLE)
    event = system.result(system.drop(system.manifest(f"out.{output}", [*keys, *keys], strict=True, gap="50ms")))

    assert "succeeded" == event["data"]["state"]
    assert [] == [each for each in event["data"]["warnings"] if "CHANGED" not in each["code"]]


@pytest.mark.parametrize("replacement", [tone(1200, 500), tone(1200, 3000)], ids=["same length", "longer"])
def test_a_clip_that_is_replaced_while_the_job_runs_is_a_warning(system: System, replacement: bytes) -> None:
    """The clip is read by the last step, which waits for the first; it is replaced as soon as that is accepted."""
    long = tone(300, 20 * 60_000, 8000)
    keys = system.upload({"long.wav": long, "a.wav": A, "z.wav": B})
    clips = [keys[0], *[keys[1]] * 10, keys[2]]
    manifest = system.drop(system.manifest("out.flac", clips, chapters=True))
    wait_for_task(system)
    system.upload({"z.wav": replacement})
    data = system.result(manifest, seconds=180)["data"]
    heard = pcm(system.body("out.flac"), 8000)

    assert "succeeded" == data["state"]
    assert "CLIP_CHANGED" in [warning["code"] for warning in data["warnings"]]
    assert keys[2] in [warning["first_clip"] for warning in data["warnings"]]
    assert data["output"]["duration_ms"] == pytest.approx(len(heard) / 8, abs=2)


def wait_for_task(system: System) -> None:
    """Wait until a task of this test has been accepted."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        open_jobs = list(system.cloud.store.open_jobs())
        if any(system.cloud.store.load(job).has("accepted") for job in open_jobs):
            return
        time.sleep(0.02)
    raise TimeoutError("no task was accepted")
