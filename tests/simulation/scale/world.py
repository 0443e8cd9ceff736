"""One world of the scale model: fast stores in memory, the receivers of events, and functions with a time limit."""

import json
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from clipstitch.adapters.memory import (
    MemoryAudioService,
    MemoryMessageSender,
    MemoryObjectStore,
    MemoryWebhookSender,
    Task,
    tone,
)
from clipstitch.common.clock import Clock
from clipstitch.common.identifiers import ManifestRef, ObjectRef, job_id_of
from clipstitch.common.ports import ListedObject, ObjectHeaders, TaskOutcome, TaskRunning, Webhook
from clipstitch.inbound.completion_notification import parse_notification
from clipstitch.usecases.complete import complete
from clipstitch.usecases.context import Context
from clipstitch.usecases.settings import Settings, Sink
from clipstitch.usecases.submit import submit
from tests.receiver import SECRET
from tests.simulation.scale.costs import CostedCalls, Costs, Outages
from tests.simulation.scale.virtual_time import Lanes, LimitReached, VirtualClock
from tests.world import BUCKET, SETTINGS

SUBMIT_LIMIT_S, COMPLETE_LIMIT_S = 60, 60  # s.yaml
KILLED = "killed at its time limit"


class IndexedObjectStore(MemoryObjectStore):
    """An object store with a sorted index of its keys: a listing looks at no other key."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._keys: list[tuple[str, str]] = []

    def write(self, ref: ObjectRef, body: bytes, labels: ObjectHeaders, *, once: bool = False) -> bool:
        """Write an object; with `once`, raise `AlreadyExists` if there is one."""
        is_new = ref not in self.stored
        versioned = super().write(ref, body, labels, once=once)
        if is_new:
            insort(self._keys, (ref.bucket, ref.key))
        return versioned

    def delete(self, refs: Iterable[ObjectRef]) -> None:
        """Delete objects; missing objects are ignored."""
        for ref in refs:
            if ref in self.stored:
                del self._keys[bisect_left(self._keys, (ref.bucket, ref.key))]
                super().delete([ref])

    def list(self, bucket: str, prefix: str, after: str = "") -> Iterator[ListedObject]:
        """Yield the objects below a prefix whose keys come after `after`, in the order of their keys."""
        for key in self._below(bucket, prefix, after):
            about = self.stored[ObjectRef(bucket, key)].about
            yield ListedObject(key, about.size, about.last_modified, about.etag)

    def list_folders(self, bucket: str, prefix: str, after: str = "") -> Iterator[str]:
        """Yield the names, greater than `after`, of the folders directly below a prefix that ends in a slash."""
        below = self._below(bucket, prefix, prefix + after if after else "")
        names = (key[len(prefix) :].partition("/") for key in below)
        yield from dict.fromkeys(name for name, slash, _ in names if slash and name > after)

    def _below(self, bucket: str, prefix: str, after: str = "") -> Sequence[str]:
        first = max(bisect_left(self._keys, (bucket, prefix)), bisect_right(self._keys, (bucket, after)))
        last = bisect_left(self._keys, (bucket, prefix + chr(0x10FFFF)))
        return [key for _, key in self._keys[first:last]]


class IndexedAudioService(MemoryAudioService):
    """An audio service that finds a task by its id."""

    def __init__(self, objects: MemoryObjectStore) -> None:
        super().__init__(objects)
        self._ids: set[str] = set()

    def start(self, main: ObjectRef, process: str) -> str:
        """Start a process on an object and return the task id."""
        task_id = super().start(main, process)
        self._ids.add(task_id)
        return task_id

    def task_outcome(self, task_id: str) -> TaskOutcome | TaskRunning | None:
        """Return how a task ended, or that it is running; None for an unknown task."""
        return self._ended.get(task_id, TaskRunning() if task_id in self._ids else None)


class MeteredRun(NamedTuple):
    """The run of a function: its seconds, its requests by method, and why it ended early ("": it did not)."""

    seconds: float
    requests: Mapping[str, int]
    failure: str = ""

    @property
    def killed(self) -> bool:
        """Whether the time limit ended it."""
        return self.failure == KILLED


class ScaleWorld:
    """A bucket with two clips, and sinks with outages. Calls are free until `metered`; then they cost time."""

    def __init__(self, outages: Outages, costs: Costs) -> None:
        webhooks = tuple(Webhook(name, f"https://{name}.example/hook", (SECRET,)) for name, _ in outages.receivers)
        sinks = (*SETTINGS.sinks, *(Sink(webhook.name.lower(), "webhook", webhook.name) for webhook in webhooks))
        self.settings: Settings = SETTINGS._replace(sinks=sinks, webhooks=webhooks)
        self.clock = VirtualClock()
        self.objects = IndexedObjectStore(self.clock)
        self.audio = IndexedAudioService(self.objects)
        self.calls = CostedCalls(self.clock, outages, costs)
        self._messages = MemoryMessageSender(topics=("events",), queues=("events",))
        self._webhooks = MemoryWebhookSender()
        self._delivered = 0
        self.put("show/a.mp3", tone(2.0, name="a"))
        self.put("show/b.mp3", tone(2.0, name="b"))

    def put(self, key: str, body: bytes) -> ObjectRef:
        """Upload an object."""
        ref = ObjectRef(BUCKET, key)
        self.objects.write(ref, body, ObjectHeaders())
        return ref

    def drop(self, name: str, **fields: Any) -> ObjectRef:
        """Upload a manifest of that name."""
        document = {"version": 1, "output": {"key": f"out/{name}.mp3"}, "clips": ["show/a.mp3", "show/b.mp3"], **fields}
        return self.put(f"manifests/{name}.json", json.dumps(document).encode())

    def job_id(self, manifest: ObjectRef) -> str:
        """Return the job of a manifest as it is now."""
        about = self.objects.describe(manifest)
        return job_id_of(ManifestRef(manifest, about.etag), about.last_modified)

    def context(self) -> Context:
        """Return the context of a function run, in an instance that has run before."""
        guard = self.calls.guard
        return Context(
            guard(self.objects),
            guard(self.audio),
            guard(self._messages),
            guard(self._webhooks),
            self.clock,
            self.settings,
            {BUCKET},
            Lanes(self.clock),
        )

    def submit(self, manifest: ObjectRef) -> None:
        """Call the submit function with an upload."""
        submit(manifest, self.context())

    def complete(self, message: bytes) -> None:
        """Call the complete function with a completion notification."""
        notification = parse_notification(message)
        assert notification is not None
        complete(notification, self.context())

    def new_tasks(self) -> list[Task]:
        """Return the tasks that were started since the last call."""
        new = self.audio.accepted[self._delivered :]
        self._delivered = len(self.audio.accepted)
        return new

    @contextmanager
    def metered(self) -> Iterator[None]:
        """Let calls cost time inside the block."""
        self.calls.free_of_charge = False
        try:
            yield
        finally:
            self.calls.free_of_charge = True

    def run(self, limit_s: float, function: Callable[[], object]) -> MeteredRun:
        """Run a function with its time limit. Its errors are left to retries, as Function Compute does."""
        started, failure = self.clock.seconds, ""
        self.calls.requests.clear()
        with self.metered(), self.clock.limit(limit_s):
            try:
                function()
            except LimitReached:
                failure = KILLED
            except Exception as error:  # noqa: BLE001 - the next event or sweep repeats the work
                failure = f"{type(error).__name__}: {error}"
        return MeteredRun(self.clock.seconds - started, dict(self.calls.requests), failure)
