"""How long each kind of loss delays a job, in units of the sweep's interval: one loss a world, nothing else."""

import json
import sys
from collections.abc import Iterator
from random import Random
from statistics import median
from typing import NamedTuple

from tests.simulation.scenario import SINGLE, STORM, Scenario, Upload, Weather, Wish
from tests.simulation.world import SWEEP_S, World

OF_EACH = 60  # worlds
_CLIPS = 23
_ONE = Weather(SINGLE, double=0.0, late=0.0, twin=0.0, slow=0.0, retries=0, until_s=1200)


class Loss(NamedTuple):
    """One kind of loss: the weather that brings it, how many clips the job has, and whether a run dies."""

    name: str
    weather: Weather
    clips: int = 2
    deaths: bool = False


LOSSES = (
    Loss("nothing is lost", _ONE),
    Loss("a run dies at any one call, and FC does not repeat it", _ONE, deaths=True),
    Loss("the same in a tree of 23 clips", _ONE, _CLIPS, deaths=True),
    Loss("every message is lost (events and notices)", _ONE._replace(drop=1.0)),
    Loss("the same in a tree of 23 clips", _ONE._replace(drop=1.0), _CLIPS),
    Loss("every task falters once", _ONE._replace(kind=STORM, falters=1.0, until_s=300)),
)


def delays(loss: Loss) -> Iterator[float]:
    """Yield how long jobs took, from their upload, in intervals."""
    for seed in range(OF_EACH):
        rng = Random(seed)
        weather = loss.weather._replace(kill_at=rng.randrange(1, 30) if loss.deaths else -1)
        world = World(seed, scenario=_scenario(weather, loss.clips, rng.uniform(1, 299))).live()
        if loss.weather.falters and not world.faults["task faltered"]:
            continue  # its task ended after the storm
        deadline_start = next(upload.at for upload in world.scenario.uploads if upload.key.startswith("manifests/"))
        closed = [change.time for change in world.objects.changes if change.ref.key.endswith("/closed.json")]
        yield (closed[0] - deadline_start) / SWEEP_S


def _scenario(weather: Weather, count: int, at: float) -> Scenario:
    """Make a world with one manifest."""
    clips = [f"a/{number:02d}.mp3" for number in range(count)]
    made = {"duration_s": 1.0, "sample_rate": 44100, "channels": 1}
    uploads = [Upload(0.0, clip, json.dumps({**made, "names": [clip]}).encode()) for clip in clips]
    body = json.dumps({"version": 1, "output": {"key": "out/0.mp3"}, "clips": clips}).encode()
    key = "manifests/m0.json"
    wish = Wish(key, "out/0.mp3", good=True, overwrite=False, clips=tuple(clips), missing=False)
    return Scenario(weather, (*uploads, Upload(at, key, body)), {body: wish})


def main() -> None:
    """Print a line of a table for each kind."""
    for loss in LOSSES:
        took = sorted(delays(loss))
        sys.stdout.write(f"| {loss.name} | {median(took):.1f} | {took[-1]:.1f} |\n")


if __name__ == "__main__":
    main()
