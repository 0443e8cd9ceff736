"""Facts and manifests that cannot be read end their job with a reason, and never stop a sweep or another job."""

import json
from collections.abc import Callable
from contextlib import suppress

import pytest

from clipstitch.adapters.memory import tone
from clipstitch.common.errors import AccessDenied, ClipstitchError, CloudBusy, ObjectArchived, StateUnreadable
from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.ports import ObjectHeaders
from clipstitch.usecases.sweep import sweep
from tests.unit.usecases.harness import drop_other, events_by_id, failing
from tests.world import BUCKET, DOCUMENT, MANIFEST, OUTPUT, SETTINGS, CallCounter, FaultAfter, World

DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "cut short": lambda body: body[: len(body) // 2],
    "another document": lambda _: b"[]",
    "without its fields": lambda _: b"{}",
    "fields of another type": lambda body: json.dumps({**dict.fromkeys(json.loads(body), 5), "format": 1}).encode(),
    "not text": lambda _: b"\xff\xfe",
}
damaged_in_every_way = pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)


def damage_fact(world: World, name: str, damage: Callable[[bytes], bytes]) -> None:
    """Damage the only object of the state whose key ends in a name."""
    (ref,) = [ref for ref in world.objects.stored if ref.key.startswith("_clipstitch/") and ref.key.endswith(name)]
    world.objects.write(ref, damage(world.objects.stored[ref].body), ObjectHeaders())


def submitted() -> World:
    """Return a world whose job has a running task."""
    world = World()
    world.drop()
    world.submit()
    return world


def interrupted_after(name: str) -> World:
    """Return a world in which complete crashed as soon as it had recorded a document."""
    for calls in range(100):
        world = submitted()
        with suppress(CloudBusy):
            world.complete(world.run(), FaultAfter(calls))
        if any(key.endswith(name) for key in world.state_keys("jobs/")):
            return world
    raise AssertionError(name)


@damaged_in_every_way
def test_a_damaged_plan_fails_its_job_with_the_next_sweep(damage: Callable[[bytes], bytes]) -> None:
    """A new plan might not fit the task that is running; other jobs go on."""
    world = submitted()
    damage_fact(world, "/planned.json", damage)
    other = drop_other(world, "other")
    world.submit(ref=other)
    world.run()
    report = world.sweep(SETTINGS.grace_period_s)

    error = world.result()["data"]["error"]
    assert "STATE_UNREADABLE" == error["code"]
    assert error["remedy"]
    assert () == report.failed
    assert "succeeded" == world.result(other)["data"]["state"]
    world.sweep(SETTINGS.deadline_s)
    assert [] == world.leftovers()


@damaged_in_every_way
@pytest.mark.parametrize("name", ["/decision.json", "/result.json"])
def test_a_damaged_decision_or_result_is_made_again(name: str, damage: Callable[[bytes], bytes]) -> None:
    """All that it says is still known: the facts of the steps, and the object that was published."""
    world = interrupted_after(name)
    damage_fact(world, name, damage)
    world.sweep(SETTINGS.grace_period_s)

    assert "succeeded" == world.result()["data"]["state"]
    assert OUTPUT in world.objects.stored
    assert {1} == {len(texts) for texts in events_by_id(world).values()}
    assert [] == world.leftovers()


@damaged_in_every_way
def test_a_damaged_marker_of_a_job_without_a_plan_ends_at_the_deadline(damage: Callable[[bytes], bytes]) -> None:
    """Nothing else names the manifest, so the event names the marker."""
    world = World()
    world.drop()
    with pytest.raises(CloudBusy):
        world.submit(FaultAfter(1))
    (marker,) = world.state_keys("open/")
    damage_fact(world, marker, damage)
    early = world.sweep(SETTINGS.grace_period_s)
    world.sweep(SETTINGS.deadline_s)

    assert 1 == len(early.failed)
    (event,) = {text for _, _, text in world.sent}
    assert f"oss://{BUCKET}/{marker}" == json.loads(event)["data"]["manifest"]["uri"]
    assert "STATE_UNREADABLE" == json.loads(event)["data"]["error"]["code"]
    assert [] == world.state_keys("open/")


