"""An IMM request as its actions see it: typed parameters, and the specification of a media task. No signatures."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from localyun.imm.errors import ImmError, invalid
from localyun.imm.http.fields import AUDIO, NOTIFICATION, SOURCE, TARGET, TOPIC, TRANSCODE, check_fields, check_task
from localyun.imm.output_formats import FORMATS, MAX_CHANNELS
from localyun.imm.process_string import MAX_MILLISECONDS
from localyun.imm.task_spec import BITRATE_OPTIONS, MAX_SOURCES, Encoding, TaskSource, TaskSpec, codec_of

MAX_USER_DATA_BYTES = 2048  # API 2020-09-30, CreateMediaConvertTask, read 2026-11


@dataclass(frozen=True)
class ImmRequest:
    """The parameters of a request by their wire names; nested ones are JSON in a string."""

    values: Mapping[str, str]

    def required(self, name: str) -> str:
        """Return a parameter; raise `ImmError` if it is missing or empty."""
        if value := self.values.get(name, ""):
            return value
        raise ImmError("MissingParameter", f"{name} is mandatory for this action.")

    def get(self, name: str) -> str:
        """Return a parameter, or "" if it is not given."""
        return self.values.get(name, "")

    def integer(self, name: str, default: int, low: int, high: int) -> int:
        """Return an integer of a range; raise `ImmError` for anything else."""
        text = self.values.get(name, str(default))
        if not (text.isascii() and text.isdigit()) or not low <= int(text) <= high:
            raise invalid(name, f"{text!r} is not an integer from {low} to {high}.")
        return int(text)

    def nested(self, name: str, kind: type) -> Any:
        """Return a JSON parameter of a type (dict or list), empty if it is not given; raise `ImmError` for others."""
        try:
            value = json.loads(self.get(name) or "null")
        except ValueError:
            raise invalid(name, "is not JSON.") from None
        if value is None:
            return kind()
        if not isinstance(value, kind):
            raise invalid(name, f"is not a JSON {'object' if kind is dict else 'array'}.")
        return value


def parse_task_spec(request: ImmRequest) -> TaskSpec:
    """Return the audio part of CreateMediaConvertTask: up to eleven sources, one audio target.

    Raises `ImmError` for everything that the local cloud cannot execute.
    """
    check_task(request.values)
    sources = request.nested("Sources", list)
    if not 1 <= len(sources) <= MAX_SOURCES:
        raise invalid("Sources", f"{len(sources)} sources; a task takes 1 to {MAX_SOURCES}.")
    targets = request.nested("Targets", list)
    if len(targets) != 1 or request.nested("TargetGroups", list):
        raise invalid("Targets", f"{len(targets)} targets; this cloud makes exactly one audio file per task.")
    user_data = request.get("UserData")
    if len(user_data.encode()) > MAX_USER_DATA_BYTES:
        raise invalid("UserData", f"is longer than {MAX_USER_DATA_BYTES} bytes.")
    target = check_fields(targets[0], TARGET, "Targets")
    bucket, key = parse_uri(target.get("URI"), "Targets.URI")
    return TaskSpec(
        sources=tuple(_parse_source(source) for source in sources),
        encoding=_parse_encoding(target),
        bucket=bucket,
        key=key,
        align=request.integer("AlignmentIndex", 0, 0, len(sources) - 1),
        topic=_parse_topic(request.nested("Notification", dict)),
        user_data=user_data,
        tags={str(name): str(value) for name, value in request.nested("Tags", dict).items()},
    )


def parse_uri(uri: object, name: str) -> tuple[str, str]:
    """Return bucket and key of a URI like oss://bucket/key; raise `ImmError` for anything else."""
    text = str(uri or "")
    bucket, slash, key = text.removeprefix("oss://").partition("/")
    if not text.startswith("oss://") or not (bucket and slash and key):
        raise invalid(name, f"{text!r} is not a URI; write oss://bucket/key.")
    return bucket, key


def _parse_topic(notification: Mapping[str, Any]) -> str:
    """Return the topic to notify, "" for none."""
    mns = check_fields(notification, NOTIFICATION, "Notification").get("MNS")
    return str(check_fields(mns, TOPIC, "Notification.MNS").get("TopicName") or "")


def _parse_source(given: object) -> TaskSource:
    source = check_fields(given, SOURCE, "Sources")
    bucket, key = parse_uri(source.get("URI"), "Sources.URI")
    start, duration = (_milliseconds(source.get(name), f"Sources.{name}") for name in ("StartTime", "Duration"))
    return TaskSource(bucket, key, start, duration)


def _milliseconds(seconds: object, name: str) -> int:
    value = 0 if seconds is None else seconds
    if not isinstance(value, (int, float)) or not 0 <= value * 1000 <= MAX_MILLISECONDS:
        raise invalid(name, f"{value!r} is not a number of seconds from 0 to {MAX_MILLISECONDS // 1000}.")
    return round(value * 1000)


def _parse_encoding(target: Mapping[str, Any]) -> Encoding:
    container = target.get("Container")
    if container not in FORMATS:
        message = f"{container!r} is not supported; this cloud makes audio only: {', '.join(FORMATS)}."
        raise invalid("Targets.Container", message)
    given = check_fields(target.get("Audio"), AUDIO, "Targets.Audio").get("TranscodeAudio")
    audio = check_fields(given, TRANSCODE, "Targets.Audio.TranscodeAudio")
    codec, expected = audio.get("Codec"), codec_of(container)
    if codec not in (None, "", expected):
        raise _invalid_audio("Codec", f"{codec!r} does not go into {container}; use {expected}.")
    quality = audio.get("Quality")
    if quality is not None and audio.get("Bitrate"):
        raise _invalid_audio("Quality", "cannot be given together with Bitrate.")
    option = audio.get("BitrateOption") or BITRATE_OPTIONS[0]
    if option not in BITRATE_OPTIONS:
        raise invalid("BitrateOption", f"{option!r} is not one of {', '.join(BITRATE_OPTIONS)}.")
    return Encoding(
        format=container,
        sample_rate=_integer(audio, "SampleRate", 8000, 96000),
        channels=_integer(audio, "Channel", 1, MAX_CHANNELS),
        bitrate=_integer(audio, "Bitrate", 1000, 10_000_000),
        quality=None if quality is None else _integer(audio, "Quality", 0, 100),
        bitrate_option=BITRATE_OPTIONS.index(option),
        bits=_bits(audio),
    )


def _integer(values: Mapping[str, Any], name: str, low: int, high: int) -> int:
    """Return an integer of a range; 0 if it is not given."""
    value = values.get(name)
    if value is None:
        return 0
    if not isinstance(value, int) or not low <= value <= high:
        raise _invalid_audio(name, f"{value!r} is not an integer from {low} to {high}.")
    return value


def _bits(audio: Mapping[str, Any]) -> int:
    if (bits := audio.get("BitsPerSample") or 16) not in (16, 24):
        raise _invalid_audio("BitsPerSample", f"{bits!r} is not 16 or 24.")
    return int(bits)


def _invalid_audio(name: str, message: str) -> ImmError:
    return invalid(f"Targets.Audio.TranscodeAudio.{name}", message)
