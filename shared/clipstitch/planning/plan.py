"""The plan of a job: its steps, clips and output, and their JSON.

`planner` makes it. A plan is stored with the job and does not change afterwards.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from clipstitch.common.identifiers import ManifestRef, ObjectRef
from clipstitch.common.serialization import from_json_value, to_json_value

WORK, ASSETS = "work/", "assets/"


class Step(NamedTuple):
    """One request that makes `target`: `process` is posted to `main` or, with `render`, the function `render` does it.

    `needs` are the numbers of the steps that make its sources; `clips` are the indices of its first and last clip.
    `length_s` is the expected length of the target in seconds. It may differ by `slack_s`, which the frames of the
    clips' formats account for, and by what is wrong with `estimate_s`: the sum of the lengths that are only estimated.
    Both count the clips that the step merges itself, not those of the steps that it needs. `render` is a `RenderSpec`
    in JSON, whose classes most functions need not import.
    """

    number: int
    main: ObjectRef
    process: str
    target: ObjectRef
    needs: tuple[int, ...] = ()
    clips: tuple[int, int] = (0, 0)
    length_s: float = 0.0
    slack_s: float = 0.0
    estimate_s: float = 0.0
    render: str = ""


class PlacedClip(NamedTuple):
    """A clip, or a silence (then `key` is empty), at its place in the merged audio.

    `length_s` is the length after trimming. Both times in seconds are whole samples of the output, so sums are exact.
    `etag` is that of the object that was probed ("" if unknown); `estimated`: its length is only an estimate.
    """

    key: str
    start_ms: int
    duration_ms: int
    starts_at_s: float
    length_s: float
    title: str = ""
    etag: str = ""
    estimated: bool = False


class SilenceAsset(NamedTuple):
    """The object of a silence, which must exist before the steps start."""

    ref: ObjectRef
    samples: int
    sample_rate: int
    channels: int


class PlannedOutput(NamedTuple):
    """The output object: its place and its format in full. `chapters` is True if the clips become chapters."""

    ref: ObjectRef
    format: str
    sample_rate: int
    channels: int
    overwrite: bool
    chapters: bool = False


# docs/errors.md explains each.
WarningCode = Literal[
    "SAMPLE_RATE_CHANGED",
    "CHANNELS_CHANGED",
    "CHAPTERS_NOT_WRITTEN",
    "LENGTH_DIFFERS",
    "LENGTH_DIFFERS_FROM_ESTIMATE",
    "CLIP_CHANGED",
    "CLIPS_NOT_COMPARED",
    "CLIP_SILENT",
]


class JobWarning(NamedTuple):
    """What the author of a manifest should know although the job succeeds: a stable code, and what it is about.

    A warning about the audio has the keys of its first and last clip; one about lengths, both lengths in ms.
    """

    code: WarningCode
    message: str
    first_clip: str | None = None
    last_clip: str | None = None
    expected_ms: int | None = None
    measured_ms: int | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the warning as plans and events have it."""
        return {name: value for name, value in self._asdict().items() if value is not None}


class Publisher(NamedTuple):
    """Who publishes an output: the job of a manifest, which may replace any object if `overwrite` is true."""

    job_id: str
    manifest: ManifestRef
    overwrite: bool


class Plan(NamedTuple):
    """Everything a job will do. The last step makes the output.

    `duration_s` is the expected length of the output; `warnings` name the values that were chosen for the author.
    `strict`: the job fails if what was merged is not what was planned.
    """

    job_id: str
    manifest: ManifestRef
    output: PlannedOutput
    duration_s: float
    clips: tuple[PlacedClip, ...]
    steps: tuple[Step, ...]
    sinks: tuple[str, ...]
    labels: Mapping[str, str] = MappingProxyType({})
    warnings: tuple[JobWarning, ...] = ()
    silences: tuple[SilenceAsset, ...] = ()
    strict: bool = False

    @property
    def final(self) -> Step:
        """The step that makes the output."""
        return self.steps[-1]

    @property
    def publisher(self) -> Publisher:
        """Who publishes the output."""
        return Publisher(self.job_id, self.manifest, self.output.overwrite)

    @property
    def levels(self) -> int:
        """The number of steps in the longest chain of steps that need one another."""
        level: dict[int, int] = {}
        for step in self.steps:
            level[step.number] = 1 + max((level[need] for need in step.needs), default=0)
        return max(level.values())

    def as_json(self) -> dict[str, Any]:
        """Return the plan as JSON values."""
        return to_json_value(self)  # type: ignore[no-any-return] # a named tuple becomes a mapping

    @classmethod
    def from_json(cls, plan: Mapping[str, Any]) -> "Plan":
        """Return the plan of what `as_json` returned."""
        return from_json_value(cls, plan)  # type: ignore[no-any-return] # a plan


class PlanningContext(NamedTuple):
    """What a plan depends on besides its manifest: job, manifest version, state prefix, completion topic, all sinks.

    `engine` is the operator's choice.
    """

    job_id: str
    manifest: ManifestRef
    state_prefix: str
    completion_topic: str
    sinks: tuple[str, ...]
    engine: str = "auto"
    render_is_deployed: bool = False

    def target(self, number: int, extension: str) -> ObjectRef:
        """Return the object that a step makes. Its key identifies job and step, as completion notifications need."""
        key = f"{self.state_prefix}{WORK}{self.job_id}/step-{number:03d}.{extension}"
        return ObjectRef(self.manifest.ref.bucket, key)

    def silence(self, samples: int, sample_rate: int, channels: int) -> SilenceAsset:
        """Return the object of a silence. Equal silences of all jobs are one object."""
        key = f"{self.state_prefix}{ASSETS}silence-{sample_rate}-{channels}-{samples}.flac"
        return SilenceAsset(ObjectRef(self.manifest.ref.bucket, key), samples, sample_rate, channels)
