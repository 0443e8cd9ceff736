"""Reads process strings such as `audio/concat,f_mp3/pre,o_…|sys/saveas,o_…`. Knows words and ranges, no objects.

Pure. The task service calls `read_process`; it shares no code with whatever writes such strings, on purpose.
Parameters and ranges: OSS user guide, "Audio merging", page dated 2026-03-20.
"""

import base64
import re
from dataclasses import dataclass

from localyun.imm.errors import invalid, not_found
from localyun.imm.formats import FORMATS, MAX_CHANNELS, SAMPLE_RATES, check_encoding
from localyun.imm.work import MAX_SOURCES, Encoding

MAX_MILLISECONDS = 2**31 - 1
ACTIONS = ("concat", "convert")
ENCODING_WORDS = frozenset({"f", "ss", "t", "ar", "ac", "ab", "aq", "abopt", "adepth"})
# The standard Base64 alphabet contains "/": only a "/" before an operation's name and a comma parts two operations.
CLIP_BORDER = re.compile(r"/(?=(?:pre|sur)(?:,|$|/))")
NOTIFY_BORDER = re.compile(r"/(?=notify(?:,|$))")


@dataclass(frozen=True)
class Clip:
    """A clip named by the process string, with its trim in milliseconds; a duration of 0 means: to the end."""

    key: str
    start_ms: int = 0
    duration_ms: int = 0


@dataclass(frozen=True)
class Process:
    """A process string, read. `target_bucket` and `target_key` may still hold variables in braces."""

    action: str
    encoding: Encoding
    before: tuple[Clip, ...]
    after: tuple[Clip, ...]
    target_key: str
    target_bucket: str = ""
    topic: str = ""
    align: int = 0
    start_ms: int = 0
    duration_ms: int = 0


def read_process(text: str) -> Process:
    """Read a process string, or raise the `ImmError` that names its first mistake and the remedy."""
    head, *tail = text.split("|")
    action, words, clips = _head(head)
    bucket, key, topic = _tail(tail)
    before = tuple(_clip(one) for name, one in clips if name == "pre")
    after = tuple(_clip(one) for name, one in clips if name == "sur")
    count = len(before) + 1 + len(after)
    if count > MAX_SOURCES:
        text = f"{count} audio objects, counting the posted one; a request merges at most {MAX_SOURCES}."
        raise invalid("sources", text)
    return Process(
        action=action,
        encoding=_encoding(words),
        before=before,
        after=after,
        target_key=key,
        target_bucket=bucket,
        topic=topic,
        align=_number(words, "align", 0, count - 1),
        start_ms=_number(words, "ss", 0, MAX_MILLISECONDS),
        duration_ms=_number(words, "t", 0, MAX_MILLISECONDS),
    )


def read_name(encoded: str, parameter: str) -> str:
    """Decode a Base64 name: URL-safe or standard alphabet, padded or not. Nothing is trimmed off the name."""
    plain = encoded.rstrip("=").translate(str.maketrans("-_", "+/"))
    try:
        raw = base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
        name = raw.decode("utf-8")
    except ValueError:  # not Base64, not ASCII, or not UTF-8
        text = f"{encoded!r} is not URL-safe Base64 of a UTF-8 name."
        raise invalid(parameter, text) from None
    if not name:
        raise invalid(parameter, "is required.")
    return name


def _head(head: str) -> tuple[str, dict[str, str], list[tuple[str, dict[str, str]]]]:
    """Part the audio operation: its action, its words, and its clips in order."""
    first, *rest = CLIP_BORDER.split(head)
    operation, _, words = first.partition(",")
    family, _, action = operation.partition("/")
    if family != "audio" or action not in ACTIONS:
        raise not_found("Route")
    legal = ENCODING_WORDS | {"align"} if action == "concat" else ENCODING_WORDS
    if rest and action != "concat":
        raise invalid("process", "audio/convert takes no /pre and no /sur; use audio/concat.")
    return action, _words(words, legal, operation), [_operation(one) for one in rest]


def _operation(text: str) -> tuple[str, dict[str, str]]:
    """Read one `/pre` or `/sur`, without its slash."""
    name, _, words = text.partition(",")
    return name, _words(words, frozenset({"o", "ss", "t"}), "/" + name)


