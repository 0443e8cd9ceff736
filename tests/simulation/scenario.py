"""Scenarios: who uploads what and when, what the result must be, and how often which fault occurs. Values only."""

import json
from collections.abc import Iterator, Mapping
from random import Random
from typing import Any, NamedTuple
from zlib import crc32

from tests.simulation.setups import (
    ALTERED,
    MANY,
    OUTAGE,
    SHORT_DEADLINE_S,
    STUCK,
    SWEEP_INTERVAL_S,
    WEBHOOKS,
    Setup,
    draw_setup,
)

# Kinds of fault profiles.
FAULT_FREE, SINGLE_CRASH, FAULTY = "fault-free", "single crash", "faulty"
CREATED_EMPTY = 6  # one of so many manifests is created empty, at most a minute before its content is written
USER_OBJECT = b"an object that a user uploaded under the key of an output"
INVALID_MANIFESTS: tuple[dict[str, Any], ...] = (
    {"version": 2, "output": {"key": "out/bad.mp3"}, "clips": ["a.mp3"]},
    {"version": 1, "output": {"key": "out/bad.mp3"}, "clips": []},
    {"version": 1, "output": {"key": "manifests/loop.mp3"}, "clips": ["a.mp3"]},
    {"version": 1, "output": {"key": "_clipstitch/open/x.mp3"}, "clips": ["a.mp3"]},
    {"version": 1, "output": {"key": "results/x.mp3"}, "clips": ["a.mp3"]},
    {"version": 1, "output": {"key": "x.mp3", "bucket": "elsewhere"}, "clips": ["a.mp3"]},
    {"version": 1, "output": {"key": "out/x.mp3"}, "clips": ["secret/a.mp3"]},
    {"version": 1, "output": {"key": "private/x.mp3"}, "clips": ["a/00.mp3"]},
)


def tone(name: str, duration_s: float = 1.0, **about: float) -> bytes:
    """Return the body of a clip, in the form that the memory adapters accept as audio; by default of one second."""
    made = {"duration_s": duration_s, "sample_rate": 44100, "channels": 1, "names": [name], **about}
    return json.dumps(made).encode()


# Bodies of clips on which `SimulatedAudioService` fails: probing raises ObjectArchived or AccessDenied, or crashes the
# function; starting a task raises AccessDenied.
ARCHIVED, FORBIDDEN, CRASHING, UNSTARTABLE = b"archived", b"forbidden", b"crashing", tone("unstartable")
# The bodies that keep a job from finishing, with the error codes of which it must fail with one. None: the clip is
# audio, but the chapters cannot be written beside the published output until the deadline has passed.
_STUCK_CLIPS: tuple[tuple[bytes | None, tuple[str, ...]], ...] = (
    (CRASHING, ("DEADLINE_PASSED",)),
    (FORBIDDEN, ("ACCESS_DENIED",)),
    (UNSTARTABLE, ("DEADLINE_PASSED", "ACCESS_DENIED")),
    (None, ()),
)
# When those chapters can be written: after the deadline of every job, and before twice the deadline.
WRITABLE_AGAIN_S = SHORT_DEADLINE_S + 3600.0


class FaultProfile(NamedTuple):
    """How often each fault occurs; most fields are probabilities.

    `probe_failure`: of a single clip; if it is not 0, archived clips fail every second time. `clock_skew_s`: the
    largest deviation of a clock. `retries`: how often FC repeats a failed run. `crash_at_call`: the number of the call
    at which a function crashes. `task_lookup`: the cloud can be asked how a task ended. `simultaneous_ends`: all tasks
    end at about the same time. `concurrent_uploads`: clips are uploaded while the manifest that globs them is read
    twice. `sweep_lead_s`: how long before the multiples of its interval a sweep starts. `fault_phase_s`: the length of
    the fault phase.
    """

    kind: str
    loss: float = 0.0
    duplicate: float = 0.3
    delay: float = 0.2
    crash: float = 0.0
    busy: float = 0.0
    probe_failure: float = 0.0
    access_denied: float = 0.0
    refused: float = 0.0
    task_failure: float = 0.0
    transient_failure: float = 0.0
    task_duplicate: float = 0.1
    task_loss: float = 0.0
    forged_notification: float = 0.0
    clock_skew_s: float = 0.0
    slow_call: float = 0.01
    retries: int = 3
    crash_at_call: int = -1
    task_lookup: bool = True
    simultaneous_ends: bool = False
    concurrent_uploads: bool = False
    sweep_lead_s: float = 0.0
    fault_phase_s: float = 600.0


