"""Length error in samples for each output format, through one, two and three levels of the tree.

Expected: the sum of the pieces at the output's rate. Measured: the output decoded again. Containers that hide the
encoder's delay (AAC in ADTS, AC-3, AMR) show it here. Run: .venv/bin/python -m bench.lengths
"""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from clipstitch.bootstrap import build_context
from clipstitch.common.errors import ObjectNotFound
from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.ports import ObjectHeaders
from localyun.server import LocalCloud
from tests.sounds import pcm, wav

ROOT = Path(__file__).resolve().parent.parent
FORMATS = {"flac": 44100, "mp3": 44100, "oga": 44100, "opus": 48000, "aac": 44100, "ac3": 44100, "amr": 16000}
PIECES = (11, 33, 300)
PIECE_MS = 300


def wait_for(cloud, ref: ObjectRef) -> bytes:
    """Return an object as soon as it is there."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            return cloud.objects.read(ref).body
        except ObjectNotFound:
            time.sleep(0.05)
    raise TimeoutError(ref.uri)


def main() -> None:
    """Merge the pieces of one tone in every format at every depth."""
    print(f"{'':6}" + "".join(f"{pieces:>12} clips" for pieces in PIECES))
    with LocalCloud(ROOT) as endpoints:
        env = endpoints.environment()
        cloud, bucket = build_context({**env, "CLIPSTITCH_COMPLETION_TOPIC": "unused"}), env["CLIPSTITCH_BUCKET"]
        for form, rate in FORMATS.items():
            errors = []
            for pieces in PIECES:
                count = rate * PIECE_MS // 1000
                tone = (9000 * np.sin(2 * np.pi * 440 * np.arange(count * pieces) / rate)).astype("<i2")

                def put(n: int, rate=rate, tone=tone, count=count) -> None:
                    body = wav(tone[n * count : (n + 1) * count], rate)
                    cloud.objects.write(ObjectRef(bucket, f"{rate}/{n:04d}.wav"), body, ObjectHeaders())

                with ThreadPoolExecutor(8) as pool:
                    list(pool.map(put, range(pieces)))
                target = f"out/{pieces}.{form}"
                clips = [f"{rate}/{n:04d}.wav" for n in range(pieces)]
                document = {"version": 1, "output": {"key": target, "channels": 1}, "clips": clips}
                manifest = f"manifests/{form}-{pieces}.json"
                cloud.objects.write(ObjectRef(bucket, manifest), json.dumps(document).encode(), ObjectHeaders())
                wait_for(cloud, ObjectRef(bucket, f"results/{manifest}.json"))
                errors.append(len(pcm(cloud.objects.read(ObjectRef(bucket, target)).body, rate)) - len(tone))
            print(f"{form:6}" + "".join(f"{error:+18d}" for error in errors), flush=True)


if __name__ == "__main__":
    main()
