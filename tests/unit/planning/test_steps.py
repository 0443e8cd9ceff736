"""Plans of any size: executing the steps one by one gives exactly the clips of the manifest."""

from collections.abc import Sequence
from fractions import Fraction
from math import ceil, floor
from typing import Any, NamedTuple

import pytest
from hypothesis import currently_in_test_context, given, reject, settings
from hypothesis import strategies as st

from clipstitch.common.audio_formats import FORMATS, MAX_SOURCES
from clipstitch.common.errors import InvalidManifest
from clipstitch.common.identifiers import ManifestRef, ObjectRef
from clipstitch.common.ports import Probe
from clipstitch.manifest.model import Clip, Entry, Manifest, Output, Silence
from clipstitch.planning.chapters import Chapter, chapters_of
from clipstitch.planning.merge_tree import MergeNode, build_merge_tree, levels
from clipstitch.planning.plan import Plan, PlanningContext, Step
from clipstitch.planning.planner import make_plan
from clipstitch.planning.process_string import CONCAT, CONVERT, Process, parse_process
from tests.unit.planning.test_merge_tree import depth, fewest_requests

QUIET = settings(database=None, deadline=None, max_examples=100)
JOB = "20260102T030405Z-0123456789ab"
BUCKET = "acme"
CONTEXT = PlanningContext(
    JOB, ManifestRef(ObjectRef(BUCKET, "manifests/a.json"), "E7A6"), "_clipstitch/", "done", ("events",)
)
RATE = 44100
PROBE = Probe(duration_s=10.0, sample_rate=RATE, channels=2)


class Piece(NamedTuple):
    """A part of an object, as a step uses it."""

    key: str
    start_ms: int = 0
    duration_ms: int = 0


def manifest(*clips: Entry, gap_ms: int = 0, align: int = 0, spec: str = "mp3", **wanted: object) -> Manifest:
    """Return a manifest of these clips."""
    output = Output(ObjectRef(BUCKET, f"out/a.{spec}"), FORMATS[spec], **wanted)  # type: ignore[arg-type]
    return Manifest(output, clips, align, gap_ms=gap_ms)


def plan(wanted: Manifest, probes: dict[str, Probe] | None = None) -> Plan:
    """Plan a manifest with these probes; the default of a probe is 10 s of 44.1 kHz stereo."""
    keys = [clip.key for clip in wanted.clips if isinstance(clip, Clip)]
    known = {ObjectRef(BUCKET, key): (probes or {}).get(key, PROBE) for key in keys}
    try:
        return make_plan(wanted, known, CONTEXT)
    except InvalidManifest as bad:
        if currently_in_test_context() and {"/output/start"} == {issue.path for issue in bad.issues}:
            reject()  # hypothesis made the merged audio too short for its own trim
        raise


def expected_pieces(wanted: Manifest, rate: int = RATE, channels: int = 2) -> list[Piece]:
    """Return the pieces of a manifest, end to end, before the merged audio is trimmed."""
    pieces: list[Piece] = []
    for index, clip in enumerate(wanted.clips):
        before = wanted.clips[index - 1] if index else None
        if wanted.gap_ms and isinstance(clip, Clip) and isinstance(before, Clip):
            pieces.append(silence_piece(wanted.gap_ms, rate, channels))
        if isinstance(clip, Silence):
            pieces.append(silence_piece(clip.length_ms, rate, channels))
        else:
            pieces.append(Piece(clip.key, clip.start_ms, clip.duration_ms))  # type: ignore[union-attr]
    return pieces


def silence_piece(length_ms: int, rate: int, channels: int) -> Piece:
    """Return the piece of a silence."""
    samples = floor(Fraction(length_ms * rate, 1000) + Fraction(1, 2))
    return Piece(f"_clipstitch/assets/silence-{rate}-{channels}-{samples}.flac")


def saved(process: Process) -> ObjectRef:
    """Return the object that a process saves."""
    assert process.saveas
    return ObjectRef(process.saveas.bucket or "", process.saveas.key or "")


