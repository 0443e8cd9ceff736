"""Tones to upload, and ears to hear what came out. Each clip has a pitch of its own, so that order can be heard."""

import math
import subprocess
import wave
from functools import lru_cache
from io import BytesIO

import imageio_ffmpeg
import numpy as np

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()


def tone(hertz: float, milliseconds: int, rate: int = 44100, channels: int = 1) -> bytes:
    """Make a sine tone as 16-bit WAV."""
    count = rate * milliseconds // 1000
    turn = 2 * math.pi * hertz / rate
    one = np.round(12000 * np.sin(turn * np.arange(count))).astype("<i2")
    return wav(np.repeat(one, channels), rate, channels)


def wav(samples: np.ndarray, rate: int, channels: int = 1) -> bytes:
    """Write 16-bit samples, channels interleaved, as WAV."""
    out = BytesIO()
    with wave.open(out, "wb") as file:
        file.setparams((channels, 2, rate, 0, "NONE", ""))
        file.writeframes(samples.astype("<i2").tobytes())
    return out.getvalue()


@lru_cache(maxsize=64)
def encoded(hertz: float, milliseconds: int, form: str, rate: int = 44100, channels: int = 1) -> bytes:
    """Make a sine tone in another format, by its extension; Ogg holds Vorbis."""
    codec = {"oga": ["-c:a", "libvorbis", "-f", "ogg"], "aac": ["-f", "adts"], "wma": ["-f", "asf"]}.get(
        form, ["-f", form]
    )
    command = [FFMPEG, "-v", "error", "-f", "wav", "-i", "-", *codec, "-"]
    return subprocess.run(
        command, input=tone(hertz, milliseconds, rate, channels), capture_output=True, check=True
    ).stdout


def pcm(body: bytes, rate: int, channels: int = 1) -> np.ndarray:
    """Decode audio to samples from -1 to 1, one column a channel."""
    layout = ["-ar", str(rate), "-ac", str(channels), "-f", "s16le", "-"]
    made = subprocess.run(
        [FFMPEG, "-v", "error", "-i", "-", *layout], input=body, capture_output=True, check=True
    ).stdout
    return np.frombuffer(made, dtype="<i2").reshape(-1, channels) / 32768


def pitch(samples: np.ndarray, rate: int) -> float:
    """Return the strongest frequency of a mono stretch, in Hz, to within some 5 Hz for 200 ms."""
    window = samples * np.hanning(len(samples))
    spectrum = np.abs(np.fft.rfft(window, 1 << 17))
    return float(np.argmax(spectrum)) * rate / (1 << 17)


def pitch_at(body: bytes, second: float, rate: int = 44100, length: float = 0.2) -> float:
    """Return the pitch of encoded audio around a moment."""
    samples = pcm(body, rate)[:, 0]
    start = int((second - length / 2) * rate)
    return pitch(samples[start : start + int(length * rate)], rate)


def seconds(body: bytes, rate: int = 44100) -> float:
    """Return the decoded length of encoded audio."""
    return len(pcm(body, rate)) / rate
