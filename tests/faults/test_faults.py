"""One small voyage in every test run; `make weather` makes the long one."""

from pathlib import Path

from tests.faults.invariants import judge
from tests.faults.run import Course, sail


def test_no_manifest_is_lost_whatever_the_weather(tmp_path: Path) -> None:
    """Thirty manifests in bad weather, the cloud killed twice: all end once, and sound, as they should."""
    landfall = sail(Course(manifests=30, seed=1, kills=2), tmp_path)
    try:
        findings = judge(landfall)
    finally:
        landfall.house.close()

    assert () == findings.violations
    assert (0, 0, {}) == (findings.lost, findings.doubled, findings.windows)
    assert 30 == len({upload.manuscript.key for upload in landfall.uploads})
    assert findings.states["succeeded"] >= 24
    assert sum(landfall.kills.values()) >= 2
    assert {"event", "message", "call", "task", "instance"} == {
        kind.partition(" ")[0] for kind in landfall.house.counts
    }
