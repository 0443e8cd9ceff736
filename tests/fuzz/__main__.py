"""`python -m tests.fuzz --seconds 60`: hunt at every door, print how many inputs were tried, fail if one got in."""

import argparse
import sys

from tests.fuzz.doors import DOORS
from tests.fuzz.hunt import can_hunt, could_hunt, hunt


def main() -> int:
    """Hunt; 0 when nothing was caught."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="for all doors together")
    parser.add_argument("--door", choices=DOORS, action="append", help="only this one; may be repeated")
    parser.add_argument("--seed", type=int, default=0, help="libFuzzer's; 0 takes another one every time")
    wanted = parser.parse_args()
    if not can_hunt():
        why = "install it with make setup" if could_hunt() else "it has no wheel for this interpreter"
        sys.stdout.write(f"atheris is missing: {why}\n")
        return 1 if could_hunt() else 0
    doors = wanted.door or list(DOORS)
    each = max(1, wanted.seconds // len(doors))
    sys.stdout.write("| door | inputs | seconds |\n| --- | --- | --- |\n")
    caught = [door for door in doors if not _one(door, each, wanted.seed)]
    return 1 if caught else 0


def _one(door: str, seconds: int, seed: int) -> bool:
    """Hunt at one door, and say what came of it."""
    came = hunt(door, seconds, seed)
    sys.stdout.write(f"| {door} | {came.inputs:,} | {seconds} |\n")
    if came.caught:
        sys.stdout.write(f"\ncaught at {door}:\n{came.caught}\n\n{came.words}\n")
    sys.stdout.flush()
    return not came.caught


if __name__ == "__main__":
    sys.exit(main())
