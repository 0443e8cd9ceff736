"""The grammar of process strings, both ways. Knows names and numbers, not whether they make sense together.

The planner spells, `clipstitch explain` reads. Whatever `spell` writes, `read` gives back; what `read` accepts
is wider: samples keep or strip Base64 padding, and one official sample uses the ordinary alphabet.

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
    """A clip put before or after the posted object. `ss` and `t` in ms; `t` is a duration, 0 = to the end."""

    key: str
    ss: int | None = None
    t: int | None = None


class Transcode(NamedTuple):
    """The parameters of the merged output, as the reference names them; None leaves one out."""

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
    """Where the output goes. `template` may hold variables such as {autoext}; see `literal` for plain keys."""

    template: str
    bucket: str | None = None

    @classmethod
    def literal(cls, ref: ObjectRef) -> "Saveas":
        """Aim at exactly this object, whatever braces its key has."""
        return cls(ref.key.replace("{", "{{").replace("}", "}}"), ref.bucket)

    @property
    def key(self) -> str | None:
        """The key, when it is the same for every task; None when it depends on variables."""
        if re.search(r"[{}]", re.sub(r"\{\{|\}\}", "", self.template)):
            return None
        return self.template.replace("{{", "{").replace("}}", "}")


class Process(NamedTuple):
    """A whole request on a posted object: the effective order is `pre`, the posted object, `sur`."""

    transcode: Transcode
    pre: tuple[Segment, ...] = ()
    sur: tuple[Segment, ...] = ()
    saveas: Saveas | None = None
    topic: str | None = None
    action: str = CONCAT


def encode_name(name: str) -> str:
    """Encode a name for a process string: URL-safe alphabet, no padding.

    >>> b64("out/a b.mp3")
    'b3V0L2EgYi5tcDM'
    """
    return base64.urlsafe_b64encode(name.encode()).decode().rstrip("=")


def decode_name(text: str) -> str:
    """Decode a name, with or without padding, in either alphabet; `InvalidProcessString` otherwise."""
    plain = text.rstrip("=").replace("+", "-").replace("/", "_")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), altchars=b"-_", validate=True).decode()
    except ValueError as error:  # not Base64, not ASCII, or not UTF-8
        raise InvalidProcessString(f"{text!r} is not URL-safe Base64 of a UTF-8 name") from error


def format_process(process: Process) -> str:
    """Write a process as OSS reads it."""
    actions = [_spell_action(process)]
    if process.saveas or process.topic is not None:
        actions.append("/".join(_spell_system(process)))
    return "|".join(actions)


def _spell_action(process: Process) -> str:
    """Write the audio action with its segments."""
    pres = (f"/pre,{_spell_segment(segment)}" for segment in process.pre)
    surs = (f"/sur,{_spell_segment(segment)}" for segment in process.sur)
    return f"{process.action},{_spell_transcode(process.transcode)}" + "".join((*pres, *surs))


def _spell_transcode(transcode: Transcode) -> str:
    """Write the action's own parameters, in the order of the reference's examples."""
    return ",".join(f"{name}_{value}" for name, value in transcode._asdict().items() if value is not None)


def _spell_segment(segment: Segment) -> str:
    """Write one clip."""
    trims = (("ss", segment.ss), ("t", segment.t))
    return ",".join((f"o_{encode_name(segment.key)}", *(f"{name}_{ms}" for name, ms in trims if ms is not None)))


def _spell_system(process: Process) -> Iterator[str]:
    """Write what follows the bar: where to save, whom to notify."""
    if process.saveas:
        bucket = f"b_{encode_name(process.saveas.bucket)}," if process.saveas.bucket is not None else ""
        yield f"sys/saveas,{bucket}o_{encode_name(process.saveas.template)}"
    if process.topic is not None:
        yield ("" if process.saveas else "sys/") + f"notify,topic_{encode_name(process.topic)}"


def parse_process(text: str) -> Process:
    """Read a process string; `InvalidProcessString` says what is wrong and where."""
    action, *system = text.removeprefix("x-oss-async-process=").split("|")
    name = next((known for known in (CONCAT, CONVERT) if action.startswith(f"{known},")), None)
    if name is None:
        found = f"starts with {action[:40]!r}" if action else "is empty"
        raise InvalidProcessString(
            f"{found}; known actions are {CONCAT} and {CONVERT}, each with a comma and its parameters"
        )
    head, *clips = _split_segments(action.removeprefix(f"{name},"))
    segments = [_read_segment(clip) for clip in clips]
    saveas, topic = _read_system(system)
    return Process(
        transcode=_read_transcode(head),
        pre=tuple(segment for place, segment in segments if place == "pre"),
        sur=tuple(segment for place, segment in segments if place == "sur"),
        saveas=saveas,
        topic=topic,
        action=name,
    )


def _split_segments(text: str) -> list[str]:
    """Split before every /pre, and /sur, only: the ordinary Base64 alphabet has slashes of its own."""
    return re.split(r"/(?=(?:pre|sur),)", text)


def _parameters(text: str, known: tuple[str, ...], where: str) -> Mapping[str, str]:
    """Read `name_value,name_value`; every name must be known and stand once."""
    found: dict[str, str] = {}
    for item in filter(None, text.split(",")):
        name, underscore, value = item.partition("_")
        if not underscore or name not in known:
            raise InvalidProcessString(f"{where}: unknown parameter {item!r}; known are {', '.join(known)}")
        if name in found:
            raise InvalidProcessString(f"{where}: parameter {name!r} stands twice")
        found[name] = value
    return found


def _numbers(found: Mapping[str, str], names: tuple[str, ...], where: str) -> dict[str, int]:
    """Read the whole numbers among some parameters."""
    for name in names:
        if name in found and not re.fullmatch(r"[0-9]{1,18}", found[name]):
            raise InvalidProcessString(f"{where}: {name} must be a whole number, not {found[name]!r}")
    return {name: int(found[name]) for name in names if name in found}


def _read_transcode(text: str) -> Transcode:
    """Read the action's own parameters."""
    found = _parameters(text, ("f", *_NUMBERS), "action")
    if "f" not in found:
        raise InvalidProcessString("action: f, the output format, is missing")
    return Transcode(f=found["f"], **_numbers(found, _NUMBERS, "action"))


