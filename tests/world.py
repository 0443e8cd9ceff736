"""An in-memory cloud for unit tests: one bucket with two clips, and a clock that only the test advances."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from functools import wraps
from typing import Any, TypeVar, cast

from clipstitch.adapters.memory import (
    MemoryAudioService,
    MemoryMessageSender,
    MemoryObjectStore,
    MemoryWebhookSender,
    Task,
    tone,
)
from clipstitch.common.errors import CloudBusy
from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.ports import ObjectHeaders, SequentialWorkers, Webhook, WebhookResponse
from clipstitch.inbound.completion_notification import parse_notification
from clipstitch.jobs.job import DELIVERED, Fact, Job
from clipstitch.usecases.complete import complete
from clipstitch.usecases.context import Context
from clipstitch.usecases.job_store import JobStore
from clipstitch.usecases.settings import Settings, Sink
from clipstitch.usecases.submit import submit
from clipstitch.usecases.sweep import SweepReport, sweep
from tests.receiver import SECRET

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
WEBHOOK = Webhook("PARTNER", "https://partner.example/hooks?token=t0p", (SECRET,))
WEBHOOK_SETTINGS = SETTINGS._replace(
    sinks=(Sink("partner", "webhook", "PARTNER"), *SETTINGS.sinks), webhooks=(WEBHOOK,)
)
T = TypeVar("T")


class FakeClock:
    """A clock that only the test advances."""

    def __init__(self) -> None:
        self.time = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)

    def now(self) -> datetime:
        """Return the time that the test has set."""
        return self.time

    def advance(self, seconds: float) -> None:
        """Advance the clock by a number of seconds."""
        self.time += timedelta(seconds=seconds)


class CallInterceptor:
    """Sees every call to the ports that it guards; a subclass changes what a call does."""

    def guard(self, port: T) -> T:
        """Return the port with every call intercepted."""
        return cast("T", _InterceptedPort(port, self))

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Make a call and return its answer; a listing is read to its end."""
        answer = function(*args, **kwargs)
        return list(answer) if function.__name__ in ("list", "list_folders") else answer


class _InterceptedPort:
    def __init__(self, port: object, interceptor: CallInterceptor) -> None:
        self._port = port
        self._interceptor = interceptor

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._port, name)
        if not callable(attribute):
            return attribute

        @wraps(attribute)
        def call(*args: Any, **kwargs: Any) -> Any:
            return self._interceptor.call(attribute, *args, **kwargs)

        return call


class CallCounter(CallInterceptor):
    """Counts the calls to all ports that it guards."""

    def __init__(self) -> None:
        self.calls = 0

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Count a call and make it."""
        self.calls += 1
        return super().call(function, *args, **kwargs)


class FaultAfter(CallInterceptor):
    """Raises CloudBusy once a number of calls to any of the guarded ports was made; `left` counts down.

    With `before` the failing call is not made; otherwise it is made and its answer is lost.
    """

    def __init__(self, calls: int, *, before: bool = False) -> None:
        self.left = calls
        self._before = before

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Make a call, or fail before or after it."""
        self.left -= 1
        if self.left < 0 and self._before:
            raise CloudBusy("injected fault before the call")
        answer = super().call(function, *args, **kwargs)
        if self.left < 0:
            raise CloudBusy("injected fault after the call")
        return answer


class World:
    """Two clips, a manifest, and the functions that process it. `unbound` and `versioned` name buckets."""

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

    def context(self, interceptor: CallInterceptor | None = None) -> Context:
        """Return the context of a new function instance, with its ports guarded if an interceptor is given."""
        ports = (self.objects, self.audio, self.messages, self.webhooks)
        context = Context(*ports, self.clock, self.settings, set(), SequentialWorkers())
        if interceptor is None:
            return context
        guard = interceptor.guard
        return context._replace(
            objects=guard(context.objects),
            audio=guard(context.audio),
            messages=guard(context.messages),
            webhooks=guard(context.webhooks),
        )

    @property
    def store(self) -> JobStore:
        """The job store, as a new function instance sees it."""
        return self.context().store

    def load(self, job: Job) -> Job:
        """Return a job as its facts describe it now."""
        return self.store.load(job.id)

    def deliver_upload(self, interceptor: CallInterceptor | None = None, ref: ObjectRef = MANIFEST) -> Job | None:
        """Call the submit function with an upload; return None if it started no job."""
        return submit(ref, self.context(interceptor))

    def submit(self, interceptor: CallInterceptor | None = None, ref: ObjectRef = MANIFEST) -> Job:
        """Call the submit function with an upload, and return its job."""
        job = self.deliver_upload(interceptor, ref)
        assert job is not None, "the upload started no job"
        return job

    def deliver_notification(self, message: bytes, interceptor: CallInterceptor | None = None) -> Job | None:
        """Call the complete function with a message; return None if it concerns no job."""
        notification = parse_notification(message)
        return complete(notification, self.context(interceptor)) if notification else None

    def complete(self, message: bytes, interceptor: CallInterceptor | None = None) -> Job:
        """Call the complete function with a message, and return the job that it concerns."""
        job = self.deliver_notification(message, interceptor)
        assert job is not None, "the message concerns no job"
        return job

    def sweep(self, seconds: float = 0, interceptor: CallInterceptor | None = None) -> SweepReport:
        """Advance the clock by a number of seconds, then call the sweep function."""
        self.clock.advance(seconds)
        return sweep(self.context(interceptor))

    def run(self, task: Task | None = None) -> bytes:
        """Finish a task (by default the newest) and return its completion notification."""
        return self.audio.run(task or self.audio.accepted[-1])

    @property
    def sent(self) -> list[tuple[str, str, str]]:
        """The messages to topics and queues, in order: kind, name and content."""
        return self.messages.said

    def events(self) -> list[dict[str, Any]]:
        """Return every event that was sent to a topic or queue, in order."""
        return [json.loads(text) for _, _, text in self.sent]

    def result(self, ref: ObjectRef = MANIFEST) -> dict[str, Any]:
        """Return the result object of a manifest."""
        return json.loads(self.objects.read(ObjectRef(BUCKET, f"results/{ref.key}.json")).body)  # type: ignore[no-any-return]

    def state_keys(self, part: str) -> list[str]:
        """Return the keys below a part of the state prefix."""
        return [listed.key for listed in self.objects.list(BUCKET, f"_clipstitch/{part}")]

    def leftovers(self) -> list[str]:
        """Return the keys of markers, task pointers and working files, which a closed job has deleted."""
        return [key for part in ("open/", "tasks/", "work/") for key in self.state_keys(part)]


class WebhookWorld(World):
    """A world whose first sink is a webhook that sends these responses, and then 204."""

    def __init__(self, *responses: WebhookResponse | BaseException, settings: Settings = WEBHOOK_SETTINGS) -> None:
        super().__init__(settings)
        self.webhooks.answers["PARTNER"] = list(responses)
        self.drop()

    def finish(self) -> Job:
        """Submit the manifest and complete its task; return the job as it is then."""
        self.submit()
        return self.complete(self.run())

    def document(self, job: Job, fact: Fact) -> Mapping[str, Any]:
        """Return what was recorded with a fact."""
        return self.store.document(job.id, fact)

    def delivery(self, job: Job) -> Mapping[str, Any]:
        """Return what was recorded when the delivery to the webhook ended."""
        return self.document(job, Fact(DELIVERED, detail="partner"))
