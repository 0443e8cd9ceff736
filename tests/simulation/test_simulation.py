"""Thousands of seeded worlds in which everything goes wrong, and none in which a promise is broken."""

import os
import subprocess
import sys
from random import Random

import pytest

from tests.simulation.campaign import Campaign, replay, simulate
from tests.simulation.hunt import ROOT
from tests.simulation.scenario import scenario_of
from tests.simulation.setups import (
    ASLEEP,
    DEAD,
    GONE,
    HARD,
    HOOKS,
    MANY,
    MOODY,
    MOVED,
    OUTAGE,
    PLAIN,
    STATE_BUCKET,
    WELL,
)
from tests.simulation.world import World

PARTS = 10  # so that several workers share the seeds
SCHEDULES = 2000 if os.environ.get("CI") else 300
ONE = os.environ.get("SIMULATION_SEED")


@pytest.mark.skipif(ONE is not None, reason="one seed was asked for")
@pytest.mark.parametrize("part", range(PARTS))
def test_no_schedule_breaks_a_promise(part: int):
    """Whatever is lost, doubled, late, refused or killed, and in whatever order."""
    campaign = Campaign()
    campaign.run(range(part, SCHEDULES, PARTS))

    assert not campaign.violations, str(campaign)
    assert SCHEDULES // PARTS == campaign.schedules


@pytest.mark.skipif(ONE is None, reason="set SIMULATION_SEED to replay one seed")
def test_the_seed_that_was_asked_for():
    """It happens again exactly as it did."""
    world, finding = simulate(int(ONE or 0), keep_trace=True)

    assert not finding.violations, "\n".join([*(world.lines or ()), *finding.violations, replay(world.seed)])


def test_every_kind_of_fault_and_end_occurs():
    """Weather that never comes would prove nothing."""
    campaign = Campaign()
    campaign.run(range(150))
    expected = {"CloudBusy", "function killed", "given up by FC", "task faltered", "task ran twice"}
    expected |= {f"{what} {how}" for what in ("event", "notice") for how in ("dropped", "doubled", "delayed")}
    expected |= {f"webhook: {what}" for what in ("no answer", "answer lost", "500", "429", "410")}
    expected |= {"probe of one clip refused"}

    assert expected <= set(campaign.faults)
    assert {"succeeded", "failed", "rejected"} == set(campaign.states)


@pytest.mark.parametrize("seed", [1, 7, 11])
def test_the_same_seed_is_the_same_world(seed: int):
    """Twice in this process, and in another one that hashes differently: not one call differs."""
    here = {World(seed).live().digest.hexdigest() for _ in range(2)}
    for hash_seed in ("1", "2"):
        command = [sys.executable, "-m", "tests.simulation", "--seed", str(seed)]
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        said = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False).stdout
        here |= {line.removeprefix("trace: ") for line in said.splitlines() if line.startswith("trace: ")}

    assert 1 == len(here)


def test_every_kind_of_setup_occurs():
    """Worlds with a theme are few, so that the others stay many."""
    setups = [scenario_of(Random(seed)).setup for seed in range(300)]
    moods = {mood for setup in setups for _, mood in setup.receivers}

    assert {PLAIN, HOOKS, MANY, HARD, OUTAGE, MOVED} == {setup.theme for setup in setups}
    assert {WELL, MOODY, ASLEEP, DEAD, GONE} == moods
    assert {None, STATE_BUCKET} == {setup.state_bucket for setup in setups}


@pytest.mark.parametrize("theme", [HOOKS, MANY, HARD, OUTAGE, MOVED])
def test_the_same_world_of_every_theme_is_the_same(theme: str):
    """Overlapping sweeps, receivers and changing settings throw the same dice."""
    seed = next(seed for seed in range(300) if theme == scenario_of(Random(seed)).setup.theme)

    assert World(seed).live().digest.hexdigest() == World(seed).live().digest.hexdigest()


def test_another_seed_is_another_world():
    """Or a thousand schedules would be one."""
    assert 20 == len({World(seed).live().digest.hexdigest() for seed in range(20)})
