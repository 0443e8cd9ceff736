"""Render steps with the real FFmpeg: lengths, joins and levels, exact to the sample."""

from collections.abc import Mapping
from itertools import accumulate, pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import imageio_ffmpeg
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipstitch.common.errors import NotAudio, RenderFailed
from clipstitch.planning.render_spec import ClipReport, Joins, OutputEncoding, RenderedClip, RenderSpec
from clipstitch.rendering.ffmpeg import FfmpegProgram
from clipstitch.rendering.render import RenderedFile, render
from tests.sounds import encoded, pcm, tone, wav

RATE = 44100
WAV = OutputEncoding("wav", RATE, 1)
CLIPS = {
    "a.wav": tone(300, 500),
    "b.mp3": encoded(600, 500, "mp3"),
    "c.flac": encoded(900, 250, "flac", 48000, 2),
    "d.ogg": encoded(1200, 400, "ogg"),
}


def spoken(lead: int, body: int, tail: int) -> bytes:
    """Return a WAV of silence, a constant level of 0.5, and silence, in samples."""
    return wav(np.concatenate([np.zeros(lead), np.full(body, 16384), np.zeros(tail)]).astype(np.int16), RATE)


def rendered(folder: Path, spec: RenderSpec, clips: Mapping[str, bytes], workers: int = 2) -> RenderedFile:
    """Render clips in a folder; afterwards it has the output only."""

    def fetch(clip: RenderedClip, path: Path) -> None:
        path.write_bytes(clips[clip.key])

    made = render(
        spec,
        fetch,
        FfmpegProgram(imageio_ffmpeg.get_ffmpeg_exe(), folder),
        workers,
    )
    assert [made.file] == list(folder.iterdir())
    return made


def heard(made: RenderedFile, channels: int = 1) -> np.ndarray:
    """Return the samples of a rendered file."""
    return pcm(made.file.read_bytes(), RATE, channels)


def test_clips_of_many_formats_are_joined_end_to_end(tmp_path: Path) -> None:
    """Each clip begins where the one before ends, in samples, and the output has their sum."""
    spec = RenderSpec(tuple(RenderedClip(key) for key in CLIPS), WAV)
    made = rendered(tmp_path, spec, CLIPS)
    starts = [clip.starts_at for clip in made.report.clips]

    assert [0, *accumulate(clip.length for clip in made.report.clips[:-1])] == starts
    assert (22050, 11025) == (made.report.clips[0].length, made.report.clips[2].length)
    assert made.report.samples == len(heard(made)) == sum(clip.length for clip in made.report.clips)
    assert [clip.length for clip in made.report.clips] == [clip.decoded for clip in made.report.clips]


