"""Without faults, duplicates and delays cost neither a sweep nor a task."""

from collections.abc import Iterator

from tests.simulation.faults import TIMED_OUT
from tests.simulation.invariants.history import History
from tests.simulation.scenario import FAULT_FREE


def check_fault_free(history: History) -> Iterator[str]:
    """Check that no job needs a sweep, and that no step is started by the ends of two different steps."""
    world = history.world
    if world.profile.kind != FAULT_FREE or world.faults[TIMED_OUT]:
        return
    if not world.closed_without_sweeps:
        yield "without any fault, a job needed the sweep"
    for (job, step), causes in world.steps.causes.items():
        if len(causes) > 1:
            yield f"step {step} of {job} was started by the ends of the steps {sorted(causes)}"
