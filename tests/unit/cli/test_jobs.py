"""`plan`, `drop`, `jobs` and `show` over a cloud in memory."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from clipstitch.common.errors import InvalidManifest, WebhookNoResponse
from clipstitch.common.identifiers import ObjectRef
from clipstitch.jobs.job import Fact, Job
from clipstitch_cli import exit_codes
from clipstitch_cli.commands.drop import drop_manifest
from clipstitch_cli.commands.jobs import list_jobs
from clipstitch_cli.commands.plan import show_plan
from clipstitch_cli.commands.put import put_files
from clipstitch_cli.commands.show import show_job
from clipstitch_cli.context import CommandContext
from clipstitch_cli.display.job_progress import Pause, completion_event, follow
from clipstitch_cli.display.job_text import stage
from clipstitch_cli.errors import FileNotReadable, UsageError, WaitTimedOut
from clipstitch_cli.stored_jobs import JobNotFound, find_job_id
from tests.unit.cli.test_context import RecordingCommand, make_command
from tests.unit.cli.test_main import UP, ran
from tests.world import BUCKET, DOCUMENT, MANIFEST, CallCounter, FaultAfter, WebhookWorld, World

BROKEN = {**DOCUMENT, "clips": ["a.mp3", "gone.mp3"], "aling": 1}
DAY = "2026-01-02"


@pytest.fixture
def world() -> World:
    """Make a cloud with two clips."""
    return World()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Write a valid manifest."""
    return written(tmp_path, DOCUMENT)


def written(folder: Path, document: object) -> Path:
    """Write a manifest file with the name of the world's manifest object."""
    made = folder / "ep1.json"
    made.write_text(json.dumps(document))
    return made


def finished(world: World) -> Job:
    """Run a job to its end."""
    world.drop()
    world.submit()
    job = world.complete(world.run())
    assert job
    return job


