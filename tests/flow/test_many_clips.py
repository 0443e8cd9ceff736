"""Merges of many clips, with several levels of steps: the joins are exact to the sample."""

import re
import subprocess

import numpy as np
import pytest

from tests.flow.conftest import System
from tests.sounds import FFMPEG, duration_s, encoded, pcm, pitch_at, tone, wav

RATE = 44100


def rising_tone(count: int) -> np.ndarray:
    """Return samples of a tone that never repeats, so that a lost, duplicate or moved sample is detected."""
    at = np.arange(count) / RATE
    samples: np.ndarray = (12000 * np.sin(2 * np.pi * (300 + 40 * at) * at)).astype("<i2")
    return samples


@pytest.mark.parametrize("pieces", [33, 121, 300])
def test_merging_the_pieces_of_a_tone_restores_every_sample(system: System, pieces: int) -> None:
    """One to three levels of steps add no click or gap, and use the smallest number of tasks."""
    whole = rising_tone(pieces * 4410 + 7)
    cuts = np.linspace(0, len(whole), pieces + 1).astype(int)
    system.upload({f"c/{n}.wav": wav(whole[cuts[n] : cuts[n + 1]], RATE) for n in range(pieces)})

    clips = [{"glob": system.ref("c/*.wav").key}]
    event = system.result(system.drop(system.manifest("out.flac", clips)), seconds=60)

    assert -(-(pieces - 1) // 10) == len(event["data"]["tasks"])
    merged = np.round(pcm(system.body("out.flac"), RATE)[:, 0] * 32768).astype("<i2")
    assert len(whole) == len(merged)
    assert np.array_equal(whole, merged)


def test_twelve_trimmed_clips_with_gaps_have_the_exact_length(system: System) -> None:
    """Clip trims, gaps and an output trim add up exactly, in samples."""
    keys = system.upload({f"{n}.wav": tone(300 + 50 * n, 500, 22050) for n in range(12)})
    clips = [{"key": key, "start": "100ms", "duration": "250ms"} for key in keys]
    document = system.manifest("out.flac", clips, gap="40ms", output={"sample_rate": RATE, "start": "30ms"})

    event = system.result(system.drop(document))

    samples = 12 * (RATE * 250 // 1000) + 11 * (RATE * 40 // 1000) - RATE * 30 // 1000
    assert samples == len(pcm(system.body("out.flac"), RATE))
    assert [0, 260, 550] == [clip["starts_at_ms"] for clip in event["data"]["clips"][:3]]
    assert pitch_at(system.body("out.flac"), 0.26 + 0.125, length=0.1) == pytest.approx(350, abs=12)


def test_silence_is_inserted_at_its_position_and_reused(system: System) -> None:
    """A second of silence between two tones is created once; the next job reuses it."""
    first, second = system.upload({"a.wav": tone(500, 400), "b.mp3": encoded(900, 400, "mp3")})
    clips = [{"key": first, "duration": "400ms"}, {"silence": "1s"}, {"key": second, "start": "1ms"}]
    for name in ("one", "two"):
        system.result(system.drop(system.manifest(f"{name}.flac", clips), f"{name}.json"))

    samples = pcm(system.body("two.flac"), RATE)[:, 0]
    assert 0 == np.abs(samples[int(0.41 * RATE) : int(1.39 * RATE)]).max()
    assert pitch_at(system.body("one.flac"), 1.6) == pytest.approx(900, abs=8)
    assert 1 == len(list(system.cloud.objects.list(system.bucket, "_clipstitch/assets/silence-44100-1-44100")))


def test_chapters_are_in_the_mp3_and_in_a_webvtt_file(system: System) -> None:
    """A player lists them in order with titles and start times; no audio is lost."""
    keys = system.upload({f"{n}.wav": tone(300 + 100 * n, 700) for n in range(13)})
    clips = [{"key": keys[0], "title": "The <first> & only"}, *keys[1:]]
    document = system.manifest("book.mp3", clips, chapters=True, gap="100ms")

    event = system.result(system.drop(document))

    chapters = read_chapters(system.body("book.mp3"))
    assert [round(0.8 * n, 3) for n in range(13)] == pytest.approx([start for start, _ in chapters], abs=0.0011)
    assert ["The <first> & only", "1", "2"] == [title for _, title in chapters[:3]]
    assert duration_s(system.body("book.mp3")) == pytest.approx(13 * 0.7 + 12 * 0.1, abs=0.06)
    vtt = system.body("book.vtt").decode()
    assert vtt.startswith("WEBVTT\n\n1\n00:00:00.000 --> 00:00:00.800\nThe &lt;first&gt; &amp; only\n")
    assert event["data"]["chapters"]["webvtt"].endswith("/book.vtt")


def read_chapters(body: bytes) -> list[tuple[float, str]]:
    """Return start in seconds and title of every chapter that FFmpeg finds."""
    completed = subprocess.run([FFMPEG, "-hide_banner", "-i", "-"], input=body, capture_output=True, check=False)
    pattern = r"Chapter #0:\d+: start ([\d.]+), end [\d.]+\n\s+Metadata:\n\s+title\s+: (.*)\n"
    return [(float(start), title) for start, title in re.findall(pattern, completed.stderr.decode())]


@pytest.mark.parametrize("suffix", ["ffconcat", "m3u"])
def test_a_playlist_is_accepted_as_a_manifest(system: System, suffix: str) -> None:
    """The clips are merged in its order; a comment sets the output."""
    first, second = system.upload({"it's a.wav": tone(500, 400), "b.wav": tone(900, 400)})
    output = f'# clipstitch: {{"output": {{"key": "{system.ref("out.flac").key}"}}}}'
    quoted = first.replace("'", "'\\''")
    text = {
        "ffconcat": f"ffconcat version 1.0\n{output}\nfile '{quoted}'\noutpoint 0.3\nfile {second}\ninpoint 0.1\n",
        "m3u": f"#EXTM3U\n{output}\n#EXTINF:1,One\n{first}\n{second}\n",
    }[suffix]

    event = system.result(system.drop(text, f"list.{suffix}"))

    assert "succeeded" == event["data"]["state"]
    assert (0.6 if suffix == "ffconcat" else 0.8) == pytest.approx(duration_s(system.body("out.flac")))


def test_one_unreadable_clip_among_many_is_reported(system: System) -> None:
    """The job is rejected before a task starts, and the issue has the path of the clip."""
    keys = system.upload({f"{n}.wav": tone(300, 100) if n != 17 else b"RIFF no" for n in range(25)})

    event = system.result(system.drop(system.manifest("out.flac", keys)))

    assert [("CLIP_NOT_AUDIO", "/clips/17")] == [(issue["code"], issue["path"]) for issue in event["data"]["issues"]]
