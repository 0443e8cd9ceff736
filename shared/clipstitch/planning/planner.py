"""A manifest, and what probing told, to a `Plan`. Pure: `submit` and `clipstitch plan` call it.

All lengths are counted in whole samples of the output, as a join makes them: a clip of n samples becomes
ceil(n * rate / its rate), and a trim cuts at the nearest sample. So the start of chapter 300 is as exact as that of 2.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from clipstitch.common.audio_formats import BITRATE_OPTIONS, MAX_SOURCES
from clipstitch.common.errors import ClipstitchError, InvalidManifest, Issue, NotAudio, ObjectArchived, ObjectNotFound
from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.ports import Probe
from clipstitch.manifest.field_reader import json_pointer
from clipstitch.manifest.model import Clip, Entry, Manifest, Output, Silence
from clipstitch.planning.plan import PlacedClip, Plan, PlannedOutput, PlanningContext, SilenceAsset
from clipstitch.planning.process_string import Transcode
from clipstitch.planning.silence_flac import samples_of
from clipstitch.planning.steps import INTERMEDIATE_FORMAT, MergeSpec, StepSource, make_steps

Probes = Mapping[ObjectRef, Probe | ClipstitchError]


class _Part(NamedTuple):
    """A clip or silence, the object that holds it, and how many samples of the output it gives."""

    clip: Clip | Silence
    ref: ObjectRef
    samples: int


def make_plan(manifest: Manifest, probes: Probes, place: PlanningContext, paths: Sequence[str] = ()) -> Plan:
    """Decide what to do; `InvalidManifest` lists everything that stands in the way.

    `manifest.clips` are clips and silences, globs resolved; `paths` says where in the document each of them stands.
    """
    bucket = place.manifest.ref.bucket
    where = paths or [json_pointer("clips", index) for index in range(len(manifest.clips))]
    known = _known(manifest, probes, where, bucket)
    target, warnings = _target(manifest, known, bucket)
    parts, silences = _parts(manifest, known, target, place)
    total = sum(part.samples for part in parts)
    if issues := [*_whole_issues(manifest.output, total, target), *_bitrate_issues(manifest.output, known)]:
        raise InvalidManifest(issues)
    window = _window(manifest.output, total, target.sample_rate)
    return Plan(
        job_id=place.job_id,
        manifest=place.manifest,
        output=target,
        duration_s=round(len(window) / target.sample_rate, 6),
        clips=tuple(_placed(parts, window, target.sample_rate)),
        steps=make_steps(_sources(parts, target.sample_rate), _wanted(manifest, target, known, len(parts)), place),
        sinks=place.sinks if manifest.notify is None else manifest.notify,
        labels=dict(manifest.labels),
        warnings=warnings,
        silences=silences,
    )


def _known(manifest: Manifest, probes: Probes, where: Sequence[str], bucket: str) -> Mapping[ObjectRef, Probe]:
    """Return what is known about every clip; `InvalidManifest` lists those about which nothing good is known."""
    issues, known = [], {}
    for path, clip in zip(where, manifest.clips, strict=True):
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
    """List what probing says against a clip."""
    if isinstance(probe, ObjectNotFound):
        return [Issue(path, "CLIP_NOT_FOUND", f"`{clip.key}` does not exist", ObjectNotFound.remedy)]
    if isinstance(probe, ObjectArchived):
        return [Issue(path, "CLIP_ARCHIVED", f"`{clip.key}` is archived", ObjectArchived.remedy)]
    if isinstance(probe, NotAudio):
        return [Issue(path, "CLIP_NOT_AUDIO", f"`{clip.key}` is not audio: {probe}", NotAudio.remedy)]
    if isinstance(probe, ClipstitchError):
        raise probe
    if clip.start_ms >= probe.duration_s * 1000:
        message = f"starts at {clip.start_ms} ms, but `{clip.key}` ends at {probe.duration_s * 1000:.0f} ms"
        return [Issue(path + "/start", "TRIM_BEYOND_END", message, "Start before the end of the clip.")]
    return []


def _target(manifest: Manifest, known: Mapping[ObjectRef, Probe], bucket: str) -> tuple[PlannedOutput, tuple[str, ...]]:
    """Fill in what the manifest leaves open from the `align` clip, and say where the format made us move it."""
    output = manifest.output
    lender = _lender(manifest, known, bucket)
    rate = output.sample_rate or output.format.nearest_rate(lender.sample_rate)
    channels = output.channels or output.format.nearest_channels(lender.channels)
    moved = (
        (output.sample_rate, lender.sample_rate, rate, "Hz"),
        (output.channels, lender.channels, channels, "channels"),
    )
    warnings = tuple(
        f"The align clip has {has} {unit}; {output.format.name} takes {took}, the nearest it can."
        for given, has, took, unit in moved
        if given is None and has != took
    )
    target = PlannedOutput(output.ref, output.format.name, rate, channels, output.overwrite, manifest.chapters)
    return target, warnings


def _lender(manifest: Manifest, known: Mapping[ObjectRef, Probe], bucket: str) -> Probe:
    """Return the clip that lends defaults: `align`, or where that is a silence, the first clip."""
    clip = manifest.clips[manifest.align]
    if isinstance(clip, Clip):
        return known[ObjectRef(bucket, clip.key)]
    return next(iter(known.values()), Probe(0.0, 44100, 1))


def _parts(
    manifest: Manifest, known: Mapping[ObjectRef, Probe], target: PlannedOutput, place: PlanningContext
) -> tuple[list[_Part], tuple[SilenceAsset, ...]]:
    """Lay out clips, silences and gaps in order, with the silences that have to be made."""
    parts: list[_Part] = []
    silences: dict[int, SilenceAsset] = {}
    for clip in _with_gaps(manifest):
        if isinstance(clip, Clip):
            ref = ObjectRef(place.manifest.ref.bucket, clip.key)
            parts.append(_Part(clip, ref, _samples(clip, known[ref], target.sample_rate)))
        elif isinstance(clip, Silence):
            if clip.length_ms not in silences:
                count = max(samples_of(clip.length_ms, target.sample_rate), 1)
                silences[clip.length_ms] = place.quiet(count, target.sample_rate, target.channels)
            quiet = silences[clip.length_ms]
            parts.append(_Part(clip, quiet.ref, quiet.samples))
    return parts, tuple(dict.fromkeys(silences.values()))


def _with_gaps(manifest: Manifest) -> list[Entry]:
    """Put the gap between neighbours that are both clips; a silence of their own stands instead of it."""
    laid: list[Entry] = []
    for clip in manifest.clips:
        if manifest.gap_ms and laid and isinstance(clip, Clip) and isinstance(laid[-1], Clip):
            laid.append(Silence(manifest.gap_ms))
        laid.append(clip)
    return laid


def _samples(clip: Clip, probe: Probe, rate: int) -> int:
    """Count the samples that a clip gives at the output's rate."""
    decoded = round(probe.duration_s * probe.sample_rate)
    return _kept(-(-decoded * rate // probe.sample_rate), clip.start_ms, clip.duration_ms, rate)


def _kept(samples: int, start_ms: int, duration_ms: int, rate: int) -> int:
    """Count the samples that a trim leaves."""
    left = max(samples - samples_of(start_ms, rate), 0)
    return min(left, samples_of(duration_ms, rate)) if duration_ms else left


def _window(output: Output, total: int, rate: int) -> range:
    """Return which samples of the merged whole are kept."""
    start = samples_of(output.start_ms, rate)
    return range(start, start + _kept(total, output.start_ms, output.duration_ms, rate))


def _placed(parts: Sequence[_Part], window: range, rate: int) -> list[PlacedClip]:
    """Lay everything end to end, as far as it lies in the window; what lies outside has no length."""
    placed, at = [], 0
    for clip, _, samples in parts:
        first, last = (min(max(edge, window.start), window.stop) - window.start for edge in (at, at + samples))
        where = (round(first / rate, 6), round((last - first) / rate, 6))
        if isinstance(clip, Clip):
            placed.append(PlacedClip(clip.key, clip.start_ms, clip.duration_ms, *where, clip.title))
        else:
            placed.append(PlacedClip("", 0, clip.length_ms, *where))
        at += samples
    return placed


def _sources(parts: Sequence[_Part], rate: int) -> list[StepSource]:
    """Return what is to be joined."""
    trims = [(p.clip.start_ms, p.clip.duration_ms) if isinstance(p.clip, Clip) else (0, 0) for p in parts]
    return [
        StepSource(part.ref, *trim, length_s=part.samples / rate, clips=(index, index))
        for index, (part, trim) in enumerate(zip(parts, trims, strict=True))
    ]


def _whole_issues(output: Output, total: int, target: PlannedOutput) -> list[Issue]:
    """List what is wrong with the trim of the whole."""
    if output.start_ms and samples_of(output.start_ms, target.sample_rate) >= total:
        ends = round(total * 1000 / target.sample_rate)
        message = f"is {output.start_ms} ms, but the merged clips end at {ends} ms"
        return [Issue("/output/start", "TRIM_BEYOND_END", message, "Start before the end of the whole.")]
    return []


def _bitrate_issues(output: Output, known: Mapping[ObjectRef, Probe]) -> list[Issue]:
    """Apply `bitrate_option: fail` ourselves: through intermediates the cloud would no longer see the sources."""
    least = _least_bitrate(known)
    if output.bitrate_option != "fail" or not output.bitrate or not least or least >= output.bitrate:
        return []
    message = f"is {output.bitrate} bit/s, more than the {least} bit/s of a clip"
    remedy = f"Use at most {least}, or bitrate_option: adaptive."
    return [Issue("/output/bitrate", "BITRATE_ABOVE_SOURCE", message, remedy)]


def _least_bitrate(known: Mapping[ObjectRef, Probe]) -> int:
    """Return the lowest bit rate among the clips, in bit/s; 0 when none is known."""
    return min((probe.bitrate for probe in known.values() if probe.bitrate), default=0)


def _wanted(manifest: Manifest, target: PlannedOutput, known: Mapping[ObjectRef, Probe], count: int) -> MergeSpec:
    """Fill in the parameters of the steps. `ar` and `ac` always: leaving them to the cloud may fail (reference)."""
    output = manifest.output
    one_step = count <= MAX_SOURCES and not (output.start_ms or output.duration_ms)
    bitrate, option = output.bitrate, output.bitrate_option
    if option == "adaptive" and bitrate and not one_step:
        bitrate, option = min(bitrate, _least_bitrate(known) or bitrate), "fixed"
    made = Transcode(
        f=target.format,
        ac=target.channels,
        ar=target.sample_rate,
        ab=bitrate,
        aq=output.quality,
        abopt=None if option is None else BITRATE_OPTIONS.index(option if one_step else "fixed"),
        align=_align(manifest) if one_step and count > 1 else None,
        adepth=output.bits_per_sample,
    )
    bits = 24 if any(probe.bits > 16 for probe in known.values()) else 16
    between = Transcode(f=INTERMEDIATE_FORMAT, ac=target.channels, ar=target.sample_rate, adepth=bits)
    return MergeSpec(made, between, output.start_ms, output.duration_ms, _align(manifest) or 0)


def _align(manifest: Manifest) -> int | None:
    """Return where the `align` clip stands among everything that is joined; None for the first."""
    laid = _with_gaps(manifest)
    # Everything before it gained a gap for every pair of neighbouring clips.
    before = len(_with_gaps(manifest._replace(clips=manifest.clips[: manifest.align + 1]))) - 1
    return before if 0 < before < len(laid) else None