def _read_segment(text: str) -> tuple[str, Segment]:
    """Read one clip with the place it is put."""
    place, comma, rest = text.partition(",")
    if place not in {"pre", "sur"} or not comma:
        raise InvalidProcessString(f"{text[:40]!r} is not a clip; clips begin with /pre, or /sur,")
    found = _parameters(rest, ("o", "ss", "t"), f"/{place}")
    if "o" not in found:
        raise InvalidProcessString(f"/{place}: o, the object, is missing")
    return place, Segment(decode_name(found["o"]), **_numbers(found, ("ss", "t"), f"/{place}"))


def _read_system(parts: list[str]) -> tuple[Saveas | None, str | None]:
    """Read what follows the bars: `sys/saveas,…/notify,…` or `sys/notify,…`."""
    saveas, topic = None, None
    for item in (item for part in parts for item in re.split(r"/(?=notify,|saveas,)", part.removeprefix("sys/"))):
        name, _, rest = item.partition(",")
        if name == "saveas" and saveas is None:
            saveas = _read_saveas(rest)
        elif name == "notify" and topic is None:
            topic = _read_topic(rest)
        else:
            raise InvalidProcessString(f"{item[:40]!r} is neither saveas nor notify, or stands twice")
    return saveas, topic


def _read_saveas(text: str) -> Saveas:
    """Read where the output goes."""
    found = _parameters(text, ("b", "o"), "sys/saveas")
    if "o" not in found:
        raise InvalidProcessString("sys/saveas: o, the object, is missing")
    return Saveas(decode_name(found["o"]), decode_name(found["b"]) if "b" in found else None)


def _read_topic(text: str) -> str:
    """Read who is notified."""
    found = _parameters(text, ("topic",), "notify")
    if "topic" not in found:
        raise InvalidProcessString("notify: topic is missing")
    return decode_name(found["topic"])
