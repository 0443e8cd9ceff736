"""Latency from the upload of a manifest to its event in the queue, and to the start of its submit function.

Five short clips on a warm local cloud, 50 runs each. Prints median and maximum, and the ratio of both.
Run: .venv/bin/python -m bench.latency
"""

import json
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from mns.account import Account

from clipstitch.bootstrap import build_context
from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.ports import ObjectHeaders
from localyun.server import LocalCloud
from tests.sounds import encoded, tone

ROOT = Path(__file__).resolve().parent.parent
RUNS = 50
FORMATS = ("mp3", "wav", "oga", "aac", "wma")


def clip(index: int, extension: str) -> bytes:
    """Return a clip of one second in a format."""
    return tone(300 + 100 * index, 1000) if extension == "wav" else encoded(300 + 100 * index, 1000, extension)


RECORD_TIME = """import time
from pathlib import Path


def handler(event, context):
    Path(__file__).with_name("started").write_text(str(time.time_ns()))
"""


def summary(times: list[float]) -> str:
    """Return median, maximum and their ratio, without the first run."""
    median, maximum = statistics.median(times[1:]), max(times[1:])
    return f"{RUNS} runs: median {median:.1f} ms, maximum {maximum:.1f} ms, ratio {maximum / median:.1f}"


def measure_start_of_submit() -> None:
    """Print the latency from an upload to the start of the submit function.

    The functions are replaced by one that only records the time.
    """
    with tempfile.TemporaryDirectory() as name:
        project = Path(name)
        for file in ("s.yaml", "template.yml"):
            shutil.copy(ROOT / file, project)
        shutil.copytree(ROOT / "functions", project / "functions")
        (project / "shared").mkdir()
        for function in ("submit", "complete", "sweep"):
            (project / "functions" / function / "index.py").write_text(RECORD_TIME)
        started = project / "functions" / "submit" / "started"
        with LocalCloud(project) as endpoints:
            env = endpoints.environment()
            cloud = build_context({**env, "CLIPSTITCH_COMPLETION_TOPIC": "unused"})
            times = []
            for run in range(RUNS + 1):
                start = time.time_ns()
                cloud.objects.write(
                    ObjectRef(env["CLIPSTITCH_BUCKET"], f"manifests/{run}.json"), b"{}", ObjectHeaders()
                )
                while not (started.exists() and started.read_text()):
                    time.sleep(0.0005)
                times.append((int(started.read_text()) - start) / 1e6)
                started.unlink()
    print(f"upload to start of submit, {summary(times)}")


def measure_event() -> None:
    """Print the latency from an upload to its event; manifests are uploaded one after the other."""
    with LocalCloud(ROOT) as endpoints:
        env = endpoints.environment()
        cloud = build_context({**env, "CLIPSTITCH_COMPLETION_TOPIC": "unused"})
        bucket = env["CLIPSTITCH_BUCKET"]
        queue = Account(env["MNS_ENDPOINT"], env["OSS_ACCESS_KEY_ID"], env["OSS_ACCESS_KEY_SECRET"]).get_queue(
            env["CLIPSTITCH_EVENTS_QUEUE"]
        )
        keys = [f"clips/{index}.{extension}" for index, extension in enumerate(FORMATS)]
        for index, (key, extension) in enumerate(zip(keys, FORMATS, strict=True)):
            cloud.objects.write(ObjectRef(bucket, key), clip(index, extension), ObjectHeaders())
        times = []
        for run in range(RUNS + 1):
            document = {"version": 1, "output": {"key": f"merged/{run}.aac", "bitrate": 96000}, "clips": keys}
            start = time.perf_counter()
            cloud.objects.write(
                ObjectRef(bucket, f"manifests/{run}.json"), json.dumps(document).encode(), ObjectHeaders()
            )
            message = queue.receive_message_with_str_body(30)
            times.append((time.perf_counter() - start) * 1000)
            queue.delete_message(message.receipt_handle)
            assert f"manifests/{run}.json" in message.message_body
        print(f"upload to event, {len(FORMATS)} clips, {summary(times)} (first run: {times[0]:.1f} ms)")


def main() -> None:
    """Measure both latencies."""
    measure_start_of_submit()
    measure_event()


if __name__ == "__main__":
    main()
