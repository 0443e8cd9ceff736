"""Plans: the order of the clips is kept, defaults are filled in, and issues are reported."""

import json
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipstitch.common.audio_formats import FORMATS
from clipstitch.common.errors import (
    BucketNotBound,
    ClipstitchError,
    CloudBusy,
    InvalidManifest,
    NotAudio,
    ObjectArchived,
    ObjectNotFound,
)
from clipstitch.common.identifiers import ManifestRef, ObjectRef
from clipstitch.common.ports import Probe
from clipstitch.manifest.model import Clip, Manifest, Output
from clipstitch.planning.plan import JobWarning, Plan, PlanningContext
from clipstitch.planning.planner import make_plan
from clipstitch.planning.process_string import CONCAT, CONVERT, Saveas, Segment, parse_process

QUIET = settings(database=None, deadline=None, max_examples=200)
JOB = "20260102T030405Z-0123456789ab"
CONTEXT = PlanningContext(
    JOB, ManifestRef(ObjectRef("acme", "manifests/a.json"), "E7A6"), "_clipstitch/", "done", ("events", "q")
)
PROBE = Probe(duration_s=10.0, sample_rate=44100, channels=2)


def manifest(*clips: Clip, align: int = 0, spec: str = "mp3", **wanted: object) -> Manifest:
    """Return a manifest of these clips."""
    output = Output(ObjectRef("acme", f"out/a.{spec}"), FORMATS[spec], **wanted)  # type: ignore[arg-type]
    return Manifest(output, clips, align)


def plan(wanted: Manifest, probes: Mapping[str, Probe | ClipstitchError] | None = None) -> Plan:
    """Plan a manifest with these probes; the default of a probe is 10 s of 44.1 kHz stereo."""
    found = {
        ObjectRef("acme", clip.key): (probes or {}).get(clip.key, PROBE)
        for clip in wanted.clips
        if isinstance(clip, Clip)
    }
    return make_plan(wanted, found, CONTEXT)


def issues(wanted: Manifest, probes: Mapping[str, Probe | ClipstitchError]) -> list[tuple[str, str]]:
    """Return code and path of the issues of planning."""
    with pytest.raises(InvalidManifest) as caught:
        plan(wanted, probes)
    assert all(issue.message and issue.remedy for issue in caught.value.issues)
    return [(issue.code, issue.path) for issue in caught.value.issues]


KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
UNRENDERED = (st.just(""), st.just(0), st.just(0), st.just(0))  # no title, and nothing that the OSS action cannot do
CLIPS = st.builds(Clip, KEYS, st.integers(0, 9000), st.integers(0, 10**6), *UNRENDERED)
UNTRIMMED = st.builds(Clip, KEYS, st.just(0), st.just(0), *UNRENDERED)


@st.composite
def manifests(draw: st.DrawFn) -> Manifest:
    """Any 2 to 11 clips of which at least one is untrimmed, and any `align`."""
    clips = draw(st.lists(CLIPS | UNTRIMMED, min_size=1, max_size=10))
    clips.insert(draw(st.integers(0, len(clips))), draw(UNTRIMMED))
    return manifest(*clips, align=draw(st.integers(0, len(clips) - 1)))


@given(manifests())
@QUIET
def test_a_request_has_the_clips_in_the_order_of_the_manifest(wanted: Manifest) -> None:
    """`pre`, the posted object and `sur` are the clips of the manifest, with their trims."""
    (step,) = plan(wanted).steps
    process = parse_process(step.process)
    main = Segment(step.main.key)
    segments = [*process.pre, main, *process.sur]

    assert list(wanted.clips) == [Clip(segment.key, segment.ss or 0, segment.t or 0) for segment in segments]
    assert wanted.align == (process.transcode.align or 0)
    assert CONCAT == process.action


@given(manifests())
@QUIET
def test_rate_and_channels_are_always_sent_and_the_posted_clip_is_never_trimmed(wanted: Manifest) -> None:
    """Omitting them may fail (OSS user guide), and the action cannot trim the posted object."""
    (step,) = plan(wanted).steps
    transcode = parse_process(step.process).transcode

    assert (44100, 2) == (transcode.ar, transcode.ac)
    assert (None, None) == (transcode.ss, transcode.t)


