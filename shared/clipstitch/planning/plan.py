"""What was decided for one job: steps that can be explained before they are taken. Values and their JSON.

`planner` makes it. A plan is frozen in the ledger; from then on it is what counts.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from clipstitch.common.identifiers import ManifestRef, ObjectRef
from clipstitch.common.serialization import to_json_value

WORK, ASSETS = "work/", "assets/"


class Step(NamedTuple):
    """One request: `process` is posted to `main` and makes `target`.

    `needs` are the steps that make its sources; `clips` the first and the last clip that it joins, counted from 0.
    """

    number: int
    main: ObjectRef
    process: str
    target: ObjectRef
    needs: tuple[int, ...] = ()
    clips: tuple[int, int] = (0, 0)


class PlacedClip(NamedTuple):
    """A clip, or a silence (then `key` is empty), in the merged whole.

    Seconds; `length_s` is what remains after trimming. They are whole samples of the output, so sums stay exact.
    """

    key: str
    start_ms: int
    duration_ms: int
    starts_at_s: float
    length_s: float
    title: str = ""


class SilenceAsset(NamedTuple):
    """A silence that the steps need as an object, made before they start."""

    ref: ObjectRef
    samples: int
    sample_rate: int
    channels: int


class PlannedOutput(NamedTuple):
    """The user-visible output: where it goes and what it is. `chapters`: mark where the clips start."""

    ref: ObjectRef
    format: str
    sample_rate: int
    channels: int
    overwrite: bool
    chapters: bool = False


class Plan(NamedTuple):
    """What we decided to do for one job. The last step makes the output.

    `duration_s` is the expected length of the output; `warnings` says where we chose for the author.
    """

    job_id: str
    manifest: ManifestRef
    output: PlannedOutput
    duration_s: float
    clips: tuple[PlacedClip, ...]
    steps: tuple[Step, ...]
    sinks: tuple[str, ...]
    labels: Mapping[str, str] = MappingProxyType({})
    warnings: tuple[str, ...] = ()
    silences: tuple[SilenceAsset, ...] = ()

    @property
    def final(self) -> Step:
        """The step that makes the output."""
        return self.steps[-1]

    @property
    def levels(self) -> int:
        """How many steps wait for one another, at most."""
        level: dict[int, int] = {}
        for step in self.steps:
            level[step.number] = 1 + max((level[need] for need in step.needs), default=0)
        return max(level.values())

    def as_json(self) -> dict[str, Any]:
        """Return the plan as plain values."""
        return to_json_value(self)  # type: ignore[no-any-return] # a named tuple becomes a mapping

    @classmethod
    def from_json(cls, plan: Mapping[str, Any]) -> "Plan":
        """Read back what `as_json` wrote."""
        return cls(
            job_id=plan["job_id"],
            manifest=ManifestRef(ObjectRef(**plan["manifest"]["ref"]), plan["manifest"]["etag"]),
            output=PlannedOutput(**{**plan["output"], "ref": ObjectRef(**plan["output"]["ref"])}),
            duration_s=plan["duration_s"],
            clips=tuple(PlacedClip(**clip) for clip in plan["clips"]),
            steps=tuple(_step_from_json(step) for step in plan["steps"]),
            sinks=tuple(plan["sinks"]),
            labels=plan["labels"],
            warnings=tuple(plan["warnings"]),
            silences=tuple(
                SilenceAsset(**{**silence, "ref": ObjectRef(**silence["ref"])}) for silence in plan["silences"]
            ),
        )


def _step_from_json(step: Mapping[str, Any]) -> Step:
    """Read back one step."""
    return Step(
        number=step["number"],
        main=ObjectRef(**step["main"]),
        process=step["process"],
        target=ObjectRef(**step["target"]),
        needs=tuple(step["needs"]),
        clips=(step["clips"][0], step["clips"][1]),
    )


class PlanningContext(NamedTuple):
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

    def quiet(self, samples: int, sample_rate: int, channels: int) -> SilenceAsset:
        """Name a silence; the same silence has the same name in every job."""
        key = f"{self.state_prefix}{ASSETS}silence-{sample_rate}-{channels}-{samples}.flac"
        return SilenceAsset(ObjectRef(self.manifest.ref.bucket, key), samples, sample_rate, channels)
