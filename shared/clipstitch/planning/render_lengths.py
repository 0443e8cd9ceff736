"""Compare what a render step made with its plan, clip by clip, from its report. Pure.

Nothing is estimated here: the report counts samples.
"""

from collections.abc import Collection, Iterator

from clipstitch.planning.lengths import ESTIMATE_ERROR, LengthReport, changed_warning, length_warning
from clipstitch.planning.plan import JobWarning, Plan, WarningCode
from clipstitch.planning.render_spec import ClipReport, RenderedClip, RenderReport, spec_of
from clipstitch.planning.silence_flac import samples_of

_ROUNDING_S = 0.002  # the probe rounds to 1 ms, and the resampler to a sample


def compare_report(plan: Plan, report: RenderReport, changed: Collection[int] = ()) -> LengthReport:
    """Return warnings, the starts of all clips, and the length of the output. A crossfade counts to its middle.

    `changed` are the clips that were replaced. The report must be about the clips of the plan.
    """
    clips = spec_of(plan.final).clips
    rate = report.sample_rate
    found = (_warnings(clip, made, rate) for clip, made in zip(clips, report.clips, strict=True) if clip.key)
    warnings = [
        *(changed_warning(plan.clips[index]) for index in sorted(changed)),
        *(warning for warnings in found for warning in warnings),
    ]
    starts = tuple(round((made.starts_at + made.overlap // 2) * 1000 / rate) for made in report.clips)
    return LengthReport(tuple(warnings), starts, round(report.samples * 1000 / rate))


def _warnings(clip: RenderedClip, made: ClipReport, rate: int) -> Iterator[JobWarning]:
    start = samples_of(clip.start_ms, rate)
    stop = min(start + samples_of(clip.duration_ms, rate), made.decoded) if clip.duration_ms else made.decoded
    actual_s = max(stop - start, 0) / rate
    slack_s = clip.slack_s + _ROUNDING_S + (clip.length_s * ESTIMATE_ERROR if clip.estimated else 0.0)
    if abs(actual_s - clip.length_s) > slack_s:
        code: WarningCode = "LENGTH_DIFFERS_FROM_ESTIMATE" if clip.estimated else "LENGTH_DIFFERS"
        yield length_warning(code, (clip.key,), clip.length_s, actual_s)
    if made.silent:
        message = f"clip `{clip.key}` is silent; only its edges were kept"
        yield JobWarning("CLIP_SILENT", message, clip.key, clip.key)
