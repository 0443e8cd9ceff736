"""What is in the way of an output or of its chapters is found before anything is spent, and never replaced."""

from typing import Any

import pytest

from clipstitch.adapters.memory import tone
from clipstitch.common.errors import AlreadyExists, CloudRefused, InvalidManifest, ObjectNotFound
from clipstitch.common.identifiers import ManifestRef, ObjectRef, job_id_of
from clipstitch.jobs.job import Job
from clipstitch.usecases.plan_job import plan_for
from tests.unit.usecases.harness import failing, interrupted, publish_error, submitted, uploaded
from tests.world import BUCKET, DOCUMENT, MANIFEST, OUTPUT, CallCounter, World

WEBVTT = ObjectRef(BUCKET, "episodes/ep1.vtt")
CHAPTERED = {**DOCUMENT, "chapters": True}
OTHERS = b"the object of another origin"


def issues_of(job: Job) -> list[tuple[str, str]]:
    """Return code and path of the issues of a rejected job."""
    assert "rejected" == job.state
    assert job.decision
    return [(issue.code, issue.path) for issue in job.decision.issues]


def planned_issues(world: World) -> list[tuple[str, str]]:
    """Return code and path of the issues that `clipstitch plan` reports."""
    content = world.objects.read(MANIFEST)
    version = ManifestRef(MANIFEST, content.about.etag)
    with pytest.raises(InvalidManifest) as caught:
        plan_for(job_id_of(version, content.about.last_modified), version, content.body, world.context())
    return [(issue.code, issue.path) for issue in caught.value.issues]


@pytest.mark.parametrize(
    ("occupied", "document"), [(OUTPUT, DOCUMENT), (OUTPUT, CHAPTERED), (WEBVTT, CHAPTERED)], ids=str
)
def test_an_occupied_key_is_an_issue_of_plan_and_of_submit(occupied: ObjectRef, document: dict[str, Any]) -> None:
    """Of the output or of the chapters: no task is started, and the object stays."""
    world = uploaded(document)
    world.put(occupied.key, OTHERS)

    assert [("OUTPUT_EXISTS", "/output/key")] == planned_issues(world)
    assert [("OUTPUT_EXISTS", "/output/key")] == issues_of(world.submit())
    assert [] == world.audio.accepted
    assert OTHERS == world.objects.read(occupied).body


def test_an_occupied_key_is_reported_with_all_other_issues() -> None:
    """Clips that are missing, and globs that match nothing."""
    world = uploaded({**DOCUMENT, "clips": ["gone.mp3", "a.mp3"]})
    world.put(OUTPUT.key, OTHERS)
    missing = issues_of(world.submit())
    world.clock.advance(60)
    world.drop({**DOCUMENT, "clips": ["gone.mp3", {"glob": "no/*"}], "wait_for_clips": "1h"})

    assert [("CLIP_NOT_FOUND", "/clips/0"), ("OUTPUT_EXISTS", "/output/key")] == missing
    assert [("CLIP_NOT_FOUND", "/clips/0"), ("GLOB_EMPTY", "/clips/1/glob"), ("OUTPUT_EXISTS", "/output/key")] == (
        issues_of(world.submit())
    )


def test_with_overwrite_an_occupied_key_is_no_issue() -> None:
    """Output and chapters are replaced."""
    world = uploaded({**CHAPTERED, "output": {"key": OUTPUT.key, "overwrite": True}})
    for ref in (OUTPUT, WEBVTT):
        world.put(ref.key, OTHERS)
    world.submit()

    assert "succeeded" == world.complete(world.run()).state
    assert world.objects.read(WEBVTT).body.startswith(b"WEBVTT\n")


def test_a_manifest_whose_newer_upload_has_published_fails_before_any_task() -> None:
    """Its event arrives late. It is not an error of the manifest."""
    world = uploaded()
    older = world.objects.read(MANIFEST)
    world.clock.advance(10)
    world.drop({**DOCUMENT, "clips": ["b.wav"]})
    world.submit()
    world.complete(world.run())
    world.objects.stored[MANIFEST] = older
    job = world.submit()

    assert "failed" == job.state
    assert job.decision
    assert job.decision.error
    assert "SUPERSEDED" == job.decision.error.code
    assert 1 == len(world.audio.accepted)


def test_two_outputs_with_one_file_of_chapters_are_refused_before_any_task() -> None:
    """`ep1.mp3` and `ep1.flac`, of two manifests: both would write `ep1.vtt`."""
    world = submitted(CHAPTERED)
    world.complete(world.run())
    other = world.drop({**CHAPTERED, "output": {"key": "episodes/ep1.flac"}}, ObjectRef(BUCKET, "manifests/flac.json"))

    assert [("OUTPUT_EXISTS", "/output/key")] == issues_of(world.submit(ref=other))
    assert 1 == len(world.audio.accepted)


@pytest.mark.parametrize(
    "key",
    ["é" * 510, "out/" + "y" * 1018, "y" * 1020 + ".mp"],
    ids=["no folder", "folder", "extension"],
)
def test_a_key_of_chapters_that_oss_does_not_accept_is_an_issue(key: str) -> None:
    """The key of the output is short enough, `.vtt` makes it too long; without chapters there is no issue."""
    output = {"key": key, "format": "mp3"}
    world = uploaded({**CHAPTERED, "output": output})
    with_chapters = world.submit()
    world.drop({**DOCUMENT, "output": output})

    assert [("KEY_INVALID", "/output/key")] == issues_of(with_chapters)
    assert "running" == world.submit().state


