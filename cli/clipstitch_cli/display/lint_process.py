"""Errors and likely errors in a process string that can be parsed. Pure.

An error is what OSS refuses at once: limits of `clipstitch.common.audio_formats`, missing targets, names that cannot be
keys. A likely error is a warning.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from clipstitch.common import audio_formats
from clipstitch.manifest.object_keys import MAX_KEY_BYTES, key_problem
from clipstitch.planning.process_string import CONCAT, Process
from clipstitch_cli.context import visible

MAX_MS = 2**31 - 1  # own limit, that of the local cloud: the vendor has none
# IMM user guide, "TargetURI template", 2024-12-25, and OSS user guide, "Variables", 2026; `{tags.NAME}` besides.
_TIMES = ("year", "mon", "day", "hour", "min", "sec")
VARIABLES = frozenset(
    {"bucket", "key", "dirname", "basename", "barename", "ext", "autoext", "index", "streamindex"}
    | {f"{prefix}{time}" for time in _TIMES for prefix in ("", "t_")}
)
_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


class LintFinding(NamedTuple):
    """What is wrong with a process string; `refused` if OSS refuses it, and does not only do something unexpected."""

    text: str
    refused: bool = True


def lint(process: Process) -> list[LintFinding]:
    """Return every error and every likely error, the most surprising first."""
    checks = (_names, _targets, _order, _trims, _sources, _format, _bitrate, _system)
    return [finding for check in checks for finding in check(process)]


def lint_warnings(process: Process) -> list[str]:
    """Return the texts of all findings."""
    return [finding.text for finding in lint(process)]


def _names(process: Process) -> Iterator[LintFinding]:
    """Warn of empty names, and of names that end in a newline, as `echo name | base64` produces them."""
    saveas, topic = process.saveas, process.topic
    names = [("clip", segment.key) for segment in (*process.pre, *process.sur)]
    names += [("output", saveas.template), ("bucket", saveas.bucket or "")] if saveas else []
    names += [("topic", topic)] if topic is not None else []
    for kind, name in names:
        if name.endswith(("\n", "\r")):
            remedy = "encode it without the newline (printf instead of echo)"
            yield LintFinding(f"the {kind} name {visible(name)} ends in a newline: {remedy}", refused=False)
        elif not name and kind != "bucket":
            yield LintFinding(f"a {kind} name is empty")


def _targets(process: Process) -> Iterator[LintFinding]:
    """Find variables that do not exist, and names that are not keys even with variables."""
    if process.saveas is None:
        return
    template = process.saveas.template
    for text in (template, process.saveas.bucket or ""):
        for token in _TOKEN.finditer(text):
            name = token[1]
            if token[0] not in ("{{", "}}") and not (name and (name in VARIABLES or name.startswith("tags."))):
                known = ", ".join(sorted(VARIABLES))
                yield LintFinding(f"{token[0]} is not a variable: use {known} or tags.NAME, or double the braces")
    literal = template.replace("{{", "{").replace("}}", "}")
    size = len(_TOKEN.sub(lambda token: token[0][0] if token[1] is None else "", template).encode())
    if literal and (problem := key_problem(literal)) and problem.startswith("begins"):
        yield LintFinding(f"the output name {visible(literal)} {problem}: a key does not")
    elif size > MAX_KEY_BYTES:
        yield LintFinding(f"the output name has {size} bytes, more than {MAX_KEY_BYTES}")


def _order(process: Process) -> Iterator[LintFinding]:
    """Warn of two or more /pre, on whose order the vendor's page contradicts itself."""
    if len(process.pre) > 1:
        text = (
            f"{len(process.pre)} /pre: the vendor's page (2026-03-20) contradicts itself on their order. Its text puts "
            "each before all clips so far; its example keeps their order, like the local cloud. Use one, or /sur"
        )
        yield LintFinding(text, refused=False)


