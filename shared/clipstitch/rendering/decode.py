"""Decode one clip to raw samples at the rate and with the channels of the output, in a run of FFmpeg of its own."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from clipstitch.common.errors import NotAudio
from clipstitch.planning.render_spec import OutputEncoding
from clipstitch.rendering.channels import channels_filter
from clipstitch.rendering.edges import SAMPLE_BYTES
from clipstitch.rendering.ffmpeg import ClipStream, FfmpegProgram, FfmpegRun, input_args

# FFmpeg 7.0.2 puts a pause behind every frame with the decoder that it takes by itself (measured 2026-11).
_DECODERS = {"speex": "libspeex"}


class RawClip(NamedTuple):
    """A decoded clip: a file of raw samples, its frames, and the frames of the clip that could not be decoded."""

    file: Path
    frames: int
    decode_errors: int = 0


def decode(ffmpeg: FfmpegProgram, name: str, target: str, encoding: OutputEncoding, gain_db: float = 0.0) -> RawClip:
    """Decode the file `name` of FFmpeg's folder to the file `target` there. Raises NotAudio, or RenderFailed.

    Most clips have one or two channels and need no decoder of our choice: they are decoded at once. What the log says
    about the others decides how they are decoded again.
    """
    usual = ClipStream("", encoding.sample_rate, "mono")
    run = _run(ffmpeg, name, target, encoding, usual, gain_db)
    if run.stream and not _is_usual(run.stream, encoding):
        run = _run(ffmpeg, name, target, encoding, run.stream, gain_db)
    file = ffmpeg.folder / target
    frames = file.stat().st_size // (SAMPLE_BYTES * encoding.channels) if file.exists() else 0
    if not frames:
        raise NotAudio("no audio can be decoded: " + (run.reason if run.code or run.decode_errors else "it has none"))
    return RawClip(file, frames, run.decode_errors)


def _is_usual(stream: ClipStream, encoding: OutputEncoding) -> bool:
    """Return True if a clip is decoded right without knowing what is in it."""
    same = channels_filter(stream.layout, encoding.channels) == channels_filter("mono", encoding.channels)
    return same and stream.codec not in _DECODERS


def _run(
    ffmpeg: FfmpegProgram, name: str, target: str, encoding: OutputEncoding, stream: ClipStream, gain_db: float
) -> FfmpegRun:
    output = ["-map", "0:a:0", "-vn", "-sn", "-dn", "-af", _filters(stream, encoding, gain_db), "-f", "f32le", target]
    size = (ffmpeg.folder / name).stat().st_size
    return ffmpeg.run([*input_args(name, _DECODERS.get(stream.codec, "")), *output], size)


def _filters(stream: ClipStream, encoding: OutputEncoding, gain_db: float) -> str:
    """Return the filters of a clip: its gain, the resampler, and the conversion of channels."""

    def parts() -> Iterator[str]:
        if gain_db:
            yield f"volume={gain_db}dB:precision=float"
        yield f"aresample={encoding.sample_rate}:osf=flt"
        if converted := channels_filter(stream.layout, encoding.channels):
            yield converted

    return ",".join(parts())
