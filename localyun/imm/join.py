"""Joins audio files, exact to the sample, in one run of FFmpeg. Knows files and encodings, no buckets and no tasks.

The length of the joined audio, in samples at the output's rate:

1. A clip of `n` decoded samples at `rate_in` becomes `ceil(n * rate_out / rate_in)` samples, or one less in some
   cases in which the rate is lowered: the resampler mirrors half a filter at either end and stops where the next
   output's filter would pass the end.
2. A trim then drops the first `round(start_ms * rate_out / 1000)` of them and keeps at most
   `round(duration_ms * rate_out / 1000)`, with halves rounded up. A trim never adds samples.
3. The clips are concatenated, and the trim of the output is applied in the same way.

Trims count samples instead of time stamps, after a full decode, because seeking in MP3 or WMA is inexact.

A clip that ends before its file does is cut in a separate run. In one filter graph with other clips it would close its
input early, and FFmpeg 7.0.2 then sometimes hangs: it requests data from the closed input and blocks all other inputs
(2 in 100 joins of short cuts, 2026-11). Without such a clip, or with one clip only, there is one run.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from localyun.imm.errors import ImmError
from localyun.imm.ffmpeg import AudioStream, Ffmpeg, FfmpegResult, input_args
from localyun.imm.output_formats import LAYOUTS, check_encoding, encoder_args, sample_format
from localyun.imm.task_spec import Encoding

# The same request gives the same bytes: no encoder versions, no time stamps, no random stream numbers.
REPRODUCIBLE = ("-map_metadata", "-1", "-map_chapters", "-1", "-fflags", "+bitexact", "-flags:a", "+bitexact")


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
    complete = _complete(ffmpeg, folder, clips, encoding, align)
    ready = clips if len(clips) == 1 else _precut(ffmpeg, folder, clips, complete)
    if not ready:
        raise _empty_output(clips)
    output = folder / "joined"
    graph = ["-filter_complex", filter_graph(ready, complete, output_trim), "-map", "[joined]"]
    result = ffmpeg.run([*_inputs(ready), *graph, *REPRODUCIBLE, *encoder_args(complete), "-y", output.name], folder)
    _check(ffmpeg, folder, ready, result, output_trim)
    if not result.encoded():
        raise _empty_output(ready)
    return JoinResult(output, result.encoded(), complete)


def _inputs(clips: Sequence[InputClip]) -> list[str]:
    return [arg for clip in clips for arg in input_args(clip.file)]


def _precut(ffmpeg: Ffmpeg, folder: Path, clips: Sequence[InputClip], encoding: Encoding) -> list[InputClip]:
    """Cut all clips that end before their file does, in one run; return the clips with the cuts in their places.

    Empty cuts are dropped.
    """
    to_cut = {f"cut-{number:02d}.wav": clip for number, clip in enumerate(c for c in clips if c.trim.duration_ms)}
    if not to_cut:
        return list(clips)
    codec = {"s16": "pcm_s16le", "s32": "pcm_s32le"}.get(sample_format(encoding), "pcm_f32le")
    args = []
    for number, (name, clip) in enumerate(to_cut.items()):
        graph = _converted(encoding) + _cut(clip.trim, encoding.sample_rate)
        args += ["-map", f"{number}:a:0", "-af", graph, "-c:a", codec, "-f", "wav", "-rf64", "auto", "-y", name]
    originals = list(to_cut.values())
    result = ffmpeg.run([*_inputs(originals), *args], folder)
    _check(ffmpeg, folder, originals, result, NO_TRIM)
    samples = result.encoded_per_output()
    cuts = (InputClip(name, to_cut[name].label) if samples.get(n) else None for n, name in enumerate(to_cut))
    ready = [next(cuts) if clip.trim.duration_ms else clip for clip in clips]
    return [clip for clip in ready if clip]


def filter_graph(clips: Sequence[InputClip], encoding: Encoding, output_trim: Trim = NO_TRIM) -> str:
    """Return FFmpeg's filter graph: each clip resampled once and trimmed, all joined, the output trimmed."""
    rate = encoding.sample_rate
    chains = [f"[{n}:a:0]{_converted(encoding)}{_cut(clip.trim, rate)}[c{n}]" for n, clip in enumerate(clips)]
    names = "".join(f"[c{n}]" for n in range(len(clips)))
    return ";".join([*chains, f"{names}concat=n={len(clips)}:v=0:a=1{_cut(output_trim, rate)}[joined]"])


