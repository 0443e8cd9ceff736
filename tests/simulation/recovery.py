"""Measure how long each kind of loss delays a job, in intervals of the sweep; no world has another fault."""

import json
import sys
from collections.abc import Iterator
from random import Random
from statistics import median
from typing import NamedTuple

from tests.simulation.scenario import FAULTY, SINGLE_CRASH, Expectation, FaultProfile, Scenario, UserUpload, tone
from tests.simulation.setups import MANIFESTS, SWEEP_INTERVAL_S
from tests.simulation.world import World

WORLDS_PER_LOSS = 60
_MANY_CLIPS = 23
_RELIABLE = FaultProfile(
    SINGLE_CRASH, duplicate=0.0, delay=0.0, task_duplicate=0.0, slow_call=0.0, retries=0, fault_phase_s=1200
)


class Loss(NamedTuple):
    """A kind of loss: the profile that causes it, the number of clips of the job, and whether a run crashes."""

    name: str
    profile: FaultProfile
    clips: int = 2
    crashes: bool = False


LOSSES = (
    Loss("nothing is lost", _RELIABLE),
    Loss("a run crashes at any one call, and FC does not repeat it", _RELIABLE, crashes=True),
    Loss("the same in a tree of 23 clips", _RELIABLE, _MANY_CLIPS, crashes=True),
    Loss("every message is lost (events and completion notifications)", _RELIABLE._replace(loss=1.0)),
    Loss("the same in a tree of 23 clips", _RELIABLE._replace(loss=1.0), _MANY_CLIPS),
    Loss(
        "every task fails transiently once", _RELIABLE._replace(kind=FAULTY, transient_failure=1.0, fault_phase_s=300)
    ),
)


def delays(loss: Loss) -> Iterator[float]:
    """Yield how long jobs took from their upload until they were closed, in intervals of the sweep."""
    for seed in range(WORLDS_PER_LOSS):
        rng = Random(seed)
        profile = loss.profile._replace(crash_at_call=rng.randrange(1, 30) if loss.crashes else -1)
        uploaded_at = rng.uniform(1, 299)
        world = World(seed, scenario=_scenario(profile, loss.clips, uploaded_at)).run()
        if loss.profile.transient_failure and not world.faults["task failed transiently"]:
            continue  # its task ended after the fault phase
        closed_at = [change.time for change in world.objects.changes if "/closed." in change.ref.key]
        yield (closed_at[0] - uploaded_at) / SWEEP_INTERVAL_S


def _scenario(profile: FaultProfile, count: int, uploaded_at: float) -> Scenario:
    """Return a scenario with one manifest."""
    clips = tuple(f"a/{number:02d}.mp3" for number in range(count))
    manifest, output = f"{MANIFESTS}m0.json", "out/0.mp3"
    body = json.dumps({"version": 1, "output": {"key": output}, "clips": clips}).encode()
    uploads = [*(UserUpload(0.0, clip, tone(clip)) for clip in clips), UserUpload(uploaded_at, manifest, body)]
    expected = Expectation(manifest, output, valid=True, overwrite=False, clips=clips, clip_missing=False)
    return Scenario(profile, tuple(uploads), {body: expected})


def main() -> None:
    """Print one row of a Markdown table for each kind of loss."""
    for loss in LOSSES:
        took = sorted(delays(loss))
        sys.stdout.write(f"| {loss.name} | {median(took):.1f} | {took[-1]:.1f} |\n")


if __name__ == "__main__":
    main()
