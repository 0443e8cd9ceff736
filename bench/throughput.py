"""Throughput: manifests of five clips of 300 ms, dropped at once on the local cloud, until the last event is received.

Prints seconds, jobs per second, and the ratio to the wanted 12 jobs per second; also the processor time per job of
everything, function instances and FFmpeg included, which depends less on what else the machine does.
Run: .venv/bin/python -m bench.throughput [MANIFESTS]
"""

import json
import resource
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mns.account import Account
from mns.mns_exception import MNSExceptionBase
from mns.queue import Queue

from clipstitch.bootstrap import build_context
from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.ports import ObjectHeaders
from clipstitch.usecases.context import Context
from localyun.server import LocalCloud
from tests.sounds import encoded

ROOT = Path(__file__).resolve().parent.parent
MANIFESTS, CLIPS, RUNS, UPLOADERS, WANTED = 200, 5, 3, 4, 12.0
BATCH, WAIT_S, LIMIT_S = 16, 5, 600


def upload(number: int, context: Context) -> None:
    """Upload the number-th manifest."""
    bucket = context.settings.bucket
    clips = [f"clips/{index}.mp3" for index in range(CLIPS)]
    body = json.dumps({"version": 1, "output": {"key": f"merged/{number}.mp3"}, "clips": clips}).encode()
    context.objects.write(ObjectRef(bucket, f"manifests/{number}.json"), body, ObjectHeaders())


def receive_events(queue: Queue, count: int) -> list[str]:
    """Return the states of so many different jobs, as their events arrive. Raises TimeoutError."""
    states: dict[str, str] = {}
    end = time.monotonic() + LIMIT_S
    while len(states) < count:
        if time.monotonic() > end:
            raise TimeoutError(f"{len(states)} of {count} events after {LIMIT_S} s")
        try:
            messages = queue.batch_receive_message(BATCH, WAIT_S)
        except MNSExceptionBase:  # none within WAIT_S
            continue
        queue.batch_delete_message([message.receipt_handle for message in messages])
        events = [json.loads(message.message_body)["data"] for message in messages]
        states |= {event["job"]: event["state"] for event in events}
    return list(states.values())


def processor_time() -> float:
    """Return the processor time in s of this process and of its children that have ended."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def measure(count: int) -> tuple[float, float]:
    """Return the seconds from the first upload until the last event, with warm functions, and the processor time."""
    before = processor_time()
    seconds = run(count)
    return seconds, processor_time() - before


def run(count: int) -> float:
    """Run the jobs on a local cloud of their own, and return the seconds that they took."""
    with LocalCloud(ROOT) as endpoints:
        env = endpoints.environment()
        context = build_context({**env, "CLIPSTITCH_COMPLETION_TOPIC": "unused"})
        account = Account(env["MNS_ENDPOINT"], env["OSS_ACCESS_KEY_ID"], env["OSS_ACCESS_KEY_SECRET"])
        queue = account.get_queue(env["CLIPSTITCH_EVENTS_QUEUE"])
        for index in range(CLIPS):
            clip = encoded(300 + 100 * index, 300, "mp3")
            context.objects.write(ObjectRef(env["CLIPSTITCH_BUCKET"], f"clips/{index}.mp3"), clip, ObjectHeaders())
        upload(count, context)
        receive_events(queue, 1)
        start = time.perf_counter()
        with ThreadPoolExecutor(UPLOADERS) as pool:
            list(pool.map(lambda number: upload(number, context), range(count)))
        states = receive_events(queue, count)
        assert states == ["succeeded"] * count, f"a job did not succeed: {states}"
        return time.perf_counter() - start


def main() -> None:
    """Print every run and the median; the number of manifests is the first command-line argument."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else MANIFESTS
    runs = [measure(count) for _ in range(RUNS)]
    listed = ", ".join(f"{seconds:.1f} s ({count / seconds:.1f} jobs/s)" for seconds, _ in runs)
    rate = count / statistics.median(seconds for seconds, _ in runs)
    print(f"{count} manifests of {CLIPS} clips: {listed}; median {rate:.1f} jobs/s, {rate / WANTED:.2f} of {WANTED}")
    used = statistics.median(used for _, used in runs)
    print(f"processor time per job, with start and end of the cloud: {used / count * 1000:.0f} ms")


if __name__ == "__main__":
    main()
