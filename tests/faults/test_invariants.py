"""The invariant checks accept a correct run, and report each violation."""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from tests.faults.invariants import audio_error, check_invariants
from tests.faults.local_cloud import LocalCloudProcess
from tests.faults.run import RunResult, Upload
from tests.faults.workload import RATE, ExpectedSound, ManifestVersion, WorkloadManifest, make_clips, make_manifests
from tests.sounds import encoded, wav

GOOD = ManifestVersion(b"good", "succeeded", "out/good.flac", (ExpectedSound(500, RATE // 4),))
OLDER = ManifestVersion(b"older", "succeeded", "out/good.flac", (ExpectedSound(900, RATE // 4),))
BAD = ManifestVersion(b"bad", "rejected", "out/bad.mp3", issues=frozenset({("CLIP_NOT_FOUND", "/clips/0")}))
OUTPUT = encoded(500, 250, "flac", RATE)


class MemoryClient:
    """The methods of `Client` that the checks use, on a bucket in memory."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def read(self, key: str) -> bytes | None:
        """Return an object's content, or None if there is no such object."""
        return self.objects.get(key)

    def etag(self, key: str) -> str:
        """Return an object's ETag, or an empty string if there is no such object."""
        return etag(self.objects[key]) if key in self.objects else ""

    def document(self, key: str) -> dict[str, Any]:
        """Return a JSON object, or an empty one if there is no such object."""
        return json.loads(self.objects.get(key, b"{}"))  # type: ignore[no-any-return]

    def keys(self, prefix: str) -> list[str]:
        """Return the keys under a prefix."""
        return sorted(key for key in self.objects if key.startswith(prefix))


def etag(body: bytes) -> str:
    """Return the ETag of an object with this content."""
    return hashlib.md5(body, usedforsecurity=False).hexdigest().upper()


class FakeRun:
    """The result of a correct run, for tests to damage: a manifest of two versions, and one that is rejected."""

    def __init__(self, folder: Path) -> None:
        self.client = MemoryClient()
        self.good = WorkloadManifest("manifests/good.json", "overwritten", (OLDER, GOOD))
        self.bad = WorkloadManifest("manifests/bad.json", "missing", (BAD,))
        self.uploads = [Upload(self.good, 0, "OLD"), Upload(self.good, 1, "NEW"), Upload(self.bad, 0, "BAD")]
        self.client.objects["out/good.flac"] = OUTPUT
        output = {"output": {"etag": etag(OUTPUT)}}
        superseded = {"error": {"code": "SUPERSEDED"}}
        issues = {"issues": [{"code": "CLIP_NOT_FOUND", "path": "/clips/0"}]}
        self.events = [
            self.end_job("job-0", "failed", "OLD", "good.json", superseded),
            self.end_job("job-1", "succeeded", "NEW", "good.json", output),
            self.end_job("job-2", "rejected", "BAD", "bad.json", issues),
        ]
        self._cloud = LocalCloudProcess(folder, {}, time_scale=1.0)

    def end_job(self, job: str, state: str, version: str, name: str, more: Mapping[str, Any]) -> str:
        """Write the facts and the result object of a job, and return its event."""
        manifest = {"uri": f"oss://acme/manifests/{name}", "etag": version}
        event = {"id": f"{job}.{state}", "data": {"job": job, "state": state, "manifest": manifest, **more}}
        self.client.objects[f"_clipstitch/jobs/2026-01-02/{job}/closed.{state}.json"] = b"{}"
        self.client.objects[f"results/manifests/{name}.json"] = json.dumps(event).encode()
        return json.dumps(event)

    def violations(self) -> tuple[str, ...]:
        """Return the violations that the checks report."""
        client: Any = self.client
        return check_invariants(RunResult(self._cloud, client, self.uploads, self.events, {}, {})).violations


@pytest.fixture
def fake_run(tmp_path: Path) -> FakeRun:
    """Return a correct run."""
    return FakeRun(tmp_path)


def test_a_correct_run_has_no_violations(fake_run: FakeRun) -> None:
    """The job of an older version may end as superseded or not exist, and events may be repeated."""
    fake_run.events.append(fake_run.events[1])
    with_older = fake_run.violations()
    del fake_run.events[0], fake_run.client.objects["_clipstitch/jobs/2026-01-02/job-0/closed.failed.json"]

    assert ((), ()) == (with_older, fake_run.violations())


def send_event_for_unknown_version(fake_run: FakeRun) -> None:
    """Send an event for a version that was never uploaded."""
    fake_run.events.append(fake_run.end_job("job-7", "rejected", "WHAT", "what.json", {}))


def announce_missing_chapters(fake_run: FakeRun) -> None:
    """Send an event with chapters that do not exist."""
    fields = {"output": {"etag": etag(OUTPUT)}, "chapters": {"webvtt": "oss://acme/out/good.vtt"}}
    fake_run.events[1] = fake_run.end_job("job-1", "succeeded", "NEW", "good.json", fields)


def lose_event(fake_run: FakeRun) -> None:
    """Lose an event."""
    del fake_run.events[2]


def repeat_event_with_other_content(fake_run: FakeRun) -> None:
    """Send an event again with another content."""
    event = json.loads(fake_run.events[1])
    fake_run.events.append(json.dumps({**event, "time": "later"}))


def run_second_job(fake_run: FakeRun) -> None:
    """Run a second job for the same version."""
    fields = json.loads(fake_run.events[2])["data"]
    fake_run.events.append(fake_run.end_job("job-3", "rejected", "BAD", "bad.json", fields))


def fail_good_job(fake_run: FakeRun) -> None:
    """Let the job of a valid manifest fail."""
    error = {"error": {"code": "TASK_FAILED"}}
    fake_run.events[1] = fake_run.end_job("job-1", "failed", "NEW", "good.json", error)


def omit_issue(fake_run: FakeRun) -> None:
    """Omit the issue of a rejected manifest."""
    fake_run.events[2] = fake_run.end_job("job-2", "rejected", "BAD", "bad.json", {"issues": []})


def replace_output(fake_run: FakeRun) -> None:
    """Replace an output by another sound."""
    fake_run.client.objects["out/good.flac"] = encoded(900, 250, "flac", RATE)


def delete_output(fake_run: FakeRun) -> None:
    """Delete an output."""
    del fake_run.client.objects["out/good.flac"]


def publish_output_of_rejected_job(fake_run: FakeRun) -> None:
    """Write an output for a rejected manifest."""
    fake_run.client.objects["out/bad.mp3"] = OUTPUT


def leave_job_open(fake_run: FakeRun) -> None:
    """Leave a job without an event open."""
    fake_run.client.objects["_clipstitch/jobs/2026-01-02/job-9/planned.json"] = b"{}"


def leave_temporary_object(fake_run: FakeRun) -> None:
    """Leave a temporary object behind."""
    fake_run.client.objects["_clipstitch/work/job-1/step-000.flac"] = OUTPUT


def delete_result(fake_run: FakeRun) -> None:
    """Delete a result object."""
    del fake_run.client.objects["results/manifests/bad.json.json"]


def report_read_manifest_as_gone(fake_run: FakeRun) -> None:
    """Report a manifest that was read as overwritten before it was read."""
    gone = {"error": {"code": "MANIFEST_GONE"}}
    fake_run.events.append(fake_run.end_job("job-8", "failed", "", "bad.json", gone))
    fake_run.client.objects["results/manifests/bad.json.json"] = fake_run.events[2].encode()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lose_event, "manifests/bad.json has no event"),
        (repeat_event_with_other_content, "event job-1.succeeded has 2 contents"),
        (run_second_job, "has the events ['job-2.rejected', 'job-3.rejected']"),
        (fail_good_job, "expected succeeded"),
        (omit_issue, "has the issues []"),
        (replace_output, "is not the output of job-1.succeeded"),
        (delete_output, "is not the output of job-1.succeeded"),
        (publish_output_of_rejected_job, "out/bad.mp3 exists"),
        (leave_job_open, "job-9 is open"),
        (leave_temporary_object, "left over: _clipstitch/work/job-1/step-000.flac"),
        (delete_result, "is not event job-2.rejected"),
        (report_read_manifest_as_gone, "but every version was read"),
        (send_event_for_unknown_version, "['job-7.rejected'] are for a version that was never uploaded"),
        (announce_missing_chapters, "oss://acme/out/good.vtt is missing"),
    ],
)
def test_each_violation_is_reported(fake_run: FakeRun, damage: Callable[[FakeRun], None], message: str) -> None:
    """One thing is damaged, and a violation names it."""
    damage(fake_run)

    assert [] != [violation for violation in fake_run.violations() if message in violation]


def tones(*hertz: int) -> bytes:
    """Return audio of these tones, 0.25 s each; 0 is silence."""
    at = np.arange(RATE // 4) / RATE
    return wav(np.concatenate([12000 * np.sin(2 * np.pi * each * at) for each in hertz]), RATE)


@pytest.mark.parametrize(
    ("hertz", "error"),
    [
        ((500, 0, 900), ""),
        ((900, 0, 500), "sound 0 of 3 is not 500 Hz"),
        ((500, 900, 900), "sound 1 of 3 is not 0 Hz"),
        ((500, 0, 0), "sound 2 of 3 is not 900 Hz"),
        ((500, 0), "4000 samples, not 6000"),
    ],
)
def test_wrong_order_silence_and_length_of_audio_are_reported(hertz: tuple[int, ...], error: str) -> None:
    """The decoded audio is compared with the expected sounds."""
    expected = ManifestVersion(
        b"", "succeeded", "out/x.flac", tuple(ExpectedSound(each, RATE // 4) for each in (500, 0, 900))
    )

    assert error == audio_error(tones(*hertz), expected)


def test_the_same_seed_makes_the_same_manifests() -> None:
    """All nine shapes occur, and no two versions have the same content."""
    clips = make_clips()
    made = make_manifests(40, clips, Random(5))
    bodies = [version.body for manifest in made for version in manifest.versions]

    assert made == make_manifests(40, clips, Random(5))
    assert len(bodies) == len(set(bodies))
    assert 9 == len({manifest.shape for manifest in made})
