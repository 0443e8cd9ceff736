"""Simulate many seeds, replay one seed, or test that every mutant is detected."""

import argparse
import json
import os
import sys
import time

import clipstitch
from tests.simulation.campaign import Campaign, simulate
from tests.simulation.mutants import MUTANTS
from tests.simulation.mutation_testing import detect


def main() -> int:
    """Return 1 if there was a violation, or if a mutant was not detected; else 0."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--schedules", type=int, default=300, help="number of seeds (default: %(default)s)")
    parser.add_argument("--first", type=int, default=0, help="first seed (default: %(default)s)")
    parser.add_argument("--seed", type=int, help="replay one seed and print every call")
    parser.add_argument("--until-violation", action="store_true", help="stop after the first seed with a violation")
    parser.add_argument("--mutants", action="store_true", help="test that every mutant is detected")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON, without progress")
    options = parser.parse_args()
    _use_one_core()
    if options.seed is not None:
        return _replay(options.seed)
    if options.mutants:
        return _detect_mutants(options.schedules)
    return _run_campaign(options)


def _use_one_core() -> None:
    # Passing control from thread to thread is five times faster if both run on the same core.
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[os.getpid() % len(cores)]})


def _replay(seed: int) -> int:
    world, report = simulate(seed, keep_trace=True)
    _print(*(world.lines or ()), f"fault profile: {world.profile}", f"trace: {world.digest.hexdigest()}")
    _print(*(report.violations or ("no violation",)))
    return int(bool(report.violations))


def _detect_mutants(schedules: int) -> int:
    """Print one row of a Markdown table for each mutant."""
    undetected = 0
    for mutant in MUTANTS:
        detection = detect(mutant, schedules)
        undetected += not detection.schedules
        _print(f"| {mutant.name} | {detection.schedules or 'NOT DETECTED'} | {detection.violation[:110]} |")
    return int(bool(undetected))


def _run_campaign(options: argparse.Namespace) -> int:
    campaign, started = Campaign(), time.monotonic()

    def print_progress() -> None:
        if options.json or campaign.schedules % 200:
            return
        rate = campaign.schedules / (time.monotonic() - started)
        left_s = (options.schedules - campaign.schedules) / rate
        line = f"{campaign.schedules:,} of {options.schedules:,} schedules, {sum(campaign.faults.values()):,} faults"
        _print(f"{line}, {len(campaign.violations)} violations, {rate:.0f}/s, {left_s:.0f} s left")

    seeds = range(options.first, options.first + options.schedules)
    campaign.run(seeds, stop_at_first=options.until_violation, after=print_progress)
    if options.json:
        _print(json.dumps({**campaign.as_json(), "package": clipstitch.__file__}))
    else:
        _print(str(campaign), json.dumps(campaign.as_json(), indent=1))
    return int(bool(campaign.violations))


def _print(*lines: str) -> None:
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