class Functions:
    """A pause function that runs one function after each pause."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._turns = iter((self._world.submit, lambda: self._world.complete(self._world.run())))

    def __call__(self, seconds: float) -> None:
        """Advance the clock and run the next function."""
        self._world.clock.advance(seconds)
        if turn := next(self._turns, None):
            turn()


def dropped(
    world: World, file: Path, command: CommandContext, *, timeout_s: int = 600, pause: Pause | None = None
) -> int:
    """Drop a manifest, wait while the functions run, and return the exit code."""
    timeout = timedelta(seconds=timeout_s)
    return drop_manifest(world.context(), file, command, timeout=timeout, pause=pause or Functions(world))


def plan_of(world: World, manifest: str, *, json: bool = False) -> RecordingCommand:
    """Plan a manifest and return the command context."""
    command = make_command(json=json, clock=world.clock)
    assert exit_codes.OK == show_plan(world.context(), manifest, command)
    return command


def test_a_plan_shows_clips_steps_and_sinks(world: World, file: Path) -> None:
    """In words, and as process strings."""
    out = plan_of(world, str(file)).written

    for words in ("audio/concat,f_mp3", "from 1 s for 0.5 s", "2.5 s", "oss://acme/episodes/ep1.mp3", "topic events"):
        assert words in out
    assert "oss://acme/results/manifests/ep1.json.json" in out


def test_planning_writes_nothing(world: World, file: Path) -> None:
    """Neither an object nor a task."""
    before = set(world.objects.stored)
    plan_of(world, str(file))

    assert before == set(world.objects.stored)
    assert [] == world.audio.accepted


def test_a_plan_of_a_file_has_no_job_id(world: World, file: Path) -> None:
    """The upload determines the id."""
    planned = json.loads(plan_of(world, str(file), json=True).written)

    assert None is planned["job_id"]
    assert 2500 == planned["expected_duration_ms"]
    assert "a.mp3" == planned["steps"][0]["main"]["key"]


def test_a_plan_of_an_object_has_the_id_of_its_job(world: World) -> None:
    """The object determines the id."""
    job = finished(world)

    planned = json.loads(plan_of(world, MANIFEST.uri, json=True).written)

    assert job.id == planned["job_id"]


def test_an_invalid_manifest_cannot_be_planned(world: World, tmp_path: Path) -> None:
    """All errors are reported in one pass, those of its clips included."""
    with pytest.raises(InvalidManifest) as caught:
        show_plan(world.context(), str(written(tmp_path, BROKEN)), make_command())

    assert {"FIELD_UNKNOWN", "CLIP_NOT_FOUND"} == {issue.code for issue in caught.value.issues}


def test_a_missing_file_is_an_error(world: World, tmp_path: Path) -> None:
    """Without a traceback."""
    with pytest.raises(FileNotReadable):
        show_plan(world.context(), str(tmp_path / "none.json"), make_command())


def test_dropping_returns_the_id_of_the_job(world: World, file: Path) -> None:
    """The id that submit will use; it is printed alone, for scripts."""
    command = make_command(clock=world.clock)
    code = drop_manifest(world.context(), file, command)

    job = world.submit()
    assert job
    assert (exit_codes.OK, f"{job.id}\n") == (code, command.written)


def test_waiting_writes_only_the_completion_event(world: World, file: Path) -> None:
    """As all recipients receive it."""
    command = make_command(json=True, clock=world.clock)
    code = dropped(world, file, command)

    assert exit_codes.OK == code
    assert world.result() == json.loads(command.written)
    assert "" == command.errors


def test_waiting_for_a_rejected_manifest_shows_its_issues(world: World, tmp_path: Path) -> None:
    """The exit code says rejected."""
    command = make_command(clock=world.clock)
    code = dropped(world, written(tmp_path, BROKEN), command)

    assert exit_codes.REJECTED == code
    assert "rejected" in command.written
    assert "FIELD_UNKNOWN" in command.written


def test_waiting_for_a_failed_job_shows_the_error(file: Path) -> None:
    """The exit code says failed."""
    world = World(unbound=(BUCKET,))
    command = make_command(clock=world.clock)
    code = dropped(world, file, command)

    assert exit_codes.FAILED == code
    assert "BUCKET_NOT_BOUND" in command.written


def test_the_job_id_is_shown_before_waiting(world: World, file: Path) -> None:
    """JSON output is the event alone."""
    people, programs = make_command(clock=world.clock), make_command(json=True, clock=world.clock)
    dropped(world, file, people)
    world.clock.advance(60)
    dropped(world, file, programs)

    assert f"see `clipstitch show {people.written.split()[1]}`" in people.errors
    assert ("", 1) == (programs.errors, len(programs.written.splitlines()))


def test_a_pending_delivery_is_shown_after_waiting(file: Path) -> None:
    """The job has succeeded, but one delivery failed."""
    world = WebhookWorld(WebhookNoResponse("no answer"))
    command = make_command(clock=world.clock)
    code = dropped(world, file, command)

    assert exit_codes.OK == code
    assert "delivery pending, will be retried: partner" in command.written


def test_waiting_ends_with_a_timeout(world: World, file: Path) -> None:
    """The job continues."""
    with pytest.raises(WaitTimedOut, match=r"is received after 10 s: waiting for submit"):
        dropped(world, file, make_command(), timeout_s=10, pause=world.clock.advance)


@pytest.mark.parametrize(("name", "key"), [("ep1.json", "other/ep1.json"), ("ep1.txt", "")])
def test_a_key_without_a_trigger_is_rejected(world: World, name: str, key: str) -> None:
    """Its upload would start no job."""
    with pytest.raises(UsageError, match="would start no job"):
        drop_manifest(world.context(), Path(name), make_command(), key=key)


@pytest.mark.parametrize("name", ["ep1.json", "ep1.yaml", "ep1.m3u", "ep1.ffconcat"])
def test_an_empty_file_is_rejected_before_the_upload(world: World, tmp_path: Path, name: str) -> None:
    """The functions would wait for its content before they reject it."""
    (tmp_path / name).touch()
    before = dict(world.objects.stored)

    with pytest.raises(InvalidManifest):
        drop_manifest(world.context(), tmp_path / name, make_command())
    assert before == world.objects.stored


def test_an_invalid_timeout_is_rejected_before_the_upload(file: Path) -> None:
    """Before any request."""
    code, _, errors = ran("drop", str(file), "--wait", "--timeout", "soon", env=UP)

    assert exit_codes.USAGE == code
    assert "--timeout 'soon' is not a duration" in errors


def test_the_event_of_an_older_job_comes_from_its_facts(world: World) -> None:
    """The result object belongs to the newest job."""
    older = finished(world)
    event = world.result()
    world.clock.advance(60)
    finished(world)

    assert event["id"] != world.result()["id"]
    assert event == completion_event(older, world.context())


def test_the_event_comes_from_the_facts_if_the_cloud_is_busy(world: World) -> None:
    """The facts give the same event."""
    job = finished(world)

    assert world.result() == completion_event(job, world.context(FaultAfter(0)))


def test_following_yields_every_change_once(world: World) -> None:
    """The number of facts only grows."""
    world.drop()
    job = world.submit()
    assert job
    seen = list(follow(job.id, world.context(), timedelta(minutes=1), Functions(world)))

    assert sorted(len(job.facts) for job in seen) == [len(job.facts) for job in seen]
    assert seen[-1].closed


def test_jobs_lists_the_jobs_of_a_day_and_open_jobs(world: World) -> None:
    """An open job is listed whatever its day."""
    done = finished(world)
    world.clock.advance(3 * 86400)
    world.drop({**DOCUMENT, "labels": {"a": "b"}})
    running = world.submit()
    assert running
    both, only_open = make_command(json=True), make_command(json=True)
    list_jobs(world.context(), [DAY], both)
    list_jobs(world.context(), [], only_open)

    states = {row["job"]: (row["state"], row["open"]) for row in json.loads(both.written)}
    assert {done.id: ("succeeded", False), running.id: ("running", True)} == states
    assert [running.id] == [row["job"] for row in json.loads(only_open.written)]


def test_jobs_shows_state_and_age_without_reading_a_document(world: World) -> None:
    """Two lists: the markers, and the facts of the day."""
    done, command, counter = finished(world), make_command(), CallCounter()
    world.clock.advance(90)
    list_jobs(world.context(counter), [DAY], command)

    assert ["job", "state", "age", done.id, "succeeded", "90", "s"] == command.written.split()
    assert 2 == counter.calls


def test_names_are_shown_on_request(world: World) -> None:
    """One more request per job; objects of the configured bucket by their keys."""
    done, command, counter = finished(world), make_command(), CallCounter()
    list_jobs(world.context(counter), [DAY], command, names=True)
    as_json = make_command(json=True)
    list_jobs(world.context(), [DAY], as_json, names=True)

    assert f"{done.id}  succeeded  0 s      manifests/ep1.json → episodes/ep1.mp3\n" in command.written
    assert [(MANIFEST.uri, "oss://acme/episodes/ep1.mp3")] == [
        (row["manifest"], row["output"]) for row in json.loads(as_json.written)
    ]
    assert 3 == counter.calls


@pytest.mark.parametrize("plan", [b"{", b"[]", b"{}", b'{"manifest": null, "output": 7}'])
def test_names_of_a_rejected_manifest_and_of_a_damaged_job_are_shown_as_far_as_they_are_known(
    world: World, plan: bytes
) -> None:
    """A rejected manifest has no plan; a plan that cannot be read hides nothing else."""
    world.drop(BROKEN)
    rejected = world.submit()
    world.clock.advance(1)
    damaged = finished(world)
    world.put(world.store.fact_ref(damaged.id, Fact("planned")).key, plan)
    command = make_command(json=True)
    list_jobs(world.context(), [DAY], command, names=True)

    assert [
        (rejected.id, "rejected", MANIFEST.uri, None),
        (damaged.id, "succeeded", "", None),
    ] == [(row["job"], row["state"], row["manifest"], row["output"]) for row in json.loads(command.written)]


def test_a_list_says_when_a_job_was_uploaded_and_when_it_changed(world: World) -> None:
    """Both from the listing."""
    world.drop()
    world.submit()
    world.clock.advance(60)
    world.complete(world.run())
    command = make_command(json=True)
    list_jobs(world.context(), [DAY], command)

    (row,) = json.loads(command.written)
    assert ("2026-01-02T03:04:05.000Z", "2026-01-02T03:05:05.000Z") == (row["uploaded_at"], row["changed_at"])


def test_a_job_with_only_a_marker_is_listed_with_its_manifest(world: World) -> None:
    """A crash right after writing the marker leaves nothing else."""
    job_id = "20260102T030405Z-0123456789ab"
    world.context().store.mark_open(job_id, MANIFEST)
    command = make_command(json=True)
    list_jobs(world.context(), [], command, names=True)

    assert [(job_id, "received", MANIFEST.uri)] == [
        (row["job"], row["state"], row["manifest"]) for row in json.loads(command.written)
    ]


def test_an_empty_list_is_a_message(world: World) -> None:
    """With the days that were searched."""
    command = make_command()
    list_jobs(world.context(), [DAY], command)

    assert "no jobs: none open, none of 2026-01-02\n" == command.written


@pytest.mark.parametrize("length", [1, 4, 6, 8, 15, 29])
def test_a_prefix_of_an_id_is_enough(world: World, length: int) -> None:
    """If only one job has it."""
    job, command = finished(world), make_command(json=True)
    show_job(world.context(), job.id[:length], command)

    assert job.id == json.loads(command.written)["job"]


def test_an_ambiguous_prefix_lists_the_jobs(world: World) -> None:
    """So that the user can choose one."""
    first = finished(world)
    world.clock.advance(60)
    second = finished(world)
    with pytest.raises(UsageError) as caught:
        show_job(world.context(), "2026", make_command())

    assert first.id in str(caught.value)
    assert second.id in str(caught.value)


def test_an_unknown_id_is_an_error(world: World) -> None:
    """Its remedy names `clipstitch jobs`."""
    with pytest.raises(JobNotFound):
        show_job(world.context(), "1999", make_command())


def test_show_writes_the_timeline_of_a_job(world: World) -> None:
    """In order, from the plan to the output."""
    job, command = finished(world), make_command()
    show_job(world.context(), job.id, command)

    timeline = ["planned", "step 1 accepted", "step 1 succeeded", "decision: publish", "result: published", "closed"]
    assert sorted(timeline, key=command.written.index) == timeline
    assert "published oss://acme/episodes/ep1.mp3, 2.5 s" in command.written


def test_show_writes_why_a_job_was_rejected(world: World) -> None:
    """With every issue."""
    world.drop(BROKEN)
    job, command = world.submit(), make_command()
    assert job
    show_job(world.context(), job.id, command)

    assert "rejected" in command.written
    assert "FIELD_UNKNOWN" in command.written


def test_show_writes_facts_plan_and_event_as_json(world: World) -> None:
    """The event is the one that all recipients received."""
    job, command = finished(world), make_command(json=True)
    show_job(world.context(), job.id, command)

    shown = json.loads(command.written)
    assert world.result() == shown["event"]
    recorded = set(world.store.load(job.id).facts)
    assert recorded == {Fact(fact["kind"], fact["step"], fact["detail"]) for fact in shown["facts"]}
    assert ("succeeded", True) == (shown["state"], shown["closed"])


def test_show_lists_the_clips_that_a_job_waits_for(world: World) -> None:
    """With the end of the wait."""
    world.drop({**DOCUMENT, "wait_for_clips": "1h", "clips": ["late.mp3", *(f"{n}.mp3" for n in range(9))]})
    job = world.submit()
    assert job
    command = make_command()
    show_job(world.context(), job.id, command)

    assert "waiting for clips" == stage(job)
    assert "waiting until 2026-01-02T04:04:05.000Z: `late.mp3` does not exist; `0.mp3`" in command.written
    assert "; and 5 more" in command.written


def test_an_empty_id_is_rejected(world: World) -> None:
    """It may be an empty variable of a script."""
    finished(world)
    with pytest.raises(UsageError, match="empty"):
        find_job_id("", world.context())


def test_a_job_is_one_line_in_a_file(world: World) -> None:
    """However long its names are."""
    ref = ObjectRef("acme", f"manifests/{'long/' * 100}ep1.json")
    world.drop(ref=ref)
    world.submit(ref=ref)
    command = make_command()._replace(env={})
    list_jobs(world.context(), [], command, names=True)

    assert 2 == len(command.written.splitlines())
    assert ref.key in command.written


def test_clips_are_uploaded_under_their_names(world: World, tmp_path: Path) -> None:
    """Under the prefix, byte for byte."""
    (tmp_path / "ü (1).mp3").write_bytes(b"sound")
    code = put_files(world.context(), [tmp_path / "ü (1).mp3"], "clips/", make_command())

    assert exit_codes.OK == code
    assert b"sound" == world.objects.read(ObjectRef("acme", "clips/ü (1).mp3")).body


def test_nothing_is_uploaded_if_a_file_cannot_be_read(world: World, tmp_path: Path) -> None:
    """All files are checked first."""
    (tmp_path / "a.mp3").write_bytes(b"sound")
    with pytest.raises(FileNotReadable, match=r"missing\.mp3"):
        put_files(world.context(), [tmp_path / "a.mp3", tmp_path / "missing.mp3"], "clips/", make_command())

    assert [] == list(world.objects.list("acme", "clips/"))
