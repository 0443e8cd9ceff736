"""Function Compute, SMQ and IMM around the real use cases: every message may be lost or late, every call may break."""

import hashlib
import json
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from random import Random
from typing import Any, NamedTuple

from clipstitch.adapters.memory import MemoryAudioService, MemoryMessageSender, MemoryObjectStore, Task
from clipstitch.adapters.memory import notice as forged
from clipstitch.common.errors import (
    AccessDenied,
    BucketNotBound,
    ClipstitchError,
    CloudBusy,
    CloudRefused,
    ObjectArchived,
    SinkTargetNotFound,
    Throttled,
    WebhookNoResponse,
)
from clipstitch.common.identifiers import ManifestRef, ObjectRef, day_of, job_id_of
from clipstitch.common.ports import ObjectContent, ObjectHeaders, Probe, TaskOutcome, TaskRunning
from clipstitch.inbound.completion_notification import parse_notification
from clipstitch.inbound.oss_trigger import parse_oss_trigger
from clipstitch.planning.process_string import parse_process
from clipstitch.usecases.complete import complete
from clipstitch.usecases.context import Context
from clipstitch.usecases.job_store import step_of_target
from clipstitch.usecases.submit import submit_all
from clipstitch.usecases.sweep import sweep
from tests.simulation.receivers import NO_ANSWER_S, Receivers
from tests.simulation.scenario import ARCHIVED, CALM, DEADLY, FORBIDDEN, SINGLE, STORM, STUBBORN, Scenario, scenario_of
from tests.simulation.scheduler import Run, Scheduler
from tests.simulation.setups import BUCKET, HARD, SETTINGS, SOON_S

BEGINNING = datetime(2026, 1, 2, 23, 58, 0, tzinfo=timezone.utc)  # jobs on both sides of midnight
SWEEP_S = 300  # the timer's interval, as in s.yaml
TIMEOUT_S = {"submit": 60, "complete": 60, "sweep": 300}  # FC's limits for one run, as there
FORGED = "said by somebody who may publish"
MOST_CALLS = 600  # of one run; more than any needs here
REFUSED = "refused for good (CloudRefused, NotBound, NoSuchTarget)"
MOST_SWEEPS = 80  # after the storm; a receiver that never answers needs some thirty
WAITED_S = 12 * SWEEP_S  # after the storm, nobody waits longer for others
STATE, RESULTS, MANIFESTS = SETTINGS.state_prefix, SETTINGS.result_prefix, SETTINGS.manifest_prefix


class Killed(BaseException):
    """The function ends here, as SIGKILL would end it."""


class Change(NamedTuple):
    """Something that happened to an object. `by` is the run, 0 for users, -1 for IMM; `meta` as it was written."""

    time: float
    by: int
    ref: ObjectRef
    body: bytes | None
    meta: dict[str, str]
    before: dict[str, str] | None
    looked: float


class Store(MemoryObjectStore):
    """Objects that remember everything that was done to them, and by whom."""

    def __init__(self, world: "World") -> None:
        super().__init__(world)
        self._world = world
        self.changes: list[Change] = []

    def write(self, ref: ObjectRef, body: bytes, labels: ObjectHeaders, *, once: bool = False) -> None:
        """Store and remember."""
        before = self.stored.get(ref)
        super().write(ref, body, labels, once=once)
        self._note(ref, body, dict(labels.meta), dict(before.about.meta) if before else None)
        key = ref.key.rpartition("/")[2]
        if ref.key.startswith(f"{STATE}jobs/") and key.startswith("step-"):
            step, kind, task, *_ = key.split(".")
            place = ref.key.split("/")[3], int(step.removeprefix("step-"))
            if kind == "succeeded":
                self._world.succeeded_at.setdefault(place, self._world.scheduler.now)
            if kind == "accepted":
                self._world.accepted_at.setdefault(place, {}).setdefault(task, self._world.scheduler.now)

    def delete(self, refs: Iterable[ObjectRef]) -> None:
        """Remove and remember."""
        for ref in refs:
            self._note(ref, None, {}, None)
            super().delete([ref])

    def _note(self, ref: ObjectRef, body: bytes | None, meta: dict[str, str], before: dict[str, str] | None) -> None:
        world = self._world
        by = world.acting
        looked = world.functions[by].looks.get(ref, -1.0) if by > 0 else -1.0
        self.changes.append(Change(world.scheduler.now, by, ref, body, meta, before, looked))


