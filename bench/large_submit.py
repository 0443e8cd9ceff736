"""Submit a manifest of 1,331 clips: time and memory, with oss2 requests on the local cloud.

The use case runs in a separate process; its time and memory are compared with the limits of the function, 60 s and
512 MiB. Then the deployed functions run the same job. Run: .venv/bin/python -m bench.large_submit
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
LIMIT_S, LIMIT_MIB = 60, 512  # of the function in s.yaml


def child() -> None:
    """Submit the manifest in this process, and print time and memory with their ratios to the limits."""
    start = time.perf_counter()
    job = submit(ObjectRef(os.environ["CLIPSTITCH_BUCKET"], "bench/m.json"), build_context(os.environ))
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    assert job
    assert job.plan
    print(
        f"submit of {len(job.plan.clips)} clips, {len(job.plan.steps)} steps: {seconds:.1f} s, peak {peak:.0f} MiB; "
        f"ratio to the limits: {seconds / LIMIT_S:.2f} of the time, {peak / LIMIT_MIB:.2f} of the memory"
    )


def main() -> None:
    """Upload the clips, run submit in a child process, and then run the job with the deployed functions."""
    with LocalCloud(ROOT) as endpoints:
        env = {**os.environ, **endpoints.environment(), "CLIPSTITCH_COMPLETION_TOPIC": "clipstitch-completions"}
        cloud, bucket = build_context(env), env["CLIPSTITCH_BUCKET"]

        def put(number: int) -> None:
            cloud.objects.write(ObjectRef(bucket, f"c/{number}.wav"), tone(200 + number, 60, 16000), ObjectHeaders())

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(put, range(CLIPS)))
        for prefix in ("bench", "manifests"):
            document = {"version": 1, "output": {"key": f"merged/{prefix}-out.flac"}, "clips": [{"glob": "c/*.wav"}]}
            start = time.perf_counter()
            cloud.objects.write(ObjectRef(bucket, f"{prefix}/m.json"), json.dumps(document).encode(), ObjectHeaders())
            if prefix == "bench":
                child_env = {**env, "CLIPSTITCH_MANIFEST_PREFIX": "bench/"}
                subprocess.run(
                    [sys.executable, "-m", "bench.large_submit", "child"], env=child_env, cwd=ROOT, check=True
                )
                time.sleep(20)  # let its tasks end before the next measurement
                continue
            while not list(cloud.objects.list(bucket, "results/manifests/")):
                time.sleep(0.1)
            print(f"upload to result with the deployed functions: {time.perf_counter() - start:.1f} s")


if __name__ == "__main__":
    child() if sys.argv[1:] == ["child"] else main()
