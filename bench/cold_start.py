"""Cold start: a fresh interpreter that imports a function's handler, compared with one that imports unmodified oss2.

Prints medians and the median of the ratios of paired runs. Bytecode is compiled for both, as `build.py` compiles it.
Runs are interleaved, so that other load affects both equally. Run: .venv/bin/python -m bench.cold_start
"""

import os
import statistics
import subprocess
import sys
import tempfile
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


def measure(code: str, bytecode: str) -> float:
    """Return the milliseconds from start to exit of an interpreter, which keeps its bytecode in that folder."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = bytecode
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, env=environment)
    return (time.perf_counter() - start) * 1000


def main() -> None:
    """Measure all cases and print a table."""
    times: dict[str, list[float]] = {name: [] for name in CASES}
    with tempfile.TemporaryDirectory() as bytecode:
        for code in CASES.values():
            measure(code, bytecode)
        for _ in range(RUNS):
            for name, code in CASES.items():
                times[name].append(measure(code, bytecode))
    print(
        f"{'':30}{'median ms':>10}{'min ms':>9}{'ratio to oss2':>15}   ({RUNS} runs, Python {sys.version.split()[0]})"
    )
    baseline = times["import oss2"]
    for name, measured in times.items():
        ratio = statistics.median(each / oss2 for each, oss2 in zip(measured, baseline, strict=True))
        print(f"{name:30}{statistics.median(measured):10.0f}{min(measured):9.0f}{ratio:15.2f}")


if __name__ == "__main__":
    main()
