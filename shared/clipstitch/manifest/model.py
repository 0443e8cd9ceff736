"""The values of a valid manifest. `parse` makes them, `planner` uses them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from clipstitch.common.audio_formats import Format
from clipstitch.common.errors import Issue
from clipstitch.common.identifiers import ObjectRef

# Defaults of the settings of the same name.
MANIFEST_PREFIX, STATE_PREFIX, RESULT_PREFIX = "manifests/", "_clipstitch/", "results/"
MAX_CLIPS = 2000


class Clip(NamedTuple):
    """A source object, trimmed to `duration_ms` (0: to the end) from `start_ms`. `title` names its chapter.

    `gain_db` changes its level; fades are in milliseconds.
    """

    key: str
    start_ms: int = 0
    duration_ms: int = 0
    title: str = ""
    gain_db: int = 0
    fade_in_ms: int = 0
    fade_out_ms: int = 0


class Glob(NamedTuple):
    """All objects that match a pattern, in natural order, each with the same trim."""

    pattern: str
    start_ms: int = 0
    duration_ms: int = 0


class Silence(NamedTuple):
    """A silence of `length_ms`."""

    length_ms: int


Entry = Clip | Glob | Silence


class Join(NamedTuple):
    """How neighbouring clips meet. `threshold_db`, below full scale: trim silence at their edges but for `keep_ms`."""

    threshold_db: int | None = None
    keep_ms: int = 0
    fade_ms: int = 0
    crossfade_ms: int = 0


class Output(NamedTuple):
    """The requested output. None: the cloud's default or, for sample rate and channels, those of the reference clip.

    `start_ms` and `duration_ms` (0: to the end) trim the merged audio.
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
    """A valid manifest. `align` is the index of the reference clip; `notify` is None for all configured sinks.

    `engine` is None for the operator's.
    """

    output: Output
    clips: tuple[Entry, ...]
    align: int = 0
    notify: tuple[str, ...] | None = None
    labels: Mapping[str, str] = MappingProxyType({})
    gap_ms: int = 0
    chapters: bool = False
    wait_ms: int = 0
    strict: bool = False
    join: Join = Join()
    engine: str | None = None


class Limits(NamedTuple):
    """The operator's limits. A key must begin with one of the prefixes; buckets are names.

    `reserved` prefixes hold manifests, state and results: an output there could start a job or damage one. `strict` is
    the default of the manifest's field.
    """

    output_buckets: tuple[str, ...] = ()
    output_prefixes: tuple[str, ...] = ("",)
    source_prefixes: tuple[str, ...] = ("",)
    reserved: tuple[str, ...] = (MANIFEST_PREFIX, STATE_PREFIX, RESULT_PREFIX)
    sinks: tuple[str, ...] = ()
    max_clips: int = MAX_CLIPS
    strict: bool = False

    def against_bucket(self, bucket: str, home: str) -> Issue | None:
        """Return the issue of an output in `bucket`, None if it is allowed; `home` is the manifest's bucket."""
        allowed = {home, *self.output_buckets}
        if bucket in allowed:
            return None
        remedy = f"Use one of {', '.join(sorted(allowed))}, or ask the operator to allow it."
        return Issue("/output/bucket", "OUTPUT_NOT_ALLOWED", f"bucket `{bucket}` is not allowed", remedy)

    def against_key(self, key: str) -> Issue | None:
        """Return the issue of an output key, None if it is allowed."""
        if prefix := next((prefix for prefix in self.reserved if key.startswith(prefix)), None):
            remedy = "Use a key outside " + ", ".join(self.reserved) + "."
            return Issue("/output/key", "OUTPUT_KEY_RESERVED", f"key is under the reserved prefix `{prefix}`", remedy)
        if not key.startswith(self.output_prefixes):
            remedy = "Use a key that begins with " + " or ".join(self.output_prefixes) + "."
            return Issue("/output/key", "OUTPUT_NOT_ALLOWED", "key is outside the allowed prefixes", remedy)
        return None

    @property
    def manifest_prefix(self) -> str:
        """The prefix of manifests: the first of the reserved prefixes."""
        return self.reserved[0]
