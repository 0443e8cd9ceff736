"""Cold start: a fresh interpreter that imports a function's handler, compared with one that imports unmodified oss2.

Prints medians and the ratio of medians. Bytecode is compiled for both. Runs are interleaved, so that other load affects
both equally. Run: .venv/bin/python -m bench.cold_start
"""

import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RUNS = 31
HANDLER = "import sys; sys.path[:0] = ['functions/{0}', 'shared']; import index"
CASES = {
    "empty interpreter": "pass",
    "import oss2": "import oss2",
    "reduced oss2": "import sys; sys.path[:0] = ['shared']; import clipstitch.adapters.oss2_import",
    "functions/submit/index.py": HANDLER.format("submit"),
    "functions/complete/index.py": HANDLER.format("complete"),
}


def measure(code: str) -> float:
    """Return the milliseconds from start to exit of an interpreter."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
    return (time.perf_counter() - start) * 1000


def main() -> None:
    """Measure all cases and print a table."""
    for code in CASES.values():
        measure(code)
    times: dict[str, list[float]] = {name: [] for name in CASES}
    for _ in range(RUNS):
        for name, code in CASES.items():
            times[name].append(measure(code))
    baseline = statistics.median(times["import oss2"])
    print(
        f"{'':30}{'median ms':>10}{'min ms':>9}{'ratio to oss2':>15}   ({RUNS} runs, Python {sys.version.split()[0]})"
    )
    for name, measured in times.items():
        median = statistics.median(measured)
        print(f"{name:30}{median:10.0f}{min(measured):9.0f}{median / baseline:15.2f}")


if __name__ == "__main__":
    main()
