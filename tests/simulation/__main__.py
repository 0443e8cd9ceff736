"""The simulation from the command line: soak, replay of a seed, and the hunt for planted mistakes."""

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
    """Do what the arguments say; 1 when something was violated, or a mutant lived."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--schedules", type=int, default=300, help="how many seeds")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--seed", type=int, help="replay one seed, and print every call")
    parser.add_argument("--until-violation", action="store_true", help="stop at the first violation")
    parser.add_argument("--mutations", action="store_true", help="plant every mutant in turn, and hunt it")
    parser.add_argument("--json", action="store_true", help="print figures as JSON, and no progress")
    options = parser.parse_args()
    _stay_on_one_core()
    if options.seed is not None:
        return _replay(options.seed)
    if options.mutations:
        return _hunt_all(options.schedules)
    return _soak(options)


def _stay_on_one_core() -> None:
    """Handing the baton from thread to thread is five times faster where both run on the same core."""
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[os.getpid() % len(cores)]})


def _replay(seed: int) -> int:
    """Print everything that happens in one seed."""
    world, finding = simulate(seed, keep_trace=True)
    _say(*(world.lines or ()), f"weather: {world.weather}", f"trace: {world.digest.hexdigest()}")
    _say(*(finding.violations or ("no violation",)))
    return int(bool(finding.violations))


def _hunt_all(schedules: int) -> int:
    """Print a line of a table for every mutant."""
    lived = 0
    for mutant in MUTANTS:
        catch = detect(mutant, schedules)
        lived += not catch.schedules
        _say(f"| {mutant.name} | {catch.schedules or 'LIVES'} | {catch.noticed[:110]} |")
    return int(bool(lived))


def _soak(options: argparse.Namespace) -> int:
    """Simulate many seeds, with a line that says how far it is."""
    campaign, began = Campaign(), time.monotonic()

    def progress() -> None:
        if options.json or campaign.schedules % 200:
            return
        rate = campaign.schedules / (time.monotonic() - began)
        left = (options.schedules - campaign.schedules) / rate
        line = f"{campaign.schedules:,} of {options.schedules:,} schedules, {sum(campaign.faults.values()):,} faults"
        _say(f"{line}, {len(campaign.violations)} violations, {rate:.0f}/s, {left:.0f} s left")

    seeds = range(options.first, options.first + options.schedules)
    campaign.run(seeds, stop_at_first=options.until_violation, after=progress)
    if options.json:
        _say(json.dumps({**campaign.as_json(), "package": clipstitch.__file__}))
    else:
        _say(str(campaign), json.dumps(campaign.as_json(), indent=1))
    return int(bool(campaign.violations))


def _say(*lines: str) -> None:
    """Print."""
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
