"""The simulation can fail: every planted mistake is noticed."""

import os

import pytest

from tests.simulation.hunt import hunt
from tests.simulation.mutants import MUTATIONS, Mutation

ENOUGH = 600  # schedules; docs/reliability.md says how many each took
AT_THE_DESK = 6  # the others take their time


@pytest.mark.parametrize("mutation", [pytest.param(one, id=one.name) for one in MUTATIONS])
def test_a_planted_mistake_is_noticed(mutation: Mutation):
    """Within a moderate number of schedules."""
    if not os.environ.get("CI") and MUTATIONS.index(mutation) >= AT_THE_DESK:
        pytest.skip("at the desk only the first few are hunted; all of them where CI is set")

    assert hunt(mutation, ENOUGH).schedules