class Function:
    """One run of a function: it has a clock of its own, and may be cut off at every call."""

    def __init__(self, world: "World", number: int, kind: str, work: Callable[[Context], object]) -> None:
        self.number, self.kind, self.work, self.world = number, kind, work, world
        self.skew = timedelta(seconds=world.rng.uniform(-1, 1) * world.weather.skew_s)
        self.began = world.scheduler.now
        self.looks: dict[ObjectRef, float] = {}
        self.run: Run | None = None
        self.about = ""
        self.calls = 0

    def now(self) -> datetime:
        """Return the time as this instance's clock has it."""
        return self.world.now() + self.skew

    def context(self) -> Context:
        """Return the cloud as this run sees it."""
        world = self.world
        names = ("objects", "audio", "messages", "receivers")
        objects, audio, messages, hooks = (_Port(self, name, getattr(world, name)) for name in names)
        return Context(objects, audio, messages, hooks, self, world.settings, set())

    def call(self, port: str, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Let a port call happen, or not, or happen without an answer."""
        world, name = self.world, method.__name__
        args = tuple(list(arg) if isinstance(arg, Iterator) else arg for arg in args)
        fault = world.draw_fault(name)
        assert self.run is not None
        world.scheduler.pause(self.run, world.latency())
        if world.scheduler.now - self.began > TIMEOUT_S[self.kind]:
            fault = "kill before"
            world.faults["run timed out"] += 1
        self.calls += 1
        if self.calls > MOST_CALLS:
            world.violations.append(f"{self.kind}#{self.number} makes more than {MOST_CALLS} calls")
            raise Killed
        world.trace(f"{self.kind}#{self.number} {port}.{name} {_brief(args)} {fault or ''}")
        if fault == "kill before":
            raise Killed
        if isinstance(fault, type):
            raise fault(f"injected into {name}")
        try:
            answer = self._perform(port, name, method, args, kwargs)
        except WebhookNoResponse:
            world.scheduler.pause(self.run, NO_ANSWER_S)
            raise
        if fault == "kill after":
            raise Killed
        if fault == "answer lost":
            raise CloudBusy(f"the answer of {name} was lost")
        return answer

    def _perform(self, port: str, name: str, method: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Do it in one instant, and note who did it."""
        world = self.world
        world.acting = self.number
        world.calls += 1
        try:
            if name == "start":
                world.starting(self, args[1])
            answer = method(*args, **kwargs)
            if name == "list":
                return iter(list(answer))
            return answer
        finally:
            if port == "objects" and name in ("describe", "write", "read"):
                self.looks[args[0]] = world.scheduler.now
            world.acting = 0


class _Port:
    """A port behind a run."""

    def __init__(self, function: Function, name: str, port: object) -> None:
        self._function, self._name, self._port = function, name, port

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._port, name)
        return lambda *args, **kwargs: self._function.call(self._name, method, *args, **kwargs)


def _brief(args: Iterable[Any]) -> str:
    """Write arguments shortly, and the same in every process."""
    return " ".join(f"<{zlib.crc32(arg):08x}>" if isinstance(arg, bytes) else str(arg)[:200] for arg in args)


