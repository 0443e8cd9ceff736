"""A fast test detects every mutant that the simulation does not see."""

import os
from pathlib import Path

import pytest

from tests.simulation.mutants import Mutant
from tests.simulation.mutation_testing import ROOT, apply_mutant
from tests.simulation.tested_mutants import TESTED_MUTANTS, AssignedMutant, is_detected

TRIED_LOCALLY = 5  # every fifth: each takes some seconds

_every_mutant = pytest.mark.parametrize(
    "tested", [pytest.param(tested, id=tested.mutant.name) for tested in TESTED_MUTANTS]
)


@_every_mutant
def test_a_mutant_is_detected_by_its_test(tested: AssignedMutant) -> None:
    """Without CI set, only every few mutants are tried."""
    if not os.environ.get("CI") and TESTED_MUTANTS.index(tested) % TRIED_LOCALLY:
        pytest.skip("without CI set, only some mutants are tried")

    assert is_detected(tested)


@_every_mutant
def test_a_mutant_that_a_test_detects_applies_to_the_product(tested: AssignedMutant, tmp_path: Path) -> None:
    """What it replaces occurs exactly once, the result is valid Python, and the test exists."""
    apply_mutant(tested.mutant, tmp_path)

    assert (ROOT / tested.test).is_file()
    for module, _, _ in tested.mutant.changes:
        assert compile((tmp_path / "clipstitch" / module).read_text("utf-8"), module, "exec")


def test_the_unchanged_product_is_not_taken_for_a_mutant() -> None:
    """Otherwise every mutant would be detected."""
    assert not is_detected(AssignedMutant(Mutant("none", ()), "tests/unit/common/test_identifiers.py"))


def test_a_test_that_cannot_be_run_is_an_error() -> None:
    """It detects nothing."""
    with pytest.raises(RuntimeError, match="no-such-test"):
        is_detected(AssignedMutant(Mutant("none", ()), "tests/no-such-test.py"))
