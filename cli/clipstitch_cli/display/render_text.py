"""A render step in words."""

from clipstitch.planning.plan import Step
from clipstitch.planning.process_string import parse_process
from clipstitch.planning.render_spec import RenderSpec, spec_of, transcode_of_encoding
from clipstitch_cli.display import process_text


def format_spec(spec: RenderSpec) -> list[str]:
    """Return one sentence for each thing that a render step does, in the order in which it does them."""
    clips = [clip for clip in spec.clips if clip.key]
    joins, encoding = spec.joins, spec.encoding
    lines = [f"decode {len(clips)} clips, each on its own, to {encoding.sample_rate:,} Hz"]
    if changed := sum(bool(clip.gain_db) for clip in clips):
        lines.append(f"change the level of {changed} clips")
    if joins.threshold_db is not None:
        lines.append(f"cut silence below {joins.threshold_db} dB off every clip, but for {joins.keep_ms} ms")
    if joins.fade_ms or any(clip.fade_in_ms or clip.fade_out_ms for clip in clips):
        lines.append(f"fade every clip in and out in {joins.fade_ms} ms" if joins.fade_ms else "fade clips in or out")
    if silences := len(spec.clips) - len(clips):
        lines.append(f"put {silences} silences between them")
    if joins.crossfade_ms:
        lines.append(f"overlap neighbours by {joins.crossfade_ms} ms")
    if spec.start_ms or spec.duration_ms:
        lines.append(f"keep {process_text.format_trim(spec.start_ms, spec.duration_ms)}")
    return [*lines, f"encode {process_text.format_transcode(transcode_of_encoding(encoding))}"]


def sources_of(step: Step) -> list[str]:
    """Return the keys of what a step merges, in order; those of a render step without its silences."""
    if step.render:
        return [clip.key for clip in spec_of(step).clips if clip.key]
    return list(process_text.source_keys(parse_process(step.process), step.main.key))
