"""Turn a manifest and the probes of its clips into a plan. Pure: `submit` and `clipstitch plan` call it.

Lengths are whole samples of the output, as the OSS action makes them: a clip of n samples becomes ceil(n * rate / its
rate), and a trim cuts at the nearest sample. So the start of chapter 300 is as exact as that of chapter 2.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from clipstitch.common.audio_formats import BITRATE_OPTIONS, MAX_SOURCES
from clipstitch.common.errors import ClipstitchError, InvalidManifest, Issue, NotAudio, ObjectArchived, ObjectNotFound
from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.ports import Probe
from clipstitch.manifest.field_reader import json_pointer
from clipstitch.manifest.model import Clip, Entry, Manifest, Output, Silence
from clipstitch.manifest.similar_keys import nearest_text
from clipstitch.planning.engines import renders
from clipstitch.planning.lengths import ESTIMATE_ERROR, is_estimated, slack_s
from clipstitch.planning.plan import (
    JobWarning,
    PlacedClip,
    Plan,
    PlannedOutput,
    PlanningContext,
    SilenceAsset,
    Step,
    WarningCode,
)
from clipstitch.planning.process_string import Transcode
from clipstitch.planning.silence_flac import samples_of
from clipstitch.planning.steps import INTERMEDIATE_FORMAT, MergeSpec, StepSource, make_steps

if TYPE_CHECKING:
    from clipstitch.planning.render_spec import RenderedClip

Probes = Mapping[ObjectRef, Probe | ClipstitchError]
_CLIP_ISSUES: Mapping[type[ClipstitchError], tuple[str, str]] = {
    ObjectNotFound: ("CLIP_NOT_FOUND", "does not exist"),
    ObjectArchived: ("CLIP_ARCHIVED", "is archived"),
    NotAudio: ("CLIP_NOT_AUDIO", "is not audio"),
}


class _Part(NamedTuple):
    """A clip or silence, its object, and its length in samples of the output.

    `slack_s`: how much the length may differ from that, by the clip's format; `estimated`: it is only an estimate.
    """

    clip: Clip | Silence
    ref: ObjectRef
    samples: int
    etag: str = ""
    slack_s: float = 0.0
    estimated: bool = False


def make_plan(manifest: Manifest, probes: Probes, context: PlanningContext, paths: Sequence[str] = ()) -> Plan:
    """Return the plan of a manifest without globs. Raises `InvalidManifest` with every issue that the probes show.

    `paths` are the JSON Pointers of the clips in the document, if globs were expanded.
    """
    bucket = context.manifest.ref.bucket
    paths = paths or [json_pointer("clips", index) for index in range(len(manifest.clips))]
    known = _valid_probes(manifest, probes, paths, bucket)
    output, warnings = _planned_output(manifest, _reference_clip(manifest, known, bucket))
    parts, silences = _parts(manifest, known, output, context)
    total = sum(part.samples for part in parts)
    if issues := [*_trim_issues(manifest.output, total, output), *_bitrate_issues(manifest.output, known)]:
        raise InvalidManifest(issues)
    window = _window(manifest.output, total, output.sample_rate)
    duration_s = round(len(window) / output.sample_rate, 6)
    steps: tuple[Step, ...]
    if renders(manifest, len(parts), context.engine, paths, is_deployed=context.render_is_deployed):
        steps, silences = (_render_step(manifest, parts, output, known, context),), ()
    else:
        spec = _merge_spec(manifest, output, known, len(parts))
        steps = make_steps(_sources(parts, output.sample_rate), spec, context)
    return Plan(
        job_id=context.job_id,
        manifest=context.manifest,
        output=output,
        duration_s=duration_s,
        clips=tuple(_placed(parts, window, output.sample_rate)),
        steps=(*steps[:-1], steps[-1]._replace(length_s=duration_s)),  # trimmed, if the output is
        sinks=context.sinks if manifest.notify is None else manifest.notify,
        labels=dict(manifest.labels),
        warnings=warnings,
        silences=silences,
        strict=manifest.strict,
    )


def _valid_probes(manifest: Manifest, probes: Probes, paths: Sequence[str], bucket: str) -> Mapping[ObjectRef, Probe]:
    """Return the probe of every clip. Raises `InvalidManifest` with every issue of the clips."""
    issues, known = [], {}
    for path, clip in zip(paths, manifest.clips, strict=True):
        if isinstance(clip, Clip):
            ref = ObjectRef(bucket, clip.key)
            probe = probes[ref]
            issues += clip_issues(path, clip, probe)
            if isinstance(probe, Probe):
                known[ref] = probe
    if issues:
        raise InvalidManifest(issues)
    return known


def clip_issues(path: str, clip: Clip, probe: Probe | ClipstitchError) -> list[Issue]:
    """Return the issues of a clip. Raises the error in place of its probe if that is not an issue of the manifest."""
    if isinstance(probe, ClipstitchError):
        if type(probe) not in _CLIP_ISSUES:
            raise probe
        code, message = _CLIP_ISSUES[type(probe)]
        reason = f": {probe}" if isinstance(probe, NotAudio) else ""
        nearest = probe.nearest if isinstance(probe, ObjectNotFound) else ""
        remedy = f"{probe.remedy} {nearest_text(clip.key, nearest)}" if nearest else probe.remedy
        return [Issue(path, code, f"`{clip.key}` {message}{reason}", remedy)]
    if clip.start_ms >= probe.duration_s * 1000:
        message = f"starts at {clip.start_ms} ms, but `{clip.key}` ends at {probe.duration_s * 1000:.0f} ms"
        return [Issue(path + "/start", "TRIM_BEYOND_END", message, "Use a start before the end of the clip.")]
    return []


def _reference_clip(manifest: Manifest, known: Mapping[ObjectRef, Probe], bucket: str) -> Probe:
    """Return the probe of the `align` clip or, if that is a silence, of the first clip."""
    clip = manifest.clips[manifest.align]
    if isinstance(clip, Clip):
        return known[ObjectRef(bucket, clip.key)]
    return next(iter(known.values()), Probe(0.0, 44100, 1))


def _planned_output(manifest: Manifest, reference: Probe) -> tuple[PlannedOutput, tuple[JobWarning, ...]]:
    """Return the output with the defaults of the reference clip, and a warning for each that the format changed."""
    output = manifest.output
    rate = output.sample_rate or output.format.nearest_rate(reference.sample_rate)
    channels = output.channels or output.format.nearest_channels(reference.channels)
    chosen: tuple[tuple[WarningCode, int | None, int, int, str], ...] = (
        ("SAMPLE_RATE_CHANGED", output.sample_rate, reference.sample_rate, rate, "Hz"),
        ("CHANNELS_CHANGED", output.channels, reference.channels, channels, "channels"),
    )
    name = output.format.name
    warnings = tuple(
        JobWarning(code, f"The reference clip has {has} {unit}, which {name} does not support; the output has {takes}.")
        for code, given, has, takes, unit in chosen
        if given is None and has != takes
    )
    return PlannedOutput(output.ref, name, rate, channels, output.overwrite, manifest.chapters), warnings


def _parts(
    manifest: Manifest, known: Mapping[ObjectRef, Probe], output: PlannedOutput, context: PlanningContext
) -> tuple[list[_Part], tuple[SilenceAsset, ...]]:
    """Return clips, silences and gaps in order, and the silence assets without duplicates."""
    parts: list[_Part] = []
    assets: dict[SilenceAsset, None] = {}
    for clip in _with_gaps(manifest):
        if isinstance(clip, Clip):
            ref = ObjectRef(context.manifest.ref.bucket, clip.key)
            parts.append(_clip_part(clip, ref, known[ref], output.sample_rate))
        elif isinstance(clip, Silence):
            samples = max(samples_of(clip.length_ms, output.sample_rate), 1)
            asset = context.silence(samples, output.sample_rate, output.channels)
            assets[asset] = None
            parts.append(_Part(clip, asset.ref, samples))
    return parts, tuple(assets)


def _clip_part(clip: Clip, ref: ObjectRef, probe: Probe, rate: int) -> _Part:
    """Return a clip with its length and how exact that is. A trim that ends well before the clip does is exact."""
    samples, estimated, slack = _samples(clip, probe, rate), is_estimated(probe), slack_s(probe)
    reliable_s = probe.duration_s * (1 - ESTIMATE_ERROR) if estimated else probe.duration_s
    if clip.duration_ms and (clip.start_ms + clip.duration_ms) / 1000 <= reliable_s - slack:
        return _Part(clip, ref, samples, probe.etag)
    return _Part(clip, ref, samples, probe.etag, slack, estimated)


def _with_gaps(manifest: Manifest) -> list[Entry]:
    """Return the entries with the gap between neighbouring clips; a silence between two clips replaces the gap."""
    entries: list[Entry] = []
    for clip in manifest.clips:
        if manifest.gap_ms and entries and isinstance(clip, Clip) and isinstance(entries[-1], Clip):
            entries.append(Silence(manifest.gap_ms))
        entries.append(clip)
    return entries


def _samples(clip: Clip, probe: Probe, rate: int) -> int:
    """Return the samples that a clip has at the output's rate."""
    decoded = round(probe.duration_s * probe.sample_rate)
    return _trimmed(-(-decoded * rate // probe.sample_rate), clip.start_ms, clip.duration_ms, rate)


def _trimmed(samples: int, start_ms: int, duration_ms: int, rate: int) -> int:
    """Return the samples that remain after a trim."""
    rest = max(samples - samples_of(start_ms, rate), 0)
    return min(rest, samples_of(duration_ms, rate)) if duration_ms else rest


def _window(output: Output, total: int, rate: int) -> range:
    """Return the samples of the merged audio that the output keeps."""
    start = samples_of(output.start_ms, rate)
    return range(start, start + _trimmed(total, output.start_ms, output.duration_ms, rate))


def _placed(parts: Sequence[_Part], window: range, rate: int) -> list[PlacedClip]:
    """Return the parts end to end, as far as they are in the window; others have a length of 0."""
    placed, at = [], 0
    for part in parts:
        clip, samples = part.clip, part.samples
        first, last = (min(max(edge, window.start), window.stop) - window.start for edge in (at, at + samples))
        times = (round(first / rate, 6), round((last - first) / rate, 6))
        if isinstance(clip, Clip):
            title, etag, estimated = clip.title, part.etag, part.estimated
            placed.append(PlacedClip(clip.key, clip.start_ms, clip.duration_ms, *times, title, etag, estimated))
        else:
            placed.append(PlacedClip("", 0, clip.length_ms, *times))
        at += samples
    return placed


def _sources(parts: Sequence[_Part], rate: int) -> list[StepSource]:
    sources = []
    for index, part in enumerate(parts):
        trim = (part.clip.start_ms, part.clip.duration_ms) if isinstance(part.clip, Clip) else (0, 0)
        length_s, clips = part.samples / rate, (index, index)
        estimate_s = length_s if part.estimated else 0.0
        sources.append(StepSource(part.ref, *trim, length_s, clips=clips, slack_s=part.slack_s, estimate_s=estimate_s))
    return sources


def _trim_issues(output: Output, total: int, planned: PlannedOutput) -> list[Issue]:
    if output.start_ms and samples_of(output.start_ms, planned.sample_rate) >= total:
        end_ms = round(total * 1000 / planned.sample_rate)
        message = f"is {output.start_ms} ms, but the merged audio ends at {end_ms} ms"
        return [Issue("/output/start", "TRIM_BEYOND_END", message, "Use a start before the end of the merged audio.")]
    return []


def _bitrate_issues(output: Output, known: Mapping[ObjectRef, Probe]) -> list[Issue]:
    """Apply `bitrate_option: fail` here, since the cloud does not see the sources behind intermediate objects."""
    lowest = _lowest_bitrate(known)
    if output.bitrate_option != "fail" or not output.bitrate or not lowest or lowest >= output.bitrate:
        return []
    message = f"is {output.bitrate} bit/s, more than the {lowest} bit/s of a clip"
    remedy = f"Use at most {lowest}, or bitrate_option: adaptive."
    return [Issue("/output/bitrate", "BITRATE_ABOVE_SOURCE", message, remedy)]


def _lowest_bitrate(known: Mapping[ObjectRef, Probe]) -> int:
    """Return the lowest bitrate of the clips in bit/s; 0 if none is known."""
    return min((probe.bitrate for probe in known.values() if probe.bitrate), default=0)


def _render_step(
    manifest: Manifest,
    parts: Sequence[_Part],
    planned: PlannedOutput,
    known: Mapping[ObjectRef, Probe],
    context: PlanningContext,
) -> Step:
    """Return the step that renders everything."""
    from clipstitch.planning import render_spec  # noqa: PLC0415 - most jobs need none of its classes

    output, join = manifest.output, manifest.join
    bitrate = output.bitrate
    if output.bitrate_option == "adaptive" and bitrate:
        bitrate = min(bitrate, _lowest_bitrate(known) or bitrate)
    encoding = render_spec.OutputEncoding(
        planned.format, planned.sample_rate, planned.channels, bitrate, output.quality, output.bits_per_sample
    )
    joins = render_spec.Joins(join.threshold_db, join.keep_ms, join.fade_ms, join.crossfade_ms)
    clips = tuple(_rendered(part, planned.sample_rate, render_spec.RenderedClip) for part in parts)
    spec = render_spec.RenderSpec(clips, encoding, joins, output.start_ms, output.duration_ms)
    target = context.target(0, planned.format)
    slack_s = sum(part.slack_s for part in parts)
    return Step(0, parts[0].ref, "", target, (), (0, len(parts) - 1), slack_s=slack_s, render=spec.as_text())


def _rendered(part: _Part, rate: int, make: "type[RenderedClip]") -> "RenderedClip":
    clip = part.clip
    if isinstance(clip, Silence):
        return make("", duration_ms=clip.length_ms, length_s=part.samples / rate)
    return make(
        clip.key,
        part.etag,
        clip.start_ms,
        clip.duration_ms,
        round(part.samples / rate, 6),
        round(part.slack_s, 6),
        part.estimated,
        clip.gain_db,
        clip.fade_in_ms,
        clip.fade_out_ms,
    )


def _merge_spec(manifest: Manifest, planned: PlannedOutput, known: Mapping[ObjectRef, Probe], count: int) -> MergeSpec:
    """Return the parameters of the steps. They always have `ar` and `ac`, whose omission may fail (OSS user guide)."""
    output, align = manifest.output, _align(manifest)
    one_step = count <= MAX_SOURCES and not (output.start_ms or output.duration_ms)
    bitrate, option = output.bitrate, output.bitrate_option
    if option == "adaptive" and bitrate and not one_step:
        bitrate = min(bitrate, _lowest_bitrate(known) or bitrate)
    final = Transcode(
        f=planned.format,
        ac=planned.channels,
        ar=planned.sample_rate,
        ab=bitrate,
        aq=output.quality,
        abopt=None if option is None else BITRATE_OPTIONS.index(option if one_step else "fixed"),
        align=align if one_step and count > 1 else None,
        adepth=output.bits_per_sample,
    )
    bits = 24 if any(probe.bits > 16 for probe in known.values()) else 16
    intermediate = Transcode(f=INTERMEDIATE_FORMAT, ac=planned.channels, ar=planned.sample_rate, adepth=bits)
    return MergeSpec(final, intermediate, output.start_ms, output.duration_ms, align or 0)


def _align(manifest: Manifest) -> int | None:
    """Return the index of the `align` clip among all parts, gaps included; None for the first."""
    return len(_with_gaps(manifest._replace(clips=manifest.clips[: manifest.align + 1]))) - 1 or None