@damaged_in_every_way
@pytest.mark.parametrize("name", ["sweep.json", "skippable.json"])
def test_what_a_sweep_remembers_may_be_damaged(name: str, damage: Callable[[bytes], bytes]) -> None:
    """The sweep begins at the beginning, and does all that it has to do."""
    world = submitted()
    body = json.dumps({"places": {"jobs": "z"}, "slow": ["x"], "jobs": {"x": ["", "events"]}}).encode()
    world.objects.write(ObjectRef(BUCKET, f"_clipstitch/{name}"), damage(body), ObjectHeaders())
    world.run()
    report = world.sweep(SETTINGS.grace_period_s)

    assert (1, ()) == (len(report.looked_at), report.failed)
    assert "succeeded" == world.result()["data"]["state"]


def test_a_document_of_a_later_version_is_left_untouched_for_ever() -> None:
    """Not even the deadline ends the job: the later version does."""
    world = submitted()
    damage_fact(world, "/planned.json", lambda body: json.dumps({**json.loads(body), "format": 99}).encode())
    before = {ref: content for ref, content in world.objects.stored.items() if "/jobs/" in ref.key}
    for _ in range(3):
        assert 1 == len(world.sweep(SETTINGS.deadline_s).failed)

    assert before == {ref: content for ref, content in world.objects.stored.items() if "/jobs/" in ref.key}
    assert [] == world.sent


@pytest.mark.parametrize(
    ("error", "code", "sweeps"),
    [(ObjectArchived("no"), "ARCHIVED", 2), (AccessDenied("no"), "ACCESS_DENIED", 6 * 12 + 2)],
    ids=["archived", "denied"],
)
def test_a_manifest_that_cannot_be_read_ends_its_job(error: ClipstitchError, code: str, sweeps: int) -> None:
    """At once where no retry can help; otherwise at the deadline, since the operator may grant the right."""
    world = World()
    world.drop()
    context = world.context()
    context = context._replace(objects=failing(context.objects, "read", error, lambda ref, *_: ref == MANIFEST))
    world.clock.advance(SETTINGS.grace_period_s)
    done = 0
    while not world.sent:
        sweep(context)
        world.clock.advance(300)
        done += 1
        assert done <= sweeps

    assert code == world.result()["data"]["error"]["code"]
    assert done >= sweeps - 3
    assert [] == world.state_keys("open/")


@damaged_in_every_way
def test_a_damaged_reason_of_a_failed_step_fails_its_job_at_the_deadline(damage: Callable[[bytes], bytes]) -> None:
    """The event has an error in any case."""
    for calls in range(100):
        world = submitted()
        message = world.audio.fail(world.audio.accepted[0], "InvalidArgument", "no such codec")
        with suppress(CloudBusy):
            world.complete(message, FaultAfter(calls))
        if any(".failed." in key for key in world.state_keys("jobs/")):
            break
    damage_fact(world, next(key for key in world.state_keys("jobs/") if ".failed." in key), damage)
    world.sweep(SETTINGS.grace_period_s)
    world.sweep(SETTINGS.deadline_s)

    assert "failed" == world.result()["data"]["state"]
    assert world.result()["data"]["error"]["message"]
    assert [] == world.state_keys("open/")


@pytest.mark.parametrize("count", [1, 200])
def test_a_job_that_waits_asks_for_the_missing_clips_only(count: int) -> None:
    """However many others it has; nothing is written meanwhile."""
    world = World()
    for number in range(count):
        world.put(f"c/{number:03d}.mp3", tone(1.0, name=str(number)))
    world.drop(
        {**DOCUMENT, "clips": [{"glob": "c/*.mp3"}, "late.mp3", {"glob": "more/*.mp3"}], "wait_for_clips": "24h"}
    )
    world.submit()
    world.clock.advance(SETTINGS.grace_period_s)
    world.sweep()
    counter, before = CallCounter(), dict(world.objects.stored)
    world.sweep(300, counter)
    changed = {ref.key for ref, content in world.objects.stored.items() if before.get(ref) != content}

    assert counter.calls < 25
    assert changed <= {"_clipstitch/sweep.json"}
    world.put("late.mp3", tone(1.0, name="late"))
    world.sweep(300)
    assert [] == world.audio.accepted
    world.put("more/1.mp3", tone(1.0, name="more"))
    world.sweep(300)
    assert world.audio.accepted


def test_reading_a_damaged_fact_says_which_object_it_is() -> None:
    """With its size, for the operator who looks for the cause."""
    world = submitted()
    damage_fact(world, f"open/{world.store.find('2026')[0]}", lambda _: b"")

    with pytest.raises(StateUnreadable, match=r"_clipstitch/open/.* \(0 bytes\)"):
        world.store.manifest_of(world.store.find("2026")[0])
