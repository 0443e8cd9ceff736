"""Checks at the moment a task is started whether the step may be started; the facts of steps are recorded for it."""

from typing import TYPE_CHECKING

from clipstitch.adapters.memory import MemoryAudioService
from clipstitch.common.identifiers import ObjectRef, day_of
from clipstitch.common.ports import TaskOutcome
from clipstitch.planning.process_string import parse_process
from clipstitch.usecases.job_store import step_of_target
from tests.simulation.setups import STATE

if TYPE_CHECKING:
    from tests.simulation.function_runs import FunctionRun
    from tests.simulation.world import World

StepId = tuple[str, int]  # a job and the number of a step


class StepMonitor:
    """When facts of steps were recorded first, by step; `causes` are the ended steps whose runs started a step."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._succeeded_at: dict[StepId, float] = {}
        self._accepted_at: dict[StepId, dict[str, float]] = {}
        self._opened_at: dict[str, float] = {}
        # When a claim, with "" for the task, or the transient failure of a task was recorded.
        self._back_offs: dict[StepId, list[tuple[float, str]]] = {}
        self.causes: dict[StepId, set[int]] = {}

    def record_fact(self, ref: ObjectRef) -> None:
        """Record the marker of a job, or the fact of a step; other objects are ignored."""
        folder, _, name = ref.key.rpartition("/")
        if folder == f"{STATE}open":
            self._opened_at.setdefault(name, self._world.scheduler.now)
        if not (ref.key.startswith(f"{STATE}jobs/") and name.startswith("step-")):
            return
        number, kind, task, *_ = name.split(".")
        step, now = (folder.rpartition("/")[2], int(number.removeprefix("step-"))), self._world.scheduler.now
        if kind == "succeeded":
            self._succeeded_at.setdefault(step, now)
        if kind == "accepted":
            self._accepted_at.setdefault(step, {}).setdefault(task, now)
        if kind in ("claimed", "failed-transiently"):
            self._back_offs.setdefault(step, []).append((now, task if kind == "failed-transiently" else ""))

    def check_start(self, run: "FunctionRun", process: str) -> None:
        """Report a violation if a run starts a step of which it knows that it succeeded, is running or backs off."""
        saved = parse_process(process).saveas
        step = step_of_target(saved.key, STATE) if saved and saved.key else None
        if step is None:
            self._violation(run, f"starts a task whose target is not that of a step: {process}")
        elif self._succeeded_at.get(step, self._world.scheduler.now) < run.started_at:
            self._violation(run, f"starts {step}, which had succeeded before the run began")
        elif self._is_running(step, run.started_at):
            self._violation(run, f"starts {step}, which was known to be running before the run began")
        elif run.kind == "sweep" and run.now() < self._world.datetime_at(self._backs_off_until(step, run)):
            self._violation(run, f"starts {step}, which is backing off")
        elif run.kind == "complete":
            self.causes.setdefault(step, set()).add(run.cause_step)

    def _violation(self, run: "FunctionRun", message: str) -> None:
        self._world.violations.append(f"{run.name} {message}")

    def _backs_off_until(self, step: StepId, run: "FunctionRun") -> float:
        """Return until when a sweep leaves a step alone, by the facts that it has listed; a simulated time in seconds.

        A step backs off for one grace period after it was claimed or failed transiently, then for 2, 4, … of them. A
        sweep may also submit a job, without back-off, but never one that was open when the sweep began.
        """
        listed_at = run.listed_at.get(f"{STATE}jobs/{day_of(step[0])}/{step[0]}/", 0.0)
        recorded = [(time, task) for time, task in self._back_offs.get(step, []) if time < listed_at]
        if not recorded or self._opened_at[step[0]] >= run.started_at:
            return 0.0
        failures = len({task for _, task in recorded if task})
        last_modified = int(max(time for time, _ in recorded))  # OSS keeps whole seconds
        return last_modified + self._world.settings.grace_period_s * 2.0 ** max(failures - 1, 0)

    def _is_running(self, step: StepId, before: float) -> bool:
        """Return True if a task was recorded as accepted before a time, and has not failed."""
        accepted = [task for task, time in self._accepted_at.get(step, {}).items() if time < before]
        # The method of the base class, since the simulated service may be unable to look up tasks.
        outcomes = [MemoryAudioService.task_outcome(self._world.audio, task) for task in accepted]
        return any(not isinstance(outcome, TaskOutcome) or outcome.succeeded for outcome in outcomes)
