"""Fixtures of all rings: a sealed environment, and one local cloud for each test process that needs it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from localyun.server import LocalCloud

ROOT = Path(__file__).resolve().parent.parent
SEALED = ("ALIBABA_", "OSS_", "MNS_", "IMM_", "FC_", "CLIPSTITCH_")

# The one place that keeps what the seal takes away: the contract's opt-in mark `cloud` needs it, and nothing else does.
_BEFORE_SEALING = {name: value for name, value in os.environ.items() if name.startswith(SEALED)}

settings.register_profile("desk", max_examples=60, deadline=None, database=None)
settings.register_profile(
    "ci", max_examples=200, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("ci" if os.environ.get("CI") else "desk")


def pytest_configure(config: pytest.Config) -> None:
    """Register our opt-in mark."""
    config.addinivalue_line(
        "markers", "cloud: proves the contract on an account; only by `-m cloud`, see docs/settings.md"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what was not asked for by name."""
    if "cloud" in str(config.getoption("markexpr")):
        return
    unasked = [item for item in items if item.get_closest_marker("cloud")]
    items[:] = [item for item in items if not item.get_closest_marker("cloud")]
    config.hook.pytest_deselected(items=unasked)


@pytest.fixture(scope="session")
def account_environment() -> dict[str, str]:
    """Return the account that whoever runs `-m cloud` has named."""
    return _BEFORE_SEALING


@pytest.fixture(autouse=True)
def _sealed(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the developer's credentials or region."""
    for name in [name for name in os.environ if name.startswith(SEALED)]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def cloud_environment() -> Iterator[dict[str, str]]:
    """Run the local cloud of this checkout, and say how to reach it."""
    with LocalCloud(ROOT) as endpoints:
        functions = {config.name: config for config in endpoints.deployment.functions}
        submit = functions["clipstitch-submit"].environment
        ours = {name: value for name, value in submit.items() if name.startswith("CLIPSTITCH_")}
        yield {**ours, **endpoints.environment()}