class UserUpload(NamedTuple):
    """An object that a user uploads, or deletes if `body` is None, `at` a time in seconds."""

    at: float
    key: str
    body: bytes | None


class Expectation(NamedTuple):
    """One version of a manifest, and which outcome of its job is correct.

    `valid`: the job may succeed. `clips` is None if they depend on a glob. `clip_missing`: one clip is uploaded late
    or never. `issues`: the codes that a rejection must name, among others. `failure_codes`: if not empty, the job must
    fail at its deadline, with one of these codes. `stuck`: the job cannot finish before its deadline.
    """

    manifest_key: str
    output_key: str
    valid: bool
    overwrite: bool
    clips: tuple[str, ...] | None
    clip_missing: bool
    issues: tuple[str, ...] = ()
    failure_codes: tuple[str, ...] = ()
    stuck: bool = False


class Scenario(NamedTuple):
    """Everything that is drawn before the simulation starts.

    `expectations` are by the body of the manifest. The keys `not_writable` cannot be written before `WRITABLE_AGAIN_S`.
    The clips `altered`, with their last bodies, are merged only in part, or are replaced while their jobs run.
    """

    profile: FaultProfile
    uploads: tuple[UserUpload, ...]
    expectations: dict[bytes, Expectation]
    setup: Setup = Setup()
    not_writable: frozenset[str] = frozenset()
    altered: Mapping[str, bytes] = {}


# An upload, with what is expected if it is that of a manifest.
_Upload = tuple[UserUpload, Expectation | None]


def draw_scenario(rng: Random) -> Scenario:
    """Draw a scenario."""
    profile = _draw_profile(rng)._replace(simultaneous_ends=rng.random() < 0.4, concurrent_uploads=rng.random() < 0.15)
    if profile.concurrent_uploads:
        profile = profile._replace(duplicate=0.8, slow_call=0.2, delay=0.02)
    if profile.simultaneous_ends and profile.kind != FAULT_FREE:
        profile = profile._replace(sweep_lead_s=rng.uniform(0, SWEEP_INTERVAL_S))
    setup = draw_setup(rng, fault_free=profile.kind == FAULT_FREE)
    if setup.theme in (MANY, STUCK):
        profile = profile._replace(loss=rng.choice((0.5, 1.0)))
    if setup.theme == OUTAGE:
        profile = profile._replace(fault_phase_s=setup.outage_s + 900)
    uploads: list[UserUpload] = []
    expectations: dict[bytes, Expectation] = {}
    shared_output = rng.random() < 0.4
    for upload, expectation in _draw_manifests(setup, profile, rng, shared_output=shared_output):
        uploads.append(upload)
        if expectation:
            expectations[upload.body or b""] = expectation
    if profile.kind != FAULT_FREE and rng.random() < 0.1:
        uploads.append(UserUpload(0.0, _output_key(0, shared=shared_output), USER_OBJECT))
    stuck = [expected for expected in expectations.values() if expected.stuck and not expected.failure_codes]
    not_writable = frozenset(expected.output_key.replace(".mp3", ".vtt") for expected in stuck)
    altered = _alter_clips(uploads, rng) if setup.theme == ALTERED else {}
    return Scenario(profile, tuple(sorted(uploads)), expectations, setup, not_writable, altered)


def _alter_clips(uploads: list[UserUpload], rng: Random) -> dict[str, bytes]:
    """Let the engine merge some clips only in part, and draw replacements of others; return the bodies that count last.

    The names in a clip stay, so that the order of an output can be checked.
    """
    clips = [upload for upload in uploads if upload.body == tone(upload.key)]
    altered = dict[str, bytes]()
    for upload in rng.sample(clips, min(len(clips), rng.choice((1, 1, 2, 5)))):
        if rng.random() < 0.3:
            altered[upload.key] = tone(upload.key, decodable_s=rng.choice((0.0, 0.4, 0.9)))
            uploads.remove(upload)
            uploads.append(upload._replace(body=altered[upload.key]))
        else:
            altered[upload.key] = tone(upload.key, rng.choice((0.5, 1.0, 1.0, 4.0)), take=2)
    return altered


