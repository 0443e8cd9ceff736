"""The judge of a voyage can be believed: it is content with what is right, and finds each thing that is wrong."""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from tests.faults.invariants import judge, mishearing
from tests.faults.local_cloud import House
from tests.faults.run import Course, Landfall, Upload
from tests.faults.workload import RATE, Manuscript, Sound, Version, make_clips, make_manuscripts
from tests.sounds import encoded, wav

GOOD = Version(b"good", "succeeded", "out/good.flac", (Sound(500, RATE // 4),))
OLDER = Version(b"older", "succeeded", "out/good.flac", (Sound(900, RATE // 4),))
BAD = Version(b"bad", "rejected", "out/bad.mp3", issues=frozenset({("CLIP_NOT_FOUND", "/clips/0")}))
SOUND = encoded(500, 250, "flac", RATE)


class Shelf:
    """A bucket in a dictionary, as the judge looks at one."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def read(self, key: str) -> bytes | None:
        """Return an object, if it is there."""
        return self.objects.get(key)

    def etag(self, key: str) -> str:
        """Return an object's ETag."""
        return etag(self.objects[key]) if key in self.objects else ""

    def document(self, key: str) -> dict[str, Any]:
        """Return a JSON object."""
        return json.loads(self.objects.get(key, b"{}"))  # type: ignore[no-any-return]

    def keys(self, prefix: str) -> list[str]:
        """List keys."""
        return sorted(key for key in self.objects if key.startswith(prefix))


def etag(body: bytes) -> str:
    """Return the ETag of a body."""
    return hashlib.md5(body, usedforsecurity=False).hexdigest().upper()


class Shore:
    """A landfall in which all is right, to be spoilt: a manifest of two versions, and one that is rejected."""

    def __init__(self, folder: Path) -> None:
        self.shelf = Shelf()
        self.good = Manuscript("manifests/good.json", "overwritten", (OLDER, GOOD))
        self.bad = Manuscript("manifests/bad.json", "missing", (BAD,))
        self.uploads = [Upload(self.good, 0, "OLD"), Upload(self.good, 1, "NEW"), Upload(self.bad, 0, "BAD")]
        self.shelf.objects["out/good.flac"] = SOUND
        made = {"output": {"etag": etag(SOUND)}}
        overtaken = {"error": {"code": "SUPERSEDED"}}
        told = {"issues": [{"code": "CLIP_NOT_FOUND", "path": "/clips/0"}]}
        self.events = [
            self.ended("job-0", "failed", "OLD", "good.json", overtaken),
            self.ended("job-1", "succeeded", "NEW", "good.json", made),
            self.ended("job-2", "rejected", "BAD", "bad.json", told),
        ]
        self._house = House(folder, {}, hurry=1.0)

    def ended(self, job: str, state: str, version: str, name: str, more: Mapping[str, Any]) -> str:
        """Let a job end: facts, result object, and the event, which is returned."""
        manifest = {"uri": f"oss://acme/manifests/{name}", "etag": version}
        event = {"id": f"{job}.{state}", "data": {"job": job, "state": state, "manifest": manifest, **more}}
        self.shelf.objects[f"_clipstitch/jobs/2026-01-02/{job}/closed.json"] = json.dumps({"state": state}).encode()
        self.shelf.objects[f"results/manifests/{name}.json"] = json.dumps(event).encode()
        return json.dumps(event)

    def problems(self) -> tuple[str, ...]:
        """Return what the judge finds."""
        outside: Any = self.shelf
        landfall = Landfall(Course(), self._house, outside, self.uploads, self.events, {}, {})
        return judge(landfall).violations


@pytest.fixture
def shore(tmp_path: Path) -> Shore:
    """Return a landfall in which all is right."""
    return Shore(tmp_path)


def test_what_is_right_is_found_right(shore: Shore) -> None:
    """An older version's job may end as superseded, or may not exist at all; repeats of an event are no harm."""
    shore.events.append(shore.events[1])
    with_older = shore.problems()
    del shore.events[0], shore.shelf.objects["_clipstitch/jobs/2026-01-02/job-0/closed.json"]

    assert ((), ()) == (with_older, shore.problems())


def invent(shore: Shore) -> None:
    """Tell of a version that nobody uploaded."""
    shore.events.append(shore.ended("job-7", "rejected", "WHAT", "what.json", {}))


def unmark(shore: Shore) -> None:
    """Tell of chapters that are not there."""
    made = {"output": {"etag": etag(SOUND)}, "chapters": {"webvtt": "oss://acme/out/good.vtt"}}
    shore.events[1] = shore.ended("job-1", "succeeded", "NEW", "good.json", made)


def lose(shore: Shore) -> None:
    """Lose an event."""
    del shore.events[2]


def contradict(shore: Shore) -> None:
    """Tell an event once more, with another content."""
    event = json.loads(shore.events[1])
    shore.events.append(json.dumps({**event, "time": "later"}))


def double(shore: Shore) -> None:
    """Run a second job for the same version."""
    shore.events.append(shore.ended("job-3", "rejected", "BAD", "bad.json", json.loads(shore.events[2])["data"]))


def fail(shore: Shore) -> None:
    """Let a good job fail."""
    shore.events[1] = shore.ended("job-1", "failed", "NEW", "good.json", {"error": {"code": "TASK_FAILED"}})


def hide(shore: Shore) -> None:
    """Leave a mistake out."""
    shore.events[2] = shore.ended("job-2", "rejected", "BAD", "bad.json", {"issues": []})


def replace(shore: Shore) -> None:
    """Put another sound in an output's place."""
    shore.shelf.objects["out/good.flac"] = encoded(900, 250, "flac", RATE)


def remove(shore: Shore) -> None:
    """Remove an output."""
    del shore.shelf.objects["out/good.flac"]


def publish(shore: Shore) -> None:
    """Publish what was rejected."""
    shore.shelf.objects["out/bad.mp3"] = SOUND


def reopen(shore: Shore) -> None:
    """Leave a job open that nobody heard of."""
    shore.shelf.objects["_clipstitch/jobs/2026-01-02/job-9/planned.json"] = b"{}"


def forget(shore: Shore) -> None:
    """Leave something of the work behind."""
    shore.shelf.objects["_clipstitch/work/job-1/step-000.flac"] = SOUND


def mislay(shore: Shore) -> None:
    """Remove a result object."""
    del shore.shelf.objects["results/manifests/bad.json.json"]


def excuse(shore: Shore) -> None:
    """Say of a manifest that was read that it was overwritten before."""
    gone = {"error": {"code": "MANIFEST_GONE"}}
    shore.events.append(shore.ended("job-8", "failed", "", "bad.json", gone))
    shore.shelf.objects["results/manifests/bad.json.json"] = shore.events[2].encode()


@pytest.mark.parametrize(
    ("mischief", "words"),
    [
        (lose, "manifests/bad.json has no event"),
        (contradict, "event job-1.succeeded has 2 contents"),
        (double, "has the events ['job-2.rejected', 'job-3.rejected']"),
        (fail, "expected succeeded"),
        (hide, "names []"),
        (replace, "is not what job-1.succeeded tells of"),
        (remove, "is not what job-1.succeeded tells of"),
        (publish, "out/bad.mp3 is there"),
        (reopen, "job-9 is open"),
        (forget, "left over: _clipstitch/work/job-1/step-000.flac"),
        (mislay, "is not event job-2.rejected"),
        (excuse, "no version was left unread"),
        (invent, "nobody uploaded what ['job-7.rejected'] tell of"),
        (unmark, "oss://acme/out/good.vtt is not there"),
    ],
)
def test_each_mischief_is_found(shore: Shore, mischief: Callable[[Shore], None], words: str) -> None:
    """One thing is spoilt, and named."""
    mischief(shore)

    assert [] != [problem for problem in shore.problems() if words in problem]


def heard(*hertz: int) -> bytes:
    """Make an output with these tones, a quarter of a second each; 0 is silence."""
    at = np.arange(RATE // 4) / RATE
    return wav(np.concatenate([12000 * np.sin(2 * np.pi * each * at) for each in hertz]), RATE)


@pytest.mark.parametrize(
    ("hertz", "complaint"),
    [
        ((500, 0, 900), ""),
        ((900, 0, 500), "sound 0 of 3 is not 500 Hz"),
        ((500, 900, 900), "sound 1 of 3 is not 0 Hz"),
        ((500, 0, 0), "sound 2 of 3 is not 900 Hz"),
        ((500, 0), "4000 samples, not 6000"),
    ],
)
def test_order_silence_and_length_are_heard(hertz: tuple[int, ...], complaint: str) -> None:
    """What a manifest asked for is compared with what a decoder hears."""
    wanted = Version(b"", "succeeded", "out/x.flac", tuple(Sound(each, RATE // 4) for each in (500, 0, 900)))

    assert complaint == mishearing(heard(*hertz), wanted)


def test_a_seed_writes_the_same_manuscripts() -> None:
    """Every shape has its share, and no two versions are alike."""
    clips = make_clips()
    written = make_manuscripts(40, clips, Random(5))
    bodies = [version.body for manuscript in written for version in manuscript.versions]

    assert written == make_manuscripts(40, clips, Random(5))
    assert len(bodies) == len(set(bodies))
    assert 9 == len({manuscript.shape for manuscript in written})
