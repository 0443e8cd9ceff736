"""Generate test tones, and measure decoded audio. Each clip has its own pitch, so that tests can check the order."""

import math
import subprocess
import tempfile
import wave
from functools import lru_cache
from io import BytesIO
from pathlib import Path

import imageio_ffmpeg
import numpy as np

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()


def tone(hertz: float, milliseconds: int, rate: int = 44100, channels: int = 1) -> bytes:
    """Return a sine tone as 16-bit WAV."""
    count = rate * milliseconds // 1000
    turn = 2 * math.pi * hertz / rate
    one = np.round(12000 * np.sin(turn * np.arange(count))).astype("<i2")
    return wav(np.repeat(one, channels), rate, channels)


def wav(samples: np.ndarray, rate: int, channels: int = 1) -> bytes:
    """Return 16-bit samples, channels interleaved, as WAV."""
    out = BytesIO()
    with wave.open(out, "wb") as file:
        file.setparams((channels, 2, rate, 0, "NONE", ""))
        file.writeframes(samples.astype("<i2").tobytes())
    return out.getvalue()


@lru_cache(maxsize=64)
def encoded(hertz: float, milliseconds: int, extension: str, rate: int = 44100, channels: int = 1) -> bytes:
    """Return a sine tone in the format of a file extension; `oga` is Vorbis in Ogg."""
    options = {"oga": ["-c:a", "libvorbis", "-f", "ogg"], "aac": ["-f", "adts"], "wma": ["-f", "asf"]}
    codec = options.get(extension, ["-f", extension])
    command = [FFMPEG, "-v", "error", "-f", "wav", "-i", "-", *codec, "-"]
    return subprocess.run(
        command, input=tone(hertz, milliseconds, rate, channels), capture_output=True, check=True
    ).stdout


def noise(extension: str, *options: str, milliseconds: int = 2000) -> bytes:
    """Return noise in a format, written by FFmpeg to a file, so that the container records its length."""
    samples = np.random.default_rng(7).integers(-9000, 9000, 44100 * milliseconds // 1000).astype("<i2")
    command = [FFMPEG, "-v", "error", "-f", "s16le", "-ar", "44100", "-ac", "1", "-i", "-", *options]
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / f"out.{extension}"
        subprocess.run([*command, "-y", str(target)], input=samples.tobytes(), check=True)
        return target.read_bytes()


def truncated(body: bytes) -> bytes:
    """Return the first half of a file."""
    return body[: len(body) // 2]


def pcm(body: bytes, rate: int, channels: int = 1) -> np.ndarray:
    """Return decoded audio: samples from -1 to 1, one column per channel."""
    layout = ["-ar", str(rate), "-ac", str(channels), "-f", "s16le", "-"]
    decoded = subprocess.run(
        [FFMPEG, "-v", "error", "-i", "-", *layout], input=body, capture_output=True, check=True
    ).stdout
    return np.frombuffer(decoded, dtype="<i2").reshape(-1, channels) / 32768


def pitch(samples: np.ndarray, rate: int) -> float:
    """Return the strongest frequency of mono samples in Hz, accurate to about 5 Hz for 200 ms."""
    window = samples * np.hanning(len(samples))
    spectrum = np.abs(np.fft.rfft(window, 1 << 17))
    return float(np.argmax(spectrum)) * rate / (1 << 17)


def pitch_at(body: bytes, second: float, rate: int = 44100, length: float = 0.2) -> float:
    """Return the pitch of encoded audio in Hz, in a window of `length` seconds around a moment."""
    samples = pcm(body, rate)[:, 0]
    start = int((second - length / 2) * rate)
    return pitch(samples[start : start + int(length * rate)], rate)


def duration_s(body: bytes, rate: int = 44100) -> float:
    """Return the decoded duration of encoded audio in seconds."""
    return len(pcm(body, rate)) / rate
