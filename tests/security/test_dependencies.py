"""Dependencies: each is pinned to one version, installed in that version, and only pinned packages are deployed."""

import re
from importlib.metadata import distribution, distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import build
from tests.audit import EXIT_NOT_AUDITED, EXIT_SAFE, EXIT_VULNERABLE, format_audit, parse_pins, parse_report

ROOT = Path(__file__).parents[2]
CONSTRAINTS = (ROOT / "constraints.txt").read_text("utf-8")
LINES = [Requirement(line) for line in CONSTRAINTS.splitlines()]
DEPLOYED = sorted(package.distribution for package in build.PACKAGES.values())
UNPINNED = {"clipstitch", "pip", "setuptools", "wheel"}  # the product itself, and installers
# Only client-side encryption uses them; see build.py.
LEFT_OUT = {"pycryptodome", "cryptography", "cffi", "aliyun-python-sdk-core", "aliyun-python-sdk-kms", "crcmod"}


@pytest.mark.parametrize("name", DEPLOYED)
def test_a_deployed_package_is_pinned_to_one_version(name: str) -> None:
    """The pin is an exact version, without an environment marker and without a URL."""
    (pin,) = [line for line in LINES if canonicalize_name(line.name) == canonicalize_name(name)]

    assert re.fullmatch(r"==[0-9][0-9a-z.]*", str(pin.specifier))
    assert pin.marker is None
    assert pin.url is None


@pytest.mark.parametrize("name", DEPLOYED)
def test_the_requirements_of_a_deployed_package_are_deployed(name: str) -> None:
    """Each requirement is deployed too, or listed as left out."""
    requirements = [Requirement(text) for text in distribution(name).requires or ()]
    needed = {
        canonicalize_name(one.name) for one in requirements if one.marker is None or one.marker.evaluate({"extra": ""})
    }

    assert set() == needed - set(map(canonicalize_name, DEPLOYED)) - LEFT_OUT


def test_each_constraint_is_an_exact_version_without_an_address() -> None:
    """No version range, no URL, no extra, no option of pip."""
    assert [] == [str(line) for line in LINES if not str(line.specifier).startswith("==") or line.url or line.extras]
    assert not re.search(r"https?:|git\+|^-", CONSTRAINTS, re.MULTILINE)


def test_each_installed_package_has_its_pinned_version() -> None:
    """All distributions of this environment, including indirect requirements."""
    pins = {canonicalize_name(pin.name): str(pin.specifier) for pin in parse_pins(CONSTRAINTS)}
    installed = {canonicalize_name(found.name): f"=={found.version}" for found in distributions()}
    pinnable = {name: version for name, version in installed.items() if name not in UNPINNED}

    assert {} == {name: version for name, version in pinnable.items() if pins.get(name) != version}


CLEAN = {"name": "a", "version": "1", "vulns": []}
VULNERABLE = {"name": "b", "version": "2", "vulns": [{"id": "PYSEC-1"}, {"id": "PYSEC-2"}]}
UNKNOWN = {"name": "c", "skip_reason": "Dependency not found on PyPI"}


@pytest.mark.parametrize(
    ("packages", "code", "message"),
    [
        ([CLEAN], EXIT_SAFE, "1 pins, 1 checked, 0 with"),
        ([CLEAN, VULNERABLE], EXIT_VULNERABLE, "b 2: PYSEC-1, PYSEC-2"),
        ([CLEAN, UNKNOWN], EXIT_SAFE, "the package index has no data for them: c"),
        ([VULNERABLE, UNKNOWN], EXIT_VULNERABLE, "b 2: PYSEC-1"),
        ([UNKNOWN, UNKNOWN], EXIT_NOT_AUDITED, "NOT AUDITED"),
    ],
)
def test_an_audit_without_an_answer_is_not_reported_as_clean(
    packages: list[dict[str, Any]], code: int, message: str
) -> None:
    """`make audit` reports the case by its message and by its exit code."""
    audit = parse_report({"dependencies": packages})

    assert code == audit.exit_code
    assert message in format_audit(audit)
