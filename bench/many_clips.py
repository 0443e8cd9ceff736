"""A merge of 121 clips on the local cloud, from upload to event, compared with one FFmpeg command for the same files.

The product runs 12 tasks, writes intermediate files and records its state; FFmpeg runs once. Prints medians and their
ratio. Run: .venv/bin/python -m bench.many_clips
"""

import json
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import imageio_ffmpeg
from mns.account import Account

from bench.join_speed import time_concat_filter
from clipstitch.bootstrap import build_context
from clipstitch.common.identifiers import ObjectRef
from clipstitch.common.ports import ObjectHeaders
from localyun.server import LocalCloud
from tests.sounds import encoded

ROOT = Path(__file__).resolve().parent.parent
CLIPS, CLIP_S, RUNS = 121, 5, 5


def main() -> None:
    """Measure both, interleaved, and print medians and their ratio."""
    bodies = {f"{n:03d}.mp3": encoded(200 + 5 * n, CLIP_S * 1000, "mp3") for n in range(CLIPS)}
    with tempfile.TemporaryDirectory() as name, LocalCloud(ROOT) as endpoints:
        folder, env = Path(name), endpoints.environment()
        for file, body in bodies.items():
            (folder / file).write_bytes(body)
        cloud = build_context({**env, "CLIPSTITCH_COMPLETION_TOPIC": "unused"})
        bucket = env["CLIPSTITCH_BUCKET"]
        with ThreadPoolExecutor(8) as pool:
            refs = [ObjectRef(bucket, f"c/{file}") for file in bodies]
            list(pool.map(lambda ref, body: cloud.objects.write(ref, body, ObjectHeaders()), refs, bodies.values()))
        account = Account(env["MNS_ENDPOINT"], env["OSS_ACCESS_KEY_ID"], env["OSS_ACCESS_KEY_SECRET"])
        queue = account.get_queue(env["CLIPSTITCH_EVENTS_QUEUE"])
        product_times, ffmpeg_times = [], []
        for run in range(RUNS):
            output = {"key": f"merged/{run}.mp3", "sample_rate": 44100, "channels": 1, "bitrate": 128000}
            document = {"version": 1, "output": output, "clips": [{"glob": "c/*.mp3"}]}
            start = time.perf_counter()
            cloud.objects.write(
                ObjectRef(bucket, f"manifests/{run}.json"), json.dumps(document).encode(), ObjectHeaders()
            )
            message = queue.receive_message_with_str_body(30)
            product_times.append(time.perf_counter() - start)
            queue.delete_message(message.receipt_handle)
            assert json.loads(message.message_body)["type"].endswith("succeeded")
            ffmpeg_times.append(time_concat_filter(imageio_ffmpeg.get_ffmpeg_exe(), folder, list(bodies), "mp3"))
    product, ffmpeg = statistics.median(product_times), statistics.median(ffmpeg_times)
    tasks = len(json.loads(message.message_body)["data"]["tasks"])
    print(
        f"{CLIPS} clips of {CLIP_S} s to mp3, {tasks} tasks: {product:.2f} s from upload to event "
        f"(first run {product_times[0]:.2f} s), one FFmpeg command {ffmpeg:.2f} s, "
        f"ratio {product / ffmpeg:.2f} ({RUNS} runs)"
    )


if __name__ == "__main__":
    main()
