"""What is probably wrong with a process string that can be read. Pure; the limits are those of `clipstitch.common.audio_formats`."""

from collections.abc import Iterator

from clipstitch.common.audio_formats import (
    BIT_DEPTHS,
    BITRATE_OPTIONS,
    FORMATS,
    MAX_BITRATE,
    MAX_CHANNELS,
    MAX_QUALITY,
    MAX_SOURCES,
    MIN_BITRATE,
    SAMPLE_RATES,
)
from clipstitch.planning.process_string import CONCAT, Process, Transcode
from clipstitch_cli.context import visible


def slips(process: Process) -> list[str]:
    """List everything that looks like a slip, most surprising first."""
    checks = (_names, _trims, _sources, _defaults, _format, _rate, _bitrate, _system)
    return [slip for check in checks for slip in check(process)]


def _names(process: Process) -> Iterator[str]:
    """Watch for names that end in a newline: what `echo name | base64` gives."""
    saveas, topic = process.saveas, process.topic
    names = [("clip", segment.key) for segment in (*process.pre, *process.sur)]
    names += [("output", saveas.template), ("bucket", saveas.bucket or "")] if saveas else []
    names += [("topic", topic)] if topic is not None else []
    for kind, name in names:
        if name.endswith(("\n", "\r")):
            remedy = "encode it without the newline (printf instead of echo)"
            yield f"the {kind} name {visible(name)} ends in a newline: {remedy}"
        elif not name and kind != "bucket":
            yield f"a {kind} name is empty"


def _trims(process: Process) -> Iterator[str]:
    """Warn of the action's own ss and t, which the vendor describes in two ways."""
    transcode = process.transcode
    given = [name for name in ("ss", "t") if getattr(transcode, name) is not None]
    if given and process.action == CONCAT:
        yield (
            f"{' and '.join(given)} of the action: the documentation describes this in two ways, as a trim of the "
            "merged whole and as a trim of the posted object; trim clips, or convert the result in a second step"
        )


def _sources(process: Process) -> Iterator[str]:
    """Count the sources."""
    count = len(process.pre) + 1 + len(process.sur)
    align = process.transcode.align or 0
    if count > MAX_SOURCES:
        yield f"{count} objects with the posted one; one request joins at most {MAX_SOURCES}"
    if process.action != CONCAT and count > 1:
        yield f"{process.action} takes no /pre and /sur"
    if align >= count:
        yield f"align {align} counts to no clip: the {count} clips are counted from 0 to {count - 1}"


def _defaults(process: Process) -> Iterator[str]:
    """Left to the cloud, rate and channels may not fit the format."""
    missing = [name for name in ("ar", "ac") if getattr(process.transcode, name) is None]
    if missing:
        yield f"without {' and '.join(missing)} the merge may fail, where the align clip's own do not fit the format"


def _format(process: Process) -> Iterator[str]:
    """Compare format, channels and bit depth with the reference."""
    transcode = process.transcode
    spec = FORMATS.get(transcode.f)
    most = spec.max_channels if spec else MAX_CHANNELS
    if spec is None:
        yield f"format {transcode.f} is none of {', '.join(FORMATS)}"
    if transcode.ac is not None and not 1 <= transcode.ac <= most:
        yield f"{transcode.ac} channels: {transcode.f} takes 1 to {most}"
    if transcode.adepth is not None and (transcode.adepth not in BIT_DEPTHS or transcode.f != "flac"):
        yield f"adepth {transcode.adepth}: it is for flac only, 16 or 24"


def _rate(process: Process) -> Iterator[str]:
    """Compare the sample rate with what the format takes."""
    transcode = process.transcode
    spec = FORMATS.get(transcode.f)
    allowed = spec.sample_rates if spec else SAMPLE_RATES
    if transcode.ar is not None and transcode.ar not in allowed:
        near = min(allowed, key=lambda rate: (abs(rate - (transcode.ar or 0)), -rate))
        yield f"{transcode.ar} Hz: {transcode.f} takes {', '.join(map(str, allowed))}; nearest is {near}"


def _bitrate(process: Process) -> Iterator[str]:
    """Apply the rules about ab, aq and abopt."""
    transcode = process.transcode
    yield from _bitrate_limits(transcode)
    if transcode.ab is not None and transcode.aq is not None:
        yield "ab and aq exclude each other"
    if transcode.abopt is not None and transcode.ab is None:
        yield "abopt needs ab"
    if transcode.abopt is not None and transcode.abopt >= len(BITRATE_OPTIONS):
        yield f"abopt {transcode.abopt} is none of 0 (fixed), 1 (adaptive), 2 (fail)"


def _bitrate_limits(transcode: Transcode) -> Iterator[str]:
    """Compare ab and aq with their limits."""
    if transcode.ab is not None and not MIN_BITRATE <= transcode.ab <= MAX_BITRATE:
        yield f"ab {transcode.ab}: {MIN_BITRATE:,} to {MAX_BITRATE:,} bit/s are allowed"
    if transcode.aq is not None and transcode.aq > MAX_QUALITY:
        yield f"aq {transcode.aq}: 0 to {MAX_QUALITY} are allowed"


def _system(process: Process) -> Iterator[str]:
    """Without a target nothing is kept; without a topic nobody is told."""
    if process.saveas is None:
        yield "no sys/saveas: the result is kept nowhere"
    if process.topic is None:
        yield "no notify: nobody is told when the task ends"
