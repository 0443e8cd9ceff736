"""Joining, compared with FFmpeg's output for each clip alone, and with the frequencies of the tones."""

import math
import re
import stat
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from localyun.imm.audio_info import AudioInfo
from localyun.imm.errors import ImmError
from localyun.imm.ffmpeg import Ffmpeg
from localyun.imm.join import NO_TRIM, SMALL_BYTES, InputClip, JoinResult, Trim, join, samples_of
from localyun.imm.output_formats import FORMATS, SAMPLE_RATES
from localyun.imm.task_spec import Encoding
from tests.localyun.audio_world import FFMPEG, Samples, frequencies, pcm, rate_of, tone
from tests.sounds import wav

# One clip per container and kind of rate.
CLIPS = {
    "a.mp3": (300, 0.7, 44100, 1),
    "b.wav": (450, 0.6, 48000, 2),
    "c.oga": (600, 0.5, 22050, 1),
    "d.aac": (750, 0.7, 44100, 2),
    "e.flac": (900, 0.55, 96000, 1),
    "f.opus": (1050, 0.6, 48000, 1),
    "g.m4a": (1200, 0.6, 32000, 2),
    "h.ac3": (1350, 0.6, 48000, 2),
    "i.amr": (1500, 0.5, 8000, 1),
    "j.wma": (1650, 0.9, 44100, 1),
    "k.wav": (1800, 0.3333, 11025, 1),
}
Lengths = dict[str, tuple[int, int]]  # samples and sample rate of each clip
FILTER_TAPS, CUTOFF = 32, 0.97  # libswresample's defaults


