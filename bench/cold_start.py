"""Cold start: a fresh interpreter that imports a function's handler, against one that imports oss2 as it comes.

Prints medians and the ratio of medians. Bytecode is present for both; runs are interleaved, so that a busy machine
slows both alike. Run: .venv/bin/python -m bench.cold_start
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
    "lean oss2 alone": "import sys; sys.path[:0] = ['shared']; import clipstitch.adapters.oss2_import",
    "functions/submit/index.py": HANDLER.format("submit"),
    "functions/complete/index.py": HANDLER.format("complete"),
}


def measure(code: str) -> float:
    """Return the milliseconds from start to exit."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
    return (time.perf_counter() - start) * 1000


def main() -> None:
    """Interleave the cases and print the table."""
    for code in CASES.values():
        measure(code)
    times = {name: [] for name in CASES}
    for _ in range(RUNS):
        for name, code in CASES.items():
            times[name].append(measure(code))
    against = statistics.median(times["import oss2"])
    print(
        f"{'':30}{'median ms':>10}{'min ms':>9}{'ratio to oss2':>15}   ({RUNS} runs, Python {sys.version.split()[0]})"
    )
    for name, taken in times.items():
        median = statistics.median(taken)
        print(f"{name:30}{median:10.0f}{min(taken):9.0f}{median / against:15.2f}")


if __name__ == "__main__":
    main()
