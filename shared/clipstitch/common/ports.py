"""What we need from a cloud: four small protocols in our own words. Adapters implement them, use cases call them.

Every method may raise `CloudBusy`, `AccessDenied` or `CloudRefused` besides what its docstring names.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple, Protocol

from clipstitch.common.errors import ClipstitchError
from clipstitch.common.identifiers import ObjectRef


class ObjectInfo(NamedTuple):
    """An object without its content. `etag` is bare; `meta` holds the user metadata, names in lower case."""

    etag: str
    size: int
    last_modified: datetime
    meta: Mapping[str, str] = MappingProxyType({})


class ObjectContent(NamedTuple):
    """An object with its content, or with as much of it as was asked for."""

    about: ObjectInfo
    body: bytes


class ListedObject(NamedTuple):
    """An object in a listing. `etag` is bare."""

    key: str
    size: int
    last_modified: datetime
    etag: str = ""


class CopiedObject(NamedTuple):
    """What a copy made. `etag` is bare."""

    etag: str
    size: int


class HeadReplacement(NamedTuple):
    """What a copy gets instead of its source's first bytes: `body` for the first `replaces` of them."""

    body: bytes
    replaces: int = 0


class ObjectHeaders(NamedTuple):
    """What an object carries besides its bytes."""

    content_type: str = "application/octet-stream"
    meta: Mapping[str, str] = MappingProxyType({})


class Probe(NamedTuple):
    """What a clip is made of: seconds, Hz, bit/s (0: unknown), and the bits of a sample (16 where it is lossy)."""

    duration_s: float
    sample_rate: int
    channels: int
    bitrate: int = 0
    bits: int = 16


class TaskOutcome(NamedTuple):
    """How a task ended, with the cloud's words where it failed."""

    succeeded: bool
    code: str = ""
    message: str = ""


class TaskRunning:
    """A task that has not ended. No named tuple: an empty one is false, and would be taken for "nobody can tell"."""


class Webhook(NamedTuple):
    """A receiver of webhooks. `secrets`: one, or two while a key is replaced. The URL is a secret, too."""

    name: str
    url: str
    secrets: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Webhook({self.name!r})"


class WebhookResponse(NamedTuple):
    """What a receiver said: an HTTP status, and its `Retry-After` as it came ("" for none)."""

    status: int
    retry_after: str = ""


class ObjectStore(Protocol):
    """Somewhere that keeps objects, and can be told to create one only once."""

    def read(self, ref: ObjectRef, limit: int | None = None) -> ObjectContent:
        """Return an object with at most `limit` bytes of its content; `ObjectNotFound` when there is none."""
        ...

    def describe(self, ref: ObjectRef) -> ObjectInfo:
        """Return an object without its content; `ObjectNotFound` when there is none."""
        ...

    def write(self, ref: ObjectRef, body: bytes, labels: ObjectHeaders, *, once: bool = False) -> None:
        """Store an object; with `once`, `AlreadyExists` when the name is taken, and nothing changes."""
        ...

    def copy(
        self,
        source: ObjectRef,
        target: ObjectRef,
        labels: ObjectHeaders,
        *,
        once: bool = False,
        front: HeadReplacement | None = None,
    ) -> CopiedObject:
        """Copy inside the cloud; `ObjectNotFound`, and `AlreadyExists` as in `write`.

        With a `front`, of 100 KB or more, the copy begins with it, and nobody downloads the rest.
        """
        ...

    def delete(self, refs: Iterable[ObjectRef]) -> None:
        """Remove objects, in any order; removing nothing is fine."""
        ...

    def list(self, bucket: str, prefix: str, after: str = "") -> Iterator[ListedObject]:
        """Yield the objects whose keys begin with a prefix and come after a key, in the order of their keys."""
        ...

    def list_folders(self, bucket: str, prefix: str) -> Sequence[str]:
        """Name the folders right below a prefix that ends in a slash, in order; what is in them is not listed."""
        ...

    def is_versioned(self, bucket: str) -> bool:
        """Say whether the bucket has, or had, versioning: there `once` is not honoured."""
        ...


class AudioService(Protocol):
    """Somewhere that looks into audio at once, and joins it in its own time."""

    def probe(self, refs: Sequence[ObjectRef]) -> Mapping[ObjectRef, Probe | ClipstitchError]:
        """Look into every object; for one that cannot be: `ObjectNotFound`, `NotAudio` or whatever it is, in its place."""
        ...

    def start(self, main: ObjectRef, process: str) -> str:
        """Accept a process string on an object and return the task id; `BucketNotBound`, `ObjectNotFound`."""
        ...

    def task_outcome(self, task_id: str) -> TaskOutcome | TaskRunning | None:
        """Say how a task ended, or that it runs; None where nobody can tell."""
        ...


class MessageSender(Protocol):
    """Somewhere that carries texts to whoever listens."""

    def publish(self, topic: str, text: str) -> None:
        """Tell everybody who subscribed to a topic; `SinkTargetNotFound`."""
        ...

    def send(self, queue: str, text: str) -> None:
        """Put a text into a queue; `SinkTargetNotFound`."""
        ...


class WebhookSender(Protocol):
    """Somewhere that carries texts to receivers of webhooks."""

    def post(self, hook: Webhook, event_id: str, text: str, at: datetime) -> WebhookResponse:
        """Tell a receiver, signed, once, within ten seconds; redirects are not followed.

        `WebhookNoResponse`, and `WebhookAddressRefused` where we do not send. A text may have arrived even so.
        """
        ...
