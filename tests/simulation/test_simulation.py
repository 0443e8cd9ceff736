"""Thousands of simulated worlds with every kind of fault, none of which violates an invariant."""

import os
import subprocess
import sys
from random import Random

import pytest

from tests.simulation.campaign import Campaign, replay_command, simulate
from tests.simulation.mutation_testing import ROOT
from tests.simulation.scenario import draw_scenario
from tests.simulation.setups import (
    ALTERED,
    DEAD,
    DOWN,
    GONE,
    HEALTHY,
    MANY,
    OUTAGE,
    PLAIN,
    RECONFIGURED,
    SLOW,
    STATE_BUCKET,
    STUCK,
    UNRELIABLE,
    WEBHOOKS,
)
from tests.simulation.world import World

PARTS = 10  # several workers share the seeds
SCHEDULES = 2000 if os.environ.get("CI") else 300
SEED = os.environ.get("SIMULATION_SEED")


@pytest.mark.skipif(SEED is not None, reason="SIMULATION_SEED is set")
@pytest.mark.parametrize("part", range(PARTS))
def test_no_schedule_violates_an_invariant(part: int) -> None:
    """Messages are lost, duplicated and delayed, calls fail and functions crash, in any order."""
    campaign = Campaign()
    campaign.run(range(part, SCHEDULES, PARTS))

    assert not campaign.violations, str(campaign)
    assert SCHEDULES // PARTS == campaign.schedules


@pytest.mark.skipif(SEED is None, reason="set SIMULATION_SEED to replay one seed")
def test_the_given_seed_violates_no_invariant() -> None:
    """A failure shows the whole trace."""
    world, report = simulate(int(SEED or 0), keep_trace=True)

    assert not report.violations, "\n".join([*(world.lines or ()), *report.violations, replay_command(world.seed)])


def test_every_kind_of_fault_and_final_state_occurs() -> None:
    """A fault that never occurs would prove nothing."""
    campaign = Campaign()
    campaign.run(range(300))
    expected = {"CloudBusy", "function crashed", "retries of FC exhausted", "task failed transiently", "task ran twice"}
    messages, faults = ("event", "completion notification"), ("lost", "duplicated", "delayed")
    expected |= {f"{message} {fault}" for message in messages for fault in faults}
    expected |= {f"webhook: {response}" for response in ("no response", "response lost", "500", "429", "410")}
    expected |= {"probe of one clip failed"}

    assert expected <= set(campaign.faults)
    assert {"succeeded", "failed", "rejected"} == set(campaign.states)


@pytest.mark.parametrize("seed", [1, 7, 11])
def test_the_same_seed_gives_the_same_trace(seed: int) -> None:
    """The trace is the same in this process and in processes with other hash seeds."""
    traces = {World(seed).run().digest.hexdigest() for _ in range(2)}
    for hash_seed in ("1", "2"):
        command = [sys.executable, "-m", "tests.simulation", "--seed", str(seed)]
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        traces |= {line.removeprefix("trace: ") for line in done.stdout.splitlines() if line.startswith("trace: ")}

    assert 1 == len(traces)


def test_every_kind_of_setup_occurs() -> None:
    """300 seeds draw every theme, every behaviour of a receiver, and both kinds of state bucket."""
    setups = [draw_scenario(Random(seed)).setup for seed in range(300)]
    behaviours = {behaviour for setup in setups for _, behaviour in setup.receivers}

    assert {PLAIN, WEBHOOKS, MANY, STUCK, OUTAGE, RECONFIGURED, ALTERED} == {setup.theme for setup in setups}
    assert {HEALTHY, UNRELIABLE, SLOW, DOWN, DEAD, GONE} == behaviours
    assert {None, STATE_BUCKET} == {setup.state_bucket for setup in setups}


@pytest.mark.parametrize("theme", [WEBHOOKS, MANY, STUCK, OUTAGE, RECONFIGURED, ALTERED])
def test_a_seed_of_each_theme_gives_the_same_trace(theme: str) -> None:
    """Overlapping sweeps, receivers and changed settings draw their random numbers in the same order."""
    seed = next(seed for seed in range(300) if theme == draw_scenario(Random(seed)).setup.theme)

    assert World(seed).run().digest.hexdigest() == World(seed).run().digest.hexdigest()


def test_different_seeds_give_different_traces() -> None:
    """Otherwise a thousand schedules would be the same one."""
    assert 20 == len({World(seed).run().digest.hexdigest() for seed in range(20)})
