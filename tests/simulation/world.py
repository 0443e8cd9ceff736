"""A simulated world: OSS, IMM, SMQ, Function Compute and webhook receivers around the real use cases.

A world has two phases. In the fault phase, messages are lost, delayed and duplicated, calls fail and functions crash.
In the recovery phase, no more faults are injected, and sweeps run until every job is closed.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import lru_cache, partial
from random import Random

from clipstitch.adapters.memory import MemoryMessageSender
from clipstitch.common.clock import parse_timestamp
from clipstitch.common.errors import ClipstitchError
from clipstitch.common.identifiers import ManifestRef, ObjectRef, day_of, job_id_of
from clipstitch.common.ports import ObjectContent, ObjectHeaders
from clipstitch.inbound.completion_notification import parse_notification
from clipstitch.inbound.oss_trigger import parse_oss_trigger
from clipstitch.usecases.complete import complete
from clipstitch.usecases.context import Context
from clipstitch.usecases.job_store import step_of_target
from clipstitch.usecases.submit import submit_all
from clipstitch.usecases.sweep import sweep
from tests.simulation.audio_service import SimulatedAudioService
from tests.simulation.faults import FaultInjector
from tests.simulation.function_runs import Crashed, FunctionRun, summary
from tests.simulation.object_store import RecordingObjectStore
from tests.simulation.receivers import SimulatedReceivers
from tests.simulation.scenario import FAULT_FREE, Scenario, draw_scenario
from tests.simulation.scheduler import Scheduler
from tests.simulation.setups import (
    BUCKET,
    MANIFESTS,
    SHORT_DEADLINE_S,
    START,
    STATE,
    STUCK,
    SWEEP_INTERVAL_S,
)
from tests.simulation.step_monitor import StepMonitor

MAX_RECOVERY_SWEEPS = 80  # a job whose webhook never answers needs about thirty
MAX_WAIT_S = 12 * SWEEP_INTERVAL_S  # how long a job may wait for other jobs in the recovery phase
_WORKING_FILES = tuple(STATE + folder for folder in ("open/", "tasks/", "work/"))


class World:
    """The world of one seed.

    `actor` is the number of the run whose call is performed. `in_flight` counts the messages, tasks and runs that have
    not ended. `violations` are those that were found during the simulation. `waiting_jobs` are the jobs that were open
    `MAX_WAIT_S` after the fault phase, `still_open` those that were open after all sweeps.
    """

    def __init__(self, seed: int, *, keep_trace: bool = False, scenario: Scenario | None = None) -> None:
        self.seed, self.rng = seed, Random(seed)
        self.scenario = scenario or draw_scenario(self.rng)
        self.profile, self.setup = self.scenario.profile, self.scenario.setup
        self.settings = self.setup.settings
        if not self.outcomes_are_known:
            self.settings = self.settings._replace(deadline_s=SHORT_DEADLINE_S)
        self.scheduler = Scheduler()
        self.injector = FaultInjector(self.rng, self.profile)
        self.runs: dict[int, FunctionRun] = {}
        self.actor, self.calls, self.in_flight = 0, 0, 0
        self.steps = StepMonitor(self)
        self.objects = RecordingObjectStore(self)
        self.audio = SimulatedAudioService(self)
        self.messages = MemoryMessageSender(topics=("events",), queues=("events",))
        self.webhooks = SimulatedReceivers(self)
        self.digest = hashlib.blake2b(digest_size=12)
        self.lines: list[str] | None = [] if keep_trace else None
        self.violations: list[str] = []
        self.closed_without_sweeps = True
        self.waiting_jobs: list[str] = []
        self.still_open: list[str] = []

    @property
    def faults(self) -> Counter[str]:
        """The injected faults, by name."""
        return self.injector.counts

    @property
    def outcomes_are_known(self) -> bool:
        """Whether every task ends and can be looked up. Otherwise some jobs can only fail at their deadline."""
        return self.profile.task_loss == 0 and self.profile.task_lookup

    def now(self) -> datetime:
        """Return the time of the cloud."""
        return self.datetime_at(self.scheduler.now)

    def datetime_at(self, time: float) -> datetime:
        """Return the time of the cloud at a simulated time in seconds."""
        return START + timedelta(seconds=time)

    def trace(self, line: str) -> None:
        """Add a line to the trace, of which at least the hash is kept."""
        line = f"{self.scheduler.now:.6f} {line}"
        self.digest.update(line.encode())
        if self.lines is not None:
            self.lines.append(line)

    def after(self, seconds: float, callback: Callable[[], None]) -> None:
        """Call back after a simulated time; until then, the callback is in flight."""
        self.in_flight += 1

        def call() -> None:
            self.in_flight -= 1
            callback()

        self.scheduler.at(self.scheduler.now + seconds, call)

    # Function Compute

    def invoke(self, kind: str, work: Callable[[Context], object], *, retries: int = 0, cause_step: int = -1) -> None:
        """Run a function now. If it fails or crashes, run it again later, up to `retries` times."""
        run = FunctionRun(self, len(self.runs) + 1, kind, work)
        run.cause_step = cause_step
        self.runs[run.number] = run
        self.in_flight += 1

        def execute() -> None:
            failed = not self._succeeds(run)
            self.in_flight -= 1
            if failed and retries > 0:
                again = partial(self.invoke, kind, work, retries=retries - 1, cause_step=cause_step)
                self.after(self.rng.uniform(1, 90), again)
            elif failed:
                self.faults["retries of FC exhausted"] += 1

        self.scheduler.spawn(execute)

    def _succeeds(self, run: FunctionRun) -> bool:
        """Run a function to its end; return False if it failed."""
        try:
            run.work(run.context())
        except Crashed:
            return False
        except ClipstitchError as error:
            self.trace(f"{run.name} raised {type(error).__name__}")
            return False
        except Exception as error:  # noqa: BLE001 - only errors of the product may be raised
            self.violations.append(f"{run.name} raised {type(error).__name__}: {error}")
            return False
        return True

    # SMQ, the OSS trigger and the timer

    def upload(self, key: str, body: bytes | None) -> None:
        """Upload an object as a user, or delete it if `body` is None; the trigger reports uploads of manifests."""
        ref = ObjectRef(BUCKET, key)
        self.trace(f"user {key} {summary([body or b''])}")
        if body is None:
            self.objects.delete([ref])
            return
        self.objects.write(ref, body, ObjectHeaders())
        if key.startswith(MANIFESTS):
            event = json.dumps({"events": [{"oss": {"bucket": {"name": BUCKET}, "object": {"key": key}}}]}).encode()
            self._deliver("event", partial(self._submit, event))

    def _submit(self, event: bytes) -> None:
        self.invoke(
            "submit", lambda context: submit_all(parse_oss_trigger(event), context), retries=self.profile.retries
        )

    def deliver_completion(self, message: bytes) -> None:
        """Deliver a completion notification to the complete function."""
        self._deliver("completion notification", partial(self._complete, message))

    def _complete(self, message: bytes) -> None:
        notification = parse_notification(message)
        step = step_of_target(notification.targets[0].key, STATE) if notification and notification.targets else None

        def work(context: Context) -> object:
            return complete(notification, context) if notification else None

        self.invoke("complete", work, retries=self.profile.retries + 1, cause_step=step[1] if step else -1)

    def _deliver(self, message: str, receive: Callable[[], None]) -> None:
        """Deliver a message never, once or several times, each time after another delay."""
        happens, rng = self.injector.happens, self.rng
        outage = self.scheduler.now < self.setup.outage_s
        if happens(1.0 if outage else self.profile.loss, f"{message} lost"):
            return
        copies = 1
        while copies < 4 and happens(self.profile.duplicate, f"{message} duplicated"):
            copies += 1
        for _ in range(copies):
            delayed = happens(self.profile.delay, f"{message} delayed")
            longest = 0.1 if self.profile.simultaneous_ends else 1
            self.after(rng.uniform(5, 400) if delayed else rng.uniform(0.01, longest), receive)

    def _start_sweep(self) -> None:
        """Start a sweep, or two if sweeps overlap."""
        if self.scheduler.now < self.setup.outage_s:
            return
        self.invoke("sweep", sweep)
        if self.setup.overlap:
            second = self.scheduler.now + self.rng.uniform(0, 5)
            self.scheduler.at(second, partial(self.invoke, "sweep", sweep))

    # The phases

    def run(self) -> "World":
        """Simulate the fault phase, the recovery phase, and two sweeps long after; return the world."""
        for upload in self.scenario.uploads:
            self.scheduler.at(upload.at, partial(self.upload, upload.key, upload.body))
        if self.setup.change:
            self.scheduler.at(self.setup.changed_at, self._change_settings)
        for _ in range(self.setup.damages):
            self.scheduler.at(self.rng.uniform(0, self.profile.fault_phase_s), self._damage_sweep_document)
        self._run_recovery_phase(self._run_fault_phase())
        return self

    def _damage_sweep_document(self) -> None:
        """Cut short what a sweep has saved, if there is anything."""
        prefix, bucket = f"{STATE}s", self.setup.state_bucket or BUCKET
        saved = [ref for ref in sorted(self.objects.stored) if ref.bucket == bucket and ref.key.startswith(prefix)]
        documents = [ref for ref in saved if ref.key.endswith(".json")]
        if documents:
            ref = self.rng.choice(documents)
            self.faults["sweep document damaged"] += 1
            self.objects.write(ref, self.objects.stored[ref].body[: self.rng.randrange(40)], ObjectHeaders())

    def _run_fault_phase(self) -> float:
        """Simulate the fault phase and return its end. A fault-free world has no sweeps until nothing is in flight."""
        fault_free, time = self.profile.kind == FAULT_FREE, 0.0
        while time < self.profile.fault_phase_s:
            time += SWEEP_INTERVAL_S
            if not fault_free:
                self.scheduler.at(time - self.profile.sweep_lead_s, self._start_sweep)
            self.scheduler.run_until(time)
        self.injector.active = False
        while fault_free and self.in_flight:
            time += SWEEP_INTERVAL_S
            self.scheduler.run_until(time)
        self.closed_without_sweeps = not fault_free or not self._open_jobs()
        return time

    def _run_recovery_phase(self, time: float) -> None:
        fault_phase_s = self.profile.fault_phase_s
        for number in range(MAX_RECOVERY_SWEEPS):
            open_jobs = self._open_jobs()
            if time <= fault_phase_s + MAX_WAIT_S:
                self.waiting_jobs = open_jobs
            if not self.in_flight and not open_jobs and time > fault_phase_s + 3 * SWEEP_INTERVAL_S:
                break
            time = self._sweep_at(self._next_useful_time(time, open_jobs) if number % 2 else time)
        self.still_open = self._open_jobs()
        for _ in range(2):
            time = self._sweep_at(time + self.settings.deadline_s)

    def _change_settings(self) -> None:
        """Change the settings; runs that have begun keep the previous ones."""
        self.settings = self.settings._replace(**self.setup.change)

    def _next_useful_time(self, time: float, open_jobs: list[str]) -> float:
        """Return when the next sweep has something to do, so that days of waiting are not simulated."""
        if self.in_flight or not open_jobs:
            return time
        due = [self._next_attempt_at(job) for job in open_jobs]
        if all(due):
            return max(time, *(each for each in due if each))
        only_stuck = self.setup.theme == STUCK and time > self.profile.fault_phase_s + MAX_WAIT_S
        return time + 4 * SWEEP_INTERVAL_S if only_stuck else time

    def _next_attempt_at(self, job: str) -> float | None:
        """Return when a job that waits for webhooks only retries the last of them; None if it waits for none."""
        prefix = fact_ref(self, job, "pending").key.removesuffix("json")
        pending = [content.body for ref, content in self.objects.stored.items() if ref.key.startswith(prefix)]
        due = [parse_timestamp(json.loads(body)["next"]) for body in pending]
        return (max(due) - START).total_seconds() + 10 if due else None

    def _sweep_at(self, time: float) -> float:
        """Start a sweep at a time and return the end of its interval."""
        self.scheduler.run_until(time)
        self._start_sweep()
        self.scheduler.run_until(time + SWEEP_INTERVAL_S)
        return time + SWEEP_INTERVAL_S

    def _open_jobs(self) -> list[str]:
        """Return the jobs that are, or should be, open: those with a marker, and those of all existing manifests."""
        stored, marker = self.objects.stored, f"{STATE}open/"
        marked = {ref.key.removeprefix(marker) for ref in stored if ref.key.startswith(marker)}
        manifests = [ref for ref in stored if ref.key.startswith(self.settings.manifest_prefix)]
        expected = {job_of_manifest(ref, stored[ref]) for ref in manifests}
        return sorted(job for job in marked | expected if not self.final_state(job))

    def final_state(self, job: str) -> str:
        """Return the final state of a closed job; "" if it is not closed."""
        refs = ((state, fact_ref(self, job, f"closed.{state}")) for state in ("succeeded", "failed", "rejected"))
        return " and ".join(state for state, ref in refs if ref in self.objects.stored)

    def leftover_keys(self) -> list[str]:
        """Return the keys of markers, task pointers and step targets that exist."""
        return [ref.key for ref in sorted(self.objects.stored) if ref.key.startswith(_WORKING_FILES)]


def job_of_manifest(ref: ObjectRef, content: ObjectContent) -> str:
    """Return the job of a manifest with that content."""
    return _job_id_of(ManifestRef(ref, content.about.etag), content.about.last_modified)


_job_id_of = lru_cache(maxsize=100)(job_id_of)


def fact_ref(world: World, job_id: str, name: str) -> ObjectRef:
    """Return the object of a fact, by its name without the extension."""
    return ObjectRef(world.setup.state_bucket or BUCKET, f"{STATE}jobs/{day_of(job_id)}/{job_id}/{name}.json")
