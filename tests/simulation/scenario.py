"""What a seed makes of the world: who uploads what and when, and how bad the weather is. Values only."""

import json
from collections.abc import Iterator
from random import Random
from typing import Any, NamedTuple

from tests.simulation.setups import HARD, HOOKS, MANY, OUTAGE, Setup, draw_setup

CALM, SINGLE, STORM = "calm", "single", "storm"
FOREIGN = b"somebody else's audio"
BAD: tuple[tuple[str, Any], ...] = (
    ("version", {"version": 2, "output": {"key": "out/bad.mp3"}, "clips": ["a.mp3"]}),
    ("no clips", {"version": 1, "output": {"key": "out/bad.mp3"}, "clips": []}),
    ("into the trigger", {"version": 1, "output": {"key": "manifests/loop.mp3"}, "clips": ["a.mp3"]}),
    ("into the state", {"version": 1, "output": {"key": "_clipstitch/open/x.mp3"}, "clips": ["a.mp3"]}),
    ("into the results", {"version": 1, "output": {"key": "results/x.mp3"}, "clips": ["a.mp3"]}),
    ("another bucket", {"version": 1, "output": {"key": "x.mp3", "bucket": "elsewhere"}, "clips": ["a.mp3"]}),
    ("outside the sources", {"version": 1, "output": {"key": "out/x.mp3"}, "clips": ["secret/a.mp3"]}),
    ("outside the outputs", {"version": 1, "output": {"key": "private/x.mp3"}, "clips": ["a/00.mp3"]}),
)


def _tone(name: str) -> bytes:
    """Make a clip of one second; the memory adapters take it for audio."""
    return json.dumps({"duration_s": 1.0, "sample_rate": 44100, "channels": 1, "names": [name]}).encode()


# Clips at which probing finds no audio, but a refusal for ever, another one, and the end of whoever looks; and one that
# no task is started on.
ARCHIVED, FORBIDDEN, DEADLY, STUBBORN = b"archived", b"forbidden", b"deadly", _tone("stubborn")
_HARD = (
    (DEADLY, ("DEADLINE_PASSED",)),
    (FORBIDDEN, ("ACCESS_DENIED",)),
    (STUBBORN, ("DEADLINE_PASSED", "ACCESS_DENIED")),
)


class Weather(NamedTuple):
    """How often what goes wrong, as probabilities; `retries` is how often FC repeats a failed run.

    `blinks`: of single clips while they are probed; archived ones are refused half of the times. `together`: tasks end
    in the same moment. `crowd`: clips come in while the manifest that globs them is read, twice.
    """

    kind: str
    drop: float = 0.0
    double: float = 0.3
    late: float = 0.2
    kill: float = 0.0
    busy: float = 0.0
    blinks: float = 0.0
    denied: float = 0.0
    refused: float = 0.0
    fails: float = 0.0
    falters: float = 0.0
    twin: float = 0.1
    vanishes: float = 0.0
    forged: float = 0.0
    skew_s: float = 0.0
    slow: float = 0.01
    retries: int = 3
    kill_at: int = -1
    knows_tasks: bool = True
    together: bool = False
    crowd: bool = False
    until_s: float = 600.0


class Upload(NamedTuple):
    """An object that somebody uploads (`body` None: removes) at a time."""

    at: float
    key: str
    body: bytes | None


class Wish(NamedTuple):
    """A manifest version, and what its author may expect.

    `clips` None: whatever the glob finds; `missing`: one comes late, or never. `issues`: what a rejection names, among
    others; `fails`: the codes with one of which it must fail at its deadline.
    """

    key: str
    output: str
    good: bool
    overwrite: bool
    clips: tuple[str, ...] | None
    missing: bool
    issues: tuple[str, ...] = ()
    fails: tuple[str, ...] = ()


class Scenario(NamedTuple):
    """Everything that is decided before the first second."""

    weather: Weather
    uploads: tuple[Upload, ...]
    wishes: dict[bytes, Wish]
    setup: Setup = Setup()


