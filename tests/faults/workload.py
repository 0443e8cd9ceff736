"""The workload: clips of one pitch each, and manifests of several shapes with their expected results. Pure.

Expectations are computed here from samples and milliseconds, independently of the product.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any, NamedTuple

import yaml

from tests.sounds import encoded, pcm

RATE = 8000  # Hz, of all clips and outputs: the smallest audio in which pitches can still be measured
PITCHES = range(400, 2500, 90)  # Hz; distinguishable within 0.2 s, and below the frequencies that lossy codecs remove
CLIP_FORMATS = ("wav", "flac", "mp3", "oga")
EXACT = ("wav", "flac")  # only these are trimmed: a lossy codec's lead-in would be most of a short trim
OUTPUT_FORMATS = ("flac", "flac", "mp3", "oga")
SHAPES = (
    "plain", "trimmed", "bad", "plain", "overwritten", "plain", "trimmed", "tree", "missing", "plain",
    "silence", "late", "plain", "trimmed", "bad", "plain", "moved", "missing", "trimmed", "plain",
)  # fmt: skip


class Clip(NamedTuple):
    """An audio object with one tone; `samples` is its length after decoding at `RATE`."""

    key: str
    hertz: int
    samples: int
    body: bytes


class ExpectedSound(NamedTuple):
    """A part of an output: a tone, or silence if `hertz` is 0."""

    hertz: int
    samples: int


class ManifestVersion(NamedTuple):
    """One version of a manifest with its expected result.

    `state`: the final state of its job; `issues`: code and path of every issue, if it is rejected.
    """

    body: bytes
    state: str
    output: str = ""
    sounds: tuple[ExpectedSound, ...] = ()
    issues: frozenset[tuple[str, str]] = frozenset()


class WorkloadManifest(NamedTuple):
    """A manifest: its key, its versions in upload order, and clips that are uploaded after it."""

    key: str
    shape: str
    versions: tuple[ManifestVersion, ...]
    late_clips: tuple[Clip, ...] = ()


def make_clips() -> list[Clip]:
    """Return one clip of every pitch, 0.3 to 0.5 s long, in four formats."""
    return [_clip(f"clips/{number:02d}", hertz, number) for number, hertz in enumerate(PITCHES)]


def _clip(name: str, hertz: int, number: int) -> Clip:
    audio_format = CLIP_FORMATS[number % len(CLIP_FORMATS)]
    body = encoded(hertz, 300 + 50 * (number % 5), audio_format, RATE)
    return Clip(f"{name}.{audio_format}", hertz, len(pcm(body, RATE)), body)


def make_manifests(count: int, clips: Sequence[Clip], rng: Random) -> list[WorkloadManifest]:
    """Return random manifests; every twenty of them have the shapes in `SHAPES`."""
    return [_ManifestBuilder(number, clips, rng).build(SHAPES[number % len(SHAPES)]) for number in range(count)]


class _ManifestBuilder:
    def __init__(self, number: int, clips: Sequence[Clip], rng: Random) -> None:
        self._number, self._clips, self._rng = number, clips, rng
        self._suffix, self._format = rng.choice(("json", "json", "yaml")), rng.choice(OUTPUT_FORMATS)
        self._late_clips: list[Clip] = []
        self._builders: Mapping[str, Callable[[], tuple[ManifestVersion, ...]]] = {
            "plain": lambda: (self._valid(self._choose(1, 5)),),
            "trimmed": lambda: (self._valid(self._choose(2, 4), trim=True, gap=rng.choice((0, 120))),),
            "tree": lambda: (self._valid(self._choose(12, 24), trim=True, gap=rng.choice((0, 100))),),
            "silence": lambda: (self._valid([*self._choose(1, 2), None, *self._choose(1, 2)]),),
            "late": lambda: (self._valid([*self._choose(1, 2), self._late_clip()], wait="10m"),),
            "overwritten": lambda: tuple(self._valid(self._choose(1, 3), version) for version in range(2)),
            "moved": lambda: tuple(self._valid(self._choose(1, 3), version, f"-{version}") for version in range(2)),
            "bad": lambda: (self._invalid(),),
            "missing": lambda: (self._with_missing_clips(),),
        }

    def build(self, shape: str) -> WorkloadManifest:
        """Return a manifest of a shape."""
        key = f"manifests/{self._number:03d}-{shape}.{self._suffix}"
        return WorkloadManifest(key, shape, self._builders[shape](), tuple(self._late_clips))

    def _late_clip(self) -> Clip:
        """Choose a clip under a key of its own, for an upload after the manifest."""
        clip = self._rng.choice(self._clips)
        own = clip._replace(key=clip.key.replace("clips/", f"clips/late-{self._number:03d}-"))
        self._late_clips.append(own)
        return own

    def _choose(self, least: int, most: int) -> list[Clip | None]:
        """Choose clips, no two equal ones in a row. None would be a silence."""
        chosen: list[Clip | None] = []
        for _ in range(self._rng.randint(least, most)):
            chosen.append(self._rng.choice([clip for clip in self._clips if clip not in chosen[-1:]]))
        return chosen

    def _valid(
        self, clips: Sequence[Clip | None], version: int = 0, name: str = "", *,
        trim: bool = False, gap: int = 0, wait: str = "",
    ) -> ManifestVersion:  # fmt: skip
        """Return a manifest whose job succeeds, with the sounds of its output."""
        entries: list[Any] = []
        sounds: list[ExpectedSound] = []
        for clip in clips:
            entry, sound = self._entry(clip, trim=trim)
            has_gap = gap and sounds and clip and sounds[-1].hertz
            sounds += [ExpectedSound(0, gap * RATE // 1000), sound] if has_gap else [sound]
            entries.append(entry)
        output = f"merged/{self._number:03d}{name}.{self._format}"
        chapters = self._format == "mp3" and len(clips) > 2
        optional = {"gap": gap, "wait_for_clips": wait, "chapters": chapters}
        fields = {name: value for name, value in optional.items() if value}
        document = {**self._document(version, {"key": output}, entries), **fields}
        return ManifestVersion(self._serialize(document), "succeeded", output, tuple(sounds))

    def _entry(self, clip: Clip | None, *, trim: bool) -> tuple[Any, ExpectedSound]:
        """Return an entry of `clips` and its expected sound."""
        if clip is None:
            length = self._rng.choice((150, 250))
            return {"silence": length}, ExpectedSound(0, length * RATE // 1000)
        if not trim or not clip.key.endswith(EXACT) or self._rng.random() < 0.3:
            return clip.key, ExpectedSound(clip.hertz, clip.samples)
        start, length = self._rng.choice((0, 10, 25)), self._rng.choice((200, 240))
        times = {"start": start, "duration": length} if start else {"duration": length}
        return {"key": clip.key, **times}, ExpectedSound(clip.hertz, length * RATE // 1000)

    def _invalid(self) -> ManifestVersion:
        """Return a manifest with three errors, one of which is found only by looking up the clips."""
        entries = [self._clips[0].key, f"clips/nowhere-{self._number}.mp3"]
        key = f"merged/{self._number:03d}.opus"
        document = {**self._document(0, {"key": key, "sample_rate": 44100}, entries), "gapp": "1s"}
        errors = {("FIELD_UNKNOWN", "/gapp"), ("SAMPLE_RATE_NOT_ALLOWED", "/output/sample_rate")}
        issues = frozenset({*errors, ("CLIP_NOT_FOUND", "/clips/1")})
        return ManifestVersion(self._serialize(document), "rejected", key, issues=issues)

    def _with_missing_clips(self) -> ManifestVersion:
        entries = [f"clips/gone-{self._number}.wav", self._clips[1].key, f"clips/lost-{self._number}.mp3"]
        key = f"merged/{self._number:03d}.mp3"
        issues = frozenset({("CLIP_NOT_FOUND", "/clips/0"), ("CLIP_NOT_FOUND", "/clips/2")})
        return ManifestVersion(
            self._serialize(self._document(0, {"key": key}, entries)), "rejected", key, issues=issues
        )

    def _document(self, version: int, output: Mapping[str, Any], entries: list[Any]) -> dict[str, Any]:
        """Return the fields of all manifests; the label makes each version unique."""
        layout = {"sample_rate": RATE, "channels": 1}
        labels = {"version": f"{self._number}.{version}"}
        return {"version": 1, "output": {**layout, **output}, "clips": entries, "labels": labels}

    def _serialize(self, document: Mapping[str, Any]) -> bytes:
        text = json.dumps(document) if self._suffix == "json" else yaml.safe_dump(dict(document))
        return text.encode()
