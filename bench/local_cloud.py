"""The local cloud: start-up time, and the overhead of HTTP for a small upload.

Start-up: `LocalCloud.start()` until all endpoints respond, compared with an interpreter that only imports the server.
Upload: 1 KB through oss2, compared with writing and syncing the same bytes to a file. Prints medians and their ratio.
Run: .venv/bin/python -m bench.local_cloud
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from clipstitch.bootstrap import build_context
from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.ports import ObjectHeaders
from localyun.server import LocalCloud

ROOT = Path(__file__).resolve().parent.parent
STARTS, UPLOADS = 11, 300
READY = """
from pathlib import Path
from localyun.server import LocalCloud
cloud = LocalCloud(Path())
cloud.start()
print("ready", flush=True)
"""
IMPORTS = "import localyun.server; print(1, flush=True)"


def time_to_first_line(code: str) -> float:
    """Return the seconds from the start of an interpreter to its first line of output; then terminate it."""
    start = time.perf_counter()
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE) as child:
        assert child.stdout
        child.stdout.readline()
        elapsed = time.perf_counter() - start
        child.terminate()
    return elapsed


def time_file(folder: Path, body: bytes, number: int) -> float:
    """Return the seconds for writing and syncing a file."""
    start = time.perf_counter()
    with (folder / str(number)).open("wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    return time.perf_counter() - start


def main() -> None:
    """Measure both pairs, interleaved, and print medians and ratios."""
    pairs = []
    for _ in range(STARTS):
        pairs.append((time_to_first_line(IMPORTS), time_to_first_line(READY)))
        time.sleep(1)  # let the function processes of the terminated local cloud end
    imports, ready = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(f"ready after {ready:.2f} s, imports only {imports:.2f} s, ratio {ready / imports:.2f} ({STARTS} runs)")
    with LocalCloud(ROOT) as endpoints, tempfile.TemporaryDirectory() as name:
        cloud = build_context({**endpoints.environment(), "CLIPSTITCH_COMPLETION_TOPIC": "unused"})
        body, pairs = os.urandom(1024), []
        for number in range(UPLOADS + 10):
            start = time.perf_counter()
            cloud.objects.write(ObjectRef("clipstitch", f"bench/{number}"), body, ObjectHeaders())
            pairs.append((time.perf_counter() - start, time_file(Path(name), body, number)))
        upload, file = (statistics.median(column) * 1000 for column in zip(*pairs[10:], strict=True))
        percentile_99 = sorted(upload for upload, _ in pairs[10:])[int(UPLOADS * 0.99)] * 1000
        print(
            f"upload of 1 KB {upload:.2f} ms (99 %: {percentile_99:.2f} ms), a synced file {file:.2f} ms, "
            f"ratio {upload / file:.1f} ({UPLOADS} runs)"
        )


if __name__ == "__main__":
    main()
