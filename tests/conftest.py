"""Fixtures of all rings: a sealed environment, and one local cloud for each test process that needs it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from localyun.server import LocalCloud

ROOT = Path(__file__).resolve().parent.parent
SEALED = ("ALIBABA_", "OSS_", "MNS_", "IMM_", "FC_", "CLIPSTITCH_")

settings.register_profile("desk", max_examples=60, deadline=None, database=None)
settings.register_profile(
    "ci", max_examples=200, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("ci" if os.environ.get("CI") else "desk")


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
