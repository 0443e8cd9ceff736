"""Measure scenarios of the scale model and print a table, or JSON."""

import argparse
import json
import logging
import sys
from collections.abc import Iterator

from tests.simulation.scale.costs import Costs
from tests.simulation.scale.measure import ScaleReport, measure
from tests.simulation.scale.scenarios import SCENARIOS

_COLUMNS = (
    *("scenario", "jobs", "goal", "recovered by sweep", "sweeps", "killed", "raised"),
    *("requests", "seconds", "harmed", "functions killed", "left open"),
)


def main() -> int:
    """Return 1 if a goal was missed, else 0."""
    names = [scenario.name for scenario in SCENARIOS]
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.scale", description=__doc__)
    parser.add_argument("--jobs", type=int, default=1000, help="number of jobs (default: %(default)s)")
    parser.add_argument("--scenario", choices=[*names, "all"], default="all", help="which (default: %(default)s)")
    parser.add_argument("--in-small", action="store_true", help="300 jobs that take as long as 10,000")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON, one line for each scenario")
    options = parser.parse_args()
    logging.disable()
    costs = Costs.in_small() if options.in_small else Costs()
    missed = False
    if not options.json:
        _print(f"| {' | '.join(_COLUMNS)} |", "|" + " --- |" * len(_COLUMNS))
    for scenario in SCENARIOS:
        if options.scenario in (scenario.name, "all"):
            report = measure(scenario, options.jobs, costs)
            missed |= bool(report.failures)
            _print(json.dumps(report._asdict()) if options.json else f"| {' | '.join(_cells(report))} |")
    return int(missed)


def _cells(report: ScaleReport) -> Iterator[str]:
    for value in report:
        yield f"{value:,.0f}" if isinstance(value, int | float) else str(value if value is not None else "none")


def _print(*lines: str) -> None:
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
