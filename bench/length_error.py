"""Length error in samples for each output format, with one, two and three levels of steps.

The error is the length of the decoded output minus the sum of the pieces, at the sample rate of the output. Containers
that do not store the encoder delay (AAC in ADTS, AC-3, AMR) include it. Run: .venv/bin/python -m bench.length_error
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
from clipstitch.usecases.context import Context
from localyun.server import LocalCloud
from tests.sounds import pcm, wav

ROOT = Path(__file__).resolve().parent.parent
FORMATS = {"flac": 44100, "mp3": 44100, "oga": 44100, "opus": 48000, "aac": 44100, "ac3": 44100, "amr": 16000}
PIECES = (11, 33, 300)
PIECE_MS = 300


def wait_for(cloud: Context, ref: ObjectRef) -> bytes:
    """Wait for an object, and return its body. Raises TimeoutError after 120 s."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            return cloud.objects.read(ref).body
        except ObjectNotFound:
            time.sleep(0.05)
    raise TimeoutError(ref.uri)


def measure(cloud: Context, bucket: str, extension: str, pieces: int) -> int:
    """Merge a tone that is cut into pieces, and return the length error of the output in samples."""
    rate = FORMATS[extension]
    count = rate * PIECE_MS // 1000
    tone = (9000 * np.sin(2 * np.pi * 440 * np.arange(count * pieces) / rate)).astype("<i2")
    clips = [f"{rate}/{number:04d}.wav" for number in range(pieces)]

    def put(number: int) -> None:
        body = wav(tone[number * count : (number + 1) * count], rate)
        cloud.objects.write(ObjectRef(bucket, clips[number]), body, ObjectHeaders())

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(put, range(pieces)))
    output, manifest = f"merged/{pieces}.{extension}", f"manifests/{extension}-{pieces}.json"
    document = {"version": 1, "output": {"key": output, "channels": 1}, "clips": clips}
    cloud.objects.write(ObjectRef(bucket, manifest), json.dumps(document).encode(), ObjectHeaders())
    wait_for(cloud, ObjectRef(bucket, f"results/{manifest}.json"))
    return len(pcm(cloud.objects.read(ObjectRef(bucket, output)).body, rate)) - len(tone)


def main() -> None:
    """Print the error of every format for every number of pieces."""
    print(f"{'':6}" + "".join(f"{pieces:>12} clips" for pieces in PIECES))
    with LocalCloud(ROOT) as endpoints:
        env = endpoints.environment()
        cloud, bucket = build_context({**env, "CLIPSTITCH_COMPLETION_TOPIC": "unused"}), env["CLIPSTITCH_BUCKET"]
        for extension in FORMATS:
            errors = [measure(cloud, bucket, extension, pieces) for pieces in PIECES]
            print(f"{extension:6}" + "".join(f"{error:+18d}" for error in errors), flush=True)


if __name__ == "__main__":
    main()
