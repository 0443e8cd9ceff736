"""What the use cases need from a cloud: small protocols, and one that makes calls at the same time.

Every method may raise `CloudBusy`, `AccessDenied` or `CloudRefused` besides the errors in its docstring.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol, TypeVar

from clipstitch.common.errors import ClipstitchError, InvalidSettings, ObjectNotFound
from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.render_task import RenderTask

# OSS, "ListObjectsV2" and "DeleteMultipleObjects", 2026: the most objects of one request.
PAGE = 1000
A = TypeVar("A")
T = TypeVar("T")


class ObjectInfo(NamedTuple):
    """An object without its content. `etag` has no quotes; `meta` is the user metadata, with names in lower case."""

    etag: str
    size: int
    last_modified: datetime
    meta: Mapping[str, str] = MappingProxyType({})


class ObjectContent(NamedTuple):
    """An object with its content, or the requested part of it."""

    about: ObjectInfo
    body: bytes


class ListedObject(NamedTuple):
    """An object in a listing. `etag` has no quotes."""

    key: str
    size: int
    last_modified: datetime
    etag: str = ""


class CopiedObject(NamedTuple):
    """The result of a copy. `etag` has no quotes."""

    etag: str
    size: int


class HeadReplacement(NamedTuple):
    """The bytes that replace the first `replaces` bytes of the source in its copy.

    `etag` is that of the version of the source in which they were counted; "" for any version.
    """

    body: bytes
    replaces: int = 0
    etag: str = ""


class ObjectHeaders(NamedTuple):
    """The content type and the user metadata of an object."""

    content_type: str = "application/octet-stream"
    meta: Mapping[str, str] = MappingProxyType({})


class Probe(NamedTuple):
    """The audio of a clip: seconds, Hz, channels, bit/s (0: unknown), and bits per sample (16 for lossy formats).

    `etag` is that of the probed object. `container` and `codec` have FFmpeg's names; `start_s` is the start of the
    stream in seconds, `size` that of the object in bytes. All of them may be unknown ("" and 0).
    """

    duration_s: float
    sample_rate: int
    channels: int
    bitrate: int = 0
    bits: int = 16
    etag: str = ""
    container: str = ""
    codec: str = ""
    start_s: float = 0.0
    size: int = 0


class TaskOutcome(NamedTuple):
    """The result of a finished task; the cloud's code and message if it failed."""

    succeeded: bool
    code: str = ""
    message: str = ""


class TaskRunning:
    """A task that is not finished. Not a named tuple, because an empty one is false, like None."""


class Webhook(NamedTuple):
    """A receiver of webhooks. It has one secret, or two during a key rotation. The URL is a secret, too."""

    name: str
    url: str
    secrets: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Webhook({self.name!r})"


class WebhookResponse(NamedTuple):
    """The response of a receiver: its HTTP status and its `Retry-After` header ("" if absent)."""

    status: int
    retry_after: str = ""


class ObjectStore(Protocol):
    """Storage of objects, with create-once writes."""

    def read(self, ref: ObjectRef, limit: int | None = None) -> ObjectContent:
        """Return an object with at most `limit` bytes of its content. Raises `ObjectNotFound`."""

    def describe(self, ref: ObjectRef) -> ObjectInfo:
        """Return an object without its content. Raises `ObjectNotFound`."""

    def write(self, ref: ObjectRef, body: bytes, labels: ObjectHeaders, *, once: bool = False) -> bool:
        """Store an object. With `once`, raises `AlreadyExists` if there is an object of that name, and keeps it.

        Returns True if the bucket has or had versioning: there OSS ignores `once`.
        """

    def copy(
        self,
        source: ObjectRef,
        target: ObjectRef,
        labels: ObjectHeaders,
        *,
        once: bool = False,
        front: HeadReplacement | None = None,
        size: int = 0,
    ) -> CopiedObject:
        """Copy one version of an object within the cloud. Raises `ObjectNotFound`, and `AlreadyExists` as `write` does.

        `size` is that of the source in bytes if it is known, which saves a request.

        The copy begins with `front`, of at least 100 KB, if it is given. The rest is not downloaded. Raises `CloudBusy`
        if the source is replaced during the copy, or was since the version that `front` names.
        """

    def delete(self, refs: Iterable[ObjectRef]) -> None:
        """Delete objects, in any order. Objects that do not exist are ignored."""

    def list(self, bucket: str, prefix: str, after: str = "") -> Iterator[ListedObject]:
        """Yield the objects whose keys begin with a prefix and are greater than `after`, in the order of their keys."""

    def list_folders(self, bucket: str, prefix: str, after: str = "") -> Iterator[str]:
        """Yield the folders directly under a prefix that ends in a slash, in order, without listing their content.

        Only those whose names are greater than `after`.
        """

    def is_versioned(self, bucket: str) -> bool:
        """Return True if the bucket has or had versioning: there OSS ignores `once`."""


