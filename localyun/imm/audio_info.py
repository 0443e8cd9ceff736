"""What `audio/info` tells about an object: measured by decoding it, never guessed from its container.

Two shapes of the same answer are on the wire, so the document carries both: the flat one of the page "Extract audio
information" (2026-03-20; numbers, fields of IMM's AudioStream), and `Format`/`Streams` with strings, as
the official media processing tool prints it (2026-08-21).
"""

import threading
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from localyun.imm.errors import ImmError
from localyun.imm.ffmpeg import Ffmpeg, Finished, Stream, input_args

MAX_REMEMBERED = 2048
MAX_AT_ONCE = 4


class AudioInfo:
    """Describes audio files. Answers are remembered by file, since a stored file never changes."""

    def __init__(self, ffmpeg: Ffmpeg) -> None:
        self._ffmpeg = ffmpeg
        self._lock = threading.Lock()
        self._known: OrderedDict[Path, Mapping[str, Any]] = OrderedDict()
        self._slots = threading.BoundedSemaphore(MAX_AT_ONCE)

    def describe(self, file: Path, label: str) -> Mapping[str, Any]:
        """Return the document about a file, or raise the `ImmError` that says it is not audio."""
        with self._lock:
            if file in self._known:
                self._known.move_to_end(file)
                return self._known[file]
        with self._slots:
            document = measure(self._ffmpeg, file, label)
        with self._lock:
            self._known[file] = document
            while len(self._known) > MAX_REMEMBERED:
                self._known.popitem(last=False)
        return document


def measure(ffmpeg: Ffmpeg, file: Path, label: str) -> Mapping[str, Any]:
    """Decode a file once and describe what came out of it."""
    finished = ffmpeg.run([*input_args(str(file.absolute())), "-map", "0:a:0", "-f", "null", "-"])
    stream, samples = finished.streams().get(0), finished.encoded()
    if stream is None or not samples:
        text = f"{label} is not audio that can be read: {_why(finished, stream)}. Choose an audio object."
        raise ImmError("InvalidArgument", text)
    return _document(stream, samples, file.stat().st_size)


def _why(finished: Finished, stream: Stream | None) -> str:
    """Say what kept FFmpeg from reading."""
    if failed := finished.not_opened():
        return failed[1]
    return "nothing in it can be decoded" if stream else "it has no audio stream"


def _document(stream: Stream, samples: int, size: int) -> dict[str, Any]:
    """Spell the answer in both shapes."""
    seconds = samples / stream.sample_rate
    overall = round(size * 8 / seconds)
    rate = stream.bitrate or overall
    texts = {
        "Duration": f"{seconds:.6f}",
        "Size": str(size),
        "FormatName": stream.container,
        "BitRate": str(overall),
    }
    return {
        "Format": texts,
        "Streams": {"AudioStream": [_texts(stream, seconds, rate)]},
        "Bitrate": overall,
        "Duration": round(seconds, 6),
        "FormatName": stream.container,
        "Size": size,
        "StreamCount": 1,
        "AudioStreams": [_numbers(stream, seconds, rate)],
    }


def _texts(stream: Stream, seconds: float, rate: int) -> dict[str, str]:
    """Describe a stream with strings."""
    return {
        "Index": str(stream.index),
        "CodecName": stream.codec,
        "SampleRate": str(stream.sample_rate),
        "Channels": str(stream.channels),
        "ChannelLayout": stream.layout,
        "BitRate": str(rate),
        "Duration": f"{seconds:.6f}",
    }


def _numbers(stream: Stream, seconds: float, rate: int) -> dict[str, Any]:
    """Describe a stream with numbers."""
    return {
        "Index": stream.index,
        "CodecName": stream.codec,
        "SampleFormat": stream.sample_format,
        "SampleRate": stream.sample_rate,
        "Channels": stream.channels,
        "ChannelLayout": stream.layout,
        "Bitrate": rate,
        "Duration": round(seconds, 6),
    }
