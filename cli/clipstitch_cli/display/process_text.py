"""A process string in words: which clips, in which order, converted to what, and where the output goes. Pure."""

from typing import Any, NamedTuple

from clipstitch.common.audio_formats import BITRATE_OPTIONS
from clipstitch.planning.process_string import CONCAT, CONVERT, Process, Saveas, Segment, Transcode

POSTED = "the posted object"
_BITRATE_OPTION_TEXTS = (
    "always that bitrate",
    "or the source's own bitrate where that is lower",
    "and fail where a source has a lower bitrate",
)


class ClipText(NamedTuple):
    """One clip of the merged audio. `place` is pre, posted or sur; `ss` and `t` are its trim in milliseconds."""

    number: int
    name: str
    place: str
    ss: int
    t: int

    @property
    def trim(self) -> str:
        """Which part of the clip is used."""
        return format_trim(self.ss, self.t)


def clip_texts(process: Process, main: str = "") -> list[ClipText]:
    """Return the clips in the order of the output, numbered from 1. `main`: the key of the posted object."""
    placed = [("pre", clip) for clip in process.pre]
    placed += [("posted", Segment(main or POSTED)), *(("sur", clip) for clip in process.sur)]
    return [ClipText(at, clip.key, place, clip.ss or 0, clip.t or 0) for at, (place, clip) in enumerate(placed, 1)]


def source_keys(process: Process, main: str) -> list[str]:
    """Return the keys of the clips in the order of the output."""
    return [clip.name for clip in clip_texts(process, main)]


def format_trim(start_ms: int, duration_ms: int) -> str:
    """Return what a trim keeps, in words.

    >>> format_trim(0, 0), format_trim(0, 2000), format_trim(4000, 10000), format_trim(10000, 0)
    ('whole', 'the first 2 s', 'from 4 s for 10 s', 'from 10 s to the end')
    """
    if not duration_ms:
        return f"from {format_ms(start_ms)} to the end" if start_ms else "whole"
    length = format_ms(duration_ms)
    return f"from {format_ms(start_ms)} for {length}" if start_ms else f"the first {length}"


def output_trim(process: Process) -> str:
    """Return what the action's own parameters `ss` and `t` keep, in words."""
    return format_trim(process.transcode.ss or 0, process.transcode.t or 0)


def format_ms(milliseconds: float) -> str:
    """Return a duration in words.

    >>> format_ms(2000), format_ms(1500), format_ms(83250)
    ('2 s', '1.5 s', '1 min 23.25 s')
    """
    minutes, rest = divmod(round(milliseconds), 60_000)
    tail = f"{rest / 1000:.3f}".rstrip("0").rstrip(".")
    return f"{minutes} min {tail} s" if minutes else f"{tail} s"


def format_channels(count: int) -> str:
    """Return a number of channels in words."""
    return {1: "mono", 2: "stereo"}.get(count, f"{count} channels")


def format_transcode(transcode: Transcode) -> str:
    """Return the format of the output in words.

    >>> format_transcode(Transcode("aac", ar=44100, ac=1, ab=96000, abopt=0))
    'AAC, 44,100 Hz, mono, 96,000 bit/s (always that bitrate)'
    """
    parts = [transcode.f.upper()]
    parts.append(f"{transcode.ar:,} Hz" if transcode.ar is not None else "the align clip's sample rate")
    parts.append(format_channels(transcode.ac) if transcode.ac is not None else "the align clip's channels")
    if transcode.ab is not None:
        options = _BITRATE_OPTION_TEXTS[transcode.abopt or 0 :]
        parts.append(f"{transcode.ab:,} bit/s" + (f" ({options[0]})" if options else ""))
    if transcode.aq is not None:
        parts.append(f"quality {transcode.aq} of 100")
    if transcode.adepth is not None:
        parts.append(f"{transcode.adepth} bits per sample")
    return ", ".join(parts)


def format_saveas(saveas: Saveas | None) -> str:
    """Return where the output is saved, in words."""
    if saveas is None:
        return "nowhere: there is no sys/saveas"
    bucket = saveas.bucket if saveas.bucket is not None else "(the posted object's bucket)"
    if saveas.key is not None:
        return f"oss://{bucket}/{saveas.key}"
    return f"oss://{bucket}/{saveas.template}  (the cloud replaces the variables in braces)"


def as_json(process: Process, main: str = "") -> dict[str, Any]:
    """Return a process as JSON values."""
    option = process.transcode.abopt
    output = {name: value for name, value in process.transcode._asdict().items() if value is not None}
    if option is not None and option < len(BITRATE_OPTIONS):
        output["bitrate_option"] = BITRATE_OPTIONS[option]
    clips = [
        {"number": clip.number, "key": clip.name if clip.name != POSTED or main else None, "place": clip.place}
        | {"start_ms": clip.ss, "duration_ms": clip.t, "description": clip.trim}
        for clip in clip_texts(process, main)
    ]
    return {
        "action": process.action,
        "clips": clips,
        "output": {**output, "description": format_transcode(process.transcode)},
        "align": process.transcode.align or 0,
        "saveas": {**process.saveas._asdict(), "key": process.saveas.key} if process.saveas else None,
        "topic": process.topic,
    }


def headline(process: Process) -> str:
    """Return what a process does, in one line."""
    count = len(process.pre) + 1 + len(process.sur)
    if process.action != CONCAT:
        return "Convert one object:"
    return f"Join {count} clip{'s' if count > 1 else ''} end to end, in this order:"


def is_conversion(process: Process) -> bool:
    """Return True if the process converts one object, so that `ss` and `t` trim that object."""
    return process.action == CONVERT
