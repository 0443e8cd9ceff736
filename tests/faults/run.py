"""A voyage: authors upload while the weather is bad and the cloud is killed; then it clears, and all must settle."""

import json
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import NamedTuple

from tests.faults.client import Outside
from tests.faults.local_cloud import House
from tests.faults.workload import Clip, Manuscript, make_clips, make_manuscripts

AUTHORS = 6
BETWEEN_VERSIONS_S = 1.2  # OSS keeps times to the second: two versions within one are neither the newer
LATE_S = 2.5
TUNING = {
    "CLIPSTITCH_GRACE_PERIOD_S": "2",
    "CLIPSTITCH_MAX_RETRIES": "20",  # so that a task's faltering is never a job's failure, and every state is expected
    "CLIPSTITCH_SEARCH_WINDOW_S": "60",
}
QUICK_SWEEP_S = 3.0
CALM_SWEEP_S = 0.04  # for each manifest: all of them are looked for now, and no sweep shall overtake another
INTERVAL_S = 300.0  # of the sweep, in s.yaml
SETTLE_S = 300.0
STATE = "_clipstitch/"
LEFTOVERS = (f"{STATE}open/", f"{STATE}work/", f"{STATE}tasks/")


class Course(NamedTuple):
    """How far, and how bad.

    `per_second`: manifests; `life_s`: shortest and longest life of the cloud in the storm.
    """

    manifests: int = 30
    seed: int = 1
    kills: int = 2
    per_second: float = 4.0
    life_s: tuple[float, float] = (3.0, 5.0)
    severity: float = 1.0

    @property
    def stormy_sweep_s(self) -> float:
        """How often the sweep comes in the storm: about once a life, so that many sweeps die and some do not."""
        return max(QUICK_SWEEP_S, sum(self.life_s) * 0.4)


class Upload(NamedTuple):
    """One upload of a version of a manuscript, as it happened; `number` is its place among them."""

    manuscript: Manuscript
    number: int
    etag: str


class Landfall(NamedTuple):
    """What a voyage came to: the cloud that is still up, and what was done to it."""

    course: Course
    house: House
    outside: Outside
    uploads: list[Upload]
    events: list[str]
    kills: dict[str, int]
    seconds: dict[str, float]

    def hear(self) -> None:
        """Take what has come into the queue since."""
        self.events.extend(self.outside.events())


Say = Callable[[str], None]


def sail(course: Course, folder: Path, say: Say = lambda _line: None) -> Landfall:
    """Make a voyage; whoever calls ends the house of the landfall."""
    rng = Random(course.seed)
    clips = make_clips()
    manuscripts = make_manuscripts(course.manifests, clips, rng)
    house = House(folder, TUNING, hurry=INTERVAL_S / course.stormy_sweep_s)
    began = time.monotonic()
    house.start(course.seed, course.severity)
    try:
        authors = Authors(Outside(house.environment), clips, course.per_second)
        kills = _storm(course, house, authors.begin(manuscripts), rng, say)
        stormy = time.monotonic() - began
        landfall = Landfall(course, house, Outside(house.environment), authors.uploads, [], kills, {})
        _settle(landfall, say)
    except BaseException:
        house.close()
        raise
    landfall.seconds.update(storm=stormy, settling=time.monotonic() - began - stormy)
    return landfall


class Authors:
    """People who upload at their own pace, and see to it that each upload happens once."""

    def __init__(self, outside: Outside, clips: Sequence[Clip], per_second: float) -> None:
        self._outside, self._clips, self._per_second = outside, clips, per_second
        self._lock = threading.Lock()
        self.uploads: list[Upload] = []

    def begin(self, manuscripts: Sequence[Manuscript]) -> "list[Future[None]]":
        """Upload the clips, then begin with the manuscripts, which others go on with."""
        pool = ThreadPoolExecutor(AUTHORS, thread_name_prefix="author")
        list(pool.map(lambda clip: self._outside.put(clip.key, clip.body), self._clips))
        began = time.monotonic()
        due = [began + number / self._per_second for number in range(len(manuscripts))]
        futures = [pool.submit(self._publish, *pair) for pair in zip(manuscripts, due, strict=True)]
        pool.shutdown(wait=False)
        return futures

    def _publish(self, manuscript: Manuscript, due: float) -> None:
        """Upload all versions of a manuscript, and the clips that come late."""
        time.sleep(max(0.0, due - time.monotonic()))
        for number, version in enumerate(manuscript.versions):
            time.sleep(BETWEEN_VERSIONS_S if number else 0.0)
            etag = self._outside.put(manuscript.key, version.body)
            with self._lock:
                self.uploads.append(Upload(manuscript, number, etag))
        for clip in manuscript.late:
            time.sleep(LATE_S)
            self._outside.put(clip.key, clip.body)


def _storm(course: Course, house: House, work: "Sequence[Future[None]]", rng: Random, say: Say) -> dict[str, int]:
    """Kill the cloud again and again while the authors work; at last it comes back in fine weather."""
    kills = {"with its process group": 0, "alone": 0}
    for life in range(1, 1000):
        time.sleep(rng.uniform(*course.life_s))
        done = sum(future.done() for future in work)
        over = done == len(work) and life >= course.kills
        group = rng.random() < 0.5
        house.kill(group=group)
        kills["with its process group" if group else "alone"] += 1
        faults = sum(house.counts.values())
        say(f"{done} of {len(work)} manuscripts uploaded, local cloud killed {life} times, {faults:,} faults")
        if over:
            break
        house.start(course.seed + life, course.severity)
    for future in work:
        future.result()
    house.hurry = INTERVAL_S / max(QUICK_SWEEP_S, CALM_SWEEP_S * course.manifests)
    house.tuning["CLIPSTITCH_SEARCH_WINDOW_S"] = "3600"
    house.start()
    return kills


def _settle(landfall: Landfall, say: Say) -> None:
    """Wait until every job is closed; then clear what only the deadline may clear."""
    wanted = {upload.etag for upload in landfall.uploads if upload.number == len(upload.manuscript.versions) - 1}
    deadline = time.monotonic() + SETTLE_S
    while time.monotonic() < deadline:
        landfall.hear()
        missing = wanted - {json.loads(text)["data"]["manifest"]["etag"] for text in landfall.events}
        open_jobs = landfall.outside.keys(LEFTOVERS[0])
        say(f"fine weather: {len(missing)} events and {len(open_jobs)} open jobs are waited for")
        if not missing and not open_jobs:
            break
        time.sleep(1.0)
    _sweep_pointers(landfall, deadline, say)
    landfall.hear()


def _sweep_pointers(landfall: Landfall, deadline: float, say: Say) -> None:
    """Let the deadline pass, which is when the sweep forgets tasks whose notices never came."""
    if not any(landfall.outside.keys(prefix) for prefix in LEFTOVERS):
        return
    landfall.house.stop()
    landfall.house.tuning.update(CLIPSTITCH_DEADLINE_S="1", CLIPSTITCH_SEARCH_WINDOW_S="2")
    landfall.house.hurry = INTERVAL_S / QUICK_SWEEP_S
    landfall.house.start()
    while (left := sum(len(landfall.outside.keys(prefix)) for prefix in LEFTOVERS)) and time.monotonic() < deadline:
        say(f"{left} objects are to be swept")
        time.sleep(1.0)
