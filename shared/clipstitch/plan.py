"""A manifest, and what probing told, to a `Plan`: steps that can be explained before they are taken. Pure.

`submit` makes a plan and freezes it in the ledger; from then on the plan is what counts.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from clipstitch.errors import BadManifest, ClipstitchError, Issue, Missing, NotAudio
from clipstitch.formats import BITRATE_OPTIONS, FORMATS
from clipstitch.manifest import Clip, Manifest, Output
from clipstitch.plain import plain
from clipstitch.ports import Probe
from clipstitch.process import CONCAT, CONVERT, Process, Saveas, Segment, Transcode, spell
from clipstitch.reading import pointer
from clipstitch.refs import ManifestRef, ObjectRef

WORK = "work/"


class Step(NamedTuple):
    """One request: `process` is posted to `main` and makes `target`."""

    number: int
    main: ObjectRef
    process: str
    target: ObjectRef


class Placed(NamedTuple):
    """A clip in the merged whole. Seconds; `length_s` is what remains after trimming."""

    key: str
    start_ms: int
    duration_ms: int
    starts_at_s: float
    length_s: float


class Target(NamedTuple):
    """The user-visible output: where it goes and what it is."""

    ref: ObjectRef
    format: str
    sample_rate: int
    channels: int
    overwrite: bool


class Plan(NamedTuple):
    """What we decided to do for one job. The last step makes the output.

    `remarks` says where we chose for the author.
    """

    job_id: str
    manifest: ManifestRef
    output: Target
    clips: tuple[Placed, ...]
    steps: tuple[Step, ...]
    sinks: tuple[str, ...]
    labels: Mapping[str, str] = MappingProxyType({})
    remarks: tuple[str, ...] = ()

    @property
    def duration_s(self) -> float:
        """The expected length of the output, in seconds."""
        return sum(clip.length_s for clip in self.clips)

    def as_json(self) -> dict[str, Any]:
        """Return the plan as plain values."""
        return plain(self)  # type: ignore[no-any-return] # a named tuple becomes a mapping

    @classmethod
    def from_json(cls, plan: Mapping[str, Any]) -> "Plan":
        """Read back what `as_json` wrote."""
        return cls(
            job_id=plan["job_id"],
            manifest=ManifestRef(ObjectRef(**plan["manifest"]["ref"]), plan["manifest"]["etag"]),
            output=Target(**{**plan["output"], "ref": ObjectRef(**plan["output"]["ref"])}),
            clips=tuple(Placed(**clip) for clip in plan["clips"]),
            steps=tuple(_step_from_json(step) for step in plan["steps"]),
            sinks=tuple(plan["sinks"]),
            labels=plan["labels"],
            remarks=tuple(plan["remarks"]),
        )


def _step_from_json(step: Mapping[str, Any]) -> Step:
    """Read back one step."""
    return Step(step["number"], ObjectRef(**step["main"]), step["process"], ObjectRef(**step["target"]))


class Place(NamedTuple):
    """Where a plan works: job, manifest, state prefix, the topic that hears of finished tasks, all sinks."""

    job_id: str
    manifest: ManifestRef
    state_prefix: str
    completion_topic: str
    sinks: tuple[str, ...]

    def target(self, number: int, extension: str) -> ObjectRef:
        """Name what a step makes; the key carries job and step, so that a notice can be matched by it alone."""
        key = f"{self.state_prefix}{WORK}{self.job_id}/step-{number:03d}.{extension}"
        return ObjectRef(self.manifest.ref.bucket, key)


def make_plan(manifest: Manifest, probes: Mapping[ObjectRef, Probe | ClipstitchError], place: Place) -> Plan:
    """Decide what to do; `BadManifest` lists every clip that stands in the way."""
    refs = [ObjectRef(place.manifest.ref.bucket, clip.key) for clip in manifest.clips]
    found = [probes[ref] for ref in refs]
    known = [probe for probe in found if isinstance(probe, Probe)]
    if issues := [issue for i, clip in enumerate(manifest.clips) for issue in _clip_issues(i, clip, found[i])]:
        raise BadManifest(issues)
    output, remarks = _target(manifest.output, known[manifest.align])
    return Plan(
        job_id=place.job_id,
        manifest=place.manifest,
        output=output,
        clips=tuple(_placed(manifest.clips, known)),
        steps=(_step(manifest, output, refs, place),),
        sinks=place.sinks if manifest.notify is None else manifest.notify,
        labels=dict(manifest.labels),
        remarks=remarks,
    )


def _clip_issues(index: int, clip: Clip, probe: Probe | ClipstitchError) -> list[Issue]:
    """List what probing says against a clip."""
    path = pointer("clips", index)
    if isinstance(probe, Missing):
        return [Issue(path, "CLIP_NOT_FOUND", f"`{clip.key}` does not exist", Missing.remedy)]
    if isinstance(probe, NotAudio):
        return [Issue(path, "CLIP_NOT_AUDIO", f"`{clip.key}` is not audio: {probe}", NotAudio.remedy)]
    if isinstance(probe, ClipstitchError):
        raise probe
    if clip.start_ms >= probe.duration_s * 1000:
        message = f"starts at {clip.start_ms} ms, but `{clip.key}` ends at {probe.duration_s * 1000:.0f} ms"
        return [Issue(path + "/start", "TRIM_BEYOND_END", message, "Start before the end of the clip.")]
    return []


def _target(output: Output, lender: Probe) -> tuple[Target, tuple[str, ...]]:
    """Fill in what the manifest leaves open from the `align` clip, and say where the format made us move it."""
    rate = output.sample_rate or output.format.nearest_rate(lender.sample_rate)
    channels = output.channels or output.format.nearest_channels(lender.channels)
    moved = (
        (output.sample_rate, lender.sample_rate, rate, "Hz"),
        (output.channels, lender.channels, channels, "channels"),
    )
    remarks = tuple(
        f"The align clip has {has} {unit}; {output.format.name} takes {took}, the nearest it can."
        for given, has, took, unit in moved
        if given is None and has != took
    )
    return Target(output.ref, output.format.name, rate, channels, output.overwrite), remarks


def _placed(clips: Sequence[Clip], probes: Sequence[Probe]) -> list[Placed]:
    """Lay the clips end to end."""
    placed, at = [], 0.0
    for clip, probe in zip(clips, probes, strict=True):
        rest = probe.duration_s - clip.start_ms / 1000
        length = min(rest, clip.duration_ms / 1000) if clip.duration_ms else rest
        placed.append(Placed(clip.key, clip.start_ms, clip.duration_ms, round(at, 6), round(length, 6)))
        at += length
    return placed


def _step(manifest: Manifest, target: Target, refs: Sequence[ObjectRef], place: Place) -> Step:
    """Ask for everything in one request; a single clip is converted, as there is nothing to join."""
    number = 0
    made = place.target(number, target.format)
    main = _main(manifest)
    clips = manifest.clips
    alone = len(clips) == 1
    process = Process(
        transcode=_transcode(manifest, target, clips[0] if alone else None),
        pre=tuple(_segment(clip) for clip in clips[:main]),
        sur=tuple(_segment(clip) for clip in clips[main + 1 :]),
        saveas=Saveas.literal(made),
        topic=place.completion_topic,
        action=CONVERT if alone else CONCAT,
    )
    return Step(number, refs[main], spell(process), made)


def _main(manifest: Manifest) -> int:
    """Choose the clip to post to: it cannot be trimmed. The `align` clip if it can, else the first."""
    untrimmed = [index for index, clip in enumerate(manifest.clips) if not clip.trimmed]
    if manifest.align in untrimmed or not untrimmed:
        return manifest.align
    return untrimmed[0]


def _segment(clip: Clip) -> Segment:
    """Write a clip as the action takes it; a trim of nothing is left out."""
    return Segment(clip.key, clip.start_ms or None, clip.duration_ms or None)


def _transcode(manifest: Manifest, target: Target, alone: Clip | None) -> Transcode:
    """Fill in the action's parameters. `ar` and `ac` always: leaving them to the cloud may fail (reference)."""
    output = manifest.output
    option = output.bitrate_option
    return Transcode(
        f=FORMATS[target.format].name,
        ss=(alone.start_ms or None) if alone else None,
        t=(alone.duration_ms or None) if alone else None,
        ac=target.channels,
        ar=target.sample_rate,
        ab=output.bitrate,
        aq=output.quality,
        abopt=None if option is None else BITRATE_OPTIONS.index(option),
        align=None if alone or manifest.align == 0 else manifest.align,
        adepth=output.bits_per_sample,
    )
