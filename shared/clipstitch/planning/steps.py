"""Sources in order to the steps that join them: as few requests as possible, and as few levels. Pure.

A request is posted to one of its sources, and that one cannot be trimmed. Where a group has no untrimmed source, the
clip that costs least is cut to FLAC first, in a step of its own. Intermediates are FLAC at the output's rate and
channels, so that nothing is lost, and every length is exact, through all levels.
"""

from collections.abc import Sequence
from typing import NamedTuple

from clipstitch.common.identifiers import ObjectRef
from clipstitch.planning.merge_tree import MergeNode, build_merge_tree
from clipstitch.planning.plan import PlanningContext, Step
from clipstitch.planning.process_string import CONCAT, CONVERT, Process, Saveas, Segment, Transcode, format_process

INTERMEDIATE_FORMAT = "flac"


class StepSource(NamedTuple):
    """Something to join: an object, perhaps trimmed. `made_by`: the step that makes it; `clips`: first and last."""

    ref: ObjectRef
    start_ms: int = 0
    duration_ms: int = 0
    length_s: float = 0.0
    made_by: int | None = None
    clips: tuple[int, int] = (0, 0)

    @property
    def trimmed(self) -> bool:
        """Whether less than the whole object is wanted."""
        return bool(self.start_ms or self.duration_ms)


class MergeSpec(NamedTuple):
    """What the last step makes, and what the steps before it make.

    `start_ms` and `duration_ms` trim the merged whole; `main` is the source to post to, where one step does it all
    and that source is untrimmed.
    """

    output: Transcode
    between: Transcode
    start_ms: int = 0
    duration_ms: int = 0
    main: int = 0

    @property
    def trimmed(self) -> bool:
        """Whether less than the merged whole is wanted."""
        return bool(self.start_ms or self.duration_ms)


def make_steps(sources: Sequence[StepSource], wanted: MergeSpec, place: PlanningContext) -> tuple[Step, ...]:
    """Return the steps that join the sources in order; each comes after those that it needs."""
    steps = _Steps(sources, wanted, place)
    if len(sources) == 1:
        steps.convert(_nested(sources[0], wanted), wanted.output)
    elif wanted.trimmed:
        whole = steps.join(build_merge_tree(len(sources)), wanted.between)
        steps.convert(whole._replace(start_ms=wanted.start_ms, duration_ms=wanted.duration_ms), wanted.output)
    else:
        steps.join(build_merge_tree(len(sources)), wanted.output)
    return tuple(steps.made)


def _nested(source: StepSource, wanted: MergeSpec) -> StepSource:
    """Trim a source that is trimmed already: a start behind the start, a duration within the duration."""
    left = max(source.duration_ms - wanted.start_ms, 0) if source.duration_ms else 0
    durations = [duration for duration in (left, wanted.duration_ms) if duration]
    return source._replace(start_ms=source.start_ms + wanted.start_ms, duration_ms=min(durations, default=0))


class _Steps:
    """The steps so far; a step's number is its place."""

    def __init__(self, sources: Sequence[StepSource], wanted: MergeSpec, place: PlanningContext) -> None:
        self._sources = sources
        self._wanted = wanted
        self._place = place
        self.made: list[Step] = []

    def join(self, part: MergeNode | int, transcode: Transcode) -> StepSource:
        """Return the source that a part of the tree comes to, adding the steps that make it."""
        if isinstance(part, int):
            return self._sources[part]
        sources = [self.join(inner, self._wanted.between) for inner in part.parts]
        main = self._main(sources)
        if main is None:
            main = min(range(len(sources)), key=lambda index: sources[index].length_s)
            sources[main] = self.convert(sources[main], self._wanted.between)
        return self._step(sources, main, transcode)

    def _main(self, sources: Sequence[StepSource]) -> int | None:
        """Choose the source to post to: the one that is wished for, else the first untrimmed."""
        untrimmed = [index for index, source in enumerate(sources) if not source.trimmed]
        wished = self._wanted.main
        if len(sources) == len(self._sources) and wished in untrimmed:
            return wished
        return untrimmed[0] if untrimmed else None

    def _step(self, sources: Sequence[StepSource], main: int, transcode: Transcode) -> StepSource:
        """Add the step that joins some sources."""
        number = len(self.made)
        target = self._place.target(number, transcode.f)
        process = Process(
            transcode=transcode,
            pre=tuple(map(_segment, sources[:main])),
            sur=tuple(map(_segment, sources[main + 1 :])),
            saveas=Saveas.literal(target),
            topic=self._place.completion_topic,
            action=CONCAT,
        )
        return self._add(Step(number, sources[main].ref, format_process(process), target), sources)

    def convert(self, source: StepSource, transcode: Transcode) -> StepSource:
        """Add the step that cuts and converts one source, and return what it makes."""
        number = len(self.made)
        target = self._place.target(number, transcode.f)
        cut = transcode._replace(ss=source.start_ms or None, t=source.duration_ms or None, align=None)
        process = Process(cut, saveas=Saveas.literal(target), topic=self._place.completion_topic, action=CONVERT)
        return self._add(Step(number, source.ref, format_process(process), target), [source])

    def _add(self, step: Step, sources: Sequence[StepSource]) -> StepSource:
        """Add a step with what it needs, and return what it makes."""
        needs = tuple(source.made_by for source in sources if source.made_by is not None)
        clips = (sources[0].clips[0], sources[-1].clips[1])
        self.made.append(step._replace(needs=needs, clips=clips))
        length = sum(source.length_s for source in sources)
        return StepSource(step.target, length_s=length, made_by=step.number, clips=clips)


def _segment(source: StepSource) -> Segment:
    """Write a source as the action takes it; a trim of nothing is left out."""
    return Segment(source.ref.key, source.start_ms or None, source.duration_ms or None)
