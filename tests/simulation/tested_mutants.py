"""Mutants that a fast test must detect: defects of adapters, of bookkeeping and of single rules.

The simulation does not see them: it has no SDKs and no HTTP, or needs too many schedules. Each mutant names the test
module that fails with it. Run: python -m tests.simulation.tested_mutants
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from tests.simulation.mutants import COMPLETE, DECIDE, PUBLISH, STORE, SWEEP, Mutant
from tests.simulation.mutation_testing import ROOT, apply_mutant

OSS = "adapters/oss.py"
_USE_CASES, _ADAPTERS = "tests/unit/usecases/", "tests/unit/adapters/"
FAILURES = "short test summary info"  # what pytest prints if tests failed, and only then


_RUN = """
import sys, clipstitch, pytest
sys.exit(pytest.main(["-q", "-x", {test!r}]) if clipstitch.__file__.startswith({folder!r}) else "not the copy")
"""


class AssignedMutant(NamedTuple):
    """A mutant, and the test module that detects it."""

    mutant: Mutant
    test: str


def _mutant(name: str, module: str, old: str, new: str, test: str) -> AssignedMutant:
    return AssignedMutant(Mutant(name, ((module, old, new),)), test)


TESTED_MUTANTS = (
    _mutant(
        "a versioned bucket is trusted at the second call",
        STORE,
        "            if self._objects.is_versioned(self._bucket):\n",
        ("            self._unversioned.add(self._bucket)\n            if self._objects.is_versioned(self._bucket):\n"),
        _USE_CASES + "test_doubtful_messages.py",
    ),
    _mutant(
        "suspended versioning counts as none",
        OSS,
        "get_bucket_versioning().status is not None",
        'get_bucket_versioning().status == "Enabled"',
        _ADAPTERS + "test_oss_answers.py",
    ),
    _mutant(
        "chapters beside the output are not looked at",
        PUBLISH,
        "for found in (conflict, _sidecar_conflict(plan, context)):",
        "for found in (conflict,):",
        _USE_CASES + "test_files_beside_an_output.py",
    ),
    _mutant(
        "a claim gives no time to start the step",
        DECIDE,
        "if fact.kind in (FAILED_TRANSIENTLY, CLAIMED)), default=None)",
        "if fact.kind == FAILED_TRANSIENTLY), default=None)",
        "tests/unit/jobs/test_decide.py",
    ),
    _mutant(
        "of two jobs of a second one is newer",
        "common/identifiers.py",
        'return job_id.partition("-")[0] > than.partition("-")[0]',
        "return job_id > than",
        "tests/unit/common/test_identifiers.py",
    ),
    _mutant(
        "a failed task of the job fails any of its steps",
        COMPLETE,
        "context.store.step_of_task(task) != (job.id, step.number)",
        '(context.store.step_of_task(task) or ("",))[0] != job.id',
        _USE_CASES + "test_doubtful_messages.py",
    ),
    _mutant(
        "the uploads of an event after one that fails are not submitted",
        "usecases/submit.py",
        "            errors.append(error)\n",
        "            errors.append(error)\n            break\n",
        _USE_CASES + "test_doubtful_messages.py",
    ),
    _mutant(
        "the place of the search is kept only when it is through",
        SWEEP,
        "            progress.places[_MANIFESTS] = batch[-1].ref.key\n            progress.begin",
        "            progress.begin",
        _USE_CASES + "test_lost_uploads.py",
    ),
    _mutant(
        "jobs of yesterday are unknown to the search",
        SWEEP,
        'day, after = since.date(), f"{since:%Y%m%dT%H%M%SZ}"',
        'day, after = now.date(), ""',
        _USE_CASES + "test_lost_uploads.py",
    ),
    _mutant(
        "open jobs without facts are unknown to the search",
        SWEEP,
        "known, now = set(this.open_jobs), this",
        "known, now = set[str](), this",
        _USE_CASES + "test_lost_uploads.py",
    ),
    _mutant(
        "the case of an ETag is kept",
        OSS,
        "return etag.strip('\"').upper()",
        "return etag.strip('\"')",
        _ADAPTERS + "test_oss_answers.py",
    ),
)


def is_detected(tested: AssignedMutant) -> bool:
    """Return True if the test fails with the mutant; raise `RuntimeError` if it could not be run."""
    with tempfile.TemporaryDirectory() as folder:
        apply_mutant(tested.mutant, Path(folder))
        run = _RUN.format(folder=folder, test=tested.test)
        done = subprocess.run(
            [sys.executable, "-c", run],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": folder, "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode > 1 or (done.returncode == 1) != (FAILURES in done.stdout):
        raise RuntimeError(f"{tested.mutant.name}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.returncode == 1


def main() -> int:
    """Print one row of a Markdown table for each mutant; return 1 if one was not detected, else 0."""
    missed = 0
    for tested in TESTED_MUTANTS:
        detected = is_detected(tested)
        missed += not detected
        sys.stdout.write(f"| {tested.mutant.name} | {f'`{tested.test}`' if detected else 'NOT DETECTED'} |\n")
        sys.stdout.flush()
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
