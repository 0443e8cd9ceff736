"""Inject faults into a local cloud, kill it, let it recover, check the invariants and print a table of figures."""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.faults.invariants import Findings, check_invariants
from tests.faults.run import RunOptions, RunResult, run


def main() -> int:
    """Run as the arguments say. Return 1 if an invariant is violated, else 0."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--manifests", type=int, default=500, help="number of manifests")
    parser.add_argument("--seed", type=int, default=1, help="seed of the workload, the faults and the kills")
    parser.add_argument("--kills", type=int, default=10, help="minimum number of kills of the local cloud")
    parser.add_argument("--upload-rate", type=float, default=6.0, help="manifests uploaded per second")
    parser.add_argument("--fault-rate", type=float, default=1.0, help="factor for the probabilities of all faults")
    parser.add_argument("--keep", type=Path, help="empty folder for data and logs (default: a temporary folder)")
    given = parser.parse_args()
    options = RunOptions(given.manifests, given.seed, given.kills, given.upload_rate, (5.0, 11.0), given.fault_rate)
    with tempfile.TemporaryDirectory(prefix="clipstitch-faults-") as temporary:
        return _run(options, given.keep or Path(temporary))


def _run(options: RunOptions, folder: Path) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()

    def log(line: str) -> None:
        _print(f"{time.monotonic() - started:6.1f} s  {line}")

    result = run(options, folder, log)
    try:
        recovered = time.monotonic()
        log(f"checking {len(result.uploads)} uploads")
        findings = check_invariants(result)
        result.seconds["checks"] = time.monotonic() - recovered
    finally:
        result.cloud.close()
    _print("", *table(result, findings), "", *findings.violations[:40])
    if findings.violations:
        _print(f"seed {options.seed}; --keep DIR keeps the data and the logs of the local cloud and its functions")
    return int(bool(findings.violations))


def table(result: RunResult, findings: Findings) -> Iterator[str]:
    """Yield the lines of two Markdown tables: the figures of the run, and the injected faults by kind."""
    cloud, counts = result.cloud, result.cloud.fault_counts
    keys = {upload.manifest.key for upload in result.uploads}
    repeats = len(result.events) - len(set(result.events))
    yield from _rows(
        ("figure", "value"),
        ("---", "---"),
        ("manifests, uploaded versions", f"{len(keys)}, {len(result.uploads)}"),
        ("jobs", ", ".join(f"{state} {number}" for state, number in findings.states.items())),
        ("correct outputs and rejections", findings.correct),
        ("**lost**", f"**{findings.lost}**"),
        ("**duplicated**", f"**{findings.duplicated}**"),
        ("**violations**", f"**{len(findings.violations)}**"),
        *((f"documented race: {what}", number) for what, number in findings.races.items()),
        ("received events, repeats among them", f"{len(result.events)}, {repeats}"),
        *((f"kills of {what}", number) for what, number in result.kills.items()),
        ("child processes of killed local clouds, slowest exit", f"{cloud.orphans}, {cloud.slowest_orphan_s:.2f} s"),
        *((f"{what}, s", f"{seconds:.0f}") for what, seconds in result.seconds.items()),
    )
    yield ""
    yield from _rows(("fault", "injected"), ("---", "---"), *counts.items(), ("all", sum(counts.values())))


def _rows(*rows: tuple[str, object]) -> Iterator[str]:
    yield from (f"| {name} | {value} |" for name, value in rows)


def _print(*lines: str) -> None:
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
