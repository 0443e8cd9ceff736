"""The invariants that hold after recovery, checked from outside on objects, events and audio."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tests.faults.run import STATE, TEMPORARY_PREFIXES, RunResult, Upload
from tests.faults.workload import RATE, ExpectedSound, ManifestVersion
from tests.sounds import pcm, pitch

LOSSY_SAMPLES = RATE * 15 // 100  # a codec's lead-in and last frame
PITCH_TOLERANCE_HZ = 15
SILENCE_RMS = 0.03  # root mean square; that of a tone is about 0.25
GONE = "MANIFEST_GONE"  # the manifest was overwritten before it could be read, so its event has no ETag
OVERWRITTEN_CODES = {"SUPERSEDED", GONE}  # possible errors of the job of a version that was overwritten


class Findings(NamedTuple):
    """The violated invariants, and figures of the run.

    `states`: events by state. `correct`: outputs and rejections without a violation. `lost`: versions without an event.
    `duplicated`: event ids with two contents, and versions with two events. `races`: results of the race between two
    versions of a manifest that docs/reliability.md documents; they are no violations.
    """

    violations: tuple[str, ...]
    states: dict[str, int]
    correct: int
    lost: int
    duplicated: int
    races: dict[str, int]


def check_invariants(result: RunResult) -> Findings:
    """Check every invariant and return all violations."""
    return _Checker(result).findings()


class _Checker:
    def __init__(self, result: RunResult) -> None:
        self._uploads, self._client = result.uploads, result.client
        self._texts: dict[str, set[str]] = defaultdict(set)
        self._by_etag: dict[str, set[str]] = defaultdict(set)
        self._events: dict[str, dict[str, Any]] = {}
        for text in result.events:
            event = json.loads(text)
            self._events[event["id"]] = event
            self._texts[event["id"]].add(text)
            self._by_etag[event["data"]["manifest"]["etag"]].add(event["id"])
        self._gone = [self._events[event_id] for event_id in sorted(self._by_etag.pop("", ()))]
        self._races: Counter[str] = Counter()
        self._correct = 0

    def findings(self) -> Findings:
        """Return the violations of all invariants."""
        lost, duplicated = list(self._lost()), list(self._duplicated())
        checks = (
            self._states, self._unknown_versions, self._jobs, self._results, self._temporary_objects, self._outputs,
        )  # fmt: skip
        violations = [*lost, *duplicated, *(violation for check in checks for violation in check())]
        states = Counter(event["data"]["state"] for event in self._events.values())
        figures = (dict(sorted(states.items())), self._correct, len(lost), len(duplicated), dict(self._races))
        return Findings(tuple(violations), *figures)

    def _lost(self) -> Iterator[str]:
        """Each version has an event, unless it was overwritten before it was read."""
        for upload in self._uploads:
            if not self._by_etag[upload.etag] and not _is_overwritten(upload):
                yield f"{upload.manifest.key} has no event"

    def _duplicated(self) -> Iterator[str]:
        """Each event id has one content, and each version one event."""
        yield from (f"event {name} has {len(texts)} contents" for name, texts in self._texts.items() if len(texts) > 1)
        yield from (f"{etag} has the events {sorted(ids)}" for etag, ids in self._by_etag.items() if len(ids) > 1)

    def _states(self) -> Iterator[str]:
        """Each job ends in the expected state with the expected issues, or fails because it was overwritten."""
        for upload, event in self._pairs():
            version, data = _version(upload), event["data"]
            issues = frozenset((issue["code"], issue["path"]) for issue in data.get("issues", ()))
            superseded = _is_overwritten(upload) and data.get("error", {}).get("code") in OVERWRITTEN_CODES
            subject = f"{event['id']} of {upload.manifest.key}"
            if data["state"] != version.state and not superseded:
                yield f"{subject}, expected {version.state}: {data.get('error')}, {issues}"
            elif issues != version.issues:
                yield f"{subject} has the issues {sorted(issues)}, expected {sorted(version.issues)}"

    def _unknown_versions(self) -> Iterator[str]:
        """Each event is for an uploaded version, or says that its version was overwritten before it was read."""
        known = {upload.etag for upload in self._uploads}
        yield from (
            f"{sorted(ids)} are for a version that was never uploaded"
            for etag, ids in self._by_etag.items()
            if ids and etag not in known
        )
        unread = Counter(upload.manifest.key for upload in self._uploads if not self._by_etag[upload.etag])
        for event in self._gone:
            key, error = _key(event["data"]["manifest"]["uri"]), event["data"].get("error", {})
            unread[key] -= 1
            if error.get("code") != GONE or unread[key] < 0:
                yield f"{event['id']} of {key}: {error}, but every version was read"

    def _jobs(self) -> Iterator[str]:
        """Each job with facts is closed in the state of its event, and each event has a job with facts."""
        states = {event["data"]["job"]: event["data"]["state"] for event in self._events.values()}
        prefix = f"{STATE}jobs/"
        names: dict[str, list[str]] = {}
        for key in self._client.keys(prefix):
            folder, _, name = key.rpartition("/")
            names.setdefault(folder, []).append(name)
        for folder in sorted(names):
            closed = [name.split(".")[1] for name in names[folder] if name.startswith("closed.")]
            state = " and ".join(closed) or "open"
            if (expected := states.pop(folder.rpartition("/")[2], None)) != state:
                yield f"{folder} is {state}, its event says {expected}"
        yield from (f"{job} has an event and no facts" for job in states)

    def _results(self) -> Iterator[str]:
        """Each result object equals the event of the last version of its manifest."""
        for upload, event in self._pairs():
            key = f"results/{upload.manifest.key}.json"
            if _is_overwritten(upload) or (found := self._client.document(key)) == event:
                continue
            if found in self._older_events(upload):
                self._races["result object of an older version"] += 1
            else:
                yield f"{key} is not event {event['id']}"

    def _temporary_objects(self) -> Iterator[str]:
        """No temporary object is left over."""
        yield from (f"left over: {key}" for prefix in TEMPORARY_PREFIXES for key in self._client.keys(prefix))

    def _outputs(self) -> Iterator[str]:
        """Each succeeded job has the expected output, and other jobs have none."""
        with ThreadPoolExecutor(2) as pool:
            for violation in pool.map(lambda pair: self._output(*pair), list(self._pairs())):
                if violation:
                    yield violation
                else:
                    self._correct += 1

    def _output(self, upload: Upload, event: dict[str, Any]) -> str:
        """Return the violation of one output, or an empty string."""
        version, data = _version(upload), event["data"]
        if _is_overwritten(upload) and version.output == _last(upload).output:
            return ""  # a newer version has replaced this output
        body = self._client.read(version.output)
        if data["state"] != "succeeded":
            return f"{version.output} exists despite {event['id']}" if body is not None else ""
        if body is None or (etag := self._client.etag(version.output)) != data["output"]["etag"]:
            if body is not None and etag in self._older_outputs(upload):
                self._races["output of an older version"] += 1
                return ""
            return f"{version.output} is not the output of {event['id']}"
        if "chapters" in data and self._client.read(_key(data["chapters"]["webvtt"])) is None:
            return f"{data['chapters']['webvtt']} is missing despite {event['id']}"
        error = audio_error(body, version)
        return f"{version.output} of {event['id']}: {error}" if error else ""

    def _older_outputs(self, upload: Upload) -> list[str]:
        """Return the ETags of the outputs of older versions."""
        return [event["data"].get("output", {}).get("etag", "none") for event in self._older_events(upload)]

    def _older_events(self, upload: Upload) -> list[dict[str, Any]]:
        older = [one for one in self._uploads if one.manifest == upload.manifest and one.number < upload.number]
        return [self._events[event_id] for one in older for event_id in self._by_etag[one.etag]]

    def _pairs(self) -> Iterator[tuple[Upload, dict[str, Any]]]:
        """Yield every upload with each of its events."""
        for upload in self._uploads:
            for event_id in sorted(self._by_etag[upload.etag]):
                yield upload, self._events[event_id]


def _key(uri: str) -> str:
    """Return the key in oss://bucket/key."""
    return uri.removeprefix("oss://").partition("/")[2]


