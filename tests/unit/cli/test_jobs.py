"""`plan`, `drop`, `jobs` and `show` over a cloud in memory."""

import json
from pathlib import Path

import pytest

from clipstitch.adapters.memory import tone
from clipstitch.common.errors import InvalidManifest, WebhookNoResponse
from clipstitch.common.identifiers import ObjectRef
from clipstitch.jobs.job import Job
from clipstitch_cli import exit_codes
from clipstitch_cli.commands.drop import Drop, drop_in
from clipstitch_cli.commands.jobs import jobs_in
from clipstitch_cli.commands.plan import plan_in
from clipstitch_cli.commands.put import put_in
from clipstitch_cli.commands.show import NoSuchJob, find_job, show_in
from clipstitch_cli.display.job_progress import Patience, completion_event, follow, stage
from clipstitch_cli.errors import NoSuchFile, TimedOut, Usage
from tests.unit.cli.test_context import MadeDesk, make_desk
from tests.unit.usecases.test_webhooks import HookWorld
from tests.world import DOCUMENT, MANIFEST, FaultAfter, World

BROKEN = {**DOCUMENT, "clips": ["a.mp3", "gone.mp3"], "aling": 1}
DAY = "2026-01-02"


@pytest.fixture
def world() -> World:
    """Make a cloud with two clips."""
    return World()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Write a manifest in which nothing is wrong."""
    return written(tmp_path, DOCUMENT)


def written(folder: Path, document: object) -> Path:
    """Write a manifest file named as the world's manifest object."""
    made = folder / "ep1.json"
    made.write_text(json.dumps(document))
    return made


def finished(world: World) -> Job:
    """Bring a job to its end."""
    world.drop()
    world.submit()
    job = world.complete(world.run())
    assert job
    return job


