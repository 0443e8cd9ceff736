"""What a media task has to do: sources, target, encoding. Pure values; the grammar and the IMM face make them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

# OSS user guide, "Audio merging", page dated 2026-03-20: at most eleven objects per request, the posted one included.
MAX_SOURCES = 11
BITRATE_OPTIONS = ("fixed", "adaptive", "fall")  # IMM's words for abopt 0, 1, 2


@dataclass(frozen=True)
class Source:
    """An object to be joined, perhaps trimmed. A `duration_ms` of 0 means: to the end."""

    bucket: str
    key: str
    start_ms: int = 0
    duration_ms: int = 0

    @property
    def uri(self) -> str:
        """The object as IMM writes it."""
        return f"oss://{self.bucket}/{self.key}"


@dataclass(frozen=True)
class Encoding:
    """How the output is encoded. A rate or channel count of 0 means: as the align source has it."""

    format: str
    sample_rate: int = 0
    channels: int = 0
    bitrate: int = 0
    quality: int | None = None
    bitrate_option: int = 0
    bits: int = 16


@dataclass(frozen=True)
class Work:
    """Join `sources` in order, trim the whole, encode it, put it into `bucket`/`key`, tell `topic`."""

    sources: tuple[Source, ...]
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
        """The output as IMM writes it."""
        return f"oss://{self.bucket}/{self.key}"

    def to_map(self) -> dict[str, Any]:
        """Spell the work as JSON values that `from_map` reads back."""
        return asdict(self)

    @staticmethod
    def from_map(values: Mapping[str, Any]) -> "Work":
        """Read what `to_map` wrote."""
        sources = tuple(Source(**source) for source in values["sources"])
        return Work(**{**values, "sources": sources, "encoding": Encoding(**values["encoding"])})


def definition(work: Work, project: str) -> dict[str, Any]:
    """Spell the work as the CreateMediaConvertTask request that means the same (wire names of API 2020-09-30)."""
    request: dict[str, Any] = {
        "ProjectName": project,
        "Sources": [_source(source) for source in work.sources],
        "AlignmentIndex": work.align,
        "Targets": [_target(work)],
        "UserData": work.user_data,
    }
    if work.topic:
        request["Notification"] = {"MNS": {"TopicName": work.topic}}
    return request


def _source(source: Source) -> dict[str, Any]:
    """Spell a source; IMM counts seconds."""
    return {
        "URI": source.uri,
        "StartTime": source.start_ms / 1000,
        "Duration": source.duration_ms / 1000,
    }


def _target(work: Work) -> dict[str, Any]:
    """Spell the target with the parameters that were given."""
    encoding = work.encoding
    audio = {
        "Codec": "vorbis" if encoding.format == "oga" else encoding.format,
        "SampleRate": encoding.sample_rate,
        "Channel": encoding.channels,
        "Bitrate": encoding.bitrate,
        "Quality": encoding.quality,
        "BitrateOption": BITRATE_OPTIONS[encoding.bitrate_option] if encoding.bitrate else None,
        "BitsPerSample": encoding.bits if encoding.format == "flac" else None,
    }
    given = {name: value for name, value in audio.items() if value or (name == "Quality" and value == 0)}
    target: dict[str, Any] = {"URI": work.target_uri, "Container": encoding.format}
    target["Audio"] = {"TranscodeAudio": given}
    if work.start_ms or work.duration_ms:  # IMM's target has no trim of its own: ours, so that nothing is hidden
        target |= {"StartTime": work.start_ms / 1000, "Duration": work.duration_ms / 1000}
    return target
