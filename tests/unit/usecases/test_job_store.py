"""What the job store keeps and refuses: the time of opening, steps of any number, documents of a later version."""

import json

import pytest

from clipstitch.common.errors import NewerState
from clipstitch.jobs.job import PLANNED, Fact
from clipstitch.usecases.job_store import FORMAT, job_of_working_file, step_of_target
from tests.world import BUCKET, MANIFEST, World

JOB = "20260102T030405Z-0123456789ab"


def test_the_first_time_at_which_a_job_was_opened_counts() -> None:
    """Its deadline counts from there, however often its upload is reported or recovered."""
    world = World()
    world.store.mark_open(JOB, MANIFEST)
    first = world.store.opened_at(JOB)
    world.clock.advance(3600)
    world.store.mark_open(JOB, MANIFEST)

    assert first == world.store.opened_at(JOB)
    assert {JOB: first} == world.store.open_jobs()


@pytest.mark.parametrize("number", [0, 7, 999, 1000, 123_456])
def test_the_target_of_a_step_names_it_whatever_its_number_is(number: int) -> None:
    """A job of very many clips has more than a thousand steps."""
    assert (JOB, number) == step_of_target(f"_clipstitch/work/{JOB}/step-{number:03d}.flac", "_clipstitch/")

    assert JOB == job_of_working_file(f"{JOB}/step-{number:03d}.flac")
    assert JOB == job_of_working_file(f"MediaConvert-1~{JOB}~{number}")


@pytest.mark.parametrize(
    "key",
    ["_clipstitch/work/{}/step-1.mp3", "_clipstitch/work/{}/other.mp3", "work/{}/step-000.mp3", "{}/step-000.mp3"],
)
def test_any_other_key_names_no_step(key: str) -> None:
    """A notification may name any object."""
    assert step_of_target(key.format(JOB), "_clipstitch/") is None


@pytest.mark.parametrize(
    ("version", "readable"), [(FORMAT - 1, True), (FORMAT, True), (FORMAT + 1, False), (99, False)]
)
def test_documents_up_to_the_own_format_are_read(version: int, readable: bool) -> None:
    """One of a later version is refused, and not changed."""
    world = World()
    world.drop()
    job = world.submit()
    ref = world.store.fact_ref(job.id, Fact(PLANNED))
    document = {**json.loads(world.objects.read(ref).body), "format": version}
    world.put(ref.key, json.dumps(document).encode())

    if version <= FORMAT:
        assert job.plan == world.load(job).plan
    else:
        with pytest.raises(NewerState, match="format"):
            world.load(job)
    assert document == json.loads(world.objects.read(ref).body)
    assert BUCKET == ref.bucket
