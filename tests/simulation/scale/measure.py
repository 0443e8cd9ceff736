"""Sweeps of one scenario, until jobs whose notification was lost are recovered."""

from functools import partial
from typing import NamedTuple

from clipstitch.common.identifiers import ObjectRef
from clipstitch.usecases.sweep import sweep
from tests.simulation.scale.costs import Costs
from tests.simulation.scale.scenarios import ScaleScenario
from tests.simulation.scale.world import COMPLETE_LIMIT_S, SUBMIT_LIMIT_S, MeteredRun, ScaleWorld

SWEEP_LIMIT_S, SWEEP_INTERVAL_S = 300, 300  # s.yaml
FEWEST_SWEEPS, MOST_SWEEPS = 3, 12
_PROBE_AGES_S = (3 * 3600, 3600, 600)  # the oldest comes before most open jobs, the youngest after all


class ScaleReport(NamedTuple):
    """What happened in one scenario, whose goal is `goal`.

    `recovered_after`: the sweep that recovered the last job whose notification was lost; None if none did. `harmed`:
    jobs that failed although their audio was ready. `requests` and `seconds` are the most of any sweep. `killed` and
    `crashed` count sweeps, `functions_killed` runs of submit and complete. `left_open`: open jobs after the last sweep.
    """

    scenario: str
    jobs: int
    goal: int
    recovered_after: int | None
    sweeps: int
    killed: int
    crashed: int
    requests: int
    seconds: float
    harmed: int
    functions_killed: int
    left_open: int

    @property
    def failures(self) -> list[str]:
        """The goals that were missed."""
        late = self.recovered_after is None or self.recovered_after > self.goal
        missed = {
            f"a lost notification was recovered by sweep {self.recovered_after}, not by sweep {self.goal}": late,
            f"{self.killed} of {self.sweeps} sweeps were killed": self.killed,
            f"{self.crashed} of {self.sweeps} sweeps raised an error": self.crashed,
            f"{self.harmed} jobs failed although their audio was ready": self.harmed,
            f"{self.functions_killed} runs of submit and complete were killed": self.functions_killed,
        }
        return [text for text, is_missed in missed.items() if is_missed]


def measure(scenario: ScaleScenario, jobs: int, costs: Costs) -> ScaleReport:
    """Sweep a world with that many jobs; return what happened."""
    world = ScaleWorld(scenario.outages, costs)
    share = max(jobs // len(scenario.populations), 1)
    ready = [manifest for population in scenario.populations for manifest in population(world, share)]
    probes = _lose_notifications(world)
    world.new_tasks()
    functions, sweeps = _start_a_job(world), list[MeteredRun]()
    recovered_after = None
    while len(sweeps) < FEWEST_SWEEPS or (recovered_after is None and len(sweeps) < MOST_SWEEPS):
        started = world.clock.seconds
        sweeps.append(world.run(SWEEP_LIMIT_S, lambda: sweep(world.context())))
        functions += _run_tasks(world)
        world.clock.seconds = max(world.clock.seconds, started + SWEEP_INTERVAL_S)
        if recovered_after is None and all(_is_published(probe, world) for probe in probes):
            recovered_after = len(sweeps)
    return ScaleReport(
        scenario.name,
        jobs,
        scenario.goal,
        recovered_after,
        len(sweeps),
        sum(each.killed for each in sweeps),
        sum(bool(each.failure) and not each.killed for each in sweeps),
        max(sum(each.requests.values()) for each in sweeps),
        max(each.seconds for each in sweeps),
        sum(_has_failed(manifest, world) for manifest in [*ready, *probes]),
        sum(each.killed for each in functions),
        len(world.context().store.open_jobs()),
    )


def _lose_notifications(world: ScaleWorld) -> list[ObjectRef]:
    """Make jobs of several ages whose task has succeeded, but whose notification was lost; return their manifests."""
    manifests = []
    for age_s in _PROBE_AGES_S:
        world.clock.seconds = -age_s
        manifests.append(world.drop(f"probe-{age_s}"))
        world.submit(manifests[-1])
        world.audio.run(world.audio.accepted[-1])
    world.clock.seconds = 0
    return manifests


def _start_a_job(world: ScaleWorld) -> list[MeteredRun]:
    """Submit a new job and complete it, each with its time limit."""
    manifest = world.drop("new")
    submitted = world.run(SUBMIT_LIMIT_S, partial(world.submit, manifest))
    return [submitted, *_run_tasks(world)]


def _run_tasks(world: ScaleWorld) -> list[MeteredRun]:
    """Finish the tasks that were started, and complete them, all at the same time."""
    runs, now = list[MeteredRun](), world.clock.seconds
    while tasks := world.new_tasks():
        for message in [world.audio.run(task) for task in tasks]:
            world.clock.seconds = now
            runs.append(world.run(COMPLETE_LIMIT_S, partial(world.complete, message)))
    world.clock.seconds = now
    return runs


def _is_published(manifest: ObjectRef, world: ScaleWorld) -> bool:
    """Return True if the output exists and its event is in the result object."""
    return world.settings.result_ref(manifest) in world.objects.stored and not _has_failed(manifest, world)


def _has_failed(manifest: ObjectRef, world: ScaleWorld) -> bool:
    return world.context().store.load(world.job_id(manifest)).state == "failed"
