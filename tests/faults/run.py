"""One run: manifests are uploaded while faults are injected and the cloud is killed; then it recovers."""

import json
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import NamedTuple

from tests.faults.client import Client
from tests.faults.local_cloud import LocalCloudProcess
from tests.faults.workload import Clip, WorkloadManifest, make_clips, make_manifests

UPLOAD_THREADS = 6
BETWEEN_VERSIONS_S = 1.2  # OSS times have a resolution of one second: two versions within one have no order
LATE_CLIP_S = 2.5
SETTINGS = {
    "CLIPSTITCH_GRACE_PERIOD_S": "2",
    "CLIPSTITCH_MAX_RETRIES": "20",  # no transient task failure fails a job, so that final states are predictable
    "CLIPSTITCH_SEARCH_WINDOW_S": "60",
}
MIN_SWEEP_INTERVAL_S = 3.0
RECOVERY_SWEEP_S = 0.04  # for each manifest: a recovery sweep looks at all of them, and sweeps must not overlap
SWEEP_INTERVAL_S = 300.0  # in s.yaml
RECOVERY_TIMEOUT_S = 300.0
STATE = "_clipstitch/"
OPEN_JOBS = f"{STATE}open/"
TEMPORARY_PREFIXES = (OPEN_JOBS, f"{STATE}work/", f"{STATE}tasks/")


class RunOptions(NamedTuple):
    """The size of a run, and how many faults are injected.

    `upload_rate`: manifests per second. `uptime_s`: shortest and longest time between two kills, in seconds.
    """

    manifests: int = 30
    seed: int = 1
    kills: int = 2
    upload_rate: float = 4.0
    uptime_s: tuple[float, float] = (3.0, 5.0)
    fault_rate: float = 1.0

    @property
    def sweep_interval_s(self) -> float:
        """Return the interval of sweeps in the fault phase, about one uptime: some sweeps are killed, some are not."""
        return max(MIN_SWEEP_INTERVAL_S, sum(self.uptime_s) * 0.4)


class Upload(NamedTuple):
    """One upload of a version of a manifest; `number` is the index of the version."""

    manifest: WorkloadManifest
    number: int
    etag: str


class RunResult(NamedTuple):
    """The result of a run, with the cloud that is still running.

    `kills`: number of kills by what was killed; `seconds`: duration by phase.
    """

    cloud: LocalCloudProcess
    client: Client
    uploads: list[Upload]
    events: list[str]
    kills: dict[str, int]
    seconds: dict[str, float]

    def receive(self) -> None:
        """Move the events in the queue to `events`."""
        self.events.extend(self.client.events())


Log = Callable[[str], None]


def run(options: RunOptions, folder: Path, log: Log = lambda _line: None) -> RunResult:
    """Run both phases and return the result. The caller closes its local cloud."""
    rng = Random(options.seed)
    clips = make_clips()
    manifests = make_manifests(options.manifests, clips, rng)
    cloud = LocalCloudProcess(folder, SETTINGS, time_scale=SWEEP_INTERVAL_S / options.sweep_interval_s)
    started = time.monotonic()
    cloud.start(options.seed, options.fault_rate)
    try:
        uploader = Uploader(Client(cloud.environment), clips, options.upload_rate)
        kills = _fault_phase(options, cloud, uploader.start(manifests), rng, log)
        faulty = time.monotonic() - started
        result = RunResult(cloud, Client(cloud.environment), uploader.uploads, [], kills, {})
        _recovery_phase(result, log)
    except BaseException:
        cloud.close()
        raise
    result.seconds.update({"fault phase": faulty, "recovery phase": time.monotonic() - started - faulty})
    return result


