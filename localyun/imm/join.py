"""Joins audio files, exact to the sample. Knows files and encodings, no buckets and no tasks.

Each clip is decoded in a run of FFmpeg of its own, and its samples are passed to one encoder. In one filter graph with
other clips, a clip that changes its rate or its channels midway makes FFmpeg 7.0.2 rebuild the graph and lose the clips
behind it, and a clip that is cut may block all others (2026-11). A run of its own costs 5 to 10 ms per clip.

The length of the joined audio, in samples at the output's rate:

1. A clip of `n` decoded samples at `rate_in` becomes `ceil(n * rate_out / rate_in)` samples, or one less in some
   cases in which the rate is lowered: the resampler mirrors half a filter at either end and stops where the next
   output's filter would pass the end.
2. A trim then drops the first `round(start_ms * rate_out / 1000)` of them and keeps at most
   `round(duration_ms * rate_out / 1000)`, with halves rounded up. A trim never adds samples.
   Before that, an MP4 ends where its tables say, since FFmpeg 7.0.2 keeps the padding of the last frame.
3. The clips are concatenated, and the trim of the output is applied in the same way.

Trims count samples instead of time stamps, after a full decode, because seeking in MP3 or WMA is inexact.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from localyun.imm.audio_info import MeasuredAudio, not_audio
from localyun.imm.conversion import conversion
from localyun.imm.errors import ImmError
from localyun.imm.ffmpeg import Ffmpeg, FfmpegCrashed, FfmpegFailed, input_args
from localyun.imm.output_formats import LAYOUTS, check_encoding, encoder_args
from localyun.imm.task_spec import Encoding
from localyun.imm.unreadable import describe_unreadable

# The same request gives the same bytes: no encoder versions, no time stamps, no random stream numbers.
REPRODUCIBLE = ("-map_metadata", "-1", "-map_chapters", "-1", "-fflags", "+bitexact", "-flags:a", "+bitexact")
SAMPLE_BYTES = 4  # decoded samples are 32-bit floating-point numbers, which hold 24-bit integers exactly
CHUNK_BYTES = 1 << 18
SMALL_BYTES = 1 << 20  # of all clips together, below which starting FFmpeg takes longer than decoding


@dataclass(frozen=True)
class Trim:
    """The part to keep: `duration_ms` from `start_ms` on; a duration of 0 means: to the end."""

    start_ms: int = 0
    duration_ms: int = 0


NO_TRIM = Trim()


@dataclass(frozen=True)
class InputClip:
    """A file to join. `file` is a name in the working folder, `label` its name in messages."""

    file: str
    label: str
    audio: MeasuredAudio
    trim: Trim = NO_TRIM


@dataclass(frozen=True)
class JoinResult:
    """The joined file: its samples per channel, and its complete encoding."""

    file: Path
    samples: int
    encoding: Encoding


def samples_of(milliseconds: int, rate: int) -> int:
    """Convert milliseconds to samples, with halves rounded up.

    >>> samples_of(2345, 44100)
    103415
    """
    return (milliseconds * rate + 500) // 1000


def join(
    ffmpeg: Ffmpeg,
    folder: Path,
    clips: Sequence[InputClip],
    encoding: Encoding,
    *,
    align: int = 0,
    output_trim: Trim = NO_TRIM,
) -> JoinResult:
    """Join `clips` of `folder` in order into a new file there, and return it; raise `ImmError` if that fails."""
    complete = _complete(clips, encoding, align)
    return ffmpeg.retried(lambda: _join(ffmpeg, folder, clips, complete, output_trim))


def _join(
    ffmpeg: Ffmpeg, folder: Path, clips: Sequence[InputClip], encoding: Encoding, output_trim: Trim
) -> JoinResult:
    output, window = folder / "joined", _trimmed(output_trim, encoding)
    raw = ["-f", "f32le", "-ar", str(encoding.sample_rate), "-ch_layout", LAYOUTS[encoding.channels], "-i", "pipe:0"]
    args = [*raw, *REPRODUCIBLE, *encoder_args(encoding), "-y", output.name]
    task = f"encoded {encoding.format}"
    with ffmpeg.running(args, folder, task=task, stdin=True) as encoder:
        with suppress(BrokenPipeError):  # the encoder's result says why
            for part in window.cut(_decoded(ffmpeg, folder, clips, encoding)):
                encoder.write(part)
        if not window.samples:
            raise _empty_output(clips)
        result = encoder.finish()
    if result.code != 0 or result.encoded() != window.samples:
        raise FfmpegFailed(result, task)
    return JoinResult(output, window.samples, encoding)


class _Window:
    """A part of a stream of samples, cut out of chunks that need not be whole samples."""

    def __init__(self, encoding: Encoding, first: int = 0, end: int | None = None) -> None:
        self._frame = SAMPLE_BYTES * encoding.channels
        self._first, self._end = first * self._frame, None if end is None else end * self._frame
        self._seen = self._kept = 0

    def cut(self, chunks: Iterable[memoryview]) -> Iterator[memoryview]:
        """Yield what is in the part; stop at its end."""
        for chunk in chunks:
            start, self._seen = self._seen, self._seen + len(chunk)
            end = len(chunk) if self._end is None else max(self._end - start, 0)
            part = chunk[max(self._first - start, 0) : end]
            self._kept += len(part)
            yield part
            if self.is_past:
                return

    @property
    def is_past(self) -> bool:
        """Whether nothing of what follows is kept."""
        return self._end is not None and self._seen >= self._end

    @property
    def samples(self) -> int:
        """The samples per channel that were kept."""
        return self._kept // self._frame


def _trimmed(trim: Trim, encoding: Encoding) -> _Window:
    """Return the part that a trim keeps."""
    first = samples_of(trim.start_ms, encoding.sample_rate)
    length = samples_of(trim.duration_ms, encoding.sample_rate)
    return _Window(encoding, first, first + length if trim.duration_ms else None)


def _cut(clip: InputClip, encoding: Encoding, chunks: Iterable[memoryview]) -> Iterator[memoryview]:
    """Yield the samples of a clip before the end that its container records, as far as its trim keeps them."""
    length = clip.audio.length
    whole = _Window(encoding, end=length.samples(encoding.sample_rate) if length else None)
    return _trimmed(clip.trim, encoding).cut(whole.cut(chunks))


def _decoded(ffmpeg: Ffmpeg, folder: Path, clips: Sequence[InputClip], encoding: Encoding) -> Iterator[memoryview]:
    """Yield the samples of all clips, cut, at the rate and with the channels of the output."""
    if files := _decoded_together(ffmpeg, folder, clips, encoding):
        for clip, name in zip(clips, files, strict=True):
            with (folder / name).open("rb") as file:
                yield from _cut(clip, encoding, _chunks(file.read))
    else:
        for clip in clips:
            streams = (_decoded_alone(ffmpeg, folder, clip, audio, encoding) for audio in clip.audio.streams)
            yield from _cut(clip, encoding, chain.from_iterable(streams))


def _decoded_together(ffmpeg: Ffmpeg, folder: Path, clips: Sequence[InputClip], encoding: Encoding) -> list[str]:
    """Decode small clips in one run, each into a file of its own by a filter graph of its own; return the files.

    Return none if the clips are too big to write them down, or if anything went wrong: decode them one by one then.
    """
    if len(clips) == 1 or any(clip.audio.following for clip in clips):
        return []
    if sum((folder / clip.file).stat().st_size for clip in clips) > SMALL_BYTES:
        return []
    names = [f"decoded-{number:02d}" for number in range(len(clips))]
    inputs = [arg for clip in clips for arg in _input_args(clip, clip.audio)]
    outputs = [
        arg
        for number, (clip, name) in enumerate(zip(clips, names, strict=True))
        for arg in (*_output_args(number, clip.audio, encoding), "-y", name)
    ]
    try:
        result = ffmpeg.run([*inputs, *outputs], folder, task=f"read {len(clips)} clips")
    except FfmpegCrashed:
        return []
    return names if result.code == 0 and all((folder / name).stat().st_size for name in names) else []


def _decoded_alone(
    ffmpeg: Ffmpeg, folder: Path, clip: InputClip, audio: MeasuredAudio, encoding: Encoding
) -> Iterator[memoryview]:
    """Yield the samples of one stream of a clip; raise `ImmError` if it cannot be decoded."""
    args = [*_input_args(clip, audio), *_output_args(0, audio, encoding), "pipe:1"]
    count, task = 0, f"read {clip.label}"
    with ffmpeg.running(args, folder, task=task, stdout=True) as decoder:
        for chunk in _chunks(decoder.read):
            count += len(chunk)
            yield chunk
        result = decoder.finish()
    if not count:
        raise not_audio(f"The source {clip.label}", describe_unreadable(folder / clip.file, result))
    if result.code != 0:
        raise FfmpegFailed(result, task)


def _input_args(clip: InputClip, audio: MeasuredAudio) -> list[str]:
    return input_args(clip.file, audio.stream.codec, audio.part)


def _output_args(number: int, audio: MeasuredAudio, encoding: Encoding) -> list[str]:
    filters = conversion(audio.stream, encoding.sample_rate, encoding.channels)
    return ["-map", f"{number}:a:0", "-af", filters, "-f", "f32le"]


def _chunks(read: Callable[[int], bytes]) -> Iterator[memoryview]:
    while chunk := read(CHUNK_BYTES):
        yield memoryview(chunk)


def _empty_output(clips: Sequence[InputClip]) -> ImmError:
    message = f"Nothing is left of {clips[0].label} and the clips after it: every trim starts after the end. Lower ss."
    return ImmError("InvalidArgument", message)


def _complete(clips: Sequence[InputClip], encoding: Encoding, align: int) -> Encoding:
    """Fill in what depends on the sources: rate and channels of the reference clip, and the bit rate by `abopt`."""
    reference = clips[align].audio.stream
    complete = replace(
        encoding,
        sample_rate=encoding.sample_rate or reference.sample_rate,
        channels=encoding.channels or reference.channels,
        bitrate=_bitrate(encoding, clips),
    )
    check_encoding(complete)
    return complete


def _bitrate(encoding: Encoding, clips: Sequence[InputClip]) -> int:
    """Apply `abopt`: 0 keeps the bit rate, 1 lowers it to that of the lowest source, 2 fails if a source has less."""
    known = [(clip.audio.stream.bitrate, clip) for clip in clips if clip.audio.stream.bitrate]
    if not encoding.bitrate or not encoding.bitrate_option or not known:
        return encoding.bitrate
    lowest, clip = min(known, key=lambda one: one[0])
    highest = lowest + 999 if lowest % 1000 == 0 else lowest  # FFmpeg shows most bit rates in whole kbit/s
    if encoding.bitrate <= highest:
        return encoding.bitrate
    if encoding.bitrate_option == 2:
        message = f"[abopt]:{clip.label} has {lowest} bit/s, less than ab_{encoding.bitrate}; lower ab or use abopt_1."
        raise ImmError("InvalidArgument", message)
    return lowest
