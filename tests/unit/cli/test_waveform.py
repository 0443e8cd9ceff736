"""Decoded audio, and its two waveforms."""

import math
import wave
from array import array
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from clipstitch_cli.display.decoded_audio import AudioNotDecodable, ClipSpan, DecodedAudio, decode
from clipstitch_cli.display.svg import svg
from clipstitch_cli.display.waveform import draw

RATE = 1000


def audio(*levels: float) -> DecodedAudio:
    """Return one second of each level, 0 to 1."""
    samples = array("h")
    for level in levels:
        samples.extend(round(32767 * level * math.sin(at / 2)) for at in range(RATE))
    return DecodedAudio(samples, RATE)


SPANS = [ClipSpan("loud.mp3", 0, 2), ClipSpan("<quiet> & [b].wav", 2, 2, "the first 2 s")]


def test_the_length_is_counted_in_samples() -> None:
    """Headers of files are not used."""
    assert 3.0 == audio(1, 0, 1).duration_s


def test_peaks_follow_the_level() -> None:
    """The highest and the lowest value of every part."""
    peaks = audio(1, 0.5, 0).peaks(3)

    assert [(-1.0, 1.0), (-0.5, 0.5), (0.0, 0.0)] == [(round(low, 1), round(high, 1)) for low, high in peaks]


def test_there_may_be_more_parts_than_samples() -> None:
    """A very short file has a waveform, too."""
    assert 8 == len(DecodedAudio(array("h", [1, 2, 3]), RATE).peaks(8))


def test_decoding_returns_every_sample(tmp_path: Path) -> None:
    """A lossless file is decoded exactly."""
    samples, file = audio(0.5).samples, tmp_path / "tone.wav"
    with wave.open(str(file), "wb") as out:
        out.setparams((1, 2, RATE, 0, "NONE", ""))
        out.writeframes(samples.tobytes())

    assert DecodedAudio(samples, RATE) == decode(file, RATE)


def test_a_file_without_audio_is_an_error(tmp_path: Path) -> None:
    """The message names the file, and has FFmpeg's reason."""
    file = tmp_path / "text.aac"
    file.write_text("no audio")
    with pytest.raises(AudioNotDecodable, match=r"text\.aac cannot be decoded"):
        decode(file, RATE)


def test_the_terminal_waveform_marks_boundaries_and_names() -> None:
    """Every row shows the boundary at the same column; names begin there."""
    lines = draw(audio(1, 1, 0.25, 0.25), SPANS, width=40).plain.splitlines()

    assert ["│"] * 4 == [line[20] for line in lines[:4]]
    assert "└loud.mp3" == lines[4][:9]
    assert "└<quiet>" == lines[4][20:28]
    assert lines[-1].startswith("0s")


def test_a_loud_clip_is_higher_than_a_quiet_one() -> None:
    """Only the loudest clip reaches the top row."""
    top = draw(audio(1, 1, 0.25, 0.25), SPANS, width=40).plain.splitlines()[0]

    assert "█" in top[:20]
    assert "" == top[21:].strip()


def test_the_svg_is_xml_with_every_name() -> None:
    """Names may contain reserved characters of XML."""
    drawn = svg(audio(1, 1, 0.25, 0.25), SPANS, 'oss://acme/"out".mp3')

    texts = [element.text or "" for element in ET.fromstring(drawn).iter()]
    assert any(text.startswith("<quiet> & [b].wav: the first 2 s") for text in texts)
    assert 'oss://acme/"out".mp3' in texts
    assert "4 s" in texts


def test_silence_can_be_drawn() -> None:
    """Without a division by zero."""
    assert "▁" in draw(audio(0), [ClipSpan("a", 0, 1)], width=40).plain
    assert "<svg" in svg(audio(0), [ClipSpan("a", 0, 1)], "silence")
