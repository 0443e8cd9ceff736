"""Many seeds, one after the other, and what they add up to."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from tests.simulation.invariants import Finding, Judge
from tests.simulation.world import World


class Campaign:
    """What a number of schedules came to."""

    def __init__(self) -> None:
        self.schedules, self.calls = 0, 0
        self.faults: Counter[str] = Counter()
        self.states: Counter[str] = Counter()
        self.windows: Counter[str] = Counter()
        self.violations: dict[int, tuple[str, ...]] = {}

    def run(
        self, seeds: Iterable[int], *, stop_at_first: bool = False, after: Callable[[], None] | None = None
    ) -> None:
        """Simulate seed after seed."""
        for seed in seeds:
            world, finding = simulate(seed)
            self.schedules += 1
            self.calls += world.calls
            self.faults += world.faults
            self.states += finding.states
            self.windows += finding.windows
            if finding.violations:
                self.violations[seed] = finding.violations
                if stop_at_first:
                    return
            if after:
                after()

    def as_json(self) -> dict[str, Any]:
        """Return the figures as plain values."""
        counters = {name: dict(sorted(getattr(self, name).items())) for name in ("faults", "states", "windows")}
        first = next(iter(self.violations.values()), ())
        return {
            "schedules": self.schedules,
            "calls": self.calls,
            **counters,
            "violations": len(self.violations),
            "first": first[:4],
        }

    def __str__(self) -> str:
        lines = [f"seed {seed}: {problem}" for seed, problems in self.violations.items() for problem in problems[:4]]
        return "\n".join(lines + [replay(seed) for seed in list(self.violations)[:3]])


def simulate(seed: int, *, keep_trace: bool = False) -> tuple[World, Finding]:
    """Live through one seed, and judge it."""
    world = World(seed, keep_trace=keep_trace).live()
    return world, Judge(world).findings()


def replay(seed: int) -> str:
    """Say how to see a seed again, call by call."""
    return (
        f"replay with: python -m tests.simulation --seed {seed}    or: SIMULATION_SEED={seed} pytest tests/simulation"
    )