def sources(step: Step, process: Process) -> list[Piece]:
    """Return the sources of a request, in order."""
    before, after = (
        [Piece(part.key, part.ss or 0, part.t or 0) for part in parts] for parts in (process.pre, process.sur)
    )
    return [*before, Piece(step.main.key, process.transcode.ss or 0, process.transcode.t or 0), *after]


def executed(made: Plan) -> list[Piece]:
    """Execute the steps: replace each object that a step made by its sources, with its trim as brackets."""
    known: dict[str, list[Piece]] = {}
    for step in made.steps:
        pieces: list[Piece] = []
        for source in sources(step, parse_process(step.process)):
            inner = known.get(source.key, [source])
            trimmed = source.key in known and source[1:] != (0, 0)
            pieces += [Piece("[", *source[1:]), *inner, Piece("]")] if trimmed else inner
        known[step.target.key] = pieces
    return known[made.final.target.key]


def expected_result(wanted: Manifest) -> list[Piece]:
    """Return the pieces of a manifest within the trim of the merged audio; a single clip has both trims."""
    pieces, start, duration = expected_pieces(wanted), wanted.output.start_ms, wanted.output.duration_ms
    if not (start or duration):
        return pieces
    if len(pieces) > 1:
        return [Piece("[", start, duration), *pieces, Piece("]")]
    (only,) = pieces
    ends = [end for end in (only.duration_ms and only.duration_ms - start, duration) if end]
    return [Piece(only.key, only.start_ms + start, min(ends, default=0))]


def all_trimmed(tree: MergeNode | int, pieces: Sequence[Piece]) -> int:
    """Return the number of requests of a tree that have only trimmed sources, none of which can be posted to."""
    if isinstance(tree, int):
        return 0
    none = all(isinstance(part, int) and pieces[part][1:] != (0, 0) for part in tree.parts)
    return none + sum(all_trimmed(part, pieces) for part in tree.parts)


def fewest_steps(wanted: Manifest) -> int:
    """Return the number of requests that are necessary."""
    pieces = expected_pieces(wanted)
    if len(pieces) == 1:
        return 1
    cut = bool(wanted.output.start_ms or wanted.output.duration_ms)
    return fewest_requests(len(pieces)) + all_trimmed(build_merge_tree(len(pieces)), pieces) + cut


TRIMS = st.tuples(st.integers(0, 9000), st.integers(1, 12_000)) | st.just((0, 0)) | st.just((500, 0))
OUTPUT_TRIMS: st.SearchStrategy[dict[str, Any]] = st.just({}) | st.fixed_dictionaries(
    {"start_ms": st.integers(0, 1), "duration_ms": st.integers(0, 9000)}
)


@st.composite
def manifests(draw: st.DrawFn) -> Manifest:
    """Any 1 to 400 clips with any trims, with or without silences, gaps and a trim of the merged audio."""
    trims = draw(st.lists(TRIMS, min_size=1, max_size=12))
    count = draw(st.integers(1, 40) | st.integers(1, 400))
    clips: list[Entry] = [Clip(f"c{i}", *trims[i % len(trims)]) for i in range(count)]
    for place in draw(st.lists(st.integers(0, count), max_size=5)):
        clips.insert(place, Silence(draw(st.integers(1, 3000))))
    gap_ms, align = draw(st.sampled_from([0, 0, 300])), draw(st.integers(0, len(clips) - 1))
    return manifest(*clips, gap_ms=gap_ms, align=align, **draw(OUTPUT_TRIMS))


@given(manifests())
@QUIET
def test_executing_the_steps_gives_the_clips_of_the_manifest(wanted: Manifest) -> None:
    """Every clip once, in order, with its own trim and no other, and the gaps between."""
    assert expected_result(wanted) == executed(plan(wanted))


