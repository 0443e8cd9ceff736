"""What authors upload, and what they may expect of it: clips of one pitch each, manifests of several shapes. Pure.

Expectations are worked out here from samples and milliseconds; nothing asks the product what it would make of them.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any, NamedTuple

import yaml

from tests.sounds import encoded, pcm

RATE = 8000  # Hz of every clip and output: audio as small as can still be heard
PITCHES = range(400, 2500, 90)  # Hz, far enough apart for a fifth of a second, and below what lossy codecs leave out
CLIP_FORMS = ("wav", "flac", "mp3", "oga")
EXACT = ("wav", "flac")  # what a codec puts before a tone would be most of a short cut
OUTPUT_FORMS = ("flac", "flac", "mp3", "oga")
SHAPES = (
    "plain", "trimmed", "bad", "plain", "overwritten", "plain", "trimmed", "tree", "missing", "plain",
    "silence", "late", "plain", "trimmed", "bad", "plain", "moved", "missing", "trimmed", "plain",
)  # fmt: skip


class Clip(NamedTuple):
    """An audio object: one tone. `samples` is what a decoder makes of it at `RATE`."""

    key: str
    hertz: int
    samples: int
    body: bytes


class Sound(NamedTuple):
    """A stretch of an output: a tone, or with 0 Hz silence."""

    hertz: int
    samples: int


class Version(NamedTuple):
    """One upload of a manifest. `state`: how its job must end; `issues`: all that it must be told, if rejected."""

    body: bytes
    state: str
    output: str = ""
    sounds: tuple[Sound, ...] = ()
    issues: frozenset[tuple[str, str]] = frozenset()


class Manuscript(NamedTuple):
    """A manifest's key, its versions in the order of their uploads, and clips that come when it is there already."""

    key: str
    shape: str
    versions: tuple[Version, ...]
    late: tuple[Clip, ...] = ()


def make_clips() -> list[Clip]:
    """Make one clip of every pitch, 0.3 to 0.5 s long, in four formats."""
    return [_clip(f"clips/{number:02d}", hertz, number) for number, hertz in enumerate(PITCHES)]


def _clip(name: str, hertz: int, number: int) -> Clip:
    """Make a clip, and measure it as a decoder hears it."""
    form = CLIP_FORMS[number % len(CLIP_FORMS)]
    body = encoded(hertz, 300 + 50 * (number % 5), form, RATE)
    return Clip(f"{name}.{form}", hertz, len(pcm(body, RATE)), body)


def make_manuscripts(count: int, clips: Sequence[Clip], rng: Random) -> list[Manuscript]:
    """Draw manifests; of every twenty, each shape has its share."""
    return [_Author(number, clips, rng).write(SHAPES[number % len(SHAPES)]) for number in range(count)]