def _trims(process: Process) -> Iterator[LintFinding]:
    given = [name for name in ("ss", "t") if getattr(process.transcode, name) is not None]
    if given and process.action == CONCAT:
        text = (
            f"{' and '.join(given)} of the action: the documentation describes this in two ways, as a trim of the "
            "merged audio and as a trim of the posted object; trim clips, or convert the result in a second step"
        )
        yield LintFinding(text, refused=False)
    for trimmed in (process.transcode, *process.pre, *process.sur):
        for name in ("ss", "t"):
            if (value := getattr(trimmed, name) or 0) > MAX_MS:
                yield LintFinding(f"{name} {value}: 0 to {MAX_MS:,} ms are allowed")


def _sources(process: Process) -> Iterator[LintFinding]:
    count = len(process.pre) + 1 + len(process.sur)
    align = process.transcode.align
    if count > audio_formats.MAX_SOURCES:
        yield LintFinding(f"{count} objects with the posted one; one request joins at most {audio_formats.MAX_SOURCES}")
    if process.action != CONCAT and count > 1:
        yield LintFinding(f"{process.action} takes no /pre and /sur")
    if process.action != CONCAT and align is not None:
        yield LintFinding(f"{process.action} takes no align")
    elif (align or 0) >= count:
        yield LintFinding(f"align {align} names no clip: the {count} clips are numbered 0 to {count - 1}")


def _format(process: Process) -> Iterator[LintFinding]:
    transcode = process.transcode
    spec = audio_formats.OSS_FORMATS.get(transcode.f)
    max_channels = spec.max_channels if spec else audio_formats.MAX_CHANNELS
    rates = spec.sample_rates if spec else audio_formats.SAMPLE_RATES
    if missing := " and ".join(name for name in ("ar", "ac") if getattr(transcode, name) is None):
        text = f"without {missing} the merge may fail, where the align clip's own do not fit the format"
        yield LintFinding(text, refused=False)
    if spec is None:
        yield LintFinding(f"format {transcode.f} is none of {', '.join(audio_formats.OSS_FORMATS)}")
    if transcode.ac is not None and not 1 <= transcode.ac <= max_channels:
        yield LintFinding(f"{transcode.ac} channels: {transcode.f} takes 1 to {max_channels}")
    if transcode.adepth is not None and (transcode.adepth not in audio_formats.BIT_DEPTHS or transcode.f != "flac"):
        yield LintFinding(f"adepth {transcode.adepth}: only flac has it, 16 or 24")
    if (rate := transcode.ar) is not None and rate not in rates:
        nearest = min(rates, key=lambda allowed: (abs(allowed - rate), -allowed))
        yield LintFinding(f"{rate} Hz: {transcode.f} takes {', '.join(map(str, rates))}; nearest is {nearest}")


def _bitrate(process: Process) -> Iterator[LintFinding]:
    ab, aq, abopt = process.transcode.ab, process.transcode.aq, process.transcode.abopt
    if ab is not None and not audio_formats.MIN_BITRATE <= ab <= audio_formats.MAX_BITRATE:
        yield LintFinding(f"ab {ab}: {audio_formats.MIN_BITRATE:,} to {audio_formats.MAX_BITRATE:,} bit/s are allowed")
    if aq is not None and aq > audio_formats.MAX_QUALITY:
        yield LintFinding(f"aq {aq}: 0 to {audio_formats.MAX_QUALITY} are allowed")
    if ab is not None and aq is not None:
        yield LintFinding("ab and aq exclude each other")
    if abopt is not None and ab is None:
        yield LintFinding("abopt needs ab")
    if abopt is not None and abopt >= len(audio_formats.BITRATE_OPTIONS):
        yield LintFinding(f"abopt {abopt} is none of 0 (fixed), 1 (adaptive), 2 (fail)")


def _system(process: Process) -> Iterator[LintFinding]:
    if process.saveas is None:
        yield LintFinding("no sys/saveas: the result is not saved")
    if process.topic is None:
        yield LintFinding("no notify: no topic is notified when the task ends", refused=False)