def resampled(samples: int, rate_in: int, rate_out: int) -> int:
    """Return the number of samples that FFmpeg's resampler makes of a clip longer than its filter (about 4 ms).

    The resampler mirrors half a filter at either end and stops where the next output's filter would pass the end; if
    too little is left to mirror, one output is missing. Derived from FFmpeg 7.0.2, confirmed in 900 trials.
    """
    if rate_in == rate_out:
        return samples
    taps = math.ceil(FILTER_TAPS / min(rate_out * CUTOFF / rate_in, 1))
    taps += taps % 2
    available = (taps - 1) // 2 + samples
    made = _outputs(available - taps, rate_in, rate_out)
    left = available - made * rate_in // rate_out
    return _outputs(available + (min(left, taps) + 1) // 2 - taps, rate_in, rate_out)


def _outputs(last: int, rate_in: int, rate_out: int) -> int:
    """Return the number of outputs whose filter begins at or before input sample `last`."""
    return max(0, -(-(last + 1) * rate_out // rate_in))


def trimmed(samples: int, trim: Trim, rate: int) -> int:
    """Return the number of samples that a trim keeps."""
    left = max(0, samples - samples_of(trim.start_ms, rate))
    return min(left, samples_of(trim.duration_ms, rate)) if trim.duration_ms else left


def expected_samples(clips: Sequence[tuple[int, int, Trim]], rate: int, output_trim: Trim = NO_TRIM) -> int:
    """Return the length of the joined audio in samples; a clip is its decoded samples, its rate, and its trim."""
    total = sum(trimmed(resampled(samples, rate_in, rate), trim, rate) for samples, rate_in, trim in clips)
    return trimmed(total, output_trim, rate)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the clips once."""
    directory = tmp_path_factory.mktemp("clips")
    for name, (hertz, seconds, rate, channels) in CLIPS.items():
        tone(directory / name, hertz, seconds, rate, channels)
    return directory


@pytest.fixture(scope="module")
def lengths(folder: Path) -> Lengths:
    """Return the number of samples and the rate of each clip, decoded alone, without the padding that M4A records."""
    decoded = {name: (len(pcm(folder / name)), rate_of(folder / name)) for name in CLIPS}
    return decoded | {"g.m4a": (round(CLIPS["g.m4a"][1] * CLIPS["g.m4a"][2]), CLIPS["g.m4a"][2])}


@pytest.fixture(scope="module")
def ffmpeg() -> Ffmpeg:
    """Return FFmpeg."""
    return Ffmpeg()


INFO = AudioInfo(Ffmpeg())


def input_clips(folder: Path, *clips: str | tuple[str, Trim]) -> list[InputClip]:
    """Return clips, each given as a name or a name and a trim."""
    named = [clip if isinstance(clip, tuple) else (clip, NO_TRIM) for clip in clips]
    label = "oss://media/{}".format
    return [InputClip(name, label(name), INFO.measure(folder / name, label(name)), trim) for name, trim in named]


def expect(lengths: Lengths, parts: list[InputClip], rate: int, whole: Trim = NO_TRIM) -> int:
    """Return the expected length of the joined audio."""
    return expected_samples([(*lengths[part.file], part.trim) for part in parts], rate, whole)


def decoded(joined: JoinResult, suffix: str) -> Samples:
    """Decode the output, renamed so that FFmpeg recognizes its format."""
    return pcm(joined.file.rename(joined.file.with_suffix(suffix)))


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000, 96000])
def test_eleven_mixed_clips_have_exactly_the_sum_of_their_lengths(
    folder: Path, lengths: Lengths, ffmpeg: Ffmpeg, rate: int
) -> None:
    """The length equals the sum of the clips decoded and resampled alone, at any rate."""
    parts = input_clips(folder, *CLIPS)
    joined = join(ffmpeg, folder, parts, Encoding("flac", rate, 2))

    alone = sum(min(len(pcm(folder / name, rate)), -(-lengths[name][0] * rate // lengths[name][1])) for name in CLIPS)
    assert alone == expect(lengths, parts, rate) == joined.samples
    assert (alone, 2) == decoded(joined, ".flac").shape


@given(st.integers(1000, 10**7), st.sampled_from([(44100, 48000), (8000, 44100), (44100, 88200), (96000, 48000)]))
def test_a_clip_keeps_its_length_if_the_rate_is_raised_or_halved(samples: int, rates: tuple[int, int]) -> None:
    """The length is rounded up; only some lowered rates may lack one sample (see `localyun.imm.join`)."""
    assert math.ceil(Fraction(samples * rates[1], rates[0])) == resampled(samples, *rates)


@given(st.integers(1000, 10**7), st.sampled_from(SAMPLE_RATES), st.sampled_from(SAMPLE_RATES))
def test_no_resampled_clip_is_off_by_more_than_one_sample(samples: int, rate_in: int, rate_out: int) -> None:
    """At most the last sample is missing."""
    exact = math.ceil(Fraction(samples * rate_out, rate_in))

    assert resampled(samples, rate_in, rate_out) in (exact, exact - 1)


TRIMS = st.builds(Trim, st.integers(0, 900), st.one_of(st.just(0), st.integers(1, 900)))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    clips=st.lists(st.tuples(st.sampled_from(sorted(CLIPS)), TRIMS), min_size=1, max_size=6),
    shape=st.tuples(st.sampled_from([8000, 16000, 44100, 48000]), st.sampled_from([1, 2, 6])),
    whole=st.one_of(st.just(NO_TRIM), TRIMS),
)
def test_any_mix_of_clips_and_trims_has_the_expected_length(
    folder: Path, lengths: Lengths, clips: list[tuple[str, Trim]], shape: tuple[int, int], whole: Trim
) -> None:
    """Trims of clips and of the output may be before, beyond and across the end."""
    (rate, channels), parts, ffmpeg = shape, input_clips(folder, *clips), Ffmpeg(seconds=30)
    expected = expect(lengths, parts, rate, whole)
    encoding = Encoding("flac", rate, channels, bits=24)
    if expected == 0:
        with pytest.raises(ImmError, match="Nothing is left"):
            join(ffmpeg, folder, parts, encoding, output_trim=whole)
        return
    joined = join(ffmpeg, folder, parts, encoding, output_trim=whole)

    assert expected == joined.samples
    assert (expected, channels) == decoded(joined, ".flac").shape


def test_short_cuts_among_other_clips_do_not_hang(folder: Path, lengths: Lengths) -> None:
    """FFmpeg 7.0.2 hangs in half of all runs if this mix is one filter graph; a cut must be a separate run."""
    trims = [(251, 0), (94, 4), (340, 660), (249, 0), (278, 0), (820, 378)]
    parts = [replace(p, trim=Trim(*trim)) for p, trim in zip(
        input_clips(folder, "j.wma", "a.mp3", "h.ac3", "d.aac", "c.oga", "h.ac3"), trims, strict=True)]  # fmt: skip
    for _ in range(8):
        joined = join(Ffmpeg(seconds=10), folder, parts, Encoding("flac", 8000, 6, bits=24))

        assert expect(lengths, parts, 8000) == joined.samples


def test_clips_are_in_the_order_of_the_request(folder: Path, ffmpeg: Ffmpeg) -> None:
    """Each part of the output has the frequency of its clip."""
    joined = join(ffmpeg, folder, input_clips(folder, "k.wav", "a.mp3", "f.opus"), Encoding("flac", 44100, 1))

    assert [1800, 300, 1050] == [
        round(hertz, -1) for hertz in frequencies(joined.file, 44100, [(0, 0.3), (0.4, 0.9), (1.1, 1.6)])
    ]


def test_a_lossless_trim_keeps_exactly_the_requested_samples(folder: Path, ffmpeg: Ffmpeg) -> None:
    """The samples of a WAV are unchanged."""
    source = pcm(folder / "b.wav")
    joined = join(ffmpeg, folder, input_clips(folder, ("b.wav", Trim(123, 345))), Encoding("flac", 48000, 2))

    assert np.array_equal(source[5904 : 5904 + 16560], decoded(joined, ".flac"))


def changing(folder: Path, suffix: str, *shapes: tuple[int, int]) -> tuple[str, float]:
    """Write half a second of each rate and channel count, one stream after the other; return file name and seconds."""
    parts = [tone(folder / f"part{number}{suffix}", 600, 0.5, *shape) for number, shape in enumerate(shapes)]
    (folder / f"changing{suffix}").write_bytes(b"".join(part.read_bytes() for part in parts))
    return f"changing{suffix}", sum(len(pcm(part)) / rate_of(part) for part in parts)


@pytest.mark.parametrize("padding", [0, SMALL_BYTES], ids=["small clips", "big clips"])
@pytest.mark.parametrize(
    ("suffix", "shapes"),
    [
        (".aac", [(44100, 1), (48000, 2)]),
        (".mp3", [(44100, 1), (44100, 2)]),
        (".mp3", [(44100, 1), (48000, 2), (24000, 1)]),
        (".oga", [(44100, 1), (48000, 2)]),
        (".opus", [(48000, 1), (48000, 2)]),
        (".ac3", [(48000, 2), (48000, 6)]),
        (".ac3", [(48000, 6), (48000, 1)]),
        (".flac", [(44100, 1), (48000, 2), (22050, 1)]),
        (".flac", [(44100, 2), (44100, 2)]),
    ],
)
def test_clips_around_one_that_changes_its_rate_or_channels_are_whole(
    tmp_path: Path, ffmpeg: Ffmpeg, suffix: str, shapes: list[tuple[int, int]], padding: int
) -> None:
    """Advertisements are inserted like this, and radio streams recorded. Nothing of it or of what follows is lost."""
    tone(tmp_path / "before.wav", 400, 0.5)
    tone(tmp_path / "after.wav", 900, 0.5)
    with (tmp_path / "before.wav").open("ab") as file:
        file.write(bytes(padding))  # behind the samples that the header announces
    name, seconds = changing(tmp_path, suffix, *shapes)
    joined = join(ffmpeg, tmp_path, input_clips(tmp_path, "before.wav", name, "after.wav"), Encoding("flac", 48000, 2))
    end = joined.samples / 48000

    # An MP3 keeps the delay and padding that later headers would have cut; a resampler loses its tail at a change.
    assert joined.samples / 48000 == pytest.approx(1 + seconds, abs=0.1 if suffix == ".mp3" else 0.03)
    assert [400, 600, 900] == [
        round(hertz, -1) for hertz in frequencies(joined.file, 48000, [(0, 0.5), (0.6, 0.9), (end - 0.5, end)])
    ]


def peak(joined: JoinResult, suffix: str) -> float:
    """Return the loudest sample of the middle of the output, where full scale is 1."""
    samples = decoded(joined, suffix)
    return float(np.abs(samples[len(samples) // 4 : -len(samples) // 4].astype(int)).max()) / 32768


def chord(file: Path, layout: str, *gains: float) -> None:
    """Write half a second of one tone in every channel of a layout, with a peak for each."""
    source = f"aevalsrc={'|'.join(f'{gain}*sin(2*PI*440*t)' for gain in gains)}:s=48000:d=0.5:c={layout}"
    subprocess.run([FFMPEG, "-v", "error", "-y", "-f", "lavfi", "-i", source, str(file)], check=True)


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "amr"])
@pytest.mark.parametrize(
    ("layout", "gains", "channels", "level"),
    [
        ("mono", [0.8], 1, 0.8),
        ("mono", [0.8], 2, 0.8),
        ("stereo", [0.8, 0.8], 1, 0.8),
        ("stereo", [0.8, 0], 1, 0.4),
        ("stereo", [0.8, 0.8], 2, 0.8),
        ("5.1", [0, 0, 0.8, 0, 0, 0], 2, 0.566),
        ("5.1", [0.3, 0.3, 0.3, 0, 0, 0], 2, 0.512),
        ("5.1(side)", [0, 0, 0, 0, 0.8, 0], 2, 0.566),
        ("7.1", [0.2, 0.2, 0, 0.9, 0.2, 0.2, 0.2, 0.2], 2, 0.483),
        ("5.1", [0.8, 0, 0, 0, 0, 0], 1, 0.4),
    ],
)
def test_a_clip_is_equally_loud_in_every_output_format(  # noqa: PLR0917 - parameters of a table
    tmp_path: Path, ffmpeg: Ffmpeg, name: str, layout: str, gains: list[float], channels: int, level: float
) -> None:
    """The mix of channels does not depend on the encoder."""
    chord(tmp_path / "clip.wav", layout, *gains)
    joined = join(ffmpeg, tmp_path, input_clips(tmp_path, "clip.wav"), Encoding(name, 48000, channels, bitrate=192_000))

    assert peak(joined, f".{name}") == pytest.approx(level, abs=0.03)


@pytest.mark.parametrize("have", [3, 4, 6])
@pytest.mark.parametrize("want", [1, 2, 3, 4, 6])
def test_channels_without_a_layout_keep_their_places(tmp_path: Path, ffmpeg: Ffmpeg, have: int, want: int) -> None:
    """Field recorders write such files: channel i stays channel i; one or two channels get the mean of all."""
    ramp = np.arange(1, have + 1) * 1000
    (tmp_path / "clip.wav").write_bytes(wav(np.tile(ramp, 4800), 48000, have))
    joined = join(ffmpeg, tmp_path, input_clips(tmp_path, "clip.wav"), Encoding("flac", 48000, want))
    expected = [ramp.mean()] * want if want <= 2 else [ramp[n] if n < have else 0 for n in range(want)]

    assert expected == pytest.approx(decoded(joined, ".flac")[2400].tolist(), abs=1)


def test_a_job_of_mixed_clips_has_one_level(tmp_path: Path, ffmpeg: Ffmpeg) -> None:
    """A mono clip between stereo clips is as loud as they are, through an intermediate, too."""
    chord(tmp_path / "stereo.wav", "stereo", 0.8, 0.8)
    chord(tmp_path / "mono.wav", "mono", 0.8)
    clips = input_clips(tmp_path, "stereo.wav", "mono.wav", "stereo.wav")
    decoded(join(ffmpeg, tmp_path, clips, Encoding("flac", 48000, 2)), ".flac")
    joined = join(ffmpeg, tmp_path, input_clips(tmp_path, "joined.flac", "mono.wav"), Encoding("flac", 48000, 1))
    samples = np.abs(decoded(joined, ".flac")[:, 0].astype(int)) / 32768

    assert [0.8] * 4 == pytest.approx([part.max() for part in np.split(samples, 4)], abs=0.001)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("rate", [8000, 16000, 48000])
def test_every_format_decodes_back_with_its_rate_and_length(
    folder: Path, lengths: Lengths, ffmpeg: Ffmpeg, name: str, rate: int
) -> None:
    """Formats without gapless data may add codec priming and one last frame, but lose no sound."""
    if rate not in FORMATS[name].rates:
        pytest.skip(f"{name} has no {rate} Hz")
    parts = input_clips(folder, "a.mp3", ("b.wav", Trim(100, 300)), "e.flac")
    joined = join(ffmpeg, folder, parts, Encoding(name, rate, 1))
    samples, own = decoded(joined, "." + name), rate_of(joined.file.with_suffix("." + name))

    expected = expect(lengths, parts, rate)
    slack = {"mp3": 1152, "flac": 0, "oga": 0, "opus": own * 0.001, "aac": 2048, "ac3": 1536 + 256, "amr": own * 0.04}
    assert expected == joined.samples
    assert (48000 if name == "opus" else rate) == own
    assert 0 <= len(samples) - expected * own // rate <= slack[name]


@pytest.mark.parametrize(
    ("name", "channels"), [(f.name, c) for f in FORMATS.values() for c in range(1, f.max_channels + 1)]
)
def test_every_legal_channel_count_is_written(folder: Path, ffmpeg: Ffmpeg, name: str, channels: int) -> None:
    """Every format supports one to its maximum number of channels."""
    rate = 8000 if name == "amr" else 48000
    joined = join(ffmpeg, folder, input_clips(folder, ("b.wav", Trim(0, 100))), Encoding(name, rate, channels))

    assert channels == decoded(joined, "." + name).shape[1]


@pytest.mark.parametrize("words", [{"quality": 0}, {"quality": 100}, {"bitrate": 1000}, {"bitrate": 10_000_000}])
@pytest.mark.parametrize("name", FORMATS)
def test_every_legal_quality_and_bit_rate_can_be_encoded(
    folder: Path, ffmpeg: Ffmpeg, name: str, words: dict[str, int]
) -> None:
    """A value that a codec does not support becomes the nearest supported value."""
    rates = (FORMATS[name].rates[0], FORMATS[name].rates[-1])
    for rate in rates:
        channels = min(2, FORMATS[name].max_channels)
        joined = join(
            ffmpeg, folder, input_clips(folder, ("a.mp3", Trim(0, 200))), Encoding(name, rate, channels, **words)
        )

        assert joined.samples == rate // 5


def test_a_higher_quality_or_bit_rate_makes_a_bigger_file(folder: Path, ffmpeg: Ffmpeg) -> None:
    """The scales have the right direction for every lossy format."""
    for name in ("mp3", "aac", "oga", "ac3", "opus", "amr"):
        sizes = []
        for words in ({"quality": 10}, {"quality": 90}):
            encoding = Encoding(name, 8000 if name == "amr" else 48000, 1, **words)
            sizes.append(join(ffmpeg, folder, input_clips(folder, "j.wma", "d.aac"), encoding).file.stat().st_size)

        assert sizes[0] < sizes[1], name


def test_rate_and_channels_default_to_those_of_the_align_source(folder: Path, ffmpeg: Ffmpeg) -> None:
    """The align source is the reference clip."""
    joined = join(ffmpeg, folder, input_clips(folder, "a.mp3", "g.m4a"), Encoding("flac"), align=1)

    assert (32000, 2) == (joined.encoding.sample_rate, joined.encoding.channels)


def test_an_align_source_that_the_format_does_not_support_fails_the_join(folder: Path, ffmpeg: Ffmpeg) -> None:
    """The vendor's page says that a mismatch may fail; it fails here, and the message has the remedy."""
    with pytest.raises(ImmError, match=r"\[ar\]:96000 Hz is not a sampling rate of mp3; use one of"):
        join(ffmpeg, folder, input_clips(folder, "e.flac"), Encoding("mp3"))
    with pytest.raises(ImmError, match=r"\[ac\]:amr has at most 1"):
        join(ffmpeg, folder, input_clips(folder, "b.wav"), Encoding("amr", 8000))


def test_abopt_keeps_lowers_or_fails(folder: Path, ffmpeg: Ffmpeg) -> None:
    """0 keeps the bit rate, 1 lowers it to that of the lowest source, 2 fails and names the source."""
    parts = input_clips(folder, "a.mp3", "i.amr")

    assert 96000 == join(ffmpeg, folder, parts, Encoding("mp3", 44100, 1, bitrate=96000)).encoding.bitrate
    lowered = join(ffmpeg, folder, parts, Encoding("mp3", 44100, 1, bitrate=96000, bitrate_option=1))
    assert 12000 <= lowered.encoding.bitrate <= 13000
    with pytest.raises(ImmError, match=r"oss://media/i.amr has 1[23]000 bit/s, less than ab_96000"):
        join(ffmpeg, folder, parts, Encoding("mp3", 44100, 1, bitrate=96000, bitrate_option=2))


@pytest.mark.parametrize("option", [1, 2])
def test_abopt_knows_the_bit_rates_of_amr(folder: Path, ffmpeg: Ffmpeg, option: int) -> None:
    """FFmpeg shows 12.2 kbit/s as 12 kb/s: the source has enough for a copy with its own bit rate."""
    encoding = Encoding("amr", 8000, 1, bitrate=12200, bitrate_option=option)

    assert 12200 == join(ffmpeg, folder, input_clips(folder, "i.amr"), encoding).encoding.bitrate


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_request_gives_the_same_bytes(folder: Path, ffmpeg: Ffmpeg, name: str) -> None:
    """A task that runs again after a crash writes the same output."""
    encoding = Encoding(name, 8000 if name == "amr" else 48000, 1)
    first = join(ffmpeg, folder, input_clips(folder, "a.mp3", "f.opus"), encoding).file.read_bytes()
    time.sleep(1.01 if name == "oga" else 0)
    second = join(ffmpeg, folder, input_clips(folder, "a.mp3", "f.opus"), encoding).file.read_bytes()

    assert first == second


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "it is empty"),
        (b"hello, this is text\n" * 50, "it is text"),
        (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n", "it is an HLS playlist"),
        (b"ffconcat version 1.0\nfile a.mp3\n", "it is an ffconcat script"),
        (b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x44\xac\0\0\x88\x58\1\0\2\0\x10\0data\0\0\0\0", "can be decoded"),
    ],
    ids=["empty", "text", "playlist", "script", "wav-without-samples"],
)
def test_a_source_without_audio_is_named(folder: Path, ffmpeg: Ffmpeg, content: bytes, why: str) -> None:
    """A playlist is not audio, and the files that it names are not read."""
    (folder / "bad.mp3").write_bytes(content)

    with pytest.raises(ImmError, match=rf"oss://media/bad\.mp3 is not audio that can be read: .*{why}"):
        join(ffmpeg, folder, input_clips(folder, "a.mp3", "bad.mp3", "b.wav"), Encoding("flac", 44100, 1))


def mpeg4_audio(folder: Path, *options: str) -> bytes:
    """Return half a second of AAC in MP4."""
    tone_of = ["-f", "lavfi", "-i", "sine=d=0.5"]
    subprocess.run([FFMPEG, "-v", "error", "-y", *tone_of, *options, str(folder / "made.mp4")], check=True)
    return (folder / "made.mp4").read_bytes()


def xhe_aac(folder: Path) -> bytes:
    """Return an MP4 file whose decoder configuration says xHE-AAC (audio object type 42), as streaming services use."""
    data = mpeg4_audio(folder)
    start = data.index(b"\x05\x80\x80\x80") + 5
    return data[:start] + bytes([0b11111001, 0b01001000, 0b00100000]) + data[start + 3 :]


def image(folder: Path, suffix: str) -> bytes:
    """Return a picture."""
    red = ["-f", "lavfi", "-i", "color=red:s=16x16", "-frames:v", "1"]
    subprocess.run([FFMPEG, "-v", "error", "-y", *red, str(folder / f"made{suffix}")], check=True)
    return (folder / f"made{suffix}").read_bytes()


KEY = "00112233445566778899aabbccddeeff"
ENCRYPTION = ("-encryption_scheme", "cenc-aes-ctr", "-encryption_key", KEY, "-encryption_kid", KEY)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda folder: mpeg4_audio(folder, *ENCRYPTION), "it is encrypted (DRM)"),
        (xhe_aac, "it is xHE-AAC (USAC), which FFmpeg cannot decode"),
        (lambda folder: mpeg4_audio(folder)[:2000], "it is an MP4 file without its index (`moov`)"),
        (
            lambda folder: mpeg4_audio(folder, "-f", "lavfi", "-i", "testsrc=d=0.5", "-map", "1:v"),
            "it has video but no",
        ),
        (lambda folder: image(folder, ".png"), "it is a PNG image"),
        (lambda folder: image(folder, ".jpg"), "it is a JPEG image"),
        (lambda folder: b"PK\x03\x04" + bytes(100), "it is a ZIP archive"),
        (lambda folder: "\ufeff#EXTM3U\nclip.mp3\n".encode(), "it is a playlist"),
        (lambda folder: b"<!doctype html><p>Not found", "it is an HTML page"),
        (lambda folder: b'{"error": "expired"}', "it is JSON or another text"),
        (lambda folder: b"fLaC" + bytes(range(256)) * 20, "its format is unknown, or it is damaged"),
    ],
    ids=["DRM", "xHE-AAC", "no index", "video", "PNG", "JPEG", "ZIP", "playlist", "HTML", "JSON", "damaged"],
)
def test_a_file_that_is_not_audio_is_called_what_it_is(
    tmp_path: Path, ffmpeg: Ffmpeg, make: Callable[[Path], bytes], why: str
) -> None:
    """The reason is a plain clause, without what FFmpeg printed."""
    (tmp_path / "clip").write_bytes(make(tmp_path))

    with pytest.raises(ImmError) as error:
        AudioInfo(ffmpeg).measure(tmp_path / "clip", "The object")
    assert "InvalidArgument" == error.value.code
    assert error.value.message.startswith(f"The object is not audio that can be read: {why}")
    assert not re.search(r"0x|@|\||Error|\n", error.value.message)


