"""Measured lengths against expected ones: what is reported, with which code, and where the clips are then."""

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.ports import Probe
from clipstitch.manifest.model import Clip, Manifest, Silence
from clipstitch.planning.chapters import chapters_of, planned_starts
from clipstitch.planning.lengths import (
    ALARMS,
    ESTIMATE_ERROR,
    LengthReport,
    MeasuredLength,
    compare_lengths,
    is_estimated,
    measured_length,
    slack_s,
)
from clipstitch.planning.plan import Plan
from clipstitch.planning.planner import make_plan
from tests.unit.planning.test_planner import CONTEXT, manifest

PROFILE = settings(database=None, deadline=None, max_examples=150)
WAV = Probe(10.0, 44100, 2, container="wav", codec="pcm_s16le", etag="W")
XING = Probe(10.0, 44100, 2, container="mp3", codec="mp3", start_s=0.025057)
PLAIN_MP3 = XING._replace(start_s=0.0)
ADTS = Probe(10.0, 44100, 2, container="aac", codec="aac")
M4A = Probe(10.0, 44100, 2, container="mov,mp4,m4a,3gp,3g2,mj2", codec="aac")


def planned(wanted: Manifest, probes: Mapping[str, Probe] | None = None) -> Plan:
    """Plan a manifest; clips without a probe are 10 s of WAV."""
    found = {ObjectRef("acme", c.key): (probes or {}).get(c.key, WAV) for c in wanted.clips if isinstance(c, Clip)}
    return make_plan(wanted, found, CONTEXT)


def flac(*clips: Clip, **trim: int) -> Manifest:
    """Return a manifest of these clips whose output records its length, trimmed or not."""
    made = manifest(*clips, spec="flac")
    return made._replace(output=made.output._replace(**trim))  # type: ignore[arg-type] # start and duration


def of_one_step(probes: Mapping[str, Probe] | None = None) -> Plan:
    """Return a plan of two clips, `a` and `b`."""
    return planned(flac(Clip("a"), Clip("b")), probes)


def codes(report: LengthReport) -> list[str]:
    """Return the codes of the warnings of a report."""
    return [warning.code for warning in report.warnings]


def as_planned(plan: Plan) -> dict[int, MeasuredLength]:
    """Return the lengths that the steps of a plan should have."""
    return {step.number: MeasuredLength(step.length_s) for step in plan.steps}


@pytest.mark.parametrize(
    ("probe", "estimated"),
    [(WAV, False), (XING, False), (M4A, False), (PLAIN_MP3, True), (ADTS, True)]
    + [(WAV._replace(container=name), True) for name in ("ac3", "amr", "eac3", "mpegts", "something new")]
    + [(WAV._replace(container=name), False) for name in ("ogg", "flac", "asf", "matroska,webm", "")],
)
def test_the_container_determines_if_a_length_is_an_estimate(probe: Probe, estimated: bool) -> None:
    """An MP3 by the delay that its Xing header records; an unknown container is not trusted, a missing name is."""
    assert estimated == is_estimated(probe)


@pytest.mark.parametrize("count", [1, 2, 11, 12, 30, 122])
def test_lengths_as_planned_are_not_reported(count: int) -> None:
    """And no clip moves."""
    plan = planned(flac(*(Clip(f"c{i:03}") for i in range(count))))
    report = compare_lengths(plan, as_planned(plan))

    assert ((), planned_starts(plan), count * 10_000) == report


@pytest.mark.parametrize("missing_s", [0.01, 3.0, 10.0, -0.01, -5.0])
def test_a_difference_of_exact_lengths_is_reported_with_both(missing_s: float) -> None:
    """Shorter or longer, with the keys of the clips of the step."""
    (warning,) = compare_lengths(of_one_step(), {0: MeasuredLength(20.0 - missing_s)}).warnings

    assert "LENGTH_DIFFERS" == warning.code
    assert ("a", "b", 20_000, round(20_000 - missing_s * 1000)) == warning[2:]
    assert "2 clips, `a` to `b`: expected 20000 ms" in warning.message


@pytest.mark.parametrize("probe", [XING, M4A, WAV._replace(codec="vorbis", container="ogg")])
def test_what_the_frames_of_a_format_account_for_is_not_reported(probe: Probe) -> None:
    """Each clip may differ by its priming and padding; what is more than that is reported."""
    plan, allowed = of_one_step({"a": probe}), slack_s(probe)

    assert [] == codes(compare_lengths(plan, {0: MeasuredLength(20.0 - allowed)}))
    assert [] == codes(compare_lengths(plan, {0: MeasuredLength(20.0 + allowed)}))
    assert ["LENGTH_DIFFERS"] == codes(compare_lengths(plan, {0: MeasuredLength(19.99 - allowed)}))