class _Author:
    """Writes one manuscript."""

    def __init__(self, number: int, clips: Sequence[Clip], rng: Random) -> None:
        self._number, self._clips, self._rng = number, clips, rng
        self._suffix, self._form = rng.choice(("json", "json", "yaml")), rng.choice(OUTPUT_FORMS)
        self._comes_late: list[Clip] = []
        self._writes: Mapping[str, Callable[[], tuple[Version, ...]]] = {
            "plain": lambda: (self._good(self._some(1, 5)),),
            "trimmed": lambda: (self._good(self._some(2, 4), cut=True, gap=rng.choice((0, 120))),),
            "tree": lambda: (self._good(self._some(12, 24), cut=True, gap=rng.choice((0, 100))),),
            "silence": lambda: (self._good([*self._some(1, 2), None, *self._some(1, 2)]),),
            "late": lambda: (self._good([*self._some(1, 2), self._late()], wait="10m"),),
            "overwritten": lambda: tuple(self._good(self._some(1, 3), version) for version in range(2)),
            "moved": lambda: tuple(self._good(self._some(1, 3), version, f"-{version}") for version in range(2)),
            "bad": lambda: (self._bad(),),
            "missing": lambda: (self._missing(),),
        }

    def write(self, shape: str) -> Manuscript:
        """Write a manuscript of a shape."""
        key = f"manifests/{self._number:03d}-{shape}.{self._suffix}"
        return Manuscript(key, shape, self._writes[shape](), tuple(self._comes_late))

    def _late(self) -> Clip:
        """Draw a clip that is this author's own, and comes when the manifest is there already."""
        clip = self._rng.choice(self._clips)
        own = clip._replace(key=clip.key.replace("clips/", f"clips/late-{self._number:03d}-"))
        self._comes_late.append(own)
        return own

    def _some(self, least: int, most: int) -> list[Clip | None]:
        """Draw clips, no two neighbours alike; None would be a silence."""
        drawn: list[Clip | None] = []
        for _ in range(self._rng.randint(least, most)):
            drawn.append(self._rng.choice([clip for clip in self._clips if clip not in drawn[-1:]]))
        return drawn

    def _good(
        self, wanted: Sequence[Clip | None], version: int = 0, name: str = "", *,
        cut: bool = False, gap: int = 0, wait: str = "",
    ) -> Version:  # fmt: skip
        """Write a manifest that must succeed, and what must then be heard."""
        entries: list[Any] = []
        sounds: list[Sound] = []
        for clip in wanted:
            entry, sound = self._entry(clip, cut=cut)
            between = gap and sounds and clip and sounds[-1].hertz
            sounds += [Sound(0, gap * RATE // 1000), sound] if between else [sound]
            entries.append(entry)
        output = f"out/{self._number:03d}{name}.{self._form}"
        chapters = self._form == "mp3" and len(wanted) > 2
        asked = {"gap": gap, "wait_for_clips": wait, "chapters": chapters}
        fields = {name: value for name, value in asked.items() if value}
        document = {**self._document(version, {"key": output}, entries), **fields}
        return Version(self._text(document), "succeeded", output, tuple(sounds))

    def _entry(self, clip: Clip | None, *, cut: bool) -> tuple[Any, Sound]:
        """Write an entry of `clips`, and how it sounds."""
        if clip is None:
            length = self._rng.choice((150, 250))
            return {"silence": length}, Sound(0, length * RATE // 1000)
        if not cut or not clip.key.endswith(EXACT) or self._rng.random() < 0.3:
            return clip.key, Sound(clip.hertz, clip.samples)
        start, length = self._rng.choice((0, 10, 25)), self._rng.choice((200, 240))
        trim = {"start": start, "duration": length} if start else {"duration": length}
        return {"key": clip.key, **trim}, Sound(clip.hertz, length * RATE // 1000)

    def _bad(self) -> Version:
        """Write a manifest with three mistakes, of which only the cloud knows the third."""
        entries = [self._clips[0].key, f"clips/nowhere-{self._number}.mp3"]
        output = {"key": f"out/{self._number:03d}.opus", "sample_rate": 44100}
        document = {**self._document(0, output, entries), "gapp": "1s"}
        found = {("FIELD_UNKNOWN", "/gapp"), ("SAMPLE_RATE_NOT_ALLOWED", "/output/sample_rate")}
        issues = frozenset({*found, ("CLIP_NOT_FOUND", "/clips/1")})
        return Version(self._text(document), "rejected", output["key"], issues=issues)

    def _missing(self) -> Version:
        """Write a manifest of which clips are not there."""
        entries = [f"clips/gone-{self._number}.wav", self._clips[1].key, f"clips/lost-{self._number}.mp3"]
        output = {"key": f"out/{self._number:03d}.mp3"}
        issues = frozenset({("CLIP_NOT_FOUND", "/clips/0"), ("CLIP_NOT_FOUND", "/clips/2")})
        return Version(self._text(self._document(0, output, entries)), "rejected", output["key"], issues=issues)

    def _document(self, version: int, output: Mapping[str, Any], entries: list[Any]) -> dict[str, Any]:
        """Write what all manifests have; the label tells versions apart."""
        layout = {"sample_rate": RATE, "channels": 1}
        labels = {"version": f"{self._number}.{version}"}
        return {"version": 1, "output": {**layout, **output}, "clips": entries, "labels": labels}

    def _text(self, document: Mapping[str, Any]) -> bytes:
        """Spell a document as its suffix says."""
        text = json.dumps(document) if self._suffix == "json" else yaml.safe_dump(dict(document))
        return text.encode()
