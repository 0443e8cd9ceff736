"""What must be true when the weather has cleared: the promises, checked from outside on objects, events and sound."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from tests.faults.run import LEFTOVERS, STATE, Landfall, Upload
from tests.faults.workload import RATE, Sound, Version
from tests.sounds import pcm, pitch

LOSSY_SAMPLES = RATE * 15 // 100  # a codec's lead-in and last frame
NEAR_HZ = 15
QUIET = 0.03  # root mean square; a tone has a quarter
GONE = "MANIFEST_GONE"  # says a job whose manifest was overwritten before it could be read; it knows no ETag
OVERTAKEN = {"SUPERSEDED", GONE}  # how the job of a version may end that a newer one came after


class Findings(NamedTuple):
    """Everything that is wrong, and the figures of what was right.

    `windows`: what docs/reliability.md says may happen, and did.
    """

    violations: tuple[str, ...]
    states: dict[str, int]
    right: int
    lost: int
    doubled: int
    windows: dict[str, int]


def judge(landfall: Landfall) -> Findings:
    """Check every promise."""
    return _Judge(landfall).findings()


class _Judge:
    """Looks at one landfall."""

    def __init__(self, landfall: Landfall) -> None:
        self._uploads, self._outside = landfall.uploads, landfall.outside
        self._texts: dict[str, set[str]] = defaultdict(set)
        self._by_etag: dict[str, set[str]] = defaultdict(set)
        self._events: dict[str, dict[str, Any]] = {}
        for text in landfall.events:
            event = json.loads(text)
            self._events[event["id"]] = event
            self._texts[event["id"]].add(text)
            self._by_etag[event["data"]["manifest"]["etag"]].add(event["id"])
        self._gone = [self._events[name] for name in sorted(self._by_etag.pop("", ()))]
        self._windows: Counter[str] = Counter()
        self._right = 0

    def findings(self) -> Findings:
        """Go through the promises one by one."""
        lost, doubled = list(self._lost()), list(self._doubled())
        checks = (self._states, self._strangers, self._jobs, self._results, self._left, self._outputs)
        found = [*lost, *doubled, *(problem for check in checks for problem in check())]
        states = Counter(event["data"]["state"] for event in self._events.values())
        figures = (dict(sorted(states.items())), self._right, len(lost), len(doubled), dict(self._windows))
        return Findings(tuple(found), *figures)

    def _lost(self) -> Iterator[str]:
        """Every version has its event, but for one that was overwritten before anybody read it."""
        for upload in self._uploads:
            if not self._by_etag[upload.etag] and not _overwritten(upload):
                yield f"{upload.manuscript.key} has no event"

    def _doubled(self) -> Iterator[str]:
        """No event id has two contents, and no version two events."""
        yield from (f"event {name} has {len(texts)} contents" for name, texts in self._texts.items() if len(texts) > 1)
        yield from (f"{etag} has the events {sorted(ids)}" for etag, ids in self._by_etag.items() if len(ids) > 1)

    def _states(self) -> Iterator[str]:
        """Every job ended as its author may expect; of a version that was overwritten, a job may say so."""
        for upload, event in self._pairs():
            version, data = _version(upload), event["data"]
            said = frozenset((issue["code"], issue["path"]) for issue in data.get("issues", ()))
            overtaken = _overwritten(upload) and data.get("error", {}).get("code") in OVERTAKEN
            if data["state"] != version.state and not overtaken:
                yield f"{event['id']} of {upload.manuscript.key}, expected {version.state}: {data.get('error')}, {said}"
            elif said != version.issues:
                yield f"{event['id']} of {upload.manuscript.key} names {sorted(said)}, not {sorted(version.issues)}"

    def _strangers(self) -> Iterator[str]:
        """Let every event be of a version that was uploaded, or say that its version was gone before it was read."""
        known = {upload.etag for upload in self._uploads}
        yield from (
            f"nobody uploaded what {sorted(ids)} tell of"
            for etag, ids in self._by_etag.items()
            if ids and etag not in known
        )
        unread = Counter(upload.manuscript.key for upload in self._uploads if not self._by_etag[upload.etag])
        for event in self._gone:
            key, error = _key(event["data"]["manifest"]["uri"]), event["data"].get("error", {})
            unread[key] -= 1
            if error.get("code") != GONE or unread[key] < 0:
                yield f"{event['id']} of {key}: {error}, and no version was left unread"

    def _jobs(self) -> Iterator[str]:
        """Every job that left facts is closed, in the state that its event says; and no event is without its job."""
        told = {event["data"]["job"]: event["data"]["state"] for event in self._events.values()}
        prefix = f"{STATE}jobs/"
        folders = {key.rpartition("/")[0] for key in self._outside.keys(prefix)}
        for folder in sorted(folders):
            state = self._outside.document(f"{folder}/closed.json").get("state", "open")
            if told.pop(folder.rpartition("/")[2], "untold") != state:
                yield f"{folder} is {state}, which its event does not say"
        yield from (f"{job} was told and has no facts" for job in told)

    def _results(self) -> Iterator[str]:
        """Let the result object of every manifest be the event of its last version, word for word."""
        for upload, event in self._pairs():
            key = f"results/{upload.manuscript.key}.json"
            if _overwritten(upload) or (found := self._outside.document(key)) == event:
                continue
            if found in self._older(upload):
                self._windows["result object of an older version"] += 1
            else:
                yield f"{key} is not event {event['id']}"

    def _left(self) -> Iterator[str]:
        """Nothing of the work is left over."""
        yield from (f"left over: {key}" for prefix in LEFTOVERS for key in self._outside.keys(prefix))

    def _outputs(self) -> Iterator[str]:
        """Every output of a job that succeeded is there, and sounds as its manifest says; nobody else made one."""
        with ThreadPoolExecutor(2) as pool:
            for problem in pool.map(lambda pair: self._output(*pair), list(self._pairs())):
                if problem:
                    yield problem
                else:
                    self._right += 1

    def _output(self, upload: Upload, event: dict[str, Any]) -> str:
        """Look at, and listen to, one output; say what is wrong with it."""
        version, data = _version(upload), event["data"]
        if _overwritten(upload) and version.output == _last(upload).output:
            return ""  # its place is taken by the newer version's
        body = self._outside.read(version.output)
        if data["state"] != "succeeded":
            return f"{version.output} is there, though {event['id']}" if body is not None else ""
        if body is None or (etag := self._outside.etag(version.output)) != data["output"]["etag"]:
            if body is not None and etag in self._older_outputs(upload):
                self._windows["output of an older version"] += 1
                return ""
            return f"{version.output} is not what {event['id']} tells of"
        if "chapters" in data and self._outside.read(_key(data["chapters"]["webvtt"])) is None:
            return f"{data['chapters']['webvtt']} is not there, though {event['id']}"
        wrong = mishearing(body, version)
        return f"{version.output} of {event['id']}: {wrong}" if wrong else ""

    def _older_outputs(self, upload: Upload) -> list[str]:
        """Return the ETags of what the versions before made."""
        return [event["data"].get("output", {}).get("etag", "none") for event in self._older(upload)]

    def _older(self, upload: Upload) -> list[dict[str, Any]]:
        """Return the events of the versions before."""
        before = [one for one in self._uploads if one.manuscript == upload.manuscript and one.number < upload.number]
        return [self._events[name] for one in before for name in self._by_etag[one.etag]]

    def _pairs(self) -> Iterator[tuple[Upload, dict[str, Any]]]:
        """Yield every upload with its event."""
        for upload in self._uploads:
            for name in sorted(self._by_etag[upload.etag]):
                yield upload, self._events[name]


def _key(uri: str) -> str:
    """Return the key in oss://bucket/key."""
    return uri.removeprefix("oss://").partition("/")[2]