class Uploader:
    """Uploads clips and manifests at a fixed rate, each version exactly once."""

    def __init__(self, client: Client, clips: Sequence[Clip], upload_rate: float) -> None:
        self._client, self._clips, self._upload_rate = client, clips, upload_rate
        self._lock = threading.Lock()
        self.uploads: list[Upload] = []

    def start(self, manifests: Sequence[WorkloadManifest]) -> "list[Future[None]]":
        """Upload the clips, then start uploading the manifests in threads. Return one future per manifest."""
        pool = ThreadPoolExecutor(UPLOAD_THREADS, thread_name_prefix="upload")
        list(pool.map(lambda clip: self._client.put(clip.key, clip.body), self._clips))
        started = time.monotonic()
        due = [started + number / self._upload_rate for number in range(len(manifests))]
        futures = [pool.submit(self._upload, *pair) for pair in zip(manifests, due, strict=True)]
        pool.shutdown(wait=False)
        return futures

    def _upload(self, manifest: WorkloadManifest, due: float) -> None:
        """Upload all versions of a manifest, then its late clips."""
        time.sleep(max(0.0, due - time.monotonic()))
        for number, version in enumerate(manifest.versions):
            time.sleep(BETWEEN_VERSIONS_S if number else 0.0)
            etag = self._client.put(manifest.key, version.body)
            with self._lock:
                self.uploads.append(Upload(manifest, number, etag))
        for clip in manifest.late_clips:
            time.sleep(LATE_CLIP_S)
            self._client.put(clip.key, clip.body)


def _fault_phase(
    options: RunOptions, cloud: LocalCloudProcess, uploads: "Sequence[Future[None]]", rng: Random, log: Log
) -> dict[str, int]:
    """Kill the cloud repeatedly during the uploads, then start it without faults. Return the number of kills."""
    kills = {"the process group": 0, "the server alone": 0}
    for number in range(1, 1000):
        time.sleep(rng.uniform(*options.uptime_s))
        done = sum(future.done() for future in uploads)
        is_last = done == len(uploads) and number >= options.kills
        group = rng.random() < 0.5
        cloud.kill(group=group)
        kills["the process group" if group else "the server alone"] += 1
        faults = sum(cloud.fault_counts.values())
        log(f"{done} of {len(uploads)} manifests uploaded, {number} kills, {faults:,} faults")
        if is_last:
            break
        cloud.start(options.seed + number, options.fault_rate)
    for future in uploads:
        future.result()
    cloud.time_scale = SWEEP_INTERVAL_S / max(MIN_SWEEP_INTERVAL_S, RECOVERY_SWEEP_S * options.manifests)
    cloud.settings["CLIPSTITCH_SEARCH_WINDOW_S"] = "3600"
    cloud.start()
    return kills


def _recovery_phase(result: RunResult, log: Log) -> None:
    """Wait until every job is closed, then until the sweep has deleted all temporary objects."""
    expected = {upload.etag for upload in result.uploads if upload.number == len(upload.manifest.versions) - 1}
    deadline = time.monotonic() + RECOVERY_TIMEOUT_S
    while time.monotonic() < deadline:
        result.receive()
        missing = expected - {json.loads(text)["data"]["manifest"]["etag"] for text in result.events}
        open_jobs = result.client.keys(OPEN_JOBS)
        log(f"recovery: waiting for {len(missing)} events and {len(open_jobs)} open jobs")
        if not missing and not open_jobs:
            break
        time.sleep(1.0)
    _delete_temporary_objects(result, deadline, log)
    result.receive()


def _delete_temporary_objects(result: RunResult, deadline: float, log: Log) -> None:
    """Shorten the job deadline: only after it does the sweep delete tasks without a completion notification."""
    if not _temporary_keys(result):
        return
    result.cloud.stop()
    result.cloud.settings.update(CLIPSTITCH_DEADLINE_S="1", CLIPSTITCH_SEARCH_WINDOW_S="2")
    result.cloud.time_scale = SWEEP_INTERVAL_S / MIN_SWEEP_INTERVAL_S
    result.cloud.start()
    while (count := len(_temporary_keys(result))) and time.monotonic() < deadline:
        log(f"recovery: waiting for the deletion of {count} temporary objects")
        time.sleep(1.0)


def _temporary_keys(result: RunResult) -> list[str]:
    return [key for prefix in TEMPORARY_PREFIXES for key in result.client.keys(prefix)]
