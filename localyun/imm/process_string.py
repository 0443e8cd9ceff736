"""Parses process strings such as `audio/concat,f_mp3/pre,o_…|sys/saveas,o_…`. Knows parameters and ranges, no objects.

Pure; the task service calls `parse_process`. The module deliberately shares no code with the product's formatter.
Parameters and ranges: OSS user guide, "Audio merging", page dated 2026-03-20.
"""

import base64
import re
from collections.abc import Collection
from dataclasses import dataclass

from localyun.imm.errors import invalid, not_found
from localyun.imm.output_formats import FORMATS, MAX_CHANNELS, SAMPLE_RATES, check_encoding
from localyun.imm.task_spec import MAX_SOURCES, Encoding

MAX_MILLISECONDS = 2**31 - 1
ACTIONS = ("concat", "convert")
ENCODING_PARAMETERS = {"f", "ss", "t", "ar", "ac", "ab", "aq", "abopt", "adepth"}
SYSTEM_PARAMETERS = {"saveas": {"b", "o"}, "notify": {"topic"}}
# The standard Base64 alphabet contains "/": only a "/" before an operation's name and a comma separates operations.
CLIP_SEPARATOR = re.compile(r"/(?=(?:pre|sur)(?:,|$|/))")
NOTIFY_SEPARATOR = re.compile(r"/(?=notify(?:,|$))")


@dataclass(frozen=True)
class ProcessClip:
    """A clip of the process string and its trim in milliseconds; a duration of 0 means: to the end."""

    key: str
    start_ms: int = 0
    duration_ms: int = 0


@dataclass(frozen=True)
class ParsedProcess:
    """A parsed process string. `target_bucket` and `target_key` may contain variables in braces."""

    action: str
    encoding: Encoding
    before: tuple[ProcessClip, ...]
    after: tuple[ProcessClip, ...]
    target_key: str
    target_bucket: str = ""
    topic: str = ""
    align: int = 0
    start_ms: int = 0
    duration_ms: int = 0


def parse_process(process: str) -> ParsedProcess:
    """Return the parsed process string; raise `ImmError`, which names the first error and the remedy."""
    head, *tail = process.split("|")
    action, parameters, clips = _parse_head(head)
    bucket, key, topic = _parse_tail(tail)
    before = tuple(_parse_clip(clip) for name, clip in clips if name == "pre")
    after = tuple(_parse_clip(clip) for name, clip in clips if name == "sur")
    count = len(before) + 1 + len(after)
    if count > MAX_SOURCES:
        message = f"{count} audio objects, counting the posted one; a request merges at most {MAX_SOURCES}."
        raise invalid("sources", message)
    return ParsedProcess(
        action=action,
        encoding=_parse_encoding(parameters),
        before=before,
        after=after,
        target_key=key,
        target_bucket=bucket,
        topic=topic,
        align=_integer(parameters, "align", 0, count - 1),
        start_ms=_integer(parameters, "ss", 0, MAX_MILLISECONDS),
        duration_ms=_integer(parameters, "t", 0, MAX_MILLISECONDS),
    )


def decode_name(encoded: str, parameter: str) -> str:
    """Decode a Base64 name, in the URL-safe or the standard alphabet, padded or not; white space is kept.

    Raises `ImmError`, which names the parameter, for anything else.
    """
    standard = encoded.rstrip("=").translate(str.maketrans("-_", "+/"))
    try:
        name = base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True).decode("utf-8")
    except ValueError:  # not Base64, not ASCII, or not UTF-8
        raise invalid(parameter, f"{encoded!r} is not URL-safe Base64 of a UTF-8 name; encode the name.") from None
    if not name:
        raise invalid(parameter, "is required.")
    return name


def _parse_head(head: str) -> tuple[str, dict[str, str], list[tuple[str, dict[str, str]]]]:
    """Split the audio operation into its action, its parameters, and its clips in order."""
    first, *rest = CLIP_SEPARATOR.split(head)
    operation, _, parameters = first.partition(",")
    family, _, action = operation.partition("/")
    if family != "audio" or action not in ACTIONS:
        raise not_found("Route")
    if rest and action != "concat":
        raise invalid("process", "audio/convert takes no /pre and no /sur; use audio/concat.")
    legal = ENCODING_PARAMETERS | ({"align"} if action == "concat" else set())
    parsed = _parse_parameters(parameters, legal, operation)
    clips = [clip.partition(",")[::2] for clip in rest]
    return action, parsed, [(name, _parse_parameters(text, {"o", "ss", "t"}, f"/{name}")) for name, text in clips]


