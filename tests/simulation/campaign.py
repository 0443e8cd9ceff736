"""Simulate many seeds and add up the figures."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from tests.simulation.invariants.checker import Report, check
from tests.simulation.world import World


class Campaign:
    """The figures of all seeds simulated so far. `violations` are by seed."""

    def __init__(self) -> None:
        self.schedules, self.calls = 0, 0
        self.faults: Counter[str] = Counter()
        self.states: Counter[str] = Counter()
        self.windows: Counter[str] = Counter()
        self.violations: dict[int, tuple[str, ...]] = {}

    def run(
        self, seeds: Iterable[int], *, stop_at_first: bool = False, after: Callable[[], None] | None = None
    ) -> None:
        """Simulate seeds, and call `after` after each. `stop_at_first` stops after the first violation."""
        for seed in seeds:
            world, report = simulate(seed)
            self.schedules += 1
            self.calls += world.calls
            self.faults += world.faults
            self.states += report.states
            self.windows += report.windows
            if report.violations:
                self.violations[seed] = report.violations
                if stop_at_first:
                    return
            if after:
                after()

    def as_json(self) -> dict[str, Any]:
        """Return the figures as a JSON value; `first` are the first violations."""
        return {
            "schedules": self.schedules,
            "calls": self.calls,
            "faults": dict(sorted(self.faults.items())),
            "states": dict(sorted(self.states.items())),
            "windows": dict(sorted(self.windows.items())),
            "violations": len(self.violations),
            "first": next(iter(self.violations.values()), ())[:4],
        }

    def __str__(self) -> str:
        lines = [f"seed {seed}: {each}" for seed, violations in self.violations.items() for each in violations[:4]]
        return "\n".join(lines + [replay_command(seed) for seed in list(self.violations)[:3]])


def simulate(seed: int, *, keep_trace: bool = False) -> tuple[World, Report]:
    """Simulate the world of a seed and check its invariants."""
    world = World(seed, keep_trace=keep_trace).run()
    return world, check(world)


def replay_command(seed: int) -> str:
    """Return how to replay a seed, call by call."""
    return (
        f"replay with: python -m tests.simulation --seed {seed}    or: SIMULATION_SEED={seed} pytest tests/simulation"
    )