def _draw_profile(rng: Random) -> FaultProfile:
    """Draw a profile: a quarter is fault-free, a quarter has exactly one crash, the others are faulty."""
    kind = rng.choice((FAULT_FREE, SINGLE_CRASH, FAULTY, FAULTY))
    skew_s = rng.choice((0.0, 1.0, 5.0))
    slow_call = rng.choice((0.0, 0.01, 0.1))
    if kind == FAULT_FREE:
        return FaultProfile(kind, clock_skew_s=skew_s, slow_call=slow_call)
    if kind == SINGLE_CRASH:
        return FaultProfile(
            kind,
            clock_skew_s=skew_s,
            slow_call=slow_call,
            loss=rng.choice((0.0, 0.0, 1.0)),
            retries=0,
            crash_at_call=rng.randrange(80),
            duplicate=rng.choice((0.0, 0.3)),
        )
    return FaultProfile(
        kind,
        loss=rng.choice((0.0, 0.2, 0.5, 1.0)),
        duplicate=rng.choice((0.0, 0.3, 0.6)),
        crash=rng.choice((0.0, 0.01, 0.05)),
        busy=rng.choice((0.0, 0.02, 0.1)),
        probe_failure=rng.choice((0.0, 0.0, 0.02, 0.1)),
        access_denied=rng.choice((0.0, 0.0, 0.02)),
        refused=rng.choice((0.0, 0.0, 0.0, 0.01)),
        task_failure=rng.choice((0.0, 0.0, 0.1)),
        transient_failure=rng.choice((0.0, 0.2, 0.5)),
        task_duplicate=rng.choice((0.0, 0.2)),
        task_loss=rng.choice((0.0, 0.0, 0.0, 0.1)),
        forged_notification=rng.choice((0.0, 0.2)),
        clock_skew_s=skew_s,
        slow_call=slow_call,
        retries=rng.choice((0, 1, 3)),
        task_lookup=rng.random() < 0.9,
        fault_phase_s=rng.choice((300.0, 600.0, 1200.0)),
    )


def _draw_manifests(setup: Setup, profile: FaultProfile, rng: Random, *, shared_output: bool) -> Iterator[_Upload]:
    """Draw a few manifests, and those of the theme: many small ones, or some whose jobs cannot finish."""
    for number in range(rng.choice((2, 2, 3) if setup.theme == WEBHOOKS else (1, 1, 2, 2, 3))):
        yield from _draw_manifest(number, _output_key(number, shared=shared_output), profile, rng)
    if setup.theme == MANY:
        for number in range(rng.randint(7, 10)):
            yield from _small_manifest(f"small{number:02d}", rng.choice((1.0, rng.uniform(1, 500))))
    if setup.theme == STUCK:
        for number in range(rng.choice((1, 2, 2))):
            body, failure_codes = rng.choice(_STUCK_CLIPS)
            at = rng.choice((0.2, rng.uniform(1, 60)))
            yield from _small_manifest(f"stuck{number}", at, body, failure_codes, stuck=True)


def _output_key(number: int, *, shared: bool) -> str:
    return "out/shared.mp3" if shared else f"out/{number}.mp3"


def _small_manifest(
    name: str, at: float, body: bytes | None = None, failure_codes: tuple[str, ...] = (), *, stuck: bool = False
) -> Iterator[_Upload]:
    """Yield a manifest of one clip that no other manifest has; `body` is that of the clip, by default audio."""
    clip, key, output = f"a/of/{name}.mp3", f"manifests/{name}.json", f"out/{name}.mp3"
    chapters = {"chapters": True} if stuck and body is None else {}
    document = json.dumps({"version": 1, "output": {"key": output}, "clips": [clip], **chapters}).encode()
    yield UserUpload(0.0, clip, body or tone(clip)), None
    expected = Expectation(key, output, valid=True, overwrite=False, clips=(clip,), clip_missing=False)
    yield UserUpload(at, key, document), expected._replace(failure_codes=failure_codes, stuck=stuck)


