"""The cost of a sweep for different histories: requests and seconds with 0, 1,000 and 100,000 closed jobs.

Closed jobs are written directly to the local cloud's store before it starts: a manifest and one fact each, which a
sweep does not read. Then the requests of sweeps through oss2 are counted. Run: .venv/bin/python -m bench.sweep_cost
"""

import json
import secrets
import statistics
import sys
import tempfile
import time
from collections import Counter
from datetime import datetime, timedelta, timezone
from pathlib import Path

from bench.requests_per_job import recording_context
from clipstitch.bootstrap import build_context
from clipstitch.common.clock import timestamp
from clipstitch.common.identifiers import ManifestRef, ObjectRef, day_of, job_id_of
from clipstitch.common.ports import AudioService, ObjectHeaders, TaskRunning
from clipstitch.usecases.submit import submit
from clipstitch.usecases.sweep import sweep
from localyun.oss.service import ObjectService
from localyun.server import LocalCloud
from tests.sounds import tone

ROOT = Path(__file__).resolve().parent.parent
BUCKET = "clipstitch"
OPEN_JOBS = 20
RUNS = 5
NOW = datetime.now(timezone.utc).replace(microsecond=0)


class PastClock:
    """A clock that always returns the same time in the past."""

    def __init__(self, before: timedelta) -> None:
        self._now = NOW - before

    def now(self) -> datetime:
        """Return the time."""
        return self._now

    def token(self, size: int = 16) -> str:
        """Return a random name of `2 * size` hexadecimal digits."""
        return secrets.token_hex(size)


def write_history(data: Path, count: int, before: timedelta) -> None:
    """Write closed jobs to the store of a local cloud that is not running."""
    clock = PastClock(before)
    store = ObjectService(data / "objects", clock)
    store.create_bucket(BUCKET)
    for number in range(count):
        ref = ObjectRef(BUCKET, f"manifests/{number // 1000:03}/{number:06}.json")
        stored = store.put(BUCKET, ref.key, b'{"version": 1, "n": %d}' % number)
        job_id = job_id_of(ManifestRef(ref, stored.etag), clock.now())
        fact = json.dumps({"at": timestamp(clock.now())}).encode()
        store.put(BUCKET, f"_clipstitch/jobs/{day_of(job_id)}/{job_id}/closed.succeeded.json", fact)
        if number % 10_000 == 9_999:
            print(f"  {number + 1:,} of {count:,} written", file=sys.stderr, flush=True)
    store.close()


def create_open_jobs(env: dict[str, str]) -> None:
    """Submit jobs whose tasks never finish."""
    cloud = build_context(env)
    cloud.objects.write(ObjectRef(BUCKET, "clips/a.wav"), tone(440, 200, 8000), ObjectHeaders())
    for number in range(OPEN_JOBS):
        ref = ObjectRef(BUCKET, f"bench/{number}.json")
        document = {"version": 1, "output": {"key": f"merged/{number}.mp3"}, "clips": ["clips/a.wav", "clips/a.wav"]}
        cloud.objects.write(ref, json.dumps(document).encode(), ObjectHeaders())
        settings = cloud.settings._replace(manifest_prefix="bench/")
        submit(ref, cloud._replace(settings=settings, audio=EndlessTasks(cloud.audio)))


class EndlessTasks:
    """An audio service whose tasks run forever."""

    def __init__(self, audio: AudioService) -> None:
        self.probe = audio.probe
        self._count = 0

    def start(self, main: ObjectRef, process: str) -> str:  # noqa: ARG002 - the signature of the port
        """Return a new task id without starting a task."""
        self._count += 1
        return f"MediaConvert-{self._count:08}"

    def task_outcome(self, task_id: str) -> TaskRunning:  # noqa: ARG002 - the signature of the port
        """Return that the task is running."""
        return TaskRunning()


def measure(env: dict[str, str]) -> tuple[int, str, float]:
    """Run several sweeps; return the number of requests, their kinds, and the median seconds."""
    seconds = []
    for _ in range(RUNS):
        cloud, requests = recording_context(env)
        start = time.perf_counter()
        sweep(cloud)
        seconds.append(time.perf_counter() - start)
    kinds = Counter(" ".join(line.split()[0:1] + (["list"] if "list-type" in line else [])) for line in requests)
    return (
        len(requests),
        ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())),
        statistics.median(seconds),
    )


def main() -> None:
    """Print a table; the largest history is the first command-line argument."""
    largest = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    long_ago, just_now = timedelta(days=3), timedelta(hours=2)
    cases = [(0, long_ago), (1000, long_ago), (largest, long_ago), (1000, just_now)]
    print("| closed jobs | age | open jobs | requests | kinds | seconds (median of 5) |")
    print("| --- | --- | --- | --- | --- | --- |")
    for count, before in cases:
        with tempfile.TemporaryDirectory() as folder:
            write_history(Path(folder), count, before)
            with LocalCloud(ROOT, data=Path(folder), variables={"CLIPSTITCH_GRACE_PERIOD_S": "0"}) as endpoints:
                env = {**endpoints.environment(), "CLIPSTITCH_COMPLETION_TOPIC": "clipstitch-completions"}
                env["CLIPSTITCH_GRACE_PERIOD_S"] = "0"
                for opened in (0, OPEN_JOBS):
                    if opened:
                        create_open_jobs(env)
                    requests, kinds, seconds = measure(env)
                    age = f"{before.days} days" if before.days else "2 hours"
                    print(f"| {count:,} | {age} | {opened} | {requests} | {kinds} | {seconds:.3f} |", flush=True)


if __name__ == "__main__":
    main()
