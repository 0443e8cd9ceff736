"""What a whole job leaves in its event and its result object: tasks, one content for each id, a name for each key."""

import hashlib
import json
from contextlib import suppress

import pytest

from clipstitch.common.errors import CloudBusy, CloudRefused
from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.ports import TaskRunning
from tests.unit.usecases.harness import events_by_id, failing, submitted, uploaded
from tests.world import BUCKET, DOCUMENT, MANIFEST, World


def test_the_event_of_a_job_that_missed_its_deadline_names_its_tasks() -> None:
    """What ran has to be paid for, whether or not the job waited for it."""
    world = submitted()
    world.sweep(7 * 3600)

    data = world.result()["data"]
    assert "DEADLINE_PASSED" == data["error"]["code"]
    assert [task.id for task in world.audio.accepted] == data["tasks"]


def test_a_target_that_is_found_and_a_refused_start_are_not_tasks() -> None:
    """Facts have placeholders in place of task ids that are not known."""
    lost, refused = submitted(), uploaded()
    lost.run()
    lost.sweep(600)
    refused.audio = failing(refused.audio, "start", CloudRefused("no"))
    refused.submit()

    assert ("succeeded", ["MediaConvert-0000"]) == (lost.result()["data"]["state"], lost.result()["data"]["tasks"])
    assert ("failed", []) == (refused.result()["data"]["state"], refused.result()["data"]["tasks"])


def test_an_event_keeps_its_content_when_the_operator_renames_the_result_prefix() -> None:
    """One id never has two contents: where the complete event is was recorded with the decision."""
    clips = [{"key": "a.mp3", "title": f"{number:03d}" * 85} for number in range(300)]
    world = uploaded({**DOCUMENT, "clips": clips})
    job, messages = world.submit(), world.messages
    world.messages = failing(messages, "send", CloudBusy("not now"))
    while world.load(job).decision is None:
        for task in [
            task for task in world.audio.accepted if isinstance(world.audio.task_outcome(task.id), TaskRunning)
        ]:
            with suppress(CloudBusy):
                world.complete(world.run(task))
    world.messages, world.settings = messages, world.settings._replace(result_prefix="done/")
    world.sweep(600)

    assert world.load(job).closed
    assert {1} == {len(texts) for texts in events_by_id(world).values()}
    assert 2 == len(world.events())
    assert {f"oss://{BUCKET}/results/{MANIFEST.key}.json"} == {event["data"]["more_at"] for event in world.events()}
    assert 300 == len(world.result()["data"]["clips"])
    assert [] == [listed.key for listed in world.objects.list(BUCKET, "done/")]


@pytest.mark.parametrize("size", [1010, 1011, 1023])
def test_every_manifest_key_has_a_result_object(size: int) -> None:
    """Prefix and suffix add 13 bytes, and a key has at most 1,023; a longer one is named by its SHA-256."""
    world, ref = World(), ObjectRef(BUCKET, "manifests/" + "y" * (size - 15) + ".json")
    world.drop(ref=ref)
    world.submit(ref=ref)
    job = world.complete(world.run())
    digest = hashlib.sha256(ref.key.encode()).hexdigest()

    [found] = [listed.key for listed in world.objects.list(BUCKET, "results/")]
    assert (f"results/{ref.key}.json" if size == 1010 else f"results/{digest}.json") == found
    assert len(found) <= 1023
    assert f"{job.id}.succeeded" == json.loads(world.objects.read(ObjectRef(BUCKET, found)).body)["id"]
