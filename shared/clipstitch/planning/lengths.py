"""Compare the measured lengths of what the steps made with their expected lengths, and place the clips accordingly.

Pure. How exactly a length is known depends on the format:

- Encoders work in frames, and put samples before and after the audio. Containers count these in different ways, so the
  length of a clip, as the cloud reports it, may differ from what is decoded by a few frames (`slack_s`).
- Raw streams (AAC in ADTS, AC-3, AMR, MP3 without a Xing header) do not record their length. FFmpeg, from which the
  fields of `audio/info` come, estimates it from the bitrate of the first frames: a few percent wrong for constant
  bitrates, by any factor for variable ones. `is_estimated` tells these by container, and MP3 by its start time, which
  only the header can set.

The figures are FFmpeg's; bench/length_error.py measures those of the local cloud.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple

from clipstitch.common.ports import Probe
from clipstitch.planning.plan import JobWarning, PlacedClip, Plan, Step, WarningCode
from clipstitch.planning.process_string import Transcode, parse_process

# Containers that record the length of their audio, by FFmpeg's names; of all others it is estimated.
_RECORDED = frozenset(
    (
        *("3g2", "3gp", "aiff", "ape", "asf", "au", "avi", "caf", "flac", "flv", "m4a", "matroska", "mj2", "mov"),
        *("mp4", "ogg", "tta", "w64", "wav", "webm", "wv"),
    )
)
_LOSSLESS = ("pcm_", "flac", "alac", "wavpack", "tta", "ape")
# Samples that a codec may add before and after the audio: its frame, times the frames that priming and padding fill.
_SLACK_SAMPLES = {
    "mp3": 3 * 1152,  # 1,105 of delay, and padding to a whole frame
    "aac": 2 * 2048,  # the frame of HE-AAC; of LC, four frames
    "vorbis": 2048,
    "opus": 2 * 960,  # 312 of pre-skip, 20 ms a frame
    "ac3": 2 * 1536,  # 256 of priming
    "eac3": 2 * 1536,
    "amr_nb": 2 * 160,
    "amr_wb": 2 * 320,
}
_UNKNOWN_SLACK = 2 * 2048  # WMA has frames of 2,048 samples
_OUTPUT_CODECS = {"oga": "vorbis", "amr": "amr_nb"}  # of formats that are not named after their codec
ESTIMATE_ERROR = 0.05  # measured: 1 to 4 % for ADTS and AMR (FFmpeg 5.1 to 9.0, 2026-11)
_ROUNDING_S = 0.001  # half a millisecond in the report of the cloud, and one sample of the resampler
ALARMS: frozenset[WarningCode] = frozenset(
    {"LENGTH_DIFFERS", "CLIP_CHANGED", "CLIPS_NOT_COMPARED"}
)  # these fail a job that is `strict`


class MeasuredLength(NamedTuple):
    """The length of what a step made, in seconds. `estimated`: its container does not record it.

    `size` is that of the object in bytes; 0 if it is unknown.
    """

    seconds: float
    estimated: bool = False
    size: int = 0


class LengthReport(NamedTuple):
    """The outcome of a comparison: warnings, the start of each clip in ms, and the length of the output in ms."""

    warnings: tuple[JobWarning, ...]
    starts_ms: tuple[int, ...]
    length_ms: int


def is_estimated(probe: Probe) -> bool:
    """Return True if the length of an object is an estimate. A container without a name counts as recording it.

    >>> is_estimated(Probe(1.0, 44100, 1, container="aac")), is_estimated(Probe(1.0, 44100, 1, container="mov,mp4,m4a"))
    (True, False)
    """
    names = set(probe.container.split(","))
    if names == {"mp3"}:
        return not probe.start_s
    return bool(probe.container) and names.isdisjoint(_RECORDED)


def slack_s(probe: Probe) -> float:
    """Return by how many seconds the decoded length of an object may differ from the reported one."""
    if not probe.codec or probe.codec.startswith(_LOSSLESS):
        return 0.0
    return _SLACK_SAMPLES.get(probe.codec, _UNKNOWN_SLACK) / probe.sample_rate


def measured_length(probe: Probe) -> MeasuredLength:
    """Return the length of an object that a step made."""
    return MeasuredLength(probe.duration_s, is_estimated(probe), probe.size)


class _Difference(NamedTuple):
    """By how much a step made more than its sources account for, in seconds, and which clips are its direct sources."""

    step: Step
    expected_s: float
    measured: MeasuredLength
    clips: tuple[int, ...]

    @property
    def seconds(self) -> float:
        """The difference in seconds; negative if audio is missing."""
        return self.measured.seconds - self.expected_s


def compare_lengths(plan: Plan, measured: Mapping[int, MeasuredLength], changed: Collection[int] = ()) -> LengthReport:
    """Compare every measured step with what its sources account for. `changed` are the clips that were replaced."""
    differences = list(_differences(plan, measured))
    lengths = [clip.length_s for clip in plan.clips]
    for difference in differences:
        if not difference.measured.estimated and abs(difference.seconds) > _ROUNDING_S:
            for index, share in _shares(plan, difference, changed):
                lengths[index] += share
    final = measured.get(plan.final.number)
    total_s = final.seconds if final and not final.estimated else max(sum(lengths), 0.0)
    warnings = [
        *(changed_warning(plan.clips[index]) for index in sorted(changed)),
        *(warning for difference in differences if (warning := _warning(plan, difference))),
    ]
    return LengthReport(tuple(warnings), tuple(_starts(plan, lengths, total_s)), round(total_s * 1000))


def _differences(plan: Plan, measured: Mapping[int, MeasuredLength]) -> Iterator[_Difference]:
    """Yield the difference of every measured step whose sources are known. Others have their expected lengths."""
    made: dict[int, float] = {}
    for step in plan.steps:
        expected_s = _expected_s(plan, step, made)
        found = measured.get(step.number)
        made[step.number] = expected_s if found is None or found.estimated else found.seconds
        if found is not None and all(number in measured for number in step.needs):
            yield _Difference(step, expected_s, found, _direct_clips(plan, step))


def _expected_s(plan: Plan, step: Step, made: Mapping[int, float]) -> float:
    """Return the length of a step, given the lengths that the steps before it really have."""
    shift_s = sum(made[number] - plan.steps[number].length_s for number in step.needs)
    transcode = parse_process(step.process).transcode if shift_s else Transcode("")
    if not (transcode.ss or transcode.t):
        return step.length_s + shift_s
    (merged,) = step.needs  # which this step trims
    rest_s = max(made[merged] - (transcode.ss or 0) / 1000, 0.0)
    return min(rest_s, transcode.t / 1000) if transcode.t else rest_s


def _direct_clips(plan: Plan, step: Step) -> tuple[int, ...]:
    """Return the clips that a step merges itself, without silences.

    All its clips if it merges only what other steps made; the last silence if it merges nothing else.
    """
    inner = [plan.steps[number].clips for number in step.needs]
    everything = [index for index in range(step.clips[0], step.clips[1] + 1) if plan.clips[index].key]
    direct = [index for index in everything if not any(first <= index <= last for first, last in inner)]
    return tuple(direct or everything or [step.clips[1]])


def _shares(plan: Plan, difference: _Difference, changed: Collection[int]) -> list[tuple[int, float]]:
    """Return the clips to which a difference belongs, each with its share in seconds.

    Those that were changed, or else those whose length was an estimate. Otherwise it is not known, and the last clip of
    the step gets it: clips after the step move, those within it stay.
    """
    estimated = [index for index in difference.clips if plan.clips[index].estimated]
    causes = [index for index in difference.clips if index in changed] or estimated or [difference.clips[-1]]
    whole = sum(plan.clips[index].length_s for index in causes)
    if not whole:
        return [(causes[-1], difference.seconds)]
    return [(index, difference.seconds * plan.clips[index].length_s / whole) for index in causes]


def _starts(plan: Plan, lengths: Sequence[float], total_s: float) -> Iterator[int]:
    """Yield the start of each clip in ms: as planned, moved by what the clips before it are longer or shorter."""
    moved = accumulate((length - clip.length_s for length, clip in zip(lengths, plan.clips, strict=True)), initial=0.0)
    previous = 0
    for clip, shift_s in zip(plan.clips, moved, strict=False):
        start = round(max(clip.starts_at_s + shift_s, 0.0) * 1000)
        previous = max(previous, min(start, round(total_s * 1000)))
        yield previous


def _warning(plan: Plan, difference: _Difference) -> JobWarning | None:
    """Return the warning about a difference; None if the formats account for it."""
    step, seconds, estimate_s = difference.step, difference.seconds, difference.step.estimate_s
    final = step.number == plan.final.number
    slack = step.slack_s + (output_slack_s(plan) if final else 0.0) + _ROUNDING_S
    if difference.measured.estimated:
        estimate_s = max(estimate_s, difference.expected_s)
    if abs(seconds) <= slack + estimate_s * ESTIMATE_ERROR:
        return None
    # More is missing than all clips with an estimated length have: that is not the fault of an estimate.
    certain = not difference.measured.estimated and (not estimate_s or -seconds > estimate_s + slack)
    code: WarningCode = "LENGTH_DIFFERS" if certain else "LENGTH_DIFFERS_FROM_ESTIMATE"
    keys = [plan.clips[index].key for index in difference.clips]
    return length_warning(code, keys, difference.expected_s, difference.measured.seconds)


def output_slack_s(plan: Plan) -> float:
    """Return how many seconds the encoder of the output may add."""
    codec = _OUTPUT_CODECS.get(plan.output.format, plan.output.format)
    return slack_s(Probe(0.0, plan.output.sample_rate, plan.output.channels, codec=codec))


def length_warning(code: WarningCode, keys: Sequence[str], expected_s: float, measured_s: float) -> JobWarning:
    """Return the warning that clips, or a silence, have another length than expected, both in seconds."""
    first, last = keys[0], keys[-1]
    expected_ms, measured_ms = round(expected_s * 1000), round(measured_s * 1000)
    several = f"{len(keys)} clips, `{first}` to `{last}`"
    what = several if len(keys) > 1 else f"clip `{first}`" if first else "a silence"
    estimate = "about " if code == "LENGTH_DIFFERS_FROM_ESTIMATE" else ""
    message = f"{what}: expected {estimate}{expected_ms} ms, measured {measured_ms} ms"
    return JobWarning(code, message, first or None, last or None, expected_ms, measured_ms)


def changed_warning(clip: PlacedClip) -> JobWarning:
    """Return the warning that a clip was replaced after the plan was made."""
    message = f"clip `{clip.key}` was replaced after the job was planned; the output may have either version"
    return JobWarning("CLIP_CHANGED", message, clip.key, clip.key)
