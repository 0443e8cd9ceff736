"""Submit with 1,331 clips: time and memory of one run of the function, with real oss2 requests on the local cloud.

The use case runs in a process of its own, as it would in a function of 60 s and 512 MB. Then the deployed system does
the same from upload to event. Run: .venv/bin/python -m bench.thousand
"""

import json
import os
import resource
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from clipstitch.bootstrap import build_context
from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.ports import ObjectHeaders
from clipstitch.usecases.submit import submit
from localyun.server import LocalCloud
from tests.sounds import tone

ROOT = Path(__file__).resolve().parent.parent
CLIPS = 1331


def child() -> None:
    """Submit the manifest, and say what it took."""
    start = time.perf_counter()
    job = submit(ObjectRef(os.environ["CLIPSTITCH_BUCKET"], "bench/m.json"), build_context(os.environ))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    took = f"{time.perf_counter() - start:.1f} s, peak {peak:.0f} MiB"
    print(f"submit of {len(job.plan.clips)} clips, {len(job.plan.steps)} steps: {took}")


def main() -> None:
    """Upload the clips, run the child, then the whole system."""
    with LocalCloud(ROOT) as endpoints:
        env = {**os.environ, **endpoints.environment(), "CLIPSTITCH_COMPLETION_TOPIC": "clipstitch-completions"}
        cloud, bucket = build_context(env), env["CLIPSTITCH_BUCKET"]

        def put(number: int) -> None:
            cloud.objects.write(ObjectRef(bucket, f"c/{number}.wav"), tone(200 + number, 60, 16000), ObjectHeaders())

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(put, range(CLIPS)))
        for prefix in ("bench", "manifests"):
            document = {"version": 1, "output": {"key": f"{prefix}-out.flac"}, "clips": [{"glob": "c/*.wav"}]}
            start = time.perf_counter()
            cloud.objects.write(ObjectRef(bucket, f"{prefix}/m.json"), json.dumps(document).encode(), ObjectHeaders())
            if prefix == "bench":
                alone = {**env, "CLIPSTITCH_MANIFEST_PREFIX": "bench/"}
                subprocess.run([sys.executable, "-m", "bench.thousand", "child"], env=alone, cwd=ROOT, check=True)
                time.sleep(20)  # its tasks end, and nobody waits for them
                continue
            while not list(cloud.objects.list(bucket, "results/manifests/")):
                time.sleep(0.1)
            print(f"upload to result, the same through the deployed functions: {time.perf_counter() - start:.1f} s")


if __name__ == "__main__":
    child() if sys.argv[1:] == ["child"] else main()
