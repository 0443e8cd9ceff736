"""Joins audio files, to the sample, in one run of FFmpeg. Knows files and encodings, no buckets and no tasks.

How long the joined audio is (`expected_samples`), all counted at the output's rate:

1. A clip of `n` decoded samples at `rate_in` becomes `ceil(n * rate_out / rate_in)` samples, or one less in some
   cases where the rate is lowered: `resampled` says which.
2. A trim then drops the first `round(start_ms * rate_out / 1000)` of them and keeps at most
   `round(duration_ms * rate_out / 1000)`, halves rounded up. What is not there is not invented.
3. The clips are put end to end, and the trim of the whole cuts once more in the same way.

Trims are made on samples and not on time stamps, and after a full decode: seeking in MP3 or WMA is inexact.

A clip that ends before its file does is cut in a run of its own. In one graph with others it would close its input
early, and then FFmpeg 7.0.2 sometimes waits for ever: it asks the closed input for more and keeps all others waiting
(2 in 100 joins of short cuts, 2026-11). With no such clip, or with one clip only, there is one run.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from localyun.imm.errors import ImmError
from localyun.imm.ffmpeg import Ffmpeg, Finished, Stream, input_args
from localyun.imm.formats import LAYOUTS, check_encoding, encoder_args, sample_format
from localyun.imm.work import Encoding

FILTER_TAPS, CUTOFF = 32, 0.97  # libswresample's defaults
# The same request gives the same bytes: no encoder versions, no time stamps, no random stream numbers.
PLAIN = ("-map_metadata", "-1", "-map_chapters", "-1", "-fflags", "+bitexact", "-flags:a", "+bitexact")


@dataclass(frozen=True)
class Trim:
    """What is kept: from `start_ms` on, for `duration_ms`, or to the end if that is 0."""

    start_ms: int = 0
    duration_ms: int = 0


WHOLE = Trim()


@dataclass(frozen=True)
class Piece:
    """A file to be joined. `file` is a name in the working folder, `label` is what messages call it."""

    file: str
    label: str
    trim: Trim = WHOLE


@dataclass(frozen=True)
class Joined:
    """What was written: its samples for each channel, at the rate and channels of `encoding`."""

    file: Path
    samples: int
    encoding: Encoding


def samples_of(milliseconds: int, rate: int) -> int:
    """Convert milliseconds to samples, halves rounded up.

    >>> samples_of(2345, 44100)
    103415
    """
    return (milliseconds * rate + 500) // 1000


def resampled(samples: int, rate_in: int, rate_out: int) -> int:
    """Count what FFmpeg's resampler makes of a clip that is longer than its filter, some 4 ms.

    It mirrors half a filter at either end and stops where the next output's filter would pass the end; when it
    has little left to mirror, one output is missing. Read off FFmpeg 7.0.2, found right in 900 trials.
    """
    if rate_in == rate_out:
        return samples
    taps = math.ceil(FILTER_TAPS / min(rate_out * CUTOFF / rate_in, 1))
    taps += taps % 2
    available = (taps - 1) // 2 + samples
    made = _outputs(available - taps, rate_in, rate_out)
    left = available - made * rate_in // rate_out
    return _outputs(available + (min(left, taps) + 1) // 2 - taps, rate_in, rate_out)


def _outputs(last: int, rate_in: int, rate_out: int) -> int:
    """Count the outputs whose filter begins at or before input sample `last`."""
    return max(0, -(-(last + 1) * rate_out // rate_in))


def kept(samples: int, trim: Trim, rate: int) -> int:
    """Count the samples that a trim leaves of `samples`."""
    left = max(0, samples - samples_of(trim.start_ms, rate))
    return min(left, samples_of(trim.duration_ms, rate)) if trim.duration_ms else left


def expected_samples(clips: Sequence[tuple[int, int, Trim]], rate: int, whole: Trim = WHOLE) -> int:
    """Count the samples of the joined audio; a clip is its decoded samples, its rate, and its trim."""
    total = sum(kept(resampled(samples, rate_in, rate), trim, rate) for samples, rate_in, trim in clips)
    return kept(total, whole, rate)


def join(
    ffmpeg: Ffmpeg,
    folder: Path,
    pieces: Sequence[Piece],
    encoding: Encoding,
    *,
    align: int = 0,
    whole: Trim = WHOLE,
) -> Joined:
    """Join `pieces` of `folder` in order, into a new file there; whatever prevents it raises `ImmError`."""
    complete = _complete(ffmpeg, folder, pieces, encoding, align)
    ready = pieces if len(pieces) == 1 else _precut(ffmpeg, folder, pieces, complete)
    if not ready:
        raise _nothing_left(pieces)
    output = folder / "joined"
    graph = ["-filter_complex", filter_graph(ready, complete, whole), "-map", "[joined]"]
    finished = ffmpeg.run([*_inputs(ready), *graph, *PLAIN, *encoder_args(complete), "-y", output.name], folder)
    _check(ffmpeg, folder, ready, finished, whole)
    return Joined(output, finished.encoded(), complete)


def _inputs(pieces: Sequence[Piece]) -> list[str]:
    """Spell the inputs of a run."""
    return [arg for piece in pieces for arg in input_args(piece.file)]


def _precut(ffmpeg: Ffmpeg, folder: Path, pieces: Sequence[Piece], encoding: Encoding) -> list[Piece]:
    """Cut all clips that end before their file does, at once, and put the cuts in their places; drop empty ones."""
    cuts = [piece for piece in pieces if piece.trim.duration_ms]
    if not cuts:
        return list(pieces)
    args = [arg for number, piece in enumerate(cuts) for arg in _cut_args(number, piece, encoding)]
    finished = ffmpeg.run([*_inputs(cuts), *args], folder)
    _check(ffmpeg, folder, cuts, finished, WHOLE, may_be_empty=True)
    samples = finished.encoded_each()
    made = {id(cut): samples.get(number, 0) and Piece(_cut_name(number), cut.label) for number, cut in enumerate(cuts)}
    return [ready for piece in pieces if (ready := made.get(id(piece), piece))]


def _cut_args(number: int, piece: Piece, encoding: Encoding) -> list[str]:
    """Spell one output of a cutting run: a graph of its own, uncompressed, already at the output's rate."""
    graph = _prepared(encoding) + _cut(piece.trim, encoding.sample_rate)
    codec = {"s16": "pcm_s16le", "s32": "pcm_s32le"}.get(sample_format(encoding), "pcm_f32le")
    return ["-map", f"{number}:a:0", "-af", graph, "-c:a", codec, "-f", "wav", "-rf64", "auto", "-y", _cut_name(number)]


