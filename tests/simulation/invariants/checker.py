"""All checks, and their report on one world."""

from collections import Counter
from typing import NamedTuple

from tests.simulation.invariants.events import check_events, check_results
from tests.simulation.invariants.fault_free import check_fault_free
from tests.simulation.invariants.final_states import check_final_states, check_reasons, check_waiting_jobs
from tests.simulation.invariants.grace_period import check_grace_period
from tests.simulation.invariants.history import History
from tests.simulation.invariants.merged_audio import check_merged_audio
from tests.simulation.invariants.outputs import check_outputs
from tests.simulation.invariants.webhooks import check_webhooks
from tests.simulation.invariants.writes import check_create_once, check_prefixes
from tests.simulation.world import World

_CHECKS = (
    check_final_states,
    check_reasons,
    check_waiting_jobs,
    check_events,
    check_webhooks,
    check_results,
    check_outputs,
    check_merged_audio,
    check_create_once,
    check_prefixes,
    check_grace_period,
    check_fault_free,
)


class Report(NamedTuple):
    """The violations of one world, the number of jobs in each state, and the known windows that occurred."""

    violations: tuple[str, ...]
    states: Counter[str]
    windows: Counter[str]


def check(world: World) -> Report:
    """Check all invariants of a finished world."""
    history = History(world)
    found = [*world.violations, *(violation for check in _CHECKS for violation in check(history))]
    return Report(tuple(dict.fromkeys(found)), Counter(history.states.values()), history.windows)
