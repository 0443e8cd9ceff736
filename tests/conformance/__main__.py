"""Run the vendor's suites for Go against the local cloud. Exit code 1: a test failed.

`--all` also runs what is left out, each test in a process of its own, since some panic.
"""

import argparse
import os
import shutil
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.conformance.go_suites import SUITES, Suite, build, left_out, run, tests_of
from tests.flow.reference_cloud import clipstitch_up


def check(suite: Suite, folder: Path, *, everything: bool) -> bool:
    """Run one suite and print the outcome; return True if all tests that ran have passed."""
    print(f"{suite.name}: building", flush=True)
    package, reasons = build(suite, folder), left_out()
    tests = [test for test in tests_of(suite, package) if everything or (suite.name, test) not in reasons]
    print(f"{suite.name}: running {len(tests)} tests", flush=True)
    started = time.monotonic()
    batches = [[test] for test in tests] if everything else [tests]
    with clipstitch_up() as variables:
        outcomes = [one for batch in batches for one in run(suite, package, batch, variables)]
    failed = [one for one in outcomes if one.failed]
    for one in failed:
        print(f"  {one.outcome} {one.test}")
    if failed:
        print((package / "log.txt").read_text("utf-8")[-6000:])
    passed = sum(one.outcome == "PASS" for one in outcomes)
    omitted = sum(name == suite.name for name, _ in reasons)
    seconds = time.monotonic() - started
    print(f"{suite.name}: {passed} of {len(tests)} passed in {seconds:.0f} s; {omitted} left out", flush=True)
    return not failed


def main() -> int:
    """Run all suites."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", action="store_true", help="also run the tests that are left out")
    parser.add_argument("--suite", help="part of the name of a suite; default: all")
    options = parser.parse_args()
    if not shutil.which("go"):
        print("The suites need Go on the PATH; install it, or leave this stage out.")
        return 1 if os.environ.get("CI") else 0
    good = True
    for suite in SUITES:
        if options.suite is None or options.suite in suite.name:
            with TemporaryDirectory() as folder:
                good &= check(suite, Path(folder), everything=options.all)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