def _cut_name(number: int) -> str:
    return f"cut-{number:02d}.wav"


def filter_graph(pieces: Sequence[Piece], encoding: Encoding, whole: Trim = WHOLE) -> str:
    """Spell FFmpeg's graph: each clip resampled once and trimmed on samples, all joined, the whole trimmed."""
    rate = encoding.sample_rate
    same = _prepared(encoding)
    clips = [f"[{n}:a:0]{same}{_cut(piece.trim, rate)}[c{n}]" for n, piece in enumerate(pieces)]
    names = "".join(f"[c{n}]" for n in range(len(pieces)))
    return ";".join([*clips, f"{names}concat=n={len(pieces)}:v=0:a=1{_cut(whole, rate)}[joined]"])


def _prepared(encoding: Encoding) -> str:
    """Spell the one conversion of a clip: to the rate, the channels and the sample format of the encoder."""
    layout = LAYOUTS[encoding.channels]
    return f"aresample=osr={encoding.sample_rate}:osf={sample_format(encoding)}:ochl={layout}"


def _cut(trim: Trim, rate: int) -> str:
    """Spell a trim; counting from the first sample, whatever the time stamps of the source say."""
    if trim == WHOLE:
        return ",asetpts=N/SR/TB"
    start = samples_of(trim.start_ms, rate)
    end = f":end_sample={start + samples_of(trim.duration_ms, rate)}" if trim.duration_ms else ""
    return f",asetpts=N/SR/TB,atrim=start_sample={start}{end},asetpts=N/SR/TB"