def _parse_parameters(text: str, legal: Collection[str], operation: str) -> dict[str, str]:
    """Parse `name_value,name_value`; a value may contain underscores."""
    parameters: dict[str, str] = {}
    for parameter in text.split(",") if text else ():
        if not parameter:
            raise invalid("process", f"{operation},{text} has a comma too many; remove it.")
        name, _, value = parameter.partition("_")
        if name not in legal:
            raise invalid(name, f"is not a parameter of {operation}; it takes {', '.join(sorted(legal))}.")
        if name in parameters:
            raise invalid(name, f"is given twice in {operation}; give it once.")
        if not value:
            raise invalid(name, f"has no value in {operation}; write it as {name}_VALUE.")
        parameters[name] = value
    return parameters


def _parse_clip(parameters: dict[str, str]) -> ProcessClip:
    start, duration = (_integer(parameters, name, 0, MAX_MILLISECONDS) for name in ("ss", "t"))
    return ProcessClip(decode_name(parameters.get("o", ""), "o"), start, duration)


def _integer(parameters: dict[str, str], name: str, low: int, high: int) -> int:
    """Parse an integer of a range; 0 if it is not given."""
    text = parameters.get(name)
    if text is None:
        return 0
    if not (text.isascii() and text.isdigit() and low <= int(text[:20]) <= high):
        raise invalid(name, f"{text!r} is not an integer from {low} to {high}.")
    return int(text)


def _choice(parameters: dict[str, str], name: str, choices: tuple[int, ...]) -> int | None:
    """Parse an integer of a list; None if it is not given."""
    if name not in parameters:
        return None
    if parameters[name] not in map(str, choices):
        raise invalid(name, f"{parameters[name]!r} is not one of {', '.join(map(str, choices))}.")
    return int(parameters[name])


def _parse_encoding(parameters: dict[str, str]) -> Encoding:
    """Parse the encoding of the output; reject parameters that exclude or require each other."""
    form = parameters.get("f")
    if not form:
        raise invalid("f", "is required.")
    if form not in FORMATS:
        raise invalid("f", f"{form!r} is not one of {', '.join(FORMATS)}.")
    for name, other, excluded in (("ab", "aq", True), ("abopt", "ab", False)):
        if name in parameters and (other in parameters) is excluded:
            raise invalid(name, f"cannot be given {'together with' if excluded else 'without'} {other}.")
    if "adepth" in parameters and form != "flac":
        raise invalid("adepth", f"applies to flac only, not to {form}.")
    encoding = Encoding(
        format=form,
        sample_rate=_choice(parameters, "ar", SAMPLE_RATES) or 0,
        channels=_integer(parameters, "ac", 1, MAX_CHANNELS),
        bitrate=_integer(parameters, "ab", 1000, 10_000_000),
        quality=_integer(parameters, "aq", 0, 100) if "aq" in parameters else None,
        bitrate_option=_choice(parameters, "abopt", (0, 1, 2)) or 0,
        bits=_choice(parameters, "adepth", (16, 24)) or 16,
    )
    check_encoding(encoding)
    return encoding


def _parse_tail(tail: list[str]) -> tuple[str, str, str]:
    """Parse `sys/saveas,…/notify,…` and `sys/notify,…` into the target's bucket and key, and the topic."""
    operations: dict[str, dict[str, str]] = {}
    for part in tail:
        family, _, rest = part.partition("/")
        if family != "sys":
            raise invalid("process", f"{part!r} cannot follow; after | comes sys/saveas or sys/notify.")
        for operation in NOTIFY_SEPARATOR.split(rest):
            name, _, parameters = operation.partition(",")
            if name not in SYSTEM_PARAMETERS:
                raise invalid("process", f"sys/{name} is not known; after | comes sys/saveas or sys/notify.")
            if name in operations:
                raise invalid("process", f"{name} is given twice; give it once.")
            operations[name] = _parse_parameters(parameters, SYSTEM_PARAMETERS[name], f"sys/{name}")
    saveas, notify = operations.get("saveas", {}), operations.get("notify")
    if not saveas.get("o"):
        raise invalid("target", "is required.")
    if notify is not None and not notify.get("topic"):
        raise invalid("topic", "is required.")
    bucket = decode_name(saveas["b"], "b") if "b" in saveas else ""
    return bucket, decode_name(saveas["o"], "o"), decode_name(notify["topic"], "topic") if notify else ""