class Imm(MemoryAudioService):
    """IMM: what it accepts ends in its own time, in one way or the other, and perhaps twice."""

    def __init__(self, world: "World") -> None:
        super().__init__(world.objects)
        self._world = world

    def start(self, main: ObjectRef, process: str) -> str:
        """Accept, and let fate decide; one kind of clip is refused for ever."""
        if self._body(main) == STUBBORN:
            raise AccessDenied(f"{main.uri} cannot be processed")
        task_id = super().start(main, process)
        self._world.fate(self.accepted[-1])
        return task_id

    def _probe(self, ref: ObjectRef) -> Probe | ClipstitchError:
        """Look into one object, unless the cloud is busy just then, or has reasons of its own."""
        body = self._body(ref)
        if body == DEADLY:
            raise Killed
        blinks = self._world.weather.blinks
        if self._world.chance(0.5 if blinks and body == ARCHIVED else blinks, "probe of one clip refused"):
            return self._world.rng.choice((CloudBusy, Throttled))(f"probing {ref.uri}")
        if body in (ARCHIVED, FORBIDDEN):
            return {ARCHIVED: ObjectArchived, FORBIDDEN: AccessDenied}[body](f"{ref.uri} cannot be read")
        return super()._probe(ref)

    def _body(self, ref: ObjectRef) -> bytes:
        """Return what an object holds, if there is one."""
        found = self._objects.stored.get(ref)
        return found.body if found else b""

    def task_outcome(self, task_id: str) -> TaskOutcome | TaskRunning | None:
        """Tell, where there is a project to ask."""
        return super().task_outcome(task_id) if self._world.weather.knows_tasks else None


