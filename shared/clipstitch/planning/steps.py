"""Turn sources into the steps that merge them, with the fewest requests and levels. Pure.

A request is posted to one of its sources, which cannot be trimmed. If a group has no untrimmed source, an additional
step cuts its shortest clip to FLAC first. Intermediate objects are FLAC at the output's rate and channels, so that
audio and lengths stay exact through all levels.
"""

from collections.abc import Sequence
from typing import NamedTuple

from clipstitch.common.identifiers import ObjectRef
from clipstitch.planning.merge_tree import MergeNode, build_merge_tree
from clipstitch.planning.plan import PlanningContext, Step
from clipstitch.planning.process_string import CONCAT, CONVERT, Process, Saveas, Segment, Transcode, format_process

INTERMEDIATE_FORMAT = "flac"


class StepSource(NamedTuple):
    """An object to merge, trimmed or not. `made_by`: the step that makes it; `clips`: its first and last clip.

    `slack_s` and `estimate_s` of a clip as in `Step`; 0 for what a step makes.
    """

    ref: ObjectRef
    start_ms: int = 0
    duration_ms: int = 0
    length_s: float = 0.0
    made_by: int | None = None
    clips: tuple[int, int] = (0, 0)
    slack_s: float = 0.0
    estimate_s: float = 0.0

    @property
    def trimmed(self) -> bool:
        """True if only a part of the object is used."""
        return bool(self.start_ms or self.duration_ms)


class MergeSpec(NamedTuple):
    """The parameters of the last step (`output`) and of the steps before it (`intermediate`).

    `start_ms` and `duration_ms` trim the merged audio. `main` is the index of the source to post to, if one step merges
    everything and that source is untrimmed.
    """

    output: Transcode
    intermediate: Transcode
    start_ms: int = 0
    duration_ms: int = 0
    main: int = 0


def make_steps(sources: Sequence[StepSource], spec: MergeSpec, context: PlanningContext) -> tuple[Step, ...]:
    """Return the steps that merge the sources in order. Each step comes after those that it needs."""
    builder = _StepBuilder(sources, spec, context)
    tree = build_merge_tree(len(sources))
    if len(sources) == 1:
        builder.convert(_trim_again(sources[0], spec), spec.output)
    elif spec.start_ms or spec.duration_ms:
        merged = builder.merge(tree, spec.intermediate)
        builder.convert(merged._replace(start_ms=spec.start_ms, duration_ms=spec.duration_ms), spec.output)
    else:
        builder.merge(tree, spec.output)
    return tuple(builder.steps)


def _trim_again(source: StepSource, spec: MergeSpec) -> StepSource:
    """Return a source with the trim of the merged audio applied to its own trim."""
    rest = max(source.duration_ms - spec.start_ms, 0) if source.duration_ms else 0
    durations = [duration for duration in (rest, spec.duration_ms) if duration]
    return source._replace(start_ms=source.start_ms + spec.start_ms, duration_ms=min(durations, default=0))


class _StepBuilder:
    """The steps so far; the number of a step is its index."""

    def __init__(self, sources: Sequence[StepSource], spec: MergeSpec, context: PlanningContext) -> None:
        self._sources = sources
        self._spec = spec
        self._context = context
        self.steps: list[Step] = []

    def merge(self, part: MergeNode | int, transcode: Transcode) -> StepSource:
        """Add the steps of a part of the tree, and return the source that they make."""
        if isinstance(part, int):
            return self._sources[part]
        sources = [self.merge(inner, self._spec.intermediate) for inner in part.parts]
        main = self._main(sources)
        if main is None:
            main = min(range(len(sources)), key=lambda index: sources[index].length_s)
            sources[main] = self.convert(sources[main], self._spec.intermediate)
        pre, sur = tuple(map(_segment, sources[:main])), tuple(map(_segment, sources[main + 1 :]))
        return self._add(sources, sources[main].ref, Process(transcode, pre, sur, action=CONCAT))

    def convert(self, source: StepSource, transcode: Transcode) -> StepSource:
        """Add the step that trims and converts one source, and return the source that it makes."""
        trimmed = transcode._replace(ss=source.start_ms or None, t=source.duration_ms or None, align=None)
        return self._add([source], source.ref, Process(trimmed, action=CONVERT))

    def _main(self, sources: Sequence[StepSource]) -> int | None:
        """Return the index of the source to post to; None if all are trimmed."""
        untrimmed = [index for index, source in enumerate(sources) if not source.trimmed]
        if len(sources) == len(self._sources) and self._spec.main in untrimmed:
            return self._spec.main
        return untrimmed[0] if untrimmed else None

    def _add(self, sources: Sequence[StepSource], main: ObjectRef, process: Process) -> StepSource:
        """Add a step, and return the source that it makes."""
        number = len(self.steps)
        target = self._context.target(number, process.transcode.f)
        process = process._replace(saveas=Saveas.literal(target), topic=self._context.completion_topic)
        needs = tuple(source.made_by for source in sources if source.made_by is not None)
        clips = (sources[0].clips[0], sources[-1].clips[1])
        length_s, slack_s, estimate_s = (
            round(sum(values), 6)
            for values in zip(*((each.length_s, each.slack_s, each.estimate_s) for each in sources), strict=True)
        )
        self.steps.append(
            Step(number, main, format_process(process), target, needs, clips, length_s, slack_s, estimate_s)
        )
        return StepSource(target, length_s=length_s, made_by=number, clips=clips)


def _segment(source: StepSource) -> Segment:
    return Segment(source.ref.key, source.start_ms or None, source.duration_ms or None)