def _version(upload: Upload) -> ManifestVersion:
    return upload.manifest.versions[upload.number]


def _last(upload: Upload) -> ManifestVersion:
    return upload.manifest.versions[-1]


def _is_overwritten(upload: Upload) -> bool:
    return upload.number < len(upload.manifest.versions) - 1


def audio_error(body: bytes, version: ManifestVersion) -> str:
    """Decode an output. Return how its length, tones or silences differ from the expectation, or an empty string."""
    samples = pcm(body, RATE)[:, 0]
    expected = sum(sound.samples for sound in version.sounds)
    tolerance = 0 if version.output.endswith(".flac") else LOSSY_SAMPLES
    if abs(len(samples) - expected) > tolerance:
        return f"{len(samples)} samples, not {expected}"
    at = 0
    for number, sound in enumerate(version.sounds):
        middle = samples[at + sound.samples // 4 : at + sound.samples * 3 // 4]
        at += sound.samples
        if not _matches(sound, middle):
            return f"sound {number} of {len(version.sounds)} is not {sound.hertz} Hz"
    return ""


def _matches(sound: ExpectedSound, samples: npt.NDArray[Any]) -> bool:
    is_loud = float(np.sqrt(np.mean(samples**2))) > SILENCE_RMS
    return is_loud and abs(pitch(samples, RATE) - sound.hertz) <= PITCH_TOLERANCE_HZ if sound.hertz else not is_loud
