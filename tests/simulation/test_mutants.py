"""The simulation detects every mutant."""

import os
from pathlib import Path

import pytest

from tests.simulation.mutants import MUTANTS, Mutant
from tests.simulation.mutation_testing import apply_mutant, detect

MAX_SCHEDULES = 1000  # docs/reliability.md says how many each mutant takes
DETECTED_LOCALLY = 6  # all mutants take many minutes

_every_mutant = pytest.mark.parametrize("mutant", [pytest.param(mutant, id=mutant.name) for mutant in MUTANTS])


@_every_mutant
def test_a_mutant_is_detected(mutant: Mutant) -> None:
    """A moderate number of schedules is enough to violate an invariant."""
    if not os.environ.get("CI") and MUTANTS.index(mutant) >= DETECTED_LOCALLY:
        pytest.skip("without CI set, only the first few mutants are tested")

    assert detect(mutant, MAX_SCHEDULES).schedules


@_every_mutant
def test_a_mutant_applies_to_the_product(mutant: Mutant, tmp_path: Path) -> None:
    """Every string that a mutant replaces occurs exactly once in the product, and the result is valid Python."""
    apply_mutant(mutant, tmp_path)

    for module, _, _ in mutant.changes:
        assert compile((tmp_path / "clipstitch" / module).read_text("utf-8"), module, "exec")


def test_mutants_have_different_names() -> None:
    """The names identify the rows of the table in docs/reliability.md."""
    assert len(MUTANTS) == len({mutant.name for mutant in MUTANTS})
