"""Fuzz every entry point and print the number of inputs; fail if one of them raises an unexpected exception."""

import argparse
import sys

from tests.fuzz.entry_points import ENTRY_POINTS
from tests.fuzz.fuzz_run import fuzz, is_installed, is_supported


def main() -> int:
    """Run as the arguments say. Return 0 if no input failed, else 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="duration, shared by all entry points")
    parser.add_argument(
        "--entry-point", choices=ENTRY_POINTS, action="append", help="fuzz this one only; may be repeated"
    )
    parser.add_argument("--seed", type=int, default=0, help="libFuzzer's seed; 0 is a random one")
    given = parser.parse_args()
    if not is_installed():
        reason = "install it with make setup" if is_supported() else "it has no wheel for this interpreter"
        sys.stdout.write(f"atheris is missing: {reason}\n")
        return 1 if is_supported() else 0
    names = given.entry_point or list(ENTRY_POINTS)
    seconds = max(1, given.seconds // len(names))
    sys.stdout.write("| entry point | inputs | seconds |\n| --- | --- | --- |\n")
    failed = [name for name in names if not _fuzz_one(name, seconds, given.seed)]
    return 1 if failed else 0


def _fuzz_one(name: str, seconds: int, seed: int) -> bool:
    """Fuzz one entry point and print its row. Return True if no input failed."""
    result = fuzz(name, seconds, seed)
    sys.stdout.write(f"| {name} | {result.inputs:,} | {seconds} |\n")
    if result.failing_input:
        sys.stdout.write(f"\nfailing input of {name}:\n{result.failing_input}\n\n{result.output}\n")
    sys.stdout.flush()
    return not result.failing_input


if __name__ == "__main__":
    sys.exit(main())
