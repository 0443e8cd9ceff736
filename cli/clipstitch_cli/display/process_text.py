"""A process string in words: which clips, in which order, made into what, for whom. Pure."""

from typing import Any, NamedTuple

from clipstitch.common.audio_formats import BITRATE_OPTIONS
from clipstitch.planning.process_string import CONCAT, Process, Saveas, Segment, Transcode

POSTED = "the posted object"
_OPTIONS = (
    "always that bitrate",
    "or the source's own bitrate where that is lower",
    "and fail where a source has a lower bitrate",
)


class Part(NamedTuple):
    """One clip of the merged whole, in words. `place` is pre, posted or sur."""

    number: int
    name: str
    place: str
    ss: int
    t: int

    @property
    def trim(self) -> str:
        """What is taken of the clip."""
        return trim_words(self.ss, self.t)


def parts(process: Process, main: str = "") -> list[Part]:
    """Return the clips, numbered in the order in which they will be heard."""
    posted = Segment(main or POSTED)
    placed = [
        *(("pre", clip) for clip in process.pre),
        ("posted", posted),
        *(("sur", clip) for clip in process.sur),
    ]
    return [Part(at + 1, clip.key, place, clip.ss or 0, clip.t or 0) for at, (place, clip) in enumerate(placed)]


def trim_words(start_ms: int, duration_ms: int) -> str:
    """Say what a trim leaves.

    >>> trim_words(0, 0), trim_words(0, 2000), trim_words(4000, 10000), trim_words(10000, 0)
    ('whole', 'the first 2 s', 'from 4 s for 10 s', 'from 10 s to the end')
    """
    if not duration_ms:
        return f"from {seconds(start_ms)} to the end" if start_ms else "whole"
    return f"from {seconds(start_ms)} for {seconds(duration_ms)}" if start_ms else f"the first {seconds(duration_ms)}"


def seconds(milliseconds: float) -> str:
    """Write a length of time.

    >>> seconds(2000), seconds(1500), seconds(83250)
    ('2 s', '1.5 s', '1 min 23.25 s')
    """
    minutes, rest = divmod(round(milliseconds), 60_000)
    tail = f"{rest / 1000:.3f}".rstrip("0").rstrip(".")
    return f"{minutes} min {tail} s" if minutes else f"{tail} s"


def channel_words(count: int) -> str:
    """Say a number of channels."""
    return {1: "mono", 2: "stereo"}.get(count, f"{count} channels")


def sound_words(transcode: Transcode) -> str:
    """Say what the output will be.

    >>> sound_words(Transcode("aac", ar=44100, ac=1, ab=96000, abopt=0))
    'AAC, 44,100 Hz, mono, 96,000 bit/s (always that bitrate)'
    """
    said = [transcode.f.upper()]
    said.append(f"{transcode.ar:,} Hz" if transcode.ar is not None else "the align clip's sample rate")
    said.append(channel_words(transcode.ac) if transcode.ac is not None else "the align clip's channels")
    if transcode.ab is not None:
        option = transcode.abopt or 0
        said.append(f"{transcode.ab:,} bit/s" + (f" ({_OPTIONS[option]})" if option < len(_OPTIONS) else ""))
    if transcode.aq is not None:
        said.append(f"quality {transcode.aq} of 100")
    if transcode.adepth is not None:
        said.append(f"{transcode.adepth} bits a sample")
    return ", ".join(said)


def saveas_words(saveas: Saveas | None) -> str:
    """Say where the output goes."""
    if saveas is None:
        return "nowhere: there is no sys/saveas"
    bucket = saveas.bucket if saveas.bucket is not None else "(the posted object's bucket)"
    filled = "" if saveas.key is not None else "  (the cloud fills in the variables in braces)"
    return f"oss://{bucket}/{saveas.key if saveas.key is not None else saveas.template}{filled}"


def as_json(process: Process, main: str = "") -> dict[str, Any]:
    """Return a process as programs read it."""
    transcode = process.transcode
    option = transcode.abopt
    known = option is not None and option < len(BITRATE_OPTIONS)
    return {
        "action": process.action,
        "clips": [
            {"number": part.number, "key": part.name if part.name != POSTED or main else None, "place": part.place}
            | {"start_ms": part.ss, "duration_ms": part.t, "words": part.trim}
            for part in parts(process, main)
        ],
        "output": {name: value for name, value in transcode._asdict().items() if value is not None}
        | ({"bitrate_option": BITRATE_OPTIONS[option or 0]} if known else {})
        | {"words": sound_words(transcode)},
        "align": transcode.align or 0,
        "saveas": {**process.saveas._asdict(), "key": process.saveas.key} if process.saveas else None,
        "topic": process.topic,
    }


def headline(process: Process) -> str:
    """Say in one line what a process does."""
    count = len(process.pre) + 1 + len(process.sur)
    if process.action == CONCAT:
        return f"Join {count} clip{'s' if count > 1 else ''} end to end, in this order:"
    return "Convert one object:"