def scenario_of(rng: Random) -> Scenario:
    """Draw a world."""
    weather = _weather(rng)._replace(together=rng.random() < 0.4, crowd=rng.random() < 0.15)
    if weather.crowd:
        weather = weather._replace(double=0.8, slow=0.2, late=0.02)
    setup = draw_setup(rng, calm=weather.kind == CALM)
    if setup.theme in (MANY, HARD):
        weather = weather._replace(drop=rng.choice((0.5, 1.0)))
    if setup.theme == OUTAGE:
        weather = weather._replace(until_s=setup.outage_s + 900)
    uploads: list[Upload] = []
    wishes: dict[bytes, Wish] = {}
    shared = rng.random() < 0.4
    for upload, wish in _manifests(setup, weather, rng, shared=shared):
        uploads.append(upload)
        if wish:
            wishes[upload.body or b""] = wish
    if weather.kind != CALM and rng.random() < 0.1:
        uploads.append(Upload(0.0, "out/shared.mp3" if shared else "out/0.mp3", FOREIGN))
    return Scenario(weather, tuple(sorted(uploads)), wishes, setup)


def _manifests(setup: Setup, weather: Weather, rng: Random, *, shared: bool) -> Iterator[tuple[Upload, Wish | None]]:
    """Draw the manifests: a few, and where the setup asks for them, many small ones, or some that end badly."""
    for number in range(rng.choice((2, 2, 3) if setup.theme == HOOKS else (1, 1, 2, 2, 3))):
        yield from _manifest(number, "out/shared.mp3" if shared else f"out/{number}.mp3", weather, rng)
    if setup.theme == MANY:
        for number in range(rng.randint(7, 10)):
            yield from _small(f"small{number:02d}", rng.choice((1.0, rng.uniform(1, 500))), None, ())
    if setup.theme == HARD:
        for number in range(rng.choice((1, 2, 2))):
            body, fails = rng.choice(_HARD)
            yield from _small(f"hard{number}", rng.choice((0.2, rng.uniform(1, 60))), body, fails)


def _small(name: str, at: float, body: bytes | None, fails: tuple[str, ...]) -> Iterator[tuple[Upload, Wish | None]]:
    """Make a manifest of a clip that nobody else has."""
    clip, key, output = f"a/of/{name}.mp3", f"manifests/{name}.json", f"out/{name}.mp3"
    document = json.dumps({"version": 1, "output": {"key": output}, "clips": [clip]}).encode()
    yield Upload(0.0, clip, body or _tone(clip)), None
    yield Upload(at, key, document), Wish(key, output, True, False, (clip,), missing=False, fails=fails)


def _weather(rng: Random) -> Weather:
    """Draw the weather: every fourth world is calm, every fourth has exactly one death, the others are stormy."""
    kind = rng.choice((CALM, SINGLE, STORM, STORM))
    skew = rng.choice((0.0, 1.0, 5.0))
    slow = rng.choice((0.0, 0.01, 0.1))
    if kind == CALM:
        return Weather(kind, skew_s=skew, slow=slow)
    if kind == SINGLE:
        return Weather(
            kind,
            skew_s=skew,
            slow=slow,
            drop=rng.choice((0.0, 0.0, 1.0)),
            retries=0,
            kill_at=rng.randrange(80),
            double=rng.choice((0.0, 0.3)),
        )
    return Weather(
        kind,
        drop=rng.choice((0.0, 0.2, 0.5, 1.0)),
        double=rng.choice((0.0, 0.3, 0.6)),
        kill=rng.choice((0.0, 0.01, 0.05)),
        busy=rng.choice((0.0, 0.02, 0.1)),
        blinks=rng.choice((0.0, 0.0, 0.02, 0.1)),
        denied=rng.choice((0.0, 0.0, 0.02)),
        refused=rng.choice((0.0, 0.0, 0.0, 0.01)),
        fails=rng.choice((0.0, 0.0, 0.1)),
        falters=rng.choice((0.0, 0.2, 0.5)),
        twin=rng.choice((0.0, 0.2)),
        vanishes=rng.choice((0.0, 0.0, 0.0, 0.1)),
        forged=rng.choice((0.0, 0.2)),
        skew_s=skew,
        slow=slow,
        retries=rng.choice((0, 1, 3)),
        knows_tasks=rng.random() < 0.9,
        until_s=rng.choice((300.0, 600.0, 1200.0)),
    )


