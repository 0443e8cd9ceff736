"""Format and parse process strings. The values of parameters are not checked against each other.

The planner formats, `clipstitch explain` parses. `parse_process` inverts `format_process` and accepts more: vendor
samples have Base64 with and without padding, and one uses the standard alphabet.

Source: OSS user guide, "What is audio merging", page dated 2026-03-20, and "Variables" for sys/saveas.
"""

import base64
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from clipstitch.common.errors import InvalidProcessString
from clipstitch.common.identifiers import ObjectRef

CONCAT, CONVERT = "audio/concat", "audio/convert"
_NUMBERS = ("ss", "t", "ac", "ar", "ab", "aq", "abopt", "align", "adepth")


class Segment(NamedTuple):
    """A clip before or after the posted object: start `ss` and duration `t` (0: to the end) in milliseconds."""

    key: str
    ss: int | None = None
    t: int | None = None


class Transcode(NamedTuple):
    """The parameters of the output, by the names of the OSS user guide; None omits one."""

    f: str
    ss: int | None = None
    t: int | None = None
    ac: int | None = None
    ar: int | None = None
    ab: int | None = None
    aq: int | None = None
    abopt: int | None = None
    align: int | None = None
    adepth: int | None = None


class Saveas(NamedTuple):
    """The output object. `template` may have variables such as {autoext}; `literal` makes one of a key."""

    template: str
    bucket: str | None = None

    @classmethod
    def literal(cls, ref: ObjectRef) -> "Saveas":
        """Return the template of exactly this object; braces in its key are doubled."""
        return cls(ref.key.replace("{", "{{").replace("}", "}}"), ref.bucket)

    @property
    def key(self) -> str | None:
        """The key; None if it depends on variables."""
        if re.search(r"[{}]", re.sub(r"\{\{|\}\}", "", self.template)):
            return None
        return self.template.replace("{{", "{").replace("}}", "}")


class Process(NamedTuple):
    """A request to a posted object. The order of its sources is `pre`, the posted object, `sur`."""

    transcode: Transcode
    pre: tuple[Segment, ...] = ()
    sur: tuple[Segment, ...] = ()
    saveas: Saveas | None = None
    topic: str | None = None
    action: str = CONCAT


def encode_name(name: str) -> str:
    """Return a name as a process string has it: Base64 with the URL-safe alphabet, without padding.

    >>> encode_name("out/a b.mp3")
    'b3V0L2EgYi5tcDM'
    """
    return base64.urlsafe_b64encode(name.encode()).decode().rstrip("=")


def decode_name(text: str) -> str:
    """Return the name of a Base64 string of either alphabet, padded or not. Raises `InvalidProcessString`."""
    plain = text.rstrip("=").replace("+", "-").replace("/", "_")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), altchars=b"-_", validate=True).decode()
    except ValueError as error:  # not Base64, not ASCII, or not UTF-8
        raise InvalidProcessString(f"{text!r} is not URL-safe Base64 of a UTF-8 name") from error


def format_process(process: Process) -> str:
    """Return the process string of a process."""
    segments = [f"/{place},{_format_segment(one)}" for place in ("pre", "sur") for one in getattr(process, place)]
    # The order of the parameters is that of the user guide's examples.
    parameters = _format_numbers(process.transcode._asdict())
    system = "/".join(_format_system(process))
    return f"{process.action}{parameters}{''.join(segments)}" + (f"|{system}" if system else "")


def _format_numbers(values: Mapping[str, object]) -> str:
    return "".join(f",{name}_{value}" for name, value in values.items() if value is not None)


def _format_segment(segment: Segment) -> str:
    return f"o_{encode_name(segment.key)}" + _format_numbers({"ss": segment.ss, "t": segment.t})


def _format_system(process: Process) -> Iterator[str]:
    """Yield the actions after the bar: where to save, and which topic to notify."""
    if process.saveas:
        bucket = f"b_{encode_name(process.saveas.bucket)}," if process.saveas.bucket is not None else ""
        yield f"sys/saveas,{bucket}o_{encode_name(process.saveas.template)}"
    if process.topic is not None:
        yield ("" if process.saveas else "sys/") + f"notify,topic_{encode_name(process.topic)}"