class World:
    """One seed's world. `violations` collects what must not happen while it happens."""

    def __init__(self, seed: int, *, keep_trace: bool = False, scenario: Scenario | None = None) -> None:
        self.seed, self.rng = seed, Random(seed)
        self.scenario = scenario or scenario_of(self.rng)
        self.weather = self.scenario.weather
        self.scheduler = Scheduler()
        self.setup = self.scenario.setup
        self.settings = self.setup.settings
        if not self.all_can_end():
            self.settings = self.settings._replace(deadline_s=SOON_S)
        self.functions: dict[int, Function] = {}
        self.acting, self.calls, self.fault_calls = 0, 0, 0
        self.faults: Counter[str] = Counter()
        self.violations: list[str] = []
        self.objects = Store(self)
        self.audio = Imm(self)
        self.messages = MemoryMessageSender(topics=("events",), queues=("events",))
        self.stormy = True
        self.receivers = Receivers(self)
        self.succeeded_at: dict[tuple[str, int], float] = {}
        self.accepted_at: dict[tuple[str, int], dict[str, float]] = {}
        self.causes: dict[tuple[str, int], set[int]] = {}
        self.doomed: set[str] = set()
        self.digest = hashlib.blake2b(digest_size=12)
        self.lines: list[str] | None = [] if keep_trace else None
        self.pending = 0
        self.closed_without_sweeps = True
        self.waiting: list[str] = []
        self.still_open: list[str] = []
        self.killed_at = 0.0

    def all_can_end(self) -> bool:
        """Say whether every task ends, and can be asked for; otherwise only the deadline helps."""
        return self.weather.vanishes == 0 and self.weather.knows_tasks

    def now(self) -> datetime:
        """Return the cloud's own time."""
        return BEGINNING + timedelta(seconds=self.scheduler.now)

    def trace(self, line: str) -> None:
        """Add a line to the trace, of which at least the hash is kept."""
        line = f"{self.scheduler.now:.6f} {line}"
        self.digest.update(line.encode())
        if self.lines is not None:
            self.lines.append(line)

    def chance(self, probability: float, fault: str = "") -> bool:
        """Throw the dice; what goes wrong is counted, and after the storm nothing does."""
        happens = self.rng.random() < probability and (self.stormy or not fault)
        if happens and fault:
            self.faults[fault] += 1
        return happens

    def latency(self) -> float:
        """Draw how long a call takes."""
        if self.stormy and self.rng.random() < self.weather.slow:
            return self.rng.uniform(1, 8 if self.weather.kind == CALM else 25)
        return self.rng.uniform(0.005, 0.2)

    def draw_fault(self, method: str) -> Any:
        """Draw what goes wrong with a call: None, a death, a lost answer, or an error class."""
        weather = self.weather
        self.fault_calls += 1
        if weather.kind == SINGLE and self.fault_calls == weather.kill_at:
            self.killed_at = self.scheduler.now
            self.faults["function killed"] += 1
            return self.rng.choice(("kill before", "kill after"))
        return self._storm(method) if self.stormy and weather.kind == STORM else None

    def _storm(self, method: str) -> Any:
        """Draw from everything that can go wrong with a call."""
        weather = self.weather
        if self.chance(weather.kill, "function killed"):
            return self.rng.choice(("kill before", "kill after"))
        if method == "post":
            return None  # receivers have moods of their own
        if self.chance(weather.busy, "CloudBusy"):
            return self.rng.choice(
                (CloudBusy, "answer lost", Throttled) if method in _LIMITED else (CloudBusy, "answer lost")
            )
        if self.chance(weather.denied, "AccessDenied"):
            return AccessDenied
        if self.chance(weather.refused, REFUSED):
            kin = {
                "start": (CloudRefused, BucketNotBound),
                "publish": (SinkTargetNotFound, CloudRefused),
                "send": (SinkTargetNotFound,),
            }
            return self.rng.choice(kin.get(method, (CloudRefused,)))
        return None

    # Function Compute

    def invoke(self, kind: str, work: Callable[[Context], object], *, retries: int, about: str = "") -> None:
        """Run a function now; repeat it a few times when it fails or dies, then give up."""
        function = Function(self, len(self.functions) + 1, kind, work)
        function.about = about
        self.functions[function.number] = function
        self.pending += 1

        def execute() -> None:
            failed = self._execute(function)
            self.pending -= 1
            if failed and retries > 0:
                self.pending += 1
                self.scheduler.at(self.scheduler.now + self.rng.uniform(1, 90), again)
            elif failed:
                self.faults["given up by FC"] += 1

        def again() -> None:
            self.pending -= 1
            self.invoke(kind, work, retries=retries - 1, about=about)

        function.run = self.scheduler.spawn(execute)

    def _execute(self, function: Function) -> bool:
        """Run a function to its end; True when it failed."""
        try:
            function.work(function.context())
        except Killed:
            return True
        except ClipstitchError as error:
            self.trace(f"{function.kind}#{function.number} raised {type(error).__name__}")
            return True
        except Exception as error:  # noqa: BLE001 - only our own errors may come out
            self.violations.append(f"{function.kind}#{function.number} raised {type(error).__name__}: {error}")
            return True
        return False

    # OSS and its trigger

    def upload(self, key: str, body: bytes | None) -> None:
        """Let a user upload, or remove, an object, and tell the trigger."""
        ref = ObjectRef(BUCKET, key)
        self.trace(f"user {key} {_brief([body or b''])}")
        if body is None:
            self.objects.delete([ref])
            return
        self.objects.write(ref, body, ObjectHeaders())
        if key.startswith(MANIFESTS):
            event = {"events": [{"oss": {"bucket": {"name": BUCKET}, "object": {"key": key}}}]}
            payload = json.dumps(event).encode()
            self.deliver("event", lambda: self._submit(payload))

    def _submit(self, payload: bytes) -> None:
        """Hand an OSS event to the submit function."""
        self.invoke("submit", lambda cloud: submit_all(parse_oss_trigger(payload), cloud), retries=self.weather.retries)

    def deliver(self, what: str, act: Callable[[], None]) -> None:
        """Deliver a message never, once or several times, each sooner or later."""
        if self.chance(self.weather.drop if self.scheduler.now >= self.setup.outage_s else 1.0, f"{what} dropped"):
            return
        copies = 1
        while copies < 4 and self.chance(self.weather.double, f"{what} doubled"):
            copies += 1
        for _ in range(copies):
            late = self.chance(self.weather.late, f"{what} delayed")
            self.pending += 1

            def arrive() -> None:
                self.pending -= 1
                act()

            soon = 0.1 if self.weather.together else 1
            delay = self.rng.uniform(5, 400) if late else self.rng.uniform(0.01, soon)
            self.scheduler.at(self.scheduler.now + delay, arrive)

    # IMM and its notices

    def starting(self, function: Function, process: str) -> None:
        """Look at a start before it happens: nobody who came later starts what is done."""
        step = self._step_of(process)
        if step is None:
            self.violations.append(f"{function.kind}#{function.number} starts a task that aims elsewhere: {process}")
        elif self.succeeded_at.get(step, self.scheduler.now) < function.began:
            self.violations.append(
                f"{function.kind}#{function.number} starts {step}, which had succeeded before it came"
            )
        elif self._runs(step, function.began):
            self.violations.append(f"{function.kind}#{function.number} starts {step}, although it knew that it runs")
        elif function.kind == "complete":
            self.causes.setdefault(step, set()).add(int(function.about or -1))

    def _runs(self, step: tuple[str, int], when: float) -> bool:
        """Say whether a task was noted before a time, and still runs or has ended well."""
        noted = [task for task, since in self.accepted_at.get(step, {}).items() if since < when]
        ends = [MemoryAudioService.task_outcome(self.audio, task) for task in noted]
        return any(not isinstance(end, TaskOutcome) or end.succeeded for end in ends)

    def _step_of(self, process: str) -> tuple[str, int] | None:
        """Name the job and step of a process string by what it saves."""
        saved = parse_process(process).saveas
        return step_of_target(saved.key, STATE) if saved and saved.key else None

    def fate(self, task: Task) -> None:
        """Decide how a task ends, and when."""
        if self.chance(self.weather.vanishes, "task vanished"):
            return
        fails = self.chance(self.weather.fails, "task failed")
        falters = not fails and self.chance(self.weather.falters, "task faltered")
        outcome = "fails" if fails else "falters" if falters else "succeeds"
        for _ in range(2 if self.chance(self.weather.twin, "task ran twice") else 1):
            self.pending += 1
            ends = self.rng.choice((0.001, self.rng.uniform(0.1, 5), self.rng.uniform(1, 60)))
            if self.weather.together:
                ends = 6 + self.rng.uniform(0, 0.3) - self.scheduler.now % 5
            self.scheduler.at(self.scheduler.now + ends, lambda: self._end(task, outcome))
        if self.chance(self.weather.forged, "success reported too early"):
            self._forge(task.id, "Succeeded", task)
        if self.chance(self.weather.forged, "failure forged"):
            known = self.weather.knows_tasks and self.rng.random() < 0.5
            self._forge(task.id if known else "MediaConvert-forged", "Failed", task)

    def _forge(self, task_id: str, status: str, task: Task) -> None:
        """Let somebody who may publish to the topic say what is not so."""
        saved = task.process.saveas
        target = ObjectRef(BUCKET, (saved.key if saved else "") or "")
        message = forged(task_id, status, target, code="InvalidArgument", message=FORGED)
        self.deliver("notice", lambda: self._complete(message))

    def _end(self, task: Task, outcome: str) -> None:
        """End a task."""
        self.pending -= 1
        self.acting = -1
        self.trace(f"imm ends {task.id}")
        place = step_of_target((task.process.saveas and task.process.saveas.key) or "", STATE)
        if outcome == "fails":
            self.doomed.add(place[0] if place else "")
            message = self.audio.fail(task, "InvalidArgument", "the codec is unknown")
        elif outcome == "falters":
            message = self.audio.fail(task, "Throttling.User", "too many requests")
        else:
            message = self.audio.run(task)
        self.acting = 0
        self.deliver("notice", lambda: self._complete(message))

    def _complete(self, message: bytes) -> None:
        """Hand a notice to the complete function."""
        notice = parse_notification(message)
        place = step_of_target(notice.targets[0].key, STATE) if notice and notice.targets else None

        def work(cloud: Context) -> object:
            notice = parse_notification(message)
            return complete(notice, cloud) if notice else None

        self.invoke("complete", work, retries=self.weather.retries + 1, about=str(place[1]) if place else "")

    # The timer

    def sweep(self) -> None:
        """Let the timer ring, twice where sweeps overlap."""
        if self.scheduler.now < self.setup.outage_s:
            return
        self.invoke("sweep", sweep, retries=0)
        if self.setup.overlap:
            again = self.scheduler.now + self.rng.uniform(0, 5)
            self.scheduler.at(again, lambda: self.invoke("sweep", sweep, retries=0))

    # Everything

    def open_keys(self) -> list[str]:
        """Return what still waits, or lies about."""
        return [
            ref.key for ref in sorted(self.objects.stored) if ref.key.startswith(tuple(f"{STATE}{p}" for p in _OPEN))
        ]

    def live(self) -> "World":
        """Let everything happen: the storm, then the calm with sweeps, then one more look long after."""
        for upload in self.scenario.uploads:
            self.scheduler.at(upload.at, lambda upload=upload: self.upload(upload.key, upload.body))  # type: ignore[misc]
        if self.setup.change:
            self.scheduler.at(self.setup.changed_at, self._change_settings)
        calm = self.weather.kind == CALM
        at = 0.0
        while at < self.weather.until_s:
            at += SWEEP_S
            if not calm:
                self.scheduler.at(at, self.sweep)
            self.scheduler.run_until(at)
        self.stormy = False
        while calm and self.pending:
            at += SWEEP_S
            self.scheduler.run_until(at)
        self.closed_without_sweeps = not calm or not self._unclosed()
        for number in range(MOST_SWEEPS):
            unclosed = self._unclosed()
            if at <= self.weather.until_s + WAITED_S:
                self.waiting = unclosed
            if not self.pending and not unclosed and at > self.weather.until_s + 3 * SWEEP_S:
                break
            at = self._sweep_once(self._nothing_before(at, unclosed) if number % 2 else at)
        self.still_open = self._unclosed()
        for _ in range(2):
            at = self._sweep_once(at + self.settings.deadline_s)
        return self

    def _change_settings(self) -> None:
        """Let the operator think again; runs that have begun keep what they have read."""
        self.settings = self.settings._replace(**self.setup.change)

    def _nothing_before(self, at: float, unclosed: list[str]) -> float:
        """Return when the next sweep has something to do; days of waiting are passed over."""
        if self.pending or not unclosed:
            return at
        rests = [self._rests_until(job) for job in unclosed]
        if all(rests):
            return max(at, *(rest for rest in rests if rest))
        return at + 4 * SWEEP_S if self.setup.theme == HARD and at > self.weather.until_s + WAITED_S else at

    def _rests_until(self, job: str) -> float | None:
        """Say until when a job has nothing to do but to wait for a receiver."""
        folder = fact_ref(self, job, "pending").key.removesuffix("pending.json")
        pending = [body.body for ref, body in self.objects.stored.items() if ref.key.startswith(f"{folder}pending.")]
        untils = [datetime.fromisoformat(json.loads(each)["next"].replace("Z", "+00:00")) for each in pending]
        return (max(untils) - BEGINNING).total_seconds() + 10 if untils else None

    def _sweep_once(self, at: float) -> float:
        """Ring the timer, and let its interval pass."""
        self.scheduler.run_until(at)
        self.sweep()
        self.scheduler.run_until(at + SWEEP_S)
        return at + SWEEP_S

    def _unclosed(self) -> list[str]:
        """Return the jobs that have begun, or should have, and are not closed."""
        stored, marker = self.objects.stored, f"{STATE}open/"
        marked = {ref.key.removeprefix(marker) for ref in stored if ref.key.startswith(marker)}
        manifests = [ref for ref in stored if ref.key.startswith(self.settings.manifest_prefix)]
        wanted = {job_of_manifest(ref, stored[ref]) for ref in manifests}
        return sorted(job for job in marked | wanted if fact_ref(self, job, "closed") not in stored)


_OPEN = ("open/", "tasks/", "work/")
_LIMITED = ("start", "publish", "send")  # what the cloud refuses when it is asked too often


def job_of_manifest(ref: ObjectRef, content: ObjectContent) -> str:
    """Name the job that a manifest as it lies there is about."""
    return _job_of(ManifestRef(ref, content.about.etag), content.about.last_modified)


_job_of = lru_cache(maxsize=100)(job_id_of)


def fact_ref(world: World, job_id: str, name: str) -> ObjectRef:
    """Say where a fact of a job lies."""
    return ObjectRef(world.setup.state_bucket or BUCKET, f"{STATE}jobs/{day_of(job_id)}/{job_id}/{name}.json")