@given(manifests())
@QUIET
def test_a_plan_survives_json(wanted: Manifest) -> None:
    """Through a string, as the job store has it."""
    made = plan(wanted._replace(labels={"show": "night-train"}, notify=("q",)))

    assert made == Plan.from_json(json.loads(json.dumps(made.as_json())))


@given(manifests())
@QUIET
def test_clips_are_placed_end_to_end(wanted: Manifest) -> None:
    """Each starts where the one before ends, and the last ends with the output."""
    made = plan(wanted)
    ends = [clip.starts_at_s + clip.length_s for clip in made.clips]

    assert [0.0, *ends[:-1]] == pytest.approx([clip.starts_at_s for clip in made.clips], abs=1e-4)
    assert ends[-1] == pytest.approx(made.duration_s, abs=1e-4)


def test_lengths_are_those_after_trimming() -> None:
    """From the start, for the duration, but never beyond the end."""
    made = plan(manifest(Clip("a"), Clip("b", 4000), Clip("c", 0, 2500), Clip("d", 9000, 5000), Clip("e")))

    assert [0.0, 10.0, 16.0, 18.5, 19.5] == [clip.starts_at_s for clip in made.clips]
    assert [10.0, 6.0, 2.5, 1.0, 10.0] == [clip.length_s for clip in made.clips]
    assert made.duration_s == pytest.approx(29.5)


def test_the_request_is_posted_to_the_reference_clip_if_it_is_untrimmed() -> None:
    """As in the example of the user guide, in which both are the same clip."""
    (step,) = plan(manifest(Clip("a"), Clip("b"), Clip("c"), align=1)).steps

    assert "b" == step.main.key


def test_otherwise_the_request_is_posted_to_the_first_untrimmed_clip() -> None:
    """The reference clip still sets the sample rate."""
    (step,) = plan(manifest(Clip("a", 1), Clip("b"), Clip("c"), align=0)).steps

    assert "b" == step.main.key


def test_the_example_of_the_user_guide_is_formatted_as_printed() -> None:
    """OSS user guide, "What is audio merging", REST example: five clips, without the stray line ends of its names."""
    clips = (
        Clip("pre1.mp3"), Clip("pre2.wav", 0, 2000), Clip("example.oga"),
        Clip("sur1.aac", 4000, 10000), Clip("sur2.wma", 10000),
    )  # fmt: skip
    wanted = manifest(*clips, align=2, spec="aac", sample_rate=44100, channels=1, bitrate=96000)
    (step,) = plan(wanted, {"sur2.wma": Probe(20.0, 44100, 2)}).steps

    assert "example.oga" == step.main.key
    assert (
        "audio/concat,f_aac,ac_1,ar_44100,ab_96000,align_2/pre,o_cHJlMS5tcDM/pre,o_cHJlMi53YXY,t_2000"
        "/sur,o_c3VyMS5hYWM,ss_4000,t_10000/sur,o_c3VyMi53bWE,ss_10000"
    ) == step.process.partition("|")[0]


def test_a_step_saves_in_the_work_folder_and_notifies_the_completion_topic() -> None:
    """The key identifies job and step, as completion notifications need."""
    (step,) = plan(manifest(Clip("a"), Clip("b"))).steps
    process = parse_process(step.process)

    assert ObjectRef("acme", f"_clipstitch/work/{JOB}/step-000.mp3") == step.target
    assert Saveas.literal(step.target) == process.saveas
    assert "done" == process.topic


def test_a_single_clip_is_converted() -> None:
    """There is no clip to merge it with, and a conversion can trim."""
    (step,) = plan(manifest(Clip("a", 1500, 2500))).steps
    process = parse_process(step.process)

    assert CONVERT == process.action
    assert (1500, 2500) == (process.transcode.ss, process.transcode.t)
    assert ((), ()) == (process.pre, process.sur)


def test_a_single_untrimmed_clip_is_converted_without_a_trim() -> None:
    """An empty trim is omitted."""
    (step,) = plan(manifest(Clip("a"))).steps

    assert step.process.startswith("audio/convert,f_mp3,ac_2,ar_44100|")