def _version(upload: Upload) -> Version:
    return upload.manuscript.versions[upload.number]


def _last(upload: Upload) -> Version:
    return upload.manuscript.versions[-1]


def _overwritten(upload: Upload) -> bool:
    """Say whether a newer version came after."""
    return upload.number < len(upload.manuscript.versions) - 1


def mishearing(body: bytes, version: Version) -> str:
    """Decode an output and say what is wrong with its length, its order or its silences; nothing if nothing is."""
    samples = pcm(body, RATE)[:, 0]
    wanted = sum(sound.samples for sound in version.sounds)
    slack = 0 if version.output.endswith(".flac") else LOSSY_SAMPLES
    if abs(len(samples) - wanted) > slack:
        return f"{len(samples)} samples, not {wanted}"
    at = 0
    for number, sound in enumerate(version.sounds):
        middle = samples[at + sound.samples // 4 : at + sound.samples * 3 // 4]
        at += sound.samples
        if not _is(sound, middle):
            return f"sound {number} of {len(version.sounds)} is not {sound.hertz} Hz"
    return ""


def _is(sound: Sound, heard: np.ndarray) -> bool:
    """Say whether a stretch sounds as it should."""
    loud = float(np.sqrt(np.mean(heard**2))) > QUIET
    return loud and abs(pitch(heard, RATE) - sound.hertz) <= NEAR_HZ if sound.hertz else not loud