@pytest.mark.parametrize("spec", ["mp3", "oga", "opus"])
def test_what_the_encoder_of_the_output_adds_is_not_reported(spec: str) -> None:
    """The cloud may count padding as length."""
    plan = planned(manifest(Clip("a"), Clip("b"), spec=spec))

    assert [] == codes(compare_lengths(plan, {0: MeasuredLength(20.0 + 1900 / 48000)}))
    assert ["LENGTH_DIFFERS"] == codes(compare_lengths(plan, {0: MeasuredLength(20.1)}))


@pytest.mark.parametrize("probe", [PLAIN_MP3, ADTS])
@pytest.mark.parametrize("factor", [0.2, 0.96, 1.0, 1.04, 4.0])
def test_an_estimated_length_gives_no_alarm(probe: Probe, factor: float) -> None:
    """An MP3 of variable bitrate without a header may be of any length; a few percent are not worth a word."""
    report = compare_lengths(of_one_step({"a": probe}), {0: MeasuredLength(10.0 + 10.0 * factor)})
    few = abs(factor - 1) < ESTIMATE_ERROR

    assert ([] if few else ["LENGTH_DIFFERS_FROM_ESTIMATE"]) == codes(report)
    assert ALARMS.isdisjoint(codes(report))
    assert (0, 10_000 + round(factor * 10_000) - 10_000) == report.starts_ms


def test_more_than_all_estimated_clips_is_missing_for_another_reason() -> None:
    """The engine dropped what followed a damaged stream: even without it, the others should be longer."""
    plan = planned(flac(Clip("a"), Clip("x"), Clip("b")), {"x": ADTS})
    report = compare_lengths(plan, {0: MeasuredLength(18.0)})

    assert ["LENGTH_DIFFERS"] == codes(report)
    assert ["LENGTH_DIFFERS_FROM_ESTIMATE"] == codes(compare_lengths(plan, {0: MeasuredLength(21.0)}))


def test_an_estimated_output_is_compared_with_the_same_tolerance() -> None:
    """AAC in ADTS: its chapters follow the plan, not the estimate."""
    plan = planned(manifest(Clip("a"), Clip("b"), spec="aac"))
    close = compare_lengths(plan, {0: MeasuredLength(20.6, estimated=True)})
    far = compare_lengths(plan, {0: MeasuredLength(15.0, estimated=True)})

    assert ((), (0, 10_000), 20_000) == close
    assert (["LENGTH_DIFFERS_FROM_ESTIMATE"], (0, 10_000), 20_000) == (codes(far), far.starts_ms, far.length_ms)


@pytest.mark.parametrize(
    ("clip", "tolerance_s"),
    [
        (Clip("x", 0, 5000), 0.0),
        (Clip("x", 3000, 6000), 0.0),
        (Clip("x", 3000, 7000), slack_s(XING)),
        (Clip("x", 3000), slack_s(XING)),
    ],
)
def test_a_trim_that_ends_before_its_clip_is_exact(clip: Clip, tolerance_s: float) -> None:
    """The engine counts samples; only the end of a clip is uncertain."""
    (step,) = planned(flac(Clip("a"), clip), {"x": XING}).steps

    assert tolerance_s == pytest.approx(step.slack_s, abs=1e-6)


def test_a_difference_in_a_tree_names_the_clips_of_its_step_and_moves_what_follows() -> None:
    """Not the clips of other steps, and not once more at the steps above."""
    plan = planned(flac(*(Clip(f"c{i:03}") for i in range(122))))
    leaf = next(step for step in plan.steps if not step.needs and step.clips[0] > 20)
    first, last = leaf.clips
    measured = as_planned(plan)
    for step in plan.steps:
        if step.clips[0] <= first and last <= step.clips[1]:
            measured[step.number] = MeasuredLength(step.length_s - 4.0)
    report = compare_lengths(plan, measured)
    (warning,) = report.warnings
    shifts = [round((old - new) / 1000, 3) for old, new in zip(planned_starts(plan), report.starts_ms, strict=True)]

    assert ("LENGTH_DIFFERS", f"c{first:03}", f"c{last:03}", 110_000, 106_000) == (warning.code, *warning[2:])
    assert [0.0] * (last + 1) + [4.0] * (121 - last) == shifts
    assert 1_216_000 == report.length_ms