def _words(text: str, legal: frozenset[str], where: str) -> dict[str, str]:
    """Read `name_value,name_value`; a value may hold underscores."""
    words: dict[str, str] = {}
    for word in text.split(",") if text else ():
        name, _, value = word.partition("_")
        if name not in legal:
            raise invalid(name, f"is not a parameter of {where}; it takes {', '.join(sorted(legal))}.")
        if name in words:
            raise invalid(name, f"is given twice in {where}; give it once.")
        words[name] = value
    return words


def _clip(words: dict[str, str]) -> Clip:
    """Read the parameters of one clip."""
    key = read_name(words.get("o", ""), "o")
    return Clip(key, _number(words, "ss", 0, MAX_MILLISECONDS), _number(words, "t", 0, MAX_MILLISECONDS))


def _number(words: dict[str, str], name: str, low: int, high: int) -> int:
    """Read a whole number of a range; 0 where it is not given."""
    text = words.get(name)
    if text is None:
        return 0
    if not (text.isascii() and text.isdigit() and low <= int(text[:20]) <= high):
        raise invalid(name, f"{text!r} is not a whole number from {low} to {high}.")
    return int(text)


def _choice(words: dict[str, str], name: str, choices: tuple[int, ...]) -> int | None:
    """Read a number out of a list; None where it is not given."""
    if name not in words:
        return None
    if words[name] not in map(str, choices):
        raise invalid(name, f"{words[name]!r} is not one of {', '.join(map(str, choices))}.")
    return int(words[name])


def _encoding(words: dict[str, str]) -> Encoding:
    """Read how the output is to be encoded, and refuse what excludes each other."""
    if not words.get("f"):
        raise invalid("f", "is required.")
    if words["f"] not in FORMATS:
        raise invalid("f", f"{words['f']!r} is not one of {', '.join(FORMATS)}.")
    for name, other, clash in (("ab", "aq", True), ("abopt", "ab", False)):
        if name in words and (other in words) is clash:
            raise invalid(name, f"cannot be given {'together with' if clash else 'without'} {other}.")
    if "adepth" in words and words["f"] != "flac":
        raise invalid("adepth", f"applies to flac only, not to {words['f']}.")
    encoding = Encoding(
        format=words["f"],
        sample_rate=_choice(words, "ar", SAMPLE_RATES) or 0,
        channels=_number(words, "ac", 1, MAX_CHANNELS),
        bitrate=_number(words, "ab", 1000, 10_000_000),
        quality=_number(words, "aq", 0, 100) if "aq" in words else None,
        bitrate_option=_choice(words, "abopt", (0, 1, 2)) or 0,
        bits=_choice(words, "adepth", (16, 24)) or 16,
    )
    check_encoding(encoding)
    return encoding


def _tail(tail: list[str]) -> tuple[str, str, str]:
    """Read `sys/saveas,…/notify,…` and `sys/notify,…`: the target's bucket and key, and the topic."""
    operations: dict[str, dict[str, str]] = {}
    for part in tail:
        family, _, rest = part.partition("/")
        if family != "sys":
            raise invalid("process", f"{part!r} cannot follow; after | comes sys/saveas or sys/notify.")
        for one in NOTIFY_BORDER.split(rest):
            _add_system(operations, one)
    if not operations.get("saveas", {}).get("o"):
        raise invalid("target", "is required.")
    saveas, topic = operations["saveas"], operations.get("notify", {}).get("topic", "")
    if "notify" in operations and not topic:
        raise invalid("topic", "is required.")
    bucket = read_name(saveas["b"], "b") if "b" in saveas else ""
    return bucket, read_name(saveas["o"], "o"), read_name(topic, "topic") if topic else ""


def _add_system(operations: dict[str, dict[str, str]], text: str) -> None:
    """Read `saveas,…` or `notify,…`, each at most once."""
    legal = {"saveas": frozenset({"b", "o"}), "notify": frozenset({"topic"})}
    name, _, words = text.partition(",")
    if name not in legal:
        raise invalid("process", f"sys/{name} is not known; after | comes sys/saveas or sys/notify.")
    if name in operations:
        raise invalid("process", f"{name} is given twice; give it once.")
    operations[name] = _words(words, legal[name], "sys/" + name)
