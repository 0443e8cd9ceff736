"""Lists of jobs: everything that they show follows from the names of the facts."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipstitch.common.identifiers import ObjectRef, upload_stamp
from clipstitch.common.ports import PAGE, ListedObject, ObjectHeaders
from clipstitch.jobs.job import ACCEPTED, CLOSED, PLANNED, Fact, Job
from clipstitch.usecases.job_store import JobStore
from tests.unit.usecases.harness import REJECTED_DOCUMENT
from tests.world import BUCKET, DOCUMENT, MANIFEST, CallCounter, World

DAY = "2026-01-02"
NOON = datetime(2026, 1, 2, 12, tzinfo=timezone.utc)


class PagedObjects:
    """A bucket of many small objects that counts the pages of its listings."""

    def __init__(self, keys: list[str]) -> None:
        self.keys, self.pages = sorted(keys), 0

    def list(self, bucket: str, prefix: str, after: str = "") -> Iterator[ListedObject]:
        """Yield the objects of a listing, page by page."""
        assert bucket == BUCKET
        found = [key for key in self.keys if key.startswith(prefix) and key > after]
        for start in range(0, max(len(found), 1), PAGE):
            self.pages += 1
            yield from (ListedObject(key, 1, NOON) for key in found[start : start + PAGE])


def job_id(number: int) -> str:
    """Return the id of a job of the number-th ten minutes."""
    return f"{upload_stamp(NOON + timedelta(minutes=10 * number))}-0123456789ab"


def paged(facts_of: dict[int, int]) -> tuple[PagedObjects, JobStore]:
    """Return a store of closed jobs, by number, each with so many facts of tasks."""
    facts = [Fact(ACCEPTED, 0, f"t{index:04}") for index in range(max(facts_of.values(), default=0))]
    keys = [
        f"_clipstitch/jobs/{NOON + timedelta(minutes=10 * number):%Y-%m-%d}/{job_id(number)}/{fact.name}"
        for number, count in facts_of.items()
        for fact in [Fact(CLOSED, detail="succeeded"), *facts[:count]]
    ]
    objects = PagedObjects(keys)
    store = World().context()._replace(objects=objects).store  # type: ignore[arg-type] # lists, and does nothing else
    return objects, store


def test_a_listed_job_has_the_facts_and_the_state_of_a_loaded_one() -> None:
    """In every final state; its documents are not read: each list is one request."""
    world = World()
    for document in (DOCUMENT, REJECTED_DOCUMENT, DOCUMENT):
        world.clock.advance(1)
        world.drop(document)
        if world.submit().plan:
            task = world.audio.accepted[-1]
            world.complete(world.run() if task.id.endswith("0") else world.audio.fail(task, "InvalidArgument", "no"))
    counter = CallCounter()
    listed = list(world.context(counter).store.listed_of_day(DAY))

    loaded = [world.store.load(job) for job in world.store.jobs_of_day(DAY)]
    assert [(job.id, job.state, job.facts) for job in loaded] == [(job.id, job.state, job.facts) for job in listed]
    assert ["succeeded", "rejected", "failed"] == [job.state for job in listed]
    assert [(None, None, None)] * 3 == [(job.plan, job.decision, job.result) for job in listed]
    assert 1 == counter.calls


def test_a_day_can_be_listed_from_a_job_on() -> None:
    """That job is left out; on another day, nothing is."""
    _, store = paged(dict.fromkeys(range(5), 3))

    assert [job_id(3), job_id(4)] == [job.id for job in store.listed_of_day(DAY, job_id(2))]
    assert 5 == len(list(store.listed_of_day(DAY, job_id(-200))))


@given(st.dictionaries(st.integers(-300, 300), st.integers(0, 400), max_size=40), st.sets(st.integers(-300, 300)))
@settings(database=None, deadline=None, max_examples=100)
def test_some_jobs_are_listed_with_few_requests(facts_of: dict[int, int], wanted: set[int]) -> None:
    """Of the wanted jobs those that exist, in order, each whole. The requests are bounded twice."""
    objects, store = paged(facts_of)
    listed = list(store.listed(map(job_id, wanted)))

    known = sorted(wanted & set(facts_of))
    assert [(job_id(number), facts_of[number] + 1) for number in known] == [(job.id, len(job.facts)) for job in listed]
    total = sum(count + 1 for count in facts_of.values())
    assert objects.pages <= min(2 * len(wanted), total // PAGE + len(wanted) + 1)


def test_few_old_jobs_are_found_among_many_without_listing_all() -> None:
    """The listing starts again at the next wanted job when that may be far away."""
    objects, store = paged(dict.fromkeys(range(10_000), 5))
    listed = list(store.listed([job_id(0), job_id(1), job_id(5_000), job_id(9_999)]))

    assert 4 == len(listed)
    assert objects.pages <= 5


@pytest.mark.parametrize("name", ["notes.txt", "step-000.paused.t.json"])
def test_objects_that_are_no_facts_are_left_out(name: str) -> None:
    """Facts of a later version, too: a list shows what this version knows."""
    world = World()
    world.drop()
    job = world.submit()
    known = world.store.fact_ref(job.id, Fact(PLANNED))
    for key in (known.key.replace("planned.json", name), known.key.replace(job.id, "strange")):
        world.objects.write(ObjectRef(BUCKET, key), json.dumps({}).encode(), ObjectHeaders())
    (listed,) = world.store.listed_of_day(DAY)

    assert Job(job.id, job.facts).facts == listed.facts
    assert MANIFEST == world.store.manifest_of(listed.id)
