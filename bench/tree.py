"""A merge of 121 clips on the local cloud, from upload to event, against one FFmpeg command over the same 121 files.

The pipeline makes 12 tasks, intermediates and all the bookkeeping; FFmpeg makes one pass. Medians, and their ratio.
Run: .venv/bin/python -m bench.tree
"""

import json
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import imageio_ffmpeg
from mns.account import Account

from bench.join_speed import plain
from clipstitch.bootstrap import build_context
from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.ports import ObjectHeaders
from localyun.server import LocalCloud
from tests.sounds import encoded

ROOT = Path(__file__).resolve().parent.parent
CLIPS, SECONDS, RUNS = 121, 5, 5


def main() -> None:
    """Interleave both and print the ratio."""
    bodies = {f"{n:03d}.mp3": encoded(200 + 5 * n, SECONDS * 1000, "mp3") for n in range(CLIPS)}
    with tempfile.TemporaryDirectory() as name, LocalCloud(ROOT) as endpoints:
        folder, env = Path(name), endpoints.environment()
        for file, body in bodies.items():
            (folder / file).write_bytes(body)
        cloud = build_context({**env, "CLIPSTITCH_COMPLETION_TOPIC": "unused"})
        bucket = env["CLIPSTITCH_BUCKET"]
        with ThreadPoolExecutor(8) as pool:
            refs = [ObjectRef(bucket, f"c/{file}") for file in bodies]
            list(
                pool.map(
                    lambda pair: cloud.objects.write(*pair, ObjectHeaders()), zip(refs, bodies.values(), strict=True)
                )
            )
        account = Account(env["MNS_ENDPOINT"], env["OSS_ACCESS_KEY_ID"], env["OSS_ACCESS_KEY_SECRET"])
        queue = account.get_queue(env["CLIPSTITCH_EVENTS_QUEUE"])
        ours, theirs = [], []
        for run in range(RUNS):
            output = {"key": f"out/{run}.mp3", "sample_rate": 44100, "channels": 1, "bitrate": 128000}
            document = {"version": 1, "output": output, "clips": [{"glob": "c/*.mp3"}]}
            start = time.perf_counter()
            cloud.objects.write(
                ObjectRef(bucket, f"manifests/{run}.json"), json.dumps(document).encode(), ObjectHeaders()
            )
            message = queue.receive_message_with_str_body(30)
            ours.append(time.perf_counter() - start)
            queue.delete_message(message.receipt_handle)
            assert json.loads(message.message_body)["type"].endswith("succeeded")
            theirs.append(plain(imageio_ffmpeg.get_ffmpeg_exe(), folder, list(bodies), "mp3"))
    mine, other = statistics.median(ours), statistics.median(theirs)
    tasks = len(json.loads(message.message_body)["data"]["tasks"])
    print(
        f"{CLIPS} clips of {SECONDS} s to mp3, {tasks} tasks: {mine:.2f} s from upload to event (first {ours[0]:.2f}), "
        f"one FFmpeg command {other:.2f} s, ratio {mine / other:.2f} ({RUNS} runs)"
    )


if __name__ == "__main__":
    main()
