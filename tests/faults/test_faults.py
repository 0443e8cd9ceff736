"""A small run with injected faults; `make faults` makes a long one."""

from pathlib import Path

from tests.faults.invariants import check_invariants
from tests.faults.run import RunOptions, run


def test_no_manifest_is_lost_or_duplicated_under_faults_and_kills(tmp_path: Path) -> None:
    """Thirty manifests, with injected faults and two kills, all end exactly once in the expected state."""
    result = run(RunOptions(manifests=30, seed=1, kills=2), tmp_path)
    try:
        findings = check_invariants(result)
    finally:
        result.cloud.close()

    assert () == findings.violations
    assert (0, 0, {}) == (findings.lost, findings.duplicated, findings.races)
    assert 30 == len({upload.manifest.key for upload in result.uploads})
    assert findings.states["succeeded"] >= 24
    assert sum(result.kills.values()) >= 2
    assert {"event", "message", "request", "connection", "task", "instance"} == {
        kind.partition(" ")[0] for kind in result.cloud.fault_counts
    }
