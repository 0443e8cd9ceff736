"""Run the vendor's suites for Go against the local cloud. Exit code 1: a test failed.

Most tests wait most of the time, so several processes run at once, each with a local cloud of its own.
`--all` also runs what is left out, each test in a process of its own, since some panic. Exit code 1: one passed.
"""

import argparse
import os
import shutil
import sys
import time
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.conformance.go_suites import SUITES, Outcome, Suite, build, run, tests_of, timed_by_the_second
from tests.conformance.left_out import LeftOut, faults, in_scope, left_out

PROCESSES = 6  # of each suite


class Check:
    """One suite: its tests, which run in the background, and what is wrong with their outcomes."""

    def __init__(self, suite: Suite, folder: Path, pool: ThreadPoolExecutor, *, everything: bool) -> None:
        print(f"{suite.name}: building", flush=True)
        package = build(suite, folder)
        self.suite, self.tests, self.reasons = suite, tests_of(suite, package), left_out(suite.name)
        expected = [test for test in self.tests if test not in self.reasons]
        apart = timed_by_the_second(suite, package)
        dealt = [test for test in expected if test not in apart]
        groups = [dealt[first::PROCESSES] for first in range(PROCESSES)]  # neighbours wait for similar times
        groups[0] += [test for test in expected if test in apart]
        groups += [[test] for test in self.tests if everything and test in self.reasons]
        print(f"{suite.name}: running {sum(map(len, groups))} of {len(self.tests)} tests", flush=True)
        self._running: list[Future[list[Outcome]]] = [pool.submit(run, suite, package, group) for group in groups]

    def finish(self) -> bool:
        """Wait, print the outcomes, and return True if all is as left_out.tsv says."""
        outcomes = [one for batch in self._running for one in batch.result()]
        surprising = [one for one in outcomes if one.passed == (one.test in self.reasons)]
        wrong = faults(self.suite.name, self.tests) + [_described(one, self.reasons) for one in surprising]
        print("".join(f"  {line}\n" for line in wrong), end="")
        scope = in_scope(self.reasons, self.tests)
        passed = sum(one.passed for one in outcomes)
        share = f"{passed} of {len(scope)} tests in scope passed ({passed / len(scope):.1%})"
        print(f"{self.suite.name}: {share}; {len(self.tests) - len(scope)} of {len(self.tests)} are out of scope")
        for kind, count in sorted(Counter(reason.partition(":")[0] for reason in self.reasons.values()).items()):
            print(f"  {count:3} {kind}", flush=True)
        return not wrong


def _described(one: Outcome, reasons: LeftOut) -> str:
    """Return what is wrong with an outcome, and the end of its log."""
    if one.test in reasons:
        return f"{one.test} passes; left_out.tsv says: {reasons[one.test]}"
    return f"{one.outcome} {one.test}\n{one.log}"


def main() -> int:
    """Run all suites."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", action="store_true", help="also run the tests that are left out")
    parser.add_argument("--suite", default="", help="part of the name of a suite; default: all")
    options = parser.parse_args()
    if not shutil.which("go"):
        print("The suites need Go on the PATH; install it, or leave this stage out.")
        return 1 if os.environ.get("CI") else 0
    started = time.monotonic()
    with TemporaryDirectory() as folder, ThreadPoolExecutor(PROCESSES * len(SUITES)) as pool:
        suites = [suite for suite in SUITES if options.suite in suite.name]
        checks = [Check(suite, Path(folder, suite.name), pool, everything=options.all) for suite in suites]
        good = [check.finish() for check in checks]
    print(f"{time.monotonic() - started:.0f} s")
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
