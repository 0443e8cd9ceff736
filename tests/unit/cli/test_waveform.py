"""Peaks, and the two pictures made of them."""

import math
import wave
from array import array
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from clipstitch_cli.display.decoded_audio import Sound, Undecodable, decode
from clipstitch_cli.display.svg import svg
from clipstitch_cli.display.waveform import Region, draw

RATE = 1000


def sound(*levels: float) -> Sound:
    """Make one second of each level, 0 to 1."""
    samples = array("h")
    for level in levels:
        samples.extend(round(32767 * level * math.sin(at / 2)) for at in range(RATE))
    return Sound(samples, RATE)


REGIONS = [Region("loud.mp3", 0, 2), Region("<quiet> & [b].wav", 2, 2, "the first 2 s")]


def test_a_sound_is_as_long_as_its_samples():
    """Nothing else tells the truth about a length."""
    assert 3.0 == sound(1, 0, 1).duration_s


def test_peaks_follow_the_level():
    """Highest and lowest value of every part."""
    peaks = sound(1, 0.5, 0).peaks(3)

    assert [(-1.0, 1.0), (-0.5, 0.5), (0.0, 0.0)] == [(round(low, 1), round(high, 1)) for low, high in peaks]


def test_more_parts_than_samples_are_possible():
    """A very short file has a picture too."""
    assert 8 == len(Sound(array("h", [1, 2, 3]), RATE).peaks(8))


def test_decoding_counts_every_sample(tmp_path: Path):
    """A lossless file comes back as it was written."""
    samples, file = sound(0.5).samples, tmp_path / "tone.wav"
    with wave.open(str(file), "wb") as out:
        out.setparams((1, 2, RATE, 0, "NONE", ""))
        out.writeframes(samples.tobytes())

    assert Sound(samples, RATE) == decode(file, RATE)


def test_what_is_no_audio_is_an_error_that_names_the_file(tmp_path: Path):
    """FFmpeg's own words are in it."""
    file = tmp_path / "text.aac"
    file.write_text("no audio")
    with pytest.raises(Undecodable, match=r"text\.aac cannot be decoded"):
        decode(file, RATE)


def test_a_terminal_picture_marks_boundaries_and_names():
    """Every row shows the boundary at the same column; names begin there."""
    lines = draw(sound(1, 1, 0.25, 0.25), REGIONS, width=40).plain.splitlines()

    assert ["│"] * 4 == [line[20] for line in lines[:4]]
    assert "└loud.mp3" == lines[4][:9]
    assert "└<quiet>" == lines[4][20:28]
    assert lines[-1].startswith("0s")


def test_a_loud_clip_stands_higher_than_a_quiet_one():
    """The top row belongs to the loudest."""
    top = draw(sound(1, 1, 0.25, 0.25), REGIONS, width=40).plain.splitlines()[0]

    assert "█" in top[:20]
    assert "" == top[21:].strip()


def test_the_svg_is_xml_with_every_name():
    """Keys may hold whatever XML reserves."""
    drawn = svg(sound(1, 1, 0.25, 0.25), REGIONS, 'oss://acme/"out".mp3')

    texts = [element.text or "" for element in ET.fromstring(drawn).iter()]
    assert any(text.startswith("<quiet> & [b].wav: the first 2 s") for text in texts)
    assert 'oss://acme/"out".mp3' in texts
    assert "4 s" in texts


def test_silence_can_be_drawn():
    """Nothing is divided by zero."""
    assert "▁" in draw(sound(0), [Region("a", 0, 1)], width=40).plain
    assert "<svg" in svg(sound(0), [Region("a", 0, 1)], "silence")