def two_jobs() -> tuple[World, list[bytes]]:
    """Return a world with two finished tasks, of `ep1.mp3` and of `ep1.flac`, and their notifications."""
    world = submitted(CHAPTERED)
    world.submit(
        ref=world.drop({**CHAPTERED, "output": {"key": "episodes/ep1.flac"}}, ObjectRef(BUCKET, "manifests/flac.json"))
    )
    return world, [world.run(task) for task in world.audio.accepted]


def test_of_two_jobs_with_one_file_of_chapters_that_publish_at_once_one_writes_it() -> None:
    """Both were planned before either published. The other succeeds, too, but its event does not claim the file."""
    world, (first, second) = two_jobs()
    done: list[Job] = []
    objects = world.objects

    def complete_second() -> None:
        world.objects = objects
        done.append(world.complete(second))

    world.objects = interrupted(objects, "copy", complete_second)
    done.append(world.complete(first))
    world.objects = objects
    flac = world.result(ObjectRef(BUCKET, "manifests/flac.json"))["data"]
    mp3 = world.result()["data"]

    assert ["succeeded", "succeeded"] == [job.state for job in done]
    assert "oss://acme/manifests/flac.json" == world.objects.describe(WEBVTT).meta["clipstitch-manifest"]
    assert {"webvtt": WEBVTT.uri} == flac["chapters"]
    assert "chapters" not in mp3
    assert ["CHAPTERS_NOT_WRITTEN"] == [warning["code"] for warning in mp3["warnings"]]
    assert WEBVTT.uri in mp3["warnings"][0]["message"]


@pytest.mark.parametrize("before", [True, False])
def test_a_file_that_appears_while_the_output_is_published_is_not_replaced(before: bool) -> None:
    """Before the copy or after it; the job succeeds with a warning."""
    world = submitted(CHAPTERED)
    message = world.run()
    objects = world.objects
    world.objects = interrupted(objects, "copy", lambda: world.put(WEBVTT.key, OTHERS), before=before)
    job = world.complete(message)
    world.objects = objects

    assert "succeeded" == job.state
    assert OTHERS == world.objects.read(WEBVTT).body
    assert ["CHAPTERS_NOT_WRITTEN"] == [warning["code"] for warning in world.result()["data"]["warnings"]]


def test_chapters_that_the_cloud_refuses_to_write_do_not_fail_the_job() -> None:
    """The output is published already."""
    world = submitted(CHAPTERED)
    message = world.run()
    objects = world.objects
    world.objects = failing(objects, "write", CloudRefused("no such key"), lambda ref, *_: ref == WEBVTT)
    job = world.complete(message)
    world.objects = objects

    assert "succeeded" == job.state
    assert OUTPUT in world.objects.stored
    assert [{"code": "CHAPTERS_NOT_WRITTEN", "message": "no such key"}] == world.result()["data"]["warnings"]


def test_chapters_that_are_no_longer_allowed_are_not_published() -> None:
    """The operator allowed the key of the output alone, while the job ran."""
    world = submitted(CHAPTERED)
    world.settings = world.settings._replace(output_prefixes=(OUTPUT.key,))
    job = world.complete(world.run())

    assert "OUTPUT_NOT_ALLOWED" == publish_error(job).code
    assert OUTPUT not in world.objects.stored


def test_a_key_that_can_be_neither_read_nor_written_fails_the_job_after_three_attempts() -> None:
    """A symbolic link whose target is missing: create-once finds it, HEAD does not."""
    world = submitted()
    message = world.run()
    objects, counter = world.objects, CallCounter()
    world.objects = failing(
        objects, "copy", AlreadyExists("exists"), lambda _source, target, _headers: target == OUTPUT
    )
    world.objects = counter.guard(
        failing(world.objects, "describe", ObjectNotFound("no target"), lambda ref: ref == OUTPUT)
    )
    job = world.complete(message)
    world.objects = objects

    assert "OUTPUT_EXISTS" == publish_error(job).code
    assert "symbolic link" in publish_error(job).message
    assert counter.calls < 30


@pytest.mark.parametrize("chapters", [True, False], ids=["chapters", "chapters in the first upload only"])
def test_a_glob_finds_neither_the_output_nor_the_chapters_of_its_manifest(chapters: bool) -> None:
    """The same manifest is uploaded twice; its glob matches everything in the folder of its output."""
    document = {"version": 1, "output": {"key": "show/all.mp3"}, "clips": [{"glob": "show/*"}]}
    world = uploaded({**document, "chapters": True})
    for name in ("one", "two"):
        world.put(f"show/{name}.wav", tone(1.0, name=name))
    for again in (True, chapters):
        world.drop({**document, "chapters": again})
        world.submit()
        job = world.complete(world.run())
        world.clock.advance(60)

        assert "succeeded" == job.state
        assert ["show/one.wav", "show/two.wav"] == [clip["key"] for clip in world.result()["data"]["clips"]]