class Functions:
    """Lets the functions do one thing more whenever the command pauses."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._turns = iter((self._world.submit, lambda: self._world.complete(self._world.run())))

    def __call__(self, seconds: float) -> None:
        """Let time pass."""
        self._world.clock.advance(seconds)
        if turn := next(self._turns, None):
            turn()


def plan_of(world: World, manifest: str, *, json: bool = False) -> MadeDesk:
    """Plan a manifest and return the desk that was written on."""
    command = make_desk(json=json, clock=world.clock)
    assert exit_codes.OK == plan_in(world.context(), manifest, command)
    return command


def test_a_plan_shows_clips_steps_and_listeners(world: World, file: Path):
    """Everything that would be done, in words and as OSS spells it."""
    out = plan_of(world, str(file)).written

    for words in ("audio/concat,f_mp3", "from 1 s for 0.5 s", "2.5 s", "oss://acme/episodes/ep1.mp3", "topic events"):
        assert words in out
    assert "oss://acme/results/manifests/ep1.json.json" in out


def test_planning_writes_nothing(world: World, file: Path):
    """Neither the manifest, nor a fact, nor a task."""
    before = set(world.objects.stored)
    plan_of(world, str(file))

    assert before == set(world.objects.stored)
    assert [] == world.audio.accepted


def test_a_plan_of_a_file_has_no_job_id_yet(world: World, file: Path):
    """The id follows from the upload."""
    told = json.loads(plan_of(world, str(file), json=True).written)

    assert None is told["job_id"]
    assert 2500 == told["expected_duration_ms"]
    assert "a.mp3" == told["steps"][0]["main"]["key"]


def test_a_plan_of_an_object_has_the_id_that_its_job_has(world: World):
    """The same object names the same job."""
    job = finished(world)

    told = json.loads(plan_of(world, MANIFEST.uri, json=True).written)

    assert job.id == told["job_id"]


def test_a_manifest_with_mistakes_cannot_be_planned(world: World, tmp_path: Path):
    """Its clips are looked at all the same, so that all mistakes are told at once."""
    with pytest.raises(InvalidManifest) as caught:
        plan_in(world.context(), str(written(tmp_path, BROKEN)), make_desk())

    assert {"FIELD_UNKNOWN", "CLIP_NOT_FOUND"} == {issue.code for issue in caught.value.issues}


def test_a_file_that_is_not_there_is_an_error_of_ours(world: World, tmp_path: Path):
    """No traceback for a typing error."""
    with pytest.raises(NoSuchFile):
        plan_in(world.context(), str(tmp_path / "none.json"), make_desk())


def test_dropping_names_the_job_that_will_be(world: World, file: Path):
    """The id is printed alone, for scripts."""
    command = make_desk(clock=world.clock)
    code = drop_in(world.context(), Drop(file), command)

    job = world.submit()
    assert job
    assert (exit_codes.OK, f"{job.id}\n") == (code, command.written)


def test_waiting_ends_with_the_completion_event_alone(world: World, file: Path):
    """Programs get the event as every other recipient gets it."""
    command = make_desk(json=True, clock=world.clock)
    code = drop_in(world.context(), Drop(file, wait=True), command, Functions(world))

    assert exit_codes.OK == code
    assert world.result() == json.loads(command.written)
    assert "" == command.said


def test_waiting_for_a_rejected_manifest_shows_its_issues(world: World, tmp_path: Path):
    """The exit code says rejected."""
    command = make_desk(clock=world.clock)
    code = drop_in(world.context(), Drop(written(tmp_path, BROKEN), wait=True), command, Functions(world))

    assert exit_codes.REJECTED == code
    assert "rejected" in command.written
    assert "FIELD_UNKNOWN" in command.written


def test_waiting_for_a_job_that_fails_says_why(world: World, file: Path):
    """The exit code says failed."""
    world.put("episodes/ep1.mp3", tone(1.0))
    command = make_desk(clock=world.clock)
    code = drop_in(world.context(), Drop(file, wait=True), command, Functions(world))

    assert exit_codes.FAILED == code
    assert "OUTPUT_EXISTS" in command.written


def test_whoever_waits_knows_the_job_from_the_beginning(world: World, file: Path):
    """Ctrl-C ends the waiting, not the job; a program reads one line, the event."""
    people, programs = make_desk(clock=world.clock), make_desk(json=True, clock=world.clock)
    drop_in(world.context(), Drop(file, wait=True), people, Functions(world))
    world.clock.advance(60)
    drop_in(world.context(), Drop(file, wait=True), programs, Functions(world))

    assert f"see `clipstitch show {people.written.split()[1]}`" in people.said
    assert ("", 1) == (programs.said, len(programs.written.splitlines()))


def test_a_sink_that_could_not_be_told_is_named_to_whoever_waits(file: Path):
    """The job has succeeded, and somebody does not know it yet."""
    world = HookWorld(WebhookNoResponse("no answer"))
    command = make_desk(clock=world.clock)
    code = drop_in(world.context(), Drop(file, wait=True), command, Functions(world))

    assert exit_codes.OK == code
    assert "still owed to partner: they will be told again" in command.written


def test_waiting_ends_when_the_time_is_up(world: World, file: Path):
    """The job goes on; only we stop."""
    with pytest.raises(TimedOut, match=r"is received after 10 s: waiting for submit"):
        drop_in(world.context(), Drop(file, wait=True, timeout="10s"), make_desk(), world.clock.advance)


@pytest.mark.parametrize("what", [Drop(Path("ep1.json"), key="other/ep1.json"), Drop(Path("ep1.txt"))])
def test_a_key_that_would_start_nothing_is_refused(world: World, what: Drop):
    """A silent upload would be a lost job."""
    with pytest.raises(Usage, match="would start no job"):
        drop_in(world.context(), what, make_desk())


def test_a_timeout_that_is_no_time_is_refused_before_anything_is_uploaded(world: World, file: Path):
    """Nothing is dropped that cannot be waited for."""
    with pytest.raises(Usage, match="soon"):
        drop_in(world.context(), Drop(file, wait=True, timeout="soon"), make_desk())

    assert MANIFEST not in world.objects.stored


def test_the_event_is_that_of_this_job_when_a_newer_one_has_written_the_result(world: World):
    """The result object is the newest job's; the facts give the older one's event."""
    older = finished(world)
    event = world.result()
    world.clock.advance(60)
    finished(world)

    assert event["id"] != world.result()["id"]
    assert event == completion_event(older, world.context())


def test_the_event_is_had_from_a_busy_cloud(world: World):
    """Whoever has waited to the end is not told that the cloud is busy now: the facts give the same event."""
    job = finished(world)

    assert world.result() == completion_event(job, world.context(FaultAfter(0)))


def test_following_yields_every_change_once(world: World):
    """What is shown moves only forward."""
    world.drop()
    job = world.submit()
    assert job
    seen = list(follow(job.id, "acme", world.context(), Patience(60_000, Functions(world))))

    assert sorted(len(job.facts) for job in seen) == [len(job.facts) for job in seen]
    assert seen[-1].closed


def test_jobs_lists_those_of_a_day_and_the_open_ones(world: World):
    """An open job is listed whatever its day."""
    done = finished(world)
    world.clock.advance(3 * 86400)
    world.drop({**DOCUMENT, "labels": {"a": "b"}})
    running = world.submit()
    assert running
    both, only_open = make_desk(json=True), make_desk(json=True)
    jobs_in(world.context(), [DAY], both)
    jobs_in(world.context(), [], only_open)

    states = {row["job"]: (row["state"], row["open"]) for row in json.loads(both.written)}
    assert {done.id: ("succeeded", False), running.id: ("running", True)} == states
    assert [running.id] == [row["job"] for row in json.loads(only_open.written)]


def test_jobs_shows_a_table_to_people(world: World):
    """Objects of the usual bucket by their keys."""
    done, command = finished(world), make_desk()
    jobs_in(world.context(), [DAY], command)

    for words in (done.id, "succeeded", "manifests/ep1.json", "episodes/ep1.mp3"):
        assert words in command.written


def test_a_job_of_which_only_the_marker_is_known_is_listed_with_its_manifest(world: World):
    """A crash right after the marker leaves nothing else."""
    job_id = "20260102T030405Z-0123456789ab"
    world.context().store.open(job_id, MANIFEST)
    command = make_desk(json=True)
    jobs_in(world.context(), [], command)

    assert [(job_id, "received", MANIFEST.uri)] == [
        (row["job"], row["state"], row["manifest"]) for row in json.loads(command.written)
    ]


def test_no_jobs_is_said_in_words(world: World):
    """Silence would leave one wondering."""
    command = make_desk()
    jobs_in(world.context(), [DAY], command)

    assert "no jobs: none open, none of 2026-01-02\n" == command.written


@pytest.mark.parametrize("length", [1, 4, 6, 8, 15, 29])
def test_the_beginning_of_an_id_is_enough(world: World, length: int):
    """As long as one job has it."""
    job, command = finished(world), make_desk(json=True)
    show_in(world.context(), job.id[:length], command)

    assert job.id == json.loads(command.written)["job"]


def test_a_beginning_that_two_jobs_share_names_both(world: World):
    """So that the next attempt succeeds."""
    first = finished(world)
    world.clock.advance(60)
    second = finished(world)
    with pytest.raises(Usage) as caught:
        show_in(world.context(), "2026", make_desk())

    assert first.id in str(caught.value)
    assert second.id in str(caught.value)


def test_an_unknown_id_is_an_error_with_a_remedy(world: World):
    """`clipstitch jobs` helps."""
    with pytest.raises(NoSuchJob):
        show_in(world.context(), "1999", make_desk())


def test_show_tells_a_job_from_its_plan_to_its_output(world: World):
    """The timeline is in order."""
    job, command = finished(world), make_desk()
    show_in(world.context(), job.id, command)

    timeline = ["planned", "step 1 accepted", "step 1 succeeded", "verdict: publish", "result: published", "closed"]
    assert sorted(timeline, key=command.written.index) == timeline
    assert "published oss://acme/episodes/ep1.mp3, 2.5 s" in command.written


def test_show_tells_why_a_job_was_rejected(world: World):
    """With every issue."""
    world.drop(BROKEN)
    job, command = world.submit(), make_desk()
    assert job
    show_in(world.context(), job.id, command)

    assert "rejected" in command.written
    assert "FIELD_UNKNOWN" in command.written


def test_show_has_facts_plan_and_event_for_programs(world: World):
    """The event is the one that everybody got."""
    job, command = finished(world), make_desk(json=True)
    show_in(world.context(), job.id, command)

    told = json.loads(command.written)
    assert world.result() == told["event"]
    assert job.facts == {(fact["kind"], fact["step"], fact["detail"]) for fact in told["facts"]}
    assert ("succeeded", True) == (told["state"], told["closed"])


def test_a_job_that_waits_for_clips_says_so(world: World):
    """Whoever waits with it knows what for, and until when."""
    world.drop({**DOCUMENT, "wait_for_clips": "1h", "clips": ["late.mp3", *(f"{n}.mp3" for n in range(9))]})
    job = world.submit()
    assert job
    command = make_desk()
    show_in(world.context(), job.id, command)

    assert "waiting for clips" == stage(job)
    assert "waiting until 2026-01-02T04:04:05.000Z: `late.mp3` does not exist; `0.mp3`" in command.written
    assert "; and 5 more" in command.written


def test_the_beginning_of_no_job_is_refused(world: World):
    """An empty variable of a script must not mean whichever job there is."""
    finished(world)
    with pytest.raises(Usage, match="empty"):
        find_job("", world.context())


def test_a_job_is_one_line_for_grep(world: World):
    """However long its names are, and whatever a terminal would make of them."""
    ref = ObjectRef("acme", f"manifests/{'long/' * 100}ep1.json")
    world.drop(ref=ref)
    world.submit(ref=ref)
    command = make_desk()._replace(env={})
    jobs_in(world.context(), [], command)

    assert 2 == len(command.written.splitlines())
    assert ref.key in command.written


def test_clips_are_put_under_their_names(world: World, tmp_path: Path):
    """Below the prefix, byte for byte."""
    (tmp_path / "ü (1).mp3").write_bytes(b"sound")
    code = put_in(world.context(), [tmp_path / "ü (1).mp3"], "clips/", make_desk())

    assert exit_codes.OK == code
    assert b"sound" == world.objects.read(ObjectRef("acme", "clips/ü (1).mp3")).body


def test_nothing_is_put_when_one_of_the_files_cannot_be_read(world: World, tmp_path: Path):
    """Half an episode helps nobody."""
    (tmp_path / "a.mp3").write_bytes(b"sound")
    with pytest.raises(NoSuchFile, match=r"missing\.mp3"):
        put_in(world.context(), [tmp_path / "a.mp3", tmp_path / "missing.mp3"], "clips/", make_desk())

    assert [] == list(world.objects.list("acme", "clips/"))