def _converted(encoding: Encoding) -> str:
    """Return the filter that converts a clip to the rate, the channels and the sample format of the encoder."""
    layout = LAYOUTS[encoding.channels]
    return f"aresample=osr={encoding.sample_rate}:osf={sample_format(encoding)}:ochl={layout}"


def _cut(trim: Trim, rate: int) -> str:
    """Return the filters of a trim that counts from the first sample, independent of the source's time stamps."""
    if trim == NO_TRIM:
        return ",asetpts=N/SR/TB"
    start = samples_of(trim.start_ms, rate)
    end = f":end_sample={start + samples_of(trim.duration_ms, rate)}" if trim.duration_ms else ""
    return f",asetpts=N/SR/TB,atrim=start_sample={start}{end},asetpts=N/SR/TB"


def _complete(ffmpeg: Ffmpeg, folder: Path, clips: Sequence[InputClip], encoding: Encoding, align: int) -> Encoding:
    """Fill in what depends on the sources: rate and channels of the reference clip, and the bit rate by `abopt`."""
    if encoding.sample_rate and encoding.channels and not (encoding.bitrate and encoding.bitrate_option):
        return encoding  # saves a run of FFmpeg
    streams = probe(ffmpeg, folder, clips)
    reference = streams[align]
    complete = replace(
        encoding,
        sample_rate=encoding.sample_rate or reference.sample_rate,
        channels=encoding.channels or reference.channels,
        bitrate=_bitrate(encoding, clips, streams),
    )
    check_encoding(complete)
    return complete


def _bitrate(encoding: Encoding, clips: Sequence[InputClip], streams: Sequence[AudioStream]) -> int:
    """Apply `abopt`: 0 keeps the bit rate, 1 lowers it to that of the lowest source, 2 fails if a source has less."""
    known = [(stream.bitrate, clip) for stream, clip in zip(streams, clips, strict=True) if stream.bitrate]
    if not encoding.bitrate or not encoding.bitrate_option or not known:
        return encoding.bitrate
    lowest, clip = min(known, key=lambda one: one[0])
    if encoding.bitrate_option == 2 and lowest < encoding.bitrate:
        message = f"[abopt]:{clip.label} has {lowest} bit/s, less than ab_{encoding.bitrate}; lower ab or use abopt_1."
        raise ImmError("InvalidArgument", message)
    return min(encoding.bitrate, lowest)


def probe(ffmpeg: Ffmpeg, folder: Path, clips: Sequence[InputClip]) -> list[AudioStream]:
    """Return the audio stream of every clip, from one run; raise `ImmError` for the first clip without audio."""
    result = ffmpeg.run(_inputs(clips), folder)
    _check_opened(clips, result)
    streams = result.streams()
    for number, clip in enumerate(clips):
        if number not in streams:
            raise _not_audio(clip, "it has no audio stream")
    return [streams[number] for number in range(len(clips))]


def _check(ffmpeg: Ffmpeg, folder: Path, clips: Sequence[InputClip], result: FfmpegResult, output_trim: Trim) -> None:
    """Raise `ImmError` with the reason if a run failed or could not decode a clip."""
    _check_opened(clips, result)
    if result.code != 0:
        probe(ffmpeg, folder, clips)
        raise ImmError("OperationFailed", f"The audio could not be converted: {result.tail}")
    decoded = result.decoded()
    for number, clip in enumerate(clips):
        if not decoded.get(number) and not output_trim.duration_ms:
            raise _not_audio(clip, "no audio can be decoded from it")


def _empty_output(clips: Sequence[InputClip]) -> ImmError:
    message = f"Nothing is left of {clips[0].label} and the clips after it: every trim starts after the end. Lower ss."
    return ImmError("InvalidArgument", message)


def _check_opened(clips: Sequence[InputClip], result: FfmpegResult) -> None:
    if failed := result.not_opened():
        raise _not_audio(clips[failed[0]], failed[1])


def _not_audio(clip: InputClip, reason: str) -> ImmError:
    message = f"The source {clip.label} is not audio that can be read: {reason}. Replace it or leave it out."
    return ImmError("InvalidArgument", message)