@pytest.mark.parametrize(("option", "number"), [("fixed", 0), ("adaptive", 1), ("fail", 2)])
def test_bitrate_options_have_the_numbers_of_oss(option: str, number: int) -> None:
    """The words of the manifest, the numbers of the action."""
    (step,) = plan(manifest(Clip("a"), Clip("b"), bitrate=64000, bitrate_option=option)).steps

    assert (64000, number) == (parse_process(step.process).transcode.ab, parse_process(step.process).transcode.abopt)


def test_quality_zero_and_bit_depth_are_sent() -> None:
    """Zero is not a missing value."""
    (step,) = plan(manifest(Clip("a"), Clip("b"), spec="flac", quality=0, bits_per_sample=24)).steps

    assert (0, 24) == (parse_process(step.process).transcode.aq, parse_process(step.process).transcode.adepth)


def test_explicit_values_give_no_warning() -> None:
    """No value was chosen for the author."""
    made = plan(manifest(Clip("a"), Clip("b"), sample_rate=16000, channels=1))

    assert (16000, 1, ()) == (made.output.sample_rate, made.output.channels, made.warnings)


def test_the_reference_clip_sets_rate_and_channels() -> None:
    """Not the first clip, and not the posted one."""
    probes = {"a": Probe(1, 8000, 1), "b": Probe(1, 22050, 2)}
    made = plan(manifest(Clip("a"), Clip("b"), align=1, spec="aac"), probes)

    assert (22050, 2, ()) == (made.output.sample_rate, made.output.channels, made.warnings)


def test_unsupported_values_become_the_nearest_with_a_warning() -> None:
    """Opus does not support 44.1 kHz, and AMR has one channel."""
    opus = plan(manifest(Clip("a"), Clip("b"), spec="opus"))
    amr = plan(manifest(Clip("a"), Clip("b"), spec="amr"), {"a": Probe(1, 11025, 6)})

    assert (48000, 2) == (opus.output.sample_rate, opus.output.channels)
    assert (
        JobWarning(
            "SAMPLE_RATE_CHANGED", "The reference clip has 44100 Hz, which opus does not support; the output has 48000."
        ),
    ) == opus.warnings
    assert (8000, 1) == (amr.output.sample_rate, amr.output.channels)
    assert ["SAMPLE_RATE_CHANGED", "CHANNELS_CHANGED"] == [warning.code for warning in amr.warnings]
    assert ["has 8000.", "has 1."] == [warning.message.partition("the output ")[2] for warning in amr.warnings]


def test_all_issues_of_clips_are_reported_together() -> None:
    """Missing, not audio, archived, started beyond the end."""
    clips = (Clip("a"), Clip("gone"), Clip("text"), Clip("short", 10000), Clip("b", 9999), Clip("gone"), Clip("cold"))
    probes = {"gone": ObjectNotFound("gone"), "text": NotAudio("no stream"), "cold": ObjectArchived("restore it")}

    assert [
        ("CLIP_NOT_FOUND", "/clips/1"),
        ("CLIP_NOT_AUDIO", "/clips/2"),
        ("TRIM_BEYOND_END", "/clips/3/start"),
        ("CLIP_NOT_FOUND", "/clips/5"),
        ("CLIP_ARCHIVED", "/clips/6"),
    ] == issues(manifest(*clips), probes)


@pytest.mark.parametrize("error", [CloudBusy("later"), BucketNotBound("no project")])
def test_errors_that_are_not_issues_of_a_clip_are_raised(error: ClipstitchError) -> None:
    """They are not errors of the manifest."""
    with pytest.raises(type(error)):
        plan(manifest(Clip("a"), Clip("b")), {"b": error})


def test_sinks_are_all_unless_the_manifest_chooses() -> None:
    """An empty list is a choice."""
    wanted = manifest(Clip("a"), Clip("b"))

    assert ("events", "q") == plan(wanted).sinks
    assert ("q",) == plan(wanted._replace(notify=("q",))).sinks
    assert () == plan(wanted._replace(notify=())).sinks
