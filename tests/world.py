"""A whole world in memory for unit tests: one cloud, one bucket, one clock that only moves when told."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from clipstitch.adapters.memory import MemoryAudioService, MemoryMessageSender, MemoryObjectStore, MemoryWebhookSender, Task, tone
from clipstitch.common.errors import CloudBusy
from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.ports import ObjectHeaders
from clipstitch.inbound.completion_notification import parse_notification
from clipstitch.jobs.job import Job
from clipstitch.usecases.complete import complete
from clipstitch.usecases.context import Context
from clipstitch.usecases.settings import Settings, Sink
from clipstitch.usecases.submit import submit

BUCKET = "acme"
MANIFEST = ObjectRef(BUCKET, "manifests/ep1.json")
OUTPUT = ObjectRef(BUCKET, "episodes/ep1.mp3")
SETTINGS = Settings(
    oss_endpoint="http://127.0.0.1:1",
    oss_region="cn-hangzhou",
    mns_endpoint="http://127.0.0.1:1",
    bucket=BUCKET,
    completion_topic="completions",
    sinks=(Sink("events", "topic", "events"), Sink("queue", "queue", "events")),
)
DOCUMENT: Mapping[str, Any] = {
    "version": 1,
    "output": {"key": OUTPUT.key},
    "clips": ["a.mp3", {"key": "b.wav", "start": "1s", "duration": "500ms"}],
}


class FakeClock:
    """A clock whose hands the test moves."""

    def __init__(self) -> None:
        self.time = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)

    def now(self) -> datetime:
        """Return the time the hands show."""
        return self.time

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.time += timedelta(seconds=seconds)


class FaultAfter:
    """Blows after a number of port calls, shared by all ports: the call after the last allowed one never returns.

    `before` chooses whether the fatal call happens and its answer is lost, or does not happen at all.
    """

    def __init__(self, calls: int, *, before: bool = False) -> None:
        self.left = calls
        self._before = before

    def guard(self, port: Any) -> Any:
        """Return the port behind the fuse."""
        return _FaultyPort(port, self)

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Let a call through, or not."""
        self.left -= 1
        if self.left < 0 and self._before:
            raise CloudBusy("the fuse blew before the call")
        answer = function(*args, **kwargs)
        answer = list(answer) if function.__name__ == "list" else answer
        if self.left < 0:
            raise CloudBusy("the fuse blew after the call")
        return answer


class _FaultyPort:
    """A port whose every call goes through a fuse."""

    def __init__(self, port: object, fault: FaultAfter) -> None:
        self._port = port
        self._fuse = fault

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._port, name)
        return lambda *args, **kwargs: self._fuse.call(method, *args, **kwargs)


class World:
    """Clips, a manifest, and everything that happens to them."""

    def __init__(
        self, settings: Settings = SETTINGS, *, unbound: tuple[str, ...] = (), versioned: tuple[str, ...] = ()
    ) -> None:
        self.clock = FakeClock()
        self.objects = MemoryObjectStore(self.clock, versioned)
        self.audio = MemoryAudioService(self.objects, unbound)
        self.messages = MemoryMessageSender(topics=("events",), queues=("events",))
        self.webhooks = MemoryWebhookSender()
        self.settings = settings
        self.put("a.mp3", tone(2.0, name="a"))
        self.put("b.wav", tone(4.0, 48000, 2, name="b"))

    def put(self, key: str, body: bytes) -> ObjectRef:
        """Upload an object."""
        ref = ObjectRef(BUCKET, key)
        self.objects.write(ref, body, ObjectHeaders())
        return ref

    def drop(self, document: object = DOCUMENT, ref: ObjectRef = MANIFEST) -> ObjectRef:
        """Upload a manifest."""
        return self.put(ref.key, json.dumps(document).encode())

    def context(self, fault: FaultAfter | None = None) -> Context:
        """Return the cloud as a fresh function instance sees it, behind a fuse if one is given."""
        ports = (self.objects, self.audio, self.messages)
        objects, audio, messages = map(fault.guard, ports) if fault else ports
        return Context(objects, audio, messages, self.webhooks, self.clock, self.settings, set())

    def submit(self, fault: FaultAfter | None = None, ref: ObjectRef = MANIFEST) -> Job | None:
        """Deliver the upload to the submit function."""
        return submit(ref, self.context(fault))

    def complete(self, message: bytes, fault: FaultAfter | None = None) -> Job | None:
        """Deliver a message to the complete function."""
        notice = parse_notification(message)
        return complete(notice, self.context(fault)) if notice else None

    def run(self, task: Task | None = None) -> bytes:
        """Let the cloud finish a task (the newest unless one is named) and return its message."""
        return self.audio.run(task or self.audio.accepted[-1])

    def events(self) -> list[dict[str, Any]]:
        """Return every event that was said, in order."""
        return [json.loads(text) for _, _, text in self.messages.said]

    def result(self, ref: ObjectRef = MANIFEST) -> dict[str, Any]:
        """Return the result object of a manifest."""
        return json.loads(self.objects.read(ObjectRef(BUCKET, f"results/{ref.key}.json")).body)  # type: ignore[no-any-return]

    def state_keys(self, part: str) -> list[str]:
        """Return the keys below a part of the state prefix."""
        return [listed.key for listed in self.objects.list(BUCKET, f"_clipstitch/{part}")]
