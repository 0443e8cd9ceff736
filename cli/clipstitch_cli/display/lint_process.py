"""Likely errors in a valid process string. Pure; the limits come from `clipstitch.common.audio_formats`."""

from collections.abc import Iterator

from clipstitch.common import audio_formats
from clipstitch.planning.process_string import CONCAT, Process
from clipstitch_cli.context import visible


def lint_warnings(process: Process) -> list[str]:
    """Return a warning for every likely error, the most surprising first."""
    checks = (_names, _trims, _sources, _format, _bitrate, _system)
    return [warning for check in checks for warning in check(process)]


def _names(process: Process) -> Iterator[str]:
    """Warn of empty names, and of names that end in a newline, as `echo name | base64` produces them."""
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
    given = [name for name in ("ss", "t") if getattr(process.transcode, name) is not None]
    if given and process.action == CONCAT:
        yield (
            f"{' and '.join(given)} of the action: the documentation describes this in two ways, as a trim of the "
            "merged audio and as a trim of the posted object; trim clips, or convert the result in a second step"
        )


def _sources(process: Process) -> Iterator[str]:
    count = len(process.pre) + 1 + len(process.sur)
    align = process.transcode.align or 0
    if count > audio_formats.MAX_SOURCES:
        yield f"{count} objects with the posted one; one request joins at most {audio_formats.MAX_SOURCES}"
    if process.action != CONCAT and count > 1:
        yield f"{process.action} takes no /pre and /sur"
    if align >= count:
        yield f"align {align} names no clip: the {count} clips are numbered 0 to {count - 1}"


def _format(process: Process) -> Iterator[str]:
    transcode = process.transcode
    spec = audio_formats.FORMATS.get(transcode.f)
    max_channels = spec.max_channels if spec else audio_formats.MAX_CHANNELS
    rates = spec.sample_rates if spec else audio_formats.SAMPLE_RATES
    if missing := " and ".join(name for name in ("ar", "ac") if getattr(transcode, name) is None):
        yield f"without {missing} the merge may fail, where the align clip's own do not fit the format"
    if spec is None:
        yield f"format {transcode.f} is none of {', '.join(audio_formats.FORMATS)}"
    if transcode.ac is not None and not 1 <= transcode.ac <= max_channels:
        yield f"{transcode.ac} channels: {transcode.f} takes 1 to {max_channels}"
    if transcode.adepth is not None and (transcode.adepth not in audio_formats.BIT_DEPTHS or transcode.f != "flac"):
        yield f"adepth {transcode.adepth}: only flac has it, 16 or 24"
    if (rate := transcode.ar) is not None and rate not in rates:
        nearest = min(rates, key=lambda allowed: (abs(allowed - rate), -allowed))
        yield f"{rate} Hz: {transcode.f} takes {', '.join(map(str, rates))}; nearest is {nearest}"


def _bitrate(process: Process) -> Iterator[str]:
    ab, aq, abopt = process.transcode.ab, process.transcode.aq, process.transcode.abopt
    if ab is not None and not audio_formats.MIN_BITRATE <= ab <= audio_formats.MAX_BITRATE:
        yield f"ab {ab}: {audio_formats.MIN_BITRATE:,} to {audio_formats.MAX_BITRATE:,} bit/s are allowed"
    if aq is not None and aq > audio_formats.MAX_QUALITY:
        yield f"aq {aq}: 0 to {audio_formats.MAX_QUALITY} are allowed"
    if ab is not None and aq is not None:
        yield "ab and aq exclude each other"
    if abopt is not None and ab is None:
        yield "abopt needs ab"
    if abopt is not None and abopt >= len(audio_formats.BITRATE_OPTIONS):
        yield f"abopt {abopt} is none of 0 (fixed), 1 (adaptive), 2 (fail)"


def _system(process: Process) -> Iterator[str]:
    if process.saveas is None:
        yield "no sys/saveas: the result is not saved"
    if process.topic is None:
        yield "no notify: no topic is notified when the task ends"
