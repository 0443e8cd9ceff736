"""The local cloud itself: how long it takes to be ready, and what its wire costs a small upload.

Ready: `LocalCloud.start()` until all faces answer, against an interpreter that only imports the server. Upload: 1 KB
through oss2, against the same bytes written and flushed to a file. Medians. Run: .venv/bin/python -m bench.local_cloud
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


def until_it_speaks(code: str) -> float:
    """Return the seconds from the start of an interpreter to its first line; it is ended then."""
    start = time.perf_counter()
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE) as child:
        assert child.stdout
        child.stdout.readline()
        took = time.perf_counter() - start
        child.terminate()
    return took


def to_file(folder: Path, body: bytes, number: int) -> float:
    """Return the seconds that a durable file takes."""
    start = time.perf_counter()
    with (folder / str(number)).open("wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    return time.perf_counter() - start


def main() -> None:
    """Interleave each pair, and print medians and ratios."""
    pairs = []
    for _ in range(STARTS):
        pairs.append((until_it_speaks(IMPORTS), until_it_speaks(READY)))
        time.sleep(1)  # the functions that were just being warmed up end
    imports, ready = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(f"ready after {ready:.2f} s, imports alone {imports:.2f} s, ratio {ready / imports:.2f} ({STARTS} runs)")
    with LocalCloud(ROOT) as endpoints, tempfile.TemporaryDirectory() as name:
        cloud = build_context({**endpoints.environment(), "CLIPSTITCH_COMPLETION_TOPIC": "unused"})
        body, pairs = os.urandom(1024), []
        for number in range(UPLOADS + 10):
            start = time.perf_counter()
            cloud.objects.write(ObjectRef("clipstitch", f"bench/{number}"), body, ObjectHeaders())
            pairs.append((time.perf_counter() - start, to_file(Path(name), body, number)))
        upload, file = (statistics.median(column) * 1000 for column in zip(*pairs[10:], strict=True))
        worst = sorted(upload for upload, _ in pairs[10:])[int(UPLOADS * 0.99)] * 1000
        print(
            f"upload of 1 KB {upload:.2f} ms (99 %: {worst:.2f} ms), a durable file {file:.2f} ms, "
            f"ratio {upload / file:.1f} ({UPLOADS} runs)"
        )


if __name__ == "__main__":
    main()
