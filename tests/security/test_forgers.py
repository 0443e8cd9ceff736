"""A forger may publish to the completion topic, and would like jobs to end that have not, or others than his own.

What is forged is success, and whose task it was; a notice is never believed without the object that it names.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from mns.account import Account
from mns.topic import Topic, TopicMessage

from clipstitch.common.errors import OutputNotVisible
from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.ports import ObjectHeaders
from tests.child_process import wait_until
from tests.security.product import BUCKET, Product, running
from tests.world import BUCKET as ACME
from tests.world import World

MINE, OTHER = "manifests/ep1.json", "manifests/ep2.json"


def notice(*targets: object, task: object = "MediaConvert-forged", status: str = "Succeeded") -> bytes:
    """Write a completion message as IMM does."""
    content = {"TaskType": "MediaConvert", "TaskId": task, "Status": status, "Code": "", "Message": ""}
    named = {**content, "Targets": [{"URI": target} for target in targets]}
    envelope = {"id": "1", "source": "acs.imm", "type": "imm:Task:MediaConvert", "content": json.dumps(named)}
    return json.dumps(envelope).encode()


def _beside(uri: str, key: str) -> str:
    """Name another object of the same bucket."""
    return ObjectRef(ObjectRef.parse(uri).bucket, key).uri


def _elsewhere(uri: str) -> str:
    """Name the object of that key in another bucket."""
    return ObjectRef("their", ObjectRef.parse(uri).key).uri


# What a forger writes, given the target of a step of a running job: its URI.
FORGED: dict[str, Callable[[str], bytes]] = {
    "a step that has no object yet": notice,
    "a step that has no object yet, of another task": lambda uri: notice(uri, task="MediaConvert-0001"),
    "a step in another bucket": lambda uri: notice(_elsewhere(uri)),
    "a step in another spelling": lambda uri: notice(uri.replace("/_clip", "//_clip")),
    "a step by a way round": lambda uri: notice(uri.replace("/step", "/../x/step")),
    "a step of another format": lambda uri: notice(uri.rpartition(".")[0] + ".wav"),
    "a step that there is not": lambda uri: notice(uri.replace("step-000", "step-007")),
    "a step of many digits": lambda uri: notice(uri.replace("step-000", "step-" + "9" * 400)),
    "a step below zero": lambda uri: notice(uri.replace("step-000", "step--01")),
    "a step in other digits": lambda uri: notice(uri.replace("step-000", "step-٠٠٠")),
    "a job that there is not": lambda uri: notice(uri.replace("/work/2026", "/work/2025")),
    "a key outside work": lambda uri: notice(uri.replace("/work/", "/jobs/")),
    "an output": lambda uri: notice(_beside(uri, "episodes/ep1.mp3")),
    "a manifest": lambda uri: notice(_beside(uri, MINE)),
    "no target": lambda uri: notice(),
    "a target without a key": lambda uri: notice(_beside(uri, "")),
    "no URI": lambda uri: notice(7, None, "https://their.example/x", "file:///etc/passwd"),
    "the right target behind wrong ones": lambda uri: notice(_elsewhere(uri), uri),
    "very many targets": lambda uri: notice(*[uri.replace("step-000", f"step-{n:03}") for n in range(1, 500)]),
    "a task that is a path": lambda uri: notice(task="../jobs/2026-01-02/x/decision.json"),
    "a task that is nothing but dots": lambda uri: notice(task=".."),
    "a task with a line break": lambda uri: notice(task="MediaConvert-0000\r\nx-oss-meta-a: b"),
    "a task that is a fact of its own": lambda uri: notice(uri, task="x.json/../../verdict"),
}


@pytest.fixture
def world() -> World:
    """Run two jobs, each with one task that has not ended."""
    world = World()
    world.drop()
    world.drop({"version": 1, "output": {"key": "episodes/ep2.mp3"}, "clips": ["a.mp3"]}, ObjectRef(ACME, OTHER))
    for key in (MINE, OTHER):
        assert "running" == world.submit(ref=ObjectRef(ACME, key)).state
    return world


def everything(world: World) -> list[tuple[str, str]]:
    """Return all objects of all buckets that there are."""
    refs = [ObjectRef(bucket, found.key) for bucket in (ACME, "their") for found in world.objects.list(bucket, "")]
    return [(ref.uri, world.objects.describe(ref).etag) for ref in refs]


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_success_changes_nothing(world: World, name: str):
    """It is not ours, or comes again for as long as the object is not there; nobody is told, no fact is added."""
    job = world.submit()
    before = everything(world)
    with suppress(OutputNotVisible):  # which comes again, and in the end goes to the dead letters
        assert world.complete(FORGED[name](job.plan.final.target.uri)) is None

    assert before == everything(world)
    assert [] == world.messages.said


@pytest.mark.parametrize("name", FORGED)
def test_what_was_forged_does_not_keep_the_true_notice_from_being_heard(world: World, name: str):
    """Both jobs end as if nothing had been."""
    job = world.submit()
    with suppress(OutputNotVisible):
        world.complete(FORGED[name](job.plan.final.target.uri))
    ended = [world.complete(world.run(task)) for task in world.audio.accepted]

    assert ["succeeded", "succeeded"] == [each.state for each in ended]
    assert 2 == len({event["id"] for event in world.events()})


def test_the_end_of_one_job_does_not_end_another(world: World):
    """The task is the other's, the object is the other's: what counts is the target, and that is there."""
    mine, other = world.submit(), world.submit(ref=ObjectRef(ACME, OTHER))
    world.run(world.audio.accepted[1])
    ended = world.complete(notice(other.plan.final.target.uri, task=world.audio.accepted[0].id))

    assert (other.id, "succeeded") == (ended.id, ended.state)
    assert "running" == world.submit().state
    assert mine.id not in {event["data"]["job"] for event in world.events()}


def test_an_object_that_somebody_puts_where_a_step_writes_is_out_of_an_authors_reach(world: World):
    """Whoever can write below the state prefix needs no forged notice; with it, he gets what he wrote published."""
    job = world.submit()
    world.objects.write(job.plan.final.target, b"not audio", ObjectHeaders())
    ended = world.complete(notice(job.plan.final.target.uri))

    assert "NOT_AUDIO" == world.result()["data"]["error"]["code"]
    assert "failed" == ended.state


def test_a_closed_job_stays_as_it_is(world: World):
    """Whatever is said of it afterwards."""
    job = world.complete(world.run(world.audio.accepted[0]))
    before, said = everything(world), len(world.messages.said)
    for status in ("Succeeded", "Failed"):
        assert job.id == world.complete(notice(job.plan.final.target.uri, status=status)).id

    assert before == everything(world)
    assert said == len(world.messages.said)


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """Run the product, with functions in processes of their own."""
    with running(tmp_path_factory.mktemp("forgers"), hurry=200) as product:
        yield product


def test_forged_successes_on_the_real_topic_leave_no_trace(product: Product):
    """Published with the vendor's client, about a job that waits and one that is over; then a job runs as ever."""
    manifest = {"version": 1, "output": {"key": "out/one.flac"}, "clips": ["clips/a.wav"]}
    product.drop({**manifest, "clips": ["clips/late.wav"], "wait_for_clips": "1h"}, "manifests/waits.json")
    product.drop(manifest, "manifests/over.json")
    over = product.result("manifests/over.json")["job"]
    # A sweep has seen the waiting job.
    wait_until(lambda: product.listed("_clipstitch/sweep.json"))
    wait_until(lambda: 1 == len(product.listed("_clipstitch/open/")))  # the other is over
    (waits,) = [key.rpartition("/")[2] for key in product.listed("_clipstitch/open/")]
    topic = completions(product)
    before = product.listed()
    for job in (waits, over):
        uri = f"oss://{BUCKET}/_clipstitch/work/{job}/step-000.flac"
        for forge in FORGED.values():
            topic.publish_message(TopicMessage(forge(uri).decode()))
    wait_until(lambda: heard(product) >= 2 * len(FORGED))

    assert before == product.listed()
    product.drop({**manifest, "output": {"key": "out/two.flac"}}, "manifests/two.json")
    assert "succeeded" == product.result("manifests/two.json")["state"]


def completions(product: Product) -> Topic:
    """Return the completion topic, as the vendor's client shows it to its owner."""
    key = product.endpoints.credential
    account = Account(product.endpoints.mns, key.access_key_id, key.access_key_secret)
    return account.get_topic("clipstitch-completions")


def heard(product: Product) -> int:
    """Count how often the function was called."""
    return product.cloud.services.functions.logs("clipstitch-complete").count("FC Invoke Start")