def crashing(folder: Path, times: int, end: str = "kill -SEGV $$") -> Ffmpeg:
    """Return an FFmpeg that ends in a given way a number of times, and works afterwards."""
    program, count = folder / "ffmpeg", folder / "count"
    program.write_text(
        f'#!/bin/sh\necho x >>{count}\nif [ $(wc -l <{count}) -le {times} ]; then {end}; fi\nexec {FFMPEG} "$@"\n'
    )
    program.chmod(0o755)
    return Ffmpeg(str(program))


@pytest.mark.parametrize("end", ["kill -SEGV $$", "kill -KILL $$", "exit 137", "kill -TERM $$"])
def test_an_ffmpeg_that_crashes_is_started_again(tmp_path: Path, end: str) -> None:
    """A crash, or a kill by the system when memory is short, says nothing about the audio."""
    tone(tmp_path / "a.wav", 400, 0.1)
    measured = AudioInfo(crashing(tmp_path, 1, end)).measure(tmp_path / "a.wav", "The object")
    (tmp_path / "count").unlink()
    clips = [InputClip("a.wav", "oss://media/a.wav", measured)] * 3
    joined = join(crashing(tmp_path, 2, end), tmp_path, clips, Encoding("flac", 44100, 1))

    assert (4410, 3 * 4410) == (measured.samples, joined.samples)


