"""What a render step does, as data: clips, joins, and the file to write; and what it reports. Pure.

`planner` makes a spec, `clipstitch.rendering` carries it out, and `clipstitch plan` explains it.
"""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from clipstitch.common.serialization import from_json_value, to_json_value
from clipstitch.planning.plan import Step
from clipstitch.planning.process_string import Transcode, parse_process


class RenderedClip(NamedTuple):
    """A clip, or a silence of `duration_ms` (then `key` is empty), of a render step.

    `etag` is that of the object that was probed ("" if unknown). `length_s` is its expected length after the trim in
    seconds, `slack_s` how much that may differ by its format; `estimated`: it is only an estimate. `gain_db` is
    applied before everything else. Fades are in milliseconds, and replace those of the joins.
    """

    key: str
    etag: str = ""
    start_ms: int = 0
    duration_ms: int = 0
    length_s: float = 0.0
    slack_s: float = 0.0
    estimated: bool = False
    gain_db: float = 0.0
    fade_in_ms: int = 0
    fade_out_ms: int = 0


class Joins(NamedTuple):
    """What happens where clips meet.

    With `threshold_db` (dB below full scale), what is below it at either edge of a clip is cut off but for `keep_ms`.
    `fade_ms` fades each clip in and out, in place of a click; `crossfade_ms` overlaps neighbours.
    """

    threshold_db: float | None = None
    keep_ms: int = 0
    fade_ms: int = 0
    crossfade_ms: int = 0


class OutputEncoding(NamedTuple):
    """The file to write: its format, sample rate in Hz and channels.

    `bitrate` in bit/s and `quality` (0 to 100) exclude each other; None is the encoder's default.
    """

    format: str
    sample_rate: int
    channels: int
    bitrate: int | None = None
    quality: int | None = None
    bits_per_sample: int | None = None


class RenderSpec(NamedTuple):
    """A render step: clips in order, joined, trimmed as a whole to `duration_ms` (0: to the end), and encoded."""

    clips: tuple[RenderedClip, ...]
    encoding: OutputEncoding
    joins: Joins = Joins()
    start_ms: int = 0
    duration_ms: int = 0

    def as_text(self) -> str:
        """Return the spec in JSON, as a step has it."""
        return json.dumps(to_json_value(self), separators=(",", ":"))


class ClipReport(NamedTuple):
    """Where a clip or silence is in the output, in samples of the output; `decoded` counts before any trimming.

    `cut` are the samples that were taken off its beginning, by its own trim and as silence. `overlap` is how much of
    the clip before it the crossfade overlaps. `silent`: all of it was below the threshold.
    """

    starts_at: int
    length: int
    decoded: int = 0
    cut: int = 0
    overlap: int = 0
    silent: bool = False


class RenderReport(NamedTuple):
    """What a render step made: the samples per channel of the output, its rate in Hz, and its clips in order."""

    samples: int
    sample_rate: int
    clips: tuple[ClipReport, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return to_json_value(self)  # type: ignore[no-any-return] # a named tuple becomes a mapping

    @classmethod
    def from_json(cls, report: Mapping[str, Any]) -> "RenderReport":
        """Return the report of what `as_json` returned."""
        return from_json_value(cls, report)  # type: ignore[no-any-return] # a report


def spec_of(step: Step) -> RenderSpec:
    """Return the spec of a render step."""
    return from_json_value(RenderSpec, json.loads(step.render))  # type: ignore[no-any-return] # a spec


def transcode_of(step: Step) -> Transcode:
    """Return the format of what a step makes."""
    return transcode_of_encoding(spec_of(step).encoding) if step.render else parse_process(step.process).transcode


def transcode_of_encoding(encoding: OutputEncoding) -> Transcode:
    """Return an encoding in the terms of the OSS action."""
    return Transcode(
        encoding.format,
        ac=encoding.channels,
        ar=encoding.sample_rate,
        ab=encoding.bitrate,
        aq=encoding.quality,
        adepth=encoding.bits_per_sample,
    )
