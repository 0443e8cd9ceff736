"""The planner alone: time and memory for 10 to 2,000 clips. The goal is linear time, below 50 ms for 1,000 clips.

Prints medians of several runs, and the ratio of the time per clip to that for 100 clips.
Run: .venv/bin/python -m bench.planner
"""

import statistics
import time
import tracemalloc

from clipstitch.common.audio_formats import FORMATS
from clipstitch.common.identifiers import ManifestRef, ObjectRef
from clipstitch.common.ports import Probe
from clipstitch.manifest.model import Clip, Manifest, Output
from clipstitch.planning.plan import PlanningContext
from clipstitch.planning.planner import make_plan

SIZES = (10, 100, 1000, 2000)
RUNS = 15
CONTEXT = PlanningContext(
    "20260102T030405Z-0123456789ab",
    ManifestRef(ObjectRef("acme", "manifests/a.json"), "E"),
    "_clipstitch/",
    "completions",
    ("events",),
)


def case(size: int) -> tuple[Manifest, dict[ObjectRef, Probe]]:
    """Return a manifest with gaps, chapters and every other clip trimmed, and the probes of its clips."""
    clips = tuple(Clip(f"chapters/{n:04d}.mp3", start_ms=500 * (n % 2)) for n in range(size))
    output = Output(ObjectRef("acme", "book.mp3"), FORMATS["mp3"], bitrate=128000)
    probes = {ObjectRef("acme", clip.key): Probe(61.234567, 44100, 2, 128000) for clip in clips}
    return Manifest(output, clips, gap_ms=500, chapters=True), probes


def main() -> None:
    """Measure every size and print its line."""
    medians: dict[int, float] = {}
    for size in SIZES:
        manifest, probes = case(size)
        times = []
        for _ in range(RUNS):
            start = time.perf_counter()
            plan = make_plan(manifest, probes, CONTEXT)
            times.append((time.perf_counter() - start) * 1000)
        tracemalloc.start()
        traced = make_plan(manifest, probes, CONTEXT)
        peak = tracemalloc.get_traced_memory()[1] / 1024
        tracemalloc.stop()
        medians[size] = statistics.median(times)
        per_clip = medians[size] / size / (medians[100] / 100) if 100 in medians else float("nan")
        print(
            f"{size:5} clips with gaps: {medians[size]:7.2f} ms, peak {peak:7.0f} KiB, {len(plan.steps):4} steps, "
            f"{traced.levels} levels, time per clip {per_clip:.2f} of that for 100"
        )


if __name__ == "__main__":
    main()
