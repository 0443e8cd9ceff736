"""The document of `audio/info`, measured by decoding the object; containers only estimate these figures.

A container that announces more audio than it has, since the object is truncated, is believed, as by the vendor's tool,
which reads containers only. A start time is the delay of the encoder, where the container records it.

The wire has two forms of the same answer, so the document has both: the flat form of the page "Extract audio
information" (2026-03-20; numbers, the fields of IMM's AudioStream), and `Format`/`Streams` with strings, which the
official media processing tool prints (2026-08-21).
"""

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from localyun.imm.errors import ImmError
from localyun.imm.ffmpeg import SPEEX, AudioStream, Ffmpeg, input_args
from localyun.imm.flac import ByteRange, flac_streams
from localyun.imm.mp4 import AudioLength, audio_length, is_encrypted
from localyun.imm.unreadable import describe_unreadable

CACHE_SIZE = 2048
MAX_CONCURRENT = 4
SPEEX_HEAD = re.compile(rb"OggS.{24}Speex   ", re.DOTALL)
MAX_PADDING_S = 0.25  # more than any encoder pads: 3 frames of MP3 at 8,000 Hz, and the 10 ms to which FFmpeg rounds


@dataclass(frozen=True)
class MeasuredAudio:
    """The audio of a file: its stream, its samples per channel, and the duration that its container announces.

    `length` is where the audio ends, if the container says so to the sample; what is decoded behind that is padding.
    `part` is where it is in a file with several streams, one after the other; `following` are those after the first.
    """

    stream: AudioStream
    samples: int
    announced_s: float
    length: AudioLength | None = None
    part: ByteRange | None = None
    following: tuple["MeasuredAudio", ...] = ()

    @property
    def streams(self) -> tuple["MeasuredAudio", ...]:
        """All streams of the file, each with its own format."""
        return (self, *self.following)

    @property
    def seconds(self) -> float:
        """The decoded duration of all streams."""
        return sum(audio.samples / audio.stream.sample_rate for audio in self.streams)

    @property
    def duration_s(self) -> float:
        """The decoded duration, or the announced one if that is longer since the file is truncated."""
        is_truncated = not self.following and self.announced_s > self.seconds + MAX_PADDING_S
        return self.announced_s if is_truncated else self.seconds


@dataclass(frozen=True)
class _AudioFile:
    """A file that is not written to any more, the same under each of its names."""

    identity: tuple[int, int, int, int]
    path: Path = field(compare=False)
    label: str = field(compare=False)


class AudioInfo:
    """Measures audio files. Results are cached: a task that joins an object after `audio/info` measures nothing."""

    def __init__(self, ffmpeg: Ffmpeg) -> None:
        self._ffmpeg = ffmpeg
        self._slots = threading.BoundedSemaphore(MAX_CONCURRENT)
        self._cached = lru_cache(CACHE_SIZE)(self._measure)

    def describe(self, file: Path, label: str) -> Mapping[str, Any]:
        """Return the document of a file; raise `ImmError`, which names it by its label, if it is not audio."""
        audio = self.measure(file, label)
        return _document(audio.stream, audio.duration_s, file.stat().st_size)

    def measure(self, file: Path, label: str) -> MeasuredAudio:
        """Decode a file, once; raise `ImmError`, which names it by its label, if it is not audio."""
        stat = file.stat()
        return self._cached(_AudioFile((stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns), file, label))

    def _measure(self, file: _AudioFile) -> MeasuredAudio:
        if is_encrypted(file.path):
            raise not_audio(file.label, "it is encrypted (DRM)")
        parts: list[ByteRange | None] = [*flac_streams(file.path)] or [None]
        first, *following = [self._measure_stream(file, part) for part in parts]
        return replace(first, following=tuple(following))

    def _measure_stream(self, file: _AudioFile, part: ByteRange | None) -> MeasuredAudio:
        with file.path.open("rb") as source:
            codec = SPEEX if SPEEX_HEAD.match(source.read(64)) else ""
        args = [*input_args(str(file.path.absolute()), codec, part), "-map", "0:a:0", "-f", "null", "-"]
        with self._slots:
            result = self._ffmpeg.retried(lambda: self._ffmpeg.run(args, task=f"read {file.label}"))
        stream, samples = result.streams().get(0), result.encoded()
        if stream is None or not samples:
            raise not_audio(file.label, describe_unreadable(file.path, result))
        length = audio_length(file.path)
        counted = min(samples, length.samples(stream.sample_rate)) if length else samples
        return MeasuredAudio(stream, counted, result.announced_s(), length, part)


def not_audio(label: str, reason: str) -> ImmError:
    """Return the error of a file that is not audio; `reason` is a clause, such as "it is empty"."""
    return ImmError("InvalidArgument", f"{label} is not audio that can be read: {reason}.")


def _document(stream: AudioStream, seconds: float, size: int) -> dict[str, Any]:
    overall = round(size * 8 / seconds)
    duration = f"{seconds:.6f}"
    numbers = {
        "Index": stream.index,
        "CodecName": stream.codec,
        "SampleFormat": stream.sample_format,
        "SampleRate": stream.sample_rate,
        "Channels": stream.channels,
        "ChannelLayout": stream.layout,
        "Bitrate": stream.bitrate or overall,
        "StartTime": stream.start_s,
        "Duration": round(seconds, 6),
    }
    strings = {
        name: str(value)
        for name, value in numbers.items()
        if name not in ("SampleFormat", "Bitrate", "StartTime", "Duration")
    }
    strings |= {"BitRate": str(numbers["Bitrate"]), "Duration": duration}
    container = {"Duration": duration, "Size": str(size), "FormatName": stream.container, "BitRate": str(overall)}
    return {
        "Format": container,
        "Streams": {"AudioStream": [strings]},
        "Bitrate": overall,
        "Duration": round(seconds, 6),
        "FormatName": stream.container,
        "Size": size,
        "StreamCount": 1,
        "AudioStreams": [numbers],
    }
