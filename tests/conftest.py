"""Shared fixtures: no cloud variables in the environment, and one local cloud per test process that needs it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from localyun.server import Endpoints, LocalCloud

ROOT = Path(__file__).resolve().parent.parent
CLOUD_VARIABLE_PREFIXES = ("ALIBABA_", "OSS_", "MNS_", "IMM_", "FC_", "CLIPSTITCH_")

# Tests with the opt-in mark `cloud` need the variables that `_no_cloud_variables` removes. Nothing else reads them.
_CLOUD_VARIABLES = {name: value for name, value in os.environ.items() if name.startswith(CLOUD_VARIABLE_PREFIXES)}

settings.register_profile("local", max_examples=60, deadline=None, database=None)
settings.register_profile(
    "ci", max_examples=200, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("ci" if os.environ.get("CI") else "local")


def pytest_configure(config: pytest.Config) -> None:
    """Register the opt-in mark `cloud`."""
    config.addinivalue_line(
        "markers", "cloud: runs the contract tests on a real account; only with `-m cloud`, see docs/settings.md"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect tests marked `cloud` unless the mark expression names the mark."""
    if "cloud" in str(config.getoption("markexpr")):
        return
    deselected = [item for item in items if item.get_closest_marker("cloud")]
    items[:] = [item for item in items if not item.get_closest_marker("cloud")]
    config.hook.pytest_deselected(items=deselected)


@pytest.fixture(scope="session")
def account_environment() -> dict[str, str]:
    """Return the cloud variables with which pytest was started."""
    return _CLOUD_VARIABLES


@pytest.fixture(autouse=True)
def _no_cloud_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the developer's credentials and region from every test."""
    for name in [name for name in os.environ if name.startswith(CLOUD_VARIABLE_PREFIXES)]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def cloud_environment() -> Iterator[dict[str, str]]:
    """Run the local cloud of this checkout, and return the variables with which the product connects to it."""
    with LocalCloud(ROOT) as endpoints:
        yield product_environment(endpoints)


def product_environment(endpoints: Endpoints) -> dict[str, str]:
    """Return the variables with which the product connects to a local cloud."""
    functions = {config.name: config for config in endpoints.deployment.functions}
    deployed = functions["clipstitch-submit"].environment
    settings_variables = {name: value for name, value in deployed.items() if name.startswith("CLIPSTITCH_")}
    return {**settings_variables, **endpoints.environment()}
