"""`clipstitch plan`: the tree of steps, shortened output, and estimates compared with real jobs."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from clipstitch.adapters import oss
from clipstitch.adapters.memory import tone
from clipstitch.common.audio_formats import OSS_FORMATS, Format
from clipstitch.common.errors import ClipstitchError
from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.ports import PAGE, CopiedObject, HeadReplacement, ListedObject, ObjectHeaders, Probe
from clipstitch.inbound.completion_notification import parse_notification
from clipstitch.planning.chapters import id3_tag
from clipstitch.planning.plan import Plan
from clipstitch.usecases.complete import complete
from clipstitch.usecases.context import Context
from clipstitch.usecases.submit import submit
from clipstitch_cli import exit_codes
from clipstitch_cli.commands.plan import show_plan
from clipstitch_cli.costs import estimates
from clipstitch_cli.costs.estimates import RequestCounts
from clipstitch_cli.costs.prices import DEFAULT_PRICES, EXCLUDED, PRICES, PriceList, read_prices
from clipstitch_cli.display.plan_tree import levels_of
from clipstitch_cli.errors import FileNotReadable, UsageError
from tests.unit.cli.test_context import RecordingCommand, make_command
from tests.world import MANIFEST, OUTPUT, World

CHAPTERS = "episodes/ep1.vtt"


def manifest_of(count: int, **fields: object) -> dict[str, Any]:
    """Return a manifest with a number of clips."""
    clips = [f"clips/{number:04d}.mp3" for number in range(1, count + 1)]
    return {"version": 1, "output": {"key": OUTPUT.key, "bitrate": 128_000}, "clips": clips, **fields}


def world_with(document: Mapping[str, Any], seconds: float = 10.0) -> World:
    """Return a world with a manifest and all its clips."""
    world = World()
    for clip in document["clips"]:
        key = clip if isinstance(clip, str) else clip.get("key")
        if key:
            world.put(key, tone(seconds, 44100, 2, name=key))
    world.drop(document)
    return world


def shown(
    document: Mapping[str, Any], *, json: bool = False, prices: PriceList = DEFAULT_PRICES, everything: bool = False
) -> RecordingCommand:
    """Plan a manifest, and return the command context."""
    command, context = make_command(json=json), world_with(document).context()
    assert exit_codes.OK == show_plan(context, MANIFEST.uri, command, prices, everything=everything)
    return command


def planned(document: Mapping[str, Any], prices: PriceList = DEFAULT_PRICES) -> dict[str, Any]:
    """Return the JSON output of a plan."""
    return json.loads(shown(document, json=True, prices=prices).written)  # type: ignore[no-any-return]


def estimated(document: Mapping[str, Any], prices: PriceList = DEFAULT_PRICES) -> dict[str, Any]:
    """Return the estimates in the JSON output."""
    return planned(document, prices)["estimates"]  # type: ignore[no-any-return]


class RequestCounter:
    """Counts the requests that the OSS adapter would make for every call of a port."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.kinds: Counter[str] = Counter()

    def context(self) -> Context:
        """Return the context of a new function instance, with every call counted."""
        return self._world.context()._replace(objects=self, audio=self, messages=self)  # type: ignore[arg-type]

    def read(self, ref: ObjectRef, limit: int | None = None) -> object:
        """Count a GET."""
        self.kinds["get"] += 1
        return self._world.objects.read(ref, limit)

    def describe(self, ref: ObjectRef) -> object:
        """Count a HEAD, successful or not."""
        self.kinds["head"] += 1
        return self._world.objects.describe(ref)

    def write(self, ref: ObjectRef, body: bytes, headers: ObjectHeaders, *, once: bool = False) -> bool:
        """Count a PUT, successful or not."""
        self.kinds["put"] += 1
        return self._world.objects.write(ref, body, headers, once=once)

    def copy(
        self,
        source: ObjectRef,
        target: ObjectRef,
        headers: ObjectHeaders,
        *,
        once: bool = False,
        front: HeadReplacement | None = None,
        size: int = 0,
    ) -> CopiedObject:
        """Count a PUT; with a replaced head, a HEAD of the source and two parts between two POSTs."""
        assert size
        self.kinds += Counter({"head": 1, "put": 2, "post": 2} if front else {"put": 1})
        return self._world.objects.copy(source, target, headers, once=once, front=front)

    def delete(self, refs: Iterable[ObjectRef]) -> None:
        """Count a POST for every thousand objects."""
        gone = list(refs)
        self.kinds["post"] += -(-len(gone) // PAGE)
        self._world.objects.delete(gone)

    def list(self, bucket: str, prefix: str) -> Iterator[ListedObject]:
        """Count a listing."""
        self.kinds["listing"] += 1
        return self._world.objects.list(bucket, prefix)

    def is_versioned(self, bucket: str) -> bool:
        """Count a GET."""
        self.kinds["get"] += 1
        return self._world.objects.is_versioned(bucket)

    def probe(self, refs: Sequence[ObjectRef]) -> Mapping[ObjectRef, Probe | ClipstitchError]:
        """Count a GET for every object."""
        self.kinds["get"] += len(refs)
        return self._world.audio.probe(refs)

    def start(self, main: ObjectRef, process: str) -> str:
        """Count a POST."""
        self.kinds["post"] += 1
        return self._world.audio.start(main, process)

    def publish(self, topic: str, text: str) -> None:
        """Count an event."""
        self.kinds["events"] += 1
        self._world.messages.publish(topic, text)

    def send(self, queue: str, text: str) -> None:
        """Count an event."""
        self.kinds["events"] += 1
        self._world.messages.send(queue, text)


def run_job(world: World) -> RequestCounts:
    """Run the world's manifest to its end, and return the requests."""
    counter = RequestCounter(world)
    submit(MANIFEST, counter.context())
    done = 0
    while done < len(world.audio.accepted):
        notification = parse_notification(world.run(world.audio.accepted[done]))
        assert notification
        job = complete(notification, counter.context())
        done += 1
    assert job
    assert ("succeeded", True) == (job.state, job.closed)
    return RequestCounts(**counter.kinds, notifications=done)


GLOB = {"version": 1, "output": {"key": OUTPUT.key}, "clips": ["a.mp3", {"glob": "b.*"}]}
TRIMMED = manifest_of(5)
TRIMMED["clips"] = [{"key": key, "start": 500} for key in TRIMMED["clips"]]
WHOLE = manifest_of(13)
WHOLE["output"] = {**WHOLE["output"], "start": "1s", "duration": "30s"}


@pytest.mark.parametrize(
    "document",
    [
        manifest_of(1),
        manifest_of(5),
        manifest_of(11),
        manifest_of(30),
        manifest_of(30, gap="300ms", chapters=True),
        manifest_of(122),
        manifest_of(5, notify=[]),
        manifest_of(5, notify=["events"]),
        {**manifest_of(3), "clips": ["a.mp3", "a.mp3", {"silence": 100}, {"silence": 200}]},
        {**manifest_of(5, chapters=True), "output": {"key": "episodes/ep1.flac"}},
        TRIMMED,
        WHOLE,
        GLOB,
    ],
    ids=lambda document: f"{len(document['clips'])} clips, {', '.join(sorted(set(document) - {'clips'}))}",
)
def test_a_job_makes_exactly_the_estimated_requests(document: dict[str, Any]) -> None:
    """Kind by kind, over a whole job in memory."""
    world = world_with(document)
    command = make_command(json=True)
    show_plan(world.context(), MANIFEST.uri, command)

    guess = json.loads(command.written)["estimates"]["requests"]
    real = run_job(world)
    assert {name: getattr(real, name) for name in ("get", "head", "listing", "put", "post")} | {
        "all": real.oss
    } == guess["oss"]
    assert {"events": real.events, "notifications": real.notifications, "all": real.smq} == guess["smq"]
    assert (real.put_type, real.get_type) == (guess["oss_put_type"], guess["oss_get_type"])


def test_the_limits_of_copies_are_those_of_the_oss_adapter() -> None:
    """They are repeated so that `explain` does not import the SDK."""
    repeated = (estimates.SINGLE_COPY_BYTES, estimates.COPY_PART_BYTES)

    assert (oss.SINGLE_COPY_BYTES, oss.COPY_PART_BYTES) == repeated


def test_a_large_output_is_copied_in_parts() -> None:
    """Above 1 GB: an initiation, parts of 256 MB, a completion."""
    world = world_with(manifest_of(2), seconds=40_000.0)
    command = make_command(json=True)
    show_plan(world.context(), MANIFEST.uri, command)
    guess = json.loads(command.written)["estimates"]

    small = estimated(manifest_of(2))["requests"]["oss"]
    assert 2 * 40_000 * 16_000 == guess["size_bytes"]
    assert small["put"] + 4 == guess["requests"]["oss"]["put"]  # five parts instead of one copy
    assert small["post"] + 2 == guess["requests"]["oss"]["post"]


@pytest.mark.parametrize(
    ("output", "bit_s", "words"),
    [
        ({"key": "o.mp3", "bitrate": 96_000}, 96_000, "as the manifest says"),
        ({"key": "o.mp3", "bitrate": 96_000, "bitrate_option": "adaptive"}, 96_000, "or less"),
        ({"key": "o.mp3"}, 128_000, "FFmpeg's default"),
        ({"key": "o.mp3", "channels": 1}, 64_000, "not documented"),
        ({"key": "o.mp3", "channels": 1, "sample_rate": 8000}, 10_000, "FFmpeg's default"),
        ({"key": "a.opus", "quality": 50}, 96_000, "quality is not converted"),
        ({"key": "a.amr"}, 24_400, "FFmpeg's default"),
        ({"key": "a.amr", "sample_rate": 8000}, 12_800, "FFmpeg's default"),
        ({"key": "a.flac"}, 846_720, "60% of 16-bit samples"),
        ({"key": "a.flac", "bits_per_sample": 24, "channels": 1}, 635_040, "60% of 24-bit samples"),
    ],
)
def test_the_size_says_what_it_assumes(output: dict[str, Any], bit_s: int, words: str) -> None:
    """Twenty seconds at the manifest's bitrate, or at FFmpeg's default."""
    guess = estimated({**manifest_of(2), "output": output})

    assert bit_s * 20 // 8 == guess["size_bytes"]
    assert words in guess["size_assumes"]


@pytest.mark.parametrize("spec", OSS_FORMATS.values(), ids=lambda spec: spec.name)
def test_every_format_has_a_size_at_each_of_its_rates(spec: Format) -> None:
    """Higher rates never give less."""
    sizes = [
        estimated({**manifest_of(1), "output": {"key": f"out/a.{spec.name}", "sample_rate": rate}})["size_bytes"]
        for rate in spec.sample_rates
    ]

    assert 0 < sizes[0]
    assert sorted(sizes) == sizes


def test_chapters_in_an_mp3_add_their_tag_to_the_size() -> None:
    """The padded tag is before the audio."""
    plain, marked = estimated(manifest_of(2)), estimated(manifest_of(2, chapters=True))

    assert len(id3_tag("", [])) < marked["size_bytes"] - plain["size_bytes"] < 110_000


def test_duration_tasks_and_levels_are_estimated() -> None:
    """And how much audio all tasks make: the leaves of the tree, then the whole."""
    guess = estimated(manifest_of(30))

    assert guess["estimate"] is True
    assert (300_000, 3, 2) == (guess["duration_ms"], guess["tasks"], guess["levels"])
    assert 300_000 + 200_000 <= guess["processed_ms"] <= 2 * 300_000


def test_without_prices_there_is_no_cost() -> None:
    """The output lists what is not included."""
    command = shown(manifest_of(2))
    cost = estimated(manifest_of(2))["cost"]

    assert cost["total"] is None
    assert [price.item for price in PRICES if price.price is None] + list(EXCLUDED) == cost["not_included"]
    assert "cost" in command.written
    assert "unknown" in command.written
    assert "not included: OSS requests of the PUT type" in command.written


def test_every_price_has_its_source_and_date() -> None:
    """So that it can be checked and updated."""
    assert all(price.source and re.fullmatch(r"20\d\d-\d\d-\d\d", price.dated) for price in PRICES)


def test_own_prices_give_a_cost(tmp_path: Path) -> None:
    """Quantities times prices; items without a price are not included."""
    file = tmp_path / "prices.json"
    given = {"currency": "CNY", "source": "our contract", "dated": "2026-01-01", "prices": {"oss_put": 2, "smq": 4}}
    file.write_text(json.dumps(given))
    prices = read_prices(file)
    guess = estimated(manifest_of(5), prices)
    command = shown(manifest_of(5), prices=prices)

    asked, cost = guess["requests"], guess["cost"]
    assert "CNY" == cost["currency"]
    assert asked["oss_put_type"] * 2 / 10_000 + asked["smq"]["all"] * 4 / 1e6 == pytest.approx(cost["total"])
    assert ["OSS requests of the GET type", "IMM audio processing", *EXCLUDED] == cost["not_included"]
    assert "our contract, 2026-01-01" in command.written


WRONG_PRICES: tuple[object, ...] = ([], {"oss": 1}, {"smq": "1"}, {"smq": -1}, {"smq": True})


@pytest.mark.parametrize(
    "text",
    ["{", "[]", '{"currency": "USD"}', '{"currency": 1, "source": "", "dated": "", "prices": {}}']
    + [json.dumps({"currency": "USD", "source": "us", "dated": "today", "prices": prices}) for prices in WRONG_PRICES],
)
def test_invalid_prices_are_a_usage_error(tmp_path: Path, text: str) -> None:
    """With the expected form."""
    file = tmp_path / "prices.json"
    file.write_text(text)

    with pytest.raises(UsageError, match="--prices"):
        read_prices(file)


def test_a_missing_file_of_prices_is_an_error(tmp_path: Path) -> None:
    """Without a traceback."""
    with pytest.raises(FileNotReadable):
        read_prices(tmp_path / "none.json")


def test_the_tree_shows_levels_clips_and_formats() -> None:
    """The output at its root, its sources below it, in order."""
    out = shown(manifest_of(21)).written
    lines = out[out.index("Step 2 of 2") :].splitlines()

    assert "Step 2 of 2, level 2: join 11 (1 to 21) → MP3, 44,100 Hz, stereo, 128,000 bit/s" in lines[0]
    assert "Step 1 of 2, level 1: join 11 (1 to 11) → FLAC, 44,100 Hz, stereo, 16 bits per sample" in lines[1]
    assert "1 to 11  clips/0001.mp3 … clips/0011.mp3" in lines[2]
    assert "12 to 21  clips/0012.mp3 … clips/0021.mp3" in lines[3]


def test_the_tree_shows_a_step_that_only_cuts() -> None:
    """If every clip is trimmed, one is cut in its own step."""
    out = shown(TRIMMED).written

    assert "Step 1 of 2, level 1: cut (1) → FLAC" in out
    assert "clips/0001.mp3 (from 0.5 s to the end)" in out


def test_a_plan_of_300_clips_is_shortened() -> None:
    """Table, tree and requests; a hint says how to show everything."""
    lines = shown(manifest_of(300, gap="300ms")).written.splitlines()

    assert len(lines) < 70
    assert any("582 more; --all shows them" in line for line in lines)
    assert any(re.search(r"… \d+ more, \d+ to \d+", line) for line in lines)
    assert not any("audio/concat" in line for line in lines)


def test_with_all_nothing_is_left_out() -> None:
    """Every clip in the table and in the tree, and every request."""
    out = shown(manifest_of(300), everything=True).written

    for number in range(1, 301):
        assert out.count(f"clips/{number:04d}.mp3") >= 2
    assert 30 == out.count("|sys/saveas,")
    assert "more" not in out.replace("--all", "")


def test_the_largest_plan_is_shortened() -> None:
    """A tree of three levels."""
    assert len(shown(manifest_of(1331)).written.splitlines()) < 100


def test_created_silences_are_shown() -> None:
    """Length, samples, number of uses, and the object."""
    document = manifest_of(12, gap="300ms")
    document["clips"] = [*document["clips"], {"silence": "2s"}]
    out = shown(document).written

    assert "Silence created: 0.3 s (13,230 samples), used 11 times: oss://acme/_clipstitch/assets/silence-" in out
    assert "Silence created: 2 s (88,200 samples), used once: " in out
    assert ", with " in out


def test_many_silences_are_shortened() -> None:
    """Four are shown."""
    document = manifest_of(1)
    document["clips"] = [*document["clips"], *({"silence": 100 + number} for number in range(9))]

    assert "… 5 more" in shown(document).written
    assert 9 == shown(document, everything=True).written.count("Silence created")


def test_json_has_the_whole_tree() -> None:
    """Steps with the steps they need, their level, their clips."""
    plan = planned(manifest_of(30, gap=100))
    steps = plan["steps"]

    assert [step["number"] for step in steps] == list(range(len(steps)))
    assert plan["levels"] == max(step["level"] for step in steps) == steps[-1]["level"]
    assert [0, 58] == steps[-1]["clips"]
    assert {need for step in steps for need in step["needs"]} == set(range(len(steps) - 1))
    assert 59 == len(plan["clips"])
    assert 1 == len(plan["silences"])


@pytest.mark.parametrize("count", [1, 2, 11, 12, 121, 122, 300])
def test_levels_agree_with_the_plan(count: int) -> None:
    """The level of each step, and the number of levels, are computed separately."""
    made = Plan.from_json({**planned(manifest_of(count)), "job_id": "x"})

    assert made.levels == max(levels_of(made.steps).values())


def test_a_key_with_markup_or_newline_is_escaped() -> None:
    """In the tree, too."""
    document = manifest_of(12)
    document["clips"] = ["[bold]\n.mp3", *document["clips"]]

    assert "[bold]\\n.mp3 … " in shown(document).written