@given(manifests())
@QUIET
def test_every_plan_has_the_fewest_steps(wanted: Manifest) -> None:
    """The fewest requests, one for each group without an untrimmed source, one for the trim of the merged audio."""
    made = plan(wanted)

    assert fewest_steps(wanted) == len(made.steps)
    assert list(range(len(made.steps))) == [step.number for step in made.steps]


@given(manifests())
@QUIET
def test_every_step_is_one_that_the_cloud_accepts(wanted: Manifest) -> None:
    """At most eleven sources, an untrimmed posted object in a merge; rate and channels are always sent."""
    for step in plan(wanted).steps:
        process = parse_process(step.process)
        joined = sources(step, process)
        assert (RATE, 2) == (process.transcode.ar, process.transcode.ac)
        assert (process.action == CONCAT) == (2 <= len(joined) <= MAX_SOURCES)
        assert process.action == CONCAT or (CONVERT, 1) == (process.action, len(joined))
        assert process.action == CONVERT or (None, None) == (process.transcode.ss, process.transcode.t)
        assert (step.target, "done") == (saved(process), process.topic)


@given(manifests())
@QUIET
def test_a_step_needs_exactly_the_steps_that_make_its_sources(wanted: Manifest) -> None:
    """They come before it, and the result of every step but the last is used once."""
    made = plan(wanted)
    makers = {step.target.key: step.number for step in made.steps}
    for step in made.steps:
        used = [makers[source.key] for source in sources(step, parse_process(step.process)) if source.key in makers]
        assert used == list(step.needs)
        assert all(need < step.number for need in step.needs)

    assert sorted(need for step in made.steps for need in step.needs) == list(range(len(made.steps) - 1))


@given(manifests())
@QUIET
def test_a_step_has_the_indices_of_its_clips(wanted: Manifest) -> None:
    """The first and the last, by the plan's numbers; the last step has all."""
    made = plan(wanted)
    names = [piece.key for piece in expected_pieces(wanted)]
    known: dict[str, list[str]] = {}
    for step in made.steps:
        joined = [n for s in sources(step, parse_process(step.process)) for n in known.get(s.key, [s.key])]
        known[step.target.key] = joined
        assert joined == names[step.clips[0] : step.clips[1] + 1]

    assert (0, len(names) - 1) == made.final.clips
    assert len(names) == len(made.clips)


@given(manifests(), st.booleans(), st.sampled_from(["mp3", "flac", "aac"]))
@QUIET
def test_intermediate_objects_are_flac_with_the_highest_bit_depth_of_the_clips(
    wanted: Manifest, deep: bool, spec: str
) -> None:
    """24 bits if, and only if, a clip has more than 16; the output is as requested."""
    output = wanted.output._replace(format=FORMATS[spec], ref=ObjectRef(BUCKET, f"a.{spec}"))
    last = [clip.key for clip in wanted.clips if isinstance(clip, Clip)][-1]
    made = plan(wanted._replace(output=output), {last: PROBE._replace(bits=24 if deep else 16)})
    *between, final = (parse_process(step.process).transcode for step in made.steps)

    assert all((part.f, part.adepth) == ("flac", 24 if deep else 16) for part in between)
    assert all(part[-5:-1] == (None,) * 4 for part in between)  # ab, aq, abopt, align are the output's business
    assert (spec, None) == (final.f, final.adepth)
    assert all(step.target.key.endswith(".flac") for step in made.steps[:-1])
    assert made.final.target.key.endswith(f".{spec}")


@pytest.mark.parametrize("count", [1, 2, 11, 12, 21, 22, 121, 122, 1331])
def test_untrimmed_clips_need_as_many_levels_as_the_tree(count: int) -> None:
    """No step waits longer than necessary."""
    made = plan(manifest(*(Clip(f"c{i}") for i in range(count))))

    assert max(fewest_requests(count), 1) == len(made.steps)
    assert max(levels(count), 1) == made.levels == max(depth(build_merge_tree(count)), 1)


