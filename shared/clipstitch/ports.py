"""What we need from a cloud: three small protocols in our own words. Adapters implement them, use cases call them.

Every method may raise `CloudBusy`, `AccessDenied` or `CloudRefused` besides what its docstring names.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple, Protocol

from clipstitch.errors import ClipstitchError
from clipstitch.refs import ObjectRef


class Described(NamedTuple):
    """An object without its content. `etag` is bare; `meta` holds the user metadata, names in lower case."""

    etag: str
    size: int
    last_modified: datetime
    meta: Mapping[str, str] = MappingProxyType({})


class Content(NamedTuple):
    """An object with its content, or with as much of it as was asked for."""

    about: Described
    body: bytes


class Labels(NamedTuple):
    """What an object carries besides its bytes."""

    content_type: str = "application/octet-stream"
    meta: Mapping[str, str] = MappingProxyType({})


class Probe(NamedTuple):
    """What a clip is made of; `duration_s` in seconds, `sample_rate` in Hz, `bitrate` in bit/s (0: unknown)."""

    duration_s: float
    sample_rate: int
    channels: int
    bitrate: int = 0


class Objects(Protocol):
    """Somewhere that keeps objects, and can be told to create one only once."""

    def read(self, ref: ObjectRef, limit: int | None = None) -> Content:
        """Return an object with at most `limit` bytes of its content; `Missing` when there is none."""
        ...

    def describe(self, ref: ObjectRef) -> Described:
        """Return an object without its content; `Missing` when there is none."""
        ...

    def write(self, ref: ObjectRef, body: bytes, labels: Labels, *, once: bool = False) -> None:
        """Store an object; with `once`, `AlreadyThere` when the name is taken, and nothing changes."""
        ...

    def copy(self, source: ObjectRef, target: ObjectRef, labels: Labels, *, once: bool = False) -> str:
        """Copy inside the cloud and return the new ETag; `Missing`, and `AlreadyThere` as in `write`."""
        ...

    def delete(self, ref: ObjectRef) -> None:
        """Remove an object; removing nothing is fine."""
        ...

    def keys(self, bucket: str, prefix: str) -> Iterator[str]:
        """Yield the keys that begin with a prefix, in order."""
        ...

    def versioned(self, bucket: str) -> bool:
        """Say whether the bucket has, or had, versioning: there `once` is not honoured."""
        ...


class Audio(Protocol):
    """Somewhere that looks into audio at once, and joins it in its own time."""

    def probe(self, refs: Sequence[ObjectRef]) -> Mapping[ObjectRef, Probe | ClipstitchError]:
        """Look into every object; for one that cannot be: `Missing` or `NotAudio` in its place."""
        ...

    def start(self, main: ObjectRef, process: str) -> str:
        """Accept a process string on an object and return the task id; `NotBound`, `Missing`."""
        ...


class Messages(Protocol):
    """Somewhere that carries texts to whoever listens."""

    def publish(self, topic: str, text: str) -> None:
        """Tell everybody who subscribed to a topic; `NoSuchTarget`."""
        ...

    def send(self, queue: str, text: str) -> None:
        """Put a text into a queue; `NoSuchTarget`."""
        ...