def test_two_steps_that_differ_in_opposite_directions_are_both_reported() -> None:
    """The length of the output is as planned."""
    plan = planned(flac(*(Clip(f"c{i:02}") for i in range(33))))
    one, two, *_ = (step for step in plan.steps if not step.needs)
    measured = as_planned(plan)
    for step, seconds in ((one, -2.0), (two, 2.0)):
        measured[step.number] = MeasuredLength(step.length_s + seconds)
    report = compare_lengths(plan, measured)

    assert ["LENGTH_DIFFERS", "LENGTH_DIFFERS"] == codes(report)
    assert planned_starts(plan)[two.clips[1] + 1 :] == report.starts_ms[two.clips[1] + 1 :]


def test_a_changed_clip_is_reported_and_accounts_for_the_difference() -> None:
    """The clips behind it move, those before it stay."""
    plan = planned(flac(Clip("a"), Clip("x"), Clip("b")))
    report = compare_lengths(plan, {0: MeasuredLength(35.0)}, changed=[1])

    assert ["CLIP_CHANGED", "LENGTH_DIFFERS"] == codes(report)
    assert ("x", "x", None, None) == report.warnings[0][2:]
    assert (0, 10_000, 25_000) == report.starts_ms


def test_a_changed_clip_of_the_same_length_is_reported() -> None:
    """Only its ETag tells."""
    report = compare_lengths(of_one_step(), {0: MeasuredLength(20.0)}, changed={1})

    assert ["CLIP_CHANGED"] == codes(report)
    assert (0, 10_000) == report.starts_ms


@pytest.mark.parametrize(
    ("start_ms", "duration_ms", "expected_s"), [(5000, 0, 11.0), (5000, 12_000, 11.0), (0, 8000, 8.0)]
)
def test_the_trim_of_the_output_is_taken_from_what_was_merged(
    start_ms: int, duration_ms: int, expected_s: float
) -> None:
    """Four of 20 s are missing in the step before; the step that trims is not to blame."""
    plan = planned(flac(Clip("a"), Clip("b"), start_ms=start_ms, duration_ms=duration_ms))
    report = compare_lengths(plan, {0: MeasuredLength(16.0), 1: MeasuredLength(expected_s)})

    assert ["LENGTH_DIFFERS"] == codes(report)
    assert (20_000, 16_000) == report.warnings[0][4:]


def test_silences_are_compared_too() -> None:
    """Twelve clips with gaps: a step may merge gaps and clips."""
    plan = planned(flac(Clip("a"), *(Silence(1000) for _ in range(24))))  # type: ignore[arg-type] # only clips are usual
    measured = as_planned(plan)
    only_silences = next(step for step in plan.steps if step.clips[0] and not step.needs)
    measured[only_silences.number] = MeasuredLength(only_silences.length_s - 0.5)
    (warning, *_) = compare_lengths(plan, measured).warnings

    assert (None, None) == (warning.first_clip, warning.last_clip)
    assert warning.message.startswith("a silence: ")


@given(
    st.lists(st.sampled_from([WAV, XING, PLAIN_MP3, ADTS, M4A]), min_size=1, max_size=40),
    st.data(),
)
@PROFILE
def test_chapters_stay_in_order_and_within_the_output(kinds: list[Probe], data: st.DataObject) -> None:
    """Whatever was measured, and whichever clips were changed."""
    clips = [Clip(f"c{i:02}") for i in range(len(kinds))]
    plan = planned(flac(*clips), {clip.key: probe for clip, probe in zip(clips, kinds, strict=True)})
    measured = {
        step.number: MeasuredLength(data.draw(st.floats(0.0, 500.0)), data.draw(st.booleans())) for step in plan.steps
    }
    changed = data.draw(st.sets(st.integers(0, len(clips) - 1)))
    report = compare_lengths(plan, measured, changed)
    chapters = chapters_of(plan, report.starts_ms, report.length_ms)

    assert sorted(report.starts_ms) == list(report.starts_ms)
    assert all(0 <= start <= report.length_ms for start in report.starts_ms)
    assert all(chapter.start_ms < chapter.end_ms <= report.length_ms for chapter in chapters)
    assert {clip.key for clip in clips if int(clip.key[1:]) in changed} == {
        warning.first_clip for warning in report.warnings if warning.code == "CLIP_CHANGED"
    }


def test_the_length_of_a_step_is_that_of_its_probe() -> None:
    """An estimate stays one."""
    assert MeasuredLength(10.0, estimated=True) == measured_length(ADTS)
    assert MeasuredLength(10.0) == measured_length(WAV)