def test_if_all_clips_are_trimmed_the_shortest_is_cut_first() -> None:
    """Of three trimmed clips, the shortest becomes FLAC, and the request is posted to it."""
    made = plan(manifest(Clip("a", 1000), Clip("b", 2000, 500), Clip("c", 0, 900)))
    cut, join = (parse_process(step.process) for step in made.steps)

    assert ("b", CONVERT, 2000, 500) == (made.steps[0].main.key, cut.action, cut.transcode.ss, cut.transcode.t)
    assert made.steps[0].target == made.steps[1].main
    assert (["a"], ["c"]) == ([part.key for part in join.pre], [part.key for part in join.sur])
    assert ((0,), (1, 1)) == (made.steps[1].needs, made.steps[0].clips)


@pytest.mark.parametrize("clips", [(Clip("a", 5), Silence(700), Clip("b", 5)), (Silence(700), Clip("a", 5))])
def test_if_all_clips_are_trimmed_the_request_is_posted_to_a_silence(clips: tuple[Entry, ...]) -> None:
    """It is untrimmed; no clip has to be cut first."""
    made = plan(manifest(*clips))

    assert "_clipstitch/assets/silence-44100-2-30870.flac" == made.steps[0].main.key
    assert 1 == len(made.steps)


def test_if_all_clips_are_trimmed_requests_are_posted_to_gaps() -> None:
    """At every place of the tree."""
    made = plan(manifest(*(Clip(f"c{i}", 1) for i in range(200)), gap_ms=300))

    assert fewest_requests(399) == len(made.steps)


def test_each_silence_of_a_plan_is_made_once() -> None:
    """Used any number of times; durations of the same number of samples are the same silence."""
    clips = (Clip("a"), Silence(2000), Clip("b"), Silence(300), Clip("c"), Clip("d"), Clip("e"))
    made = plan(manifest(*clips, gap_ms=300))

    assert [(88200, RATE, 2), (13230, RATE, 2)] == [asset[1:] for asset in made.silences]
    assert {ObjectRef(BUCKET, f"_clipstitch/assets/silence-44100-2-{n}.flac") for n in (88200, 13230)} == {
        asset.ref for asset in made.silences
    }


def test_a_silence_shorter_than_a_sample_is_one_sample() -> None:
    """A FLAC file without samples is not audio."""
    made = plan(manifest(Clip("a"), Silence(0), sample_rate=8000, channels=1))

    assert [(1, 8000, 1)] == [asset[1:] for asset in made.silences]


def test_an_explicit_silence_replaces_the_gap() -> None:
    """There is no gap before the first and after the last clip."""
    made = plan(manifest(Silence(50), Clip("a"), Silence(100), Clip("b"), Clip("c"), Silence(10), gap_ms=300))

    assert [50, 0, 100, 0, 300, 0, 10] == [clip.duration_ms for clip in made.clips]


@pytest.mark.parametrize(("align", "sent"), [(0, None), (1, 2), (2, 4), (3, 5)])
def test_align_counts_gaps_too(align: int, sent: int | None) -> None:
    """A silence has no audio format, so the first clip is the reference clip instead."""
    clips = (Clip("a"), Clip("b"), Clip("c"), Silence(100))
    probes = {key: Probe(10.0, rate, 1) for key, rate in (("a", 8000), ("b", 16000), ("c", 24000))}
    made = plan(manifest(*clips, gap_ms=300, align=align), probes)

    assert sent == parse_process(made.final.process).transcode.align
    assert (8000, 16000, 24000, 8000)[align] == made.output.sample_rate


@pytest.mark.parametrize(
    ("bitrates", "asked", "sent"),
    [((64000, 96000), 128000, 64000), ((0, 96000), 128000, 96000), ((0, 0), 128000, 128000), ((9, 9), 9000, 9)],
)
def test_an_adaptive_bitrate_is_computed_if_there_are_intermediate_objects(
    bitrates: tuple[int, int], asked: int, sent: int
) -> None:
    """The cloud would see FLAC only: the lowest known bitrate is sent, as fixed."""
    wanted = manifest(*(Clip(f"c{i}") for i in range(12)), bitrate=asked, bitrate_option="adaptive")
    probes = {f"c{i}": PROBE._replace(bitrate=rate) for i, rate in enumerate(bitrates)}

    assert (sent, 0) == parse_process(plan(wanted, probes).final.process).transcode[5:8:2]


