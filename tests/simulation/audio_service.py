"""IMM: tasks that end at a random time, fail, run twice or are lost, and notifications that are forged."""

from functools import partial
from typing import TYPE_CHECKING

from clipstitch.adapters.memory import MemoryAudioService, Task
from clipstitch.adapters.memory import format_notification as notification
from clipstitch.common.errors import AccessDenied, ClipstitchError, CloudBusy, ObjectArchived, Throttled
from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.ports import Probe, TaskOutcome, TaskRunning
from clipstitch.usecases.job_store import step_of_target
from tests.simulation.function_runs import Crashed
from tests.simulation.object_store import IMM, USER
from tests.simulation.scenario import ARCHIVED, CRASHING, FORBIDDEN, UNSTARTABLE
from tests.simulation.setups import BUCKET, STATE

if TYPE_CHECKING:
    from tests.simulation.world import World

FORGED_MESSAGE = "written by a forger who may publish to the completion topic"
_UNREADABLE: dict[bytes, type[ClipstitchError]] = {ARCHIVED: ObjectArchived, FORBIDDEN: AccessDenied}


class SimulatedAudioService(MemoryAudioService):
    """The `AudioService` port. `failed_jobs` are the jobs of which a task failed, not transiently."""

    def __init__(self, world: "World") -> None:
        super().__init__(world.objects)
        self._world = world
        self.failed_jobs: set[str] = set()
        self._replacements = dict(world.scenario.altered)

    def start(self, main: ObjectRef, process: str) -> str:
        """Start a task and schedule its end; raise `AccessDenied` for an unstartable clip."""
        if self._body(main) == UNSTARTABLE:
            raise AccessDenied(f"{main.uri} cannot be processed")
        task_id = super().start(main, process)
        self._schedule_end(self.accepted[-1])
        self._schedule_replacements(self.accepted[-1])
        return task_id

    def task_outcome(self, task_id: str) -> TaskOutcome | TaskRunning | None:
        """Return how a task ended; None if the profile has no task look-up."""
        return super().task_outcome(task_id) if self._world.profile.task_lookup else None

    def _probe(self, ref: ObjectRef) -> Probe | ClipstitchError:
        """Probe one object, which may fail whether or not other objects fail."""
        body = self._body(ref)
        if body == CRASHING:
            raise Crashed
        world, probability = self._world, self._world.profile.probe_failure
        if world.injector.happens(0.5 if probability and body == ARCHIVED else probability, "probe of one clip failed"):
            return world.rng.choice((CloudBusy, Throttled))(f"probing {ref.uri}")
        if body in _UNREADABLE:
            return _UNREADABLE[body](f"{ref.uri} cannot be read")
        return super()._probe(ref)

    def _body(self, ref: ObjectRef) -> bytes:
        found = self._objects.stored.get(ref)
        return found.body if found else b""

    def _schedule_end(self, task: Task) -> None:
        """Decide how a task ends and when, and which notifications about it are forged."""
        world, profile = self._world, self._world.profile
        happens, rng = world.injector.happens, world.rng
        if happens(profile.task_loss, "task lost"):
            return
        fails = happens(profile.task_failure, "task failed")
        fails_transiently = not fails and happens(profile.transient_failure, "task failed transiently")
        outcome = "failure" if fails else "transient failure" if fails_transiently else "success"
        for _ in range(2 if happens(profile.task_duplicate, "task ran twice") else 1):
            delay = rng.choice((0.001, rng.uniform(0.1, 5), rng.uniform(1, 60)))
            if profile.simultaneous_ends:
                delay = 6 + rng.uniform(0, 0.3) - world.scheduler.now % 5
            world.after(delay, lambda: self._end(task, outcome))
        if happens(profile.forged_notification, "success reported too early"):
            self._forge(task.id, "Succeeded", task)
        if happens(profile.forged_notification, "failure notification forged"):
            task_id_known = profile.task_lookup and rng.random() < 0.5
            self._forge(task.id if task_id_known else "MediaConvert-forged", "Failed", task)

    def _schedule_replacements(self, task: Task) -> None:
        """Let users replace the altered clips of a folder once a task reads it, before or after the task ends."""
        world, process = self._world, task.process
        keys = [task.main.key, *(segment.key for segment in (*process.pre, *process.sur))]
        folders = {key.partition("/")[0] for key in keys}
        for key in [key for key in self._replacements if key.partition("/")[0] in folders]:
            delay = world.rng.choice((0.0005, world.rng.uniform(0, 5), world.rng.uniform(0, 60)))
            world.after(delay, partial(world.upload, key, self._replacements.pop(key)))

    def _forge(self, task_id: str, status: str, task: Task) -> None:
        """Deliver a completion notification that is not true."""
        target = ObjectRef(BUCKET, _target_key(task))
        forged = notification(task_id, status, target, code="InvalidArgument", message=FORGED_MESSAGE)
        self._world.deliver_completion(forged)

    def _end(self, task: Task, outcome: str) -> None:
        """End a task and deliver its completion notification."""
        world = self._world
        world.actor = IMM
        world.trace(f"imm ends {task.id}")
        if outcome == "failure":
            step = step_of_target(_target_key(task), STATE)
            self.failed_jobs.add(step[0] if step else "")
            message = self.fail(task, "InvalidArgument", "the codec is unknown")
        elif outcome == "transient failure":
            message = self.fail(task, "Throttling.User", "too many requests")
        else:
            message = self.run(task)
        world.actor = USER
        world.deliver_completion(message)


def _target_key(task: Task) -> str:
    return (task.process.saveas and task.process.saveas.key) or ""
