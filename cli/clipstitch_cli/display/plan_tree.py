"""A plan's steps as a tree: what each step makes, from which clips, and which steps it needs. Pure.

Long plans are shortened: of many branches the first two and the last are shown, of consecutive clips the first and the
last. With `everything` nothing is left out.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from rich.text import Text
from rich.tree import Tree

from clipstitch.planning.plan import PlacedClip, Plan, SilenceAsset, Step
from clipstitch.planning.process_string import parse_process
from clipstitch_cli.context import visible
from clipstitch_cli.display import process_text
from clipstitch_cli.display.render_text import sources_of

MAX_BRANCHES = 4  # with more, only the first two and the last are shown
FIRST_BRANCHES = 2
MAX_SILENCES = 4


class ClipRange(NamedTuple):
    """Consecutive clips that a step joins itself; `first` and `last` are indexes into the plan's clips."""

    first: int
    last: int

    def __str__(self) -> str:
        return f"{self.first + 1}" if self.first == self.last else f"{self.first + 1} to {self.last + 1}"


class PlanTree:
    """Builds the tree of a plan."""

    def __init__(self, plan: Plan, *, everything: bool = False) -> None:
        self._plan = plan
        self._everything = everything
        self._levels = levels_of(plan.steps)
        self._makers = {step.target.key: step for step in plan.steps}

    def tree(self) -> Tree:
        """Return the tree; its root is the step that makes the output."""
        root = Tree(self._step_text(self._plan.final), guide_style="dim")
        self._add_parts(root, self._plan.final)
        return root

    def _add_parts(self, branch: Tree, step: Step) -> None:
        for part in self._shortened(list(self._parts(step))):
            if isinstance(part, Step):
                self._add_parts(branch.add(self._step_text(part)), part)
            else:
                branch.add(self._range_text(part) if isinstance(part, ClipRange) else Text(part, "dim"))

    def _parts(self, step: Step) -> Iterator["Step | ClipRange"]:
        """Yield the steps and the ranges of clips that a step joins, in order."""
        at = first = step.clips[0]
        for key in sources_of(step):
            if maker := self._makers.get(key):
                yield from self._ranges(first, at)
                yield maker
                at = first = maker.clips[1] + 1
            else:
                at += 1
        yield from self._ranges(first, at)

    def _ranges(self, first: int, end: int) -> Iterable[ClipRange]:
        if self._everything:
            return [ClipRange(at, at) for at in range(first, end)]
        return [ClipRange(first, end - 1)] if end > first else []

    def _shortened(self, parts: "Sequence[Step | ClipRange]") -> "list[Step | ClipRange | str]":
        if self._everything or len(parts) <= MAX_BRANCHES:
            return list(parts)
        hidden = parts[FIRST_BRANCHES:-1]
        first, last = _range_of(hidden[0]).first, _range_of(hidden[-1]).last
        return [*parts[:FIRST_BRANCHES], f"… {len(hidden)} more, {first + 1} to {last + 1}", parts[-1]]

    def _step_text(self, step: Step) -> Text:
        process = parse_process(step.process)
        action = f"join {len(process.pre) + 1 + len(process.sur)}"
        if process_text.is_conversion(process):
            action = "cut" if process.transcode.ss or process.transcode.t else "convert"
        heading = (f"Step {step.number + 1} of {len(self._plan.steps)}", "bold")
        level = (f", level {self._levels[step.number]}", "dim")
        made = process_text.format_transcode(process.transcode)
        return Text.assemble(heading, level, f": {action} ({ClipRange(*step.clips)}) → {made}")

    def _range_text(self, clips: ClipRange) -> Text:
        """Return the first and the last clip of a range, and how many silences are among them."""
        placed = self._plan.clips[clips.first : clips.last + 1]
        names = [_clip_text(clip) for clip in placed if clip.key]
        silences = len(placed) - len(names)
        if len(placed) == 1 and silences:
            length = process_text.format_ms(placed[0].duration_ms)
            return Text.assemble((str(clips), "dim"), f"  silence of {length}")
        shown = " … ".join(dict.fromkeys((names[0], names[-1]))) if names else "silences only"
        among = f", with {silences} silence{'s' if silences > 1 else ''}" if silences and names else ""
        return Text.assemble((str(clips), "dim"), "  ", (shown, "cyan"), among)


def _range_of(part: "Step | ClipRange") -> ClipRange:
    return ClipRange(*part.clips) if isinstance(part, Step) else part


def _clip_text(clip: PlacedClip) -> str:
    trim = process_text.format_trim(clip.start_ms, clip.duration_ms)
    return visible(clip.key) + ("" if trim == "whole" else f" ({trim})")


def levels_of(steps: Iterable[Step]) -> dict[int, int]:
    """Return the level of every step by its number; 1 for steps that need no other."""
    level: dict[int, int] = {}
    for step in steps:
        level[step.number] = 1 + max((level[need] for need in step.needs), default=0)
    return level


def silence_lines(plan: Plan, *, everything: bool = False) -> list[str]:
    """Return one line for each silence that the plan creates: its length, and how often it is used."""
    uses = Counter(key for step in plan.steps for key in sources_of(step))
    lines = [_silence_line(silence, uses[silence.ref.key]) for silence in plan.silences]
    if everything or len(lines) <= MAX_SILENCES:
        return lines
    return [*lines[:MAX_SILENCES], f"… {len(lines) - MAX_SILENCES} more"]


def _silence_line(silence: SilenceAsset, uses: int) -> str:
    length = process_text.format_ms(silence.samples / silence.sample_rate * 1000)
    times = "once" if uses == 1 else f"{uses} times"
    return f"{length} ({silence.samples:,} samples), used {times}: {visible(silence.ref.uri)}"
