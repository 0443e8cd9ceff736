"""The fields of CreateMediaConvertTask, and what the local cloud makes of each. Pure.

A field is honoured, or has a value that changes nothing, or the task is refused: an option that is ignored would give
another file than in the cloud. Sources: the models of alibabacloud-imm20200930 5.0.3, and CreateMediaConvertTask (read
2026-11).
"""

from collections.abc import Callable, Mapping
from typing import Any

from localyun.imm.errors import invalid

# Parameters that go with every action of an OpenAPI.
COMMON = frozenset(
    """
    Action Version Format AccessKeyId SecurityToken Signature SignatureMethod SignatureNonce SignatureType
    SignatureVersion Timestamp RegionId ProjectName
    """.split()  # noqa: SIM905 - quoted words are harder to read
)
Accepts = Callable[[Any], bool]


def _any(_value: Any) -> bool:
    """Accept a field that is honoured; its value is checked where it is read."""
    return True


def _none(_value: Any) -> bool:
    """Refuse every value that asks for something."""
    return False


def _equal(*values: Any) -> Accepts:
    """Accept values that ask for what is done anyway."""
    return lambda value: value in values


_DISABLED_VIDEO, _DISABLED_SUBTITLE = _equal({"DisableVideo": True}), _equal({"DisableSubtitle": True})
TASK: Mapping[str, Accepts] = {
    **dict.fromkeys(("Sources", "Targets", "AlignmentIndex", "Notification", "UserData", "Tags"), _any),
    "TargetGroups": _none,
    "CredentialConfig": _none,
}
SOURCE: Mapping[str, Accepts] = {
    **dict.fromkeys(("URI", "StartTime", "Duration"), _any),
    "DisableVideo": _equal(True),
    "DisableAudio": _none,
    "AlignMode": _equal("false"),
    "Attached": _none,
    "Subtitles": _none,
}
TARGET: Mapping[str, Accepts] = {
    **dict.fromkeys(("URI", "Container", "Audio"), _any),
    "Video": _DISABLED_VIDEO,
    "Subtitle": _DISABLED_SUBTITLE,
    "Speed": _equal(1),
    **dict.fromkeys(("Image", "Segment", "StripMetadata", "AttachedPicture", "Data"), _none),
}
AUDIO: Mapping[str, Accepts] = {
    "TranscodeAudio": _any,
    **dict.fromkeys(("DisableAudio", "FilterAudio", "Stream"), _none),
}
TRANSCODE: Mapping[str, Accepts] = {
    **dict.fromkeys(("Codec", "SampleRate", "Channel", "Bitrate", "BitrateOption", "Quality"), _any),
    "BitsPerSample": _any,
    "SampleRateOption": _equal("fixed"),
}
NOTIFICATION: Mapping[str, Accepts] = {"MNS": _any, "RocketMQ": _none, "ExtendedMessageURI": _none}
TOPIC: Mapping[str, Accepts] = {"TopicName": _any}


def check_fields(values: object, known: Mapping[str, Accepts], at: str) -> Mapping[str, Any]:
    """Return an object of a request; raise `ImmError` if it is none, or has a field that is not honoured here."""
    if values is None:
        return {}
    if not isinstance(values, Mapping):
        raise invalid(at, "is not a JSON object.")
    for name, value in values.items():
        place = f"{at}.{name}".removeprefix(".")
        if name not in known:
            raise invalid(place, f"is unknown; known fields: {', '.join(sorted(known))}.")
        if value not in (None, "", False, [], {}) and not known[name](value):
            raise invalid(place, "is not supported here; leave it out, or test this option in the cloud.")
    return values


def check_task(values: Mapping[str, str]) -> None:
    """Raise `ImmError` if a request has a parameter that is not honoured here."""
    given = {name: value for name, value in values.items() if name not in COMMON}
    check_fields({name: value for name, value in given.items() if value not in ("[]", "{}", "null")}, TASK, "")