def test_an_ffmpeg_that_crashes_again_is_an_internal_error(tmp_path: Path) -> None:
    """The client may submit again: nothing is said against the clip."""
    tone(tmp_path / "a.wav", 400, 0.1)
    measured = AudioInfo(Ffmpeg()).measure(tmp_path / "a.wav", "The object")
    crashed = crashing(tmp_path, 99)

    with pytest.raises(ImmError, match=r"FFmpeg was ended by signal 11 \(SIGSEGV\) while it read The object") as probed:
        AudioInfo(crashed).measure(tmp_path / "a.wav", "The object")
    with pytest.raises(ImmError, match=r"ended by signal 11 \(SIGSEGV\) while it") as merged:
        join(crashed, tmp_path, [InputClip("a.wav", "oss://media/a.wav", measured)] * 2, Encoding("flac", 44100, 1))
    assert ["InternalError"] * 2 == [probed.value.code, merged.value.code]


@pytest.mark.parametrize(
    ("suffix", "options"),
    [
        (".m4a", []),
        (".m4a", ["-movflags", "+faststart"]),
        (".m4a", ["-c:a", "alac"]),
        (".mp4", ["-f", "lavfi", "-i", "testsrc=d=1.2:s=64x64", "-map", "1", "-map", "0"]),
        (".mov", ["-c:a", "aac"]),
    ],
)
@pytest.mark.parametrize("samples", [19_057, 44_100, 54_441])
def test_an_mp4_ends_where_its_tables_say(
    tmp_path: Path, ffmpeg: Ffmpeg, suffix: str, options: list[str], samples: int
) -> None:
    """Joined with itself, there is no silence at the join: phone recordings had 20 ms of it."""
    source = ["-f", "lavfi", "-i", f"sine=f=441:r=44100,atrim=end_sample={samples}"]
    subprocess.run([FFMPEG, "-v", "error", "-y", *source, *options, str(tmp_path / f"a{suffix}")], check=True)
    clips = input_clips(tmp_path, f"a{suffix}", f"a{suffix}")
    joined = join(ffmpeg, tmp_path, clips, Encoding("flac", 44100, 1))
    heard = np.abs(decoded(joined, ".flac")[:, 0].astype(int))

    assert (samples, 2 * samples) == (clips[0].audio.samples, joined.samples)
    assert min(heard[at : at + 100].max() for at in range(samples - 2000, samples + 2000, 50)) > 2500