def _draw_manifest(number: int, output: str, profile: FaultProfile, rng: Random) -> Iterator[_Upload]:
    """Draw a manifest with its clips, a later version of it, and whether it is deleted."""
    folder, key = "abc"[number], f"manifests/m{number}.json"
    clips = _draw_clips(folder, profile, rng)
    missing = _draw_missing_clip(profile, rng)
    for clip in clips[:-1] if missing else clips:
        yield UserUpload(rng.uniform(0, 8) if profile.concurrent_uploads else 0.0, clip, tone(clip)), None
    yield UserUpload(0.0, _archived_clip(folder), ARCHIVED), None
    if missing == "late":
        yield UserUpload(rng.uniform(1, 300), clips[-1], tone(clips[-1])), None
    first = rng.uniform(1, 6) if profile.concurrent_uploads else rng.choice((1.0, rng.uniform(1, 60)))
    versions = 1 if rng.random() < 0.6 else 2
    for version in range(versions):
        at = first if version == 0 else first + rng.choice((0.2, rng.uniform(0, 2), rng.uniform(1, 90)))
        expected = Expectation(key, output, valid=True, overwrite=False, clips=clips, clip_missing=missing is not None)
        if version:
            expected = expected._replace(clips=clips[::-1])
        document, expected = _draw_document(expected, rng, glob_only=profile.concurrent_uploads)
        body = json.dumps(document | {"labels": {"v": f"{number}.{version}"}}).encode()
        if (chance := crc32(body)) % CREATED_EMPTY == 0:  # no draw, so that it leaves all other draws as they are
            yield UserUpload(max(at - chance % 60, 0.1), key, b""), None
        yield UserUpload(at, key, body), expected
    if profile.kind == FAULTY and rng.random() < 0.07:
        yield UserUpload(first + rng.uniform(0, 60), key, None), None


def _draw_clips(folder: str, profile: FaultProfile, rng: Random) -> tuple[str, ...]:
    many = rng.choice((rng.randint(12, 21), 22, 23, rng.randint(24, 36)))  # from 22 on, steps of the tree end together
    often_many = profile.kind == FAULT_FREE or profile.simultaneous_ends
    count = rng.choice((2, many, many) if often_many else (1, 2, 2, 5, many))
    return tuple(f"{folder}/{clip:02d}.mp3" for clip in range(count))


def _draw_missing_clip(profile: FaultProfile, rng: Random) -> str | None:
    """Draw whether the last clip is uploaded in time (None), "late" or "never"."""
    if profile.kind == FAULT_FREE or profile.concurrent_uploads:
        return None
    return rng.choice((None, None, None, "late", "never"))


def _draw_document(expected: Expectation, rng: Random, *, glob_only: bool) -> tuple[dict[str, Any], Expectation]:
    """Draw a manifest with the given keys and clips, which may be invalid, and return what is expected then."""
    clips = expected.clips or ()
    if rng.random() < 0.12:
        invalid = expected._replace(valid=False, clips=None, clip_missing=False)
        return _with_archived_clip(rng.choice(INVALID_MANIFESTS), invalid, clips)
    overwrite, glob = rng.random() < 0.3, glob_only or rng.random() < 0.15
    document: dict[str, Any] = {
        "version": 1,
        "output": {"key": expected.output_key, "overwrite": overwrite},
        "clips": [{"glob": f"{clips[0][0]}/*.mp3"}] if glob else list(clips),
    }
    if expected.clip_missing and rng.random() < 0.7:
        document["wait_for_clips"] = rng.choice(("1m", "4m", "10m"))
    if rng.random() < 0.1:
        document["chapters"] = True
    if rng.random() < 0.1:
        document["notify"] = ["queue"]
    expected = expected._replace(overwrite=overwrite, clips=None if glob else clips)
    if rng.random() < 0.05:
        return _with_archived_clip(document, expected._replace(valid=False), clips)
    return document, expected


def _with_archived_clip(
    document: dict[str, Any], expected: Expectation, clips: tuple[str, ...]
) -> tuple[dict[str, Any], Expectation]:
    """Add an archived clip, which a rejection must report together with all other issues."""
    archived = _archived_clip(clips[0][0])
    return {**document, "clips": [*document["clips"], archived]}, expected._replace(issues=("CLIP_ARCHIVED",))


def _archived_clip(folder: str) -> str:
    """Return the key of the archived clip of a folder, which no glob of the manifests matches."""
    return f"{folder}/old/00.mp3"
