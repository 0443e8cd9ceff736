"""Render a step: fetch and decode its clips, join them, encode the result, and report where every clip is."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from clipstitch.common.errors import NotAudio, RenderFailed
from clipstitch.planning.render_spec import ClipReport, Joins, RenderedClip, RenderReport, RenderSpec
from clipstitch.planning.silence_flac import samples_of
from clipstitch.rendering.decode import RawClip, decode
from clipstitch.rendering.edges import audible, keep_edges
from clipstitch.rendering.encode import encode
from clipstitch.rendering.ffmpeg import FfmpegProgram
from clipstitch.rendering.timeline import Piece, Timeline

TIMELINE, OUTPUT = "timeline.f32", "output"
Fetch = Callable[[RenderedClip, Path], None]


class RenderedFile(NamedTuple):
    """What a render step made: the file, and the report about it."""

    file: Path
    report: RenderReport


class _Cut(NamedTuple):
    """What is kept of a decoded clip. `silent`: all of it is below the threshold."""

    frames: range
    silent: bool = False


def render(spec: RenderSpec, fetch: Fetch, ffmpeg: FfmpegProgram, workers: int = 1) -> RenderedFile:
    """Render a step in FFmpeg's folder, with `workers` clips at once. `fetch` stores a clip as a file.

    Raises the first error, in the order of the clips, that `fetch` raises; NotAudio, which names the clip; or
    RenderFailed.
    """
    rate, channels = spec.encoding.sample_rate, spec.encoding.channels
    reports = []
    with (ffmpeg.folder / TIMELINE).open("wb") as file:
        timeline = Timeline(file, channels, samples_of(spec.joins.crossfade_ms, rate))
        for clip, raw in zip(spec.clips, _decoded(spec, fetch, ffmpeg, workers), strict=True):
            reports.append(_append_clip(timeline, clip, raw, spec) if raw else _append_silence(timeline, clip, rate))
        total = timeline.finish()
    frames = _window(spec, total)
    if not frames:
        raise RenderFailed("nothing is left of the clips after trimming")
    encode(ffmpeg, TIMELINE, OUTPUT, spec.encoding, frames)
    (ffmpeg.folder / TIMELINE).unlink()
    report = RenderReport(len(frames), rate, tuple(_within(report, frames) for report in reports))
    return RenderedFile(ffmpeg.folder / OUTPUT, report)


def _decoded(spec: RenderSpec, fetch: Fetch, ffmpeg: FfmpegProgram, workers: int) -> Iterator[RawClip | None]:
    """Yield each decoded clip in order, None for a silence. Only a few clips ahead are on the disk."""
    calls = (partial(_fetch_and_decode, clip, index, spec, fetch, ffmpeg) for index, clip in enumerate(spec.clips))
    with ThreadPoolExecutor(workers) as pool:
        ahead: deque[Future[RawClip | None]] = deque(pool.submit(call) for call in islice(calls, 2 * workers))
        try:
            while ahead:
                yield ahead.popleft().result()
                ahead.extend(pool.submit(call) for call in islice(calls, 1))
        finally:
            for future in ahead:
                future.cancel()


def _fetch_and_decode(
    clip: RenderedClip, index: int, spec: RenderSpec, fetch: Fetch, ffmpeg: FfmpegProgram
) -> RawClip | None:
    if not clip.key:
        return None
    name = f"clip-{index:06d}"
    fetch(clip, ffmpeg.folder / name)
    try:
        return decode(ffmpeg, name, f"{name}.f32", spec.encoding, clip.gain_db)
    except (NotAudio, RenderFailed) as error:
        raise type(error)(f"clip `{clip.key}`: {error}") from error
    finally:
        (ffmpeg.folder / name).unlink()


def _append_silence(timeline: Timeline, clip: RenderedClip, rate: int) -> ClipReport:
    frames = max(samples_of(clip.duration_ms, rate), 1)
    return ClipReport(timeline.append_silence(frames), frames)


def _append_clip(timeline: Timeline, clip: RenderedClip, raw: RawClip, spec: RenderSpec) -> ClipReport:
    """Append a decoded clip, delete its file, and report its place."""
    rate, joins = spec.encoding.sample_rate, spec.joins
    cut = _cut(clip, raw, spec)
    fades = (samples_of(fade_ms or joins.fade_ms, rate) for fade_ms in (clip.fade_in_ms, clip.fade_out_ms))
    start, overlap = timeline.append(Piece(raw.file, cut.frames, *fades))
    raw.file.unlink()
    return ClipReport(start, len(cut.frames), raw.frames, cut.frames.start, overlap, cut.silent)


def _cut(clip: RenderedClip, raw: RawClip, spec: RenderSpec) -> _Cut:
    """Return what is kept of a clip: its trim, and of that, what is not silence at the edges.

    Of a clip that is silent altogether, its two edges are kept.
    """
    rate, joins = spec.encoding.sample_rate, spec.joins
    start = min(samples_of(clip.start_ms, rate), raw.frames)
    stop = min(start + samples_of(clip.duration_ms, rate), raw.frames) if clip.duration_ms else raw.frames
    trimmed = range(start, stop)
    if joins.threshold_db is None or not trimmed:
        return _Cut(trimmed)
    keep, threshold = samples_of(joins.keep_ms, rate), _amplitude(joins)
    found = audible(raw.file, trimmed, spec.encoding.channels, threshold)
    if found:
        return _Cut(keep_edges(found, trimmed, keep))
    return _Cut(range(start, min(start + max(2 * keep, 1), stop)), silent=True)


def _amplitude(joins: Joins) -> float:
    """Return the amplitude that a threshold in dB below full scale means."""
    return float(10 ** ((joins.threshold_db or 0.0) / 20))


def _window(spec: RenderSpec, total: int) -> range:
    """Return the frames of the joined clips that the output keeps."""
    rate = spec.encoding.sample_rate
    start = min(samples_of(spec.start_ms, rate), total)
    return range(start, min(start + samples_of(spec.duration_ms, rate), total) if spec.duration_ms else total)


def _within(report: ClipReport, window: range) -> ClipReport:
    """Return the place of a clip in the window; a clip outside has a length of 0."""
    first, last = (
        min(max(edge, window.start), window.stop) - window.start
        for edge in (report.starts_at, report.starts_at + report.length)
    )
    return report._replace(starts_at=first, length=last - first)
