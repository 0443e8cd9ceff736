"""Weather on the real stack from the command line: a storm, kills, a calm, a judgement, and a table of figures."""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.faults.invariants import Findings, judge
from tests.faults.run import Course, Landfall, sail


def main() -> int:
    """Do what the arguments say; 1 when a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--manifests", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kills", type=int, default=10, help="how often the local cloud is killed, at least")
    parser.add_argument("--per-second", type=float, default=6.0, help="manifests uploaded a second")
    parser.add_argument("--severity", type=float, default=1.0, help="multiplies the chances of all faults")
    parser.add_argument("--keep", type=Path, help="an empty folder for the data and the log; default: a temporary one")
    options = parser.parse_args()
    course = Course(options.manifests, options.seed, options.kills, options.per_second, (5.0, 11.0), options.severity)
    with tempfile.TemporaryDirectory(prefix="clipstitch-weather-") as temporary:
        return _run(course, options.keep or Path(temporary))


def _run(course: Course, folder: Path) -> int:
    """Sail, judge, report."""
    folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()

    def say(line: str) -> None:
        _print(f"{time.monotonic() - began:6.1f} s  {line}")

    landfall = sail(course, folder, say)
    try:
        settled = time.monotonic()
        say(f"judging {len(landfall.uploads)} uploads")
        findings = judge(landfall)
        landfall.seconds["judging"] = time.monotonic() - settled
    finally:
        landfall.house.close()
    _print("", *table(landfall, findings), "", *findings.violations[:40])
    if findings.violations:
        _print(f"seed {landfall.course.seed}; --keep DIR keeps the data, and the logs of the cloud and its functions")
    return int(bool(findings.violations))


def table(landfall: Landfall, findings: Findings) -> Iterator[str]:
    """Write the figures."""
    house, counts = landfall.house, landfall.house.counts
    keys = {upload.manuscript.key for upload in landfall.uploads}
    states = ", ".join(f"{state} {number}" for state, number in findings.states.items())
    yield from _rows(
        ("figure", ""),
        ("---", "---"),
        ("manifests, versions uploaded", f"{len(keys)}, {len(landfall.uploads)}"),
        ("jobs", states),
        ("outputs and refusals found correct", findings.right),
        ("**lost**", f"**{findings.lost}**"),
        ("**doubled**", f"**{findings.doubled}**"),
        ("**violations**", f"**{len(findings.violations)}**"),
        *((f"known window: {what}", number) for what, number in findings.windows.items()),
        (
            "events received, of them repeats",
            f"{len(landfall.events)}, {len(landfall.events) - len(set(landfall.events))}",
        ),
        *((f"local cloud killed {how}", number) for how, number in landfall.kills.items()),
        ("children of killed clouds; the last ended after", f"{house.orphans}; {house.slowest_orphan_s:.2f} s"),
        *((f"{what}, s", f"{seconds:.0f}") for what, seconds in landfall.seconds.items()),
    )
    yield ""
    yield from _rows(("fault", "injected"), ("---", "---"), *counts.items(), ("all", sum(counts.values())))


def _rows(*rows: tuple[str, object]) -> Iterator[str]:
    """Write rows of a table."""
    yield from (f"| {name} | {value} |" for name, value in rows)


def _print(*lines: str) -> None:
    """Print."""
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