def test_mpeg_transport_streams_are_read(tmp_path: Path, ffmpeg: Ffmpeg) -> None:
    """FFmpeg's static build dies in the converter of their service names unless it finds none."""
    subprocess.run(
        [FFMPEG, "-v", "error", "-f", "lavfi", "-i", "sine=d=1", "-c:a", "aac", str(tmp_path / "a.ts")], check=True
    )
    clips = input_clips(tmp_path, "a.ts", "a.ts")

    assert 2 == pytest.approx(join(ffmpeg, tmp_path, clips, Encoding("flac", 44100, 1)).samples / 44100, abs=0.1)


def test_speex_has_no_pauses(tmp_path: Path, ffmpeg: Ffmpeg) -> None:
    """The decoder that FFmpeg takes by itself makes it twice as long, with silence behind each frame."""
    source = ["-f", "lavfi", "-i", "sine=f=500:d=1:r=16000"]
    subprocess.run([FFMPEG, "-v", "error", *source, "-c:a", "libspeex", str(tmp_path / "a.spx")], check=True)
    clips = input_clips(tmp_path, "a.spx", "a.spx")
    joined = join(ffmpeg, tmp_path, clips, Encoding("flac", 16000, 1))
    heard = np.abs(decoded(joined, ".flac")[:, 0].astype(int))

    assert 1 == pytest.approx(clips[0].audio.samples / 16000, abs=0.05)
    assert 2 == pytest.approx(joined.samples / 16000, abs=0.1)
    assert min(heard[at : at + 160].max() for at in range(2000, 14000, 160)) > 1000