@settings(max_examples=15, deadline=None)
@given(st.data())
def test_any_trims_silences_and_joins_keep_the_books(data: st.DataObject) -> None:
    """The report adds up: lengths, overlaps and silences give the samples of the output."""
    clips = st.builds(
        RenderedClip,
        st.sampled_from(sorted(CLIPS)),
        start_ms=st.integers(0, 200),
        duration_ms=st.integers(0, 300),
        fade_in_ms=st.integers(0, 50),
        fade_out_ms=st.integers(0, 50),
    )
    silence = st.builds(RenderedClip, st.just(""), duration_ms=st.integers(1, 300))
    chosen = tuple(data.draw(st.lists(clips | silence, min_size=1, max_size=4)))
    crossfade_ms = data.draw(st.sampled_from([0, 20]))
    spec = RenderSpec(chosen, WAV, Joins(fade_ms=data.draw(st.integers(0, 30)), crossfade_ms=crossfade_ms))
    with TemporaryDirectory() as folder:
        made = rendered(Path(folder), spec, CLIPS)
        samples = len(heard(made))
    lengths = [clip.length for clip in made.report.clips]
    neighbours = pairwise(zip(lengths, chosen, strict=True))
    overlaps = [
        min(crossfade_ms * RATE // 1000, one // 2, other // 2)
        for (one, clip), (other, after) in neighbours
        if clip.key and after.key
    ]

    assert made.report.samples == samples == sum(lengths) - sum(overlaps)


def test_silence_at_the_edges_is_cut_but_for_what_is_kept(tmp_path: Path) -> None:
    """Never more than there is; the report says what was cut off the beginning."""
    clips = {"long": spoken(9000, 1000, 8000), "short": spoken(100, 1000, 0)}
    keep = 60 * RATE // 1000
    spec = RenderSpec((RenderedClip("long"), RenderedClip("short")), WAV, Joins(-50, 60))
    made = rendered(tmp_path, spec, clips)
    samples = heard(made)[:, 0]

    assert ClipReport(0, keep + 1000 + keep, 18000, 9000 - keep) == made.report.clips[0]
    assert ClipReport(2 * keep + 1000, 1100, 1100) == made.report.clips[1]
    assert [keep, 1000 + keep] == [int(np.argmax(samples > 0.4)), keep + int(np.argmax(samples[keep:] < 0.4))]


def test_a_silent_clip_keeps_its_edges(tmp_path: Path) -> None:
    """It never vanishes, and is reported."""
    spec = RenderSpec((RenderedClip("silent"), RenderedClip("a.wav")), WAV, Joins(-50, 60))
    made = rendered(tmp_path, spec, {**CLIPS, "silent": spoken(30000, 0, 0)})

    assert ClipReport(0, 2 * 60 * RATE // 1000, 30000, 0, silent=True) == made.report.clips[0]
    assert not made.report.clips[1].silent


def test_a_fade_ends_a_click_and_a_crossfade_keeps_the_level(tmp_path: Path) -> None:
    """No step at the joins: each sample differs from its neighbour by less than the fade rises in one."""
    clips = {"one": spoken(0, 8000, 0), "two": spoken(0, 6000, 0)}
    both = (RenderedClip("one"), RenderedClip("two"))
    for name in ("faded", "crossed"):
        (tmp_path / name).mkdir()
    faded = heard(rendered(tmp_path / "faded", RenderSpec(both, WAV, Joins(fade_ms=10)), clips))[:, 0]
    crossed = rendered(tmp_path / "crossed", RenderSpec(both, WAV, Joins(crossfade_ms=10)), clips)

    assert np.abs(np.diff(faded)).max() < 0.5 / 441 * 1.1
    assert abs(faded[0]) < 0.001
    assert abs(faded[8000]) < 0.001
    assert np.allclose(heard(crossed)[:, 0], 0.5, atol=1e-3)
    assert ClipReport(8000 - 441, 6000, 6000, overlap=441) == crossed.report.clips[1]


def test_gain_channels_and_trim_of_the_whole(tmp_path: Path) -> None:
    """A mono clip is as loud in both channels; -6 dB halves; the window moves the clips."""
    clips = {"one": spoken(0, RATE, 0), "two": spoken(0, RATE, 0)}
    both = (RenderedClip("one"), RenderedClip("two", gain_db=-6.0206))
    spec = RenderSpec(both, OutputEncoding("wav", RATE, 2), start_ms=500, duration_ms=1000)
    made = rendered(tmp_path, spec, clips)
    samples = heard(made, 2)

    assert np.allclose(samples[100:22000], 0.5, atol=1e-3)
    assert np.allclose(samples[22100:], 0.25, atol=1e-3)
    assert [ClipReport(0, 22050, RATE), ClipReport(22050, 22050, RATE)] == list(made.report.clips)


def test_stereo_becomes_mono_by_the_mean(tmp_path: Path) -> None:
    """A clip that is in the left channel only becomes half as loud."""
    left = np.stack([np.full(RATE, 16384), np.zeros(RATE)], axis=1).astype(np.int16)
    made = rendered(tmp_path, RenderSpec((RenderedClip("left"),), WAV), {"left": wav(left, RATE, 2)})

    assert np.allclose(heard(made), 0.25, atol=1e-3)


@pytest.mark.parametrize("channels", [1, 2, 6])
def test_more_channels_are_mixed_or_kept(tmp_path: Path, channels: int) -> None:
    """Six channels without a declared layout: each stays in its place, or the mean of all is taken."""
    surround = np.zeros((RATE, 6), np.int16)
    surround[:, :2] = 8192
    spec = RenderSpec((RenderedClip("six"),), OutputEncoding("wav", RATE, channels))
    made = rendered(tmp_path, spec, {"six": wav(surround, RATE, 6)})

    assert np.allclose(heard(made, channels)[100:-100, 0], 0.25 if channels == 6 else 0.25 / 3, atol=2e-3)


@pytest.mark.parametrize(
    "encoding",
    [
        OutputEncoding("mp3", RATE, 1, bitrate=96000),
        OutputEncoding("mp3", RATE, 2, quality=70),
        OutputEncoding("aac", RATE, 1),
        OutputEncoding("m4a", RATE, 1, quality=50),
        OutputEncoding("m4b", RATE, 1, bitrate=64000),
        OutputEncoding("ac3", 48000, 2, bitrate=192_000),
        OutputEncoding("opus", 48000, 1, quality=30),
        OutputEncoding("oga", RATE, 1),
        OutputEncoding("oga", RATE, 1, bitrate=64000),
        OutputEncoding("oga", 96000, 1, bitrate=64000),
        OutputEncoding("amr", 8000, 1),
        OutputEncoding("amr", 16000, 1, quality=50),
        OutputEncoding("amr", 8000, 1, bitrate=6000),
        OutputEncoding("wav", RATE, 1, bits_per_sample=24),
        OutputEncoding("flac", RATE, 1),
        OutputEncoding("flac", RATE, 1, bits_per_sample=24),
    ],
    ids=lambda encoding: "-".join(map(str, filter(None, encoding))),
)
def test_every_format_is_written(tmp_path: Path, encoding: OutputEncoding) -> None:
    """It decodes to what was rendered, but for the frames of the codec."""
    made = rendered(tmp_path, RenderSpec((RenderedClip("a.wav"), RenderedClip("b.mp3")), encoding), CLIPS)
    decoded_s = len(pcm(made.file.read_bytes(), 48000)) / 48000

    assert 0 <= decoded_s - made.report.samples / encoding.sample_rate < 0.08
    if encoding.format in {"m4a", "m4b"}:
        body = made.file.read_bytes()
        assert body.index(b"moov") < body.index(b"mdat")


def test_one_odd_clip_changes_nothing_for_the_others(tmp_path: Path) -> None:
    """A clip that changes its rate and channels in the middle is whole, and so are its neighbours."""
    odd = encoded(500, 500, "ogg", 44100, 1) + encoded(500, 500, "ogg", 48000, 2)
    clips = {**CLIPS, "odd": odd}
    both = (RenderedClip("a.wav"), RenderedClip("odd"), RenderedClip("a.wav"))
    made = rendered(tmp_path, RenderSpec(both, WAV), clips)

    assert [22050, 22050] == [made.report.clips[0].length, made.report.clips[2].length]
    assert made.report.clips[1].length == pytest.approx(RATE, abs=150)


def test_what_is_not_audio_is_named(tmp_path: Path) -> None:
    """So is the first of several, and nothing is left in the folder but the timeline."""
    spec = RenderSpec((RenderedClip("a.wav"), RenderedClip("text"), RenderedClip("empty")), WAV)
    with pytest.raises(NotAudio, match="clip `text`: no audio can be decoded"):
        rendered(tmp_path, spec, {**CLIPS, "text": b"no audio" * 100, "empty": b""})


def test_a_playlist_opens_no_other_file(tmp_path: Path) -> None:
    """FFmpeg reads audio containers only."""
    secret = tmp_path / "secret.wav"
    secret.write_bytes(CLIPS["a.wav"])
    folder = tmp_path / "work"
    folder.mkdir()
    for text in (f"ffconcat version 1.0\nfile '{secret}'\n", f"#EXTM3U\n#EXTINF:1,\n{secret}\n"):
        with pytest.raises(NotAudio):
            rendered(folder, RenderSpec((RenderedClip("list"),), WAV), {"list": text.encode()})


def test_nothing_left_is_an_error(tmp_path: Path) -> None:
    """A trim of the whole that begins after its end."""
    with pytest.raises(RenderFailed, match="nothing is left"):
        rendered(tmp_path, RenderSpec((RenderedClip("a.wav"),), WAV, start_ms=900), CLIPS)


def test_an_unknown_format_is_an_error(tmp_path: Path) -> None:
    """The planner makes none."""
    with pytest.raises(RenderFailed, match="wma is not a format"):
        rendered(tmp_path, RenderSpec((RenderedClip("a.wav"),), OutputEncoding("wma", RATE, 1)), CLIPS)


def test_an_ffmpeg_that_hangs_or_is_killed_is_reported(tmp_path: Path) -> None:
    """It is killed after its time; the error can be retried."""
    for number, script in enumerate(("exec sleep 60", "kill -KILL $$", "exit 3")):
        program = tmp_path / f"ffmpeg-{number}"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        ffmpeg = FfmpegProgram(str(program), tmp_path, wall_s=0.5)
        if script == "exit 3":
            assert 3 == ffmpeg.run([], 0).code
            assert "exit code 3" == ffmpeg.run([], 0).reason
        else:
            with pytest.raises(RenderFailed):
                ffmpeg.run([], 0)
