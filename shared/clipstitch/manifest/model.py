"""What a manifest says, once nothing is wrong with it: values only. `parsing` makes them, `planner` uses them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from clipstitch.common.audio_formats import Format
from clipstitch.common.identifiers import ObjectRef


class Clip(NamedTuple):
    """A source object, perhaps trimmed: from `start_ms`, for `duration_ms` (0: to the end).

    `title` names its chapter.
    """

    key: str
    start_ms: int = 0
    duration_ms: int = 0
    title: str = ""

    @property
    def trimmed(self) -> bool:
        """Whether less than the whole object is wanted."""
        return bool(self.start_ms or self.duration_ms)


class Glob(NamedTuple):
    """All objects that match a pattern, in natural order, each trimmed alike."""

    pattern: str
    start_ms: int = 0
    duration_ms: int = 0


class Silence(NamedTuple):
    """Nothing to hear, for a while."""

    length_ms: int


Entry = Clip | Glob | Silence


class Output(NamedTuple):
    """What is wanted. None: the cloud's default, or (rate and channels) the `align` clip's own.

    `start_ms` and `duration_ms` (0: to the end) trim the merged whole.
    """

    ref: ObjectRef
    format: Format
    sample_rate: int | None = None
    channels: int | None = None
    bitrate: int | None = None
    quality: int | None = None
    bitrate_option: str | None = None
    bits_per_sample: int | None = None
    overwrite: bool = False
    start_ms: int = 0
    duration_ms: int = 0


class Manifest(NamedTuple):
    """A manifest in which nothing is wrong. `notify` None means every configured sink; `align` counts `clips`."""

    output: Output
    clips: tuple[Entry, ...]
    align: int = 0
    notify: tuple[str, ...] | None = None
    labels: Mapping[str, str] = MappingProxyType({})
    gap_ms: int = 0
    chapters: bool = False
    wait_ms: int = 0


class LimitViolation(NamedTuple):
    """What stands against an output: the code of an issue, what is wrong, what to do."""

    code: str
    message: str
    remedy: str


class Limits(NamedTuple):
    """What the operator allows. Prefixes: a key must begin with one of them; buckets: by name.

    `reserved` prefixes belong to us (manifests, state, results): an output there could trigger or confuse us.
    """

    output_buckets: tuple[str, ...] = ()
    output_prefixes: tuple[str, ...] = ("",)
    source_prefixes: tuple[str, ...] = ("",)
    reserved: tuple[str, ...] = ("manifests/", "_clipstitch/", "results/")
    sinks: tuple[str, ...] = ()
    max_clips: int = 2000

    def against_bucket(self, bucket: str, home: str) -> LimitViolation | None:
        """Say what stands against an output in a bucket; `home` is the manifest's."""
        allowed = {home, *self.output_buckets}
        if bucket in allowed:
            return None
        remedy = f"Use one of {', '.join(sorted(allowed))}, or ask the operator to allow it."
        return LimitViolation("OUTPUT_NOT_ALLOWED", f"bucket `{bucket}` is not allowed", remedy)

    def against_key(self, key: str) -> LimitViolation | None:
        """Say what stands against an output of that name."""
        if taken := next((prefix for prefix in self.reserved if key.startswith(prefix)), None):
            remedy = "Choose a key outside " + ", ".join(self.reserved) + "."
            return LimitViolation("OUTPUT_KEY_RESERVED", f"lies in `{taken}`, which is ours", remedy)
        if not key.startswith(self.output_prefixes):
            remedy = "Begin the key with " + " or ".join(self.output_prefixes) + "."
            return LimitViolation("OUTPUT_NOT_ALLOWED", "lies outside the allowed prefixes", remedy)
        return None

    @property
    def manifest_prefix(self) -> str:
        """Where manifests lie: the first of the reserved prefixes."""
        return self.reserved[0]