def find_object(objects: ObjectStore, ref: ObjectRef) -> ObjectInfo | None:
    """Return an object without its content; None if it does not exist."""
    with suppress(ObjectNotFound):
        return objects.describe(ref)
    return None


class AudioService(Protocol):
    """Synchronous probing and asynchronous merging of audio."""

    def probe(self, refs: Sequence[ObjectRef]) -> Mapping[ObjectRef, Probe | ClipstitchError]:
        """Return the probe of each object, or the error in its place, such as `ObjectNotFound` or `NotAudio`."""

    def start(self, main: ObjectRef, process: str) -> str:
        """Start a task with a process string on an object; return its id. Raises `BucketNotBound`, `ObjectNotFound`."""

    def task_outcome(self, task_id: str) -> TaskOutcome | TaskRunning | None:
        """Return the result of a task, or that it is running; None if the state of tasks cannot be looked up."""


class RenderService(Protocol):
    """The function that renders, as an asynchronous task."""

    def start(self, task: RenderTask) -> None:
        """Start a task, unless it was started before."""

    def outcome(self, task_id: str) -> TaskOutcome | TaskRunning | None:
        """Return the result of a task, or that it is running; None if it is unknown."""


class NoRenderService:
    """A deployment without the function `render`. Plans made for it render nothing."""

    def start(self, task: RenderTask) -> None:
        """Raise `InvalidSettings`: the function was removed after the job was planned."""
        message = f"{task.id} needs the function `render`; set FC_ENDPOINT and CLIPSTITCH_RENDER_FUNCTION"
        raise InvalidSettings(message)

    def outcome(self, _task_id: str) -> TaskOutcome | TaskRunning | None:
        """Return None: nothing is known."""
        return None


class ObjectFiles(Protocol):
    """Objects as files on the disk of a function, of any size."""

    def download(self, ref: ObjectRef, path: str, etag: str = "") -> None:
        """Store an object as a file. Raises `ObjectNotFound`, and `ClipChanged` if it has another ETag."""

    def upload(self, path: str, ref: ObjectRef, labels: ObjectHeaders) -> None:
        """Store a file as an object, which becomes visible when it is complete."""


class MessageSender(Protocol):
    """Topics and queues."""

    def publish(self, topic: str, text: str) -> None:
        """Publish a message to a topic. Raises `SinkTargetNotFound`."""

    def send(self, queue: str, text: str) -> None:
        """Send a message to a queue. Raises `SinkTargetNotFound`."""


class WebhookSender(Protocol):
    """Webhooks by HTTPS."""

    def post(self, hook: Webhook, event_id: str, text: str, at: datetime) -> WebhookResponse:
        """Post a signed event once, with a timeout of ten seconds and without following redirects.

        Raises `WebhookNoResponse`, after which the event may have arrived all the same, and `WebhookAddressRefused`.
        """


class Workers(Protocol):
    """Makes several calls at the same time."""

    def map(self, call: Callable[[A], T], arguments: Iterable[A]) -> list[T]:
        """Call a function with each argument, several at once; return the results in the order of the arguments.

        When all calls have ended, raises the first error, in the order of the arguments.
        """


class SequentialWorkers:
    """Makes one call after the other, where nothing is gained by making several at once."""

    def map(self, call: Callable[[A], T], arguments: Iterable[A]) -> list[T]:
        """Call a function with each argument in turn, as `Workers.map` does."""
        results, errors = list[T](), list[Exception]()
        for argument in arguments:
            try:
                results.append(call(argument))
            except Exception as error:  # noqa: BLE001 - the other calls are made first; re-raised below
                errors.append(error)
        if errors:
            raise errors[0]
        return results


def call_together(workers: Workers, *calls: Callable[[], Any]) -> list[Any]:
    """Make different calls at the same time; return their results in order. Raises errors as `Workers.map` does."""
    return workers.map(lambda call: call(), calls)