def parse_process(text: str) -> Process:
    """Return the process of a process string. Raises `InvalidProcessString`, which says what is wrong and where."""
    action, *system = text.removeprefix("x-oss-async-process=").split("|")
    name = next((known for known in (CONCAT, CONVERT) if action.startswith(f"{known},")), None)
    if name is None:
        found = f"starts with {action[:40]!r}" if action else "is empty"
        raise InvalidProcessString(f"{found}; known actions are {CONCAT} and {CONVERT}, each with a comma and values")
    # Only /pre, and /sur, separate: the standard Base64 alphabet has slashes, too.
    head, *clips = re.split(r"/(?=(?:pre|sur),)", action.removeprefix(f"{name},"))
    parameters = _parameters(head, ("f", *_NUMBERS), "action", required="f")
    if not parameters["f"]:
        raise InvalidProcessString("action: parameter 'f' has no value")
    segments = [_parse_segment(clip) for clip in clips]
    saveas, topic = _parse_system(system)
    return Process(
        transcode=Transcode(f=parameters["f"], **_numbers(parameters, _NUMBERS, "action")),
        pre=tuple(segment for place, segment in segments if place == "pre"),
        sur=tuple(segment for place, segment in segments if place == "sur"),
        saveas=saveas,
        topic=topic,
        action=name,
    )


def _parameters(text: str, known: tuple[str, ...], where: str, required: str) -> Mapping[str, str]:
    """Return the values of `name_value,name_value`; every name must be known, and none may be duplicate."""
    found: dict[str, str] = {}
    for item in text.split(",") if text else ():
        name, underscore, value = item.partition("_")
        if not item:
            raise InvalidProcessString(f"{where}: a comma too many in {text!r}")
        if not underscore or name not in known:
            raise InvalidProcessString(f"{where}: unknown parameter {item!r}; known are {', '.join(known)}")
        if name in found:
            raise InvalidProcessString(f"{where}: duplicate parameter {name!r}")
        found[name] = value
    if required not in found:
        raise InvalidProcessString(f"{where}: parameter {required!r} is missing")
    return found


def _numbers(found: Mapping[str, str], names: tuple[str, ...], where: str) -> dict[str, int]:
    """Return the numbers of some parameters."""
    for name in names:
        if name in found and not re.fullmatch(r"[0-9]{1,18}", found[name]):
            raise InvalidProcessString(f"{where}: {name} is not an integer: {found[name]!r}")
    return {name: int(found[name]) for name in names if name in found}


def _parse_segment(text: str) -> tuple[str, Segment]:
    """Return the place of a clip, pre or sur, and the clip."""
    place, comma, rest = text.partition(",")
    if place not in {"pre", "sur"} or not comma:
        raise InvalidProcessString(f"{text[:40]!r} is not a clip; clips begin with /pre, or /sur,")
    found = _parameters(rest, ("o", "ss", "t"), f"/{place}", required="o")
    return place, Segment(decode_name(found["o"]), **_numbers(found, ("ss", "t"), f"/{place}"))


def _parse_system(parts: list[str]) -> tuple[Saveas | None, str | None]:
    """Return output and topic of the parts after the bars: `sys/saveas,…/notify,…` or `sys/notify,…`."""
    saveas, topic = None, None
    for item in (item for part in parts for item in re.split(r"/(?=notify,|saveas,)", part.removeprefix("sys/"))):
        name, _, rest = item.partition(",")
        if name == "saveas" and saveas is None:
            found = _parameters(rest, ("b", "o"), "sys/saveas", required="o")
            saveas = Saveas(decode_name(found["o"]), decode_name(found["b"]) if "b" in found else None)
        elif name == "notify" and topic is None:
            topic = decode_name(_parameters(rest, ("topic",), "notify", required="topic")["topic"])
        else:
            raise InvalidProcessString(f"{item[:40]!r} is neither saveas nor notify, or is a duplicate")
    return saveas, topic
