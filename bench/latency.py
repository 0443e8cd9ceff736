"""Upload of a manifest to its event in the queue: five short clips, local cloud warm. Median and worst of 50.

Also how long an uploaded manifest takes to be in its submit function. Run: .venv/bin/python -m bench.latency
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


def clip(index: int, form: str) -> bytes:
    """Make a short clip in a format."""
    return tone(300 + 100 * index, 1000) if form == "wav" else encoded(300 + 100 * index, 1000, form)


NOTING = """import time
from pathlib import Path


def handler(event, context):
    Path(__file__).with_name("seen").write_text(str(time.time_ns()))
"""


def into_submit() -> None:
    """Time an upload until the submit function runs: one that only notes the time, in the place of ours."""
    with tempfile.TemporaryDirectory() as name:
        project = Path(name)
        for file in ("s.yaml", "template.yml"):
            shutil.copy(ROOT / file, project)
        shutil.copytree(ROOT / "functions", project / "functions")
        (project / "shared").mkdir()
        for function in ("submit", "complete", "sweep"):
            (project / "functions" / function / "index.py").write_text(NOTING)
        seen = project / "functions" / "submit" / "seen"
        with LocalCloud(project) as endpoints:
            env = endpoints.environment()
            cloud = build_context({**env, "CLIPSTITCH_COMPLETION_TOPIC": "unused"})
            taken = []
            for run in range(RUNS + 1):
                start = time.time_ns()
                cloud.objects.write(
                    ObjectRef(env["CLIPSTITCH_BUCKET"], f"manifests/{run}.json"), b"{}", ObjectHeaders()
                )
                while not (seen.exists() and seen.read_text()):
                    time.sleep(0.0005)
                taken.append((int(seen.read_text()) - start) / 1e6)
                seen.unlink()
    warm = taken[1:]
    print(
        f"upload to running in submit, {RUNS} runs: median {statistics.median(warm):.1f} ms, worst {max(warm):.1f} ms"
    )


def main() -> None:
    """Drop manifests one after the other and wait for each one's event."""
    into_submit()
    with LocalCloud(ROOT) as endpoints:
        env = endpoints.environment()
        cloud = build_context({**env, "CLIPSTITCH_COMPLETION_TOPIC": "unused"})
        bucket = env["CLIPSTITCH_BUCKET"]
        queue = Account(env["MNS_ENDPOINT"], env["OSS_ACCESS_KEY_ID"], env["OSS_ACCESS_KEY_SECRET"]).get_queue(
            env["CLIPSTITCH_EVENTS_QUEUE"]
        )
        keys = [f"clips/{index}.{form}" for index, form in enumerate(FORMATS)]
        for index, (key, form) in enumerate(zip(keys, FORMATS, strict=True)):
            cloud.objects.write(ObjectRef(bucket, key), clip(index, form), ObjectHeaders())
        taken = []
        for run in range(RUNS + 1):
            document = {"version": 1, "output": {"key": f"out/{run}.aac", "bitrate": 96000}, "clips": keys}
            start = time.perf_counter()
            cloud.objects.write(
                ObjectRef(bucket, f"manifests/{run}.json"), json.dumps(document).encode(), ObjectHeaders()
            )
            message = queue.receive_message_with_str_body(30)
            taken.append((time.perf_counter() - start) * 1000)
            queue.delete_message(message.receipt_handle)
            assert f"manifests/{run}.json" in message.message_body
        warm = taken[1:]
        print(
            f"upload to event, {len(FORMATS)} clips, {RUNS} runs: median {statistics.median(warm):.0f} ms, "
            f"worst {max(warm):.0f} ms (first of all: {taken[0]:.0f} ms)"
        )


if __name__ == "__main__":
    main()
