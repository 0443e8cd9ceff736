"""All ports in memory: the reference of what a port promises, and the cloud of the unit tests.

An audio object is a JSON document that describes it (`tone`). Tasks wait until the test runs them, in any order.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from clipstitch.common import errors, ports
from clipstitch.common.clock import Clock
from clipstitch.common.identifiers import ObjectRef
from clipstitch.planning.process_string import Process, Segment, parse_process


class MemoryObjectStore:
    """The `ObjectStore` port. `versioned_buckets` are the buckets in which OSS would ignore `once`."""

    def __init__(self, clock: Clock, versioned_buckets: Sequence[str] = ()) -> None:
        self._clock = clock
        self._versioned = frozenset(versioned_buckets)
        self.stored: dict[ObjectRef, ports.ObjectContent] = {}

    def read(self, ref: ObjectRef, limit: int | None = None) -> ports.ObjectContent:
        """Return an object with at most `limit` bytes of its content; raise `ObjectNotFound` if there is none."""
        content = self._content(ref)
        return content._replace(body=content.body[:limit])

    def describe(self, ref: ObjectRef) -> ports.ObjectInfo:
        """Return the metadata of an object; raise `ObjectNotFound` if there is none."""
        return self._content(ref).about

    def write(self, ref: ObjectRef, body: bytes, labels: ports.ObjectHeaders, *, once: bool = False) -> bool:
        """Write an object; with `once`, raise `AlreadyExists` if there is one. Return True if the bucket is versioned.

        As in OSS, a versioned bucket ignores `once`.
        """
        if once and ref in self.stored and ref.bucket not in self._versioned:
            raise errors.AlreadyExists(f"{ref.uri} exists")
        etag = hashlib.md5(body, usedforsecurity=False).hexdigest().upper()
        about = ports.ObjectInfo(etag, len(body), self._clock.now().replace(microsecond=0), dict(labels.meta))
        self.stored[ref] = ports.ObjectContent(about, body)
        return ref.bucket in self._versioned

    def copy(
        self,
        source: ObjectRef,
        target: ObjectRef,
        labels: ports.ObjectHeaders,
        *,
        once: bool = False,
        front: ports.HeadReplacement | None = None,
        size: int = 0,
    ) -> ports.CopiedObject:
        """Copy an object; `size` saves nothing."""
        del size
        about, body = self._content(source)
        if front and front.etag not in ("", about.etag):
            raise errors.CloudBusy(f"{source.uri} was replaced after its head was read")
        if front:
            body = front.body + body[front.replaces :]
        self.write(target, body, labels, once=once)
        return ports.CopiedObject(self.describe(target).etag, len(body))

    def delete(self, refs: Iterable[ObjectRef]) -> None:
        """Delete objects; missing objects are ignored."""
        for ref in refs:
            self.stored.pop(ref, None)

    def list(self, bucket: str, prefix: str, after: str = "") -> Iterator[ports.ListedObject]:
        """Yield the objects below a prefix whose keys come after `after`, in the order of their keys."""
        for ref in sorted(ref for ref in self.stored if ref.bucket == bucket and ref.key.startswith(prefix)):
            if ref.key > after:
                about = self.stored[ref].about
                yield ports.ListedObject(ref.key, about.size, about.last_modified, about.etag)

    def list_folders(self, bucket: str, prefix: str, after: str = "") -> Iterator[str]:
        """Yield the names, greater than `after`, of the folders directly below a prefix that ends in a slash."""
        below = (
            ref.key.removeprefix(prefix)
            for ref in self.stored
            if (ref.bucket, ref.key[: len(prefix)]) == (bucket, prefix)
        )
        yield from sorted({name for name, slash, _ in (key.partition("/") for key in below) if slash and name > after})

    def is_versioned(self, bucket: str) -> bool:
        """Return True if the bucket has, or had, versioning."""
        return bucket in self._versioned

    def _content(self, ref: ObjectRef) -> ports.ObjectContent:
        if ref not in self.stored:
            raise errors.ObjectNotFound(f"{ref.uri} does not exist")
        return self.stored[ref]


def tone(duration_s: float, sample_rate: int = 44100, channels: int = 1, name: str = "", **about: object) -> bytes:
    """Return the body of an audio object; `name` identifies the clip in a merged one.

    `about`: `container`, `codec` and `start_s` as in `Probe`, and `decodable_s`, if the engine merges another length.
    """
    made = {"duration_s": duration_s, "sample_rate": sample_rate, "channels": channels, "names": [name], **about}
    return json.dumps(made).encode()


class Task(NamedTuple):
    """A process that was started and is not yet run."""

    id: str
    main: ObjectRef
    process: Process


class MemoryAudioService:
    """The `AudioService` port. `run` finishes a task and returns its completion notification."""

    def __init__(self, objects: MemoryObjectStore, unbound: Sequence[str] = ()) -> None:
        self._objects = objects
        self._unbound = frozenset(unbound)
        self.accepted: list[Task] = []
        self._ended: dict[str, ports.TaskOutcome] = {}

    def task_outcome(self, task_id: str) -> ports.TaskOutcome | ports.TaskRunning | None:
        """Return how a task ended, or that it is running; None for an unknown task."""
        known = any(task.id == task_id for task in self.accepted)
        return self._ended.get(task_id, ports.TaskRunning() if known else None)

    def probe(self, refs: Sequence[ObjectRef]) -> Mapping[ObjectRef, ports.Probe | errors.ClipstitchError]:
        """Probe every object."""
        return {ref: self._probe(ref) for ref in refs}

    def _probe(self, ref: ObjectRef) -> ports.Probe | errors.ClipstitchError:
        if ref.bucket in self._unbound:
            return errors.BucketNotBound(f"{ref.bucket} has no IMM project")
        try:
            made = _made(self._objects, ref)
        except (errors.ObjectNotFound, errors.NotAudio) as error:
            return error
        about: dict[str, Any] = {name: made[name] for name in ("container", "codec", "start_s") if name in made}
        found = self._objects.describe(ref)
        about |= {"etag": found.etag, "size": found.size}
        return ports.Probe(made["duration_s"], made["sample_rate"], made["channels"], **about)

    def start(self, main: ObjectRef, process: str) -> str:
        """Start a process on an object and return the task id."""
        if main.bucket in self._unbound:
            raise errors.BucketNotBound(f"{main.bucket} has no IMM project")
        self._objects.describe(main)
        task = Task(f"MediaConvert-{len(self.accepted):04d}", main, parse_process(process))
        self.accepted.append(task)
        return task.id

    def run(self, task: Task) -> bytes:
        """Join the sources of a task, or fail, and return the completion notification."""
        target = ObjectRef((task.process.saveas and task.process.saveas.bucket) or task.main.bucket, _key(task.process))
        try:
            self._objects.write(target, self._join(task), ports.ObjectHeaders("audio/memory"))
        except errors.ClipstitchError as error:
            return self.fail(task, "InvalidArgument", str(error))
        self._ended[task.id] = ports.TaskOutcome(succeeded=True)
        return format_notification(task.id, "Succeeded", target)

    def fail(self, task: Task, code: str, message: str) -> bytes:
        """Fail a task and return the completion notification."""
        target = ObjectRef(task.main.bucket, _key(task.process))
        self._ended[task.id] = ports.TaskOutcome(succeeded=False, code=code, message=message)
        return format_notification(task.id, "Failed", target, code=code, message=message)

    def _join(self, task: Task) -> bytes:
        """Return the concatenated sources."""
        process, bucket = task.process, task.main.bucket
        main = Segment(task.main.key, process.transcode.ss, process.transcode.t)
        names, total = [], 0.0
        for segment in (*process.pre, main, *process.sur):
            made = _made(self._objects, ObjectRef(bucket, segment.key))
            rest = max(made.get("decodable_s", made["duration_s"]) - (segment.ss or 0) / 1000, 0.0)
            total += min(rest, segment.t / 1000) if segment.t else rest
            names += made["names"]
        rate, channels = process.transcode.ar or 44100, process.transcode.ac or 1
        return json.dumps({"duration_s": total, "sample_rate": rate, "channels": channels, "names": names}).encode()


def _key(process: Process) -> str:
    """Return the key of the output of a process."""
    return (process.saveas and process.saveas.key) or "nowhere"


def _made(objects: MemoryObjectStore, ref: ObjectRef) -> dict[str, Any]:
    """Parse the body of a `tone`, or the STREAMINFO of a FLAC file (RFC 9639)."""
    body = objects.read(ref).body
    if body.startswith(b"fLaC"):
        packed = int.from_bytes(body[18:26], "big")
        rate, samples = packed >> 44, packed & (1 << 36) - 1
        return {"duration_s": samples / rate, "sample_rate": rate, "channels": (packed >> 41 & 7) + 1, "names": [""]}
    try:
        return json.loads(body)  # type: ignore[no-any-return]
    except ValueError as error:
        raise errors.NotAudio(f"{ref.uri} is not audio") from error


def format_notification(task_id: str, status: str, target: ObjectRef, *, code: str = "", message: str = "") -> bytes:
    """Return a completion notification as IMM sends it: an envelope whose content is a JSON string."""
    content = {
        "TaskType": "MediaConvert",
        "TaskId": task_id,
        "Status": status,
        "Code": code,
        "Message": message,
        "Targets": [{"URI": target.uri}],
    }
    envelope = {"source": "acs.imm", "type": "imm:Task:MediaConvert", "content": json.dumps(content)}
    return json.dumps(envelope).encode()


class MemoryMessageSender:
    """The `MessageSender` port. `sent` holds kind, name and text of all messages, in order."""

    def __init__(self, topics: Sequence[str] = (), queues: Sequence[str] = ()) -> None:
        self._known = {*(("topic", name) for name in topics), *(("queue", name) for name in queues)}
        self.said: list[tuple[str, str, str]] = []

    def publish(self, topic: str, text: str) -> None:
        """Publish a message to a topic; raise `SinkTargetNotFound` if there is none of that name."""
        self._send("topic", topic, text)

    def send(self, queue: str, text: str) -> None:
        """Send a message to a queue; raise `SinkTargetNotFound` if there is none of that name."""
        self._send("queue", queue, text)

    def _send(self, kind: str, name: str, text: str) -> None:
        if (kind, name) not in self._known:
            raise errors.SinkTargetNotFound(f"{kind} {name} does not exist")
        self.said.append((kind, name, text))


class Posted(NamedTuple):
    """An event that was posted to a receiver."""

    hook: str
    event_id: str
    text: str
    at: datetime


class MemoryWebhookSender:
    """The `WebhookSender` port. Receivers give the responses of `answers` in order, then 204."""

    def __init__(self) -> None:
        self.answers: dict[str, list[ports.WebhookResponse | BaseException]] = {}
        self.posted: list[Posted] = []

    def post(self, hook: ports.Webhook, event_id: str, text: str, at: datetime) -> ports.WebhookResponse:
        """Record the event and return the next response, or raise it."""
        self.posted.append(Posted(hook.name, event_id, text, at))
        prepared = self.answers.get(hook.name)
        answer = prepared.pop(0) if prepared else ports.WebhookResponse(204)
        if isinstance(answer, BaseException):
            raise answer
        return answer
