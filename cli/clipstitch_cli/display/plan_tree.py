"""A plan's steps as a tree for people: what each makes, of which clips, and who waits for whom. Pure.

Long plans are shortened: of branches alike the first two and the last are drawn, of clips in a row the first and the
last are named. `everything` draws all.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from rich.text import Text
from rich.tree import Tree

from clipstitch.planning.plan import PlacedClip, Plan, SilenceAsset, Step
from clipstitch.planning.process_string import CONVERT, Process, parse_process
from clipstitch_cli.context import visible
from clipstitch_cli.display import process_text

FEW = 4  # so many branches are drawn without shortening
KEPT = 2  # of more, so many at the beginning, and the last
FEW_QUIETS = 4


class Run(NamedTuple):
    """Clips in a row that a step joins itself; `first` and `last` count the plan's clips from 0."""

    first: int
    last: int


class Drawing:
    """A plan on its way to a tree."""

    def __init__(self, plan: Plan, *, everything: bool = False) -> None:
        self._plan = plan
        self._everything = everything
        self._levels = levels_of(plan.steps)
        self._makers = {step.target.key: step for step in plan.steps}

    def tree(self) -> Tree:
        """Return the tree, the step that makes the output at its root."""
        root = Tree(self._step(self._plan.final), guide_style="dim")
        self._grow(root, self._plan.final)
        return root

    def _grow(self, at: Tree, step: Step) -> None:
        """Hang what a step needs below it."""
        for part in self._shortened(list(self._parts(step))):
            if isinstance(part, Step):
                self._grow(at.add(self._step(part)), part)
            elif isinstance(part, Run):
                at.add(self._run(part))
            else:
                at.add(Text(part, "dim"))

    def _parts(self, step: Step) -> Iterator["Step | Run"]:
        """Yield the steps and the runs of clips that a step joins, in order."""
        at, first = step.clips[0], None
        for key in _sources(parse_process(step.process), step.main.key):
            maker = self._makers.get(key)
            if maker and first is not None:
                yield from self._runs(Run(first, at - 1))
            if maker:
                yield maker
                at, first = maker.clips[1] + 1, None
            else:
                at, first = at + 1, at if first is None else first
        if first is not None:
            yield from self._runs(Run(first, at - 1))

    def _runs(self, run: Run) -> Iterable[Run]:
        """Take a run apart where everything is wanted."""
        return [Run(at, at) for at in range(run.first, run.last + 1)] if self._everything else [run]

    def _shortened(self, parts: "Sequence[Step | Run]") -> "list[Step | Run | str]":
        """Leave out what is alike."""
        if self._everything or len(parts) <= FEW:
            return list(parts)
        left = parts[KEPT:-1]
        first, last = (_span(part) for part in (left[0], left[-1]))
        return [*parts[:KEPT], f"… {len(left)} more, {first[0] + 1} to {last[1] + 1}", parts[-1]]

    def _step(self, step: Step) -> Text:
        """Say what a step does and makes."""
        process = parse_process(step.process)
        count, span = len(process.pre) + 1 + len(process.sur), _numbers(Run(*step.clips))
        act = "cut" if process.action == CONVERT and _cuts(process) else "convert"
        does = act if process.action == CONVERT else f"join {count}"
        made = process_text.sound_words(process.transcode)
        level = f", level {self._levels[step.number]}"
        heading = (f"Step {step.number + 1} of {len(self._plan.steps)}", "bold")
        return Text.assemble(heading, (level, "dim"), f": {does} ({span}) → {made}")

    def _run(self, run: Run) -> Text:
        """Name the clips of a run: the first, the last, and how many silences lie among them."""
        placed = self._plan.clips[run.first : run.last + 1]
        named = [_named(clip) for clip in placed if clip.key]
        silent = len(placed) - len(named)
        if len(placed) == 1 and silent:
            return Text.assemble((_numbers(run), "dim"), f"  silence of {process_text.seconds(placed[0].duration_ms)}")
        shown = " … ".join(dict.fromkeys((named[0], named[-1]))) if named else "silences only"
        among = f", with {silent} silence{'s' if silent > 1 else ''}" if silent and named else ""
        return Text.assemble((_numbers(run), "dim"), "  ", (shown, "cyan"), among)


def _sources(process: Process, main: str) -> list[str]:
    """Return the keys that a process joins, in order."""
    return [*(segment.key for segment in process.pre), main, *(segment.key for segment in process.sur)]


def _cuts(process: Process) -> bool:
    """Say whether a conversion trims."""
    return bool(process.transcode.ss or process.transcode.t)


def _span(part: "Step | Run") -> tuple[int, int]:
    """Return the first and the last clip of a part."""
    return part.clips if isinstance(part, Step) else (part.first, part.last)


def _numbers(run: Run) -> str:
    """Say which clips are meant, counted as the table counts them."""
    return f"{run.first + 1}" if run.first == run.last else f"{run.first + 1} to {run.last + 1}"


def _named(clip: PlacedClip) -> str:
    """Name a clip, with its trim."""
    trim = process_text.trim_words(clip.start_ms, clip.duration_ms)
    return visible(clip.key) + ("" if trim == "whole" else f" ({trim})")


def levels_of(steps: Iterable[Step]) -> dict[int, int]:
    """Return the level of every step by its number: 1 for those that wait for nothing."""
    level: dict[int, int] = {}
    for step in steps:
        level[step.number] = 1 + max((level[need] for need in step.needs), default=0)
    return level


def quiet_lines(plan: Plan, *, everything: bool = False) -> list[str]:
    """Say which silences will be made, and how often each is heard."""
    heard: dict[str, int] = {}
    for step in plan.steps:
        for key in _sources(parse_process(step.process), step.main.key):
            heard[key] = heard.get(key, 0) + 1
    lines = [_quiet_line(quiet, heard.get(quiet.ref.key, 0)) for quiet in plan.silences]
    if everything or len(lines) <= FEW_QUIETS:
        return lines
    return [*lines[:FEW_QUIETS], f"… {len(lines) - FEW_QUIETS} more"]


def _quiet_line(quiet: SilenceAsset, times: int) -> str:
    """Say one silence."""
    length = process_text.seconds(quiet.samples / quiet.sample_rate * 1000)
    often = "once" if times == 1 else f"{times} times"
    return f"{length} ({quiet.samples:,} samples), heard {often}: {visible(quiet.ref.uri)}"