def _complete(ffmpeg: Ffmpeg, folder: Path, pieces: Sequence[Piece], encoding: Encoding, align: int) -> Encoding:
    """Fill in what the align source lends and what `abopt` decides; only then are the sources looked at first."""
    asks_sources = encoding.bitrate and encoding.bitrate_option
    if encoding.sample_rate and encoding.channels and not asks_sources:
        return encoding
    streams = probe(ffmpeg, folder, pieces)
    lender = streams[align]
    complete = replace(
        encoding,
        sample_rate=encoding.sample_rate or lender.sample_rate,
        channels=encoding.channels or lender.channels,
        bitrate=_bitrate(encoding, pieces, streams),
    )
    check_encoding(complete)
    return complete


def _bitrate(encoding: Encoding, pieces: Sequence[Piece], streams: Sequence[Stream]) -> int:
    """Apply `abopt`: 0 keeps the bit rate, 1 lowers it to the least source's, 2 fails if a source has less."""
    known = [(stream.bitrate, piece) for stream, piece in zip(streams, pieces, strict=True) if stream.bitrate]
    if not encoding.bitrate or not encoding.bitrate_option or not known:
        return encoding.bitrate
    least, piece = min(known, key=lambda one: one[0])
    if encoding.bitrate_option == 2 and least < encoding.bitrate:
        text = f"[abopt]:{piece.label} has {least} bit/s, less than ab_{encoding.bitrate}; lower ab or use abopt_1."
        raise ImmError("InvalidArgument", text)
    return min(encoding.bitrate, least)


def probe(ffmpeg: Ffmpeg, folder: Path, pieces: Sequence[Piece]) -> list[Stream]:
    """Look at all files in one run; the first that holds no audio raises `ImmError`."""
    finished = ffmpeg.run(_inputs(pieces), folder)
    _check_opened(pieces, finished)
    streams = finished.streams()
    for number, piece in enumerate(pieces):
        if number not in streams:
            raise _not_audio(piece, "it has no audio stream")
    return [streams[number] for number in range(len(pieces))]


def _check(
    ffmpeg: Ffmpeg,
    folder: Path,
    pieces: Sequence[Piece],
    finished: Finished,
    whole: Trim,
    *,
    may_be_empty: bool = False,
) -> None:
    """Raise the `ImmError` that says why nothing useful was written, if so."""
    _check_opened(pieces, finished)
    if finished.code != 0:
        probe(ffmpeg, folder, pieces)
        raise ImmError("OperationFailed", f"The audio could not be converted: {finished.tail}")
    decoded = finished.decoded()
    for number, piece in enumerate(pieces):
        if not decoded.get(number) and not whole.duration_ms:
            raise _not_audio(piece, "nothing in it can be decoded")
    if not finished.encoded() and not may_be_empty:
        raise _nothing_left(pieces)


def _nothing_left(pieces: Sequence[Piece]) -> ImmError:
    """Say that all clips were trimmed to nothing."""
    text = f"Nothing is left of {pieces[0].label} and what follows it: every trim starts after the end. Lower ss."
    return ImmError("InvalidArgument", text)


def _check_opened(pieces: Sequence[Piece], finished: Finished) -> None:
    """Raise `ImmError` if a file could not be opened as audio."""
    if failed := finished.not_opened():
        raise _not_audio(pieces[failed[0]], failed[1])


def _not_audio(piece: Piece, why: str) -> ImmError:
    """Say that a file is not audio that can be read."""
    text = f"The source {piece.label} is not audio that can be read: {why}. Replace it or leave it out."
    return ImmError("InvalidArgument", text)
