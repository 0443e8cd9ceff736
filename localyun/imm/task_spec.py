"""What a media task does: sources, encoding and target. Pure values, made from process strings and API requests."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

# OSS user guide, "Audio merging", page dated 2026-03-20: at most eleven objects per request, the posted one included.
MAX_SOURCES = 11
BITRATE_OPTIONS = ("fixed", "adaptive", "fall")  # IMM's words for abopt 0, 1, 2


@dataclass(frozen=True)
class TaskSource:
    """An object to join, optionally trimmed. A `duration_ms` of 0 means: to the end."""

    bucket: str
    key: str
    start_ms: int = 0
    duration_ms: int = 0

    @property
    def uri(self) -> str:
        """The object's URI in IMM's form."""
        return f"oss://{self.bucket}/{self.key}"


@dataclass(frozen=True)
class Encoding:
    """How the output is encoded; `bitrate` is in bit/s.

    A sample rate or channel count of 0 means: that of the source at index `align`.
    """

    format: str
    sample_rate: int = 0
    channels: int = 0
    bitrate: int = 0
    quality: int | None = None
    bitrate_option: int = 0
    bits: int = 16


@dataclass(frozen=True)
class TaskSpec:
    """Join `sources` in order, trim the result, encode it, store it in `bucket`/`key`, then notify `topic`."""

    sources: tuple[TaskSource, ...]
    encoding: Encoding
    bucket: str
    key: str
    align: int = 0
    start_ms: int = 0
    duration_ms: int = 0
    topic: str = ""
    user_data: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def target_uri(self) -> str:
        """The output's URI in IMM's form."""
        return f"oss://{self.bucket}/{self.key}"

    def to_json(self) -> dict[str, Any]:
        """Return the specification as JSON values that `from_json` parses."""
        return asdict(self)

    @staticmethod
    def from_json(values: Mapping[str, Any]) -> "TaskSpec":
        """Parse what `to_json` returned."""
        sources = tuple(TaskSource(**source) for source in values["sources"])
        return TaskSpec(**{**values, "sources": sources, "encoding": Encoding(**values["encoding"])})


def request_definition(spec: TaskSpec, project: str) -> dict[str, Any]:
    """Return the equivalent CreateMediaConvertTask request (wire names of API 2020-09-30)."""
    request: dict[str, Any] = {
        "ProjectName": project,
        "Sources": [{"URI": source.uri, **_seconds(source)} for source in spec.sources],
        "AlignmentIndex": spec.align,
        "Targets": [_target(spec)],
        "UserData": spec.user_data,
    }
    if spec.topic:
        request["Notification"] = {"MNS": {"TopicName": spec.topic}}
    return request


def _target(spec: TaskSpec) -> dict[str, Any]:
    encoding = spec.encoding
    audio = {
        "Codec": codec_of(encoding.format),
        "SampleRate": encoding.sample_rate,
        "Channel": encoding.channels,
        "Bitrate": encoding.bitrate,
        "Quality": encoding.quality,
        "BitrateOption": BITRATE_OPTIONS[encoding.bitrate_option] if encoding.bitrate else None,
        "BitsPerSample": encoding.bits if encoding.format == "flac" else None,
    }
    given = {name: value for name, value in audio.items() if value or (name == "Quality" and value == 0)}
    # IMM's target has no trim of its own; the local cloud adds one so that the definition is complete.
    trim = _seconds(spec) if spec.start_ms or spec.duration_ms else {}
    return {"URI": spec.target_uri, "Container": encoding.format, "Audio": {"TranscodeAudio": given}, **trim}


def _seconds(trimmed: TaskSource | TaskSpec) -> dict[str, float]:
    return {"StartTime": trimmed.start_ms / 1000, "Duration": trimmed.duration_ms / 1000}


def codec_of(container: str) -> str:
    """Return IMM's name of the codec that an audio container holds."""
    return "vorbis" if container == "oga" else container