@pytest.mark.parametrize(("count", "number"), [(2, 1), (11, 1), (12, 0)])
def test_with_one_step_the_cloud_adapts_the_bitrate(count: int, number: int) -> None:
    """It sees the sources."""
    wanted = manifest(*(Clip(f"c{i}") for i in range(count)), bitrate=128000, bitrate_option="adaptive")

    assert number == parse_process(plan(wanted).final.process).transcode.abopt


@pytest.mark.parametrize("count", [1, 2, 12, 200])
@pytest.mark.parametrize("cut", [0, 500])
def test_a_bitrate_above_that_of_a_clip_is_an_issue_with_the_option_fail(count: int, cut: int) -> None:
    """For plans of every size; an equal bitrate is allowed, and an unknown one is ignored."""
    clips = [Clip(f"c{i}") for i in range(count)]
    wanted = manifest(*clips, bitrate=64000, bitrate_option="fail", duration_ms=cut)
    last = clips[-1].key
    with pytest.raises(InvalidManifest) as caught:
        plan(wanted, {last: PROBE._replace(bitrate=63999)})
    (issue,) = caught.value.issues

    assert ("BITRATE_ABOVE_SOURCE", "/output/bitrate") == (issue.code, issue.path)
    assert "63999" in issue.remedy
    assert (0 if count > 11 or cut else 2) == parse_process(plan(wanted).final.process).transcode.abopt
    assert plan(wanted, {last: PROBE._replace(bitrate=64000)}).steps


def test_the_merged_audio_is_trimmed_by_an_additional_step() -> None:
    """The documentation of the action's own trim is contradictory; that of a conversion is clear."""
    made = plan(manifest(Clip("a"), Clip("b", 1000), start_ms=1500, duration_ms=12_000))
    join, cut = (parse_process(step.process) for step in made.steps)

    assert ("flac", CONCAT, "mp3", CONVERT) == (join.transcode.f, join.action, cut.transcode.f, cut.action)
    assert (1500, 12_000, None) == (cut.transcode.ss, cut.transcode.t, cut.transcode.align)
    assert (0,) == made.steps[1].needs
    assert 12.0 == made.duration_s
    assert [(0.0, 8.5), (8.5, 3.5)] == [(clip.starts_at_s, clip.length_s) for clip in made.clips]


def test_a_start_after_the_end_of_the_merged_audio_is_an_issue() -> None:
    """An end after the end is allowed."""
    with pytest.raises(InvalidManifest) as caught:
        plan(manifest(Clip("a"), Clip("b", 9000), start_ms=11_000))

    assert [("TRIM_BEYOND_END", "/output/start")] == [(issue.code, issue.path) for issue in caught.value.issues]
    assert 1.0 == plan(manifest(Clip("a"), Clip("b", 9000), start_ms=10_000, duration_ms=99_000)).duration_s


def test_issues_have_the_given_paths() -> None:
    """An issue of a clip that a glob matched has the path of the glob."""
    probes = {ObjectRef(BUCKET, "a"): PROBE, ObjectRef(BUCKET, "b"): PROBE._replace(duration_s=1.0)}
    with pytest.raises(InvalidManifest) as caught:
        make_plan(manifest(Clip("a", 2000), Clip("b", 2000)), probes, CONTEXT, ("/clips/7", "/clips/7"))

    assert ["/clips/7/start"] == [issue.path for issue in caught.value.issues]


def samples(milliseconds: int, rate: int) -> int:
    """Return the samples of a duration, halves rounded up."""
    return floor(Fraction(milliseconds * rate, 1000) + Fraction(1, 2))


