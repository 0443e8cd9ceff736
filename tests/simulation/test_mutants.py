"""The simulation can fail: every planted mistake is noticed."""

import os

import pytest

from tests.simulation.mutants import MUTANTS, Mutant
from tests.simulation.mutation_testing import detect

ENOUGH = 600  # schedules; docs/reliability.md says how many each took
AT_THE_DESK = 6  # the others take their time


@pytest.mark.parametrize("mutant", [pytest.param(one, id=one.name) for one in MUTANTS])
def test_a_planted_mistake_is_noticed(mutant: Mutant):
    """Within a moderate number of schedules."""
    if not os.environ.get("CI") and MUTANTS.index(mutant) >= AT_THE_DESK:
        pytest.skip("at the desk only the first few are hunted; all of them where CI is set")

    assert detect(mutant, ENOUGH).schedules
