"""Forged completion notifications: an attacker who can publish to the completion topic can end no job.

The forgeries claim success, for the attacker's or for another job; each is checked against the object that it names.
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
from clipstitch.jobs.job import Job
from tests.child_process import wait_until
from tests.security.product import BUCKET, Product, running
from tests.world import BUCKET as ACME
from tests.world import World

MINE, OTHER = "manifests/ep1.json", "manifests/ep2.json"


def notification(*targets: object, task: object = "MediaConvert-forged", status: str = "Succeeded") -> bytes:
    """Return a completion notification as IMM sends it."""
    content = {"TaskType": "MediaConvert", "TaskId": task, "Status": status, "Code": "", "Message": ""}
    task_document = {**content, "Targets": [{"URI": target} for target in targets]}
    envelope = {"id": "1", "source": "acs.imm", "type": "imm:Task:MediaConvert", "content": json.dumps(task_document)}
    return json.dumps(envelope).encode()


def _other_key(uri: str, key: str) -> str:
    """Return the URI of another key in the same bucket."""
    return ObjectRef(ObjectRef.parse(uri).bucket, key).uri


def _other_bucket(uri: str) -> str:
    """Return the URI of the same key in another bucket."""
    return ObjectRef("their", ObjectRef.parse(uri).key).uri


# Each forges a notification, given the URI of the target of a step of a running job.
FORGED: dict[str, Callable[[str], bytes]] = {
    "a step without an object": notification,
    "a step without an object, of another task": lambda uri: notification(uri, task="MediaConvert-0001"),
    "a step in another bucket": lambda uri: notification(_other_bucket(uri)),
    "a step with a double slash": lambda uri: notification(uri.replace("/_clip", "//_clip")),
    "a step with a parent folder": lambda uri: notification(uri.replace("/step", "/../x/step")),
    "a step of another format": lambda uri: notification(uri.rpartition(".")[0] + ".wav"),
    "an unknown step": lambda uri: notification(uri.replace("step-000", "step-007")),
    "a step with many digits": lambda uri: notification(uri.replace("step-000", "step-" + "9" * 400)),
    "a negative step": lambda uri: notification(uri.replace("step-000", "step--01")),
    "a step with Arabic digits": lambda uri: notification(uri.replace("step-000", "step-٠٠٠")),
    "an unknown job": lambda uri: notification(uri.replace("/work/2026", "/work/2025")),
    "a key outside the work prefix": lambda uri: notification(uri.replace("/work/", "/jobs/")),
    "an output": lambda uri: notification(_other_key(uri, "episodes/ep1.mp3")),
    "a manifest": lambda uri: notification(_other_key(uri, MINE)),
    "no target": lambda uri: notification(),
    "a target without a key": lambda uri: notification(_other_key(uri, "")),
    "a target that is not an OSS URI": lambda uri: notification(
        7, None, "https://their.example/x", "file:///etc/passwd"
    ),
    "the right target behind wrong ones": lambda uri: notification(_other_bucket(uri), uri),
    "many targets": lambda uri: notification(*[uri.replace("step-000", f"step-{n:03}") for n in range(1, 500)]),
    "a task id with a path": lambda uri: notification(task="../jobs/2026-01-02/x/decision.json"),
    "a task id of dots": lambda uri: notification(task=".."),
    "a task id with a line break": lambda uri: notification(task="MediaConvert-0000\r\nx-oss-meta-a: b"),
    "a task id that names a fact": lambda uri: notification(uri, task="x.json/../../decision"),
}


@pytest.fixture
def world() -> World:
    """Return a world with two running jobs of one task each."""
    world = World()
    world.drop()
    world.drop({"version": 1, "output": {"key": "episodes/ep2.mp3"}, "clips": ["a.mp3"]}, ObjectRef(ACME, OTHER))
    for key in (MINE, OTHER):
        assert "running" == submitted(world, key).state
    return world


def submitted(world: World, key: str = MINE) -> Job:
    """Submit a manifest and return its job."""
    return world.submit(ref=ObjectRef(ACME, key))


def completed(world: World, message: bytes) -> Job:
    """Handle a completion notification and return its job."""
    return world.complete(message)


def target(job: Job) -> ObjectRef:
    """Return the target of the last step of a job."""
    assert job.plan
    return job.plan.final.target


def snapshot(world: World) -> list[tuple[str, str]]:
    """Return URI and ETag of all objects in all buckets."""
    refs = [ObjectRef(bucket, found.key) for bucket in (ACME, "their") for found in world.objects.list(bucket, "")]
    return [(ref.uri, world.objects.describe(ref).etag) for ref in refs]


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_notification_changes_nothing(world: World, name: str) -> None:
    """It is ignored, or retried until its object exists; no event is sent, and no fact is added."""
    job = submitted(world)
    before = snapshot(world)
    with suppress(OutputNotVisible):  # the message is retried, and finally becomes a dead-letter message
        assert world.deliver_notification(FORGED[name](target(job).uri)) is None

    assert before == snapshot(world)
    assert [] == world.messages.said


@pytest.mark.parametrize("name", FORGED)
def test_a_genuine_notification_after_a_forged_one_ends_its_job(world: World, name: str) -> None:
    """Both jobs succeed, with one event each."""
    job = submitted(world)
    with suppress(OutputNotVisible):
        world.deliver_notification(FORGED[name](target(job).uri))
    ended = [completed(world, world.run(task)) for task in world.audio.accepted]

    assert ["succeeded", "succeeded"] == [each.state for each in ended]
    assert 2 == len({event["id"] for event in world.events()})


def test_a_notification_ends_only_the_job_of_its_target(world: World) -> None:
    """The notification has the task id of one job and the target of another; the target counts."""
    mine, other = submitted(world), submitted(world, OTHER)
    world.run(world.audio.accepted[1])
    ended = completed(world, notification(target(other).uri, task=world.audio.accepted[0].id))

    assert (other.id, "succeeded") == (ended.id, ended.state)
    assert "running" == submitted(world).state
    assert mine.id not in {event["data"]["job"] for event in world.events()}


def test_an_object_written_to_the_target_of_a_step_is_checked_before_it_is_published(world: World) -> None:
    """Authors cannot write under the state prefix; an object there that is not audio fails the job."""
    job = submitted(world)
    world.objects.write(target(job), b"not audio", ObjectHeaders())
    ended = completed(world, notification(target(job).uri))

    assert "NOT_AUDIO" == world.result()["data"]["error"]["code"]
    assert "failed" == ended.state


def test_a_notification_for_a_closed_job_changes_nothing(world: World) -> None:
    """Neither a success nor a failure changes objects or sends an event."""
    job = completed(world, world.run(world.audio.accepted[0]))
    before, sent = snapshot(world), len(world.messages.said)
    for status in ("Succeeded", "Failed"):
        assert job.id == completed(world, notification(target(job).uri, status=status)).id

    assert before == snapshot(world)
    assert sent == len(world.messages.said)


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """Run the product, with functions in separate processes."""
    with running(tmp_path_factory.mktemp("forged-notifications"), time_scale=200) as product:
        yield product


def test_forged_notifications_on_the_completion_topic_change_nothing(product: Product) -> None:
    """They are published with the vendor's client, for a waiting and a closed job; a later job succeeds."""
    manifest = {"version": 1, "output": {"key": "out/one.flac"}, "clips": ["clips/a.wav"]}
    product.drop({**manifest, "clips": ["clips/late.wav"], "wait_for_clips": "1h"}, "manifests/waiting.json")
    product.drop(manifest, "manifests/closed.json")
    closed = product.result("manifests/closed.json")["job"]
    wait_until(lambda: product.listed("_clipstitch/sweep.json"))  # the sweep has seen the waiting job
    wait_until(lambda: 1 == len(product.listed("_clipstitch/open/")))  # the other job is closed
    (waiting,) = [key.rpartition("/")[2] for key in product.listed("_clipstitch/open/")]
    topic = completion_topic(product)
    before = product.listed()
    for job in (waiting, closed):
        uri = f"oss://{BUCKET}/_clipstitch/work/{job}/step-000.flac"
        for forge in FORGED.values():
            topic.publish_message(TopicMessage(forge(uri).decode()))
    wait_until(lambda: invocations(product) >= 2 * len(FORGED))

    assert before == product.listed()
    product.drop({**manifest, "output": {"key": "out/two.flac"}}, "manifests/two.json")
    assert "succeeded" == product.result("manifests/two.json")["state"]


def completion_topic(product: Product) -> Topic:
    """Return a client of the completion topic, with the key of the account's owner."""
    key = product.endpoints.credential
    account = Account(product.endpoints.mns, key.access_key_id, key.access_key_secret)
    return account.get_topic("clipstitch-completions")


def invocations(product: Product) -> int:
    """Return the number of invocations of the completion function."""
    return product.cloud.services.functions.logs("clipstitch-complete").count("FC Invoke Start")