@st.composite
def measured(draw: st.DrawFn) -> tuple[Manifest, dict[str, Probe]]:
    """Clips of any length in samples at any rate, with trims and gaps, for an output of any rate."""
    rate = draw(st.sampled_from([8000, 11025, 44100, 48000]))
    kinds = draw(st.lists(st.tuples(st.integers(96_000, 200_000), st.sampled_from([8000, 22050, 44100, 96000]))))
    clips: list[Entry] = [Silence(1)]
    probes = {}
    for index, (length, own) in enumerate([*kinds, (96_000, 96_000)]):
        probes[f"c{index}"] = Probe(length / own, own, 1)
        clips.append(Clip(f"c{index}", draw(st.integers(0, 900)), draw(st.just(0) | st.integers(100, 3000))))
    wanted: dict[str, Any] = {"sample_rate": rate, "channels": 1, "start_ms": draw(st.integers(0, 90))}
    return manifest(*clips, gap_ms=draw(st.integers(0, 700)), **wanted), probes


@given(measured())
@QUIET
def test_lengths_and_starts_are_whole_samples_of_the_output(given: tuple[Manifest, dict[str, Probe]]) -> None:
    """Computed here with fractions: resampled, trimmed, placed end to end, then trimmed as a whole."""
    wanted, probes = given
    made = plan(wanted, probes)
    rate, cut, at = made.output.sample_rate, samples(wanted.output.start_ms, made.output.sample_rate), 0
    for clip in made.clips:
        length = max(samples(clip.duration_ms, rate), 1)
        if clip.key:
            probe = probes[clip.key]
            resampled = ceil(Fraction(round(probe.duration_s * probe.sample_rate)) * rate / probe.sample_rate)
            rest = resampled - samples(clip.start_ms, rate)
            length = min(rest, samples(clip.duration_ms, rate)) if clip.duration_ms else rest
        first, last = max(at - cut, 0), max(at + length - cut, 0)
        assert (first, last - first) == (round(clip.starts_at_s * rate), round(clip.length_s * rate))
        at += length

    assert at - cut == round(made.duration_s * rate)


def test_chapter_300_is_as_exact_as_chapter_2() -> None:
    """Fractions of a sample would add up; whole samples do not."""
    clips = [Clip(f"c{i}") for i in range(300)]
    probes = {clip.key: Probe(100_001 / 44100, 44100, 2) for clip in clips}
    made = plan(manifest(*clips, sample_rate=48000, gap_ms=250), probes)
    each = ceil(Fraction(100_001 * 48000, 44100)) + 12_000

    assert made.clips[-1].starts_at_s == round(299 * each / 48000, 6)


def test_clips_that_are_trimmed_away_have_no_chapter() -> None:
    """Silences belong to the chapter before them."""
    clips = (Clip("x/gone.mp3"), Silence(1000), Clip("x/two.mp3"), Clip("three", title="Three!"), Clip("x/late.mp3"))
    made = plan(manifest(*clips, gap_ms=500, start_ms=10_500, duration_ms=21_000))

    assert [Chapter("two", 500, 11_000), Chapter("Three!", 11_000, 21_000)] == chapters_of(made)
    assert [0.0, 0.0, 0.5, 10.5, 11.0, 21.0, 21.0] == [clip.starts_at_s for clip in made.clips]


def test_a_large_plan_has_each_warning_once() -> None:
    """Sample rate and channels are chosen for the whole plan."""
    made = plan(manifest(*(Clip(f"c{i}") for i in range(50)), spec="opus"))

    assert ["SAMPLE_RATE_CHANGED"] == [warning.code for warning in made.warnings]
    assert {48000} == {parse_process(step.process).transcode.ar for step in made.steps}


@given(manifests())
@settings(QUIET, max_examples=30)
def test_a_large_plan_survives_json(wanted: Manifest) -> None:
    """As the job store has it."""
    made = plan(wanted)

    assert made == Plan.from_json(made.as_json())