def _manifest(number: int, output: str, weather: Weather, rng: Random) -> Iterator[tuple[Upload, Wish | None]]:
    """Draw a manifest with its clips, its later versions, and what becomes of it."""
    folder, key = "abc"[number], f"manifests/m{number}.json"
    many = rng.choice((rng.randint(12, 21), 22, 23, rng.randint(24, 36)))  # from 22 on, the tree has siblings
    count = rng.choice((2, many, many) if weather.kind == CALM or weather.together else (1, 2, 2, 5, many))
    clips = tuple(f"{folder}/{clip:02d}.mp3" for clip in range(count))
    late = rng.choice((None, None, None, "late", "never")) if weather.kind != CALM and not weather.crowd else None
    for clip in clips[:-1] if late else clips:
        yield Upload(rng.uniform(0, 8) if weather.crowd else 0.0, clip, _tone(clip)), None
    yield Upload(0.0, _archived(folder), ARCHIVED), None
    if late == "late":
        yield Upload(rng.uniform(1, 300), clips[-1], _tone(clips[-1])), None
    begins = rng.uniform(1, 6) if weather.crowd else rng.choice((1.0, rng.uniform(1, 60)))
    versions = 1 if rng.random() < 0.6 else 2
    for version in range(versions):
        at = begins if version == 0 else begins + rng.choice((0.2, rng.uniform(0, 2), rng.uniform(1, 90)))
        document, wish = _document(
            key, output, clips[::-1] if version else clips, rng, late=late is not None, crowd=weather.crowd
        )
        body = json.dumps(document | {"labels": {"v": f"{number}.{version}"}}).encode()
        yield Upload(at, key, body), wish
    if weather.kind == STORM and rng.random() < 0.07:
        yield Upload(begins + rng.uniform(0, 60), key, None), None


def _document(
    key: str, output: str, clips: tuple[str, ...], rng: Random, *, late: bool, crowd: bool
) -> tuple[dict[str, Any], Wish]:
    """Draw a document."""
    if rng.random() < 0.12:
        bad = rng.choice(BAD)[1]
        return _with_archived(bad, Wish(key, output, good=False, overwrite=False, clips=None, missing=False), clips)
    overwrite, glob = rng.random() < 0.3, crowd or rng.random() < 0.15
    wanted = [{"glob": f"{clips[0][0]}/*.mp3"}] if glob else list(clips)
    document: dict[str, Any] = {"version": 1, "output": {"key": output, "overwrite": overwrite}, "clips": wanted}
    if late and rng.random() < 0.7:
        document["wait_for_clips"] = rng.choice(("1m", "4m", "10m"))
    if rng.random() < 0.1:
        document["chapters"] = True
    if rng.random() < 0.1:
        document["notify"] = ["queue"]
    wish = Wish(key, output, True, overwrite, None if glob else clips, late)
    return _with_archived(document, wish._replace(good=False), clips) if rng.random() < 0.05 else (document, wish)


def _with_archived(document: dict[str, Any], wish: Wish, clips: tuple[str, ...]) -> tuple[dict[str, Any], Wish]:
    """Add a clip that is archived, of which the author must hear, whatever else is wrong."""
    more = [*document["clips"], _archived(clips[0][0])]
    return {**document, "clips": more}, wish._replace(issues=("CLIP_ARCHIVED",))


def _archived(folder: str) -> str:
    """Name the archived clip; no glob finds it."""
    return f"{folder}/old/00.mp3"