def test_a_truncated_source_is_decoded_as_far_as_possible(folder: Path, ffmpeg: Ffmpeg, lengths: Lengths) -> None:
    """Half a file is half its audio, not an error."""
    whole = (folder / "a.mp3").read_bytes()
    (folder / "half.mp3").write_bytes(whole[: len(whole) // 2])
    joined = join(ffmpeg, folder, input_clips(folder, "half.mp3"), Encoding("flac", 44100, 1))

    assert 0.3 < joined.samples / lengths["a.mp3"][0] < 0.7


def test_a_run_that_exceeds_its_time_limit_is_killed(folder: Path, tmp_path: Path) -> None:
    """A child process that hangs is killed, and the message has the time limit."""
    slow = tmp_path / "slow"
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(slow.stat().st_mode | stat.S_IXUSR)
    began = time.monotonic()

    with pytest.raises(ImmError, match=r"took longer than 0\.1 s"):
        join(Ffmpeg(str(slow), seconds=0.1), folder, input_clips(folder, "a.mp3"), Encoding("flac", 44100, 1))
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("name", CLIPS)
def test_info_measures_the_duration(folder: Path, lengths: Lengths, ffmpeg: Ffmpeg, name: str) -> None:
    """The duration is samples divided by rate, even for ADTS and AMR, whose containers only estimate it."""
    samples, rate = lengths[name]
    info = AudioInfo(ffmpeg).describe(folder / name, name)

    stream = info["Streams"]["AudioStream"][0]
    assert f"{samples / rate:.6f}" == info["Format"]["Duration"]
    assert round(samples / rate, 6) == info["Duration"] == info["AudioStreams"][0]["Duration"]
    assert (str(rate), str((folder / name).stat().st_size)) == (stream["SampleRate"], info["Format"]["Size"])
    assert (CLIPS[name][3], rate) == (int(stream["Channels"]), info["AudioStreams"][0]["SampleRate"])
    assert {"CodecName", "BitRate"} <= stream.keys()


def test_info_is_cached(folder: Path, ffmpeg: Ffmpeg) -> None:
    """A file is measured once, even under another name."""
    infos = AudioInfo(ffmpeg)
    first = infos.measure(folder / "a.mp3", "a.mp3")
    (folder / "second.mp3").hardlink_to(folder / "a.mp3")

    assert first is infos.measure(folder / "second.mp3", "second.mp3")


def test_info_rejects_an_object_without_audio(tmp_path: Path, ffmpeg: Ffmpeg) -> None:
    """The message names the object and the reason."""
    (tmp_path / "x").write_bytes(b"\0no audio")

    with pytest.raises(ImmError, match="oss://b/x is not audio that can be read: its format is unknown"):
        AudioInfo(ffmpeg).describe(tmp_path / "x", "oss://b/x")
