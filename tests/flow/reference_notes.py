"""Write clips that consist of tones, and detect the tones of a file with their durations and order."""

import subprocess
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

import numpy as np

from tests.localyun.audio_world import FFMPEG, WRITERS, pcm

Notes = list[tuple[int, float]]  # Hz, seconds
ADTS_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
FRAME_S = 0.05  # seconds; the length of an analysis window


def write_notes(file: Path, notes: Notes, rate: int = 44100, channels: int = 1) -> Path:
    """Write a sequence of tones in the format of the file's suffix."""
    tones = [np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate) for hertz, seconds in notes]
    mono = (np.concatenate(tones) * 12000).astype("<i2")
    source = ["-f", "s16le", "-ar", str(rate), "-ac", str(channels), "-i", "-"]
    command = [FFMPEG, "-v", "error", "-y", *source, *WRITERS[file.suffix[1:]], str(file)]
    subprocess.run(command, input=np.repeat(mono, channels).tobytes(), check=True)
    return file


def detect_notes(file: Path, rate: int) -> Notes:
    """Return the tones of a file, to the nearest 20 Hz; ignore those of one frame, which are transitions."""
    samples = pcm(file)[:, 0].astype(float)
    size = round(FRAME_S * rate)
    frames = samples[: len(samples) // size * size].reshape(-1, size) * np.hanning(size)
    loudest = np.abs(np.fft.rfft(frames)).argmax(axis=1) / FRAME_S
    return _merge_frames((round(float(hertz)), 1) for hertz in loudest)


def _merge_frames(frames: Iterable[tuple[int, int]]) -> Notes:
    """Merge consecutive frames of the same frequency."""
    counted = [(hertz, len(list(same))) for hertz, same in groupby(frames, key=lambda frame: frame[0])]
    return [(hertz, round(count * FRAME_S, 2)) for hertz, count in counted if count > 1]


def read_adts_header(file: Path) -> tuple[int, int]:
    """Return sample rate and channels from the first ADTS header of an AAC file (ISO/IEC 13818-7, 6.2.1)."""
    head = file.read_bytes()[:4]
    assert head[0] == 0xFF, f"{file.name} does not begin with an ADTS header: {head.hex()}"
    assert head[1] & 0xF6 == 0xF0, f"{file.name} does not begin with an ADTS header: {head.hex()}"
    return ADTS_RATES[head[2] >> 2 & 0xF], (head[2] & 1) << 2 | head[3] >> 6
