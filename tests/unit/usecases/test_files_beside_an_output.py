"""The chapters beside an output belong to a job as the output does: they replace nothing that it may not replace."""

import pytest

from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.ports import ObjectHeaders
from tests.world import BUCKET, DOCUMENT, OUTPUT, World

CHAPTERS = ObjectRef(BUCKET, OUTPUT.key.replace(".mp3", ".vtt"))
WITH_CHAPTERS = {**DOCUMENT, "chapters": True}


def warnings_of(world: World) -> list[str]:
    """Return the codes of the warnings in the event."""
    return [warning["code"] for warning in world.result()["data"]["warnings"]]


def test_the_chapters_of_another_origin_are_not_overwritten() -> None:
    """They appeared after the manifest was planned, and its tasks are paid: the output is published without them."""
    world = World()
    world.drop(WITH_CHAPTERS)
    world.submit()
    world.objects.write(CHAPTERS, b"theirs", ObjectHeaders())
    job = world.complete(world.run())

    assert "succeeded" == job.state
    assert ["CHAPTERS_NOT_WRITTEN"] == warnings_of(world)
    assert b"theirs" == world.objects.read(CHAPTERS).body
    assert OUTPUT in world.objects.stored


@pytest.mark.parametrize("overwrite", [True, False])
def test_the_chapters_of_a_newer_job_are_never_overwritten(overwrite: bool) -> None:
    """The older job ends after the newer one, whose output was deleted."""
    world = World()
    output = {**DOCUMENT["output"], "overwrite": overwrite}
    world.drop({**WITH_CHAPTERS, "output": output})
    world.submit()
    older = world.audio.accepted[-1]
    world.clock.advance(1)
    world.drop({**WITH_CHAPTERS, "output": output, "labels": {"n": "2"}})
    newer = world.submit()
    world.complete(world.run())
    before = world.objects.read(CHAPTERS)
    world.objects.delete([OUTPUT])
    job = world.complete(world.run(older))

    assert before == world.objects.read(CHAPTERS)
    assert newer.id != job.id
    assert job.result
    assert ["CHAPTERS_NOT_WRITTEN"] == [warning.code for warning in job.result.warnings]


def test_the_chapters_of_an_older_job_of_the_manifest_are_replaced() -> None:
    """They are those of the older output."""
    world = World()
    world.drop(WITH_CHAPTERS)
    world.submit()
    world.complete(world.run())
    world.clock.advance(1)
    world.drop({**WITH_CHAPTERS, "labels": {"n": "2"}})
    job = world.submit()
    world.complete(world.run())

    assert job.id == world.objects.describe(CHAPTERS).meta["clipstitch-job"]
