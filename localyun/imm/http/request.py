"""One IMM request as its actions see it: typed parameters, and a media task's sources and target. No signatures."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from localyun.imm.errors import ImmError, invalid
from localyun.imm.formats import FORMATS, MAX_CHANNELS
from localyun.imm.process_string import MAX_MILLISECONDS
from localyun.imm.work import BITRATE_OPTIONS, MAX_SOURCES, Encoding, Source, Work

MAX_USER_DATA_BYTES = 2048  # API 2020-09-30, CreateMediaConvertTask, read 2026-11


@dataclass(frozen=True)
class ImmRequest:
    """The parameters of a request, by their wire names; nested ones are JSON in a string."""

    values: Mapping[str, str]

    def required(self, name: str) -> str:
        """Return a parameter that must be given."""
        if value := self.values.get(name, ""):
            return value
        raise ImmError("MissingParameter", f"{name} is mandatory for this action.")

    def text(self, name: str, default: str = "") -> str:
        """Return a parameter, or the default."""
        return self.values.get(name, default)

    def whole(self, name: str, default: int, low: int, high: int) -> int:
        """Return a whole number of a range."""
        text = self.values.get(name, str(default))
        if not text.isdigit() or not low <= int(text) <= high:
            raise invalid(name, f"{text!r} is not a whole number from {low} to {high}.")
        return int(text)

    def flag(self, name: str) -> bool:
        """Return a yes or no; no if it is not given."""
        return self.values.get(name, "").lower() == "true"

    def nested(self, name: str, kind: type) -> Any:
        """Return a JSON parameter of a kind (dict or list), empty if it is not given."""
        try:
            value = json.loads(self.values.get(name) or "null")
        except ValueError:
            raise invalid(name, "is not JSON.") from None
        if value is None:
            return kind()
        if not isinstance(value, kind):
            raise invalid(name, f"is not a JSON {'object' if kind is dict else 'array'}.")
        return value


def read_work(request: ImmRequest) -> Work:
    """Read the audio part of CreateMediaConvertTask: up to eleven sources, one audio target."""
    sources = request.nested("Sources", list)
    if not 1 <= len(sources) <= MAX_SOURCES:
        raise invalid("Sources", f"{len(sources)} sources; a task takes 1 to {MAX_SOURCES}.")
    targets = request.nested("Targets", list)
    if len(targets) != 1 or request.nested("TargetGroups", list):
        raise invalid("Targets", f"{len(targets)} targets; this cloud makes exactly one audio file for each task.")
    user_data = request.text("UserData")
    if len(user_data.encode()) > MAX_USER_DATA_BYTES:
        raise invalid("UserData", f"is longer than {MAX_USER_DATA_BYTES} bytes.")
    bucket, key = _uri(targets[0].get("URI"), "Targets.URI")
    return Work(
        sources=tuple(_source(source) for source in sources),
        encoding=_encoding(targets[0]),
        bucket=bucket,
        key=key,
        align=request.whole("AlignmentIndex", 0, 0, len(sources) - 1),
        topic=str(request.nested("Notification", dict).get("MNS", {}).get("TopicName", "")),
        user_data=user_data,
        tags={str(name): str(value) for name, value in request.nested("Tags", dict).items()},
    )


def _uri(uri: object, name: str) -> tuple[str, str]:
    """Part `oss://bucket/key`."""
    text = str(uri or "")
    bucket, slash, key = text.removeprefix("oss://").partition("/")
    if not text.startswith("oss://") or not (bucket and slash and key):
        raise invalid(name, f"{text!r} is not a URI; write oss://bucket/key.")
    return bucket, key


def _source(source: Mapping[str, Any]) -> Source:
    """Read one source; IMM counts seconds, with decimals."""
    bucket, key = _uri(source.get("URI"), "Sources.URI")
    return Source(
        bucket, key, _milliseconds(source.get("StartTime"), "Sources.StartTime"),
        _milliseconds(source.get("Duration"), "Sources.Duration"),
    )  # fmt: skip


def _milliseconds(seconds: object, name: str) -> int:
    """Convert seconds to milliseconds."""
    value = 0 if seconds is None else seconds
    if not isinstance(value, (int, float)) or not 0 <= value * 1000 <= MAX_MILLISECONDS:
        raise invalid(name, f"{value!r} is not a number of seconds from 0 to {MAX_MILLISECONDS // 1000}.")
    return round(value * 1000)


def _encoding(target: Mapping[str, Any]) -> Encoding:
    """Read how a target is to be encoded."""
    container = target.get("Container")
    if container not in FORMATS:
        text = f"{container!r} is not made here; this cloud makes audio only: {', '.join(FORMATS)}."
        raise invalid("Targets.Container", text)
    audio = target.get("Audio", {}).get("TranscodeAudio", {})
    codec, natural = audio.get("Codec"), "vorbis" if container == "oga" else container
    if codec not in (None, "", natural):
        raise invalid("Targets.Audio.TranscodeAudio.Codec", f"{codec!r} does not go into {container}; use {natural}.")
    quality = audio.get("Quality")
    if quality is not None and audio.get("Bitrate"):
        raise invalid("Targets.Audio.TranscodeAudio.Quality", "cannot be given together with Bitrate.")
    option = audio.get("BitrateOption") or BITRATE_OPTIONS[0]
    if option not in BITRATE_OPTIONS:
        raise invalid("BitrateOption", f"{option!r} is not one of {', '.join(BITRATE_OPTIONS)}.")
    return Encoding(
        format=container,
        sample_rate=_number(audio, "SampleRate", 8000, 96000),
        channels=_number(audio, "Channel", 1, MAX_CHANNELS),
        bitrate=_number(audio, "Bitrate", 1000, 10_000_000),
        quality=None if quality is None else _number(audio, "Quality", 0, 100),
        bitrate_option=BITRATE_OPTIONS.index(option),
        bits=_bits(audio),
    )


def _number(values: Mapping[str, Any], name: str, low: int, high: int) -> int:
    """Read a whole number of a range; 0 if it is not given."""
    value = values.get(name)
    if value is None:
        return 0
    if not isinstance(value, int) or not low <= value <= high:
        raise invalid(f"Targets.Audio.TranscodeAudio.{name}", f"{value!r} is not a whole number from {low} to {high}.")
    return value


def _bits(audio: Mapping[str, Any]) -> int:
    """Read the depth of a FLAC target."""
    if (bits := audio.get("BitsPerSample") or 16) not in (16, 24):
        raise invalid("Targets.Audio.TranscodeAudio.BitsPerSample", f"{bits!r} is not 16 or 24.")
    return int(bits)
